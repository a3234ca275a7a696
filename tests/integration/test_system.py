# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole systems in containers, containers in containers, and what programs inside take for their limits."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support import wait

pytestmark = pytest.mark.root

CGROUPS = Path("/sys/fs/cgroup")
PROMPT = r"^\S+ login: "


def sh(brig, name, script, **more):
    return brig("exec", name, "sh", "-c", script, **more).out


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def confinement(brig, name):
    return brig.json("inspect", "--confinement", name)[0]["confinement"]


def boot(brig, image, *options):
    """A system named "a" that has come up."""
    brig("run", "-d", "--name", "a", *options, image)
    wait_login(brig, "a")
    return "a"


def wait_login(brig, name, times=1):
    with brig.popen("logs", "-f", name) as log:
        log.expect("(login:(.|\n)*){%d}" % times, timeout=120)


@pytest.fixture
def system(brig, debian_image):
    return boot(brig, debian_image)


# --- its boot and its end

@pytest.fixture(params=["debian", "next"])
def any_debian(request):
    return request.getfixturevalue(f"{request.param}_image")


def test_systemd_boots_and_shuts_down(brig, any_debian):
    system = boot(brig, any_debian)
    state = brig("exec", system, "systemctl", "is-system-running", "--wait", check=False).out.strip()
    failed = brig("exec", system, "systemctl", "--failed", "--no-legend", "--plain").out
    assert state == "running", failed
    assert brig("exec", system, "systemd-detect-virt", check=False).out.strip() == "container-other"
    brig("stop", "-t", "60", system)
    view = brig.json("inspect", system)[0]
    assert (view["state"], view["exit_code"]) == ("stopped", 0)
    # and once more on the same files
    brig("start", system)
    wait_login(brig, system, times=2)


@pytest.fixture
def without_version_2(brig, tmp_path):
    """brig on a host that has version 2 nowhere mounted."""
    unified, program = CGROUPS / "unified", brig.program
    if not unified.is_dir():
        pytest.skip("needs a hybrid host")
    wrapper = tmp_path / "brig"
    hidden = f"mount --make-rprivate / && umount {unified} && exec {program}"
    wrapper.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{hidden} \"$@\"' brig \"$@\"\n")
    wrapper.chmod(0o755)
    brig.program = str(wrapper)
    yield
    brig("rm", "-f", "a", check=False)
    brig.program = program


def test_systemd_boots_where_version_2_is_not_mounted(brig, any_debian, without_version_2):
    checks = {check["id"]: check for check in brig.json("doctor", "--json", check=False)["checks"]}
    assert "legacy" in checks["cgroups"]["detail"]
    system = boot(brig, any_debian)
    assert brig("exec", system, "systemctl", "is-system-running", "--wait", check=False).out.strip() == "running"
    assert sh(brig, system, "stat -f -c %T /sys/fs/cgroup").strip() == "cgroup2fs"
    group = CGROUPS / "unified" / brig.json("inspect", system)[0]["run"]["cgroup"]
    assert group.is_dir()
    brig("stop", "-t", "60", system)
    assert not group.exists()
    assert brig.json("inspect", system)[0]["exit_code"] == 0


def test_a_system_is_unprivileged(brig, system):
    held = confinement(brig, system)
    assert held["uid"] > 0 and held["uid_map"][0]["outside"] == held["uid"]
    assert held["namespaces"]["time"] == "host"
    assert {whose for name, whose in held["namespaces"].items() if name != "time"} == {"own"}
    assert held["seccomp"] == "filter" and held["devices"] != "all"
    assert not {"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYSLOG"} & set(
        held["capabilities_bounding"])
    assert "/proc/keys" in held["covered_paths"] and not held["nesting"]


def test_users_change_inside_a_system(brig, system):
    assert brig("exec", system, "su", "-s", "/bin/sh", "nobody", "-c", "id -un").out == "nobody\n"


@pytest.mark.parametrize("command", ["poweroff", "halt", "shutdown now"])
def test_a_system_that_goes_off_stays_off(brig, system, command):
    brig("exec", system, *command.split(), check=False)
    assert brig("wait", system).out.strip() == "0"
    view = brig.json("inspect", system)[0]
    assert (view["state"], view["exit_code"], view["restarts"]) == ("stopped", 0, 0)


def test_a_system_that_reboots_comes_back(brig, system):
    """Whatever its restart policy, which is "no" here."""
    first = brig.json("inspect", system)[0]["run"]["pid"]
    brig("exec", system, "sh", "-c", "touch /root/kept; reboot", check=False)
    wait_login(brig, system, times=2)
    view = brig.json("inspect", system)[0]
    assert view["state"] == "running" and view["run"]["pid"] != first and view["restarts"] == 0
    sh(brig, system, "test -e /root/kept")
    # and goes off all the same
    brig("stop", "-t", "60", system)
    assert brig.json("inspect", system)[0]["state"] == "stopped"


@pytest.mark.vm
def test_a_system_in_a_vm_that_reboots_comes_back(brig, debian_image, debian_kernel):
    brig("run", "-d", "--name", "a", "--vm", "--nesting", debian_image, timeout=240)
    with brig.popen("logs", "-f", "a") as log:
        log.expect("login:", timeout=240)
        brig("exec", "a", "systemctl", "reboot", check=False)
        log.expect("login:", timeout=240)
    view = brig.json("inspect", "a")[0]
    assert (view["state"], view["restarts"], view["nesting"]) == ("running", 0, True)


def test_one_that_is_to_be_removed_at_its_end_outlives_a_reboot(brig, debian_image):
    boot(brig, debian_image, "--rm")
    brig("exec", "a", "reboot", check=False)
    wait_login(brig, "a", times=2)
    brig("exec", "a", "poweroff", check=False)
    wait.file_state(brig.root / "instances", lambda: not (brig.root / "instances/a").exists(), timeout=60)


def test_an_application_that_reboots_has_ended(brig, busybox_image):
    """It has no business to; what ends so has ended by a signal."""
    brig("run", "-d", "--name", "a", "--cap-add", "SYS_BOOT", busybox_image, "reboot", "-f")
    assert brig("wait", "a").out.strip() == str(128 + signal.SIGHUP)


# --- its console

def test_the_console_asks_who_one_is(brig, any_debian):
    """No autologin: a name and a password are wanted, and a wrong one does not get in."""
    boot(brig, any_debian)
    sh(brig, "a", "echo root:sesame | chpasswd")
    with brig.popen("console", "a", tty=True) as console:
        console.send("\n")
        console.expect(PROMPT)
        console.send("root\n")
        console.expect("Password: ")
        console.send("wrong\n")
        console.expect("Login incorrect", timeout=60)
        console.expect(PROMPT, timeout=60)
        console.send("root\n")
        console.expect("Password: ")
        console.send("sesame\n")
        console.expect("root@a:~# ", timeout=60)
        console.send("tty; echo $((6*7))\n")
        console.expect("/dev/console\r\n42")
        console.send("\x01q")
        assert console.finish().code == 0
    assert brig.json("inspect", "a")[0]["state"] == "running"
    # whoever comes next meets the session that was left
    with brig.popen("console", "a", tty=True) as console:
        console.send("exit\n")
        console.expect(PROMPT, timeout=60)


def test_two_may_sit_at_one_console(brig, system):
    with brig.popen("console", system, tty=True) as one, brig.popen("console", system, tty=True) as two:
        two.send("\n")
        two.expect(PROMPT)  # so it sits there by now
        one.send("\n")
        two.expect(PROMPT)
        one.send("\x01q")
        assert one.finish().code == 0
        two.send("\n")
        two.expect(PROMPT)


def test_a_console_outlives_a_reboot(brig, system):
    with brig.popen("console", system, tty=True) as console:
        console.send("\n")
        console.expect(PROMPT)
        brig("exec", system, "reboot", check=False)
        console.expect("Welcome to", timeout=120)
        console.expect(PROMPT, timeout=120)
        brig("exec", system, "poweroff", check=False)
        assert console.finish(timeout=120).code == 0


# --- its control groups

def test_a_system_has_its_own_part_of_the_cgroups(brig, any_debian):
    system = boot(brig, any_debian)
    brig("exec", system, "systemd-run", "--unit=probe", "sleep", "1000")
    pid = brig("exec", system, "systemctl", "show", "-p", "MainPID", "--value", "probe").out.strip()
    assert "probe.service" in brig("exec", system, "cat", f"/proc/{pid}/cgroup").out
    assert sh(brig, system, "stat -f -c %T /sys/fs/cgroup") in ("cgroup2fs\n", "cgroupfs\n")


@pytest.mark.parametrize("file", ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze", "memory.max",
                                  "cpu.max", "pids.max", "../cgroup.procs", "../brig/x", "notify_on_release"])
def test_what_limits_a_system_is_not_its_to_change(brig, system, file):
    assert brig("exec", system, "sh", "-c", f"echo max > /sys/fs/cgroup/{file}", check=False).code
    outside = "find /sys/fs/cgroup -maxdepth 1 -name '*.slice' -prune -o -name init.scope"
    assert "/brig" not in sh(brig, system, outside)


def test_file_capabilities_work_in_a_system(brig, system):
    """Set on the host's side of the id map, stored with the container's root as their owner."""
    script = ("cp /bin/cat /usr/local/bin/bindcat; apt-get --version >/dev/null;"
              "python3 --version >/dev/null 2>&1; true")
    brig("exec", system, "sh", "-c", script)
    upper = brig.root / "instances/a/upper/usr/local/bin/bindcat"
    subprocess.run(["setcap", "cap_net_bind_service=ep", upper], check=True)
    brig("stop", "-t", "60", system)
    brig("start", system)
    with brig.popen("logs", "-f", system) as log:
        log.expect("login:(.|\n)*login:", timeout=120)
    out = brig("exec", "-u", "nobody", system, "/usr/local/bin/bindcat", "/proc/self/status").out
    assert int(status(out)["CapEff"], 16) == 1 << 10


# --- containers inside

@pytest.fixture
def nest(brig, nesting_image):
    """A container that may run others; a small root file system is at /tree."""
    brig("run", "-d", "--name", "nest", "--nesting", nesting_image, "sleep", "infinity")
    sh(brig, "nest", "mkdir -p /tree/bin /tree/etc && cp /bin/busybox /tree/bin/ && "
                     "for i in sh id cat echo sleep mount touch ip; do ln -s busybox /tree/bin/$i; done && "
                     "echo root:x:0:0::/:/bin/sh > /tree/etc/passwd")
    return "nest"


def podman(brig, name, *args, **more):
    # the engine warns of controllers that a hybrid host's version 2 has not
    return brig("exec", name, "podman", "--log-level=error", *args, timeout=120, **more)


def test_nesting_is_asked_for_and_told_of(brig, busybox_image):
    brig("run", "-d", "--name", "a", "--nesting", busybox_image, "sleep", "1000")
    brig("run", "-d", "--name", "b", busybox_image, "sleep", "1000")
    assert brig.json("inspect", "a")[0]["nesting"] and not brig.json("inspect", "b")[0]["nesting"]
    nested, plain = confinement(brig, "a"), confinement(brig, "b")
    assert nested["nesting"] and not plain["nesting"]
    assert nested["uid"] > 0 and nested["seccomp"] == "filter" and not nested["no_new_privs"]
    assert set(plain["capabilities_bounding"]) < set(nested["capabilities_bounding"])
    assert nested["devices"] != "all" and "/proc/keys" in nested["covered_paths"]
    # more ids, which are nobody's on the host
    assert sum(line["count"] for line in nested["uid_map"]) > 2 * 65536
    assert all(line["outside"] >= 65536 for line in nested["uid_map"])


@pytest.mark.parametrize("script, works", [
    ("unshare -Urmpf --mount-proc true", True),
    ("unshare -Urm mount -t sysfs none /sys", False),  # its network is not that namespace's own
    ("unshare -Urmn mount -t sysfs none /sys", True),
    ("head -c 0 /dev/fuse && head -c 0 /dev/net/tun", True),
    ("mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine", True),
])
def test_what_a_runtime_needs_works_only_with_nesting(brig, nesting_image, script, works):
    for option in (["--nesting"], []):
        result = brig("run", "--rm", *option, nesting_image, "sh", "-c", script, check=False)
        assert (result.code == 0) == (works and bool(option)), result.err


@pytest.mark.parametrize("script", [
    "mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda", "echo b > /proc/sysrq-trigger", "cat /proc/kcore | head -c 1 | grep -q .",
    "echo b > /dev/.brig/proc/sysrq-trigger", "head -c 1 /dev/.brig/proc/kcore | grep -q .",
    "echo 1 > /proc/sys/kernel/panic", "echo 1 > /dev/.brig/sys/kernel/mm/ksm/run", "modprobe dummy",
    "su -s /bin/sh nobody -c 'ls /dev/.brig'", "echo max > /sys/fs/cgroup/cgroup.max.depth",
])
def test_nesting_gives_nothing_of_the_host_s(brig, nesting_image, script):
    result = brig("run", "--rm", "--nesting", nesting_image, "sh", "-c", script, check=False)
    assert result.code not in (0, 125)


def test_podman_runs_containers_inside(brig, nest):
    brig("exec", nest, "sh", "-c", "tar -C /tree -c . | podman import - small")
    assert "overlay" in podman(brig, nest, "info", "--format", "{{.Store.GraphDriverName}}").out
    assert podman(brig, nest, "run", "--rm", "--network=none", "small", "sh", "-c", "id -u; cat /proc/1/comm; true").out == \
        "0\nsh\n"
    # with a bridge, an address, and limits of a user namespace in it
    assert "10.88.0." in podman(brig, nest, "run", "--rm", "small", "ip", "addr").out
    mapped = podman(brig, nest, "run", "--rm", "--network=none", "--uidmap=0:100000:65536", "small", "cat",
                    "/proc/self/uid_map").out
    assert mapped.split() == ["0", "100000", "65536"]
    # what it keeps is still there after a restart
    podman(brig, nest, "run", "-d", "--name=kept", "--network=none", "small", "sh", "-c", "echo x > /x; sleep 1000")
    brig("stop", "-t", "1", nest)
    brig("start", nest)
    assert "kept" in podman(brig, nest, "ps", "-a", "--format", "{{.Names}}").out
    # and goes with the instance
    storage = brig.root / "instances/nest/nested/containers"
    assert any(storage.iterdir())
    brig("rm", "-f", nest)
    assert not storage.exists()


def test_brig_s_runtime_runs_containers_inside(brig, nest):
    brig("cp", Path(brig.program).with_name("brig-oci").resolve(), f"{nest}:/usr/local/bin/brig-oci")
    brig("exec", nest, "sh", "-c", "tar -C /tree -c . | podman import - small")
    assert podman(brig, nest, "--runtime=/usr/local/bin/brig-oci", "run", "--rm", "--network=none", "small", "sh", "-c",
                  "id -u; cat /proc/1/comm; true").out == "0\nsh\n"


def test_brig_runs_containers_inside(brig, nest):
    brig("cp", brig.program, f"{nest}:/usr/local/bin/brig")
    brig("exec", nest, "brig", "image", "import", "--name", "small", "/tree")
    ran = brig("exec", nest, "brig", "run", "--network=none", "--rm", "small", "sh", "-c",
               "id -u; cat /proc/self/uid_map; exit 7", check=False)
    # its root is the container's, whose other ids are of those that --nesting gives
    assert (ran.code, ran.out.split()) == (7, "0 0 0 1 1 65536 65535".split()), ran.err
    brig("exec", nest, "brig", "run", "--network=none", "-d", "--name", "inner", "small", "sh", "-c",
         "echo kept > /x; sleep 1000")
    assert brig("exec", nest, "brig", "exec", "inner", "cat", "/x").out == "kept\n"
    brig("exec", nest, "brig", "stop", "-t", "1", "inner")
    brig("exec", nest, "brig", "start", "inner")
    assert "running" in brig("exec", nest, "brig", "ps").out
    brig("exec", nest, "brig", "rm", "-f", "inner")
    assert "inner" not in brig("exec", nest, "brig", "ps", "-a").out


def test_podman_runs_in_a_whole_system(brig, nesting_image):
    system = boot(brig, nesting_image, "--nesting")
    state = brig("exec", system, "systemctl", "is-system-running", "--wait", check=False).out.strip()
    assert state == "running", brig("exec", system, "systemctl", "--failed", "--no-legend", "--plain").out
    script = "mkdir -p /tree/bin && cp /bin/busybox /tree/bin/ && tar -C /tree -c . | podman import - small"
    sh(brig, system, script)
    # version 2 of a hybrid host has no controllers, and podman sets a limit unless it is told not to
    none = [] if "pids" in sh(brig, system, "cat /sys/fs/cgroup/cgroup.controllers") else ["--pids-limit=-1"]
    run = ["run", "--rm", "--network=none", *none, "small", "/bin/busybox", "cat", "/proc/self/cgroup"]
    assert "0::/" in podman(brig, system, *run).out


# --- figures

needs_lxcfs = pytest.mark.skipif(not shutil.which("lxcfs"), reason="needs lxcfs")


@pytest.fixture
def lxcfs(brig, tmp_path):
    """lxcfs as its service runs it, mounted for brig alone; call it to end lxcfs and leave the mount."""
    place, program, pidfile = Path("/var/lib/lxcfs"), brig.program, tmp_path / "lxcfs.pid"
    place.mkdir(exist_ok=True)
    script = (f"mount --make-rprivate /; lxcfs -f --enable-cfs -p {pidfile} {place} >/dev/null & "
              f"until mountpoint -q {place}; do :; done; echo $!; exec cat")
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    pid = int(holder.stdout.readline())
    wrapper = tmp_path / "brig"
    wrapper.write_text(f'#!/bin/sh\nexec nsenter --mount=/proc/{holder.pid}/ns/mnt {program} "$@"\n')
    wrapper.chmod(0o755)
    brig.program = str(wrapper)

    def end():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait.process_end(pid)

    yield end
    for name in brig("ps", "-a", "-q").out.split():
        brig("rm", "-f", name)
    brig.program = program
    end()
    holder.communicate()


def memory_total(text):
    """What free -m has for it, or /proc/meminfo."""
    line = next(line for line in text.splitlines() if line.startswith("Mem"))
    return int(line.split()[1])


@needs_lxcfs
def test_figures_are_the_container_s_own(brig, debian_image, lxcfs):
    brig("run", "-d", "--name", "a", "-m", "256m", "--cpus", "1", debian_image, "sleep", "1000")
    assert memory_total(sh(brig, "a", "free -m")) == 256
    assert float(sh(brig, "a", "cut -d' ' -f1 /proc/uptime")) < 600
    if not (CGROUPS / "cgroup.controllers").exists():  # of version 2, lxcfs 5 reads no CPU quota
        assert sh(brig, "a", "grep -c ^processor /proc/cpuinfo; getconf _NPROCESSORS_ONLN") == "1\n1\n"
    brig("run", "-d", "--name", "b", debian_image, "sleep", "1000")
    assert memory_total(sh(brig, "b", "cat /proc/meminfo")) == memory_total(Path("/proc/meminfo").read_text())


@needs_lxcfs
def test_figures_of_a_whole_system_are_its_own(brig, debian_image, lxcfs):
    boot(brig, debian_image, "-m", "300m")
    assert memory_total(sh(brig, "a", "free -m")) == 300
    assert brig("exec", "a", "systemctl", "is-system-running", "--wait", check=False).out.strip() == "running"


@needs_lxcfs
def test_figures_and_nesting_go_together(brig, nesting_image, lxcfs):
    """What covers parts of /proc would keep the kernel from giving another one."""
    out = brig("run", "--rm", "--nesting", "-m", "256m", nesting_image, "sh", "-c",
               "free -m; unshare -Urmpf --mount-proc true && echo mounted").out
    assert memory_total(out) == 256 and out.endswith("mounted\n")


@needs_lxcfs
def test_without_lxcfs_figures_are_the_host_s(brig, busybox_image, lxcfs):
    doctor = {check["id"]: check for check in brig.json("doctor", "--json", check=False)["checks"]}
    assert doctor["lxcfs"]["status"] == "ok"
    brig("run", "-d", "--name", "a", "-m", "256m", busybox_image, "sleep", "1000")
    lxcfs()
    # those who had it have nothing until they start again
    assert brig("exec", "a", "cat", "/proc/meminfo", check=False).code
    brig("stop", "-t", "0", "a")
    brig("start", "a")
    assert memory_total(sh(brig, "a", "cat /proc/meminfo")) == memory_total(Path("/proc/meminfo").read_text())
    doctor = {check["id"]: check for check in brig.json("doctor", "--json", check=False)["checks"]}
    assert doctor["lxcfs"]["status"] == "warn" and "ended" in doctor["lxcfs"]["detail"]
