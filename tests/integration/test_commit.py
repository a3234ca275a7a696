# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container has become is made an image, with all that its files have, and a Containerfile is, too."""

import json
import os
import shutil
import signal
import stat

import pytest

from support import layers, wait
from support.archives import image_of, layer_of, leftovers, run
from support.engines import Host, Podman

pytestmark = pytest.mark.root

# Everything that a writable layer can have over an image.
CHANGES = r"""
set -e
mkdir -p /new/deep /was && echo old >/was/kept && chmod 1777 /new
echo hello >/new/file && chmod 4750 /new/file && ln /new/file /new/deep/twin && ln -s ../file /new/deep/link
rm /bin/gzip && rm -r /etc && mkdir /etc && echo yes >/etc/only
mkfifo /new/pipe
dd if=/dev/zero of=/new/sparse bs=1 count=1 seek=200000000 2>/dev/null
truncate -s 50000000 /new/hole
chown 1234:5678 /new/deep && touch -d @1234567890 /new/deep
touch "/new/$(printf 'a\nb')" "/new/$(printf 'long%0200d' 0)"
rm /bin/kill && mkdir /bin/kill && touch /bin/kill/inside
"""


@pytest.fixture
def changed(brig, busybox_image):
    brig("run", "--name", "one", busybox_image, "sh", "-c", CHANGES)
    return "one"


def test_an_image_has_all_that_the_container_has(brig, changed):
    digest = brig("commit", changed, "two:1").out.strip()
    assert brig.json("image", "inspect", "two:1")["digest"] == digest
    with image_of(brig, "two:1") as root:
        file = (root / "new/file").stat()
        assert stat.S_IMODE(file.st_mode) == 0o4750 and file.st_nlink == 2
        assert (root / "new/deep/twin").stat().st_ino == file.st_ino
        assert os.readlink(root / "new/deep/link") == "../file"
        assert not (root / "bin/gzip").exists() and os.listdir(root / "etc") == ["only"]
        assert os.listdir(root / "bin/kill") == ["inside"]
        assert stat.S_ISFIFO((root / "new/pipe").stat().st_mode)
        assert (root / "new/sparse").stat().st_size == 200000001 and (root / "new/hole").stat().st_size == 50000000
        deep = (root / "new/deep").stat()
        assert (deep.st_uid, deep.st_gid, int(deep.st_mtime)) == (1234, 5678, 1234567890)
        assert stat.S_IMODE((root / "new").stat().st_mode) == 0o1777
        assert (root / "new/a\nb").exists() and (root / f"new/long{'0' * 200}").exists()
        assert (root / "bin/busybox").stat().st_uid == 0
    assert brig.json("image", "inspect", "two:1")["size"] < 20 << 20  # with its holes
    assert brig("run", "--rm", "two:1", "cat", "/etc/only").out == "yes\n"


def test_attributes_and_capabilities_stay(brig, busybox_image):
    brig("run", "--name", "caps", busybox_image, "sh", "-c",
         "mkdir /srv && cp /bin/busybox /srv/tool && touch /srv/plain")
    upper = brig.root / "instances/caps/upper/srv"
    os.setxattr(upper / "plain", "user.note", b"a\nb=c")
    run("setcap", "cap_net_raw+ep", upper / "tool")
    brig("commit", "caps", "caps:1")
    with image_of(brig, "caps:1") as root:
        assert os.getxattr(root / "srv/plain", "user.note") == b"a\nb=c"
        assert b"cap_net_raw=ep" in run("getcap", root / "srv/tool")
        assert not [name for name in os.listxattr(root / "srv") if "overlay" in name]


def test_a_second_commit_goes_on_from_the_first(brig, changed):
    brig("commit", changed, "two:1")
    brig("run", "--name", "next", "two:1", "sh", "-c", "rm -r /new /etc/only; echo x >/etc/more")
    brig("commit", "next", "three:1")
    with image_of(brig, "three:1") as root:
        assert not (root / "new").exists() and os.listdir(root / "etc") == ["more"]
    counts = [len(brig.json("image", "inspect", name)["layers"]) for name in ("busybox", "two:1", "three:1")]
    assert counts == [1, 2, 3]


def test_how_the_container_runs_is_how_the_image_does(brig, busybox_image):
    brig("create", "--name", "set", "-e", "A=b", "-w", "/tmp", "-u", "7:8", "-l", "who=me", busybox_image,
         "sh", "-c", "id -u; pwd; echo $A")
    assert "has never run" in brig.fails("commit", "set", "set:1").err
    brig("start", "-a", "set")
    brig("commit", "-m", "a note", "-a", "me", "-c", "ENV C=d", "-c", "EXPOSE 80", "set", "set:1")
    image = brig.json("image", "inspect", "set:1")["config"]
    assert image["author"] == "me" and image["history"][-1]["comment"] == "a note"
    settings = image["config"]
    assert settings["Labels"]["who"] == "me" and settings["ExposedPorts"] == {"80/tcp": {}} and "C=d" in settings["Env"]
    assert brig("run", "--rm", "set:1").out == "7\n/tmp\nb\n"


def test_podman_runs_it(brig, changed):
    brig("commit", changed, "localhost/two:1")
    with Host() as host:
        podman = Podman(host)
        brig("save", "-o", host.folder / "two.tar", "localhost/two:1")
        podman("load", "-i", host.folder / "two.tar")
        script = "set -e; cat /etc/only; stat -c %h:%a /new/file; ls /bin/kill; test ! -e /etc/passwd; test ! -e /bin/gzip; stat -c %s /new/sparse"
        result = podman("run", "--rm", "localhost/two:1", "sh", "-c", script)
        assert result.out.split() == ["yes", "2:4750", "inside", "200000001"]
        brig("convert", changed, "--vm")
        brig("commit", changed, "localhost/vm:1")
        brig("save", "-o", host.folder / "vm.tar", "localhost/vm:1")
        podman("load", "-i", host.folder / "vm.tar")
        assert podman("run", "--rm", "localhost/vm:1", "sh", "-c", script).out == result.out


def layer_listing(folder):
    """A deleted file's mark has the time at which the layer was unpacked."""
    found = layers.listing(folder)
    for file in found.values():
        if file["mode"] == "0o20000" and file["device"] == 0:
            del file["changed"]
    return found


def test_a_machine_has_the_image_that_a_container_has(brig, changed):
    upper = brig.root / "instances/one/upper"
    os.setxattr(upper / "new/file", "user.note", b"a\nb=c")
    shutil.copy2("/bin/true", upper / "new/tool")
    run("setcap", "cap_net_raw+ep", upper / "new/tool")
    os.mknod(upper / "new/disk", 0o060640, os.makedev(259, 70000))
    os.mknod(upper / "new/socket", 0o140755)
    brig("commit", changed, "container:1")
    brig("convert", changed, "--vm")
    brig("commit", changed, "machine:1")
    with layer_of(brig, "container:1", 1) as one, layer_of(brig, "machine:1", 1) as other:
        assert layer_listing(one) == layer_listing(other)
        assert stat.S_ISBLK((other / "new/disk").stat().st_mode) and not (other / "new/socket").exists()
        assert b"cap_net_raw=ep" in run("getcap", other / "new/tool")
        assert os.getxattr(other / "new/file", "user.note") == b"a\nb=c"
    assert brig("run", "--rm", "machine:1", "cat", "/etc/only").out == "yes\n"
    run("debugfs", "-w", "-R", "feature needs_recovery", brig.root / "instances/one/data.raw")
    brig("commit", changed, "unclean:1")  # the journal is replayed in a copy
    with layer_of(brig, "container:1", 1) as one, layer_of(brig, "unclean:1", 1) as other:
        assert layer_listing(one) == layer_listing(other)
    with open(brig.root / "instances/one/data.raw", "r+b") as disk:
        size = disk.seek(0, os.SEEK_END)
        disk.truncate(0)
        disk.truncate(size)
    before = leftovers(brig)
    assert "e2fsck" in brig.fails("commit", changed, "broken:1").err
    assert leftovers(brig) == before


def test_a_running_one_stands_still_meanwhile_and_goes_on(brig, busybox_image):
    brig("run", "-d", "--name", "busy", busybox_image, "sh", "-c",
         "i=0; while :; do i=$((i+1)); echo $i >/a; echo $i >/b; done")
    wait.file_exists(brig.root / "instances/busy/upper/b")
    brig("commit", "busy", "busy:1")
    with image_of(brig, "busy:1") as root:
        first, second = ((root / name).read_text().strip() for name in "ab")
        assert not first or not second or int(first) - int(second) in (0, 1)
    assert brig.json("ps")[0]["state"] == "running"
    brig("pause", "busy")
    brig("commit", "busy", "busy:2")
    assert brig.json("ps")[0]["state"] == "paused"


def test_one_that_is_killed_lets_the_container_go_and_leaves_nothing(brig, busybox_image):
    brig("run", "-d", "--name", "busy", busybox_image, "sh", "-c",
         "dd if=/dev/urandom of=/big bs=1M count=200 2>/dev/null; touch /done; sleep 1000")
    wait.file_exists(brig.root / "instances/busy/upper/done", 30)
    before = leftovers(brig)
    for number in (signal.SIGKILL, signal.SIGINT):
        with brig.popen("commit", "busy", "busy:1") as running:
            deadline = wait.Deadline(20, "the layer to be written")
            while not list((brig.root / "tmp").glob("*/upper.tar")):
                deadline.left()
            running.signal(number)
            running.process.wait()
        wait.file_state(brig.root / "tmp", lambda: not list((brig.root / "tmp").iterdir()), 20)
        assert leftovers(brig) == before
        assert brig("exec", "busy", "echo", "alive").out == "alive\n"
    assert brig.json("ps")[0]["state"] == "running"


def test_what_cannot_be_is_refused(brig, changed, busybox_image, tmp_path):
    assert "there is no" in brig.fails("commit", "nosuch", "x:1").err
    assert "not a valid image name" in brig.fails("commit", changed, "UPPER").err
    assert "no change that an image can have" in brig.fails("commit", "-c", "RUN x", changed, "x:1").err
    (brig.root / "instances/one/upper/.wh.odd").touch()
    assert ".wh.odd has a name that means a deleted file" in brig.fails("commit", changed, "x:1").err
    (brig.root / "instances/one/upper/.wh.odd").unlink()
    brig("rmi", "-f", busybox_image)
    assert "is here no more" in brig.fails("commit", changed, "x:1").err


def test_a_user_makes_one_of_his_own(user_brig, user_image):
    user_brig("run", "--name", "one", user_image, "sh", "-c",
              "rm /bin/gzip; rm -r /etc; mkdir /etc; echo yes >/etc/only; chown 0:0 /etc/only")
    user_brig("commit", "one", "two:1")
    result = user_brig("run", "--rm", "two:1", "sh", "-c", "cat /etc/only; stat -c %u /etc/only; ls /etc /bin/gzip",
                       check=False)
    assert result.out == "yes\n0\n/etc:\nonly\n" and "/bin/gzip" in result.err


# --- build ---

@pytest.fixture
def storage(tmp_path):
    """buildah's images in a folder of the test's own."""
    config = tmp_path / "storage.conf"
    config.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/storage"\nrunroot = "{tmp_path}/run"\n')
    return {"CONTAINERS_STORAGE_CONF": str(config)}


@pytest.mark.skipif(not shutil.which("buildah"), reason="needs buildah")
def test_a_containerfile_is_run(brig, busybox_tree, storage, tmp_path):
    context = tmp_path / "context"
    shutil.copytree(busybox_tree, context / "tree", symlinks=True)
    (context / "Containerfile").write_text(
        'FROM scratch AS base\nCOPY tree /\nFROM base\nARG WORD\nENV SAID=$WORD\nCMD ["sh", "-c", "echo $SAID"]\n')
    result = brig("build", "-t", "built:1", "-t", "other:2", "--build-arg", "WORD=hello", context, env=storage)
    assert result.out == "built:1\nother:2\n" and "COPY tree" in result.err
    assert brig("run", "--rm", "built:1").out == "hello\n"
    assert brig("build", "-q", "--target", "base", context, env=storage).out == "context:latest\n"
    assert "SAID" not in json.dumps(brig.json("image", "inspect", "context"))
    # images that it names are first looked for in the store
    (context / "one").write_text("FROM built:1\nCOPY one /one\n")
    brig("build", "-q", "-t", "one", "-f", context / "one", context, env=storage)
    (context / "more").write_text('FROM built:1 AS other\nENV SAID=again\nFROM other\nCOPY --from=one /one /b\n')
    brig("build", "-q", "-t", "more", "-f", "more", ".", cwd=context, env=storage)
    assert brig("run", "--rm", "more").out == "again\n"
    assert "FROM" in brig("run", "--rm", "more", "cat", "/b").out


@pytest.mark.skipif(not shutil.which("buildah"), reason="needs buildah")
def test_a_build_that_fails_leaves_nothing(brig, storage, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/Containerfile").write_text("FROM scratch\nCOPY nothing /\n")
    failed = brig.fails("build", tmp_path / "bad", env=storage)
    assert failed.err.splitlines()[-1].startswith(f"brig: cannot build {tmp_path}/bad: buildah failed")
    assert "cannot find it" in brig.fails("build", tmp_path / "nowhere", env=storage).err
    assert "buildah is not installed: apt install buildah" in brig.fails(
        "build", tmp_path / "bad", env={"PATH": "/nowhere"}).err
    assert not leftovers(brig)
