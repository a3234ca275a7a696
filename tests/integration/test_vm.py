# SPDX-License-Identifier: GPL-2.0-or-later
"""What is particular to machines: their kernel, memory and disk, how their process is confined, how they end."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import archives, images, wait

pytestmark = [pytest.mark.root, pytest.mark.vm]

MIB = 1 << 20
NOBODY = 65534

@pytest.fixture
def start(brig, busybox_image, debian_kernel):
    """start(OPTION..., command=[...]): a machine named "a" that runs in the background."""
    def start(*options, name="a", image=busybox_image, command=("sleep", "1000")):
        brig("run", "-d", "--vm", "--name", name, *options, image, *command, timeout=120)

    return start


def run_record(brig, name="a"):
    return brig.json("inspect", name)[0]["run"]


def sh(brig, script, name="a"):
    return brig("exec", name, "sh", "-c", script, timeout=60).out


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.lab
def test_a_machine_has_a_kernel_memory_and_cpus_of_its_own(brig, start):
    start("-m", "300m", "--cpus", "2")
    release = sh(brig, "uname -r").strip()
    assert release != os.uname().release
    assert run_record(brig)["kernel"] == release
    assert run_record(brig)["engine"] == brig.vm_engine
    assert sh(brig, "nproc") == "2\n"
    kib = int(sh(brig, "cat /proc/meminfo").split("MemTotal:")[1].split()[0])
    assert 200 * 1024 < kib < 300 * 1024
    # fewer of them while it runs, and as many as before; the agent has them before it hears of the next command
    brig("set", "a", "cpus=1", "pids-limit=8")
    assert sh(brig, "nproc; cat /sys/fs/cgroup/pids.max") == "1\n8\n"
    brig("set", "a", "cpus=2", "pids-limit=none")
    assert sh(brig, "nproc; cat /sys/fs/cgroup/pids.max") == "2\nmax\n"


def test_the_kernel_gets_the_words_that_it_was_given(brig, start):
    start("--kernel-args", "brig.test=1 panic_on_oops=1")
    assert sh(brig, "cat /proc/cmdline").strip().endswith(" brig.test=1 panic_on_oops=1")


def test_kvm_is_refused_with_the_reason_where_it_cannot_run(brig, busybox_image, debian_kernel):
    checks = json.loads(brig("doctor", "--json", check=False).out)["checks"]
    if next(check["status"] for check in checks if check["id"] == "kvm-guest") == "ok":
        pytest.skip("it can run here")
    failed = brig("run", "--vm", "--engine", "kvm", busybox_image, "true", check=False)
    assert failed.code == 125
    assert "the engine 'kvm' does not run here: " in failed.err
    assert brig("ps", "-a", "-q").out == ""


def test_the_serial_port_can_be_watched_until_the_end(brig, start):
    start("--kernel-args", "ignore_loglevel")
    with brig.popen("console", "--serial", "a") as running:
        running.expect("Linux version ")
        running.expect("Command line: .*ignore_loglevel")
        running.expect("EXT4-fs .*: mounted filesystem")
        brig("kill", "a")
        assert running.finish().code == 0


def test_only_a_machine_has_a_serial_port(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    assert "no serial port" in brig("console", "--serial", "a", check=False).err


def open_folders(brig, pid):
    """The folders of brig's that the process has files of open."""
    files = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    return {Path(name).parent.name for name in files if name.startswith(str(brig.root))}


def check_root_of_qemu(inside):
    assert {path.name for path in inside.iterdir()} <= {"usr", "bin", "lib", "lib32", "lib64", "etc", "dev", "boot"}
    assert {path.name for path in (inside / "etc").iterdir()} <= {"ld.so.cache", "alternatives"}
    assert {path.name for path in (inside / "dev").iterdir()} <= {"null", "kvm"}


def check_root_of_kvm(inside):
    assert list(inside.iterdir()) == []


@pytest.mark.lab
def test_its_process_is_nobody_and_sees_nothing_of_the_host(brig, start):
    start()
    engine = run_record(brig)["engine"]
    pid = run_record(brig)["pid"]
    status = status_of(pid)
    assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4
    assert status["Groups"].strip() == ""
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    # of every thread of it
    for thread in Path(f"/proc/{pid}/task").iterdir():
        of_thread = status_of(f"{pid}/task/{thread.name}")
        assert (of_thread["Seccomp"], int(of_thread["CapEff"], 16), of_thread["NoNewPrivs"]) == ("2", 0, "1"), of_thread
    for namespace in ("mnt", "pid", "net", "ipc", "uts", *(["user", "cgroup"] if engine == "kvm" else [])):
        assert os.readlink(f"/proc/{pid}/ns/{namespace}") != os.readlink(f"/proc/self/ns/{namespace}")
    inside = Path(f"/proc/{pid}/root")
    {"qemu": check_root_of_qemu, "kvm": check_root_of_kvm}[engine](inside)
    with pytest.raises(OSError):
        (inside / "x").touch()
    # its disks, and nothing else of brig's, are open
    assert {"layers", "a"} <= open_folders(brig, pid) <= {"layers", "a", *(["debian"] if engine == "kvm" else [])}


def test_its_process_has_room_around_the_guests_memory_and_no_more(brig, start):
    start("-m", "256m")
    group = run_record(brig)["cgroup"]
    limits = [*Path("/sys/fs/cgroup/memory").glob(f"{group}/memory.limit_in_bytes"),
              *Path("/sys/fs/cgroup").glob(f"{group}/memory.max")]
    if not limits:
        pytest.skip("no memory controller")
    assert 256 * MIB < int(limits[0].read_text()) < 1024 * MIB


@pytest.mark.lab
def test_what_was_written_is_there_after_stop_kill_and_restart(brig, start):
    start()
    sh(brig, "echo one > /root/one; dd if=/dev/zero of=/root/large bs=1M count=64; sync")
    disk = brig.root / "instances/a/data.raw"
    assert disk.stat().st_blocks * 512 > 64 * MIB
    # what is deleted is given back to the host's disk, once the guest's journal is written
    sh(brig, "rm /root/large; sync")
    wait.file_state([disk], lambda: disk.stat().st_blocks * 512 < 32 * MIB, 30)
    if brig.vm_engine == "qemu":
        for args in [("set", "a", "disk=17g"), ("volume", "attach", "db:/v", "a"),
                     ("disk", "attach", disk, "a")]:
            assert "stop it first" in brig.fails(*args).err
    brig("stop", "-t", "0", "a")  # sleep takes no SIGTERM: this is the hard way
    brig("start", "a", timeout=120)
    sh(brig, "echo two > /root/two")
    brig("kill", "a")
    brig("wait", "a")
    assert "only grows" in brig.fails("set", "a", "disk=15g").err
    brig("set", "a", "disk=20g")
    brig("start", "a", timeout=120)
    assert sh(brig, "cat /root/one /root/two") == "one\ntwo\n"
    kib = int(sh(brig, "df -k /").splitlines()[-1].split()[1])
    assert 19 * MIB < kib <= 20 * MIB and disk.stat().st_size == 20 << 30
    sh(brig, "echo three > /root/three; sync")
    pid = run_record(brig)["pid"]
    os.kill(pid, 9)
    wait.process_end(pid, 30)
    brig("wait", "a", check=False)
    brig("start", "a", timeout=120)  # the journal is replayed
    assert sh(brig, "cat /root/three") == "three\n"


def test_the_disk_is_as_large_as_asked_and_more_can_be_added(brig, start, busybox_image, tmp_path):
    for name, text in ("one", b"1st\n"), ("two", b"2nd\n"):
        (tmp_path / name).write_bytes(text.ljust(MIB, b"\0"))
    one, two = tmp_path / "one", tmp_path / "two"
    brig("volume", "create", "--size", "1m", "store")
    start("--disk-size", "3g", "--disk", one, "--disk", f"{two}:ro,serial=MINE-2", "--disk", "store")
    by_id = "cd /dev/disk/by-id"
    assert sh(brig, f"{by_id}; ls; head -c 4 virtio-disk0; head -c 4 virtio-MINE-2") == (
        "virtio-MINE-2\nvirtio-disk0\nvirtio-disk2\n1st\n2nd\n")
    sh(brig, f"{by_id}; echo mine > virtio-disk2; sync; blockdev --getsize64 virtio-disk2 | grep -x {MIB}")
    assert (brig.root / "volumes/store/data").read_bytes()[:5] == b"mine\n"
    sh(brig, f"{by_id}; echo new > virtio-disk0; sync; blockdev --getro virtio-MINE-2 | grep -x 1")
    assert one.read_bytes()[:4] == b"new\n" and one.stat().st_size == MIB
    # nobody else writes to what it writes to, or reads that
    for options in (one, f"{one}:ro", f"{two}", "store"):
        error = brig.fails("run", "--vm", "--rm", "--disk", options, busybox_image, "true", timeout=120).err
        assert "lock" in error or "in use" in error, error
    kib = int(sh(brig, "df -k /").splitlines()[-1].split()[1])
    assert 2.8 * MIB < kib <= 3 * MIB
    disk = brig.root / "instances/a/data.raw"
    assert disk.stat().st_size == 3 << 30
    assert disk.stat().st_blocks * 512 < 16 * MIB


def test_machines_share_layers_and_nothing_else(brig, start):
    start(name="a")
    start(name="b")
    sh(brig, "echo a > /root/mine", name="a")
    assert sh(brig, "ls /root", name="b") == ""
    for name in "ab":
        others = open_folders(brig, run_record(brig, name)["pid"]) & {"a", "b"}
        assert others == {name}


def many_layers(brig, busybox_tree, tmp_path, count):
    """An image of busybox and layers that each write /top and a file of their own."""
    base = subprocess.run(["tar", "-C", busybox_tree, "-c", "."], check=True, capture_output=True).stdout
    layers = [archives.tar(archives.entry("top", b"%d\n" % i), archives.entry(f"layer{i}", b"\n"))
              for i in range(1, count)]
    layout = archives.Oci().add("many", base, *layers).write(tmp_path / "layout")
    brig("image", "import", "--name", "many", layout)


def test_an_image_of_24_layers_runs(brig, start, busybox_tree, tmp_path):
    many_layers(brig, busybox_tree, tmp_path, 24)
    start(image="many")
    assert sh(brig, "cat /top; ls / | grep -c '^layer'") == "23\n23\n"


def test_an_image_of_too_many_layers_is_refused(brig, busybox_tree, debian_kernel, tmp_path):
    most = {"qemu": 24, "kvm": 127}[brig.vm_engine]
    many_layers(brig, busybox_tree, tmp_path, most + 1)
    result = brig.fails("run", "--rm", "--vm", "many", "true")
    assert f"{most + 1} layers" in result.err and f"at most {most}\n" in result.err


def test_too_little_memory_is_refused(brig, busybox_image, debian_kernel):
    assert "at least 96m" in brig.fails("run", "--rm", "--vm", "-m", "32m", busybox_image, "true").err


@pytest.mark.lab
def test_the_least_memory_is_enough(brig, busybox_image, debian_kernel):
    result = brig("run", "--rm", "--vm", "-m", "96m", busybox_image, "echo", "up", timeout=120)
    assert result.out == "up\n"


@pytest.mark.lab
def test_an_agent_that_breaks_the_protocol_ends_its_machine(brig, busybox_image, debian_kernel):
    result = brig.fails("run", "--name", "a", "--vm", busybox_image, "true", timeout=120,
                        env={"BRIG_GUEST": str(images.hostile_agent())})
    assert "broke its protocol" in result.err and "version" not in result.err
    assert brig.json("ps", "-a")[0]["state"] != "running"


def test_an_exec_ends_with_its_machine(brig, start):
    start()
    with brig.popen("exec", "a", "sh", "-c", "echo ready; exec sleep 1000") as command:
        command.expect("ready")
        os.kill(run_record(brig)["pid"], 9)
        assert command.finish().code == 137


@pytest.mark.lab
def test_a_paused_machine_can_be_killed(brig, start):
    start()
    brig("pause", "a")
    brig("rm", "-f", "a")
    assert brig.json("ps", "-a") == []


def test_without_qemu_it_says_what_to_install(brig, busybox_image, debian_kernel, tmp_path):
    result = brig.fails("run", "--rm", "--vm", "--engine", "qemu", busybox_image, "true", env={"PATH": str(tmp_path)})
    assert "qemu-system-x86" in result.err


def test_an_image_can_bring_its_own_kernel(brig, busybox_tree, tmp_path):
    vmlinuz, modules = images.debian_kernel_files()
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "boot").mkdir()
    shutil.copy(vmlinuz, tree / "boot")
    shutil.copytree(modules, tree / "lib/modules" / modules.name)
    images.run("depmod", "-b", tree, modules.name)
    brig("image", "import", "--name", "own", tree, timeout=120)
    out = brig("run", "--rm", "--vm", "--kernel", "image", "own", "uname", "-r", timeout=120).out
    assert out.strip() == modules.name
    assert [k["release"] for k in brig.json("kernel", "ls")] == [modules.name]


def test_an_image_without_a_kernel_says_so(brig, busybox_image):
    result = brig.fails("run", "--rm", "--vm", "--kernel", "image", busybox_image, "true")
    assert "no kernel in /boot" in result.err
    assert brig.json("ps", "-a") == []
