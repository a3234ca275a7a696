# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms that everything stands on have a unit test for nearly every file, named after it."""

from pathlib import PurePath

from gate.tree import Finding

ROOMS, SHARE = ("base", "proto"), 0.85


def modules(tree, room):
    """The files of the room that export a function."""
    return sorted({function.path for function in tree.functions()
                   if not function.static and function.path.startswith(f"src/{room}/") and function.path.endswith(".c")})


def test_of(path):
    """Where the test of a file of src/ is: in the same part of the same room."""
    file = PurePath(path)
    return str("tests/unit" / file.relative_to("src").with_name(f"test_{file.name}"))


def untested(tree, room):
    tests = set(tree.files(f"tests/unit/{room}"))
    return [path for path in modules(tree, room) if test_of(path) not in tests]


def check(tree):
    for room in ROOMS:
        if len(untested(tree, room)) > (1 - SHARE) * len(modules(tree, room)) + 1e-9:
            for path in untested(tree, room):
                yield Finding(path, 1, f"has no {test_of(path)}")


def figures(tree):
    rooms = sorted({PurePath(path).parts[1] for path in tree.files("src", ends=(".c",))})
    for room in rooms:
        if count := len(modules(tree, room)):
            yield f"{room}/ files with a unit test", f"{count - len(untested(tree, room))} of {count}"
