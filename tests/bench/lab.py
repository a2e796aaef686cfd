"""The place where scripts/bench measures: directories, compiled tools, a private server, distances.

What is timed, and how, is decided in clients.py and sections.py. The server's mail lies on a private
tmpfs, because a server that waits for its disk hides what its clients do; what the clients write lies
in the working directory, on a real disk.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SERVER = os.path.join(ROOT, "tests", "support", "dovecot")
USER, PASSWORD = "u1", "pw1"
META = "(UID FLAGS INTERNALDATE RFC822.SIZE)"
BODIES = "(BODY.PEEK[])"
TICK = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """One measurement that could not be made; the others go on."""


def log(text):
    print(time.strftime("%H:%M:%S ") + text, flush=True)


def stat_ticks(pid):
    """(own ticks, ticks of children that were waited for), or zeros when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def filesystem(path):
    """The type of the filesystem that holds path, from the longest mount point above it."""
    best = ("", "?")
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            point, kind = line.split()[1:3]
            if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


class Lab:
    def __init__(self, args):
        base = args.work or os.environ.get("TMPDIR") or os.path.join(ROOT, "build")
        os.makedirs(base, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix="imapfs-bench.", dir=os.path.realpath(base))
        self.store = tempfile.mkdtemp(prefix="imapfs-bench.", dir="/dev/shm")
        # ext4 then spreads the directories below over the disk; see retire()
        subprocess.run(["chattr", "+T", self.dir], stderr=subprocess.DEVNULL, check=False)
        self.imapfs = os.path.realpath(args.imapfs)
        self.sizes = {"INBOX": args.inbox, "big": args.big}
        self.made = {}
        self.rtts = {}
        self.proxies = {}
        self.mounts = []
        self.env = dict(os.environ, LC_ALL="C", HOME=self.path("home"), TMPDIR=self.path("tmp"))
        for name in ("home", "tmp", "bin"):
            os.makedirs(self.path(name))
        self.password_file = self.path("password")
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(PASSWORD + "\n")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def tool(self, name):
        return self.path("bin", name)

    # -- running things

    def run(self, argv, stdout=None, env=None, timeout=600):
        """Runs a command under timerun; returns its times. Its output goes to a file: grep does less for /dev/null."""
        report, errors = self.path("report"), self.path("errors")
        with open(stdout or self.path("output"), "wb") as out, open(errors, "wb") as err:
            with subprocess.Popen([self.tool("timerun"), report, *argv], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=err, env=env or self.env, start_new_session=True) as process:
                try:
                    status = process.wait(timeout)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    raise Failure(f"{argv[0]}: still running after {timeout} s") from None
        if status:
            with open(errors, encoding="utf-8", errors="replace") as err:
                said = err.read().strip().splitlines()
            raise Failure(f"{os.path.basename(argv[0])}: exit status {status}: {said[-1] if said else 'no message'}")
        with open(report, encoding="ascii") as file:
            return json.load(file)

    def output(self):
        with open(self.path("output"), "rb") as file:
            return file.read()

    def settle(self):
        """What earlier runs wrote goes to the disk now, not during the next run."""
        subprocess.run(["sync", "-f", self.dir], check=True)

    def retire(self, directory):
        """Gives back the space of a tree but keeps its files until the end: for minutes after files were
        removed, ext4 searches past their inodes for every new one, and the next client that writes files
        would pay for it (ten times its time, measured)."""
        for path, _, names in os.walk(directory):
            for name in names:
                os.truncate(os.path.join(path, name), 0)

    def probe_disk(self):
        """Milliseconds to make a small file, to notice a disk that is slow for reasons of its own."""
        count, directory = 1000, self.path("probe")
        os.mkdir(directory)
        start = time.monotonic()
        for number in range(count):
            with open(f"{directory}/{number}", "wb") as file:
                file.write(b"x" * 4000)
        each_ms = (time.monotonic() - start) * 1000 / count
        if each_ms > 0.3:
            log(f"warning: {each_ms:.2f} ms to make a file in {self.dir}; were many removed there lately? "
                "The clients that write files will look worse than they are.")
        return round(each_ms, 3)

    # -- preparing

    def compile(self):
        for name, libs in (("rawfetch", ["-lssl", "-lcrypto"]), ("delayproxy", []), ("timerun", [])):
            command = [os.environ.get("CC", "cc"), "-O2", "-o", self.tool(name), f"{HERE}/{name}.c", *libs]
            subprocess.run(command, check=True)

    def start_server(self):
        subprocess.run([SERVER, "start", self.store, "--users", f"{USER}:{PASSWORD}"], check=True)
        with open(f"{self.store}/env", encoding="utf-8") as file:
            settings = dict(line.strip().split("=", 1) for line in file if "=" in line)
        self.port, self.ca = int(settings["IMAPS_PORT"]), settings["CA_FILE"]
        with open(f"{self.store}/run/master.pid", encoding="ascii") as file:
            self.server_pid = int(file.read())
        self.rtts[0] = self.port

    def fill(self):
        for box, below, kind in (("INBOX", "", "inbox"), ("big", "/big", "big")):
            maildir = f"{self.store}/mail/{USER}/Maildir{below}"
            made = subprocess.run([f"{HERE}/genmail.py", maildir, kind, str(self.sizes[box])],
                                  check=True, stdout=subprocess.PIPE).stdout
            self.made[box] = json.loads(made)
            log(f"{box}: {self.made[box]}")
        subprocess.run([SERVER, "own", self.store], check=True)

    def warm_server(self):
        """Gives the server its indexes, its cache of dates, sizes and envelopes, and its own code in memory."""
        for box in self.sizes:
            for items in ("(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", META, BODIES):
                self.rawfetch(box, items)

    def rawfetch(self, box, items, rtt=0, extra=()):
        times = self.run([self.tool("rawfetch"), "-p", str(self.rtts[rtt]), "-A", self.ca, "-u", USER,
                          "-f", self.password_file, "-m", box, "-i", items, *extra])
        return times, json.loads(self.output())

    def add_rtt(self, rtt):
        """Starts the proxy for a distance and checks that it is one: a NOOP must take one round trip."""
        if not rtt:
            return
        proxy = subprocess.Popen([self.tool("delayproxy"), "-u", str(self.port), "-r", str(rtt)],
                                 stdout=subprocess.PIPE)
        self.proxies[rtt] = proxy
        self.rtts[rtt] = int(proxy.stdout.readline())
        phases = self.rawfetch("INBOX", "(UID)", rtt, ("-n", "-s", "1"))[1]
        log(f"RTT {rtt} ms: a NOOP took {phases['noop_s'] * 1000:.1f} ms, "
            f"the way to the opened mailbox {(phases['total_s'] - phases['fetch_s']) * 1000:.0f} ms")
        if not rtt <= phases["noop_s"] * 1000 < rtt + 15:
            log(f"warning: RTT {rtt} ms is not what the proxy delivers; is the machine overloaded?")

    # -- observing the server

    def server_cpu_s(self):
        """CPU time of the server's processes, the ended ones included; resolution 10 ms."""
        total = sum(stat_ticks(self.server_pid))
        return (total + sum(sum(stat_ticks(pid)) for pid in children(self.server_pid))) / TICK

    # -- facts for the report

    def facts(self):
        def first_line(*argv):
            try:
                done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            except OSError:
                return "not installed"
            return done.stdout.decode(errors="replace").strip().split("\n")[0]

        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        facts = {"kernel": os.uname().release, "machine": os.uname().machine, "cpu": models[0] if models else "?",
                 "cpus": len(os.sched_getaffinity(0)), "disk": filesystem(self.dir),
                 "store": filesystem(os.path.realpath(self.store)),
                 "dovecot": first_line("/usr/sbin/dovecot", "--version"), "mbsync": first_line("mbsync", "--version"),
                 "python": first_line("python3", "--version"), "grep": first_line("grep", "--version")}
        if os.path.exists(self.imapfs):
            with open(self.imapfs, "rb") as file:
                facts["imapfs_sha256"] = hashlib.sha256(file.read()).hexdigest()
            facts["imapfs"] = first_line(self.imapfs, "--version")
            facts["commit"] = first_line("git", "-C", ROOT, "rev-parse", "--short", "HEAD")
        return facts

    # -- the end

    def close(self):
        for mount in list(self.mounts):
            mount.force_unmount()
        for proxy in self.proxies.values():
            proxy.terminate()
            proxy.wait()
        subprocess.run([SERVER, "stop", self.store], check=False)
        held = [mount.dir for mount in self.mounts if os.path.ismount(mount.dir)]
        if held:
            log(f"still mounted, so {self.dir} stays: {' '.join(held)}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)
