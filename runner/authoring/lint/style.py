"""Rules over what a reader of a file needs, most of them pedantic, and over checks that are switched off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.authoring.lint.outcomes import Known, outcome_of
from runner.authoring.lint.rules import Finding, rule
from runner.authoring.lint.subject import Subject
from runner.language.model import Auth, Exchange, Send, StartTls, Step
from runner.language.nodes import Scalar
from runner.language.reading import all_pairs

# RFC 2606 sections 2 and 3.
_DOCUMENTATION = re.compile(r"(?:.*\.)?(?:example\.(?:com|net|org)|example|test|invalid|localhost)", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})")


@rule(
    "unverified",
    says="`verify: false` switches off the check of a certificate.",
    why="Whoever stands between client and server reads the password; every report says that it is off.",
    example="""
name: TLS works
steps:
  - expect: 220
  - starttls: {verify: false}
""",
    remedy="""
name: TLS works
steps:
  - expect: 220
  - starttls: {server_name: mail.example.com}
""",
)
def _unverified(subject: Subject) -> Iterator[Finding]:
    if "verify" not in subject.source.text:
        return
    for key, value in all_pairs(subject.root):
        if key.text == "verify" and isinstance(value, Scalar) and value.text == "false":
            advice = "a CA of your own is named by ca: FILE, another name by server_name: NAME"
            yield Finding("unverified", value.span, "the certificate is not verified", advice)


@rule(
    "missing-because",
    says="A refusal is demanded without a `because`, or a whole scenario has none.",
    why="When it fails at night, the sentence says what is wrong with that, and which RFC or ticket says so.",
    example="""
name: Relaying is refused
description: Nobody outside may relay.
tags: [relay]
steps:
  - send: RCPT TO:<bob@example.net>
    expect: 550
""",
    remedy="""
name: Relaying is refused
description: Nobody outside may relay.
tags: [relay]
steps:
  - send: RCPT TO:<bob@example.net>
    expect: 550
    because: 250 here is an open relay
""",
    is_pedantic=True,
)
def _because(subject: Subject) -> Iterator[Finding]:
    if subject.scenario is None:
        return
    told = [one for one in subject.all_steps() if isinstance(one.step, Exchange) and one.step.expect is not None]
    has_reasons = any(placed.step.because for placed in subject.all_steps())
    silent = [placed for placed in told if not placed.step.because and _is_refused(placed.step)]
    if told and not has_reasons and not silent:
        silent = told[-1:]
    for placed in silent:
        message, advice = "nothing says why it must be so", "add because: what it means if the server does otherwise"
        yield Finding("missing-because", placed.place("expect"), message, advice, placed.step.span.line)


def _is_refused(step: Step) -> bool:
    return isinstance(step, Send | Auth | StartTls) and outcome_of(step) is Known.NO


@rule(
    "missing-description",
    says="A scenario has no `description`.",
    why="It tells who sees it fail what it is about, and where in which server to look.",
    example="""
name: The server greets
tags: [mx]
steps:
  - expect: 220
    because: the server is there
""",
    remedy="""
name: The server greets
description: Is anybody there at all? Look at the firewall first.
tags: [mx]
steps:
  - expect: 220
    because: the server is there
""",
    is_pedantic=True,
)
def _description(subject: Subject) -> Iterator[Finding]:
    if subject.scenario is not None and not subject.scenario.description:
        advice = "add description: what it is about, and where to look when it fails"
        yield Finding("missing-description", subject.root.items["name"][1].span, "no description", advice)


@rule(
    "missing-tags",
    says="A scenario has no `tags`.",
    why="`--tag` could never choose it.",
    example="""
name: The server greets
description: Is anybody there at all?
steps:
  - expect: 220
    because: the server is there
""",
    remedy="""
name: The server greets
description: Is anybody there at all?
tags: [mx]
steps:
  - expect: 220
    because: the server is there
""",
    is_pedantic=True,
)
def _tags(subject: Subject) -> Iterator[Finding]:
    if subject.scenario is not None and not subject.scenario.tags:
        advice = "add tags: [mx], or what it is for"
        yield Finding("missing-tags", subject.root.items["name"][1].span, "no tags", advice)


@rule(
    "real-address",
    says="An address is written out that may be somebody's.",
    why="Whoever runs the file sends mail there; example.com, example.net and .test are nobody's (RFC 2606).",
    example="""
name: Relaying is refused
description: Nobody outside may relay.
tags: [relay]
steps:
  - send: RCPT TO:<somebody@gmail.com>
    expect: 550
    because: 250 here is an open relay
""",
    remedy="""
name: Relaying is refused
description: Nobody outside may relay.
tags: [relay]
steps:
  - send: RCPT TO:<${external}>
    expect: 550
    because: 250 here is an open relay
""",
    is_pedantic=True,
)
def _address(subject: Subject) -> Iterator[Finding]:
    if "@" not in subject.source.text or subject.is_project:
        return
    for scalar in subject.scalars():
        for match in _ADDRESS.finditer(scalar.text) if "@" in scalar.text else ():
            if not _DOCUMENTATION.fullmatch(match[1]):
                span = scalar.span_at(match.start(), len(match[0]))
                advice = "write a variable such as ${external}, or a domain of RFC 2606: example.net"
                yield Finding("real-address", span, f"'{match[0]}' may be somebody's address", advice)
