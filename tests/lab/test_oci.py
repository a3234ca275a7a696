# SPDX-License-Identifier: GPL-2.0-or-later
"""The OCI runtime where systemd makes the cgroups: version 2 with all controllers, podman, AppArmor."""

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import wait
from support.command import TREE

CGROUPS = Path("/sys/fs/cgroup")
RUNTIME = TREE / "build/brig-oci"
MIB = 1 << 20
# Tests run side by side, and systemd's names are the machine's.
MINE = f"brigtest{os.getpid()}"
SECONDS = 120

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/run/systemd/system").exists() or not (CGROUPS / "cgroup.controllers").exists(),
                       reason="needs systemd and version 2 of cgroups"),
]


def run(*command, check=True):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def properties(unit, *names):
    shown = run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
    return dict(line.split("=", 1) for line in shown.splitlines())


def scopes():
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=scope").stdout
    return {line.split()[0] for line in listed.splitlines()}


def figure(group, file):
    return (group / file).read_text().strip()


class Bundle:
    """A bundle of busybox, and the runtime with a root of its own; what is left in it is deleted in the end."""

    def __init__(self, folder, rootfs):
        self.folder, self.root = folder, folder / "containers"
        run(RUNTIME, "spec", "--bundle", folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.config["root"] = {"path": str(rootfs), "readonly": True}
        self.config["process"]["terminal"] = False
        self.config["process"]["args"] = ["sleep", "1000"]
        self.config["linux"]["cgroupsPath"] = f"machine.slice:{MINE}:one"
        self.unit = f"{MINE}-one.scope"
        self.group = CGROUPS / "machine.slice" / self.unit

    def __call__(self, *arguments, check=True):
        return run(RUNTIME, "--root", self.root, *arguments, check=check)

    def start_create(self, name="one"):
        (self.folder / "config.json").write_text(json.dumps(self.config))
        return subprocess.Popen([RUNTIME, "--root", self.root, "--systemd-cgroup", "create", "--bundle", self.folder,
                                 name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=open(self.folder / "errors", "w"))

    def create(self, name="one", check=True):
        code = self.start_create(name).wait(SECONDS)
        said = (self.folder / "errors").read_text()
        assert not check or code == 0, said
        return code, said

    def start(self, **limits):
        self.config["linux"]["resources"] = limits
        self.create()
        self("start", "one")

    def pid(self, name="one"):
        return json.loads(self("state", name).stdout)["pid"]


@pytest.fixture
def bundle(busybox_tree):
    folder = Path(tempfile.mkdtemp(prefix="brig-oci-", dir="/var/tmp"))
    bundle = Bundle(folder, busybox_tree)
    yield bundle
    for name in bundle("list", "-q").stdout.split():
        bundle("delete", "--force", name)
    shutil.rmtree(folder)
    assert not {scope for scope in scopes() if scope.startswith(MINE)}
    assert not [path for path, _, _ in os.walk(CGROUPS) if MINE in path]
    assert not list(Path("/run/systemd").glob(f"*/{MINE}*"))


def test_systemd_and_the_cgroup_have_the_same_limits(bundle):
    bundle.config["annotations"] = {"org.systemd.property.TimeoutStopUSec": "uint64 7000000"}
    bundle.start(memory={"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB}, pids={"limit": 44},
                 cpu={"quota": 50500, "period": 100000, "shares": 512, "cpus": "0"}, blockIO={"weight": 500})
    assert properties(bundle.unit, "ControlGroup", "Slice", "Delegate", "MemoryMax", "MemorySwapMax", "MemoryLow",
                      "TasksMax", "CPUWeight", "CPUQuotaPerSecUSec", "AllowedCPUs", "TimeoutStopUSec",
                      "DevicePolicy") == {
        "ControlGroup": f"/machine.slice/{bundle.unit}", "Slice": "machine.slice", "Delegate": "yes",
        "MemoryMax": str(64 * MIB), "MemorySwapMax": str(32 * MIB), "MemoryLow": str(32 * MIB), "TasksMax": "44",
        "CPUWeight": "59", "CPUQuotaPerSecUSec": "510ms", "AllowedCPUs": "0", "TimeoutStopUSec": "7s",
        "DevicePolicy": "strict"}
    files = ("memory.max", "memory.swap.max", "memory.low", "pids.max", "cpu.weight", "cpu.max", "cpuset.cpus")
    assert [figure(bundle.group, file) for file in files] == [
        str(64 * MIB), str(32 * MIB), str(32 * MIB), "44", "59", "50500 100000", "0"]
    assert figure(bundle.group, "cgroup.procs") == str(bundle.pid())
    run("systemctl", "daemon-reload")
    files = ("memory.max", "memory.swap.max", "memory.low", "pids.max", "cpu.weight", "cpu.max", "cpuset.cpus")
    assert [figure(bundle.group, file) for file in files] == [
        str(64 * MIB), str(32 * MIB), str(32 * MIB), "44", "59", "51000 100000", "0"]
    assert bundle("exec", "one", "sh", "-c", "head -c1 /dev/zero | wc -c").stdout == "1\n"
    assert len(json.loads(bundle("ps", "--format", "json", "one").stdout)) == 1


def test_the_rest_of_the_devices_stays_forbidden(bundle):
    bundle.config["linux"]["devices"] = [{"path": "/dev/spare", "type": "c", "major": 1, "minor": 11,
                                          "fileMode": 0o666, "uid": 0, "gid": 0}]
    bundle.start(devices=[{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "access": "m"}])
    for _ in range(2):
        assert "not permitted" in bundle("exec", "one", "head", "-c1", "/dev/spare", check=False).stderr
        assert bundle("exec", "one", "head", "-c1", "/dev/zero").stdout == "\0"
        run("systemctl", "daemon-reload")


def test_update_tells_systemd_too(bundle):
    bundle.start(memory={"limit": 64 * MIB})
    bundle("update", "--memory", 80 * MIB, "--pids-limit", 50, "--cpu-quota", 30000, "one")
    assert properties(bundle.unit, "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec") == {
        "MemoryMax": str(80 * MIB), "TasksMax": "50", "CPUQuotaPerSecUSec": "300ms"}
    run("systemctl", "daemon-reload")
    assert [figure(bundle.group, file) for file in ("memory.max", "pids.max", "cpu.max")] == [
        str(80 * MIB), "50", "30000 100000"]


def test_pause_and_kill_need_not_know_of_systemd(bundle):
    bundle.start()
    bundle("pause", "one")
    assert json.loads(bundle("state", "one").stdout)["status"] == "paused"
    bundle("resume", "one")
    pid = bundle.pid()
    bundle("kill", "one", "KILL")
    wait.process_end(pid)
    bundle("delete", "one")
    assert bundle.unit not in scopes() and not bundle.group.exists()
    # and at once again
    bundle.create()


def test_a_scope_of_somebody_else_is_left_alone(bundle):
    bundle.start()
    code, said = bundle.create("two", check=False)
    assert code == 1 and bundle.unit in said
    assert bundle("list", "-q").stdout == "one\n"
    assert figure(bundle.group, "cgroup.procs") == str(bundle.pid())


def test_what_a_killed_create_left_can_be_deleted(bundle):
    held = bundle.folder / "held"
    bundle.config["hooks"] = {"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {held}; sleep 1000"]}]}
    create = bundle.start_create()
    wait.file_exists(held, SECONDS)
    assert bundle.unit in scopes()
    create.send_signal(signal.SIGKILL)
    create.wait()
    bundle("delete", "--force", "one")
    assert bundle.unit not in scopes()


def test_a_wrong_name_or_property_is_refused_by_name(bundle):
    good = bundle.config["linux"]["cgroupsPath"]
    for path in ("/machine.slice/one", "machine:a:one", f"{good}.slice"):
        bundle.config["linux"]["cgroupsPath"] = path
        assert "linux.cgroupsPath" in bundle.create(check=False)[1]
    bundle.config["linux"]["cgroupsPath"] = good
    for value in ("nothing", "true"):
        bundle.config["annotations"] = {"org.systemd.property.Lightness": value}
        assert "Lightness" in bundle.create(check=False)[1]
    assert bundle("list", "-q").stdout == ""


def test_events_tell_of_use_and_of_want_of_memory(bundle):
    bundle.start(memory={"limit": 16 * MIB, "swap": 16 * MIB}, pids={"limit": 30})
    stats = json.loads(bundle("events", "--stats", "one").stdout)
    assert (stats["type"], stats["id"]) == ("stats", "one")
    data = stats["data"]
    assert data["memory"]["usage"]["limit"] == 16 * MIB and data["memory"]["usage"]["usage"] > 0
    assert data["pids"] == {"current": 1, "limit": 30}
    assert data["cpu"]["usage"]["total"] > 0
    with subprocess.Popen([RUNTIME, "--root", bundle.root, "events", "--interval", "200ms", "one"],
                          stdout=subprocess.PIPE, text=True) as events:
        assert json.loads(events.stdout.readline())["type"] == "stats"
        bundle("exec", "one", "sh", "-c", "x=a; while :; do x=$x$x; done", check=False)
        pid = bundle.pid()
        bundle("kill", "one", "KILL")
        wait.process_end(pid)
        kinds = [json.loads(line)["type"] for line in events.stdout]
        assert events.wait(SECONDS) == 0
    assert kinds.count("oom") == 1 and set(kinds) <= {"oom", "stats"}


class Podman:
    """podman with a store of its own."""

    def __init__(self, folder, manager):
        self.command = ["podman", "--root", folder / "root", "--runroot", folder / "run", "--runtime", RUNTIME,
                        f"--cgroup-manager={manager}"]

    def __call__(self, *arguments, check=True):
        return run(*self.command, *arguments, check=check)

    def inspect(self, name, what):
        return self("inspect", name, "--format", "{{." + what + "}}").stdout.strip()


# With cgroupfs podman is tested outside of the lab.
@pytest.fixture(params=["systemd", pytest.param("cgroupfs", marks=pytest.mark.slow)])
def podman(request, busybox_tree):
    folder = Path(tempfile.mkdtemp(prefix="brig-podman-", dir="/var/tmp"))
    tar = folder / "busybox.tar"
    run("tar", "-C", busybox_tree, "-cf", tar, ".")
    podman = Podman(folder, request.param)
    podman("import", tar, "busybox")
    yield podman
    podman("rm", "--all", "--force")
    podman("rmi", "--all", "--force")
    run("umount", "-l", folder / "root/overlay", check=False)
    shutil.rmtree(folder)


def test_podman_runs_containers_under_apparmor(podman):
    flags = ["--network", "none", "--memory", "64m", "--pids-limit", "33", "--cpus", "0.5"]
    podman("run", "-d", "--name", "a", *flags, "busybox", "sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait")
    group = CGROUPS / podman.inspect("a", "State.CgroupPath").lstrip("/")
    assert [figure(group, file) for file in ("memory.max", "pids.max", "cpu.max")] == [
        str(64 * MIB), "33", "50000 100000"]
    label = podman("exec", "a", "cat", "/proc/self/attr/current", check=False)
    if Path("/sys/module/apparmor/parameters/enabled").read_text() == "Y\n":
        assert label.stdout.startswith("containers-default-") and label.stdout.endswith(" (enforce)\n")
    assert podman("exec", "a", "sh", "-c", "exit 7", check=False).returncode == 7
    stats = json.loads(podman("stats", "--no-stream", "--format", "json", "a").stdout)[0]
    assert "67.11MB" in stats["mem_usage"]
    podman("update", "--memory", "80m", "a")
    assert figure(group, "memory.max") == str(80 * MIB)
    if "systemd" in podman.command[-1]:
        assert properties(group.name, "MemoryMax", "ActiveState") == {"MemoryMax": str(80 * MIB),
                                                                     "ActiveState": "active"}
    podman("pause", "a")
    assert podman.inspect("a", "State.Status") == "paused"
    podman("unpause", "a")
    podman("stop", "--time", "60", "a")
    assert podman.inspect("a", "State.ExitCode") == "3"
    assert not group.exists() and group.name not in scopes()
    podman("rm", "a")


@pytest.mark.parametrize("users", [False, True])
def test_devices_are_there_without_a_dev_of_its_own(bundle, users):
    """Kernels differ in what they bind that is attached nowhere."""
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["destination"] == "/proc"]
    bundle.config["root"]["readonly"] = False
    if users:
        ids = [{"containerID": 0, "hostID": 200000, "size": 1000}]
        bundle.config["linux"]["namespaces"].append({"type": "user"})
        bundle.config["linux"].update(uidMappings=ids, gidMappings=ids)
    bundle.start()
    assert bundle("exec", "one", "sh", "-c", "head -c 4 /dev/zero | wc -c; echo x > /dev/null").stdout.split() == ["4"]


def test_a_limit_above_our_own_is_given_in_a_user_namespace(bundle):
    above = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1] + 4096
    assert above > 0, "the machine's limit is to be one"
    ids = [{"containerID": 0, "hostID": 200000, "size": 1000}]
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    bundle.config["linux"].update(uidMappings=ids, gidMappings=ids)
    bundle.config["process"].update(
        args=["sleep", "1000"],
        rlimits=[{"type": "RLIMIT_MSGQUEUE", "soft": above, "hard": above}])
    bundle.start()
    assert resource.prlimit(bundle.pid(), resource.RLIMIT_MSGQUEUE) == (above, above)
    subprocess.run([RUNTIME, "--root", bundle.root, "exec", "--detach", "--pid-file", bundle.folder / "pid", "one",
                    "sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True, timeout=SECONDS)
    pid = int((bundle.folder / "pid").read_text())
    assert resource.prlimit(pid, resource.RLIMIT_MSGQUEUE) == (above, above)


COUNTER = """
read word < /proc/sys/kernel/random/uuid
n=0
while :; do n=$((n+1)); echo $word $n; sleep 0.1; done
"""


def counted(podman, name):
    return [(word, int(n)) for word, n in (line.split() for line in podman("logs", name).stdout.splitlines())]


def counts_on(podman, name, n):
    """Waits, by podman's own following of its log, for a line beyond the n-th; what it then has."""
    with subprocess.Popen([str(word) for word in [*podman.command, "logs", "--follow", name]], text=True,
                          stdout=subprocess.PIPE) as follow:
        for line in follow.stdout:
            if int(line.split()[1]) > n:
                break
        follow.kill()
    return counted(podman, name)


@pytest.mark.parametrize("podman", ["systemd"], indirect=True)
def test_podman_checkpoints_and_restores(podman):
    podman("run", "-d", "--name", "a", "--network", "none", "--memory", "64m", "busybox", "sh", "-c", COUNTER)
    word, _ = counts_on(podman, "a", 1)[-1]
    podman("container", "checkpoint", "a")
    assert (podman.inspect("a", "State.Status"), podman.inspect("a", "State.Checkpointed")) == ("exited", "true")
    last = counted(podman, "a")[-1][1]
    podman("container", "restore", "a")
    # each step once, by who knew the word all along
    assert counts_on(podman, "a", last + 1)[:last + 1] == [(word, n) for n in range(1, last + 2)]
    group = CGROUPS / podman.inspect("a", "State.CgroupPath").lstrip("/")
    assert figure(group, "memory.max") == str(64 * MIB)
    assert podman("exec", "a", "cat", "/proc/1/comm").stdout == "sh\n"
    podman("stop", "--time", "0", "a")
    assert podman.inspect("a", "State.ExitCode") == "137" and not group.exists()
    podman("rm", "a")
