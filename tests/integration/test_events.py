# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened to instances: events, and who lacked memory."""

import json
import os
import signal

import pytest

pytestmark = pytest.mark.root


def events(brig, *args):
    return [json.loads(line) for line in brig("events", "--json", *args).out.splitlines()]


def names(found):
    return [event["event"] for event in found]


def test_an_end_that_no_keeper_notes_is_told_too(brig, busybox_image):
    for name in ("a", "b"):
        brig("run", "-d", "--name", name, busybox_image, "sleep", "1000")
    brig("rm", "--force", "a")
    os.kill(brig.json("inspect", "b")[0]["run"]["keeper_pid"], signal.SIGKILL)
    brig("start", "b")
    assert [event["details"]["exit_code"] for event in events(brig, "--event", "end")] == [137, -1]
    assert names(events(brig, "b")) == ["start", "end", "start"]


def test_the_life_of_an_instance_is_told_while_it_happens(brig, busybox_image):
    brig("run", "--name", "before", busybox_image, "true")
    with brig.popen("events", "--follow") as running:
        brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
        running.expect(r"container  a  start: ")
        brig("pause", "a")
        running.expect(r"container  a  pause: ")
        brig("resume", "a")
        running.expect(r"container  a  resume: ")
        brig("stop", "-t", "0", "a")
        running.expect(r"container  a  end: exit status 137")
        assert b"before" not in running.out
    assert names(events(brig, "a")) == ["start", "pause", "resume", "end"]
    assert names(events(brig, "before")) == ["start", "end"]
    assert names(events(brig, "--event", "end")) == ["end", "end"]
    assert events(brig, "--until", "1d") == []
    assert brig("events", "--event", "nonsense", check=False).code != 0


def test_who_was_killed_for_want_of_memory_is_told_with_the_limit(brig, busybox_image):
    with brig.popen("events", "--follow", "--event", "oom", "--json") as running:
        brig("run", "-d", "--name", "hog", "-m", "20m", busybox_image, "sh", "-c",
             "tail /dev/zero; echo $?; sleep 1000")
        event = json.loads(running.expect(r"^(\{.*\})\n").group(1))
    assert event["name"] == "hog"
    assert (event["details"]["command"], event["details"]["cause"]) == ("tail", "limit")
    assert event["details"]["limit"] == 20 << 20
    hog, = brig.json("inspect", "hog")
    assert hog["state"] == "running" and hog["lacks"]["oom_kills"] == 1
    assert "tail" in hog["lacks"]["oom"]
    assert not hog["oom_killed"]  # something in it was, and it runs


def test_the_restart_policy_holds_for_one_that_is_killed(brig, busybox_image):
    brig("run", "-d", "--name", "hog", "-m", "10m", "--restart", "on-failure:1", busybox_image,
         "tail", "/dev/zero")
    brig("wait", "hog")
    assert names(events(brig, "hog")) == ["start", "oom", "end", "restart", "start", "oom", "end"]
    hog, = brig.json("inspect", "hog")
    assert hog["oom_killed"] and hog["restarts"] == 1 and "tail" in hog["oom"]


def test_lines_that_are_none_are_passed_over(brig, busybox_image):
    brig("run", "--name", "a", busybox_image, "true")
    with open(brig.root / "events.jsonl", "ab") as file:
        file.write(b'{"torn\n[]\n\xff\n' + b"x" * 100000 + b"\n")
    brig("run", "--name", "b", busybox_image, "true")
    assert [event["name"] for event in events(brig)] == ["a", "a", "b", "b"]
