"""Loops, attempts and fragments as they are played: what goes on, what ends, what is kept."""

from __future__ import annotations

import pytest
from memory import EOF, RESET, STALL, STOP, MemoryDriver
from playing import compile_case, everything, run_steps, says, shown

from runner.player import Player
from runner.player.groups import attempts
from runner.player.rows import MOST_ROWS
from runner.results import Outcome
from runner.wire import Close, Fault, FaultKind

REFUSED = Fault(FaultKind.REFUSED)
ROUNDS = """
  - expect: 220
  - repeat: {each: ['<a@x>', '<b@x>', '<c@x>'], as: rcpt}
    keep_going: true
    steps:
      - send: RCPT TO:${rcpt}
        expect: 550
  - send: NOOP
    expect: 250"""


def labels(result):
    return [step.label for step in result.steps]


def lines(sent):
    return sent.decode().split("\r\n")[:-1]


class TestRepeat:
    def test_count(self):
        """The steps run so many times; `index` counts from 1, and each row says which round it is of."""
        steps = "  - expect: 220\n  - repeat: 3\n    steps:\n      - send: NOOP ${index}\n        expect: 250"
        played = run_steps(steps, b"220 x\r\n", *[b"250 x\r\n"] * 3)
        assert ["NOOP 1", "NOOP 2", "NOOP 3", "QUIT"] == lines(played.sent[0])
        assert ["[1] send NOOP ${index}", "[3] send NOOP ${index}"] == labels(played.result)[1::2]
        assert Outcome.PASSED is played.result.outcome

    def test_values(self):
        """A value is a template, filled once before the first round; a name that it shadows comes back after."""
        steps = """
  - expect: 220
  - repeat: {each: ['${sender}', 'b-${unique}'], as: sender}
    steps:
      - send: MAIL FROM:<${sender}>
        expect: 250
  - send: VRFY ${sender}
    expect: 250"""
        played = run_steps(steps, b"220 x\r\n", *[b"250 x\r\n"] * 3, variables={"sender": "a@x"})
        expected = ["MAIL FROM:<a@x>", "MAIL FROM:<b-t0123456789>", "VRFY a@x", "QUIT"]
        assert expected == lines(played.sent[0])
        assert "[a@x] send MAIL FROM:<${sender}>" == labels(played.result)[1]

    def test_inner_loops(self):
        """Inside a loop in a loop both variables are known, and `index` is the inner one's."""
        steps = """
  - expect: 220
  - repeat: {each: [a, b], as: x}
    steps:
      - repeat: {each: [c, d], as: y}
        steps:
          - send: NOOP ${x}${y}${index}
            expect: 250"""
        played = run_steps(steps, b"220 x\r\n", *[b"250 x\r\n"] * 4)
        assert ["NOOP ac1", "NOOP ad2", "NOOP bc1", "NOOP bd2", "QUIT"] == lines(played.sent[0])
        assert "[b] [d] send NOOP ${x}${y}${index}" == labels(played.result)[-1]

    def test_a_name_of_the_operators_comes_before_the_counter(self):
        """`index` is a built-in name, and those come last."""
        steps = "  - expect: 220\n  - repeat: 2\n    steps:\n      - send: NOOP ${index}\n        expect: 250"
        played = run_steps(steps, b"220 x\r\n", *[b"250 x\r\n"] * 2, variables={"index": "mine"})
        assert ["NOOP mine", "NOOP mine", "QUIT"] == lines(played.sent[0])

    def test_captures_outlive_their_round(self):
        """A capture may be taken again in the next round, and is there after the last."""
        steps = """
  - expect: 220
  - repeat: 2
    steps:
      - send: NOOP
        expect: 250
        capture: {token: '/(\\d+)$/'}
  - send: NOOP ${token}
    expect: 250"""
        played = run_steps(steps, b"220 x\r\n", b"250 x 1\r\n", b"250 x 2\r\n", b"250 x\r\n")
        assert "NOOP 2" == lines(played.sent[0])[-2]

    def test_a_wrong_code_ends_it(self):
        """Without `keep_going` the case ends, and the rounds that did not come are not run."""
        played = run_steps(ROUNDS.replace("    keep_going: true\n", ""), b"220 x\r\n", b"550 x\r\n", b"250 ok\r\n")
        assert "failed: expected 550, got 250 ok" == shown(played.result)[2]
        assert ["[<c@x>] send RCPT TO:${rcpt}", "send NOOP"] != labels(played.result)[3:]
        assert ["[3] send RCPT TO:${rcpt}", "send NOOP"] == labels(played.result)[3:]
        assert ["not run", "not run"] == shown(played.result)[3:]

    def test_keep_going(self):
        """A wrong code ends its round and fails the case; the next round begins, and what follows the loop runs."""
        played = run_steps(ROUNDS, b"220 x\r\n", b"550 x\r\n", b"250 ok\r\n", b"550 x\r\n", b"250 x\r\n")
        assert ["passed", "failed: expected 550, got 250 ok", "passed", "passed"] == shown(played.result)[1:]
        assert Outcome.FAILED is played.result.outcome
        assert played.result.reason.startswith("[<b@x>] send RCPT TO:")

    @pytest.mark.parametrize(
        "turns",
        [(b"250 ok\r\n", EOF), EOF, RESET, STALL, (b"25", STALL), b"garbage\r\n", (b"334 x\r\n",)],
        ids=["then the end", "end", "reset", "silence", "half a reply", "no reply", "challenge"],
    )
    def test_out_of_step(self, turns):
        """Where the two sides may be out of step no further round begins on that connection, nor does one pass."""
        steps = ROUNDS.replace("send: RCPT TO:${rcpt}", "send: AUTH X ${rcpt | base64}\n        encode: none")
        played = run_steps(steps, b"220 x\r\n", turns)
        assert Outcome.FAILED is played.result.outcome
        assert not any("passed" == one for one in shown(played.result)[1:])

    def test_a_message_that_should_have_been_refused(self):
        """After a 354 that was not due the server would read the next round as a message: the case ends."""
        steps = "  - expect: 220\n  - repeat: 2\n    keep_going: true\n    steps: [{send: DATA, expect: 554}]"
        played = run_steps(steps, b"220 x\r\n", b"354 go\r\n")
        assert ["DATA"] == lines(played.sent[0])
        assert "not run" == shown(played.result)[-1]

    def test_a_new_connection_for_each_round(self):
        """A round that begins with `connect` begins whatever state the one before has left."""
        steps = "  - repeat: 3\n    keep_going: true\n    steps:\n      - connect:\n        expect: 220\n"
        steps += "      - send: DATA\n        expect: 554"
        played = run_steps(steps, says(b"220 x\r\n", b"354 go\r\n"))
        assert ["passed", "failed: expected 554, got 354 go"] * 3 == shown(played.result)
        assert {0, 1, 2} == played.sent.keys()
        assert Outcome.FAILED is played.result.outcome

    def test_lockout(self):
        """Connections that a round has closed are no hindrance for the next."""
        steps = "  - repeat: 5\n    steps:\n      - connect:\n        expect: 220\n      - close: quit\n"
        steps += "  - connect:\n    expect: [421, refused]"
        opened = []

        def server(sid):
            opened.append(sid)
            return REFUSED if sid == 5 else says(b"220 x\r\n")()

        assert Outcome.PASSED is run_steps(steps, server).result.outcome
        assert 6 == len(opened)

    def test_rows_are_bounded_and_all_count(self):
        """Of very many rows the first are kept and the rest is counted; what fails late is kept, and fails the case."""
        steps = "  - expect: 220\n  - repeat: 3000\n    keep_going: true\n    steps: [{send: NOOP, expect: 250}]"

        def server():
            yield b"220 x\r\n"
            for number in range(1, 3000):
                yield b"451 busy\r\n" if number == 2900 else b"250 x\r\n"
            yield b"250 x\r\n"
            yield (b"221 x\r\n", EOF)

        result = run_steps(steps, server, elapses=0.0001).result
        assert Outcome.FAILED is result.outcome
        assert MOST_ROWS + 2 == len(result.steps)
        assert "[2900] send NOOP: expected 250, got 451 busy" == result.reason
        rest = result.steps[-1]
        assert ("2,000 more steps", "2,000 passed", Outcome.PASSED) == (rest.label, rest.reason, rest.outcome)

    def test_rounds_without_waiting_let_others_have_their_turn(self):
        """Ten thousand rounds in which nothing happens are no single turn, and can be stopped."""
        steps = "  - expect: 220\n  - repeat: 10000\n    steps:\n      - repeat: 10000\n        steps:\n"
        steps += "          - when: {var: missing}\n            send: NOOP\n            expect: 250"
        player = Player(compile_case(steps))
        player.start(0.0)
        player.opened(0, MemoryDriver(lambda: None)._peer, 0.1)
        assert () == player.received(0, b"220 x\r\n", 0.2)
        assert 0.2 < player.deadline < 0.3
        (*_, done) = player.stop("interrupted", 0.21)
        assert Outcome.ERROR is done.result.outcome
        assert len(done.result.steps) < MOST_ROWS + 200

    def test_a_secret_is_shown_by_its_name(self):
        """A round's value that holds a secret stands in no row; its name does."""
        steps = """
  - expect: 220
  - repeat: {each: ['x${password}'], as: word}
    keep_going: true
    steps:
      - send: NOOP ${word}
        expect: 251"""
        result = run_steps(steps, b"220 x\r\n", b"250 x\r\n", secrets={"password": "hunter2!"}).result
        assert "hunter2" not in everything(result)
        assert result.steps[1].label.startswith("[⟨password⟩] send NOOP")

    def test_a_value_of_several_lines_stands_on_one(self):
        """What leads a row is short and on one line."""
        steps = '  - repeat: {each: ["a\\nb", "' + "c" * 99 + '"], as: x}\n    steps: [{wait: 1ms}]'
        result = run_steps(steps, b"220 x\r\n").result
        assert ["[a…] wait 1ms", "[" + "c" * 40 + "…] wait 1ms"] == labels(result)

    def test_a_value_that_can_not_be_had(self):
        """A value is filled before the first round; where that can't be, the group itself is the error."""
        steps = """
  - expect: 220 ?(?P<id>x)?
  - repeat: {each: ['${id | base64_decode}'], as: y}
    steps: [{send: NOOP, expect: 250}]"""
        result = run_steps(steps.replace("220 ?(?P<id>x)?", "220 /(?P<id>.)/"), b"220 x\r\n").result
        assert Outcome.ERROR is result.outcome
        assert "repeat for each y" == labels(result)[1]
        assert "not run" == shown(result)[2]


RETRY = """
  - retry: {every: 10s, for: 60s}
    steps:
      - connect:
        expect: 220
      - send: RCPT TO:<x>
        expect: 250"""


def over_time(*replies):
    """Return a server that gives each connection the next of the replies to its first line."""
    left = list(replies)

    def server(_sid):
        reply = left.pop(0) if left else replies[-1]
        return reply if isinstance(reply, Fault) else says(b"220 x\r\n", reply)()

    return server


class TestRetry:
    def test_it_passes_in_the_end(self):
        """Attempts that fail are forgotten, save how many there were."""
        played = run_steps(RETRY, over_time(b"450 4.7.1 later\r\n", REFUSED, b"250 x\r\n"))
        assert Outcome.PASSED is played.result.outcome
        assert ["connect", "send RCPT TO:<x>", "retry for 60s"] == labels(played.result)
        assert "passed: passed after 3 attempts in 20s" == shown(played.result)[-1]

    def test_once_is_not_worth_a_word(self):
        """What passes at once looks like any group."""
        assert ["passed", "passed"] == shown(run_steps(RETRY, over_time(b"250 x\r\n")).result)

    def test_its_time_is_over(self):
        """Then the last attempt is what failed, with how many there were; the last begins at the end of the time."""
        played = run_steps(RETRY, over_time(b"450 4.7.1 later\r\n"))
        expected = "failed: expected 250, got 450 4.7.1 later (after 7 attempts in 1m)"
        assert expected == shown(played.result)[-1]
        assert f"send RCPT TO:<x>: {expected.removeprefix('failed: ')}" == played.result.reason
        assert 7 == len(played.sent)

    def test_the_servers_are_left_politely(self):
        """Between attempts no connection is kept open; the goodbye is said before the pause."""
        played = run_steps(RETRY, over_time(b"450 later\r\n", b"250 x\r\n"))
        assert b"RCPT TO:<x>\r\nQUIT\r\n" == played.sent[0]
        assert Close(0, "fin") in played.actions

    @pytest.mark.parametrize(
        "first",
        [EOF, RESET, STALL, (b"25", EOF), b"garbage\r\n", (b"450 x\r\n", b"250 surplus\r\n"), (b"421 x\r\n", EOF)],
        ids=["end", "reset", "silence", "half a reply", "no reply", "surplus", "going away"],
    )
    def test_a_new_connection_forgives_the_old(self, first):
        """However an attempt has ended, the next one that begins with `connect` starts afresh."""
        played = run_steps(RETRY, over_time(first, b"250 x\r\n"))
        assert Outcome.PASSED is played.result.outcome, shown(played.result)

    def test_a_lost_connection_ends_it(self):
        """Without a `connect` there is nothing left to try on."""
        steps = RETRY.replace("connect:\n        expect: 220\n      - ", "").replace(
            "  - retry", "  - expect: 220\n  - retry"
        )
        played = run_steps(steps, b"220 x\r\n", (b"421 4.3.2 bye\r\n", EOF))
        assert "after 1 attempt in 0" in played.result.reason
        assert Outcome.FAILED is played.result.outcome

    def test_on_one_connection(self):
        """A wrong code leaves both sides in step, and the next attempt goes on there."""
        steps = "  - expect: 220\n  - retry: {every: 1s, for: 5s}\n    steps: [{send: 'NOOP ${attempt}', expect: 250}]"
        played = run_steps(steps, b"220 x\r\n", b"450 x\r\n", b"450 x\r\n", b"250 x\r\n")
        assert ["NOOP 1", "NOOP 2", "NOOP 3", "QUIT"] == lines(played.sent[0])
        assert Outcome.PASSED is played.result.outcome

    def test_any_difference_ends_an_attempt(self):
        """A mismatch that a conversation would else go on from ends it, and its captures are lost."""
        steps = """
  - expect: 220
  - retry: {every: 1s, for: 5s}
    steps:
      - send: NOOP
        expect: 250
        capture: {id: '/^x(\\d+)/'}
        has: done
      - send: NOOP ${id:-none}
        expect: 250"""
        played = run_steps(steps, b"220 x\r\n", b"250 x1\r\n", b"250-x2\r\n250 done\r\n", b"250 x\r\n")
        assert ["NOOP", "NOOP", "NOOP 2", "QUIT"] == lines(played.sent[0])
        assert ["passed"] * 3 + ["passed: passed after 2 attempts in 1s"] == shown(played.result)

    def test_captures_of_a_failed_attempt_are_lost(self):
        """What comes after sees what was captured before the first attempt."""
        steps = """
  - expect: 220 /(?P<id>old)/
  - retry: {every: 1s, for: 1s}
    steps: [{send: NOOP, expect: 250, capture: {id: text}}, {send: NOOP, expect: 250}]"""
        top = "cleanup:\n  - send: NOOP ${id}\n    expect: 250"
        turns = {0: (b"220 old\r\n", b"250 new\r\n", b"450 x\r\n", b"250 newer\r\n", b"450 x\r\n")}

        def server(sid):
            return says(*turns.get(sid, (b"220 x\r\n", b"250 x\r\n")))()

        assert b"NOOP old\r\n" in run_steps(steps, server, top=top).sent[1]

    def test_the_deadline_moves(self):
        """The case has as much time more as `for` says, and no more than was used of it."""
        steps = RETRY + "\n  - wait: 1ms"
        case = compile_case(steps, top="deadline: 30s")
        player = Player(case)
        played = MemoryDriver(over_time(*[b"450 x\r\n"] * 5, b"250 x\r\n")).play(player)
        assert Outcome.PASSED is played.result.outcome
        assert 1000 + 30 + 50 < player.case_deadline < 1000 + 30 + 52

    def test_stopped_between_two_attempts(self):
        """A run that is interrupted ends at once, and the case has no verdict."""
        player = Player(compile_case(RETRY))
        driver = MemoryDriver(over_time(b"450 x\r\n"))
        stalls = []

        def stop():
            stalls.append(driver.now)
            driver._carry_out(player.stop("interrupted (SIGINT)", driver.now))

        driver._stall = stop
        result = driver.play(player).result
        assert 1 == len(stalls)
        assert Outcome.ERROR is result.outcome
        assert "interrupted (SIGINT), between two attempts; the last one: " in result.reason

    def test_stopped_inside_an_attempt(self):
        """The step under way is where it was interrupted."""
        played = run_steps(RETRY, over_time(STOP))
        assert ["passed", "error: interrupted"] == shown(played.result)

    def test_a_case_that_is_skipped(self):
        """What the server lacks is found out in an attempt, too."""
        steps = RETRY.replace("RCPT TO:<x>", "EHLO x")
        played = run_steps(steps, over_time(b"250 x\r\n"), top="requires: {capability: STARTTLS}")
        assert Outcome.SKIPPED is played.result.outcome

    def test_an_attempt_inside_an_attempt(self):
        """The inner one is given up when its time is over, and the outer one tries anew."""
        steps = """
  - retry: {every: 10s, for: 60s}
    steps:
      - connect:
        expect: 220
      - retry: {every: 1s, for: 2s}
        steps: [{send: NOOP, expect: 250}]"""
        played = run_steps(steps, lambda sid: says(b"220 x\r\n", *[b"250 x\r\n" if sid == 1 else b"450 x\r\n"] * 3)())
        assert [b"NOOP\r\n" * 3 + b"QUIT\r\n", b"NOOP\r\nQUIT\r\n"] == list(played.sent.values())
        assert Outcome.PASSED is played.result.outcome

    def test_attempts_without_number_keep_few_connections(self):
        """What is kept of very many connections is bounded, and says so."""
        steps = RETRY.replace("10s", "1s").replace("60s", "200s")
        result = run_steps(steps, over_time(b"450 x\r\n")).result
        assert 101 == len(result.transcripts)
        assert "100 connections are left out here" in everything(result)


def test_a_group_that_is_skipped():
    """A loop whose condition does not hold is a row for each of its steps, and its `else` runs."""
    steps = """
  - expect: 220
  - when: {tls: true}
    repeat: 3
    steps: [{send: NOOP, expect: 250}]
    else: [{send: RSET, expect: 250}]"""
    played = run_steps(steps, b"220 x\r\n", b"250 x\r\n")
    assert ["passed", "skipped: its condition does not hold", "passed"] == shown(played.result)


def test_how_long_attempts_took():
    """A time is told in no more than milliseconds, behind a reason in brackets, for that may end like a sentence."""
    assert "3 attempts in 0.001s" == attempts(3, 0.00061)
    assert "1 attempt in 0.25s" == attempts(1, 0.2496)
