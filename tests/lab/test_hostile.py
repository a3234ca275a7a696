# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does whatever comes to its mind, with a host that is no better, and the VMM between them."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
RUN = TREE / "tests/lab/hostile/run"
ROUNDS = 600
# Each part with seeds of its own, so that two can run at once.
PARTS = {"first": (1, 5), "second": (6, 10)}

pytestmark = [pytest.mark.root, pytest.mark.lab]


def run(*arguments, vmm=TREE / "build/brig-vmm", timeout=600):
    return subprocess.run([RUN, "--vmm", vmm, "--rounds", str(ROUNDS), "--seconds", "100", *map(str, arguments)],
                          capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("part", PARTS)
def test_the_vmm_survives_or_ends_with_an_error(part):
    first, last = PARTS[part]
    result = run(first, last)
    assert result.returncode == 0, result.stdout + result.stderr
    ends = [line.split()[2] for line in result.stdout.splitlines()]
    assert len(ends) == last - first + 1
    # Its devices may write over the guest itself, which then faults; one that got through all its rounds shows
    # that the others were at it too.
    assert "power-off" in ends, result.stdout


def test_a_vmm_that_crashes_or_spins_is_told(tmp_path):
    """The test itself: programs that do not do as a VMM does."""
    for name, script, said in (("crash", "kill -SEGV $$", "signal 11"),
                               ("spin", "while :; do :; done", "had not ended after 2 s"),
                               ("mute", "exit 3", "without a word, status 3"),
                               ("sanitizer", "echo 'a.c:1: runtime error: no' >&2", "runtime error: no")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        result = subprocess.run([RUN, "--vmm", program, "--seconds", "2", "1"], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == 1 and said in result.stdout, result.stdout + result.stderr
