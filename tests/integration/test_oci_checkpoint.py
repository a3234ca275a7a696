# SPDX-License-Identifier: GPL-2.0-or-later
"""brig-oci checkpoint and restore, by the CRIU that is found in the PATH."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support import wait
from support.criu import RUNS, needs_criu
from support.oci import ConsoleSocket

pytestmark = [pytest.mark.root]
SECONDS = 60

# What only memory knows, and how far it has come.
COUNTER = """
read word < /proc/sys/kernel/random/uuid
n=0
while :; do
    n=$((n+1)); echo $word $n > /tmp/count.new; mv /tmp/count.new /tmp/count
    read -t 0.05 nothing < /never
done
"""
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "ro"]},
]
CALLS = "sendmsg,recvmsg,renameat,renameat2,rename,clone3,flock"
MASKED = ["/proc/kcore", "/proc/keys", "/proc/scsi", "/proc/acpi", "/proc/no-such-file"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]


class Counter:
    """A container whose first process counts."""

    def __init__(self, bundle):
        self.bundle, self.oci = bundle, bundle.oci
        self.images = bundle.oci.folder / "images"
        self.file = bundle.rootfs / "tmp/count"

    def start(self, changes=None, **how):
        # Not in /tmp: systemd sets fs.protected_fifos, and a root of a user namespace is not the owner.
        os.mkfifo(self.bundle.rootfs / "never")
        (self.bundle.rootfs / "never").chmod(0o666)
        # An open end, so that a read waits its time.
        # A file of the host's would be for the host's root alone to open again.
        self.bundle.start("exec 9<>/never 2>/dev/null;" + COUNTER,
                          {"mounts": MOUNTS, "linux.maskedPaths": MASKED, "linux.readonlyPaths": READONLY,
                           **(changes or {})}, **how)
        return self.goes_on(0)

    def read(self):
        word, n = self.file.read_text().split()
        return word, int(n)

    def goes_on(self, n, file=None):
        """Waits until it has come beyond n; the word, and how far it is."""
        file = file or self.file

        def beyond():
            with contextlib.suppress(FileNotFoundError, ValueError):
                word, now = file.read_text().split()
                return int(now) > n and (word, int(now))

        return wait.file_state(file, beyond, SECONDS)

    def checkpoint(self, *options, name=None):
        self.oci("checkpoint", "--image-path", self.images, *options, name or self.oci.id, timeout=SECONDS)

    def restore(self, *options, name=None, bundle=None, images=None, check=True, **how):
        """Its streams are not ours: nobody would read them."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **how}
        errors = self.oci.folder / "restore.err"
        with open(errors, "w") as file:
            code = subprocess.run(
                self.oci.command("restore", "--detach", "--bundle", bundle or self.bundle.folder, "--image-path",
                                 images or self.images, *options, name or self.oci.id),
                stderr=file, timeout=SECONDS, env=self.oci.environment(), **how).returncode
        assert not check or code == 0, errors.read_text()
        return code, errors.read_text()


@pytest.fixture
def counter(bundle):
    return Counter(bundle)


@needs_criu
def test_a_restored_container_goes_on_where_it_was(counter, oci):
    word, _ = counter.start()
    counter.checkpoint()
    assert oci.ids() == [] and not oci.processes()
    _, last = counter.read()
    counter.file.unlink()
    pid_file = oci.folder / "pid"
    counter.restore("--pid-file", pid_file)
    assert counter.goes_on(last)[0] == word
    state = oci.state()
    assert state["status"] == "running" and state["pid"] == int(pid_file.read_text())
    # every other verb works on it
    assert oci("exec", oci.id, "cat", "/proc/1/comm").stdout == "sh\n"
    assert state["pid"] in json.loads(oci("ps", "--format", "json", oci.id).stdout)
    assert json.loads(oci("events", "--stats", oci.id).stdout)["type"] == "stats"
    oci("pause", oci.id)
    assert oci.state()["status"] == "paused"
    oci("resume", oci.id)
    oci("kill", oci.id, "KILL")
    wait.process_end(state["pid"])
    oci("delete", oci.id)


@needs_criu
def test_it_is_restored_more_than_once_and_under_other_names(counter, oci):
    word, _ = counter.start()
    counter.checkpoint()
    _, last = counter.read()
    for name in (oci.id, f"{oci.id}-2"):
        counter.file.unlink()
        counter.restore(name=name)
        assert counter.goes_on(last)[0] == word
        oci("delete", "--force", name)


@needs_criu
def test_it_can_be_checkpointed_again_after_a_restore(counter, oci):
    word, _ = counter.start()
    for _ in range(2):
        counter.checkpoint()
        _, last = counter.read()
        shutil.rmtree(oci.folder / "old", ignore_errors=True)
        counter.restore()
        assert counter.goes_on(last)[0] == word
        counter.images.rename(oci.folder / "old")


@needs_criu
def test_a_checkpoint_can_leave_it_running(counter, oci):
    word, _ = counter.start()
    pid = oci.state()["pid"]
    counter.checkpoint("--leave-running")
    assert oci.state()["pid"] == pid and oci.state()["status"] == "running"
    assert counter.goes_on(counter.read()[1])[0] == word
    # and what was saved is a container of its own
    oci("delete", "--force", oci.id)
    counter.file.unlink()
    counter.restore()
    assert counter.goes_on(0)[0] == word


@needs_criu
def test_a_paused_container_is_checkpointed_and_stays_paused(counter, oci):
    counter.start()
    oci("pause", oci.id)
    counter.checkpoint("--leave-running")
    assert oci.state()["status"] == "paused"
    oci("resume", oci.id)
    counter.goes_on(counter.read()[1])
    oci("pause", oci.id)
    counter.checkpoint()
    assert oci.ids() == []


@needs_criu
def test_memory_is_saved_beforehand(counter, oci):
    if subprocess.run(["criu", "check", "--feature", "mem_dirty_track"], capture_output=True).returncode:
        pytest.skip("this kernel does not tell which memory has changed")
    word, _ = counter.start()
    first, second = oci.folder / "first", oci.folder / "second"
    oci("checkpoint", "--pre-dump", "--image-path", first, oci.id, timeout=SECONDS)
    assert oci.state()["status"] == "running"
    counter.goes_on(counter.read()[1])
    oci("checkpoint", "--parent-path", "../first", "--image-path", second, oci.id, timeout=SECONDS)
    assert (second / "parent").is_symlink()
    _, last = counter.read()
    counter.restore(images=second)
    assert counter.goes_on(last)[0] == word


@needs_criu
def test_pipes_lead_to_who_restores(counter, oci):
    os.mkfifo(counter.bundle.rootfs / "tmp/never")
    script = "exec 9<>/tmp/never; echo one; while read line; do echo got $line; echo bad $line >&2; done"
    ends = {}

    def pipes():
        made = [os.pipe() for _ in range(3)]
        ends.update(stdin=made[0][1], stdout=made[1][0], stderr=made[2][0])
        return {"stdin": made[0][0], "stdout": made[1][1], "stderr": made[2][1]}

    given = pipes()
    counter.bundle.write({"mounts": MOUNTS}, script)
    subprocess.run(oci.command("create", "--bundle", counter.bundle.folder, oci.id), check=True, timeout=20, **given)
    oci("start", oci.id)
    for fd in given.values():
        os.close(fd)
    assert os.read(ends["stdout"], 100) == b"one\n"
    counter.checkpoint()
    for fd in ends.values():
        os.close(fd)
    given = pipes()
    subprocess.run(oci.command("restore", "--detach", "--bundle", counter.bundle.folder, "--image-path",
                               counter.images, oci.id), check=True, timeout=SECONDS, **given)
    for fd in given.values():
        os.close(fd)
    os.write(ends["stdin"], b"two\n")
    assert os.read(ends["stdout"], 100) == b"got two\n"
    assert os.read(ends["stderr"], 100) == b"bad two\n"
    pid = oci.state()["pid"]
    os.close(ends["stdin"])
    wait.process_end(pid)
    assert os.read(ends["stdout"], 100) == b""


@needs_criu
def test_a_terminal_goes_to_the_console_socket(counter, oci):
    script = "stty -echo; echo ready; while read line; do echo got $line; done"
    where = oci.folder / "console"
    sock = ConsoleSocket(where)
    counter.bundle.start(script, {"mounts": MOUNTS, "process.terminal": True}, options=["--console-socket", where])
    _, master = sock.receive()
    assert b"ready" in os.read(master, 100)
    counter.checkpoint()
    os.close(master)
    where.unlink()
    sock = ConsoleSocket(where)
    counter.restore("--console-socket", where)
    name, master = sock.receive()
    assert name.startswith("/dev/pts/")
    os.write(master, b"two\n")
    said = b""
    while not said.endswith(b"\n"):  # it comes in as many pieces as it likes
        said += os.read(master, 100)
    assert said == b"got two\r\n"
    assert oci("exec", oci.id, "stat", "-c", "%F", "/dev/console").stdout == "character special file\n"
    os.close(master)


@needs_criu
def test_what_it_shows_of_the_host_comes_from_the_new_bundle(counter, oci):
    old, new = oci.folder / "old", oci.folder / "new"
    for folder in (old, new):
        (folder / "below").mkdir(parents=True)
        (folder / "file").write_text(folder.name)
    # A link in the way, a file alone, and a folder with a mount of the host's below it.
    (counter.bundle.rootfs / "run").mkdir()
    (counter.bundle.rootfs / "var").mkdir()
    (counter.bundle.rootfs / "var/run").symlink_to("../run")
    subprocess.run(["mount", "-t", "tmpfs", "below", old / "below"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "below", new / "below"], check=True)
    try:
        (old / "below/deep").write_text("old")
        (new / "below/deep").write_text("new")

        def changes(folder):
            return {"mounts": [*MOUNTS,
                               {"destination": "/var/run/one", "source": str(folder / "file"), "options": ["bind"]},
                               {"destination": "/all", "source": str(folder), "options": ["rbind", "ro"]}]}

        counter.start(changes(old))
        counter.checkpoint()
        _, last = counter.read()
        counter.bundle.base["linux"] |= {"maskedPaths": MASKED, "readonlyPaths": READONLY}
        counter.bundle.write(changes(new))
        counter.restore()
        counter.goes_on(last)
        seen = oci("exec", oci.id, "cat", "/run/one", "/all/file", "/all/below/deep").stdout
        assert seen == "newnewnew"
        assert "Read-only" in oci("exec", oci.id, "touch", "/all/x", check=False).stderr
        oci("delete", "--force", oci.id)
    finally:
        subprocess.run(["umount", old / "below", new / "below"], check=True)


@needs_criu
def test_a_root_that_is_new_gets_the_places_of_mounts(counter, oci, busybox_tree):
    shown = oci.folder / "shown"
    shown.mkdir()
    mounts = [*MOUNTS, {"destination": "/deep/down", "source": str(shown), "options": ["bind"]}]
    counter.start({"mounts": mounts})
    counter.checkpoint()
    word, last = counter.read()
    other = oci.folder / "other"
    other.mkdir()
    shutil.copy(counter.bundle.folder / "config.json", other)
    shutil.copytree(counter.bundle.rootfs, other / "rootfs", symlinks=True,
                    ignore=lambda folder, names: [name for name in names if name == "deep" or name == "never"])
    os.mkfifo(other / "rootfs/tmp/never")
    counter.restore(bundle=other)
    assert counter.goes_on(last, other / "rootfs/tmp/count")[0] == word
    assert oci.state()["rootfs"] == str(other / "rootfs")
    assert (other / "rootfs/deep/down").is_dir()


@needs_criu
def test_what_protects_the_container_is_there_again(counter, oci):
    counter.start({"root.readonly": False, "process.noNewPrivileges": True,
                   "process.capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"],
                                            "permitted": ["CAP_KILL"]},
                   "linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
                                     "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]},
                   "linux.sysctl": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "77", "kernel.shmmni": "88"},
                   "hostname": "saved"})
    look = ["sh", "-c", "grep -E '^(Cap|NoNew|Seccomp:)' /proc/1/status; cat /proc/kcore | wc -c; hostname; "
                        "cd /proc/sys; cat net/ipv4/ip_forward net/core/somaxconn kernel/shmmni; "
                        "echo x > kernel/hostname; ls -l /proc/1/ns | wc -l"]
    before = oci("exec", oci.id, *look).stdout
    counter.checkpoint()
    counter.restore()
    assert oci("exec", oci.id, *look).stdout == before
    assert "Seccomp:\t2" in before and "NoNewPrivs:\t1" in before and "\n0\nsaved\n1\n77\n88\n" in before


@needs_criu
def test_a_user_namespace_is_there_again(counter, oci):
    ids = {"containerID": 0, "hostID": 100000, "size": 65536}
    for path in (counter.bundle.rootfs, counter.bundle.rootfs / "tmp"):
        os.chown(path, 100000, 100000)
    oci.folder.chmod(0o755)
    counter.bundle.folder.chmod(0o755)
    word, _ = counter.start({
        "linux.namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network", "cgroup", "user")],
        "linux.uidMappings": [ids], "linux.gidMappings": [ids]})
    counter.checkpoint()
    _, last = counter.read()
    counter.restore()
    assert counter.goes_on(last)[0] == word
    assert os.stat(f"/proc/{oci.state()['pid']}").st_uid == 100000
    look = ["sh", "-c", "head -c 3 /dev/zero | wc -c; ls /dev/pts/ptmx; cat /proc/self/uid_map"]
    assert oci("exec", oci.id, *look).stdout.split() == ["3", "/dev/pts/ptmx", "0", "100000", "65536"]
    # nobody but root and the container's root gets to what was in memory
    pages = next(counter.images.glob("pages-*.img")).stat()
    assert (pages.st_uid, pages.st_gid, pages.st_mode & 0o7777) == (100000, 0, 0o640)


@needs_criu
def test_limits_are_those_of_the_bundle(counter, oci):
    counter.start({"linux.resources.pids.limit": 50})
    counter.checkpoint()
    document = json.loads((counter.bundle.folder / "config.json").read_text())
    document["linux"]["resources"] = {"pids": {"limit": 60}}
    (counter.bundle.folder / "config.json").write_text(json.dumps(document))
    counter.restore()
    assert json.loads(oci("events", "--stats", oci.id).stdout)["data"]["pids"] == {"current": 1, "limit": 60}


@needs_criu
def test_a_network_namespace_of_the_engine_stays(counter, oci):
    # A stock kernel has no namespace without a process or a mount: this one has a process.
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; read x"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"up\n"
        path = f"/proc/{holder.pid}/ns/net"
        inode = os.stat(path).st_ino
        namespaces = [{"type": name} for name in ("pid", "mount", "ipc", "uts")] + [{"type": "network", "path": path}]
        counter.start({"linux.namespaces": namespaces})
        counter.checkpoint()
        assert not list(counter.images.glob("netdev-*"))
        _, last = counter.read()
        counter.restore()
        counter.goes_on(last)
        assert os.stat(f"/proc/{oci.state()['pid']}/ns/net").st_ino == inode
        oci("delete", "--force", oci.id)
    finally:
        holder.communicate()


@needs_criu
def test_hooks_of_the_creation_run_before_anything_else(counter, oci):
    log = oci.folder / "hooks"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >> {log}; echo >> {log}"]}
    counter.start({"hooks": {"prestart": [hook], "createRuntime": [hook], "poststop": [hook]}})
    pid = oci.state()["pid"]
    counter.checkpoint()
    said = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(state["status"], state.get("pid")) for state in said] == [
        ("creating", pid), ("creating", pid), ("stopped", None)]
    log.unlink()
    counter.restore()
    said = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(state["status"], state["pid"]) for state in said] == [("creating", oci.state()["pid"])] * 2


@needs_criu
def test_a_hook_that_fails_undoes_the_restore(counter, oci):
    counter.start()
    counter.checkpoint()
    document = json.loads((counter.bundle.folder / "config.json").read_text())
    document["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    (counter.bundle.folder / "config.json").write_text(json.dumps(document))
    code, said = counter.restore(check=False)
    assert code == 1 and said == "brig-oci: hooks.createRuntime[0]: /bin/false failed with status 1: no message\n"
    assert not oci.leftovers()


@needs_criu
@pytest.mark.parametrize("harm", ["missing", "empty", "truncated", "garbage", "no-images", "no-streams"])
def test_images_that_are_not_whole_are_refused_and_nothing_is_left(counter, oci, harm):
    counter.start()
    counter.checkpoint()
    pages = next(counter.images.glob("pages-*.img"))
    core = next(counter.images.glob("core-1.img"))
    if harm == "missing":
        core.unlink()
    elif harm == "empty":
        core.write_bytes(b"")
    elif harm == "truncated":
        pages.write_bytes(pages.read_bytes()[:5000])
    elif harm == "garbage":
        for image in counter.images.glob("mm-*.img"):
            image.write_bytes(image.read_bytes()[:20] + os.urandom(200))
    elif harm == "no-images":
        shutil.rmtree(counter.images)
    else:
        (counter.images / "descriptors.json").write_text("[" * 200)
    code, said = counter.restore(check=False)
    assert code == 1 and said.count("\n") == 1 and str(counter.images) in said
    assert said.isprintable() or said[:-1].isprintable()
    assert not oci.leftovers()


@needs_criu
def test_a_checkpoint_that_fails_leaves_it_running(counter, oci):
    word, _ = counter.start()
    # A process that is traced cannot be saved.
    pid = oci.state()["pid"]
    tracer = subprocess.Popen(["strace", "-qq", "-o", oci.folder / "trace", "-p", str(pid)])
    try:
        wait.file_state(oci.folder / "trace", lambda: (oci.folder / "trace").exists()
                        and (oci.folder / "trace").stat().st_size, SECONDS)
        said = oci.fails("checkpoint", "--image-path", counter.images, oci.id, timeout=SECONDS)
        assert said.startswith("brig-oci: criu failed: ") and f"(log: {counter.images}/dump.log)" in said
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(SECONDS)
    assert oci.state()["status"] == "running"
    assert counter.goes_on(counter.read()[1])[0] == word


@needs_criu
@pytest.mark.parametrize("verb", ["checkpoint", "restore"])
def test_a_kill_in_the_middle_leaves_what_delete_cleans(counter, oci, verb):
    """strace ends the command at its first word with CRIU, at its second, and so on."""
    counter.start()
    if verb == "restore":
        counter.checkpoint()
    for number in range(1, 30):
        if verb == "restore":
            args = ["restore", "--detach", "--bundle", counter.bundle.folder, "--image-path", counter.images, oci.id]
        else:
            args = ["checkpoint", "--image-path", oci.folder / f"images-{number}", oci.id]
        trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
                 "-e", f"inject={CALLS}:signal=KILL:when={number}"]
        with open(oci.folder / "killed.err", "w") as errors:
            code = subprocess.run(trace + oci.command(*args), env=oci.environment(), timeout=SECONDS,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL, (number, (oci.folder / "killed.err").read_text())
        oci("delete", "--force", oci.id, timeout=SECONDS)
        assert oci.ids() == []
        if verb == "checkpoint":
            counter.file.unlink()
            counter.bundle.start("exec 9<>/tmp/never;" + COUNTER, {"mounts": MOUNTS})
            counter.goes_on(0)
    assert number > 3 and code == 0


def test_what_cannot_be_checkpointed_says_so(bundle, oci):
    assert "does not exist" in oci.fails("checkpoint", oci.id)
    bundle.create("true")
    assert "which is created" in oci.fails("checkpoint", oci.id)
    assert "root" in oci.fails("checkpoint", oci.id, options=["--root", oci.root, "--rootless", "true"])
    assert "--parent-path" in oci.fails("checkpoint", "--parent-path", "/tmp", oci.id)
    assert "wants --page-server" in oci.fails("checkpoint", "--lazy-pages", oci.id)
    assert "77 is no open descriptor" in oci.fails("checkpoint", "--status-fd", "77", oci.id)


def test_help_fails_where_criu_cannot_run(oci):
    for path, works in ((os.environ["PATH"], bool(RUNS)), ("/nowhere", False)):
        if path == "/nowhere" and Path("/usr/sbin/criu").exists():
            continue  # it is found there without a PATH
        done = subprocess.run(oci.command("checkpoint", "--help"), env={"PATH": path}, capture_output=True, text=True)
        assert (done.returncode == 0) == works
        assert done.stdout if works else done.stderr.startswith("brig-oci: ")
