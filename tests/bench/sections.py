"""What is measured against what: each section runs its members round by round, in alternating order.

A member that fails is named once, left out of the later rounds of its section, and makes the whole
run end with a failure; the others go on.
"""

import os
import shutil

import clients
from lab import Failure, log

SECTIONS = ("cold", "list", "second", "warm")
CLIENTS = ("raw", "imapfs", "mbsync", "imaplib", "local")


class Results:
    """samples[(section, rtt)][member] is the list of that member's samples, one a round."""

    def __init__(self):
        self.samples = {}
        self.failures = []

    def fail(self, section, rtt, member, error):
        text = f"{section}, RTT {rtt} ms, {member}: {error}"
        self.failures.append(text)
        log("FAILED " + text)

    def rounds(self, section, rtt, members, runs):
        members = dict(members)
        log(f"{section}, RTT {rtt} ms: {runs} rounds of {', '.join(members)}")
        table = self.samples.setdefault((section, rtt), {})
        for number in range(runs):
            order = list(members) if number % 2 == 0 else list(reversed(members))
            for member in order:
                try:
                    table.setdefault(member, []).append(members[member]())
                except Failure as error:
                    self.fail(section, rtt, member, error)
                    table.pop(member, None)
                    del members[member]


class Plan:
    def __init__(self, lab, results, args):
        self.lab, self.results, self.args = lab, results, args

    def wants(self, client):
        return client in self.args.clients

    def rounds(self, section, rtt, members):
        members = {name: run for name, (client, run) in members.items() if self.wants(client)}
        self.results.rounds(section, rtt, members, self.args.runs)

    def cold(self, rtt):
        lab = self.lab
        members = {
            "raw": ("raw", lambda: clients.raw_bodies(lab, rtt)),
            "imapfs": ("imapfs", lambda: clients.imapfs_grep_cold(lab, rtt)),
            "mbsync": ("mbsync", lambda: clients.mbsync(lab, rtt, fsync=False)),
            "imaplib": ("imaplib", lambda: clients.imaplib_bodies(lab, rtt)),
        }
        if rtt == 0:  # the disk takes as long at any distance
            members["mbsync fsync"] = ("mbsync", lambda: clients.mbsync(lab, rtt, fsync=True))
        self.rounds("cold", rtt, members)

    def list(self, rtt):
        lab = self.lab
        for box in lab.sizes:
            def listing(*flags, box=box, names="uid"):
                return "imapfs", lambda: clients.imapfs_ls(lab, box, rtt, *flags, names=names)
            members = {
                "raw": ("raw", lambda box=box: clients.raw_meta(lab, box, rtt)),
                "imapfs ls": listing(),
                "imapfs ls -l": listing("-l"),
                "imapfs ls, readable names": listing(names="readable"),
                "imaplib": ("imaplib", lambda box=box: clients.imaplib_meta(lab, box, rtt)),
            }
            self.rounds(f"list {box}", rtt, members)

    def second(self, rtt):
        if not self.wants("imapfs"):
            return
        lab = self.lab
        uses = {f"ls {box}": (lambda mount, box=box: clients.ls(lab, mount, box)) for box in lab.sizes}
        if rtt == 0:
            uses["grep -rc INBOX, bodies in the cache"] = lambda mount: clients.grep(lab, mount.box("INBOX"))
        mounts = {}
        try:
            for name, use in uses.items():
                mount = mounts[name] = clients.Mount(lab, rtt)
                try:
                    clients.again(lab, mount, use)
                except Failure as error:
                    self.results.fail("second", rtt, name + " (first mount)", error)
                    del mounts[name]
                    mount.remove()
            self.rounds("second", rtt, {name: ("imapfs", lambda name=name: clients.again(lab, mounts[name], uses[name]))
                                        for name in mounts})
        finally:
            for mount in mounts.values():
                mount.remove()

    def warm(self, rtt):
        """Only at RTT 0: what needs no network has no distance."""
        if rtt != 0:
            return
        lab = self.lab
        local, mounts = lab.path("local", "INBOX"), {}
        try:
            if self.wants("imapfs"):
                mounts = self.warm_mounts()
            members = {"local": ("local", lambda: clients.grep_warm(lab, local))}
            self.make_local(local, mounts)
            for name, mount in mounts.items():
                members[name] = ("imapfs", lambda mount=mount: clients.grep_warm(lab, mount.box("INBOX"), mount))
            self.rounds("warm", 0, members)
            for mount in mounts.values():
                mount.unmount()
        except Failure as error:
            self.results.fail("warm", 0, "setting up", error)
        finally:
            for mount in mounts.values():
                mount.remove()

    def warm_mounts(self):
        mounts = {}
        for name, read_only in (("imapfs ro", True), ("imapfs rw", False)):
            mount = clients.Mount(self.lab, 0, read_only=read_only)
            try:
                mount.mount()
                clients.grep(self.lab, mount.box("INBOX"))
                mounts[name] = mount
            except Failure as error:
                self.results.fail("warm", 0, name + " (first pass)", error)
                mount.remove()
        return mounts

    def make_local(self, local, mounts):
        """The same files on the disk: copied out of the mount, or without one fetched by imaplib."""
        os.makedirs(local)
        for mount in mounts.values():
            shutil.copytree(mount.box("INBOX"), local, dirs_exist_ok=True, copy_function=shutil.copyfile)
            break
        else:
            clients.imaplib(self.lab, "INBOX", 0, "bodies", local)
        self.lab.settle()

    def run(self):
        for rtt in self.args.rtt:
            self.lab.add_rtt(rtt)
            for section in self.args.sections:
                getattr(self, section)(rtt)
