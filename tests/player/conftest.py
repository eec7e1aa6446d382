"""The fixture of the player's tests."""

from __future__ import annotations

import pytest
from playing import run_steps


@pytest.fixture
def run():
    """Return `run_steps`: plays steps (YAML) against a server in memory."""
    return run_steps
