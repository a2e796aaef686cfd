#!/usr/bin/env python3
"""Writes messages into a directory, for tests that need many or strange ones.

  make_mail.py many DIR COUNT SIZE    COUNT messages of about SIZE bytes, each with its own words
  make_mail.py hostile DIR            subjects and senders made to break file names, and 30 charsets
"""

import base64
import os
import sys

CHARSETS = (
    "us-ascii utf-8 utf-16 iso-8859-1 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 "
    "iso-8859-8 iso-8859-9 iso-8859-10 iso-8859-13 iso-8859-14 iso-8859-15 windows-1250 windows-1251 "
    "windows-1252 windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 koi8-r koi8-u "
    "iso-2022-jp euc-jp shift_jis euc-kr gb2312 gbk gb18030 big5 tis-620"
).split()
WORDS = ("Größe señor zażółć привет γειά שלום مرحبا 你好 四月のお知らせ 안녕 สวัสดี čeština öğüt žąsis "
         "þórr ħelu plain").split()


def save(folder, number, head, body="Text.\n"):
    if isinstance(head, str):
        head = head.encode("utf-8", "surrogateescape")
    with open(os.path.join(folder, f"{number:05d}.eml"), "wb") as out:
        out.write(head + b"\n\n" + body.encode())


def many(folder, count, size):
    for number in range(1, count + 1):
        line = f"message {number} line {{}} of words that a search may look for: needle{number % 97}\n"
        lines, length = [], 0
        while length < size:
            lines.append(line.format(len(lines)))
            length += len(lines[-1])
        save(folder, number, f"From: Writer {number % 7} <w{number % 7}@example.org>\n"
             f"To: reader@example.net\nSubject: Number {number}\nMessage-ID: <many-{number}@example.org>",
             "".join(lines))


def b64(text, charset):
    raw = text if isinstance(text, bytes) else text.encode(charset)
    return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="


def hostile(folder):
    subjects = [
        "a/b/../../etc/passwd", "..", ".", ".hidden", "-rf", "~", "/", "//", "   ", "\t", "*?[a-z]{x,y}",
        "$(reboot) `reboot` | cat > x; rm -r & 'a' \"b\" \\", "New\x1b[2Jscreen\x1b]0;title\x07", "bell\x07\x08\x7f",
        b64("gnp.\u202etxt", "utf-8"), b64("\u2066isolate\u2069 \u200eltr\u200f rtl", "utf-8"),
        b64("zero\u200bwidth \u00adsoft \ufeffbom", "utf-8"), b64("e\u0301" * 120, "utf-8"),
        b64("join\u200d\u200ckeep", "utf-8"), b64("nul\x00in the middle", "utf-8"),
        b64("line\nbreak\r\nand more", "utf-8"), b64("\u2028line\u2029paragraph", "utf-8"),
        b64(b"\xff\xfe\xc3\x28 broken", "utf-8"), b64(b"\xed\xa0\x80 surrogate", "utf-8"),
        b64(b"\xf4\x90\x80\x80 too high", "utf-8"), b64(b"\x1b$B", "iso-2022-jp"), b64("x", "utf-8") * 40,
        "=?no-such-charset?Q?caf=E9?=", "=?utf-8?B?!!!not base64!!!?=", "=?utf-8?Q?unterminated", "=?utf-8?X?y?=",
        "=?utf-8?Q?=00=01=02=2F?=", "raw latin \udce9\udcff bytes", "raw utf-8 \u00e9\U0001f600", "x" * 300,
        "\U0001f600" * 80, "Re: Re: AW: Fwd: Re: same", "1.eml", "report.17.eml", "name~2.eml", "%2F%00%41",
        "\U000e0041\U000e0042 tags", b64("\u115f\u3164 fillers", "utf-8"), "CON", "a" * 199 + "é", "",
        "ends with space ", "ends.with.dots...", b64("\u202a\u202b\u202c\u202d\u202e", "utf-8"),
    ]
    number = 0
    for subject in subjects:
        number += 1
        save(folder, number, f"From: Plain <plain@example.org>\nSubject: {subject}")
    senders = [
        "", "<>", "@", "nobody", "\"../..\" <x@example.org>", "\"a/b\" <x@example.org>", "Group: a@example.org;",
        "undisclosed-recipients:;", b64("\u202eevil", "utf-8") + " <x@example.org>", "\"\\\"q\\\"\" <q@example.org>",
        "(only a comment)", "a@example.org, b@example.org", "\x1b[31mred <r@example.org>", "x" * 400 + "@example.org",
        "\"\" <empty@example.org>", "=?utf-8?Q?=2E=2E=2F?= <dots@example.org>", "\udcff\udcfe <raw@example.org>",
    ]
    for sender in senders:
        number += 1
        save(folder, number, f"From: {sender}\nSubject: sender {number}")
    for head in "Subject: no sender", "From: no subject <n@example.org>", "X-Nothing: at all", ": empty name":
        number += 1
        save(folder, number, head)
    for charset in CHARSETS:
        for word in WORDS:
            try:
                encoded = b64(word, charset)
            except (UnicodeEncodeError, LookupError):
                continue
            number += 1
            save(folder, number, f"From: {encoded} <c@example.org>\nSubject: {encoded} {charset}")
    # The same in everything a name is made of, but the UID.
    for _ in range(20):
        number += 1
        save(folder, number, "From: Twin <twin@example.org>\nSubject: the same")


def main():
    what, folder, *rest = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    {"many": many, "hostile": hostile}[what](folder, *map(int, rest))


main()
