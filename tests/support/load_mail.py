#!/usr/bin/env python3
"""Puts mail into a test server: by APPEND, or straight into a Dovecot Maildir (LAYOUT=fs), which is
fifty times as fast.

  load_mail.py --maildir DIR SOURCE...
  load_mail.py --port P --ca CA [--user U --password PW] SOURCE...

SOURCE is the sample mail (a directory with mailboxes.tsv), a directory of messages, or a tarball whose
members are SET/MAILBOX/MESSAGE. --prefix NAME puts its mailboxes below NAME.

What a source stores with LF alone becomes CRLF, as IMAP transports it. A CR without LF, NULs, a leading
"From " line and a missing line end at the end stay as they are: they are what such a source is for.
"""

import argparse
import calendar
import os
import re
import sys
import tarfile
import time

import imapconn
import mailnames

# Sources without dates get one a message, in order, so that arrival order and file order agree.
FIRST_DATE = calendar.timegm((2001, 1, 1, 0, 0, 0))
DATE_STEP = 3607

MAILDIR_FLAGS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}


def crlf(data):
    return re.sub(rb"(?<!\r)\n", b"\r\n", data)


def parse_date(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def sample_mail(root):
    """(mailbox, data, epoch, flags) of a tree with mailboxes.tsv and an index.tsv a mailbox."""
    with open(os.path.join(root, "mailboxes.tsv"), encoding="utf-8") as lines:
        mailboxes = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    for directory, mailbox in mailboxes:
        yield mailbox, None, None, None
        index = os.path.join(root, directory, "index.tsv")
        if not os.path.exists(index):
            continue
        with open(index, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("#"):
                    continue
                name, date, flags = line.rstrip("\n").split("\t")
                with open(os.path.join(root, directory, name), "rb") as message:
                    yield mailbox, message.read(), parse_date(date), flags.split()


def tarball(path):
    with tarfile.open(path) as tar:
        for member in tar:
            parts = member.name.removeprefix("./").split("/")
            # SET/MANIFEST and the like describe the set; they are not mail.
            if member.isfile() and len(parts) == 3:
                yield parts[1], tar.extractfile(member).read(), None, []


def directory(path):
    for base, dirs, files in os.walk(path):
        dirs.sort()
        mailbox = os.path.relpath(base, path)
        for name in sorted(files):
            with open(os.path.join(base, name), "rb") as message:
                yield "INBOX" if mailbox == "." else mailbox, message.read(), None, []


def messages(source, prefix):
    if os.path.isfile(source):
        items = tarball(source)
    elif os.path.exists(os.path.join(source, "mailboxes.tsv")):
        items = sample_mail(source)
    else:
        items = directory(source)
    count = 0
    for mailbox, data, date, flags in items:
        if prefix:
            mailbox = prefix + "/" + mailbox
        if data is not None:
            count += 1
            data = crlf(data)
        yield mailbox, data, date or FIRST_DATE + count * DATE_STEP, flags


class Maildir:
    """Writes what Dovecot would have written. Mail without flags goes to new/ and is \\Recent."""

    def __init__(self, root):
        self.root = root
        self.seen = {}
        self.keywords = {}
        self.count = 0
        self.create("INBOX")

    def create(self, mailbox):
        if mailbox not in self.seen:
            parts = [] if mailbox == "INBOX" else mailbox.split("/")
            parts = [mailnames.mutf7_encode(part).decode() for part in parts]
            path = os.path.join(self.root, *parts)
            for sub in "cur", "new", "tmp":
                os.makedirs(os.path.join(path, sub), exist_ok=True)
            self.seen[mailbox] = path
            self.keywords[mailbox] = []
        return self.seen[mailbox]

    def add(self, mailbox, data, date, flags):
        path = self.create(mailbox)
        self.count += 1
        letters = {MAILDIR_FLAGS[flag] for flag in flags if flag in MAILDIR_FLAGS}
        for flag in flags:
            if not flag.startswith("\\"):
                known = self.keywords[mailbox]
                if flag not in known:
                    known.append(flag)
                letters.add(chr(ord("a") + known.index(flag)))
        # Dovecot numbers new files by the time in their name.
        name = f"{1700000000 + self.count}.M{self.count}P1.sample,S={len(data)},W={len(data)}"
        name = f"cur/{name}:2,{''.join(sorted(letters))}" if letters else f"new/{name}"
        with open(os.path.join(path, name), "wb") as out:
            out.write(data)
        os.utime(os.path.join(path, name), (date, date))

    def close(self):
        for mailbox, known in self.keywords.items():
            if known:
                with open(os.path.join(self.seen[mailbox], "dovecot-keywords"), "w") as out:
                    out.writelines(f"{number} {name}\n" for number, name in enumerate(known))


class Server:
    """APPENDs. Refusals of single messages are counted and told, not fatal: servers differ."""

    def __init__(self, args):
        self.imap = imapconn.connect(args)
        self.delimiter = imapconn.list_mailboxes(self.imap)[0][1] or "/"
        self.seen = {"INBOX"}
        self.count = 0
        self.refused = 0

    def wire(self, mailbox):
        parts = [mailnames.mutf7_encode(part) for part in mailbox.split("/")]
        return imapconn.quote(self.delimiter.encode().join(parts)).decode()

    def create(self, mailbox):
        if mailbox not in self.seen:
            self.imap.create(self.wire(mailbox))
            self.imap.subscribe(self.wire(mailbox))
            self.seen.add(mailbox)

    def add(self, mailbox, data, date, flags):
        self.create(mailbox)
        when = time.strftime('"%d-%b-%Y %H:%M:%S +0000"', time.gmtime(date))
        # imaplib turns every lone CR into CRLF where it is left to itself.
        self.imap.literal = data
        kind, answer = self.imap._simple_command(
            "APPEND", self.wire(mailbox), f"({' '.join(flags)})", when
        )
        if kind == "OK":
            self.count += 1
        else:
            self.refused += 1
            print(f"{mailbox}: {kind} {answer}", file=sys.stderr)

    def close(self):
        self.imap.logout()
        if self.refused:
            print(f"{self.refused} messages refused", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maildir", metavar="DIR", help="a Maildir of LAYOUT=fs instead of a server")
    parser.add_argument("--prefix", default="")
    if "--maildir" in sys.argv:
        parser.add_argument("source", nargs="+")
    else:
        imapconn.add_arguments(parser)
        parser.add_argument("source", nargs="+")
    args = parser.parse_args()
    target = Maildir(args.maildir) if args.maildir else Server(args)
    for source in args.source:
        for mailbox, data, date, flags in messages(source, args.prefix):
            target.create(mailbox) if data is None else target.add(mailbox, data, date, flags)
    target.close()
    print(f"{target.count} messages")


main()
