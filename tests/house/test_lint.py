# SPDX-License-Identifier: GPL-2.0-or-later
"""Neither compiler and no analyser has anything to say."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]


def lint(what):
    result = subprocess.run([TREE / "tools/lint", what], capture_output=True, text=True, timeout=1200)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.xdist_group("build-clang")
def test_clang_builds_without_a_warning():
    lint("clang")


@pytest.mark.slow
@pytest.mark.xdist_group("build-clang")
def test_clang_tidy_finds_nothing():
    lint("tidy")


def test_cppcheck_finds_nothing():
    lint("cppcheck")
