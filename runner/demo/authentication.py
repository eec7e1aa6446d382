"""The server's side of AUTH (RFC 4954): a function for each mechanism, which asks and returns who logged in."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest, digest
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.demo.post import PostOffice

#: Sends a challenge, returns the response; both without base64.
Ask = Callable[[bytes], Awaitable[bytes]]
#: Takes the initial response, if there is one; returns the user's name.
Mechanism = Callable[[bytes | None, Ask, "PostOffice"], Awaitable[str]]


class AuthError(Exception):
    """An AUTH exchange that ends without success; its text is the reply."""


async def login(initial: bytes | None, ask: Ask, post: PostOffice) -> str:
    """LOGIN (draft-murchison-sasl-login)."""
    user = initial if initial is not None else await ask(b"Username:")
    return _check_password(post, user, await ask(b"Password:"))


async def plain(initial: bytes | None, ask: Ask, post: PostOffice) -> str:
    """PLAIN (RFC 4616)."""
    parts = (initial if initial is not None else await ask(b"")).split(b"\0")
    if len(parts) != 3:
        raise AuthError("501 5.5.2 malformed PLAIN response")
    authzid, user, password = parts
    if authzid not in {b"", user}:
        raise AuthError("535 5.7.8 authentication credentials invalid")
    return _check_password(post, user, password)


async def cram_md5(initial: bytes | None, ask: Ask, post: PostOffice) -> str:
    """CRAM-MD5 (RFC 2195)."""
    if initial is not None:
        raise AuthError("501 5.5.4 CRAM-MD5 takes no initial response")
    challenge = f"<{token_hex(12)}@{post.settings.hostname}>".encode()
    user, _, answer = (await ask(challenge)).rpartition(b" ")
    name = user.decode(errors="replace")
    expected = digest(post.password_of(name), challenge, "md5").hex()
    return _same(name, expected.encode(), answer)


MECHANISMS: Mapping[str, Mechanism] = {"LOGIN": login, "PLAIN": plain, "CRAM-MD5": cram_md5}


def decode(text: str) -> bytes:
    """Return what base64 `text` says; a lone `=` is an empty response (RFC 4954, section 4).

    Raises:
        AuthError: it is no base64.
    """
    try:
        return b"" if text == "=" else b64decode(text, validate=True)
    except ValueError as error:
        raise AuthError("501 5.5.2 can't decode base64") from error


def _check_password(post: PostOffice, user: bytes, password: bytes) -> str:
    name = user.decode(errors="replace")
    return _same(name, post.password_of(name), password)


def _same(user: str, expected: bytes, given: bytes) -> str:
    if not compare_digest(expected, given):
        raise AuthError("535 5.7.8 authentication credentials invalid")
    return user
