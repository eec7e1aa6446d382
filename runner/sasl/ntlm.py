"""NTLM (MS-SMTPNTLM, MS-NLMP): negotiate, challenge, authenticate, as Exchange and its kin speak it.

The messages are pyspnego's, an extra that is imported with the first exchange. It draws its own randomness, takes the
time from the challenge, and tells the server this machine's name where that asks for it.
"""

from __future__ import annotations

from runner.sasl.mechanism import ClientFirst, Credentials, SaslUnableError


class Ntlm(ClientFirst):
    r"""NTLM, version 2; the username may be `DOMAIN\user` or `user@domain`."""

    name = "NTLM"
    wants = ("username", "password")
    extra = "ntlm"
    opens_with_text = True
    encoding = "utf-16-le"

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        try:
            import spnego  # noqa: PLC0415 -- an extra
        except ModuleNotFoundError as error:
            raise self._missing() from error
        username = self._encode(credentials.username, "username", "\0").decode()
        password = self._encode(credentials.password, "password", "\0").decode()
        try:
            self._context = spnego.client(
                username,
                password,
                hostname=credentials.host or "unspecified",
                service=credentials.service or "smtp",
                protocol="ntlm",
                options=spnego.NegotiateOptions.use_ntlm,
            )
        except Exception:  # noqa: BLE001 -- whatever it is, it may hold the password and is not chained
            raise SaslUnableError("NTLM: this machine's settings for NTLM don't allow it") from None

    def initial(self) -> bytes:
        """Return the negotiate message."""
        self._due = self._authenticate
        return self._step(b"")

    def _authenticate(self, challenge: bytes) -> bytes:
        if not challenge.startswith(b"NTLMSSP\0\2\0\0\0"):
            raise self._error("the server's message is no NTLM challenge")
        message = self._step(challenge)
        self._is_complete = True
        return message

    def _step(self, message: bytes) -> bytes:
        try:
            return self._context.step(message) or b""
        except Exception:  # noqa: BLE001 -- a hostile challenge breaks the library in many ways
            raise self._error("the server's challenge can't be read (MS-NLMP section 2.2.1.2)") from None
