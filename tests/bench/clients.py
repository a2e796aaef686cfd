"""One measurement of each client: a function does one run from a clean start and returns its sample.

A sample is a dict; `wall_s` is the figure that is compared, the rest explains it: CPU seconds of client,
daemon and server, peak memory, the parts of the run. Every run checks that the client really delivered
all messages, so that nothing is fast by leaving work out.
"""

import itertools
import json
import os
import shutil
import subprocess
import time

from lab import BODIES, HERE, META, PASSWORD, TICK, USER, Failure, stat_ticks

SERIAL = itertools.count(1)


def observed(lab, function):
    """Runs function and adds the server's CPU time to the sample it returns."""
    before = lab.server_cpu_s()
    sample = function()
    sample["server_cpu_s"] = round(lab.server_cpu_s() - before, 2)
    sample["load"] = os.getloadavg()[0]
    return sample


def expect(what, wanted, got):
    if wanted != got:
        raise Failure(f"{what}: {got} instead of {wanted}")


def grep(lab, *directories):
    """grep -rc over INBOX as files; checks that every file was searched and every needle found."""
    times = lab.run(["grep", "-rc", "needle", *directories])
    counts = [int(line.rpartition(b":")[2]) for line in lab.output().splitlines()]
    expect(f"files searched in {directories[0]}", lab.sizes["INBOX"], len(counts))
    expect(f"needles found in {directories[0]}", lab.made["INBOX"]["needles"], sum(counts))
    return times


def fresh_dir(lab, name):
    path = lab.path(f"{name}.{next(SERIAL)}")
    os.mkdir(path)
    return path


# -- the limit

def raw(lab, box, items, rtt):
    times, phases = lab.rawfetch(box, items, rtt)
    expect(f"messages fetched from {box}", lab.sizes[box], phases["messages"])
    if items == BODIES and phases["bytes"] < lab.made[box]["bytes"]:
        raise Failure(f"only {phases['bytes']} bytes fetched")
    return {"wall_s": phases["fetch_s"], "total_s": times["wall_s"], "client_cpu_s": times["cpu_s"],
            "peak_kb": times["peak_kb"], "phases": phases}


def raw_bodies(lab, rtt):
    return observed(lab, lambda: raw(lab, "INBOX", BODIES, rtt))


def raw_meta(lab, box, rtt):
    return observed(lab, lambda: raw(lab, box, META, rtt))


# -- peers

MBSYNC_CONFIG = """\
FSync {fsync}

IMAPAccount bench
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {ca}

IMAPStore far
Account bench

MaildirStore near
Path {dir}/
Inbox {dir}/INBOX

Channel inbox
Far :far:
Near :near:
Create Near
Sync Pull
SyncState *
"""


def mbsync(lab, rtt, fsync):
    if not shutil.which("mbsync"):
        raise Failure("mbsync is not installed")
    directory = fresh_dir(lab, "mbsync")
    config = os.path.join(directory, "mbsyncrc")
    with open(config, "w", encoding="utf-8") as file:
        # "fsync" is what mbsync does unless told otherwise
        file.write(MBSYNC_CONFIG.format(port=lab.rtts[rtt], user=USER, password=PASSWORD, ca=lab.ca, dir=directory,
                                        fsync="yes" if fsync else "no"))
    lab.settle()

    def run():
        sync = lab.run(["mbsync", "-q", "-c", config, "-a"])
        found = grep(lab, f"{directory}/INBOX/cur", f"{directory}/INBOX/new")
        return {"wall_s": sync["wall_s"] + found["wall_s"], "sync_s": sync["wall_s"], "grep_s": found["wall_s"],
                "client_cpu_s": sync["cpu_s"] + found["cpu_s"], "peak_kb": sync["peak_kb"]}
    try:
        return observed(lab, run)
    finally:
        lab.retire(directory)


def imaplib(lab, box, rtt, *what):
    return lab.run(["python3", f"{HERE}/imapfetch.py", str(lab.rtts[rtt]), lab.ca, USER, lab.password_file, box, *what])


def imaplib_bodies(lab, rtt):
    directory = fresh_dir(lab, "imaplib")
    lab.settle()

    def run():
        fetch = imaplib(lab, "INBOX", rtt, "bodies", directory)
        expect("bytes fetched", lab.made["INBOX"]["bytes"], json.loads(lab.output())["bytes"])
        found = grep(lab, directory)
        return {"wall_s": fetch["wall_s"] + found["wall_s"], "fetch_s": fetch["wall_s"], "grep_s": found["wall_s"],
                "client_cpu_s": fetch["cpu_s"] + found["cpu_s"], "peak_kb": fetch["peak_kb"]}
    try:
        return observed(lab, run)
    finally:
        lab.retire(directory)


def imaplib_meta(lab, box, rtt):
    def run():
        times = imaplib(lab, box, rtt, "meta")
        expect(f"messages listed of {box}", lab.sizes[box], json.loads(lab.output())["messages"])
        return {"wall_s": times["wall_s"], "client_cpu_s": times["cpu_s"], "peak_kb": times["peak_kb"]}
    return observed(lab, run)


# -- imapfs

class Mount:
    """A mounted account with a cache of its own. Cache and state outlive unmount(), for a second mount."""

    def __init__(self, lab, rtt=0, read_only=True, names="uid"):
        self.lab, self.rtt = lab, rtt
        self.home = fresh_dir(lab, "imapfs")
        self.dir = os.path.join(self.home, "mnt")
        self.pid = None
        for name in ("mnt", "cache", "state", "config", "xdgcache"):
            os.mkdir(os.path.join(self.home, name))
        options = ["ro"] if read_only else []
        options += [f"names={names}", f"ca_file={lab.ca}", f"password_file={lab.password_file}",
                    f"cache_dir={self.home}/cache"]
        self.argv = [lab.imapfs, "-o", ",".join(options), f"imaps://{USER}@localhost:{lab.rtts[rtt]}/", self.dir]

    def mount(self):
        """Returns the times of the imapfs command, which ends when the mount answers."""
        env = dict(self.lab.env, XDG_STATE_HOME=f"{self.home}/state", XDG_CONFIG_HOME=f"{self.home}/config",
                   XDG_CACHE_HOME=f"{self.home}/xdgcache")
        if self not in self.lab.mounts:
            self.lab.mounts.append(self)
        times = self.lab.run(self.argv, env=env, timeout=90)
        self.pid = self.find_daemon()
        return times

    def find_daemon(self):
        for name in os.listdir("/proc"):
            try:
                if not name.isdigit() or os.path.realpath(f"/proc/{name}/exe") != self.lab.imapfs:
                    continue
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if self.dir.encode() in file.read().split(b"\0"):
                        return int(name)
            except OSError:
                continue
        raise Failure("imapfs ended with success but no daemon runs")

    def observe(self, function, since_start=False):
        """Runs function; adds the daemon's CPU time during it (or since it began) and its peak memory so far."""
        before = 0 if since_start else stat_ticks(self.pid)[0]
        sample = function()
        after = stat_ticks(self.pid)[0]
        if not os.path.exists(f"/proc/{self.pid}"):
            raise Failure("the daemon died")
        sample["daemon_cpu_s"] = round((after - before) / TICK, 2)
        sample["peak_kb"] = self.peak_kb()
        return sample

    def peak_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        return 0

    def box(self, name):
        return os.path.join(self.dir, name)

    def unmount(self):
        done = subprocess.run(["fusermount3", "-u", self.dir], stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise Failure(f"fusermount3: {done.stderr.decode(errors='replace').strip()}")
        deadline = time.monotonic() + 35
        while os.path.exists(f"/proc/{self.pid}"):
            if time.monotonic() > deadline:
                raise Failure("the daemon runs on 35 s after the unmount")
            time.sleep(0.01)

    def force_unmount(self):
        if os.path.ismount(self.dir):
            subprocess.run(["fusermount3", "-u", "-z", self.dir], check=False)
        if self.pid and os.path.realpath(f"/proc/{self.pid}/exe") == self.lab.imapfs:
            os.kill(self.pid, 9)

    def remove(self):
        """Ends what still runs and removes cache and state."""
        self.force_unmount()
        if not os.path.ismount(self.dir):
            self.lab.mounts.remove(self)
            shutil.rmtree(self.home)


def with_fresh_mount(lab, rtt, names, use):
    """Mounts with an empty cache, measures use(mount), unmounts, removes all traces."""
    mount = Mount(lab, rtt, names=names)
    lab.settle()
    try:
        mounted = mount.mount()

        def run():
            times = use(mount)
            return {"wall_s": times["wall_s"], "mount_s": mounted["wall_s"],
                    "total_s": mounted["wall_s"] + times["wall_s"], "client_cpu_s": times["cpu_s"]}
        sample = observed(lab, lambda: mount.observe(run))
        mount.unmount()
        return sample
    finally:
        mount.remove()


def ls(lab, mount, box, *flags):
    times = lab.run(["ls", *flags, mount.box(box)])
    lines = lab.output().count(b"\n") - (1 if flags else 0)  # ls -l begins with "total"
    expect(f"names listed of {box}", lab.sizes[box], lines)
    return times


def imapfs_grep_cold(lab, rtt):
    return with_fresh_mount(lab, rtt, "uid", lambda mount: grep(lab, mount.box("INBOX")))


def imapfs_ls(lab, box, rtt, *flags, names="uid"):
    return with_fresh_mount(lab, rtt, names, lambda mount: ls(lab, mount, box, *flags))


def again(lab, mount, use):
    """A second mount over the cache of an earlier one; wall_s is mounting and using together."""
    lab.settle()
    mounted = mount.mount()

    def run():
        times = use(mount)
        return {"wall_s": mounted["wall_s"] + times["wall_s"], "mount_s": mounted["wall_s"],
                "use_s": times["wall_s"], "client_cpu_s": mounted["cpu_s"] + times["cpu_s"]}
    sample = observed(lab, lambda: mount.observe(run, since_start=True))
    mount.unmount()
    return sample


def grep_warm(lab, directory, mount=None):
    """The second of two passes: the first, not timed, puts back what the kernel may have dropped since."""
    grep(lab, directory)

    def run():
        times = grep(lab, directory)
        return {"wall_s": times["wall_s"], "client_cpu_s": times["cpu_s"], "peak_kb": times["peak_kb"]}
    return observed(lab, lambda: mount.observe(run) if mount else run())
