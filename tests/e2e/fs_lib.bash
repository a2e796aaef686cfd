# shellcheck shell=bash
# The filesystem layer alone: mounted over a store in memory (tests/support/fake_store.h).

# Compiled here: the release build has no tests, and what is tested is the tree as it is.
fake_build() {
	FAKE=$FILE_DIR/fake_mount
	export FAKE
	# shellcheck disable=SC2046 # flags are words
	cc -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -g -O1 "-fsanitize=${IMAPFS_FAKE_SANITIZE:-address,undefined}" -fno-sanitize-recover=undefined \
		-I"$TREE/src" -I"$TREE/include" -I"$SUPPORT" -o "$FAKE" \
		"$SUPPORT"/fake_mount.c "$SUPPORT"/fake_store.c "$TREE"/src/fs/*.c "$TREE"/src/util/*.c "$TREE"/src/imap/date.c \
		$(pkg-config --cflags --libs fuse3 jansson libcrypto) -lpthread
}

# fake_start DIR [OPTION...]: sets FAKE_PID, FAKE_LOG; commands go to descriptor 7.
fake_start() {
	local dir=$1
	shift
	mkdir -p "$dir"
	FAKE_LOG=$FILE_DIR/fake.log FAKE_OUT=$FILE_DIR/fake.out
	rm -f "$FILE_DIR/fake.in"
	mkfifo "$FILE_DIR/fake.in"
	"$FAKE" "$@" "$dir" <"$FILE_DIR/fake.in" >"$FAKE_OUT" 2>"$FAKE_LOG" 3>&- &
	FAKE_PID=$!
	echo "$FAKE_PID" >>"$FILE_DIR/pids"
	exec 7>"$FILE_DIR/fake.in"
	wait_for 10 grep -q ready "$FAKE_OUT" || {
		cat "$FAKE_LOG" >&2
		return 1
	}
}

# The daemon ends, cleanly (a sanitizer's finding is not clean), and nothing stays mounted.
fake_end() { # fake_end DIR
	local status=0
	exec 7>&-
	wait_for 10 fake_has_ended || {
		kill -KILL "$FAKE_PID"
		return 1
	}
	wait "$FAKE_PID" || status=$?
	[ $status -eq 0 ] || {
		tail -40 "$FAKE_LOG" >&2
		return 1
	}
	not_mounted "$1"
}

fake_has_ended() {
	case $(ps -o stat= -p "$FAKE_PID") in '' | Z*) ;; *) return 1 ;; esac
}

fake_command() { # fake_command WORD...: and waits until it has been done
	local before
	before=$(wc -l <"$FAKE_OUT")
	echo "$*" >&7
	wait_for 5 fake_answered "$before" || return 1
	[ "$(tail -1 "$FAKE_OUT")" = ok ]
}

fake_answered() {
	[ "$(wc -l <"$FAKE_OUT")" -gt "$1" ]
}

fake_content() { # fake_content UID SIZE
	"$FAKE" --content "$1" "$2"
}

# requests_of NAME COMMAND...: how many requests (of opcode NAME, or all with '') the command makes. Needs --debug.
requests_of() {
	local name=$1 from
	shift
	from=$(wc -l <"$FAKE_LOG")
	"$@" >/dev/null || return 1
	tail -n +$((from + 1)) "$FAKE_LOG" | grep -c "opcode: $name" || true
}
