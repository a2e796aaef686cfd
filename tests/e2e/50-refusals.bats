#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2153 # PORT and MOUNT_LOG are the helpers', set in each test
# A mount that cannot be: one line that says what and why, an exit status, nothing mounted, in time.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	load_maildir u1 "$SAMPLE"
}

teardown_file() {
	file_end
}

teardown() {
	unmount_all
}

# try SECONDS SOURCE [OPTION...]: a mount with timeout=3 that must fail within SECONDS.
try() {
	local limit=$(($1 * PATIENCE)) started elapsed
	shift
	started=$(now_ms)
	status=0
	mount_imapfs "$1" "$FILE_DIR/mnt" timeout=3 "${@:2}" || status=$?
	elapsed=$(($(now_ms) - started))
	[ $elapsed -le $((limit * 1000)) ] || {
		echo "took $elapsed ms" >&2
		return 1
	}
}

closed_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

@test "wrong password" {
	try 4 "$(dovecot_url)" "password_file=$FILE_DIR/pw-wrong"
	refused "$FILE_DIR/mnt" 'password|log ?in|authent|credential'
	none grep -q wrong$ "$MOUNT_LOG"
}

@test "unknown user" {
	try 4 "imaps://nobody-here@localhost:$IMAPS_PORT/"
	refused "$FILE_DIR/mnt" 'password|log ?in|authent|credential'
}

@test "login refused for the moment" {
	server_scripted --tls-dir "$TLS_DIR" --refuse-login 'NO [UNAVAILABLE] the backend sleeps'
	try 5 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'backend sleeps'
}

@test "unknown host" {
	try 5 "imaps://u1@no-such-host.invalid/"
	refused "$FILE_DIR/mnt" 'resol|unknown|not known|no such|found|no address'
	grep -q 'no-such-host\.invalid' "$MOUNT_LOG"
}

@test "refused port" {
	local port
	port=$(closed_port)
	try 4 "imaps://u1@localhost:$port/"
	refused "$FILE_DIR/mnt" "refused"
	grep -q "$port" "$MOUNT_LOG"
}

@test "a certificate of an authority nobody trusts" {
	server_scripted --tls-dir "$TLS_DIR" --cert untrusted
	try 4 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'certificate'
	[ ! -s "$SCRIPTED_LOG" ]
}

@test "a certificate for another name" {
	server_scripted --tls-dir "$TLS_DIR" --cert wrong-name
	try 4 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'certificate.*(name|localhost)|(name|localhost).*certificate'
	[ ! -s "$SCRIPTED_LOG" ]
}

@test "a certificate whose time is over" {
	server_scripted --tls-dir "$TLS_DIR" --cert expired
	try 4 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'certificate.*expired|expired.*certificate'
	[ ! -s "$SCRIPTED_LOG" ]
}

@test "a bad certificate behind STARTTLS" {
	server_scripted --tls-dir "$TLS_DIR" --starttls --cert wrong-name
	try 4 "imap://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'certificate'
	none grep -qE 'LOGIN|AUTHENTICATE' "$SCRIPTED_LOG"
}

@test "the system's authorities do not know the test's" {
	status=0
	mkdir -p "$FILE_DIR/mnt"
	timeout 20 "$IMAPFS" "$(dovecot_url)" "$FILE_DIR/mnt" \
		-o "timeout=3,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-system" \
		>"$FILE_DIR/mount-mnt.log" 2>&1 </dev/null 3>&- || status=$?
	MOUNT_LOG=$FILE_DIR/mount-mnt.log
	refused "$FILE_DIR/mnt" 'certificate'
}

@test "a pinned fingerprint: the wrong one is refused, the right one replaces the checks" {
	local pin
	server_scripted --tls-dir "$TLS_DIR" --cert untrusted
	pin=$(openssl x509 -in "$TLS_DIR/untrusted.crt" -outform DER | sha256sum | cut -d' ' -f1)
	try 4 "imaps://u1@localhost:$PORT/" "tls_fingerprint=sha256:${pin/[0-9a-f]/0}0"
	refused "$FILE_DIR/mnt" 'fingerprint'
	try 4 "imaps://u1@localhost:$PORT/" "tls_fingerprint=sha256:$(tr 0-9a-f 1-9a-f0 <<<"$pin")"
	refused "$FILE_DIR/mnt" 'fingerprint|certificate'
	mount_imapfs "imaps://u1@localhost:$PORT/" "$FILE_DIR/mnt" ro "tls_fingerprint=sha256:$pin"
	[ -d "$FILE_DIR/mnt/INBOX" ]
}

@test "silence instead of a greeting" {
	server_scripted --tls-dir "$TLS_DIR" --hang-at greeting
	try 6 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'time|silen|answer|greet'
}

@test "silence instead of a TLS handshake" {
	server_scripted --hang-at greeting
	try 6 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'time|silen|answer|TLS'
}

@test "silence after the password" {
	server_scripted --tls-dir "$TLS_DIR" --hang-at login
	# Each mechanism may be given five seconds before the next is tried.
	try 9 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'time|silen|answer|log ?in'
}

@test "a host that answers nothing at all" {
	# A full backlog: nobody accepts.
	python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
full = [socket.socket() for _ in range(4)]
for c in full:
    c.setblocking(False); c.connect_ex(s.getsockname())
print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$FILE_DIR/full" 3>&- &
	echo $! >>"$FILE_DIR/pids"
	wait_for 5 test -s "$FILE_DIR/full"
	try 6 "imaps://u1@localhost:$(cat "$FILE_DIR/full")/"
	refused "$FILE_DIR/mnt" 'time|silen|answer'
}

@test "not a mail server, in the clear" {
	server_scripted --not-mail
	try 5 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'TLS|not an? (IMAP|mail)'
}

@test "not a mail server, behind TLS" {
	server_scripted --tls-dir "$TLS_DIR" --not-mail
	try 5 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" '(not|no) .*(IMAP|mail)'
}

@test "a plain IMAP port spoken to in TLS, and the other way round" {
	try 5 "imaps://u1@localhost:$IMAP_PORT/"
	refused "$FILE_DIR/mnt" 'TLS'
	try 6 "imap://u1@localhost:$IMAPS_PORT/"
	refused "$FILE_DIR/mnt" 'TLS|answer|time|silen|greet'
}

@test "a greeting that says BYE" {
	server_scripted --tls-dir "$TLS_DIR" --greeting '* BYE closed for cleaning'
	try 5 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'closed for cleaning'
}

@test "a connection that ends at once" {
	server_scripted --tls-dir "$TLS_DIR" --close-after 1
	try 5 "imaps://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'clos|ended|hung up|gone|lost|reset'
}

@test "an endless greeting" {
	server_scripted --tls-dir "$TLS_DIR" --greeting "* OK $(printf 'x%.0s' {1..100000})"
	try 6 "imaps://u1@localhost:$PORT/"
	# To take it is fine; to hang or fall is not.
	[ "$status" -eq 0 ] || refused "$FILE_DIR/mnt" 'long|line|limit|greeting'
}

@test "imap:// without STARTTLS on the server: the password is not sent" {
	server_scripted
	try 5 "imap://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'STARTTLS|TLS'
	none grep -qE 'LOGIN|AUTHENTICATE' "$SCRIPTED_LOG"
}

@test "PREAUTH before STARTTLS is not believed" {
	server_scripted --tls-dir "$TLS_DIR" --starttls --preauth
	try 5 "imap://u1@localhost:$PORT/"
	refused "$FILE_DIR/mnt" 'PREAUTH|STARTTLS|TLS'
	none grep -qE 'LIST|EXAMINE' "$SCRIPTED_LOG"
}

@test "what is said in the clear behind STARTTLS' OK is not believed" {
	server_scripted --tls-dir "$TLS_DIR" --starttls --inject-after-starttls
	try 5 "imap://u1@localhost:$PORT/"
	if [ "$status" -eq 0 ]; then
		grep -qE 'LOGIN|AUTHENTICATE' "$SCRIPTED_LOG"
	else
		refused "$FILE_DIR/mnt" 'STARTTLS|TLS|clear'
	fi
}

@test "tls=off is for loopback alone" {
	# An address for documentation (RFC 5737): refused before anything is sent.
	try 2 "imap://u1@192.0.2.1/" tls=off
	refused "$FILE_DIR/mnt" 'tls=off|loopback'
	server_scripted
	mount_imapfs "imap://u1@localhost:$PORT/" "$FILE_DIR/mnt" ro tls=off
	[ -d "$FILE_DIR/mnt/INBOX" ]
}

@test "a password in the URL" {
	try 2 "imaps://u1:secret99@localhost:$IMAPS_PORT/"
	refused "$FILE_DIR/mnt" 'password'
	none grep -q secret99 "$MOUNT_LOG"
}

@test "a password file that others can read" {
	cp "$FILE_DIR/pw1" "$FILE_DIR/pw-open"
	chmod 644 "$FILE_DIR/pw-open"
	try 2 "$(dovecot_url)" "password_file=$FILE_DIR/pw-open"
	refused "$FILE_DIR/mnt" '0600|mode|permission|read'
}

@test "no password file, and a command that fails" {
	try 2 "$(dovecot_url)" "password_file=$FILE_DIR/not-there"
	refused "$FILE_DIR/mnt" 'not-there'
	status=0
	mkdir -p "$FILE_DIR/mnt"
	MOUNT_LOG=$FILE_DIR/mount-mnt.log
	timeout 20 "$IMAPFS" "$(dovecot_url)" "$FILE_DIR/mnt" -o \
		"timeout=3,ca_file=$CA_FILE,password_command=exit 3,cache_dir=$FILE_DIR/cache-mnt" \
		>"$MOUNT_LOG" 2>&1 </dev/null 3>&- || status=$?
	refused "$FILE_DIR/mnt" 'password_command|command'
}

@test "a password from a command" {
	local mnt=$FILE_DIR/command
	mkdir -p "$mnt"
	echo "$mnt" >>"$FILE_DIR/mounts"
	timeout 20 "$IMAPFS" "$(dovecot_url)" "$mnt" -o \
		"ro,ca_file=$CA_FILE,password_command=cat $FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-command" \
		</dev/null 3>&-
	[ -d "$mnt/INBOX" ]
}

@test "a mailbox in the URL that does not exist" {
	try 4 "$(dovecot_url No/Such/Box)"
	refused "$FILE_DIR/mnt" 'No/Such/Box|no such|exist'
}

@test "a mount point that is none" {
	status=0
	MOUNT_LOG=$FILE_DIR/mount-none.log
	timeout 20 "$IMAPFS" "$(dovecot_url)" "$FILE_DIR/not/there" -o \
		"ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-none" \
		>"$MOUNT_LOG" 2>&1 </dev/null 3>&- || status=$?
	refused "$FILE_DIR/not/there" 'not/there'
}

@test "a mount point that has an account already" {
	local mnt=$FILE_DIR/taken
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	run mount_imapfs "$(dovecot_url)" "$mnt" ro "cache_dir=$FILE_DIR/cache-above"
	[ "$status" -ne 0 ]
	[[ $output == *already* ]]
	equal "$(grep -c . <<<"$output")" 1
	equal "$(grep -cF " $mnt " /proc/self/mountinfo)" 1
	# A mailbox of it is a place like any other, for whom it need not be writable.
	[ "$(id -u)" = 0 ] || return 0
	mount_imapfs "$(dovecot_url)" "$mnt/INBOX" ro "cache_dir=$FILE_DIR/cache-above"
	[ -d "$mnt/INBOX/INBOX" ]
	unmount_imapfs "$mnt/INBOX"
}

@test "a cache directory that another mount has" {
	mount_imapfs "$(dovecot_url)" "$FILE_DIR/first" ro "cache_dir=$FILE_DIR/shared"
	try 6 "$(dovecot_url)" "cache_dir=$FILE_DIR/shared"
	refused "$FILE_DIR/mnt" 'in use.*cache_dir'
}

@test "what fusermount3 says is part of the one line" {
	[ "$(id -u)" != 0 ] || skip "root may do it"
	none grep -q '^user_allow_other' /etc/fuse.conf || skip "allowed here"
	try 4 "$(dovecot_url)" allow_other
	refused "$FILE_DIR/mnt" 'user_allow_other'
}

@test "whoever asked for the mount is stopped: the rest stops too" {
	local mnt=$FILE_DIR/stopped starter
	mkdir -p "$mnt"
	for signal in TERM HUP KILL; do
		"$IMAPFS" "$(dovecot_url)" "$mnt" -o \
			"ca_file=$CA_FILE,password_command=sleep 1; cat $FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-stopped" \
			</dev/null >/dev/null 2>&1 3>&- &
		starter=$!
		wait_for 5 pgrep -x -P "$starter" imapfs
		kill "-$signal" "$starter"
		wait_for 5 no_daemon "$mnt"
		not_mounted "$mnt"
	done
}

@test "without descriptors 0 to 2, HOME and XDG directories" {
	local mnt=$FILE_DIR/bare
	mkdir -p "$mnt"
	echo "$mnt" >>"$FILE_DIR/mounts"
	"$IMAPFS" "$(dovecot_url)" "$mnt" -o \
		"ro,ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-bare" <&- >&- 2>&- 3>&-
	[ -d "$mnt/INBOX" ]
	equal "$(readlink "/proc/$(daemon_pid "$mnt")/fd/2")" /dev/null
	unmount_imapfs "$mnt"
	# The home is then that of the user database; a state directory of ours keeps the test out of it.
	env -u HOME -u XDG_CACHE_HOME -u XDG_CONFIG_HOME "$IMAPFS" "$(dovecot_url)" "$mnt" -o \
		"ro,ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-bare" </dev/null 3>&-
	[ -d "$mnt/INBOX" ]
}

@test "from a directory that is gone: whole paths work, others are refused with the reason" {
	local mnt=$FILE_DIR/nowhere
	mkdir -p "$mnt" "$FILE_DIR/gone"
	echo "$mnt" >>"$FILE_DIR/mounts"
	cd "$FILE_DIR/gone"
	rmdir "$FILE_DIR/gone"
	run "$IMAPFS" "$(dovecot_url)" "$mnt" -o "ro,password_file=pw1,ca_file=$CA_FILE"
	[ "$status" -ne 0 ]
	[[ $output == *'working directory'* ]]
	"$IMAPFS" "$(dovecot_url)" "$mnt" -o \
		"ro,ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-nowhere" </dev/null 3>&-
	cd "$FILE_DIR"
	[ -d "$mnt/INBOX" ]
}

@test "a source that is none, an option that is none, no arguments" {
	try 2 "http://localhost/"
	refused "$FILE_DIR/mnt" 'http|source'
	try 2 "$(dovecot_url)" no_such_option
	refused "$FILE_DIR/mnt" 'no_such_option'
	run "$IMAPFS"
	[ "$status" -ne 0 ]
	[[ $output == *SOURCE* || $output == *usage* || $output == *Usage* ]]
}

@test "--help and --version" {
	run -0 "$IMAPFS" --help
	[[ $output == *SOURCE* && $output == *MOUNTPOINT* ]]
	run -0 "$IMAPFS" --version
	[[ $output == *imapfs* ]]
}

@test "after all that, the right way works" {
	mount_imapfs "$(dovecot_url)" "$FILE_DIR/mnt" ro
	[ -d "$FILE_DIR/mnt/INBOX" ]
}
