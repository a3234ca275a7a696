# SPDX-License-Identifier: GPL-2.0-or-later
"""Images come in from everywhere, whole and only once, and what is bad leaves nothing behind."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from support import layers, leaks, wait
from support.archives import (Oci, device, docker_archive, encode, entry, hardlink, image_of, layer_of,
                              leftovers, mounted, run, sha256, symlink, tar)

pytestmark = pytest.mark.root

HELLO = tar(entry("./"), entry("etc/"), entry("etc/hello", b"hello\n"))
OTHER = tar(entry("etc/"), entry("etc/other", b"other\n"))


def zstd(data):
    return run("zstd", "-q", "-c", input=data)


def references(brig):
    return brig("image", "ls", "-q").out.split()


def inspect(brig, reference):
    return json.loads(brig("image", "inspect", reference).out)


# --- what an image keeps ---

def full_tree(folder):
    """A folder with all that a root file system can have."""
    for path in ("bin", "etc", "dev", "var/empty"):
        (folder / path).mkdir(parents=True)
    (folder / "bin/tool").write_bytes(b"#!/bin/sh\n")
    os.chown(folder / "bin/tool", 1234, 70000)
    (folder / "bin/tool").chmod(0o6755)
    os.link(folder / "bin/tool", folder / "bin/twin")
    (folder / "bin/sh").symlink_to("/bin/tool")
    (folder / "bin/capable").write_bytes(b"x")
    run("setcap", "cap_net_raw+ep", folder / "bin/capable")
    os.setxattr(folder / "etc", "user.note", b"kept")
    os.setxattr(folder / "etc", "trusted.private", b"dropped")
    os.mknod(folder / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(folder / "dev/disk", 0o660 | stat.S_IFBLK, os.makedev(259, 70000))
    os.mkfifo(folder / "dev/pipe")
    with open(folder / "var/sparse", "wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
    for name in ("é", "a\nb", b"\xff\xfe", "x" * 254):
        (folder / "etc").joinpath(os.fsdecode(name)).write_bytes(b"odd")
    os.utime(folder / "bin/capable", ns=(0, 1_234_567_890_123_456_789))
    os.utime(folder / "var/empty", ns=(0, 77_000_000_000))
    return folder


def check_full_tree(folder):
    tool = (folder / "bin/tool").stat()
    assert (tool.st_uid, tool.st_gid, stat.S_IMODE(tool.st_mode)) == (1234, 70000, 0o6755)
    assert (folder / "bin/twin").stat().st_ino == tool.st_ino and tool.st_nlink == 2
    assert os.readlink(folder / "bin/sh") == "/bin/tool"
    assert b"cap_net_raw=ep" in run("getcap", folder / "bin/capable")
    assert os.getxattr(folder / "etc", "user.note") == b"kept"
    assert "trusted.private" not in os.listxattr(folder / "etc")
    null, disk = (folder / "dev/null").stat(), (folder / "dev/disk").stat()
    assert (null.st_rdev, stat.S_IFMT(null.st_mode)) == (os.makedev(1, 3), stat.S_IFCHR)
    assert (disk.st_rdev, stat.S_IFMT(disk.st_mode)) == (os.makedev(259, 70000), stat.S_IFBLK)
    assert stat.S_ISFIFO((folder / "dev/pipe").stat().st_mode)
    with open(folder / "var/sparse", "rb") as file:
        assert file.read(4096) == bytes(4096)
        file.seek(1 << 30)
        assert file.read() == b"end"
    assert {os.fsencode(name) for name in os.listdir(folder / "etc")} == {
        "é".encode(), b"a\nb", b"\xff\xfe", b"x" * 254}
    assert (folder / "bin/capable").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (folder / "var/empty").stat().st_mtime_ns == 77_000_000_000


def test_a_folder_keeps_all_that_a_root_file_system_can_have(brig, tmp_path):
    tree = full_tree(tmp_path / "tree")
    assert brig("image", "import", "--name", "all:1", tree).out == "all:1\n"
    with layer_of(brig, "all:1") as folder:
        check_full_tree(folder)
    stored = sum(path.stat().st_blocks * 512 for path in brig.root.rglob("*") if path.is_file())
    assert stored < 64 << 20  # the 1 GiB hole costs nothing to speak of


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_tar_keeps_it_too(brig, tmp_path, form):
    tree, archive = full_tree(tmp_path / "tree"), tmp_path / "all.tar"
    options = ["--xattrs", "--xattrs-include=*"] if form == "pax" else []
    run("tar", f"--format={form}", "--sparse", *options, "-C", tree, "-cf", archive, ".")
    brig("image", "import", archive)
    with layer_of(brig, "all") as folder:
        if form == "pax":
            check_full_tree(folder)
        else:
            assert os.path.exists(folder / "etc" / os.fsdecode(b"\xff\xfe"))
            assert (folder / "var/sparse").stat().st_size == (1 << 30) + 3


def test_a_folder_can_be_imported_that_holds_the_store(brig):
    tree = brig.root.parent / "tree"
    tree.mkdir()
    (tree / "file").write_text("x")
    brig.root = tree / "brig"
    brig("image", "import", "--name", "self", tree)
    with layer_of(brig, "self") as folder:
        assert sorted(os.listdir(folder)) == ["file"]


# --- sources ---

COMPRESSIONS = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress, "zstd": zstd,
                "bzip2": bz2.compress}


def test_a_tar_gives_the_same_layer_however_it_is_compressed(brig, tmp_path):
    for name, compress in COMPRESSIONS.items():
        (tmp_path / f"{name}.tar").write_bytes(compress(HELLO))
        assert brig("image", "import", tmp_path / f"{name}.tar").out == f"{name}:latest\n"
        assert inspect(brig, name)["layers"] == [sha256(HELLO)]
        with layer_of(brig, name) as folder:
            assert (folder / "etc/hello").read_text() == "hello\n"
    assert len(list((brig.root / "layers").iterdir())) == 1


def test_what_oci_knows_is_kept_as_it_came(brig, tmp_path):
    for name in ("plain", "gzip", "zstd"):
        data = COMPRESSIONS[name](HELLO)
        (tmp_path / name).write_bytes(data)
        brig("image", "import", tmp_path / name)
        assert inspect(brig, name)["manifest"]["layers"][0]["digest"] == f"sha256:{sha256(data)}"


def test_an_archive_is_read_from_stdin(brig):
    assert brig("image", "import", "--name", "piped", "-", input=gzip.compress(HELLO)).out == "piped:latest\n"
    assert "--name" in brig.fails("image", "import", "-", input=HELLO).err


def test_an_oci_layout_keeps_its_names_and_its_digest(brig, tmp_path):
    layout = Oci().add("web:1", HELLO, OTHER, settings={"Cmd": ["/bin/x"], "Env": ["A=b"]})
    assert brig("image", "import", layout.write(tmp_path / "layout")).out == "web:1\n"
    found = inspect(brig, "web:1")
    assert found["digest"] == layout.manifests[0]["digest"]
    assert found["layers"] == [sha256(HELLO), sha256(OTHER)]
    assert found["config"]["config"] == {"Cmd": ["/bin/x"], "Env": ["A=b"]}
    with image_of(brig, "web:1") as folder:
        assert sorted(os.listdir(folder / "etc")) == ["hello", "other"]


def test_a_tag_alone_is_of_an_image_named_like_its_file(brig, tmp_path):
    Oci().add("v1", HELLO).add("v2", OTHER).archive(tmp_path / "Web.Server.tar")
    assert brig("image", "import", tmp_path / "Web.Server.tar").out == "web-server:v1\nweb-server:v2\n"


def test_one_of_several_images_can_be_picked(brig, tmp_path):
    archive = Oci().add("docker.io/library/web:1", HELLO).add("docker.io/team/db:2", OTHER).archive(
        tmp_path / "both.tar")
    assert brig("image", "import", f"{archive}:team/db:2").out == "team/db:2\n"
    assert brig("image", "import", "--name", "mine", f"{archive}:web:1").out == "mine:latest\n"
    assert "several" in brig.fails("image", "import", "--name", "mine", archive).err
    assert "no image nope" in brig.fails("image", "import", f"{archive}:nope").err
    assert brig("image", "import", archive).out == "web:1\nteam/db:2\n"
    assert references(brig) == ["mine:latest", "team/db:2", "web:1"]


def test_the_image_for_this_platform_is_taken_from_a_list(brig, tmp_path):
    layout = Oci()
    images = []
    for architecture, layer in (("arm64", OTHER), ("amd64", HELLO)):
        described = layout.manifest([layer])
        described["platform"] = {"os": "linux", "architecture": architecture}
        images.append(described)
    listed = layout.blob(encode({"schemaVersion": 2, "manifests": images}),
                         "application/vnd.oci.image.index.v1+json")
    layout.manifests = [{**listed, "annotations": {"org.opencontainers.image.ref.name": "many:1"}}]
    brig("image", "import", layout.archive(tmp_path / "a.tar"))
    assert inspect(brig, "many:1")["layers"] == [sha256(HELLO)]
    layout.manifests = [{**images[0]}]
    assert "no image" in brig.fails("image", "import", layout.archive(tmp_path / "b.tar")).err


def test_a_docker_archive_brings_all_its_names(brig, tmp_path):
    archive = docker_archive(tmp_path / "saved.tar", [
        (["web:1", "docker.io/library/web:latest"], [HELLO, OTHER], {"Entrypoint": ["/bin/x"]}),
        (["base:1"], [HELLO], {})])
    assert brig("image", "import", archive).out == "web:1\nweb:latest\nbase:1\n"
    assert inspect(brig, "web")["references"] == ["web:1", "web:latest"]
    assert inspect(brig, "web")["config"]["config"]["Entrypoint"] == ["/bin/x"]
    assert len(list((brig.root / "layers").iterdir())) == 2
    assert brig("image", "import", "--name", "mine", f"{archive}:base:1").out == "mine:latest\n"


def test_old_docker_archives_with_links_between_layers_are_read(brig, tmp_path):
    text = encode({**json.loads(encode({"config": {}})), "rootfs": {
        "type": "layers", "diff_ids": [f"sha256:{sha256(HELLO)}"] * 2}})
    names = ["a" * 64, "b" * 64]
    (tmp_path / "old.tar").write_bytes(tar(
        entry(names[0] + "/"), entry(f"{names[0]}/VERSION", b"1.0"), entry(f"{names[0]}/layer.tar", HELLO),
        entry(names[1] + "/"), symlink(f"{names[1]}/layer.tar", f"../{names[0]}/layer.tar"),
        entry("c" * 64 + ".json", text),
        entry("manifest.json", encode([{"Config": "c" * 64 + ".json", "RepoTags": None,
                                        "Layers": [f"{name}/layer.tar" for name in names]}]))))
    assert brig("image", "import", tmp_path / "old.tar").out == "old:latest\n"
    assert inspect(brig, "old")["layers"] == [sha256(HELLO)] * 2


def test_other_tools_archives_are_read_and_they_read_the_store(brig, busybox_tree, tmp_path):
    run("tar", "-C", busybox_tree, "-czf", tmp_path / "busy.tar.gz", ".")
    brig("image", "import", "--name", "busy:1", "--change", 'CMD ["sh"]', tmp_path / "busy.tar.gz")
    store = f"oci:{brig.root}/images:busy:1"
    digest = inspect(brig, "busy:1")["digest"]
    for form, keeps_digest in (("oci-archive", True), ("docker-archive", False)):
        archive = tmp_path / f"{form}.tar"
        run("skopeo", "copy", store, f"{form}:{archive}:busy:1")
        assert brig("image", "import", "--name", form, archive).out == f"{form}:latest\n"
        found = inspect(brig, form)
        assert (found["digest"] == digest) == keeps_digest
        assert found["config"]["config"]["Cmd"] == ["sh"]
        assert found["layers"] == inspect(brig, "busy:1")["layers"]


def test_what_podman_saves_is_read(brig, busybox_tree, tmp_path):
    own = brig.root.parent  # podman bears no long paths
    podman = ["podman", f"--root={own}/podman", f"--runroot={own}/podman-run", "--storage-driver=vfs"]
    run("tar", "-C", busybox_tree, "-cf", tmp_path / "busy.tar", ".")
    run(*podman, "import", "--change", 'CMD=["/bin/sh"]', tmp_path / "busy.tar", "localhost/pod:1")
    for form in ("oci-archive", "docker-archive"):
        run(*podman, "save", "--format", form, "-o", tmp_path / f"{form}.tar", "localhost/pod:1")
        assert brig("image", "import", tmp_path / f"{form}.tar").out == "localhost/pod:1\n"
        assert inspect(brig, "localhost/pod:1")["config"]["config"]["Cmd"] == ["/bin/sh"]


def test_a_change_sets_what_a_dockerfile_sets(brig, tmp_path):
    (tmp_path / "r.tar").write_bytes(HELLO)
    changes = ["CMD echo hi", 'ENTRYPOINT=["/bin/e", "x"]', "ENV A=b c", "ENV B c", "USER=app", "WORKDIR /srv",
               "EXPOSE 80 53/udp", "VOLUME /data", "LABEL a.b=c", "STOPSIGNAL SIGINT"]
    brig("image", "import", *(word for change in changes for word in ("--change", change)), tmp_path / "r.tar")
    assert inspect(brig, "r")["config"]["config"] == {
        "Cmd": ["/bin/sh", "-c", "echo hi"], "Entrypoint": ["/bin/e", "x"], "Env": ["A=b c", "B=c"],
        "User": "app", "WorkingDir": "/srv", "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}}, "Labels": {"a.b": "c"}, "StopSignal": "SIGINT"}
    assert "FLY" in brig.fails("image", "import", "-c", "FLY=1", tmp_path / "r.tar").err
    archive = Oci().add("web:1", HELLO).archive(tmp_path / "web.tar")
    assert "--change" in brig.fails("image", "import", "-c", "CMD=x", archive).err


def test_whiteouts_hide_what_lower_layers_have(brig, tmp_path):
    lower = tar(entry("a/"), entry("a/gone", b"1"), entry("a/kept", b"1"), entry("b/"), entry("b/old", b"1"),
                entry("c/"), entry("c/old", b"1"), entry("d/"), entry("d/old", b"1"), entry("file", b"1"))
    upper = tar(entry("a/"), entry("a/.wh.gone", b""), entry("b/"), entry("b/.wh..wh..opq", b""),
                entry("b/new", b"2"), entry(".wh.c", b""), entry("c/"), entry("c/new", b"2"),
                entry("d/"), entry("d/new", b"2"), entry(".wh.d", b""), entry(".wh.file", b""),
                entry(".wh..wh.plnk/"))
    brig("image", "import", Oci().add("w:1", lower, upper).archive(tmp_path / "w.tar"))
    with layer_of(brig, "w:1", 1) as folder:
        assert (folder / "a/gone").stat().st_rdev == 0 and stat.S_ISCHR((folder / "a/gone").stat().st_mode)
        assert os.getxattr(folder / "b", "trusted.overlay.opaque") == b"y"
    with image_of(brig, "w:1") as folder:
        found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert found == {"a", "a/kept", "b", "b/new", "c", "c/new", "d", "d/new"}


# --- the store ---

def test_images_are_listed_for_people_and_for_scripts(brig, tmp_path):
    brig("image", "import", Oci().add("web:1", HELLO, OTHER).archive(tmp_path / "web.tar"))
    header, row = brig("image", "ls").out.splitlines()
    assert header.split() == ["NAME", "DIGEST", "CREATED", "SIZE", "LAYERS"]
    assert row.split()[0] == "web:1" and row.split()[-1] == "2"
    assert brig("image", "ls", "--no-header").out.split() == row.split()
    assert brig("images", "-q").out == "web:1\n"
    [listed] = brig.json("image", "ls")
    assert listed["reference"] == "web:1" and listed["name"] == "web" and listed["tag"] == "1"
    assert listed["created"].startswith("2020-01-02T03:04:05") and listed["layers"] == 2
    assert listed["size"] == sum(path.stat().st_size for path in (brig.root / "layers").iterdir())
    assert brig("image", "inspect", listed["digest"][7:15]).out == brig("image", "inspect", "web:1").out


def test_an_empty_store_lists_nothing_and_helps_on(brig):
    assert brig("image", "ls", "-q").out == ""
    assert brig.json("image", "ls") == []
    assert "brig image import" in brig.fails("image", "inspect", "nope").err


def test_a_name_nearly_right_is_suggested(brig, tmp_path):
    brig("image", "import", Oci().add("webserver:1", HELLO).archive(tmp_path / "web.tar"))
    assert "'webserver:1'" in brig.fails("image", "inspect", "webservr:1").err


@pytest.mark.parametrize("name", ["UPPER", "a//b", "-a", "a:", "a:-x", "a b", "", "x@sha256:" + "0" * 64,
                                  "a" * 300, "../x", "reg:port/x"])
def test_what_is_no_name_is_refused(brig, tmp_path, name):
    (tmp_path / "r.tar").write_bytes(HELLO)
    brig.fails("image", "import", "--name", name, tmp_path / "r.tar")
    assert references(brig) == []


def test_names_share_an_image_and_its_last_one_takes_it_away(brig, tmp_path):
    brig("image", "import", Oci().add("one:1", HELLO, OTHER).archive(tmp_path / "one.tar"))
    brig("image", "import", Oci().add("base:1", HELLO).archive(tmp_path / "base.tar"))
    assert brig("image", "tag", "one:1", "two").out == "two:latest\n"
    assert inspect(brig, "two")["references"] == ["one:1", "two:latest"]
    assert brig("image", "rm", "one:1").out == "one:1\n"
    assert len(list((brig.root / "layers").iterdir())) == 2
    brig("rmi", "two")
    assert [path.name for path in (brig.root / "layers").iterdir()] == [f"{sha256(HELLO)}.erofs"]
    brig("image", "rm", inspect(brig, "base:1")["digest"])
    assert leftovers(brig) == []


def test_a_name_moves_to_the_image_imported_last(brig, tmp_path):
    for layer in (HELLO, OTHER):
        brig("image", "import", Oci().add("web:1", layer).archive(tmp_path / "web.tar"))
        assert inspect(brig, "web:1")["layers"] == [sha256(layer)]
    assert references(brig) == ["web:1"]
    assert [path.name for path in (brig.root / "layers").iterdir()] == [f"{sha256(OTHER)}.erofs"]


def test_an_image_in_use_stays(brig, tmp_path):
    brig("image", "import", Oci().add("web:1", HELLO).archive(tmp_path / "web.tar"))
    found = inspect(brig, "web:1")
    instance = brig.root / "instances/user"
    instance.mkdir(parents=True)
    (instance / "instance.json").write_text(json.dumps({
        "version": 1, "name": "user", "image_digest": found["digest"], "layers": found["layers"]}))
    try:
        assert "instance user" in brig.fails("image", "rm", "web:1").err
        assert references(brig) == ["web:1"]
        brig("image", "rm", "-f", "web:1")
        assert references(brig) == []
        assert [path.name for path in (brig.root / "layers").iterdir()] == [f"{sha256(HELLO)}.erofs"]
    finally:
        shutil.rmtree(instance)
    brig("image", "import", "--name", "next", "-", input=OTHER)
    assert [path.name for path in (brig.root / "layers").iterdir()] == [f"{sha256(OTHER)}.erofs"]


def test_a_damaged_image_is_shown_and_can_be_imported_again(brig, tmp_path):
    archive = Oci().add("web:1", HELLO).archive(tmp_path / "web.tar")
    brig("image", "import", archive)
    found = inspect(brig, "web:1")
    config = brig.root / "images/blobs/sha256" / found["manifest"]["config"]["digest"][7:]
    config.write_bytes(b"{}")
    assert "damaged" in brig("image", "ls").out
    assert "import it again" in brig.fails("image", "inspect", "web:1").err
    brig("image", "import", archive)
    assert inspect(brig, "web:1") == found


def test_several_imports_at_once_leave_all_images_whole(brig, tmp_path):
    names = [f"image{i}" for i in range(6)]
    for i, name in enumerate(names):
        own = tar(entry("etc/"), entry("etc/own", bytes([i])))
        Oci().add(f"{name}:1", HELLO, own).archive(tmp_path / f"{name}.tar")
    running = [brig.popen("image", "import", tmp_path / f"{name}.tar") for name in names]
    for name, command in zip(names, running):
        result = command.finish()
        assert (result.code, result.out) == (0, f"{name}:1\n"), result.err
    assert references(brig) == [f"{name}:1" for name in names]
    for i, name in enumerate(names):
        with image_of(brig, f"{name}:1") as folder:
            assert (folder / "etc/own").read_bytes() == bytes([i])
    brig("image", "rm", *names_with_tag(names))
    assert leftovers(brig) == []


def names_with_tag(names):
    return [f"{name}:1" for name in names]


def test_progress_is_shown_on_a_terminal_only(brig, tmp_path):
    (tmp_path / "r.tar").write_bytes(tar(entry("big", os.urandom(8 << 20))))
    shown = brig("image", "import", tmp_path / "r.tar", tty=True).out
    assert "reading the archive" in shown and "of 8.0M" in shown
    assert shown.endswith("\r\x1b[Kr:latest\r\n")
    result = brig("image", "import", "--name", "other", tmp_path / "r.tar")
    assert (result.out, result.err) == ("other:latest\n", "")


# --- bad input ---

def deep(depth):
    return tar(entry("/".join(["d"] * depth) + "/f", b""))


def spoiled(data, at, bytes_):
    return data[:at] + bytes_ + data[at + len(bytes_):]


def with_bad_number():
    """A tar whose entry claims 8 GiB that are not there."""
    data = bytearray(tar(entry("big", b"x" * 100), format=tarfile.USTAR_FORMAT))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


BAD_ROOTS = {
    "a name that leads out": (tar(entry("../out", b"x")), "'..'"),
    "a name that leads out later": (tar(entry("a/"), entry("a/../../out", b"x")), "'..'"),
    "a write through an absolute link": (tar(symlink("l", "/tmp"), entry("l/out", b"x")), "leads out"),
    "a write through a link up": (tar(entry("a/"), symlink("a/l", "../.."), entry("a/l/out", b"x")), "leads out"),
    "a write through a chain of links": (
        tar(symlink("l1", "l2"), symlink("l2", "/etc"), entry("l1/out", b"x")), "leads out"),
    "a write through a loop": (tar(symlink("l", "m"), symlink("m", "l"), entry("l/out", b"x")),
                               "symbolic links"),
    "a folder through a link": (tar(symlink("l", "/tmp"), entry("l/out/")), "leads out"),
    "a hard link that leads out": (tar(hardlink("x", "../../etc/passwd")), "'..'"),
    "a hard link to nothing": (tar(hardlink("x", "/etc/passwd")), ""),
    "a hard link through a link": (tar(symlink("l", "/etc"), hardlink("x", "l/passwd")), "leads out"),
    "a file below a file": (tar(entry("f", b""), entry("f/g", b"")), "Not a directory"),
    "a name too long": (tar(entry("x" * 255, b"")), "too long"),
    "a path too long": (tar(entry("/".join(["x" * 200] * 30), b"")), "too long"),
    "a tree too deep": (deep(600), "deep"),
    "a root that is a file": (tar(entry(".", b"x")), "no folder"),
    "a device that Linux has not": (tar(device("d", tarfile.CHRTYPE, 1 << 13, 0)), "device number"),
    "a whiteout of nothing": (tar(entry("a/.wh.", b"")), "whiteout"),
    "a tar cut short": (HELLO[:1024], "cut short"),
    "a tar cut off in a file": (tar(entry("f", b"x" * 5000))[:2000], "cut short"),
    "a tar without an end": (HELLO[:2048], "cut short"),
    "a gzip cut short": (gzip.compress(os.urandom(9000))[:5000], "cut short"),
    "a gzip with a tar cut short": (gzip.compress(tar(entry("f", os.urandom(9000))))[:5000], "cut short"),
    "an xz cut short": (lzma.compress(tar(entry("f", os.urandom(9000))))[:5000], "cut short"),
    "a number too large": (with_bad_number(), ""),
    "no archive": (b"hello, world\n" * 100, "no tar archive"),
    "nothing": (b"", "empty"),
    "only half a header": (b"x" * 100, "no tar archive"),
    "two checksums that differ": (spoiled(HELLO, 148, b"0000000"), ""),
}


@pytest.fixture
def canary(tmp_path):
    """A folder tree around the store that a bad archive would hit."""
    yield tmp_path
    for path in ("/out", "/tmp/out", "/etc/out", "/var/tmp/out"):
        assert not os.path.lexists(path)


@pytest.mark.parametrize("what", BAD_ROOTS)
def test_bad_root_file_systems_are_refused(brig, canary, what):
    data, words = BAD_ROOTS[what]
    (canary / "bad.tar").write_bytes(data)
    result = brig.fails("image", "import", canary / "bad.tar")
    assert words in result.err and "bad.tar" in result.err
    assert result.err.count("\n") == 1
    assert leftovers(brig) == [] and references(brig) == []


GOOD_ODDITIES = {
    "an absolute name": (tar(entry("/etc/f", b"x")), "etc/f"),
    "a name with dots": (tar(entry("./a/./b//f", b"x")), "a/b/f"),
    "a write through a link within": (tar(entry("usr/lib/"), symlink("lib", "usr/lib"), entry("lib/f", b"x")),
                                      "usr/lib/f"),
    "a file twice": (tar(entry("f", b"y"), entry("f", b"x")), "f"),
    "a file in place of a link": (tar(symlink("f", "/etc/passwd"), entry("f", b"x")), "f"),
    "a file in place of a folder": (tar(entry("f/"), entry("f/g", b""), entry("f", b"x")), "f"),
    "a folder in place of a file": (tar(entry("f", b""), entry("f/"), entry("f/g", b"x")), "f/g"),
    "a hard link to an absolute name": (tar(entry("a", b"x"), hardlink("f", "/a")), "f"),
    "no entries for folders": (tar(entry("a/b/c/f", b"x")), "a/b/c/f"),
    "a long name": (tar(entry("x" * 200 + "/" + "y" * 200, b"x")), "x" * 200 + "/" + "y" * 200),
    "a deep tree": (deep(400)[:-10240].rstrip(b"\0") + tar(entry("f", b"x")), None),
}


@pytest.mark.parametrize("what", GOOD_ODDITIES)
def test_odd_but_good_root_file_systems_are_taken(brig, tmp_path, what):
    data, path = GOOD_ODDITIES[what]
    if path is None:
        data, path = tar(entry("/".join(["d"] * 400) + "/f", b"x")), "/".join(["d"] * 400) + "/f"
    (tmp_path / "odd.tar").write_bytes(data)
    brig("image", "import", tmp_path / "odd.tar")
    with layer_of(brig, "odd") as folder:
        assert (folder / path).read_bytes() == b"x"


def bad_digest(layout):
    path = next(name for name in layout.files if name.startswith("blobs/sha256/"))
    layout.files[path] = spoiled(layout.files[path], 5, b"#")


def without(pattern):
    def spoil(layout):
        for path in [name for name in layout.files if pattern(layout, name)]:
            del layout.files[path]
    return spoil


def wrong_diff_id(document):
    document["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64


def bad_layout(what, path):
    layout = Oci()
    if what == "a wrong diff id":
        text = encode({"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}})
        layout.add("x:1", HELLO, change=lambda document: document.update(
            config=layout.blob(text, "application/vnd.oci.image.config.v1+json")))
        return layout.archive(path), "its digest is"
    if what == "more layers than diff ids":
        layout.add("x:1", HELLO, change=lambda document: document["layers"].append(document["layers"][0]))
        return layout.archive(path), "layers"
    if what == "too many layers":
        layout.add("x:1", *[tar(entry(f"f{i}", b"")) for i in range(129)])
        return layout.archive(path), "128"
    if what == "no container image":
        layout.add("x:1", HELLO, change=lambda document: document["config"].update(
            mediaType="application/vnd.helm.config.v1+json"))
        return layout.archive(path), "no container image"
    if what == "a digest that is a path":
        layout.add("x:1", HELLO, change=lambda document: document["config"].update(
            digest="sha256:../../../../etc/passwd"))
        return layout.archive(path), "not a digest"
    layout.add("x:1", HELLO)
    if what == "a blob changed":
        bad_digest(layout)
        return layout.archive(path), "damaged"
    if what == "a blob missing":
        without(lambda l, name: name.startswith("blobs"))(layout)
        return layout.archive(path), "cannot open"
    if what == "a size wrong":
        layout.manifests[0]["size"] += 1
        return layout.archive(path), "bytes"
    if what == "an index that is no JSON":
        layout.files["index.json"] = b"{"
    elif what == "an index nested too deeply":
        layout.files["index.json"] = b"[" * 100000
    elif what == "an index with a key twice":
        layout.files["index.json"] = b'{"schemaVersion":2,"schemaVersion":2,"manifests":[]}'
    elif what == "an index of another version":
        layout.files["index.json"] = b'{"schemaVersion":1,"manifests":[]}'
    elif what == "an index that is huge":
        layout.files["index.json"] = b'{"schemaVersion":2,"x":"' + b"x" * (5 << 20) + b'","manifests":[]}'
    elif what == "an index that is a link":
        entries = [entry(name, data) for name, data in layout.all_files().items() if name != "index.json"]
        path.write_bytes(tar(*entries, symlink("index.json", "/etc/passwd")))
        return path, "index.json"
    elif what == "an index that is a folder":
        entries = [entry(name, data) for name, data in layout.all_files().items() if name != "index.json"]
        path.write_bytes(tar(*entries, entry("index.json/")))
        return path, "index.json"
    all_files = layout.all_files()
    all_files.update(layout.files)
    path.write_bytes(tar(*(entry(name, data) for name, data in all_files.items())))
    return path, "index"


BAD_LAYOUTS = ["a wrong diff id", "more layers than diff ids", "too many layers", "no container image",
               "a digest that is a path", "a blob changed", "a blob missing", "a size wrong",
               "an index that is no JSON", "an index nested too deeply", "an index with a key twice",
               "an index of another version", "an index that is huge", "an index that is a link",
               "an index that is a folder"]


@pytest.mark.parametrize("what", BAD_LAYOUTS)
def test_bad_image_archives_are_refused(brig, tmp_path, what):
    archive, words = bad_layout(what, tmp_path / "bad.tar")
    result = brig.fails("image", "import", archive)
    assert words in result.err and result.err.count("\n") == 1
    assert leftovers(brig) == [] and references(brig) == []


def test_an_archive_of_images_may_hold_plain_files_only(brig, canary):
    (canary / "bad.tar").write_bytes(tar(entry("oci-layout", b"{}"), symlink("blobs", "/tmp"),
                                         entry("blobs/out", b"x")))
    assert "leads out" in brig.fails("image", "import", canary / "bad.tar").err
    (canary / "bad.tar").write_bytes(tar(entry("oci-layout", b"{}"), device("d", tarfile.CHRTYPE, 1, 3)))
    assert "no file" in brig.fails("image", "import", canary / "bad.tar").err
    (canary / "bad.tar").write_bytes(tar(entry("oci-layout", b"{}")))
    assert "manifest.json" in brig.fails("image", "import", canary / "bad.tar").err
    assert leftovers(brig) == []


def test_a_bad_docker_archive_is_refused(brig, tmp_path):
    archive = docker_archive(tmp_path / "bad.tar", [(["web:1"], [HELLO], {})])
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"hello\n", b"hullo\n"))
    assert "damaged" in brig.fails("image", "import", archive).err
    archive.write_bytes(data.replace(b'"web:1"', b'"WEB:1"'))
    assert "name" in brig.fails("image", "import", archive).err
    assert leftovers(brig) == []


@pytest.fixture
def small_disk(brig):
    """The store on a disk of 64 MiB."""
    brig.root.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", brig.root)
    yield brig.root
    run("umount", brig.root)


def test_a_bomb_is_refused_before_it_fills_the_disk(brig, small_disk, tmp_path):
    (tmp_path / "bomb.tar").write_bytes(zstd(tar(entry("zeroes", bytes(1 << 30)))))
    assert (tmp_path / "bomb.tar").stat().st_size < 1 << 20
    result = brig.fails("image", "import", tmp_path / "bomb.tar")
    assert "full" in result.err and "unpacks to more" in result.err
    assert leftovers(brig) == []


def test_many_small_files_count_against_the_disk(brig, small_disk, tmp_path):
    (tmp_path / "many.tar").write_bytes(tar(*(entry(f"f{i}", b"") for i in range(20000))))
    assert "full" in brig.fails("image", "import", tmp_path / "many.tar").err
    assert leftovers(brig) == []


def test_a_hole_too_large_is_refused(brig, tmp_path):
    with open(tmp_path / "holes", "wb") as file:
        file.truncate(300 << 30)
    run("tar", "--sparse", "-C", tmp_path, "-cf", tmp_path / "holes.tar", "holes")
    assert "256 GiB" in brig.fails("image", "import", tmp_path / "holes.tar").err
    assert leftovers(brig) == []


@pytest.mark.slow
def test_a_bomb_of_nothing_but_ratio_is_refused(brig, tmp_path):
    """Zeroes after the end of the archive take no room, only time."""
    with open(tmp_path / "bomb.tar", "wb") as out:
        compressor = subprocess.Popen(["zstd", "-q", "-1", "-c"], stdin=subprocess.PIPE, stdout=out)
        compressor.stdin.write(HELLO)
        for _ in range(6 << 10):
            compressor.stdin.write(bytes(1 << 20))
        compressor.stdin.close()
        assert compressor.wait(timeout=60) == 0
    assert "bomb" in brig.fails("image", "import", tmp_path / "bomb.tar", timeout=120).err
    assert leftovers(brig) == []


# --- layers in memory, or on the disk ---

MOUNTS = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsmount", "-e", "inject=fsmount:error=EOPNOTSUPP"]
ON_DISK = "is unpacked on the disk"


def import_with(brig, archive, name, *words):
    """What it says of its doings. words: what the command is run by."""
    ended = subprocess.run([*words, *brig.command("--debug", "image", "import", "--name", name, archive)],
                           env=brig.environment(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert not work_folders(brig)
    return ended.stderr


def listing_of(brig, name):
    with layer_of(brig, name) as folder:
        return layers.listing(folder)


@pytest.fixture
def archive_of_all(tmp_path):
    """One of everything that a layer can have, with times of its own."""
    tree = tmp_path / "all"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/f").write_text("text")
    os.link(tree / "d/f", tree / "d/e/again")
    os.symlink("f", tree / "d/link")
    os.mkfifo(tree / "pipe")
    os.mknod(tree / "null", 0o020666, os.makedev(1, 3))
    os.setxattr(tree / "d/f", "user.note", b"x")
    shutil.copy2("/bin/true", tree / "tool")
    run("setcap", "cap_net_raw+ep", tree / "tool")
    (tree / "tool").chmod(0o4755)
    os.chown(tree / "d/e", 12, 34)
    with open(tree / "holes", "wb") as file:
        file.seek(3 << 20)
        file.write(b"end")
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, ns=(1, 1_234_567_890_123_456_789), follow_symlinks=False)
    run("tar", "--format=posix", "--xattrs", "--xattrs-include=*", "--sparse", "-C", tree, "-cf", tmp_path / "all.tar", ".")
    return tmp_path / "all.tar"


def test_a_layer_is_the_same_whether_memory_or_the_disk_held_its_files(brig, archive_of_all):
    assert ON_DISK not in import_with(brig, archive_of_all, "memory")
    in_memory = listing_of(brig, "memory")
    brig("rmi", "memory")
    assert ON_DISK in import_with(brig, archive_of_all, "disk", *MOUNTS)
    assert listing_of(brig, "disk") == in_memory
    assert in_memory["d/f"]["changed"] == 1_234_567_890_123_456_789


@pytest.fixture
def small_group():
    """Words that run a command in a control group with 80 MiB of memory."""
    def has_memory(path):
        handed_down = path / "cgroup.subtree_control"
        return ((path / "memory.limit_in_bytes").exists()
                or handed_down.exists() and "memory" in handed_down.read_text().split())
    root = next(filter(has_memory, leaks.cgroup_roots()))
    group = root / f"brig-test-{os.getpid()}"
    group.mkdir()
    limit = next(name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
    (group / limit).write_text(str(80 << 20))
    yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    for pid in (group / "cgroup.procs").read_text().split():  # the janitor goes last
        wait.process_end(int(pid), 20)
    group.rmdir()


def test_a_layer_that_memory_cannot_hold_is_unpacked_on_the_disk(brig, tmp_path, small_group):
    """Where the group would not do, its processes were killed. The blob is small, so that it is tried."""
    (tmp_path / "large.tar").write_bytes(tar(entry("small", b"x"), *(entry(f"f{i}", b"x" * (10 << 20)) for i in range(20))))
    run("gzip", "-1", tmp_path / "large.tar")
    said = import_with(brig, tmp_path / "large.tar.gz", "large", *small_group)
    assert ON_DISK in said and "No space left" in said
    with layer_of(brig, "large") as folder:
        assert (folder / "f19").stat().st_size == 10 << 20


def test_files_without_number_do_not_fill_the_memory(brig, tmp_path, small_group):
    (tmp_path / "many.tar").write_bytes(tar(*(entry(f"f{i}", b"") for i in range(4000))))
    run("gzip", "-1", tmp_path / "many.tar")
    assert ON_DISK in import_with(brig, tmp_path / "many.tar.gz", "many", *small_group)
    assert len(listing_of(brig, "many")) == 4001


def test_the_first_of_many_layers_that_fails_ends_all(brig, tmp_path):
    """What was made of the others goes."""
    made = [tar(entry(f"f{i}", os.urandom(1 << 20))) for i in range(9)]

    layout = Oci()

    def spoil(document):
        document["layers"][4] = layout.blob(gzip.compress(OTHER), document["layers"][4]["mediaType"])
    archive = layout.add("x:1", *made, change=spoil).archive(tmp_path / "bad.tar")
    assert "layer 5 of 9: it is damaged" in brig.fails("image", "import", archive).err
    assert leftovers(brig) == [] and references(brig) == []


def test_a_killed_import_leaves_no_tool_running(brig, tmp_path):
    (tmp_path / "bin").mkdir()
    tool, note = tmp_path / "bin/mkfs.erofs", tmp_path / "pid"
    tool.write_text(f"#!/bin/sh\necho $$ > {note}.new\nmv {note}.new {note}\nexec sleep 1000\n")
    tool.chmod(0o755)
    (tmp_path / "x.tar").write_bytes(HELLO)
    with brig.popen("image", "import", tmp_path / "x.tar",
                    env={"PATH": f"{tool.parent}:{os.environ['PATH']}"}) as running:
        wait.file_exists(note, 20)
        running.signal(signal.SIGKILL)
        running.finish()
    wait.process_end(int(note.read_text()), 10)
    wait.file_state(brig.root / "tmp", lambda: not work_folders(brig), 20)
    assert leftovers(brig) == []


# --- the disk full, the importer killed ---

@pytest.mark.parametrize("megabytes", [28, 40, 70])
def test_a_full_disk_leaves_the_store_as_it_was(brig, small_disk, tmp_path, megabytes):
    brig("image", "import", "--name", "before", "-", input=HELLO)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(os.urandom(megabytes << 20))
    before = sorted(str(path) for path in brig.root.rglob("*"))
    result = brig.fails("image", "import", tmp_path / "tree")
    assert f"the disk with {brig.root} is full" in result.err
    assert sorted(str(path) for path in brig.root.rglob("*")) == before
    with layer_of(brig, "before") as folder:
        assert (folder / "etc/hello").read_text() == "hello\n"
    brig("image", "import", "--name", "after", "-", input=OTHER)
    assert references(brig) == ["after:latest", "before:latest"]


def work_folders(brig):
    return list((brig.root / "tmp").glob("import.*"))


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def janitors(pid):
    """Those that have named themselves, the first thing that they do."""
    return [child for child in children(pid)
            if Path(f"/proc/{child}/comm").read_text().strip() == "brig-janitor"]


def wait_for_janitor(pid):
    deadline = wait.Deadline(20, "the import's janitor")
    while not (found := janitors(pid)):
        deadline.left()
    return found[0]


def wait_for_blob(brig):
    """Until the import has begun to store what it reads from stdin."""
    wait.file_state(brig.root / "tmp", lambda: work_folders(brig), 20)
    wait.file_exists(work_folders(brig)[0] / "blobs/new", 20)


def wait_until_clean(brig):
    wait.file_state(brig.root / "tmp", lambda: not work_folders(brig), 20, "the work folder to go")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_killed_leaves_nothing(brig, number):
    with brig.popen("image", "import", "--name", "x", "-") as running:
        running.send(HELLO)
        wait_for_blob(brig)
        running.signal(number)
        assert running.finish().code == 128 + number
    wait_until_clean(brig)
    assert leftovers(brig) == []


def big_tar(path):
    """One that takes a while to unpack."""
    path.write_bytes(tar(*(entry(f"d{i % 97}/f{i}", os.urandom(512)) for i in range(30000))))
    return path


def test_an_import_that_is_killed_while_it_unpacks_leaves_nothing(brig, tmp_path):
    archive = big_tar(tmp_path / "big.tar")
    with brig.popen("image", "import", archive) as running:
        wait.file_state(brig.root / "tmp", lambda: work_folders(brig), 20)
        wait.file_exists(work_folders(brig)[0] / "layer.1", 20)
        running.signal(signal.SIGKILL)
        running.finish()
    wait_until_clean(brig)
    assert leftovers(brig) == [] and references(brig) == []


def test_what_a_killed_import_left_goes_with_the_next_one(brig):
    with brig.popen("image", "import", "--name", "x", "-") as running:
        running.send(HELLO)
        wait_for_blob(brig)
        janitor = wait_for_janitor(running.pid)
        os.kill(janitor, signal.SIGKILL)
        running.signal(signal.SIGKILL)
        running.finish()
    assert work_folders(brig)
    brig("image", "import", "--name", "y", "-", input=HELLO)
    assert not work_folders(brig) and references(brig) == ["y:latest"]


def test_an_import_does_not_disturb_another_one(brig):
    with brig.popen("image", "import", "--name", "slow", "-") as running:
        running.send(HELLO[:512])
        wait_for_blob(brig)
        brig("image", "import", "--name", "quick", "-", input=OTHER)
        running.send(HELLO[512:])
        assert running.finish().out == "slow:latest\n"
    assert references(brig) == ["quick:latest", "slow:latest"]


def test_files_of_a_kill_between_the_store_and_its_index_go_with_the_next_change(brig, tmp_path):
    brig("image", "import", "--name", "x", "-", input=HELLO)
    (brig.root / "images/blobs/sha256" / ("0" * 64)).write_bytes(b"orphan")
    (brig.root / "layers" / ("0" * 64 + ".erofs")).write_bytes(b"orphan")
    brig("image", "tag", "x", "y")
    assert ["0" * 64 in path for path in leftovers(brig)].count(True) == 0


# --- the network of tools ---

@pytest.mark.slow
def test_debian_is_bootstrapped_from_the_machines_own_sources(brig):
    result = brig("image", "bootstrap", "debian:bookworm", "--include", "busybox,tzdata", timeout=600)
    assert result.out == "debian:bookworm\n"
    assert inspect(brig, "debian:bookworm")["config"]["config"]["Cmd"] == ["bash"]
    with layer_of(brig, "debian:bookworm") as folder:
        assert 'VERSION_CODENAME=bookworm' in (folder / "etc/os-release").read_text()
        assert (folder / "bin/busybox").exists() and (folder / "usr/share/zoneinfo").exists()
        assert not (folder / "etc/apt/apt.conf.d/99mmdebstrap").exists()
        assert "deb " in (folder / "etc/apt/sources.list").read_text()
    assert not work_folders(brig)


def test_a_bootstrap_that_cannot_be_done_says_why(brig):
    assert "debian:SUITE" in brig.fails("image", "bootstrap", "fedora:40").err
    assert "'a;b'" in brig.fails("image", "bootstrap", "debian:bookworm", "--include", "a;b").err


def test_a_tool_that_is_missing_is_named(brig, tmp_path):
    (tmp_path / "r.tar").write_bytes(HELLO)
    empty = tmp_path / "empty"
    empty.mkdir()
    result = brig.fails("image", "import", tmp_path / "r.tar", env={"PATH": str(empty)})
    assert "mkfs.erofs" in result.err and "erofs-utils" in result.err
    assert leftovers(brig) == []


@pytest.mark.parametrize("call", ["clone", "mkdir"])
def test_one_that_is_killed_as_it_begins_leaves_no_folder(brig, busybox_tree, call):
    tmp = brig.root / "tmp"
    for number in range(1, 9):
        ended = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                f"inject={call}:signal=KILL:when={number}",
                                *brig.command("image", "import", "--name", "x", busybox_tree)],
                               env=brig.environment(), capture_output=True, timeout=60)
        if tmp.is_dir():
            wait.file_state(tmp, lambda: not list(tmp.glob("import.*")), 20)
        if ended.returncode == 0:
            break
    brig("image", "import", "--name", "x", busybox_tree)
