# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line itself: what it says to mistakes, and how it exits."""

import json
import os
import subprocess

import pytest

VERBS_WITH_A_NAME = ["start", "stop", "restart", "kill", "pause", "resume", "wait", "rm", "inspect", "logs", "shell",
                     "attach", "console"]


def test_version_is_one_line(brig):
    assert brig("--version").out.startswith("brig ")
    assert brig("version").out == brig("--version").out


def test_no_verb_is_an_error_that_says_where_help_is(brig):
    result = brig.fails()
    assert result.out == ""
    assert "brig help" in result.err


def test_every_verb_has_help_in_three_ways(brig):
    listed = [line.split("  ")[1] for line in brig("help").out.splitlines() if line.startswith("  ")]
    verbs = [verb.split() for verb in listed if verb and not verb.startswith("-")]
    assert ["run"] in verbs and ["image", "import"] in verbs
    for verb in verbs:
        text = brig("help", *verb).out
        assert text.startswith("usage: brig " + " ".join(verb))
        assert brig(*verb, "--help").out == text


@pytest.mark.parametrize("asked", ["--help", "-h", "help"])
def test_a_noun_has_help_too(brig, asked):
    assert brig("network", asked).out == brig("help", "network").out


def test_help_does_not_reach_into_the_workloads_words(brig):
    assert "usage" not in brig.fails("run", "none", "echo", "--help").out


@pytest.mark.parametrize("args, told", [
    (["fly"], "unknown command 'fly'"),
    (["strat"], "did you mean 'start'?"),
    (["image", "improt"], "did you mean 'import'?"),
    (["image"], "brig help image"),
    (["help", "fly"], "unknown command 'fly'"),
    (["help", "--man", "run"], "stand alone"),
    (["help", "--completion", "csh"], "none of bash, zsh, fish"),
    (["--fly"], "--fly"),
    (["--rot", "/x", "ps"], "did you mean --root?"),
    (["ps", "x"], "too many arguments"),
    (["ps", "--filter", "color=red"], "color=red"),
    (["ps", "--filter", "state=flying"], "there is no state 'flying'"),
    (["ps", "--al"], "did you mean --all?"),
    (["run"], "too few arguments"),
    (["run", "--nmae", "x", "image"], "did you mean --name?"),
    (["run", "nowhere"], "nowhere"),
    (["create", "-d", "x"], "-d"),
    (["exec", "x"], "usage: brig exec"),
    (["exec", "-di", "x", "true"], "does not go with -i"),
    (["rename", "x"], "usage: brig rename"),
    (["kill", "-s", "FLY", "x"], "'FLY' is not a signal"),
    (["stop", "-t", "soon", "x"], "'soon' is not a duration"),
    (["logs", "--tail", "few", "x"], "option --tail"),
    (["logs", "--since", "once", "x"], "option --since"),
    (["logs", "--until", "9999-01-01", "x"], "option --until"),
    (["start", "-a", "x", "y"], "only one"),
    (["cp", "a", "b"], "neither side"),
    (["cp", "a:/x", "b:/y"], "both sides"),
    (["cp", "x:", "b"], "NAME:PATH"),
    (["rm", "../etc"], "not a valid instance name"),
    (["rm", ""], "not a valid instance name"),
])
def test_mistakes_are_told(brig, args, told):
    result = brig.fails(*args)
    assert result.out == "" and told in result.err
    assert result.err.startswith("brig: ") and result.err.count("\n") == 1


@pytest.mark.parametrize("verb", VERBS_WITH_A_NAME)
def test_an_unknown_instance_is_named(brig, verb):
    result = brig.fails(verb, "nobody")
    assert "there is no instance 'nobody'" in result.err


def test_an_unknown_instance_is_named_by_verbs_with_more_words(brig, tmp_path):
    for args in (["exec", "nobody", "true"], ["rename", "nobody", "somebody"], ["cp", "nobody:/x", tmp_path],
                 ["cp", tmp_path, "nobody:/x"]):
        assert "there is no instance 'nobody'" in brig.fails(*args).err


def test_each_name_gets_its_own_answer(brig):
    result = brig.fails("stop", "a", "b")
    assert "'a'" in result.err and "'b'" in result.err
    assert json.loads(brig.fails("inspect", "a", "b").out) == []


def test_errors_go_to_the_terminal_too(brig):
    result = brig("fly", tty=True, check=False)
    assert result.code == 125 and "'fly'" in result.out


def test_nothing_is_made_by_asking(brig):
    brig("ps", "-a")
    brig.fails("inspect", "x")
    brig.fails("run", "nowhere")
    assert not (brig.root / "instances").exists() or not list((brig.root / "instances").iterdir())


@pytest.mark.parametrize("args", [["help"], ["ps"], ["ps", "--json"], ["image", "ls"], ["version"],
                                  ["help", "--man"], ["help", "--completion", "bash"], ["--help"]])
def test_a_full_disk_under_stdout_is_an_error(brig, args):
    with open("/dev/full", "w") as full:
        result = subprocess.run(brig.command(*args), stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert result.returncode == 125
    assert result.stderr.startswith("brig: cannot write the output")


def test_a_reader_that_went_away_is_an_error_and_no_signal(brig):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(brig.command("help", "--man"), stdout=writer, stderr=subprocess.PIPE, text=True,
                            timeout=30)
    os.close(writer)
    assert result.returncode == 125
    assert result.stderr.startswith("brig: cannot write the output")


def test_a_closed_stdout_is_an_error_and_no_other_file(brig):
    result = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', *brig.command("ps", "-a")], stderr=subprocess.PIPE,
                            text=True, timeout=30)
    assert result.returncode == 125
    assert "cannot write" in result.stderr


def test_debug_output_is_asked_for(brig):
    assert brig("ps", env={"BRIG_DEBUG": "1"}).out == brig("--debug", "ps").out == brig("ps").out


def test_a_relative_root_is_of_the_current_folder(brig, tmp_path):
    result = subprocess.run([brig.program, "--root", "r", "--run", "s", "ps", "-a", "-q"], cwd=tmp_path,
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr


def test_the_manual_page_is_clean(brig, tmp_path):
    page = tmp_path / "brig.1"
    page.write_text(brig("help", "--man").out)
    lint = subprocess.run(["mandoc", "-Tlint", "-Wall", page], capture_output=True, text=True, timeout=60)
    assert lint.stdout + lint.stderr == ""
    text = subprocess.run(["mandoc", "-Tascii", page], check=True, capture_output=True, text=True, timeout=60).stdout
    assert "EXIT STATUS" in text.replace("\b", "") or "EEXXIITT" in text.replace("\b", "")


@pytest.mark.root
class TestWithAnImage:
    @pytest.mark.parametrize("options, told", [
        (["--name", "a/b"], "instance name"),
        (["--name", "x" * 64], "instance name"),
        (["-m", "lots"], "'lots' is not a size"),
        (["-m", "1k"], "option --memory"),
        (["--vm", "-m", "32m"], "option --memory"),
        (["--cpus", "-1"], "option --cpus"),
        (["--cpus", "0.001"], "option --cpus"),
        (["--pids-limit", "many"], "option --pids-limit"),
        (["--vm", "--disk-size", "1"], "option --disk-size"),
        (["--restart", "sometimes"], "option --restart"),
        (["--rm", "--restart", "always"], "exclude"),
        (["--vm", "--container"], "exclude"),
        (["--vm", "--device", "/dev/null"], "option --device: a VM"),
        (["--vm", "--privileged"], "option --privileged: root in a VM"),
        (["--kernel", "debian"], "option --kernel: a container"),
        (["--engine", "qemu"], "add --vm"),
        (["--kernel-args", "quiet"], "option --kernel-args: a container"),
        (["--hugepages"], "option --hugepages: only a VM"),
        (["--gdb"], "option --gdb: it debugs a VM's kernel"),
        (["--vm", "--engine", "qemu", "--gdb"], "option --gdb: only the engine 'kvm'"),
        (["--vm", "--kernel-args", "a\nb"], "option --kernel-args: only printable"),
        (["--vm", "--kernel-args", "a" * 1025], "option --kernel-args: at most"),
        (["--vm", "--kernel", "nowhere"], "nowhere"),
        (["--vm", "-v", "/nowhere-at-all:/b"], "no /nowhere-at-all on the host"),
        (["-p", "80:80"], "option --publish: there is no network"),
        (["--vm", "--mount", "type=bind"], "a mount of type bind wants"),
        (["--vm", "--network", "host"], "a VM has a kernel"),
        (["--pull", "sometimes"], "sometimes"),
        (["--env-file", "/nowhere"], "/nowhere"),
        (["--device", "/etc/passwd"], "no device"),
        (["--cap-add", "FLY"], "there is no capability 'FLY'"),
        (["--ulimit", "x=1"], "there is no limit 'x'"),
        (["--tmpfs", "relative"], "option --tmpfs"),
        (["--entrypoint", ""], "no command"),
        (["--stop-signal", "99"], "option --stop-signal"),
        (["-w", "relative"], "option --workdir"),
        (["--hostname", "a b"], "option --hostname"),
    ])
    @pytest.mark.parametrize("verb", ["run", "create"])
    def test_what_cannot_be_is_refused_and_makes_nothing(self, brig, busybox_image, verb, options, told):
        result = brig.fails(verb, *options, busybox_image)
        assert told in result.err and result.out == ""
        assert brig("ps", "-a", "-q").out == ""

    def test_arguments_that_are_no_utf8_are_refused(self, brig, busybox_image):
        result = subprocess.run([*brig.command("create", busybox_image, "echo"), b"\xff"], capture_output=True,
                                timeout=30)
        assert result.returncode == 125 and b"UTF-8" in result.stderr

    def test_an_unknown_image_says_how_to_get_one(self, brig, busybox_image):
        told = brig.fails("run", "--pull", "never", "debain").err
        assert "debain" in told and "brig pull" in told and "brig image" in told
        assert "there is no image 'debain' here: cannot pull debain: " in brig.fails("run", "debain").err

    def test_a_vm_without_a_kernel_says_how_to_get_one(self, brig, busybox_image):
        assert "brig kernel add debian" in brig.fails("run", "--vm", busybox_image).err
        assert brig("ps", "-a", "-q").out == ""
