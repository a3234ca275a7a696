# SPDX-License-Identifier: GPL-2.0-or-later
"""`brig check` names what is wrong, mends what it can, and takes nothing from anybody."""

import json
import os
import shutil

import pytest

pytestmark = pytest.mark.root


def check(brig, *args, sound=True):
    """What is wrong: (kind, name, mended), sorted."""
    result = brig("check", "--json", *args, check=False)
    assert result.code == (0 if sound else 125), result.err + result.out
    return sorted((row["kind"], row["name"], row["mended"]) for row in json.loads(result.out))


@pytest.fixture
def own_image(brig, busybox_tree):
    """An image in a store of the test's own, which it may damage; its only layer."""
    brig("image", "import", "--name", "own:1", str(busybox_tree))
    (layer,) = brig.json("image", "inspect", "own:1")["layers"]
    return layer


def blob_of(brig):
    return brig.json("image", "inspect", "own:1")["manifest"]["layers"][0]["digest"].removeprefix("sha256:")


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_what_is_whole_is_left_alone(brig, own_image):
    assert check(brig) == []
    brig("run", "-d", "--name", "a", "-v", "v:/v", "own:1", "sleep", "1000")
    brig("exec", "a", "touch", "/f")
    brig("snapshot", "create", "a")
    assert brig("check").err == "brig: nothing is wrong\n"
    before = sorted(str(path) for path in brig.root.rglob("*"))
    assert check(brig, "--repair") == []
    assert sorted(str(path) for path in brig.root.rglob("*")) == before


def test_a_layer_is_made_anew_of_its_blob(brig, own_image):
    path = brig.root / "layers" / f"{own_image}.erofs"
    size = path.stat().st_size
    brig("run", "-d", "--name", "a", "own:1", "sleep", "1000")

    def damaged(change):
        change()
        assert check(brig, sound=False) == [("layer", own_image, False)]
        assert check(brig, "--repair") == [("layer", own_image, True)]
        assert check(brig) == [] and path.stat().st_size == size
        assert brig("exec", "a", "echo", "alive").out == "alive\n"  # on what it has mounted
        assert brig("run", "--rm", "own:1", "echo", "anew").out == "anew\n"

    damaged(path.unlink)

    def other_head():
        copy = path.with_suffix(".new")
        shutil.copy(path, copy)
        flip(copy, 1024 + 20)
        copy.rename(path)

    damaged(other_head)

    def other_data():
        copy = path.with_suffix(".new")
        shutil.copy2(path, copy)  # with its attributes
        flip(copy, copy.stat().st_size // 2)
        copy.rename(path)

    damaged(other_data)
    damaged(lambda: (path.unlink(), path.write_bytes(b"x" * 100)))


def test_a_layer_of_an_older_brig_is_told_and_is_no_fault(brig, own_image):
    os.removexattr(brig.root / "layers" / f"{own_image}.erofs", "trusted.brig.sha256")
    assert check(brig) == []
    assert "of 1 layers only the heads were compared" in brig("check").err


def test_a_damaged_blob_is_named_and_nothing_is_made_of_it(brig, own_image):
    blob = blob_of(brig)
    path = brig.root / "images/blobs/sha256" / blob
    flip(path, path.stat().st_size // 2)
    (brig.root / "layers" / f"{own_image}.erofs").unlink()
    wanted = sorted([("blob", blob, False), ("layer", own_image, False)])
    assert check(brig, sound=False) == wanted
    assert check(brig, "--repair", sound=False) == wanted
    assert path.exists()
    path.unlink()
    assert check(brig, sound=False) == wanted


def test_nothing_goes_while_it_is_not_known_what_is_needed(brig, own_image):
    (brig.root / "layers" / ("0" * 64 + ".erofs")).write_bytes(b"old")
    digest = brig.json("image", "inspect", "own:1")["digest"].removeprefix("sha256:")
    manifest = brig.root / "images/blobs/sha256" / digest
    kept = manifest.read_bytes()
    manifest.write_bytes(kept + b" ")
    assert check(brig, "--repair", sound=False) == [("image", "own:1", False)]
    assert (brig.root / "layers" / ("0" * 64 + ".erofs")).exists()
    manifest.write_bytes(kept)
    brig("create", "--name", "a", "own:1", "true")
    record = brig.root / "instances/a/instance.json"
    text = record.read_text()
    record.write_text("{")
    assert check(brig, "--repair", sound=False) == [("instance", "a", False)]
    record.write_text(text)
    name = "layers/" + "0" * 64 + ".erofs"
    assert check(brig, sound=False) == [("leftover", name, False)]
    assert check(brig, "--repair") == [("leftover", name, True)]
    assert check(brig) == [] and brig("start", "-a", "a").code == 0


def test_instances_and_what_is_theirs(brig, own_image):
    brig("run", "-d", "--name", "a", "-v", "v:/v", "own:1", "sleep", "1000")
    brig("exec", "a", "touch", "/f")
    brig("stop", "-t", "0", "a")
    brig("snapshot", "create", "a", "s")
    folder = brig.root / "instances/a"
    (folder / "snapshots/s/snapshot.json").write_text("{}")
    shutil.rmtree(brig.root / "volumes/v")
    os.rename(folder / "upper", folder / "kept")
    (folder / "upper").write_text("")
    assert check(brig, "--repair", sound=False) == [
        ("instance", "a", False), ("instance", "a", False), ("snapshot", "a/s", False)]
    (folder / "upper").unlink()
    os.rename(folder / "kept", folder / "upper")
    brig("volume", "create", "v")
    brig("snapshot", "rm", "a", "s")
    assert check(brig) == []


def test_what_a_killed_change_of_a_record_left_goes(brig, own_image):
    brig("create", "--name", "a", "own:1", "true")
    left = brig.root / "instances/a/instance.json.4711.tmp"
    left.write_text("{}")
    assert check(brig, sound=False) == [("leftover", "a", False)]
    assert check(brig, "--repair") == [("leftover", "a", True)] and not left.exists()
    left.write_text("{}")
    brig("start", "a")  # and with any verb that takes the lock
    assert not left.exists()


def test_leftovers_go(brig, own_image):
    brig("run", "-d", "--name", "a", "own:1", "sleep", "1000")
    brig("exec", "a", "touch", "/f")
    brig("snapshot", "create", "a", "s")
    brig("stop", "-t", "0", "a")
    folder = brig.root / "instances/a"
    left = [folder / ".convert", folder / "snapshots/.making", brig.root / "volumes/.x",
            brig.root / "tmp/import.abcdef"]
    for path in left:
        path.mkdir(parents=True)
        (path / "f").write_text("x")
    (folder / "data.raw").write_text("of another kind")
    wanted = ["a", "a/snapshots/.making", "tmp/import.abcdef", "volumes/.x"]
    assert check(brig, sound=False) == [("leftover", name, False) for name in wanted]
    assert check(brig, "--repair") == [("leftover", name, True) for name in wanted]
    assert check(brig) == [] and not any(path.exists() for path in [*left, folder / "data.raw"])
    brig("snapshot", "restore", "a", "s")
    assert (folder / "upper/f").exists()
    # what every verb removes
    (brig.root / "instances/.making-1").mkdir()
    assert check(brig) == [("leftover", "instances/.making-1", True)]
    assert check(brig) == []
