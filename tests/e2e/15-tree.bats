#!/usr/bin/env bats
# Mailboxes as directories: hierarchy, delimiters, namespaces, names that are no path components.

load lib

setup_file() {
	file_begin
}

teardown_file() {
	file_end
}

teardown() {
	unmount_all
}

scripted_mount() { # scripted_mount DIR OPTION...: a scripted server behind TLS, and its mount
	local dir=$1
	shift
	server_scripted --tls-dir "$TLS_DIR" "$@"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$dir" ro
}

dirs() { # dirs DIR: below it, one a line, sorted
	(cd "$1" && find . -mindepth 1 -type d | sed 's,^\./,,' | LC_ALL=C sort)
}

@test "a delimiter other than / makes levels all the same" {
	local mnt=$FILE_DIR/dot
	server_dovecot dovecot-dot --separator . --prefix INBOX.
	load_maildir u1 "$SAMPLE"
	imaplib mail >"$FILE_DIR/mail-dot"
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	[ -d "$mnt/INBOX/Projects/Garden/Plans" ]
	within 60 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/mail-dot"
}

@test "\\Noselect mailboxes are directories without messages" {
	local mnt=$FILE_DIR/noselect
	scripted_mount "$mnt" --mailbox 'Top|\Noselect' --mailbox 'Top/Leaf'
	[ -d "$mnt/Top/Leaf" ]
	equal "$(find "$mnt/Top" -maxdepth 1 -type f | wc -l)" 0
	equal "$(find "$mnt/Top/Leaf" -type f | wc -l)" 1
	probe_is ENOENT stat "$mnt/Top/1.eml"
}

@test "parents that the server does not list exist" {
	local mnt=$FILE_DIR/implied
	scripted_mount "$mnt" --mailbox 'Only/Deep/Down'
	equal "$(dirs "$mnt")" "$(printf '%s\n' INBOX Only Only/Deep Only/Deep/Down)"
	equal "$(find "$mnt/Only" -type f | wc -l)" 1
}

@test "names in modified UTF-7" {
	local mnt=$FILE_DIR/mutf7
	scripted_mount "$mnt" --mailbox 'Entw&APw-rfe' --mailbox 'A &- B' --mailbox '&ZeVnLIqe-' --mailbox '&2D3eAA-'
	[ -d "$mnt/Entwürfe" ]
	[ -d "$mnt/A & B" ]
	[ -d "$mnt/日本語" ]
	[ -d "$mnt/😀" ]
}

@test "names that a path cannot hold are escaped" {
	local mnt=$FILE_DIR/escape
	scripted_mount "$mnt" --delimiter . --mailbox 'a/b' --mailbox '100%41 sure' --mailbox '50% off'
	equal "$(dirs "$mnt")" "$(printf '%s\n' '100%2541 sure' '50% off' INBOX 'a%2Fb' | LC_ALL=C sort)"
	equal "$(find "$mnt/a%2Fb" -type f | wc -l)" 1
}

@test "names that begin with a dot, or hold control characters" {
	local mnt=$FILE_DIR/control
	# &AAk- is a tab, &ABs- is ESC.
	scripted_mount "$mnt" --mailbox '.secret' --mailbox '..' --mailbox 'a&AAk-b' --mailbox 'c&ABs-d'
	[ -d "$mnt/%2Esecret" ]
	[ -d "$mnt/%2E." ]
	[ -d "$mnt/a%09b" ]
	[ -d "$mnt/c%1Bd" ]
	equal "$(dirs "$mnt" | wc -l)" 5
}

@test "names with quotes and backslashes, and names that are no modified UTF-7" {
	local mnt=$FILE_DIR/quotes
	scripted_mount "$mnt" --mailbox 'say "hi"' --mailbox 'back\slash' --mailbox '&broken' --mailbox 'fo&o-bar'
	[ -d "$mnt/say \"hi\"" ]
	[ -d "$mnt/back\\slash" ]
	# However they show, all are there and can be read.
	equal "$(dirs "$mnt" | wc -l)" 5
	equal "$(find "$mnt" -type f | wc -l)" 9
	find "$mnt" -type f -exec cat {} + >/dev/null
}

@test "a name over 255 bytes is cut, marked, and whole in user.imap.name" {
	local mnt=$FILE_DIR/long long dir
	long=$(printf 'n%.0s' {1..300})
	scripted_mount "$mnt" --mailbox "$long" --mailbox "${long}x"
	equal "$(dirs "$mnt" | wc -l)" 3
	for dir in "$mnt"/n*; do
		[ "$(basename "$dir" | tr -d '\n' | wc -c)" -le 255 ]
		[[ $(basename "$dir") =~ %~[0-9a-fA-F]{8}$ ]]
		[[ $(getfattr --only-values -n user.imap.name "$dir") =~ ^n{300}x?$ ]]
	done
}

@test "INBOX is upper case whatever the server says" {
	local mnt=$FILE_DIR/inbox
	scripted_mount "$mnt" --inbox-name Inbox --mailbox 'Inbox/child'
	equal "$(dirs "$mnt")" "$(printf '%s\n' INBOX INBOX/child)"
	equal "$(find "$mnt/INBOX" -maxdepth 1 -type f | wc -l)" 5
}

@test "a server without a delimiter is flat" {
	local mnt=$FILE_DIR/flat
	scripted_mount "$mnt" --delimiter NIL --mailbox 'a.b' --mailbox 'a/b'
	equal "$(dirs "$mnt")" "$(printf '%s\n' INBOX a%2Fb a.b)"
}

@test "names twice in a listing, and a name that differs in case alone" {
	local mnt=$FILE_DIR/twice
	scripted_mount "$mnt" --mailbox Work --mailbox work
	equal "$(dirs "$mnt")" "$(printf '%s\n' INBOX Work work)"
}

@test "other namespaces show under their prefix" {
	local mnt=$FILE_DIR/public
	server_dovecot dovecot-public
	mkdir "$FILE_DIR/notices"
	"$SUPPORT/make_mail.py" many "$FILE_DIR/notices" 3 500
	python3 "$SUPPORT/load_mail.py" --maildir "$MAIL_DIR/public/Notices" "$FILE_DIR/notices"
	"$SUPPORT/dovecot" own "$DOVECOT_DIR"
	mount_imapfs "$(dovecot_url)" "$mnt" ro
	[ -d "$mnt/Public/Notices" ]
	equal "$(find "$mnt/Public/Notices" -name '*.eml' | wc -l)" 3
}

@test "/mailbox in the URL is the root" {
	local mnt=$FILE_DIR/sub
	server_dovecot dovecot-public
	load_maildir u2 "$SAMPLE"
	printf 'pw2\n' >"$FILE_DIR/pw2"
	chmod 600 "$FILE_DIR/pw2"
	mount_imapfs "imaps://u2@localhost:$IMAPS_PORT/Projects/Garden" "$mnt" ro "password_file=$FILE_DIR/pw2"
	[ -d "$mnt/Plans" ]
	equal "$(find "$mnt" -maxdepth 1 -name '*.eml' | wc -l)" 5
	equal "$(dirs "$mnt")" Plans
	unmount_imapfs "$mnt"
	# Percent-encoded, with characters that are encoded on the wire as well.
	mount_imapfs "imaps://u2@localhost:$IMAPS_PORT/M%C3%BCllers%20Entw%C3%BCrfe" "$mnt" ro \
		"password_file=$FILE_DIR/pw2"
	equal "$(find "$mnt" -name '*.eml' | wc -l)" 1
}

@test "a user name with an @, percent-encoded" {
	local mnt=$FILE_DIR/at
	server_dovecot dovecot-public
	load_maildir u3@local "$SAMPLE"
	printf 'pw3\n' >"$FILE_DIR/pw3"
	chmod 600 "$FILE_DIR/pw3"
	mount_imapfs "imaps://u3%40local@localhost:$IMAPS_PORT/" "$mnt" ro "password_file=$FILE_DIR/pw3"
	[ -d "$mnt/Projects/Garden" ]
}

@test "subscribed shows what is subscribed, and the way to it" {
	local mnt=$FILE_DIR/subscribed
	server_dovecot dovecot-public
	load_maildir u1 "$SAMPLE"
	printf 'Projects/Garden/Plans\nSent\n' >"$MAIL_DIR/u1/Maildir/subscriptions"
	"$SUPPORT/dovecot" own "$DOVECOT_DIR"
	mount_imapfs "$(dovecot_url)" "$mnt" ro subscribed
	[ -d "$mnt/Projects/Garden/Plans" ]
	[ -d "$mnt/Sent" ]
	probe_is ENOENT stat "$mnt/Trash"
}

@test "what is new on the server shows after poll: a message" {
	local mnt=$FILE_DIR/new
	server_scripted --tls-dir "$TLS_DIR" --messages 3
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid poll=1
	equal "$(count_mail "$mnt/INBOX")" 3
	probe_is ENOENT stat "$mnt/INBOX/4.eml"
	kill -USR1 "$SCRIPTED_PID"
	wait_for 10 sh -c "[ \$(ls '$mnt/INBOX' | wc -l) = 4 ]"
	grep -q 'Message 4' "$mnt/INBOX/4.eml"
}

@test "what is new on the server shows after poll: a mailbox" {
	local mnt=$FILE_DIR/newbox
	server_dovecot dovecot-public
	mount_imapfs "$(dovecot_url)" "$mnt" ro poll=1
	[ -d "$mnt/INBOX" ]
	probe_is ENOENT stat "$mnt/Later"
	mkdir -p "$FILE_DIR/later/Later"
	"$SUPPORT/make_mail.py" many "$FILE_DIR/later/Later" 2 500
	load_maildir u1 "$FILE_DIR/later"
	wait_for 10 sh -c "ls '$mnt' | grep -qx Later"
	equal "$(count_mail "$mnt/Later")" 2
}

count_mail() {
	find "$1" -maxdepth 1 -name '*.eml' | wc -l
}
