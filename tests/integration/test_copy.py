# SPDX-License-Identifier: GPL-2.0-or-later
"""brig cp, as docker cp does it, in both kinds."""

import gzip
import hashlib
import io
import os
import tarfile

import pytest

pytestmark = pytest.mark.root


@pytest.fixture
def box(brig, busybox_image, kind):
    """A running instance named "box"."""
    brig("run", "-d", "--name", "box", *kind.args, busybox_image, "sleep", "1000", timeout=120)
    return "box"


@pytest.fixture
def tree(tmp_path):
    """A local folder "tree" with a file, a folder, a symlink and an executable, in a folder of its own."""
    tree = tmp_path / "here/tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_text("text\n")
    (tree / "sub/deep").write_text("deep\n")
    (tree / "link").symlink_to("sub/deep")
    (tree / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tree / "run.sh").chmod(0o751)
    return tree


def inside(brig, script):
    return brig("exec", "box", "sh", "-c", script).out


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


TREE = ["file", "link", "run.sh", "sub", "sub/deep"]


def test_a_file_into_a_folder_or_under_a_new_name(brig, box, tree, tmp_path):
    brig("cp", tree / "file", "box:/tmp")
    brig("cp", tree / "file", "box:/tmp/named")
    brig("cp", "file", "box:tmp/relative", cwd=tree)
    assert inside(brig, "cat /tmp/file /tmp/named /tmp/relative") == "text\n" * 3
    (tmp_path / "out").mkdir()
    brig("cp", "box:/tmp/named", tmp_path / "out")
    brig("cp", "box:/tmp/named", "again", cwd=tmp_path)
    assert (tmp_path / "out/named").read_text() == (tmp_path / "again").read_text() == "text\n"


def test_a_folder_as_it_is_or_what_is_in_it(brig, box, tree, tmp_path):
    brig("cp", tree, "box:/new")
    brig("cp", tree, "box:/tmp")
    brig("cp", f"{tree}/.", "box:/var/log")
    for folder in ("/new", "/tmp/tree", "/var/log"):
        assert inside(brig, f"cd {folder} && find . -mindepth 1 | sort").split() == [f"./{name}" for name in TREE]
    brig("cp", "box:/new", tmp_path / "new")
    assert names(tmp_path / "new") == TREE
    brig("cp", "box:/new", tmp_path / "new")
    assert names(tmp_path / "new/new") == TREE
    (tmp_path / "contents").mkdir()
    brig("cp", "box:/new/.", tmp_path / "contents")
    assert names(tmp_path / "contents") == TREE
    brig("cp", "box:/new/.", tmp_path / "made")
    assert names(tmp_path / "made") == TREE


def test_modes_links_and_times_are_kept(brig, box, tree, tmp_path):
    os.utime(tree / "file", (1000000000, 1000000000))
    brig("cp", tree, "box:/new")
    assert inside(brig, "/new/run.sh; stat -c %a /new/run.sh; readlink /new/link; stat -c %Y /new/file").split() == [
        "ran", "751", "sub/deep", "1000000000"]
    brig("cp", "box:/new", tmp_path / "back")
    assert (tmp_path / "back/run.sh").stat().st_mode & 0o777 == 0o751
    assert os.readlink(tmp_path / "back/link") == "sub/deep"
    assert int((tmp_path / "back/file").stat().st_mtime) == 1000000000


def test_a_symlink_is_followed_on_demand(brig, box, tree, tmp_path):
    brig("cp", tree / "link", "box:/tmp/kept")
    brig("cp", "-L", tree / "link", "box:/tmp/followed")
    assert inside(brig, "readlink /tmp/kept; cat /tmp/followed; readlink /tmp/followed; true") == "sub/deep\ndeep\n"
    inside(brig, "ln -s /etc/passwd /tmp/passwd")
    brig("cp", "-L", "box:/tmp/passwd", tmp_path / "passwd")
    assert "app:x:1000" in (tmp_path / "passwd").read_text()


def test_owners_are_kept_on_demand(brig, box, tree, tmp_path):
    os.chown(tree / "file", 1000, 2000)
    brig("cp", tree / "file", "box:/tmp/plain")
    brig("cp", "-a", tree / "file", "box:/tmp/kept")
    assert inside(brig, "stat -c %u:%g /tmp/plain /tmp/kept").split() == ["0:0", "1000:2000"]
    brig("cp", "box:/tmp/kept", tmp_path / "plain")
    brig("cp", "-a", "box:/tmp/kept", tmp_path / "kept")
    assert ((tmp_path / "plain").stat().st_uid, (tmp_path / "kept").stat().st_uid) == (0, 1000)


def test_much_arrives_whole(brig, box, tmp_path):
    data = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(1 << 19))
    (tmp_path / "big").write_bytes(data)
    brig("cp", tmp_path / "big", "box:/big", timeout=300)
    assert inside(brig, "sha256sum /big").split()[0] == hashlib.sha256(data).hexdigest()
    brig("cp", "box:/big", tmp_path / "back", timeout=300)
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize("source, target, told", [
    ("{tree}/none", "box:/tmp", "none"),
    ("box:/none", "{here}", "none"),
    ("{tree}/file", "box:/none/x", "/none"),
    ("box:/etc/passwd", "{here}/none/x", "none"),
    ("{tree}", "box:/etc/passwd", "passwd"),
    ("{tree}/file", "box:/newfolder/", "newfolder"),
    ("{tree}/file/.", "box:/tmp", "file"),
])
def test_what_cannot_be_is_told_once(brig, box, tree, source, target, told):
    where = {"tree": tree, "here": tree.parent}
    result = brig.fails("cp", source.format(**where), target.format(**where))
    assert told in result.err and result.err.count("\n") == 1
    assert names(tree.parent) == ["tree", *(f"tree/{name}" for name in TREE)]


def test_links_inside_do_not_lead_out(brig, box, tree, tmp_path):
    """A workload that has links where the host has other things does not make cp write there."""
    (tmp_path / "victim").mkdir()
    inside(brig, f"ln -s {tmp_path}/victim /tmp/escape; mkdir -p /evil; ln -s {tmp_path}/victim/x /evil/file")
    brig("cp", tree / "file", "box:/tmp/escape/x", check=False)
    brig("cp", f"{tree}/.", "box:/evil", check=False)
    assert names(tmp_path / "victim") == []


def test_an_instance_that_does_not_run(brig, box, tree, kind, tmp_path):
    brig("stop", "-t", "0", "box")
    if kind.vm:
        assert "start it first" in brig.fails("cp", tree, "box:/new").err
        return
    brig("cp", tree, "box:/new")
    brig("cp", "box:/new", tmp_path / "back")
    assert names(tmp_path / "back") == TREE


def test_an_archive_out_and_in_by_the_streams(brig, box, tree, tmp_path):
    (tree / "hard").hardlink_to(tree / "file")
    brig("cp", tree, "box:/tree")
    inside(brig, "chown 7:8 /tree/file")
    out = tarfile.open(fileobj=io.BytesIO(brig("cp", "box:/tree", "-", text=False).out))
    found = {entry.name: entry for entry in out}
    assert set(found) == {"tree", *(f"tree/{name}" for name in [*TREE, "hard"])}
    assert found["tree/link"].linkname == "sub/deep" and found["tree/run.sh"].mode == 0o751
    assert {found["tree/file"].islnk(), found["tree/hard"].islnk()} == {True, False}
    one = found["tree/file" if found["tree/file"].isreg() else "tree/hard"]
    assert out.extractfile(one).read() == b"text\n" and (one.uid, one.gid) == (7, 8)
    contents = brig("cp", "box:/tree/.", "-", text=False).out
    assert "./sub/deep" in tarfile.open(fileobj=io.BytesIO(contents)).getnames()
    # what comes in belongs to root, or with -a to whom the archive says; compressed as well
    brig("cp", "-", "box:/var/log", input=contents)
    brig("cp", "-a", "-", "box:/tmp", input=gzip.compress(contents))
    assert inside(brig, "stat -c %u:%g /var/log/file /tmp/file; cat /tmp/hard").split() == ["0:0", "7:8", "text"]
    assert inside(brig, "stat -c %i /tmp/file /tmp/hard | sort -u | wc -l; /tmp/run.sh").split() == ["1", "ran"]
    # what is no archive, is cut, or leads out changes nothing that was there
    for bad, word in [(b"no archive" * 100, "tar"), (contents[:700], ""), (b"", "")]:
        assert word in brig.fails("cp", "-", "box:/tree", input=bad).err
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/../../evil"))
    assert "leads out" in brig.fails("cp", "-", "box:/tree", input=evil.getvalue()).err
    assert "neither side" in brig.fails("cp", "-", "-").err
    assert "is nothing for a terminal" in brig("cp", "box:/tree", "-", tty=True, check=False).out
    assert inside(brig, "cat /tree/file; ls /evil 2>/dev/null || :") == "text\n"
