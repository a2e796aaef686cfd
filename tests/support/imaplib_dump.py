#!/usr/bin/env python3
"""What an independent client (Python's imaplib) says of an account, as TSV. Changes nothing: EXAMINE.

  imaplib_dump.py --port P --ca CA list                 attributes, delimiter, name on the wire, path
  imaplib_dump.py --port P --ca CA mail [MAILBOX...]    path, uid, sha256, size, INTERNALDATE, flags
  imaplib_dump.py --port P --ca CA state                STATUS of each mailbox and flags of each
                                                        message: equal before and after a mount that
                                                        changed nothing
MAILBOX is a name as on the wire; without any, all that can be selected.
"""

import argparse
import calendar
import hashlib
import os
import re
import sys

import imapconn
import mailnames

BATCH = 100
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def internaldate_epoch(head):
    match = re.search(
        rb'INTERNALDATE "( ?\d+)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"', head
    )
    day, month, year, hour, minute, second, sign, off_h, off_m = match.groups()
    epoch = calendar.timegm(
        (int(year), MONTHS.index(month.decode()) + 1, int(day), int(hour), int(minute), int(second))
    )
    offset = int(off_h) * 3600 + int(off_m) * 60
    return epoch - offset if sign == b"+" else epoch + offset


def fetch(imap, uids, items):
    """{uid: (text of the response, literal or None)}"""
    out = {}
    for start in range(0, len(uids), BATCH):
        batch = b",".join(uids[start : start + BATCH]).decode()
        data = imapconn.check(imap.uid("FETCH", batch, items))
        for at, item in enumerate(data):
            literal = None
            if isinstance(item, tuple):
                head, literal = item
                if at + 1 < len(data) and isinstance(data[at + 1], bytes):
                    head += data[at + 1]
            elif item and b"UID " in item and b"(" in item:
                head = item
            else:
                continue
            out[int(re.search(rb"UID (\d+)", head).group(1))] = (head, literal)
    return out


def flags_of(head):
    names = re.search(rb"FLAGS \(([^)]*)\)", head).group(1).decode().split()
    return " ".join(sorted(names))


def selectable(imap, wanted):
    for attributes, delimiter, wire in imapconn.list_mailboxes(imap):
        if {"\\Noselect", "\\NonExistent"} & set(attributes):
            continue
        if not wanted or wire.decode() in wanted:
            yield delimiter, wire


def examine(imap, wire):
    imapconn.check(imap.select(imapconn.quote(wire).decode(), readonly=True))
    return imapconn.check(imap.uid("SEARCH", "ALL"))[0].split()


def cmd_list(imap, args):
    for attributes, delimiter, wire in imapconn.list_mailboxes(imap):
        print(" ".join(attributes), delimiter, wire.decode("latin-1"),
              mailnames.mailbox_path(wire, delimiter), sep="\t")


def cmd_mail(imap, args):
    for delimiter, wire in selectable(imap, args.mailbox):
        path = mailnames.mailbox_path(wire, delimiter)
        uids = examine(imap, wire)
        messages = fetch(imap, uids, "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
        if len(messages) != len(uids):
            raise SystemExit(f"{path}: {len(uids)} messages, {len(messages)} fetched")
        for uid, (head, body) in sorted(messages.items()):
            # imaplib gives an empty body as a string within the head.
            body = body or b""
            if args.bodies:
                os.makedirs(os.path.join(args.bodies, path), exist_ok=True)
                with open(os.path.join(args.bodies, path, f"{uid}.eml"), "wb") as out:
                    out.write(body)
            print(path, uid, hashlib.sha256(body).hexdigest(), len(body),
                  internaldate_epoch(head), flags_of(head), sep="\t")


def cmd_state(imap, args):
    names = list(selectable(imap, args.mailbox))
    for _, wire in names:
        items = "(MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY)"
        data = imapconn.check(imap.status(imapconn.quote(wire).decode(), items))
        print("status", wire.decode("latin-1"), data[-1].decode("latin-1").rsplit("(", 1)[1], sep="\t")
    for _, wire in names:
        for uid, (head, _) in sorted(fetch(imap, examine(imap, wire), "(UID FLAGS)").items()):
            print("flags", wire.decode("latin-1"), uid, flags_of(head), sep="\t")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    imapconn.add_arguments(parser)
    parser.add_argument("command", choices=["list", "mail", "state"])
    parser.add_argument("mailbox", nargs="*")
    parser.add_argument("--bodies", metavar="DIR", help="mail: also write every body below DIR")
    args = parser.parse_args()
    sys.stdout.reconfigure(errors="surrogateescape")
    imap = imapconn.connect(args)
    {"list": cmd_list, "mail": cmd_mail, "state": cmd_state}[args.command](imap, args)
    imap.logout()


main()
