# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests are written with; see ../conftest.py for the fixtures made of it."""
