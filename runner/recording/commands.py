"""What a typed line is: one for the server, or a command to the recorder; and how either may go on.

Pure: it knows neither a terminal nor a connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.dataclass import dataclass
from runner.language.template import did_you_mean

SIGN = "/"
#: Each command: what follows it, and what it does.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "tls": ("", "begin TLS; typing STARTTLS does the same"),
    "auth": ("[MECHANISM]", "log in; without a name by the strongest that is offered"),
    "data": ("FILE", "send a message from a file, after DATA; or a literal"),
    "expect": ("SHORTFORM", "what the scenario expects of the last reply: 550 5.1.1"),
    "undo": ("", "take the last exchange out of the scenario"),
    "name": ("TITLE", "give the scenario its name"),
    "show": ("", "show the scenario so far"),
    "save": ("[FILE]", "write the scenario so far"),
    "help": ("", "this list"),
    "quit": ("", "end the recording; so does Ctrl-D"),
}
_WIDTH = 18
_NEEDED = ("data", "expect", "name")
_NONE = ("tls", "undo", "show", "help", "quit")
HELP = "\n".join(
    [
        "what is typed goes to the server; lines that begin with / do not:",
        *(f"  {f'{SIGN}{name} {what}':<{_WIDTH}} {does}" for name, (what, does) in COMMANDS.items()),
        f"  {SIGN + SIGN:<{_WIDTH}} a line for the server that begins with a single /",
        f"  {'Ctrl-C':<{_WIDTH}} drop the line, or wait no longer for a reply",
    ]
)


class RefusedError(Exception):
    """What was typed can't be done; the text says why, and nothing was sent or changed."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to the recorder, and what follows its name."""

    name: str
    argument: str = ""


def read_line(text: str) -> Command | str:
    """Return the command that a typed line is, else the line that the server is to get.

    Raises:
        RefusedError: there is no such command, or something is missing or too much.

    >>> read_line("/auth PLAIN")
    Command(name='auth', argument='PLAIN')
    >>> read_line("//quit")
    '/quit'
    """
    if not text.startswith(SIGN):
        return text
    if text.startswith(SIGN * 2):
        return text[1:]
    name, _, argument = text[1:].partition(" ")
    name, argument = name.lower(), argument.strip(" ")
    if name not in COMMANDS:
        advice = did_you_mean(name, COMMANDS, "") or f"{SIGN}help lists them"
        raise RefusedError(f"unknown command '{SIGN}{name}'; {advice} (a line for the server: {SIGN}{text})")
    if name in _NEEDED and not argument:
        raise RefusedError(f"{SIGN}{name} wants something behind it: {SIGN}{name} {COMMANDS[name][0]}")
    if name in _NONE and argument:
        raise RefusedError(f"{SIGN}{name} takes nothing behind it, and here is '{argument}'")
    return Command(name, argument)


# What a server of each protocol understands, in the order of use; what depends on it stands in its capabilities.
_SMTP = ("EHLO ", "MAIL FROM:<", "RCPT TO:<", "DATA", "RSET", "NOOP", "VRFY ", "HELP", "QUIT")
_VERBS: Mapping[str, tuple[str, ...]] = {
    "smtp": _SMTP,
    "lmtp": ("LHLO ", *_SMTP[1:]),
    "pop3": ("CAPA", "USER ", "PASS ", "STAT", "LIST", "UIDL", "RETR ", "TOP ", "DELE ", "RSET", "NOOP", "QUIT"),
    "imap": tuple(
        "CAPABILITY|LOGIN |LIST |SELECT |EXAMINE |STATUS |FETCH |STORE |SEARCH |UID |APPEND |EXPUNGE|IDLE|DONE|CREATE |"
        "DELETE |NOOP|CLOSE|LOGOUT".split("|")
    ),
    "sieve": tuple(
        "CAPABILITY|LISTSCRIPTS|PUTSCRIPT |CHECKSCRIPT |SETACTIVE |GETSCRIPT |DELETESCRIPT |HAVESPACE |NOOP|"
        "LOGOUT".split("|")
    ),
}
_OPENING = {"smtp": "AUTH ", "lmtp": "AUTH ", "pop3": "AUTH ", "imap": "AUTHENTICATE ", "sieve": "AUTHENTICATE "}
_TLS = {"STARTTLS": "STARTTLS", "STLS": "STLS"}


def completions(text: str, protocol: str, offered: Mapping[str, tuple[str, ...]] | None) -> Iterator[tuple[str, int]]:
    """Iterate over what a line may go on with: a text, and how many typed characters it takes the place of.

    `offered` are the server's capabilities. Case does not count.
    """
    offered = offered or {}
    begun = len(text) - len(text.rpartition(" ")[2])
    word = text[begun:]
    mechanisms = sorted({name.upper() for name in offered.get("AUTH", ())})
    opening = _OPENING.get(protocol, "")
    if text.upper() in (opening, "/AUTH ") or text[:begun].upper() in (opening, "/AUTH "):
        found = mechanisms
    elif not begun and text.startswith(SIGN):
        found = [f"{SIGN}{name}{' ' if what else ''}" for name, (what, _) in COMMANDS.items()]
    elif not begun:
        found = [
            *_VERBS.get(protocol, ()),
            *(name for name in _TLS if name in offered),
            *([opening] * bool(mechanisms)),
        ]
    else:
        found = list(_parameters(text.upper(), offered)) if protocol in ("smtp", "lmtp") else []
    yield from ((one, len(word)) for one in found if one.upper().startswith(word.upper()) and one != word)


def _parameters(line: str, offered: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Iterate over the parameters of MAIL and RCPT that a server's capabilities allow."""
    if line.startswith("MAIL FROM:") and ">" in line:
        known = {"SIZE": ["SIZE="], "8BITMIME": ["BODY=8BITMIME", "BODY=7BIT"], "SMTPUTF8": ["SMTPUTF8"]}
        known |= {"DSN": ["RET=HDRS", "RET=FULL", "ENVID="], "REQUIRETLS": ["REQUIRETLS"], "AUTH": ["AUTH=<>"]}
        known |= {"BINARYMIME": ["BODY=BINARYMIME"], "DELIVERBY": ["BY="], "PRDR": ["PRDR"]}
    elif line.startswith("RCPT TO:") and ">" in line:
        known = {"DSN": ["NOTIFY=SUCCESS", "NOTIFY=FAILURE", "NOTIFY=NEVER", "ORCPT=rfc822;"]}
    else:
        return
    for name, words in known.items():
        if name in offered:
            yield from words
