#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# Readable names: whatever a sender writes, they are unique, bounded and harmless.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	"$SUPPORT/make_mail.py" hostile "$FILE_DIR/hostile"
	load_maildir u1 "$FILE_DIR/hostile"
	imaplib mail >"$FILE_DIR/mail"
	export MNT=$FILE_DIR/mnt
	mount_imapfs "$(dovecot_url)" "$MNT" ro
}

teardown_file() {
	file_end
}

@test "hostile subjects and senders: every message is there, under a decent name" {
	within 60 "$SUPPORT/compare_mount.py" "$MNT" <"$FILE_DIR/mail"
}

@test "no name twice" {
	equal "$(ls -U "$MNT/INBOX" | sort | uniq -d)" ""
	equal "$(find "$MNT/INBOX" -type f | wc -l)" "$(wc -l <"$FILE_DIR/mail")"
}

@test "what is dropped, and what is kept" {
	local names
	names=$(ls "$MNT/INBOX")
	none grep -P '[\x{202a}-\x{202e}\x{2066}-\x{2069}\x{200b}\x{200e}\x{200f}\x{feff}]' <<<"$names"
	grep -q $'join\u200d\u200ckeep' <<<"$names"
	grep -q 'gnp\.txt' <<<"$names"
	grep -q 'Re:\?_Re:\?_AW' <<<"$names"
	grep -q '\.unknown\.no_sender\.' <<<"$names"
	grep -q '\.no_subject\.no-subject\.' <<<"$names"
}

@test "invalid bytes become U+FFFD" {
	ls "$MNT/INBOX" | grep -q $'\ufffd.*broken'
}

@test "white space and slashes" {
	none grep -P '\s' <<<"$(ls "$MNT/INBOX")"
	ls "$MNT/INBOX" | grep -q 'etc.*passwd'
}

@test "thirty charsets" {
	local names
	names=$(ls "$MNT/INBOX")
	grep -q '\.привет\.привет_koi8-r\.' <<<"$names"
	grep -q '\.привет\.привет_windows-1251\.' <<<"$names"
	grep -q '\.γειά\.γειά_iso-8859-7\.' <<<"$names"
	grep -q '\.שלום\.שלום_iso-8859-8\.' <<<"$names"
	grep -q '\.مرحبا\.مرحبا_windows-1256\.' <<<"$names"
	grep -q '\.四月のお知らせ\.四月のお知らせ_iso-2022-jp\.' <<<"$names"
	grep -q '\.四月のお知らせ\.四月のお知らせ_shift_jis\.' <<<"$names"
	grep -q '\.안녕\.안녕_euc-kr\.' <<<"$names"
	grep -q '\.你好\.你好_big5\.' <<<"$names"
	grep -q '\.你好\.你好_gb18030\.' <<<"$names"
	grep -q '\.zażółć\.zażółć_iso-8859-2\.' <<<"$names"
	grep -q '\.Größe\.Größe_iso-8859-15\.' <<<"$names"
	grep -q '\.สวัสดี\.สวัสดี_tis-620\.' <<<"$names"
}

@test "names are the same on the next mount" {
	local before
	before=$(ls -U "$MNT/INBOX" | sort)
	unmount_imapfs "$MNT"
	mount_imapfs "$(dovecot_url)" "$MNT" ro
	equal "$(ls -U "$MNT/INBOX" | sort)" "$before"
}

@test "a listing names what look-up finds" {
	local name
	ls -U "$MNT/INBOX" | while IFS= read -r name; do
		[ -f "$MNT/INBOX/$name" ] || {
			echo "not found: $name" >&2
			exit 1
		}
	done
}

@test "a mailbox named like a message keeps its name" {
	local mnt=$FILE_DIR/clash
	server_scripted --tls-dir "$TLS_DIR" --messages 2 --mailbox 'INBOX/20060102-1505.Sender_1.Message_1.1.eml'
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro
	[ -d "$mnt/INBOX/20060102-1505.Sender_1.Message_1.1.eml" ]
	[ -f "$mnt/INBOX/20060102-1505.Sender_1.Message_1.1~2.eml" ]
	[ -f "$mnt/INBOX/20060102-1506.Sender_2.Message_2.2.eml" ]
}
