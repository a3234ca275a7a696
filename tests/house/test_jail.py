# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/security.md says of the VMM's system calls is what its filters allow."""

import importlib.machinery
import importlib.util
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]


def tool():
    loader = importlib.machinery.SourceFileLoader("jail", str(TREE / "tools/jail"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("jail", loader))
    loader.exec_module(module)
    return module


def test_the_list_in_the_documentation_is_that_of_the_source():
    listed = subprocess.run([TREE / "tools/jail"], capture_output=True, text=True, check=True, timeout=60).stdout
    page = (TREE / "docs/security.md").read_text()
    assert page.split("<!-- begin: tools/jail --write -->\n")[1].split("<!-- end")[0] == listed, \
        "run tools/jail --write"


def test_a_row_that_is_added_is_listed_and_one_that_cannot_be_read_is_an_error():
    jail = tool()
    source = (TREE / "src/vmm/jail_calls.c").read_text()
    first = source.index("\tCALL(")
    rows = list(jail.rows(source))
    more = source[:first] + '\tRULE("ioctl", VCPU, 1, EQUAL,\n\t     KVM_X, "some"\n\t     " reason"),\n' + source[first:]
    assert list(jail.rows(more)) == [("ioctl", "is `KVM_X`", "vcpu", "some reason"), *rows]
    with pytest.raises(SystemExit):
        list(jail.rows(source[:first] + "\tCALL(name, ALL, why),\n" + source[first:]))


def test_what_would_be_a_way_out_is_not_in_the_list():
    names = {name for name, *_ in tool().rows((TREE / "src/vmm/jail_calls.c").read_text())}
    assert not names & {"open", "openat", "openat2", "socket", "connect", "bind", "execve", "execveat", "fork", "vfork",
                        "ptrace", "kill", "mount", "unshare", "setns", "prctl", "seccomp", "capset", "io_uring_setup",
                        "memfd_create", "process_vm_writev", "pidfd_getfd", "bpf", "userfaultfd"}
