#!/usr/bin/env bats
# How a mount ends: by command, by signal, with readers waiting, and after the daemon died.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	load_maildir u1 "$SAMPLE"
}

teardown_file() {
	file_end
}

setup() {
	MNT=$FILE_DIR/mnt
	mount_imapfs "$(dovecot_url)" "$MNT" ro
	DAEMON=$(daemon_pid "$MNT")
}

teardown() {
	unmount_all
}

gone() {
	wait_for 8 no_daemon "$MNT"
	not_mounted "$MNT"
}

@test "fusermount3 -u" {
	fusermount3 -u "$MNT"
	gone
}

@test "umount" {
	[ "$(id -u)" = 0 ] || skip "umount is root's"
	umount "$MNT"
	gone
}

@test "SIGTERM" { kill -TERM "$DAEMON" && gone; }
@test "SIGINT" { kill -INT "$DAEMON" && gone; }
@test "SIGHUP" { kill -HUP "$DAEMON" && gone; }

@test "SIGTERM while a program has its directory there" {
	(cd "$MNT/INBOX" && exec sleep 30) 3>&- &
	local sleeper=$!
	echo $sleeper >>"$FILE_DIR/pids"
	wait_for 5 test "/proc/$sleeper/cwd" -ef "$MNT/INBOX"
	kill -TERM "$DAEMON"
	wait_for 8 no_daemon "$MNT"
	kill $sleeper
	wait_for 5 not_mounted "$MNT"
}

@test "SIGTERM while a reader waits for the server" {
	local mnt=$FILE_DIR/waiting reader daemon
	server_scripted --tls-dir "$TLS_DIR" --hang-at body
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid timeout=30
	cat "$mnt/INBOX/1.eml" >/dev/null 2>&1 3>&- &
	reader=$!
	wait_for 10 grep -q 'BODY.PEEK' "$SCRIPTED_LOG"
	daemon=$(daemon_pid "$mnt")
	kill -TERM "$daemon"
	wait_for 5 no_daemon "$mnt"
	not_mounted "$mnt"
	run wait "$reader"
	[ "$status" -ne 0 ]
}

@test "a busy mount is not torn away by fusermount3 -u" {
	exec 5<"$(find "$MNT/INBOX" -name '*.1.eml')"
	run fusermount3 -u "$MNT"
	[ "$status" -ne 0 ]
	cat <&5 >/dev/null
	exec 5<&-
	fusermount3 -u "$MNT"
	gone
}

@test "after kill -9 of the daemon the next mount cleans up" {
	kill -KILL "$DAEMON"
	wait_for 5 no_daemon "$MNT"
	run stat "$MNT/INBOX"
	[ "$status" -ne 0 ]
	mount_imapfs "$(dovecot_url)" "$MNT" ro
	[ -d "$MNT/INBOX" ]
	equal "$(grep -cF " $MNT " /proc/self/mountinfo)" 1
}

@test "auto_unmount: with the daemon the mount goes, and nobody holds on to our output" {
	local mnt=$FILE_DIR/auto output
	[ "$(id -u)" = 0 ] || skip "fusermount3 looks at the mount as root, who may not"
	mkdir -p "$mnt"
	echo "$mnt" >>"$FILE_DIR/mounts"
	output=$(within 20 "$IMAPFS" "$(dovecot_url)" "$mnt" -o \
		"auto_unmount,ro,ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-auto" \
		2>&1 </dev/null 3>&-)
	equal "$output" ''
	ls "$mnt/INBOX" >"$FILE_DIR/list"
	kill -KILL "$(daemon_pid "$mnt")"
	wait_for 5 not_mounted "$mnt"
}

@test "mounted, unmounted, mounted: twenty times" {
	unmount_imapfs "$MNT"
	for _ in {1..20}; do
		mount_imapfs "$(dovecot_url)" "$MNT" ro
		[ -d "$MNT/INBOX" ] || return 1
		# The next one follows at once, and waits for the one before to finish.
		fusermount3 -u "$MNT"
	done
	gone
}

@test "-f stays in the foreground and ends with the mount" {
	local mnt=$FILE_DIR/foreground pid
	mkdir -p "$mnt"
	echo "$mnt" >>"$FILE_DIR/mounts"
	"$IMAPFS" -f "$(dovecot_url)" "$mnt" -o \
		"ro,ca_file=$CA_FILE,password_file=$FILE_DIR/pw1,cache_dir=$FILE_DIR/cache-foreground" \
		>"$FILE_DIR/foreground.log" 2>&1 </dev/null 3>&- &
	pid=$!
	wait_for 10 is_mounted "$mnt"
	wait_for 5 test -d "$mnt/INBOX"
	kill -0 $pid
	fusermount3 -u "$mnt"
	wait $pid
}

@test "the daemon holds on to no terminal, directory or descriptor of its caller" {
	equal "$(readlink "/proc/$DAEMON/cwd")" /
	for fd in 0 1 2; do
		[[ $(readlink "/proc/$DAEMON/fd/$fd") != *"$FILE_DIR/mount-"* ]]
	done
	equal "$(ps -o tty= -p "$DAEMON" | tr -d ' ')" '?'
}

@test "a mount point that holds files is hidden, and shows again" {
	local mnt=$FILE_DIR/full
	mkdir "$mnt"
	echo kept >"$mnt/file"
	if mount_imapfs "$(dovecot_url)" "$mnt" ro; then
		[ ! -e "$mnt/file" ]
		unmount_imapfs "$mnt"
	fi
	equal "$(cat "$mnt/file")" kept
}

@test "nothing is left: no process, no mount" {
	unmount_imapfs "$MNT"
	equal "$(grep -cF " $FILE_DIR/" /proc/self/mountinfo)" 0
}
