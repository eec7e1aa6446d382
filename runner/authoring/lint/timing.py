"""Rules over time: what has run out, what can never run out, and what only waits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from runner.authoring.lint.rules import Finding, rule
from runner.authoring.lint.subject import Subject
from runner.language.model import DEFAULT_DEADLINE, Retry, Send, Step, Wait
from runner.language.walking import inner_lists

_LOOKS = re.compile(
    r"(?:UID +)?(?:SEARCH|FETCH|SELECT|EXAMINE|STATUS|NOOP)\b|(?:STAT|LIST|UIDL|RETR|TOP)\b", re.IGNORECASE
)
_MAILBOXES = frozenset({"imap", "pop3"})


@rule(
    "known-issue-over",
    says="A `known_issue` is past its day.",
    why="From that day on a failure counts; look whether it is mended, and take the key out or give it a new day.",
    example="""
name: SIZE is announced
known_issue: {why: ticket 4711, until: 2024-01-31}
steps:
  - expect: 220
""",
    remedy="""
name: SIZE is announced
known_issue: ticket 4711
steps:
  - expect: 220
""",
)
def _known_issue(subject: Subject) -> Iterator[Finding]:
    issue = subject.scenario.known_issue if subject.scenario is not None else None
    if issue is None or issue.until is None or issue.until > subject.today:
        return
    message = f"this issue was to be mended by {issue.until.isoformat()}"
    advice = "take 'known_issue' out if it is, or give it a new day"
    yield Finding("known-issue-over", subject.root.items["known_issue"][0].span, message, advice)


@rule(
    "timeout-beyond-deadline",
    says="A `timeout` is longer than the whole case may take.",
    why="The deadline ends the case first; the timeout never counts.",
    example="""
name: The server greets
deadline: 10s
steps:
  - expect: 220
    timeout: 1m
""",
    remedy="""
name: The server greets
deadline: 2m
steps:
  - expect: 220
    timeout: 1m
""",
)
def _beyond_deadline(subject: Subject) -> Iterator[Finding]:
    scenario = subject.scenario
    if scenario is None:
        return
    given = subject.project.deadline if subject.project is not None else None
    deadline = scenario.deadline or given or DEFAULT_DEADLINE
    message = f"a timeout longer than the deadline, {deadline:g} s"
    advice = "a shorter timeout, or a longer 'deadline' at the top"
    if scenario.timeout is not None and scenario.timeout > deadline:
        yield Finding("timeout-beyond-deadline", subject.root.items["timeout"][1].span, message, advice)
    for placed in subject.all_steps():
        if placed.node is not None and "timeout" in placed.node.items and (placed.step.timeout or 0) > deadline:
            line = placed.step.span.line
            yield Finding("timeout-beyond-deadline", placed.place("timeout"), message, advice, line)


@rule(
    "wait-for-mail",
    says="A `wait` stands before a look into a mailbox, where `retry` is meant.",
    why="Too short it fails now and then, too long it costs its time in every run; `retry` goes on as soon as it can.",
    example="""
name: The mail is there
protocol: imap
secrets: [password]
steps:
  - send: LOGIN ${username | quoted} ${password | quoted}
    expect: OK
  - send: SELECT INBOX
    expect: OK
  - wait: 30s
  - send: SEARCH SUBJECT test
    expect: OK
""",
    remedy="""
name: The mail is there
protocol: imap
secrets: [password]
steps:
  - send: LOGIN ${username | quoted} ${password | quoted}
    expect: OK
  - send: SELECT INBOX
    expect: OK
  - retry: {every: 1s, for: 30s}
    steps:
      - send: SEARCH SUBJECT test
        expect: OK
        has: /^\\* SEARCH \\d/
""",
)
def _wait(subject: Subject) -> Iterator[Finding]:
    for steps in _lists((subject.steps, subject.cleanup)):
        for one, following in pairwise(steps):
            if isinstance(one, Wait) and one.span.source.name == subject.source.name and _looks(subject, following):
                placed = subject.placed(one)
                advice = "put the steps that must pass into a group with retry: {every: 1s, for: …}"
                message = "a wait of fixed length before a look into the mailbox"
                yield Finding("wait-for-mail", placed.place("wait"), message, advice, one.span.line)


def _lists(given: Iterable[tuple[Step, ...]]) -> Iterator[tuple[Step, ...]]:
    """Iterate over lists of steps, each of which come one after the other, and those inside of them."""
    for steps in given:
        yield steps
        for step in steps:
            yield from _lists(inner_lists(step))


def _looks(subject: Subject, step: Step) -> bool:
    """Whether a step looks what lies in a mailbox."""
    if isinstance(step, Retry) or subject.machine(step.session).name not in _MAILBOXES:
        return False
    if isinstance(step, Send):
        return _LOOKS.match(step.line.flat) is not None
    inner = next(iter(inner_lists(step)), ())
    return bool(inner) and _looks(subject, inner[0])
