"""What a terminal shows beside a conversation: the shell, telnet, nc, PuTTY, openssl s_client.

It tells where one connection ends and the next begins, to whom it went, and whether it had TLS; none of it was said by
either side.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Literal

from runner.authoring.readers.asking import Line
from runner.authoring.readers.screen import NARROWEST

Tls = Literal["", "implicit", "starttls", "unknown"]


@dataclass(slots=True)
class Connection:
    """The lines of one connection, and what is known of it; `tls` is 'unknown' where only s_client knew."""

    lines: list[Line] = field(default_factory=list)
    host: str = ""
    port: int = 0
    tls: Tls = ""
    protocol: str = ""
    ended: Literal["", "client", "server"] = ""
    guesses: list[str] = field(default_factory=list)


_PROMPT = r"(?:\A|.*[$#%>] ?)(?:\d{1,2}:\d\d )?"
_COMMAND = re.compile(
    _PROMPT + r"(?:sudo )?(telnet|nc|ncat|netcat|openssl s_client|gnutls-cli|socat)(?:\.exe)?(?: +(.*))?\Z"
)
# A certificate's names may be long; nothing else is.
_LONGEST = 1000
_BARE_PROMPT = re.compile(r"\S*[\w~\]/\\)]? ?[$#%>] ?(?:exit|logout)?\Z")
_BEGINNINGS = [
    re.compile(pattern)
    for pattern in (
        r"Trying (\S+?)(?::(\d+))?\s?\.\.\.\Z",
        r"(?:=== )?Trying (?:pipe to )?(\S+?)(?::(\d+))?\.\.\.\Z",
        r"Connecting [Tt]o (\S+?)(?:\.\.\.|\Z).*",
        r"CONNECTED\([0-9A-Fa-f]+\)\Z",
        r"Ncat: Version .*",
        r"(?:Connection to|found \d+ connections?:.*) (\S+) (\d+) port .* succeeded!\Z",
        r"=~=~=~=~.* PuTTY log .*",
        r"Script started on .*",
    )
]
_PLACES = [
    re.compile(pattern)
    for pattern in (
        r"Connected to (\S+?)\.?\Z",
        r"=== Connected to (\S+?)\.\Z",
        r"Ncat: Connected to (\S+?):(\d+)\.\Z",
        r"(\S+) (?:\[[\w.:]+\]|\([\w.:]+\)) (\d+)(?: \(\S+\)| \[\S+\])? open\Z",
    )
]
_ENDS: list[tuple[re.Pattern[str], Literal["client", "server"]]] = [
    (re.compile(r"Connection closed by foreign host\.?\Z"), "server"),
    (re.compile(r"Connection to host lost\.?\Z"), "server"),
    (re.compile(r"(?:Remote side unexpectedly closed network connection|Ncat: .*reset by peer\.?)\Z"), "server"),
    (re.compile(r"(?:read: )?Connection reset by peer\.?\Z"), "server"),
    (re.compile(r"=== Connection closed with (?:remote host|child process)\.\Z"), "client"),
    (re.compile(r"Connection closed\.\Z"), "client"),
    (re.compile(r"telnet> ?(?:q|quit|close)?\Z|\^[\]CD]\Z"), "client"),
    (re.compile(r"Ncat: \d+ bytes sent, .*|sent \d+, rcvd \d+\Z|Script done on .*"), "client"),
]
_SAID_BY_TOOLS = re.compile(
    r"Escape character is .*|Press any key to continue.*|Server certificate verification .*|=== (?:response in|TLS) .*"
)
# s_client.
_PREAMBLE = re.compile(
    r"(?:depth=\d|verify error:|verify return:|verify depth is|Can't use SSL_get_servername|Server did acknowledge|"
    r"Didn't find STARTTLS in server response)"
)
_PREAMBLE_END = re.compile(r" *Verify return code:")
_TICKET = re.compile(
    r"---\Z|Post-Handshake New Session Ticket arrived:|SSL-Session:|read R BLOCK\Z|"
    r"    (?:Protocol|Cipher|Session-ID|Session-ID-ctx|Master-Key|Resumption PSK|PSK identity|PSK identity hint|"
    r"SRP username|TLS session ticket|TLS session ticket lifetime hint|Start Time|Timeout|Verify return code|"
    r"Extended master secret|Max Early Data) *:|    [0-9a-f]{4} - |[0-9A-F]{8,16}:error:|\d+:error:"
)
# A key or a name of a session to the end of its line; a terminal of 80 columns wraps it.
_HEX_OF_TICKET = re.compile(r"    (?:Session-ID|Session-ID-ctx|Master-Key|Resumption PSK) *: [0-9A-F]+\Z")
_REST_OF_HEX = re.compile(r"[0-9A-F]+\Z")
_CLIENT_ENDS = re.compile(r"DONE\Z")
_SERVER_ENDS = re.compile(r"closed\Z|read:errno=")
_KEYS = {"RENEGOTIATING": "R", "KEYUPDATE": "K"}
_STARTTLS_PROTOCOLS = {"smtp": "smtp", "lmtp": "lmtp", "pop3": "pop3", "imap": "imap", "sieve": "sieve"}


def connections_of(lines: Sequence[Line]) -> list[Connection]:
    """Return the connections that a terminal shows, without its own lines."""
    return _Splitter(lines).split()


class _Splitter:
    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._at = 0
        self._current = Connection()
        self._found: list[Connection] = []
        self._is_openssl = False
        self._is_ticket = False
        self._hex = (0, 0)  # the line after the last one that ends in hex of a ticket, and the width of that
        self._dots = [at for at, line in enumerate(lines) if line.text == "."]
        self._rules = [at for at, line in enumerate(lines) if line.text == "---"]
        self._verdicts = [at for at, line in enumerate(lines) if _PREAMBLE_END.match(line.text)]
        self._messages = [at for at, line in enumerate(lines) if line.text.startswith("354")]

    @cached_property
    def _ends(self) -> list[int]:
        return [at for at, line in enumerate(self._lines) if _is_short(line.text) and _ended_by(line.text)]

    def split(self) -> list[Connection]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if not self._take_message(line):
                self._take(line)
        self._begin()
        return self._found

    def _begin(self) -> None:
        """End the connection under way, if there was one, and begin another."""
        if any(line.text.strip() for line in self._current.lines):
            self._found.append(self._current)
            self._current = Connection()
            self._is_openssl = False
        self._current.lines.clear()

    def _take_message(self, line: Line) -> bool:
        """Take a message as it is, whatever it says: from DATA's 354 to the dot."""
        kept = self._current.lines
        if not line.text.startswith("354") or self._current.ended:
            return False
        said = next((one.text for one in reversed(kept[-8:]) if one.text.strip() and not one.text[:3].isdigit()), "")
        if said.strip().upper().removeprefix("C: ") != "DATA":
            return False
        end = _next(self._dots, self._at)
        if end is None or (_is_within(self._messages, self._at, end) and _is_within(self._ends, self._at, end)):
            return False  # there is no dot, or it is that of another message
        kept += [line, *self._lines[self._at : end + 1]]
        self._at = end + 1
        return True

    def _take(self, line: Line) -> None:
        text = line.text
        if not _is_short(text):
            self._current.lines.append(line)
        elif found := _COMMAND.match(text):
            self._begin()
            self._take_command(found[1], found[2] or "")
        elif found := _first(_BEGINNINGS, text):
            self._begin()
            self._take_place(found)
            if text.startswith("CONNECTED("):
                self._skip_preamble()
        elif found := _first(_PLACES, text):
            self._take_place(found)
        elif (by := _ended_by(text)) and not (by == "client" and text == "Connection closed." and not self._has_lines):
            self._end(by)
        elif _SAID_BY_TOOLS.match(text):
            pass
        elif _PREAMBLE.match(text):
            self._take_tls()
        elif self._is_openssl and self._take_from_openssl(line):
            pass
        elif self._current.ended:
            self._after_end(line)
        else:
            self._current.lines.append(line)

    @property
    def _has_lines(self) -> bool:
        return any(line.text.strip() for line in self._current.lines[-50:])

    def _end(self, by: Literal["client", "server"]) -> None:
        if not self._current.ended:
            self._current.ended = by

    def _after_end(self, line: Line) -> None:
        """Take a line after the connection has ended: the shell's, or what begins another conversation."""
        text = line.text.strip()
        if not text or _BARE_PROMPT.match(line.text) or ("@" in text and text[-1] in "$#%"):
            return
        self._begin()
        self._current.lines.append(line)

    def _take_command(self, program: str, words: str) -> None:
        names = [word for word in words.split() if not word.startswith("-")]
        if program == "openssl s_client":
            self._take_s_client(words.split())
        elif names:
            host, _, port = names[0].rpartition(":") if len(names) == 1 and ":" in names[0] else (names[0], "", "")
            self._current.host = host
            self._current.port = _port_of(port or (names[1] if len(names) > 1 else ""))

    def _take_s_client(self, words: list[str]) -> None:
        options = dict(pairwise(words))
        host, _, port = options.get("-connect", "").rpartition(":")
        self._current.host = host.strip("[]")
        self._current.port = _port_of(port)
        self._current.tls = "starttls" if "-starttls" in options else "implicit"
        self._current.protocol = _STARTTLS_PROTOCOLS.get(options.get("-starttls", ""), "")
        self._is_openssl = True

    def _take_place(self, found: re.Match[str]) -> None:
        host, port, *_ = (*found.groups(""), "", "")
        # What was typed is better than what it was resolved to.
        self._current.host = self._current.host or host.rstrip(".")
        self._current.port = _port_of(port) or self._current.port

    # s_client.

    def _take_tls(self) -> None:
        self._is_openssl = True
        if not self._current.tls:
            self._current.tls = "unknown"

    def _skip_preamble(self) -> None:
        """Skip the certificates and what was agreed upon, up to the '---' after the verdict on them."""
        self._take_tls()
        verdict = _next(self._verdicts, self._at)
        rule = _next(self._rules, verdict) if verdict is not None else None
        if rule is not None:
            self._at = rule + 1

    def _take_from_openssl(self, line: Line) -> bool:
        text = line.text
        if text in _KEYS:
            self._drop_key(_KEYS[text])
        elif _CLIENT_ENDS.match(text):
            self._end("client")
        elif _SERVER_ENDS.match(text):
            self._end("server")
        elif self._is_rest_of_hex(text):
            self._hex = (self._at, len(text))
        elif _TICKET.match(text):
            self._is_ticket = text != "---" and not text.startswith("read ")
            self._hex = (self._at, len(text) if _HEX_OF_TICKET.match(text) else 0)
        elif (
            text.endswith("---")
            and self._at < len(self._lines)
            and self._lines[self._at].text.startswith("Post-Handshake")
        ):  # it has cut the line that it shows (POP3's greeting)
            self._current.tls = "starttls"
            self._current.lines.append(Line(line.number, text.removesuffix("---")))
        else:
            return self._is_ticket and not text.strip()
        return True

    def _is_rest_of_hex(self, text: str) -> bool:
        """Whether a line goes on with a key that began in the one before; neither side ever says only hex there."""
        at, width = self._hex
        is_next = at == self._at - 1 and NARROWEST <= width >= len(text)
        return is_next and _REST_OF_HEX.match(text) is not None

    def _drop_key(self, key: str) -> None:
        """Take back the line that s_client took for a key: one that begins with R asks for a renegotiation."""
        kept = self._current.lines
        if kept and kept[-1].text[:1].upper() == key:
            number = kept.pop().number
            self._current.guesses.append(
                f"line {number} was never sent: s_client takes a line that begins with {key} for a key of its own"
            )


def _is_short(text: str) -> bool:
    """Whether a line may be one of a tool: none of theirs is so long."""
    return len(text) <= _LONGEST


def _port_of(text: str) -> int:
    """Return the port that a text says, 0 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _next(places: Sequence[int], at: int) -> int | None:
    found = bisect_left(places, at)
    return places[found] if found < len(places) else None


def _is_within(places: Sequence[int], start: int, end: int) -> bool:
    found = _next(places, start)
    return found is not None and found < end


def _first(patterns: Sequence[re.Pattern[str]], text: str) -> re.Match[str] | None:
    return next((found for pattern in patterns if (found := pattern.match(text))), None)


def _ended_by(text: str) -> Literal["", "client", "server"]:
    return next((by for pattern, by in _ENDS if pattern.match(text)), "")
