"""Which scenarios, targets and project file a command line means."""

from __future__ import annotations

import argparse
import gc
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.streams import tell
from runner.dataclass import dataclass
from runner.errors import InputError, Problem, UsageError, escape
from runner.language.case import Given
from runner.language.compile import read_scenario
from runner.language.matrix import secret_values
from runner.language.model import MAIN
from runner.language.paths import PROJECT_FILE
from runner.language.project import find_project, load_project, parse_target
from runner.language.template import PLAIN_NAME, did_you_mean
from runner.language.values import parse_duration
from runner.resources import bundled
from runner.surroundings import SecretStore, no_open_secret, parse_secret, parse_variable, surroundings

if TYPE_CHECKING:
    from runner.language.model import Scenario
    from runner.language.project import Project, SecretRef, Target
    from runner.language.sessions import ProtocolOf

# A scenario with this tag floods, locks out, or could: it runs only when asked for by this tag.
INTRUSIVE = "intrusive"
_SUFFIXES = (".yaml", ".yml")
#: How the paths of bundled scenarios begin.
PACK = "pack:"
# A host, maybe with a port, where a URL was meant.
_HOST_LIKE = re.compile(r"(?:smtp:)?(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario file: where it is, how messages call it, and the folder that its files may lie in.

    One that the command line names (`is_named`) must be a scenario; in a folder there may be fragments, too.
    """

    path: Path
    name: str
    root: Path
    is_named: bool = False


def repeatable(parser: argparse._ActionsContainer, flag: str, dest: str, metavar: str, text: str) -> None:
    """Add an option that may be given again: a list of texts under `dest`."""
    parser.add_argument(flag, dest=dest, action="append", default=[], metavar=metavar, help=text)


def duration(text: str) -> float:
    """Read a time that an option wants, in seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_timeout_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that says how long a server is waited for."""
    parser.add_argument(
        "--timeout", type=duration, default=30.0, metavar="TIME", help="how long a reply may take (default 30s)"
    )


def add_trust_arguments(parser: argparse._ActionsContainer, no_verify: str) -> None:
    """Add the options that say which certificates are trusted; `no_verify` is what it does where they are not."""
    parser.add_argument("--ca", metavar="FILE", help="a PEM file with the certificates to trust")
    parser.add_argument("--no-verify", action="store_true", help=no_verify)


def add_scenario_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose scenarios and targets."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="scenario files and folders, or pack: for the bundled ones;"
        " default: scenarios/ beside mailproof.yaml, or here where there is none",
    )
    choice = parser.add_argument_group("choosing")
    repeatable(
        choice,
        "--target",
        "target",
        "NAME|URL",
        "a target of mailproof.yaml or a URL such as smtp://host:25; repeatable; default: all of the file",
    )
    repeatable(
        choice,
        "--session",
        "sessions",
        "NAME=TARGET",
        "the target of a scenario's further session, by name or as a URL; repeatable",
    )
    repeatable(
        choice,
        "-k",
        "words",
        "TEXT",
        "only scenarios whose name or file holds TEXT; repeatable, one that fits is enough",
    )
    repeatable(
        choice,
        "--tag",
        "tags",
        "TAG",
        f"only scenarios with this tag; repeatable, one that fits is enough; '{INTRUSIVE}' ones run only so",
    )
    values = parser.add_argument_group("values")
    repeatable(values, "--var", "variables", "NAME=VALUE", "a variable, for every scenario")
    repeatable(
        values,
        "--secret",
        "secrets",
        "NAME=env:VARIABLE",
        "a secret; also NAME=file:PATH, or NAME alone to be asked for it",
    )
    by_url = parser.add_argument_group("targets given as a URL")
    repeatable(
        by_url,
        "--target-tag",
        "target_tags",
        "TAG",
        "what the target is, for scenarios that require it, such as mx or submission; repeatable",
    )
    add_trust_arguments(by_url, "accept any certificate; every report says so")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a command line means: checked scenarios, the targets, and the values that it gives."""

    scenarios: list[Scenario]
    targets: list[Target]
    project: Project | None
    variables: dict[str, str]
    secrets: dict[str, SecretRef]
    sessions: dict[str, Target]

    @property
    def secret_files(self) -> Iterator[str]:
        """The files that secrets are read from."""
        known = self.project.secrets if self.project is not None else {}
        return (str(one.value) for one in (*self.secrets.values(), *known.values()) if one.kind == "file")


@contextmanager
def given_by(selected: Selection) -> Iterator[Given]:
    """While it is open, there is what the command line and the machine give to cases.

    What of secrets was fetched by its end is not shown by any error, and what is unsound about a source is told.
    """
    store = SecretStore()
    given = surroundings(selected.project, selected.variables, selected.secrets, store)
    try:
        yield replace(given, sessions=selected.sessions)
    finally:
        debugging.remember(store.values)
        debugging.remember(secret_values(selected.scenarios))
        for warning in store.warnings:
            tell(f"mailproof: warning: {escape(warning)}")


def select(
    options: argparse.Namespace,
    *,
    needs_target: bool,
    allows_intrusive: bool = False,
    speaks: ProtocolOf | None = None,
) -> Selection:
    """Read all that the command line names; what is intrusive only if its tag is named, unless all is allowed.

    With `speaks` there are no targets to be chosen: it tells the protocol of a session whose target nobody knows.

    Raises:
        UsageError: it asks for what can't be.
        InputError: every problem of every file and URL.
    """
    problems: list[Problem] = []
    variables = dict(map(parse_variable, options.variables))
    secrets = dict(map(parse_secret, options.secrets))
    path = find_project(Path.cwd())
    project = load_project(path, problems, shown_path(path)) if path is not None else None
    sessions = _sessions(options, project, problems)

    def protocol_of(session: str, target: str) -> str:
        known = project.targets if project is not None else {}
        at = sessions.get(session) or known.get(target)
        if at is None:
            return speaks(session, target) if speaks is not None else ""
        return at.protocol

    files = scenario_files(options.paths, path.parent if path is not None else None)
    told = len(problems)
    scenarios = read_scenarios(files, problems, protocol_of)
    chosen: list[Target] = []
    if needs_target or options.target or (speaks is None and project is not None and project.targets):
        try:
            chosen = targets(options, project)
            if problems and not told:
                asked = [one for one in scenarios if _is_chosen(one, options.words, options.tags)]
                given = unfetched(project, variables, secrets, sessions)
                problems = _in_order(files, problems, _wrong_names(asked, chosen, project, given))
        except InputError as error:
            problems += error.problems
        except UsageError:
            # The project file may be what is wrong.
            if not problems:
                raise
    if problems:
        raise InputError(problems)
    wanted = choose(scenarios, options.words, options.tags, allows_intrusive=allows_intrusive)
    if needs_target and any(target.is_domain for target in chosen):
        from runner.mx import exchangers  # noqa: PLC0415 -- few targets name a domain

        chosen = exchangers(chosen)
    _refuse_unknown_sessions(sessions, wanted)
    selection = Selection(wanted, chosen, project, variables, secrets, sessions)
    _refuse_open_secrets(selection)
    return selection


def unfetched(
    project: Project | None,
    variables: dict[str, str],
    secrets: dict[str, SecretRef],
    sessions: dict[str, Target],
) -> Given:
    """Return what the command line gives, for a check of names: nothing is fetched, values from elsewhere are empty."""
    environment = dict.fromkeys(project.env if project is not None else (), "")
    return Given(variables=variables, secrets=secrets, environment=environment, sessions=sessions)


def _wrong_names(
    scenarios: list[Scenario], chosen: list[Target], project: Project | None, given: Given
) -> list[Problem]:
    """Return what only a target shows to be wrong, such as names that nobody gives."""
    from runner.scheduler import plan  # noqa: PLC0415 -- its imports are for what runs

    try:
        plan(scenarios, chosen, project, given)
    except InputError as error:
        return list(error.problems)
    return []


def _in_order(files: list[ScenarioFile], problems: list[Problem], more: list[Problem]) -> list[Problem]:
    """Return both lists as one in the order of the files; what is wrong elsewhere stays behind what comes before it."""
    place = {file.name: number for number, file in enumerate(files)}
    keyed: list[tuple[int, Problem]] = []
    for part in (problems, more):
        at = -1
        for problem in part:
            at = place.get(problem.span.source.name, at)
            keyed.append((at, problem))
    return list(dict.fromkeys(problem for _, problem in sorted(keyed, key=lambda one: one[0])))


def shown_path(path: Path) -> str:
    """Return a path as messages call it: from the working directory, where it is near."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("../../..") else str(path)


def _refuse_open_secrets(selection: Selection) -> None:
    """Refuse a secret's value as `--var`: whoever may list the processes would read it."""
    names = set(selection.secrets).union(*(scenario.secrets for scenario in selection.scenarios))
    names.update(*(target.secrets for target in (*selection.targets, *selection.sessions.values())))
    names.update(selection.project.secrets if selection.project is not None else ())
    for name in selection.variables:
        if name in names:
            raise UsageError(f"--var {name}=…: '{name}' is a secret, and {no_open_secret(f'--secret {name}')}")


# Scenarios.


def scenario_files(paths: list[str], root: Path | None) -> list[ScenarioFile]:
    """Return the scenario files that the paths stand for, each once, folders in the order of names.

    Without paths they are those of scenarios/ in `root`, the project file's folder, or here where there is none.

    Raises:
        UsageError: a path leads nowhere or can't be read, or there is none to go by.
    """
    if not paths:
        paths = [_default_folder(root)]
    found: dict[str, ScenarioFile] = {}
    for text in paths:
        for file in _files(text):
            found.setdefault(os.path.realpath(file.path), file)
    if not found:
        raise UsageError(f"no scenario files in {', '.join(paths)}; they end with .yaml")
    return list(found.values())


def _default_folder(root: Path | None) -> str:
    folder = (root if root is not None else Path()) / "scenarios"
    if folder.is_dir():
        return os.path.relpath(folder)
    beside = f"beside {shown_path(root / PROJECT_FILE)}" if root is not None else ""
    where = beside or "here, and no mailproof.yaml from here upwards"
    raise UsageError(
        f"which scenarios? name files or folders, or pack: for the bundled ones; there is no scenarios/ {where}"
    )


def _files(text: str) -> Iterator[ScenarioFile]:
    if text.startswith(PACK):
        pack = bundled("scenarios")
        path = pack / text.removeprefix(PACK)
        if not path.is_dir() or not path.resolve().is_relative_to(pack.resolve()):
            known = sorted(f"{PACK}{one.name}" for one in pack.iterdir() if one.is_dir())
            raise UsageError(
                f"there is no bundled pack '{text}'; the packs are {', '.join(known)}, and '{PACK}' for all"
            )
        yield from _walk(path, pack, lambda one: f"{PACK}{one.relative_to(pack)}")
        return
    path = Path(text)
    if _is_folder(text):
        yield from _walk(path, path, str)
    elif path.name == PROJECT_FILE:
        raise UsageError(
            f"'{text}' is a project file, no scenario; the nearest one from here upwards is read by itself"
        )
    else:
        yield ScenarioFile(path, text, path.absolute().parent, is_named=True)


def _is_folder(text: str) -> bool:
    try:
        # Not by Path: an empty text is a shell's variable that nobody has set, and not the folder here.
        return stat.S_ISDIR(os.stat(text).st_mode)  # noqa: PTH116
    except FileNotFoundError:
        raise UsageError(f"there is no file or folder '{text}'") from None
    except (OSError, ValueError) as error:
        raise _unreadable(text, error) from error


def _unreadable(path: str, error: OSError | ValueError) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UsageError(f"'{path}' can't be read: {reason.lower()}")


def _walk(folder: Path, root: Path, name: Callable[[Path], str]) -> Iterator[ScenarioFile]:
    for path in sorted(_scenarios_below(folder)):
        yield ScenarioFile(path, name(path), root.absolute())


def _scenarios_below(folder: Path) -> Iterator[Path]:
    """Find what may be a scenario; what can't be read is an error, for else it would not run and nobody knew."""

    def refuse(error: OSError) -> None:
        raise _unreadable(str(error.filename), error) from error

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        # Links may go in circles.
        folders[:] = [one for one in folders if not one.startswith(".")] if real not in seen else []
        seen.add(real)
        for one in names:
            if one.endswith(_SUFFIXES) and not one.startswith(".") and one != PROJECT_FILE:
                yield Path(parent, one)


def read_scenarios(
    files: list[ScenarioFile], problems: list[Problem], protocol_of: ProtocolOf | None = None
) -> list[Scenario]:
    """Read and compile every file; problems of all files are added, each once.

    Raises:
        UsageError: the command line names a fragment.
    """
    found: list[Problem] = []
    with reading_to_keep():
        scenarios = [_read(file, found, protocol_of) for file in files]
    problems += dict.fromkeys(found)  # what is wrong with a fragment comes with every scenario that uses it
    return [scenario for scenario in scenarios if scenario is not None]


@contextmanager
def reading_to_keep() -> Iterator[None]:
    """While it is open files are read; what is made of them is kept.

    It holds no cycles: to look for some in it, again and again, would take a fifth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read(file: ScenarioFile, problems: list[Problem], protocol_of: ProtocolOf | None) -> Scenario | None:
    before = len(problems)
    scenario = read_scenario(file.path, file.name, file.root, problems, protocol_of)
    if scenario is None and file.is_named and len(problems) == before:
        raise UsageError(
            f"'{file.name}' is a fragment, no scenario: a scenario uses it, with 'use: {file.path.name}' in a step"
        )
    return scenario


def choose(
    scenarios: list[Scenario], words: list[str], tags: list[str], *, allows_intrusive: bool = False
) -> list[Scenario]:
    """Return the scenarios that `-k` and `--tag` leave; intrusive ones only where their tag is named.

    Raises:
        UsageError: none is left.
    """
    is_chosen = _fits if allows_intrusive else _is_chosen
    chosen = [scenario for scenario in scenarios if is_chosen(scenario, words, tags)]
    if chosen:
        return chosen
    asked = " ".join([*(f"-k {word}" for word in words), *(f"--tag {tag}" for tag in tags)])
    hint = ""
    if any(_fits(scenario, words, tags) for scenario in scenarios):
        hint = f"; what is tagged '{INTRUSIVE}' runs only with --tag {INTRUSIVE}"
    elif tags:
        hint = f"; the tags are: {', '.join(sorted({tag for one in scenarios for tag in one.tags})) or 'none'}"
    raise UsageError(f"no scenario is selected{' by ' + asked if asked else ''}{hint}")


def _is_chosen(scenario: Scenario, words: list[str], tags: list[str]) -> bool:
    is_asked_for = INTRUSIVE not in scenario.tags or INTRUSIVE in tags
    return is_asked_for and _fits(scenario, words, tags)


def _fits(scenario: Scenario, words: list[str], tags: list[str]) -> bool:
    if tags and not set(tags) & set(scenario.tags):
        return False
    text = f"{scenario.name} {scenario.source.name}".lower()
    return not words or any(word.lower() in text for word in words)


# Targets.


def targets(options: argparse.Namespace, project: Project | None) -> list[Target]:
    """Return the targets that `--target` names, else all of the project file.

    Raises:
        UsageError: a name that the project file does not have, or no target at all.
        InputError: a URL that is none.
    """
    known = project.targets if project is not None else {}
    if not any("://" in text for text in (*options.target, *options.sessions)):
        _refuse_for_names(options)
    if not options.target:
        if not known:
            raise UsageError("which server? name one: --target smtp://host:25, or write targets: into mailproof.yaml")
        return list(known.values())
    found: dict[str, Target] = {}
    problems: list[Problem] = []
    for text in options.target:
        if "://" in text:
            try:
                found[text] = _with_options(parse_target(text), options)
            except InputError as error:
                problems += error.problems
        elif text in known:
            found[text] = known[text]
        else:
            raise UsageError(f"unknown target '{text}'; {_meant(text, known)}")
    if problems:
        raise InputError(problems)
    return list(found.values())


def _sessions(options: argparse.Namespace, project: Project | None, problems: list[Problem]) -> dict[str, Target]:
    """Return the targets that `--session` gives, by the session's name.

    Raises:
        UsageError: it is no name and a target, or a target that the project file does not have.
    """
    known = project.targets if project is not None else {}
    found: dict[str, Target] = {}
    for text in options.sessions:
        name, equals, target = text.partition("=")
        if not (equals and target and PLAIN_NAME.fullmatch(name)):
            raise UsageError("--session wants NAME=TARGET, such as inbox=mx2 or inbox=smtp://host:25")
        if name == MAIN:
            raise UsageError(f"--session {MAIN}=…: '{MAIN}' is the scenario's own session; its target is --target")
        if name in found:
            raise UsageError(f"--session {name}=… is given twice")
        if "://" in target:
            try:
                found[name] = _with_options(parse_target(target), options)
            except InputError as error:
                problems += error.problems
        elif target in known:
            found[name] = known[target]
        elif project is not None or not problems:
            raise UsageError(f"--session {text}: unknown target '{target}'; {_meant(target, known)}")
    return found


def _meant(text: str, known: Iterable[str]) -> str:
    """Return what a word that is no target's name may have meant."""
    if _HOST_LIKE.fullmatch(text):
        return f"did you mean smtp://{text.removeprefix('smtp:')}?"
    return did_you_mean(text, known, "the targets are") or "a URL (smtp://host:25) needs no project file"


def _refuse_unknown_sessions(sessions: dict[str, Target], scenarios: list[Scenario]) -> None:
    """Refuse a session that no scenario has: who gives one must not believe that it was used."""
    known = {name for scenario in scenarios for name in scenario.sessions if name != MAIN}
    for name in sessions:
        if name not in known:
            advice = did_you_mean(name, known, "their sessions are") or "they have no other than their own"
            raise UsageError(f"--session {name}=…: no scenario that is selected has it; {advice}")


def _refuse_for_names(options: argparse.Namespace) -> None:
    """Refuse options that would do nothing: who gives one must not believe that it did."""
    given = {
        "--target-tag": (options.target_tags, f"tags: [{', '.join(options.target_tags)}]"),
        "--ca": (options.ca, "tls: {ca: FILE}"),
        "--no-verify": (options.no_verify, "tls: {verify: false}"),
    }
    for option, (value, instead) in given.items():
        if value:
            raise UsageError(
                f"{option} is for targets given as a URL; for others write '{instead}' into mailproof.yaml"
            )


def _with_options(target: Target, options: argparse.Namespace) -> Target:
    ca = options.ca or ""
    if ca and not Path(ca).is_file():
        raise UsageError(f"--ca: there is no file '{ca}'")
    tls = replace(target.tls, ca=ca and str(Path(ca).absolute()), verify=not options.no_verify)
    return replace(target, tags=tuple(options.target_tags), tls=tls)
