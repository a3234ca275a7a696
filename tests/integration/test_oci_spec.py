# SPDX-License-Identifier: GPL-2.0-or-later
"""What an OCI configuration asks for, member by member, is what its container finds: runtime-spec 1.3.

That nothing is left is checked by the oci fixture after every test.
"""

import fcntl
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from support import wait
from support.oci import ConsoleSocket, read_terminal

pytestmark = pytest.mark.root

NAMESPACES = {"pid": "pid", "mount": "mnt", "ipc": "ipc", "uts": "uts", "network": "net", "cgroup": "cgroup",
              "time": "time"}
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
DEVPTS = {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
          "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}
MAY_ALL = pytest.mark.skipif(not int(re.search(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())[1], 16) >> 24 & 1,
                             reason="needs CAP_SYS_RESOURCE")
USERNS = {
    "linux.namespaces[+]": {"type": "user"},
    "linux.uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "linux.gidMappings": [{"containerID": 0, "hostID": 200000, "size": 65536}],
}


def status(bundle, member, changes=None):
    """A line of /proc/self/status."""
    text = bundle.out("cat /proc/self/status", changes)
    return re.search(rf"^{member}:\s*(.*)$", text, re.M)[1]


def tmpfs(destination, *options):
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": list(options)}


def bind(source, destination, *options):
    return {"destination": destination, "source": str(source), "options": list(options)}


def mount_line(bundle, destination, changes, script=""):
    """The line of the container's mountinfo."""
    text = bundle.out(f"{script} cat /proc/self/mountinfo", changes)
    return next(line for line in text.splitlines() if line.split()[4] == destination)


# process

def test_args_are_the_program_and_its_arguments(bundle):
    assert bundle.out(None, {"process.args": ["echo", "a  b", "$HOME", "", "c"]}) == "a  b $HOME  c"


def test_args_without_a_slash_are_looked_for_in_the_path_of_env(bundle):
    (bundle.rootfs / "opt").mkdir()
    (bundle.rootfs / "opt/mine").write_text("#!/bin/sh\necho found\n")
    (bundle.rootfs / "opt/mine").chmod(0o755)
    assert bundle.out(None, {"process.args": ["mine"], "process.env": ["PATH=/bin:/opt"]}) == "found"


def test_env_is_what_is_given_and_nothing_else(bundle):
    out = bundle.out("env", {"process.env": ["PATH=/bin", "A=1", "B=a=b c"]}, env={"LEAK": "1"})
    variables = dict(line.split("=", 1) for line in out.splitlines())
    assert {"A": "1", "B": "a=b c", "PATH": "/bin"}.items() <= variables.items()
    assert set(variables) <= {"A", "B", "PATH", "PWD", "HOME", "SHLVL", "OLDPWD"}  # the shell has three


def test_cwd(bundle):
    assert bundle.out("pwd", {"process.cwd": "/tmp"}) == "/tmp"


def test_a_missing_cwd_is_made(bundle):
    assert bundle.out("pwd; stat -c %u:%a .", {"process.cwd": "/var/lib/app"}) == "/var/lib/app\n0:755"


def test_user_and_groups(bundle):
    user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 2000], "username": "root"}  # the name is Windows'
    assert bundle.out("id -u; id -g; id -G", {"process.user": user}) == "1000\n1001\n1001 5 2000"


def test_without_additional_groups_there_are_none_of_the_callers(bundle):
    assert bundle.out("grep Groups /proc/self/status", {"process.user": {"uid": 7, "gid": 8}}).split() == ["Groups:"]


def test_umask(bundle):
    assert bundle.out("umask", {"process.user.umask": 0o27}) == "0027"
    assert bundle.out("umask") == "0022"


CAPS = {"bounding": "CapBnd", "permitted": "CapPrm", "effective": "CapEff", "inheritable": "CapInh",
        "ambient": "CapAmb"}


def test_each_set_of_capabilities(bundle):
    # of a user other than root, whose execve() changes the sets by the rules for everybody
    caps = {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_FOWNER", "CAP_SYSLOG"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
            "inheritable": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
    out = bundle.out("cat /proc/self/status", {"process.capabilities": caps, "process.user": {"uid": 9, "gid": 9}})
    sets = dict(re.findall(r"^(Cap\w+):\s*(\w+)$", out, re.M))
    kill, chown, fowner, syslog = 1 << 5, 1 << 0, 1 << 3, 1 << 34
    assert int(sets["CapBnd"], 16) == kill | chown | fowner | syslog
    assert int(sets["CapInh"], 16) == kill | chown
    for name in ("CapPrm", "CapEff", "CapAmb"):
        assert int(sets[name], 16) == kill, name


def test_root_gets_what_the_bounding_set_has(bundle):
    caps = {name: ["CAP_CHOWN"] for name in ("bounding", "permitted", "effective")}
    assert int(status(bundle, "CapEff", {"process.capabilities": caps}), 16) == 1
    assert int(status(bundle, "CapBnd", {"process.capabilities": caps}), 16) == 1


def test_without_capabilities_there_are_none(bundle):
    out = bundle.out("grep ^Cap /proc/self/status")
    assert {line.split()[1] for line in out.splitlines()} == {"0" * 16}


def test_an_unknown_capability_is_left_out_with_a_warning(bundle):
    result = bundle.run("grep CapBnd /proc/self/status",
                        {"process.capabilities": {"bounding": ["CAP_FLY", "CAP_CHOWN"]}})
    assert result.stdout.split()[1] == f"{1:016x}"
    assert "'CAP_FLY' is left out" in result.stderr


@pytest.mark.parametrize("kind, name", [("NOFILE", "open files"), ("CORE", "core file size"), ("NPROC", "processes"),
                                        ("MEMLOCK", "locked memory"), ("MSGQUEUE", "msgqueue size")])
def test_rlimits(bundle, kind, name):
    out = bundle.out("cat /proc/self/limits",
                     {"process.rlimits": [{"type": f"RLIMIT_{kind}", "soft": 650, "hard": 660}]})
    assert re.search(rf"^Max {name} +650 +660 ", out, re.M)


def test_an_unlimited_rlimit(bundle):
    out = bundle.out("cat /proc/self/limits", {
        "process.rlimits": [{"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}]})
    assert re.search(r"^Max core file size +unlimited +unlimited ", out, re.M)


@pytest.mark.parametrize("value", [True, False])
def test_no_new_privileges(bundle, value):
    assert status(bundle, "NoNewPrivs", {"process.noNewPrivileges": value}) == str(int(value))


@pytest.mark.parametrize("value", [500, 0, pytest.param(-300, marks=MAY_ALL)])
def test_oom_score_adj(bundle, value):
    assert bundle.out("cat /proc/self/oom_score_adj", {"process.oomScoreAdj": value}) == str(value)


@pytest.mark.parametrize("policy, number", [("SCHED_OTHER", 0), ("SCHED_BATCH", 3), ("SCHED_IDLE", 5)])
def test_scheduler(bundle, policy, number):
    fields = bundle.out("cat /proc/self/stat", {"process.scheduler": {"policy": policy, "nice": 7}}).split()
    assert int(fields[40]) == number
    assert int(fields[18]) == (7 if number != 5 else 0)  # the kernel takes none for what is idle anyhow


def test_scheduler_nice_below_zero_needs_no_capability_inside(bundle):
    fields = bundle.out("cat /proc/self/stat", {"process.scheduler": {"policy": "SCHED_OTHER", "nice": -5}}).split()
    assert int(fields[18]) == -5


@pytest.mark.parametrize("given, shown", [("IOPRIO_CLASS_BE", "best-effort: prio 3"), ("IOPRIO_CLASS_RT", "realtime: prio 3"),
                                          ("IOPRIO_CLASS_IDLE", "idle")])
def test_io_priority(bundle, given, shown):
    out = bundle.out("ionice -p $$", {"process.ioPriority": {"class": given, "priority": 3}})
    assert out.startswith(shown)


def test_personality(bundle):
    out = bundle.out("uname -m; cat /proc/self/personality", {"linux.personality": {"domain": "LINUX32"}})
    assert out.split() == ["i686", "00000008"]
    assert bundle.out("uname -m", {"linux.personality": {"domain": "LINUX"}}) == os.uname().machine


def test_exec_cpu_affinity_is_for_exec_alone(bundle, oci):
    last = max(os.sched_getaffinity(0))
    everything = bundle.out("grep Cpus_allowed_list /proc/self/status")
    bundle.start(changes={"process.execCPUAffinity": {"initial": "0", "final": str(last)}})
    assert oci("exec", oci.id, "grep", "Cpus_allowed_list", "/proc/self/status").stdout.split()[1] == str(last)
    assert oci("exec", oci.id, "grep", "Cpus_allowed_list", "/proc/1/status").stdout.strip() == everything


def terminal(bundle, oci, script, changes=None):
    """(name of the terminal, all that the script writes to it)"""
    console = ConsoleSocket(oci.folder / "console")
    bundle.base["mounts"] += [DEV, DEVPTS]
    changes = {"process.terminal": True, **(changes or {})}
    bundle.create(script, changes, options=["--console-socket", console.path])
    name, master = console.receive()
    oci("start", oci.id)
    try:
        return name, read_terminal(master)
    finally:
        os.close(master)


def test_terminal(bundle, oci):
    name, out = terminal(bundle, oci, "tty; test -t 0 -a -t 1 -a -t 2 && echo all; echo from >/dev/console; "
                                      "echo controlling >/dev/tty; ls /dev/pts")
    assert name
    lines = out.split()
    assert re.fullmatch(r"/dev/(pts/\d+|console)", lines[0])
    assert lines[1:] == ["all", "from", "controlling", "0", "ptmx"]


def test_console_size(bundle, oci):
    _, out = terminal(bundle, oci, "stty size", {"process.consoleSize": {"height": 33, "width": 111}})
    assert out.split() == ["33", "111"]


def test_a_terminal_of_a_user_is_the_users(bundle, oci):
    _, out = terminal(bundle, oci, "stat -c %u $(tty)", {"process.user": {"uid": 1000, "gid": 1000}})
    assert out.split() == ["1000"]


def test_the_size_of_a_terminal_changes_with_its_master(bundle, oci):
    console = ConsoleSocket(oci.folder / "console")
    bundle.base["mounts"] += [DEV, DEVPTS]
    bundle.create("trap 'stty size; exit' WINCH; echo ready; while :; do read x; done", {"process.terminal": True},
                  options=["--console-socket", console.path])
    _, master = console.receive()
    oci("start", oci.id)
    deadline = wait.Deadline(10, "the shell")
    text = b""
    while b"ready" not in text:
        deadline.poll(master)
        text += os.read(master, 100)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 55, 0, 0))
    assert read_terminal(master).split() == ["44", "55"]
    os.close(master)


# root

def test_a_readonly_root(bundle):
    result = bundle.run("touch /x", {"root.readonly": True}, check=False)
    assert result.returncode == 1 and "Read-only file system" in result.stderr
    assert bundle.out("touch /x && echo done") == "done"
    assert (bundle.rootfs / "x").exists()


def test_a_readonly_root_leaves_other_mounts_alone(bundle):
    assert bundle.out("touch /tmp/x && echo done", {"root.readonly": True, "mounts[+]": tmpfs("/tmp")}) == "done"


def test_an_absolute_root_path(bundle, oci):
    bundle.rootfs.rename(oci.folder / "elsewhere")
    assert bundle.out("echo done", {"root.path": str(oci.folder / "elsewhere")}) == "done"


def test_a_root_path_with_a_link_to_it(bundle, oci):
    bundle.rootfs.rename(oci.folder / "elsewhere")
    bundle.rootfs.symlink_to(oci.folder / "elsewhere")
    assert bundle.out("echo done") == "done"


# names

def test_hostname_and_domainname(bundle):
    out = bundle.out("hostname; cat /proc/sys/kernel/domainname", {"hostname": "box", "domainname": "example.org"})
    assert out == "box\nexample.org"


# mounts

def test_a_bind_of_a_folder(bundle, oci):
    source = oci.folder / "source"
    source.mkdir()
    (source / "file").write_text("inside\n")
    assert bundle.out("cat /data/file; echo new >/data/new", {"mounts[+]": bind(source, "/data", "bind")}) == "inside"
    assert (source / "new").read_text() == "new\n"


def test_type_bind_is_enough(bundle, oci):
    (oci.folder / "file").write_text("inside\n")
    mount = {"destination": "/data", "type": "bind", "source": str(oci.folder / "file")}
    assert bundle.out("cat /data", {"mounts[+]": mount}) == "inside"


def test_a_file_on_a_file(bundle, oci):
    (oci.folder / "file").write_text("mine\n")
    assert bundle.out("cat /etc/passwd", {"mounts[+]": bind(oci.folder / "file", "/etc/passwd", "bind")}) == "mine"
    assert "root" in (bundle.rootfs / "etc/passwd").read_text()


def test_a_source_is_relative_to_the_bundle(bundle):
    (bundle.folder / "file").write_text("mine\n")
    assert bundle.out("cat /new/place/file", {"mounts[+]": bind("file", "/new/place/file", "bind")}) == "mine"


def test_a_destination_without_a_slash_is_below_the_root(bundle):
    assert mount_line(bundle, "/sub/dir", {"process.cwd": "/tmp", "mounts[+]": tmpfs("sub/dir")})


def test_mounts_are_made_in_their_order(bundle):
    bundle.base["mounts"] += [tmpfs("/a"), tmpfs("/a/b"), tmpfs("/a/b/c")]
    points = [line.split()[4] for line in bundle.out("cat /proc/self/mountinfo").splitlines()]
    assert [point for point in points if point.startswith("/a")] == ["/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize("option, word", [("ro", "ro"), ("nosuid", "nosuid"), ("nodev", "nodev"), ("noexec", "noexec"),
                                          ("noatime", "noatime"), ("nodiratime", "nodiratime"),
                                          ("nosymfollow", "nosymfollow")])
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_flags_of_mounts(bundle, oci, option, word, kind):
    mount = tmpfs("/m", option) if kind == "tmpfs" else bind(oci.folder, "/m", "bind", option)
    assert word in mount_line(bundle, "/m", {"mounts[+]": mount}).split()[5].split(",")


def test_what_is_said_last_counts(bundle, oci):
    flags = mount_line(bundle, "/m", {"mounts[+]": bind(oci.folder, "/m", "bind", "ro", "noexec", "rw", "exec")}).split()[5]
    assert {"rw"} <= set(flags.split(",")) and "noexec" not in flags


@pytest.fixture
def nested(oci):
    """A folder with a file system in it: (folder, run), in a mount namespace that goes with the test."""
    source = oci.folder / "source"
    (source / "sub").mkdir(parents=True)

    def run(bundle, changes, script, before=""):
        bundle.write(changes, script)
        command = " ".join(oci.command("run", "--bundle", bundle.folder, oci.id))
        ran = subprocess.run(["unshare", "--mount", "sh", "-ec",
                              f"mount -t tmpfs tmpfs {source}/sub; touch {source}/sub/deep; {before} {command}"],
                             capture_output=True, text=True, timeout=60, env=oci.environment(),
                             stdin=subprocess.DEVNULL)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    return source, run


def test_rbind_takes_what_is_mounted_below_and_bind_does_not(bundle, nested):
    source, run = nested
    assert run(bundle, {"mounts[+]": bind(source, "/m", "bind")}, "ls /m/sub") == ""
    assert run(bundle, {"mounts[+]": bind(source, "/m", "rbind")}, "ls /m/sub") == "deep"


@pytest.mark.parametrize("option, top, below", [
    ("ro", "ro", "rw"), ("rro", "ro", "ro"), ("nosuid", "nosuid", ""), ("rnosuid", "nosuid", "nosuid"),
    ("rnodev", "nodev", "nodev"), ("rnoexec", "noexec", "noexec"), ("rnoatime", "noatime", "noatime"),
    ("rnosymfollow", "nosymfollow", "nosymfollow"), ("rnodiratime", "nodiratime", "nodiratime")])
def test_recursive_flags(bundle, nested, option, top, below):
    source, run = nested
    out = run(bundle, {"mounts[+]": bind(source, "/m", "rbind", option)}, "cat /proc/self/mountinfo")
    flags = {line.split()[4]: line.split()[5].split(",") for line in out.splitlines()}
    assert top in flags["/m"]
    if below:
        assert below in flags["/m/sub"]
    else:
        assert option not in flags["/m/sub"]


def test_a_tmpfs_with_size_and_mode(bundle):
    out = bundle.out("stat -c %a /m; cat /proc/self/mountinfo", {"mounts[+]": tmpfs("/m", "size=64k", "mode=1770")})
    assert out.startswith("1770\n")
    assert "size=64k" in out


def test_a_tmpfs_has_the_mode_of_what_it_covers(bundle):
    (bundle.rootfs / "m").mkdir()
    (bundle.rootfs / "m").chmod(0o711)
    assert bundle.out("stat -c %a /m", {"mounts[+]": tmpfs("/m")}) == "711"


def test_tmpcopyup(bundle):
    (bundle.rootfs / "m/deep").mkdir(parents=True)
    (bundle.rootfs / "m/deep/file").write_text("kept\n")
    (bundle.rootfs / "m/link").symlink_to("deep/file")
    os.chown(bundle.rootfs / "m/deep/file", 12, 34)
    (bundle.rootfs / "m/deep/file").chmod(0o646)
    out = bundle.out("cat /m/link; stat -c %u:%g:%a /m/deep/file; echo changed >/m/deep/file",
                     {"mounts[+]": tmpfs("/m", "tmpcopyup")})
    assert out == "kept\n12:34:646"
    assert (bundle.rootfs / "m/deep/file").read_text() == "kept\n"


@pytest.mark.parametrize("option, fields", [("private", []), ("slave", ["master"]), ("shared", ["shared"]),
                                            ("rslave", ["master"]), ("rshared", ["shared"]), ("", [])])
def test_propagation_of_a_mount(bundle, nested, option, fields):
    source, run = nested
    mount = bind(source, "/m", "rbind", *([option] if option else []))
    out = run(bundle, {"mounts[+]": mount}, "cat /proc/self/mountinfo",
              before=f"mount --bind {source} {source}; mount --make-shared {source};")
    line = next(line for line in out.splitlines() if line.split()[4] == "/m").split()
    assert [field.split(":")[0] for field in line[6:line.index("-")]] == fields


def test_an_unbindable_mount(bundle, oci):
    assert "unbindable" in mount_line(bundle, "/m", {"mounts[+]": bind(oci.folder, "/m", "bind", "unbindable")})


@pytest.mark.parametrize("word, field", [("private", None), ("rprivate", None), ("rslave", "master"),
                                         ("rshared", "shared"), ("unbindable", "unbindable")])
def test_rootfs_propagation(bundle, word, field):
    if word == "rslave":  # has a master only if it had a peer outside
        assert bundle.out("echo done", {"linux.rootfsPropagation": word}) == "done"
        return
    fields = mount_line(bundle, "/", {"linux.rootfsPropagation": word}).split()
    found = [entry.split(":")[0] for entry in fields[6:fields.index("-")]]
    assert found == ([field] if field else [])


IDS = {"uidMappings": [{"containerID": 1000, "hostID": 5000, "size": 10}],
       "gidMappings": [{"containerID": 1000, "hostID": 6000, "size": 10}]}


def test_mappings_of_a_mount(bundle, oci):
    (oci.folder / "source").mkdir()
    (oci.folder / "source/file").touch()
    os.chown(oci.folder / "source/file", 1003, 1004)
    mount = {**bind(oci.folder / "source", "/m", "bind"), **IDS}
    assert bundle.out("stat -c %u:%g /m/file", {"mounts[+]": mount}) == "5003:6004"


def test_idmap_uses_the_mappings_of_the_container(bundle, oci):
    (oci.folder / "source").mkdir()
    (oci.folder / "source/file").touch()
    os.chown(oci.folder / "source/file", 7, 8)
    (bundle.rootfs / "m").mkdir()
    changes = {**USERNS, "mounts[+]": bind(oci.folder / "source", "/m", "bind", "idmap")}
    assert bundle.out("stat -c %u:%g /m/file; touch /m/new", changes) == "7:8"
    assert (oci.folder / "source/new").stat().st_uid == 0


@pytest.mark.parametrize("option, below", [("idmap", "65534"), ("ridmap", "9")])
def test_ridmap_is_for_what_is_mounted_below_too(bundle, nested, option, below):
    source, run = nested
    (bundle.rootfs / "m").mkdir()
    out = run(bundle, {**USERNS, "mounts[+]": bind(source, "/m", "rbind", option)}, "stat -c %u /m/sub/deep",
              before=f"chown 9 {source}/sub/deep;")
    assert out == below


def test_proc_and_sys(bundle):
    sysfs = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"]}
    assert bundle.out("ls /sys/class/net; ls -d /proc/1; echo $$", {"mounts[+]": sysfs}).split() == ["lo", "/proc/1", "1"]


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_a_cgroup_mount_shows_the_containers_own(bundle, kind):
    """Of this host's layout, whichever of the two was asked for."""
    bundle.base["mounts"] += [
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup", "type": kind, "source": kind, "options": ["ro", "nosuid"]}]
    out = bundle.out("cat /sys/fs/cgroup/pids/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup/cgroup.procs; "
                     "cat /proc/self/mountinfo")
    assert out.splitlines()[0] == "1"
    groups = [line.split() for line in out.splitlines() if " - cgroup" in line]
    assert groups and all("ro" in line[5].split(",") for line in groups)


# hooks

HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def hook(name, rootfs, script="", **members):
    """One that writes its input to the file of its name, and its name to `order`."""
    folder = "" if name.startswith("startContainer") else rootfs
    return {"path": "/bin/sh", "args": ["sh", "-c", f"cat >{folder}/{name}; echo {name} >>{folder}/order; {script}"],
            "env": ["PATH=/bin:/usr/bin"], **members}


def order(bundle):
    path = bundle.rootfs / "order"
    return path.read_text().split() if path.exists() else []


def test_all_hooks_run_in_their_order_with_the_state(bundle, oci):
    changes = {f"hooks.{name}": [hook(name, bundle.rootfs), hook(f"{name}2", bundle.rootfs)] for name in HOOKS}
    changes["annotations"] = {"org.example.key": "value é", "a": ""}
    bundle.create("echo program >>/order; exec sleep 1000", changes)
    pid = oci.state()["pid"]
    before = [name + end for name in HOOKS[:3] for end in ("", "2")]
    assert order(bundle) == before
    oci("start", oci.id)
    wait.file_contains(bundle.rootfs / "order", "program")
    oci("delete", "--force", oci.id)
    after = order(bundle)
    assert [name for name in after if name != "program"] == [name + end for name in HOOKS for end in ("", "2")]
    assert after.index("startContainer2") < after.index("program")
    states = {name: json.loads((bundle.rootfs / name).read_text()) for name in HOOKS}
    for name, state in states.items():
        assert state["ociVersion"] == "1.3.0" and state["id"] == oci.id and state["bundle"] == str(bundle.folder)
        assert state["annotations"] == changes["annotations"], name
    assert [states[name]["status"] for name in HOOKS] == ["creating"] * 3 + ["created", "running", "stopped"]
    assert states["prestart"]["pid"] == states["createRuntime"]["pid"] == states["poststart"]["pid"] == pid
    assert states["startContainer"]["pid"] == 1


def test_where_hooks_run(bundle, oci):
    """createRuntime sees the container's mounts only through its pid; createContainer is among them."""
    look = f"ls {bundle.rootfs}/proc"
    changes = {"hooks.createRuntime": [hook("createRuntime", bundle.rootfs, f"{look} >{oci.folder}/host")],
               "hooks.createContainer": [hook("createContainer", bundle.rootfs, f"{look} >{oci.folder}/inside; "
                                                                                f"hostname >{oci.folder}/name")],
               "hooks.startContainer": [hook("startContainer", bundle.rootfs, "hostname >/name")],
               "hostname": "box"}
    bundle.run("true", changes)
    assert (oci.folder / "host").read_text() == ""
    assert "self" in (oci.folder / "inside").read_text()
    assert (bundle.rootfs / "name").read_text() == "box\n"


def test_a_hook_has_the_env_and_arguments_that_are_given(bundle, oci):
    changes = {"hooks.prestart": [{"path": "/bin/sh", "args": ["name", "-c", f"echo $0 $1 >{oci.folder}/got; "
                                                               f"/usr/bin/env >>{oci.folder}/got", "zero", "one"],
                                   "env": ["A=1"]}]}
    bundle.run("true", changes, env={"LEAK": "1"})
    lines = (oci.folder / "got").read_text().splitlines()
    assert lines[0] == "zero one" and "A=1" in lines and not any(line.startswith("LEAK") for line in lines)


@pytest.mark.parametrize("name", HOOKS[:3])
def test_a_hook_that_fails_ends_create(bundle, oci, name):
    changes = {f"hooks.{name}": [hook(name, bundle.rootfs), hook(f"{name}2", bundle.rootfs, "exit 3"),
                                 hook(f"{name}3", bundle.rootfs)],
               "hooks.poststop": [hook("poststop", bundle.rootfs)]}
    assert f"hooks.{name}[1]" in bundle.refused(changes, "echo program >>/order")
    assert order(bundle)[:2] == [name, f"{name}2"]
    assert f"{name}3" not in order(bundle) and "program" not in order(bundle)
    assert order(bundle)[2:] == ["poststop"]  # runtime.md, "Lifecycle"


def test_a_start_hook_that_fails_ends_the_container(bundle, oci):
    bundle.create("echo program >>/order", {"hooks.startContainer": [hook("startContainer", "", "exit 3")]})
    assert "hooks.startContainer[0]" in oci.fails("start", oci.id)
    assert oci.state()["status"] == "stopped"
    assert order(bundle) == ["startContainer"]


def test_a_failed_poststart_hook_is_told_and_ends_the_container(bundle, oci):
    bundle.create("exec sleep 1000", {"hooks.poststart": [hook("poststart", bundle.rootfs, "exit 3")]})
    pid = oci.state()["pid"]
    assert "hooks.poststart[0]" in oci.fails("start", oci.id)
    wait.process_end(pid)
    assert oci.state()["status"] == "stopped"


def test_a_failed_poststop_hook_is_a_warning(bundle, oci):
    changes = {"hooks.poststop": [hook("a", bundle.rootfs, "exit 3"), hook("b", bundle.rootfs)]}
    bundle.start(changes=changes)
    result = oci("delete", "--force", oci.id)
    assert "hooks.poststop[0]" in result.stderr
    assert order(bundle) == ["a", "b"]


def test_a_hook_that_takes_too_long_is_ended(bundle, oci):
    changes = {"hooks.createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "exec /bin/sleep 1000"], "timeout": 1}]}
    assert "hooks.createRuntime[0]" in bundle.refused(changes)


def test_a_hook_that_is_not_there(bundle):
    assert "hooks.createRuntime[0]: " in bundle.refused({"hooks.createRuntime": [{"path": "/nowhere/hook"}]})


def test_a_hook_need_not_read_its_input(bundle):
    changes = {"hooks.createRuntime": [{"path": "/bin/true"}], "annotations": {"big": "x" * 300000}}
    assert bundle.out("echo done", changes) == "done"


# annotations

def test_annotations_are_shown(bundle, oci):
    bundle.create("true", {"annotations": {"org.example.key": "value", "empty": ""}})
    assert oci.state()["annotations"] == {"org.example.key": "value", "empty": ""}


# linux.namespaces

@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_namespace_of_its_own(bundle, kind):
    link = NAMESPACES[kind]
    changes = {"linux.namespaces[+]": {"type": "time"}} if kind == "time" else {}
    assert bundle.out(f"readlink /proc/self/ns/{link}", changes) != os.readlink(f"/proc/self/ns/{link}")


@pytest.mark.parametrize("kind", ["ipc", "uts", "network", "cgroup"])
def test_a_namespace_that_is_not_named_is_the_callers(bundle, kind):
    namespaces = [entry for entry in bundle.base["linux"]["namespaces"] if entry["type"] != kind]
    assert bundle.out(f"readlink /proc/self/ns/{NAMESPACES[kind]}", {"linux.namespaces": namespaces}) == \
        os.readlink(f"/proc/self/ns/{NAMESPACES[kind]}")


def test_without_a_pid_namespace_it_is_the_callers(bundle, oci):
    bundle.base["linux"]["namespaces"].pop(0)
    pid = bundle.start("exec sleep 1000")
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    oci("kill", oci.id, "KILL")
    wait.process_end(pid)


@pytest.fixture
def holder(oci):
    """A process with namespaces of its own, for others to join: its pid."""
    with subprocess.Popen(["unshare", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--time", "--pid", "--fork",
                           "--kill-child", "sh", "-c", "hostname held; echo; exec sleep 1000"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        process.kill()


@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_namespace_is_joined_by_its_path(bundle, holder, kind):
    link = NAMESPACES[kind]
    namespaces = [entry for entry in bundle.base["linux"]["namespaces"] if entry["type"] != kind]
    changes = {"linux.namespaces": namespaces + [{"type": kind, "path": f"/proc/{holder}/ns/{link}"}]}
    assert bundle.out(f"readlink /proc/self/ns/{link}", changes) == os.readlink(f"/proc/{holder}/ns/{link}")
    if kind == "uts":
        assert bundle.out("hostname", changes) == "held"


def test_a_pid_namespace_shared_with_another_container(bundle, oci):
    pid = bundle.start("echo first; exec sleep 1000", name=f"{oci.id}-first")
    namespaces = bundle.base["linux"]["namespaces"][1:] + [{"type": "pid", "path": f"/proc/{pid}/ns/pid"}]
    out = bundle.out("cat /proc/1/cmdline | tr '\\0' ' '; echo $$", {"linux.namespaces": namespaces})
    assert out.startswith("sleep 1000")
    assert int(out.split()[-1]) > 1
    assert oci.state(f"{oci.id}-first")["status"] == "running"


def test_a_user_namespace_with_several_ranges(bundle):
    uids = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 1000, "hostID": 300000, "size": 1},
            {"containerID": 5000, "hostID": 400000, "size": 5}]
    gids = [{"containerID": 0, "hostID": 200000, "size": 10}, {"containerID": 77, "hostID": 250000, "size": 1}]
    out = bundle.out("cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g", {
        "linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": uids, "linux.gidMappings": gids,
        "process.user": {"uid": 1000, "gid": 77}})
    rows = [list(map(int, line.split())) for line in out.splitlines()]
    assert rows[:5] == [[row["containerID"], row["hostID"], row["size"]] for row in uids + gids]
    assert rows[5:] == [[1000], [77]]


def test_root_of_a_user_namespace_is_nobody_outside(bundle, oci):
    pid = bundle.start(changes=USERNS)
    text = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"^Uid:\s+100000\s+100000", text, re.M) and re.search(r"^Gid:\s+200000", text, re.M)


def test_a_user_namespace_is_joined_by_its_path(bundle, oci):
    pid = bundle.start(changes=USERNS, name=f"{oci.id}-first")
    changes = {**USERNS, "linux.namespaces[+]": {"type": "user", "path": f"/proc/{pid}/ns/user"}}
    out = bundle.out("readlink /proc/self/ns/user; id -u; readlink /proc/self/ns/pid; echo $$", changes).split()
    assert out[:2] == [os.readlink(f"/proc/{pid}/ns/user"), "0"]
    assert out[2] != os.readlink(f"/proc/{pid}/ns/pid") and out[3] == "1"


def test_a_container_in_the_namespaces_of_a_pod(bundle, oci):
    """As Kubernetes makes them: its own pid namespace, the others are the first container's."""
    pid = bundle.start(changes=USERNS, name=f"{oci.id}-first")
    shared = [{"type": kind, "path": f"/proc/{pid}/ns/{NAMESPACES.get(kind, kind)}"}
              for kind in ("user", "network", "ipc", "uts")]
    changes = {**USERNS, "linux.namespaces": [{"type": kind} for kind in ("pid", "mount", "cgroup")] + shared}
    del changes["linux.namespaces[+]"]
    second = bundle.start(changes=changes)
    for entry in shared:
        link = entry["path"].rsplit("/", 1)[1]
        assert os.readlink(f"/proc/{second}/ns/{link}") == os.readlink(f"/proc/{pid}/ns/{link}")
    assert oci("exec", oci.id, "sh", "-c", "id -u; readlink /proc/self").stdout.split()[0] == "0"
    oci("kill", oci.id, "KILL")
    wait.process_end(second)
    oci("delete", oci.id)
    assert oci.state(f"{oci.id}-first")["status"] == "running"


def test_time_offsets(bundle, oci_probe):
    shutil.copy(oci_probe, bundle.rootfs / "bin/probe")
    offsets = {"monotonic": {"secs": 1000000, "nanosecs": 5}, "boottime": {"secs": -100, "nanosecs": 7}}
    monotonic, boottime = map(int, bundle.out("probe clock", {
        "linux.namespaces[+]": {"type": "time"}, "linux.timeOffsets": offsets}).split())
    assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) + 1000001 - monotonic < 30
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - 99 - boottime < 30


# linux.devices

def test_the_default_devices(bundle):
    bundle.base["mounts"] += [DEV, DEVPTS]
    out = bundle.out("cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty; "
                     "for i in fd stdin stdout stderr ptmx; do readlink $i; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c")
    assert out.splitlines() == ["null 1:3 666", "zero 1:5 666", "full 1:7 666", "random 1:8 666", "urandom 1:9 666",
                                "tty 5:0 666", "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1",
                                "/proc/self/fd/2", "pts/ptmx", "3"]


@pytest.mark.parametrize("kind, mode, shown", [("c", 0o620, stat.S_IFCHR), ("u", 0o600, stat.S_IFCHR),
                                               ("b", 0o640, stat.S_IFBLK), ("p", 0o604, stat.S_IFIFO)])
def test_devices(bundle, kind, mode, shown):
    device = {"path": "/dev/sub/mine", "type": kind, "major": 7, "minor": 77, "fileMode": mode, "uid": 12, "gid": 34}
    out = bundle.out("stat -c '%f %t:%T %u:%g' /dev/sub/mine", {"mounts[+]": DEV, "linux.devices": [device]}).split()
    assert int(out[0], 16) == shown | mode
    assert out[1] == ("0:0" if kind == "p" else "7:4d")
    assert out[2] == "12:34"


def test_a_device_outside_dev(bundle):
    device = {"path": "/var/null", "type": "c", "major": 1, "minor": 3}
    assert bundle.out("echo x >/var/null; stat -c '%F %a' /var/null", {"linux.devices": [device]}) == \
        "character special file 666"


# linux.cgroupsPath and linux.resources

def group(path, controller):
    """The folder of a cgroup on this host, or None."""
    roots = (Path("/sys/fs/cgroup") / controller, Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
    return next((root / path for root in roots if (root / path).is_dir()), None)


def pids_group(pid):
    text = Path(f"/proc/{pid}/cgroup").read_text()
    return (re.search(r"^\d+:pids:/(.*)$", text, re.M) or re.search(r"^0::/(.*)$", text, re.M))[1]


@pytest.mark.parametrize("path", ["/{id}/a/b", "{id}/c", None])
def test_cgroups_path(bundle, oci, path):
    changes = {"linux.cgroupsPath": path.format(id=oci.id)} if path else {}
    pid = bundle.start(changes=changes)
    found = pids_group(pid)
    assert found == path.format(id=oci.id).strip("/") if path else oci.id in found
    assert str(pid) in (group(found, "pids") / "cgroup.procs").read_text().split()
    oci("delete", "--force", oci.id)
    assert group(found, "pids") is None
    if path:  # what lies above may be an engine's; for this test, it is ours to clear away
        for controller in {entry.name for entry in Path("/sys/fs/cgroup").iterdir()}:
            for folder in (f"{oci.id}/a", oci.id):
                if (Path("/sys/fs/cgroup") / controller / folder).is_dir():
                    (Path("/sys/fs/cgroup") / controller / folder).rmdir()


V1 = pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="files of cgroup version 1")


@V1
@pytest.mark.parametrize("member, value, controller, file, shown", [
    ("memory.limit", 64 << 20, "memory", "memory.limit_in_bytes", str(64 << 20)),
    ("memory.reservation", 32 << 20, "memory", "memory.soft_limit_in_bytes", str(32 << 20)),
    ("memory.swappiness", 10, "memory", "memory.swappiness", "10"),
    ("memory.disableOOMKiller", True, "memory", "memory.oom_control", "oom_kill_disable 1"),
    ("cpu.shares", 512, "cpu", "cpu.shares", "512"),
    ("cpu", {"quota": 50000, "period": 200000}, "cpu", "cpu.cfs_quota_us", "50000"),
    ("cpu", {"quota": 50000, "period": 200000}, "cpu", "cpu.cfs_period_us", "200000"),
    ("cpu.idle", 1, "cpu", "cpu.idle", "1"),
    ("cpu.cpus", "0", "cpuset", "cpuset.cpus", "0"),
    ("cpu.mems", "0", "cpuset", "cpuset.mems", "0"),
    ("pids.limit", 55, "pids", "pids.max", "55"),
    ("pids.limit", -1, "pids", "pids.max", "max"),
])
def test_resources(bundle, oci, member, value, controller, file, shown):
    if not (Path("/sys/fs/cgroup") / controller / file).exists() and file not in (
            "memory.limit_in_bytes", "pids.max", "cpu.idle", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        pytest.skip(f"this kernel has no {file}")
    pid = bundle.start(changes={f"linux.resources.{member}": value})
    found = group(pids_group(pid), controller)
    assert shown in (found / file).read_text().splitlines()


@V1
def test_memory_and_swap(bundle, oci):
    if not Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists():
        pytest.skip("this kernel does not count swap")
    pid = bundle.start(changes={"linux.resources.memory": {"limit": 64 << 20, "swap": 96 << 20}})
    found = group(pids_group(pid), "memory")
    assert (found / "memory.memsw.limit_in_bytes").read_text().strip() == str(96 << 20)


def test_a_limit_of_processes_holds(bundle):
    result = bundle.run("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo no", {"linux.resources.pids.limit": 5},
                        check=False)
    assert "fork" in result.stderr


def test_a_limit_of_memory_holds(bundle):
    assert bundle.run("exec tail /dev/zero", {"linux.resources.memory.limit": 8 << 20, "mounts[+]": DEV},
                      check=False).returncode == 137


@pytest.mark.parametrize("rules, denied", [
    ([{"allow": False, "access": "rwm"}], ["read", "write"]),
    ([{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 240, "minor": 0, "access": "r"}], ["write"]),
    ([{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 240, "access": "rw"}], []),
    ([{"allow": False, "access": "rwm"}, {"allow": True, "type": "b", "major": 240, "access": "rw"}], ["read", "write"]),
    ([{"allow": True, "access": "rwm"}], []),
    ([], ["read", "write"]),
])
def test_what_may_be_done_with_devices(bundle, rules, denied):
    """Of a number that no driver has, so that what is allowed finds no device."""
    device = {"path": "/dev/mine", "type": "c", "major": 240, "minor": 0}
    result = bundle.run("(: </dev/mine) 2>/dev/stdout; (: >/dev/mine) 2>/dev/stdout; echo x >/dev/null; "
                        "head -c 1 /dev/zero | wc -c",
                        {"linux.devices": [device], "linux.resources.devices": rules})
    read, write, count = result.stdout.splitlines()
    assert ("not permitted" in read, "not permitted" in write) == ("read" in denied, "write" in denied), result.stdout
    assert count == "1"


def test_update_changes_what_resources_said(bundle, oci):
    pid = bundle.start(changes={"linux.resources.pids.limit": 55})
    oci("update", "--pids-limit", "66", oci.id)
    assert (group(pids_group(pid), "pids") / "pids.max").read_text() == "66\n"
    oci("update", "--resources", "-", oci.id, stdin=None, input=json.dumps({"pids": {"limit": 77}}))
    assert (group(pids_group(pid), "pids") / "pids.max").read_text() == "77\n"


# linux.sysctl

def test_sysctl(bundle):
    values = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000", "kernel.shm_rmid_forced": "1",
              "net/ipv4/ping_group_range": "0 5"}
    out = bundle.out("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax kernel/shm_rmid_forced net/ipv4/ping_group_range",
                     {"linux.sysctl": values})
    assert out.split() == ["1", "9000", "1", "0", "5"]
    assert Path("/proc/sys/kernel/msgmax").read_text() != "9000\n"


# linux.seccomp

def seccomp(*rules, default="SCMP_ACT_ALLOW", **members):
    return {"linux.seccomp": {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": list(rules),
                              **members}}


@pytest.mark.parametrize("members, words", [({}, "Operation not permitted"), ({"errnoRet": 28}, "No space left on device")])
def test_seccomp_with_an_errno(bundle, members, words):
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", **members}
    result = bundle.run("mkdir /x", seccomp(rule), check=False)
    assert result.returncode == 1 and words in result.stderr
    assert status(bundle, "Seccomp", seccomp(rule)) == "2"


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"])
def test_seccomp_that_kills(bundle, action):
    result = bundle.run("exec mkdir /x", seccomp({"names": ["mkdir"], "action": action}), check=False)
    assert result.returncode == 128 + 31
    assert not (bundle.rootfs / "x").exists()


def test_seccomp_with_arguments(bundle):
    rule = {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 16,
            "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}
    result = bundle.run("trap 'echo got' USR2; kill -USR1 $$; kill -USR2 $$; true", seccomp(rule))
    assert "busy" in result.stderr and result.stdout == "got\n"


def test_seccomp_default_errno(bundle):
    result = bundle.run("mkdir /x", seccomp(
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}, default="SCMP_ACT_LOG"), check=False)
    assert "No space left" in result.stderr


# linux.maskedPaths, linux.readonlyPaths

def test_masked_paths(bundle):
    (bundle.rootfs / "secret").mkdir()
    (bundle.rootfs / "secret/file").write_text("hidden")
    (bundle.rootfs / "token").write_text("hidden")
    result = bundle.run("ls -A /secret; cat /token; cat /proc/timer_list | wc -c; touch /secret/x",
                        {"linux.maskedPaths": ["/secret", "/token", "/proc/timer_list", "/not/there"]}, check=False)
    assert result.stdout.split() == ["0"]
    assert "Read-only" in result.stderr


def test_readonly_paths(bundle):
    (bundle.rootfs / "data").mkdir()
    result = bundle.run("touch /data/x; echo 1 >/proc/sys/net/ipv4/ip_forward; touch /tmp/x && echo tmp",
                        {"linux.readonlyPaths": ["/data", "/proc/sys", "/not/there"]})
    assert result.stderr.count("Read-only file system") == 2
    assert result.stdout == "tmp\n"


# linux.memoryPolicy

@pytest.mark.skipif(not Path("/proc/self/numa_maps").exists(), reason="a kernel without NUMA")
@pytest.mark.parametrize("policy, shown", [
    ({"mode": "MPOL_BIND", "nodes": "0"}, "2 1"), ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "3 1"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "1 1"), ({"mode": "MPOL_DEFAULT"}, "0 0"), ({"mode": "MPOL_LOCAL"}, "4 0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "32770 1")])
def test_memory_policy(bundle, oci_probe, policy, shown):
    shutil.copy(oci_probe, bundle.rootfs / "bin/probe")
    assert bundle.out("exec probe policy", {"linux.memoryPolicy": policy}) == shown


# bad input

def path_of(message):
    """What a message says of where: the path of a member is how it begins, behind the file's."""
    return re.sub(r"\]: (?=\w+:)", "].", re.sub(r"^/\S*config\.json: ", "", message))


REQUIRED = [
    "ociVersion", "root", "root.path", "process", "process.args", "process.cwd", "linux.namespaces",
    "mounts[0].destination", "mounts[0].type", "linux.namespaces[0].type",
]
REQUIRED_IN = {
    "process.rlimits": {"type": "RLIMIT_CORE", "soft": 1, "hard": 2},
    "hooks.prestart": {"path": "/bin/true"},
    "linux.devices": {"path": "/dev/x", "type": "c", "major": 1, "minor": 3},
    "linux.uidMappings": {"containerID": 0, "hostID": 1, "size": 1},
    "linux.resources.hugepageLimits": {"pageSize": "2MB", "limit": 1},
    "linux.resources.network.priorities": {"name": "lo", "priority": 1},
    "linux.resources.blockIO.weightDevice": {"major": 1, "minor": 1},
    "linux.resources.blockIO.throttleReadBpsDevice": {"major": 1, "minor": 1, "rate": 1},
}
REQUIRED_OF = [
    ("process.rlimits", "type"), ("process.rlimits", "soft"), ("process.rlimits", "hard"), ("hooks.prestart", "path"),
    ("linux.devices", "path"), ("linux.devices", "type"), ("linux.uidMappings", "containerID"),
    ("linux.uidMappings", "hostID"), ("linux.uidMappings", "size"), ("linux.resources.hugepageLimits", "pageSize"),
    ("linux.resources.hugepageLimits", "limit"), ("linux.resources.network.priorities", "name"),
    ("linux.resources.network.priorities", "priority"), ("linux.resources.blockIO.weightDevice", "major"),
    ("linux.resources.blockIO.throttleReadBpsDevice", "rate"),
]


@pytest.mark.parametrize("path", REQUIRED)
def test_a_required_member_that_is_missing(bundle, path):
    assert path in path_of(bundle.refused({path: ...}))


@pytest.mark.parametrize("path, member", REQUIRED_OF)
def test_a_required_member_of_a_list_that_is_missing(bundle, path, member):
    element = dict(REQUIRED_IN[path])
    del element[member]
    message = bundle.refused({path: [element]})
    assert f"{path}[0].{member}" in message


WRONG_TYPES = {
    "ociVersion": 1, "process": "sh", "process.args": "sh", "process.args[0]": 7, "process.env": {"A": "1"}, "process.cwd": ["/"],
    "process.terminal": "yes", "process.user": "root", "process.user.uid": "1a", "process.user.gid": True,
    "process.user.additionalGids": 5, "process.user.umask": "022", "process.capabilities": ["CAP_KILL"],
    "process.capabilities.bounding": "CAP_KILL", "process.rlimits": {}, "process.noNewPrivileges": 1, "process.oomScoreAdj": "5",
    "process.scheduler": "SCHED_OTHER", "process.ioPriority": 3, "process.consoleSize": 80, "root": "rootfs",
    "root.readonly": "true", "hostname": 5, "mounts": {}, "mounts[0]": "proc", "mounts[0].options": "ro", "hooks": [],
    "hooks.poststop": {}, "annotations": ["a"], "annotations.a": 5, "linux": [], "linux.namespaces": "pid",
    "linux.devices": {}, "linux.cgroupsPath": 5, "linux.resources": "all", "linux.resources.memory.limit": "1g",
    "linux.resources.cpu.shares": 1.5, "linux.resources.pids.limit": [], "linux.sysctl": ["a=b"], "linux.seccomp": True,
    "linux.maskedPaths": "/proc", "linux.readonlyPaths": [5], "linux.rootfsPropagation": 1, "linux.personality": "LINUX",
    "linux.timeOffsets": 5, "linux.memoryPolicy": "bind",
}


@pytest.mark.parametrize("path", WRONG_TYPES)
def test_a_member_of_the_wrong_type(bundle, path):
    assert path.split("[")[0] in bundle.refused({path: WRONG_TYPES[path]})


OUT_OF_RANGE = [
    ("ociVersion", "2.0.0"), ("process.cwd", "tmp"), ("process.cwd", ""), ("process.args", []), ("process.env", ["NOVALUE"]),
    ("process.env", ["=x"]), ("process.user.uid", -1), ("process.user.uid", 2**32 - 1), ("process.user.uid", 2**32),
    ("process.user.gid", 2**64), ("process.user.additionalGids", [2**32 - 1]), ("process.user.umask", 0o1000),
    ("process.oomScoreAdj", 1001), ("process.oomScoreAdj", -1001), ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2), ("process.scheduler.policy", "SCHED_X"),
    ("process.scheduler", {"policy": "SCHED_OTHER", "nice": 20}), ("process.scheduler", {"policy": "SCHED_FIFO", "priority": 100}),
    ("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]}), ("process.ioPriority.class", "IOPRIO_CLASS_X"),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}), ("process.execCPUAffinity.initial", "0-"),
    ("process.execCPUAffinity.final", "99999"), ("process.consoleSize", {"height": 65536, "width": 1}), ("root.path", ""),
    ("root.path", "/nowhere/at/all"), ("root.path", "config.json"), ("hostname", "x" * 65), ("domainname", "x" * 65),
    ("mounts[0].destination", ""), ("mounts[+]", {"destination": "/x", "options": ["bind"]}),
    ("mounts[+]", {"destination": "/x", "type": "bind"}), ("mounts[+]", {"destination": "/x"}), ("mounts[+]", {
        "destination": "/x", "type": "proc", "source": "proc", "options": ["tmpcopyup"]}),
    ("mounts[+]", {"destination": "/x", "type": "bind", "source": "/", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}),
    ("mounts[+]", {"destination": "/x", "type": "bind", "source": "/", **{
        kind: [{"containerID": 2**32 - 2, "hostID": 1, "size": 9}] for kind in ("uidMappings", "gidMappings")}}),
    ("hooks.prestart", [{"path": "bin/true"}]), ("hooks.poststop", [{"path": "/bin/true", "timeout": 0}]),
    ("hooks.poststop", [{"path": "/bin/true", "env": ["A"]}]), ("linux.namespaces[0].type", "planet"),
    ("linux.namespaces[+]", {"type": "pid"}), ("linux.namespaces[0].path", "ns/pid"), ("linux.devices", [{"path": "dev/x", "type": "p"}]),
    ("linux.devices", [{"path": "/dev/x", "type": "s"}]), ("linux.devices", [{"path": "/dev/x", "type": "c", "major": -1, "minor": 0}]),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2**40}]),
    ("linux.devices", [{"path": "/dev/x", "type": "p", "fileMode": 2**20}]), ("linux.devices", [{"path": "/dev/x", "type": "p", "uid": -1}]),
    ("linux.cgroupsPath", "../up"), ("linux.cgroupsPath", "/a/../../b"), ("linux.cgroupsPath", "/"),
    ("linux.resources.memory.swappiness", 101), ("linux.resources.memory.limit", -2), ("linux.resources.cpu.cpus", "0-x"),
    ("linux.resources.cpu.idle", 2), ("linux.resources.blockIO.weight", 100000), ("linux.resources.unified", {"../x": "1"}),
    ("linux.resources.devices", [{"allow": True, "type": "z"}]), ("linux.resources.devices", [{"allow": True, "access": "q"}]),
    ("linux.sysctl", {"kernel.core_pattern": "|/x"}), ("linux.sysctl", {"kernel.hostname": "x"}), ("linux.sysctl", {"net..x": "x"}),
    ("linux.sysctl", {"net/../kernel/core_pattern": "x"}), ("linux.rootfsPropagation", "sideways"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_X"}), ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X"]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5000}]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [
        {"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [
        {"index": 1, "value": 1, "op": "SCMP_CMP_X"}]}]}),
    ("linux.personality.domain", "PLAN9"), ("linux.memoryPolicy.mode", "MPOL_X"),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "x"}), ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]}),
]


@pytest.mark.parametrize("path, value", OUT_OF_RANGE, ids=lambda value: str(value)[:40])
def test_a_member_with_a_value_that_cannot_be(bundle, path, value):
    message = path_of(bundle.refused({path: value}))
    assert path.split("[")[0].rsplit(".", 1)[0] in message or path.split("[")[0] in message
    assert re.match(r"[a-z]+[a-zA-Z0-9.\[\]\"/_]*(:| must| is| has|\b)", message)


CONTRADICTIONS = [
    ({"linux.namespaces[+]": {"type": "user"}}, "linux.uidMappings"),
    ({"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}, "linux.gidMappings"),
    ({"linux.uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}, "linux.uidMappings"),
    ({"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": [{"containerID": 1, "hostID": 1, "size": 1}],
      "linux.gidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}, "linux.uidMappings"),
    ({"linux.namespaces": [{"type": "mount"}], "hostname": "x"}, "hostname"),
    ({"linux.namespaces": [{"type": "mount"}], "domainname": "x"}, "domainname"),
    ({"linux.namespaces": [{"type": "pid"}]}, "linux.namespaces"),
    ({"linux.namespaces": [{"type": "mount"}], "linux.sysctl": {"net.ipv4.ip_forward": "1"}}, "linux.sysctl"),
    ({"linux.namespaces": [{"type": "mount"}], "linux.sysctl": {"kernel.msgmax": "1"}}, "linux.sysctl"),
    ({"linux.timeOffsets": {"monotonic": {"secs": 5}}}, "linux.timeOffsets"),
    ({"process.terminal": True}, "process.terminal"),
    ({"linux.namespaces[0].path": "/proc/self/ns/net"}, "linux.namespaces"),
    ({"linux.namespaces[0].path": "/nowhere"}, "linux.namespaces"),
    ({"linux.namespaces[0].path": "/etc/passwd"}, "linux.namespaces"),
]


@pytest.mark.parametrize("changes, path", CONTRADICTIONS, ids=lambda value: str(value)[:60])
def test_members_that_contradict_each_other(bundle, changes, path):
    assert path in bundle.refused(changes)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"ociVersion": "1.3.0"} x', '{"a": 1, "a": "\ud800"}', "\x00", '"x"'])
def test_what_is_no_configuration(bundle, oci, text):
    bundle.write()
    (bundle.folder / "config.json").write_text(text, errors="surrogatepass")
    assert "config.json" in oci.fails("create", "--bundle", bundle.folder, oci.id)
    assert not oci.leftovers()


def test_a_program_that_is_not_there_is_told_at_once(bundle, oci):
    assert "nope" in bundle.refused({"process.args": ["nope"]})
    (bundle.rootfs / "etc/file").write_text("x")
    assert "/etc/file" in bundle.refused({"process.args": ["/etc/file"]})


def test_unknown_members_are_ignored(bundle):
    """config.md, "Extensibility": what comes after us must not stop us."""
    assert bundle.out("echo done", {"future": {"a": 1}, "process.future": 1, "linux.future": []}) == "done"


def test_without_a_cgroup_it_stays_where_its_caller_is(bundle, oci):
    ours = Path("/proc/self/cgroup").read_text()
    manager = ["--root", oci.root, "--cgroup-manager=disabled"]
    shared = [each for each in bundle.base["linux"]["namespaces"] if each["type"] != "cgroup"]
    bundle.write({"linux.resources": {}, "linux.namespaces": shared}, "cat /proc/self/cgroup")
    assert oci("run", "--bundle", bundle.folder, oci.id, options=manager).stdout == ours
    bundle.write({"linux.resources": {"memory": {"limit": 1 << 26}}}, "true")
    assert "linux.resources.memory.limit" in oci.fails("run", "--bundle", bundle.folder, oci.id, options=manager)
