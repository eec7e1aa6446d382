"""Rows of a matrix, and several sessions of one case, against real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import main
from runner.errors import EXIT_FAILED
from runner.results import CaseResult, Outcome
from tests.running import described, run_case
from tests.servers import Running

SCENARIOS = Path(__file__).parent / "scenarios"
HELLO = """\
      - expect: 220
      - send: EHLO ${client.name}
        expect: 250
"""
HEAD = f"""\
name: A transaction stays open while another client delivers
sessions: {{other: {{}}}}
steps:
  - steps:
{HELLO}\
  - send: MAIL FROM:<${{sender}}>
    expect: 250
  - send: RCPT TO:<${{recipient}}>
    expect: 250
  - session: other
    steps:
{HELLO}"""
DELIVER = """\
      - talk: |
          C: MAIL FROM:<${sender}>
          S: 250
          C: RCPT TO:<${recipient}>
          S: 250
          C: DATA
          S: 354
          C: Subject: other ${unique}
          C:
          C: hello
          C: .
          S: 250 2.0.0 *
"""
TAIL = """\
  - send: DATA
    expect: 354
  - data: |
      Subject: main ${unique}

      hello
    expect: 250 2.0.0 *
"""
# Postfix counts the connections of a client when it greets them.
CROWD = """\
name: A client may have only so many connections
sessions: {client: {count: 10}}
steps:
  - session: client
    expect: 220
"""
REFUSED = """\
name: The fourth connection of a client is refused
sessions: {client: {count: 4}}
steps:
  - repeat: 3
    steps:
      - session: 'client[${index}]'
        expect: 220
  - session: 'client[4]'
    expect: 421 4.7.0 *too many connections*
"""


def play(text: str, running: Running, folder: Path) -> CaseResult:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return run_case(path, running.url, running.variables, running.password)


@pytest.mark.parametrize("server", ["postfix_server", "exim_server"])
def test_one_delivers_while_another_holds_its_transaction_open(request, server, tmp_path):
    """Each conversation is whole, and the lines of both are told apart."""
    running = request.getfixturevalue(server).plain
    result = play(HEAD + DELIVER.replace("2.0.0 *", "*") + TAIL.replace(" 2.0.0 *", ""), running, tmp_path)
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"
    assert {"main": 1, "other": 1} == {one.session: 1 for one in result.transcripts}
    assert [step.label.startswith("other: ") for step in result.steps] == [
        step.session == "other" for step in result.steps
    ]


def test_a_session_that_is_left_open_mid_transaction_is_settled(postfix_server, tmp_path):
    """Both are closed with a goodbye, whatever state the transaction is in."""
    result = play(HEAD, postfix_server.plain, tmp_path)
    assert result.outcome is Outcome.PASSED, described(result)
    lines = [str(line) for one in result.transcripts for line in one.lines()]
    assert 2 == sum(line.endswith("C: QUIT") for line in lines)


def test_a_limit_of_connections_is_shown(broken_postfix, tmp_path):
    """The scenario for it passes where three connections are allowed."""
    running = broken_postfix("few_connections").plain
    result = play(REFUSED, running, tmp_path)
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"


def test_a_limit_of_connections_is_found(broken_postfix, tmp_path):
    """A scenario that wants ten finds it, and says which one was refused."""
    running = broken_postfix("few_connections").plain
    result = play(CROWD, running, tmp_path)
    assert result.outcome is Outcome.FAILED, described(result)
    expected = [Outcome.PASSED] * 3 + [Outcome.FAILED] + [Outcome.NOT_RUN] * 6
    assert expected == [step.outcome for step in result.steps], described(result)
    assert "client[4]: expect 220: expected 220, got 421 4.7.0" in result.reason


def test_without_the_limit_all_are_greeted(postfix_server, tmp_path):
    """The same scenario passes."""
    result = play(CROWD, postfix_server.plain, tmp_path)
    assert result.outcome is Outcome.PASSED, described(result)
    assert 10 == len(result.transcripts)


def test_each_row_is_judged_by_itself(postfix_server, tmp_path, monkeypatch, capsys):
    """Users with their passwords from a file: who may log in does, who may not is refused, no password is shown."""
    running = postfix_server.plain
    (tmp_path / "per-user.yaml").write_text((SCENARIOS / "per-user.yaml").read_text())
    rows = ["user,password,reply", f"alice@example.com,{running.password},235", "alice@example.com,wrong-one,535 5.7.8"]
    (tmp_path / "users.csv").write_text("\n".join([*rows, f"nobody@example.com,{running.password},235 2.7.0", ""]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    code = main(["run", "per-user.yaml", "--target", running.url, "--verbose"])
    told = capsys.readouterr().out
    assert EXIT_FAILED == code
    assert "2 passed, 1 failed in " in told
    assert "PASSED  Who may log in with which password [user=alice@example.com reply='535 5.7.8']" in told
    assert "FAILED  Who may log in with which password [user=nobody@example.com reply='235 2.7.0']" in told
    assert running.password not in told
    assert "wrong-one" not in told


def test_sessions_of_two_protocols(postfix_server, dovecot_server):
    """One replies once, the other for each recipient."""
    mailbox = dovecot_server.tcp
    result = run_case(
        SCENARIOS / "lmtp-beside-smtp.yaml",
        postfix_server.plain.url,
        mailbox.variables,
        sessions={"mailbox": mailbox.url},
    )
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{mailbox.log_tail()}"
