"""What a scenario file says, checked and ready to be played: frozen values without a file's syntax.

Texts are templates, replies are expectations with slots; a step's `span` is its place in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner.errors import SourceFile, Span
from runner.language.template import Placeholder, Template
from runner.matching.expectation import Alternative, Expectation
from runner.matching.pattern import Pattern

DEFAULT_TIMEOUT = 30.0
# RFC 5321 section 4.5.3.2.6: the reply to the end of a message may take 10 minutes; 5 is what operators bear.
MESSAGE_TIMEOUT = 300.0
DEFAULT_DEADLINE = 600.0
MAIN = "main"


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a step; all that is set must hold. `reply` are alternatives for the session's last reply."""

    span: Span
    capability: str = ""
    reply: tuple[Alternative, ...] = ()
    tls: bool | None = None
    variable: str = ""
    matches: Pattern | None = None
    negated: When | None = None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """TLS options as a step gives them; None leaves the target's."""

    verify: bool | None = None
    ca: str | None = None
    server_name: Template | None = None
    minimum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step may have. `label` is how reports call it; `timeout` is in seconds, None for the default."""

    span: Span
    label: str
    because: str = ""
    session: str = MAIN
    when: When | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Step):
    """A step that may read a reply; alone, it only expects the next one that is owed."""

    expect: Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Exchange):
    """Open the session's connection, again if it is open."""

    tls: TlsOptions = TlsOptions()
    source_address: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Exchange):
    """One client line.

    `line` is what is sent as it stands. `response` is the initial response of an AUTH line that holds
    placeholders: it follows `line`, base64-encoded as a whole. `encode` is `auto` unless the author says.
    `replies` is the author's word for how many replies it earns.
    """

    line: Template
    response: Template | None = None
    eol: bytes = b"\r\n"
    encode: Literal["auto", "none", "base64"] = "auto"
    replies: int | None = None
    #: The whole line with its end, where nothing in it depends on a value.
    ready: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data(Exchange):
    """The message alone; lines end with CRLF, dots are stuffed, the closing dot is written."""

    message: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(Exchange):
    """The client's half of a whole SASL exchange; `parts` are those of the credentials, by name."""

    mechanism: Template
    parts: Mapping[str, Template]
    initial: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls(Exchange):
    """The command, the go-ahead, the handshake (RFC 3207)."""

    options: TlsOptions = TlsOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake(Step):
    """The TLS handshake alone."""

    options: TlsOptions = TlsOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup(Exchange):
    """End the connection: in order, by FIN, by RST."""

    how: Literal["quit", "fin", "reset"] = "quit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Step):
    """Let time pass, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline(Step):
    """Steps whose client lines leave in one write (RFC 2920)."""

    steps: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Step):
    """Steps under one condition, and those that run where it does not hold."""

    steps: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be so for the scenario to make sense; else the case is skipped."""

    capability: tuple[str, ...] = ()
    target_tag: tuple[str, ...] = ()
    variable: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario.

    `placeholders` are all that its steps use (not those inside `variables`), in file order; `capture_spans` are
    the names that its replies may set, each with a place. `timeout` and `deadline` are in seconds, None for the
    default.
    """

    source: SourceFile
    span: Span
    name: str
    protocol: str
    steps: tuple[Step, ...]
    description: str = ""
    tags: tuple[str, ...] = ()
    variables: Mapping[str, Template] = field(default_factory=dict)
    secrets: Mapping[str, Span] = field(default_factory=dict)
    requires: Requires = Requires()
    timeout: float | None = None
    deadline: float | None = None
    placeholders: tuple[Placeholder, ...] = ()
    capture_spans: Mapping[str, Span] = field(default_factory=dict)

    @property
    def captures(self) -> frozenset[str]:
        """The names that its replies may set."""
        return frozenset(self.capture_spans)
