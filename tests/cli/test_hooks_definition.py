"""`.pre-commit-hooks.yaml`: each hook is a command that exists, for the files that it is about."""

from __future__ import annotations

import re

import pytest
import yaml
from commands import ROOT, write

from runner.cli.command_line import make_parser

HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}


def test_the_hooks():
    """There is one for each command that looks after files."""
    assert {"mailproof-fmt", "mailproof-lint", "mailproof-validate"} == set(HOOKS)


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_entry_is_a_command(name):
    """What a hook runs the command line knows, with or without files behind it."""
    program, *words = HOOKS[name]["entry"].split()
    assert "mailproof" == program
    options = make_parser().parse_args(
        [*words, *(["scenarios/x.yaml"] if HOOKS[name].get("pass_filenames", True) else [])]
    )
    assert words[0] == options.parser.prog.rpartition(" ")[2]


@pytest.mark.parametrize("name", sorted(HOOKS))
@pytest.mark.parametrize(
    ("path", "is_meant"),
    [
        pytest.param("scenarios/x.yaml", True, id="scenario"),
        pytest.param("mail/scenarios/deep/x.yml", True, id="deeper"),
        pytest.param("mailproof.yaml", True, id="project file"),
        pytest.param("docker-compose.yaml", False, id="something else"),
        pytest.param("my-scenarios/x.yaml", False, id="another folder"),
    ],
)
def test_files(name, path, is_meant):
    """A change of ours runs it, another does not."""
    assert is_meant == (re.search(HOOKS[name]["files"], path) is not None)


@pytest.mark.parametrize("name", [name for name in sorted(HOOKS) if HOOKS[name].get("pass_filenames") is False])
def test_hooks_without_files_look_at_the_project(name, mailproof, folder):
    """They find the scenarios by themselves."""
    write(folder, {"mailproof.yaml": "targets: {}\n", "scenarios/x.yaml": "name: x\nsteps:\n  - expect: 220\n"})
    assert 0 == mailproof(*HOOKS[name]["entry"].split()[1:]).code
