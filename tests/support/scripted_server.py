#!/usr/bin/env python3
"""An IMAP server that can be told to misbehave.

It knows one account, in memory, and enough of IMAP4rev1 to be read by a client; then it does what its
options name. It is no reference for correct behaviour: real servers are tested too.

The first line on stdout is the port it listens on (127.0.0.1). It ends with SIGTERM, or when its
standard input closes under --until-eof. SIGUSR1 appends a message to INBOX; SIGUSR2 gives INBOX a new
UIDVALIDITY; SIGHUP drops every connection.
"""

import argparse
import base64
import email.utils
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time

LITERAL_MAX = 64 << 20
EPOCH = 1136214245


class Drop(Exception):
    """Ends this connection without another word."""


# ---- the account ---------------------------------------------------------------------------------


class Message:
    def __init__(self, uid, data, date, flags=()):
        self.uid, self.data, self.date, self.flags = uid, data, date, list(flags)

    def header(self):
        end = self.data.find(b"\r\n\r\n")
        return self.data if end < 0 else self.data[: end + 4]

    def field(self, name):
        match = re.search(
            rb"^" + name + rb":[ \t]*((?:.*(?:\r\n[ \t].*)*))", self.header(), re.I | re.M
        )
        return match and re.sub(rb"\r\n[ \t]+", b" ", match.group(1)).rstrip(b"\r\n")


class Mailbox:
    def __init__(self, name, delimiter="/", attributes="", uidvalidity=1):
        self.name, self.delimiter, self.attributes = name, delimiter, attributes
        self.uidvalidity, self.uidnext, self.messages = uidvalidity, 1, []

    def add(self, data, flags=()):
        self.messages.append(Message(self.uidnext, data, EPOCH + self.uidnext * 60, flags))
        self.uidnext += 1


def made_message(number, size):
    head = (
        f"From: Sender {number} <sender{number}@example.org>\r\nTo: reader@example.net\r\n"
        f"Subject: Message {number}\r\nDate: Mon, 02 Jan 2006 22:04:05 +0000\r\n"
        f"Message-ID: <{number}@example.org>\r\n\r\n"
    ).encode()
    line = f"This is line %06d of message {number}.\r\n"
    body, at = [], 0
    length = len(head)
    while length < size:
        text = (line % at).encode()
        body.append(text)
        length += len(text)
        at += 1
    return head + b"".join(body)


def made_account(args):
    boxes = {}
    inbox = boxes["INBOX"] = Mailbox(args.inbox_name, args.delimiter, uidvalidity=args.uidvalidity)
    for number in range(1, args.messages + 1):
        inbox.add(made_message(number, args.size))
    for path in args.message:
        with open(path, "rb") as data:
            inbox.add(re.sub(rb"(?<!\r)\n", b"\r\n", data.read()))
    for spec in args.mailbox:
        name, _, attributes = spec.partition("|")
        delimiter = args.delimiter
        if "|" in attributes:
            attributes, _, delimiter = attributes.partition("|")
        box = boxes[name] = Mailbox(name, delimiter, attributes, args.uidvalidity)
        if "\\Noselect" not in attributes:
            box.add(made_message(1, args.size))
    return boxes


# ---- the grammar of commands ---------------------------------------------------------------------


class Reader:
    """Lines and literals from a socket, and commands parsed into nested lists of bytes."""

    def __init__(self, sock, say):
        self.sock, self.say, self.buffer = sock, say, b""

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Drop
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def exactly(self, count):
        if count > LITERAL_MAX:
            raise Drop
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def command(self):
        parts, text = [], b""
        while True:
            line = self.line()
            text += line
            match = re.search(rb"\{(\d+)(\+?)\}$", line)
            if not match:
                parts.extend(self.tokens(line))
                return self.nest(parts), text
            parts.extend(self.tokens(line[: match.start()]))
            if not match.group(2):
                self.say(b"+ go on\r\n")
            parts.append(("string", self.exactly(int(match.group(1)))))

    @staticmethod
    def tokens(line):
        # Brackets belong to an atom: BODY.PEEK[HEADER.FIELDS (DATE FROM)]<0.10>
        pattern = rb'"(?:\\.|[^"\\])*"|[()]|(?:[^\s()"\[]|\[[^\]]*\])+'
        for token in re.findall(pattern, line):
            if token.startswith(b'"'):
                yield "string", re.sub(rb"\\(.)", rb"\1", token[1:-1])
            else:
                yield "atom", token

    @staticmethod
    def nest(tokens):
        stack = [[]]
        for kind, value in tokens:
            if kind == "atom" and value == b"(":
                stack.append([])
            elif kind == "atom" and value == b")" and len(stack) > 1:
                done = stack.pop()
                stack[-1].append(done)
            else:
                stack[-1].append(value)
        return stack[0]


def numbers(text, highest):
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        low, high = [highest if end == b"*" else int(end) for end in (first, last or first)]
        yield from range(min(low, high), max(low, high) + 1)


def quoted(data):
    if data is None:
        return b"NIL"
    if re.search(rb'[\r\n\x00"\\\x80-\xff]', data):
        return b"{%d}\r\n%s" % (len(data), data)
    return b'"' + data + b'"'


def addresses(value):
    if value is None:
        return b"NIL"
    out = b""
    for name, address in email.utils.getaddresses([value.decode("latin-1")]):
        local, _, host = address.rpartition("@")
        out += b"(%s NIL %s %s)" % (
            quoted(name.encode("latin-1") or None), quoted(local.encode("latin-1")),
            quoted(host.encode("latin-1")))
    return b"(" + out + b")" if out else b"NIL"


def envelope(message):
    sender = addresses(message.field(b"From"))
    return b"(%s)" % b" ".join(
        [quoted(message.field(b"Date")), quoted(message.field(b"Subject")), sender,
         sender, sender, addresses(message.field(b"To")), addresses(message.field(b"Cc")),
         addresses(message.field(b"Bcc")), quoted(message.field(b"In-Reply-To")),
         quoted(message.field(b"Message-ID"))])


def internaldate(epoch):
    return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(epoch)).encode()


# ---- one connection ------------------------------------------------------------------------------


class Connection:
    def __init__(self, server, sock):
        self.server, self.args, self.sock = server, server.args, sock
        self.box, self.secure, self.user, self.tag = None, False, None, None
        self.left = self.args.close_after
        self.reader = None

    # -- saying --

    def say(self, data):
        if self.left is not None:
            data, self.left = data[: self.left], self.left - len(data)
        for start in range(0, len(data), self.args.chunk):
            self.sock.sendall(data[start : start + self.args.chunk])
        if self.left is not None and self.left <= 0:
            raise Drop

    def untagged(self, text):
        self.say(b"* " + text + b"\r\n")

    def hang_at(self, place):
        if self.args.hang_at == place:
            while True:
                time.sleep(3600)

    def capabilities(self):
        names = self.args.capabilities.split()
        if self.args.starttls and not self.secure:
            names.append("STARTTLS")
        return " ".join(names).encode()

    def start_tls(self):
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.secure = True

    # -- the course of it --

    def run(self):
        if self.args.implicit_tls:
            self.start_tls()
        self.reader = Reader(self.sock, self.say)
        if self.args.not_mail:
            self.say(b"HTTP/1.1 400 Bad Request\r\nServer: example\r\nContent-Length: 0\r\n\r\n")
            raise Drop
        self.hang_at("greeting")
        if self.args.greeting:
            self.say(self.args.greeting.encode() + b"\r\n")
        elif self.args.preauth:
            self.untagged(b"PREAUTH [CAPABILITY %s] ready" % self.capabilities())
            self.user = "preauth"
        else:
            self.untagged(b"OK [CAPABILITY %s] ready" % self.capabilities())
        while True:
            # A lost literal would put the rest out of step; each command is read whole.
            self.reader.sock = self.sock
            words, text = self.reader.command()
            if len(words) < 2:
                self.untagged(b"BAD what?")
                continue
            tag, name = words[0], words[1].upper()
            self.server.note(name, text)
            self.one(tag, name, words[2:])

    def one(self, tag, name, args):
        uid = name == b"UID"
        if uid:
            name, args = args[0].upper(), args[1:]
        handler = getattr(self, "do_" + name.decode("latin-1").lower(), None)
        if handler is None:
            self.say(tag + b" BAD unknown command\r\n")
            return
        anyone = name in (b"CAPABILITY", b"NOOP", b"LOGOUT", b"LOGIN", b"AUTHENTICATE",
                          b"STARTTLS", b"ID")
        if not anyone and not self.user:
            self.say(tag + b" BAD log in first\r\n")
            return
        self.tag = tag
        answer = handler(args, uid) if name in (b"FETCH", b"SEARCH", b"STORE") else handler(args)
        if answer is None:
            answer = b"OK done"
        line = tag + b" " + answer + b"\r\n"
        starting_tls = name == b"STARTTLS" and answer.startswith(b"OK")
        if starting_tls and self.args.inject_after_starttls:
            # In the clear, in one segment with the answer: never to be taken as said under TLS.
            line += b"* PREAUTH injected\r\n* CAPABILITY IMAP4rev1 XINJECTED\r\n"
        self.say(line)
        if starting_tls:
            self.start_tls()
        if name == b"LOGOUT":
            raise Drop

    # -- any state --

    def do_capability(self, args):
        self.untagged(b"CAPABILITY " + self.capabilities())

    def do_noop(self, args):
        if self.box:
            self.untagged(b"%d EXISTS" % len(self.box.messages))

    do_check = do_noop

    def do_id(self, args):
        self.untagged(b'ID ("name" "scripted")')

    def do_logout(self, args):
        self.untagged(b"BYE so long")

    def do_starttls(self, args):
        if not self.args.starttls or self.secure:
            return b"BAD not now"
        return b"OK begin"

    def logged_in(self, user, password):
        if self.args.refuse_login:
            return self.args.refuse_login.encode()
        if [user, password] != self.args.login.split(":", 1):
            return b"NO [AUTHENTICATIONFAILED] wrong user or password"
        self.user = user
        return b"OK [CAPABILITY %s] logged in" % self.capabilities()

    def do_login(self, args):
        self.hang_at("login")
        return self.logged_in(args[0].decode(), args[1].decode())

    def do_authenticate(self, args):
        self.hang_at("login")
        mechanism = args[0].upper()
        if mechanism == b"PLAIN":
            if len(args) < 2:
                self.say(b"+ \r\n")
                args.append(self.reader.line())
            _, user, password = base64.b64decode(args[1]).decode().split("\0")
            return self.logged_in(user, password)
        return b"NO no such mechanism"

    # -- mailboxes --

    def do_enable(self, args):
        self.untagged(b"ENABLED")

    def do_namespace(self, args):
        self.untagged(b"NAMESPACE " + self.args.namespace.encode())

    def do_list(self, args):
        if args and isinstance(args[0], list):
            args = args[1:]
        pattern = args[1][0] if isinstance(args[1], list) else args[1]
        if pattern == b"":
            self.untagged(b'LIST (\\Noselect) %s ""' % self.delimiter(self.args.delimiter))
            return
        matches = re.escape(args[0] + pattern).replace(rb"\*", b".*").replace(b"%", b"[^/]*")
        for box in self.server.boxes.values():
            name = box.name.encode("latin-1")
            if re.fullmatch(matches, name, re.S):
                self.untagged(b"LIST (%s) %s %s" % (
                    box.attributes.encode(), self.delimiter(box.delimiter), quoted(name)))

    def do_lsub(self, args):
        for box in self.server.boxes.values():
            self.untagged(b"LSUB () %s %s" % (
                self.delimiter(box.delimiter), quoted(box.name.encode("latin-1"))))

    @staticmethod
    def delimiter(char):
        return b"NIL" if char == "NIL" else quoted(char.encode())

    def find(self, name):
        text = name.decode("latin-1")
        box = self.server.boxes.get("INBOX" if text.upper() == "INBOX" else text)
        return None if box is None or "\\Noselect" in box.attributes else box

    def do_status(self, args):
        box = self.find(args[0])
        if not box:
            return b"NO [NONEXISTENT] no such mailbox"
        values = {
            b"MESSAGES": len(box.messages), b"RECENT": 0, b"UNSEEN": len(box.messages),
            b"UIDNEXT": box.uidnext, b"UIDVALIDITY": box.uidvalidity,
            b"SIZE": sum(len(message.data) for message in box.messages),
        }
        items = [b"%s %d" % (item.upper(), values[item.upper()])
                 for item in args[1] if item.upper() in values]
        self.untagged(b"STATUS %s (%s)" % (quoted(args[0]), b" ".join(items)))

    def do_examine(self, args, mode=b"READ-ONLY"):
        self.hang_at("examine")
        self.box = self.find(args[0])
        if not self.box:
            return b"NO [NONEXISTENT] no such mailbox"
        if not self.args.no_untagged:
            self.untagged(rb"FLAGS (\Answered \Flagged \Deleted \Seen \Draft)")
            self.untagged(b"%d EXISTS" % len(self.box.messages))
            self.untagged(b"0 RECENT")
            self.untagged(b"OK [UIDVALIDITY %d] valid" % self.box.uidvalidity)
            self.untagged(b"OK [UIDNEXT %d] next" % self.box.uidnext)
        return b"OK [%s] selected" % mode

    def do_select(self, args):
        return self.do_examine(args, b"READ-WRITE")

    def do_unselect(self, args):
        self.box = None

    do_close = do_unselect

    # -- messages --

    def chosen(self, text, uid):
        everything = list(enumerate(self.box.messages, 1))
        if uid:
            wanted = set(numbers(text, self.box.uidnext - 1))
            return [pair for pair in everything if pair[1].uid in wanted]
        wanted = set(numbers(text, len(everything)))
        return [pair for pair in everything if pair[0] in wanted]

    def do_search(self, args, uid):
        returns = bool(args) and args[0].upper() == b"RETURN"
        sets = [arg for arg in args if isinstance(arg, bytes) and re.fullmatch(rb"[\d:,*]+", arg)]
        found = self.chosen(sets[-1], uid) if sets else list(enumerate(self.box.messages, 1))
        ids = [message.uid if uid else sequence for sequence, message in found]
        if returns:
            runs = []
            for number in ids:
                if runs and runs[-1][1] == number - 1:
                    runs[-1][1] = number
                else:
                    runs.append([number, number])
            text = ",".join(f"{a}:{b}" if a != b else f"{a}" for a, b in runs)
            self.untagged(b'ESEARCH (TAG "%s")%s%s' % (
                self.tag, b" UID" if uid else b"", b" ALL " + text.encode() if text else b""))
        else:
            self.untagged(b" ".join([b"SEARCH"] + [b"%d" % number for number in ids]))

    def do_store(self, args, uid):
        return b"NO [READ-ONLY] nothing changes here"

    def do_append(self, args):
        return b"NO [CANNOT] nothing changes here"

    def section(self, message, item):
        match = re.fullmatch(rb"BODY(?:\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", item, re.I)
        if not match:
            return None
        name, start, length = match.groups()
        kind = name.upper()
        if kind == b"":
            data = message.data
        elif kind == b"HEADER":
            data = message.header()
        elif kind == b"TEXT":
            data = message.data[len(message.header()) :]
        elif kind.startswith(b"HEADER.FIELDS"):
            data = b""
            for field in re.findall(rb"[\w-]+", name.partition(b"(")[2]):
                value = message.field(field)
                if value is not None:
                    data += field + b": " + value + b"\r\n"
            data += b"\r\n"
        else:
            data = b""
        label = b"BODY[" + name + b"]"
        if start is not None:
            data = data[int(start) : int(start) + int(length)]
            label += b"<" + start + b">"
        return label, data

    def fetch_item(self, message, item):
        name = item.upper()
        if name == b"UID":
            return None
        if name == b"FLAGS":
            return b"FLAGS (%s)" % " ".join(message.flags).encode()
        if name == b"INTERNALDATE":
            return b'INTERNALDATE "%s"' % internaldate(message.date)
        if name == b"RFC822.SIZE":
            return b"RFC822.SIZE %d" % max(0, len(message.data) + self.args.lie_size)
        if name == b"ENVELOPE":
            return b"ENVELOPE " + envelope(message)
        if name == b"RFC822":
            return b"RFC822 {%d}\r\n%s" % (len(message.data), message.data)
        found = self.section(message, item)
        if found:
            self.hang_at("body")
            time.sleep(self.args.body_delay / 1000)
            if self.args.stall_after is not None:
                label, data = found
                self.say(b"* 1 FETCH (UID %d %s {%d}\r\n%s" % (
                    message.uid, label, len(data), data[: self.args.stall_after]))
                while True:
                    time.sleep(3600)
            return b"%s {%d}\r\n%s" % (found[0], len(found[1]), found[1])
        return b""

    def do_fetch(self, args, uid):
        self.hang_at("fetch")
        items = args[1] if isinstance(args[1], list) else [args[1]]
        macros = {b"ALL": b"FLAGS INTERNALDATE RFC822.SIZE ENVELOPE",
                  b"FAST": b"FLAGS INTERNALDATE RFC822.SIZE"}
        if items[0].upper() in macros:
            items = macros[items[0].upper()].split()
        for sequence, message in self.chosen(args[0], uid):
            number = message.uid + 1000 if self.args.wrong_uid else message.uid
            parts = [b"UID %d" % number] if uid or b"UID" in [i.upper() for i in items] else []
            parts += [part for part in (self.fetch_item(message, item) for item in items) if part]
            if self.args.bad_fetch_line and sequence == 2:
                self.untagged(b'%d FETCH (UID %d FLAGS (\\Seen RFC822.SIZE )))(' % (sequence, number))
                continue
            self.untagged(b"%d FETCH (%s)" % (sequence, b" ".join(parts)))

    def do_idle(self, args):
        self.say(b"+ idling\r\n")
        self.reader.line()


# ---- the server ----------------------------------------------------------------------------------


class Server:
    def __init__(self, args):
        self.args = args
        self.boxes = made_account(args)
        self.connections = set()
        self.lock = threading.Lock()
        self.log = open(args.log, "a", buffering=1) if args.log else None
        self.tls = None
        if args.tls_dir:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(os.path.join(args.tls_dir, args.cert + ".crt"),
                                     os.path.join(args.tls_dir, args.cert + ".key"))

    def note(self, name, text):
        if self.log:
            if name in (b"LOGIN", b"AUTHENTICATE"):
                text = text.split(b" ")[0] + b" " + name + b" ***"
            with self.lock:
                self.log.write(text.decode("latin-1") + "\n")

    def serve(self, sock):
        connection = Connection(self, sock)
        with self.lock:
            self.connections.add(connection)
        try:
            connection.run()
        except (Drop, OSError, ssl.SSLError):
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            try:
                connection.sock.close()
            except OSError:
                pass

    def drop_all(self, *_):
        for connection in list(self.connections):
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def more_mail(self, *_):
        inbox = self.boxes["INBOX"]
        inbox.add(made_message(inbox.uidnext, self.args.size))

    def new_uidvalidity(self, *_):
        self.boxes["INBOX"].uidvalidity += 1

    def run(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.args.port))
        listener.listen(64)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.signal(signal.SIGUSR1, self.more_mail)
        signal.signal(signal.SIGUSR2, self.new_uidvalidity)
        signal.signal(signal.SIGHUP, self.drop_all)
        print(listener.getsockname()[1], flush=True)
        if self.args.until_eof:
            threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    option = parser.add_argument
    option("--port", type=int, default=0)
    option("--until-eof", action="store_true")
    option("--log", help="file for the commands received, secrets masked")
    # transport
    option("--tls-dir", help="directory made by tests/support/certs; TLS from the first byte")
    option("--starttls", action="store_true", help="with --tls-dir: plain first, STARTTLS offered")
    option("--cert", default="server", help="which certificate: server wrong-name expired untrusted")
    # the account
    option("--login", default="u1:pw1")
    option("--messages", type=int, default=5, help="in INBOX")
    option("--size", type=int, default=2000, help="of each, at least")
    option("--message", action="append", default=[], help="a file, appended to INBOX")
    option("--mailbox", action="append", default=[], metavar="NAME[|ATTRIBUTES[|DELIMITER]]",
           help="one more, its name as on the wire")
    option("--inbox-name", default="INBOX", help="how LIST spells it")
    option("--delimiter", default="/", help="one character, or NIL")
    option("--namespace", default='(("" "/")) NIL NIL')
    option("--uidvalidity", type=int, default=1)
    option("--capabilities", default="IMAP4rev1 ID NAMESPACE LITERAL+ AUTH=PLAIN SASL-IR UNSELECT")
    # misbehaviour
    option("--not-mail", action="store_true", help="speaks HTTP")
    option("--greeting", help="this line instead of the usual one")
    option("--preauth", action="store_true")
    option("--hang-at", choices=["greeting", "login", "examine", "fetch", "body"])
    option("--body-delay", type=int, default=0, metavar="MS", help="before each body")
    option("--stall-after", type=int, metavar="BYTES", help="of a body, then silence")
    option("--close-after", type=int, metavar="BYTES", help="of a connection, then it is closed")
    option("--chunk", type=int, default=1 << 20, metavar="BYTES", help="at most so many a write")
    option("--refuse-login", metavar="ANSWER", help='for instance "NO [UNAVAILABLE] later"')
    option("--lie-size", type=int, default=0, metavar="+N|-N", help="RFC822.SIZE is off by so much")
    option("--wrong-uid", action="store_true", help="FETCH answers with other UIDs")
    option("--bad-fetch-line", action="store_true", help="the answer for message 2 does not parse")
    option("--no-untagged", action="store_true", help="EXAMINE says nothing but OK")
    option("--inject-after-starttls", action="store_true", help="plain bytes behind its OK")
    args = parser.parse_args()
    args.implicit_tls = bool(args.tls_dir) and not args.starttls
    return args


Server(arguments()).run()
