# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kind fits, and instances that are made of that kind."""

import pytest

pytestmark = pytest.mark.root


def rules(advice):
    return {rule["id"]: rule["found"] for rule in advice["rules"]}


def test_an_image_and_an_instance_are_judged_by_what_can_be_seen_and_what_is_needed(brig, import_tree):
    def change(tree):
        (tree / "usr/sbin/rpc.nfsd").touch()
        (tree / "usr/bin/podman").touch()

    name = import_tree(change)
    advice = brig.json("advise", name)
    assert advice["verdict"] == "vm"
    assert rules(advice).items() >= {"kernel-service": "/usr/sbin/rpc.nfsd",
                                     "engine-inside": "/usr/bin/podman"}.items()
    brig("create", "--name", "a", "--privileged", "--network", "host", name, "true")
    advice = brig.json("advise", "a")
    assert advice["verdict"] == "container" and rules(advice)["host-network"] == "host"
    assert "privileged" in rules(advice)
    assert "trust=no" in brig.fails("advise", name, "--need", "trust=never").err
    assert "no instance and no image" in brig.fails("advise", "absent").err


def test_rules_are_explained(brig):
    every = brig.json("advise", "--explain")
    assert len(every) > 20 and all(rule["reason"] and rule["source"] for rule in every)
    assert "second kernel" in brig("advise", "--explain", "database").out
    assert "no rule 'nonsense'" in brig.fails("advise", "--explain", "nonsense").err


def test_isolation_auto_makes_what_is_advised(brig, busybox_image, debian_kernel):
    auto = ("create", "--isolation", "auto", "--network", "none")
    assert "container" in brig(*auto, "--name", "a", busybox_image, "true").err
    assert "(tenants)" in brig(*auto, "--name", "b", "--need", "tenants=yes", busybox_image, "true").err
    brig(*auto, "--name", "c", "--kernel", "debian", busybox_image, "true")
    assert [brig.json("inspect", name)[0]["kind"] for name in "abc"] == ["container", "vm", "vm"]
    assert "no rule knows" in brig.fails(*auto, "--need", "trust=never", "absent", "true").err
    assert "exclude" in brig.fails(*auto, "--vm", busybox_image, "true").err
    assert "--isolation auto" in brig.fails("create", "--need", "trust=no", busybox_image, "true").err
