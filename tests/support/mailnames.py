"""Names of mailboxes: modified UTF-7 (RFC 3501, 5.1.3) and the path a mailbox has in a mount.

Written from the specification alone, so that a test compares two independent readings of it.
"""

import base64
import re


def mutf7_encode(name):
    """Unicode name to its bytes on the wire."""
    out, run = bytearray(), []

    def flush():
        if run:
            raw = "".join(run).encode("utf-16-be")
            out.extend(b"&" + base64.b64encode(raw).rstrip(b"=").replace(b"/", b",") + b"-")
            run.clear()

    for char in name:
        if char == "&":
            flush()
            out.extend(b"&-")
        elif " " <= char <= "~":
            flush()
            out.append(ord(char))
        else:
            run.append(char)
    flush()
    return bytes(out)


def mutf7_decode(wire):
    """Bytes on the wire to a Unicode name; ValueError where they are not modified UTF-7."""
    out, at = [], 0
    while at < len(wire):
        if wire[at : at + 1] != b"&":
            if not 0x20 <= wire[at] <= 0x7E:
                raise ValueError("8-bit byte in a mailbox name")
            out.append(chr(wire[at]))
            at += 1
            continue
        end = wire.index(b"-", at)
        chunk = wire[at + 1 : end].replace(b",", b"/")
        if not chunk:
            out.append("&")
        else:
            raw = base64.b64decode(chunk + b"=" * (-len(chunk) % 4), validate=True)
            out.append(raw.decode("utf-16-be"))
        at = end + 1
    return "".join(out)


def escape_component(name):
    """One level of a mailbox's name as a directory name."""
    name = re.sub("%(?=[0-9A-Fa-f]{2})", "%25", name)
    name = name.replace("/", "%2F")
    if name.startswith("."):
        name = "%2E" + name[1:]
    return re.sub("[\x00-\x1f\x7f]", lambda m: "%%%02X" % ord(m.group()), name)


def mailbox_path(wire, delimiter):
    """Path of a mailbox below the mount, from its name on the wire and its delimiter."""
    try:
        name = mutf7_decode(wire)
    except ValueError:
        name = wire.decode("utf-8", "surrogateescape")
    parts = name.split(delimiter) if delimiter else [name]
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
    return "/".join(escape_component(part) for part in parts)
