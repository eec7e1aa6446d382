"""`mailproof completion`: what a shell completes by the script."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from commands import ROOT, environment

from runner.cli.command_line import COMMANDS
from runner.cli.completion import SHELLS

PROJECT = "targets: {mx1: smtp://mx1.example.com, mx2: smtp://mx2.example.com}\n"


@pytest.fixture
def complete(mailproof, folder):
    """Return a function that has bash complete the last of some words."""
    script = folder / "completion.bash"
    script.write_text(mailproof("completion", "bash").out)
    bash = shutil.which("bash")
    assert bash is not None

    def words(*typed):
        asked = " ".join(f"'{word}'" for word in typed)
        text = (
            f"mailproof() {{ '{sys.executable}' -m runner \"$@\"; }}\n. {script}\n"
            f"COMP_WORDS=(mailproof {asked}) COMP_CWORD={len(typed)}\n"
            f"function_name=$(complete -p mailproof | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
            f"$function_name mailproof '{typed[-1]}' '{typed[-2] if len(typed) > 1 else 'mailproof'}'\n"
            "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        )
        ended = subprocess.run(
            [bash, "--norc", "-c", text],
            cwd=folder,
            env=environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "" == ended.stderr
        return sorted(ended.stdout.split())

    return words


class TestBash:
    def test_commands(self, complete):
        """Commands are completed, all of them and by their beginning."""
        assert set(COMMANDS) <= set(complete(""))
        assert ["validate"] == complete("val")

    def test_options(self, complete):
        """Options are those of the command."""
        assert ["--target", "--target-tag"] == complete("run", "--target")
        assert ["--sasl"] == complete("base64", "encode", "--s")

    def test_targets(self, complete, folder):
        """Behind --target stand the names of the project file."""
        (folder / "mailproof.yaml").write_text(PROJECT)
        assert ["mx1", "mx2"] == complete("run", "--target", "m")

    def test_no_targets(self, complete, folder):
        """A project file that is wrong gives none, and no message in the midst of a line."""
        (folder / "mailproof.yaml").write_text("targts: {}\n")
        assert [] == complete("run", "--target", "m")

    def test_files(self, complete, folder):
        """Where a path is due, files are offered."""
        (folder / "relay.yaml").write_text("")
        assert "relay.yaml" in complete("run", "rel")
        assert "relay.yaml" in complete("new", "relay", "-o", "rel")

    def test_kinds(self, complete):
        """Words that an argument takes are offered."""
        assert ["submission"] == complete("new", "sub")
        assert ["zsh"] == complete("completion", "z")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(mailproof, shell):
    """There is one for each, with the commands in it."""
    ended = mailproof("completion", shell)
    assert 0 == ended.code
    assert all(name in ended.out for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "for which shell; there is one for bash, "),
        (["ksh"], "there is no completion for 'ksh'; there is one for "),
    ],
)
def test_refused(mailproof, words, message):
    """A shell must be named that there is a script for."""
    ended = mailproof("completion", *words)
    assert 2 == ended.code
    assert message in ended.err


def test_without_the_extra(mailproof, monkeypatch):
    """What is missing is named, with how to get it."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    ended = mailproof("completion", "bash")
    assert (3, "") == (ended.code, ended.out)
    assert "completion needs the extra 'completion': pip install 'mailproof[completion]'" in ended.err
