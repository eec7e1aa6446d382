"""Fragments, known issues and cleanup as the command line has them."""

from __future__ import annotations

import signal
import threading

import pytest
from commands import ended, polite, scenario, start, url, write
from fake_server import FakeServer

from runner.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PASSED, EXIT_USAGE

FRAGMENT = "fragment: {params: [word]}\nsteps:\n  - send: NOOP ${word}\n    expect: 250\n"
USER = """name: {name}
steps:
  - expect: 220
  - use: fragments/f.yaml
    with: {{word: hello}}
"""
CLEANED = """name: cleaned
steps:
  - expect: 220
  - send: MAIL FROM:<a@x>
    expect: 250
cleanup:
  - expect: 220
  - send: NOOP cleanup
    expect: 250
"""


class TestFragments:
    def test_in_a_folder(self, mailproof, runs, folder, server):
        """A fragment is no scenario: it is not run by itself, and what uses it runs."""
        write(folder, {"s/a.yaml": USER.format(name="a"), "s/fragments/f.yaml": FRAGMENT})
        result = mailproof("run", "s", "--target", url(server))
        assert (EXIT_PASSED, ["a"]) == (result.code, [case.scenario for case in runs[-1].cases])

    def test_named(self, mailproof, folder):
        """Named on the command line it is told what to do with it."""
        write(folder, {"f.yaml": FRAGMENT})
        result = mailproof("run", "f.yaml", "--target", "smtp://mx.example")
        assert EXIT_USAGE == result.code
        assert "'f.yaml' is a fragment, no scenario: a scenario uses it, with 'use: f.yaml' in a step" in result.err

    def test_wrong_and_unused(self, mailproof, folder):
        """`validate` checks those that nobody uses, too."""
        write(folder, {"s/a.yaml": scenario("a"), "s/f.yaml": FRAGMENT + "    expct: 250\n"})
        result = mailproof("validate", "s")
        assert EXIT_USAGE == result.code
        assert "s/f.yaml:5:5: unknown key 'expct'" in result.err

    def test_wrong_and_used_twice(self, mailproof, folder):
        """What is wrong with it is told once, whoever uses it."""
        users = {f"s/{name}.yaml": USER.format(name=name) for name in "abc"}
        write(folder, {**users, "s/fragments/f.yaml": FRAGMENT.replace("250", "25")})
        result = mailproof("validate", "s")
        assert 1 == result.err.count("'25' is no reply code of smtp")

    def test_valid(self, mailproof, folder):
        """Names are demanded where the fragment is used, and its parameters are none of them."""
        write(folder, {"s/a.yaml": USER.format(name="a"), "s/fragments/f.yaml": FRAGMENT})
        result = mailproof("validate", "s")
        assert (EXIT_PASSED, "1 scenario is valid\n") == (result.code, result.out)


class TestKnownIssue:
    FAILING = "name: fails\nknown_issue: ticket 42\nsteps:\n  - expect: 554\n"

    def test_it_fails(self, mailproof, folder, server):
        """It is known: counted apart, and no failure of a run in which something passed."""
        write(folder, {"a.yaml": self.FAILING, "b.yaml": scenario("b")})
        result = mailproof("run", ".", "--target", url(server))
        assert EXIT_PASSED == result.code
        assert "1 passed, 0 failed, 1 known" in result.out
        assert "known (ticket 42): " in result.out

    def test_nothing_else(self, mailproof, folder, server):
        """A run with nothing but known cases has passed nothing."""
        write(folder, {"a.yaml": self.FAILING})
        result = mailproof("run", ".", "--target", url(server))
        assert EXIT_FAILED == result.code
        assert "nothing passed: not a pass" in result.out

    def test_it_passes(self, mailproof, folder, server):
        """Then the key must go."""
        write(folder, {"a.yaml": scenario("a", known_issue="ticket 42")})
        result = mailproof("run", ".", "--target", url(server))
        assert EXIT_FAILED == result.code
        assert "though known to fail (ticket 42): remove known_issue" in " ".join(result.out.split())


class Stuck:
    """A server that answers a case until its message, and answers its cleanup or not."""

    def __init__(self, *, answers_cleanup):
        self.reached = threading.Semaphore(0)
        self.heard = []
        self._answers_cleanup = answers_cleanup
        self._count = 0

    def __call__(self, conn):
        self._count += 1
        if self._count > 1 and self._answers_cleanup:
            polite(conn)
            return
        conn.send(b"220 mx\r\n")
        self.heard.append(conn.line())
        self.reached.release()
        conn.wait_for_eof()

    def wait(self):
        assert self.reached.acquire(timeout=10)


class TestCleanup:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, folder, number):
        """A run that is stopped cleans up, and says that it was interrupted."""
        write(folder, {"a.yaml": CLEANED})
        stuck = Stuck(answers_cleanup=True)
        with FakeServer(stuck) as server:
            process = start("run", ".", "-v", "--target", url(server), cwd=folder)
            stuck.wait()
            process.send_signal(number)
            result = ended(process)
        assert number + 128 == result.code
        assert "C: NOOP cleanup" in result.out
        assert "0 passed, 0 failed, 1 error" in result.out

    def test_interrupted_twice(self, folder):
        """A second signal skips what is left of it; the report is whole."""
        write(folder, {"a.yaml": CLEANED})
        stuck = Stuck(answers_cleanup=False)
        with FakeServer(stuck) as server:
            process = start("run", ".", "-v", "--target", url(server), cwd=folder)
            stuck.wait()
            process.send_signal(signal.SIGINT)
            stuck.wait()
            process.send_signal(signal.SIGINT)
            result = ended(process)
        assert EXIT_INTERRUPTED == result.code
        assert [b"MAIL FROM:<a@x>\r\n", b"NOOP cleanup\r\n"] == stuck.heard
        assert "interrupted (SIGINT): 0 passed, 0 failed, 1 error" in result.out
        assert "warning: cleanup: send NOOP cleanup" in result.out
        assert "Traceback" not in result.err
