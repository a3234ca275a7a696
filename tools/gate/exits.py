# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing below main/ ends the program; forked children leave by _exit()."""

from gate.tree import Finding

CALL = r"(?<![\w.>])(exit|quick_exit|abort|die|errx?|verrx?|__builtin_trap|__builtin_abort)\s*\("
# Out of memory ends the role, which is supervised: see base/mem.h.
ALLOWED = ("src/main/", "src/base/mem.c")


def check(tree):
    for path in tree.files("src"):
        if not path.startswith(ALLOWED):
            for line, match in tree.matches(path, CALL):
                yield Finding(path, line, f"{match[1]}() ends the program; return an error")
