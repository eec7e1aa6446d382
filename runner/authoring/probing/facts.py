"""What a server is, read from the results of a probe's conversations. Its texts are as they came, not yet escaped.

This module must not know how anything is shown or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from runner.authoring.probing.questions import (
    CLEAR,
    GREETING,
    IDENTITY,
    KNOWN,
    LOGIN,
    MAILBOXES,
    NAMESPACES,
    TLS,
)
from runner.certificate import CertificateError, read_certificate
from runner.dataclass import dataclass
from runner.protocol.capabilities import is_told_by_another
from runner.results import Outcome
from runner.wire import FaultKind

if TYPE_CHECKING:
    from runner.certificate import Certificate
    from runner.results import CaseResult, Heard, StepResult
    from runner.wire import TlsFacts

Capabilities = Mapping[str, tuple[str, ...]]

BEFORE_TLS, WITH_TLS, WITHOUT_TLS, AFTER_LOGIN = "before TLS", "with TLS", "capabilities", "after login"
# A quoted string of IMAP's (RFC 9051 section 9), and in an ID the values behind names.
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PAIR = re.compile(rf"{_QUOTED} +{_QUOTED}")
_LISTED = re.compile(r"\* LIST \(([^()]*)\) (?:\"[^\"]*\"|NIL) (.+)\Z", re.IGNORECASE | re.DOTALL)
_LIST = re.compile(r"\A\[CAPABILITY [^\]]*\] ?", re.IGNORECASE)
# RFC 6154 section 2 and RFC 8457: attributes that say what a mailbox is for.
_USES = ("\\all", "\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash", "\\important")
# A banner names the software behind the protocol's own name, or as one of these.
_SOFTWARE = re.compile(
    r"\b(?:Postfix|Exim(?: [\d.]+)?|Sendmail(?: [\w./-]+)?|OpenSMTPD|Haraka(?:/[\w.]+)?|qmail|Courier\w*|Cyrus[\w. -]*?"
    r"(?: v?[\d.]+)?(?= |\Z)|Dovecot(?: \([\w ]+\))?|Microsoft ESMTP MAIL Service|Zimbra|MailEnable|hMailServer|"
    r"Stalwart(?: \w+)?|Rspamd|maddy|Gimap|gsmtp|Lotus Domino|Kerio Connect [\d.]+)",
    re.IGNORECASE,
)
# What tells an operator how much a server takes.
LIMITS = ("SIZE", "LIMITS", "APPENDLIMIT", "EXPIRE", "LOGIN-DELAY", "MAXREDIRECTS", "FUTURERELEASE", "DELIVERBY")


@dataclass(frozen=True, slots=True)
class Look:
    """What a server offers at one time: `when` says which. `refusal` is its answer where it offers nothing."""

    when: str
    capabilities: Capabilities | None = None
    refusal: str = ""

    @property
    def told(self) -> Capabilities:
        """The capabilities without those that are another's second name."""
        offered = self.capabilities or {}
        return {name: values for name, values in offered.items() if not _is_alias(name, offered)}

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms, as the server orders them."""
        return (self.capabilities or {}).get("AUTH", ())


def _is_alias(name: str, offered: Capabilities) -> bool:
    return is_told_by_another(name, offered) or (name == "SASL" and "AUTH" in offered)


@dataclass(frozen=True, slots=True)
class VersionFact:
    """Whether a server speaks a version of TLS; `why` not is empty where it says just that it doesn't.

    `is_known` is false where this machine can't try.
    """

    version: str
    is_spoken: bool
    why: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a handshake brought, and whether the certificate is to be trusted: `distrust` says why not."""

    version: str
    cipher: str
    certificate: Certificate | None
    moment: float
    distrust: str = ""
    unreadable: str = ""

    @property
    def days_left(self) -> int:
        """For how many days the certificate is good yet; negative once it has expired."""
        return int((self.certificate.not_after - self.moment) // 86_400) if self.certificate is not None else 0


@dataclass(frozen=True, slots=True)
class LoginFact:
    """How a login went: by which mechanism, or why it failed; what an IMAP server told then."""

    mechanism: str = ""
    failure: str = ""
    namespaces: tuple[str, ...] = ()
    mailboxes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server is. `failure` says why it could not be probed; then there may be nothing else."""

    target: str
    protocol: str
    host: str = ""
    is_implicit: bool = False
    failure: str = ""
    greetings: tuple[Heard, ...] = ()
    looks: tuple[Look, ...] = ()
    tls: Encryption | None = None
    no_tls: str = ""
    versions: tuple[VersionFact, ...] = ()
    login: LoginFact | None = None
    identity: Mapping[str, str] = field(default_factory=dict)

    @property
    def made_login(self) -> LoginFact | None:
        """The login, if there was one and it went well."""
        return self.login if self.login is not None and not self.login.failure else None

    @property
    def software(self) -> str:
        """What the server is called by itself: by its ID, its capability IMPLEMENTATION, or in the greeting."""
        if name := self.identity.get("name", ""):
            return " ".join(filter(None, (name, self.identity.get("version", ""))))
        for look in self.looks:
            if words := (look.capabilities or {}).get("IMPLEMENTATION"):
                return " ".join(words)
        found = _SOFTWARE.search(greeting_text(self.greetings[0])) if self.greetings else None
        return found[0] if found else ""


# From results.


def steps_of(case: CaseResult) -> dict[str, StepResult]:
    """Return the steps of a conversation by their names; those that were not reached are left out."""
    # Behind the name of a login stands the mechanism that was chosen.
    return {step.label.partition(": ")[0]: step for step in case.steps if step.outcome is not Outcome.NOT_RUN}


def failure_of(case: CaseResult) -> str:
    """Return why a conversation did not get as far as the server's capabilities; empty if it did."""
    found = steps_of(case)
    if CLEAR in found and found[CLEAR].outcome is Outcome.PASSED:
        return ""
    return case.reason or "the conversation came to no end"


def greeting_of(case: CaseResult) -> Heard | None:
    """Return the server's greeting."""
    step = steps_of(case).get(GREETING)
    replies = step.exchange.replies if step is not None and step.exchange is not None else ()
    return replies[0] if replies else None


def greeting_text(heard: Heard) -> str:
    """Return what a greeting says to people: the line with its code, without a list of capabilities before it."""
    if not heard.lines:
        return ""
    # ManageSieve and IMAP put data before the line that has the code; SMTP has it in every one.
    text = heard.lines[0] if heard.code.isdigit() else heard.lines[-1]
    return _LIST.sub("", text)


def look_of(case: CaseResult, step_name: str, when: str) -> Look:
    """Return what a server offers as it was asked in a step."""
    step = steps_of(case).get(step_name)
    if step is None or step.exchange is None:
        return Look(when, refusal=case.reason)
    offered = step.exchange.capabilities
    if offered is None:
        return Look(when, refusal=" ".join(_said(reply) for reply in step.exchange.replies) or step.reason)
    return Look(when, offered)


def _said(reply: Heard) -> str:
    return " ".join(filter(None, (reply.code, reply.status, *reply.lines[:1])))


def clear_look(case: CaseResult, *, is_implicit: bool, has_tls: bool) -> Look:
    """Return what a server offers to whoever has just connected."""
    return look_of(case, CLEAR, WITH_TLS if is_implicit else BEFORE_TLS if has_tls else WITHOUT_TLS)


def offers_starttls(look: Look) -> bool:
    """Return whether TLS is offered on a connection in clear text."""
    return not {"STARTTLS", "STLS"}.isdisjoint(look.capabilities or {})


def handshake_of(case: CaseResult, *, is_implicit: bool) -> TlsFacts | None:
    """Return what the handshake brought, None if there was none."""
    step = steps_of(case).get(GREETING if is_implicit else TLS)
    return step.exchange.tls if step is not None and step.exchange is not None else None


def encryption(facts: TlsFacts, distrust: str) -> Encryption:
    """Return what a handshake tells."""
    try:
        certificate, unreadable = read_certificate(facts.certificate), ""
    except CertificateError as error:
        certificate, unreadable = None, str(error)
    return Encryption(facts.version, facts.cipher, certificate, facts.moment, distrust, unreadable)


def fault_in(reason: str) -> tuple[FaultKind | None, str]:
    """Return which fault of a handshake a reason tells of, and its words without advice.

    >>> fault_in("the TLS handshake failed: certificate not trusted: unknown issuer; a CA of your own is …")[1]
    'certificate not trusted: unknown issuer'
    """
    for kind in FaultKind:
        at = reason.find(kind.value)
        if at >= 0:
            return kind, reason[at:].partition("; ")[0]
    return None, reason


def distrust_of(case: CaseResult, *, is_implicit: bool) -> str:
    """Return why a certificate was not verified in a conversation that demanded it; empty if it was."""
    if handshake_of(case, is_implicit=is_implicit) is not None:
        return ""
    kind, words = fault_in(case.reason)
    if kind is FaultKind.TLS_UNTRUSTED:
        return words.removeprefix(f"{kind.value}: ")
    return words


def version_of(version: str, case: CaseResult, *, is_implicit: bool) -> VersionFact:
    """Return whether a server spoke a version in the conversation that offered no other."""
    if handshake_of(case, is_implicit=is_implicit) is not None:
        return VersionFact(version, is_spoken=True)
    kind, words = fault_in(case.reason)
    if kind is FaultKind.LOCAL:
        return VersionFact(version, is_spoken=False, why="this machine's TLS library can't", is_known=False)
    return VersionFact(version, is_spoken=False, why="" if kind is FaultKind.TLS_PROTOCOL else words)


def login_of(case: CaseResult) -> tuple[LoginFact, Look | None]:
    """Return how a login went, and what the server offers after it."""
    found = steps_of(case)
    step = found.get(LOGIN)
    if step is None or step.outcome is not Outcome.PASSED:
        return LoginFact(failure=(step.reason if step is not None else "") or case.reason), None
    names = [line for line in _untagged(found, NAMESPACES) if line.upper().startswith("* NAMESPACE ")]
    fact = LoginFact(
        mechanism=step.label.partition(": ")[2],
        namespaces=tuple(line.partition("NAMESPACE ")[2] for line in names[:1]),
        mailboxes=tuple(_mailboxes(_untagged(found, MAILBOXES))),
    )
    return fact, look_of(case, KNOWN, AFTER_LOGIN)


def identity_of(cases: Iterable[CaseResult]) -> dict[str, str]:
    """Return what an IMAP server says of itself (RFC 2971), names in lower case."""
    for case in cases:
        for line in _untagged(steps_of(case), IDENTITY):
            if line.upper().startswith("* ID ("):
                return {found[1].lower(): found[2] for found in _PAIR.finditer(line)}
    return {}


def _untagged(steps: Mapping[str, StepResult], name: str) -> list[str]:
    step = steps.get(name)
    replies = step.exchange.replies if step is not None and step.exchange is not None else ()
    return [line for reply in replies for line in reply.lines if line.startswith("* ")]


def _mailboxes(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if (found := _LISTED.match(line)) is None:
            continue
        for word in found[1].split():
            if word.lower() in _USES:
                yield word, found[2].strip('"')


def limits_of(looks: Iterable[Look]) -> dict[str, str]:
    """Return what a server says of how much it takes, by capability: as it is at last."""
    found: dict[str, str] = {}
    for look in looks:
        found.update({name: " ".join(look.told[name]) for name in LIMITS if name in look.told})
    return found
