# SPDX-License-Identifier: GPL-2.0-or-later
"""The C files are as clang-format 14 writes them; `make format` does it."""

import re
import shutil
import subprocess

from gate.tree import Finding


def check(tree):
    files = tree.files("src", "tests")
    if not files:
        return
    if not shutil.which("clang-format-14"):
        print("format: not checked, since clang-format-14 is not here and others write otherwise")
        return
    said = subprocess.run(["clang-format-14", "--dry-run", "--ferror-limit=1", *files], cwd=tree.root,
                          capture_output=True, text=True).stderr
    for match in re.finditer(r"^(\S+?):(\d+):\d+: \w+: (.*)$", said, re.M):
        yield Finding(match[1], int(match[2]), match[3])
