# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine on KVM: its sockets, its buttons, and what is said of its end."""

import os
import re
import socket
import subprocess

import pytest

from support import images, kernels, wait
from support.wires import WORLD

pytestmark = [pytest.mark.root, pytest.mark.vm, pytest.mark.lab]

SECONDS = 120
VHOST = "/dev/vhost-net"
NO_VSOCK_PORT = 4711


@pytest.fixture
def start(brig, busybox_image, debian_kernel):
    def run(*options):
        brig("run", "-d", "--name", "a", "--vm", "--engine", "kvm", *options, busybox_image, "sleep", "100000",
             timeout=SECONDS)
        return brig.json("inspect", "a")[0]
    return run


def interrupts(brig, name):
    """How many interrupts of that name the guest's CPUs took."""
    table = brig("exec", "a", "cat", "/proc/interrupts").out
    line = next(line for line in table.splitlines() if re.search(rf"\b{re.escape(name)}\b", line))
    return sum(int(word) for word in line.split() if word.isdigit())


def test_the_hosts_socket_leads_to_the_guests_sockets(brig, start):
    vsock = start()["vsock"]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(vsock["socket"])
        client.sendall(b"CONNECT %d\n" % NO_VSOCK_PORT)
        assert client.recv(64) == b"", "nobody listens in the guest, which says so"
    assert 3 <= vsock["cid"] < 2**32 - 1


def test_buttons_reach_the_guest(brig, start):
    start()
    for button, name in (("button", "ACPI:Ged"), ("nmi", "NMI")):
        before, deadline = interrupts(brig, name), wait.Deadline(SECONDS, f"the guest to take its {button}")
        brig("power", "a", button)
        while interrupts(brig, name) == before:
            deadline.left()


def test_a_network_carries_both_ways(net_brig, wires, kernel_store):
    """Over a queue for each CPU, with packets that the taps' offloads make large."""
    images.clone(kernel_store, net_brig.root)
    net_brig("run", "-d", "--name", "a", "--vm", "--engine", "kvm", "--cpus", "2", "busybox", "sleep", "100000",
             timeout=SECONDS)
    assert net_brig("exec", "a", "ls", "/sys/class/net/eth0/queues").out.split() == ["rx-0", "rx-1", "tx-0", "tx-1"]
    assert "1 packets received" in net_brig("exec", "a", "ping", "-c", "1", "-W", "60", "-s", "1400", WORLD).out
    with wires.world.listen(7000) as server:
        server.settimeout(SECONDS)
        client = net_brig.popen("exec", "a", "sh", "-c", f"head -c 300000 /dev/zero | nc {WORLD} 7000 | wc -c")
        with server.accept()[0] as peer:
            peer.settimeout(SECONDS)
            assert sum(iter(lambda: len(peer.recv(1 << 20)), 0)) == 300000
            peer.sendall(bytes(200000))
    assert client.finish(timeout=SECONDS).out == "200000\n"


def cards(brig):
    return sorted(brig("exec", "a", "ls", "/sys/class/net").out.split())


def open_files(pid):
    found = []
    for fd in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(fd.path))
        except FileNotFoundError:  # closed since
            continue
    return found


def assert_holds_its_vhosts_alone(brig, cards):
    """Who else held one would hold the guest's memory, and before Linux 6.4 its group, past its end."""
    run = brig.json("inspect", "a")[0]["run"]
    keeper, machine = open_files(run["keeper_pid"]), open_files(run["pid"])
    assert machine.count(VHOST) == (cards if os.path.exists(VHOST) else 0)
    assert not [file for file in keeper if file in (VHOST, "/dev/kvm") or "kvm-" in file]


def test_networks_come_and_go_while_it_runs(net_brig, wires, kernel_store):
    images.clone(kernel_store, net_brig.root)
    net_brig("network", "create", "--internal", "--ipv4", "10.77.0.1/24", "lan")
    # its first card, for which it has loaded no driver yet
    net_brig("run", "-d", "--name", "a", "--vm", "--engine", "kvm", "--network", "none", "busybox", "sleep", "100000",
             timeout=SECONDS)
    for address in ("10.77.0.50", "10.77.0.51"):
        net_brig("network", "connect", "--ip", address, "lan", "a", timeout=SECONDS)
        assert f"inet {address}/24" in net_brig("exec", "a", "ip", "addr", "show", "eth0").out
        net_brig("exec", "a", "ping", "-c", "1", "-W", "60", "10.77.0.1")
        assert address in net_brig.json("ps")[0]["addresses"]
        assert_holds_its_vhosts_alone(net_brig, 1)
        net_brig("network", "disconnect", "lan", "a", timeout=SECONDS)
        assert cards(net_brig) == ["lo"] and net_brig.json("ps")[0]["addresses"] == []
    net_brig("network", "connect", "lan", "a", timeout=SECONDS)
    net_brig("network", "connect", "brig0", "a", timeout=SECONDS)
    net_brig("exec", "a", "ping", "-c", "1", "-W", "60", WORLD)
    # from the next start on they are there from the beginning, and go as well
    net_brig("restart", "-t", "0", "a", timeout=SECONDS)
    assert cards(net_brig) == ["eth0", "eth1", "lo"]
    assert_holds_its_vhosts_alone(net_brig, 2)
    net_brig("network", "disconnect", "lan", "a", timeout=SECONDS)
    assert cards(net_brig) == ["eth1", "lo"]
    net_brig("exec", "a", "ping", "-c", "1", "-W", "60", WORLD)
    # what stands still cannot let go
    net_brig("pause", "a")
    assert "paused" in net_brig.fails("network", "disconnect", "brig0", "a").err
    net_brig("resume", "a")
    net_brig("network", "disconnect", "--force", "brig0", "a", timeout=SECONDS)
    assert cards(net_brig) == ["lo"]


def test_its_disk_grows_while_it_runs(brig, start):
    start("--disk-size", "1g")

    def mib():
        return int(brig("exec", "a", "df", "-m", "/").out.splitlines()[-1].split()[1])
    assert 900 < mib() <= 1024
    brig("set", "a", "disk=3g", timeout=SECONDS)
    assert 2900 < mib() <= 3072 and (brig.root / "instances/a/data.raw").stat().st_size == 3 << 30
    # more than it had room for before
    brig("exec", "a", "sh", "-c", "fallocate -l 1500m /big && echo end >> /big && sync", timeout=SECONDS)
    assert "only grows" in brig.fails("set", "a", "disk=2g").err
    # a folder needs memory that is shared, as it is from the start only where there is one
    assert "stop it first" in brig.fails("volume", "attach", "db:/v", "a", timeout=SECONDS).err
    brig("restart", "-t", "0", "a", timeout=SECONDS)
    assert brig.json("inspect", "a")[0]["disk_size"] == 3 << 30 and mib() > 2900


def disks(brig):
    """The names of the block devices that its root does not come from."""
    script = "ls /dev/disk/by-id 2>/dev/null; cd /dev; ls -d vd* 2>/dev/null"
    return brig("exec", "a", "sh", "-c", script, check=False).out.split()


def servers():
    """What virtiofsd serves; each has somebody to complain to."""
    found = subprocess.run(["pgrep", "-a", "virtiofsd"], capture_output=True, text=True).stdout
    assert {os.readlink(f"/proc/{pid}/fd/2").split(":")[0] for pid in re.findall(r"(?m)^\d+", found)} <= {"socket"}
    return set(re.findall(r"source=(\S+)", found))


def test_disks_and_folders_come_and_go_while_it_runs(brig, start, tmp_path):
    folder, by_id = tmp_path / "shared", "/dev/disk/by-id/virtio-disk0"
    folder.mkdir()
    (folder / "file").write_bytes(b"of the host\n".ljust(4096, b"\0"))
    start("-v", f"{folder}:/first")
    brig("volume", "create", "--size", "64m", "store")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", brig.root / "volumes/store/data"], check=True)
    assert brig("disk", "attach", "store", "a", timeout=SECONDS).out == by_id + "\n"
    brig("exec", "a", "sh", "-c", f"mkdir /m; mount {by_id} /m && echo kept > /m/file", timeout=SECONDS)
    # what is in use stays; and nobody else has it, be it this machine once more
    assert "is in use in the guest" in brig.fails("disk", "detach", "disk0", "a", timeout=SECONDS).err
    assert "in use by another program" in brig.fails("disk", "attach", "store", "a", timeout=SECONDS).err
    assert brig("exec", "a", "sh", "-c", "cat /m/file && umount /m", timeout=SECONDS).out == "kept\n"
    for _ in range(3):
        brig("disk", "detach", "store", "a", timeout=SECONDS)
        assert disks(brig) == [] and brig.json("inspect", "a")[0]["drives"] == []
        brig("disk", "attach", "store", "a", timeout=SECONDS)
    brig("disk", "attach", f"{folder}/file:ro,serial=MINE", "a", timeout=SECONDS)
    # folders: a new volume gets what the image has there; a single file
    for _ in range(3):
        brig("volume", "attach", f"{folder}:/s", "a", timeout=SECONDS)
        assert brig("exec", "a", "sh", "-c", "head -n 1 /s/file; echo made > /s/new").out == "of the host\n"
        assert (folder / "new").read_text() == "made\n"
        brig("volume", "detach", "/s", "a", timeout=SECONDS)
        assert brig("exec", "a", "ls", "-A", "/s").out == ""
    brig("volume", "attach", "db:/etc", "a", timeout=SECONDS)
    assert "passwd" in brig("exec", "a", "ls", "/etc").out and (brig.root / "volumes/db/data/passwd").exists()
    brig("volume", "attach", f"{folder}/file:/f:ro", "a", timeout=SECONDS)
    assert brig("exec", "a", "head", "-n", "1", "/f").out == "of the host\n" and len(servers()) == 3
    # what was there from the start goes as well, and what is in use if it is forced
    with brig.popen("exec", "a", "sh", "-c", "cd /first; echo here; exec sleep 1000") as user:
        user.expect("here", timeout=SECONDS)
        assert "is in use in the guest" in brig.fails("volume", "detach", "/first", "a", timeout=SECONDS).err
        assert brig("exec", "a", "ls", "/first").out
        brig("volume", "detach", "--force", "/first", "a", timeout=SECONDS)
    assert brig("exec", "a", "ls", "-A", "/first").out == "" and len(servers()) == 2
    assert brig.json("inspect", "a")[0]["volumes"] == ["db:/etc", f"{folder}/file:/f:ro"]
    # from the next start on they are there from the beginning
    brig("restart", "-t", "0", "a", timeout=SECONDS)
    assert set(disks(brig)) > {"virtio-MINE", "virtio-disk0"}
    assert brig("exec", "a", "head", "-n", "1", "/dev/disk/by-id/virtio-MINE").out == "of the host\n"
    brig("exec", "a", "mount", by_id, "/m", timeout=SECONDS)
    brig("volume", "detach", "db", "a", timeout=SECONDS)
    brig("volume", "detach", "/f", "a", timeout=SECONDS)
    brig("disk", "detach", "MINE", "a", timeout=SECONDS)
    brig("pause", "a")
    assert "paused" in brig.fails("disk", "detach", "disk0", "a").err
    brig("resume", "a")
    brig("disk", "detach", "--force", "disk0", "a", timeout=SECONDS)
    assert disks(brig) == [] and servers() == set()
    assert brig("exec", "a", "echo", "on").out == "on\n"


def test_a_panic_is_told_as_one(brig, start):
    start("--kernel-args", "unknown_nmi_panic")
    assert "pvpanic_mmio" in brig("exec", "a", "ls", "/sys/module").out.split()
    brig("power", "a", "nmi")
    brig("wait", "a", timeout=SECONDS, check=False)  # which may come when it has ended already
    error = brig.json("inspect", "a")[0]["error"]
    assert "the VM's kernel gave up: " in error and "Kernel panic" in error
    assert "Kernel panic" in brig("logs", "--boot", "a").out


def test_a_debugger_halts_the_guest_and_lets_it_go(brig, start):
    gdb_socket = start("--gdb")["gdb_socket"]
    shown = subprocess.run(["gdb", "-batch", "-ex", f"target remote {gdb_socket}", "-ex", "info registers rip",
                            "-ex", "detach"], capture_output=True, text=True, timeout=SECONDS)
    assert re.search(r"^rip +0x[0-9a-f]+", shown.stdout, re.MULTILINE), shown.stderr
    assert brig("exec", "a", "echo", "on").out == "on\n"


@pytest.mark.parametrize("package", ("linux-image-cloud-amd64",
                                     pytest.param("linux-image-amd64", marks=pytest.mark.slow)))
def test_debians_own_kernels_have_nothing_to_complain_of(brig, busybox_image, package):
    vmlinuz, modules = images.debian_kernel_files(package)
    brig("kernel", "import", "--name", "debian", vmlinuz, "--modules", modules, timeout=SECONDS)
    for cpus in (1, 2, 4):
        brig("run", "-d", "--name", "a", "--vm", "--engine", "kvm", "--kernel", "debian", "--cpus", cpus,
             busybox_image, "sleep", "100000", timeout=SECONDS)
        assert brig("exec", "a", "nproc").out == f"{cpus}\n"
        assert brig("exec", "a", "uname", "-r").out.strip() == modules.name
        assert kernels.complaints(brig("exec", "a", "dmesg").out) == []
        brig("stop", "a", timeout=SECONDS)
        brig("rm", "a")
