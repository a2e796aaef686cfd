#!/usr/bin/env bats
# The server goes away while somebody reads, says nothing more, or comes back.

load lib

# Enough mail that a reader is still reading when the server goes.
COUNT=4000
SIZE=16000
TIMEOUT=3

setup_file() {
	file_begin
	server_dovecot dovecot
	"$SUPPORT/make_mail.py" many "$FILE_DIR/many" $COUNT $SIZE
	load_maildir u1 "$FILE_DIR/many"
	rm -r "$FILE_DIR/many"
	imaplib mail >"$FILE_DIR/mail"
}

teardown_file() {
	file_end
}

setup() {
	"$SUPPORT/dovecot" start "$DOVECOT_DIR" 3>&-
	MNT=$FILE_DIR/mnt-$BATS_TEST_NUMBER
	mount_imapfs "$(dovecot_url)" "$MNT" ro names=uid timeout=$TIMEOUT
	[ "$(find "$MNT/INBOX" -type f | wc -l)" -eq $COUNT ]
}

teardown() {
	if [ -n "${GREP:-}" ]; then kill -KILL "$GREP" 2>/dev/null || true; fi
	"$SUPPORT/dovecot" resume "$DOVECOT_DIR" 2>/dev/null || true
	unmount_all
	rm -rf "$FILE_DIR"/cache-mnt-*
}

# In the background, with Ctrl-C meaning what it means in a terminal. Sets GREP.
start_grep() {
	env --default-signal=INT grep -rc needle "$MNT/INBOX" >"$FILE_DIR/grep" 2>"$FILE_DIR/grep.err" 3>&- &
	GREP=$!
	wait_for 10 test -s "$FILE_DIR/grep"
}

still_reading() {
	kill -0 "$GREP" 2>/dev/null || {
		echo "grep was over before the server went; the test proves nothing" >&2
		return 1
	}
}

grep_ended() {
	! kill -0 "$GREP" 2>/dev/null
}

everything_reads() {
	within 90 "$SUPPORT/compare_mount.py" "$MNT" --names uid <"$FILE_DIR/mail"
}

can_read() { # can_read UID
	within 10 cat "$MNT/INBOX/$1.eml" >/dev/null
}

# One that grep did not get, so neither is it in a cache: reading it takes a connection.
missed_uid() {
	sed -n 's,.*/\([0-9]*\)\.eml: .*,\1,p' "$FILE_DIR/grep.err" | head -1
}

reads_again() {
	local uid
	uid=$(missed_uid)
	[ -n "$uid" ] || uid=1
	wait_for 30 can_read "$uid"
	everything_reads
}

@test "the server is killed while grep -r runs: grep ends in time, and all reads work once it is back" {
	local started
	start_grep
	"$SUPPORT/dovecot" kill "$DOVECOT_DIR"
	still_reading
	started=$(now_ms)
	wait_for $((3 * TIMEOUT)) grep_ended
	echo "grep ended after $(($(now_ms) - started)) ms" >&2
	wait "$GREP" || true
	# It said EIO and nothing else, and gave no wrong counts as if they were right.
	none grep -vE 'Input/output error|input/output error' "$FILE_DIR/grep.err"
	"$SUPPORT/dovecot" start "$DOVECOT_DIR" 3>&-
	reads_again
}

@test "the server is silent while grep -r runs: the same" {
	start_grep
	"$SUPPORT/dovecot" pause "$DOVECOT_DIR"
	still_reading
	wait_for $((3 * TIMEOUT)) grep_ended
	wait "$GREP" || true
	none grep -vE 'Input/output error|input/output error' "$FILE_DIR/grep.err"
	"$SUPPORT/dovecot" resume "$DOVECOT_DIR"
	reads_again
}

@test "Ctrl-C ends a waiting grep at once" {
	local started elapsed
	start_grep
	"$SUPPORT/dovecot" pause "$DOVECOT_DIR"
	still_reading
	# Until it waits for the network: its output stands still.
	wait_for 5 stands_still "$FILE_DIR/grep"
	kill -INT "$GREP"
	started=$(now_ms)
	wait_for 2 grep_ended
	elapsed=$(($(now_ms) - started))
	[ $elapsed -lt $((1000 * PATIENCE)) ] || {
		echo "$elapsed ms" >&2
		return 1
	}
}

has_grown() { # has_grown FILE SIZE
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

stands_still() {
	local before
	before=$(stat -c %s "$1")
	sleep 0.3
	[ "$(stat -c %s "$1")" = "$before" ]
}

@test "what was read before is read while the server is away" {
	local uid
	for uid in 1 2 3; do cat "$MNT/INBOX/$uid.eml"; done >"$FILE_DIR/before"
	"$SUPPORT/dovecot" kill "$DOVECOT_DIR"
	for uid in 1 2 3; do within 2 cat "$MNT/INBOX/$uid.eml"; done | cmp "$FILE_DIR/before"
	within 2 ls -l "$MNT/INBOX" >/dev/null
	within 2 cat "$MNT/.imapfs/status" >/dev/null
}

@test "after the first wait, reads fail at once until the server is back" {
	local started
	"$SUPPORT/dovecot" kill "$DOVECOT_DIR"
	run within $((2 * TIMEOUT + 2)) cat "$MNT/INBOX/$COUNT.eml"
	[ "$status" -eq 1 ]
	[[ $output == *nput/output\ error* ]]
	started=$(now_ms)
	run within 5 cat "$MNT/INBOX/$((COUNT - 100)).eml"
	[ "$status" -eq 1 ]
	[ $(($(now_ms) - started)) -lt $((1000 * PATIENCE)) ]
	"$SUPPORT/dovecot" start "$DOVECOT_DIR" 3>&-
	wait_for 30 can_read $((COUNT - 100))
}

@test "a mount goes away while the server is silent" {
	"$SUPPORT/dovecot" pause "$DOVECOT_DIR"
	fusermount3 -u "$MNT"
	wait_for $((2 * TIMEOUT)) no_daemon "$MNT"
}

@test "one body that never ends hangs nobody else" {
	local mnt=$FILE_DIR/stall
	server_scripted --tls-dir "$TLS_DIR" --size 50000 --stall-after 1000
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid timeout=$TIMEOUT
	run within $((3 * TIMEOUT)) cat "$mnt/INBOX/1.eml"
	[ "$status" -eq 1 ]
	within 3 ls -l "$mnt/INBOX" >/dev/null
	within 3 cat "$mnt/.imapfs/status" >/dev/null
}

@test "connections dropped under a reader cost the reader nothing" {
	local mnt=$FILE_DIR/drop pid
	server_scripted --tls-dir "$TLS_DIR" --messages 200 --size 3000 --body-delay 5
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid timeout=$TIMEOUT
	: >"$FILE_DIR/drop.out"
	cat "$mnt"/INBOX/*.eml >"$FILE_DIR/drop.out" 3>&- &
	pid=$!
	for _ in 1 2 3; do
		wait_for 10 has_grown "$FILE_DIR/drop.out" "$(stat -c %s "$FILE_DIR/drop.out")"
		kill -HUP "$SCRIPTED_PID"
	done
	wait "$pid"
	equal "$(grep -c '^Message-ID' "$FILE_DIR/drop.out")" 200
}
