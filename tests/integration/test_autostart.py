# SPDX-License-Identifier: GPL-2.0-or-later
"""What starts with the host, and ends with it."""

import pytest

pytestmark = pytest.mark.root


@pytest.fixture
def make(brig, busybox_image):
    def make(verb, name, *options, command=("sleep", "1000")):
        brig(verb, *(["-d"] if verb == "run" else []), "--name", name, *options, busybox_image, *command)
    return make


def running(brig):
    return brig("ps", "-q").out.split()


def test_instances_start_in_their_order_and_stop_in_reverse(brig, make):
    make("create", "b", "--autostart", "yes", "--start-order", "1", "--start-delay", "10ms")
    make("create", "a", "--autostart", "yes")
    make("create", "c")
    make("create", "stays")
    brig("set", "c", "autostart=yes", "order=2", "delay=10ms")
    assert brig("autostart", "start").out.split() == ["a", "b", "c"]
    assert brig("autostart", "start").out == ""
    assert running(brig) == ["a", "b", "c"]
    brig("set", "c", "autostart=no")
    assert brig("autostart", "stop", "--timeout", "30s").out.split() == ["c", "b", "a"]
    assert running(brig) == []
    assert brig("autostart", "start").out.split() == ["a", "b"]


def test_those_that_the_host_has_stopped_come_back_and_those_of_the_user_s_do_not(brig, make):
    make("run", "ran", "--restart", "unless-stopped")
    make("run", "stopped", "--restart", "unless-stopped")
    make("run", "always", "--restart", "always")
    make("run", "once")
    make("create", "never", "--restart", "unless-stopped")
    brig("stop", "-t", "0", "stopped", "always")
    assert set(brig("autostart", "stop").out.split()) == {"ran", "once"}
    assert brig.json("inspect", "ran")[0]["stopped_by_user"] is False
    assert brig("autostart", "start").out.split() == ["always", "ran"]


def test_one_that_does_not_end_is_killed_when_the_time_is_up(brig, make):
    make("run", "deaf", "--restart", "unless-stopped", "--stop-timeout", "1h",
         command=("sh", "-c", "trap : TERM; while :; do sleep 1; done"))
    assert brig("autostart", "stop", "--timeout", "200ms", timeout=30).out == "deaf\n"
    assert running(brig) == []
    assert brig("autostart", "start").out == "deaf\n"


def test_one_that_fails_is_told_and_keeps_no_other_from_it(brig, make):
    make("create", "a", "--autostart", "yes", command=("/no/such/program",))
    make("create", "b", "--autostart", "yes")
    result = brig("autostart", "start", check=False)
    assert result.code != 0 and result.out == "b\n"
    assert "a: " in result.err and "1 of 2" in result.err
