# SPDX-License-Identifier: GPL-2.0-or-later
"""Every source file starts by naming its licence."""

from pathlib import PurePath

from gate.tree import Finding

LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
# Data: no comment can stand there, or they are lists.
DATA = (".txt", ".md", ".ini", ".json", ".hex", ".bin")
NAMED = {".c": f"// {LICENCE}", ".h": f"/* {LICENCE} */"}


def check(tree):
    for path in tree.files("src", "tests", "tools", ".ci", ends=("",)):
        suffix = PurePath(path).suffix
        if suffix in DATA or PurePath(path).name.startswith(".nfs"):
            continue
        lines = tree.lines(path)
        first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (lines or [""])[0]
        wanted = NAMED.get(suffix, f"# {LICENCE}")
        if first != wanted:
            yield Finding(path, 1, f"the first line is not '{wanted}'")
