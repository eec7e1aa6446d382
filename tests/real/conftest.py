"""The real servers of `tests.servers`, started once a run. Where one can't start, its tests fail; none is skipped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.servers import DovecotServer, Listeners, Running, cyrus_sasl, dovecot_lmtp, exim, postfix, server_root


@contextlib.contextmanager
def _postfix(**variation: bool) -> Iterator[Listeners]:
    with server_root() as root, postfix(root, **variation) as server:
        yield server


@contextlib.contextmanager
def _exim(**variation: bool) -> Iterator[Listeners]:
    with server_root() as root, exim(root, **variation) as server:
        yield server


@pytest.fixture(scope="session")
def postfix_server() -> Iterator[Listeners]:
    """A Postfix as it should be."""
    with _postfix() as server:
        yield server


@pytest.fixture(scope="session")
def exim_server() -> Iterator[Listeners]:
    """An Exim as it should be."""
    with _exim() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[DovecotServer]:
    """Dovecot's LMTP server."""
    with server_root() as root, dovecot_lmtp(root) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus_server() -> Iterator[Callable[..., contextlib.AbstractContextManager[Running]]]:
    """A function that runs a server whose AUTH is Cyrus SASL's, see `cyrus_sasl`."""
    with server_root() as root, cyrus_sasl(root) as start:
        yield start


@pytest.fixture(scope="session")
def broken_postfix() -> Iterator[Callable[[str], Listeners]]:
    """A factory of Postfixes that are broken in the way named, a field of `PostfixVariation`; each is started once."""
    yield from _broken(_postfix)


@pytest.fixture(scope="session")
def broken_exim() -> Iterator[Callable[[str], Listeners]]:
    """The same for Exim and `EximVariation`."""
    yield from _broken(_exim)


def _broken(
    server: Callable[..., contextlib.AbstractContextManager[Listeners]],
) -> Iterator[Callable[[str], Listeners]]:
    started: dict[str, Listeners] = {}
    with contextlib.ExitStack() as stack:

        def start(variation: str) -> Listeners:
            if variation not in started:
                started[variation] = stack.enter_context(server(**{variation: True}))
            return started[variation]

        yield start
