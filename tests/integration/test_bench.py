# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container and a VM cost on this host, and that measuring leaves nothing of itself."""

import signal

import pytest

from support import wait

pytestmark = pytest.mark.root

LIFE = {"create", "start", "stop", "clone", "remove"}
WORKS = {"cpu", "syscall", "switch", "fault", "fork"}


def samples(result, place):
    return {figure["id"]: len(figure[place]["samples"]) for figure in result["figures"] if figure[place]}


def test_a_container_is_measured_beside_the_host(brig, busybox_image):
    result = brig.json("bench", "--kinds", "container", "--rounds", "2", busybox_image)
    assert samples(result, "container") == {**dict.fromkeys(LIFE | WORKS | {"memory"}, 2), "exec": 6}
    assert samples(result, "host") == dict.fromkeys(WORKS | {"exec"}, 2)
    assert samples(result, "vm") == {}
    for figure in result["figures"]:
        measured = figure["container"]
        assert 0 < measured["min"] <= measured["median"] <= measured["max"]
    assert brig.json("ps", "-a") == []
    table = brig("bench", "--kinds", "container", "--rounds", "1", busybox_image).out
    assert "start it, to its first output" in table and "M/s" in table


def test_a_page_shows_every_sample_and_needs_nothing_else(brig, busybox_image, tmp_path):
    page = tmp_path / "page.html"
    brig("bench", "--kinds", "container", "--rounds", "3", "--html", page, busybox_image)
    text = page.read_text()
    assert text.count("<svg") == 12 and text.count("</svg>") == 12
    assert text.count('<circle class="sample container"') == 11 * 3 + 9
    assert "container : host" in text and 'class="sample vm"' not in text
    assert "http" not in text and "<script" not in text
    refused = brig.fails("bench", "--kinds", "container", "--rounds", "1", "--html", tmp_path / "none/page", busybox_image)
    assert "cannot write" in refused.err


@pytest.mark.vm
def test_both_kinds_are_measured_and_what_falls_short_is_said(brig, busybox_image, debian_kernel):
    result = brig.json("bench", "--rounds", "1", busybox_image, timeout=300)
    assert samples(result, "vm").keys() == samples(result, "container").keys()
    engine = brig.json("info")["engines"]["vm"]
    assert any("emulated" in note for note in result["notes"]) == (engine != "kvm")
    assert brig.json("ps", "-a") == []
    # and shown where a kind is to be chosen
    assert brig.json("advise", busybox_image)["costs"] == result
    assert "measured here with busybox" in brig("advise", busybox_image).out
    assert "nothing is wrong" in brig("check").err


def test_without_a_kernel_the_container_is_measured_alone(brig, busybox_image):
    result = brig.json("bench", "--rounds", "1", busybox_image)
    assert samples(result, "vm") == {} and samples(result, "container")
    assert any("kernel" in note for note in result["notes"])
    assert brig.json("advise", busybox_image)["costs"] is None
    assert "'brig bench busybox" in brig("advise", busybox_image).out
    assert "kernel" in brig.fails("bench", "--rounds", "1", "--kinds", "vm", busybox_image).err
    assert brig.json("ps", "-a") == []


def begun(brig, image):
    running = brig.popen("bench", "--kinds", "container", "--rounds", "1000", image)
    wait.file_exists(brig.root / "instances/brig-bench-container/instance.json")
    return running


def test_an_interrupted_one_leaves_nothing(brig, busybox_image):
    for number in (signal.SIGINT, signal.SIGTERM):
        with begun(brig, busybox_image) as running:
            running.process.send_signal(number)
            result = running.finish()
        assert result.code == 125 and "interrupted" in result.err
        assert brig.json("ps", "-a") == []


def test_what_a_killed_one_has_left_goes_with_the_next(brig, busybox_image):
    with begun(brig, busybox_image) as running:
        assert "another 'brig bench' runs" in brig.fails("bench", busybox_image).err
        running.process.kill()
        running.finish()
    brig("bench", "--kinds", "container", "--rounds", "1", busybox_image)
    assert brig.json("ps", "-a") == []


def test_what_cannot_be_measured_is_refused(brig, busybox_image, import_tree):
    assert "no image" in brig.fails("bench", "absent").err
    assert "none of container, vm" in brig.fails("bench", "--kinds", "vms", busybox_image).err
    bare = import_tree(lambda tree: (tree / "bin/sh").unlink())
    assert "sh" in brig.fails("bench", "--kinds", "container", bare).err
    assert brig.json("ps", "-a") == []
    brig("create", "--name", "brig-bench-container", busybox_image, "true")
    assert "bench has not made" in brig.fails("bench", busybox_image).err
    assert [view["name"] for view in brig.json("ps", "-a")] == ["brig-bench-container"]


def test_a_plain_user_measures_his_own(user_brig, user_image):
    result = user_brig.json("bench", "--kinds", "container", "--rounds", "1", user_image)
    # without a control group nobody counts its memory
    assert samples(result, "container").keys() - {"memory"} == LIFE | WORKS | {"exec"}
    assert user_brig.json("ps", "-a") == []
