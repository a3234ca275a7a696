# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's root disk, its kernel and its initramfs.

The disk holds Debian packages only, and is made anew only when their list changes. Everything of ours that
the machine needs comes with the initramfs, which is made in a moment, and is put on the disk at boot.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from labkit import cache

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/integration"))

from support import images  # noqa: E402

TESTS = Path(__file__).resolve().parents[2] / "tests"
MACHINE = TESTS / "lab/machine"
DISK = "8G"  # sparse
MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]  # between the kernel and its root disk
NOT_NEEDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]
# Each costs time at boot, and nothing here wants it.
MASKED = """
apt-daily-upgrade.timer apt-daily.timer containerd.service docker.service docker.socket dpkg-db-backup.timer
e2scrub_all.timer e2scrub_reap.service fstrim.timer getty.target getty@tty1.service lxcfs.service man-db.timer
modprobe@configfs.service modprobe@dm_mod.service
modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service podman-auto-update.service
podman-auto-update.timer podman-restart.service podman.service podman.socket
proc-sys-fs-binfmt_misc.automount serial-getty@ttyS0.service systemd-binfmt.service systemd-firstboot.service
systemd-journal-flush.service systemd-logind.service systemd-machine-id-commit.service
systemd-networkd.service systemd-pstore.service systemd-random-seed.service systemd-sysusers.service
systemd-timesyncd.service systemd-tmpfiles-clean.timer systemd-update-utmp-runlevel.service
systemd-update-utmp.service
""".split()


def suite():
    """What runs here runs there: the programs of this tree are linked with this machine's libraries."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return release.get("VERSION_CODENAME", "bookworm").strip('"')


def _first_known(names):
    for name in names.split("|"):
        shown = subprocess.run(["apt-cache", "show", "--no-all-versions", name], capture_output=True)
        if shown.returncode == 0:
            return name
    return names.split("|")[0]


def _packages():
    lines = (MACHINE / "packages.txt").read_text().splitlines()
    rows = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return [_first_known(row) if "|" in row else row for row in rows]


def _in_namespaces(*command, **options):
    """A command whose mounts and processes end with it, and it with us."""
    as_root = [] if os.geteuid() == 0 else ["--map-auto", "--map-root-user"]
    subprocess.run(["setpriv", "--pdeathsig", "KILL", "unshare", *as_root, "--mount", "--pid", "--fork",
                    "--kill-child", "--mount-proc", "--", *map(str, command)],
                   check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, **options)


def _make_tar(tar):
    no_recommends = ["--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Check-Valid-Until false",
                     "--aptopt=APT::Sandbox::User root"]
    # The lab's initramfs is our own; Debian's would be made once for each kernel.
    no_initramfs = ['--essential-hook=mkdir -p "$1"/etc/initramfs-tools; '
                    'echo update_initramfs=no > "$1"/etc/initramfs-tools/update-initramfs.conf']
    # dpkg would ask whether to keep that file, and wait for the disk at each step.
    no_initramfs += ["--dpkgopt=force-confold", "--dpkgopt=force-unsafe-io"]
    thin = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_NEEDED]
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", *no_recommends, *thin, *no_initramfs,
               f"--include={','.join(_packages())}", suite(), tar]
    if os.geteuid() == 0:
        _in_namespaces(*command, timeout=1800, env={**os.environ, "TMPDIR": str(tar.parent)})
    else:  # it makes namespaces of its own
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=1800)


FILL = r"""set -eu
mkdir "$1/root" "$1/modules"
tar -x -C "$1/root" -f "$1/root.tar" --exclude='./dev/*'
cd "$1/root"
version=$(cd lib/modules && ls | grep -v cloud)
for name in $2; do
	modprobe -d "$1/root" -S "$version" --show-depends "$name" | while read -r insmod file; do
		[ "$insmod" = insmod ] && [ ! -e "$1/modules/${file##*/}" ] || continue
		cp "$file" "$1/modules/"
		echo "${file##*/}" >>"$1/modules/order"
	done
done
cp "boot/vmlinuz-$version" "$1/vmlinuz"
cp bin/busybox "$1/busybox"
: >etc/machine-id
mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -d . "$1/root.img" "$3"
"""


def _make_root(folder):
    print("lab: making the root disk of Debian packages, once", file=sys.stderr, flush=True)
    tar = folder / "root.tar"
    _make_tar(tar)
    _in_namespaces("sh", "-c", FILL, "sh", folder, " ".join(MODULES), DISK, timeout=600)
    tar.unlink()
    _in_namespaces("rm", "-rf", folder / "root")


def root():
    """The cache's entry with root.img, vmlinuz, busybox and modules/."""
    entry = cache.Entry("root", cache.digest(MACHINE / "packages.txt", suite(), DISK, FILL, *MODULES,
                                             *NOT_NEEDED))
    entry.get(_make_root)
    cache.prune("root", 2)
    return entry


def _files(folder):
    """What of ours goes into the machine."""
    library, units = folder / "usr/lib/brig-lab", folder / "etc/systemd/system"
    for path in (library, units / "multi-user.target.wants"):
        path.mkdir(parents=True)
    for name in ("agent", "init"):
        shutil.copy(MACHINE / name, library / name)
    shutil.copy(MACHINE / "brig-lab.service", units)
    (units / "multi-user.target.wants/brig-lab.service").symlink_to("../brig-lab.service")
    for name in MASKED:
        (units / name).symlink_to("/dev/null")
    (folder / "etc/hostname").write_text("lab\n")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 lab\n::1 localhost\n")
    (folder / "etc/fstab").write_text("")
    busybox = folder / "busybox"
    busybox.mkdir()
    images.busybox_tree(busybox)
    subprocess.run(["tar", "-c", "-f", library / "busybox.tar", "-C", busybox, "."], check=True)
    shutil.rmtree(busybox)
    (folder / "etc/profile.d").mkdir()
    (folder / "etc/profile.d/brig-lab.sh").write_text('PATH=/brig/build:$PATH\nPS1="lab:\\w# "\n')


def _make_initramfs(root_folder, path):
    tree = path.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "dev", "proc", "root", "files"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root_folder / "busybox", tree / "bin/busybox")
    shutil.copytree(root_folder / "modules", tree / "modules")
    shutil.copy(MACHINE / "initramfs", tree / "init")
    _files(tree / "files")
    with open(path, "wb") as file:
        names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, input=names, check=True,
                       stdout=file)
    shutil.rmtree(tree)


def boot(root_folder):
    """The cache's entry with vmlinuz and initramfs."""
    def make(folder):
        os.link(root_folder / "vmlinuz", folder / "vmlinuz")
        _make_initramfs(root_folder, folder / "initramfs")

    entry = cache.Entry("boot", cache.digest(root_folder.name, *sorted(MACHINE.iterdir()), Path(__file__),
                                             Path(images.__file__)))
    entry.get(make)
    cache.prune("boot", 8)
    return entry
