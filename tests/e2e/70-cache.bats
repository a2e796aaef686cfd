#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# The cache on disk: a second mount needs the network for nothing it has, it stays within its bound, and
# whatever happens to it, it never lies.

load lib

COUNT=600
SIZE=12000

setup_file() {
	file_begin
	"$SUPPORT/make_mail.py" many "$FILE_DIR/many" $COUNT $SIZE
	server_dovecot dovecot
	load_maildir u1 "$FILE_DIR/many"
	imaplib mail >"$FILE_DIR/mail"
}

teardown_file() {
	file_end
}

setup() {
	MNT=$FILE_DIR/mnt
	CACHE=$FILE_DIR/cache-$BATS_TEST_NUMBER
	"$SUPPORT/dovecot" start "$DOVECOT_DIR" 3>&-
}

teardown() {
	unmount_all
	rm -rf "$CACHE"
}

mounted() { # mounted [OPTION...]
	mount_imapfs "$(dovecot_url)" "$MNT" ro names=uid "cache_dir=$CACHE" "$@"
}

all_right() {
	within 60 "$SUPPORT/compare_mount.py" "$MNT" --names uid <"$FILE_DIR/mail"
}

cache_file() { # cache_file NAME
	find "$CACHE" -name "$1" | head -1
}

@test "a second mount serves what was read without asking for a body" {
	server_scripted --tls-dir "$TLS_DIR" --messages 50
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	cat "$MNT"/INBOX/*.eml >"$FILE_DIR/first"
	unmount_imapfs "$MNT"
	: >"$SCRIPTED_LOG"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	cat "$MNT"/INBOX/*.eml | cmp - "$FILE_DIR/first"
	none grep -q BODY "$SCRIPTED_LOG"
}

@test "a second mount lists and reads at once" {
	local started
	mounted
	all_right
	unmount_imapfs "$MNT"
	started=$(now_ms)
	mounted
	equal "$(find "$MNT/INBOX" -name '*.eml' | wc -l)" $COUNT
	[ $(($(now_ms) - started)) -lt $((1000 * PATIENCE)) ]
	all_right
}

@test "cached mail is read while the server is away" {
	mounted
	all_right
	"$SUPPORT/dovecot" stop "$DOVECOT_DIR"
	unmount_imapfs "$MNT"
	mounted
	all_right
	grep -qi offline "$MOUNT_LOG"
}

@test "offline=no wants the server" {
	mounted
	unmount_imapfs "$MNT"
	"$SUPPORT/dovecot" stop "$DOVECOT_DIR"
	status=0
	mounted offline=no timeout=3 || status=$?
	refused "$MNT" 'refused|connect'
}

@test "mail that has gone from the server is gone from the next mount, new mail is there" {
	mounted
	all_right
	unmount_imapfs "$MNT"
	python3 - <<-PY
	import sys
	sys.path.insert(0, "$SUPPORT")
	import argparse, imapconn
	imap = imapconn.connect(argparse.Namespace(host="localhost", port=$IMAPS_PORT, ca="$CA_FILE", user="u1", password="pw1"))
	imap.select("INBOX")
	imap.uid("STORE", "5", "+FLAGS", "(\\\\Deleted)")
	imap.expunge()
	imap.append("INBOX", None, None, b"Subject: late\r\n\r\nNew here.\r\n")
	imap.logout()
	PY
	imaplib mail >"$FILE_DIR/mail"
	mounted
	ls "$MNT/INBOX" >/dev/null
	probe_is ENOENT stat "$MNT/INBOX/5.eml"
	equal "$(tail -1 "$MNT/INBOX/$((COUNT + 1)).eml")" $'New here.\r'
	all_right
}

# Nobody lists in these: paths that are known are simply used.
@test "used by its path alone, a mailbox is brought up to date all the same" {
	server_scripted --tls-dir "$TLS_DIR" --messages 3
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	cat "$MNT"/INBOX/*.eml >/dev/null
	before=$(stat_of ino "$MNT/INBOX/1.eml")
	unmount_imapfs "$MNT"
	kill -USR2 "$SCRIPTED_PID"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	[ -f "$MNT/INBOX/1.eml" ]
	wait_for 5 other_inode "$MNT/INBOX/1.eml" "$before"
	grep -q 'Message 1' "$MNT/INBOX/1.eml"
}

other_inode() {
	[ "$(stat_of ino "$1")" != "$2" ]
}

@test "used by its path alone: a message that has gone is seen to be gone" {
	server_dovecot dovecot
	mounted
	cat "$MNT/INBOX/9.eml" >/dev/null
	ls "$MNT/INBOX" >/dev/null
	unmount_imapfs "$MNT"
	on_server 'imap.uid("STORE", "9", "+FLAGS", "(\\Deleted)")' 'imap.expunge()'
	imaplib mail >"$FILE_DIR/mail"
	mounted
	# Cached, so it may still be read; but not for long.
	cat "$MNT/INBOX/9.eml" >/dev/null || true
	wait_for 5 gone "$MNT/INBOX/9.eml"
}

gone() {
	[ "$(probe stat "$1")" = ENOENT ]
}

@test "used by its path alone: a message that is new is found" {
	server_scripted --tls-dir "$TLS_DIR" --messages 3
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	ls "$MNT/INBOX" >/dev/null
	unmount_imapfs "$MNT"
	kill -USR1 "$SCRIPTED_PID"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	grep -q 'Message 4' "$MNT/INBOX/4.eml"
}

@test "a name that was missing appears with a new UIDVALIDITY, also where nobody lists" {
	server_scripted --tls-dir "$TLS_DIR" --messages 3
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	ls "$MNT/INBOX" >/dev/null
	probe_is ENOENT stat "$MNT/INBOX/4.eml"
	kill -USR1 "$SCRIPTED_PID"
	kill -USR2 "$SCRIPTED_PID"
	kill -HUP "$SCRIPTED_PID"
	# A read finds out.
	within 10 cat "$MNT/INBOX/1.eml" >/dev/null || true
	wait_for 5 test -f "$MNT/INBOX/4.eml"
	grep -q 'Message 4' "$MNT/INBOX/4.eml"
}

@test "names=uid first, readable names then: every name is the right one from the first listing on" {
	server_scripted --tls-dir "$TLS_DIR" --messages 5
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	equal "$(ls "$MNT/INBOX" | wc -l)" 5
	unmount_imapfs "$MNT"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro "cache_dir=$CACHE"
	equal "$(ls "$MNT/INBOX" | grep -c 'Sender_.*Message_')" 5
	[ -f "$MNT/INBOX/20060102-1506.Sender_2.Message_2.2.eml" ]
	unmount_imapfs "$MNT"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$MNT" ro names=uid "cache_dir=$CACHE"
	equal "$(ls "$MNT/INBOX" | LC_ALL=C sort | xargs)" '1.eml 2.eml 3.eml 4.eml 5.eml'
}

@test "index.db is damaged while it is in use: it is made anew, and all is right without a new mount" {
	local file inode
	mounted poll=1
	all_right
	inode=$(stat_of ino "$MNT/INBOX/7.eml")
	file=$(cache_file index.db)
	overwrite "$file" "$file-wal"
	# Until it is seen.
	wait_for 10 set_aside "$file"
	wait_for 20 all_right
	equal "$(stat_of ino "$MNT/INBOX/7.eml")" "$inode"
	probe_is ENOENT stat "$MNT/INBOX/999998.eml"
}

overwrite() { # overwrite FILE...: with noise, in place
	local file
	for file in "$@"; do
		[ ! -s "$file" ] || head -c "$(stat -c %s "$file")" /dev/urandom | dd of="$file" conv=notrunc status=none
	done
}

set_aside() { # set_aside FILE: has it been? Makes the mount read it, too
	probe stat "$MNT/INBOX/$((RANDOM + 10000)).eml" >/dev/null
	ls "$MNT/INBOX" >/dev/null
	[ -n "$(find "$CACHE" -name "$(basename "$1").broken-*")" ]
}

on_server() { # on_server STATEMENT...: Python, with INBOX selected
	python3 - <<-PY
	import sys
	sys.path.insert(0, "$SUPPORT")
	import argparse, imapconn
	imap = imapconn.connect(argparse.Namespace(host="localhost", port=$IMAPS_PORT, ca="$CA_FILE", user="u1", password="pw1"))
	imap.select("INBOX")
	$(printf '%s\n' "$@")
	imap.logout()
	PY
}

@test "cache_size bounds the bodies on disk" {
	local total
	"$SUPPORT/make_mail.py" many "$FILE_DIR/big/Big" 60 500000
	load_maildir u1 "$FILE_DIR/big"
	rm -r "$FILE_DIR/big"
	imaplib mail >"$FILE_DIR/mail"
	mounted cache_size=10M
	all_right
	unmount_imapfs "$MNT"
	total=$(stat -c %s "$(cache_file bodies.db)"* | awk '{ sum += $1 } END { print sum }')
	echo "bodies.db: $total bytes" >&2
	[ "$total" -le $((12 << 20)) ]
	mounted cache_size=10M
	all_right
}

# The cache keeps messages in chunks of 1 MiB.
@test "messages of a mebibyte, one byte less and one more, whatever the server says of their sizes" {
	local lie size uid mnt file messages=()
	for size in 0 1 1048575 1048576 1048577 2097151 2097152 2097153 5000000; do
		file=$FILE_DIR/size-$size
		# Long lines of CRLF text; the server sends it as it is.
		{ yes "$(printf 'x%.0s' {1..98})"$'\r' || true; } | head -c "$size" >"$file"
		messages+=(--message "$file")
	done
	for lie in 0 -1 -1048576 -99999999; do
		mnt=$FILE_DIR/mebibytes$lie
		server_scripted --tls-dir "$TLS_DIR" --messages 0 "${messages[@]}" --lie-size="$lie"
		mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid cache_size=8M
		ls -l "$mnt/INBOX" >/dev/null
		uid=0
		for size in 0 1 1048575 1048576 1048577 2097151 2097152 2097153 5000000; do
			uid=$((uid + 1))
			# shellcheck disable=SC2002 # cat is who reads
			within 10 cat "$mnt/INBOX/$uid.eml" | cmp - "$FILE_DIR/size-$size"
			equal "$(stat_of size "$mnt/INBOX/$uid.eml")" "$size" "said $lie too much"
		done
		unmount_imapfs "$mnt"
	done
}

@test "the cache is its owner's alone" {
	mounted
	cat "$MNT/INBOX/1.eml" >/dev/null
	unmount_imapfs "$MNT"
	equal "$(find "$CACHE" -type f -perm /077 | wc -l)" 0
	equal "$(find "$CACHE" -mindepth 1 -type d -perm /077 | wc -l)" 0
}

@test "a cache directory is for one daemon" {
	local other=$FILE_DIR/other
	mounted
	status=0
	mount_imapfs "$(dovecot_url)" "$other" ro names=uid "cache_dir=$CACHE" timeout=2 || status=$?
	refused "$other" 'cache'
	all_right
}

spoil() { # spoil NAME HOW: damages a file of the cache between two mounts
	mounted
	all_right
	unmount_imapfs "$MNT"
	file=$(cache_file "$1")
	[ -n "$file" ]
	case $2 in
	truncate) truncate -s $(($(stat -c %s "$file") / 2)) "$file" ;;
	empty) : >"$file" ;;
	header) printf 'This is no database.' | dd of="$file" conv=notrunc status=none ;;
	middle) dd if=/dev/urandom of="$file" bs=4096 seek=3 count=20 conv=notrunc status=none ;;
	noise) head -c 100000 /dev/urandom >"$file" ;;
	gone) rm -f "$file" "$file"-* ;;
	version) python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version=99999")' "$file" ;;
	esac
	mounted
	all_right
}

@test "index.db truncated" { spoil index.db truncate; }
@test "index.db empty" { spoil index.db empty; }
@test "index.db with another header" { spoil index.db header; }
@test "index.db with noise in the middle" { spoil index.db middle; }
@test "index.db nothing but noise" { spoil index.db noise; }
@test "index.db gone" { spoil index.db gone; }
@test "index.db of an unknown version" { spoil index.db version; }
@test "bodies.db truncated" { spoil bodies.db truncate; }
@test "bodies.db empty" { spoil bodies.db empty; }
@test "bodies.db with another header" { spoil bodies.db header; }
@test "bodies.db with noise in the middle" { spoil bodies.db middle; }
@test "bodies.db nothing but noise" { spoil bodies.db noise; }
@test "bodies.db gone" { spoil bodies.db gone; }
@test "bodies.db of an unknown version" { spoil bodies.db version; }

@test "kill -9 while everything is being read, then all is right" {
	local reader daemon
	mounted
	cat "$MNT"/INBOX/*.eml >"$FILE_DIR/reading" 2>/dev/null 3>&- &
	reader=$!
	wait_for 10 test -s "$FILE_DIR/reading"
	daemon=$(daemon_pid "$MNT")
	kill -KILL "$daemon"
	wait "$reader" || true
	mounted
	all_right
}

@test "a full disk costs the cache, not the reading" {
	[ "$(id -u)" = 0 ] || skip "needs a small filesystem, which needs root"
	mkdir -p "$CACHE"
	mount -t tmpfs -o size=1m tmpfs "$CACHE" || skip "no tmpfs here"
	status=0
	mounted && all_right || status=$?
	unmount_all
	umount "$CACHE"
	[ "$status" -eq 0 ]
}
