"""The mechanisms that are known, by name. Adding one is one entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from runner.errors import escape
from runner.sasl.gssapi import GssApi
from runner.sasl.mechanism import Credentials, Mechanism, SaslError
from runner.sasl.ntlm import Ntlm
from runner.sasl.oauth import OAuthBearer, XOAuth2
from runner.sasl.password import CramMd5, External, Login, Plain
from runner.sasl.scram import ScramSha1, ScramSha1Plus, ScramSha256, ScramSha256Plus

# The strongest first: what binds to the TLS connection, what shows no secret, a token, the password itself.
_KNOWN: tuple[type[Mechanism], ...] = (
    ScramSha256Plus,
    ScramSha1Plus,
    ScramSha256,
    ScramSha1,
    External,
    CramMd5,
    OAuthBearer,
    XOAuth2,
    Plain,
    Login,
    Ntlm,
    GssApi,
)

MECHANISMS: Mapping[str, type[Mechanism]] = MappingProxyType({known.name: known for known in _KNOWN})


def create(name: str, credentials: Credentials, nonce: str = "") -> Mechanism:
    """Return a mechanism, by its name in any case, ready for one exchange.

    `nonce` is fresh randomness for the mechanisms that need it (SCRAM): printable ASCII without a comma,
    128 bits or more. Raises `SaslError` for an unknown name, or for values that the mechanism can't carry.
    """
    known = MECHANISMS.get(name.upper())
    if known is None:
        raise SaslError(f"unknown SASL mechanism '{escape(name)}': {_advice(name)}")
    return known(credentials, nonce)


def strongest(offered: Iterable[str], allowed: Callable[[type[Mechanism]], bool]) -> str:
    """Return the strongest of the mechanisms that a server offers and that are allowed; empty if there is none.

    >>> strongest(["PLAIN", "CRAM-MD5", "X"], lambda mechanism: "password" in mechanism.wants)
    'CRAM-MD5'
    """
    names = {name.upper() for name in offered}
    return next((name for name, known in MECHANISMS.items() if name in names and allowed(known)), "")


def _advice(name: str) -> str:
    import difflib  # noqa: PLC0415 - costs a run 1.5 ms, and only a mistake needs it

    near = difflib.get_close_matches(name.upper(), MECHANISMS, n=2)
    if near:
        return "did you mean " + " or ".join(f"'{match}'" for match in near) + "?"
    return "known are " + ", ".join(MECHANISMS)
