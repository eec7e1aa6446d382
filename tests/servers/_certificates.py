"""Certificates for the servers, from a CA of their own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "127.0.0.2", "mail.example.com")
WRONG_NAMES = ("elsewhere.example.org",)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of PEM files: the CA that vouches, the server's key, and its certificate chain; and that CA itself."""

    ca: Path
    key: Path
    chain: Path
    authority: trustme.CA

    def issue(self, name: str) -> trustme.LeafCert:
        """Return another certificate of the CA."""
        return self.authority.issue_cert(name)


def certificate(folder: Path, *, expired: bool = False, wrong_name: bool = False) -> Certificate:
    """Write a new CA and a server certificate below `folder`; with `expired` it ended in 2001."""
    ca = trustme.CA()
    names = WRONG_NAMES if wrong_name else NAMES
    end = dt.datetime(2001, 1, 1, tzinfo=dt.UTC) if expired else None
    leaf = ca.issue_cert(*names, common_name=names[0], not_after=end)
    made = Certificate(folder / "ca.pem", folder / "key.pem", folder / "chain.pem", ca)
    ca.cert_pem.write_to_path(str(made.ca))
    leaf.private_key_pem.write_to_path(str(made.key))
    made.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return made
