# SPDX-License-Identifier: GPL-2.0-or-later
"""brig as a user whom systemd gives control groups of version 2, and machines of his on KVM."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import images, leaks, wait
from support.user import NAME, UID, UserBrig

CGROUPS = Path("/sys/fs/cgroup")
RUNTIME = Path(f"/run/user/{UID}")
# pam_systemd would say it at a login, and the lab has none
DROP_IN = Path(f"/run/systemd/system/user@{UID}.service.d/brig-test.conf")
SLOW = 300
MIB = 1 << 20

pytestmark = [
    pytest.mark.root,
    pytest.mark.xdist_group("member"),  # there is one such user
    pytest.mark.skipif(not Path("/run/systemd/system").exists() or not (CGROUPS / "cgroup.controllers").exists(),
                       reason="needs systemd and version 2 of cgroups"),
]


class Member(UserBrig):
    """A user of the machine's, with a systemd of his own."""

    def prefix(self):
        return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]

    def environment(self, env=None):
        return super().environment({"XDG_RUNTIME_DIR": str(RUNTIME), **(env or {})})

    def __call__(self, *args, **options):
        options.setdefault("timeout", SLOW)
        return super().__call__(*args, **options)


@pytest.fixture(scope="module")
def member_manager():
    images.run("useradd", "--no-create-home", "--uid", UID, NAME)
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text(f"[Service]\nEnvironment=XDG_RUNTIME_DIR={RUNTIME}\n")
    images.run("systemctl", "daemon-reload")
    images.run("systemctl", "start", f"user@{UID}.service")
    yield
    images.run("systemctl", "stop", f"user@{UID}.service")
    DROP_IN.unlink()
    images.run("userdel", NAME)


@pytest.fixture
def member(member_manager, busybox_tree):
    folder = Path(tempfile.mkdtemp(prefix="brig-", dir="/var/tmp"))
    folder.chmod(0o755)
    brig = Member(folder, many_ids=True)
    brig.run = RUNTIME / "brig"
    images.run("tar", "-C", busybox_tree, "-cf", folder / "busybox.tar", ".")
    brig("image", "import", "--name", "busybox", folder / "busybox.tar")
    yield brig
    brig.stop_commands()
    for name in brig("ps", "-aq").out.split():
        brig("rm", "-f", name)
    left = leaks.find(folder, brig.run, 30)
    images.run("rm", "-rf", folder)
    assert left == []
    assert not brig.run.exists() or list(brig.run.iterdir()) == []


def group_of(brig, name):
    return CGROUPS / brig.json("inspect", name)[0]["run"]["cgroup"]


def test_his_limits_hold(member):
    member("run", "-d", "--name", "a", "-m", "64m", "--pids-limit", "50", "--cpus", "0.5", "busybox", "sleep", "1000")
    group = group_of(member, "a")
    assert f"user@{UID}.service" in str(group)
    assert int((group / "memory.max").read_text()) == 64 * MIB
    assert (group / "pids.max").read_text().strip() == "50"
    assert (group / "cpu.max").read_text().split() == ["50000", "100000"]
    # what more is started is held to them, too
    shown = member("exec", "a", "sh", "-c", "cat /proc/self/cgroup; echo \"$0\" \"$1\"", "two words", "it's")
    assert shown.out == "0::/\ntwo words it's\n"
    with member.popen("exec", "-i", "a", "sh") as session:
        session.send("echo here\n")
        session.expect("here", timeout=SLOW)
        assert len((group / "cgroup.procs").read_text().split()) == 2
    member("pause", "a")
    assert [i["state"] for i in member.json("ps")] == ["paused"]
    member("unpause", "a")
    member("rm", "-f", "a")
    # A folder of cgroups that goes is told of by the one above it alone.
    wait.file_state(group.parent.parent, lambda: not group.parent.exists(), timeout=SLOW)


def test_a_killed_keepers_scope_goes(member):
    member("run", "-d", "--name", "a", "busybox", "sleep", "1000")
    group, run = group_of(member, "a"), member.json("inspect", "a")[0]["run"]
    os.kill(run["keeper_pid"], 9)
    wait.process_end(run["pid"], SLOW)
    member("rm", "a")
    assert not group.exists()


# As podman would have it called: from below his systemd, where he may put processes into his own groups.
SCOPE_SCRIPT = """
set -ex
brig-oci --root $PWD/containers --systemd-cgroup run --detach --bundle $PWD one </dev/null >/dev/null 2>errors || cat errors
pid=$(brig-oci --root $PWD/containers state one | sed -n 's/^ *"pid": \\([0-9]*\\).*/\\1/p')
cat /proc/$pid/cgroup
systemctl --user show --property=MemoryMax --property=TasksMax brig-one.scope
brig-oci --root $PWD/containers update --memory 67108864 one
systemctl --user show --property=MemoryMax brig-one.scope
brig-oci --root $PWD/containers exec one cat /proc/self/cgroup
brig-oci --root $PWD/containers delete --force one
systemctl --user list-units --all --plain --no-legend 'brig-*.scope'
echo end
"""


def run_below_his_systemd(member, folder, script):
    """Runs it as a unit of his, with its words in the folder's file `out`, and returns all that was said."""
    (folder / "script").write_text(script)
    unit = RUNTIME / "systemd/user/brig-test.service"
    unit.parent.mkdir(exist_ok=True)
    unit.write_text(f"[Service]\nType=oneshot\nWorkingDirectory={folder}\nExecStart=sh {folder}/script\n"
                    f"Environment=PATH={member.folder}/bin:{os.environ['PATH']} USER={NAME}\n"
                    f"StandardOutput=file:{folder}/out\nStandardError=file:{folder}/said\n")
    started = member.sh("systemctl --user daemon-reload && systemctl --user start brig-test.service",
                        timeout=SLOW)
    unit.unlink()
    said = (folder / "out").read_text() + (folder / "said").read_text()
    assert started.returncode == 0, started.stderr + said
    return said


def test_his_containers_are_scopes_of_his_own_systemd(member):
    home, programs = member.folder / "home", member.folder / "bin"
    bundle = home / "bundle"
    assert member.sh(f"mkdir {bundle} && cd {bundle} && tar -xf {member.folder}/busybox.tar --one-top-level=rootfs && "
                     f"{programs}/brig-oci spec --rootless").returncode == 0
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["sleep", "1000"])
    config["linux"]["resources"] = {"memory": {"limit": 32 * MIB}, "pids": {"limit": 20}}
    (bundle / "config.json").write_text(json.dumps(config))
    said = run_below_his_systemd(member, bundle, SCOPE_SCRIPT)
    lines = (bundle / "out").read_text().splitlines()
    assert lines[0].endswith(f"user@{UID}.service/user.slice/brig-one.scope"), said
    assert sorted(lines[1:3]) == [f"MemoryMax={32 * MIB}", "TasksMax=20"]
    # nothing is left of the scope, and exec was in it
    assert lines[3:] == [f"MemoryMax={64 * MIB}", "0::/", "end"], said


# Few calls, since each takes the lab seconds.
PODMAN_SCRIPT = """
set -ex
podman import ../../busybox.tar localhost/busybox >&2
podman run --detach --name a --memory 32m --pids-limit 20 localhost/busybox sleep 1000 >&2
set -- $(podman inspect --format '{{.State.Pid}} {{.Id}}' a)
group=/sys/fs/cgroup$(sed s/0::// /proc/$1/cgroup)
cat $group/memory.max $group/pids.max
systemctl --user show --property=MemoryMax libpod-$2.scope
podman exec a sh -c 'cat /proc/self/cgroup; id -u'
podman stop --time 0 a >&2
podman inspect --format '{{.State.ExitCode}}' a
podman rm a >&2
podman system migrate >&2  # ends the process that holds his namespace
systemctl --user list-units --all --plain --no-legend 'libpod-*.scope'
echo end
"""
PODMAN_CONFIG = """
[containers]
netns = "none"
log_driver = "k8s-file"
[engine]
cgroup_manager = "systemd"
events_logger = "file"
pull_policy = "never"
runtime = "brig"
[engine.runtimes]
brig = ["{runtime}"]
"""


def test_his_podman_has_its_containers_made_by_his_systemd(member):
    folder = member.folder / "home/podman"
    config = folder / "containers.conf"
    assert member.sh(f"mkdir {folder}").returncode == 0
    config.write_text(PODMAN_CONFIG.format(runtime=member.folder / "bin/brig-oci"))
    script = f"export HOME={member.folder}/home CONTAINERS_CONF={config}\n{PODMAN_SCRIPT}"
    said = run_below_his_systemd(member, folder, script)
    lines = (folder / "out").read_text().splitlines()
    assert lines == [str(32 * MIB), "20", f"MemoryMax={32 * MIB}", "0::/", "0", "137", "end"], said


@pytest.mark.vm
@pytest.mark.lab
def test_his_machine_runs_on_kvm(member):
    vmlinuz, modules = images.debian_kernel_files()
    member("kernel", "import", "--name", "debian", vmlinuz, "--modules", modules)
    member("kernel", "default", "debian")
    mode = os.stat("/dev/kvm").st_mode
    os.chmod("/dev/kvm", 0o666)
    try:
        shown = member("run", "-d", "--name", "v", "--vm", "--engine", "kvm", "busybox", "sleep", "1000")
        assert shown.out == "v\n"
        assert member("exec", "v", "id", "-u").out == "0\n"
        run = member.json("inspect", "v")[0]["run"]
        assert run["engine"] == "kvm"
        status = Path(f"/proc/{run['pid']}/status").read_text()
        assert f"Uid:\t{UID}\t" in status and "CapPrm:\t0000000000000000" in status and "Seccomp:\t2" in status
        assert subprocess.run(["ls", f"/proc/{run['pid']}/root/"], capture_output=True).stdout == b""
        member("rm", "-f", "v")
    finally:
        os.chmod("/dev/kvm", mode)
