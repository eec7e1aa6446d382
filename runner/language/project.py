"""`mailproof.yaml`: the servers to test and what is known of them.

Values of variables stay nodes (templates are parsed where a case is made) and secrets stay references: no
secret is read here, and nothing is connected.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, Span
from runner.language.loader import load, read_file
from runner.language.nodes import Mapping as MappingNode
from runner.language.nodes import Node, Scalar, Sequence, without_excerpt
from runner.language.paths import PROJECT_FILE
from runner.language.reaching import read_proxy
from runner.language.schema import check_project
from runner.language.target import Place, SecretRef, Target, parse_domain, parse_target, parse_url
from runner.language.tls import wrong_tls_options
from runner.language.values import parse_address, parse_boolean, parse_duration, parse_size
from runner.protocol.base import Limits
from runner.wire import TLS_VERSIONS, Family, TlsWish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
# What says where a target is; one of them.
_WHERE = ("url", "mx", "command")

# RFC 5321 section 4.5.3.1.5: a reply line has up to 512 octets, so no server must be held to less.
MIN_LINE_LIMIT = 512
# What a buffer may grow to at the operator's wish; beyond this the machine and not the server is under test.
MAX_LIMIT = 1024**3


@dataclass(frozen=True, slots=True)
class Project:
    """A project file; without one, `Project()`.

    `root` is its folder. `timeout` and `deadline` are seconds, None where the file says nothing; an empty
    `client_name` means the machine's own.
    """

    root: Path | None = None
    source: SourceFile | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    env: tuple[str, ...] = ()
    timeout: float | None = None
    deadline: float | None = None
    limits: Limits = field(default_factory=Limits)
    lenient_line_ends: bool = False
    client_name: str = ""


def find_project(start: Path) -> Path | None:
    """Return the nearest project file, from the folder `start` upwards."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def load_project(path: Path, problems: list[Problem], name: str = "") -> Project | None:
    """Read the project file; `name` is what messages call it (the path, if left out).

    Returns:
        The project, or None if anything is wrong; then `problems` has grown.
    """
    try:
        source = read_file(path, name or str(path))
    except InputError as error:
        problems += error.problems
        return None
    return compile_project(source, path.absolute().parent, problems)


def compile_project(source: SourceFile, folder: Path, problems: list[Problem]) -> Project | None:
    """Compile the text of a project file in a folder; the same contract as `load_project`."""
    found: list[Problem] = []
    root = load(source, found, advice=_ADVICE_TOP)
    project = None
    if root is not None:
        check_project(root, found)
        project = _Reader(folder, found).project(root, source)
    problems += sorted(found, key=lambda problem: (problem.span.line, problem.span.column))
    return None if found else project


_ADVICE_TOP = "a project file has 'targets: {NAME: URL}'; what else it may have is in the manual"


class _Reader:
    """Reads checked nodes; a kind that the schema has told to be wrong is passed over."""

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        self._folder = folder
        self._problems = problems

    def project(self, root: MappingNode, source: SourceFile) -> Project:
        defaults = _mapping(root.get("defaults"))
        return Project(
            root=self._folder,
            source=source,
            targets=self._targets(root.get("targets")),
            variables=_variables(root.get("vars")),
            secrets=self._secrets(root.get("secrets")),
            env=_texts(root.get("env")),
            timeout=self._parsed(defaults.get("timeout"), parse_duration),
            deadline=self._parsed(defaults.get("deadline"), parse_duration),
            limits=self._limits(_mapping(defaults.get("limits"))),
            lenient_line_ends=_text(defaults.get("line_ends")) == "lenient",
            client_name=_text(root.get("client_name")),
        )

    def _targets(self, node: Node | None) -> dict[str, Target]:
        return {name: self._target(name, value) for name, (_, value) in _mapping(node).items.items()}

    def _target(self, name: str, node: Node) -> Target:
        options = _mapping(node)
        key, where = self._where(node)
        place = self._place(key, where, options)
        self._check_reaching(place, options)
        return Target(
            name=name,
            url=f"{key}: {place.host if place.is_domain else place.command[0]}" if key != "url" else _text(where),
            **place._asdict(),
            span=where.span,
            tags=_texts(options.get("tags")),
            variables=_variables(options.get("vars")),
            secrets=self._secrets(options.get("secrets")),
            tls=self._tls(_mapping(options.get("tls"))),
            source_address=self._parsed(options.get("source_address"), parse_address) or "",
            family=cast(Family, _text(options.get("family"))),
            proxy=read_proxy(options.get("proxy_protocol"), self._fail),
            plaintext_secrets=_text(options.get("plaintext_secrets")) == "allow",
            greylisting=self._parsed(options.get("greylisting"), parse_duration),
        )

    def _where(self, node: Node) -> tuple[str, Node]:
        """Return the key that says where a target is, and what it says."""
        options = _mapping(node)
        if not isinstance(node, MappingNode):
            return "url", node
        keys = [key for key in _WHERE if key in options.items]
        if not keys:
            # Of an empty one the schema check has told less.
            self._problems[:] = [problem for problem in self._problems if problem.span != node.span]
            advice = "for example {url: smtp://mx1.example.com}"
            self._fail(node.span, "a target without 'url', 'mx' or 'command'", advice)
            return "url", node
        for key in keys[1:]:
            advice = "a target is in one place: leave one of them out"
            self._fail(options.items[key][0].span, f"'{key}' beside '{keys[0]}'", advice)
        return keys[0], options.items[keys[0]][1]

    def _place(self, key: str, node: Node, options: MappingNode) -> Place:
        if key == "command":
            protocol = _text(options.get("protocol")) or "smtp"
            command = self._command(node) or ("",)
            return Place("", protocol, "localhost", 0, command=command)
        if isinstance(node, Scalar) and node.text:
            try:
                return parse_domain(node) if key == "mx" else parse_url(node)
            except InputError as error:
                self._problems += error.problems
        # The project is not used, but the rest of the target is still to be judged.
        return Place("", "smtp", "", 0, is_domain=key == "mx")

    def _check_reaching(self, place: Place, options: MappingNode) -> None:
        """Refuse keys that would do nothing: who writes one must not believe that it did."""
        if "protocol" in options.items and not place.command:
            self._fail(options.items["protocol"][0].span, "'protocol' is for a command", "a URL says it by its scheme")
        for key in ("source_address", "family"):
            if key in options.items and (place.command or place.path):
                what = "a command" if place.command else "a UNIX socket"
                self._fail(options.items[key][0].span, f"'{key}' has no meaning for {what}", "leave it out")

    def _tls(self, options: MappingNode) -> TlsWish:
        if (wrong := wrong_tls_options(options)) is not None:
            self._fail(wrong[0].span, *wrong[1:])
        maximum = _text(options.get("max"))
        # Who names an old version as the newest wants it; the default gives way.
        usual = min(TlsWish().minimum, maximum or TLS_VERSIONS[-1], key=_age)
        return TlsWish(
            verify=self._parsed(options.get("verify"), parse_boolean) is not False,
            ca=self._parsed(options.get("ca"), self._existing) or "",
            server_name=_text(options.get("server_name")),
            minimum=_text(options.get("min")) or usual,
            maximum=maximum,
            certificate=self._parsed(options.get("cert"), self._existing) or "",
            key=self._parsed(options.get("key"), self._existing) or "",
        )

    def _secrets(self, node: Node | None) -> Mapping[str, SecretRef]:
        found: dict[str, SecretRef] = {}
        for name, (key, value) in _mapping(node).items.items():
            for kind, (_, given) in _mapping(value).items.items():
                if kind == "env":
                    found[name] = SecretRef("env", _text(given), key.span)
                elif kind == "file":
                    found[name] = SecretRef("file", str(self._folder / _text(given)), key.span)
                elif kind == "command":
                    found[name] = SecretRef("command", self._command(given), key.span)
                elif kind == "keyring":
                    found[name] = SecretRef("keyring", self._keyring(given), key.span)
        return found

    def _keyring(self, node: Node) -> tuple[str, ...]:
        """A service and a user name; in one text the last slash is between them, for a service may be a URL."""
        if isinstance(node, MappingNode):
            return _text(node.get("service")), _text(node.get("username"))
        service, slash, username = _text(node).rpartition("/")
        if isinstance(node, Scalar) and node.text and not (slash and service and username):
            # What is written here may be the secret itself: it is not shown.
            advice = "write keyring: SERVICE/USERNAME, or keyring: {service: …, username: …}"
            self._fail(without_excerpt(node.span), "this is no SERVICE/USERNAME", advice)
        return service, username

    def _command(self, node: Node) -> tuple[str, ...]:
        """A program with a slash in its name is a path, relative to the file as any other; a bare name is looked up."""
        words = _texts(node)
        is_path = bool(words) and "/" in words[0]
        return (str(self._folder / words[0]), *words[1:]) if is_path else words

    def _limits(self, node: MappingNode) -> Limits:
        usual = Limits()
        literal = self._parsed(node.get("literal"), _parse_limit) or usual.literal
        line = self._parsed(node.get("line"), _parse_limit) or usual.line
        reply = self._parsed(node.get("reply"), _parse_limit) or max(usual.reply, line)
        if reply < line and not self._problems:
            advice = "a reply has at least one line; raise 'reply' or lower 'line'"
            self._fail(node.items["reply"][1].span, f"the limit for a reply is below that for a line, {line}", advice)
        return Limits(line=line, reply=reply, lines=usual.lines, literal=literal)

    def _existing(self, text: str) -> str:
        path = self._folder / text
        try:
            is_file = path.is_file()
        except OSError:
            is_file = False
        if not is_file:
            raise ValueError(f"there is no file '{text}'")
        return str(path)

    def _parsed(self, node: Node | None, parse: Callable[[str], T]) -> T | None:
        if not isinstance(node, Scalar) or node.is_empty:
            return None
        try:
            return parse(node.text)
        except ValueError as error:
            self._fail(node.span, str(error))
            return None

    def _fail(self, span: Span, message: str, advice: str = "") -> None:
        # The schema check may have said the same of the same place.
        if not any(one.span == span and one.message == message for one in self._problems):
            self._problems.append(Problem(span, message, advice))


def _mapping(node: Node | None) -> MappingNode:
    return node if isinstance(node, MappingNode) else _NO_MAPPING


_NO_MAPPING = MappingNode(SourceFile("", ""), 1, 1, 1, {})


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _texts(node: Node | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, Sequence) else []
    return tuple(item.text for item in items if isinstance(item, Scalar))


def _variables(node: Node | None) -> Mapping[str, Scalar]:
    items = _mapping(node).items
    return {name: value for name, (_, value) in items.items() if isinstance(value, Scalar)}


def _age(version: str) -> int:
    return TLS_VERSIONS.index(version) if version in TLS_VERSIONS else len(TLS_VERSIONS)


def _parse_limit(text: str) -> int:
    size = parse_size(text)
    if not MIN_LINE_LIMIT <= size <= MAX_LIMIT:
        raise ValueError(f"'{text}' is no limit: from {MIN_LINE_LIMIT} bytes to {MAX_LIMIT // 1024**3}GiB")
    return size


__all__ = ["Project", "SecretRef", "Target", "find_project", "load_project", "parse_target"]
