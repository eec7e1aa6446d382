"""The keyword lines of an EHLO or LHLO reply (RFC 5321 section 4.1.1.1), whatever a server makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.protocol.reply import decode

_OLD_AUTH = b"AUTH="


def parse_capabilities(lines: Iterable[bytes]) -> Mapping[str, tuple[str, ...]]:
    """Read keyword lines: names in upper case, parameters as written and once each; nothing raises.

    `AUTH=LOGIN` (an old form that some servers send beside `AUTH`) is a name of its own and counts as AUTH too.
    Blanks and case are those of ASCII: what looks like a name only to Unicode is no offer.

    >>> parse_capabilities([b"SIZE 1000", b"AUTH LOGIN", b"auth=PLAIN"])
    {'SIZE': ('1000',), 'AUTH': ('LOGIN', 'PLAIN'), 'AUTH=PLAIN': ()}
    """
    found: dict[bytes, dict[bytes, bytes]] = {}

    def add(name: bytes, parameters: list[bytes]) -> None:
        known = found.setdefault(name, {})
        for word in parameters:
            known.setdefault(word.upper(), word)

    for line in lines:
        name, *parameters = line.split() or [b""]
        if not name:
            continue
        if name.upper().startswith(_OLD_AUTH):
            add(b"AUTH", [word for word in (name[len(_OLD_AUTH) :], *parameters) if word])
        add(name.upper(), parameters)
    return {decode(name): tuple(map(decode, words.values())) for name, words in found.items()}


def parse_capability_words(words: Iterable[bytes]) -> Mapping[str, tuple[str, ...]]:
    """Read the words of an IMAP capability list (RFC 9051 section 7.2.2); nothing raises.

    `NAME=VALUE` is a name of its own and counts as `NAME` with the parameter `VALUE`, too.

    >>> parse_capability_words([b"IMAP4rev1", b"AUTH=PLAIN", b"AUTH=LOGIN", b"APPENDLIMIT=1000"])["AUTH"]
    ('PLAIN', 'LOGIN')
    """
    return parse_capabilities(line for word in words for line in _as_lines(word))


def is_told_by_another(name: str, offered: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a capability is another way to say what stands under a name already: `AUTH=PLAIN` beside AUTH.

    >>> is_told_by_another("AUTH=PLAIN", {"AUTH": ("PLAIN",), "AUTH=PLAIN": ()})
    True
    """
    base, equals, value = name.partition("=")
    return bool(equals) and not offered[name] and value in {word.upper() for word in offered.get(base, ())}


def _as_lines(word: bytes) -> tuple[bytes, ...]:
    name, _, value = word.partition(b"=")
    return (b"%b %b" % (name, value), word) if name and value else (word,)
