"""Mechanisms that present an OAuth 2.0 bearer token: XOAUTH2 and OAUTHBEARER.

Both send one message. A server that refuses it may first send a challenge of JSON that says why; the client
answers it with next to nothing, and the failure follows. The JSON is kept as the mechanism's `refusal`.
"""

from __future__ import annotations

import abc
import json
from typing import ClassVar

from runner.sasl import gs2
from runner.sasl.mechanism import ClientFirst, Credentials

_CONTROL_A = b"\x01"


class _Bearer(ClientFirst):
    """One message with a token, then perhaps the JSON of a refusal."""

    wants = ("username", "token")
    is_readable = True
    _acknowledgement: ClassVar[bytes]

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        self._message = self._compose(credentials)

    @abc.abstractmethod
    def _compose(self, credentials: Credentials) -> bytes:
        """Return the client's one message."""

    def initial(self) -> bytes:
        """Return the message with the token."""
        self._due, self._is_complete = self._acknowledge, True
        return self._message

    def _acknowledge(self, challenge: bytes) -> bytes:
        if not _is_json_object(challenge):
            raise self._error("the challenge after the token is not a JSON object that tells of an error")
        self._refusal = challenge.decode().strip()
        return self._acknowledgement

    def _part(self, value: str, field: str) -> bytes:
        return self._encode(value, field, forbidden="\0\x01")


class XOAuth2(_Bearer):
    """XOAUTH2 (Google's "OAuth 2.0 Mechanism" for mail): `user=` and `auth=`, each with Control-A."""

    name = "XOAUTH2"
    _acknowledgement = b""

    def _compose(self, credentials: Credentials) -> bytes:
        user = self._part(credentials.username, "username")
        token = self._part(credentials.token, "token")
        return b"user=" + user + b"\x01auth=Bearer " + token + b"\x01\x01"


class OAuthBearer(_Bearer):
    """OAUTHBEARER (RFC 7628, section 3.1): a GS2 header, then key/value pairs between Control-A.

    The header's `a=` is the authzid, or the username where there is none; without either it is left out.
    """

    name = "OAUTHBEARER"
    _acknowledgement = _CONTROL_A

    def _compose(self, credentials: Credentials) -> bytes:
        pairs = [b"auth=Bearer " + self._part(credentials.token, "token")]
        if credentials.port:
            pairs.insert(0, b"port=%d" % credentials.port)
        if credentials.host:
            pairs.insert(0, b"host=" + self._part(credentials.host, "host"))
        return _CONTROL_A.join([self._header(credentials), *pairs, b"", b""])

    def _header(self, credentials: Credentials) -> bytes:
        identity = self._part(credentials.authzid or credentials.username, "username or authzid")
        return gs2.header(identity)


def _is_json_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        # 64 KiB of brackets nest deeper than the parser goes.
        return False
