"""How make-sample-mail.py writes a message: encodings, MIME parts, attachments, the index.

Layout of the result, sample-mail/ beside this file:
  mailboxes.tsv       directory, mailbox name (levels separated by "/")
  DIR/index.tsv       file, INTERNALDATE (UTC), flags and keywords
  DIR/NNN-name.eml    the message, LF line ends
"""

import base64
import io
import os
import quopri
import re
import shutil
import struct
import textwrap
import zipfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "sample-mail")

BOXES = [
    ("inbox", "INBOX"),
    ("archive-2024", "Archive/2024"),
    ("archive-2025", "Archive/2025"),
    ("garden", "Projects/Garden"),
    ("plans", "Projects/Garden/Plans"),
    ("lists-loom", "Lists/loom-users"),
    ("lists-digests", "Lists/Digests"),
    ("rd", "R&D"),
    ("entwuerfe", "Müllers Entwürfe"),
    ("nihon", "旅行/日本"),
    ("sent", "Sent"),
    ("drafts", "Drafts"),
    ("trash", "Trash"),
    ("empty", "Nothing yet"),
]

NORA = ("Nora Lindqvist", "nora@example.org")
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
written = {}


# ---- encodings -----------------------------------------------------------------------------------


def encoded_word(text, charset, how):
    if how == "B":
        return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="
    out = ""
    for byte in text.encode(charset):
        char = chr(byte)
        out += "_" if char == " " else char if char.isascii() and char.isalnum() else f"={byte:02X}"
    return f"=?{charset}?Q?{out}?="


def header_text(text, charset=None, how="B"):
    """RFC 2047, folded so that no word is longer than 75 bytes; ASCII stays as it is."""
    if text.isascii():
        return "\n ".join(textwrap.wrap(text, 68, break_long_words=False)) if len(text) > 68 else text
    charset = charset or "utf-8"
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    words, chunk = [], ""
    for char in text:
        if chunk and len(encoded_word(chunk + char, charset, how)) > 72:
            words.append(encoded_word(chunk, charset, how))
            chunk = ""
        chunk += char
    words.append(encoded_word(chunk, charset, how))
    return "\n ".join(words)


def address(who, charset=None, how="B"):
    name, mail = who
    if not name:
        return mail
    if not name.isascii():
        return f"{header_text(name, charset, how)} <{mail}>"
    if re.search(r'[,.@()"]', name):
        name = '"' + name.replace('"', '\\"') + '"'
    return f"{name} <{mail}>"


def transfer(data, encoding):
    if encoding == "base64":
        return base64.encodebytes(data).decode()
    if encoding == "quoted-printable":
        return quopri.encodestring(data).decode()
    return data.decode("latin-1")


def text_part(body, charset="utf-8", encoding=None, subtype="plain", extra=""):
    body = textwrap.dedent(body).strip("\n") + "\n"
    data = body.encode("us-ascii" if body.isascii() and charset == "utf-8" else charset)
    if body.isascii() and charset == "utf-8":
        charset, encoding = "us-ascii", encoding or "7bit"
    encoding = encoding or "8bit"
    head = f"Content-Type: text/{subtype}; charset={charset}{extra}\nContent-Transfer-Encoding: {encoding}\n"
    return head + "\n" + transfer(data, encoding)


def file_part(kind, name, data, disposition="attachment", cid=None):
    if name.isascii():
        named = f'filename="{name}"'
    else:
        raw = "".join(chr(b) if chr(b).isascii() and chr(b).isalnum() or b in b".-_" else f"%{b:02X}"
                      for b in name.encode())
        named = f"filename*=UTF-8''{raw}"
    head = f"Content-Type: {kind}\nContent-Disposition: {disposition};\n {named}\n"
    if cid:
        head += f"Content-ID: <{cid}>\n"
    return head + "Content-Transfer-Encoding: base64\n\n" + transfer(data, "base64")


def multipart(subtype, *parts, extra=""):
    mark = f"=_{zlib.crc32(''.join(parts).encode('latin-1', 'replace')):08x}_{len(parts)}"
    body = "".join(f"--{mark}\n{part}" + ("" if part.endswith("\n") else "\n") for part in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{mark}"{extra}\n\n{body}--{mark}--\n'


def embedded(key):
    box, name = written[key]
    with open(os.path.join(OUT, box, name), "rb") as message:
        return message.read().decode("latin-1")


# ---- attachments ---------------------------------------------------------------------------------


def png(width, height, colour):
    """A plain picture with a diagonal, so that it is something to look at."""
    rows = b""
    for y in range(height):
        rows += b"\0" + b"".join(
            bytes(colour) if (x + y) % 16 else b"\xff\xff\xff" for x in range(width))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def pdf(*lines):
    text = b"BT /F1 14 Tf 60 780 Td 18 TL " + b" ".join(
        b"(" + line.encode("latin-1") + b") Tj T*" for line in lines) + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start


def archive(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            info = zipfile.ZipInfo(name.replace("_", "."), (2025, 1, 1, 0, 0, 0))
            packed.writestr(info, text)
    return out.getvalue()


def invitation(uid, start, end, summary, place, method="REQUEST"):
    return textwrap.dedent(f"""\
        BEGIN:VCALENDAR
        PRODID:-//Example//Calendar//EN
        VERSION:2.0
        METHOD:{method}
        BEGIN:VEVENT
        UID:{uid}@example.com
        DTSTAMP:20250301T080000Z
        DTSTART:{start}
        DTEND:{end}
        SUMMARY:{summary}
        LOCATION:{place}
        ORGANIZER;CN=Jonas Weber:mailto:jonas.weber@example.com
        ATTENDEE;RSVP=TRUE:mailto:nora@example.org
        END:VEVENT
        END:VCALENDAR
        """).replace("\n", "\r\n").encode()


# ---- messages ------------------------------------------------------------------------------------


def mail(box, key, date, sender, subject, content, to=None, flags="", charset=None, how="B", refs=(),
         cc=None, extra="", zone="+0000", message_id=True):
    """`content` is a body or an entity made by one of the *_part functions, headers and all."""
    if not content.startswith("Content-"):
        content = text_part(content)
    year, month, rest = date[:4], int(date[5:7]), date[8:]
    day, clock = rest.split("T")
    lines = []
    if extra.startswith("Return-Path"):
        first, _, extra = extra.partition("\n")
        lines.append(first)
    lines += [
        f"Received: from mx.example.net (mx.example.net [192.0.2.{len(written) + 1}])\n"
        f"\tby mail.example.org with ESMTPS id {zlib.crc32(key.encode()):08X};"
        f"\n\t{int(day)} {MONTHS[month - 1]} {year} {clock}:07 +0000",
        f"Date: {int(day)} {MONTHS[month - 1]} {year} {clock}:00 {zone}",
        f"From: {address(sender, charset, how)}",
        "To: " + ",\n ".join(address(who, charset, how) for who in (to or [NORA])),
    ]
    if cc:
        lines.append("Cc: " + ",\n ".join(address(who, charset, how) for who in cc))
    if subject is not None:
        lines.append(f"Subject: {header_text(subject, charset, how)}")
    if message_id:
        lines.append(f"Message-ID: <{key}@mail.example.org>")
    if refs:
        lines.append(f"In-Reply-To: <{refs[-1]}@mail.example.org>")
        lines.append("References: " + "\n ".join(f"<{ref}@mail.example.org>" for ref in refs))
    if extra:
        lines.append(extra.strip("\n"))
    if box in ("sent", "drafts"):
        lines.pop(0)
    text = "\n".join(lines) + "\nMIME-Version: 1.0\n" + content
    number = sum(1 for where, _ in written.values() if where == box) + 1
    name = f"{number:03d}-{key}.eml"
    written[key] = (box, name)
    with open(os.path.join(OUT, box, name), "wb") as out:
        # Entities carry their bytes as Latin-1 characters (see transfer()).
        out.write(text.encode("latin-1"))
    with open(os.path.join(OUT, box, "index.tsv"), "a", encoding="utf-8") as index:
        flags = " ".join("\\" + f if f in "Seen Answered Flagged Draft Deleted".split() else f
                         for f in flags.split())
        index.write(f"{name}\t{date}:07Z\t{flags}\n")


def begin():
    shutil.rmtree(OUT, ignore_errors=True)
    for box, _ in BOXES:
        os.makedirs(os.path.join(OUT, box))
        with open(os.path.join(OUT, box, "index.tsv"), "w", encoding="utf-8") as index:
            index.write("# file\tINTERNALDATE\tflags\n")
    with open(os.path.join(OUT, "mailboxes.tsv"), "w", encoding="utf-8") as index:
        index.write("# directory\tmailbox\n")
        index.writelines(f"{box}\t{name}\n" for box, name in BOXES)
