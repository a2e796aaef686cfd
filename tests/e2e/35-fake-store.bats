#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# What the kernel does with us: caching, invalidation, wrong sizes, interrupts, stops. Over a store in
# memory, so that each of it can be provoked.

load lib
load fs_lib

setup_file() {
	file_begin
	fake_build
}

teardown_file() {
	file_end
}

setup() {
	MNT=$FILE_DIR/mnt
}

teardown() {
	exec 7>&-
	kill -KILL "${FAKE_PID:-0}" 2>/dev/null || true
	is_mounted "$MNT" && fusermount3 -u -z "$MNT"
	true
}

stop() {
	kill -TERM "$FAKE_PID"
	fake_end "$MNT"
}

names() { # of INBOX
	ls "$MNT/INBOX" | tr '\n' ' '
}

lists() { # lists NAME: in INBOX
	ls "$MNT/INBOX" | grep -qxF "$1"
}

all_of() { # all_of DIR: every byte of it
	find "$1" -type f -exec cat {} +
}

@test "a warm read on a read-only mount asks nothing" {
	fake_start "$MNT" --ro --debug
	all_of "$MNT/Many" >/dev/null
	all_of "$MNT/Many" >/dev/null
	# A page or a listing may have been evicted meanwhile.
	[ "$(requests_of READ all_of "$MNT/Many")" -lt 50 ]
	equal "$(requests_of OPEN all_of "$MNT/Many")" 0
	equal "$(requests_of LOOKUP all_of "$MNT/Many")" 0
	equal "$(requests_of FLUSH all_of "$MNT/Many")" 0
	equal "$(requests_of RELEASE all_of "$MNT/Many")" 0
	[ "$(requests_of GETATTR all_of "$MNT/Many")" -lt 50 ]
	stop
}

@test "on a writable mount it asks for one FLUSH a file and no more" {
	fake_start "$MNT" --debug
	all_of "$MNT/Many" >/dev/null
	all_of "$MNT/Many" >/dev/null
	equal "$(requests_of OPEN all_of "$MNT/Many")" 0
	equal "$(requests_of LOOKUP all_of "$MNT/Many")" 0
	equal "$(requests_of FLUSH all_of "$MNT/Many")" 2000
	stop
}

@test "the first file of the first program is opened without a word" {
	fake_start "$MNT" --debug
	equal "$(requests_of OPEN cat "$MNT/INBOX/1.eml")" 0
	equal "$(requests_of OPENDIR ls "$MNT/INBOX")" 0
	equal "$(requests_of RELEASE cat "$MNT/INBOX/1.eml")" 0
	stop
}

@test "a missing name is asked for once" {
	fake_start "$MNT" --debug
	equal "$(requests_of LOOKUP test ! -e "$MNT/INBOX/none.eml")" 2 # INBOX itself, and it
	equal "$(requests_of LOOKUP test ! -e "$MNT/INBOX/none.eml")" 0
	stop
}

@test "a name that was missing and appears is seen" {
	fake_start "$MNT"
	probe_is ENOENT stat "$MNT/INBOX/new.eml"
	fake_command add INBOX new.eml 700
	wait_for 2 test -e "$MNT/INBOX/new.eml"
	equal "$(stat_of size "$MNT/INBOX/new.eml")" 700
	stop
}

@test "a listing that was read shows what appears and loses what goes" {
	fake_start "$MNT"
	equal "$(names)" "1.eml 2.eml 3.eml Sub "
	fake_command add INBOX 9.eml 10
	wait_for 2 lists 9.eml
	fake_command remove INBOX 1.eml
	wait_for 2 test ! -e "$MNT/INBOX/1.eml"
	equal "$(names)" "2.eml 3.eml 9.eml Sub "
	stop
}

@test "names that are pushed out of the table of missing ones are still seen when they appear" {
	fake_start "$MNT"
	python3 - "$MNT/INBOX" <<-'PY'
	import os, sys
	for i in range(6000):
	    assert not os.path.exists(f"{sys.argv[1]}/missing-{i}.eml")
	PY
	for i in 0 1 2 3 5998 5999; do
		fake_command add INBOX missing-$i.eml 10
		wait_for 2 test -e "$MNT/INBOX/missing-$i.eml"
	done
	stop
}

@test "dot names are never asked of the store" {
	fake_start "$MNT"
	fake_command hang
	probe_is ENOENT stat "$MNT/Slow/.hidden"
	probe_is ENOENT stat "$MNT/.Trash"
	stop
}

@test "entries without attributes are listed with number and type, and looked up when needed" {
	fake_start "$MNT" --debug
	equal "$(requests_of LOOKUP ls -U "$MNT/Unknown")" 1
	equal "$(find "$MNT/Unknown" -type f | wc -l)" 20
	equal "$(stat_of size "$MNT/Unknown/7.eml")" 700
	python3 - "$MNT/Unknown" <<-'PY'
	import os, sys
	for entry in os.scandir(sys.argv[1]):
	    assert entry.inode() == os.stat(entry.path).st_ino, entry.name
	    assert entry.is_file(follow_symlinks=False)
	PY
	stop
}

same_bytes() { # same_bytes FILE UID SIZE
	cmp "$1" <(fake_content "$2" "$3") && equal "$(stat_of size "$1")" "$3"
}

lies() { # lies COMMAND: it gets the file and has to print its bytes; first reader each time
	fake_start "$MNT"
	while read -r name uid size; do
		"$1" "$MNT/Lies/$name" >"$FILE_DIR/got" || return 1
		cmp "$FILE_DIR/got" <(fake_content "$uid" "$size") || return 1
		same_bytes "$MNT/Lies/$name" "$uid" "$size" || return 1
	done <<-'END'
	shrinks.eml 1 5000
	shrinks-big.eml 2 200000
	grows.eml 3 9000
	grows-in-page.eml 4 150
	grows-big.eml 5 300000
	empty-after-all.eml 6 0
	said-to-be-empty.eml 7 9000
	END
	stop
}

by_cp() {
	cp "$1" "$FILE_DIR/copy" && cat "$FILE_DIR/copy"
}

by_tar() { # tar believes stat; so it may come second
	cat "$1" >/dev/null && tar -C "$(dirname "$1")" -cf - "$(basename "$1")" | tar -xOf -
}

by_mmap() { # a mapping is as long as stat said; what lies behind the end must not be read as bytes
	python3 - "$1" <<-'PY'
	import mmap, os, sys
	with open(sys.argv[1], "rb") as f:
	    f.read(1)
	    size = os.fstat(f.fileno()).st_size
	    if size:
	        sys.stdout.buffer.write(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:])
	PY
}

by_small_reads() {
	dd if="$1" bs=512 status=none
}

by_readers_at_once() {
	local i pids=()
	for i in 1 2 3 4; do
		cat "$1" >"$FILE_DIR/reader-$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	for i in 2 3 4; do cmp "$FILE_DIR/reader-1" "$FILE_DIR/reader-$i" || return 1; done
	cat "$FILE_DIR/reader-1"
}

@test "sizes that lie: cat" { lies cat; }
@test "sizes that lie: cp" { lies by_cp; }
@test "sizes that lie: tar" { lies by_tar; }
@test "sizes that lie: mmap" { lies by_mmap; }
@test "sizes that lie: reads of 512 bytes" { lies by_small_reads; }
@test "sizes that lie: four readers at once" { lies by_readers_at_once; }

@test "a pushed body is read without a question" {
	fake_start "$MNT" --debug
	fake_command hang
	stat "$MNT/INBOX/2.eml" >/dev/null
	fake_command push INBOX 2.eml
	wait_for 2 grep -q '^bodies_pushed: 1$' "$MNT/.imapfs/status"
	equal "$(requests_of READ within 5 cmp "$MNT/INBOX/2.eml" <(fake_content 2 300000))" 0
	stop
}

@test "a pushed body of an inode that the kernel does not know does no harm" {
	fake_start "$MNT"
	fake_command push INBOX 2.eml
	wait_for 2 grep -q '^bodies_not_wanted: 1$' "$MNT/.imapfs/status"
	same_bytes "$MNT/INBOX/2.eml" 2 300000
	stop
}

@test "an interrupted look-up ends at once while the store hangs" {
	fake_start "$MNT"
	fake_command hang
	stat "$MNT/Slow/1.eml" >/dev/null 2>&1 3>&- &
	local reader=$! started
	wait_for 5 grep -q '^requests_waiting: 1$' "$MNT/.imapfs/status"
	started=$(now_ms)
	kill -INT $reader
	kill -TERM $reader
	wait $reader || true
	[ $(($(now_ms) - started)) -lt $((1500 * PATIENCE)) ]
	stop
}

@test "one that hangs does not keep others waiting" {
	fake_start "$MNT"
	fake_command hang
	for _ in {1..40}; do
		cat "$MNT/Slow/1.eml" >/dev/null 2>&1 3>&- &
		echo $! >>"$FILE_DIR/pids"
	done
	wait_for 5 grep -qE '^requests_waiting: [1-9]' "$MNT/.imapfs/status"
	within 2 find "$MNT/Many" -type f -exec cat {} + >"$FILE_DIR/many"
	equal "$(wc -c <"$FILE_DIR/many")" $((2000 * 100 + 2000 * 2001 / 2))
	kill -TERM "$FAKE_PID"
	fake_end "$MNT"
}

@test "SIGTERM ends it while the store hangs and readers wait" {
	fake_start "$MNT"
	fake_command hang
	cat "$MNT/INBOX/1.eml" >/dev/null 2>"$FILE_DIR/said" 3>&- &
	local reader=$! status=0
	wait_for 5 grep -q '^requests_waiting: 1$' "$MNT/.imapfs/status"
	kill -TERM "$FAKE_PID"
	wait $reader || status=$?
	[ $status -ne 0 ]
	grep -qi 'input/output error\|not connected' "$FILE_DIR/said"
	fake_end "$MNT"
}

@test "a request that the store forgets is given up in the end" {
	fake_start "$MNT" --timeout 200 # ten of these
	fake_command hang
	probe_is EIO read "$MNT/INBOX/1.eml"
	stop
}

@test "a change of a directory in which a look-up waits arrives afterwards" {
	fake_start "$MNT"
	ls "$MNT/Slow" >/dev/null
	fake_command hang
	stat "$MNT/Slow/later.eml" >/dev/null 2>&1 3>&- &
	local reader=$!
	wait_for 5 grep -q '^requests_waiting: 1$' "$MNT/.imapfs/status"
	fake_command remove Slow 1.eml
	fake_command add INBOX other.eml 5
	wait_for 2 test -e "$MNT/INBOX/other.eml"
	fake_command resume
	wait $reader || true
	wait_for 2 test ! -e "$MNT/Slow/1.eml"
	stop
}

@test "status is whole, whatever happens while it is read" {
	fake_start "$MNT"
	for i in {1..100}; do
		cat "$MNT/.imapfs/status" >"$FILE_DIR/status"
		tail -1 "$FILE_DIR/status" | grep -q '^synced: evil?name' || return 1
		equal "$(head -1 "$FILE_DIR/status")" 'version: test'
		all_of "$MNT/INBOX" >/dev/null
	done
	python3 -m json.tool <"$MNT/.imapfs/status.json" >/dev/null
	# Two at a time, in small pieces.
	local pids=()
	for i in 1 2 3; do
		dd if="$MNT/.imapfs/status" bs=7 status=none >"$FILE_DIR/status-$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	for i in 1 2 3; do
		tail -1 "$FILE_DIR/status-$i" | grep -q '^synced: evil?name' || return 1
	done
	stop
}

@test "status is news to each who looks, also with the counters of now" {
	fake_start "$MNT" --ro
	equal "$(sed -n 's/^messages_fetched: //p' "$MNT/.imapfs/status")" 0
	cat "$MNT/INBOX/1.eml" >/dev/null
	equal "$(sed -n 's/^messages_fetched: //p' "$MNT/.imapfs/status")" 1
	stop
}

@test "attributes in user.imap, and none of other kinds" {
	fake_start "$MNT"
	local file=$MNT/INBOX/1.eml
	# shellcheck disable=SC2016
	equal "$(getfattr --only-values -n user.imap.flags --absolute-names "$file")" '\Seen \Flagged $Forwarded work'
	equal "$(getfattr --only-values -n user.imap.internaldate --absolute-names "$file")" '13-Sep-2020 12:26:41 +0000'
	equal "$(getfattr --absolute-names "$file" -d | grep -c '^user.imap.')" 5
	equal "$(getfattr --absolute-names "$MNT/INBOX/2.eml" -d | grep -c '^user.imap.')" 4
	probe_is ENODATA getxattr "$file" user.imap.nothing
	probe_is ENODATA getxattr "$file" user.other
	probe_is EOPNOTSUPP getxattr "$file" security.selinux
	stop
}

@test "ls -l asks for foreign attributes once, not for each file" {
	fake_start "$MNT" --debug
	[ "$(requests_of GETXATTR ls -l "$MNT/Many")" -le 3 ]
	stop
}

@test "every change is refused with EROFS" {
	fake_start "$MNT"
	local file=$MNT/INBOX/1.eml
	probe_is EROFS create "$MNT/INBOX/new.eml"
	probe_is EROFS mkdir "$MNT/new"
	probe_is EROFS rmdir "$MNT/Lists"
	probe_is EROFS unlink "$file"
	probe_is EROFS rename "$file" "$MNT/INBOX/x.eml"
	probe_is EROFS link "$file" "$MNT/INBOX/x.eml"
	probe_is EROFS symlink x "$MNT/INBOX/x.eml"
	probe_is EROFS append "$file"
	probe_is EROFS truncate "$file"
	probe_is EROFS fallocate "$file"
	probe_is EROFS chmod "$file"
	probe_is EROFS utimens "$file"
	probe_is EROFS setxattr "$file" user.imap.flags '\Seen'
	stop
}

@test "umount while idle, and a dead mount in the way of the next" {
	fake_start "$MNT"
	fusermount3 -u "$MNT"
	fake_end "$MNT"
	fake_start "$MNT"
	kill -KILL "$FAKE_PID"
	wait_for 5 fake_has_ended
	exec 7>&-
	probe_is ENOTCONN stat "$MNT/INBOX"
	fake_start "$MNT"
	[ -e "$MNT/INBOX/1.eml" ]
	stop
	not_mounted "$MNT"
}

@test "the source in the mount table" {
	fake_start "$MNT"
	grep -q " $MNT .* - fuse.imapfs fake://u1@localhost/ " /proc/self/mountinfo
	stop
}
