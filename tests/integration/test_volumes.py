# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders that a container shares: volumes, which outlive it, and paths of the host's."""

import os
import signal
import threading
from pathlib import Path

import pytest

from support import images, wait

pytestmark = pytest.mark.root


def sh(brig, image, script, *options, **more):
    """Runs the script in a fresh container; its output."""
    return brig("run", "--rm", *options, image, "sh", "-c", script, **more).out


def names(brig):
    return brig("volume", "ls", "-q").out.split()


@pytest.fixture
def image_with_data(import_tree):
    """An image that has something at /data, which user 33 owns."""
    def add(tree):
        data = tree / "data"
        (data / "sub").mkdir(parents=True)
        (data / "sub/seed").write_text("of the image\n")
        (data / "link").symlink_to("sub/seed")
        os.chown(data / "sub/seed", 33, 34)
        data.chmod(0o750)

    return import_tree(add)


# --- volumes

def test_a_volume_outlives_its_instances(brig, busybox_image):
    sh(brig, busybox_image, "echo kept > /v/file", "-v", "db:/v")
    assert sh(brig, busybox_image, "cat /elsewhere/file", "-v", "db:/elsewhere") == "kept\n"
    assert names(brig) == ["db"]


def test_its_files_have_the_owners_that_are_seen(brig, busybox_image):
    sh(brig, busybox_image, "touch /v/a /v/b; chown 5:6 /v/b", "-v", "db:/v")
    data = brig.root / "volumes/db/data"
    assert [((data / n).stat().st_uid, (data / n).stat().st_gid) for n in "ab"] == [(0, 0), (5, 6)]
    assert sh(brig, busybox_image, "stat -c %u:%g /v/b", "-v", "db:/v") == "5:6\n"


def test_an_empty_one_gets_what_the_image_has_there(brig, image_with_data):
    script = "cat /data/link; stat -c %u:%g /data/sub/seed; stat -c %a /data"
    assert sh(brig, image_with_data, script, "-v", "db:/data") == "of the image\n33:34\n750\n"
    # and never again
    sh(brig, image_with_data, "rm -r /data/sub; echo more > /data/more", "-v", "db:/data")
    assert sh(brig, image_with_data, "ls /data", "-v", "db:/data") == "link\nmore\n"
    assert sh(brig, image_with_data, "ls /data", "-v", "other:/data:nocopy") == ""


def test_two_that_start_at_once_share_one_filling(brig, image_with_data):
    brig("volume", "create", "db")
    out = []
    starts = [threading.Thread(target=lambda: out.append(sh(brig, image_with_data, "cat /data/link", "-v", "db:/data")))
              for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert out == ["of the image\n"] * 4


def test_it_is_there_after_a_restart_and_in_exec(brig, busybox_image):
    brig("run", "-d", "--name", "a", "-v", "db:/v", busybox_image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", "echo one > /v/file")
    brig("restart", "-t", "0", "a")
    assert brig("exec", "a", "cat", "/v/file").out == "one\n"


def test_one_that_is_used_is_not_removed(brig, busybox_image):
    brig("create", "--name", "a", "-v", "db:/v", busybox_image, "sh")
    refused = brig("volume", "rm", "db", check=False)
    assert refused.code == 125 and "'db' is used by a" in refused.err
    brig("volume", "prune", "--force")
    assert names(brig) == ["db"]
    brig("rm", "a")
    assert brig("volume", "rm", "db").out == "db\n"
    assert names(brig) == [] and list((brig.root / "volumes").iterdir()) == []


def test_a_damaged_record_may_name_any(brig, busybox_image):
    """What nobody can tell to be unused is kept."""
    brig("create", "--name", "a", "-v", "db:/v", busybox_image, "sh")
    (brig.root / "instances/a/instance.json").write_text("{")
    assert "is used by a" in brig("volume", "rm", "db", check=False).err
    assert brig("volume", "prune", "-f").out == ""
    brig("rm", "-f", "a")
    assert brig("volume", "prune", "-f").out == "db\n"


def test_a_damaged_volume_hides_no_other(brig, busybox_image):
    brig("volume", "create", "bad", "good")
    (brig.root / "volumes/bad/volume.json").write_text("{")
    assert [(v["name"], v["damaged"], v["created"] is None) for v in brig.json("volume", "ls")] == [
        ("bad", True, True), ("good", False, False)]
    assert brig("volume", "ls").out.splitlines()[1].split() == ["bad", "damaged", "-", "-"]
    assert "volume 'bad'" in brig("volume", "inspect", "bad", check=False).err
    # what is in it can still be used, and removed
    sh(brig, busybox_image, "echo kept > /v/file", "-v", "bad:/v")
    assert (brig.root / "volumes/bad/data/file").read_text() == "kept\n"
    brig("volume", "rm", "bad")
    assert names(brig) == ["good"]


def test_what_is_said_of_them(brig, busybox_image):
    brig("volume", "create", "--label", "for=tests", "one", "two")
    assert brig("volume", "create", "one").out == "one\n"
    brig("create", "--name", "a", "-v", "two:/v", busybox_image, "sh")
    [one] = brig.json("volume", "inspect", "one")
    assert (one["labels"], one["used_by"], one["path"]) == (["for=tests"], [], f"{brig.root}/volumes/one/data")
    assert [(v["name"], v["used_by"]) for v in brig.json("volume", "ls")] == [("one", []), ("two", ["a"])]
    assert brig("volume", "ls").out.splitlines()[0].split() == ["NAME", "CREATED", "DISK", "USED", "BY"]
    assert brig("volume", "ls", "--unused", "-q").out == "one\n"
    assert brig("volume", "prune", "-f").out == "one\n"


@pytest.mark.parametrize("args,word", [
    (["create", "../x"], "../x"), (["create", ".x"], ".x"), (["rm", "nowhere"], "no volume 'nowhere'"),
    (["inspect", "nowhere"], "no volume 'nowhere'"), (["prune"], "add --force"), (["create", "-l", "x", "a"], "KEY=VALUE"),
])
def test_what_cannot_be_is_refused(brig, args, word):
    refused = brig("volume", *args, check=False)
    assert refused.code == 125 and word in refused.err
    assert names(brig) == []


def test_one_with_a_size_is_a_disk_for_machines(brig, busybox_image, debian_kernel):
    assert brig("volume", "create", "--size", "10g", "store").out == "store\n"
    assert brig("volume", "create", "--size", "10g", "store").out == "store\n"
    [store] = brig.json("volume", "inspect", "store")
    disk = Path(store["path"]).stat()
    assert store["disk_size"] == disk.st_size == 10 << 30
    assert disk.st_blocks == 0 and disk.st_mode & 0o777 == 0o600
    brig("volume", "create", "folder")
    create = ("create", "--name", "a", "--vm")
    for args, word in [
            (("volume", "create", "store"), "a disk of 10G"),
            (("volume", "create", "-s", "1g", "folder"), "and a folder"),
            (("volume", "create", "-s", "2k", "small"), "at least 1m"),
            (("create", "-v", "store:/v", busybox_image), "a disk of 10G: --disk"),
            (("create", "--disk", "store", busybox_image), "a container has no disks"),
            ((*create, "--disk", "folder", busybox_image), "'folder' is a folder"),
            ((*create, "--disk", "other", busybox_image), "brig volume create --size 10g other")]:
        assert word in brig.fails(*args).err
    brig(*create, "--disk", "store:ro", busybox_image)
    brig("copy", "a", "b")
    assert {v["name"]: v["used_by"] for v in brig.json("volume", "ls")} == {"folder": [], "store": ["a", "b"]}
    assert "'store' is used by a, b" in brig.fails("volume", "rm", "store").err
    assert brig("volume", "prune", "-f").out == "folder\n"
    assert brig("check").out == ""
    brig("rm", "a", "b")
    assert brig("volume", "rm", "store").out == "store\n"


def test_what_a_killed_process_left_goes(brig):
    brig("volume", "create", "kept")
    left = brig.root / "volumes/.removed/data"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    brig("volume", "create", "another")
    assert sorted(p.name for p in (brig.root / "volumes").iterdir()) == ["another", "kept"]


# --- the host's own

def test_a_folder_of_the_host_has_the_same_owners_inside(brig, busybox_image, folder):
    script = "cat /s/file; stat -c %u:%g /s/file; touch /s/made"
    assert sh(brig, busybox_image, script, "-v", f"{folder}:/s") == "of the host\n7:8\n"
    assert (folder / "made").stat().st_uid == 0
    assert sh(brig, busybox_image, "stat -c %u /s/file", "-v", f"{folder}:/s:noidmap") == "65534\n"


def test_a_relative_path_begins_where_we_are(brig, busybox_image, folder):
    assert sh(brig, busybox_image, "cat /s/file", "-v", "./shared:/s", cwd=folder.parent) == "of the host\n"


def test_a_file_can_be_shared(brig, busybox_image, folder):
    mount = f"type=bind,source={folder}/file,target=/etc/new/file,readonly"
    refused = brig("run", "--rm", "--mount", mount, busybox_image, "sh", "-c",
                   "cat /etc/new/file; echo x > /etc/new/file", check=False)
    assert refused.out == "of the host\n" and "Read-only" in refused.err


def test_read_only_holds_for_all_below(brig, busybox_image, folder):
    (folder / "below").mkdir()
    images.run("mount", "-t", "tmpfs", "tmpfs", folder / "below")
    try:
        said = sh(brig, busybox_image, "touch /s/x || echo no; touch /s/below/x || echo no", "-v", f"{folder}:/s:ro")
        assert said == "no\nno\n"
        assert sh(brig, busybox_image, "touch /s/below/x", "-v", f"{folder}:/s") == ""
        assert (folder / "below/x").exists()
        # what is mounted below is left out by "bind"
        assert sh(brig, busybox_image, "ls /s/below", "-v", f"{folder}:/s:bind") == ""
    finally:
        images.run("umount", folder / "below")


def test_read_only_is_not_promised_to_who_can_take_it_back(brig, busybox_image, folder):
    for option in ["--nesting", "--privileged", "--cap-add=SYS_ADMIN"]:
        refused = brig("run", "--rm", option, "-v", f"{folder}:/s:ro", busybox_image, "true", check=False)
        assert refused.code == 125 and "read-only does not hold" in refused.err
    assert brig("ps", "-aq").out == ""


def test_device_nodes_open_nothing(brig, busybox_image, folder):
    os.mknod(folder / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    refused = brig("run", "--rm", "-v", f"{folder}:/s", busybox_image, "head", "-c1", "/s/zero", check=False)
    assert refused.code and "denied" in refused.err


def test_one_below_another_comes_after_it(brig, busybox_image, folder):
    options = ["-v", "db:/s/below", "-v", f"{folder}:/s", "--mount", "type=tmpfs,target=/t,tmpfs-size=1m"]
    assert sh(brig, busybox_image, "cat /s/file; ls /s; stat -f -c %T /t", *options) == "of the host\nbelow\nfile\ntmpfs\n"


def test_links_in_the_image_lead_nowhere_outside(brig, import_tree, folder):
    image = import_tree(lambda tree: (tree / "out").symlink_to("../../tmp"))
    assert sh(brig, image, "cat /tmp/in-it/file", "-v", f"{folder}:/out/in-it") == "of the host\n"
    assert not Path("/tmp/in-it").exists()


@pytest.mark.parametrize("options,word", [
    (["-v", "/nowhere-at-all:/x"], "no /nowhere-at-all on the host"), (["-v", "db"], "say SOURCE:PATH"),
    (["-v", "db:relative"], "no path inside"), (["-v", "db:/a/../b"], "no path inside"), (["-v", "db:/"], "no path inside"),
    (["-v", "db:/x:fly"], "'fly'"), (["-v", "./nowhere:/x"], "nowhere"), (["-v", "a:/x", "-v", "b:/x"], "two for /x"),
    (["--mount", "type=nfs,source=a,target=/x"], "type=nfs"), (["--mount", "target=/x"], "source="),
    (["--mount", "type=bind,source=db,target=/x"], "say type=volume"), (["--mount", "source=/tmp,target=/x"], "say type=bind"),
    (["--mount", "type=tmpfs,source=a,target=/x"], "no source"), (["--mount", "fly=1"], "'fly=1'"),
    (["--mount", "source=a,target=/x,readonly=yes"], "'readonly=yes'"), (["--mount", "type,target=/x"], "'type'"),
    (["--mount", "type=tmpfs,target=/x,ro,bind-propagation=shared"], "shared"),
])
def test_a_wrong_word_makes_nothing(brig, busybox_image, options, word):
    refused = brig("create", *options, busybox_image, "true", check=False)
    assert refused.code == 125 and word in refused.err
    assert brig("ps", "-aq").out == "" and names(brig) == []


def test_a_folder_that_went_is_named_at_the_start(brig, busybox_image, folder):
    brig("create", "--name", "a", "-v", f"{folder}:/s", busybox_image, "true")
    (folder / "file").unlink()
    folder.rmdir()
    refused = brig("start", "a", check=False)
    assert refused.code and str(folder) in refused.err


def test_cp_sees_what_a_stopped_container_shares(brig, busybox_image, folder, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    brig("create", "--name", "a", "-v", f"{folder}:/s", "-v", "db:/v", "-v", f"{gone}:/gone", busybox_image, "true")
    gone.rmdir()
    brig("cp", "a:/s/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "of the host\n"
    brig("cp", tmp_path / "copy", "a:/v/copy")
    data = brig.root / "volumes/db/data"
    assert (data / "copy").read_text() == "of the host\n" and (data / "copy").stat().st_uid == 0
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def test_a_killed_keeper_leaves_no_mount(brig, busybox_image, folder):
    brig("run", "-d", "--name", "a", "-v", f"{folder}:/s", "-v", "db:/v", busybox_image, "sleep", "1000")
    run = brig.json("inspect", "a")[0]["run"]
    os.kill(run["keeper_pid"], signal.SIGKILL)
    wait.process_end(run["pid"])
    brig("rm", "a")
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert (folder / "file").exists() and names(brig) == ["db"]


# --- as a user

def test_a_users_volume_is_his(user_brig, user_image):
    shared = user_brig.folder / "home/shared"
    user_brig.sh(f"mkdir {shared}; echo his > {shared}/file")
    assert user_brig("run", "--rm", "-v", "db:/v", "-v", f"{shared}:/s", user_image, "sh", "-c",
                     "cat /s/file; echo kept > /v/file").out == "his\n"
    assert user_brig("run", "--rm", "-v", "db:/v", user_image, "cat", "/v/file").out == "kept\n"
    user_brig("create", "--name", "a", "-v", "db:/v", user_image, "true")
    user_brig("cp", "a:/v/file", shared / "copy")
    assert (shared / "copy").read_text() == "kept\n"
    user_brig("rm", "a")
    user_brig("volume", "rm", "db")
    assert names(user_brig) == []
