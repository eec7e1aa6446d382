"""GSSAPI (RFC 4752): Kerberos tokens, then the choice of a security layer, which here is none: TLS is that.

Tokens come from the system's Kerberos through pyspnego, an extra that is imported with the first exchange. It may ask
a Kerberos server for a ticket and wait for it, so every message is made beside the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import escape
from runner.sasl.mechanism import ClientFirst, Credentials, SaslUnableError

if TYPE_CHECKING:
    from spnego import ContextProxy

# RFC 4752, section 3.3: the layers' bits, and the length of what names them and the largest message.
NO_LAYER = 1
_OFFER = 4


class GssApi(ClientFirst):
    """GSSAPI, without a security layer.

    Without a username and password the tickets of the system's cache are used (`kinit`).
    """

    name = "GSSAPI"
    wants = ()
    extra = "gssapi"
    may_wait = True
    _too_early = "the server reported success without proving that it is the service"

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        try:
            import gssapi  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415 -- an extra
            import spnego  # noqa: F401, PLC0415
        except ImportError as error:
            raise self._missing() from error
        if not credentials.host:
            raise SaslUnableError("GSSAPI: the server has no host name to have a ticket for")
        self._credentials = credentials
        self._authzid = self._encode(credentials.authzid, "authzid", "\0")
        self._context: ContextProxy

    def initial(self) -> bytes:
        """Return the first token; this may wait for a Kerberos server.

        Raises `SaslUnableError` when there is no ticket.
        """
        try:
            self._context = self._new_context()
            token = self._context.step()
        except Exception as error:  # noqa: BLE001 -- three libraries' own
            service = f"{self._credentials.service or 'smtp'}/{self._credentials.host}"
            raise SaslUnableError(f"GSSAPI: no ticket for {escape(service)}: {_reason(error)}") from None
        self._due = self._negotiate
        return token or b""

    def _new_context(self) -> ContextProxy:
        import spnego  # noqa: PLC0415

        wanted = spnego.ContextReq
        return spnego.client(
            self._credentials.username or None,
            self._credentials.password or None,
            hostname=self._credentials.host,
            service=self._credentials.service or "smtp",
            protocol="kerberos",
            context_req=wanted.mutual_auth | wanted.integrity | wanted.replay_detect | wanted.sequence_detect,
        )

    def _negotiate(self, challenge: bytes) -> bytes:
        """Answer a token; once the context is established, with what is left or nothing (section 3.1)."""
        try:
            token = self._context.step(challenge)
        except Exception as error:  # noqa: BLE001
            raise self._error(f"the server's token is not accepted: {_reason(error)}") from None
        self._due = self._choose_layer if self._context.complete else self._negotiate
        return token or b""

    def _choose_layer(self, challenge: bytes) -> bytes:
        """Answer the server's offer of layers with no layer, and whom to act as (section 3.1)."""
        try:
            offer = self._context.unwrap(challenge).data
        except Exception as error:  # noqa: BLE001
            raise self._error(f"the server's offer of layers is not authentic: {_reason(error)}") from None
        if len(offer) != _OFFER:
            raise self._error(f"the server's offer of layers has {len(offer)} bytes, not {_OFFER}")
        if not offer[0] & NO_LAYER:
            raise self._error("the server demands a security layer of its own; here TLS is that")
        self._is_complete = True
        return self._context.wrap(bytes((NO_LAYER, 0, 0, 0)) + self._authzid, encrypt=False).data


def _reason(error: Exception) -> str:
    """Return a library's reason on one line."""
    return escape(" ".join(str(error).split())) or type(error).__name__
