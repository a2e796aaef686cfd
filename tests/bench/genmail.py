#!/usr/bin/env python3
"""Writes a Maildir of made-up mail straight to disk, without a delivery agent.

usage: genmail.py MAILDIR KIND COUNT [--seed N]

KIND  inbox  sizes as in a real inbox: log-normal, median about 3.7 KB, mean
             about 7 KB, up to some hundred KB; relayed, partly HTML, partly
             with an attachment; authors and subjects in several languages
      big    short notes of about 0.9 KB, for mailboxes of 100,000

The same KIND, COUNT and seed give the same bytes. Message n (from 1) holds a
line "needle n" when n ends in 500. Names carry ,S= and ,W= so that the server
need not open a file to know its size. Prints what was written as JSON.
"""

import argparse
import base64
import json
import math
import os
import random
import sys
from email.utils import formatdate

EPOCH = 1546300800  # 2019-01-01
SPAN = 190_000_000  # six years of mail

WORDS = """
the of and to in is that for it was with be by on not this have from or an which were all there would their been has
when who will more no if out so up about into than them can only other new some could time these two may then do first
any now such like our over man even most made after also did many before must through back where much your way well
should because each just those people how too little state good very make world still own see men work long get here
between both life being under never day same another know while last might us great old year off come since against go
came right used take three agenda branch budget calendar contract deadline delivery draft estimate feature figures
garden harbour invoice journey kettle ladder library meeting minutes notebook offer office order paper patch payment
printer project proposal quarter question receipt release reminder report review room sample schedule season server
shipment station summary supplier table ticket timetable train translation update version village weather window
""".split()

SENDERS = [
    ("Anna Lindqvist", "anna"), ("Ben Carter", "ben"), ("Chloé Durand", "chloe"), ("David Osei", "david"),
    ("Elif Yılmaz", "elif"), ("Fumiko Ōta", "fumiko"), ("George Wright", "george"), ("Hana Nováková", "hana"),
    ("Igor Соколов", "igor"), ("Julia Bauer", "julia"), ("Kofi Mensah", "kofi"), ("Lucía Pérez", "lucia"),
    ("Mei Lin 林美", "mei"), ("Nils Holm", "nils"), ("Orla Byrne", "orla"), ("build robot", "robot"),
]

TOPICS = [
    "Grüße aus Köln", "Réunion de lundi", "Протокол встречи", "会議の議事録", "Añadir al calendario", "Žádost o nabídku",
]


class Text:
    """Lines of prose cut from one megabyte made beforehand: quick to make, still compressible like text."""

    def __init__(self, rnd):
        self.rnd = rnd
        lines, size = [], 0
        while size < 1 << 20:
            line = " ".join(rnd.choices(WORDS, k=rnd.randrange(6, 14))) + "\n"
            lines.append(line)
            size += len(line)
        self.pool = "".join(lines)
        self.starts = [0]
        for line in lines[:-1]:
            self.starts.append(self.starts[-1] + len(line))

    def take(self, size):
        out = []
        while size > 0:
            start = self.rnd.choice(self.starts)
            end = self.pool.find("\n", min(start + size, len(self.pool) - 1)) + 1
            out.append(self.pool[start:end])
            size -= end - start
        return "".join(out)


def encoded(text):
    if text.isascii():
        return text
    return "=?utf-8?B?" + base64.b64encode(text.encode()).decode() + "?="


def header(rnd, seed, n, date, relayed):
    name, local = rnd.choice(SENDERS)
    to = rnd.choice(SENDERS)
    lines = []
    if relayed:
        for hop in range(rnd.randrange(1, 4)):
            lines.append(f"Received: from relay{hop}.example.net ([198.51.100.{rnd.randrange(1, 255)}])\n"
                         f"\tby mx{hop}.example.com with ESMTPS id {rnd.getrandbits(48):012x}\n"
                         f"\tfor <{to[1]}@example.com>; {date}\n")
    subject = rnd.choice(TOPICS) if rnd.random() < 0.15 else " ".join(rnd.choices(WORDS, k=rnd.randrange(2, 7)))
    answers = n > 1 and rnd.random() < 0.35
    lines += [f"From: {encoded(name)} <{local}@example.net>\n", f"To: {encoded(to[0])} <{to[1]}@example.com>\n",
              f"Subject: {encoded(('Re: ' if answers else '') + subject)}\n", f"Date: {date}\n",
              f"Message-ID: <{seed}.{n}.{rnd.getrandbits(48):012x}@example.net>\n"]
    if answers:
        lines.append(f"In-Reply-To: <{seed}.{rnd.randrange(1, n)}.0@example.net>\n")
    lines.append("MIME-Version: 1.0\n")
    return lines


def body_plain(_, text, size, needle):
    return ["Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n", needle, text.take(size)]


def body_html(rnd, text, size, needle):
    mark = f"=-{rnd.getrandbits(64):016x}"
    half = max(size // 2, 40)
    return [f'Content-Type: multipart/alternative; boundary="{mark}"\n\n',
            f"--{mark}\nContent-Type: text/plain; charset=utf-8\n\n", needle, text.take(half),
            f"\n--{mark}\nContent-Type: text/html; charset=utf-8\n\n<html><body><p>\n", text.take(half),
            f"</p></body></html>\n--{mark}--\n"]


def body_attachment(rnd, text, size, needle):
    mark = f"=-{rnd.getrandbits(64):016x}"
    blob = base64.encodebytes(rnd.randbytes(max(size - 400, 60) * 3 // 4)).decode()
    return [f'Content-Type: multipart/mixed; boundary="{mark}"\n\n',
            f"--{mark}\nContent-Type: text/plain; charset=utf-8\n\n", needle, text.take(300),
            f"\n--{mark}\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="{rnd.choice(WORDS)}.bin"\n\n', blob, f"--{mark}--\n"]


def body(rnd, text, kind, needle):
    if kind == "big":
        return body_plain(rnd, text, rnd.randrange(380, 640), needle)
    size = min(int(2910 * math.exp(1.27 * rnd.gauss(0, 1))), 400_000)
    pick = rnd.random()
    if size > 12_000 and pick < 0.5:
        return body_attachment(rnd, text, size, needle)
    if pick > 0.7:
        return body_html(rnd, text, size, needle)
    return body_plain(rnd, text, max(size, 60), needle)


def messages(kind, count, seed):
    """Yields (time, flags, bytes with LF)."""
    rnd = random.Random(f"{kind} {count} {seed}")
    text = Text(rnd)
    for n in range(1, count + 1):
        when = EPOCH + n * (SPAN // count) + rnd.randrange(60)
        needle = f"needle {n}\n" if n % 1000 == 500 else ""
        lines = header(rnd, seed, n, formatdate(when), kind == "inbox") + body(rnd, text, kind, needle)
        flags = "".join(f for f, odds in (("F", 0.04), ("R", 0.12), ("S", 0.85)) if rnd.random() < odds)
        yield when, flags, "".join(lines).encode()


def write_maildir(maildir, kind, count, seed):
    sizes = []
    for sub in ("", "cur", "new", "tmp"):
        os.makedirs(os.path.join(maildir, sub), exist_ok=True)
    for n, (when, flags, data) in enumerate(messages(kind, count, seed), 1):
        size = len(data) + data.count(b"\n")
        path = f"{maildir}/cur/{when}.M{n:06d}.bench,S={len(data)},W={size}:2,{flags}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.close(fd)
        os.utime(path, (when, when))
        sizes.append(size)
    sizes.sort()
    return {"kind": kind, "messages": count, "bytes": sum(sizes), "median": sizes[count // 2],
            "p95": sizes[int(count * 0.95)], "max": sizes[-1], "needles": len(range(500, count + 1, 1000))}


def main():
    parser = argparse.ArgumentParser(description="Writes a Maildir of made-up mail.")
    parser.add_argument("maildir")
    parser.add_argument("kind", choices=("inbox", "big"))
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.count < 1:
        sys.exit("genmail.py: COUNT must be at least 1")
    json.dump(write_maildir(args.maildir, args.kind, args.count, args.seed), sys.stdout)
    print()


if __name__ == "__main__":
    main()
