"""The certificate that a server of ours shows: made on the spot, or from the user's files.

It imports `ssl`, which is slow to come, so it is itself imported when a server starts.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from runner.errors import ToolError
from runner.net import Broken, load_certificate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack


def make(names: Iterable[str], whose: str, stack: ExitStack) -> tuple[ssl.SSLContext, Path]:
    """Return a context with a new certificate for `names`, empty ones left out, and the PEM file of its CA.

    The file is alone in a folder with `whose` in its name, which `stack` removes.

    Raises:
        ModuleNotFoundError: the extra `demo` is not installed.
        ValueError: something is no name and no address.
    """
    import trustme  # noqa: PLC0415 -- the extra

    context = _new_context()
    authority = trustme.CA()
    authority.issue_cert(*dict.fromkeys(filter(None, names))).configure_cert(context)
    folder = stack.enter_context(TemporaryDirectory(prefix=f"mailproof-{whose}-"))
    path = Path(folder, "ca.pem")
    authority.cert_pem.write_to_path(path)
    return context, path


def load(certificate: str, key: str) -> ssl.SSLContext:
    """Return a context with the certificate and the key of PEM files; without `key` both are in one.

    Raises:
        ToolError: a file can't be read, or does not hold what it should.
    """
    context = _new_context()
    try:
        load_certificate(context, certificate, key)
    except Broken as error:
        raise ToolError(f"can't use the certificate: {error.fault.detail}") from error
    return context


def _new_context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
