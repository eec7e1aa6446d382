"""The manual's examples for what a real server alone can show: run as they are printed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.results import Outcome
from tests.documented import DOCS, SERVERS, Block, yaml_blocks
from tests.running import described, run_case
from tests.servers import Running
from tests.servers._running import SENDER

EXAMPLES = yaml_blocks("real")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n", re.DOTALL)


@pytest.fixture
def serve(request) -> Callable[[str], object]:
    """A function that runs the server of a name for the time of a `with`."""

    @contextmanager
    def running(name: str) -> Iterator[Running]:
        kind, _, variation = name.partition("-")
        if kind == "cyrus":
            with request.getfixturevalue("cyrus_server")("tls-server-end-point") as server:
                yield server
        elif kind == "mailbox":
            yield getattr(request.getfixturevalue("own_mailboxes"), variation)
        elif kind == "strict":
            yield getattr(request.getfixturevalue("broken_mailboxes")("requires_tls"), variation)
        elif kind == "chain":
            yield request.getfixturevalue("own_chain").mx.plain
        elif kind == "dovecot":
            yield request.getfixturevalue("dovecot_server").tcp
        elif variation:
            yield request.getfixturevalue(f"broken_{kind}")(variation.replace("-", "_")).plain
        else:
            yield request.getfixturevalue(f"{kind}_server").plain

    return running


def lay_out(folder: Path, running: Running) -> None:
    """Put the files that the examples name where they name them."""
    shutil.copytree(DOCS / "messages", folder / "messages")
    if not running.ca:
        return
    (folder / "tls").mkdir()
    shutil.copy(running.ca, folder / "tls" / "roots.pem")
    client = Path(running.ca).parent / "client.pem"
    if client.exists():
        pair = client.read_text()
        key = _KEY.search(pair)
        assert key is not None
        (folder / "tls" / "client-key.pem").write_text(key[0])
        (folder / "tls" / "client.pem").write_text(pair.replace(key[0], ""))


def sessions_of(block: Block, request) -> dict[str, Running]:
    """Return the servers of an example's further sessions: a session's target is called like the server's door."""
    named = re.findall(r"^ *(\w+): \{target: (\w+), protocol: \w+\}$", block.text, re.MULTILINE)
    named += re.findall(r"^sessions: \{(\w+): \{target: (\w+), protocol: \w+\}\}$", block.text, re.MULTILINE)
    if not block.words[1].startswith(("mailbox", "chain")):
        return {}
    mailboxes = request.getfixturevalue("own_mailboxes")
    return {session: getattr(mailboxes, door) for session, door in named}


@pytest.mark.parametrize("block", EXAMPLES)
def test_it_passes(block: Block, serve, request, tmp_path):
    """What the manual says works does, with nothing to be warned of."""
    with serve(block.words[1]) as running:
        lay_out(tmp_path, running)
        path = tmp_path / "example.yaml"
        path.write_text(block.text, "utf-8")
        variables = {**running.variables, "second": SENDER}
        result = run_case(
            path,
            running.url,
            variables,
            running.password,
            token=running.token,
            ca=running.ca,
            sessions=sessions_of(block, request),
        )
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"
        assert () == result.warnings


def test_no_server_is_named_in_vain():
    """Each that examples can ask for, one does."""
    assert SERVERS == {example.values[0].words[1] for example in EXAMPLES}
