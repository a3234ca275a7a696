# SPDX-License-Identifier: GPL-2.0-or-later
"""Root file systems and kernels for the tests. What is dear to make is kept in a cache from run to run,
under a name that holds a digest of what it was made from."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

DEBIAN_SUITE = "bookworm"
DEBIAN_PACKAGES = ["systemd-sysv", "dbus", "iproute2", "procps"]
NEXT_SUITE = "trixie"
NESTING_PACKAGES = [*DEBIAN_PACKAGES, "podman", "crun", "uidmap", "erofs-utils", "busybox-static", "netavark",
                    "aardvark-dns", "iptables"]
WORK_PACKAGES = ["fio", "gcc", "libc6-dev", "make", "stress-ng"]
DEBIAN_KERNEL = "linux-image-cloud-amd64"


def cache_folder():
    default = "/var/cache/brig-tests" if os.geteuid() == 0 else "~/.cache/brig-tests"
    folder = Path(os.environ.get("BRIG_TEST_CACHE", default)).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path):
    """One process at a time: the workers of a run share what they make."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(path, make):
    """path, made by make(temporary path) if it is not there; a broken-off making leaves nothing."""
    with locked(path.with_name(path.name + ".lock")):
        if not path.exists():
            temporary = path.with_name(path.name + ".new")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)
            make(temporary)
            temporary.rename(path)
    return path


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, timeout=600, **options)


def busybox_tree(folder):
    """A small root file system: busybox with its applets, root and a user `app` (1000)."""
    busybox = shutil.which("busybox")
    for path in ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "proc", "sys", "dev", "root", "home/app",
                 "var/log", "run", "tmp"):
        (folder / path).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    applets = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True).stdout
    for applet in applets.split():
        # No init: an image with one and no command runs as a whole system.
        if applet not in ("sbin/init", "linuxrc", "bin/busybox"):
            (folder / applet).parent.mkdir(parents=True, exist_ok=True)
            (folder / applet).symlink_to("/bin/busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\napp:x:1000:\nextra:x:2000:app\n")
    (folder / "tmp").chmod(0o1777)
    (folder / "root").chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder / "home/app", 1000, 1000)


def debian_tar(packages=DEBIAN_PACKAGES, suite=DEBIAN_SUITE):
    """A tar of a minimal Debian, by default with systemd, from this machine's own apt sources."""
    digest = hashlib.sha256(" ".join([suite, *packages]).encode()).hexdigest()[:12]
    return made_once(cache_folder() / f"debian-{suite}-{digest}.tar", lambda path: run(
        "mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", "--format=tar", suite, path))


def work_tar():
    """A Debian with something to do."""
    return debian_tar(WORK_PACKAGES)


def _compiled(name):
    """A program of one file beside this; the lab, which has no compiler, finds it in the cache."""
    source = Path(__file__).with_name(f"{name}.c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    return made_once(cache_folder() / f"{name.replace('_', '-')}-{digest}", lambda path: run(
        "gcc", "-static", "-O1", "-o", path, source))


def hostile_agent():
    """A program for $BRIG_GUEST that breaks the agent's protocol."""
    return _compiled("hostile_agent")


def oci_probe():
    return _compiled("oci_probe")


def _newest_kernel_package(meta):
    def depends():
        shown = subprocess.run(["apt-cache", "depends", meta], capture_output=True, text=True)
        return [line.split()[1] for line in shown.stdout.splitlines()
                if line.strip().startswith("Depends: linux-image-")]

    if not depends():
        run("apt-get", "-q", "update")
    return depends()[0]


def debian_kernel_files(meta=DEBIAN_KERNEL):
    """(vmlinuz, modules folder) of a Debian kernel, by default that for clouds: installed here, or unpacked from
    the package that the given one depends on."""
    flavour = meta.removeprefix("linux-image-")
    installed = sorted(path for path in Path("/boot").glob("vmlinuz-*")
                       if re.fullmatch(rf"vmlinuz-[0-9.]+-[0-9]+-{flavour}", path.name))
    if installed:
        return installed[-1], Path("/lib/modules") / installed[-1].name.removeprefix("vmlinuz-")

    def unpack(folder):
        folder.mkdir()
        # apt's own user cannot write to a folder of ours; as root it does without.
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("*.deb")), folder / "files")

    package = _newest_kernel_package(meta)
    files = made_once(cache_folder() / package, unpack) / "files"
    return next(files.glob("boot/vmlinuz-*")), next(files.glob("lib/modules/*"))


def clone(source, target):
    """Copies a brig root; large files, which brig never changes in place, become hard links."""
    for folder, folders, names in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        shutil.copystat(folder, there)
        for name in names + [f for f in folders if (Path(folder) / f).is_symlink()]:
            path, copy = Path(folder) / name, there / name
            copy.unlink(missing_ok=True)
            if path.is_symlink() or path.stat().st_size < 64 << 10:
                shutil.copy2(path, copy, follow_symlinks=False)
                continue
            try:
                os.link(path, copy)
            except OSError:
                shutil.copy2(path, copy)
