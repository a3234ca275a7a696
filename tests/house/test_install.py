# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` puts a whole brig where it is told to."""

import subprocess
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]


def test_install_into_a_folder(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}"], cwd=TREE, check=True, capture_output=True,
                   timeout=600)
    bin = tmp_path / "usr/local/bin"
    assert {path.name for path in bin.iterdir()} == {"brig", "brig-oci"}
    assert (bin / "brig-oci").readlink() == Path("brig")
    version = subprocess.run([bin / "brig", "--version"], check=True, capture_output=True, text=True)
    assert version.stdout.startswith("brig ")
