# SPDX-License-Identifier: GPL-2.0-or-later
"""Every C file is named in the meson.build of its folder, by its name or for a test by what it tests: what
is not is neither built nor run."""

from pathlib import PurePath

from gate.tree import Finding


def check(tree):
    for path in tree.files("src", "tests/unit", ends=(".c",)):
        file = PurePath(path)
        # main/ has one file, which the top meson.build names; main.c of guest/ too.
        if file.name == "main.c":
            continue
        build = str(file.parent / "meson.build")
        listed = tree.read(build) if build in tree.files(str(file.parent), ends=("meson.build",)) else ""
        names = {f"'{file.name}'", f"'{file.stem.removeprefix('test_')}'"}
        if not any(name in listed for name in names):
            yield Finding(path, 1, f"is not in {build}")
