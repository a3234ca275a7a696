# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` puts a whole brig where it is told to."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.xdist_group("install")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "install", f"DESTDIR={folder}"], cwd=TREE, check=True, capture_output=True,
                   timeout=600)
    return folder / "usr/local"


def test_everything_is_where_it_belongs(installed):
    assert {str(path.relative_to(installed)) for path in installed.rglob("*") if not path.is_dir()} == {
        "bin/brig", "bin/brig-oci", "libexec/brig/brig-guest", "libexec/brig/brig-vmm", "share/man/man1/brig.1", "share/man/man8/brig-oci.8",
        "share/bash-completion/completions/brig", "share/zsh/site-functions/_brig",
        "share/fish/vendor_completions.d/brig.fish", "share/bash-completion/completions/brig-oci",
        "lib/systemd/system/brig.service", "lib/systemd/system/brig-snapshot.service",
        "lib/systemd/system/brig-balance.service",
        "lib/systemd/system/brig-snapshot.timer", "share/zsh/site-functions/_brig-oci", "share/fish/vendor_completions.d/brig-oci.fish"}


def test_the_program_runs(installed):
    version = subprocess.run([installed / "bin/brig", "--version"], check=True, capture_output=True, text=True)
    assert version.stdout.startswith("brig ")


@pytest.mark.parametrize("name, option", [("man1/brig.1", "--pids-limit"), ("man8/brig-oci.8", "--systemd-cgroup")])
def test_the_manual_page_is_well_formed(installed, name, option):
    page = installed / "share/man" / name
    lint = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True)
    assert lint.stdout == ""
    shown = subprocess.run(["mandoc", "-T", "html", page], check=True, capture_output=True, text=True).stdout
    assert option in shown


@pytest.mark.parametrize("name", ["brig", "brig-oci"])
def test_bash_takes_the_completion(installed, name):
    subprocess.run(["bash", "-n", installed / "share/bash-completion/completions" / name], check=True)
