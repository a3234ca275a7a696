# SPDX-License-Identifier: GPL-2.0-or-later
"""No header of src/ reaches itself through includes."""

from gate.tree import Finding


def check(tree):
    headers = {path.removeprefix("src/"): path for path in tree.files("src", ends=(".h",))}
    done = set()

    def walk(name, trail):
        if name in done:
            return
        for include in tree.includes(headers[name]):
            if include.name in trail + [name]:
                cycle = (trail + [name])[(trail + [name]).index(include.name):] + [include.name]
                yield Finding(headers[name], include.line, f"include cycle: {' -> '.join(cycle)}")
            elif include.quoted and include.name in headers:
                yield from walk(include.name, trail + [name])
        done.add(name)

    for name in headers:
        yield from walk(name, [])
