# SPDX-License-Identifier: GPL-2.0-or-later
"""What `brig check` has to say after a kill."""

import json


def sound(brig, told=""):
    """Nothing but leftovers is wrong, and a repair removes them."""
    found = json.loads(brig("check", "--json", check=False).out)
    assert [row for row in found if row["kind"] != "leftover"] == [], told
    assert brig("check", "--repair", check=False).code == 0, told
    assert brig.json("check") == [], told
