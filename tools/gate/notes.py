# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left to do is an issue, not a note in the tree."""

import re

from gate.tree import Finding

# Written apart, or this file would have them.
NOTE = re.compile(r"\b(" + "|".join(("TO" + "DO", "XX" + "X", "FIX" + "ME", "HA" + "CK")) + r")\b")


def check(tree):
    for path in tree.files("src", "tests", "tools", "docs", ends=("",)):
        for number, line in enumerate(tree.lines(path), 1):
            if match := NOTE.search(line):
                yield Finding(path, number, f"{match[1]}: file an issue instead")
