"""Several sessions in one case: whose turn it is, what waits meanwhile, what each knows of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory import EOF, PEER, RESET, STALL
from playing import everything, run_steps, says, shown

from runner.results import Outcome
from runner.wire import Open, Secure

TWO = "sessions: {other: {}}"
MANY = "sessions: {c: {count: 3}}"
BYE = (b"221 bye\r\n", EOF)


def lines(sent):
    """Return what was sent by each connection, as lines."""
    return {sid: data.decode().split("\r\n")[:-1] for sid, data in sent.items()}


def servers(*generators):
    """Return a server for each connection, in the order in which they are opened."""
    return lambda sid: generators[sid]()


def test_steps_of_two_sessions_take_turns():
    """A session opens at its own first step, and waits for its own replies only."""
    steps = """
  - expect: 220
  - {send: MAIL FROM:<a@x>, expect: 250}
  - session: other
    steps:
      - expect: 220 other
      - {send: NOOP, expect: 250}
  - {send: RSET, expect: 250 2.0.0 flushed}
"""
    main, other = says(b"220 main\r\n", b"250 ok\r\n", b"250 2.0.0 flushed\r\n"), says(b"220 other\r\n", b"250 ok\r\n")
    played = run_steps(steps, servers(main, other), top=TWO)
    result = played.result
    assert ["passed"] * 5 == shown(result), everything(result)
    assert {0: ["MAIL FROM:<a@x>", "RSET", "QUIT"], 1: ["NOOP", "QUIT"]} == lines(played.sent)
    assert ["main", "other"] == [one.session for one in result.transcripts]
    assert [0, 1] == [action.sid for action in played.actions if isinstance(action, Open)]


def test_a_step_of_another_session_is_called_by_it():
    """In its label, and so in the reason; the case's own session needs no name."""
    steps = "  - expect: 220\n  - {session: other, expect: 220 hi}\n"
    result = run_steps(steps, servers(says(b"220 main\r\n"), says(b"220 other\r\n")), top=TWO).result
    assert ("", "other") == tuple(step.session for step in result.steps)
    assert "other: expect 220 hi: expected 220 hi, got 220 other" == result.reason
    assert ["main", "other"] == [one.name for one in result.sessions]


GOING = "421 4.3.2 going down"


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("expect: 421", "passed"),
        ("send: NOOP, expect: 250", f"failed: unexpected data before 'send NOOP': {GOING}"),
        ("send: NOOP, expect: [250, close]", f"failed: unexpected data before 'send NOOP': {GOING}"),
        ("expect: 250", f"failed: expected 250, got {GOING}"),
    ],
    ids=["expected", "not asked for", "close", "another"],
)
def test_what_others_receive_meanwhile_is_kept(step, expected):
    """It is judged at their next step, though it came during another's."""

    def other():
        yield b"220 other\r\n"
        yield (b"250 ok\r\n", f"{GOING}\r\n".encode())
        yield BYE

    steps = f"""
  - expect: 220
  - {{session: other, expect: 220}}
  - {{session: other, send: NOOP, expect: 250}}
  - {{send: NOOP, expect: 250}}
  - {{session: other, {step}}}
"""
    result = run_steps(steps, servers(says(b"220 main\r\n", b"250 ok\r\n"), other), top=TWO).result
    assert ["passed"] * 4 + [expected] == shown(result), everything(result)


def test_what_is_left_in_another_session_fails_the_case():
    """Every session is settled at the end, and told by its name."""
    steps = "  - {session: other, expect: 220}\n  - {session: other, send: NOOP}\n  - expect: 220\n"
    result = run_steps(steps, servers(says(b"220 other\r\n", b"250 ok\r\n"), says(b"220 main\r\n")), top=TWO).result
    assert (Outcome.FAILED, "after the last step, session other: no step expected the reply to NOOP") == (
        result.outcome,
        result.reason,
    )


def test_each_session_has_its_own_auth_exchange():
    """A line is encoded where its own session has a challenge open."""
    steps = """
  - expect: 220
  - {send: AUTH LOGIN, expect: 334}
  - session: other
    steps:
      - expect: 220
      - {send: 'NOOP ${word}', expect: 250}
  - {send: '${word}', expect: 334}
  - {send: '*', expect: 501}
"""
    main = says(b"220 main\r\n", b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"501 cancelled\r\n")
    played = run_steps(
        steps, servers(main, says(b"220 other\r\n", b"250 ok\r\n")), top=TWO, variables={"word": "alice"}
    )
    assert played.result.outcome is Outcome.PASSED, everything(played.result)
    assert (["AUTH LOGIN", "YWxpY2U=", "*", "QUIT"], "NOOP alice") == (lines(played.sent)[0], lines(played.sent)[1][0])


def test_conditions_are_of_the_steps_session():
    """TLS, capabilities and the last reply are known of each session by itself."""
    steps = """
  - expect: 220
  - {session: other, expect: 220}
  - {session: other, send: EHLO x, expect: 250}
  - {session: other, starttls: }
  - {session: other, when: {tls: true}, send: NOOP other, expect: 250}
  - {when: {tls: true}, send: NOOP main, expect: 250}
  - {session: other, when: {reply: 250}, send: NOOP 250, expect: 250}
  - {when: {reply: 220}, send: NOOP 220, expect: 250}
"""
    other = says(b"220 other\r\n", b"250 STARTTLS\r\n", b"220 go\r\n", b"250 ok\r\n", b"250 ok\r\n")
    played = run_steps(steps, servers(says(b"220 main\r\n", b"250 ok\r\n"), other), top=TWO)
    assert played.result.outcome is Outcome.PASSED, everything(played.result)
    assert [1] == [action.sid for action in played.actions if isinstance(action, Secure)]
    assert ["NOOP 220", "QUIT"] == lines(played.sent)[0]
    assert ["EHLO x", "STARTTLS", "NOOP other", "NOOP 250", "QUIT"] == lines(played.sent)[1]


def test_a_required_capability_is_that_of_the_scenarios_own_session():
    """What another server lacks does not matter."""
    steps = """
  - {session: other, expect: 220}
  - {session: other, send: EHLO x, expect: 250}
  - expect: 220
  - {send: EHLO x, expect: 250}
"""
    other, main = says(b"220 other\r\n", b"250 plain\r\n"), says(b"220 main\r\n", b"250-main\r\n250 SIZE\r\n")
    result = run_steps(steps, servers(other, main), top=f"{TWO}\nrequires: {{capability: SIZE}}").result
    assert result.outcome is Outcome.PASSED, everything(result)


def test_a_session_may_speak_another_protocol():
    """LMTP owes a reply for each recipient, SMTP one."""
    steps = """
  - expect: 220
  - session: other
    steps:
      - expect: 220
      - {send: LHLO x, expect: 250}
      - {send: MAIL FROM:<>, expect: 250}
      - {send: RCPT TO:<a@x>, expect: 250}
      - {send: RCPT TO:<b@x>, expect: 250}
      - {send: DATA, expect: 354}
      - {data: hello, expect: 250 for a}
      - expect: 250 for b
"""
    ok = b"250 ok\r\n"
    other = says(b"220 lmtp\r\n", ok, ok, ok, ok, b"354 go\r\n", b"250 for a\r\n250 for b\r\n")
    top = "sessions: {other: {protocol: lmtp}}"
    sessions = {"other": "lmtp://127.0.0.1:24"}
    result = run_steps(steps, servers(says(b"220 main\r\n"), other), top=top, sessions=sessions).result
    assert result.outcome is Outcome.PASSED, everything(result)


def test_names_stand_for_what_they_are_in_the_steps_session():
    """`target.…`, and back again after it."""
    steps = """
  - {send: 'NOOP ${target.host} ${at}', expect: 220}
  - session: other
    steps:
      - {send: 'NOOP ${target.host} ${at}', expect: 220}
  - {send: 'NOOP ${target.port}', expect: 250}
"""
    played = run_steps(
        steps,
        servers(says(b"220 main\r\n", b"250 ok\r\n", b"250 ok\r\n"), says(b"220 other\r\n", b"250 ok\r\n")),
        top=f"{TWO}\nvars: {{at: '<${{target.name}}>'}}",
        sessions={"other": "smtp://localhost:26"},
    )
    sent = lines(played.sent)
    assert "NOOP localhost <smtp://localhost:26>" == sent[1][0]
    assert ["NOOP 127.0.0.1 <smtp://127.0.0.1:25>", "NOOP 25"] == sent[0][:2]


def test_captures_are_of_the_case():
    """What one session has read another may send."""
    steps = """
  - {expect: 220, capture: {id: text}}
  - session: other
    steps:
      - expect: 220
      - {send: 'NOOP ${id}', expect: 250}
"""
    played = run_steps(steps, servers(says(b"220 q1\r\n"), says(b"220 other\r\n", b"250 ok\r\n")), top=TWO)
    assert "NOOP q1" == lines(played.sent)[1][0]


def test_a_secret_stays_away_from_a_session_in_clear_text():
    """Its own connection decides, not the case's."""
    steps = "  - expect: 220\n  - {session: other, send: 'NOOP ${key}', expect: 220}\n"
    played = run_steps(
        steps,
        servers(says(b"220 main\r\n"), says(b"220 other\r\n")),
        top=f"{TWO}\nsecrets: [key]",
        secrets={"key": "hunter22"},
        peer=replace(PEER, is_loopback=False),
        plaintext_secrets=True,
        sessions={"other": "smtp://192.0.2.9:25"},
    )
    assert "the secret 'key' was not sent: the connection is not encrypted and 192.0.2.9" in played.result.reason
    assert b"hunter22" not in b"".join(played.sent.values())


def test_the_address_of_the_client_is_that_of_the_scenarios_own_session():
    """`client.address` before it connects is an error of the step."""
    steps = "  - {session: other, expect: 220}\n  - {session: other, send: 'NOOP ${client.address}', expect: 250}\n"
    result = run_steps(steps, servers(says(b"220 other\r\n", b"250 ok\r\n")), top=TWO).result
    assert (Outcome.ERROR, True) == (
        result.outcome,
        "'${client.address}' is known only once connected" in result.reason,
    )


# Several connections of one session.


def greeting(number):
    return says(f"220 c{number}\r\n".encode(), b"250 ok\r\n", b"250 ok\r\n")


THREE = servers(greeting(1), greeting(2), greeting(3))


def test_a_step_runs_on_each_connection_in_turn():
    """All of them stand at once, each called by its number."""
    steps = "  - {session: c, expect: 220}\n  - {session: c, send: NOOP, expect: 250}\n"
    played = run_steps(steps, THREE, top=MANY)
    assert [f"c[{n}]: {what}" for what in ("expect 220", "send NOOP") for n in (1, 2, 3)] == [
        step.label for step in played.result.steps
    ]
    assert {sid: ["NOOP", "QUIT"] for sid in range(3)} == lines(played.sent)
    assert ["c[1]", "c[2]", "c[3]"] == [one.session for one in played.result.transcripts]


def test_a_group_runs_on_each_connection_in_turn():
    """As a whole: the steps inside are of the connection whose turn it is."""
    steps = """
  - session: c
    steps:
      - expect: 220
      - {session: c, send: NOOP, expect: 250}
"""
    result = run_steps(steps, THREE, top=MANY).result
    assert [f"c[{n}]: {what}" for n in (1, 2, 3) for what in ("expect 220", "send NOOP")] == [
        step.label for step in result.steps
    ]


def test_one_connection_is_meant_by_number():
    """Written out or by a placeholder; others are opened only when their turn comes."""
    steps = """
  - {session: 'c[2]', expect: 220 c1}
  - repeat: {each: [3, 1], as: number}
    steps:
      - {session: 'c[${number}]', expect: 220}
  - {session: 'c[3]', send: NOOP, expect: 250}
"""
    played = run_steps(steps, THREE, top=MANY)
    assert played.result.outcome is Outcome.PASSED, everything(played.result)
    assert ["c[2]", "c[3]", "c[1]"] == [one.session for one in played.result.transcripts]
    assert ["NOOP", "QUIT"] == lines(played.sent)[1]


def test_a_loop_inside_does_not_change_the_connection():
    """Which one a group is for was settled when it began."""
    steps = """
  - repeat: 3
    steps:
      - session: 'c[${index}]'
        steps:
          - expect: 220
          - repeat: 2
            steps:
              - {send: 'NOOP ${index}', expect: 250}
"""
    played = run_steps(steps, THREE, top=MANY)
    assert played.result.outcome is Outcome.PASSED, everything(played.result)
    assert {sid: ["NOOP 1", "NOOP 2", "QUIT"] for sid in range(3)} == lines(played.sent)


@pytest.mark.parametrize("number", ["0", "4", "x", "", "-1", "٣"])
def test_a_number_that_is_none(number):
    """It is an error of the step, and nothing is opened."""
    steps = "  - {session: 'c[${n:-}]', expect: 220}\n  - {session: c, expect: 220}\n"
    played = run_steps(steps, THREE, top=MANY, variables={"n": number})
    assert Outcome.ERROR is played.result.outcome
    assert f"'c[{number}]' is none of the 3 connections c[1] to [3]" in played.result.reason
    assert [] == [action for action in played.actions if isinstance(action, Open)]
    assert ["error", "not run"] == [one.split(":")[0] for one in shown(played.result)]


def test_the_rest_is_not_run_where_one_fails():
    """Each connection is a row of its own."""
    steps = "  - {session: c, expect: 220}\n  - {session: c, send: NOOP, expect: 250}\n"
    bad = says(b"421 4.7.0 too many connections\r\n", EOF)
    result = run_steps(steps, servers(greeting(1), bad, greeting(3)), top=MANY).result
    assert ["passed", "failed: expected 220, got 421 4.7.0 too many connections", "not run", "not run"] == shown(result)
    assert "c[2]: expect 220: expected 220, got 421 4.7.0 too many connections" == result.reason


def test_all_connections_end_in_the_time_of_one():
    """Servers that never answer a goodbye cost two seconds together."""

    def stubborn():
        yield b"220 c\r\n"
        while True:
            yield None

    steps = "  - {session: c, expect: 220}\n"
    played = run_steps(steps, lambda _: stubborn(), top="sessions: {c: {count: 40}}", now=0.0)
    assert played.result.outcome is Outcome.PASSED, everything(played.result)
    assert played.now < 3


def test_a_reset_of_one_leaves_the_others():
    """Its next step fails; until then nobody waits for it."""

    def other():
        yield b"220 other\r\n"
        yield (b"250 ok\r\n", RESET)

    steps = """
  - expect: 220
  - {session: other, expect: 220}
  - {session: other, send: NOOP, expect: 250}
  - {send: NOOP, expect: 250}
  - {session: other, send: NOOP, expect: 250}
"""
    result = run_steps(steps, servers(says(b"220 main\r\n", b"250 ok\r\n"), other), top=TWO).result
    assert ["passed"] * 4 == shown(result)[:4]
    assert "other: send NOOP: nothing can be sent: connection reset" in result.reason


def test_a_silent_session_costs_its_own_step():
    """The deadline is that of the step, whichever session it is of."""
    steps = "  - expect: 220\n  - {session: other, expect: 220, timeout: 1s}\n"
    result = run_steps(steps, servers(says(b"220 main\r\n"), says(STALL)), top=TWO).result
    assert (Outcome.ERROR, "other: expect 220: no greeting within 1 s") == (
        result.outcome,
        result.reason.partition(";")[0],
    )
