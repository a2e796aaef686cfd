#!/usr/bin/env python3
"""Compares a mount with what imaplib_dump.py `mail` said: all messages listed, nothing else, and each with
its bytes, size, date and a name of its own.

  compare_mount.py MOUNT [--names uid|readable] [--order names|shuffled] < DUMP

Prints a line for each of the first differences and "N messages, M differences"; exit status 1 when there are any.
"""

import argparse
import hashlib
import os
import random
import re
import stat
import sys
import time
import unicodedata

SHOWN = 20
HOSTILE = re.compile("[\x00-\x1f\x7f/*?\\[\\]{}|<>&;\"'$`\\\\]")


def read_dump(stream):
    boxes = {}
    for line in stream:
        path, uid, digest, size, date, flags = line.rstrip("\n").split("\t")
        boxes.setdefault(path, {})[int(uid)] = (digest, int(size), int(date), flags.split())
    return boxes


class Comparison:
    def __init__(self, mount, names):
        self.mount, self.names = mount, names
        self.messages = self.differences = 0
        self.inodes = {}

    def differs(self, text):
        self.differences += 1
        if self.differences > SHOWN:
            return
        print(text.encode("utf-8", "backslashreplace").decode())

    def check_name(self, where, name, date):
        if self.names == "uid":
            if not re.fullmatch(r"\d+\.eml", name):
                self.differs(f"{where}: not UID.eml")
            return
        if len(os.fsencode(name)) > 200:
            self.differs(f"{where}: longer than 200 bytes")
        if HOSTILE.search(name) or re.search(r"\s", name):
            self.differs(f"{where}: hostile characters")
        try:
            text = os.fsencode(name).decode("utf-8")
        except UnicodeDecodeError:
            self.differs(f"{where}: not UTF-8")
            return
        for char in text:
            category = unicodedata.category(char)
            if category in ("Cc", "Zl", "Zp") or category == "Cf" and char not in "\u200c\u200d":
                self.differs(f"{where}: U+{ord(char):04X} in a name")
        when = time.strftime("%Y%m%d-%H%M.", time.gmtime(date))
        if not name.startswith(when):
            self.differs(f"{where}: does not begin with {when}")
        if not re.search(r"\.\d+(~\d+)?\.eml$", name):
            self.differs(f"{where}: does not end in .UID.eml")

    def check_message(self, path, name, expected):
        digest, size, date, _ = expected
        where = f"{path}/{name}"
        full = os.path.join(self.mount, path, name)
        self.messages += 1
        before = os.lstat(full)
        with open(full, "rb") as file:
            data = file.read()
        after = os.lstat(full)
        if hashlib.sha256(data).hexdigest() != digest:
            self.differs(f"{where}: {len(data)} bytes differ from the server's {size}")
        if before.st_size != size:
            self.differs(f"{where}: size {before.st_size} before reading, expected {size}")
        if after.st_size != len(data):
            self.differs(f"{where}: size {after.st_size}, but {len(data)} bytes read")
        for field in "st_mtime", "st_ctime":
            if int(getattr(before, field)) != date:
                self.differs(f"{where}: {field} {int(getattr(before, field))}, expected {date}")
        if not stat.S_ISREG(before.st_mode):
            self.differs(f"{where}: not a regular file")
        if before.st_ino in self.inodes:
            self.differs(f"{where}: inode number of {self.inodes[before.st_ino]}")
        self.inodes[before.st_ino] = where
        self.check_name(where, name, date)

    def check_mailbox(self, path, expected):
        found = {}
        for entry in os.scandir(os.path.join(self.mount, path)):
            if entry.is_dir(follow_symlinks=False):
                continue
            match = re.search(r"(?:^|\.)(\d+)(?:~\d+)?\.eml$", entry.name)
            if not match:
                self.differs(f"{path}/{entry.name}: no message of the server")
            elif int(match.group(1)) in found:
                self.differs(f"{path}/{entry.name}: message {match.group(1)} twice")
            else:
                found[int(match.group(1))] = entry.name
        for uid in sorted(expected.keys() - found.keys()):
            self.differs(f"{path}: message {uid} is not listed")
        for uid in sorted(found.keys() - expected.keys()):
            self.differs(f"{path}/{found[uid]}: not on the server")
        return [(path, found[uid], expected[uid]) for uid in sorted(found.keys() & expected.keys())]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mount")
    parser.add_argument("--names", choices=["uid", "readable"], default="readable")
    parser.add_argument("--order", choices=["names", "shuffled"], default="names")
    args = parser.parse_args()
    comparison = Comparison(args.mount, args.names)
    work = []
    for path, expected in read_dump(sys.stdin).items():
        work += comparison.check_mailbox(path, expected)
    if args.order == "shuffled":
        random.Random(1).shuffle(work)
    for item in work:
        try:
            comparison.check_message(*item)
        except OSError as error:
            comparison.differs(f"{item[0]}/{item[1]}: {error.strerror}")
    print(f"{comparison.messages} messages, {comparison.differences} differences")
    sys.exit(comparison.differences > 0)


main()
