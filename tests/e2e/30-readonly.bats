#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# Until writing exists, everything that would change something says EROFS: with ro and without.

load lib

setup_file() {
	file_begin
	server_dovecot dovecot
	load_maildir u1 "$SAMPLE"
	imaplib state >"$FILE_DIR/state"
	mount_imapfs "$(dovecot_url)" "$FILE_DIR/ro" ro
	mount_imapfs "$(dovecot_url)" "$FILE_DIR/rw"
}

teardown_file() {
	file_end
}

# Every test is for both mounts.
both() { # both EXPECTED COMMAND ARGS...: ARGS may use $MNT and $FILE, expanded here
	local expected=$1 mnt file arg args
	shift
	for mnt in "$FILE_DIR/ro" "$FILE_DIR/rw"; do
		file=$(find "$mnt/INBOX" -name '*.1.eml')
		args=()
		for arg; do
			arg=${arg//@MNT/$mnt}
			args+=("${arg//@FILE/$file}")
		done
		probe_is "$expected" "${args[@]}"
	done
}

@test "create" { both EROFS create @MNT/INBOX/new.eml; }
@test "create in the root" { both EROFS create @MNT/new.eml; }
@test "create of a scratch name" { both EROFS create @MNT/INBOX/.new.swp; }
@test "mknod" { both EROFS mknod @MNT/INBOX/node.eml; }
@test "mkfifo" { both EROFS mkfifo @MNT/INBOX/fifo; }
@test "mkdir" { both EROFS mkdir @MNT/NewBox; }
@test "mkdir in a mailbox" { both EROFS mkdir @MNT/INBOX/NewBox; }
@test "rmdir" { both EROFS rmdir "@MNT/Nothing yet"; }
@test "unlink" { both EROFS unlink @FILE; }
@test "rename" { both EROFS rename @FILE @MNT/INBOX/renamed.eml; }
@test "rename into another mailbox" { both EROFS rename @FILE @MNT/Trash/renamed.eml; }
@test "rename of a mailbox" { both EROFS rename @MNT/Trash @MNT/Garbage; }
@test "exchange" { both EROFS exchange @FILE "@MNT/Nothing yet"; }
@test "link" { both EROFS link @FILE @MNT/Trash/linked.eml; }
@test "symlink" { both EROFS symlink anything @MNT/INBOX/link; }
@test "write" { both EROFS open-write @FILE; }
@test "append" { both EROFS append @FILE; }
@test "open with O_TRUNC" { both EROFS open-trunc @FILE; }
@test "truncate" { both EROFS truncate @FILE; }
@test "fallocate" { both EROFS fallocate @FILE; }
@test "chmod" { both EROFS chmod @FILE; }
@test "chown" { both EROFS chown @FILE; }
@test "utimens" { both EROFS utimens @FILE; }
@test "chmod of a mailbox" { both EROFS chmod @MNT/INBOX; }
@test "setxattr" { both EROFS setxattr @FILE user.imap.flags '\Seen'; }
@test "setxattr of a mailbox" { both EROFS setxattr @MNT/INBOX user.imap.subscribed 0; }
@test "removexattr" { both EROFS removexattr @FILE user.imap.flags; }
@test "write to the status file" { both EROFS open-write @MNT/.imapfs/status; }
@test "unlink of the status file" { both EROFS unlink @MNT/.imapfs/status; }

@test "open for reading and writing" { both EROFS open-rdwr @FILE; }

# With the file open for writing the kernel would take the bytes into its page cache and refuse them only later.
@test "a write into a mapped file is refused before any reader sees it" {
	local mnt file
	for mnt in "$FILE_DIR/ro" "$FILE_DIR/rw"; do
		file=$(find "$mnt/INBOX" -name '*.1.eml')
		cat "$file" >"$FILE_DIR/before"
		none python3 -c '
import mmap, sys
with open(sys.argv[1], "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[0:5] = b"XXXXX"
    m.flush()' "$file" 2>"$FILE_DIR/python.log"
		cmp "$file" "$FILE_DIR/before"
	done
}

@test "the tools say so, too" {
	local mnt=$FILE_DIR/rw file
	file=$(find "$mnt/INBOX" -name '*.1.eml')
	LC_ALL=C run cp "$file" "$mnt/Trash/copy.eml"
	[ "$status" -ne 0 ]
	[[ $output == *'Read-only file system'* ]]
	LC_ALL=C run sh -c "echo x >>'$file'"
	[ "$status" -ne 0 ]
	LC_ALL=C run rm -f "$file"
	[ "$status" -ne 0 ]
	LC_ALL=C run touch "$mnt/INBOX/new"
	[ "$status" -ne 0 ]
}

@test "and nothing has changed, here or there" {
	local file
	file=$(find "$FILE_DIR/rw/INBOX" -name '*.1.eml')
	equal "$(stat_of size "$file")" "$(wc -c <"$file")"
	probe_is ENOENT stat "$FILE_DIR/rw/INBOX/new.eml"
	probe_is ENOENT stat "$FILE_DIR/rw/NewBox"
	diff -r "$FILE_DIR/ro" "$FILE_DIR/rw"
	imaplib state | diff "$FILE_DIR/state" -
}
