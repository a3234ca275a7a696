# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree keeps its rules, and each gate finds a breach of its rule where it is."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
GATES = sorted(path.stem for path in (TREE / "tools/gate").glob("[a-z]*.py") if path.stem != "tree")
C, H = "// SPDX-License-Identifier: GPL-2.0-or-later\n", "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
PY = "# SPDX-License-Identifier: GPL-2.0-or-later\n"


def gates(root, *names):
    return subprocess.run([str(TREE / "tools/gates"), "--root", str(root), *names], capture_output=True,
                          text=True, timeout=120)


@pytest.mark.parametrize("gate", GATES)
def test_the_tree_passes(gate):
    result = gates(TREE, gate)
    assert result.returncode == 0, result.stdout + result.stderr


def function(name, lines, head="static int"):
    """A function of so many lines, formatted as the tree is."""
    return f"{head} {name}(int x)\n{{\n" + "\tx++;\n" * (lines - 4) + "\treturn x;\n}\n"


def functions(count, lines, head="static int"):
    return "\n".join(function(f"a_{i}", lines, head) for i in range(count))


# A tree that breaks no rule.
GOOD = {
    ".clang-format": (TREE / ".clang-format").read_text(),
    "tools/rooms.txt": "base:\nproto: base\nmain: cli/cli.h\ncli: base\n<json-c/: base/json.c\n",
    "meson.build": PY + "foreach room : ['base', 'proto']\n  subdir('src' / room)\nendforeach\n",
    "tests/unit/meson.build": PY + "foreach room : ['proto']\n  subdir(room)\nendforeach\n",
    "src/base/meson.build": PY + "base_sources = files('json.c', 'listed.c')\n",
    "src/proto/meson.build": PY + "proto_sources = files('wire.c')\n",
    "tests/unit/proto/meson.build": PY + "foreach stem : ['wire']\nendforeach\n",
    "tests/unit/proto/test_wire.c": C,
    "src/base/json.c": C + "#include <json-c/json.h>\n",
    "src/base/json.h": H + "#include <stddef.h>\n\nsize_t json_size(void);\n",
    "src/proto/wire.c": C + '#include "base/json.h"\n#include "proto/wire.h"\n\n'
                        + function("wire_put", 9, "int") + "\n" + function("wire_pad", 9),
    "src/proto/wire.h": H + "int wire_put(int x);\n",
    "src/cli/cli.h": H + '#include "cli/verb.h"\n\nint cli_main(void);\n',
    "src/cli/verb.h": H,
    "src/main/main.c": C + '#include "cli/cli.h"\n\n#include <stdlib.h>\n\nint main(void)\n{\n\texit(cli_main());\n}\n',
    "tests/test_one.py": PY + "assert 'sleep(1)'\n",
}

# gate, a file that breaks its rule, what is in it, the line that must be named, what must be said.
BREACHES = {
    "a room that is not on the list":
        ("arrows", "src/base/a.c", C + '#include "proto/wire.h"\n', 2, "base/ may not include proto/wire.h"),
    "a header of a room of which another is listed":
        ("arrows", "src/main/a.c", C + '\n#include "cli/verb.h"\n', 3, "main/ may not include cli/verb.h"),
    "an include that names no room":
        ("arrows", "src/proto/a.c", C + '#include "wire.h"\n', 2, 'write "proto/wire.h"'),
    "an include that names neither room nor part":
        ("arrows", "src/proto/part/a.c", C + '#include "wire.h"\n', 2, 'write "proto/part/wire.h"'),
    "a room that is not in the table":
        ("arrows", "src/shed/a.c", C, 1, "not in tools/rooms.txt"),
    "a library past the file that stands for it":
        ("arrows", "src/proto/a.c", C + "#include <json-c/json.h>\n", 2, "base/json.c alone"),
    "headers in a ring":
        ("cycles", "src/cli/verb.h", H + '#include "cli/cli.h"\n', 2, "cli/cli.h -> cli/verb.h -> cli/cli.h"),
    "a header that needs another first":
        ("headers", "src/base/a.h", H + "\nsize_t a_size(void);\n", 3, "does not compile alone"),
    "a long function":
        ("lengths", "src/base/a.c", C + function("a", 151), 2, "a() has 151 lines"),
    "a long function in a test":
        ("lengths", "tests/unit/a.c", C + function("a", 151), 2, "a() has 151 lines"),
    "functions that are not short in the middle":
        ("lengths", "src/base/a.c", C + functions(9, 17), 0, "the median function has 17 lines"),
    "more than one long function of a hundred":
        ("lengths", "src/base/a.c", C + functions(50, 5) + function("a_long", 111), 301, "a_long() has 111 lines"),
    "a long file":
        ("lengths", "src/base/a.h", H + "\n" * 1200, 1201, "1201 lines"),
    "a source without licence":
        ("spdx", "src/base/a.c", "int a;\n", 1, "SPDX-License-Identifier"),
    "a licence in the wrong comment":
        ("spdx", "src/base/a.h", C, 1, "'/* SPDX-License-Identifier"),
    "a script without licence":
        ("spdx", "tools/a", "#!/bin/sh\ntrue\n", 1, "SPDX-License-Identifier"),
    "a banned function":
        ("banned", "src/base/a.c", C + "/* strcpy( */\nint a = atoi(\n", 3, "atoi() is banned"),
    "a sleep in the product":
        ("banned", "src/base/a.c", C + "int a = usleep(1);\n", 2, "usleep() is banned"),
    "a sleep in a unit test":
        ("banned", "tests/unit/a.c", C + "int a = sleep(1);\n", 2, "sleep() is banned"),
    "a sleep in a test":
        ("banned", "tests/test_a.py", PY + "import time\ntime.sleep(1)\n", 3, "sleep() is banned"),
    "a sleep in a script":
        ("banned", "tests/a", "#!/bin/sh\n" + PY + "\tsleep 1\n", 3, "sleep is banned"),
    "goto past scope cleanup":
        ("ownership", "src/base/a.c", C + "void a(void)\n{\n\t_cleanup_free_ char *p = 0;\n\n\tgoto out;\nout:\n}\n",
         6, "a() has goto and scope cleanup"),
    "an exit below main/":
        ("exits", "src/base/a.c", C + "// exit()\nvoid a(void)\n{\n\texit(1);\n}\n", 5, "exit() ends the program"),
    "a note of what is left to do":
        ("notes", "src/base/a.c", C + "// " + "TO" + "DO: more\n", 2, "file an issue"),
    "a file that is not built":
        ("listed", "src/base/a.c", C, 1, "is not in src/base/meson.build"),
    "a unit test that is not run":
        ("listed", "tests/unit/proto/test_a.c", C, 1, "is not in tests/unit/proto/meson.build"),
    "a file of a part that is not built":
        ("listed", "src/proto/part/wire.c", C, 1, "is not in src/proto/part/meson.build"),
    "a part of a room that is not built":
        ("listed", "src/proto/part/meson.build", PY, 1, "is not entered from src/proto/meson.build"),
    "a part of a room whose unit tests are not run":
        ("listed", "tests/unit/proto/part/meson.build", PY, 1, "is not entered from tests/unit/proto/meson.build"),
    "a file whose unit test is of another part":
        ("tested", "src/proto/part/wire.c", C + function("wire_get", 5, "int"), 1,
         "has no tests/unit/proto/part/test_wire.c"),
    "a file without a unit test, in a room where there is to be one":
        ("tested", "src/base/a.c", C + function("a_x", 5, "int"), 1, "has no tests/unit/base/test_a.c"),
    "exports named after something else":
        ("names", "src/base/a.c", C + function("b_x", 5, "int"), 2, "b_x() does not start with a_"),
    "code in another format":
        ("format", "src/base/a.c", C + "int  a;\n", 2, "clang-format"),
}


def plant(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(tmp_path, breach):
    gate, path, text, line, said = BREACHES[breach]
    plant(tmp_path, {**GOOD, path: text})
    result = gates(tmp_path, gate)
    assert result.returncode == 1, result.stdout + result.stderr
    place = f"{path}:{line}: " if line else "src:0: "
    assert any(row.startswith(place) and said in row for row in result.stdout.splitlines()), result.stdout


def test_a_tree_without_breach_passes(tmp_path):
    plant(tmp_path, GOOD)
    result = gates(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_gate_has_a_breach():
    assert {gate for gate, *_ in BREACHES.values()} == set(GATES)


def test_an_unknown_gate_is_refused():
    assert gates(TREE, "nothing").returncode == 2
