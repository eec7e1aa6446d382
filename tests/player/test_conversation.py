"""The parts of a case: greylisting, cleanup, known issues."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from memory import EOF, FACTS, RESET, STALL, STOP, MemoryDriver, play
from playing import compile_case, everything, run_steps, says, shown

from runner.language.case import Case
from runner.player import Player
from runner.player.rows import MOST_ROWS
from runner.results import Outcome

STEPS = """
  - expect: 220
  - send: MAIL FROM:<a@x>
    expect: 250
    capture: {id: '/(\\d+)$/'}
  - send: RCPT TO:<b@x>
    expect: 250"""


def greylisted(case: Case, seconds: float) -> Case:
    """Return the case against a target that greylists."""
    (party,) = case.sessions.values()
    return replace(case, sessions={"main": replace(party, target=replace(party.target, greylisting=seconds))})


def by_turn(*servers):
    """Return a server whose connections say these turns, one after another; the last says its own again."""
    left = list(servers)

    def server():
        return says(*(left.pop(0) if len(left) > 1 else left[0]))()

    return server


OK = (b"220 x\r\n", b"250 x 1\r\n", b"250 x\r\n")
LATER = (b"220 x\r\n", b"250 x 2\r\n", b"450 4.7.1 greylisted\r\n")


class TestGreylisting:
    def run(self, *servers, seconds=600.0, steps=STEPS, top="", **driver):
        return play(Player(greylisted(compile_case(steps, top=top), seconds)), by_turn(*servers), **driver)

    def test_it_passes_in_the_end(self):
        """The case is run again from its start, and what the attempts before have found is gone, save a warning."""
        played = self.run(LATER, LATER, OK)
        result = played.result
        assert Outcome.PASSED is result.outcome
        assert ("greylisted: passed after 3 attempts in 1m",) == result.warnings
        assert ["passed"] * 3 == shown(result)
        assert 3 == len(result.transcripts) == len(played.sent)
        assert b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nQUIT\r\n" == played.sent[0] == played.sent[1]

    def test_not_deferred(self):
        """A case that passes at once has no warning."""
        result = self.run(OK).result
        assert (Outcome.PASSED, ()) == (result.outcome, result.warnings)

    def test_its_time_is_over(self):
        """The last attempt begins at the end of the time; its failure says how many there were."""
        result = self.run(LATER).result
        assert Outcome.FAILED is result.outcome
        expected = "expected 250, got 450 4.7.1 greylisted (after 21 attempts in 10m, greylisted)"
        assert f"failed: {expected}" == shown(result)[-1]
        assert f"send RCPT TO:<b@x>: {expected}" == result.reason

    def test_a_short_time(self):
        """Of a short time a tenth is the pause."""
        result = self.run(LATER, OK, seconds=20.0).result
        assert ("greylisted: passed after 2 attempts in 2s",) == result.warnings

    @pytest.mark.parametrize(
        ("last", "steps"),
        [
            (b"550 5.7.1 no\r\n", STEPS),
            (EOF, STEPS),
            (RESET, STEPS),
            (STALL, STEPS),
            (b"450 x\r\n", STEPS[:-3] + "[250, 550]\n    severity: warning"),
            (b"450 x\r\n", STEPS[:-3] + "450\n    has: something"),
        ],
        ids=["refused", "end", "reset", "silence", "a warning", "another difference"],
    )
    def test_what_is_no_deferral(self, last, steps):
        """Only a 4xx that ends the case where another code was due has it run again."""
        played = self.run((b"220 x\r\n", b"250 x 1\r\n", last), steps=steps)
        assert 1 == len(played.sent)

    def test_a_4xx_that_was_expected(self):
        """A scenario that shows the greylisting itself is left alone."""
        played = self.run(LATER, steps=STEPS[:-3] + "450")
        assert (Outcome.PASSED, 1) == (played.result.outcome, len(played.sent))

    def test_then_something_else_fails(self):
        """The failure of the last attempt is the case's, and says that others went before."""
        result = self.run(LATER, (b"220 x\r\n", b"250 x 1\r\n", b"550 no\r\n")).result
        assert result.reason.endswith("expected 250, got 550 no (after 2 attempts in 30s, greylisted)")

    def test_names_stay_and_captures_go(self):
        """`unique` is that of the case; what an attempt has captured the next one does not see."""
        steps = STEPS.replace("<a@x>", "<${unique}@x> ${id:-none}")
        sent = self.run(LATER, OK, steps=steps).sent
        assert sent[0] == sent[1]
        assert sent[0].startswith(b"MAIL FROM:<t0123456789@x> none\r\n")

    def test_the_case_has_its_own_time_besides(self):
        """The time for it is added to the case's deadline."""
        assert Outcome.PASSED is self.run(*[LATER] * 10, OK, top="deadline: 20s").result.outcome

    def test_interrupted_in_a_pause(self):
        """Whether the server would have accepted it nobody knows: an error, at once."""
        player = Player(greylisted(compile_case(STEPS), 600.0))
        driver = MemoryDriver(by_turn(LATER))
        driver._stall = lambda: driver._carry_out(player.stop("interrupted (SIGINT)", driver.now))
        played = driver.play(player)
        assert Outcome.ERROR is played.result.outcome
        assert played.result.reason.startswith("interrupted (SIGINT) while greylisted: send RCPT TO:<b@x>: ")
        assert played.now < 1001

    def test_unsound_certificates_are_told(self):
        """A warning about the connection stays, whatever became of the attempt."""
        facts = replace(FACTS, verified=False)
        steps = "  - expect: 220\n  - starttls:\n  - send: NOOP\n    expect: 250"
        case = greylisted(compile_case(steps), 20.0)
        turns = (b"220 x\r\n", b"220 go\r\n")
        played = play(Player(case), by_turn((*turns, b"450 x\r\n"), (*turns, b"250 x\r\n")), tls=facts)
        assert "the certificate was not verified (verify: false)" in played.result.warnings


CLEANUP = """cleanup:
  - send: DELETE ${id}
    expect: 250
"""


class TestCleanup:
    def test_it_runs_after_the_case(self):
        """On a connection of its own, with the case's captures; its rows say what they are."""
        top = CLEANUP.replace("send", "expect: 220\n  - send")
        played = run_steps(STEPS, by_turn(OK, OK[:2]), top=top)
        result = played.result
        assert b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nQUIT\r\n" == played.sent[0]
        assert b"DELETE 1\r\nQUIT\r\n" == played.sent[1]
        assert (Outcome.PASSED, ()) == (result.outcome, result.warnings)

    @pytest.mark.parametrize("end", [b"550 no\r\n", EOF, RESET, STALL, STOP])
    def test_it_runs_whatever_happened(self, end):
        """After a failure, a lost connection, an interruption; the verdict stays."""
        top = CLEANUP.replace("send", "expect: 220\n  - send")
        played = run_steps(STEPS, by_turn((*OK[:2], end), (b"220 x\r\n", b"250 gone\r\n")), top=top)
        assert b"DELETE 1\r\nQUIT\r\n" == played.sent[1]
        assert played.result.outcome.is_failure
        assert ["cleanup: expect 220", "cleanup: send DELETE ${id}"] == [one.label for one in played.result.steps[-2:]]
        assert all(one.is_cleanup for one in played.result.steps[-2:])

    @pytest.mark.parametrize(
        ("turns", "warning"),
        [
            ((b"220 x\r\n", b"550 no such thing\r\n"), "cleanup: send DELETE 1: expected 250, got 550 no such thing"),
            ((b"554 go away\r\n",), "cleanup: expect 220: expected 220, got 554 go away"),
            ((b"220 x\r\n", EOF), "cleanup: send DELETE 1: the server closed the connection where a reply was due"),
            (
                (b"220 x\r\n", b"250 x\r\n250 y\r\n"),
                "cleanup: after the last step: something came that was not owed: 250 y",
            ),
        ],
        ids=["wrong code", "greeting", "end", "surplus"],
    )
    def test_what_fails_is_a_warning(self, turns, warning):
        """The case is what it was, and the warning says what was not cleaned up."""
        top = CLEANUP.replace("send", "expect: 220\n  - send")
        result = run_steps(STEPS, by_turn(OK, turns), top=top).result
        assert (Outcome.PASSED, "", (warning,)) == (result.outcome, result.reason, result.warnings)

    def test_a_name_that_was_never_captured(self):
        """The step that wants it is a warning, and cleanup ends there."""
        top = CLEANUP + "  - send: NOOP\n    expect: 250\n"
        played = run_steps(STEPS, by_turn((b"220 x\r\n", b"550 no\r\n"), (b"220 x\r\n",)), top=top)
        assert b"NOOP" not in played.sent.get(1, b"")
        (warning,) = played.result.warnings
        assert "cleanup: send DELETE ${id}: '${id}' was not captured" in warning
        assert "not run" == shown(played.result)[-1]

    def test_its_time_is_bounded(self):
        """A server that does not answer holds it up for 60 s and not longer, whatever its steps may take."""
        top = "cleanup:\n  - {wait: 50s}\n  - expect: 220\n    timeout: 5m\n"
        played = run_steps(STEPS, by_turn(OK, ((),)), top=top)
        assert 60 < played.now - 1000 < 63
        (warning,) = played.result.warnings
        assert warning.startswith("cleanup: expect 220: no greeting within the 60 s of 'cleanup'")

    def test_interrupted_it_is_short(self):
        """After an interruption it has 5 s."""
        top = "cleanup:\n  - expect: 220\n"
        played = run_steps(STEPS, by_turn((*OK[:2], STOP), ((),)), top=top)
        assert 5 < played.now - 1000 < 8
        assert "interrupted" == played.result.reason.rpartition(": ")[2]

    def test_interrupted_twice_it_is_skipped(self):
        """A second interruption ends it at once."""
        top = "cleanup:\n  - expect: 220\n  - send: NOOP\n    expect: 250\n"
        played = run_steps(STEPS, by_turn((*OK[:2], STOP), (STOP,)), top=top)
        assert played.now - 1000 < 1
        assert ["error: interrupted", "not run"] == shown(played.result)[-2:]

    def test_not_begun_not_cleaned_up(self):
        """A case that is stopped before it began has nothing to clean up."""
        player = Player(compile_case(STEPS, top=CLEANUP))
        (done,) = player.stop("interrupted", 1.0)
        assert ["not run"] * 3 == shown(done.result)

    def test_a_skipped_case(self):
        """A case that turns out to make no sense has gone some way, and is cleaned up, too."""
        steps = "  - expect: 220\n  - send: EHLO x\n    expect: 250"
        top = "requires: {capability: STARTTLS}\ncleanup:\n  - {expect: 220}\n  - {send: EHLO x, expect: 250}\n"
        played = run_steps(steps, by_turn((b"220 x\r\n", b"250 x\r\n")), top=top)
        assert (Outcome.SKIPPED, ()) == (played.result.outcome, played.result.warnings)
        assert b"EHLO x\r\nQUIT\r\n" == played.sent[1]

    def test_tls_of_the_case(self):
        """Which TLS a case had is that of its own connection."""
        steps = "  - expect: 220\n  - starttls:"
        top = "cleanup:\n  - {expect: 220}\n"
        result = run_steps(steps, by_turn((b"220 x\r\n", b"220 go\r\n"), (b"220 x\r\n",)), top=top).result
        assert "TLSv1.3" == result.tls

    def test_after_very_many_rows(self):
        """Its rows are there even if those of the case were too many."""
        steps = f"  - expect: 220\n  - repeat: {MOST_ROWS}\n    steps: [{{wait: 1ms}}, {{wait: 1ms}}]"
        result = run_steps(steps, by_turn((b"220 x\r\n",)), top="cleanup:\n  - {expect: 221}\n").result
        assert "cleanup: expect 221" in [one.label for one in result.steps]

    def test_secrets_stay_secret(self):
        """What the cleanup sends is redacted as all else is."""
        top = "cleanup:\n  - {expect: 220}\n  - {send: 'FORGET ${password}', expect: 250}\n"
        turns = (b"220 x\r\n", b"550 no hunter2!\r\n")
        result = run_steps(STEPS, by_turn(OK, turns), top=top, secrets={"password": "hunter2!"}).result
        assert "hunter2" not in everything(result)


@pytest.mark.parametrize("top", ["", "known_issue: x\n", "cleanup:\n  - expect: 220\n"], ids=["", "known", "cleanup"])
def test_a_case_without_a_step_that_ran_is_skipped(top):
    """Where no step's condition holds nothing was seen of the server, and nothing has passed."""
    steps = "  - {send: NOOP, expect: 250, when: {var: no}}\n" * 1200
    case = compile_case(steps, top=f"vars: {{no: ''}}\n{top}")
    result = play(Player(case), says(b"220 x\r\n")).result
    assert (Outcome.SKIPPED, "no step ran: the condition of none holds") == (result.outcome, result.reason)


KNOWN = "known_issue: https://x.example/42\n"


class TestKnownIssue:
    @pytest.mark.parametrize(
        ("top", "turns", "outcome", "reason"),
        [
            (KNOWN, LATER, Outcome.KNOWN, "known (https://x.example/42): send RCPT TO:<b@x>: expected 250, got 450 "),
            (KNOWN, OK, Outcome.FAILED, "passed, though known to fail (https://x.example/42): remove known_issue"),
            (KNOWN, (STALL,), Outcome.ERROR, "expect 220: no greeting within 30 s"),
            ("known_issue: {why: x, until: 2024-05-18}\n", LATER, Outcome.KNOWN, "known (x): send RCPT"),
            ("known_issue: {why: x, until: 2024-05-17}\n", LATER, Outcome.FAILED, "send RCPT TO:<b@x>: expected 250"),
            ("known_issue: {why: x, until: 2024-05-17}\n", OK, Outcome.FAILED, "passed, though known to fail (x)"),
        ],
        ids=["fails", "passes", "error", "the day before", "the day", "passes then"],
    )
    def test_outcome(self, top, turns, outcome, reason):
        """Only what was seen to fail is known; what passes is not, and from the day of `until` on nothing is."""
        result = run_steps(STEPS, *turns, top=top).result
        assert (outcome, reason) == (result.outcome, result.reason[: len(reason)])

    def test_the_day_is_told(self):
        """A case that is no longer excused says since when."""
        case = replace(compile_case(STEPS, top="known_issue: {why: x, until: 2024-05-18}"), today=date(2025, 1, 1))
        result = play(Player(case), says(*LATER)).result
        assert result.reason.endswith("; known_issue was an excuse until 2024-05-18 (x)")

    def test_a_skip_stays_one(self):
        """What makes no sense here shows nothing of the issue."""
        steps = "  - expect: 220\n  - send: EHLO x\n    expect: 250"
        top = KNOWN + "requires: {capability: STARTTLS}\n"
        assert Outcome.SKIPPED is run_steps(steps, b"220 x\r\n", b"250 x\r\n", top=top).result.outcome
