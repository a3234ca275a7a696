# SPDX-License-Identifier: GPL-2.0-or-later
"""What instances use, once and live."""

import json
import signal
import termios

import pytest

pytestmark = pytest.mark.root


@pytest.fixture
def two(brig, busybox_image):
    brig("run", "-d", "--name", "idle", "-m", "64m", busybox_image, "sleep", "1000")
    brig("run", "-d", "--name", "busy", busybox_image, "sh", "-c", "while :; do :; done")
    brig("create", "--name", "still", busybox_image, "true")


def test_figures_of_containers_are_those_of_the_kernel(brig, two):
    busy, idle = brig.json("stats", "--no-stream", "--interval", "300ms")
    assert (busy["name"], idle["name"]) == ("busy", "idle")
    assert busy["cpu"]["percent"] > 10 > idle["cpu"]["percent"]
    assert idle["memory"]["limit"] == 64 << 20 and busy["memory"]["limit"] is None
    assert 0 < idle["memory"]["host"] == idle["memory"]["guest"] < 64 << 20
    assert idle["pids"] == busy["pids"] == 1
    assert idle["network"] == {"received": None, "sent": None}  # it has none


def test_one_that_does_not_run_has_no_figures_and_no_zeroes(brig, two):
    still, = brig.json("stats", "--no-stream", "still")
    assert still["state"] == "created"
    assert {still["pids"], *still["cpu"].values(), *still["pressure"].values()} == {None}
    assert "still" not in brig("stats", "--no-stream").out
    assert brig("stats", "--no-stream", "--all", "--no-header").out.splitlines()[2].split() == [
        "still", "container", *["-"] * 8]
    assert brig("stats", "--no-stream", "nobody", check=False).code != 0


def test_a_pipe_gets_one_line_of_json_after_the_other(brig, two):
    with brig.popen("stats", "--json", "--interval", "100ms", "idle") as running:
        for _ in range(3):
            line = running.expect(r"^(\[.*\])\n").group(1)
            assert json.loads(line)[0]["name"] == "idle"


def attributes(running):
    return termios.tcgetattr(running._master)


@pytest.mark.parametrize("end", ["q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_top_sorts_by_keys_and_leaves_the_terminal_as_it_was(brig, two, end):
    with brig.popen("top", "--interval", "100ms", tty=True) as running:
        running.expect(r"by CPU")
        assert not attributes(running)[3] & termios.ECHO
        running.send("p")
        running.expect(r"by processes")
        running.send("a")
        running.expect(r"by name[^\0]*busy[^\0]*idle")
        running.send("a")
        running.expect(r"the smallest first[^\0]*idle[^\0]*busy")
        if end == "q":
            running.send(end)
        else:
            running.signal(end)
        result = running.finish()
        assert result.code == (0 if end in ("q", signal.SIGINT) else 128 + end)
        assert result.out.endswith("\033[?25h\033[?1049l")
        assert attributes(running)[3] & termios.ECHO and attributes(running)[3] & termios.ICANON
