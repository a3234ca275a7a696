# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether containers can be checkpointed here."""

import shutil
import subprocess

import pytest

RUNS = shutil.which("criu") and subprocess.run(["criu", "check"], capture_output=True).returncode == 0
needs_criu = pytest.mark.skipif(not RUNS, reason="needs a CRIU that runs on this kernel")
