# SPDX-License-Identifier: GPL-2.0-or-later
"""A room of src/ includes only the rooms on its line of tools/rooms.txt, by room-qualified names, and a
library is used only by the files that stand for it."""

from pathlib import PurePath

from gate.tree import Finding


def table(tree):
    rows = {}
    for line in tree.lines("tools/rooms.txt"):
        name, colon, allowed = line.partition(":")
        if colon and not line.startswith("#"):
            rows[name] = allowed.split()
    return rows


def check(tree):
    rows = table(tree)
    libraries = {name[1:]: files for name, files in rows.items() if name.startswith("<")}
    for path in tree.files("src"):
        inside = PurePath(path).relative_to("src")
        room = inside.parts[0]
        if room not in rows:
            yield Finding(path, 1, f"room {room}/ is not in tools/rooms.txt")
            continue
        for include in tree.includes(path):
            if not include.quoted:
                yield from check_library(path, str(inside), include, libraries)
            elif "/" not in include.name:
                yield Finding(path, include.line, f'write "{inside.parent}/{include.name}": includes name their room')
            elif (other := include.name.split("/")[0]) != room and not {other, include.name} & set(rows[room]):
                yield Finding(path, include.line, f"{room}/ may not include {include.name}")


def check_library(path, inside, include, libraries):
    for prefix, files in libraries.items():
        if include.name.startswith(prefix) and inside not in files:
            yield Finding(path, include.line, f"<{include.name}> is for {' '.join(files)} alone")
