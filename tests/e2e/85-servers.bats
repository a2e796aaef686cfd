#!/usr/bin/env bats
# shellcheck disable=SC2010,SC2012 # listing is what is tested
# The mount on servers that are not Dovecot: Cyrus, Courier and GNU mailutils' imap4d, which differ in most of what a
# server is free to choose, and in some of what it is not. A server that cannot be had here is skipped, with the reason.
#
# Account u1 holds the sample mail and messages that servers treat each in their own way; nothing changes it.
# What changes is in u2.

load lib

NAMES='cyrus courier imap4d'

setup_file() {
	export SERVERS_CACHE=${IMAPFS_SERVERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imapfs-test-servers}
	local name
	file_begin
	printf 'pw2\n' >"$FILE_DIR/pw2"
	chmod 600 "$FILE_DIR/pw2"
	odd_mail "$FILE_DIR/odd/Odd"
	new_mail "$FILE_DIR/new"
	for name in $NAMES; do
		{
			prepare "$name" && echo 0 || echo $?
		} >"$FILE_DIR/$name.status" 2>"$FILE_DIR/$name.said" 3>&- &
	done
	wait
}

teardown_file() {
	local name
	[ -n "${FILE_DIR:-}" ] || return 0
	unmount_all
	for name in $NAMES; do
		[ ! -e "$FILE_DIR/$name/pid" ] || "$SUPPORT/servers" stop "$name" "$FILE_DIR/$name" 3>&-
	done
	file_end
}

# ---- preparing -------------------------------------------------------------------------------

odd_mail() { # odd_mail DIR: what servers store changed, or not at all; more than two windows; exactly one
	mkdir -p "$1"
	python3 - "$1" <<-'PY'
	import os, sys
	bodies = {
	    "nul": b"before\r\nzero \0 inside\r\n", "lone-cr": b"one\rtwo\r\n", "no-line-end": b"the end",
	    "header-only": b"", "dots": b"From me\r\n.\r\n..\r\n", "8-bit": bytes(range(128, 256)) + b"\r\n",
	    "long-line": b"y" * 20000 + b"\r\n", "windows": b"".join(b"%08x%s\r\n" % (n, b"x" * 66) for n in range(36000)),
	}
	head = "From: Jürgen <j@example.org>\r\nSubject: %s\r\nDate: Mon, 06 Jan 2025 08:02:07 +0000\r\n\r\n"
	def write(name, body):
	    with open(os.path.join(sys.argv[1], name + ".eml"), "wb") as out:
	        out.write((head % name).encode() + body)
	for name, body in bodies.items():
	    write(name, body)
	write("one-window", b"z" * (1048576 - len((head % "one-window").encode()) - 2) + b"\r\n")
	PY
}

new_mail() { # new_mail DIR: 0.eml to 8.eml
	local number
	mkdir -p "$1"
	for number in {0..8}; do
		printf '%s\r\n' 'From: New <new@example.org>' "Subject: Number $number" \
			'Date: Tue, 07 Jan 2025 08:02:07 +0000' '' "This is $number and no other." >"$1/$number.eml"
	done
}

sample_for() { # sample_for NAME DIR: the sample mail as this server can have it
	cp -r "$SAMPLE" "$2"
	# Everything lives below INBOX.
	[ "$1" != courier ] || sed -i -E '/^#/!s,\t,\tINBOX/,; s,INBOX/INBOX,INBOX,' "$2/mailboxes.tsv"
	# A keyword makes it refuse the whole message.
	[ "$1" != imap4d ] || sed -i -E '/^#/!s/ ?([$]\w+|loom-ci)//g' "$2"/*/index.tsv
}

prepare() { # prepare NAME: server, mail, what imaplib says of it, and the mount of u1; status 77: not here, and why
	local name=$1 dir=$FILE_DIR/$1 prefix='' boxes
	"$SUPPORT/servers" fetch "$name" "$SERVERS_CACHE" >"$FILE_DIR/$name.why" || return
	mkdir "$dir"
	cp -r "$TLS_DIR" "$dir/tls"
	"$SUPPORT/servers" start "$name" "$dir" >"$FILE_DIR/$name.why" || return
	be "$name"
	sample_for "$name" "$FILE_DIR/sample-$name"
	boxes=$(grep -vc '^#' "$FILE_DIR/sample-$name/mailboxes.tsv")
	[ "$name" != courier ] || prefix=INBOX
	load_by_append "$FILE_DIR/sample-$name" || return 1
	load_by_append --prefix "$prefix" "$FILE_DIR/odd" || return 1
	settle u1
	imaplib mail --user "$ACCOUNT" --bodies "$FILE_DIR/bodies-$name" >"$FILE_DIR/mail-$name" || return 1
	imaplib state --user "$ACCOUNT" >"$FILE_DIR/state-$name" || return 1
	# All of the sample, and all but a few of the odd ones.
	[ "$(wc -l <"$FILE_DIR/mail-$name")" -ge 70 ] || return 1
	[ "$(cut -f1 "$FILE_DIR/mail-$name" | sort -u | wc -l)" -ge $((boxes - 1)) ] || return 1
	mount_imapfs "$(server_url)" "$MNT" ro || return 1
}

load_by_append() {
	# shellcheck disable=SC2086
	python3 "$SUPPORT/load_mail.py" --port "$IMAPS_PORT" --ca "$CA_FILE" --user "$ACCOUNT" "$@" >&2
}

# imap4d counts anew, with each EXAMINE, what no SELECT has seen yet.
settle() { # settle u1|u2
	[ "$(account "$1")" != "$1" ] || return 0
	as_client "$1" <<-'PY'
	for attributes, _, name in imapconn.list_mailboxes(imap):
	    if "\\noselect" not in " ".join(attributes).lower():
	        imap.select(imapconn.quote(name).decode())
	        imap.unselect()
	PY
}

# ---- servers ---------------------------------------------------------------------------------

be() { # be NAME: everything below is about this server
	set -a
	# shellcheck disable=SC1090,SC1091
	. "$FILE_DIR/$1/env"
	set +a
	MNT=$FILE_DIR/mnt-$1
}

on() { # on NAME: the same in a test
	case $(tail -1 "$FILE_DIR/$1.status") in
	77) skip "$(cat "$FILE_DIR/$1.why")" ;;
	0) ;;
	*)
		cat "$FILE_DIR/$1.said" >&2
		return 1
		;;
	esac
	be "$1"
}

account() { # account u1|u2: as this server calls it
	echo "${ACCOUNT/u1/$1}"
}

server_url() { # server_url [SCHEME PORT]: of u1
	echo "${1:-imaps}://${ACCOUNT/@/%40}@localhost:${2:-$IMAPS_PORT}/"
}

mount_u2() { # mount_u2 DIR OPTION...
	local dir=$1 user
	shift
	user=$(account u2)
	mount_imapfs "imaps://${user/@/%40}@localhost:$IMAPS_PORT/" "$dir" ro "password_file=$FILE_DIR/pw2" "$@"
}

# Python on standard input, with `imap`, a connection of imaplib, and the arguments in `args`.
as_client() { # as_client u1|u2 ARGUMENT...
	local user=$1
	shift
	python3 <(
		cat <<-PY
		import argparse, sys
		sys.path.insert(0, "$SUPPORT")
		import imapconn
		imap = imapconn.connect(argparse.Namespace(
		    host="localhost", port=$IMAPS_PORT, ca="$CA_FILE", user="$(account "$user")", password="pw${user#u}"))
		args = sys.argv[1:]
		PY
		cat
		echo 'imap.logout()'
	) "$@"
}

deliver() { # deliver MESSAGE...: by another client, to INBOX of u2
	as_client u2 "$@" <<-'PY'
	for path in args:
	    with open(path, "rb") as message:
	        imapconn.check(imap.append("INBOX", None, None, message.read()))
	PY
	settle u2
}

expunge() { # expunge UID...: by another client, from INBOX of u2
	as_client u2 "$@" <<-'PY'
	imapconn.check(imap.select("INBOX"))
	imapconn.check(imap.uid("STORE", ",".join(args), "+FLAGS.SILENT", "(\\Deleted)"))
	imapconn.check(imap.expunge())
	PY
}

mail_of_u2() {
	imaplib mail INBOX --user "$(account u2)" --password pw2 "$@"
}

lists() { # lists DIR COUNT: so many messages
	[ "$(ls "$1" | grep -c '\.eml$')" = "$2" ]
}

attr() { # attr NAME PATH
	getfattr --absolute-names --only-values -n "user.imap.$1" "$2"
}

# ---- what is tested, for each ----------------------------------------------------------------

tree_is_as_listed() { # tree_is_as_listed NAME
	local path
	on "$1"
	imaplib list --user "$ACCOUNT" | cut -f4 | while IFS= read -r path; do
		echo "$path"
		# A level that only other mailboxes imply is a directory too.
		while [ "$path" != "${path%/*}" ]; do
			path=${path%/*}
			echo "$path"
		done
	done | LC_ALL=C sort -u >"$FILE_DIR/expected"
	(cd "$MNT" && find . -mindepth 1 -type d | sed 's,^\./,,' | LC_ALL=C sort) | diff "$FILE_DIR/expected" -
	[ "$(wc -l <"$FILE_DIR/expected")" -ge 16 ]
}

everything_reads() { # everything_reads NAME: bytes, sizes, dates, names
	on "$1"
	within 60 "$SUPPORT/compare_mount.py" "$MNT" <"$FILE_DIR/mail-$1"
}

everything_reads_by_uid() { # everything_reads_by_uid NAME: with STARTTLS, in no order
	local mnt=$FILE_DIR/uid-$1
	on "$1"
	mount_imapfs "$(server_url imap "$IMAP_PORT")" "$mnt" ro names=uid
	within 60 "$SUPPORT/compare_mount.py" "$mnt" --names uid --order shuffled <"$FILE_DIR/mail-$1"
	unmount_imapfs "$mnt"
}

windows_read() { # windows_read NAME: the middle and the end of a message that is longer than a window, first
	local mnt=$FILE_DIR/windows-$1 body path
	on "$1"
	body=$(find "$FILE_DIR/bodies-$1" -size +2M)
	path=${body#"$FILE_DIR/bodies-$1/"}
	mount_imapfs "$(server_url)" "$mnt" ro names=uid
	ls "$mnt/${path%/*}" >/dev/null
	cmp <(dd if="$mnt/$path" bs=1000 skip=1500 count=2 status=none) <(dd if="$body" bs=1000 skip=1500 count=2 status=none)
	cmp <(tail -c 1000 "$mnt/$path") <(tail -c 1000 "$body")
	cmp "$mnt/$path" "$body"
	unmount_imapfs "$mnt"
}

flags_agree() { # flags_agree NAME
	on "$1"
	python3 - "$MNT" "$FILE_DIR/mail-$1" <<-'PY'
	import os, sys
	mount, seen = sys.argv[1], 0
	for line in open(sys.argv[2], encoding="utf-8"):
	    path, uid, _, _, _, flags = line.rstrip("\n").split("\t")
	    got = os.getxattr(f"{mount}/{path}/.uid/{uid}.eml", "user.imap.flags").decode().split()
	    want = flags.split()
	    assert set(got) - {"\\Recent"} == set(want) - {"\\Recent"}, (line, got)
	    seen += bool(want)
	assert seen, "no message has a flag"
	PY
}

second_mount_is_the_same() { # second_mount_is_the_same NAME: the index of the first one serves
	local mnt=$FILE_DIR/again-$1 before
	on "$1"
	mount_imapfs "$(server_url)" "$mnt" ro
	before=$(cd "$mnt" && find . -printf '%i %s %p\n' | sort)
	unmount_imapfs "$mnt"
	mount_imapfs "$(server_url)" "$mnt" ro
	equal "$(cd "$mnt" && find . -printf '%i %s %p\n' | sort)" "$before"
	within 60 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/mail-$1"
	unmount_imapfs "$mnt"
}

nothing_changed() { # nothing_changed NAME: all was read, as the tests above did
	on "$1"
	find "$MNT" -type f -exec cat {} + >/dev/null
	imaplib state --user "$ACCOUNT" | diff "$FILE_DIR/state-$1" -
}

recent_stays() { # recent_stays NAME: a message that no client has seen
	local mnt=$FILE_DIR/recent-$1 box=Fresh
	on "$1"
	[ "$1" != courier ] || box=INBOX.Fresh
	as_client u2 "$box" "$FILE_DIR/new/0.eml" <<-'PY'
	imapconn.check(imap.create(args[0]))
	# To Courier only what comes from outside is recent.
	if not args[0].startswith("INBOX."):
	    imapconn.check(imap.append(args[0], None, None, open(args[1], "rb").read()))
	PY
	[ "$1" != courier ] || tr -d '\r' <"$FILE_DIR/new/0.eml" \
		>"$FILE_DIR/courier/mail/u2/Maildir/.Fresh/new/1700000000.M1P1.outside"
	equal "$(recent_of "$box")" 1
	mount_u2 "$mnt"
	lists "$mnt/${box/./\/}" 1
	cmp "$mnt/${box/./\/}"/*.eml "$FILE_DIR/new/0.eml"
	unmount_imapfs "$mnt"
	equal "$(recent_of "$box")" 1
}

recent_of() { # recent_of MAILBOX
	as_client u2 "$1" <<-'PY'
	print(imapconn.check(imap.status(args[0], "(RECENT)"))[0].decode().split("RECENT ")[1].rstrip(")"))
	PY
}

news_shows() { # news_shows NAME: delivered, then expunged, after poll
	local mnt=$FILE_DIR/news-$1 before uid
	on "$1"
	mount_u2 "$mnt" poll=1
	before=$(ls "$mnt/INBOX" | grep -c '\.eml$' || true)
	deliver "$FILE_DIR"/new/{1,2,3}.eml
	wait_for 10 lists "$mnt/INBOX" $((before + 3))
	mail_of_u2 >"$FILE_DIR/u2"
	within 20 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/u2"
	uid=$(tail -2 "$FILE_DIR/u2" | head -1 | cut -f2)
	expunge "$uid"
	wait_for 10 lists "$mnt/INBOX" $((before + 2))
	probe_is ENOENT stat "$mnt/INBOX/.uid/$uid.eml"
	mail_of_u2 >"$FILE_DIR/u2"
	within 20 "$SUPPORT/compare_mount.py" "$mnt" <"$FILE_DIR/u2"
	unmount_imapfs "$mnt"
}

# Asked for a UID that is gone, imap4d answers with the last message, and Courier with a few lines of its own.
gone_is_never_another() { # gone_is_never_another NAME
	local mnt=$FILE_DIR/gone-$1 bodies=$FILE_DIR/gone-bodies-$1 uids count uid
	on "$1"
	deliver "$FILE_DIR"/new/{4,5,6,7}.eml
	mail_of_u2 --bodies "$bodies" >"$FILE_DIR/u2"
	mapfile -t uids < <(cut -f2 "$FILE_DIR/u2")
	count=${#uids[@]}
	mount_u2 "$mnt" names=uid
	lists "$mnt/INBOX" "$count"
	# Listed, on a connection that is open, then gone: one in the middle, and the last.
	expunge "${uids[count - 3]}" "${uids[count - 1]}"
	its_own_or_nothing "$mnt" "$bodies" "${uids[count - 3]}"
	for uid in "${uids[@]}"; do its_own_or_nothing "$mnt" "$bodies" "$uid"; done
	cmp "$mnt/INBOX/${uids[count - 2]}.eml" "$bodies/INBOX/${uids[count - 2]}.eml"
	unmount_imapfs "$mnt"
	# Gone between two mounts, while as many came: looked up by number, without a listing.
	expunge "${uids[count - 4]}"
	deliver "$FILE_DIR/new/8.eml" "$FILE_DIR/new/4.eml" "$FILE_DIR/new/5.eml"
	mount_u2 "$mnt" names=uid
	its_own_or_nothing "$mnt" "$bodies" "${uids[count - 4]}" .uid/
	unmount_imapfs "$mnt"
}

its_own_or_nothing() { # its_own_or_nothing MOUNT BODIES UID [.uid/]
	local status=0
	within 10 cat "$1/INBOX/${4:-}$3.eml" >"$FILE_DIR/got" 2>"$FILE_DIR/errors" || status=$?
	[ "$status" -lt 124 ]
	if [ "$status" -eq 0 ]; then
		cmp "$FILE_DIR/got" "$2/INBOX/$3.eml"
	else
		[ ! -s "$FILE_DIR/got" ]
		grep -qE 'No such file|Input/output error' "$FILE_DIR/errors"
	fi
}

# ---- Cyrus -----------------------------------------------------------------------------------

@test "Cyrus: the tree is as listed" {
	tree_is_as_listed cyrus
	equal "$(attr special_use "$MNT/Sent")" '\Sent'
	equal "$(attr delimiter "$MNT/INBOX")" /
}

@test "Cyrus: every message with its bytes, size, date and name" {
	everything_reads cyrus
}

@test "Cyrus: the same by UID, over STARTTLS, in no order" {
	everything_reads_by_uid cyrus
}

@test "Cyrus: a long message from the middle" {
	windows_read cyrus
}

@test "Cyrus: flags and keywords are the server's" {
	flags_agree cyrus
}

@test "Cyrus: a second mount shows the same" {
	second_mount_is_the_same cyrus
}

@test "Cyrus: nothing changed on the server" {
	nothing_changed cyrus
}

@test "Cyrus: what is recent stays so" {
	recent_stays cyrus
}

@test "Cyrus: what is delivered shows, what is expunged goes" {
	news_shows cyrus
}

@test "Cyrus: a message that is gone never has another's bytes" {
	gone_is_never_another cyrus
}

# ---- Courier ---------------------------------------------------------------------------------

@test "Courier: the tree is as listed, all of it below INBOX" {
	tree_is_as_listed courier
	equal "$(ls "$MNT")" INBOX
	[ -d "$MNT/INBOX/Projects/Garden/Plans" ]
	equal "$(attr delimiter "$MNT/INBOX/Sent")" .
}

@test "Courier: every message with its bytes, size, date and name" {
	everything_reads courier
}

@test "Courier: the same by UID, over STARTTLS, in no order" {
	everything_reads_by_uid courier
}

@test "Courier: a long message from the middle" {
	windows_read courier
}

@test "Courier: flags and keywords are the server's" {
	flags_agree courier
}

@test "Courier: a second mount shows the same" {
	second_mount_is_the_same courier
}

@test "Courier: nothing changed on the server" {
	nothing_changed courier
}

@test "Courier: what is recent stays so" {
	recent_stays courier
}

@test "Courier: what is delivered shows, what is expunged goes" {
	news_shows courier
}

@test "Courier: a message that is gone never has another's bytes" {
	gone_is_never_another courier
}

# ---- imap4d ----------------------------------------------------------------------------------

@test "imap4d: the tree is as listed, beside an INBOX without a delimiter" {
	tree_is_as_listed imap4d
	[ -d "$MNT/Projects/Garden/Plans" ]
	equal "$(attr delimiter "$MNT/INBOX" 2>/dev/null || true)" ''
	equal "$(attr delimiter "$MNT/Projects")" /
}

@test "imap4d: every message with its bytes, size, date and name" {
	everything_reads imap4d
}

@test "imap4d: the same by UID, over STARTTLS, in no order" {
	everything_reads_by_uid imap4d
}

@test "imap4d: a long message from the middle" {
	windows_read imap4d
}

@test "imap4d: a second mount shows the same" {
	second_mount_is_the_same imap4d
}

@test "imap4d: nothing changed on the server" {
	nothing_changed imap4d
}

@test "imap4d: what is recent stays so" {
	recent_stays imap4d
}

@test "imap4d: what is delivered shows, what is expunged goes" {
	news_shows imap4d
}

@test "imap4d: a message that is gone never has another's bytes" {
	gone_is_never_another imap4d
}
