"""The GS2 header (RFC 5801, section 4), with which SCRAM and OAUTHBEARER open their first message."""

from __future__ import annotations

# The client does not support channel binding; it does, but believes that the server does not; it is used.
NO_BINDING, NOT_OFFERED, WITH_BINDING = b"n", b"y", b"p="


def header(authzid: bytes, flag: bytes = NO_BINDING) -> bytes:
    """Return the header: the channel binding flag and the identity to act as, if any.

    >>> header(b"a,b"), header(b"")
    (b'n,a=a=2Cb,', b'n,,')
    """
    return flag + b"," + (b"a=" + escape_saslname(authzid) if authzid else b"") + b","


def escape_saslname(name: bytes) -> bytes:
    """Return `name` as it stands between commas, with `,` and `=` escaped."""
    return name.replace(b"=", b"=3D").replace(b",", b"=2C")
