# SPDX-License-Identifier: GPL-2.0-or-later
"""brig-oci as a user who is not root: a user namespace with that user's id alone, which needs no help."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import leaks
from support.command import TREE

UID = 65534


class Rootless:
    """brig-oci as nobody, with a bundle: rootless("run", "a").stdout."""

    def __init__(self, folder):
        self.folder = folder
        program = Path(os.environ.get("BRIG", str(TREE / "build/brig"))).with_name("brig-oci")
        self.program = folder / "brig-oci"
        shutil.copy(program, self.program)
        (folder / "bundle/rootfs/bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", folder / "bundle/rootfs/bin/busybox")
        for name in ("sh", "id", "cat", "sleep", "true", "ls"):
            (folder / "bundle/rootfs/bin" / name).symlink_to("busybox")
        subprocess.run(["chown", "-R", f"{UID}:{UID}", folder], check=True)

    def __call__(self, *args, check=True, **how):
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("stdout", subprocess.PIPE)
        how.setdefault("stderr", subprocess.PIPE)
        result = subprocess.run([self.program, "--root", self.folder / "root", *map(str, args)], text=True, timeout=60,
                                user=UID, group=UID, extra_groups=[], cwd=self.folder / "bundle",
                                env={"PATH": os.environ["PATH"]}, **how)
        if check:
            assert result.returncode == 0, result.stderr
        return result

    def configure(self, *command, **process):
        path = self.folder / "bundle/config.json"
        path.unlink(missing_ok=True)
        self("spec", "--rootless")
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=list(command), **process)
        path.write_text(json.dumps(config))
        return config

    def write(self, config):
        (self.folder / "bundle/config.json").write_text(json.dumps(config))


@pytest.fixture
def rootless():
    folder = Path(tempfile.mkdtemp(prefix="brig-rootless-", dir="/var/tmp"))
    folder.chmod(0o755)
    it = Rootless(folder)
    yield it
    ids = it("list", "-q").stdout.split()
    for name in ids:
        it("delete", "--force", name)
    shutil.rmtree(folder)


def test_a_container_runs_without_any_privilege(rootless):
    rootless.configure("/bin/sh", "-c", "id -u; cat /proc/self/uid_map; echo x >/dev/null && echo null; cat /proc/self/status")
    out = rootless("run", "a").stdout
    assert out.splitlines()[0] == "0"
    assert out.splitlines()[1].split() == ["0", str(UID), "1"]
    assert "null" in out.splitlines()
    assert "NoNewPrivs:\t1" in out.splitlines()
    assert rootless("list", "-q").stdout == ""


def test_its_life_is_like_any_other(rootless):
    rootless.configure("/bin/sleep", "1000")
    rootless("create", "a", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert json.loads(rootless("state", "a").stdout)["status"] == "created"
    rootless("start", "a")
    state = json.loads(rootless("state", "a").stdout)
    assert state["status"] == "running"
    assert json.loads(rootless("ps", "--format", "json", "a").stdout) == [state["pid"]]
    assert rootless("exec", "a", "/bin/sh", "-c", "id -u; exit 3", check=False).returncode == 3
    refused = rootless("delete", "a", check=False)
    assert refused.returncode == 1 and "which is running" in refused.stderr
    rootless("kill", "a", "KILL")
    rootless("delete", "--force", "a")
    assert rootless("list", "-q").stdout == ""


def test_what_is_written_belongs_to_the_user(rootless):
    config = rootless.configure("/bin/sh", "-c", "echo x >/file")
    config["root"]["readonly"] = False
    rootless.write(config)
    rootless("run", "a")
    assert (rootless.folder / "bundle/rootfs/file").stat().st_uid == UID


def test_limits_that_cannot_be_set_are_refused(rootless):
    config = rootless.configure("/bin/true")
    config["linux"]["resources"] = {"memory": {"limit": 1 << 26}}
    rootless.write(config)
    result = rootless("run", "a", check=False)
    assert result.returncode == 1
    assert "linux.resources.memory.limit" in result.stderr
    assert rootless("list", "-q").stdout == ""


def test_ids_of_others_cannot_be_mapped(rootless):
    config = rootless.configure("/bin/true")
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    rootless.write(config)
    result = rootless("run", "a", check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert rootless("list", "-q").stdout == ""


def test_a_group_of_that_name_is_somebody_elses(rootless):
    """root has a container of the same ID: its cgroup is not ours to look into, nor to remove."""
    group = Path(next(iter(leaks.cgroup_roots()))) / "brig-oci" / rootless.folder.name
    group.mkdir(parents=True)
    try:
        rootless.configure("/bin/sleep", "1000")
        name = group.name
        rootless("create", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rootless("start", name)
        pid = json.loads(rootless("state", name).stdout)["pid"]
        assert json.loads(rootless("ps", "--format", "json", name).stdout) == [pid]
        rootless("delete", "--force", name)
        assert group.is_dir()
    finally:
        group.rmdir()
