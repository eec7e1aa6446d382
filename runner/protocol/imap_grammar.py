"""The words of IMAP (RFC 9051 section 9): commands, tags, status responses, response codes. Values only."""

from __future__ import annotations

import re

from runner.protocol.base import CLIENT_LINE, Owed

GREETING = Owed("greeting")
# A line that has no tag or no command, so that nobody can tell which tag its answer has; told by identity.
UNREADABLE = Owed(CLIENT_LINE.to)

_UNDER_UID = "COPY EXPUNGE FETCH MOVE REPLACE SEARCH SORT STORE THREAD"
_COMMANDS = {
    word.encode(): Owed(word)
    for word in (
        *(
            # RFC 9051, RFC 3501, and what extensions have added.
            "CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE "
            "UNSUBSCRIBE LIST NAMESPACE STATUS APPEND IDLE CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY MOVE UID "
            "LSUB CHECK COMPRESS CONVERT DELETEACL GENURLAUTH GETACL GETMETADATA GETQUOTA GETQUOTAROOT ID LANGUAGE "
            "LISTRIGHTS MYRIGHTS NOTIFY REPLACE RESETKEY SETACL SETMETADATA SETQUOTA SORT THREAD UNAUTHENTICATE "
            "URLFETCH XLIST"
        ).split(),
        *(f"UID {word}" for word in _UNDER_UID.split()),
    )
}
AUTHENTICATE, IDLE = _COMMANDS[b"AUTHENTICATE"], _COMMANDS[b"IDLE"]
LOGOUT, STARTTLS = _COMMANDS[b"LOGOUT"], _COMMANDS[b"STARTTLS"]

# ASTRING-CHAR but `+` (RFC 9051 section 9, tag).
TAG = re.compile(rb"[^\x00-\x20(){%*\"\\+\x7f-\xff]+")
#: A status response behind `* ` or a tag and a blank; which of them may stand where, others know.
STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: (.*))?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb'\[[^\s"\[\]][^"\]]*+(?:"(?:[^"\\]|\\.)*+"[^"\]]*+)*+\]', re.DOTALL)
_PLAIN_CODE = re.compile(rb"\[[^\s\[\]][^\]]*+\]")
_CAPABILITY = b"CAPABILITY"
_INITIAL = re.compile(rb"AUTHENTICATE +[^ ]+ +[^ ]", re.IGNORECASE)


def command_in(line: bytes) -> Owed:
    """Return what a client line earns, its tag left out: a reply to the command that it holds.

    >>> str(command_in(b"uid fetch 1 FLAGS"))
    'UID FETCH'
    >>> str(command_in(b"XSECRET hunter2"))
    'a client line'
    """
    first, _, rest = line.partition(b" ")
    name = first.upper()
    if name == b"UID":
        both = b"UID " + rest.partition(b" ")[0].upper()
        name = both if both in _COMMANDS else name
    return _COMMANDS.get(name, CLIENT_LINE)


def has_initial(line: bytes) -> bool:
    """Whether a client line, its tag left out, is an AUTHENTICATE with an initial response (RFC 9051 section 6.2.2)."""
    return _INITIAL.match(line) is not None


def response_code(text: bytes) -> bytes:
    """Return the response code that a text begins with, brackets included; nothing if there is none.

    A bracket in a quoted string does not end it; where quotes are odd, the first bracket does.

    >>> response_code(b'[BADCHARSET ("a]b")] no such charset')
    b'[BADCHARSET ("a]b")]'
    """
    if not text.startswith(b"["):
        return b""
    found = _CODE.match(text) or _PLAIN_CODE.match(text)
    return found[0] if found is not None else b""


def capability_words(data: bytes) -> list[bytes] | None:
    """Return the words of untagged data or a response code's content that lists capabilities, None if it doesn't."""
    if data[: len(_CAPABILITY)].upper() != _CAPABILITY or data[len(_CAPABILITY) :][:1] not in (b"", b" "):
        return None
    return data[len(_CAPABILITY) :].split()
