# SPDX-License-Identifier: GPL-2.0-or-later
"""Increments: what changed since a backup is a small file, and comes back only on exactly that backup."""

import json

import pytest

from test_backup import chunks, files, folder, instances, sealed, stopped

pytestmark = pytest.mark.root


def test_increments_are_small_and_come_back_on_what_they_build_on(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, """mkdir /d; cd /d; dd if=/dev/urandom of=big bs=1M count=6; echo one > gone
dd if=/dev/urandom of=grown bs=1k count=100; ln big again; dd if=/dev/urandom of=sparse bs=64k count=1 seek=99""")
    full, one, two, three = (tmp_path / name for name in ("full", "one", "two", "three"))
    brig("export", "a", full)
    states = [files(brig)]
    for script, old, new in (
            ("""cd /d; rm gone; echo x >> grown; echo new > new
echo 1 | dd of=big bs=1 seek=3000000 conv=notrunc; echo 1 | dd of=sparse bs=1M seek=3 conv=notrunc""", full, one),
            ("cd /d; mv new moved; chmod 711 sparse", one, two)):
        brig("start", "a")
        brig("exec", "a", "sh", "-ec", script)
        brig("stop", "-t", "0", "a")
        states.append(files(brig))
        brig("export", "a", new, "--since", old)
    assert full.stat().st_size > 6 << 20
    assert one.stat().st_size < 300 << 10 and two.stat().st_size < 20 << 10
    brig("snapshot", "create", "a", "s")
    brig("export", "a", three, "--since", two, "--snapshots", "--compression", "none")

    chain = ("--since", full, "--since", one)
    brig("import", full, "b")
    brig("import", one, "c", "--since", full)
    brig("import", *chain, "-", "d", input=two.read_bytes())
    brig("import", *chain, "--since", two, three, "e")
    assert [files(brig, name) for name in "bcd"] == states
    assert files(brig, "e") == files(brig, "e", "snapshots/s/upper") == states[2]
    assert (folder(brig, "d") / "upper/d/sparse").stat().st_blocks < 1000
    assert sorted(path.name for path in folder(brig, "d").iterdir()) == ["instance.json", "upper"]

    cut, altered = tmp_path / "cut", tmp_path / "altered"
    cut.write_bytes(three.read_bytes()[:-70])
    damaged = bytearray(full.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    altered.write_bytes(damaged)
    before = instances(brig)
    for args, told in (
            ((one,), "is an increment: it builds on the backup made at"),
            ((two, "--since", full), "full is another backup: it builds on the backup made at"),
            ((two, "--since", one), "one: it builds on"),
            ((two, "--since", one, "--since", full), "full: this one is whole, and builds on none"),
            ((full, "--since", one), "is whole, and builds on none"),
            ((two, "--since", full, *chain), "is whole, and builds on none"),
            ((one, "--since", altered), "altered"),
            ((cut, *chain, "--since", two), "cut short"),
            ((one, "--since", tmp_path / "none"), "cannot open")):
        assert told in brig.fails("import", *args[:1], "x", *args[1:]).err, args
        assert instances(brig) == before
    listed = sorted(tmp_path.iterdir())
    for args, told in (((full, "--since", full), "is the earlier backup itself"),
                       ((tmp_path / "x", "--since", altered), "altered"),
                       ((tmp_path / "x", "--since", cut), "cut short"),
                       ((tmp_path / "x", "--since", "/dev/null"), "no backup")):
        assert told in brig.fails("export", "a", *args).err, args
        assert sorted(tmp_path.iterdir()) == listed


def test_a_backup_of_before_increments_is_built_on(brig, busybox_image, tmp_path):
    stopped(brig, busybox_image, "dd if=/dev/urandom of=/big bs=1M count=2; echo one > /f")
    old, new = tmp_path / "old", tmp_path / "new"
    head, *rest = list(chunks(brig("export", "a", "-", "--compression", "none", text=False).out))[:-1]
    fields = json.loads(head[1])
    of_before = {key: value for key, value in fields.items() if not key.startswith("since")} | {"version": 1}
    old.write_bytes(sealed([(1, json.dumps(of_before).encode()), *rest]))
    (folder(brig) / "upper/f").write_text("two\n")
    brig("export", "a", new, "--since", old)
    assert new.stat().st_size < 100 << 10
    brig("import", new, "b", "--since", old)
    assert files(brig, "b") == files(brig)
