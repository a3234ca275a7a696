# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree as the gates see it: files, code without comments, includes, functions."""

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# A comment, a string or a character constant of C.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Include:
    line: int
    name: str
    quoted: bool


@dataclass(frozen=True)
class Function:
    path: str
    name: str
    start: int
    end: int
    static: bool

    @property
    def length(self):
        return self.end - self.start + 1


class Tree:
    """Paths are strings relative to the root."""

    def __init__(self, root):
        self.root = Path(root).resolve()

    @functools.cache
    def files(self, *folders, ends=(".c", ".h")):
        """The files of the folders whose name ends so; ends=("",) gives all. Built files are left out."""
        found = []
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                parts = path.relative_to(self.root).parts
                if (path.is_file() and path.name.endswith(tuple(ends)) and "corpus" not in parts
                        and "__pycache__" not in parts):
                    found.append(str(Path(*parts)))
        return found

    @functools.cache
    def read(self, path):
        return (self.root / path).read_text(errors="replace")

    def lines(self, path):
        return self.read(path).splitlines()

    @functools.cache
    def code(self, path):
        """The text of a C file with comments and the insides of strings blanked, line by line."""
        def blank(match):
            return re.sub(r"[^\n]", " ", match.group())

        return NOT_CODE.sub(blank, self.read(path))

    @functools.cache
    def includes(self, path):
        text = self.read(path)
        return [Include(text.count("\n", 0, match.start()) + 1, match[2], match[1] == '"')
                for match in INCLUDE.finditer(text)]

    @functools.cache
    def functions(self, folder="src"):
        """Every function definition below the folder, by universal-ctags."""
        files = self.files(folder)
        if not files:
            return []
        tags = subprocess.run(["ctags", "--options=NONE", "--language-force=C", "--c-kinds=f", "--fields=+ne",
                               "--fields-C=+{properties}", "-n", "-u", "-f", "-", "-L", "-"], cwd=self.root,
                              input="\n".join(files), capture_output=True, text=True, check=True).stdout
        return [self._function(line.split("\t")) for line in tags.splitlines() if not line.startswith("!")]

    @staticmethod
    def _function(fields):
        extra = dict(field.split(":", 1) for field in fields[3:] if ":" in field)
        return Function(fields[1], fields[0], int(extra["line"]), int(extra["end"]),
                        "static" in extra.get("properties", "").split(","))

    def matches(self, path, pattern):
        """(line, match) of the pattern in the file's code."""
        text = self.code(path)
        for match in re.finditer(pattern, text):
            yield text.count("\n", 0, match.start()) + 1, match
