"""A connection of Python's imaplib for the tests: the independent client they compare with."""

import argparse
import imaplib
import re
import ssl

imaplib._MAXLINE = 64 << 20


def add_arguments(parser):
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", help="trust anchor; without it the connection is in the clear")
    parser.add_argument("--user", default="u1")
    parser.add_argument("--password", default="pw1")


def connect(args: argparse.Namespace):
    if args.ca:
        context = ssl.create_default_context(cafile=args.ca)
        imap = imaplib.IMAP4_SSL(args.host, args.port, ssl_context=context)
    else:
        imap = imaplib.IMAP4(args.host, args.port)
    imap.login(args.user, args.password)
    return imap


def check(answer):
    kind, data = answer
    if kind != "OK":
        raise SystemExit(f"server: {kind} {data}")
    return data


def quote(wire):
    return b'"' + wire.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def list_mailboxes(imap):
    """[(attributes, delimiter or None, name as on the wire)] of the user's own and shared mail."""
    out, seen = [], set()
    for item in check(imap.list('""', "*")):
        if item is None:
            continue
        if isinstance(item, tuple):
            head, name = item
        else:
            head, name = item, None
        match = re.match(rb'\(([^)]*)\) (NIL|"(?:\\.|[^"\\])*") ?(.*)', head, re.S)
        if not match:
            continue
        attributes, delimiter, rest = match.groups()
        if name is None:
            name = rest
            if name.startswith(b'"'):
                name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
        delimiter = None if delimiter == b"NIL" else re.sub(rb"\\(.)", rb"\1", delimiter[1:-1])
        if name in seen:
            continue
        seen.add(name)
        out.append((attributes.decode().split(), delimiter and delimiter.decode(), name))
    return out
