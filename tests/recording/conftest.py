"""A small mail server to record with."""

from __future__ import annotations

import pytest
from fake_server import FakeServer
from recordings import mail_server


@pytest.fixture
def server():
    """Return a small mail server."""
    with FakeServer(mail_server) as server:
        yield server
