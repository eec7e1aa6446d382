"""Many cases at once: limits, order, isolation, and how a run ends before its time."""

from __future__ import annotations

import threading

import pytest
from fake_server import FakeServer

from runner.errors import InputError, SourceFile
from runner.language.case import Given, Skip
from runner.language.compile import compile_scenario
from runner.language.project import SecretRef, parse_target
from runner.player import Player
from runner.results import CaseResult, Outcome, RunResult
from runner.scheduler import Scheduler, plan, without_skips

TEXT = """\
name: {name}
timeout: 5s
steps:
  - expect: 220
  - send: NOOP {said}
    expect: 250
  - send: QUIT
    expect: [221, close]
"""


def scenario(name, said="x", protocol="smtp", extra="", steps=""):
    problems = []
    text = TEXT.format(name=name, said=said) + steps + extra
    text += f"protocol: {protocol}\n" if protocol != "smtp" else ""
    found = compile_scenario(SourceFile(f"{name}.yaml", text), lambda _: "", problems)
    assert [] == [problem.render() for problem in problems]
    return found


def target(server):
    return parse_target(f"smtp://127.0.0.1:{server.port}")


def play(scenarios, targets, **options):
    return Scheduler(plan(scenarios, targets, None, Given()), **options).run()


def polite(conn, heard=None):
    conn.send(b"220 mx\r\n")
    while line := conn.line():
        if heard is not None:
            heard.append(line.decode().strip())
        if line.startswith(b"QUIT"):
            conn.send(b"221 bye\r\n")
            return
        conn.send(b"250 ok\r\n")


class Gate:
    """A polite server that answers no NOOP before so many clients have asked; it counts them."""

    def __init__(self, clients):
        self.most = 0
        self.now = 0
        self._barrier = threading.Barrier(clients)
        self._lock = threading.Lock()

    def __call__(self, conn):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        conn.send(b"220 mx\r\n")
        conn.line()
        self._barrier.wait(timeout=10)
        # The client sees its last reply after this, so nobody who comes next is counted with it.
        with self._lock:
            self.now -= 1
        conn.send(b"250 ok\r\n")
        conn.line()
        conn.send(b"221 bye\r\n")


class TestPlan:
    """Scenarios × targets."""

    def test_order(self):
        """Each scenario with each target that speaks its protocol; where none does, it is skipped."""
        targets = [parse_target(f"smtp://{name}.example") for name in "xy"]
        entries = plan([scenario("a"), scenario("l", protocol="lmtp"), scenario("b")], targets, None, Given())
        found = [(entry.scenario.name, entry.target.host if entry.target else None) for entry in entries]
        expected = [("a", "x.example"), ("a", "y.example"), ("l", None), ("b", "x.example"), ("b", "y.example")]
        assert expected == found
        assert Skip("no target speaks lmtp") == entries[2].case

    def test_all_problems(self):
        """The problems of all scenarios come at once, and each once whatever the number of targets."""
        targets = [parse_target(f"smtp://{name}.example") for name in "xy"]
        with pytest.raises(InputError) as raised:
            plan([scenario("a", "${one}"), scenario("b", "${two}")], targets, None, Given())
        assert ["a.yaml", "b.yaml"] == [problem.span.source.name for problem in raised.value.problems]

    def test_fresh_tokens(self):
        """Every case has a token of its own, also of one scenario."""
        targets = [parse_target(f"smtp://{name}.example") for name in "xyz"]
        entries = plan([scenario("a")], targets, None, Given())
        assert 3 == len({entry.case.token for entry in entries})

    def test_rows(self):
        """Each row of a matrix with each target, and each of them as often as it is to be repeated."""
        targets = [parse_target(f"smtp://{name}.example") for name in "xy"]
        rows = scenario("a", "${size}", extra="matrix: {size: [1, 2]}\n")
        entries = plan([rows], targets, None, Given(), repeat=2)
        found = [(entry.case.row, entry.target.host) for entry in entries]
        order = [("size=1", "x.example"), ("size=1", "y.example"), ("size=2", "x.example"), ("size=2", "y.example")]
        assert [one for one in order for _ in range(2)] == found
        assert 8 == len({entry.case.token for entry in entries})

    def test_repeated_skip(self):
        """What fits no target is skipped as often, so that results can be folded."""
        entries = plan([scenario("l", protocol="lmtp")], [parse_target("smtp://x.example")], None, Given(), repeat=3)
        assert [Skip("no target speaks lmtp")] * 3 == [entry.case for entry in entries]

    def test_problems_of_rows(self):
        """A name that no row has is told once, and each wrong row at its place."""
        rows = scenario("a", "${none}", extra="matrix: [{size: '${b}'}, {size: '${b}'}]\n")
        with pytest.raises(InputError) as raised:
            plan([rows], [parse_target("smtp://x.example")], None, Given(), repeat=5)
        assert [(9, 18), (5, 16), (9, 34)] == [(one.span.line, one.span.column) for one in raised.value.problems]

    def test_secrets_stay_inside(self):
        """A secret shows in no repr of a plan."""
        given = Given(secrets={"word": SecretRef("env", "X")}, secret=lambda _: "s3cret-p4ss")
        entries = plan([scenario("a", "${word}")], [parse_target("smtp://x.example")], None, given)
        assert "s3cret-p4ss" not in repr(entries)


class TestLimits:
    """How many cases there are at once."""

    def test_per_target(self):
        """No target has more connections than it may, and the limit is used up."""
        gates = Gate(3), Gate(3)
        with FakeServer(gates[0]) as one, FakeServer(gates[1]) as other:
            run = play([scenario(str(n)) for n in range(9)], [target(one), target(other)], per_target=3)
        assert (18, [3, 3]) == (run.count(Outcome.PASSED), [gate.most for gate in gates])

    def test_jobs(self):
        """Nor are there more in all than --jobs."""
        gate = Gate(4)
        with FakeServer(gate) as server:
            run = play([scenario(str(n)) for n in range(12)], [target(server)], jobs=4)
        assert (12, 4) == (run.count(Outcome.PASSED), gate.most)

    def test_per_target_of_sessions(self):
        """A target has no more cases than it may, whichever of their sessions it is for."""
        gate = Gate(2)
        steps = "  - {session: far, expect: 220}\n  - {session: far, send: NOOP, expect: 250}\n"
        both = scenario("a", extra="sessions: {far: {}}\nmatrix: {n: [1, 2, 3, 4]}\n", steps=steps)
        with FakeServer(polite) as one, FakeServer(polite) as other, FakeServer(gate) as far:
            given = Given(sessions={"far": target(far)})
            run = Scheduler(plan([both], [target(one), target(other)], None, given), per_target=2).run()
        assert [Outcome.PASSED] * 8 == [case.outcome for case in run.cases], run.cases
        assert 2 == gate.most

    def test_one_at_a_time(self):
        """With one job cases run in the order of the input, whatever their targets."""
        heard = []
        with FakeServer(lambda conn: polite(conn, heard)) as one, FakeServer(lambda conn: polite(conn, heard)) as other:
            targets = [target(one), target(other)]
            run = play([scenario(name, said=name) for name in "abc"], targets, jobs=1, per_target=1)
        assert 6 == run.count(Outcome.PASSED)
        assert [f"NOOP {name}" for name in "aabbcc"] == [line for line in heard if line != "QUIT"]

    def test_results_in_order(self):
        """Results come in the order of the input, whatever the order in which cases end."""
        events = {name: threading.Event() for name in "abc"}

        def backwards(conn):
            conn.send(b"220 mx\r\n")
            name = conn.line().split()[1].decode()
            if name != "c":
                assert events[chr(ord(name) + 1)].wait(10)
            conn.send(b"250 ok\r\n")
            conn.line()
            conn.send(b"221 bye\r\n")

        ended = []

        def finished(result):
            ended.append(result.scenario)
            events[result.scenario].set()

        with FakeServer(backwards) as server:
            run = play([scenario(name, said=name) for name in "abc"], [target(server)], finished=finished)
        assert (["c", "b", "a"], ["a", "b", "c"]) == (ended, [case.scenario for case in run.cases])


class TestEnds:
    """Ends before the time."""

    def test_fail_fast(self):
        """After a failure no further case begins; those are not run, and never passed."""

        def rude(conn):
            conn.send(b"554 no\r\n")
            conn.line()
            conn.send(b"221 bye\r\n")

        with FakeServer(rude) as server:
            run = play([scenario(name) for name in "abc"], [target(server)], jobs=1, fail_fast=True)
            assert 1 == server.connections
        assert [Outcome.FAILED, Outcome.NOT_RUN, Outcome.NOT_RUN] == [case.outcome for case in run.cases]
        assert not run.is_passed

    def test_fail_fast_without_failure(self):
        """What passes or is skipped stops nothing."""
        scenarios = [scenario("a"), scenario("l", protocol="lmtp"), scenario("b")]
        with FakeServer(polite) as server:
            run = play(scenarios, [target(server)], jobs=1, fail_fast=True)
        assert [Outcome.PASSED, Outcome.SKIPPED, Outcome.PASSED] == [case.outcome for case in run.cases]

    def test_deadline(self):
        """When the run's time is over, what runs is stopped and what waits is not begun."""

        def silent(conn):
            conn.send(b"220 mx\r\n")
            conn.wait_for_eof()

        with FakeServer(silent) as server:
            run = play([scenario(name) for name in "abc"], [target(server)], jobs=2, deadline=0.2)
            assert 2 == server.connections
        assert [Outcome.ERROR, Outcome.ERROR, Outcome.NOT_RUN] == [case.outcome for case in run.cases]
        assert "the run's deadline of 0.2 s" == run.interrupted
        assert run.elapsed < 1.5

    def test_deadline_that_is_kept(self):
        """A run that ends in time has not been interrupted."""
        with FakeServer(polite) as server:
            run = play([scenario("a")], [target(server)], deadline=60)
        assert (True, "") == (run.is_passed, run.interrupted)

    @pytest.mark.parametrize("jobs", [1, 100])
    def test_stopped_at_once(self, jobs):
        """What is stopped before it runs begins nothing."""
        with FakeServer(polite) as server:
            scheduler = Scheduler(plan([scenario(name) for name in "abc"], [target(server)], None, Given()), jobs=jobs)
            scheduler.stop("SIGTERM")
            run = scheduler.run()
            assert 0 == server.connections
        assert [Outcome.NOT_RUN] * 3 == [case.outcome for case in run.cases]
        assert ("SIGTERM", False) == (run.interrupted, run.is_passed)

    def test_stopped_from_a_thread(self):
        """`stop` may come from another thread, while all wait."""
        waiting = threading.Semaphore(0)

        def silent(conn):
            conn.send(b"220 mx\r\n")
            conn.line()
            waiting.release()
            assert b"" == conn.wait_for_eof()

        with FakeServer(silent) as server:
            scheduler = Scheduler(plan([scenario("a")], [target(server)], None, Given()))
            stopping = threading.Thread(target=lambda: (waiting.acquire(timeout=10), scheduler.stop("SIGINT")))
            stopping.start()
            run = scheduler.run()
            stopping.join()
        assert [(Outcome.ERROR, "SIGINT")] == [(case.outcome, run.interrupted) for case in run.cases]

    def test_broken_off(self, monkeypatch):
        """An interruption that asks nobody leaves what has ended, and says of the rest that it did not."""

        def finished(result):
            raise KeyboardInterrupt

        with FakeServer(polite) as server:
            run = play([scenario(name) for name in "abc"], [target(server)], jobs=1, finished=finished)
        assert [Outcome.PASSED, Outcome.NOT_RUN, Outcome.NOT_RUN] == [case.outcome for case in run.cases]
        assert not run.is_passed

    def test_crash(self, monkeypatch):
        """A fault of our own costs the one case; it is kept to be told."""
        receive = Player.received

        def received(player, *what):
            if player.case.scenario.name == "b":
                raise ZeroDivisionError
            return receive(player, *what)

        monkeypatch.setattr(Player, "received", received)
        with FakeServer(polite) as server:
            scheduler = Scheduler(plan([scenario(name) for name in "abc"], [target(server)], None, Given()))
            run = scheduler.run()
        assert [Outcome.PASSED, Outcome.ERROR, Outcome.PASSED] == [case.outcome for case in run.cases]
        assert [ZeroDivisionError] == [type(error) for error in scheduler.crashes]
        assert "internal error: ZeroDivisionError" in run.cases[1].reason


class TestTranscripts:
    """What is kept of conversations."""

    @pytest.mark.parametrize(("keeps_all", "kept"), [(True, [1, 1]), (False, [0, 1])])
    def test_kept(self, keeps_all, kept):
        """All, or those of cases that did not pass."""

        def answer(conn):
            conn.send(b"220 mx\r\n")
            is_good = b"good" in conn.line()
            conn.send(b"250 ok\r\n" if is_good else b"500 no\r\n")
            conn.line()
            conn.send(b"221 bye\r\n")

        with FakeServer(answer) as server:
            run = play([scenario("a", "good"), scenario("b", "bad")], [target(server)], keeps_all_transcripts=keeps_all)
        assert kept == [len(case.transcripts) for case in run.cases]


def test_without_skips():
    """Under --no-skips what was skipped has failed, with its reason."""
    cases = (CaseResult("a", "mx", Outcome.PASSED), CaseResult("b", "mx", Outcome.SKIPPED, "no target speaks lmtp"))
    run = without_skips(RunResult(cases))
    assert not run.is_passed
    assert (Outcome.FAILED, "skipped: no target speaks lmtp") == (run.cases[1].outcome, run.cases[1].reason)
