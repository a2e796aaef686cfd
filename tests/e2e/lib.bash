# shellcheck shell=bash
# What every end-to-end test file loads: servers, mounts, waits.
#
# A file starts what it needs in setup_file and undoes it in teardown_file (server_* and mount_imapfs
# register themselves). Waits have deadlines; nothing sleeps for luck. Daemons never inherit bats' descriptor 3.

bats_require_minimum_version 1.5.0

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SUPPORT=$TREE/tests/support
# shellcheck disable=SC2034 # for the test files
SAMPLE=$TREE/tests/data/sample-mail
IMAPFS_BIN=${IMAPFS_BIN:-$TREE/build/release/bin}
IMAPFS=$IMAPFS_BIN/imapfs
# shellcheck disable=SC2034 # for the test files
CORPUS=${IMAPFS_CORPUS:-$TREE/../shared/corpus}
export PYTHONDONTWRITEBYTECODE=1

# What the tests allow a waiting program: multiplied on slow machines.
PATIENCE=${IMAPFS_TEST_PATIENCE:-1}

# ---- places ----------------------------------------------------------------------------------

# Directories of a file (FILE_DIR) and of a test (TEST_DIR). Servers run as another user when the tests
# are root's, so every directory above theirs must be passable.
file_begin() {
	[ -x "$IMAPFS" ] || {
		echo "no program at $IMAPFS: scripts/build" >&2
		return 1
	}
	[ -w /dev/fuse ] || skip "/dev/fuse cannot be opened"
	FILE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/imapfs-e2e.XXXXXX")
	chmod 755 "$FILE_DIR"
	export FILE_DIR
	export TLS_DIR=$FILE_DIR/tls CA_FILE=$FILE_DIR/tls/ca.crt PROBE=$FILE_DIR/fsprobe
	"$SUPPORT/certs" "$TLS_DIR"
	cc -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -o "$PROBE" "$SUPPORT/fsprobe.c"
	private_homes "$FILE_DIR/home"
	printf 'pw1\n' >"$FILE_DIR/pw1"
	printf 'wrong\n' >"$FILE_DIR/pw-wrong"
	chmod 600 "$FILE_DIR/pw1" "$FILE_DIR/pw-wrong"
	: >"$FILE_DIR/mounts"
	: >"$FILE_DIR/pids"
}

# Nothing of the person who runs the tests is read or written.
private_homes() { # private_homes DIR
	mkdir -p "$1"
	export HOME=$1 XDG_CACHE_HOME=$1/cache XDG_STATE_HOME=$1/state XDG_CONFIG_HOME=$1/config
	export XDG_RUNTIME_DIR=$1/run
	mkdir -p -- "$XDG_RUNTIME_DIR"
	chmod 700 "$XDG_RUNTIME_DIR"
}

file_end() {
	[ -n "${FILE_DIR:-}" ] || return 0
	local pid

	unmount_all
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$FILE_DIR/pids"
	local dir
	for dir in "$FILE_DIR"/dovecot*; do
		[ ! -d "$dir" ] || "$SUPPORT/dovecot" stop "$dir" 3>&- || true
	done
	if [ -n "${IMAPFS_TEST_KEEP:-}" ]; then
		echo "# kept: $FILE_DIR" >&3
	else
		# Copies of a read-only mount are read-only.
		chmod -R u+rwX "$FILE_DIR"
		rm -rf "$FILE_DIR"
	fi
}

# ---- waiting ---------------------------------------------------------------------------------

# wait_for SECONDS COMMAND...: until it succeeds; fails, and says so, at the deadline.
wait_for() {
	local seconds=$(($1 * PATIENCE)) deadline
	shift
	deadline=$(($(now_ms) + seconds * 1000))
	until "$@" >/dev/null 2>&1; do
		if [ "$(now_ms)" -ge "$deadline" ]; then
			echo "not within $seconds s: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# within SECONDS COMMAND...: runs it; its status, or 124 with a message when it takes longer. Killed for
# good a moment later, so that a reader stuck in the kernel fails this test and not the next.
within() {
	local seconds=$(($1 * PATIENCE)) status=0
	shift
	timeout --kill-after=2 "$seconds" "$@" || status=$?
	[ "$status" -lt 124 ] || echo "took more than $seconds s, or was killed ($status): $*" >&2
	return "$status"
}

# ---- servers ---------------------------------------------------------------------------------

server_dovecot() { # server_dovecot NAME [OPTIONS]: sets IMAP_PORT, IMAPS_PORT, MAIL_DIR, DOVECOT_DIR
	local dir=$FILE_DIR/$1
	shift
	mkdir -p "$dir"
	# One authority for all servers of a file.
	[ -e "$dir/tls" ] || cp -r "$TLS_DIR" "$dir/tls"
	"$SUPPORT/dovecot" start "$dir" "$@" 3>&- || return 1
	set -a
	# shellcheck disable=SC1091
	. "$dir/env"
	set +a
}

load_maildir() { # load_maildir USER [OPTIONS] SOURCE...: straight into the running Dovecot's mail
	local user=$1
	shift
	python3 "$SUPPORT/load_mail.py" --maildir "$MAIL_DIR/$user/Maildir" "$@" >&2 &&
		"$SUPPORT/dovecot" own "$DOVECOT_DIR"
}

server_scripted() { # server_scripted [OPTIONS]: sets PORT, SCRIPTED_PID; its log is $SCRIPTED_LOG
	local out
	out=$(mktemp "$FILE_DIR/scripted.XXXXXX")
	SCRIPTED_LOG=$out.log
	export SCRIPTED_LOG
	python3 "$SUPPORT/scripted_server.py" --log "$SCRIPTED_LOG" "$@" >"$out" 2>"$out.err" </dev/null 3>&- &
	SCRIPTED_PID=$!
	export SCRIPTED_PID
	echo "$SCRIPTED_PID" >>"$FILE_DIR/pids"
	wait_for 10 test -s "$out" || {
		cat "$out.err" >&2
		return 1
	}
	PORT=$(head -1 "$out")
	export PORT
}

# The independent client.
imaplib() { # imaplib COMMAND [ARGS]: of tests/support/imaplib_dump.py, as u1
	python3 "$SUPPORT/imaplib_dump.py" --port "$IMAPS_PORT" --ca "$CA_FILE" "$@"
}

# ---- mounts ----------------------------------------------------------------------------------

# mount_imapfs SOURCE DIR [OPTION...]: with the test authority, password and a private cache; an OPTION
# given later wins. What it says is in $MOUNT_LOG. DIR is made. Returns imapfs' own status.
mount_imapfs() {
	local source=$1 dir=$2 options status=0
	shift 2
	mkdir -p "$dir"
	options=ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,timeout=5
	[ $# -eq 0 ] || options=$options,$(
		IFS=,
		echo "$*"
	)
	case ,$options, in *,cache_dir=*) ;; *) options=$options,cache_dir=$FILE_DIR/cache-$(basename "$dir") ;; esac
	MOUNT_LOG=$FILE_DIR/mount-$(basename "$dir").log
	echo "$dir" >>"$FILE_DIR/mounts"
	timeout 60 "$IMAPFS" "$source" "$dir" -o "$options" >"$MOUNT_LOG" 2>&1 </dev/null 3>&- || status=$?
	[ $status -eq 0 ] || cat "$MOUNT_LOG" >&2
	return $status
}

dovecot_url() { # dovecot_url [MAILBOX]
	echo "imaps://u1@localhost:$IMAPS_PORT/${1:-}"
}

is_mounted() { # is_mounted DIR
	grep -qF " $(readlink -m "$1") " /proc/self/mountinfo
}

not_mounted() {
	! is_mounted "$1"
}

# The daemon behind a mount: the imapfs that was given it as an argument.
daemon_pid() { # daemon_pid DIR
	local pid
	for pid in $(pgrep -x imapfs); do
		if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$1"; } 2>/dev/null; then
			echo "$pid"
			return 0
		fi
	done
	return 1
}

no_daemon() {
	! daemon_pid "$1" >/dev/null
}

unmount_imapfs() { # unmount_imapfs DIR: and waits for the daemon to have finished
	fusermount3 -u "$1" || return 1
	wait_for 15 no_daemon "$1"
}

# What a failed test left behind; by force, since it may be what failed.
unmount_all() {
	local dir pid
	[ -f "$FILE_DIR/mounts" ] || return 0
	sort -u "$FILE_DIR/mounts" | while read -r dir; do
		if is_mounted "$dir"; then
			fusermount3 -u "$dir" 2>/dev/null || fusermount3 -u -z "$dir" || true
		fi
		if pid=$(daemon_pid "$dir"); then
			kill "$pid" 2>/dev/null || true
			wait_for 8 no_daemon "$dir" || kill -KILL "$pid" 2>/dev/null || true
		fi
	done
	: >"$FILE_DIR/mounts"
}

# ---- looking ---------------------------------------------------------------------------------

probe() { # probe COMMAND ARGS...: what fsprobe says ("ok ..." or an errno), within ten seconds
	within 10 "$PROBE" "$@"
}

probe_is() { # probe_is EXPECTED COMMAND ARGS...
	local expected=$1 got
	shift
	got=$(probe "$@") || return 1
	[ "$got" = "$expected" ] || {
		echo "fsprobe $*: $got, expected $expected" >&2
		return 1
	}
}

stat_of() { # stat_of FIELD PATH: one value of fsprobe stat
	local got
	got=$(probe stat "$2") || return 1
	case $got in
	"ok "*"$1="*) got=${got#* "$1"=} && echo "${got%% *}" ;;
	*)
		echo "$2: $got" >&2
		return 1
		;;
	esac
}

status_value() { # status_value MOUNT KEY
	sed -n "s/^$2: //p" "$1/.imapfs/status"
}

# In a test `!` does not fail it; this does.
none() { # none COMMAND...: fails when it succeeds
	if "$@"; then
		echo "succeeded, and must not: $*" >&2
		return 1
	fi
}

equal() { # equal GOT EXPECTED [WHAT]
	[ "$1" = "$2" ] || {
		printf '%s: got:\n%s\nexpected:\n%s\n' "${3:-}" "$1" "$2" >&2
		return 1
	}
}

# One line, it says what it must (the URL aside), the program failed, and nothing is mounted: how a mount
# may fail.
refused() { # refused DIR PATTERN
	local lines
	# shellcheck disable=SC2154
	[ "$status" -ne 0 ] || {
		echo "mounted, though it must not" >&2
		return 1
	}
	if [ "$status" -ge 124 ]; then
		echo "ended with $status" >&2
		return 1
	fi
	lines=$(grep -c . "$MOUNT_LOG")
	[ "$lines" -eq 1 ] || {
		echo "$lines lines instead of one:" >&2
		cat "$MOUNT_LOG" >&2
		return 1
	}
	sed -E 's,imaps?://[^ ]*,URL,g' "$MOUNT_LOG" | grep -qiE -- "$2" || {
		echo "the line does not speak of $2:" >&2
		cat "$MOUNT_LOG" >&2
		return 1
	}
	not_mounted "$1" && no_daemon "$1"
}
