# SPDX-License-Identifier: GPL-2.0-or-later
"""brig as a user without any privilege, with his own id alone and with a range of /etc/subuid."""

import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from support import images, leaks, wait
from support.user import COUNT, FIRST, UID

pytestmark = pytest.mark.root  # to become the user


def run_of(brig, name):
    return brig.json("inspect", name)[0]["run"]


# --- where things are

def test_his_things_are_in_his_folders(user_brig, user_image):
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    assert (user_brig.root / "instances/a/instance.json").stat().st_uid == UID
    assert stat.S_IMODE((user_brig.root / "layers").stat().st_mode) == 0o700
    assert stat.S_IMODE((user_brig.run / "a").stat().st_mode) == 0o700
    assert not Path("/run/brig/a").exists()


def test_without_xdg_they_are_below_his_home(user_brig):
    """A variable that is not absolute counts as none."""
    env = {"XDG_DATA_HOME": "data", "HOME": str(user_brig.folder / "home")}
    user_brig("doctor", check=False, env=env)  # which makes a folder, to see how much room there is
    assert (user_brig.folder / "home/.local/share/brig").is_dir()
    assert not (user_brig.folder / "data/brig").exists()


def test_another_users_store_is_not_opened(user_brig, user_image):
    """Neither he root's, nor root his: what is in there is run."""
    root_store = user_brig.folder / "of-root"
    root_store.mkdir(mode=0o755)
    refused = subprocess.run([*user_brig.prefix(), user_brig.program, "--root", root_store, "images"],
                             env=user_brig.environment(), capture_output=True, text=True)
    assert refused.returncode == 125 and "belongs to user 0" in refused.stderr
    refused = subprocess.run([user_brig.program, "--root", user_brig.root, "images"], capture_output=True, text=True)
    assert refused.returncode == 125 and f"belongs to user {UID}" in refused.stderr


def test_root_does_not_ask_the_environment(user_brig):
    """sudo may have left the user's."""
    shown = subprocess.run([user_brig.program, "ps"], env=user_brig.environment(), capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert not user_brig.root.exists()


@pytest.mark.parametrize("planted", ["link", "open"])
def test_a_run_folder_that_was_planted_is_not_used(user_brig, planted):
    shared = Path(f"/tmp/brig-{UID}")
    if planted == "link":
        shared.symlink_to(user_brig.folder / "home")
    else:
        shared.mkdir()
        shared.chmod(0o777)
    try:
        refused = user_brig.fails("ps", env={"XDG_RUNTIME_DIR": ""})
        assert "XDG_RUNTIME_DIR" in refused.err and str(shared) in refused.err
    finally:
        shared.unlink() if planted == "link" else shared.rmdir()


def test_without_a_login_the_run_folder_is_in_tmp(user_brig, user_image):
    shared, env = Path(f"/tmp/brig-{UID}"), {"XDG_RUNTIME_DIR": ""}
    try:
        user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000", env=env)
        assert (shared / "a/ctl.sock").is_socket()
        assert stat.S_IMODE(shared.stat().st_mode) == 0o700
        user_brig("rm", "-f", "a", env=env)
        assert list(shared.iterdir()) == []
    finally:
        shutil.rmtree(shared)


# --- ids and files

def test_root_inside_is_the_user(user_brig, user_image):
    shown = user_brig("run", "--rm", user_image, "sh", "-c", "id -u; cat /proc/self/uid_map; cat /proc/self/status").out
    lines = shown.splitlines()
    assert lines[0] == "0"
    assert lines[1].split() == ["0", str(UID), "1"]
    if user_brig.many_ids:
        assert lines[2].split() == ["1", str(FIRST), str(COUNT - 1)]
    assert "NoNewPrivs:\t1" in lines and "Seccomp:\t2" in lines
    assert "CapEff:\t00000000a80425fb" in lines


def test_a_user_of_the_image_needs_an_id(user_brig, user_image):
    if user_brig.many_ids:
        shown = user_brig("run", "--rm", "-u", "app", user_image, "sh", "-c", "id; stat -c %u /home/app; echo x > /home/app/x")
        assert shown.out.splitlines() == ["uid=1000(app) gid=1000(app) groups=2000(extra)", "1000"]
    else:
        refused = user_brig.fails("run", "--rm", "-u", "app", user_image, "true")
        assert "/etc/subuid" in refused.err and "1000" in refused.err


def test_files_belong_to_his_ids_and_go_with_the_instance(user_brig, user_image):
    script = "mkdir /d && echo x > /d/f && chmod 000 /d/f && chmod 000 /d"
    if user_brig.many_ids:
        script += " && chown -R 33:33 /d"
    user_brig("run", "--name", "a", user_image, "sh", "-c", script)
    upper = user_brig.root / "instances/a/upper"
    assert (upper / "d").stat().st_uid == user_brig.owner(33)
    user_brig("rm", "a")
    assert list((user_brig.root / "instances").iterdir()) == []


def test_an_image_goes_with_its_last_name(user_brig, user_image):
    layer, = (user_brig.root / "layers").iterdir()
    assert (layer / "fs/home/app").stat().st_uid == user_brig.owner(1000)
    user_brig("image", "rm", user_image)
    assert list((user_brig.root / "layers").iterdir()) == []
    assert list((user_brig.root / "tmp").iterdir()) == []


def test_a_layer_hides_what_it_deletes(user_brig, busybox_tree, tmp_path):
    """Whiteouts and opaque folders of an image with two layers."""
    layout = tmp_path / "image"
    lower, upper = tmp_path / "lower.tar", tmp_path / "upper.tar"
    subprocess.run(["tar", "-C", busybox_tree, "-cf", lower, "."], check=True)
    with tarfile.open(upper, "w") as tar:
        for name in ("var/.wh.log", "usr/.wh..wh..opq"):
            tar.addfile(tarfile.TarInfo(name))
        folder = tarfile.TarInfo("etc")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        node = tarfile.TarInfo("node")
        node.type, node.devmajor, node.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(node)
    _oci_layout(layout, [lower, upper])
    tmp_path.chmod(0o755)
    subprocess.run(["cp", "-r", layout, user_brig.folder / "image"], check=True)
    subprocess.run(["chmod", "-R", "a+rX", user_brig.folder / "image"], check=True)
    user_brig("image", "import", "--name", "two", user_brig.folder / "image")
    shown = user_brig("run", "--rm", "two", "/bin/busybox", "sh", "-c",
                      "/bin/busybox ls /var /usr; /bin/busybox ls -d /etc/passwd /node", check=False)
    # a device that no user can make is left out
    assert shown.out.split() == ["/usr:", "/var:", "/etc/passwd"]
    assert "/node: No such file" in shown.err


def _oci_layout(folder, tars):
    import hashlib
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **add(tar.read_bytes())} for tar in tars]
    config = add(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}).encode())
    manifest = add(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                               "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
                               "layers": layers}).encode())
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
         "annotations": {"org.opencontainers.image.ref.name": "two:latest"}}]}))


# --- its life

def test_its_life_is_like_any_other(user_brig, user_image):
    user_brig("create", "--name", "a", user_image, "sh", "-c", "echo out; echo err >&2; exec sleep 1000")
    user_brig("start", "a")
    assert [i["state"] for i in user_brig.json("ps")] == ["running"]
    wait.file_state(user_brig.root / "instances/a", lambda: "err" in user_brig("logs", "a").err)
    assert user_brig("exec", "a", "sh", "-c", "id -u; exit 3", check=False).code == 3
    assert "sleep 1000" in user_brig("top", "a").out
    user_brig("rename", "a", "b", check=False)
    user_brig("stop", "-t", "0", "a")
    assert [i["state"] for i in user_brig.json("ps", "-a")] == ["stopped"]
    user_brig("start", "a")
    user_brig("rm", "-f", "a")
    assert user_brig.json("ps", "-a") == []


def test_exit_status_input_and_init(user_brig, user_image):
    assert user_brig("run", "--rm", user_image, "sh", "-c", "exit 7", check=False).code == 7
    assert user_brig("run", "--rm", "-i", user_image, "cat", input="hello").out == "hello"
    assert user_brig("run", "--rm", "--init", user_image, "sh", "-c", "echo $$").out == "2\n"
    assert user_brig("run", "--rm", user_image, "nothing", check=False).code == 127


def test_a_terminal_is_its_own(user_brig, user_image):
    with user_brig.popen("run", "-it", "--rm", user_image, "sh", tty=True, size=(33, 77)) as session:
        session.send("tty; stty size; echo done >/dev/tty\n")
        session.expect(r"^/dev/pts/0\r$")
        session.expect(r"^33 77\r$")
        session.expect(r"^done\r$")
        session.send("exit 5\n")
        assert session.finish().code == 5
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    with user_brig.popen("exec", "-it", "a", "sh", tty=True) as session:
        session.send("tty; exit 6\n")
        session.expect(r"^/dev/pts/0\r$")
        assert session.finish().code == 6


def test_its_console_is_come_back_to(user_brig, user_image):
    user_brig("run", "-dit", "--name", "a", user_image, "cat")
    for word in ("one", "two"):
        with user_brig.popen("console", "a", tty=True) as console:
            console.expect("ctrl-a q")
            console.send(f"{word}\n")
            console.expect(f"(?s){word}\r\n.*{word}\r\n")
            console.send("\x01q")
            assert console.finish().code == 0


def test_copies_go_both_ways_whether_it_runs_or_not(user_brig, user_image):
    there = user_brig.folder / "home/there"
    user_brig.sh(f"echo hello > {there}")
    user_brig("create", "--name", "a", user_image, "sleep", "1000")
    user_brig("cp", there, "a:/root/one")
    user_brig("start", "a")
    user_brig("cp", there, "a:/root/two")
    assert user_brig("exec", "a", "cat", "/root/one", "/root/two").out == "hello\n" * 2
    user_brig("cp", "a:/root/two", str(there) + "2")
    user_brig("stop", "-t", "0", "a")
    user_brig("cp", "a:/root/one", str(there) + "1")
    for end in "12":
        copy = Path(str(there) + end)
        assert copy.read_text() == "hello\n" and copy.stat().st_uid == UID


def test_it_is_restarted_by_its_policy(user_brig, user_image):
    ended = user_brig("run", "--name", "a", "--restart", "on-failure:2", user_image, "sh", "-c",
                      "echo x >> /times; exit 1", check=False)
    assert ended.code == 1
    assert user_brig("start", "-a", "a", check=False).code == 1
    assert (user_brig.root / "instances/a/upper/times").read_text() == "x\n" * 6


def test_read_only_and_tmpfs(user_brig, user_image):
    shown = user_brig("run", "--rm", "--read-only", "--tmpfs", "/tmp:size=1m", user_image, "sh", "-c",
                      "touch /x || echo refused; touch /tmp/x && echo made")
    assert shown.out == "refused\nmade\n"


def test_a_device_of_the_host_is_shown(user_brig, user_image):
    shown = user_brig("run", "--rm", "--device", "/dev/zero:/dev/my-zero", user_image, "sh", "-c",
                      "head -c 3 /dev/my-zero | wc -c")
    assert shown.out.strip() == "3"
    assert "rwm" in user_brig.fails("run", "--rm", "--device", "/dev/zero:r", user_image, "true").err


# --- what cannot be had

@pytest.mark.parametrize("options, words", [
    (["--privileged"], "takes root"),
    (["-m", "64m"], "limits need a control group"),
    (["--cpus", "1"], "limits need a control group"),
    (["--pids-limit", "10"], "limits need a control group"),
])
def test_what_takes_more_is_refused(user_brig, user_image, options, words):
    """No cgroup is delegated to this user."""
    refused = user_brig.fails("run", "--rm", *options, user_image, "true")
    assert words in refused.err
    assert refused.err.count("\n") == 1
    assert user_brig.json("ps", "-a") == []


def test_a_pause_takes_a_control_group(user_brig, user_image):
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    assert "control group" in user_brig.fails("pause", "a").err
    assert run_of(user_brig, "a")["cgroup"] is None
    assert "stop it for that" in user_brig.fails("snapshot", "create", "a").err
    user_brig("stop", "-t", "0", "a")
    user_brig("snapshot", "create", "a")


def test_the_doctor_tells_what_a_user_lacks(user_brig):
    found = {c["id"]: c for c in user_brig.json("doctor", check=False)["checks"]}
    assert found["user-namespaces"]["status"] == "ok"
    assert found["user-ids"]["status"] == ("ok" if user_brig.many_ids else "warn")
    assert "/etc/subuid" in found["user-ids"]["fix"]
    assert found["user-cgroups"]["status"] == "warn"
    assert found["user-overlayfs"]["status"] == "ok"
    assert "erofs" not in found and "subuid" not in found  # root's affair


# --- machines

@pytest.fixture
def user_kernel(user_brig):
    vmlinuz, modules = images.debian_kernel_files()
    there = user_brig.folder / "kernel"
    there.mkdir()
    shutil.copy(vmlinuz, there / "vmlinuz")
    shutil.copytree(modules, there / modules.name, symlinks=True)
    images.run("chmod", "-R", "a+rX", there)
    user_brig("kernel", "import", "--name", "debian", there / "vmlinuz", "--modules", there / modules.name, timeout=300)
    user_brig("kernel", "default", "debian")


@pytest.mark.vm
def test_a_machine_of_a_user(user_brig, user_image, user_kernel):
    there = user_brig.folder / "home/there"
    user_brig.sh(f"echo hello > {there}")
    shares = []
    if user_brig.many_ids:
        user_brig.sh(f"mkdir {user_brig.folder}/home/shared")
        user_brig("run", "--rm", "-v", "vol:/vol", user_image, "sh", "-c", "echo app > /vol/apps; chown 1000 /vol/apps")
        shares = ["-v", f"{user_brig.folder}/home/shared:/shared", "-v", "vol:/vol", "-v", f"{there}:/there:ro"]
    else:
        refused = user_brig.fails("run", "--rm", "--vm", "-v", "vol:/vol", user_image, "true", timeout=180).err
        assert "ids of your own" in refused and "/etc/subuid" in refused
    user_brig("run", "-d", "--vm", "--name", "v", *shares, user_image, "sleep", "1000", timeout=180)
    if shares:
        # files have the owners that his containers see, and are his and his ids' on the host
        inside = "id -u; cat /there; stat -c %u /vol/apps; echo of-root > /shared/r; touch /shared/a; chown 1000:1000 /shared/a"
        assert user_brig("exec", "v", "sh", "-c", inside, timeout=120).out.split() == ["0", "hello", "1000"]
        owners = [(user_brig.folder / "home/shared" / name).stat().st_uid for name in "ra"]
        assert owners[0] == UID and owners[1] not in (UID, 0, 1000)
        assert user_brig("run", "--rm", "-v", f"{user_brig.folder}/home/shared:/s", user_image, "stat", "-c", "%u",
                         "/s/r", "/s/a").out.split() == ["0", "1000"]
    shown = user_brig("exec", "v", "sh", "-c", "id -u; stat -c %u /home/app; mount | grep ' / '", timeout=120).out.splitlines()
    assert shown[:2] == ["0", str(1000 if user_brig.many_ids else 0)]
    assert "userxattr" in shown[2]
    user_brig("cp", there, "v:/root/there", timeout=120)
    assert user_brig("exec", "v", "cat", "/root/there", timeout=120).out == "hello\n"
    # the emulator has nothing of the user's but his name
    pid = run_of(user_brig, "v")["pid"]
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(UID)] * 4
    assert int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1"
    for namespace in ("user", "mnt", "pid", "net", "ipc", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{namespace}") != os.readlink(f"/proc/self/ns/{namespace}")
    assert not Path(f"/proc/{pid}/root/home").exists() and not Path(f"/proc/{pid}/root/var").exists()
    user_brig("stop", "-t", "5", "v", timeout=120)
    user_brig("rm", "v")


@pytest.mark.vm
def test_a_part_of_a_cpu_takes_a_control_group(user_brig, user_image, user_kernel):
    assert "control group" in user_brig.fails("run", "--rm", "--vm", "--cpus", "0.5", user_image, "true").err


def times_below(folder):
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.vm
def test_what_he_wrote_is_the_same_in_either_kind(user_brig, user_image, user_kernel):
    other = "1000:1000" if user_brig.many_ids else "0:0"
    write = (f"mkdir -p /w/d && cd /w && echo a > a && ln a d/hard && ln -s a link && chmod 4750 a && chown {other} a d; "
             "mkfifo fifo; dd if=/dev/zero of=hole bs=1 count=1 seek=10M 2>/dev/null; touch -d '2001-02-03 04:05:06' d; "
             "rm /etc/passwd; rm -r /root && mkdir /root && echo new > /root/new")
    look = ("cd /w && stat -c '%n %a %u:%g %h %s %F' . a d d/hard link fifo hole; stat -c %Y d; readlink link; "
            "ls -A /root; ls /etc/passwd; test $(du -k hole | cut -f1) -lt 100 && echo sparse")
    user_brig("create", "--name", "k", user_image, "sleep", "1000")
    user_brig("convert", "k", "--vm")  # there is nothing to carry yet
    user_brig("convert", "k", "--container")
    user_brig("start", "k")
    user_brig("exec", "k", "sh", "-c", write)
    before = user_brig("exec", "k", "sh", "-c", look, check=False)
    assert before.out.split()[-2:] == ["new", "sparse"] and "/etc/passwd" in before.err
    user_brig("stop", "-t", "1", "k")
    upper = user_brig.root / "instances/k/upper"
    os.utime(upper / "w/link", ns=(1, 4000000000123456789), follow_symlinks=False)
    times = times_below(upper)
    user_brig("convert", "k", "--vm")
    user_brig("start", "k", timeout=180)
    assert user_brig("exec", "k", "sh", "-c", look, check=False, timeout=120).out == before.out
    user_brig("exec", "k", "sh", "-c", "echo more > /w/more; rm /w/fifo; sync", timeout=120)
    os.kill(run_of(user_brig, "k")["pid"], signal.SIGKILL)  # not unmounted: it is repaired first
    user_brig("wait", "k", timeout=120)
    user_brig("convert", "k", "--container", timeout=120)
    user_brig("start", "k")
    after = user_brig("exec", "k", "sh", "-c", look + "; cat /w/more", check=False)
    assert after.out.splitlines() == [line for line in before.out.splitlines() if "fifo" not in line] + ["more"]
    now = times_below(upper)
    assert now["w/more"] % 10**9 and {path: now[path] for path in times if path in now and path != "w"} == {
        path: time for path, time in times.items() if path not in ("w", "w/fifo")}
    assert not [path for path in (user_brig.root / "instances/k").iterdir() if path.name in ("data.raw", "convert")]
    user_brig("rm", "-f", "k")


# --- nothing stays

def test_after_a_keepers_death_the_next_command_cleans(user_brig, user_image):
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    run = run_of(user_brig, "a")
    os.kill(run["keeper_pid"], signal.SIGKILL)
    wait.process_end(run["pid"])
    assert [i["state"] for i in user_brig.json("ps", "-a")] == ["stopped"]
    user_brig("start", "a")
    user_brig("exec", "a", "true")
    user_brig("rm", "-f", "a")
    assert list(user_brig.run.iterdir()) == []


def test_what_outlives_its_keeper_is_found_without_a_control_group(user_brig, user_image):
    """The first process has changed its ids, which takes the parent-death signal off."""
    if not user_brig.many_ids:
        pytest.skip("there are no ids to change to")
    user_brig("run", "-d", "--name", "a", user_image, "su", "app", "-c", "sleep 1000")
    run = run_of(user_brig, "a")
    wait.file_state(f"/proc/{run['pid']}", lambda: b"sleep" in Path(f"/proc/{run['pid']}/cmdline").read_bytes())
    os.kill(run["keeper_pid"], signal.SIGKILL)
    wait.process_end(run["keeper_pid"])
    assert b"sleep" in Path(f"/proc/{run['pid']}/cmdline").read_bytes()
    user_brig("rm", "-f", "a")
    wait.process_end(run["pid"])  # its new parent may take its time to reap it


DELEGATES = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/{name} && chown -R {uid}:{uid} /sys/fs/cgroup/{name}
echo $$ > /sys/fs/cgroup/{name}/cgroup.procs
exec "$@"
"""


@pytest.fixture
def delegated(user_brig):
    """The user's commands are in a group of version 2 that is his."""
    name, plain = f"brigtest.{os.getpid()}", user_brig.prefix()
    script = DELEGATES.format(name=name, uid=UID)
    user_brig.prefix = lambda: ["unshare", "--mount", "sh", "-c", script, "sh", *plain]
    root = next(path for path in leaks.cgroup_roots() if (path / "cgroup.procs").exists()
                and (path / "cgroup.controllers").exists())
    yield root / name
    user_brig("ps", "-aq")  # as a test's end does
    for instance in user_brig("ps", "-aq").out.split():
        user_brig("rm", "-f", instance)
    user_brig.prefix = lambda: plain
    for folder in sorted((root / name).rglob("*"), reverse=True):
        if folder.is_dir():
            folder.rmdir()
    (root / name).rmdir()


def test_in_a_delegated_group_it_has_one_of_its_own(user_brig, user_image, delegated):
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    group = delegated / "a.instance"
    pid = str(run_of(user_brig, "a")["pid"])
    assert (group / "cgroup.procs").read_text().split() == [pid]
    with user_brig.popen("exec", "-i", "a", "sh") as session:
        session.send("echo here\n")
        session.expect("here")
        assert len((group / "cgroup.procs").read_text().split()) == 2
    user_brig("pause", "a")
    assert [i["state"] for i in user_brig.json("ps")] == ["paused"]
    user_brig("unpause", "a")
    user_brig("rm", "-f", "a")
    assert not group.exists()


def test_after_a_keepers_death_its_group_goes_too(user_brig, user_image, delegated):
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    run = run_of(user_brig, "a")
    os.kill(run["keeper_pid"], signal.SIGKILL)
    wait.process_end(run["pid"])
    assert (delegated / "a.instance").exists()
    user_brig("rm", "a")
    assert not (delegated / "a.instance").exists()


def test_a_broken_import_leaves_nothing(user_brig, tmp_path):
    with tarfile.open(user_brig.folder / "bad.tar", "w") as tar:
        for name in ("ok", "../out"):
            tar.addfile(tarfile.TarInfo(name))
    user_brig.fails("image", "import", "--name", "bad", user_brig.folder / "bad.tar")
    assert list((user_brig.root / "tmp").iterdir()) == []
    assert not (user_brig.root / "layers").exists() or list((user_brig.root / "layers").iterdir()) == []


def test_a_debian_works(user_brig, debian_tar):
    readable = user_brig.folder / "debian.tar"
    shutil.copy(debian_tar, readable)
    readable.chmod(0o644)
    user_brig("image", "import", "--name", "debian", readable, timeout=300)
    shown = user_brig("run", "--rm", "debian", "sh", "-c", "dpkg-query -W -f '${Version}\\n' dpkg && ip -br link")
    assert shown.out.splitlines()[-1].startswith("lo")
    if user_brig.many_ids:
        shown = user_brig("run", "--rm", "debian", "sh", "-c", "su nobody -s /bin/sh -c id 2>&1; "
                          "setpriv --reuid 33 --regid 33 --clear-groups id -u")
        assert shown.out.splitlines()[-1] == "33"
