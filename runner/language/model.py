"""What a scenario file says, checked and ready to be played: frozen values without a file's syntax.

Texts are templates, replies are expectations with slots; a step's `span` is its place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import date
from itertools import chain
from typing import Literal

from runner.dataclass import dataclass
from runner.errors import SourceFile, Span
from runner.language.body import Body
from runner.language.template import Placeholder, Template
from runner.matching.expectation import Alternative, Expectation
from runner.matching.partial import LineExpectation
from runner.matching.pattern import Pattern
from runner.matching.recipients import EachRecipient
from runner.wire import Family

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
    maximum: str | None = None
    certificate: str | None = None
    key: str | None = None


#: How a handshake can be made to fail; empty where it must not.
Failing = Literal["", "expired", "untrusted", "name", "protocol"]


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A kind of public key, and how many bits it has at least (0 for a kind of one size)."""

    kind: str
    bits: int = 0

    def __str__(self) -> str:
        return f"{self.kind} >= {self.bits}" if self.bits else self.kind


@dataclass(frozen=True, slots=True)
class TlsExpectation:
    """What a handshake and the server's certificate must be; what is empty or None asks nothing.

    `versions` are those that are good, `version` is how the author wrote them. `valid_for` is in seconds, from the
    handshake on. Of `public_keys` one must fit. With `fails` nothing else is set.
    """

    span: Span
    versions: tuple[str, ...] = ()
    version: str = ""
    cipher: Pattern | None = None
    issuer: Pattern | None = None
    names: tuple[Template, ...] = ()
    valid_for: float | None = None
    public_keys: tuple[KeyWish, ...] = ()
    same_certificate_as: str = ""
    fails: Failing = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step may have. `label` is how reports call it; `timeout` is in seconds, None for the default.

    `said` is what the label says where that has placeholders, to be filled when the step is shown.
    `member` says which connection of a session with a count is meant; None is each of them, or that of the group.
    """

    span: Span
    label: str
    said: Template | None = None
    because: str = ""
    session: str = MAIN
    member: Template | None = None
    when: When | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Step):
    """A step that may read a reply; alone, it only expects the next one that is owed."""

    expect: Expectation | None = None
    #: What is asked in its place of the replies of all recipients, or of one line.
    each: EachRecipient | None = None
    line_expected: LineExpectation | None = None


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """A step's PROXY header: its version, None for no header, and the ends that it names."""

    version: Literal[1, 2] | None = None
    source: Template | None = None
    destination: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Exchange):
    """Open the session's connection, again if it is open. An empty `family` and `proxy` None leave the target's."""

    tls: TlsOptions = TlsOptions()
    tls_expect: TlsExpectation | None = None
    source_address: Template | None = None
    family: Family = ""
    proxy: ProxyOptions | None = None


@dataclass(frozen=True, slots=True)
class SentLiteral:
    """Octets that end a client line; with `is_sync` the server is to ask for them (RFC 9051 section 4.3)."""

    body: Body
    is_sync: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Exchange):
    """One client line.

    `line` is what is sent as it stands. `response` is the initial response of an AUTH line that holds
    placeholders: it follows `line`, base64-encoded as a whole. `encode` is `auto` unless the author says.
    `replies` is the author's word for how many replies it earns. `literal` is what follows the line. Without
    `has_tag` nothing is put before it.
    """

    line: Template
    response: Template | None = None
    eol: bytes = b"\r\n"
    encode: Literal["auto", "none", "base64"] = "auto"
    replies: int | None = None
    literal: SentLiteral | None = None
    has_tag: bool = True
    #: The whole line with its end, where nothing in it depends on a value.
    ready: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data(Exchange):
    """The message alone; lines end with CRLF, dots are stuffed, the closing dot is written.

    `end` takes the place of the last line's CRLF and the closing dot's line. `rate` is in octets a second, 0 for no
    limit.
    """

    body: Body
    is_stuffed: bool = True
    end: Template | None = None
    rate: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bdat(Exchange):
    """One chunk of a message: the command with the chunk's size, and its octets (RFC 3030)."""

    body: Body
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes(Exchange):
    """Exactly these octets, `pause` seconds between one and the next.

    `replies` is the author's word for how many replies they earn.
    """

    body: Body
    pause: float = 0.0
    replies: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(Exchange):
    """The client's half of a whole SASL exchange; `parts` are those of the credentials, by name."""

    mechanism: Template
    parts: Mapping[str, Template]
    initial: bool = True
    #: The type of channel binding, where the author chose one.
    channel_binding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls(Exchange):
    """The command, the go-ahead, the handshake (RFC 3207)."""

    options: TlsOptions = TlsOptions()
    tls_expect: TlsExpectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake(Step):
    """The TLS handshake alone."""

    options: TlsOptions = TlsOptions()
    tls_expect: TlsExpectation | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Group):
    """A fragment's steps; `parameters` are what its names stand for, written where it is used."""

    parameters: Mapping[str, Template]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Group):
    """Rounds: `count` of them, or one for each value, which `variable` stands for."""

    count: int
    variable: str = ""
    each: tuple[Template, ...] = ()
    keep_going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(Group):
    """Attempts until one passes: a pause of `every` seconds after each, for `lasting` seconds."""

    every: float
    lasting: float


@dataclass(frozen=True, slots=True)
class KnownIssue:
    """Why a case may fail; from the day `until` on it may not."""

    why: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be so for the scenario to make sense; else the case is skipped."""

    capability: tuple[str, ...] = ()
    target_tag: tuple[str, ...] = ()
    variable: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a matrix. A template is filled when the case is made; a text is a secret and never parsed."""

    span: Span
    values: Mapping[str, Template | str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A session besides the scenario's own.

    `protocol` is empty where nobody knows it; its steps are left out then, for it has no target. `target` is a
    target's name, empty for that of the scenario's own session. `count` is the number of connections
    that are called by number (`c[1]`), 0 for a session that is one connection.
    """

    name: str
    span: Span
    protocol: str
    target: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario.

    `used` are the placeholders of its steps (not those inside `variables`) by session, in file order;
    `capture_spans` are the names that its replies may set, each with a place. `rows` are those of its matrix, empty
    without one, and `columns` their names. `implicit` are the sessions that must have TLS from the first byte, each
    with the place that asks for it. `timeout` and `deadline` are in seconds, None for the default.
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
    known_issue: KnownIssue | None = None
    cleanup: tuple[Step, ...] = ()
    timeout: float | None = None
    deadline: float | None = None
    used: Mapping[str, tuple[Placeholder, ...]] = field(default_factory=dict)
    capture_spans: Mapping[str, Span] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    columns: Mapping[str, Span] = field(default_factory=dict)
    implicit: Mapping[str, Span] = field(default_factory=dict)

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders of all its steps."""
        return tuple(chain.from_iterable(self.used.values()))

    @property
    def all_placeholders(self) -> Iterator[Placeholder]:
        """Those of its steps, of its variables and of its rows."""
        values = chain(self.variables.values(), *(row.values.values() for row in self.rows))
        templates = (value for value in values if isinstance(value, Template))
        return chain(self.placeholders, *(template.placeholders for template in templates))

    @property
    def captures(self) -> frozenset[str]:
        """The names that its replies may set."""
        return frozenset(self.capture_spans)
