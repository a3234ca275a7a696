# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes how much of the disk, and giving back what nobody uses."""

import os
import subprocess

import pytest

MIB = 1 << 20

pytestmark = pytest.mark.root


def sizes(brig):
    return brig.json("df")


def item(group, name):
    return next(item for item in group["items"] if item["name"] == name)


@pytest.fixture
def two_images(brig, busybox_image, tmp_path):
    """busybox, and one of that with a layer of 4 MiB on top."""
    brig("run", "--name", "a", busybox_image, "dd", "if=/dev/urandom", "of=/big", "bs=1M", "count=4")
    brig("commit", "a", "more")
    brig("rm", "a")


def allocated(folder):
    out = subprocess.run(["du", "--block-size=1", "-s", folder], capture_output=True, check=True, text=True)
    return int(out.stdout.split()[0])


def test_what_images_share_is_nobody_s_own(brig, two_images):
    group = sizes(brig)["images"]
    below, above = item(group, "busybox:latest"), item(group, "more:latest")
    assert group["count"] == 2 and group["used"] == 0
    assert 8 * MIB <= above["own"] <= 9 * MIB  # the layer, and the blob that it was made of
    assert above["size"] - above["own"] == below["size"] - below["own"] > MIB
    assert below["own"] < MIB // 10  # its documents
    assert group["size"] == allocated(brig.root / "images") + allocated(brig.root / "layers")
    assert below["size"] + above["own"] <= group["size"]
    assert group["free"] == below["size"] + above["own"]


def test_what_an_instance_uses_stays(brig, two_images):
    brig("run", "-d", "--name", "user", "-v", "used:/v", "more", "sleep", "1000")
    brig("create", "--name", "stopped", "busybox", "true")
    brig("volume", "create", "unused")
    before = sizes(brig)
    assert item(before["images"], "more:latest")["used_by"] == ["user"]
    assert item(before["volumes"], "used")["used_by"] == ["user"]
    assert before["images"]["free"] == 0  # the stopped one needs its own, too
    refused = brig.fails("prune", "-a").err
    assert "1 of the instances" in refused and "1 of the volumes" in refused and "--force" in refused
    assert sizes(brig)["instances"]["count"] == 2

    assert brig("prune", "--images", "-f").out == ""
    assert set(brig("prune", "-a", "-f").out.split()) == {"stopped", "busybox:latest", "unused"}
    assert brig("ps", "-a", "-q").out == "user\n"
    assert brig("volume", "ls", "-q").out == "used\n"
    assert brig("exec", "user", "ls", "/big").out == "/big\n"
    brig("stop", "-t", "0", "user")
    brig("start", "user")  # all its layers are there
    after = sizes(brig)
    assert (after["images"]["free"], after["instances"]["free"], after["volumes"]["free"]) == (0, 0, 0)


def test_an_image_in_use_keeps_all_its_names(brig, busybox_image):
    brig("image", "tag", busybox_image, "other")
    brig("create", "--name", "a", busybox_image, "true")
    assert brig("prune", "--images", "-f").out == ""
    assert brig("image", "ls", "-q").out.split() == ["busybox:latest", "other:latest"]


def test_what_is_written_and_deleted_is_seen(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    own = item(sizes(brig)["instances"], "a")["size"]
    brig("exec", "a", "sh", "-c", "dd if=/dev/zero of=/f bs=1M count=3; ln /f /g; dd if=/dev/zero of=/h bs=1 seek=1G count=0")
    assert 3 * MIB <= item(sizes(brig)["instances"], "a")["size"] - own < 4 * MIB
    written = brig.json("ps", "-s")[0]["size"]
    assert 3 * MIB <= written["written"] < 4 * MIB and written["limit"] is None
    assert written["all"] - written["written"] == sum(
        path.stat().st_blocks * 512 for path in (brig.root / "layers").iterdir())
    brig("exec", "a", "rm", "/f", "/g")
    assert item(sizes(brig)["instances"], "a")["size"] - own < MIB
    table = brig("df", "-v", "--no-header").out
    assert [line.split()[:2] for line in table.splitlines()] == [["images", "busybox:latest"], ["instances", "a"]]


def test_what_an_instance_may_write_is_shown(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    assert item(sizes(brig)["instances"], "a")["limit"] is None
    brig("convert", "a", "--vm")
    limit = brig.json("inspect", "a")[0]["disk_size"]
    assert item(sizes(brig)["instances"], "a")["limit"] == limit
    assert brig("df", "-v", "--no-header").out.splitlines()[-1].split()[4] == f"{limit >> 30}G"
    assert f"/{limit >> 30}G (virtual " in brig("ps", "-a", "-s").out


def test_the_cache_is_made_anew(brig, busybox_image):
    brig("run", "--rm", busybox_image, "true")
    assert os.listdir(brig.root / "cache")
    brig("prune", "-f")
    assert sizes(brig)["cache"]["size"] == 0
    brig("run", "--rm", busybox_image, "true")


def test_nothing_takes_nothing(brig):
    assert {kind: group["size"] for kind, group in sizes(brig).items()} == {
        "images": 0, "instances": 0, "volumes": 0, "kernels": 0, "cache": 0}
    assert not brig.root.exists()


def test_a_user_sees_what_his_containers_wrote(user_brig, user_image):
    user_brig("run", "--name", "a", user_image, "sh", "-c", "mkdir /d; dd if=/dev/zero of=/d/f bs=1M count=3; chmod 0 /d")
    assert item(sizes(user_brig)["instances"], "a")["size"] > 3 * MIB
