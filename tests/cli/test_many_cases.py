"""Rows of a matrix, further sessions and repetitions, on the command line."""

from __future__ import annotations

import itertools

import pytest
from commands import polite, scenario, url, write
from fake_server import FakeServer

from runner.errors import EXIT_FAILED, EXIT_PASSED, EXIT_USAGE
from runner.results import Outcome

TWO = scenario("two", sessions="{other: far}").replace(
    "  - send: QUIT", "  - session: other\n    steps:\n      - expect: 220\n  - send: QUIT"
)
PASSWORD = "hunter2-hunter2"
USERS = f"user,password\nalice,{PASSWORD}\nbob,{PASSWORD}\n"
LOGIN = """\
name: logs in
matrix: {file: users.csv, secrets: [password]}
steps:
  - expect: 220
  - send: NOOP ${user} key=${password}
    expect: 250 *
"""


class Flaky:
    """A polite server that refuses every third client."""

    def __init__(self):
        self.count = itertools.count(1)

    def __call__(self, conn):
        if next(self.count) % 3:
            polite(conn)
        else:
            conn.send(b"421 4.3.2 too busy\r\n")
            conn.line()


def echo(conn):
    conn.send(b"220 mx\r\n")
    while line := conn.line():
        if line.startswith(b"QUIT"):
            conn.send(b"221 bye\r\n")
            return
        conn.send(b"550 who is " + line)


class TestRows:
    def test_a_row_is_a_case(self, mailproof, runs, folder, server):
        """Each is a line of the table, told by its values."""
        write(folder, {"a.yaml": scenario("a", matrix="{size: [1, 22], to: [x]}")})
        ended = mailproof("run", "a.yaml", "--target", url(server))
        assert (EXIT_PASSED, ["size=1 to=x", "size=22 to=x"]) == (ended.code, [case.row for case in runs[-1].cases])
        assert "a         size=22 to=x  passed" in ended.out

    def test_secret_columns_show_nowhere(self, mailproof, folder):
        """Though the server says them aloud."""
        write(folder, {"a.yaml": LOGIN, "users.csv": USERS})
        with FakeServer(echo) as server:
            ended = mailproof("run", "a.yaml", "--target", url(server), "--verbose")
        assert EXIT_FAILED == ended.code
        assert "FAILED  logs in [user=alice] · " in ended.out
        assert "key=⟨password⟩" in ended.out
        assert PASSWORD not in ended.out + ended.err

    def test_a_secret_column_is_not_given_in_the_open(self, mailproof, folder):
        """Nor by `--var`, which would do nothing."""
        write(folder, {"a.yaml": LOGIN, "users.csv": USERS})
        ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1:1", "--var", "password=x")
        assert (EXIT_USAGE, True) == (ended.code, "'password' is a secret" in ended.err)

    def test_a_wrong_row_is_told_before_anything_connects(self, mailproof, folder):
        """With its file and line, and nothing of the line where a secret is in it."""
        write(folder, {"a.yaml": LOGIN, "users.csv": USERS + f"carol,{PASSWORD},x\n"})
        ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1:1")
        assert EXIT_USAGE == ended.code
        assert ended.err.startswith("users.csv:4:1: a row of 3 values\n")
        assert PASSWORD not in ended.err

    def test_names_of_scenarios_alone_are_searched(self, mailproof, folder, server):
        """`-k` does not look at rows."""
        write(folder, {"a.yaml": scenario("a", matrix="{size: [seventeen]}")})
        ended = mailproof("run", "a.yaml", "--target", url(server), "-k", "seventeen")
        assert (EXIT_USAGE, True) == (ended.code, "no scenario is selected" in ended.err)

    def test_validate_knows_columns(self, mailproof, folder):
        """They are no names that somebody must give."""
        write(folder, {"a.yaml": LOGIN, "users.csv": USERS})
        assert "1 scenario is valid\n" == mailproof("validate", "a.yaml").out


class TestSessions:
    @pytest.mark.parametrize("given", ["url", "name"])
    def test_a_session_is_given(self, mailproof, runs, folder, server, given):
        """By the name of a target or as a URL, in place of what the file says."""
        with FakeServer(polite) as far:
            project = f"targets: {{mx: '{url(server)}', away: '{url(far)}'}}\n"
            write(folder, {"a.yaml": TWO, "mailproof.yaml": project})
            target = url(far) if given == "url" else "away"
            ended = mailproof("run", "a.yaml", "--target", "mx", "--session", f"other={target}")
            assert 1 == far.connections
        assert EXIT_PASSED == ended.code, ended.out + ended.err
        assert [("main", url(server)), ("other", url(far))] == [
            (one.name, one.endpoint) for one in runs[-1].cases[0].sessions
        ]

    def test_the_project_file_has_the_target(self, mailproof, folder, server):
        """The name that the scenario gives."""
        write(folder, {"a.yaml": TWO, "mailproof.yaml": f"targets: {{mx: '{url(server)}', far: '{url(server)}'}}\n"})
        assert EXIT_PASSED == mailproof("run", "a.yaml", "--target", "mx").code

    def test_nobody_has_the_target(self, mailproof, folder):
        """It is told at its place."""
        write(folder, {"a.yaml": TWO})
        ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1:1")
        assert EXIT_USAGE == ended.code
        assert "a.yaml:3:19: unknown target 'far'" in ended.err
        advice = "write it into mailproof.yaml under targets:, or give it by --session other=URL"
        assert advice in " ".join(ended.err.split())

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["othr=smtp://h"], "--session othr=…: no scenario that is selected has it; did you mean 'other'?"),
            (["x=smtp://h"], "--session x=…: no scenario that is selected has it; their sessions are: other"),
            (["other"], "--session wants NAME=TARGET, such as inbox=mx2 or inbox=smtp://host:25"),
            (["other="], "--session wants NAME=TARGET"),
            (["main=smtp://h"], "--session main=…: 'main' is the scenario's own session; its target is --target"),
            (["other=smtp://h", "other=smtp://i"], "--session other=… is given twice"),
            (["other=nowhere"], "unknown target 'nowhere'; a URL (smtp://host:25) needs no project file"),
            (["other=smpt://h"], "unknown scheme 'smpt'"),
            (["other=smtp://u:secret@h"], "a URL with a user name"),
            (["other=lmtp://h"], ""),
        ],
    )
    def test_wrong_sessions(self, mailproof, folder, words, expected):
        """They are refused; a session of another protocol is a session of another protocol."""
        write(folder, {"a.yaml": TWO})
        options = [part for word in words for part in ("--session", word)]
        ended = mailproof("validate", "a.yaml", *options)
        assert (EXIT_USAGE if expected else EXIT_PASSED) == ended.code, ended
        assert expected in ended.err
        assert "secret@" not in ended.err

    def test_tls_options_hold_for_sessions_given_as_a_url(self, mailproof, folder, server):
        """`--no-verify` beside one is not refused, though the target is named."""
        write(folder, {"a.yaml": TWO, "mailproof.yaml": f"targets: {{mx: '{url(server)}'}}\n"})
        ended = mailproof("run", "a.yaml", "--target", "mx", "--session", f"other={url(server)}", "--no-verify")
        assert EXIT_PASSED == ended.code, ended.err


class TestRepetitions:
    def test_how_often_it_passed(self, mailproof, runs, folder):
        """One line a case; what does not always pass has failed, and the first such result is shown."""
        write(folder, {"a.yaml": scenario("a")})
        with FakeServer(Flaky()) as server:
            ended = mailproof("run", "a.yaml", "--target", url(server), "--repeat", "6", "--jobs", "1")
            assert 6 == server.connections
        assert EXIT_FAILED == ended.code
        assert "a         failed   4 of 6" in ended.out
        assert "· " in ended.out
        assert ": 4 of 6 passed\nfailed 2 times, first:\n" in ended.out
        assert "0 passed, 1 failed in " in ended.out
        (case,) = runs[-1].cases
        assert (6, 4) == (case.repeats.runs, case.repeats.passed)

    def test_always_passed(self, mailproof, folder, server):
        """Each case of the run, each row and each target, by itself."""
        write(folder, {"a.yaml": scenario("a", matrix="{n: [1, 2]}")})
        ended = mailproof("run", "a.yaml", "--target", url(server), "--repeat", "3", "--per-target", "2")
        assert EXIT_PASSED == ended.code
        assert 2 == ended.out.count("3 of 3")
        assert "2 passed, 0 failed in " in ended.out
        assert "s, each case 3 times" in ended.out.replace("\n  ", " ")

    def test_a_skipped_case_is_skipped_once(self, mailproof, runs, folder, server):
        """And fails under --no-skips."""
        write(folder, {"a.yaml": scenario("a"), "l.yaml": scenario("l", protocol="lmtp")})
        words = ("run", "a.yaml", "l.yaml", "--target", url(server), "--repeat", "2")
        assert EXIT_PASSED == mailproof(*words).code
        assert [Outcome.PASSED, Outcome.SKIPPED] == [case.outcome for case in runs[-1].cases]
        assert EXIT_FAILED == mailproof(*words, "--no-skips").code

    def test_fail_fast(self, mailproof, runs, folder):
        """What was not begun is not passed."""
        write(folder, {"a.yaml": scenario("a")})
        with FakeServer(Flaky()) as server:
            ended = mailproof("run", "a.yaml", "--target", url(server), "--repeat", "9", "--jobs", "1", "--fail-fast")
            assert 3 == server.connections
        assert EXIT_FAILED == ended.code
        assert "2 of 9" in ended.out

    @pytest.mark.parametrize("number", ["0", "-1", "x", "10001", "1.5"])
    def test_wrong_numbers(self, mailproof, folder, number):
        """From 1 to 10,000."""
        ended = mailproof("run", "--repeat", number)
        assert (EXIT_USAGE, True) == (ended.code, "--repeat" in ended.err)

    def test_once_is_as_ever(self, mailproof, folder, server):
        """`--repeat 1` changes nothing of the report."""
        write(folder, {"a.yaml": scenario("a")})
        ended = mailproof("run", "a.yaml", "--target", url(server), "--repeat", "1")
        assert " of 1" not in ended.out
