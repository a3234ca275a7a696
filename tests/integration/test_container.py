# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container is kept apart from, what it is given, and what hostile images get out of it."""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from support import leaks, wait

pytestmark = pytest.mark.root

NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
DOCKER_CAPS = "00000000a80425fb"


def sh(brig, image, script, *options, **more):
    """Runs the script in a fresh container; its output."""
    return brig("run", "--rm", *options, image, "sh", "-c", script, **more).out


@pytest.fixture
def sleeper(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    return brig.json("inspect", "a")[0]["run"]["pid"]


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


# --- apart from the host

def test_every_namespace_is_its_own(sleeper):
    for name in NAMESPACES:
        assert os.readlink(f"/proc/{sleeper}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")


def test_root_inside_is_nobody_outside(brig, sleeper):
    assert brig("exec", "a", "id", "-u").out == "0\n"
    uid = int(status(Path(f"/proc/{sleeper}/status").read_text())["Uid"].split()[0])
    assert uid >= 65536
    first, outside, count = brig("exec", "a", "cat", "/proc/self/uid_map").out.split()
    assert (first, int(outside), count) == ("0", uid, "65536")


def test_files_lie_on_disk_with_low_ids_where_only_root_comes(brig, busybox_image):
    brig("run", "--name", "a", busybox_image, "sh", "-c",
         "echo x > /root/x; echo y > /tmp/y; chown app:extra /tmp/y; chmod 4755 /tmp/y")
    state = brig.root / "instances/a"
    assert os.stat(state / "upper/root/x").st_uid == 0
    y = os.stat(state / "upper/tmp/y")
    assert (y.st_uid, y.st_gid, stat.S_IMODE(y.st_mode)) == (1000, 2000, 0o4755)
    assert stat.S_IMODE(os.stat(state).st_mode) & 0o077 == 0


def test_the_host_sees_no_mount_and_no_loop_device(brig, sleeper):
    assert leaks.mounts(brig.root) == []
    assert leaks.mounts(brig.run) == []
    # inside there is nothing of the host's either but two files of ours
    text = Path(f"/proc/{sleeper}/mountinfo").read_text()
    binds = {line.split()[4] for line in text.splitlines() if " - ext4 " in line or " - xfs " in line}
    assert binds <= {"/etc/hostname", "/etc/hosts"}


@pytest.fixture
def shared_run(brig):
    """What systemd makes of all the host's mounts: new ones inside one are shown in its copies, and back."""
    brig.run.mkdir(mode=0o700)
    subprocess.run(["mount", "--bind", "--make-shared", brig.run, brig.run], check=True)
    yield brig.run
    brig("rm", "-f", "a", check=False)
    subprocess.run(["umount", "--recursive", brig.run], check=True)


def test_a_mount_inside_is_not_seen_outside(brig, import_tree, shared_run):
    brig("run", "-d", "--name", "a", import_tree(lambda tree: (tree / "etc/hostname").touch()), "sleep", "1000")
    before = leaks.mounts(shared_run)
    brig("exec", "--privileged", "a", "mount", "-o", "bind", "/etc/passwd", "/etc/hostname")
    assert brig("exec", "a", "cat", "/etc/hostname").out == brig("exec", "a", "cat", "/etc/passwd").out
    assert leaks.mounts(shared_run) == before


def test_docker_s_capabilities_filter_and_no_new_privileges(brig, sleeper):
    for text in (Path(f"/proc/{sleeper}/status").read_text(),
                 brig("exec", "a", "cat", "/proc/self/status").out):
        has = status(text)
        assert has["CapBnd"] == has["CapEff"] == has["CapPrm"] == DOCKER_CAPS
        assert has["CapInh"] == has["CapAmb"] == "0" * 16
        assert has["NoNewPrivs"] == "1"
        assert has["Seccomp"] == "2"


def test_a_user_has_no_capability(brig, busybox_image):
    has = status(sh(brig, busybox_image, "cat /proc/self/status", "-u", "app"))
    assert has["CapEff"] == has["CapPrm"] == has["CapInh"] == has["CapAmb"] == "0" * 16
    assert has["Uid"].split() == ["1000"] * 4


@pytest.mark.parametrize("script", [
    "unshare -U true", "unshare -m true", "mount -t tmpfs none /tmp", "umount /proc/keys",
    "hostname other", "mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda", "dmesg",
    "echo 1 > /proc/sys/kernel/panic", "echo b > /proc/sysrq-trigger", "echo 1 > /sys/kernel/mm/ksm/run",
    "mkdir /sys/fs/cgroup/mine", "echo 0 > /proc/1/oom_score_adj && echo -1000 > /proc/1/oom_score_adj",
    "chown 0 /proc/sys/kernel/panic", "cat /proc/kcore | head -c 1 | grep -q .", "reboot -f",
])
def test_what_is_the_host_s_is_refused(brig, busybox_image, script):
    result = brig("run", "--rm", busybox_image, "sh", "-c", script, check=False)
    assert result.code not in (0, 125)


def test_masked_files_are_empty(brig, busybox_image):
    assert sh(brig, busybox_image,
              "cat /proc/keys /proc/timer_list /proc/interrupts; ls /proc/acpi /sys/firmware") in (
        "/proc/acpi:\n\n/sys/firmware:\n", "/sys/firmware:\n", "")


def test_its_network_is_a_loopback_that_is_up(brig, busybox_image):
    out = sh(brig, busybox_image, "ip -o addr; ping -c 1 -q 127.0.0.1 > /dev/null && echo pinged")
    assert "127.0.0.1/8" in out and "::1/128" in out
    assert "pinged" in out
    assert {line.split()[1] for line in out.splitlines() if "inet" in line} == {"lo"}


def test_a_user_may_listen_on_low_ports(brig, busybox_image):
    script = "nc -l -p 80 & until grep -q ':0050 ' /proc/net/tcp*; do kill -0 $! || exit 1; done; echo open"
    assert sh(brig, busybox_image, script, "-u", "app") == "open\n"


# --- what it is given

def test_the_host_name_is_in_its_place(brig, busybox_tree, import_tree):
    def add(folder):
        (folder / "etc/hostname").touch()
        (folder / "etc/hosts").touch()

    image = import_tree(add)
    out = sh(brig, image, "hostname; cat /etc/hostname; grep -c $(hostname) /etc/hosts; echo me >> /etc/hosts",
             "--hostname", "here")
    assert out == "here\nhere\n1\n"
    # an image without them stays without
    assert not (busybox_tree / "etc/hosts").exists()


def test_missing_etc_files_are_not_made(brig, busybox_image):
    assert sh(brig, busybox_image, "ls /etc") == "group\npasswd\n"


def test_dev_has_the_standard_nodes(brig, busybox_image):
    out = sh(brig, busybox_image, "cd /dev; ls; stat -c '%n %a %u %t:%T' full null random tty urandom zero")
    names, nodes = out.split("full 666", 1)
    assert names.split() == ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
                             "stderr", "stdin", "stdout", "tty", "urandom", "zero"]
    assert ("full 666" + nodes).splitlines() == [
        "full 666 0 1:7", "null 666 0 1:3", "random 666 0 1:8", "tty 666 0 5:0", "urandom 666 0 1:9",
        "zero 666 0 1:5"]


def test_a_user_can_open_its_own_streams_again(brig, busybox_image):
    result = brig("run", "--rm", "-u", "app", busybox_image, "sh", "-c",
                  "echo out > /dev/stdout; echo err > /dev/stderr")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_a_terminal_is_the_console_of_its_user(brig, busybox_image):
    result = brig("run", "--rm", "-t", "-u", "app", busybox_image, "sh", "-c",
                  "tty; stat -c %u /dev/pts/0; echo to the console > /dev/console; echo hi > /dev/tty",
                  tty=True)
    assert result.out.replace("\r", "").split("\n") == ["/dev/pts/0", "1000", "to the console", "hi", ""]


def test_given_devices_open_as_far_as_allowed(brig, busybox_image):
    script = ("(exec 3<>/dev/fuse) && echo opened; (exec 3</opt/hwrng) && echo read;"
              "(exec 3>/opt/hwrng) 2>/dev/null || echo not written; stat -c %t:%T /opt/hwrng")
    out = sh(brig, busybox_image, script, "--device", "/dev/fuse", "--device", "/dev/hwrng:/opt/hwrng:r")
    number = os.stat("/dev/hwrng").st_rdev
    assert out.splitlines() == ["opened", "read", "not written",
                                f"{os.major(number):x}:{os.minor(number):x}"]


@pytest.mark.parametrize("device, words", [
    ("/dev/nosuch", "No such file"), ("/etc/passwd", "no device"), ("fuse", "whole path")])
def test_what_is_no_device_is_said(brig, busybox_image, device, words):
    assert words in brig.fails("run", "--rm", "--device", device, busybox_image, "true").err


def test_capabilities_are_added_and_dropped(brig, busybox_image):
    def effective(*options):
        return int(status(sh(brig, busybox_image, "cat /proc/self/status", *options))["CapEff"], 16)

    assert effective("--cap-add", "NET_ADMIN") == int(DOCKER_CAPS, 16) | 1 << 12
    assert effective("--cap-drop", "ALL") == 0
    assert effective("--cap-drop", "all", "--cap-add", "cap_kill") == 1 << 5


def test_a_read_only_root_with_what_is_writable(brig, busybox_image):
    script = "touch /x 2>/dev/null || echo root; echo a > /data/f && cat /data/f; df /data | grep -c 1024"
    out = sh(brig, busybox_image, script, "--read-only", "--tmpfs", "/data:size=1m")
    assert out == "root\na\n1\n"


def test_tmpfs_is_for_data_unless_asked(brig, busybox_image):
    script = "printf '#!/bin/sh\\necho ran\\n' > /data/x; chmod 755 /data/x; /data/x"
    assert "ran" not in brig("run", "--rm", "--tmpfs", "/data", busybox_image, "sh", "-c", script,
                             check=False).out
    assert sh(brig, busybox_image, script, "--tmpfs", "/data:exec") == "ran\n"


def test_privileged_is_root_of_the_host_in_namespaces(brig, busybox_image):
    script = ("grep -h -e CapEff -e Seccomp: -e NoNewPrivs /proc/self/status; cat /proc/self/uid_map;"
              "mount -t tmpfs none /tmp && echo mounted; ls /dev/kmsg; readlink /proc/self/ns/pid")
    out = sh(brig, busybox_image, script, "--privileged")
    mask = int(status(Path("/proc/self/status").read_text())["CapBnd"], 16)
    has = status(out)
    assert int(has["CapEff"], 16) == mask
    assert (has["Seccomp"], has["NoNewPrivs"]) == ("0", "0")
    assert "4294967295" in out and "mounted" in out and "/dev/kmsg" in out
    assert os.readlink("/proc/self/ns/pid") not in out


def test_the_init_reaps_and_passes_signals_on(brig, busybox_image):
    script = "(sleep 0.01 &); trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 1; done"
    brig("run", "-d", "--init", "--name", "a", busybox_image, "sh", "-c", script)
    log = wait.file_state([brig.root / "instances/a"],
                          lambda: (out := brig("logs", "a").out) if "ready" in brig("logs", "a").out else None)
    assert "ready" in log
    processes = brig("exec", "a", "ps", "-o", "pid,stat,args").out
    assert " Z" not in processes
    assert str(brig.root) not in processes  # the reaper says nothing of the host
    brig("stop", "-t", "20", "a")
    assert brig("wait", "a").out.strip() == "5"
    assert "caught" in brig("logs", "a").out


def test_without_init_the_workload_is_the_first_process(brig, sleeper):
    assert brig("exec", "a", "cat", "/proc/1/cmdline").out == "sleep\x001000\x00"


# --- limits

def cgroup_of(pid, controller):
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        if controller in names.split(",") or (number == "0" and not controller):
            return path
    return None


def test_it_is_in_a_cgroup_of_its_own_that_exec_joins(brig, sleeper):
    assert "/brig/" in cgroup_of(sleeper, "") or "/brig/" in cgroup_of(sleeper, "memory")
    with brig.popen("exec", "a", "sh", "-c", "echo ready; exec sleep 1000") as running:
        running.expect("^ready$")
        inner, = [int(p) for p in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
        for controller in ("", "memory"):
            assert cgroup_of(inner, controller) == cgroup_of(sleeper, controller)
        for name in NAMESPACES:
            assert os.readlink(f"/proc/{inner}/ns/{name}") == os.readlink(f"/proc/{sleeper}/ns/{name}")
        assert brig("exec", "a", "cat", "/proc/self/cgroup").out.splitlines()[-1] == "0::/"


def test_more_memory_than_the_limit_kills(brig, busybox_image):
    result = brig("run", "--name", "a", "-m", "32m", busybox_image, "sh", "-c", "exec tail /dev/zero",
                  check=False)
    assert result.code == 137
    assert brig.json("inspect", "a")[0]["oom_killed"] is True


def test_a_limit_that_nothing_fits_in_is_said(brig, busybox_image):
    result = brig("run", "--rm", "-m", "64k", busybox_image, "true", check=False)
    assert result.code == 125
    assert "memory" in result.err


def test_more_processes_than_the_limit_are_refused(brig, busybox_image):
    result = brig("run", "--rm", "--pids-limit", "5", busybox_image, "sh", "-c",
                  "for i in 1 2 3 4 5 6; do sleep 1000 & done; echo all", check=False)
    assert "all" not in result.out and "fork" in result.err


def test_cpus_are_limited(brig, busybox_image):
    brig("run", "-d", "--name", "a", "--cpus", "0.5", busybox_image, "sleep", "1000")
    pid = brig.json("inspect", "a")[0]["run"]["pid"]
    if path := cgroup_of(pid, "cpu"):
        folder = Path("/sys/fs/cgroup/cpu" + path)
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    else:
        quota, period = map(int, Path("/sys/fs/cgroup" + cgroup_of(pid, "") + "/cpu.max").read_text().split())
    assert quota * 2 == period


# --- exec

def test_exec_privileged_is_still_inside(brig, sleeper):
    has = status(brig("exec", "--privileged", "a", "cat", "/proc/self/status").out)
    assert int(has["CapEff"], 16) & 1 << 21 and has["Seccomp"] == "0"
    inside = brig("exec", "--privileged", "a", "cat", "/proc/self/uid_map").out.split()
    assert int(inside[1]) >= 65536


def test_exec_on_a_terminal_has_one_of_the_container_s(brig, sleeper):
    with brig.popen("exec", "-it", "a", "sh", "-c", "tty; stty size; read x; echo got $x; exit 3", tty=True,
                    size=(33, 99)) as running:
        running.expect("/dev/pts/0")
        running.expect("33 99")
        running.send("word\n")
        running.expect("got word")
        assert running.finish().code == 3


def test_exec_without_a_terminal_cannot_type_on_ours(brig, sleeper):
    # TIOCSTI on the caller's terminal: it is nobody's controlling terminal inside
    with brig.popen("exec", "-i", "a", "sh", "-c", "tty; cat /proc/self/stat", tty=True) as running:
        out = running.finish().out
    assert out.strip().splitlines()[-1].split()[6] == "0"  # tty_nr


def test_exec_ends_when_its_client_does(brig, sleeper):
    running = brig.popen("exec", "a", "sh", "-c", "echo ready; exec sleep 1000")
    running.expect("^ready$")
    inner, = [int(p) for p in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    running.kill()
    wait.process_end(inner)
    assert brig.json("ps")[0]["state"] == "running"


# --- images that are out for something

def test_device_nodes_of_an_image_do_not_open(brig, import_tree):
    def add(folder):
        os.mknod(folder / "disk", 0o666 | stat.S_IFBLK, os.makedev(7, 0))
        os.mknod(folder / "mem", 0o666 | stat.S_IFCHR, os.makedev(1, 1))
        os.chmod(folder / "disk", 0o666)
        os.chmod(folder / "mem", 0o666)

    image = import_tree(add)
    script = "mount -o remount,dev,bind / 2>/dev/null; head -c 1 /disk || head -c 1 /mem"
    # by the mount; by the device cgroup, for who may mount; and for who gets to be that later
    for options in ([], ["--cap-add", "SYS_ADMIN"]):
        assert brig("run", "--rm", *options, image, "sh", "-c", script, check=False).code == 1
    brig("run", "-d", "--name", "a", image, "sleep", "1000")
    assert brig("exec", "--privileged", "a", "sh", "-c", script, check=False).code == 1


@pytest.mark.parametrize("name", ["proc", "dev", "sys", "etc/hosts", "tmp", "dev/pts", "dev/console"])
@pytest.mark.parametrize("target", ["/../../../../../../{outside}", "../../../../../../../{outside}",
                                    "/proc/self/root/{outside}", "/proc/1/root/{outside}", "loop"])
def test_links_in_place_of_mount_points_lead_nowhere_outside(brig, import_tree, tmp_path, name, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")

    def add(folder):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(path.name if target == "loop" else target.format(outside=str(outside)[1:]))

    brig("run", "--rm", "-t", "--tmpfs", "/tmp", import_tree(add), "true", check=False, tty=True)
    assert [p.name for p in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "untouched"
    assert leaks.mounts(tmp_path) == []


@pytest.mark.parametrize("number", range(3, 12))
def test_no_descriptor_of_ours_is_a_way_out(brig, busybox_image, number):
    """CVE-2024-21626: a working directory below an open folder of the host's."""
    for path in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/../../../..", "/proc/self/cwd/.."):
        result = brig("run", "--rm", "-w", path, busybox_image, "sh", "-c", "ls etc/shadow ../etc/shadow",
                      check=False)
        assert result.code != 0 and "shadow\n" not in result.out


def test_no_descriptor_but_the_streams_is_inherited(brig, busybox_image, sleeper):
    assert len(os.listdir(f"/proc/{sleeper}/fd")) == 3
    # ls has its own open folder
    assert brig("exec", "a", "ls", "/proc/self/fd").out.split() == ["0", "1", "2", "3"]
    reaper = brig("run", "-d", "--init", "--name", "b", busybox_image, "sleep", "1000") and \
        brig.json("inspect", "b")[0]["run"]["pid"]
    assert os.listdir(f"/proc/{reaper}/fd") == []


def test_our_own_program_cannot_be_overwritten(brig, busybox_image):
    """CVE-2019-5736: the host's binary through /proc/self/exe."""
    before = Path(brig.program).stat()
    script = "cat /proc/self/exe > /dev/null; for p in /proc/[0-9]*/exe; do echo x > $p; done 2>/dev/null; true"
    sh(brig, busybox_image, script, "--init")
    brig("run", "--rm", busybox_image, "/proc/self/exe", "version", check=False)
    brig("run", "-d", "--name", "a", "--init", busybox_image, "sleep", "1000")
    assert brig("exec", "a", "sh", "-c", "cat /proc/1/exe | head -c 1", check=False).code == 0  # head's
    assert "Permission denied" in brig("exec", "a", "cat", "/proc/1/environ", check=False).err
    after = Path(brig.program).stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


@pytest.mark.parametrize("content", [b"\0" * 4096, b"root:x:0:0" + b":" * 100000, b"a" * (2 << 20), b"\xff\xfe\n" * 1000])
def test_a_broken_passwd_is_no_harm(brig, import_tree, content):
    image = import_tree(lambda folder: (folder / "etc/passwd").write_bytes(content))
    assert brig("run", "--rm", "-u", "0", image, "id", "-u", check=False).code in (0, 125)
    assert brig("run", "--rm", "-u", "nosuch", image, "id", check=False).code == 125


def test_a_passwd_that_never_ends_is_no_harm(brig, import_tree):
    def add(folder):
        (folder / "etc/passwd").unlink()
        os.mkfifo(folder / "etc/passwd")

    assert brig("run", "--rm", import_tree(add), "id", check=False).code in (0, 125)


def test_mounts_by_hand_are_out_of_reach(brig, busybox_image, oci_probe, tmp_path):
    """CVE-2022-0185: neither fsconfig() nor the user namespace that would bring the capability for it."""
    def probe(*options):
        said = brig("run", "--rm", "-v", f"{program}:/probe", *options, busybox_image, "/probe", "mounts").out
        return dict(line.split(": ") for line in said.splitlines())

    program = shutil.copy(oci_probe, tmp_path)
    denied = "Operation not permitted"
    assert set(probe().values()) == {denied}
    assert set(probe("--cap-add", "ALL", "--cap-drop", "SYS_ADMIN").values()) == {denied}
    # by the filter: with the capability in its own user namespace, what is asked of the kernel gets there
    given = probe("--cap-add", "SYS_ADMIN")
    assert given["fsopen"] == "done" and given["fsconfig"] == "Invalid argument"


# --- what holds it in, as the kernel has it

def confinement(brig, name):
    return brig.json("inspect", "--confinement", name)[0]["confinement"]


def test_confinement_is_what_the_kernel_enforces(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    held = confinement(brig, "a")
    assert held["uid"] > 0 and held["uid_map"][0]["outside"] == held["uid"]
    assert set(held["namespaces"].values()) - {"own"} == {"host"}
    assert held["namespaces"]["time"] == "host" and held["namespaces"]["user"] == "own"
    assert "CAP_NET_ADMIN" not in held["capabilities_bounding"] and "CAP_CHOWN" in held["capabilities_effective"]
    assert held["capabilities_inheritable"] == held["capabilities_ambient"] == []
    assert held["no_new_privs"] and held["seccomp"] == "filter"
    assert "/proc/keys" in held["covered_paths"] and "/proc/sys" in held["read_only_mounts"]


def test_confinement_tells_when_there_is_little(brig, busybox_image):
    brig("run", "-d", "--privileged", "--name", "a", busybox_image, "sleep", "1000")
    held = confinement(brig, "a")
    assert held["uid"] == 0 and held["namespaces"]["user"] == "host"
    assert "CAP_SYS_ADMIN" in held["capabilities_effective"]
    assert held["seccomp"] == "none" and held["devices"] == "all" and held["covered_paths"] == []


def test_confinement_of_what_does_not_run_is_null(brig, busybox_image):
    brig("create", "--name", "a", busybox_image)
    assert confinement(brig, "a") is None
    assert "confinement" not in brig.json("inspect", "a")[0]


def started(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.skipif(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 15),
                    reason="before Linux 6.15 nobody clones a mount that is another's alone")
def test_containers_of_an_image_share_what_is_read_of_it(brig, busybox_image, tmp_path):
    """One mount of each layer, told of in RUN/.layers: the kernel has its files in memory once."""
    def notes():
        return sorted(Path(brig.run, ".layers").glob("*/*"))

    def keeper(name):
        return brig.json("inspect", name)[0]["run"]["keeper_pid"]

    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    brig("run", "-d", "--name", "b", busybox_image, "sleep", "1000")
    assert [int(path.name.split(".")[0]) for path in notes()] == sorted([keeper("a"), keeper("b")])
    assert len({path.name.split(".")[3] for path in notes()}) == 1
    # of one that is killed the mount stays with the other, and its note goes; a note that lies is not believed
    victim, others = keeper("a"), notes()[0].parent
    os.kill(victim, signal.SIGKILL)
    wait.process_end(victim, 30)
    inode, device = notes()[0].name.split(".")[4], tmp_path.stat().st_dev
    folder = os.open(tmp_path, os.O_RDONLY)
    brig("rm", "-f", "b")
    assert notes() == []
    others.mkdir(parents=True)
    for text in (f"{os.getpid()}.{started(os.getpid())}.{folder}.{device}.{inode}", f"1.1.{folder}.{device}.{inode}"):
        (others / text).touch()
    brig("run", "-d", "--name", "c", busybox_image, "sleep", "1000")
    assert [path.name.split(".")[0] for path in notes()] == [str(keeper("c"))]
    brig("rm", "-f", "a", "c")
    brig("run", "--rm", busybox_image, "true")
    assert notes() == []
