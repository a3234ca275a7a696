# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent in a real machine, without the rest of brig: see agent_harness.py."""

import hashlib
import os
import signal
import struct
import subprocess
import time

import agent_harness as harness
import pytest
from agent_harness import Failure, Machine

pytestmark = [pytest.mark.vm, pytest.mark.root]

# Ends with 3 on SIGTERM, reaps what it is given, prints what it reads.
WORKLOAD = "echo ready; trap 'exit 3' TERM; while read line; do echo got $line; done; " \
           "while :; do sleep 1000 & wait; done"

# A card, and what is told of it. The busybox image has none of these files.
NETWORK = {"nics": ["name=lan0,mac=02:62:00:00:00:07,mtu=1400,ip=10.9.0.5/24,via=10.9.0.1,"
                    "ip6=fd00:9::5/64,via6=fe80::1"],
           "hosts": "127.0.0.1 localhost\n10.9.0.5 guest\n", "resolv_conf": "nameserver 10.9.0.1\n"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guest")


@pytest.fixture(scope="module")
def layer(folder, busybox_tree):
    harness.make_layer(folder / "busybox", busybox_tree)
    return folder / "busybox"


def start(machine, command=WORKLOAD, stdin=None, **config):
    """Configures the machine and starts its workload."""
    machine.configure(**config)
    return machine.agent.exec(command, channel=0, stdin=stdin).wait_started()


@pytest.fixture(scope="module")
def machine(folder, layer):
    """A machine that the tests share; none of them ends it."""
    wire = harness.Wire(folder, "10.9.0.1", "02:62:00:00:00:07")
    with Machine(folder, [layer], extra=wire.options) as machine:
        machine.workload = start(machine, **NETWORK).wait_for(b"ready")
        yield machine


@pytest.fixture
def agent(machine):
    return machine.agent


def is_clean(disk):
    """The file system was unmounted, and nothing is wrong with it."""
    shown = subprocess.run(["dumpe2fs", "-h", disk], capture_output=True, text=True, check=True).stdout
    state = next(line for line in shown.splitlines() if line.startswith("Filesystem state"))
    return state.split()[-1] == "clean" and "needs_recovery" not in shown and subprocess.run(
        ["e2fsck", "-f", "-n", disk], capture_output=True).returncode == 0


# What an application sees


def test_the_workload_is_alone_in_its_namespaces(machine, agent):
    assert machine.version == 4
    assert agent.output("uname -r").strip() == machine.release
    assert agent.output("hostname").strip() == "guest"
    assert machine.workload.pid == 1
    commands = agent.output("ps -o args").splitlines()
    assert commands[1].startswith("/bin/sh -c echo ready")
    assert not any("brig" in command or command == "/init" for command in commands)
    assert agent.output("cat /proc/self/cgroup").strip() == "0::/"
    assert agent.output("cat /proc/1/cgroup").strip() == "0::/"


def test_the_workload_has_the_mounts_and_devices_of_a_container(agent):
    mounts = {line.split()[2]: line.split()[4] for line in agent.output("mount").splitlines()}
    assert mounts == {"/": "overlay", "/proc": "proc", "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2",
                      "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue",
                      "/etc/hostname": "tmpfs", "/etc/hosts": "tmpfs", "/etc/resolv.conf": "tmpfs"}
    names = set(agent.output("ls /dev").split())
    assert names == {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                     "stdin", "stdout", "tty", "urandom", "zero"}
    assert agent.output("echo lost > /dev/null; head -c 3 /dev/zero | wc -c").strip() == "3"
    assert "127.0.0.1/8" in agent.output("ip addr show lo")


def test_nothing_of_ours_is_in_its_root(agent):
    expected = {"bin", "dev", "etc", "home", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"}
    assert set(agent.output("ls -A /").split()) == expected
    assert agent.output("find / -xdev -newer /proc/1/stat 2>/dev/null | grep -v ^/dev || true") == ""


def test_the_workload_finds_its_network_set_up(agent):
    assert {"10.9.0.5/24", "fd00:9::5/64"} <= set(agent.output("ip addr show lan0").split())
    assert "mtu 1400" in agent.output("ip link show lan0")
    assert "default via 10.9.0.1 dev lan0" in agent.output("ip route")
    assert "default via fe80::1 dev lan0" in agent.output("ip -6 route")
    assert "1 packets received" in agent.output("ping -c 1 -W 20 -s 1300 10.9.0.1")
    ports = agent.exec("timeout 1 nc -l -p 80; echo $?", user="app").wait()
    assert (bytes(ports.out), bytes(ports.err)) == (b"143\n", b"Terminated\n")


def test_names_of_the_network_are_in_files_that_the_workload_may_write(agent):
    assert agent.output("cat /etc/hostname /etc/hosts /etc/resolv.conf") == \
        "guest\n" + NETWORK["hosts"] + NETWORK["resolv_conf"]
    assert agent.output("echo 10.9.0.6 db >> /etc/hosts; tail -n 1 /etc/hosts; ls -l /etc/hosts | cut -c 1-10") == \
        "10.9.0.6 db\n-rw-r--r--\n"


# Running things


@pytest.mark.parametrize("command, status", [("true", 0), ("exit 42", 42), ("exit 255", 255),
                                             ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_exit_status_is_the_programs(agent, command, status):
    assert agent.exec(command).wait().exit == status


@pytest.mark.parametrize("argv, status, says", [
    (["/no/such"], 127, "no such file or directory"), (["nosuch"], 127, r"executable file not found in \$PATH"),
    ([""], 127, ""), (["/etc/passwd"], 126, "permission denied"), (["/etc"], 126, "directory")])
def test_what_cannot_run_says_why(agent, argv, status, says):
    session = agent.exec(argv)
    with pytest.raises(Failure, match=says) as failed:
        session.wait()
    assert failed.value.exit_status == status
    assert session.pid is None


def test_users_are_looked_up_in_the_image(agent):
    assert agent.output("id; pwd; echo $HOME", user="app").splitlines() == [
        "uid=1000(app) gid=1000(app) groups=2000(extra)", "/", "/home/app"]
    assert agent.output("id -u; id -g; id -G", user="77:88").split() == ["77", "88", "88"]
    assert agent.output(["pwd"], cwd="/made/for/this").strip() == "/made/for/this"
    assert agent.output("echo hello > /dev/stdout", user="app") == "hello\n"
    with pytest.raises(Failure, match="no user 'nobody-such'"):
        agent.exec("true", user="nobody-such").wait()
    with pytest.raises(Failure, match="no user '1abc'"):
        agent.exec("true", user="1abc").wait()


def test_output_and_errors_stay_apart_and_input_ends(agent):
    session = agent.exec("cat; echo err >&2; echo out", stdin=b"in\n").wait()
    assert (bytes(session.out), bytes(session.err), session.exit) == (b"in\nout\n", b"err\n", 0)
    assert agent.output("readlink /proc/self/fd/0").strip() == "/dev/null"
    # who does not read is not waited for
    assert agent.exec("exec <&-; echo done", stdin=b"x" * (4 << 20)).wait().exit == 0


def test_a_half_closed_session_still_answers(agent):
    session = agent.exec(["sh", "-c", "cat >/tmp/half; echo got it; cat /tmp/half"], stdin=b"1234")
    assert session.wait().out == b"got it\n1234"


def test_64_mib_go_through_whole_both_ways(agent):
    data = os.urandom(1 << 20) * 64
    session = agent.exec(["cat"], stdin=data).wait(300)
    assert len(session.out) == len(data)
    assert hashlib.md5(session.out).digest() == hashlib.md5(data).digest()


def test_streams_do_not_hold_each_other_up(agent):
    stuck = agent.exec("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    stuck.hold = True
    stuck.until(lambda: len(stuck.out) == harness.WINDOW, "a full window")
    agent.output("true")  # the rest goes on
    assert len(stuck.out) == harness.WINDOW
    stuck.signal(signal.SIGKILL)
    agent.send(stuck.channel, harness.CREDIT_OUT, harness.u32(harness.WINDOW))
    assert stuck.wait().exit == 137


def test_many_sessions_at_once(agent):
    sessions = [agent.exec(f"read x; echo {i} $x", stdin=b"y\n") for i in range(40)]
    assert [s.wait().out for s in sessions] == [b"%d y\n" % i for i in range(40)]


def test_a_terminal_is_one(agent):
    session = agent.exec(["sh", "-c", "tty; stty size; test -t 2 && echo isatty; echo err >&2; read x;"
                          "echo got $x; stty size; echo $TERM"], tty=True, rows=33, columns=101)
    session.wait_for(b"err\r\n")  # or the echo of what is typed comes in between
    agent.send(session.channel, harness.RESIZE, harness.u16(40) + harness.u16(90))
    session.write(b"line\n")
    assert session.wait().out.decode().split("\r\n") == [
        "/dev/pts/0", "33 101", "isatty", "err", "line", "got line", "40 90", "xterm", ""]
    assert (session.exit, bytes(session.err)) == (0, b"")


def test_a_size_that_comes_before_the_terminal_is_its_size(agent):
    """A container engine says it while the machine boots, and never again."""
    session = agent.exec(["sh", "-c", "read x; stty size"], tty=True)
    agent.send(session.channel, harness.RESIZE, harness.u16(40) + harness.u16(90))
    session.write(b"\n")
    assert session.wait().out.decode().split()[-2:] == ["40", "90"]


def test_a_terminals_keys_are_signals_and_the_end_of_input_is_control_d(agent):
    session = agent.exec(["cat"], tty=True).wait_started()
    session.write(b"text\n")
    session.wait_for(b"text\r\ntext\r\n")
    session.write(b"\x03")
    assert session.wait().exit == 130
    assert agent.exec(["cat"], tty=True, stdin=b"last\n").wait().exit == 0


def test_signals_reach_the_process(agent):
    session = agent.exec("trap 'echo hup; exit 5' HUP; echo up; while :; do sleep 0.1; done").wait_for(b"up")
    session.signal(signal.SIGHUP)
    assert session.wait().exit == 5
    assert session.out == b"up\nhup\n"


def test_what_stays_in_the_background_does_not_hold_the_session(agent):
    session = agent.exec("sleep 1234 & echo started").wait(30)
    assert (session.exit, bytes(session.out)) == (0, b"started\n")
    assert "sleep 1234" in agent.output("ps -o args")
    agent.output("kill $(pidof sleep)")


def test_what_a_process_said_last_is_never_lost(agent):
    for _ in range(10):
        session = agent.exec("sleep 1235 & head -c 60000 /dev/zero; exit 9").wait(30)
        assert (len(session.out), session.exit) == (60000, 9)
    agent.output("kill $(pidof sleep)")


def test_a_client_that_goes_away_hangs_its_process_up(agent):
    session = agent.exec("trap 'echo x > /tmp/hung; exit 1' HUP; echo up; while :; do sleep 0.1; done")
    session.wait_for(b"up")
    agent.send(session.channel, harness.CLOSE)
    assert session.wait().exit == 1
    assert session.out == b"up\n"
    assert agent.output("cat /tmp/hung").strip() == "x"
    reader = agent.exec("cat > /tmp/read; echo end > /tmp/ended", stdin=None, tty=True).wait_started()
    agent.send(reader.channel, harness.CLOSE)
    assert reader.wait().exit == 129


def test_questions_are_answered(machine, agent):
    assert agent.ask(harness.PING) == b""
    total, used, cpu_ns, processes, free, balloon, pressure, _ = struct.unpack("<8Q", agent.ask(harness.STATS))
    assert 128 << 20 < total < 256 << 20 and 0 < used < total and cpu_ns > 10**8 and processes >= 1
    assert 0 < free < total - used / 2 and balloon == 0 and pressure <= 10000
    sleeper = agent.exec(["sleep", "4321"]).wait_started()
    answer = agent.ask(harness.PROCS)
    pid, ppid, uid = struct.unpack_from("<III", answer)
    assert (pid, ppid, uid) == (1, 0, 0)
    assert struct.pack("<III", sleeper.pid, 0, 0) in answer and b"sleep 4321" in answer
    assert b"/init" not in answer and b"kthreadd" not in answer
    sleeper.signal(signal.SIGTERM)
    sleeper.wait()


def test_requests_for_sessions_that_are_over_are_dropped(agent):
    session = agent.exec("true").wait()
    for kind, payload in ((harness.IN, b"late"), (harness.IN_END, b""), (harness.SIGNAL, harness.u32(9)),
                          (harness.CLOSE, b"")):
        agent.send(session.channel, kind, payload)
    assert agent.ask(harness.PING) == b""


# Copying


def tree(agent, kind, path, flags=0):
    return agent.open(kind, harness.text(path) + harness.u8(flags))


HARD_CASES = """
set -e; cd /tmp; rm -rf t; mkdir -p t/sub/deep; cd t
echo hello > 'with space'; echo x > -dash; : > empty; echo s > sub/one; ln sub/one sub/deep/two
ln -s /etc/passwd absolute; ln -s nowhere dangling; mkfifo fifo; chmod 4711 -- -dash; chmod 700 sub
dd if=/dev/zero of=sparse bs=1 count=1 seek=10000000 2>/dev/null; chown 5:6 empty
dd if=/dev/urandom of=random bs=1000 count=3000 2>/dev/null
touch -d '2001-02-03 04:05:06' 'with space' sub
"""
LIST = "find . -exec stat -c '%n %F %a %u %g %s %Y %h' {} + | sort; find . -type f -exec md5sum {} + | sort"


def test_a_folder_is_copied_out_and_in_as_it_is(agent):
    agent.output(HARD_CASES)
    out = tree(agent, harness.TREE_GET, "/tmp/t").wait()
    assert out.exit == 0 and len(out.out) < 5 << 20  # the hole was not sent
    into = tree(agent, harness.TREE_PUT, "/tmp/copy", harness.ARCHIVE)
    into.write(bytes(out.out), end=True)
    assert into.wait().exit == 0
    assert agent.output(f"cd /tmp/copy; {LIST}") == agent.output(f"cd /tmp/t; {LIST}")
    assert int(agent.output("du -k /tmp/copy/sparse").split()[0]) < 100
    agent.output("rm -rf /tmp/t /tmp/copy")


def test_copying_says_what_is_wrong(agent):
    with pytest.raises(Failure, match="cannot copy '/no/such'"):
        tree(agent, harness.TREE_GET, "/no/such").wait()
    into = tree(agent, harness.TREE_PUT, "/tmp/new")
    into.write(b"this is no stream of files", end=True)
    with pytest.raises(Failure, match="broken"):
        into.wait()
    cut = tree(agent, harness.TREE_PUT, "/tmp/new")
    cut.write(bytes(tree(agent, harness.TREE_GET, "/etc").wait().out[:-3]), end=True)
    with pytest.raises(Failure, match="broke off"):
        cut.wait()


# The machine's life


def test_the_disk_keeps_what_was_written_and_is_unmounted_cleanly(folder, layer):
    with Machine(folder, [layer]) as machine:
        workload = start(machine)
        machine.agent.output("echo kept > /root/file; rm /etc/group")
        workload.signal(signal.SIGTERM)
        assert workload.wait().exit == 3
        with pytest.raises(Failure, match="does not run"):
            machine.agent.exec("true").wait()
        machine.shut_down()
        assert is_clean(machine.data)
        with Machine(folder, [layer], data=machine.data) as again:
            start(again)
            assert again.agent.output("cat /root/file").strip() == "kept"
            assert again.agent.exec("test -e /etc/group").wait().exit == 1
            # the keeper is gone: the machine goes too, with its file systems in order
            again.agent.connection.close()
            again.wait_off()
            assert is_clean(again.data)


def test_upper_layers_cover_lower_ones(folder, layer, tmp_path):
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    (upper / "etc/passwd").write_text("root:x:0:0:upper:/:/bin/sh\n")
    os.mknod(upper / "etc/group", 0o20000, os.makedev(0, 0))  # a whiteout
    harness.make_layer(tmp_path / "upper.erofs", upper)
    limits = {"pids_limit": 20, "tmpfs": ["/scratch:size=1m,exec", "/tmp"], "read_only": True, "layers": 2,
              "cap_drop": ["NET_RAW", "CAP_SYS_ADMIN"], "rlimits": ["nofile=100:200", "core=0"], "init": True,
              "time_ns": 1_600_000_000 * 10**9}
    with Machine(folder, [layer, tmp_path / "upper.erofs"]) as machine:
        workload = start(machine, **limits).wait_for(b"ready")
        agent = machine.agent
        assert agent.output("cat /etc/passwd; ls /etc").split() == ["root:x:0:0:upper:/:/bin/sh", "passwd"]
        # read-only, but for the tmpfs
        assert agent.exec("echo x > /file").wait().exit != 0
        agent.output("echo x > /tmp/file; echo x > /scratch/file")
        mounts = agent.output("mount")
        assert "tmpfs on /scratch type tmpfs (rw,nosuid,nodev,relatime,size=1024k" in mounts
        assert "tmpfs on /tmp type tmpfs (rw,nosuid,nodev,noexec" in mounts
        # limits
        assert agent.output("cat /sys/fs/cgroup/pids.max").strip() == "20"
        assert b"fork" in agent.exec("for i in $(seq 40); do sleep 3 & done").wait().err
        assert agent.output("ulimit -n; ulimit -Hn; ulimit -c").split() == ["100", "200", "0"]
        assert int(agent.output("grep CapEff /proc/self/status").split()[1], 16) & (1 << 13 | 1 << 21) == 0
        privileged = agent.exec("grep CapEff /proc/self/status", privileged=True).wait().out.decode()
        assert int(privileged.split()[1], 16) & (1 << 13 | 1 << 21)
        assert agent.exec("umount /tmp").wait().exit != 0
        assert 1_600_000_000 <= int(agent.output("date +%s")) < 1_600_000_600
        # an init of ours is PID 1: the workload is another, and orphans are reaped
        assert workload.pid == 2
        assert agent.output("cat /proc/1/comm").strip() == "brig-init"
        agent.exec("(sleep 0.01 &) ; exit 0").wait()
        workload.signal(signal.SIGTERM)
        assert workload.wait().exit == 3


def test_the_death_of_pid_1_ends_everything(folder, layer):
    with Machine(folder, [layer]) as machine:
        workload = start(machine)
        other = machine.agent.exec("sleep 1000").wait_started()
        began = time.monotonic()
        workload.signal(signal.SIGKILL)
        assert workload.wait().exit == 137
        assert other.wait().exit == 137
        assert time.monotonic() - began < 10
        machine.shut_down()
        assert is_clean(machine.data)


@pytest.mark.parametrize("wrong, says", [
    ({"cap_drop": ["NOSUCH"]}, "no capability 'NOSUCH'"), ({"layers": 4000}, "4000 layers")])
def test_a_wrong_configuration_is_refused(folder, layer, wrong, says):
    with Machine(folder, [layer]) as machine:
        with pytest.raises(Failure, match=says):
            machine.configure(**wrong)
        machine.shut_down()


def test_a_breach_of_the_protocol_ends_the_machine(folder, layer):
    with Machine(folder, [layer]) as machine:
        start(machine)
        session = machine.agent.open(harness.EXEC, harness.process(["sleep", "1000"], interactive=True))
        session.wait_started()
        # more than the window and the pipe to a process that does not read
        for _ in range(16):
            machine.agent.send(session.channel, harness.IN, b"x" * harness.DATA_MAX)
        machine.agent.until(lambda: machine.agent.at_end, "the agent to hang up")
        machine.wait_off()
        assert is_clean(machine.data)


@pytest.mark.parametrize("system, command, status", [(False, "poweroff -f", 130), (False, "reboot -f", 129),
                                                     (True, "reboot -f", 129)])
def test_reboot_and_power_off_end_the_instance_not_the_machine(folder, layer, system, command, status):
    with Machine(folder, [layer]) as machine:
        workload = start(machine, f"echo ready; read x; {command}; sleep 1000", stdin=b"\n", system=system)
        assert workload.wait().exit == status
        assert machine.agent.ask(harness.PING) == b""
        machine.shut_down()
        assert is_clean(machine.data)


# A whole system


@pytest.fixture(scope="module")
def debian_layer(folder, debian_tar):
    tree = folder / "debian"
    tree.mkdir()
    harness.images.run("tar", "-xf", debian_tar, "-C", tree)
    harness.make_layer(folder / "debian.erofs", tree)
    return folder / "debian.erofs"


def boot_system(machine):
    machine.configure(system=True)
    init = machine.agent.open(harness.EXEC, harness.process(["/sbin/init"], tty=True, rows=24, columns=80), 0)
    init.wait_started()
    machine.agent.exec("until test -S /run/systemd/private; do sleep 0.1; done").wait(120)
    state = machine.agent.exec("systemctl is-system-running --wait").wait(180).out.decode().strip()
    failed = machine.agent.exec("systemctl --failed --plain --no-legend").wait().out.decode()
    assert (state, failed) == ("running", "")
    return init


@pytest.mark.slow
def test_systemd_boots_and_powers_off(folder, debian_layer):
    with Machine(folder, [debian_layer], memory=512) as machine:
        init = boot_system(machine)
        agent = machine.agent
        assert agent.output(["cat", "/proc/1/comm"]).strip() == "systemd"
        assert agent.output(["cat", "/proc/self/cgroup"]).strip() == "0::/init.scope"
        assert "memory" in agent.output(["cat", "/sys/fs/cgroup/cgroup.subtree_control"])
        session = agent.exec(["tty"], tty=True).wait()
        assert session.out.startswith(b"/dev/pts/")
        agent.output(["systemd-run", "--wait", "-q", "true"])
        # what `stop` sends to systemd: SIGRTMIN+4, by the C library's count
        init.signal(signal.SIGRTMIN + 4)
        assert init.wait(120).exit == 128 + signal.SIGINT  # by reboot(2)
        machine.shut_down()
        assert is_clean(machine.data)
