# SPDX-License-Identifier: GPL-2.0-or-later
"""Every header of src/ compiles alone."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from gate.tree import Finding

COMMAND = ["gcc", "-fsyntax-only", "-x", "c", "-std=gnu17", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-Isrc"]


def compile_alone(tree, path):
    # Through a file that includes it, so that nothing is said of headers being main files.
    result = subprocess.run([*COMMAND, "-"], cwd=tree.root, input=f'#include "{path.removeprefix("src/")}"\n',
                            capture_output=True, text=True)
    first = re.search(r"^(\S+?):(\d+):.*?(?:error|warning): (.*)$", result.stderr, re.M)
    if first:
        yield Finding(path, int(first[2]) if first[1] == path else 1, f"does not compile alone: {first[3]}")
    elif result.returncode:
        yield Finding(path, 1, f"does not compile alone: {result.stderr.strip()}")


def check(tree):
    headers = tree.files("src", ends=(".h",))
    with ThreadPoolExecutor(2) as pool:
        for findings in pool.map(lambda path: list(compile_alone(tree, path)), headers):
            yield from findings
