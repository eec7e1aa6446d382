"""Transcripts of swaks: each line has a hint of who said it, and whether there was TLS.

Of what swaks shows this is decided here: what its options hide, replace or put beside the conversation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from runner.authoring.conversation import Conversation
from runner.authoring.readers.asking import Asker, Line, quoted
from runner.authoring.readers.smtp import LmtpDialogue, SmtpDialogue
from runner.authoring.readers.unmarked import check_number
from runner.wire import TlsFacts

# What swaks puts before a line: information, what was sent, what came; `~` with TLS, `*` for an error.
_HINT = re.compile(r"(===|\*\*\*| ->| ~>|\*\*>|\*~>|<- |<~ |<\*\*|<~\*|  >|<  )(?: |\Z)")
_SENT = (" ->", " ~>", "**>", "*~>")
_CAME = ("<- ", "<~ ", "<**", "<~*")
_DUMP = ("  >", "<  ")
_CONNECTING = re.compile(r"Trying (?:pipe to )?(.+?)\.\.\.\Z")
_PLACE = re.compile(r"(\S+):(\d+)\Z")
_TLS = re.compile(r"TLS started with cipher (?P<version>[^:]+):(?P<cipher>[^:]+)(?::\d+)?\Z")
_SUMMARY = re.compile(r"\d+ lines sent\Z")
_STAND_IN = ("Subject: test", "", "This is a test mailing", ".")
_LHLO = re.compile(r"(?:LHLO)(?: |\Z)", re.IGNORECASE)
_PLAIN = re.compile(r"(AUTH PLAIN )(.*\\0.*)\Z", re.IGNORECASE | re.DOTALL)


def is_hinted(text: str) -> bool:
    """Whether a line begins as swaks begins one."""
    return _HINT.match(text) is not None


def read_swaks(lines: Sequence[Line], asker: Asker, protocol: str = "") -> list[Conversation]:
    """Return the conversations of a transcript of swaks.

    Raises:
        UnclearError: a line is none of swaks, or what it shows is not enough for a scenario.
    """
    parts: list[list[Line]] = [[]]
    has_said = False
    for line in lines:
        if has_said and line.text.startswith("=== Trying "):
            parts.append([])
            has_said = False
        has_said |= _is_said(line)
        parts[-1].append(line)
    check_number(len(parts), parts[-1][0], asker)
    return [_Reader(part, asker, protocol).read() for part in parts if any(_is_said(line) for line in part)]


def _is_said(line: Line) -> bool:
    found = _HINT.match(line.text)
    return found is not None and found[1] in _SENT + _CAME


class _Reader:
    def __init__(self, lines: Sequence[Line], asker: Asker, protocol: str) -> None:
        self._lines = lines
        self._asker = asker
        is_lmtp = protocol == "lmtp" or any(_LHLO.match(line.text[4:]) for line in lines if _is_said(line))
        self._dialogue: SmtpDialogue = (LmtpDialogue if is_lmtp else SmtpDialogue)(asker)
        self._host, self._port = "", 0
        self._has_tls = False
        self._has_plaintext = False

    def read(self) -> Conversation:
        hints = {found[1] for line in self._lines if (found := _HINT.match(line.text))}
        for line in self._lines:
            if not line.text.strip():
                continue
            if (found := _HINT.match(line.text)) is None:
                self._unhinted(line, hints)
            elif found[1] not in _DUMP:
                self._take(found[1], Line(line.number, line.text[found.end() :], line.text))
        self._dialogue.finish()
        return self._dialogue.conversation(host=self._host, port=self._port)

    def _unhinted(self, line: Line, hints: set[str]) -> None:
        """Take a line without a hint: --no-hints has options for one side alone."""
        has_sent, has_come = bool(hints & set(_SENT)), bool(hints & set(_CAME))
        if has_come and not has_sent:
            self._sent(line)
        elif has_sent and not has_come:
            self._came(line)
        elif not line.text.startswith(("$ ", "# ", "> ")) and "swaks " not in line.text:
            raise self._asker.question(
                line,
                f"swaks has put no hint before {quoted(line.text)}",
                "remove it if it is none of its lines; else begin it with ' -> ' or '<-  '",
            )

    def _take(self, hint: str, line: Line) -> None:
        if "~" in hint and not self._has_tls:
            self._secure(None)
        if hint in _SENT:
            self._sent(line)
        elif hint in _CAME:
            self._came(line)
        else:
            self._told(line)

    def _told(self, line: Line) -> None:
        """Take what swaks says itself."""
        text = line.text
        if found := _CONNECTING.match(text):
            if place := _PLACE.match(found[1]):
                self._host, self._port = place[1], int(place[2][:5])
        elif found := _TLS.match(text):
            self._secure(TlsFacts(found["version"], found["cipher"], verified=False))
        elif text.startswith(("Connection closed with", "Dropping connection")):
            self._dialogue.end("client")
        elif text.endswith("closed connection unexpectedly."):
            self._dialogue.end("server")
        elif text.startswith(("TLS startup failed", "STARTTLS attempted but failed")):
            raise self._asker.question(
                line,
                "the TLS handshake failed here: there is no conversation after it",
                "write 'starttls' with 'tls_expect: {fails: …}' by hand",
            )

    def _secure(self, facts: TlsFacts | None) -> None:
        self._has_tls = True
        self._dialogue.secured(facts)

    def _sent(self, line: Line) -> None:
        dialogue = self._dialogue
        if dialogue.is_in_text and _SUMMARY.match(line.text):
            for text in _STAND_IN:
                dialogue.client(Line(line.number, text))
            dialogue.guesses.append(
                f"swaks has shown '{line.text}' in place of the message; a short one stands in for it"
            )
        elif dialogue.owed and not dialogue.events and line.text.startswith("PROXY "):
            dialogue.guesses.append("a PROXY header was sent: say 'proxy_protocol: v1' at the target")
        else:
            dialogue.client(Line(line.number, self._as_sent(line.text), line.whole))

    def _as_sent(self, text: str) -> str:
        """Return a line as it went over the wire: --auth-plaintext shows what was encoded."""
        if self._dialogue.is_in_text:
            return text
        if found := _PLAIN.match(text):
            return found[1] + _encoded(found[2].replace("\\0", "\0"))
        return _encoded(text) if self._dialogue.is_responding and self._has_plaintext else text

    def _came(self, line: Line) -> None:
        text = line.text
        if text.startswith("Timeout ("):
            raise self._asker.question(
                line,
                "swaks has waited in vain for a reply here",
                "cut the transcript before the line that had none, or write 'expect: silence' by hand",
            )
        if text.startswith("334 ") and not _is_encoded(text[4:]):
            self._has_plaintext = True
            text = "334 " + _encoded(text[4:])
        self._dialogue.server(Line(line.number, text, line.whole))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _is_encoded(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True
