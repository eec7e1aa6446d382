"""What varies by itself in a server's text: named rules for dates, queue ids, addresses and the like.

The rules are few and strict, for what they find is compared no more. All run in time that is linear in a line,
whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import field

from runner.dataclass import dataclass

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
_ZONE = r"(?: ?(?:[+-]\d{2}:?\d{2}|Z|UTC|GMT)\b(?: \([A-Z]{1,5}\))?)?"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


@dataclass(frozen=True, slots=True)
class Varying:
    """One kind of what varies: its name, what it is for a reader, and where it is."""

    name: str
    hides: str
    pattern: re.Pattern[str] = field(repr=False)


def _varying(name: str, hides: str, *patterns: str) -> Varying:
    return Varying(name, hides, re.compile("|".join(patterns)))


#: What the house knows to vary, in the order in which it is to be looked for.
VARYING: tuple[Varying, ...] = (
    # These may hold what looks like a date.
    _varying(
        "number",
        "numbers of an IMAP mailbox: UIDVALIDITY, UIDNEXT, APPENDUID and the like, EXISTS, RECENT, SEARCH",
        r"(?<=UIDVALIDITY )\d+|(?<=UIDNEXT )\d+|(?<=HIGHESTMODSEQ )\d+|(?<=MODSEQ \()\d+|(?<=UNSEEN )\d+",
        r"(?<=APPENDUID )[\d ,:]+|(?<=COPYUID )[\d ,:]+|(?<=MESSAGES )\d+|(?<=UID )\d+|(?<=RFC822\.SIZE )\d+",
        r"(?<=^\* )\d+(?= (?:EXISTS|RECENT|EXPUNGE|FETCH)\b)|(?<=^\* SEARCH )[\d ]+|(?<=^\* SORT )[\d ]+",
        r"(?<=\{)\d+(?=\+?\}$)",
    ),
    _varying(
        "session id",
        "what servers call a session, and UUIDs",
        r"(?<=SESSIONID=)<[^<>\s]{1,250}>",
        r"(?i:(?<=session=)|(?<=session:)|(?<=session id ))[\w<>=+/.-]{4,128}",
        r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b",
    ),
    _varying(
        "date",
        "dates with or without a time: RFC 5322, ISO 8601, IMAP, those of C; seconds since 1970",
        rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{{1,2}} {_MONTH} \d{{4}}(?: {_CLOCK}{_ZONE})?",
        rf"\b\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK}{_ZONE})?",
        rf"[ \d]\d-{_MONTH}-\d{{4}}(?: {_CLOCK}{_ZONE})?",
        rf"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} {{1,2}}\d{{1,2}} {_CLOCK}(?: [A-Z]{{3,5}})? \d{{4}}",
        r"(?<![\w.])1[4-9]\d{8}(?:\.\d{1,6}|\d{3})?(?![\w.])",
    ),
    _varying(
        "message id",
        "Message-IDs where they are called so, and where an id and a queue id are told together",
        r"(?<=Message-ID: )<[^<>\s]{1,250}>",
        r"(?<=message-id=)<?[^<>\s,]{1,250}>?",
        r"<[^<>\s@]{1,128}@[^<>\s@]{1,128}>(?= \[InternalId=)",
    ),
    _varying(
        "timestamp", "the timestamp of APOP (RFC 1939) and CRAM-MD5", r"<[0-9a-f]+\.[^<>\s@]{1,128}@[^<>\s@]{1,128}>"
    ),
    _varying(
        "queue id",
        "queue ids of Postfix (short and long), Exim, Sendmail, Exchange; ids of a delivery by LMTP",
        r"(?<=queued as )[0-9A-Za-z]{6,20}\b",
        r"(?<=id=)[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}\b",
        r"\b[0-9A-Za-z]{8}\d{6}(?= Message accepted)",
        r"(?<=\[InternalId=)\d+",
        r"(?<=> )[0-9A-Za-z+/=]{16,40}(?::R\d{1,5})?(?= Saved)",
        r"(?<= )[0-9A-Za-z._-]{10,80}(?= - gsmtp)",
    ),
    _varying(
        "mailbox id",
        "ids of IMAP's mailboxes, messages, threads (RFC 8474)",
        r"(?<=MAILBOXID \()[^()\s]{1,255}|(?<=EMAILID \()[^()\s]{1,255}|(?<=THREADID \()[^()\s]{1,255}",
    ),
    _varying(
        "address",
        "IPv4 and IPv6 addresses, with a port behind them",
        rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w.]*\d)(?:\]?:\d{{1,5}}\b)?",
        r"(?<![\w:.])(?:IPv6:)?(?:[0-9A-Fa-f]{1,4}:){2,7}(?::|[0-9A-Fa-f]{1,4})(?::?[0-9A-Fa-f]{1,4}){0,6}(?![\w:])",
        r"(?<![\w:.])(?:IPv6:)?::(?:1\b|(?i:ffff):)",
    ),
    _varying("port", "ports that are called so", r"(?i:(?<=port )|(?<=port=))\d{1,5}\b"),
    _varying(
        "duration",
        "how long something took, with a fraction",
        r"\d+\.\d+(?: \+ \d+\.\d+){1,5} secs?\b",
        r"(?<![\w.])\d+\.\d+ ?(?:ms|msecs?|s|secs?|seconds?)\b",
    ),
    _varying(
        "process id",
        "process ids in brackets behind a name, or called so",
        r"(?<=\w\[)\d{2,8}(?=\])",
        r"(?i:(?<=pid[ =]))\d+",
    ),
)
