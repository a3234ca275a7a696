# SPDX-License-Identifier: GPL-2.0-or-later
"""brig-oci as engines call it: options, errors, log, and what needs no container."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

LEVELS = {"error", "info", "debug"}


def test_the_version_is_what_podman_and_cri_o_show(oci):
    for option in ("--version", "-v", "-version"):
        lines = oci(option, options=[]).stdout.splitlines()
        assert re.fullmatch(r"brig-oci version \d+\.\d+\.\d+", lines[0])
        assert lines[1] == "spec: 1.3.0"


def test_every_verb_explains_itself(oci):
    verbs = re.findall(r"^  (\w+)  +[A-Z]", oci("--help").stdout, re.M)
    assert {"state", "list", "features", "spec", "help"} <= set(verbs)
    for verb in verbs:
        text = oci("help", verb).stdout
        assert text.startswith(f"usage: brig-oci {verb}")
        # the help of these two says whether it can be done here (test_oci_checkpoint.py)
        assert verb in ("checkpoint", "restore") or oci(verb, "--help").stdout == text


def test_mistakes_are_told(oci):
    assert "did you mean 'list'?" in oci.fails("lst", "x")
    assert "unknown option --formt; did you mean --format?" in oci.fails("list", "--formt", "json")
    assert "unknown option --rot" in oci.fails("list", options=["--rot", "x"])
    assert "too few arguments; usage: brig-oci state ID" in oci.fails("state")
    assert "too many arguments" in oci.fails("state", "a", "b")
    assert "no command" in oci.fails()


@pytest.mark.parametrize("args", [
    ["--root", "{root}", "--debug", "--log", "{log}", "--log-format", "json", "--systemd-cgroup", "--rootless=false"],
    ["--systemd-cgroup", "--log-format=json", "--log={log}", "--root={root}"],
    ["-root", "{root}", "-log={log}", "-log-format", "json", "-rootless", "true"],
    ["--cgroup-manager", "disabled", "--root={root}", "--log={log}", "--log-format=json"],
])
def test_the_options_of_engines_are_taken_in_their_forms(oci, args):
    options = [arg.format(root=oci.root, log=oci.folder / "log.json") for arg in args]
    assert oci("list", "-q", options=options).stdout == ""
    oci.fails("state", "x", options=options)
    assert oci.log()[-1]["msg"] == "container 'x' does not exist"


def test_the_last_line_of_the_log_is_the_error(oci):
    options = ["--root", str(oci.root), "--log", str(oci.folder / "log.json"), "--log-format", "json", "--debug"]
    for name in ("a", 'quo"te'):
        assert oci.fails("state", name, options=options).startswith("brig-oci: ")
    assert all(line.keys() == {"level", "msg", "time"} and line["level"] in LEVELS for line in oci.log())
    last = oci.log()[-1]
    assert last["level"] == "error"
    assert """'quo"te' is not a valid container ID""" in last["msg"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", last["time"])


def test_without_a_log_file_stderr_has_the_format(oci):
    line = oci.fails("state", "x", options=["--root", str(oci.root), "--log-format=json"])
    assert json.loads(line)["msg"] == "container 'x' does not exist"


def test_a_log_of_text_has_keys_and_values(oci):
    oci.fails("state", "x", options=["--root", str(oci.root), "--log", str(oci.folder / "log")])
    assert re.fullmatch(r"""time="[^"]+" level=error msg="container 'x' does not exist"\n""",
                        (oci.folder / "log").read_text())


def test_a_log_that_cannot_be_written_is_an_error(oci):
    assert "cannot open the log /nowhere/log" in oci.fails("list", options=["--log", "/nowhere/log"])


def test_what_is_not_there_does_not_exist(oci):
    assert oci.fails("state", "x") == "brig-oci: container 'x' does not exist\n"
    assert not oci.root.exists()  # who only asks makes nothing


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../x", "a b", "a" * 256, "ä"])
def test_what_is_no_id_is_refused(oci, name):
    assert "is not a valid container ID" in oci.fails("state", name)


@pytest.mark.parametrize("name", ["a", "A_b-c+d.e", "+x", "_", "0" * 64, "a" * 255])
def test_engines_ids_are_taken(oci, name):
    assert "does not exist" in oci.fails("state", name)


def test_the_list_of_nothing(oci):
    assert oci("list").stdout.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert json.loads(oci("list", "--format=json").stdout) == []
    assert oci("list", "-q").stdout == ""


def test_a_user_has_a_root_of_the_users_own(oci):
    """Known by its error: what ought to be that folder is a file."""
    runtime = oci.folder / "runtime"
    runtime.mkdir(mode=0o755)
    (runtime / "brig-oci").write_text("")
    oci.folder.chmod(0o755)
    command = f"XDG_RUNTIME_DIR={runtime} exec {oci.program} list"
    unshared = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c", command],
                              capture_output=True, text=True)
    assert f"cannot read the folder {runtime}/brig-oci" in unshared.stderr


def test_features_have_the_shape_that_engines_read(oci):
    features = json.loads(oci("features", options=[]).stdout)
    assert (features["ociVersionMin"], features["ociVersionMax"]) == ("1.0.0", "1.3.0")
    assert set(features["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer",
                                      "poststart", "poststop"}
    assert features["potentiallyUnsafeConfigAnnotations"] == []
    assert features["annotations"]["org.opencontainers.runc.checkpoint.enabled"] == "true"
    assert {"ro", "rbind", "rro", "nosuid", "private"} <= set(features["mountOptions"])
    linux = features["linux"]
    assert set(linux["namespaces"]) == {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
    assert set(linux["cgroup"]) == {"v1", "v2", "systemd", "systemdUser", "rdma"}
    for name in ("seccomp", "apparmor", "selinux", "intelRdt", "netDevices"):
        assert isinstance(linux[name]["enabled"], bool)
    assert isinstance(linux["mountExtensions"]["idmap"]["enabled"], bool)
    assert linux["intelRdt"].keys() == {"enabled", "schemata", "monitoring"}
    assert "MPOL_BIND" in linux["memoryPolicy"]["modes"] and "MPOL_F_STATIC_NODES" in linux["memoryPolicy"]["flags"]
    seccomp = linux["seccomp"]
    assert "SCMP_ACT_ERRNO" in seccomp["actions"] and "SCMP_CMP_EQ" in seccomp["operators"]
    assert "SCMP_ARCH_X86_64" in seccomp["archs"]
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])


def test_features_name_the_capabilities_of_this_kernel(oci):
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    names = json.loads(oci("features").stdout)["linux"]["capabilities"]
    assert "CAP_SYS_ADMIN" in names and all(name.startswith("CAP_") for name in names)
    assert len(names) == min(last, 40) + 1


@pytest.mark.skipif(not shutil.which("runc"), reason="needs runc")
def test_features_know_what_runc_does(oci):
    theirs = subprocess.run(["runc", "features"], capture_output=True, text=True)
    if theirs.returncode:
        pytest.skip("this runc has no features")
    theirs, ours = json.loads(theirs.stdout), json.loads(oci("features").stdout)
    # ACLs are a matter of the file system, which is handed these words like all that are its own
    assert set(theirs["mountOptions"]) - {"acl", "noacl"} <= set(ours["mountOptions"])
    assert set(theirs["linux"]["capabilities"]) <= set(ours["linux"]["capabilities"])
    assert set(theirs["linux"]["seccomp"]["operators"]) <= set(ours["linux"]["seccomp"]["operators"])


def test_spec_writes_a_configuration_once(oci):
    oci("spec", cwd=oci.folder)
    config = json.loads((oci.folder / "config.json").read_text())
    assert config["process"]["args"] == ["sh"]
    assert config["root"] == {"path": "rootfs", "readonly": True}
    assert [mount["destination"] for mount in config["mounts"]][:2] == ["/proc", "/dev"]
    assert "is there already; remove it first" in oci.fails("spec", "--bundle", oci.folder)
    assert "null" not in (oci.folder / "config.json").read_text()


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("runc"), reason="needs runc")
def test_another_runtime_takes_what_spec_writes(oci, busybox_tree):
    oci("spec", "-b", oci.folder)
    config = json.loads((oci.folder / "config.json").read_text())
    config["process"].update(terminal=False, args=["echo", "it runs"])
    config["root"]["path"] = str(busybox_tree)
    (oci.folder / "config.json").write_text(json.dumps(config))
    ran = subprocess.run(["runc", "--root", oci.folder / "runc", "run", "--bundle", oci.folder, f"spec-{os.getpid()}"],
                         capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert ran.stdout == "it runs\n", ran.stderr


def test_the_manual_and_the_scripts_speak_of_brig_oci(oci):
    assert ".TH BRIG\\-OCI 8 " in oci("help", "--man").stdout
    for shell, mark in {"bash": "complete -F _brig_oci brig-oci", "zsh": "#compdef brig-oci",
                        "fish": "complete -c brig-oci -f"}.items():
        script = oci("help", "--completion", shell).stdout
        assert mark in script
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
