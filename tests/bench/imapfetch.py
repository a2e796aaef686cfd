#!/usr/bin/env python3
"""What one gets from Python's imaplib in a few lines: the yardstick from the scripting world.

usage: imapfetch.py PORT CA USER PASSWORD_FILE MAILBOX bodies DIR   each message to DIR/UID.eml, 200 a command
       imapfetch.py PORT CA USER PASSWORD_FILE MAILBOX meta         UID, flags, date and size of all, kept in a dict
"""

import imaplib
import json
import re
import ssl
import sys

BATCH = 200
UID = re.compile(rb"\bUID (\d+)")
META = re.compile(rb'UID (\d+) FLAGS \(([^)]*)\) INTERNALDATE "([^"]*)" RFC822.SIZE (\d+)')


def connect(port, ca, user, password_file, mailbox):
    with open(password_file, encoding="utf-8") as file:
        password = file.readline().rstrip("\n")
    imap = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ssl.create_default_context(cafile=ca))
    imap.login(user, password)
    if imap.select(f'"{mailbox}"', readonly=True)[0] != "OK":
        sys.exit(f"imapfetch.py: cannot open {mailbox}")
    return imap


def fetch_bodies(imap, directory):
    uids = imap.uid("SEARCH", "ALL")[1][0].split()
    count = size = 0
    for start in range(0, len(uids), BATCH):
        wanted = b",".join(uids[start:start + BATCH]).decode()
        for item in imap.uid("FETCH", wanted, "(BODY.PEEK[])")[1]:
            if not isinstance(item, tuple):
                continue
            with open(f"{directory}/{UID.search(item[0]).group(1).decode()}.eml", "wb") as file:
                file.write(item[1])
            count += 1
            size += len(item[1])
    return {"messages": count, "bytes": size}


def fetch_meta(imap):
    known = {}
    for line in imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1]:
        uid, flags, date, size = META.search(line).groups()
        known[int(uid)] = (flags, date, int(size))
    return {"messages": len(known), "bytes": sum(size for _, _, size in known.values())}


def main():
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    imap = connect(*sys.argv[1:6])
    result = fetch_bodies(imap, sys.argv[7]) if sys.argv[6] == "bodies" else fetch_meta(imap)
    imap.logout()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
