#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# The main job on a real server: list, stat, read; and nothing on the server changes.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	load_maildir u1 "$SAMPLE"
	# What clients say is recorded from here on.
	mkdir -m 777 "$DOVECOT_DIR/rawlog"
	imaplib state >"$FILE_DIR/state"
	imaplib mail >"$FILE_DIR/mail"
	rm -f "$DOVECOT_DIR"/rawlog/*
	export MNT=$FILE_DIR/mnt
	mount_imapfs "$(dovecot_url)" "$MNT" ro
}

teardown_file() {
	file_end
}

@test "the mount answers as soon as imapfs returns" {
	local mnt=$FILE_DIR/second
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	[ -d "$mnt/INBOX" ]
	unmount_imapfs "$mnt"
}

@test "every mailbox is a directory, and no directory is something else" {
	imaplib list | cut -f4 | sort >"$FILE_DIR/expected"
	(cd "$MNT" && find . -mindepth 1 -type d | sed 's,^\./,,' | sort) >"$FILE_DIR/got"
	# A level that only other mailboxes imply is a directory too.
	while IFS= read -r path; do
		while [ "$path" != "${path%/*}" ]; do
			path=${path%/*}
			echo "$path"
		done
	done <"$FILE_DIR/expected" >"$FILE_DIR/parents"
	sort -u "$FILE_DIR/expected" "$FILE_DIR/parents" >"$FILE_DIR/all"
	# A namespace without a mailbox may show or not.
	diff <(grep -vx Public "$FILE_DIR/all") <(grep -vx Public "$FILE_DIR/got")
}

@test "every message: listed, bytes, size, dates, inode and name of its own" {
	within 60 "$SUPPORT/compare_mount.py" "$MNT" <"$FILE_DIR/mail"
}

@test "the same with names=uid, read in no order" {
	local mnt=$FILE_DIR/uid
	mount_imapfs "$(dovecot_url)" "$mnt" ro names=uid
	within 60 "$SUPPORT/compare_mount.py" "$mnt" --names uid --order shuffled <"$FILE_DIR/mail"
	unmount_imapfs "$mnt"
}

@test "the same on a mount without ro" {
	local mnt=$FILE_DIR/rw
	mount_imapfs "$(dovecot_url)" "$mnt"
	within 60 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/mail"
	unmount_imapfs "$mnt"
}

@test "STARTTLS reads the same" {
	local mnt=$FILE_DIR/starttls
	mount_imapfs "imap://u1@localhost:$IMAP_PORT/" "$mnt" ro
	within 60 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/mail"
	unmount_imapfs "$mnt"
}

@test "names carry the decoded subject and sender" {
	local names
	names=$(find "$MNT" -type f -printf '%f\n')
	grep -q '^20250203-1841\.Jonas_Weber\.Größe_der_Beete.*\.2\.eml$' <<<"$names"
	grep -q '\.田中恵子\.四月の写真展のお知らせ\.[0-9]*\.eml$' <<<"$names"
	grep -q '\.Ирина_Соколова\.Билеты_на_поезд_и_ещё_кое-что\.' <<<"$names"
	grep -q '\.王芳\.关于下周会议的安排\.' <<<"$names"
	grep -q '\.김민수\.주문하신_도자기_출고_안내\.' <<<"$names"
	grep -q '\.no-subject\.[0-9]*\.eml$' <<<"$names"
	grep -q '\.sam@example\.com\.Re' <<<"$names"
}

@test "modes: 0400 under ro, 0600 without, directories passable" {
	local file mnt=$FILE_DIR/modes
	file=$(find "$MNT/INBOX" -name '*.1.eml')
	equal "$(stat_of mode "$file")" 0400
	mount_imapfs "$(dovecot_url)" "$mnt"
	equal "$(stat_of mode "$mnt/INBOX/$(basename "$file")")" 0600
	equal "$(stat_of type "$mnt/INBOX")" dir
	unmount_imapfs "$mnt"
}

@test "inode numbers outlive a mount" {
	local mnt=$FILE_DIR/again before after
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	before=$(cd "$mnt" && find . -printf '%i %p\n' | sort)
	unmount_imapfs "$mnt"
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	after=$(cd "$mnt" && find . -printf '%i %p\n' | sort)
	unmount_imapfs "$mnt"
	equal "$after" "$before"
}

@test "a message by its UID is the same file under .uid" {
	local file
	file=$(find "$MNT/INBOX" -name '*.3.eml')
	cmp "$MNT/INBOX/.uid/3.eml" "$file"
	equal "$(stat_of ino "$MNT/INBOX/.uid/3.eml")" "$(stat_of ino "$file")"
	probe_is ENOENT stat "$MNT/INBOX/.uid/4711.eml"
	probe_is ENOENT stat "$MNT/INBOX/.uid/3"
	probe_is ENOENT stat "$MNT/INBOX/.uid/03.eml"
}

@test "dot names are never listed" {
	run -0 find "$MNT" -name '.*' ! -path "$MNT"
	equal "$output" ""
	run -0 "$PROBE" list "$MNT/INBOX"
	[[ $output != *' .uid'* ]]
	[ -d "$MNT/INBOX/.uid" ]
	[ -d "$MNT/.imapfs" ]
}

@test "names that are not there" {
	probe_is ENOENT stat "$MNT/INBOX/nothing.eml"
	probe_is ENOENT stat "$MNT/INBOX/nothing.eml"
	probe_is ENOENT stat "$MNT/Nowhere"
	probe_is ENOENT stat "$MNT/INBOX/.git"
	probe_is ENOENT stat "$MNT/.Trash-0"
	probe_is ENOENT stat "$MNT/INBOX/$(printf 'x%.0s' {1..250}).eml"
	probe_is ENAMETOOLONG stat "$MNT/INBOX/$(printf 'x%.0s' {1..300})"
	probe_is ENOTDIR stat "$(find "$MNT/INBOX" -name '*.1.eml')/below"
}

@test "ls, find, grep, du, tar, cp and rsync-like walks end well" {
	ls -lR "$MNT" >/dev/null
	[ "$(find "$MNT" -name '*.eml' | wc -l)" -eq "$(wc -l <"$FILE_DIR/mail")" ]
	equal "$(grep -rl 'Loom 2.4.2 is out' "$MNT" | wc -l)" 1
	du -s "$MNT" >/dev/null
	mkdir "$FILE_DIR/tar" "$FILE_DIR/cp"
	tar -C "$MNT" -cf - . | tar -C "$FILE_DIR/tar" -xf -
	cp -a "$MNT/." "$FILE_DIR/cp/"
	diff -r "$FILE_DIR/tar" "$FILE_DIR/cp"
	diff -r "$MNT" "$FILE_DIR/cp"
}

@test "a part of a message, from the middle and past its end" {
	local file size
	file=$(find "$MNT/INBOX" -name '*.18.eml')
	size=$(stat_of size "$file")
	cmp <(dd if="$file" bs=1 skip=100 count=500 status=none) <(tail -c +101 "$file" | head -c 500)
	equal "$(dd if="$file" bs=1 skip=$((size + 10)) status=none | wc -c)" 0
}

@test "statfs says something sane" {
	local got
	got=$(probe statfs "$MNT")
	[[ $got == ok* && $got == *namemax=255* && $got == *readonly=1* ]]
	df "$MNT" >/dev/null
}

@test "nothing on the server changed: no flag, no \\Recent, no UID" {
	imaplib state | diff "$FILE_DIR/state" -
}

@test "what was said: EXAMINE and PEEK alone" {
	local log
	log=$(cat "$DOVECOT_DIR"/rawlog/*.in)
	grep -qi ' EXAMINE ' <<<"$log"
	grep -qi 'BODY\.PEEK\[' <<<"$log"
	none grep -iE '(^|[0-9.]+ )[A-Za-z0-9]+ (UID )?(SELECT|STORE|APPEND|COPY|MOVE|EXPUNGE|CLOSE|DELETE|RENAME|CREATE|SUBSCRIBE|UNSUBSCRIBE) ' <<<"$log"
	none grep -iE 'BODY\[|RFC822[ )]|RFC822\.TEXT' <<<"$log"
}

@test "sixteen readers of everything at once" {
	local mnt=$FILE_DIR/many pids=() pid i
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	(cd "$MNT" && find . -type f -exec sha256sum {} + | sort) >"$FILE_DIR/one"
	for i in {1..16}; do
		(cd "$mnt" && find . -type f -print0 | sort -z | { [ $((i % 2)) = 0 ] && cat || shuf -z; } |
			xargs -0 sha256sum | sort) >"$FILE_DIR/many.$i" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	for i in {1..16}; do cmp "$FILE_DIR/one" "$FILE_DIR/many.$i"; done
	unmount_imapfs "$mnt"
}
