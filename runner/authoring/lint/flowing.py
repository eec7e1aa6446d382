"""Rules over the order of a conversation: what comes too early, what comes too late, and what goes in the clear."""

from __future__ import annotations

from collections.abc import Iterator

from runner.authoring.lint.flow import followed
from runner.authoring.lint.rules import Finding, rule
from runner.authoring.lint.subject import Subject


@rule(
    "too-early",
    says="A command stands before the one that must come first, and success is expected.",
    why="MAIL wants EHLO, RCPT wants MAIL, DATA wants RCPT; FETCH wants SELECT, and both want a login: servers refuse.",
    example="""
name: A recipient is taken
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - send: RCPT TO:<${recipient}>
    expect: 250
""",
    remedy="""
name: A recipient is taken
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - send: MAIL FROM:<${sender}>
    expect: 250
  - send: RCPT TO:<${recipient}>
    expect: 250
""",
)
def _too_early(subject: Subject) -> Iterator[Finding]:
    return followed(subject, "too-early")


@rule(
    "no-hello-after-starttls",
    says="After STARTTLS no EHLO comes before MAIL or AUTH.",
    why="Both sides forget with the handshake what was said before it (RFC 3207 section 4.2); many servers refuse.",
    example="""
name: A user may log in
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - starttls:
  - auth: PLAIN
""",
    remedy="""
name: A user may log in
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - starttls:
  - send: EHLO client.example.com
    expect: 250
  - auth: PLAIN
""",
)
def _no_hello(subject: Subject) -> Iterator[Finding]:
    return followed(subject, "no-hello-after-starttls")


@rule(
    "after-goodbye",
    says="A step sends or expects something after the goodbye.",
    why="The server has closed the connection; `connect` opens the next one.",
    example="""
name: The server is there
steps:
  - expect: 220
  - send: QUIT
    expect: 221
  - send: NOOP
    expect: 250
""",
    remedy="""
name: The server is there
steps:
  - expect: 220
  - send: NOOP
    expect: 250
  - send: QUIT
    expect: 221
""",
)
def _after_goodbye(subject: Subject) -> Iterator[Finding]:
    return followed(subject, "after-goodbye")


@rule(
    "password-in-clear",
    says="A password is sent where the file itself says that there is no TLS.",
    why="Anyone on the way reads it; mailproof refuses to send one so unless the target allows it.",
    example="""
name: A user may log in
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
    capabilities: [STARTTLS]
  - auth: PLAIN
""",
    remedy="""
name: A user may log in
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
    capabilities: [STARTTLS]
  - starttls:
  - send: EHLO client.example.com
    expect: 250
  - auth: PLAIN
""",
)
def _in_clear(subject: Subject) -> Iterator[Finding]:
    return followed(subject, "password-in-clear")
