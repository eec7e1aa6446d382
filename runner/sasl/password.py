"""Mechanisms of one or two short messages: PLAIN, LOGIN, CRAM-MD5 and EXTERNAL.

Values are sent exactly as given, without SASLprep: preparing them is the server's part here (RFC 4616,
section 2), and a tester wants to see whether it does it.
"""

from __future__ import annotations

import hmac
import re

from runner.sasl.mechanism import ClientFirst, Credentials, ServerFirst

# RFC 822's msg-id, without its blanks and quoted parts: no server is known to send those.
_MSG_ID = re.compile(rb"<[!-;=?-~]+>")


class Plain(ClientFirst):
    """PLAIN (RFC 4616): authzid, NUL, username, NUL, password."""

    name = "PLAIN"
    wants = ("username", "password")
    is_readable = True

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        values = (credentials.authzid, credentials.username, credentials.password)
        parts = zip(values, ("authzid", "username", "password"), strict=True)
        self._message = b"\0".join(self._encode(value, field, "\0") for value, field in parts)

    def initial(self) -> bytes:
        """Return the whole message; nothing else is ever sent."""
        self._due, self._is_complete = None, True
        return self._message


class External(ClientFirst):
    """EXTERNAL (RFC 4422, appendix A): the identity is proved below, as by a TLS client certificate.

    The message is the authzid, empty for the identity that the certificate gives.
    """

    name = "EXTERNAL"
    wants = ()
    proves_by_certificate = True

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        self._message = self._encode(credentials.authzid, "authzid", "\0")

    def initial(self) -> bytes:
        """Return the authzid; nothing else is ever sent."""
        self._due, self._is_complete = None, True
        return self._message


class Login(ServerFirst):
    """LOGIN (draft-murchison-sasl-login): the username, then the password.

    The prompts are answered by their order: servers differ in their words (`Username:`, `User Name`).
    """

    name = "LOGIN"
    wants = ("username", "password")
    is_readable = True

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        self._username = self._encode(credentials.username, "username")
        self._password = self._encode(credentials.password, "password")

    def _open(self, challenge: bytes) -> bytes:
        self._check_prompt(challenge, "username")
        self._due = self._answer_password
        return self._username

    def _answer_password(self, challenge: bytes) -> bytes:
        self._check_prompt(challenge, "password")
        self._is_complete = True
        return self._password

    def _check_prompt(self, challenge: bytes, field: str) -> None:
        if not challenge:
            raise self._error(f"the challenge that asks for the {field} is empty, a prompt was due")


class CramMd5(ServerFirst):
    """CRAM-MD5 (RFC 2195): the username and the keyed MD5 of the challenge, in hex."""

    name = "CRAM-MD5"
    wants = ("username", "password")

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        self._username = self._encode(credentials.username, "username")
        self._password = self._encode(credentials.password, "password")

    def _open(self, challenge: bytes) -> bytes:
        if not _MSG_ID.fullmatch(challenge) or challenge.count(b"@") != 1:
            raise self._error("the challenge does not have the form '<…@host>' (RFC 2195, section 2)")
        digest = self._digest(challenge)
        self._is_complete = True
        return self._username + b" " + digest.encode()

    def _digest(self, challenge: bytes) -> str:
        try:
            return hmac.new(self._password, challenge, "md5").hexdigest()
        except ValueError:
            # OpenSSL in FIPS mode has no MD5.
            raise self._error("this machine's cryptography policy does not allow MD5") from None
