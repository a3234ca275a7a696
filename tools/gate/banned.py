# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that are not called, with what to call instead; and nothing sleeps, tests neither."""

import ast
import re

from gate.tree import Finding

BANNED = {
    "strcpy": "", "strcat": "", "strncpy": "", "strncat": "", "stpcpy": "", "gets": "",
    "sprintf": "snprintf or base/buf.h", "vsprintf": "vsnprintf",
    "strtok": "base/strv.h", "ctime": "", "asctime": "", "gmtime": "gmtime_r", "localtime": "localtime_r",
    **dict.fromkeys(("atoi", "atol", "atoll", "atof", "strtol", "strtoll", "strtoul", "strtoull", "strtod",
                     "strtof", "strtoimax", "strtoumax", "sscanf", "scanf", "fscanf"), "base/units.h"),
    "system": "sys/child.h", "popen": "sys/child.h", "wordexp": "", "alloca": "",
    "mktemp": "mkstemp", "tmpnam": "mkstemp", "tempnam": "mkstemp", "readdir_r": "readdir",
    "select": "base/loop.h", "rand": "getrandom", "srand": "getrandom",
}
SLEEP = dict.fromkeys(("sleep", "usleep", "nanosleep", "clock_nanosleep", "thrd_sleep"), "wait for the event")
# The one place that stands for the others.
ALLOWED = {"src/base/units.c": {"strtol", "strtoll", "strtoul", "strtoull", "strtod"}}

CALL = re.compile(rf"(?<![\w.>])({'|'.join([*BANNED, *SLEEP])})\s*\(")


def check(tree):
    for path in tree.files("src", "tests"):
        banned = {**BANNED, **SLEEP} if path.startswith("src/") else SLEEP
        for line, match in tree.matches(path, CALL):
            name = match[1]
            if name in banned and name not in ALLOWED.get(path, ()):
                instead = f"; {banned[name]}" if banned[name] else ""
                yield Finding(path, line, f"{name}() is banned{instead}")
    for path in tree.files("tests", "tools", ends=(".py",)):
        yield from sleeps_in_python(tree, path)
    for path in tree.files("tests", "tools", ".ci", ends=("",)):
        if tree.read(path).startswith(("#!/bin/sh", "#!/bin/bash")):
            yield from sleeps_in_shell(tree, path)


def sleeps_in_python(tree, path):
    for node in ast.walk(ast.parse(tree.read(path))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name == "sleep":
                yield Finding(path, node.lineno, "sleep() is banned; wait for the event")


def sleeps_in_shell(tree, path):
    for number, line in enumerate(tree.lines(path), 1):
        if re.match(r"\s*sleep\s", line):
            yield Finding(path, number, "sleep is banned; wait for the event")
