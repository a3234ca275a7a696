# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kind fits, and instances that are made of that kind."""

import pytest

from support.command import Brig

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


def test_a_policy_says_which_kinds_there_are(brig, busybox_image, debian_kernel):
    """/etc/brig/policy of a host whose /etc only what runs here sees."""
    etc = brig.root.parent / "etc"
    (etc / "brig").mkdir(parents=True)
    policy = etc / "brig/policy"
    mount = 'mount -t overlay -o "lowerdir=$0:/etc" none /etc && exec "$@"'
    brig = Brig(brig.root, brig.run, prefix=["unshare", "--mount", "sh", "-c", mount, str(etc)])
    make = ("create", "--network", "none")
    brig(*make, "--name", "before", "--label", "trust=no", busybox_image, "true")
    policy.write_text("forbid container label=trust=no\nforce vm label=tenant\nforbid vm user=root\n")
    # a word for the wrong kind is refused, and no word is as the rule says
    for words in ([], ["--container"], ["--isolation", "container"]):
        assert "line 1 of" in brig.fails(*make, "--label", "trust=no", *words, busybox_image, "true").err
    assert "line 2 of" in brig.fails(*make, "--label", "tenant=a", "--container", busybox_image, "true").err
    assert "--container" in brig.fails(*make, "--vm", busybox_image, "true").err
    assert "line 2 of" in brig(*make, "--name", "forced", "--label", "tenant=a", busybox_image, "true").err
    assert "(policy-vm)" in brig(*make, "--name", "auto", "--label", "trust=no", "--isolation", "auto", busybox_image,
                                 "true").err
    assert "--privileged" in brig.fails(*make, "--label", "tenant=a", "--privileged", busybox_image, "true").err
    brig(*make, "--name", "plain", busybox_image, "true")
    assert [brig.json("inspect", name)[0]["kind"] for name in ("before", "forced", "auto", "plain")] == [
        "container", "vm", "vm", "container"]
    # what was made before is not started, nor changed into what may not be
    assert "line 1 of" in brig.fails("start", "before").err
    assert "line 3 of" in brig.fails("convert", "plain", "--vm").err
    assert rules(brig.json("advise", "before"))["policy-vm"] == "line 1"
    brig("convert", "before", "--vm")
    assert rules(brig.json("advise", "plain"))["policy-container"] == "line 3"
    brig("start", "plain")
    checks = {c["id"]: c for c in brig.json("doctor", check=False)["checks"]}
    assert checks["policy"]["status"] == "ok" and "3 rules" in checks["policy"]["detail"]
    # what cannot be read lets nothing be
    policy.write_text("forbid vms\n")
    assert "line 1: say which kind" in brig.fails(*make, busybox_image, "true").err
    policy.write_text("")
    policy.chmod(0o666)
    assert "others than root" in brig.fails("start", "plain").err
    checks = {c["id"]: c for c in brig.json("doctor", check=False)["checks"]}
    assert checks["policy"]["status"] == "fail"
