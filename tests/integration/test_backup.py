# SPDX-License-Identifier: GPL-2.0-or-later
"""Instances as files: what comes back is what went, and what is not whole never comes."""

import hashlib
import json
import os
import random
import struct
import subprocess
import time

import pytest

from support import wait
from support.sound import sound
from support.trees import tree

pytestmark = pytest.mark.root

KILLS = int(os.environ.get("BRIG_TEST_KILLS", "8"))  # of export and import in turn; 500 say more

FILES = """mkdir -p /d/e; echo one > /d/f; ln /d/f /d/e/g; chown 7:8 /d/f; chmod 6755 /d/f
mkfifo /d/p; chmod 1777 /d; rm /etc/passwd; rm -r /var; mkdir /var; ln -s /etc/passwd /d/l
dd if=/dev/zero of=/d/hole bs=1 count=1 seek=32M"""


def folder(brig, name="a"):
    return brig.root / "instances" / name


def instances(brig):
    return sorted(os.listdir(brig.root / "instances"))


def stopped(brig, image, script, *options):
    """A container in which the script was run, and that has ended."""
    brig("run", "-d", "--name", "a", *options, image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", script)
    brig("stop", "-t", "0", "a")


def files(brig, name="a", at="upper"):
    """Without what overlayfs notes of one mount."""
    found = tree(folder(brig, name) / at)
    for entry in found.values():
        for note in ("origin", "uuid", "nlink"):
            entry[5].pop(f"trusted.overlay.{note}", None)
            entry[5].pop(f"user.overlay.{note}", None)
    return found


def chunk(kind, data):
    return struct.pack("<BI", kind, len(data)) + data


def chunks(data):
    """The kinds and contents of a backup that is not compressed."""
    at = 12
    while at < len(data):
        kind, size = struct.unpack_from("<BI", data, at)
        yield kind, data[at + 5:at + 5 + size]
        at += 5 + size


def sealed(parts):
    """A backup of these kinds and contents, with the right checksum."""
    data = b"BRIGBKUP" + struct.pack("<I", 1) + b"".join(chunk(*part) for part in parts)
    return data + chunk(3, hashlib.sha256(data).hexdigest().encode())


def record(kind, data=b""):
    """One of a tree stream (proto/tree.c)."""
    return struct.pack("<BI", kind, len(data)) + data


def entry(mode, name, target=b""):
    strings = b"".join(struct.pack("<I", len(word)) + word for word in (name, target))
    return record(2, struct.pack("<3IQ5I", mode, 0, 0, 0, 0, 0, 0, 0, 0) + strings + bytes(4))


START, FILE_END = record(1, b"BTRE" + struct.pack("<HB", 1, 2)), record(4, bytes(8))


def test_an_instance_comes_back_as_it_went(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, FILES, "-v", "db:/v", "-m", "64m", "-e", "K=V", "--cap-add", "SYS_TIME")
    os.setxattr(folder(brig) / "upper/d/l", "trusted.l", b"1", follow_symlinks=False)
    brig("snapshot", "create", "a", "early")
    brig("start", "a")
    brig("exec", "a", "sh", "-c", "echo two > /new; rm /d/l")
    brig("stop", "-t", "0", "a")
    now, early = files(brig), files(brig, at="snapshots/early/upper")
    backup = tmp_path / "a.brig"
    assert brig("export", "--snapshots", "a", backup).out == f"{backup}\n"
    assert backup.stat().st_size < 1 << 20 and backup.stat().st_mode & 0o777 == 0o600
    brig("export", "a", backup.with_name("then"), "--snapshot", "early", "--compression", "none")
    before = brig.json("inspect", "a")[0]
    brig("rm", "a")
    result = brig("import", backup)
    assert result.out == "a\n"
    assert "'a' was made with --cap-add SYS_TIME" in result.err and "volumes of 'a': db" in result.err
    assert files(brig) == now and files(brig, at="snapshots/early/upper") == early
    assert (folder(brig) / "upper/d/hole").stat().st_blocks < 1000
    after = brig.json("inspect", "a")[0]
    own = {"created", "has_run", "exit_code", "started", "finished", "stopped_by_user", "state", "error",
           "restarts"}
    for row in before, after:
        assert own <= row.keys()
    assert {**before, **{key: None for key in own}} == {**after, **{key: None for key in own}}
    assert after["state"] == "created" and after["snapshots"] == ["early"]
    assert sorted(os.listdir(folder(brig))) == ["instance.json", "snapshots", "upper"]
    # a second one of a snapshot, from a pipe
    assert brig("import", "-", "b", input=backup.with_name("then").read_bytes()).out == "b\n"
    assert files(brig, "b") == early and brig.json("inspect", "b")[0]["hostname"] == "b"
    brig("start", "a", "b")
    assert brig("exec", "a", "sh", "-c", "cat /new /d/e/g; echo $K").out == "two\none\nV\n"
    brig("stop", "-t", "0", "a")
    brig("snapshot", "restore", "a", "early")
    assert files(brig) == early


def test_a_running_container_is_as_it_was_at_one_moment(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sh", "-c",
         "i=0; while :; do i=$((i+1)); echo $i > /x; echo $i > /y; done")
    wait.file_state(folder(brig) / "upper", (folder(brig) / "upper/y").exists)
    data = brig("export", "a", "-", text=False).out
    assert brig.json("ps")[0]["state"] == "running"
    assert os.listdir(folder(brig) / "snapshots") == []
    brig("import", "-", "b", input=data)
    x, y = ((folder(brig, "b") / "upper" / f).read_text() for f in "xy")
    assert not x or not y or 0 <= int(x) - int(y) <= 1


def test_a_machines_disk_comes_back_with_its_holes(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    record = folder(brig) / "instance.json"
    record.write_text(record.read_text().replace('"kind": "container"', '"kind": "vm"'))
    block = os.urandom(1 << 20)
    with open(folder(brig) / "data.raw", "wb") as disk:
        disk.truncate(16 << 30)
        for at in (0, 5 << 30, (16 << 30) - len(block)):
            disk.seek(at)
            disk.write(block)
    data = brig("export", "a", "-", text=False).out
    assert 3 << 20 < len(data) < 4 << 20
    brig("import", "-", "b", input=data)
    st = os.stat(folder(brig, "b") / "data.raw")
    assert (st.st_size, st.st_mode) == (16 << 30, 0o100600) and st.st_blocks < 4 << 11
    with open(folder(brig, "b") / "data.raw", "rb") as disk:
        for at in (0, 5 << 30, (16 << 30) - len(block)):
            disk.seek(at)
            assert disk.read(len(block)) == block


def test_what_is_not_whole_is_refused_and_leaves_nothing(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, "dd if=/dev/urandom of=/big bs=1M count=3")
    brig("export", "a", tmp_path / "zstd")
    brig("export", "a", tmp_path / "plain", "--compression", "none")
    packed, plain = ((tmp_path / name).read_bytes() for name in ("zstd", "plain"))
    altered = bytearray(plain)
    altered[len(plain) // 2] ^= 1
    for data, told in ((packed[:-1], "cut short"), (packed[:len(packed) // 2], "cut short"),
                       (packed + b"\n", "follows"), (packed + packed, "follows"),
                       (plain[:-64], "cut short"), (plain[:-1], "cut short"), (plain + b"\0", "follows"),
                       (altered, "checksum"), (b"", "no backup"), (b"#!/bin/sh\n", "'brig image import'"),
                       (plain[:20], "cut short")):
        assert told in brig.fails("import", "-", "b", input=bytes(data)).err
        assert instances(brig) == ["a"]
    for args, told in (
            (("import", tmp_path / "zstd"), "the name 'a' is in use"),
            (("import", tmp_path / "zstd", "../b"), "not a valid instance name"),
            (("import", tmp_path / "none"), "cannot open"),
            (("export", "none", tmp_path / "x"), "there is no instance 'none'"),
            (("export", "a", tmp_path / "x", "--snapshot", "none"), "'a' has no snapshot 'none'"),
            (("export", "a", tmp_path / "x", "--snapshot", "s", "--snapshots"), "exclude each other"),
            (("export", "a", tmp_path / "no/x"), "cannot make"),
            (("export", "a", "/dev/full"), "No space left on device")):
        assert told in brig.fails(*args).err, args
    assert sorted(os.listdir(tmp_path)) == ["plain", "zstd"] and instances(brig) == ["a"]
    # the image has to be there
    brig("rm", "a")
    brig("rmi", busybox_image)
    assert f"of the image {busybox_image}" in brig.fails("import", tmp_path / "zstd").err
    assert instances(brig) == []


def test_what_a_stranger_has_sealed_gets_nowhere(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, "echo one > /f")
    brig("export", "a", tmp_path / "plain", "--compression", "none")
    parts = list(chunks((tmp_path / "plain").read_bytes()))[:-1]
    settings = json.loads(parts[1][1])
    trees = parts[2:]
    whole = sealed(parts)
    assert brig("import", "-", "b", input=whole).out == "b\n"
    brig("rm", "b")

    def records(**changes):
        return sealed([parts[0], (1, json.dumps({**settings, **changes}).encode()), *trees])

    for data, told in (
            (records(layers=["../../../etc"]), "no digest"), (records(layers=[]), "no image"),
            (records(kernel="../x"), "not a valid kernel name"),
            (records(name="../x"), "not a valid instance name"),
            (records(image="a\x1b[2Jb"), "not"), (records(stop_signal=0), "stop_signal"),
            (records(memory=-1), "memory"), (records(argv=[]), "no command"), (records(version=99), "99"),
            (records(volumes=["/etc"]), "/etc"), (records(kind="vm"), "different kinds"),
            (sealed([(1, b"{"), *parts[1:]]), "backup record"), (sealed([parts[0]]), "begin"),
            (sealed([parts[0], *trees]), "begin"), (sealed(parts[:2]), "broke off"),
            (sealed([*parts, (1, b"x")]), "out of order"), (sealed([*parts, (2, b"x" * 70000)]), "follows"),
            (sealed([*parts[:2], (2, b"\xff" * 100)]), "broken")):
        result = brig.fails("import", "-", "b", input=data)
        assert told in result.err and "\x1b" not in result.err, result.err
        assert instances(brig) == ["a"]
    # a tree with what no instance has
    top, end = entry(0o040700, b"x"), record(5) + record(6)
    for inside, told in (
            (entry(0o120777, b"upper", b"/etc"), "no instance has"),
            (entry(0o100600, b"upper") + FILE_END, "no instance has"),
            (entry(0o010600, b"upper"), "no instance has"),
            (entry(0o040700, b"other") + record(5), "no instance has"),
            (entry(0o100600, b"data.raw") + FILE_END, "no instance has"),
            (entry(0o040700, b"..") + record(5), "broken"), (entry(0o040700, b"../up") + record(5), "broken"),
            (entry(0o120777, b"snapshots", b"/etc"), "cannot open"),
            (entry(0o100600, b"instance.json") + FILE_END, "no instance has"),
            (entry(0o040700, b"snapshots") + entry(0o040700, b".x") + record(5) * 2, "not a valid snapshot"),
            (entry(0o040700, b"snapshots") + entry(0o120777, b"s", b"/") + record(5), "cannot open"),
            (entry(0o040700, b"snapshots") + entry(0o040700, b"s") + entry(0o120777, b"snapshot.json", b"/x")
             + record(5) * 2, "no instance has")):
        data = sealed([*parts[:2], (2, START + top + inside + end)])
        assert told in brig.fails("import", "-", "b", input=data).err, inside
        assert instances(brig) == ["a"]
    upper = entry(0o046777, b"upper") + record(5)
    assert brig("import", "-", "b", input=sealed([*parts[:2], (2, START + top + upper + end)])).out == "b\n"
    assert folder(brig, "b").stat().st_mode & 0o777 == 0o700


def test_a_kill_at_any_moment_leaves_nothing(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, FILES + "; dd if=/dev/urandom of=/big bs=1M count=6")
    brig("snapshot", "create", "a")
    backup, out = tmp_path / "a.brig", tmp_path / "out"
    brig("start", "a")
    before = files(brig, at="snapshots/snap0/upper")
    actions = (("export", "a", out, "--snapshots"), ("import", backup, "b"))
    brig("export", "a", backup, "--snapshots")
    took = []
    for words in actions:
        started = time.monotonic()
        brig(*words)
        took.append(time.monotonic() - started)
    brig("rm", "b")
    out.unlink()
    seed = time.time_ns()
    chance = random.Random(seed)
    for number in range(KILLS):
        words, length = actions[number % 2], took[number % 2]
        with brig.popen(*words) as running:
            try:
                running.process.wait(chance.uniform(0, 1.2 * length))
            except subprocess.TimeoutExpired:
                pass
            running.process.kill()
            running.process.wait()
        told = f"kill {number} of {words[0]}, seed {seed}"
        listed = set(brig("ps", "-a", "-q").out.split())
        assert listed <= {"a", "b"} and set(os.listdir(tmp_path)) <= {"a.brig", "out"}, told
        sound(brig, told)
        if "b" in listed:
            assert files(brig, "b", "snapshots/snap0/upper") == before, told
            brig("rm", "b")
        if out.exists():
            brig("import", out, "b")
            brig("rm", "b")
            out.unlink()
    for words in actions:  # removes what was left
        brig(*words)
    wait.file_state(brig.root / "instances", lambda: instances(brig) == ["a", "b"])
    assert os.listdir(folder(brig) / "snapshots") == ["snap0"], seed


def test_a_users_instances_come_back_too(user_brig, user_image):
    brig = user_brig
    stopped(brig, user_image, "mkdir -p /d/e; echo one > /d/f; ln /d/f /d/g; rm /etc/passwd; chmod 0 /d/e;"
            "chown 5:6 /d/e /d/f || true")
    before = files(brig)
    data = brig("export", "a", "-", text=False).out
    brig("rm", "a")
    brig("import", "-", input=data)
    assert files(brig) == before
    brig("start", "a")
    assert brig("exec", "a", "sh", "-c", "cat /d/g; ls /etc/passwd", check=False).out == "one\n"
    brig("exec", "a", "sh", "-c", "rm /d/g; echo two >> /d/f; rm /etc/group; mkdir /d/n")
    brig("stop", "-t", "0", "a")
    full, increment = brig.folder / "home/full", brig.folder / "home/increment"
    full.write_bytes(data)
    full.chmod(0o644)
    brig("export", "a", increment, "--since", full)
    brig("import", increment, "b", "--since", full)
    assert files(brig, "b") == files(brig)
    brig("rm", "b")
    assert brig("check").err == "brig: nothing is wrong\n"
    brig("rm", "-f", "a")
