"""Conversations pasted from a terminal, without marks: which protocol it is, and what s_client has said by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from runner.authoring.conversation import ClientLine, Conversation, Event, ServerReply
from runner.authoring.readers.asking import Asker, Line, quoted
from runner.authoring.readers.attribution import MARK, Attribution, TurnAttribution
from runner.authoring.readers.dialogue import Dialogue
from runner.authoring.readers.imap import ImapDialogue, SieveDialogue
from runner.authoring.readers.smtp import LmtpDialogue, Pop3Dialogue, SmtpDialogue
from runner.authoring.readers.tagging import ScriptAttribution, TagAttribution
from runner.authoring.readers.terminal import Connection, connections_of

DIALOGUES: dict[str, type[Dialogue]] = {
    dialogue.protocol: dialogue for dialogue in (SmtpDialogue, LmtpDialogue, Pop3Dialogue, ImapDialogue, SieveDialogue)
}
WHICH_PROTOCOL = "say --protocol smtp, lmtp, pop3, imap or sieve"
_MOST_CONVERSATIONS = 500

_SMTP = re.compile(r"[245][0-9]{2}(?:[ -]|\Z)")
# What comes after a QUIT belongs to the next conversation.
_LHLO_OR_QUIT = re.compile(r"(?:C: ?)?(LHLO|QUIT)(?: |\Z)", re.IGNORECASE)
_POP3 = re.compile(r"(?:\+OK|-ERR)(?: |\Z)")
_IMAP = re.compile(r"\* (?:OK|PREAUTH|BYE)\b|\. OK\b|\S+ OK\b.*CAPABILITY", re.IGNORECASE)
_SIEVE = re.compile(r"\"[A-Z]+\"(?: \"|\Z)|OK(?: [\"(]|\Z)")


def _reply(line: str) -> ServerReply:
    return ServerReply((line,), expect=line.rsplit(" ", maxsplit=1)[-1])


# What s_client has done before it shows the last line that it read.
_S_CLIENT: dict[str, tuple[Event, ...]] = {
    "smtp": (
        _reply("220"),
        ClientLine("EHLO localhost", "EHLO ${client.name}"),
        _reply("250"),
        ClientLine("STARTTLS"),
        _reply("220"),
    ),
    "lmtp": (
        _reply("220"),
        ClientLine("LHLO localhost", "LHLO ${client.name}"),
        _reply("250"),
        ClientLine("STARTTLS"),
        _reply("220"),
    ),
    "pop3": (_reply("+OK"), ClientLine("STLS"), _reply("+OK")),
    "imap": (
        _reply("* OK"),
        ClientLine("a1 CAPABILITY"),
        _reply("a1 OK"),
        ClientLine("a2 STARTTLS"),
        _reply("a2 OK"),
    ),
    "sieve": (_reply("OK"), ClientLine("STARTTLS"), _reply("OK")),
}


def read_unmarked(lines: Sequence[Line], asker: Asker, protocol: str = "") -> list[Conversation]:
    """Return the conversations of a terminal's lines.

    Raises:
        UnclearError: who said a line, or in which protocol, can't be told.
    """
    found: list[Conversation] = []
    for connection in connections_of(lines):
        said = connection.lines
        while any(line.text.strip() for line in said):
            check_number(len(found) + 1, said[0], asker)
            conversation, said = _read_one(connection, said, asker, protocol)
            found.append(conversation)
    return found


def check_number(count: int, line: Line, asker: Asker) -> None:
    """Check that a file has not more conversations than any; the last of so many begins at the line.

    Raises:
        UnclearError: it has.
    """
    if count > _MOST_CONVERSATIONS:
        raise asker.question(line, f"more than {_MOST_CONVERSATIONS} conversations", "split the file")


def _read_one(
    connection: Connection, lines: list[Line], asker: Asker, protocol: str
) -> tuple[Conversation, list[Line]]:
    """Read one conversation; return it and the lines after it."""
    lines = lines[next(at for at, line in enumerate(lines) if line.text.strip()) :]
    protocol = protocol or connection.protocol or protocol_of(lines, asker)
    dialogue = DIALOGUES[protocol](asker)
    dialogue.guesses += connection.guesses
    lines = _begin(dialogue, connection, lines, asker)
    reading = _attribution(dialogue, lines, asker)
    taken = reading.read()
    rest = lines[taken:]
    if not any(line.text.strip() for line in rest) and connection.ended:
        dialogue.end(connection.ended)
    dialogue.finish()
    return dialogue.conversation(host=connection.host, port=connection.port), rest


def _attribution(dialogue: Dialogue, lines: Sequence[Line], asker: Asker) -> Attribution:
    if isinstance(dialogue, ImapDialogue):
        return TagAttribution(dialogue, lines, asker)
    if isinstance(dialogue, SieveDialogue):
        return ScriptAttribution(dialogue, lines, asker)
    return TurnAttribution(dialogue, lines, asker)


def protocol_of(lines: Iterable[Line], asker: Asker) -> str:
    """Return the protocol that a conversation speaks, of which these are the lines, and of others after it.

    Raises:
        UnclearError: they don't tell.
    """
    left = iter(lines)
    first = next(line for line in left if line.text.strip())
    text = MARK.sub("", first.text, count=1)
    if _SMTP.match(text):
        said = next((found[1] for line in left if (found := _LHLO_OR_QUIT.match(line.text))), "")
        return "lmtp" if said.upper() == "LHLO" else "smtp"
    if _POP3.match(text):
        return "pop3"
    if _IMAP.match(text):
        return "imap"
    if _SIEVE.match(text):
        return "sieve"
    verb = text.split(" ")[0].upper()
    if verb in ("EHLO", "HELO", "MAIL", "LHLO"):
        return "lmtp" if verb == "LHLO" else "smtp"
    if verb in ("USER", "APOP", "STLS", "CAPA"):
        return "pop3"
    if ImapDialogue(asker).is_command(text):
        return "imap"
    raise asker.question(
        first,
        f"which protocol is this? {quoted(text)} is no greeting of a mail server",
        f"{WHICH_PROTOCOL}; begin with the greeting, or with what telnet or s_client says",
    )


def _begin(dialogue: Dialogue, connection: Connection, lines: list[Line], asker: Asker) -> list[Line]:
    """Take what was before the first line that the transcript has: TLS, or what s_client said, or the greeting."""
    first = lines[0]
    text = MARK.sub("", first.text, count=1)
    if connection.tls:
        return _begin_secured(dialogue, connection, lines, asker)
    if dialogue.is_command(text) and not dialogue.is_reply(text):
        dialogue.imply_greeting()
    return lines


def _begin_secured(dialogue: Dialogue, connection: Connection, lines: list[Line], asker: Asker) -> list[Line]:
    if not _is_after_starttls(dialogue, connection, lines, asker):
        dialogue.secured()
        return lines
    dialogue.imply(*_S_CLIENT[dialogue.protocol])
    dialogue.secured()
    command = "STLS" if dialogue.protocol == "pop3" else "STARTTLS"
    dialogue.guesses.append(f"what s_client said before {command} is not in the transcript, and was put in")
    if dialogue.protocol != "sieve":
        dialogue.take_greeting()
    return _without_shown(dialogue, lines)


def _is_after_starttls(dialogue: Dialogue, connection: Connection, lines: Sequence[Line], asker: Asker) -> bool:
    """Whether a connection that s_client made began without TLS: the one line that it shows then is no greeting."""
    if connection.tls in ("implicit", "starttls"):
        return connection.tls == "starttls"
    first = lines[0].text
    if dialogue.protocol == "pop3":
        raise asker.question(
            lines[0],
            "was there TLS from the first byte, or after STLS? s_client shows the same for both",
            "put the command that was typed above its output: '$ openssl s_client -starttls pop3 -connect HOST:110', "
            "or without '-starttls pop3'",
        )
    return first.startswith(("250", ". OK")) or (dialogue.protocol == "sieve" and first.upper().startswith("OK"))


def _without_shown(dialogue: Dialogue, lines: list[Line]) -> list[Line]:
    """Leave out the one line of a reply that s_client shows after STARTTLS, if it does (not with -quiet)."""
    text = lines[0].text
    is_shown = dialogue.is_reply(text) or text.startswith(". ")
    return lines[1:] if is_shown else lines
