# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parser of outside bytes stands its seeds and some seconds of new ones."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_fuzzers_find_nothing():
    result = subprocess.run([TREE / "tools/fuzz", "5"], capture_output=True, text=True, timeout=1200)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-4000:]


@pytest.mark.parametrize("target", sorted((TREE / "tests/fuzz").glob("fuzz_*.c")), ids=lambda path: path.stem)
def test_a_fuzzer_is_short_and_has_seeds(target):
    assert len(target.read_text().splitlines()) <= 60
    assert any((TREE / "tests/fuzz/corpus" / target.stem.removeprefix("fuzz_")).iterdir())
