"""Runs as the scheduler gives them, and what tests of baselines ask of them."""

from __future__ import annotations

from runner.baseline import CaseFacts, Change, Masks, compare, facts_of
from runner.results import CaseResult, Exchange, Heard, Outcome, Place, RunResult, StepResult
from runner.wire import TlsFacts

TOKEN = "k3x9w2ab"
HERE = Place("relay.yaml", 4, 5)


def heard(code="250", *lines, status="", latency=0.01, to="EHLO"):
    """Return a reply."""
    return Heard(to, code, status, lines, latency)


def step(
    *replies, sent="send EHLO", outcome=Outcome.PASSED, reason="", capabilities=None, tls=None, chosen="", label=""
):
    """Return a step's result with what was said in it."""
    exchange = Exchange(sent, chosen, replies, capabilities, tls)
    return StepResult(label or sent, HERE, outcome, reason=reason, exchange=exchange)


def not_run(sent):
    """Return the result of a step that was not reached."""
    return StepResult(sent, HERE, Outcome.NOT_RUN)


def case(*steps, scenario="Relay", target="mx", outcome=Outcome.PASSED, reason="", row=""):
    """Return a case's result."""
    endpoint = "smtp://mx.example.org:25"
    return CaseResult(scenario, target, outcome, reason, HERE, TOKEN, endpoint=endpoint, steps=steps, row=row)


def facts(*cases, masks=None) -> tuple[CaseFacts, ...]:
    """Return the facts of a run of these cases."""
    return facts_of(RunResult(cases), masks or Masks())


def changes(before, after, *, is_whole=True, masks=None) -> list[Change]:
    """Return what changed between two runs, each of one case or several."""
    old, new = (facts(*one) if isinstance(one, tuple) else facts(one) for one in (before, after))
    return compare(old, new, masks or Masks(), is_whole=is_whole)


def told(before, after, **options) -> list[tuple[str, str, str]]:
    """Return what changed as parts with before and after."""
    return [(one.part, one.before, one.after) for one in changes(before, after, **options)]


def encrypted(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", certificate=b""):
    """Return what a handshake brought."""
    return TlsFacts(version, cipher, verified=True, certificate=certificate, moment=1_700_000_000)
