# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line before any verb."""


def test_version_is_one_line(brig):
    assert brig("--version").out.startswith("brig ")


def test_no_verb_is_an_error_that_says_where_help_is(brig):
    result = brig.fails()
    assert result.out == ""
    assert "brig help" in result.err


def test_an_unknown_verb_is_named(brig):
    assert "'fly'" in brig.fails("fly").err


def test_an_unknown_option_is_named(brig):
    assert "--fly" in brig.fails("--fly").err


def test_errors_go_to_the_terminal_too(brig):
    result = brig("fly", tty=True, check=False)
    assert result.code == 125 and "'fly'" in result.out
