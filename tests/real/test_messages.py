"""`data`, `bdat` and `bytes` against real servers: smuggling, sizes, chunks, files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.results import Outcome
from tests.running import described, run_case

SCENARIOS = Path(__file__).parent / "scenarios"
LAX = ("\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r\r\n")
NEVER = ("\r.\r", "\r.\r\n")


def play(name, running, **variables):
    return run_case(SCENARIOS / f"{name}.yaml", running.url, {**running.variables, **variables})


def assert_passed(result, running):
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"
    assert () == result.warnings


@pytest.mark.parametrize("name", ["smuggling-bytes", "smuggling-end"])
class TestSmuggling:
    @pytest.mark.parametrize("eod", [*LAX, *NEVER], ids=repr)
    def test_strict(self, postfix_server, name, eod):
        """A strict Postfix takes none of the known false ends for the true one."""
        assert_passed(play(name, postfix_server.plain, eod=eod), postfix_server.plain)

    @pytest.mark.parametrize("eod", LAX, ids=repr)
    def test_lax(self, broken_postfix, name, eod):
        """A lax one is told by the reply to a message that is not over."""
        result = play(name, broken_postfix("lax_line_ends").plain, eod=eod)
        assert result.outcome is Outcome.FAILED, described(result)
        assert "expected silence or 5xx or close, got 250 2.0.0 Ok: queued as" in result.reason

    @pytest.mark.parametrize("eod", NEVER, ids=repr)
    def test_lax_in_some(self, broken_postfix, name, eod):
        """Even that one wants an LF behind the dot's line."""
        running = broken_postfix("lax_line_ends").plain
        assert_passed(play(name, running, eod=eod), running)

    @pytest.mark.parametrize("eod", [*LAX, *NEVER], ids=repr)
    def test_exim(self, exim_server, name, eod):
        """Exim's verdict is the same whichever way the octets come."""
        result = play(name, exim_server.plain, eod=eod)
        assert_passed(result, exim_server.plain)


@pytest.mark.parametrize("name", ["slowly", "chunks", "files"])
@pytest.mark.parametrize("server", ["postfix", "exim"])
def test_bodies(request, name, server):
    """What a message comes from and how it is sent makes no difference to a server that takes it."""
    running = request.getfixturevalue(f"{server}_server").plain
    assert_passed(play(name, running), running)


def test_oversize(postfix_server):
    """A message larger than SIZE is refused after its end, and the two sides are still in step."""
    assert_passed(play("oversize", postfix_server.plain), postfix_server.plain)


@pytest.mark.parametrize("door", ["tcp", "unix"])
def test_chunks_by_lmtp(dovecot_server, door):
    """Dovecot takes chunks, and its replies to the last one are counted by recipient."""
    running = getattr(dovecot_server, door)
    assert_passed(play("chunks-lmtp", running), running)
