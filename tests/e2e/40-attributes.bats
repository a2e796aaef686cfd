#!/usr/bin/env bats
# user.imap.* and .imapfs: what a person can ask of a message, a mailbox and the mount itself.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	load_maildir u1 "$SAMPLE"
	printf 'Sent\nProjects/Garden\n' >"$MAIL_DIR/u1/Maildir/subscriptions"
	"$SUPPORT/dovecot" own "$DOVECOT_DIR"
	imaplib mail >"$FILE_DIR/mail"
	export MNT=$FILE_DIR/mnt
	mount_imapfs "$(dovecot_url)" "$MNT" ro
}

teardown_file() {
	file_end
}

attr() { # attr NAME PATH
	getfattr --absolute-names --only-values -n "user.imap.$1" "$2"
}

inbox_message() { # inbox_message UID
	find "$MNT/INBOX" -name "*.$1.eml"
}

@test "uid, mailbox and flags of a message" {
	equal "$(attr uid "$(inbox_message 2)")" 2
	equal "$(attr mailbox "$(inbox_message 2)")" INBOX
	equal "$(attr flags "$(inbox_message 2)" | tr ' ' '\n' | sort | xargs -d '\n')" '\Answered \Seen'
	# shellcheck disable=SC2016
	equal "$(attr flags "$(inbox_message 22)" | tr ' ' '\n' | sort | xargs -d '\n')" '$Forwarded loom-ci'
}

@test "every message has the flags that the server says" {
	local path uid flags file got
	while IFS=$'\t' read -r path uid _ _ _ flags; do
		file=$MNT/$path/.uid/$uid.eml
		got=$(attr flags "$file" | tr ' ' '\n' | grep -vxF '\Recent' | LC_ALL=C sort | xargs -d '\n' -r)
		# shellcheck disable=SC2001
		equal "$got" "$(sed 's/\\Recent *//; s/ *$//' <<<"$flags")" "$path $uid"
	done <"$FILE_DIR/mail"
}

@test "internaldate is the date of the file" {
	local date
	date=$(attr internaldate "$(inbox_message 1)")
	[[ $date == *2025* ]]
	equal "$(stat -c %Y "$(inbox_message 1)")" "$(date -u -d 2025-01-06T08:02:07Z +%s)"
}

@test "name, delimiter, counters and validity of a mailbox" {
	local want
	equal "$(attr name "$MNT/旅行/日本")" 旅行/日本
	equal "$(attr name "$MNT/R&D")" 'R&D'
	equal "$(attr delimiter "$MNT/INBOX")" /
	want=$(imaplib state INBOX | sed -n 's/^status\tINBOX\t//p')
	equal "$(attr messages "$MNT/INBOX")" "$(grep -oP '(?<=MESSAGES )\d+' <<<"$want")"
	equal "$(attr unseen "$MNT/INBOX")" "$(grep -oP '(?<=UNSEEN )\d+' <<<"$want")"
	equal "$(attr uidnext "$MNT/INBOX")" "$(grep -oP '(?<=UIDNEXT )\d+' <<<"$want")"
	equal "$(attr uidvalidity "$MNT/INBOX")" "$(grep -oP '(?<=UIDVALIDITY )\d+' <<<"$want")"
}

@test "special use and subscription" {
	equal "$(attr special_use "$MNT/Sent")" '\Sent'
	equal "$(attr special_use "$MNT/Drafts")" '\Drafts'
	equal "$(attr subscribed "$MNT/Sent")" 1
	equal "$(attr subscribed "$MNT/Trash")" 0
	[[ $(attr attributes "$MNT/Projects") == *oselect* ]]
}

@test "they are listed, by the names they are read by" {
	local name path
	for path in "$(inbox_message 1)" "$MNT/INBOX"; do
		run -0 getfattr --absolute-names -m '^user\.imap\.' "$path"
		[[ $output == *user.imap.* ]]
		getfattr --absolute-names -m '^user\.imap\.' "$path" | grep '^user' | while read -r name; do
			getfattr --absolute-names --only-values -n "$name" "$path" >/dev/null || exit 1
		done
	done
}

@test "attributes that are not there" {
	probe_is ENODATA getxattr "$(inbox_message 1)" user.imap.nonsense
	probe_is ENODATA getxattr "$(inbox_message 1)" user.other
	probe_is EOPNOTSUPP getxattr "$(inbox_message 1)" system.posix_acl_access
	probe_is EOPNOTSUPP getxattr "$(inbox_message 1)" trusted.overlay.opaque || [ "$(id -u)" != 0 ]
}

@test "the status file: a regular file of exact size, a key and a value a line" {
	local file=$MNT/.imapfs/status
	equal "$(stat_of type "$file")" file
	# What read() gives, not what stat says of it.
	# shellcheck disable=SC2002
	equal "$(cat "$file" | wc -c)" "$(stat_of size "$file")"
	[ "$(wc -l <"$file")" -ge 3 ]
	none grep -vE '^[A-Za-z0-9_. -]+: ?.*$' "$file"
	[ -n "$(status_value "$MNT" state)" ]
}

@test "the same as JSON" {
	python3 - "$MNT/.imapfs/status.json" <<-'PY'
	import json, sys
	with open(sys.argv[1]) as file:
	    status = json.load(file)
	assert isinstance(status, dict) and "state" in status, status
	PY
}

@test "no secret in it" {
	none grep -r pw1 "$MNT/.imapfs"
}

@test "the mount's source shows the account and not the password" {
	local line
	line=$(grep -F " $MNT " /proc/self/mounts)
	[[ $line == imaps://* ]]
	[[ $line == *fuse.imapfs* ]]
	[[ $line != *pw1* ]]
}
