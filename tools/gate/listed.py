# SPDX-License-Identifier: GPL-2.0-or-later
"""Every C file is named in the meson.build of its folder, by its name or for a test by what it tests, and every
such folder in the one above it: what is not is neither built nor run."""

from pathlib import PurePath

from gate.tree import Finding


def check_folders(tree):
    for path in tree.files("src", "tests/unit", ends=("meson.build",)):
        folder = PurePath(path).parent
        if str(folder) == "tests/unit":
            continue
        # The top one enters the rooms of src/.
        above = "meson.build" if str(folder.parent) == "src" else str(folder.parent / "meson.build")
        if not (tree.root / above).is_file() or f"'{folder.name}'" not in tree.read(above):
            yield Finding(path, 1, f"is not entered from {above}")


def check(tree):
    yield from check_folders(tree)
    for path in tree.files("src", "tests/unit", ends=(".c",)):
        file = PurePath(path)
        # The top meson.build names main.c of guest/.
        if file.name == "main.c":
            continue
        build = str(file.parent / "meson.build")
        listed = tree.read(build) if build in tree.files(str(file.parent), ends=("meson.build",)) else ""
        names = {f"'{file.name}'", f"'{file.stem.removeprefix('test_')}'"}
        if not any(name in listed for name in names):
            yield Finding(path, 1, f"is not in {build}")
