#!/usr/bin/env bats
# Servers that do not say the truth: about sizes, UIDs, or anything at all.

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

lying_mount() { # lying_mount DIR OPTION...: and what imaplib reads there, in $FILE_DIR/bodies
	local dir=$1
	shift
	server_scripted --tls-dir "$TLS_DIR" "$@"
	rm -rf "$FILE_DIR/bodies" "$FILE_DIR/cache-$(basename "$dir")"
	IMAPS_PORT=$PORT imaplib mail --bodies "$FILE_DIR/bodies" >"$FILE_DIR/mail"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$dir" ro names=uid
}

size_lies() { # size_lies DIR OFFSET SIZE
	local mnt=$1
	lying_mount "$mnt" --lie-size="$2" --size "$3" --messages 6
	cmp "$mnt/INBOX/1.eml" "$FILE_DIR/bodies/INBOX/1.eml"
	rm -f "$FILE_DIR/copy"
	cp "$mnt/INBOX/2.eml" "$FILE_DIR/copy"
	cmp "$FILE_DIR/copy" "$FILE_DIR/bodies/INBOX/2.eml"
	# shellcheck disable=SC2002 # cat is who reads
	cat "$mnt/INBOX/3.eml" | cmp - "$FILE_DIR/bodies/INBOX/3.eml"
	dd if="$mnt/INBOX/4.eml" bs=1000 status=none | cmp - "$FILE_DIR/bodies/INBOX/4.eml"
	# From the first read on, the size is the true one.
	for uid in 1 2 3 4; do
		equal "$(stat_of size "$mnt/INBOX/$uid.eml")" "$(stat -c %s "$FILE_DIR/bodies/INBOX/$uid.eml")"
	done
	mkdir "$FILE_DIR/tar"
	cat "$mnt"/INBOX/*.eml >/dev/null
	tar -C "$mnt/INBOX" -cf - . | tar -C "$FILE_DIR/tar" -xf -
	diff -r "$FILE_DIR/tar" "$FILE_DIR/bodies/INBOX"
	chmod -R u+w "$FILE_DIR/tar"
	rm -r "$FILE_DIR/tar"
	for uid in 1 2 3 4 5 6; do
		within 10 "$PROBE" mmap "$mnt/INBOX/$uid.eml" | cmp - "$FILE_DIR/bodies/INBOX/$uid.eml"
	done
	# The next mount knows.
	unmount_imapfs "$mnt"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid
	equal "$(stat_of size "$mnt/INBOX/5.eml")" "$(stat -c %s "$FILE_DIR/bodies/INBOX/5.eml")"
}

@test "sizes too small by 100, small messages" { size_lies "$FILE_DIR/small-100" -100 2000; }
@test "sizes too large by 100, small messages" { size_lies "$FILE_DIR/large-100" +100 2000; }
@test "sizes too small by 10,000, across pages" { size_lies "$FILE_DIR/small-10k" -10000 300000; }
@test "sizes too large by 10,000, across pages" { size_lies "$FILE_DIR/large-10k" +10000 300000; }
@test "sizes that are 0" { size_lies "$FILE_DIR/zero" -9999999 5000; }
@test "sizes too large by 5,000,000" { size_lies "$FILE_DIR/huge" +5000000 5000; }
@test "sizes too small by 1, of large messages" { size_lies "$FILE_DIR/one" -1 3000000; }

# The size tar writes into its header is from before it reads: it may be wrong, but then tar has to say so.
@test "a first tar of wrong sizes is right or complains" {
	local mnt status offset
	for offset in -100 +100; do
		mnt=$FILE_DIR/tar$offset
		lying_mount "$mnt" --lie-size="$offset"
		status=0
		mkdir "$FILE_DIR/tarred"
		tar -C "$mnt/INBOX" -cf "$FILE_DIR/tar.tar" . 2>"$FILE_DIR/tar.err" || status=$?
		tar -C "$FILE_DIR/tarred" -xf "$FILE_DIR/tar.tar"
		if ! diff -rq "$FILE_DIR/tarred" "$FILE_DIR/bodies/INBOX"; then
			[ "$status" -ne 0 ]
			[ -s "$FILE_DIR/tar.err" ]
		fi
		chmod -R u+w "$FILE_DIR/tarred"
		rm -r "$FILE_DIR/tarred"
		unmount_all
	done
}

@test "a first mmap of wrong sizes shows no bytes that do not exist" {
	local mnt offset uid
	for offset in -100 +100; do
		mnt=$FILE_DIR/mmap$offset
		lying_mount "$mnt" --lie-size="$offset"
		for uid in 1 2 3; do
			within 10 "$PROBE" mmap "$mnt/INBOX/$uid.eml" >"$FILE_DIR/mapped"
			# What is there is the message; what is beyond its end can only be the page's zeros.
			python3 - "$FILE_DIR/mapped" "$FILE_DIR/bodies/INBOX/$uid.eml" <<-'PY'
			import sys
			mapped, body = (open(path, "rb").read() for path in sys.argv[1:])
			assert mapped[: len(body)] == body[: len(mapped)]
			assert not mapped[len(body) :].strip(b"\0")
			PY
			# And once more, when the size is known.
			within 10 "$PROBE" mmap "$mnt/INBOX/$uid.eml" | cmp - "$FILE_DIR/bodies/INBOX/$uid.eml"
		done
		unmount_all
	done
}

@test "answers for other messages than asked are no answer" {
	local mnt=$FILE_DIR/uids
	server_scripted --tls-dir "$TLS_DIR" --wrong-uid
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid timeout=3
	# Whatever is listed, no file holds the bytes of another message.
	for file in "$mnt"/INBOX/*.eml; do
		[ -e "$file" ] || continue
		run within 10 cat "$file"
		[ "$status" -eq 1 ]
	done
}

@test "a FETCH answer that does not parse hides no other message" {
	local mnt=$FILE_DIR/bad
	# imaplib cannot read this server.
	server_scripted --tls-dir "$TLS_DIR" --bad-fetch-line --messages 5
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid
	for uid in 1 3 4 5; do
		grep -q "Message-ID: <$uid@" "$mnt/INBOX/$uid.eml"
	done
}

@test "an EXAMINE that says nothing but OK" {
	local mnt=$FILE_DIR/untagged
	server_scripted --tls-dir "$TLS_DIR" --no-untagged
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid timeout=3
	# No UIDVALIDITY: nothing can be kept, but nothing falls over.
	run within 10 ls "$mnt/INBOX"
	within 3 cat "$mnt/.imapfs/status" >/dev/null
}

@test "answers in pieces of one byte" {
	local mnt=$FILE_DIR/bytes
	lying_mount "$mnt" --chunk 1 --messages 3 --size 1500
	for uid in 1 2 3; do cmp "$mnt/INBOX/$uid.eml" "$FILE_DIR/bodies/INBOX/$uid.eml"; done
}

@test "a server with IMAP4rev1 and nothing else" {
	local mnt=$FILE_DIR/plain
	lying_mount "$mnt" --capabilities IMAP4rev1
	within 30 "$SUPPORT/compare_mount.py" "$mnt" --names uid <"$FILE_DIR/mail"
}

@test "a new UIDVALIDITY: no old bytes under new names" {
	local mnt=$FILE_DIR/validity
	lying_mount "$mnt" --messages 3
	cat "$mnt"/INBOX/*.eml >/dev/null
	before=$(stat_of ino "$mnt/INBOX/1.eml")
	unmount_imapfs "$mnt"
	kill -USR2 "$SCRIPTED_PID"
	mount_imapfs "imaps://u1@localhost:$PORT/" "$mnt" ro names=uid
	ls "$mnt/INBOX" >/dev/null
	equal "$(getfattr --absolute-names --only-values -n user.imap.uidvalidity "$mnt/INBOX")" 2
	: >"$SCRIPTED_LOG"
	cmp "$mnt/INBOX/1.eml" "$FILE_DIR/bodies/INBOX/1.eml"
	grep -q 'BODY.PEEK\[\]' "$SCRIPTED_LOG"
	[ "$(stat_of ino "$mnt/INBOX/1.eml")" != "$before" ]
}
