# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's container engines with brig-oci as their runtime: podman, buildah, containerd."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support import criu, engines, images, wait

pytestmark = [pytest.mark.root,
              *(pytest.mark.skipif(shutil.which(tool) is None, reason=f"needs {tool}")
                for tool in ("podman", "buildah", "containerd"))]

IMAGE = "localhost/busybox:latest"
SECONDS = 60  # for each test


@pytest.fixture(scope="session")
def archive(session_folder, busybox_tree):
    return images.made_once(session_folder / "busybox-oci.tar",
                            lambda path: engines.oci_archive(busybox_tree, path))


def one_test(host, clean):
    """Gives a test its time, cleans up as a user would, and looks for what nobody cleaned."""
    host.deadline = wait.Deadline(SECONDS, "the test to end")
    yield
    host.deadline = wait.Deadline(SECONDS, "what the test made to go")
    clean()
    problems = host.leftovers()
    if problems:
        pytest.fail("the test left behind:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture(scope="module")
def podman_host(archive):
    with engines.Host() as host:
        podman = engines.Podman(host)
        podman("load", "-i", archive)
        yield podman


@pytest.fixture
def podman(podman_host):
    def clean():
        if podman_host("ps", "-a", "-q").out:
            podman_host("rm", "--all", "--force", "--time=0")
        if podman_host("pod", "ps", "-q").out:
            podman_host("pod", "rm", "--all", "--force", "--time=0")

    cleaning = one_test(podman_host.host, clean)
    next(cleaning)
    yield podman_host
    next(cleaning, None)


@pytest.fixture(scope="module")
def containerd_host(archive):
    with engines.Host() as host:
        ctr = engines.Containerd(host)
        ctr("image", "import", archive)
        yield ctr


@pytest.fixture
def ctr(containerd_host):
    def clean():
        for name in containerd_host("task", "ls", "-q").out.split():
            containerd_host("task", "rm", "-f", name)
        for name in containerd_host("container", "ls", "-q").out.split():
            containerd_host("container", "rm", name)

    cleaning = one_test(containerd_host.host, clean)
    next(cleaning)
    yield containerd_host
    next(cleaning, None)


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def size(wanted):
    """A script that waits for the terminal's size, of which engines tell when they come to it."""
    return f"until [ \"$(stty size)\" = '{wanted}' ]; do :; done; stty size"


def run(podman, script, *options, **more):
    """The script's output, in a fresh container."""
    return podman("run", "--rm", *options, IMAGE, "sh", "-c", script, **more).out


@pytest.fixture
def sleeper(podman):
    podman("run", "-d", "--name=a", IMAGE, "sleep", "1000")
    return "a"


# --- podman: starting and ending

ENDS = [(["true"], 0, ""), (["sh", "-c", "exit 42"], 42, ""), (["nosuch"], 127, "executable file not found"),
        (["/no/such"], 127, "no such file or directory"), (["/etc/passwd"], 126, "permission denied"),
        (["/etc"], 126, "permission denied")]


def test_podman_gives_the_status_of_run(podman):
    for command, code, says in ENDS:
        assert says in podman("run", "--rm", IMAGE, *command, code=code).err


def test_podman_gives_the_status_of_exec(podman, sleeper):
    for command, code, says in [*ENDS, (["sh", "-c", "kill -9 $$"], 137, "")]:
        assert says in podman("exec", sleeper, *command, code=code).err


def test_podman_passes_bytes_on(podman, sleeper):
    script = "cat; echo err >&2; echo out"
    for command in (["run", "--rm", "-i", IMAGE], ["exec", "-i", sleeper]):
        result = podman(*command, "sh", "-c", script, input="in\n")
        assert (result.out, result.err) == ("in\nout\n", "err\n")
    sent = "0123456789abcdef" * (1 << 16)
    assert podman("run", "--rm", "-i", IMAGE, "cat", input=sent).out == sent


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_podman_gives_a_terminal(podman, sleeper, verb):
    where = ["run", "--rm", "-it", IMAGE] if verb == "run" else ["exec", "-it", sleeper]
    with podman.popen(*where, "sh", "-c", f"tty; {size('33 77')}; {size('44 99')}; exit 5",
                      tty=True, size=(33, 77)) as terminal:
        terminal.expect(r"/dev/pts/\d+")
        terminal.expect("33 77")
        terminal.resize(44, 99)
        terminal.expect("44 99")
        assert terminal.finish(podman.host.deadline.left()).code == 5


def test_podman_interrupts_by_a_key(podman):
    with podman.popen("run", "--rm", "-it", IMAGE, "sh", "-c", "trap 'exit 9' INT; echo up; sleep 1000 & wait",
                      tty=True) as terminal:
        terminal.expect("up")
        terminal.send("\x03")
        assert terminal.finish(podman.host.deadline.left()).code == 9


def test_podman_stops_by_term_and_then_by_kill(podman):
    script = "trap '{}' TERM; echo up; while :; do sleep 0.1; done"
    for name, action, code in (("polite", "echo bye; exit 3", 3), ("deaf", "", 137)):
        podman("run", "-d", f"--name={name}", IMAGE, "sh", "-c", script.format(action))
        with podman.popen("logs", "-f", name) as logs:
            logs.expect("up")
            podman("stop", "--time=1" if name == "deaf" else "--time=30", name)
            assert logs.finish(podman.host.deadline.left()).out.endswith("bye\n" if code == 3 else "up\n")
        assert podman("wait", name).out == f"{code}\n"


def test_podman_signals(podman):
    podman("run", "-d", "--name=a", IMAGE, "sh", "-c", "trap 'exit 4' USR1; echo up; while :; do sleep 0.1; done")
    with podman.popen("logs", "-f", "a") as logs:
        logs.expect("up")
    podman("kill", "--signal=USR1", "a")
    assert podman("wait", "a").out == "4\n"
    podman("start", "a")
    podman("kill", "a")
    assert podman("wait", "a").out == "137\n"
    podman("kill", "a", code=125)


def test_podman_starts_again_what_failed(podman):
    podman("run", "-d", "--name=a", "--restart=on-failure:2", IMAGE, "sh", "-c", "echo again; exit 1")
    podman("wait", "--condition=exited", "a")
    with podman.popen("logs", "-f", "a") as logs:
        for _ in range(3):
            logs.expect("again")


def test_podman_pauses(podman, sleeper):
    podman("pause", sleeper)
    assert podman.json("inspect", sleeper)[0]["State"]["Status"] == "paused"
    podman("exec", sleeper, "true", code=255)
    podman("unpause", sleeper)
    podman("exec", sleeper, "true")
    podman("pause", sleeper)
    podman("rm", "-f", "-t", "0", sleeper)


# --- podman: looking at what runs

def test_podman_sees_what_runs(podman, sleeper):
    podman("exec", "-d", sleeper, "sleep", "2000")
    top = podman("top", sleeper, "pid", "args").out
    assert "sleep 1000" in top and "sleep 2000" in top
    stats = podman.json("stats", "--no-stream", "--format=json", sleeper)[0]
    assert int(stats["pids"]) == 2 and stats["mem_usage"].split(" / ")[0] != "0B"
    assert podman.json("inspect", sleeper)[0]["OCIRuntime"] == "brig"
    assert "brig-oci version" in podman("info", "--format={{.Host.OCIRuntime.Version}}").out


def test_podman_copies_both_ways(podman, sleeper, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("from outside\n")
    podman("cp", tmp_path / "in", "a:/root/")
    assert podman("exec", sleeper, "cat", "/root/in/file").out == "from outside\n"
    podman("exec", sleeper, "sh", "-c", "echo from inside > /root/in/other")
    podman("cp", "a:/root/in", tmp_path / "out")
    assert (tmp_path / "out/other").read_text() == "from inside\n"


def test_podman_asks_for_health(podman):
    podman("run", "-d", "--name=a", "--health-cmd=test -e /tmp/well", "--health-interval=disable", IMAGE,
           "sleep", "1000")
    podman("healthcheck", "run", "a", code=1)
    podman("exec", "a", "touch", "/tmp/well")
    podman("healthcheck", "run", "a")


def test_podman_execs_as_told(podman, sleeper):
    said = podman("exec", "--user=app", "--workdir=/tmp", "--env=X=y", sleeper, "sh", "-c", "id -u; id -G; pwd; echo $X")
    assert said.out.split() == ["1000", "1000", "2000", "/tmp", "y"]
    inside = status(podman("exec", "--privileged", sleeper, "cat", "/proc/self/status").out)
    outside = status(Path("/proc/self/status").read_text())
    assert inside["CapEff"] == outside["CapBnd"]


# --- podman: pods, ports, --init

def test_podman_joins_the_containers_of_a_pod(podman):
    podman("pod", "create", "--name=p", "--hostname=pod")
    podman("run", "-d", "--pod=p", "--name=server", IMAGE, "sh", "-c",
           "while :; do echo hello | nc -l -p 80; done")
    script = "hostname; until nc -w 5 127.0.0.1 80 </dev/null 2>/dev/null; do :; done; readlink /proc/self/ns/net"
    name, said, namespace = podman("run", "--rm", "--pod=p", IMAGE, "sh", "-c", script).out.split()
    assert (name, said) == ("pod", "hello")
    assert podman("exec", "server", "readlink", "/proc/self/ns/net").out.strip() == namespace
    assert len(podman.json("pod", "inspect", "p")["Containers"]) == 2  # pod's own, and the server
    podman("pod", "pause", "p")
    podman("pod", "unpause", "p")
    podman("pod", "stop", "--time=0", "p")
    podman("pod", "start", "p")
    podman("exec", "server", "true")


def test_podman_publishes_a_port(podman):
    podman("run", "-d", "--name=web", "--network=bridge", "--publish=8080:80", IMAGE, "sh", "-c",
           "while :; do echo hello | nc -l -p 80; done")
    script = "until nc -w 5 127.0.0.1 8080 </dev/null 2>/dev/null; do :; done"
    assert podman.host("busybox", "timeout", "20", "busybox", "sh", "-c", script).out == "hello\n"


def test_podman_puts_an_init_before_the_program(podman):
    # The child is orphaned, ends, and is reaped by process 1, or the loop would not end.
    said = run(podman, "sh -c 'sh -c \"exit 0\" & echo $! >/tmp/pid'; while [ -e /proc/$(cat /tmp/pid) ]; do :; done;"
                       "cat /proc/1/comm", "--init")
    assert said != "sh\n" and said


# --- podman: whom and what it runs

def test_podman_maps_users(podman):
    options = ["--uidmap=0:200000:65536", "--gidmap=0:300000:65536"]
    said = run(podman, "cat /proc/self/uid_map /proc/self/gid_map; touch /root/f; stat -c %u:%g /root/f", *options)
    assert said.split() == ["0", "200000", "65536", "0", "300000", "65536", "0:0"]
    podman("run", "-d", "--name=a", *options, IMAGE, "sleep", "1000")
    assert podman("top", "a", "huser").out.split() == ["HUSER", "200000"]
    assert podman("exec", "a", "id", "-u").out == "0\n"
    assert podman("exec", "-u", "app", "a", "id", "-u").out == "1000\n"


def test_podman_sets_users_and_capabilities(podman):
    assert run(podman, "id -u; id -g; id -G", "--user=app").split() == ["1000", "1000", "1000", "2000"]
    assert run(podman, "id -u; id -g; id -G", "--user=7:8", "--group-add=9").split() == ["7", "8", "8", "9"]
    assert status(run(podman, "cat /proc/self/status", "--cap-drop=all", "--cap-add=net_raw"))[
        "CapEff"] == "0000000000002000"
    got = status(run(podman, "cat /proc/self/status; cat /proc/self/oom_score_adj >&2", "--user=app",
                     "--cap-add=net_raw", "--security-opt=no-new-privileges"))
    assert (got["NoNewPrivs"], got["Seccomp"]) == ("1", "2")


def test_podman_filters_system_calls(podman, tmp_path):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}],
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    said = run(podman, "mkdir /tmp/x 2>&1; touch /tmp/y && echo made", f"--security-opt=seccomp={tmp_path}/profile.json")
    assert "Operation not supported" in said and "made" in said
    assert status(run(podman, "cat /proc/self/status", "--security-opt=seccomp=unconfined"))["Seccomp"] == "0"


def test_podman_tunes(podman):
    options = ["--ulimit=nofile=77:99", "--ulimit=nproc=1024:1024", "--sysctl=net.ipv4.ip_forward=1", "--hostname=here",
               "--umask=0077", "--oom-score-adj=123", "--shm-size=10m"]
    script = ("ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward; hostname; umask; cat /proc/self/oom_score_adj;"
              "df -k /dev/shm | awk 'END { print $2 }'")
    assert run(podman, script, *options).split() == ["77", "99", "1", "here", "0077", "123", "10240"]


def test_podman_mounts(podman, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("shared\n")
    script = "cat /ro/file; touch /ro/x || echo ro; touch /rw/y; df -k /t | awk 'END { print $2 }'; ls /im/etc/passwd"
    said = run(podman, script, f"--volume={tmp_path}/shared:/ro:ro", f"--volume={tmp_path}/shared:/rw",
               "--tmpfs=/t:size=1m", f"--mount=type=image,src={IMAGE},dst=/im")
    assert said.split() == ["shared", "ro", "1024", "/im/etc/passwd"]
    assert (tmp_path / "shared/y").exists()
    podman("run", "--rm", "--read-only", IMAGE, "touch", "/x", code=1)
    assert run(podman, "touch /x /tmp/y /run/z || ls /tmp/y /run/z", "--read-only").split() == ["/run/z", "/tmp/y"]


def test_podman_fills_a_new_volume_from_the_image(podman):
    podman("volume", "create", "v")
    try:
        assert run(podman, "ls /etc; echo kept > /etc/new", "--volume=v:/etc").split() != []
        assert run(podman, "cat /v/new; cat /v/group | head -n 1", "--volume=v:/v").split() == ["kept", "root:x:0:"]
    finally:
        podman("volume", "rm", "-f", "v")


def test_podman_gives_devices(podman):
    script = "stat -c %t:%T /dev/zero2; head -c 3 /dev/zero2 | wc -c"
    assert run(podman, script, "--device=/dev/zero:/dev/zero2:r").split() == ["1:5", "3"]
    script = "dd if=/dev/log2 of=/dev/null count=0 2>/dev/null && echo read; (: >/dev/log2) 2>/dev/null || echo kept"
    assert run(podman, script, "--device=/dev/kmsg:/dev/log2:r", "--cap-add=syslog").split() == ["read", "kept"]
    mknod = "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem"
    podman("run", "--rm", IMAGE, "sh", "-c", mknod, code=1)
    assert int(run(podman, "ls /dev | wc -l", "--privileged")) > int(run(podman, "ls /dev | wc -l"))


def limit(podman, name, controller, file):
    """What the kernel says of the container's limit."""
    found = list(podman.host.cgroup(controller).glob(f"libpod-{name}*/**/{file}"))
    return found[0].read_text().strip()


def test_podman_limits_and_changes_the_limits(podman):
    name = podman("run", "-d", "--name=a", "--memory=64m", "--cpus=0.5", "--pids-limit=20", IMAGE, "sleep",
                  "1000").out.strip()
    if not (Path("/sys/fs/cgroup/memory")).is_dir():
        pytest.skip("the names are those of cgroup version 1")
    assert limit(podman, name, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert limit(podman, name, "cpu", "cpu.cfs_quota_us") == "50000"
    assert limit(podman, name, "pids", "pids.max") == "20"
    podman("exec", "a", "sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i+1)); done", code=2)
    podman("update", "--memory=128m", "--cpus=0.25", "a")
    assert limit(podman, name, "memory", "memory.limit_in_bytes") == str(128 << 20)
    assert limit(podman, name, "cpu", "cpu.cfs_quota_us") == "25000"


def test_podman_ends_what_wants_too_much_memory(podman):
    podman("run", "--name=a", "--memory=16m", "--memory-swap=16m", IMAGE, "sh", "-c",
           "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo $x", code=137)


def test_podman_runs_hooks(podman, tmp_path):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for stage in ("prestart", "poststop"):
        (hooks / f"{stage}.json").write_text(json.dumps({
            "version": "1.0.0", "when": {"always": True}, "stages": [stage],
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {tmp_path}/{stage}"]}}))
    podman(f"--hooks-dir={hooks}", "run", "--rm", f"--cgroup-parent={podman.host.parent}", IMAGE, "true")
    before, after = (json.loads((tmp_path / stage).read_text()) for stage in ("prestart", "poststop"))
    assert before["id"] == after["id"] and before["pid"] > 0
    assert (before["status"], after["status"]) == ("creating", "stopped")


def test_podman_hears_what_is_not_there(podman, sleeper):
    assert "checkpoint" in podman("container", "checkpoint", sleeper, code=125).err
    podman("exec", sleeper, "true")


def test_podman_runs_a_whole_system(podman, debian_tar):
    podman("import", debian_tar, "localhost/debian:latest")
    podman("run", "-d", "--name=system", "--systemd=always", "--network=none", "localhost/debian:latest",
           "/lib/systemd/systemd")
    script = "until [ -S /run/systemd/private ]; do :; done; systemctl is-system-running --wait"
    assert podman("exec", "system", "sh", "-c", script, code=None).out.strip() in ("running", "degraded")
    assert "systemd-journal" in podman("exec", "system", "ps", "-e").out
    podman("stop", "--time=20", "system")
    assert podman("wait", "system").out in ("0\n", "130\n")


# --- buildah

def test_buildah_builds(podman, tmp_path):
    (tmp_path / "Containerfile").write_text(f"""\
FROM {IMAGE}
RUN echo built > /built && id -u >> /built
USER app
RUN id -u > /tmp/second
CMD ["cat", "/built", "/tmp/second"]
""")
    podman.buildah("build", "--tag=localhost/built", tmp_path)
    assert podman("run", "--rm", "localhost/built").out.split() == ["built", "0", "1000"]


def test_buildah_stops_where_a_step_fails(podman, tmp_path):
    (tmp_path / "Containerfile").write_text(f"FROM {IMAGE}\nRUN exit 42\n")
    assert "exit status 42" in podman.buildah("build", tmp_path, code=None).err


def test_buildah_runs(podman):
    name = podman.buildah("from", IMAGE).out.strip()
    try:
        assert podman.buildah("run", name, "sh", "-c", "echo here > /here; cat /here").out == "here\n"
        assert podman.buildah("run", "--user=app", name, "id", "-u").out == "1000\n"
        podman.buildah("run", name, "sh", "-c", "exit 3", code=3)
        assert podman.buildah("run", "--tty", name, "tty", tty=True).out.startswith("/dev/pts/")
    finally:
        podman.buildah("rm", name)


# --- containerd

def test_containerd_gives_the_status(ctr):
    for command, code, says in ENDS:
        result = ctr.run("--rm", IMAGE, "a", *command, code=None)
        assert (result.code, says in result.err) == (code if code in (0, 42) else 1, True)


def test_containerd_passes_bytes_and_a_terminal_on(ctr):
    # ctr of 1.6 does not pass on the end of its input, with any runtime
    result = ctr.run("--rm", IMAGE, "a", "sh", "-c", "head -n 1; echo err >&2; echo out", input="in\n")
    assert (result.out, result.err) == ("in\nout\n", "err\n")
    with ctr.popen_run("--rm", "-t", IMAGE, "a", "sh", "-c", f"{size('33 77')}; exit 5",
                       tty=True, size=(33, 77)) as terminal:
        assert terminal.finish(ctr.host.deadline.left()).code == 5


def test_containerd_looks_after_a_task(ctr):
    ctr.run("-d", f"--memory-limit={64 << 20}", IMAGE, "a", "sleep", "1000")
    assert ctr("task", "exec", "--exec-id=e", "a", "sh", "-c", "echo in; exit 7", code=7).out == "in\n"
    # the shim drops what a terminal still holds when its process has ended
    with ctr.host.popen(*ctr.command("task", "exec", "-t", "--exec-id=t", "a", "sh", "-c", "tty; read line"),
                        tty=True) as terminal:
        terminal.expect("/dev/pts/")
        terminal.send("\n")
        assert terminal.finish(ctr.host.deadline.left()).code == 0
    assert "not found in $PATH" in ctr("task", "exec", "--exec-id=n", "a", "nosuch", code=1).err
    assert len(ctr("task", "ps", "a").out.splitlines()) == 2
    metrics = json.loads(ctr("task", "metrics", "--format=json", "a").out)
    assert "memory" in metrics
    ctr("task", "pause", "a")
    assert "PAUSED" in ctr("task", "ls").out
    ctr("task", "resume", "a")
    assert "RUNNING" in ctr("task", "ls").out
    ctr("task", "kill", "--signal=SIGKILL", "a")
    with ctr.host.popen(*ctr.command("task", "attach", "a")) as attached:
        attached.finish(ctr.host.deadline.left())
    ctr("task", "rm", "a", code=None)
    ctr("container", "rm", "a")


def test_containerd_kills_an_exec_alone(ctr):
    ctr.run("-d", IMAGE, "a", "sleep", "1000")
    with ctr.host.popen(*ctr.command("task", "exec", "--exec-id=e", "a", "sh", "-c", "echo up; sleep 2000")) as task:
        task.expect("up")
        ctr("task", "kill", "--exec-id=e", "--signal=SIGKILL", "a")
        assert task.finish(ctr.host.deadline.left()).code == 137
    assert "RUNNING" in ctr("task", "ls").out


@criu.needs_criu
def test_podman_checkpoints_and_restores(podman):
    script = "read word < /proc/sys/kernel/random/uuid; n=0; while :; do n=$((n+1)); echo $word $n; sleep 0.1; done"
    podman("run", "-d", "--name", "a", IMAGE, "sh", "-c", script)
    with podman.popen("logs", "--follow", "a") as follow:
        follow.expect(" 2\n", podman.host.deadline.left())
        follow.kill()
    podman("container", "checkpoint", "a")
    assert podman.json("inspect", "a")[0]["State"]["Checkpointed"]
    lines = podman("logs", "a").out.splitlines()
    podman("container", "restore", "a")
    with podman.popen("logs", "--follow", "a") as follow:
        follow.expect(f" {len(lines) + 2}\n", podman.host.deadline.left())
        follow.kill()
    lines = [line.split() for line in podman("logs", "a").out.splitlines()]
    assert [int(n) for _, n in lines] == list(range(1, len(lines) + 1))
    assert len({word for word, _ in lines}) == 1


@criu.needs_criu
def test_podman_takes_a_checkpoint_to_another_container(podman):
    podman("run", "-d", "--name", "a", IMAGE, "sh", "-c", "echo kept > /kept; mkfifo /go; exec 3<>/go; x=yes; "
           "read y <&3; echo $x $y > /said")
    saved = podman.host.store / "a.tar.gz"
    podman("container", "checkpoint", "--export", saved, "a")
    podman("rm", "a")
    podman("container", "restore", "--import", saved, "--name", "b")
    assert podman("exec", "b", "cat", "/kept").out == "kept\n"
    podman("exec", "b", "sh", "-c", "echo sir > /go")
    assert podman("wait", "b").out == "0\n"
    podman("cp", "b:/said", podman.host.store)
    assert podman.host("cat", podman.host.store / "said").out == "yes sir\n"


def test_podman_hears_that_it_cannot_checkpoint(podman):
    if criu.RUNS:
        pytest.skip("CRIU runs here")
    podman("run", "-d", "--name", "a", IMAGE, "sleep", "1000")
    failed = podman("container", "checkpoint", "a", code=None)
    assert failed.code and "checkpoint" in failed.err
    assert podman("ps", "-q").out


MACHINE = ["--annotation", "brig.kind=vm", "--annotation", "brig.memory=256M"]


@pytest.mark.vm
def test_podman_runs_a_machine(podman, kernel_store):
    podman.host.deadline = wait.Deadline(2 * SECONDS, "the machine to run")
    with podman.popen(f"--runtime-flag=vm-root={kernel_store}", "run", "-i", "--name", "vm", *MACHINE, IMAGE, "sh",
                      "-c", "echo up; read word; echo got $word; exit 7") as running:
        running.expect("up", podman.host.deadline.left())
        found = podman("exec", "-e", "WORD=x", "vm", "sh", "-c", "echo $WORD; cat /proc/cmdline; exit 5", code=5)
        assert found.out.startswith("x\n") and "console=" in found.out
        assert podman("exec", "-t", "vm", "tty", tty=True).out.strip().startswith("/dev/pts/")
        running.send("word\n", podman.host.deadline.left())
        assert running.finish(podman.host.deadline.left()).code == 7
    podman("rm", "vm")


@pytest.mark.vm
def test_podman_gives_a_machine_a_terminal_of_the_callers_size(podman, kernel_store):
    podman.host.deadline = wait.Deadline(2 * SECONDS, "the machine to run")
    script = "until stty size | grep 30.100; do :; done; tty; read word; echo got $word; exit 7"
    with podman.popen(f"--runtime-flag=vm-root={kernel_store}", "run", "-it", "--name", "vm", *MACHINE, IMAGE, "sh",
                      "-c", script, tty=True, size=(30, 100)) as running:
        running.expect("30 100", podman.host.deadline.left())
        running.send("word\n", podman.host.deadline.left())
        assert running.finish(podman.host.deadline.left()).code == 7
    podman("rm", "vm")


@pytest.mark.vm
def test_containerd_runs_a_machine(ctr, kernel_store):
    """The shim passes no flags on to the runtime, so its program is a script that does."""
    runtime = ctr.host.folder / "brig-oci-vm"
    runtime.write_text(f"#!/bin/sh\nexec {engines.RUNTIME} --vm-root {kernel_store} \"$@\"\n")
    runtime.chmod(0o755)
    ctr.host.deadline = wait.Deadline(2 * SECONDS, "the machine to run")
    script = "cat /proc/cmdline; read word; echo got $word; exit 7"
    with ctr.host.popen(*ctr.run_command("--rm", *MACHINE, IMAGE, "vm", "sh", "-c", script, runtime=runtime)) as running:
        running.expect("console=", ctr.host.deadline.left())
        found = ctr("task", "exec", "--exec-id=e", "vm", "sh", "-c", "echo in; cat /proc/cmdline; exit 5", code=5)
        assert found.out.startswith("in\n") and "console=" in found.out
        assert "memory" in json.loads(ctr("task", "metrics", "--format=json", "vm").out)
        running.send("word\n", ctr.host.deadline.left())
        assert running.finish(ctr.host.deadline.left()).code == 7


@pytest.mark.vm
def test_podman_gives_a_machine_its_network(podman, kernel_store):
    podman.host.deadline = wait.Deadline(2 * SECONDS, "the machine to answer")
    script = "echo up; while :; do echo hello | nc -l -p 80; done"
    with podman.popen(f"--runtime-flag=vm-root={kernel_store}", "run", "--name", "vm", *MACHINE, "--network=bridge",
                      "--publish=8080:80", "--dns=192.0.2.53", IMAGE, "sh", "-c", script) as running:
        running.expect("up\n", podman.host.deadline.left())
        address = podman.json("inspect", "vm")[0]["NetworkSettings"]["IPAddress"]
        reach = "until nc -w 5 127.0.0.1 8080 </dev/null 2>/dev/null; do :; done"
        assert podman.host("busybox", "timeout", "60", "busybox", "sh", "-c", reach).out == "hello\n"
        # a container on the same network reaches it, and it the container
        podman("run", "-d", "--name=a", "--network=bridge", IMAGE, "sh", "-c",
               "while :; do echo there | nc -l -p 81; done")
        other = podman.json("inspect", "a")[0]["NetworkSettings"]["IPAddress"]
        assert podman("exec", "a", "sh", "-c", reach.replace("127.0.0.1 8080", f"{address} 80")).out == "hello\n"
        assert podman("exec", "vm", "sh", "-c", reach.replace("127.0.0.1 8080", f"{other} 81")).out == "there\n"
        found = podman("exec", "vm", "cat", "/etc/resolv.conf", "/etc/hosts").out
        assert "nameserver 192.0.2.53" in found and address in found
        podman("kill", "vm")
        running.finish(podman.host.deadline.left())
    podman("rm", "vm")


@pytest.mark.vm
def test_podman_puts_a_machine_into_a_pod(podman, kernel_store):
    """The pod's network is its own again afterwards, however the machine ended."""
    podman.host.deadline = wait.Deadline(2 * SECONDS, "the machine to answer")
    podman("pod", "create", "--name=p", "--network=bridge", "--publish=8080:80", "--share=net")
    reach = ["busybox", "timeout", "60", "busybox", "sh", "-c",
             "until nc -w 5 127.0.0.1 8080 </dev/null 2>/dev/null; do :; done"]
    podman(f"--runtime-flag=vm-root={kernel_store}", "run", "-d", "--name=vm", "--pod=p", *MACHINE, IMAGE, "sh", "-c",
           "while :; do echo machine | nc -l -p 80; done")
    assert podman.host(*reach).out == "machine\n"
    podman("run", "-d", "--name=a", "--pod=p", IMAGE, "sh", "-c", "while :; do echo container | nc -l -p 80; done")
    assert podman.host(*reach).out == "machine\n"
    pid = podman.json("inspect", "vm")[0]["State"]["Pid"]
    podman.host("busybox", "kill", "-9", str(pid))
    podman("wait", "vm")
    podman("rm", "vm")
    assert podman.host(*reach).out == "container\n"
