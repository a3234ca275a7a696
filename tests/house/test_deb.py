# SPDX-License-Identifier: GPL-2.0-or-later
"""`make deb` makes a package that lintian finds nothing in, and that a minimal Debian takes and lets go of."""

import json
import subprocess
from pathlib import Path

import pytest

from support import images

TREE = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("deb")]

# What a machine has that boots: a root of its own, since who was sent there by chroot(1) makes no user namespaces.
BOOTED = """
mount --bind "$0" "$0" && cd "$0" && mount -t proc proc proc && mount -t tmpfs run run && mount -t tmpfs tmp tmp &&
mount --rbind /sys sys && mount --rbind /dev dev && mkdir -p old && pivot_root . old && umount -l old && exec "$@"
"""


@pytest.fixture(scope="module")
def package():
    done = subprocess.run([TREE / "tools/deb"], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def system(package, tmp_path_factory):
    root = tmp_path_factory.mktemp("system")
    tar = images.debian_tar([word.strip() for word in field(package, "Depends").split(",")])
    images.run("tar", "-C", root, "-xf", tar)
    images.run("cp", package, root / "brig.deb")
    images.busybox_tree(root / "image")

    def inside(*command, code=0):
        booted = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", BOOTED, root, *command]
        done = subprocess.run(booted, capture_output=True, text=True, timeout=300,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return inside


def test_it_is_installed_used_and_removed(package, system):
    system("dpkg", "--install", "/brig.deb")
    assert system("brig", "--version") == f"brig {field(package, 'Version')}\n"
    system("brig", "image", "import", "--name", "busybox", "/image")
    assert system("brig", "run", "--rm", "--network", "none", "busybox", "echo", "hello") == "hello\n"
    assert "brig" in system("sh", "-c", "zcat /usr/share/man/man1/brig.1.gz")
    for unit in ("brig.service", "brig-snapshot.timer"):
        system("test", "-L", f"/etc/systemd/system/{'multi-user' if 'service' in unit else 'timers'}.target.wants/{unit}")
    system("dpkg", "--purge", "brig")
    system("test", "!", "-e", "/usr/libexec/brig")
    system("test", "-d", "/var/lib/brig")  # people's instances are not the package's


def test_its_parts_are_found_where_it_puts_them(package, system):
    system("dpkg", "--install", "/brig.deb")
    checks = json.loads(system("brig", "doctor", "--json", code=1))["checks"]  # VMs take a kernel
    assert {c["id"]: c["status"] for c in checks}.items() >= {"agent": "ok", "monitor": "ok", "mkfs.erofs": "ok"}.items()
