# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing below main/ ends the program; forked children leave by _exit()."""

from gate.tree import Finding

CALL = r"(?<![\w.>])(exit|quick_exit|abort|die|errx?|verrx?|__builtin_trap|__builtin_abort)\s*\("
ALLOWED = "src/main/"


def check(tree):
    for path in tree.files("src"):
        if not path.startswith(ALLOWED):
            for line, match in tree.matches(path, CALL):
                yield Finding(path, line, f"{match[1]}() ends the program; return an error")
