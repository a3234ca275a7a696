# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles that brig-oci makes machines of. What a configuration may ask for is in tests/unit/oci/test_vm_plan.c."""

import json
import os
import signal
import subprocess

import pytest

from support import wait

pytestmark = [pytest.mark.root, pytest.mark.vm]

VM = {"annotations": {"brig.kind": "vm", "brig.memory": "256M"}, "hostname": "machine"}
SECONDS = 90


@pytest.fixture
def machine(oci, bundle, kernel_store):
    oci.more = ["--vm-root", kernel_store]
    bundle.base.update(VM)
    yield bundle
    oci("delete", "--force", oci.id)


def holder(oci):
    """The first process, with all that it has started."""
    pid = oci.state()["pid"]
    return [pid, *map(int, json.loads(oci("ps", "--format", "json", oci.id).stdout))]


def test_a_machine_shows_the_bundle_and_ends_as_its_program(oci, machine, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    # whoever made the root has put a way out where a mount is to go
    (machine.rootfs / "way").symlink_to(outside)
    (machine.rootfs / str(outside)[1:]).mkdir(parents=True)
    (machine.rootfs / "old").write_text("of the bundle\n")
    log = tmp_path / "log"
    log.write_text("")
    mounts = [{"destination": "/way/in", "source": str(folder), "options": ["rbind", "ro"]},
              {"destination": "/kept", "source": str(folder), "options": ["bind", "nosuid", "noexec"]},
              {"destination": "/dev", "type": "tmpfs", "options": ["nosuid", "mode=755"]},
              {"destination": "/dev/log", "source": str(log), "options": ["bind"]}]
    script = ("cat old; hostname; grep -c console= /proc/cmdline; cat kept/file; echo new > made; echo said > /dev/log;"
              "echo bad > /proc/1/root/way/in/bad || echo ro; mknod disk b 8 0 || echo no disk;"
              "grep ' /kept ' /proc/mounts; cat; exit 7")
    result = machine.run(script, {"mounts": [*machine.base["mounts"], *mounts]}, check=False, timeout=SECONDS,
                         stdin=None, input="to it")
    assert result.returncode == 7, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:6] == ["of the bundle", "machine", "1", "of the host", "ro", "no disk"]
    assert "nosuid" in lines[6] and "noexec" in lines[6] and lines[7] == "to it"
    assert (machine.rootfs / "made").read_text() == "new\n" and log.read_text() == "said\n"
    assert not (machine.rootfs / "disk").exists() and not list(outside.iterdir())
    assert not oci.leftovers()


def test_a_machine_lives_as_a_container_does(oci, machine):
    machine.create("trap 'exit 3' TERM; while :; do sleep 0.1; done")
    assert oci.state()["status"] == "created"
    assert "not started" in oci.fails("exec", oci.id, "true")
    oci("start", oci.id)
    assert oci.state()["status"] == "running"
    result = oci("exec", oci.id, "sh", "-c", "cat; echo err >&2; exit 5", check=False, stdin=None, input="in\n")
    assert (result.returncode, result.stdout, result.stderr) == (5, "in\n", "err\n")
    assert "nosuch" in oci.fails("exec", oci.id, "nosuch")
    client = oci.popen("exec", oci.id, "sh", "-c", "echo up; exec sleep 1000", stdout=subprocess.PIPE)
    wait.Deadline(30, "the process").poll(client.stdout)
    client.terminate()
    assert client.wait(30) == 128 + signal.SIGTERM
    oci("pause", oci.id)
    assert oci.state()["status"] == "paused"
    oci("resume", oci.id)
    assert "memory.limit" in oci.fails("update", "--memory", str(64 << 20), oci.id)
    pid = oci.state()["pid"]
    oci("kill", oci.id, "TERM")
    wait.process_end(pid, 30)
    oci("delete", oci.id)
    assert not oci.leftovers()


def test_nothing_outlives_the_first_process(oci, machine):
    machine.create("exec sleep 1000")
    pids = holder(oci)
    assert len(pids) > 2
    os.kill(pids[0], signal.SIGKILL)
    for pid in pids:
        wait.process_end(pid, 30)
    assert oci.state()["status"] == "stopped"
    oci("delete", oci.id)
    assert not oci.leftovers()


def test_a_network_with_interfaces_is_refused(oci, machine):
    name = f"brig-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "add", "d0", "type", "veth"], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "d0", "up"], check=True)
        namespaces = [{"type": "mount"}, {"type": "uts"}, {"type": "network", "path": f"/run/netns/{name}"}]
        machine.write({"linux.namespaces": namespaces}, "true")
        assert "interface d0" in oci.fails("create", "--bundle", machine.folder, oci.id)
        assert not oci.leftovers()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
