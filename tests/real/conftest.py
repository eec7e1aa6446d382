"""The real servers of `tests.servers`, started once a run. Where one can't start, its tests fail; none is skipped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.servers import (
    CyrusImapServer,
    DovecotServer,
    Listeners,
    MailboxServer,
    MailChain,
    Running,
    cyrus_imap,
    cyrus_sasl,
    dovecot_lmtp,
    dovecot_mailboxes,
    exim,
    mail_chain,
    postfix,
    server_root,
)
from tests.servers._cyrus_imap import OWN as CYRUS_OWN
from tests.servers._mailboxes import OWN

_Server = TypeVar("_Server")


@contextlib.contextmanager
def _postfix(**variation: bool) -> Iterator[Listeners]:
    with server_root() as root, postfix(root, **variation) as server:
        yield server


@contextlib.contextmanager
def _exim(**variation: bool) -> Iterator[Listeners]:
    with server_root() as root, exim(root, **variation) as server:
        yield server


@contextlib.contextmanager
def _mailboxes(**variation: bool) -> Iterator[MailboxServer]:
    with server_root() as root, dovecot_mailboxes(root, **variation) as server:
        yield server


@contextlib.contextmanager
def _chain(**variation: bool) -> Iterator[MailChain]:
    with server_root() as root, mail_chain(root, **variation) as chain:
        yield chain


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


@pytest.fixture(scope="session", name="mail_chain")
def start_mail_chain() -> Iterator[MailChain]:
    """A Postfix that delivers to a Dovecot, both as they should be."""
    with _chain() as chain:
        yield chain


@pytest.fixture(scope="session")
def mailbox_server(mail_chain: MailChain) -> MailboxServer:
    """The Dovecot of `mail_chain`: IMAP, POP3, ManageSieve, LMTP, submission."""
    return mail_chain.mailboxes


@pytest.fixture(scope="session")
def new_user() -> Callable[[], str]:
    """A function that names a user with an empty mailbox, another one each time, for `of` of the mailbox servers."""
    return iter(OWN).__next__


@pytest.fixture
def own_chain(mail_chain: MailChain, new_user: Callable[[], str]) -> MailChain:
    """The doors of `mail_chain` for a user whose mailbox is the test's own and empty."""
    return mail_chain.of(new_user())


@pytest.fixture
def own_mailboxes(own_chain: MailChain) -> MailboxServer:
    """The same of `mailbox_server`."""
    return own_chain.mailboxes


@pytest.fixture(scope="session")
def cyrus_imap_server() -> Iterator[CyrusImapServer]:
    """Cyrus IMAP: IMAP, POP3, ManageSieve, LMTP."""
    with server_root() as root, cyrus_imap(root) as server:
        yield server


@pytest.fixture(scope="session")
def new_cyrus_user() -> Callable[[], str]:
    """A function that names a user of it with an empty mailbox, another one each time."""
    return iter(CYRUS_OWN).__next__


@pytest.fixture
def own_cyrus_imap(cyrus_imap_server: CyrusImapServer, new_cyrus_user: Callable[[], str]) -> CyrusImapServer:
    """Its doors for a user whose mailbox is the test's own and empty."""
    return cyrus_imap_server.of(new_cyrus_user())


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


@pytest.fixture(scope="session")
def broken_mailboxes() -> Iterator[Callable[[str], MailboxServer]]:
    """The same for a Dovecot alone and `MailboxVariation`."""
    yield from _broken(_mailboxes)


@pytest.fixture(scope="session")
def broken_chain() -> Iterator[Callable[[str], MailChain]]:
    """The same for Postfix and Dovecot, and the variations of both."""
    yield from _broken(_chain)


def _broken(
    server: Callable[..., contextlib.AbstractContextManager[_Server]],
) -> Iterator[Callable[[str], _Server]]:
    started: dict[str, _Server] = {}
    with contextlib.ExitStack() as stack:

        def start(variation: str) -> _Server:
            if variation not in started:
                started[variation] = stack.enter_context(server(**{variation: True}))
            return started[variation]

        yield start
