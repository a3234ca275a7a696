# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests in integration/ and lab/.

wires           the network namespaces of a host and of what it is connected with (support/wires.py)
net_brig        as `brig`, on that host, with networks; none of them may be left
far_brig        as `net_brig`, on what that host is connected with: two hosts
brig            the command line, with a root and a run folder of the test's own; what the test leaves
                running is removed after it, and the test fails if anything of it stays behind
busybox_image   the name of a small image in brig's store (also busybox_tree, the folder it is made of)
debian_image    the name of a Debian image with systemd (also debian_tar)
next_image      the same with the next release of Debian
nesting_image   the same with podman in it
debian_kernel   the name of a Debian kernel in brig's store, the default one
oci             brig-oci, with a root of the test's own; fails like `brig` if anything stays behind
bundle          a bundle for it, with a small root file system to write in
oci_probe       a program for it that says what a shell cannot find out (support/oci_probe.c)
user_brig       as `brig`, for a user who is not root: a test that takes it runs twice, for one who has but his own
                id, and for one with a range in /etc/subuid (also user_image, a small image in his store)
kind            a test that takes it runs twice: kind.args is ["--container"], then ["--vm"]
"""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images, leaks, stores, wait, wires as wiring
from support.command import Brig
from support.oci import Bundle, Oci
from support.user import UserBrig

NEEDS = {"root": (os.geteuid() == 0, "needs root"),
         "vm": (shutil.which("qemu-system-x86_64") is not None, "needs qemu-system-x86")}


def pytest_collection_modifyitems(items):
    for item in items:
        for mark, (fulfilled, reason) in NEEDS.items():
            if mark in item.keywords and not fulfilled:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure(config):
    # A shell that runs us in the background has it ignored, and so would what we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["BRIG_NETWORK"] = "none"  # of what a test runs without Brig
    if not hasattr(config, "workerinput"):  # the workers of xdist inherit it
        os.environ["BRIG_TEST_SESSION"] = tempfile.mkdtemp(prefix="brig-tests-", dir="/var/tmp")


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["BRIG_TEST_SESSION"], ignore_errors=True)


@pytest.fixture(scope="session")
def session_folder():
    """A folder on the disk that all workers of this run share."""
    return Path(os.environ["BRIG_TEST_SESSION"])


@pytest.fixture
def brig():
    # A short path, since sockets lie below it; on a disk, since layers and machines do too.
    folder = Path(tempfile.mkdtemp(prefix="brig-", dir="/var/tmp"))
    folder.chmod(0o755)
    command = Brig(folder / "root", folder / "run")
    yield command
    _end(command, folder)


@pytest.fixture
def wires():
    with wiring.Wires() as made:
        yield made


@contextlib.contextmanager
def _networked(host, store):
    folder = Path(tempfile.mkdtemp(prefix="brig-", dir="/var/tmp"))
    folder.chmod(0o755)
    command = Brig(folder / "root", folder / "run", prefix=host.prefix, network="brig0")
    images.clone(store, command.root)
    yield command
    _end_networks(command, host)
    _end(command, folder)


@pytest.fixture
def net_brig(wires, busybox_store):
    with _networked(wires.host, busybox_store) as command:
        yield command


@pytest.fixture
def far_brig(wires, busybox_store):
    with _networked(wires.world, busybox_store) as command:
        yield command


def _end_networks(command, host):
    """Instances go first, since they use networks."""
    command.stop_commands()
    _remove_instances(command, _instances(command))
    for name in command("acl", "ls", "-q", check=False).out.split():
        command("acl", "rm", name, check=False)  # unless a network names it
    for name in command("network", "ls", "-q", check=False).out.split():
        command("network", "rm", name)
    left = [link for link in host.links() if link.startswith(("vb", "br"))]
    assert not left, f"interfaces are left: {left}"
    assert "brig" not in host.run("nft", "list", "tables")


def _end(command, folder):
    """Removes what a test has left running; fails it if anything stays behind."""
    command.stop_commands()
    names = _instances(command)
    problems = _remove_instances(command, names)
    problems += leaks.find(folder, command.run, 5)
    problems += [f"{path} is left" for path in [*_instance_folders(command), *command.run.glob(".layers/*/*")]]
    if problems:
        _force_clean(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if problems:
        pytest.fail("the test left behind:\n" + "\n".join(problems), pytrace=False)


def _instance_folders(brig):
    return [path for folder in (brig.root / "instances", brig.run) if folder.is_dir()
            for path in folder.iterdir() if path.is_dir() and path.name not in (".net", ".layers")]


def _nobody_removes(brig):
    """True if no keeper is at work on what it set aside, of which it holds the flock."""
    for path in _instance_folders(brig):
        if path.name.startswith(".removed-"):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(fd)
    return True


def _instances(brig):
    """The next command sweeps what a killed one was making or removing: names that begin with a dot."""
    if _instance_folders(brig):
        wait.file_state(brig.root / "instances", lambda: _nobody_removes(brig))
        brig("ps", "-a", "-q", check=False)
    return {path.name for path in _instance_folders(brig)}


def _remove_instances(brig, names):
    """Removes them the way a user would; returns what brig had to say against it."""
    problems = []
    if names:
        listed = set(brig("ps", "-a", "-q", check=False).out.split())
        problems += [f"ps does not know {path}" for path in _instance_folders(brig) if path.name not in listed]
        for name in sorted(names | listed):
            removed = brig("rm", "-f", name, check=False)
            if removed.code:
                problems.append(f"rm -f {name}: {removed.err}")
    return problems


def _force_clean(folder):
    """After a leak: end and unmount what is left, so that the next test starts clean."""
    for pid, _ in leaks.processes(folder):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    leaks.lasting_processes(folder, 5)
    for line in reversed(leaks.mounts(folder)):
        images.run("umount", "-l", line.split()[4])


@pytest.fixture(params=["one-id", pytest.param("many-ids", marks=pytest.mark.skipif(
    shutil.which("newuidmap") is None, reason="needs uidmap"))])
def user_brig(request):
    folder = Path(tempfile.mkdtemp(prefix="brig-", dir="/var/tmp"))
    folder.chmod(0o755)
    command = UserBrig(folder, request.param == "many-ids")
    yield command
    _end(command, folder)


@pytest.fixture
def user_image(user_brig, busybox_tree):
    archive = user_brig.folder / "busybox.tar"  # a user may not look into all folders of the tree
    images.run("tar", "-C", busybox_tree, "-cf", archive, ".")
    user_brig("image", "import", "--name", "busybox", archive)
    return "busybox"


@pytest.fixture(scope="session")
def busybox_tree(session_folder):
    return stores.busybox_tree(session_folder)


@pytest.fixture(scope="session")
def debian_tar():
    return images.debian_tar()


@pytest.fixture(scope="session")
def busybox_store(session_folder):
    return stores.get(session_folder, "busybox")


@pytest.fixture(scope="session")
def debian_store(session_folder):
    """Holds the busybox image too, so that a test can have both."""
    return stores.get(session_folder, "debian")


@pytest.fixture(scope="session")
def next_store(session_folder):
    return stores.get(session_folder, "next")


@pytest.fixture(scope="session")
def nesting_store(session_folder):
    return stores.get(session_folder, "nesting")


@pytest.fixture(scope="session")
def kernel_store(session_folder):
    return stores.get(session_folder, "kernel")


@pytest.fixture
def busybox_image(brig, busybox_store):
    if not (brig.root / "images").exists():  # debian_image brings it too
        images.clone(busybox_store, brig.root)
    return "busybox"


@pytest.fixture
def import_tree(brig, busybox_tree, tmp_path):
    """Imports the busybox tree after change(folder) has done something to it; the image's name."""
    def make(change):
        folder = tmp_path / "tree"
        shutil.copytree(busybox_tree, folder, symlinks=True)
        change(folder)
        brig("image", "import", "--name", "changed", folder)
        return "changed"

    return make


@pytest.fixture
def debian_image(brig, debian_store):
    images.clone(debian_store, brig.root)
    return "debian"


@pytest.fixture
def next_image(brig, next_store):
    images.clone(next_store, brig.root)
    return "next"


@pytest.fixture
def nesting_image(brig, nesting_store):
    images.clone(nesting_store, brig.root)
    return "nesting"


@pytest.fixture
def debian_kernel(brig, kernel_store):
    images.clone(kernel_store, brig.root)
    return "debian"


@pytest.fixture
def folder(tmp_path):
    """A folder of the host's, with a file of user 7's."""
    path = tmp_path / "shared"
    path.mkdir()
    (path / "file").write_text("of the host\n")
    os.chown(path / "file", 7, 8)
    return path


@pytest.fixture
def oci():
    folder = Path(tempfile.mkdtemp(prefix="brig-oci-", dir="/var/tmp"))
    folder.chmod(0o755)
    command = Oci(folder)
    yield command
    problems = []
    if command.root.is_dir():
        for name in command.ids():
            removed = command("delete", "--force", name, check=False)
            problems += [f"delete --force {name}: {removed.stderr}"] if removed.returncode else []
    left = command.leftovers()
    if left:
        leaks.lasting_processes(folder, 5)
        left = command.leftovers()
    problems += left
    if problems:
        _force_clean(folder)
    shutil.rmtree(folder, ignore_errors=bool(problems))
    if problems:
        pytest.fail("the test left behind:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture(scope="session")
def oci_probe():
    return images.oci_probe()


@pytest.fixture(scope="session")
def bundle_tree(session_folder):
    """Not busybox_tree: to a tar that reads it, a file that gets one more link has changed, which is an error."""
    return images.made_once(session_folder / "bundle-tree", images.busybox_tree)


@pytest.fixture
def bundle(oci, bundle_tree):
    folder = oci.folder / "bundle"
    folder.mkdir()
    return Bundle(oci, folder, bundle_tree)


@dataclass
class Kind:
    """One of the two kinds of instance, for tests of what both do alike."""

    name: str

    @property
    def args(self):
        return [f"--{self.name}"]

    @property
    def vm(self):
        return self.name == "vm"


@pytest.fixture(params=[pytest.param("container", marks=pytest.mark.root),
                        pytest.param("vm", marks=[pytest.mark.root, pytest.mark.vm])])
def kind(request):
    if request.param == "vm":
        request.getfixturevalue("debian_kernel")
    return Kind(request.param)
