# SPDX-License-Identifier: GPL-2.0-or-later
"""The network of a user who is not root: his containers reach the world by connections of his own."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from support import wait
from support.wires import HOST, WORLD, WORLD6

# It answers: through Debian 12's pasta a server is not heard by a host that has not said something first.
SERVE = ("nc -ll -p {1} -e sh -c 'read line; echo {0}' & while ! nc ::1 {1} </dev/null >/dev/null 2>&1; do :; "
         "done; echo {0} is ready;")

pytestmark = pytest.mark.root  # to become the user

# A host has it for everybody; the one that these tests run on may not.
TUN = 'rm -f {0} && mknod -m 666 {0} c 10 200 && mount --bind {0} /dev/net/tun && exec "$@"'


@pytest.fixture
def wired(user_brig, wires):
    """The user's commands run on the host of the wires, and nothing says which network is meant."""
    plain, script = user_brig.prefix(), TUN.format(user_brig.folder / "tun")
    user_brig.prefix = lambda: [*wires.host.prefix, "unshare", "--mount", "sh", "-c", script, "sh", *plain]
    user_brig.network = ""
    yield user_brig
    user_brig.prefix = lambda: plain


def helpers(brig, name):
    """What its keeper has started besides it: process ids."""
    run = brig.json("inspect", name)[0]["run"]
    children = Path(f"/proc/{run['keeper_pid']}/task/{run['keeper_pid']}/children").read_text().split()
    return [int(pid) for pid in children if int(pid) != run["pid"]]


def test_a_users_container_reaches_the_world_and_is_reached_by_its_ports(wired, wires, user_image):
    script = " ".join(SERVE.format(word, port) for word, port in (("eighty", 80), ("eightyone", 81)))
    wired("run", "-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:8081-8082:81-82", user_image,
          "sh", "-c", f"{script} wait")
    with wired.popen("logs", "-f", "web") as logs:
        logs.expect("eightyone is ready")
    assert wires.world.fetch(HOST, 8080, say="hello\n") == "eighty\n"
    for port, word in ((8080, "eighty"), (8081, "eightyone")):
        assert wires.host.fetch("127.0.0.1", port, say="hello\n") == f"{word}\n"
    with pytest.raises(OSError):
        wires.world.fetch(HOST, 8081, timeout=2)
    for family, there in ((socket.AF_INET, WORLD), (socket.AF_INET6, WORLD6)):
        listener = wires.world.listen(7000, family)
        with wired.popen("exec", "web", "sh", "-c", f"echo hello | nc {there} 7000"):
            connection, peer = listener.accept()
            assert connection.makefile().readline() == "hello\n"
            connection.close()
        listener.close()
    # what the host keeps to itself stays so, by the gateway's address too
    listener = wires.host.listen(9000)
    assert wired("exec", "web", "nc", "-w", "2", "10.0.2.2", "9000", check=False).code != 0
    assert wired("exec", "web", "nc", "-w", "2", "127.0.0.1", "9000", check=False).code != 0
    assert wired.json("ps")[0]["addresses"] == ["10.0.2.100", "fd00::100"]
    for port, why in ((8080, "8080/tcp of the host is in use"), (80, "port 80/tcp of the host takes root")):
        assert why in wired.fails("run", "--rm", "-p", f"{port}:1", user_image, "true").err
    assert "changes when it does not run" in wired.fails("set", "web", "ports=none").err
    # nothing is left of it, whatever ends its keeper
    pasta, = helpers(wired, "web")
    os.kill(wired.json("inspect", "web")[0]["run"]["keeper_pid"], signal.SIGKILL)
    wait.process_end(pasta)
    wired("start", "web")
    with wired.popen("logs", "-f", "web") as logs:
        for _ in range(2):
            logs.expect("eightyone is ready")
    assert wires.world.fetch(HOST, 8080, say="hello\n") == "eighty\n"
    pasta, = helpers(wired, "web")
    wired("rm", "-f", "web")
    wait.process_end(pasta)


def test_what_a_user_has_no_network_of(wired, wires, user_image):
    assert wired("run", "--rm", "--network", "none", user_image, "ls", "/sys/class/net").out == "lo\n"
    assert wired("run", "--rm", user_image, "ls", "/sys/class/net").out == "eth0\nlo\n"
    for networks, why in ((["brig0"], "networks take root"), (["user", "user,name=b"], "goes with no other"),
                          (["user,rate=1mbit"], "no rates")):
        options = [word for network in networks for word in ("--network", network)]
        assert why in wired.fails("run", "--rm", *options, user_image, "true").err
    for options in ([], ["--type", "macvlan", "--parent", "eth0"]):
        assert "networks take root" in wired.fails("network", "create", *options, "n").err
    assert wired.json("network", "ls") == []
    wires.host.run("ip", "route", "del", "default")
    wires.host.run("ip", "-6", "route", "del", "default")
    assert "no default route" in wired.fails("run", "--rm", user_image, "true").err
    found = {c["id"]: c for c in wired.json("doctor", check=False)["checks"]}
    assert found["user-network"]["status"] == "ok"
    # root has better ones
    command = [wired.program, "--root", wired.folder / "of-root", "run", "--network", "user", "x"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 125 and "is for users" in refused.stderr
