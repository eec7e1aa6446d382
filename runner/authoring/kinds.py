"""The first files that `mailproof new` writes: a kind's name, what it is for, and how it is run.

The texts are `templates/KIND.yaml` beside this module.
"""

from __future__ import annotations

from runner.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NewKind:
    """A kind of first file: `about` in a line, a URL for its target, and the variables that it needs."""

    about: str
    url: str = ""
    variables: tuple[str, ...] = ()
    has_password: bool = False
    #: A further session, and a URL for its target; what its target is called in a project.
    session: str = ""
    session_target: str = ""


_SMTP = "smtp://HOST"
#: In the order in which they are listed: the plainest first.
KINDS: dict[str, NewKind] = {
    "relay": NewKind("a server relays for nobody", _SMTP, ("sender", "external")),
    "starttls": NewKind("TLS is offered, and the certificate is right", _SMTP),
    "auth": NewKind(
        "AUTH LOGIN as one types it", "submission://HOST", ("username", "sender", "external"), has_password=True
    ),
    "submission": NewKind(
        "a user logs in and sends a message", "submission://HOST", ("username", "sender", "external"), has_password=True
    ),
    "delivery": NewKind(
        "what goes in by SMTP is found by IMAP",
        _SMTP,
        ("username", "sender", "recipient"),
        has_password=True,
        session="inbox=imap://HOST",
        session_target="imap",
    ),
    "imap": NewKind("a user opens the mailbox", "imap://HOST", ("username",), has_password=True),
    "pop3": NewKind("a user sees what is in the mailbox", "pop3://HOST", ("username",), has_password=True),
    "sieve": NewKind("a user stores a filter, by ManageSieve", "sieve://HOST", ("username",), has_password=True),
    "lmtp": NewKind("each recipient has a reply of its own", "lmtp://HOST:24", ("sender", "recipient", "unknown")),
    "tcp": NewKind("any protocol of lines", "tcp://HOST:25"),
    "blank": NewKind("greeting, EHLO, QUIT, and no comments", _SMTP),
    "project": NewKind("mailproof.yaml: the servers, and where secrets come from"),
}
PROJECT = "project"
