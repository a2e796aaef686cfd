#!/usr/bin/env bats
# Real mail of many origins, where it is at hand: every one of it listed, every byte right, nothing changed.
# The corpora are no part of this tree; $IMAPFS_CORPUS, or ../shared/corpus beside the tree, has them or not.

load lib

setup_file() {
	file_begin
	[ -f "$CORPUS/bulk-dev.tar.xz" ] && [ -f "$CORPUS/nasty-dev.tar.xz" ] || return 0
	server_dovecot dovecot
	load_maildir u1 --prefix Bulk "$CORPUS/bulk-dev.tar.xz"
	load_maildir u1 --prefix Nasty "$CORPUS/nasty-dev.tar.xz"
	imaplib state >"$FILE_DIR/state"
	imaplib mail >"$FILE_DIR/mail"
	export MNT=$FILE_DIR/mnt
}

teardown_file() {
	file_end
}

setup() {
	[ -s "$FILE_DIR/mail" ] || skip "no corpora at \$IMAPFS_CORPUS or ../shared/corpus (bulk-dev, nasty-dev)"
}

@test "all 5,120 messages are there to compare with" {
	equal "$(wc -l <"$FILE_DIR/mail")" 5120
}

@test "readable names: listed, bytes, size, dates, names, inodes" {
	mount_imapfs "$(dovecot_url)" "$MNT" ro
	within 180 "$SUPPORT/compare_mount.py" "$MNT" <"$FILE_DIR/mail"
}

@test "again from the cache" {
	unmount_imapfs "$MNT"
	mount_imapfs "$(dovecot_url)" "$MNT" ro
	within 90 "$SUPPORT/compare_mount.py" "$MNT" --order shuffled <"$FILE_DIR/mail"
	unmount_imapfs "$MNT"
}

@test "names=uid on a mount without ro, in no order" {
	local mnt=$FILE_DIR/uid
	mount_imapfs "$(dovecot_url)" "$mnt" names=uid
	within 180 "$SUPPORT/compare_mount.py" "$mnt" --names uid --order shuffled <"$FILE_DIR/mail"
	unmount_imapfs "$mnt"
}

@test "nothing on the server changed: no \\Seen, every \\Recent kept" {
	imaplib state | diff "$FILE_DIR/state" -
	equal "$(grep -c '^flags.*Recent' "$FILE_DIR/state")" 5120
}
