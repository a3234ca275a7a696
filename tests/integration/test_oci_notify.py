# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls of a container that somebody outside answers: SCMP_ACT_NOTIFY of runtime-spec 1.3."""

import errno
import json

import pytest

from support.agent import Agent

pytestmark = pytest.mark.root


def notify(bundle, *calls, **members):
    """The change that has these calls notified."""
    return {"linux.seccomp": {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(bundle.folder / "agent"),
        "syscalls": [{"names": list(calls), "action": "SCMP_ACT_NOTIFY"}], **members}}


@pytest.fixture
def agent(bundle):
    with Agent(bundle.folder / "agent", {"geteuid": 4321, "mkdir": -errno.ENOMEDIUM}) as agent:
        yield agent


def test_a_listener_answers_calls(bundle, agent):
    out = bundle.out("id -u; mkdir /made 2>&1; test -e /made || echo none", notify(bundle, "geteuid", "mkdir"))
    assert out == "4321\nmkdir: can't create directory '/made': No medium found\nnone"
    assert {call for _, call in agent.seen} == {"geteuid", "mkdir"}


def test_a_listener_is_told_whose_calls_they_are(bundle, agent):
    bundle.base["annotations"] = {"org.example.a": "ä"}
    bundle.create("exec sleep 1000", notify(bundle, "geteuid", listenerMetadata="for you"))
    assert not agent.states
    bundle.oci("start", bundle.oci.id)
    pid = bundle.oci.state()["pid"]
    state = {"ociVersion": "1.3.0", "id": bundle.oci.id, "status": "created", "pid": pid,
             "bundle": str(bundle.folder), "annotations": {"org.example.a": "ä"}}
    assert agent.states == [({"ociVersion": "1.3.0", "fds": ["seccompFd"], "pid": pid, "metadata": "for you",
                              "state": state}, 1)]


def test_a_process_that_is_executed_has_a_listener_of_its_own(bundle, agent):
    first = bundle.start(changes=notify(bundle, "geteuid"))
    pid_file = bundle.folder / "pid"
    assert bundle.oci("exec", "--pid-file", pid_file, bundle.oci.id, "id", "-u").stdout == "4321\n"
    (_, _), (state, fds) = agent.states
    assert fds == 1
    assert state["pid"] == int(pid_file.read_text()) != first
    assert (state["state"]["pid"], state["state"]["status"]) == (first, "running")
    assert "metadata" not in state


@pytest.mark.parametrize("no_new_privs", (False, True))
def test_every_call_can_be_notified(bundle, agent, no_new_privs):
    changes = notify(bundle, defaultAction="SCMP_ACT_NOTIFY", syscalls=[])
    changes["process.noNewPrivileges"] = no_new_privs
    assert bundle.out("id -u; id -g", changes) == "4321\n0"


def test_what_the_rules_deny_does_not_keep_the_listener_from_its_place(bundle, agent):
    changes = notify(bundle, "geteuid")
    changes["linux.seccomp"]["syscalls"].append(
        {"names": ["sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM})
    assert bundle.out("id -u", changes) == "4321"


def test_a_detached_run_has_a_listener(bundle, agent):
    bundle.write(notify(bundle, "geteuid"), "exec >/dev/null 2>&1; test $(id -u) = 4321 && exec sleep 1000")
    bundle.oci("run", "--detach", "--bundle", bundle.folder, bundle.oci.id)
    assert bundle.oci.state()["status"] == "running"
    assert len(agent.states) == 1


def test_a_listener_in_a_user_namespace(bundle, agent):
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    changes = {"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": maps, "linux.gidMappings": maps}
    assert bundle.out("id -u", {**notify(bundle, "geteuid"), **changes}) == "4321"


def test_who_does_not_listen_is_missed_before_the_start(bundle):
    bundle.create("exec sleep 1000", notify(bundle, "geteuid"))
    assert "linux.seccomp.listenerPath: " in bundle.oci.fails("start", bundle.oci.id)
    assert bundle.oci.state()["status"] == "created"
    with Agent(bundle.folder / "agent", {}):
        bundle.oci("start", bundle.oci.id)
        assert bundle.oci.state()["status"] == "running"
        bundle.oci("delete", "--force", bundle.oci.id)


def test_run_without_a_listener_leaves_nothing(bundle):
    assert "linux.seccomp.listenerPath: " in bundle.refused(notify(bundle, "geteuid"), verb="run")


def test_notify_without_a_path_is_refused(bundle):
    message = bundle.refused({**notify(bundle, "geteuid"), "linux.seccomp.listenerPath": ...})
    assert "linux.seccomp.listenerPath: there is none" in message


def test_metadata_without_a_path_is_refused(bundle):
    message = bundle.refused({"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}})
    assert "linux.seccomp.listenerMetadata: there is no listenerPath" in message


def test_a_path_is_ignored_where_nothing_notifies(bundle):
    assert bundle.out("id -u", {"linux.seccomp": {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(bundle.folder / "nobody")}}) == "0"


def test_flags_are_taken_with_a_listener_and_without(bundle, agent):
    flags = json.loads(bundle.oci("features").stdout)["linux"]["seccomp"]["supportedFlags"]
    assert "SECCOMP_FILTER_FLAG_LOG" in flags
    for flag in flags:
        assert bundle.out("grep Seccomp: /proc/self/status", {
            "linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": [flag]}}).split() == ["Seccomp:", "2"]
        assert bundle.out("id -u", notify(bundle, "geteuid", flags=[flag])) == "4321"
