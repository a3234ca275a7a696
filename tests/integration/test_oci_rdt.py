# SPDX-License-Identifier: GPL-2.0-or-later
"""linux.intelRdt of runtime-spec 1.3, where there is no resctrl file system; with one: tests/unit/container/test_rdt.c."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.root


@pytest.mark.skipif(" resctrl " in Path("/proc/self/mounts").read_text(), reason="there is a resctrl")
def test_without_resctrl_it_is_refused(bundle):
    for rdt in ({}, {"closID": "gold"}, {"enableMonitoring": True}):
        assert "linux.intelRdt: there is no resctrl file system here" in bundle.refused({"linux.intelRdt": rdt})


def test_names_that_cannot_be_are_refused_before(bundle):
    assert "linux.intelRdt.closID: " in bundle.refused({"linux.intelRdt": {"closID": "a/b"}})
    assert "linux.intelRdt.memBwSchema: " in bundle.refused({"linux.intelRdt": {"memBwSchema": "L3:0=1"}})
