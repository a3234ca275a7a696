# SPDX-License-Identifier: GPL-2.0-or-later
"""The completion scripts, in real shells. What they ask of brig itself is answered by a stand-in."""

import shutil
import subprocess

import pytest
from support.command import TREE, Running

STAND_IN = """#!/bin/sh
case "$*" in
*"ps -a -q") printf 'web\\nweb-old\\ndb\\n' ;;
*"ps -q") echo web ;;
*"image ls -q") printf 'debian:bookworm\\ndebian:trixie\\nbusybox:latest\\n' ;;
*"kernel ls -q") echo debian-6.1 ;;
*) exit 1 ;;
esac
"""

# Where bash's readline splits words: those of a line, as COMP_WORDS has them.
QUERY = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_brig brig
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def shell_env(tmp_path):
    """A PATH on which brig is the stand-in, and an empty home."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/brig"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb"}


@pytest.fixture
def script(brig, tmp_path):
    def write(shell, name="script"):
        path = tmp_path / name
        path.write_text(brig("help", "--completion", shell).out)
        return path

    return write


def bash(script, env, cwd, *words):
    result = subprocess.run(["bash", "--norc", "-c", QUERY, "query", script, "brig", *words], env=env, cwd=cwd,
                            check=True, capture_output=True, text=True, timeout=30)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize("words, wanted", [
    (["insp"], ["inspect"]),
    (["im"], ["image", "images", "import"]),
    (["image", "b"], ["bootstrap"]),
    (["stop", ""], ["web"]),
    (["start", "web"], ["web", "web-old"]),
    (["start", "db", "d"], ["db"]),
    (["rename", "d"], ["db"]),
    (["power", "web", "n"], ["nmi"]),
    (["rename", "db", "d"], []),
    (["kill", "-s", "U"], ["USR1", "USR2"]),
    (["kill", "--signal", "=", "HU"], ["HUP"]),
    (["image", "rm", "debian", ":", "b"], ["bookworm"]),
    (["image", "rm", "debian", ":"], ["bookworm", "trixie"]),
    (["image", "rm", "deb"], ["debian:bookworm", "debian:trixie"]),
    (["logs", "--ta"], ["--tail"]),
    (["--root", "/x", "ps", "--no"], ["--no-header"]),
    (["--ro"], ["--root"]),
    (["exec", "-"], ["--help", "--interactive", "-i", "--tty", "-t", "--env", "-e", "--workdir", "-w", "--user",
                     "-u", "--privileged", "--detach", "-d"]),
    (["exec", "web", "-"], []),
    (["cp", "we"], ["web:", "web-old:"]),
    (["help", "--completion", ""], ["bash", "zsh", "fish"]),
    (["help", "--completion", "=", "z"], ["zsh"]),
    (["ls", "--j"], ["--json"]),
    (["nonsense", ""], []),
])
def test_bash(script, shell_env, tmp_path, words, wanted):
    (tmp_path / "empty").mkdir()
    assert bash(script("bash"), shell_env, tmp_path / "empty", *words) == wanted


def test_bash_offers_files_where_files_are_wanted(script, shell_env, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "rootfs.tar").touch()
    path = script("bash")
    assert bash(path, shell_env, folder, "image", "import", "ro") == ["rootfs.tar"]
    assert bash(path, shell_env, folder, "cp", "ro") == ["rootfs.tar"]


@pytest.mark.parametrize("shell, start, load", [
    ("bash", ["bash", "--norc", "-i"], "source {script}"),
    ("zsh", ["zsh", "-f", "-i"], "autoload -Uz compinit && compinit -u -D && source {script}"),
    ("fish", ["fish", "--private", "--no-config", "-i"], "source {script}"),
])
def test_typing_tab(script, shell_env, shell, start, load):
    """In the shell itself, on a terminal: TAB after a part of a verb and of a name."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    env = {**shell_env, "TERM": "xterm"}
    with Running(start, env, tty=True) as terminal:
        terminal.send(load.format(script=script(shell)) + "; echo rea''dy\n")
        terminal.expect("ready\r?\n")
        terminal.send("brig insp\tweb-\t; echo do''ne\n")
        terminal.expect("inspect")
        terminal.expect("web-old")
        terminal.expect("done\r?\n")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_syntax(script, shell):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", script(shell)], check=True, timeout=30)


def test_scripts_are_installed_where_shells_look(tmp_path):
    names = {"share/bash-completion/completions/brig", "share/zsh/site-functions/_brig",
             "share/fish/vendor_completions.d/brig.fish", "share/man/man1/brig.1"}
    subprocess.run(["/usr/bin/meson", "install", "-C", TREE / "build", "--no-rebuild", "--destdir", tmp_path],
                   check=True, capture_output=True, timeout=120)
    installed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    for name in names:
        assert any(path.endswith(name) for path in installed), name
