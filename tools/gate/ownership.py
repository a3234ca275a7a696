# SPDX-License-Identifier: GPL-2.0-or-later
"""A function uses scope cleanup or goto, never both."""

import re

from gate.tree import Finding


def check(tree):
    for function in tree.functions():
        lines = tree.code(function.path).splitlines()[function.start - 1:function.end]
        gotos = [number for number, line in enumerate(lines, function.start) if re.search(r"\bgoto\b", line)]
        if gotos and any(re.search(r"\b_cleanup_\w*", line) for line in lines):
            yield Finding(function.path, gotos[0], f"{function.name}() has goto and scope cleanup")
