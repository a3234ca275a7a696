# SPDX-License-Identifier: GPL-2.0-or-later
"""brig doctor: what the host has, what a lack costs, how to mend it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Without any one of these, instances of the kind cannot run.
NEEDED = {"container": {"user-namespaces", "namespaces", "cgroups", "overlayfs", "erofs", "layers",
                        "idmapped-mounts", "seccomp", "mkfs.erofs", "space"},
          "vm": {"namespaces", "cgroups", "qemu", "kernel", "agent", "monitor", "mkfs.erofs", "mke2fs", "space"}}


def report(brig, **options):
    """(exit status, {id: check}, kinds)"""
    result = brig("doctor", "--json", check=False, **options)
    document = json.loads(result.out)
    return result.code, {check["id"]: check for check in document["checks"]}, document["kinds"]


def test_every_check_says_what_a_lack_costs_and_how_to_mend_it(brig):
    _, checks, _ = report(brig)
    assert NEEDED["container"] | NEEDED["vm"] <= set(checks)
    for check in checks.values():
        assert set(check) == {"id", "title", "status", "detail", "cost", "fix"}
        assert check["status"] in ("ok", "warn", "fail")
        assert all(check.values())


def test_the_verdict_follows_from_what_failed(brig):
    code, checks, kinds = report(brig)
    failed = {name for name, check in checks.items() if check["status"] == "fail"}
    assert kinds == {kind: not needed & failed for kind, needed in NEEDED.items()}
    assert code == (0 if all(kinds.values()) else 1)


def test_the_table_explains_each_lack_below_it(brig):
    _, checks, _ = report(brig)
    out = brig("doctor", check=False).out
    lines = out.splitlines()
    assert lines[0].split() == ["CHECK", "STATUS", "DETAIL"]
    assert [line for line in lines if line.startswith("containers can")]
    for check in checks.values():
        row = next(line for line in lines if line.startswith(check["title"] + "  "))
        assert row[len(check["title"]):].split()[0] == check["status"]
        if check["status"] != "ok":
            assert f"\n  mend:   {check['fix']}\n" in out


def test_a_machine_needs_a_kernel(brig):
    code, checks, kinds = report(brig)
    assert code == 1
    assert kinds["vm"] is False
    assert checks["kernel"]["status"] == "fail"
    assert checks["kernel"]["fix"] == "brig kernel add debian"


def test_a_missing_tool_is_found_missing(brig, tmp_path):
    (tmp_path / "mkfs.erofs").symlink_to(shutil.which("mkfs.erofs"))
    code, checks, kinds = report(brig, env={"PATH": str(tmp_path)})
    assert code == 1
    assert checks["mkfs.erofs"]["status"] == "ok"
    assert checks["skopeo"]["status"] == "warn"
    assert (checks["qemu"]["status"], checks["qemu"]["fix"]) == ("fail", "apt install qemu-system-x86")
    assert checks["mke2fs"]["status"] == "fail"
    assert kinds["vm"] is False


@pytest.mark.root
@pytest.mark.vm
def test_a_host_that_has_all_can_run_both_kinds(brig, debian_kernel):
    code, checks, kinds = report(brig)
    assert {name: check for name, check in checks.items() if check["status"] == "fail"} == {}
    assert (code, kinds) == (0, {"container": True, "vm": True})
    assert debian_kernel in checks["kernel"]["detail"]


@pytest.mark.root
def test_whether_kvm_runs_a_stock_kernel_is_tried_and_kept(brig):
    _, first, _ = report(brig)
    if not Path("/dev/kvm").exists():
        assert first["kvm"]["status"] == first["kvm-guest"]["status"] == "warn"
        return
    kept = brig.root / "cache/kvm-probe.json"
    before = kept.stat()
    _, second, _ = report(brig)
    assert second["kvm-guest"] == first["kvm-guest"]
    assert kept.stat().st_ino == before.st_ino


@pytest.mark.root
def test_an_ordinary_user_is_told_what_a_user_needs(brig):
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "HOME=/",
               *brig.command("doctor", "--json")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    checks = {check["id"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.returncode == 1
    assert "65534" in checks["root"]["detail"]
    assert {"user-ids", "user-overlayfs", "user-cgroups"} <= set(checks)
    assert not {"erofs", "layers", "idmapped-mounts", "subuid"} & set(checks)


@pytest.mark.root
def test_doctor_leaves_nothing_behind(brig):
    brig("doctor", check=False)
    assert {path.name for path in (brig.root / "cache").iterdir()} <= {"kvm-probe.json"}


@pytest.mark.root
def test_what_keeps_networks_from_working_is_named(net_brig, wires):
    net_brig("network", "create", "out", "--device", "out0")
    _, checks, _ = report(net_brig)
    assert [checks[name]["status"] for name in ("dnsmasq", "firewall", "forwarding")] == ["ok"] * 3
    wires.host.run("iptables-nft", "-P", "FORWARD", "DROP")
    wires.host.run("sysctl", "-w", "net.ipv4.ip_forward=0")
    _, checks, _ = report(net_brig)
    assert checks["firewall"]["status"] == "warn"
    assert "table ip filter, chain FORWARD" in checks["firewall"]["detail"]
    assert "out0" in checks["firewall"]["detail"]
    assert (checks["forwarding"]["status"], checks["forwarding"]["detail"].split(",")[0]) == ("warn", "off for IPv4")
    wires.host.run("iptables-nft", "-A", "FORWARD", "-i", "out0", "-j", "ACCEPT")
    wires.host.run("sysctl", "-w", "net.ipv4.ip_forward=1")
    _, checks, _ = report(net_brig)
    assert [checks[name]["status"] for name in ("firewall", "forwarding")] == ["ok"] * 2
    wires.host.run("iptables-nft", "-P", "FORWARD", "ACCEPT")
    wires.host.run("iptables-nft", "-F", "FORWARD")
