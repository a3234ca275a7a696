# SPDX-License-Identifier: GPL-2.0-or-later
"""The OCI configuration's every field is read in a test, and has a test that is about it."""

import json
import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
SOURCE = (TREE / "src/container/config.c").read_text()
# What is read of machines is refused, all of it (docs/engines.md).
MACHINES = ("vm", "vm.")
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
ROW = re.compile(r'\{ (?:ROW|LIST|NUMBERS|PART)\((?:RECORD_\w+, )?"(\w+)",\s*struct \w+,\s*(\w+)'
                 r'|\{ GROUP\("(\w+)"|CONFIG_(?:HOOKS|THROTTLES)\("(\w+)"')
TABLE = re.compile(r"static const struct record_field (\w+)\[\] = \{(.*?)RECORD_END", re.S)


def tables():
    """{name of the table: [(key, member or None, table of its own or None)]}"""
    found = {}
    names = [name for name, _ in TABLE.findall(SOURCE)]
    for name, body in TABLE.findall(SOURCE):
        rows = list(ROW.finditer(body))
        found[name] = []
        for row, end in zip(rows, [*(later.start() for later in rows[1:]), len(body)]):
            text = body[row.end():end]
            inner = next((word for word in re.findall(r"(?<!struct )\bconfig_\w+", text) if word in names), None)
            key = row[1] or row[3] or row[4]
            if row[4]:
                inner = "config_hook" if key in HOOKS else "config_throttle"
            found[name].append((key, row[2], inner))
    return found


def fields():
    """[(path, key, member)] of all of the document."""
    every = tables()

    def walk(table, path):
        for key, member, inner in every[table]:
            yield f"{path}{key}", key, member
            if inner:
                yield from walk(inner, f"{path}{key}.")

    return [field for field in walk("config_fields", "") if not field[0].startswith(MACHINES)]


def has(node, parts):
    if isinstance(node, list):
        return any(has(element, parts) for element in node)
    if not parts:
        return True
    if parts[0] in node:
        return has(node[parts[0]], parts[1:])
    # a dictionary whose keys are names
    return any(isinstance(value, dict) and has(value, parts) for value in node.values())


def test_the_fields_are_found():
    paths = {path for path, _, _ in fields()}
    assert len(paths) > 190
    assert {"ociVersion", "process.user.uid", "hooks.poststop.timeout", "linux.seccomp.syscalls.args.valueTwo",
            "linux.resources.blockIO.throttleWriteIOPSDevice.rate", "linux.resources.rdma.hcaObjects",
            "linux.netDevices.name", "linux.timeOffsets.boottime.nanosecs", "linux.intelRdt.enableMonitoring"} <= paths


def test_the_seed_of_the_parsers_tests_has_every_field():
    """tests/unit/container/test_config.c reads and writes all of that."""
    seed = json.loads((TREE / "tests/fuzz/corpus/config/whole").read_text())
    assert [path for path, _, _ in fields() if not has(seed, path.split("."))] == []


def test_every_field_has_a_test_of_what_it_does():
    tests = [*(TREE / "tests/unit/container").glob("*.c"), *(TREE / "tests/integration").glob("test_oci*.py"),
             TREE / "tests/lab/test_oci.py"]
    words = set()
    for path in tests:
        if path.name != "test_config.c":
            words |= set(re.findall(r"\w+", path.read_text()))
    assert [path for path, key, member in fields() if key not in words and member not in words] == []
