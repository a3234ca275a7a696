# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file exports starts with the file's stem, so that a name says where it lives."""

from pathlib import PurePath

from gate.tree import Finding

SHARE = 0.9


def exported(tree):
    return [f for f in tree.functions() if not f.static and f.path.endswith(".c") and f.name != "main"]


def misnamed(tree):
    return [f for f in exported(tree)
            if f.name != PurePath(f.path).stem and not f.name.startswith(PurePath(f.path).stem + "_")]


def share(tree):
    return 1 - len(misnamed(tree)) / max(1, len(exported(tree)))


def check(tree):
    if share(tree) < SHARE:
        for function in misnamed(tree):
            yield Finding(function.path, function.start,
                          f"{function.name}() does not start with {PurePath(function.path).stem}_")


def figures(tree):
    functions = [f for f in tree.functions() if f.path.endswith(".c")]
    yield "exported functions named by their file", f"{share(tree):.0%}"
    for function in misnamed(tree):
        yield "  not", f"{function.path}:{function.start} {function.name}()"
    yield "static functions", f"{sum(f.static for f in functions) / max(1, len(functions)):.0%}"
