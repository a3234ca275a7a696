# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs that are killed at a step or find the disk full, and what must be true afterwards, whichever step it was.

A step is a system call that changes something. There are four ways to kill: the command itself at a step (`cli`); any
one of its processes, also a confined one, at a step of its own (`one`); all that come of it at a moment (`all`); or, of
a verb on what runs, the instance's keeper at a moment (`keeper`).
"""

import collections
import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from support import layers, wait
from support.sound import sound

CALLS = ("write", "pwrite64", "ftruncate", "fallocate", "copy_file_range", "sendfile", "mkdir", "mkdirat", "mknodat",
         "symlinkat", "link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "fsync",
         "fdatasync", "syncfs", "flock", "fchmod", "fchmodat", "fchown", "fchownat", "fsetxattr", "setxattr",
         "utimensat", "ioctl", "clone", "clone3", "fork", "vfork", "mount", "umount2", "fsconfig", "fsmount", "move_mount", "kill",
         "pidfd_send_signal")
STEPS = ",".join("?" + call for call in CALLS)
IMAGE, OTHER, LOADED, BACKUP = "busybox:latest", "made:1", "loaded:1", "backup"
ONE, TWO = "one", "two"  # snapshots of `a`, which is stopped, and what its file says in them
SCRIPT = """mkdir -p /d/e; echo one > /d/f; ln /d/f /d/e/g; chown 7:8 /d/f; chmod 6755 /d/f; ln -s /etc/passwd /d/l
mkfifo /d/p; chmod 1777 /d; rm /etc/passwd; dd if=/dev/urandom of=/d/big bs=64k count=8 2>/dev/null
dd if=/dev/zero of=/d/hole bs=1 count=1 seek=4M 2>/dev/null; echo one > /state"""


@dataclass
class Verb:
    """words: what is killed. before: makes what it needs. after: looks at what came of it, and takes it away."""

    words: tuple
    after: object
    before: object = None
    runs: bool = False  # on what runs: its keeper may be killed, too


class Victim:
    """A store with an image, a stopped instance `a` with two snapshots, one that runs, `r`, a machine `v` that was never
    started, a volume for it, `disk`, and a file `out`."""

    def __init__(self, brig, folder, registry):
        self.brig, self.folder, self.registry = brig, Path(folder), registry
        self.out = self.folder / "out"
        self.out.mkdir()
        brig("run", "-d", "--name", "a", IMAGE, "sleep", "1000")
        brig("exec", "a", "sh", "-c", SCRIPT)
        brig("stop", "-t", "0", "a")
        brig("snapshot", "create", "a", ONE)
        (self.upper() / "state").write_text("two\n")
        brig("snapshot", "create", "a", TWO)
        brig("run", "-d", "--name", "r", IMAGE, "sleep", "100000")
        brig("exec", "r", "sh", "-c", SCRIPT)
        brig("create", "--name", "v", IMAGE)
        brig("convert", "v", "--vm")
        brig("volume", "create", "--size", "1m", "disk")
        brig("commit", "a", LOADED)
        brig("save", "-o", self.folder / "image.tar", "--format", "oci-archive", LOADED)
        brig("rmi", LOADED)
        brig("export", "a", self.folder / BACKUP, "--snapshots")
        self.fill_registry()
        self.trees = {name: layers.listing(self.upper(f"snapshots/{name}")) for name in (ONE, TWO)}
        self.verbs = self.table()

    def fill_registry(self):
        if not self.registry:
            return
        self.pushed = f"{self.registry}/pushed:1"
        self.pulled = f"{self.registry}/pulled:1"
        self.brig("commit", "a", self.pulled)
        self.brig("push", "--tls-verify=false", self.pulled)
        self.brig("rmi", self.pulled)

    def upper(self, below=".", name="a"):
        return self.brig.root / "instances" / name / below / "upper"

    # --- what came of it ---

    def image(self, name):
        """There, and then it can be run; or not."""
        if name in [entry["reference"] for entry in self.brig.json("images")]:
            assert self.brig("run", "--rm", name, "cat", "/etc/group").out
            self.brig("rmi", name)

    def is_a(self, name="a"):
        """Its tree is one of the two that it can be, and no mix; which one."""
        found = layers.listing(self.upper(name=name))
        same = [which for which, tree in self.trees.items() if layers.difference(tree, found) == {}]
        assert same, f"{name} is neither of the two: {layers.difference(self.trees[TWO], found)}"
        return same[0]

    def instance(self, name):
        if name in self.names():
            assert self.is_a(name) == TWO
            self.brig("rm", "-f", name)

    def names(self):
        return set(self.brig("ps", "-a", "-q").out.split())

    def snapshot(self, name, kept):
        listed = {row["name"] for row in self.brig.json("snapshot", "ls", name)}
        assert kept <= listed <= kept | {"new"}
        if "new" in listed:
            self.brig("snapshot", "rm", name, "new")

    def running(self):
        """It runs and is not paused, or its keeper was killed, and then it starts again."""
        if self.row("r")["state"] == "stopped":
            self.brig("start", "r")
        assert self.brig("exec", "r", "cat", "/state").out == "one\n"

    def row(self, name):
        return next(row for row in self.brig.json("ps", "-a") if row["name"] == name)

    def restored(self):
        if self.is_a() != TWO:
            self.brig("snapshot", "restore", "a", TWO)
        self.snapshot("a", {ONE, TWO})

    def back(self):
        """Of whatever kind it is now, its tree is the same."""
        if self.brig.json("inspect", "a")[0]["kind"] == "vm":
            self.brig("convert", "a", "--container")
        assert self.is_a() == TWO

    def file(self, take):
        """Nothing, or the whole file, which can be taken back."""
        names = os.listdir(self.out)
        assert names in ([], ["out"])
        if names:
            take(self.out / "out")
            (self.out / "out").unlink()

    def take_image(self, path):
        self.brig("load", "-i", path)

    def take_backup(self, path):
        self.brig("import", path, "b")
        self.instance("b")

    def renamed(self):
        assert len(self.names() & {"a", "c"}) == 1
        if "c" in self.names():
            self.brig("rename", "c", "a")
        assert self.is_a() == TWO

    def removed(self):
        """It is there wholly or not at all."""
        self.instance("b")

    def exported_running(self, path):
        self.brig("import", path, "b")
        self.brig("rm", "b")

    def attached(self):
        """The record says what is; and no volume goes that is attached, also while a killed client's is on its way."""
        self.brig("volume", "create", "new")  # takes the lock, so nothing is on its way any more
        volumes = self.brig.json("inspect", "r")[0]["volumes"]
        mounted = self.brig("exec", "r", "grep", "-c", " /new ", "/proc/mounts", check=False).out
        assert (volumes, mounted) in ((["new:/new"], "1\n"), ([], "0\n")), f"{volumes}, {mounted} mounted"
        if volumes:
            self.brig("volume", "detach", "/new", "r")
        self.brig("volume", "rm", "new")
        self.brig("exec", "r", "rmdir", "/new", check=False)

    def drives(self, kept):
        assert self.row("v")["state"] == "created"
        drives = self.brig.json("inspect", "v")[0]["drives"]
        assert drives in (kept, [*kept, "disk:serial=disk0"]), drives
        if drives:
            self.brig("disk", "detach", "disk0", "v")

    # --- the verbs ---

    def table(self):
        brig, out, both = self.brig, self.out / "out", {ONE, TWO}
        found = {
            "import-image": Verb(("image", "import", "--name", OTHER, self.folder / "image.tar"),
                                 lambda: self.image(OTHER)),
            "load": Verb(("load", "-i", self.folder / "image.tar"), lambda: self.image(LOADED)),
            "save": Verb(("save", "-o", out, IMAGE), lambda: self.file(self.take_image)),
            "commit": Verb(("commit", "a", OTHER), lambda: self.image(OTHER)),
            "commit-running": Verb(("commit", "r", OTHER), lambda: (self.running(), self.image(OTHER)), runs=True),
            "rmi": Verb(("rmi", OTHER), lambda: self.image(OTHER), lambda: brig("commit", "a", OTHER)),
            "snapshot": Verb(("snapshot", "create", "a", "new"), lambda: self.snapshot("a", both)),
            "snapshot-running": Verb(("snapshot", "create", "r", "new"),
                                     lambda: (self.running(), self.snapshot("r", set())), runs=True),
            "snapshot-rm": Verb(("snapshot", "rm", "a", "new"), lambda: self.snapshot("a", both),
                                lambda: brig("snapshot", "create", "a", "new")),
            "restore": Verb(("snapshot", "restore", "a", ONE), self.restored),
            "copy": Verb(("copy", "a", "b"), lambda: self.instance("b")),
            "rename": Verb(("rename", "a", "c"), self.renamed),
            "rm": Verb(("rm", "b"), self.removed, lambda: brig("copy", "a", "b")),
            "convert-vm": Verb(("convert", "a", "--vm"), self.back),
            "convert-container": Verb(("convert", "a", "--container"), self.back, lambda: brig("convert", "a", "--vm")),
            "export": Verb(("export", "a", out, "--snapshots"), lambda: self.file(self.take_backup)),
            "export-running": Verb(("export", "r", out), lambda: (self.running(), self.file(self.exported_running)),
                                   runs=True),
            "volume-attach": Verb(("volume", "attach", "new:/new", "r"), lambda: (self.running(), self.attached()),
                                  runs=True),
            "volume-detach": Verb(("volume", "detach", "/new", "r"), lambda: (self.running(), self.attached()),
                                  lambda: brig("volume", "attach", "new:/new", "r"), runs=True),
            "disk-attach": Verb(("disk", "attach", "disk", "v"), lambda: self.drives([])),
            "disk-detach": Verb(("disk", "detach", "disk0", "v"), lambda: self.drives([]),
                                lambda: brig("disk", "attach", "disk", "v")),
            "import": Verb(("import", self.folder / BACKUP, "b"), lambda: self.instance("b")),
        }
        if self.registry:
            found["pull"] = Verb(("pull", "--tls-verify=false", self.pulled), lambda: self.image(self.pulled))
            found["push"] = Verb(("push", "--tls-verify=false", IMAGE, self.pushed), lambda: None)
        return found

    # --- killing ---

    def strace(self, words, follow, *options):
        return ["strace", "-qq", *(["-f"] if follow else []), "-e", f"trace={STEPS}", *options,
                *self.brig.command(*words)]

    def _run(self, command, **options):
        return subprocess.run(command, env=self.brig.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=120, **options)

    def measure(self, verb):
        """Its steps, each as (call, the how manieth of that call in its process): those of the command itself and those
        of all its processes; and its length in s."""
        trace = self.folder / "trace"
        if verb.before:
            verb.before()
        done = self._run(self.strace(verb.words, True, "-o", str(trace)))
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        found = re.findall(r"^(\d+)\s+(\w+)\(", trace.read_text(errors="replace"), re.M)
        trace.unlink()
        counts, steps = collections.Counter(), []
        for pid, call in found:
            counts[pid, call] += 1
            steps.append((pid, call, counts[pid, call]))
        self.settle(verb)
        if verb.before:
            verb.before()
        started = time.monotonic()
        self.brig(*verb.words)
        took = time.monotonic() - started
        self.settle(verb)
        return [step[1:] for step in steps if step[0] == steps[0][0]], [step[1:] for step in steps], took

    def settle(self, verb):
        wait.file_state(self.brig.root / "tmp", lambda: not list((self.brig.root / "tmp").glob("import.*")), 20)
        verb.after()

    def kill(self, verb, way, share, measured):
        """Kills it at that share of its way; whether it came to it."""
        own, of_all, took = measured
        if verb.before:
            verb.before()
        if way in ("cli", "one"):
            steps = own if way == "cli" else of_all
            call, number = steps[int(share * len(steps))]
            done = self._run(self.strace(verb.words, way == "one", "-o", "/dev/null", "-e",
                                         f"inject={call}:signal=KILL:when={number}"))
            killed = done.returncode != 0
        else:
            killed = self.kill_at(verb, way, share * took)
        told = f"{' '.join(map(str, verb.words))}, {way} at {share:.4f}"
        self.check(verb, told)
        return killed

    def kill_at(self, verb, way, seconds):
        keeper = self.brig.json("inspect", "r")[0]["run"]["keeper_pid"] if way == "keeper" else 0
        with self.brig.popen(*verb.words) as running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(seconds)
            killed = running.process.poll() is None
            for pid in [keeper] if keeper else descendants(running.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if keeper:
                wait.process_end(keeper, 30)
                running.finish(60)
            running.process.kill()
            running.process.wait()
        return killed

    def check(self, verb, told):
        try:
            sound(self.brig, told)
            self.settle(verb)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"{told}: {error}") from error

    # --- what there is ---

    def inventory(self):
        """All files of the store, and the bytes that they take; but not what can be made again, nor what the kernel
        does in the work folder of an overlay that is mounted."""
        instances = self.brig.root / "instances"
        wait.file_state(instances, lambda: not list(instances.glob(".*")), 20)  # whose keeper removes them
        names, size = set(), 0
        for top, folders, files in os.walk(self.brig.root):
            folders[:] = [name for name in folders if os.path.relpath(os.path.join(top, name), self.brig.root)
                          not in ("cache", "tmp/fetched", "instances/r/work")]
            for name in [*folders, *files]:
                path = os.path.join(top, name)
                names.add(os.path.relpath(path, self.brig.root))
                size += os.lstat(path).st_blocks * 512
        return names, size


def descendants(pid):
    """The process and all that come of it, the youngest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [found for child in children for found in descendants(int(child))] + [pid]


def shares(number):
    """That many shares of a way, spread evenly and without end: the golden ratio's multiples."""
    return [(0.5 + i * 0.6180339887498949) % 1 for i in range(number)]


def loop(victim, names, number, ways=None, tell=lambda text: None):
    """That many kills of each verb; the kills that came to it, by verb and way."""
    killed = collections.Counter()
    for name in names:
        verb = victim.verbs[name]
        measured = victim.measure(verb)
        before, room = victim.inventory()
        tell(f"{name}: {len(measured[0])} steps of its own, {len(measured[1])} in all, {measured[2] * 1000:.0f} ms")
        order = ways or (["cli", "one", "cli", "all"] + (["keeper"] if verb.runs else []))
        for i, share in enumerate(shares(number)):
            way = order[i % len(order)]
            killed[name, way] += victim.kill(verb, way, share, measured)
        after, left = victim.inventory()
        assert after == before, f"{name} leaves or loses {sorted(after ^ before)[:8]}"
        assert left - room < 256 << 10, f"{name} leaks {left - room} bytes"
        tell(f"{name}: killed {sum(n for (of, _), n in killed.items() if of == name)} times, all sound")
    return killed


# --- a full disk ---

ROOM = [0, 16 << 10, 128 << 10, 512 << 10, 1 << 20, 1536 << 10, 3 << 20, 5 << 20]  # what is left of it


@contextlib.contextmanager
def filled(folder, left):
    """All of the folder's disk is taken but `left` bytes."""
    path = Path(folder) / "filler"
    with open(path, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, os.fstat(file.fileno()).st_size - left))
    try:
        yield
    finally:
        path.unlink()


def full(victim, names, room=ROOM, tell=lambda text: None):
    """Every verb with little room, and less: it is done or says what is missing, and either way leaves all whole."""
    refused = collections.Counter()
    for name in names:
        verb = victim.verbs[name]
        victim.measure(verb)
        before, size = victim.inventory()
        for left in room:
            told = f"{name} with {left} bytes left"
            if verb.before:
                verb.before()
            with filled(victim.folder, left):
                result = victim.brig(*verb.words, check=False)
                assert result.code == 0 or (result.code == 125 and re.search("No space left|full|room", result.err)), \
                    f"{told}: {result.code} {result.err}"
                refused[name] += result.code != 0
                found = victim.brig.json("check", check=False)
                assert found == [], f"{told}: {found} {result.err}"
            victim.check(verb, told)
        after, now = victim.inventory()
        assert after == before, f"{name} leaves or loses {sorted(after ^ before)[:8]}"
        assert now - size < 256 << 10, f"{name} leaks {now - size} bytes"
        tell(f"{name}: refused {refused[name]} times of {len(room)}, all whole")
    return refused
