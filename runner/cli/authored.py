"""The files that `lint` and `fmt` look at: scenarios, fragments, the project file, read and checked as `run` does."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.selection import PACK, scenario_files, shown_path
from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, UsageError
from runner.language.compile import compile_scenario
from runner.language.loader import read_file
from runner.language.paths import PROJECT_FILE, find_root, resolve_inside
from runner.language.project import compile_project, find_project, load_project

if TYPE_CHECKING:
    from runner.language.model import Scenario
    from runner.language.project import Project
    from runner.language.sessions import ProtocolOf


@dataclass(frozen=True, slots=True)
class AuthoredFile:
    """A file that somebody wrote: where it is, what messages call it, and the folder that its files may lie in."""

    path: Path
    name: str
    root: Path

    @property
    def is_project(self) -> bool:
        """Whether it is a project file."""
        return self.path.name == PROJECT_FILE

    @property
    def is_bundled(self) -> bool:
        """Whether it came with the program."""
        return self.name.startswith(PACK)

    def find_file(self, text: str) -> str:
        """Resolve a path that the file names.

        Raises:
            ValueError: it can't be; with what would be right.
        """
        return resolve_inside(find_root(self.path, self.root), self.path.parent, text)

    def read(self) -> SourceFile:
        """Read its text.

        Raises:
            InputError: it can't be read.
        """
        return read_file(self.path, self.name)

    def check(
        self, source: SourceFile, problems: list[Problem], protocol_of: ProtocolOf | None = None
    ) -> Scenario | None:
        """Check a text as this file's; add what is wrong with it, and return the scenario if it is one."""
        if not self.is_project:
            return compile_scenario(source, self.find_file, problems, protocol_of)
        compile_project(source, self.path.absolute().parent, problems)
        return None


def add_path_arguments(parser: argparse.ArgumentParser, more: str) -> None:
    """Add the paths of files to look at."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help=f"scenario and fragment files, folders, mailproof.yaml{more};"
        " default: mailproof.yaml and scenarios/ beside it, or scenarios/ here where there is none",
    )


def authored_files(paths: Iterable[str]) -> list[AuthoredFile]:
    """Return the files that paths stand for, each once; without paths the project's.

    Raises:
        UsageError: a path leads nowhere, or there is none to go by.
    """
    given = list(paths)
    project = find_project(Path.cwd())
    named = [text for text in given if Path(text).name == PROJECT_FILE and not Path(text).is_dir()]
    others = [text for text in given if text not in named]
    for text in named:
        if not Path(text).is_file():
            raise UsageError(f"there is no file '{text}'")
    found = [AuthoredFile(Path(text), text, Path(text).absolute().parent) for text in dict.fromkeys(named)]
    if not given and project is not None:
        found.append(AuthoredFile(project, shown_path(project), project.parent))
    if others or not given:
        root = project.parent if project is not None else None
        found += [AuthoredFile(one.path, one.name, one.root) for one in scenario_files(others, root)]
    return found


def the_project(problems: list[Problem]) -> Project | None:
    """Return the project that the working directory is in; what is wrong with its file is added."""
    path = find_project(Path.cwd())
    return load_project(path, problems, shown_path(path)) if path is not None else None


def refuse(problems: Iterable[Problem]) -> None:
    """Refuse files that are wrong, each problem once.

    Raises:
        InputError: there are some.
    """
    if found := list(dict.fromkeys(problems)):
        raise InputError(found)
