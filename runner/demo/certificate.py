"""The certificate that the embedded server shows: made on the spot, or from the user's files.

It imports what makes certificates, so it is itself imported when a server starts.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import trustme

from runner.errors import ToolError
from runner.net import Broken, load_certificate

if TYPE_CHECKING:
    from contextlib import ExitStack

    from runner.demo.settings import DemoSettings


def make(settings: DemoSettings, stack: ExitStack) -> tuple[ssl.SSLContext, Path]:
    """Return a context with a new certificate, and the PEM file of its CA, alone in a folder that `stack` removes."""
    context = _new_context()
    authority = trustme.CA()
    names = (settings.hostname, "localhost", "127.0.0.1", "::1", settings.host)
    authority.issue_cert(*dict.fromkeys(name for name in names if name)).configure_cert(context)
    folder = stack.enter_context(TemporaryDirectory(prefix="mailproof-demo-"))
    path = Path(folder, "ca.pem")
    authority.cert_pem.write_to_path(path)
    return context, path


def load(settings: DemoSettings) -> ssl.SSLContext:
    """Return a context with the certificate of the settings.

    Raises:
        ToolError: a file can't be read, or does not hold what it should.
    """
    context = _new_context()
    try:
        load_certificate(context, settings.certificate, settings.key)
    except Broken as error:
        raise ToolError(f"can't use the certificate: {error.fault.detail}") from error
    return context


def _new_context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
