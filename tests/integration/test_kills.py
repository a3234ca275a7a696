# SPDX-License-Identifier: GPL-2.0-or-later
"""Some of what tests/faults/run does: of verbs whose steps no other test goes through, one step each, and the disk full
under some."""

import pytest

from support import faults, images
from support.small_disk import disk_of

pytestmark = pytest.mark.root


VERBS = ("rmi", "save", "rename", "rm", "snapshot-rm", "export-running")


def test_a_kill_in_the_midst_of_a_verb_leaves_all_whole(brig, busybox_image):
    victim = faults.Victim(brig, brig.root.parent, None)
    killed = faults.loop(victim, VERBS, 1, ways=["cli"])
    assert killed == {(verb, "cli"): 1 for verb in VERBS}


@pytest.fixture
def small(brig, busybox_store, tmp_path):
    """brig's root on a disk of 64 MiB."""
    with disk_of(brig, tmp_path / "small", 64) as folder:
        images.clone(busybox_store, brig.root)
        yield folder


def test_a_full_disk_is_told_by_each_verb_and_changes_nothing(brig, small):
    victim = faults.Victim(brig, small, None)
    names = ("save", "commit", "import")  # others have tests of their own
    refused = faults.full(victim, names, room=[64 << 10])
    assert set(refused) == set(names) and all(refused.values())
