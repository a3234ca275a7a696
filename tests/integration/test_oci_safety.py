# SPDX-License-Identifier: GPL-2.0-or-later
"""What got out of other runtimes stays inside: escapes that became known, by their number where they have one.

Each container here could be hostile: its image, its configuration's paths through that image, its program.
"""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from support import wait
from support.agent import Agent
from support.oci import ConsoleSocket, read_terminal

pytestmark = pytest.mark.root

ROOT_CAPS = {name: ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"]
             for name in ("bounding", "permitted", "effective")}


@pytest.fixture
def probe(bundle, oci_probe):
    shutil.copy(oci_probe, bundle.rootfs / "bin/probe")


@pytest.fixture
def outside(oci):
    """A folder of the host's that nothing may appear in."""
    folder = oci.folder / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret\n")
    yield folder
    assert {path.name for path in folder.iterdir()} == {"secret"}
    assert (folder / "secret").read_text() == "secret\n"


# CVE-2024-21626: a descriptor of the host's that a working directory leads through

@pytest.mark.parametrize("number", range(3, 21))
def test_a_cwd_through_a_descriptor_of_ours_is_inside_or_refused(bundle, oci, number):
    for cwd in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/../../../../../.."):
        result = bundle.run("pwd; ls -d ../../../../../../var/tmp/brig-oci-* 2>/dev/null", {"process.cwd": cwd}, check=False)
        assert oci.id not in result.stdout
        assert result.returncode == 1 or result.stdout.split()[0] == "/"


def test_a_cwd_of_exec_through_a_descriptor_of_ours(bundle, oci):
    bundle.start()
    for number in range(3, 21):
        result = oci("exec", "--cwd", f"/proc/self/fd/{number}", oci.id, "ls", "-d", f"../../../../../..{oci.folder}",
                     check=False)
        assert result.returncode != 0 and not result.stdout


def test_a_program_through_a_descriptor_of_ours(bundle, oci):
    for number in range(3, 21):
        bundle.write({"process.args": [f"/proc/self/fd/{number}/../../../../../../bin/true"]})
        assert oci("run", "--bundle", bundle.folder, oci.id, check=False).returncode != 0


def test_the_program_has_the_standard_streams_and_no_more(bundle, oci, probe):
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        bundle.write({"process.args": ["probe", "files"]})
        run = oci("run", "--bundle", bundle.folder, oci.id, pass_fds=[read])
        assert run.stdout.split() == []
        bundle.start()
        assert oci("exec", oci.id, "probe", "files", pass_fds=[read]).stdout.split() == []
        assert oci("exec", oci.id, "probe", "escape", pass_fds=[read]).stdout.split() == []
    finally:
        os.close(read)
        os.close(write)


def test_preserved_descriptors_are_those_that_were_asked_for(bundle, oci, probe):
    bundle.write({"process.args": ["probe", "files"]})
    command = " ".join(oci.command("run", "--preserve-fds", "2", "--bundle", bundle.folder, oci.id))
    ran = subprocess.run(["sh", "-c", f"exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null; exec {command}"],
                         capture_output=True, text=True, timeout=20, env=oci.environment(), stdin=subprocess.DEVNULL)
    assert ran.stdout.split() == ["3", "4"], ran.stderr


# CVE-2026-41579, CVE-2021-30465, CVE-2019-18837: paths of the image that lead outside

@pytest.mark.parametrize("kind", ["tmpfs", "none"])
def test_a_dev_that_is_a_link_to_the_host(bundle, outside, kind):
    (bundle.rootfs / "dev").rmdir()
    (bundle.rootfs / "dev").symlink_to(outside)
    changes = {"linux.devices": [{"path": "/dev/sub/mine", "type": "c", "major": 1, "minor": 3}]}
    if kind == "tmpfs":
        changes["mounts[+]"] = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}
    bundle.run("true", changes, check=False)


@pytest.mark.parametrize("target", ["{outside}", "../../../../../../../..{outside}", "/proc/self/root{outside}",
                                    "/proc/1/root{outside}", "hop", "/proc/self/cwd/../..{outside}"])
@pytest.mark.parametrize("destination", ["/link", "/link/new/folder", "/link/../link/x"])
def test_a_destination_through_a_link(bundle, outside, target, destination):
    (bundle.rootfs / "hop").symlink_to(f"../../../../../../..{outside}")
    (bundle.rootfs / "link").symlink_to(target.format(outside=outside))
    for mount in ({"type": "tmpfs", "source": "tmpfs"}, {"type": "bind", "source": "/etc/hostname"},
                  {"type": "bind", "source": "/etc"}):
        bundle.run("true", {"mounts[+]": {"destination": destination, **mount}}, check=False)
        assert not os.path.ismount(outside)
        assert {path.name for path in outside.iterdir()} == {"secret"}


def test_a_destination_with_dots_stays_below_the_root(bundle, outside):
    out = bundle.out("cat /proc/self/mountinfo", {
        "mounts[+]": {"destination": f"/../../../../../..{outside}/../outside", "type": "tmpfs", "source": "tmpfs"}})
    assert any(line.split()[4] == str(outside) for line in out.splitlines())  # the same path, of the container's
    assert (bundle.rootfs / str(outside).lstrip("/")).is_dir()


@pytest.mark.parametrize("path", ["maskedPaths", "readonlyPaths"])
def test_protected_paths_through_links(bundle, outside, path):
    """CVE-2025-31133 and its kin: what is reached is of the container, or nothing."""
    (bundle.rootfs / "one").symlink_to(outside)
    (bundle.rootfs / "two").symlink_to(f"../../../../../..{outside}/secret")
    out = bundle.run("true", {f"linux.{path}": ["/one", "/two", "/one/secret"]})
    assert out.returncode == 0
    (outside / "secret").write_text("secret\n")  # writable still


def test_a_masked_path_is_covered_by_the_true_null(bundle, outside):
    """CVE-2025-31133: /dev/null of the image must not be what covers a file."""
    dev = bundle.folder / "dev"
    dev.mkdir()
    (dev / "null").symlink_to("/proc/sys/kernel/core_pattern")
    message = bundle.refused({"mounts[+]": {"destination": "/dev", "type": "bind", "source": str(dev)},
                              "linux.maskedPaths": ["/etc/passwd"]})
    assert "/dev/null" in message


@pytest.mark.parametrize("name", ["dev/shm", "dev/pts", "dev/mqueue", "sys", "tmp"])
def test_any_mount_point_of_the_image_may_be_a_link(bundle, outside, name):
    (bundle.rootfs / name).parent.mkdir(exist_ok=True)
    if (bundle.rootfs / name).is_dir():
        (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to(outside)
    bundle.run("true", {"mounts[+]": {"destination": f"/{name}", "type": "tmpfs", "source": "tmpfs"}}, check=False)


def test_devices_outside_dev_through_links(bundle, outside):
    (bundle.rootfs / "links").symlink_to(outside)
    bundle.run("true", {"linux.devices": [{"path": "/links/mine", "type": "c", "major": 1, "minor": 3}]}, check=False)


def test_a_missing_cwd_is_made_inside(bundle, outside):
    (bundle.rootfs / "link").symlink_to(outside)
    bundle.run("true", {"process.cwd": "/link/made"}, check=False)


def test_tmpcopyup_copies_nothing_of_the_hosts(bundle, outside):
    (bundle.rootfs / "data").symlink_to(outside)
    result = bundle.run("cat /data/secret", {
        "mounts[+]": {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}}, check=False)
    assert "secret" not in result.stdout


def test_a_link_in_what_tmpcopyup_copies_stays_a_link(bundle, outside):
    (bundle.rootfs / "data").mkdir()
    (bundle.rootfs / "data/link").symlink_to(outside / "secret")
    result = bundle.run("readlink /data/link; cat /data/link", {
        "mounts[+]": {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}}, check=False)
    assert result.stdout.splitlines() == [str(outside / "secret")]


SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
one, other = (path.encode() for path in sys.argv[1:])
print(flush=True)
while True:
    libc.renameat2(-100, one, -100, other, 2)
"""


def swap(one, other):
    """A process that exchanges the two paths for ever."""
    process = subprocess.Popen(["python3", "-c", SWAP, str(one), str(other)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_folder_that_becomes_a_link_while_it_is_mounted_on(bundle, oci, outside):
    """CVE-2021-30465: another container swaps what is in a shared volume."""
    shared = oci.folder / "shared"
    (shared / "place").mkdir(parents=True)
    (shared / "other").symlink_to(outside)
    bundle.write({"mounts[+]": {"destination": "/shared", "type": "bind", "source": str(shared), "options": ["rbind"]}}, "true")
    config = json.loads((bundle.folder / "config.json").read_text())
    config["mounts"] += [{"destination": "/shared/place/new", "type": "tmpfs", "source": "tmpfs"},
                         {"destination": "/shared/place", "type": "tmpfs", "source": "tmpfs"}]
    (bundle.folder / "config.json").write_text(json.dumps(config))
    with swap(shared / "place", shared / "other") as swapper:
        try:
            for _ in range(8):
                oci("run", "--bundle", bundle.folder, oci.id, check=False)
                assert {path.name for path in outside.iterdir()} == {"secret"}
        finally:
            swapper.kill()


def test_a_root_that_becomes_a_link_is_one_or_the_other(bundle, oci, outside):
    """The root is opened once; what is made in it is made in what was opened."""
    other = bundle.folder / "other"
    other.symlink_to(outside)
    bundle.write({}, "true")
    with swap(bundle.rootfs, other) as swapper:
        try:
            for _ in range(8):
                result = oci("run", "--bundle", bundle.folder, oci.id, check=False)
                made = {path.name for path in outside.iterdir()} - {"secret"}
                # as the root itself it has the container's mount points, as any root would; nothing else
                assert made <= {"proc", "dev"}, result.stderr
        finally:
            swapper.kill()
    for name in ("proc", "dev"):
        shutil.rmtree(outside / name, ignore_errors=True)


# CVE-2019-16884, CVE-2019-19921, CVE-2023-28642, CVE-2025-52881: a false /proc

@pytest.mark.parametrize("target", ["/tmp", "/etc", "{outside}"])
def test_a_proc_of_the_image_that_is_a_link(bundle, outside, target):
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to(target.format(outside=outside))
    result = bundle.run("cat /proc/self/mountinfo", {"linux.sysctl": {"net.ipv4.ip_forward": "1"}}, check=False)
    # refused, or mounted where the link leads inside; never left out
    assert result.returncode == 1 or " - proc " in result.stdout


def test_files_of_the_images_proc_are_not_taken_for_the_kernels(bundle):
    """No procfs is asked for; what the image has at its place is not written to."""
    (bundle.rootfs / "proc/sys/net/ipv4").mkdir(parents=True)
    (bundle.rootfs / "proc/sys/net/ipv4/ip_forward").write_text("image\n")
    (bundle.rootfs / "proc/self/attr").mkdir(parents=True)
    (bundle.rootfs / "proc/self/attr/exec").write_text("image\n")
    out = bundle.out("cat /proc/sys/net/ipv4/ip_forward", {"mounts": [], "linux.sysctl": {"net.ipv4.ip_forward": "1"}})
    assert out == "image"
    assert (bundle.rootfs / "proc/self/attr/exec").read_text() == "image\n"


def test_a_sysctl_is_written_to_the_true_proc(bundle, oci):
    """CVE-2025-52881: with something mounted over /proc/sys the value must not land there."""
    source = oci.folder / "false"
    (source / "net/ipv4").mkdir(parents=True)
    (source / "net/ipv4/ip_forward").write_text("false\n")
    bundle.run("true", {"linux.sysctl": {"net.ipv4.ip_forward": "1"},
                        "mounts[+]": {"destination": "/proc/sys", "type": "bind", "source": str(source)}}, check=False)
    assert (source / "net/ipv4/ip_forward").read_text() == "false\n"


@pytest.mark.parametrize("destination", ["/proc/sys", "/proc/self", "/proc/1/attr", "/proc/sysrq-trigger", "/proc/self/attr/exec",
                                         "/link/sys", "/proc/../proc/sys"])
def test_nothing_is_mounted_over_a_part_of_proc(bundle, destination):
    (bundle.rootfs / "link").symlink_to("proc")
    message = bundle.refused({"mounts[+]": {"destination": destination, "type": "bind", "source": "/etc/hostname"
                                            if destination.rsplit("/", 1)[1] in ("exec", "sysrq-trigger") else "/etc"}})
    assert "/proc" in message


@pytest.mark.parametrize("name", ["cpuinfo", "meminfo", "stat", "uptime", "loadavg", "swaps", "diskstats"])
def test_but_what_lxcfs_makes_up_may_be(bundle, oci, name):
    (oci.folder / "file").write_text("made up\n")
    mount = {"destination": f"/proc/{name}", "type": "bind", "source": str(oci.folder / "file")}
    assert bundle.out(f"cat /proc/{name}", {"mounts[+]": mount}) == "made up"


# terminals

def test_typing_into_the_callers_terminal(bundle, oci, probe):
    """CVE-2016-10124 and its kin: the session is the container's own, so TIOCSTI has no terminal to reach."""
    master, slave = os.openpty()
    try:
        bundle.write({}, "probe type /dev/tty; probe type /proc/self/fd/0")
        process = subprocess.Popen(
            ["setsid", "--ctty", *oci.command("run", "--bundle", bundle.folder, oci.id)], stdin=slave,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=oci.environment())
        out = process.communicate(timeout=20)[0].splitlines()
    finally:
        os.close(slave)
        os.close(master)
    assert out[0].startswith("open: ")  # there is no controlling terminal
    assert "done" not in "".join(out)


def test_a_console_is_the_terminal_whatever_the_image_has_there(bundle, oci, outside):
    """CVE-2025-52565"""
    dev = bundle.folder / "dev"
    dev.mkdir()
    (dev / "console").symlink_to(outside / "console")
    console = ConsoleSocket(oci.folder / "console")
    bundle.base["mounts"] += [
        {"destination": "/dev", "type": "bind", "source": str(dev)},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}]
    bundle.write({"process.terminal": True}, "ls -l /dev/console; echo text >/dev/console")
    created = subprocess.run(
        oci.command("create", "--bundle", bundle.folder, "--console-socket", console.path, oci.id), timeout=20,
        env=oci.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if created.returncode == 0:
        master = console.receive()[1]
        oci("start", oci.id)
        assert "text" in read_terminal(master)
        os.close(master)
    else:
        console.socket.close()


# privileges

def test_inheritable_capabilities_are_none_unless_asked_for(bundle, oci):
    """CVE-2022-29162, CVE-2022-27650: of run, of exec and of exec --cap."""
    caps = {"process.capabilities": ROOT_CAPS}
    assert "CapInh:\t" + "0" * 16 in bundle.out("cat /proc/self/status", caps)
    bundle.start(changes=caps)
    for options in ([], ["--cap", "CAP_NET_RAW"], ["--cap", "CAP_NET_RAW", "--user", "1000"]):
        out = oci("exec", *options, oci.id, "cat", "/proc/self/status").stdout
        assert "CapInh:\t" + "0" * 16 in out and "CapAmb:\t" + "0" * 16 in out


def test_exec_has_no_more_than_the_container(bundle, oci):
    bundle.start(changes={"process.capabilities": {"bounding": ["CAP_CHOWN"]}, "process.noNewPrivileges": True})
    out = oci("exec", oci.id, "cat", "/proc/self/status").stdout
    assert f"CapBnd:\t{1:016x}" in out
    assert "NoNewPrivs:\t1" in out


def test_a_process_before_its_execve_cannot_be_looked_into(bundle, oci, probe):
    """CVE-2016-9962: the first process waits for start with what it shares with us; root inside has no way in."""
    # who has CAP_SYS_ADMIN on the host may read another's memory map since Linux 6.13, whatever that says of itself
    caps = {name: [cap for cap in given if cap != "CAP_SYS_ADMIN"] for name, given in ROOT_CAPS.items()}
    bundle.create("exec sleep 1000", {"process.capabilities": caps})
    pid = oci.state()["pid"]
    # somebody else of the same pid namespace and the same user
    for script in ("probe trace 1", "readlink /proc/1/exe", "readlink /proc/1/fd/3", "cat /proc/1/fd/3", "cat /proc/1/environ", "ls /proc/1/root/",
                   "cat /proc/1/maps"):
        result = oci("exec", oci.id, "sh", "-c", script, check=False)
        assert result.stdout == "" or "not permitted" in result.stdout, script
        assert result.returncode != 0 or script.startswith("probe"), script
    assert os.stat(f"/proc/{pid}/fd").st_uid == 0
    # and nothing of the engine's is to be seen by who may look
    assert not Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0")
    assert not Path(f"/proc/{pid}/cmdline").read_bytes().strip(b"\0")


def test_a_process_that_execs_is_not_the_users_before(bundle, oci):
    """It is not dumpable, so its files in /proc are root's, though its user namespace's root is another."""
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.create("exec sleep 1000", {"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": ids,
                                      "linux.gidMappings": ids})
    assert os.stat(f"/proc/{oci.state()['pid']}/environ").st_uid == 0
    oci("start", oci.id)
    assert os.stat(f"/proc/{oci.state()['pid']}/environ").st_uid == 100000


# in a shell of the container's, of a process there by its number
LOOKS = ["probe trace {0}", "head -c 0 /proc/{0}/exe", "ls -l /proc/{0}/fd", "cat /proc/{0}/environ", "cat /proc/{0}/maps",
         "ls /proc/{0}/cwd/", "ls /proc/{0}/root/"]


@pytest.mark.parametrize("own_users", [False, True], ids=["the host's users", "users of its own"])
def test_a_process_that_is_attached_cannot_be_looked_into(bundle, oci, probe, own_users):
    """CVE-2016-8649, CVE-2016-10124: until it is the container's program, whoever is root inside reaches nothing of it.

    It is held at its execve, the last moment, by a filter that asks the test."""
    changes = {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(bundle.folder / "agent"),
                                 "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_NOTIFY"}]}}
    if own_users:  # and every capability over them
        ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        every = ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE"]
        changes.update({"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": ids, "linux.gidMappings": ids,
                        "process.capabilities": {name: every for name in ("bounding", "permitted", "effective")}})
    seen, held, first = {}, [], []

    def look(pid):
        if held == [None] and pid not in first:  # whose own script may come to its execve only now
            held[0] = pid
            seen.update({"before": looks(pid), "fds": os.stat(f"/proc/{pid}/fd").st_uid})

    def looks(pid):
        inside = Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1]
        return [oci("exec", oci.id, "sh", "-c", look.format(inside) + " 2>&1", check=False).stdout for look in LOOKS]

    with Agent(bundle.folder / "agent", {"execve": look}):
        bundle.start(changes=changes)
        first.append(oci.state()["pid"])
        held.append(None)
        with oci.popen("exec", oci.id, "sh", "-c", "echo up; exec sleep 1000",
                       stdout=subprocess.PIPE) as attached:
            try:
                assert attached.stdout.readline() == "up\n"
                seen["after"] = looks(held[0])
            finally:
                oci("delete", "--force", oci.id)
    assert seen["fds"] == 0
    for before, after, what in zip(seen["before"], seen["after"], LOOKS):
        assert "denied" in before or "not permitted" in before, (what, before)
        assert "denied" not in after and "not permitted" not in after, (what, after)


def test_our_program_is_not_to_be_had_from_inside(bundle, oci):
    """CVE-2019-5736: who can open /proc/PID/exe of ours to write has our file. Here it is looked at from the outside."""
    before = oci.program.resolve().stat()
    bundle.start(changes={"process.capabilities": ROOT_CAPS})
    oci("exec", oci.id, "sh", "-c", "for p in /proc/[0-9]*; do (echo x >$p/exe) 2>/dev/null; done; true")
    link = bundle.rootfs / "bin/self"
    link.symlink_to("/proc/self/exe")
    oci("exec", oci.id, "/bin/self", "true", check=False)
    after = oci.program.resolve().stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)


def test_a_keyring_of_its_own(bundle, oci, probe):
    own = subprocess.run([bundle.rootfs / "bin/probe", "keyring"], capture_output=True, text=True).stdout.strip()
    inside = bundle.out("probe keyring")
    if inside == "-1":
        pytest.skip("this kernel has no keys")
    assert inside != own
    assert bundle.out("probe keyring", options=["--no-new-keyring"]) == own


def test_device_nodes_that_the_container_makes_open_nothing(bundle):
    """By the cgroup: root inside may make nodes, and what they stand for stays shut."""
    script = "".join(f"mknod /n{i} {kind} {numbers}; (: </n{i}) 2>&1; (: >/n{i}) 2>&1;"
                     for i, (kind, numbers) in enumerate([("c", "1 1"), ("c", "1 4"), ("b", "7 0"), ("b", "254 0"),
                                                          ("c", "10 229"), ("c", "4 0"), ("c", "10 200")]))
    for rules in ([], [{"allow": False, "access": "rwm"}, {"allow": True, "access": "m", "type": "c"},
                       {"allow": True, "access": "m", "type": "b"}]):
        result = bundle.run(script, {"process.capabilities": ROOT_CAPS, "linux.resources.devices": rules}, check=False)
        assert "mknod" not in result.stderr
        lines = result.stdout.splitlines()
        assert len(lines) == 14 and all("not permitted" in line for line in lines), lines
        for path in bundle.rootfs.glob("n[0-9]"):
            path.unlink()


def test_cgroup_mounts_give_no_way_to_a_release_agent(bundle, oci):
    """CVE-2022-0492: read-only as the configuration says, in every hierarchy."""
    bundle.base["mounts"] += [
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}]
    result = bundle.run("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do test -d $d || continue; mkdir $d/x 2>/dev/null && echo made; "
                        "(echo /x >$d/release_agent) 2>/dev/null && echo agent; done; find /sys/fs/cgroup -name release_agent; true",
                        {"process.capabilities": ROOT_CAPS})
    assert result.stdout == ""


def test_with_a_cgroup_mount_the_hosts_groups_are_not_to_be_seen(bundle, oci):
    """CVE-2023-25809: also without a cgroup namespace."""
    bundle.base["linux"]["namespaces"] = [
        entry for entry in bundle.base["linux"]["namespaces"] if entry["type"] != "cgroup"]
    bundle.base["mounts"] += [
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
    out = bundle.out("cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs 2>/dev/null; true")
    assert set(out.split()) <= {"1", "2", "3", "4", "5"}


# input

@pytest.mark.parametrize("user", ["1a", "", "0x0", "-1", "+1", " 1", "1 ", "4294967295", "4294967296", "18446744073709551616",
                                  "root", "1:", "1:a", ":1", "1:2:3", "1,2"])
def test_a_user_that_is_no_number(bundle, oci, user):
    """CVE-2016-3697, CVE-2026-30892: no text ever becomes uid 0."""
    bundle.start()
    result = oci("exec", "--user", user, oci.id, "id", "-u", check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert "--user" in result.stderr


def test_a_user_is_taken_as_it_is(bundle, oci):
    bundle.start()
    assert oci("exec", "-u", "1", oci.id, "id", "-u").stdout == "1\n"
    assert oci("exec", "-u", "1:7", "-g", "9", oci.id, "id", "-G").stdout == "7 9\n"


def test_a_hostile_passwd_is_of_no_meaning(bundle, oci):
    for name in ("passwd", "group"):
        (bundle.rootfs / "etc" / name).unlink()
    os.mkfifo(bundle.rootfs / "etc/passwd")  # who opens it waits for ever
    (bundle.rootfs / "etc/group").write_bytes(b"root:x:0:" + b"a," * 5_000_000 + b"\n1000:x:0:0::" + b"\xff" * 100)
    bundle.start()
    assert oci("exec", "--user", "1000", oci.id, "cat", "/proc/self/status").stdout.count("\t1000") >= 4


@pytest.mark.parametrize("text", [
    "[" * 1_000_000, '{"a":' * 100_000, '{"ociVersion": "' + "1" * (16 << 20),
    '{"ociVersion": "1.3.0", "process": {"args": [' + '"",' * 500_000 + '""]}}',
    '{"ociVersion": "1.3.0", "annotations": {' + ",".join(f'"k{i}": "v"' for i in range(100_000)) + "}}"],
    ids=["deep array", "deep object", "more than is read", "long array", "many keys"])
def test_a_huge_configuration_is_refused_quickly(bundle, oci, text):
    (bundle.folder / "config.json").write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "config.json" in oci.fails("create", "--bundle", bundle.folder, oci.id)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_a_configuration_that_is_no_file(bundle, oci):
    os.mkfifo(bundle.folder / "config.json")
    assert "config.json" in oci.fails("create", "--bundle", bundle.folder, oci.id)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", ".", "/x", "a/b", "-x/..", "x\n", "x\x01", "a" * 300])
def test_an_id_is_no_path(bundle, oci, name):
    bundle.write()
    for args in (["create", "--bundle", bundle.folder], ["run", "--bundle", bundle.folder], ["start"], ["kill"], ["delete"],
                 ["delete", "--force"], ["state"], ["exec"], ["ps"], ["pause"], ["update"]):
        result = oci(*args, "--", name, *(["true"] if args == ["exec"] else []), check=False)
        assert result.returncode == 1, args
        assert "not a valid container ID" in result.stderr, (args, result.stderr)
    assert not (oci.folder / "x").exists()


def test_a_container_in_roots_folder_that_is_a_link(bundle, oci, outside):
    """Whoever can write there is root; all the same nothing behind a link is removed."""
    oci.root.mkdir()
    (oci.root / "x").symlink_to(outside)
    oci("delete", "--force", "x", check=False)
    assert (outside / "secret").exists()
    (oci.root / "x").unlink()


# CVE-2021-43784: what is told to the container's first process is taken whole or refused, never cut at some length

def maps(n, first=100000):
    return [{"containerID": i * 2, "hostID": first + i * 2, "size": 1} for i in range(n)]


def own_users(maps):
    return {"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": maps, "linux.gidMappings": maps}


@pytest.mark.parametrize("n", [6, 250])
def test_many_mappings_are_there_in_full(bundle, n):
    out = bundle.out("cat /proc/self/uid_map /proc/self/gid_map", own_users(maps(n)))
    expected = [(entry["containerID"], entry["hostID"], entry["size"]) for entry in maps(n)]
    assert [tuple(map(int, line.split())) for line in out.splitlines()] == expected * 2


@pytest.mark.parametrize("n", [341, 65536 + 5])
def test_more_mappings_than_the_kernel_takes_are_refused(bundle, n):
    assert "linux.uidMappings" in bundle.refused(own_users(maps(n)))


@pytest.mark.parametrize("length", [4096, 65536 + 40, 1 << 20])
@pytest.mark.parametrize("member", ["linux.namespaces[4].path", "mounts[1].source", "mounts[1].destination", "process.cwd",
                                    "root.path", "linux.devices[0].path"])
def test_a_path_longer_than_any_is_refused(bundle, length, member):
    """As a length of 16 bits, 65536 + 40 would be 40: with what lies behind taken for something else."""
    path = ("/" + "x" * 31) * (length // 32 + 1)
    bundle.base["mounts"].append({"destination": "/tmp", "type": "bind", "source": "/tmp"})
    bundle.base["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
    message = bundle.refused({member: path[:length]}, "true")
    assert f": {member.replace('].', ']: ')}: a path has at most 4095 bytes, and this one has {length}" in message


def test_many_mounts_and_words_are_there_in_full(bundle, oci):
    """More than 64 KiB of each, and more mounts than descriptors fit one message."""
    sources, mounts = oci.folder / "sources", []
    for i in range(400):
        source = sources / f"{i}-{'x' * 200}"
        source.mkdir(parents=True)
        (source / str(i)).touch()
        mounts.append({"destination": f"/tmp/{i}", "type": "bind", "source": str(source)})
    words = [f"{i}-{'y' * 200}" for i in range(800)]  # the first is $0
    bundle.base["mounts"] += mounts
    bundle.write({"process.args": ["sh", "-c", "ls /tmp/*/* | wc -l; ls /tmp/399; echo $# ${799}; echo $V799",
                                   *words],
                  "process.env": ["PATH=/bin"] + [f"V{i}={word}" for i, word in enumerate(words)]})
    out = oci("run", "--bundle", bundle.folder, oci.id).stdout.splitlines()
    assert out == ["400", "399", f"799 {words[799]}", words[799]]


# pids

def stranger(oci, bundle):
    """The record of a container that has ended, changed to name a process of somebody else's."""
    bundle.start()
    state = oci.root / oci.id / "state.json"
    record = json.loads(state.read_text())
    oci("kill", oci.id, "KILL")
    wait.process_end(record["pid"])
    return state, record


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(bundle, oci):
    state, record = stranger(oci, bundle)
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            state.write_text(json.dumps({**record, "pid": other.pid}))
            assert oci.state()["status"] == "stopped" and oci.state()["pid"] == 0
            assert "not running" in oci.fails("kill", oci.id, "KILL")
            oci("kill", "--all", oci.id, "KILL", check=False)
            assert "not running" in oci.fails("exec", oci.id, "true")
            oci("delete", "--force", oci.id)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_pid_that_is_not_a_process(bundle, oci):
    state, record = stranger(oci, bundle)
    for pid in (2**22 - 1, 0):
        state.write_text(json.dumps({**record, "pid": pid}))
        assert oci.state()["status"] == "stopped"
        oci.fails("kill", oci.id, "KILL")
    oci("delete", oci.id)


@pytest.mark.parametrize("change", [{"pid": -1}, {"pid": "1"}, {"pid": 2**40}, {"version": 99}, {"cgroup": 5}])
def test_a_record_that_is_not_ours_is_told(bundle, oci, change):
    state, record = stranger(oci, bundle)
    before = state.read_text()
    state.write_text(json.dumps({**record, **change}))
    assert oci.id in oci.fails("state", oci.id)
    assert oci.id in oci.fails("kill", oci.id, "KILL")
    state.write_text(before)
