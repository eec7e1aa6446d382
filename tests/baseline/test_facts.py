"""What is a fact of a server, and what lies in a mailbox or in how somebody called the server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from baseline_samples import case, changes, facts, heard, step

from runner.baseline import Masks, facts_of
from runner.results import RunResult


@pytest.mark.parametrize(
    "line",
    ["* 3 EXISTS", "* 1 RECENT", "* OK [UNSEEN 2] First unseen message.", "* 4 FETCH (FLAGS (\\Recent) UID 9)"],
)
def test_what_lies_in_the_mailbox_is_no_fact(line):
    """It comes and goes with the mail, while the server is what it was."""
    before = case(step(heard("OK", "* FLAGS (\\Seen)", "done", to="SELECT"), sent="send SELECT INBOX"))
    after = case(step(heard("OK", "* FLAGS (\\Seen)", line, "done", to="SELECT"), sent="send SELECT INBOX"))
    assert [] == changes(before, after)


def test_what_was_asked_for_is_one():
    """The reply to FETCH is what the server makes of it."""
    before = case(step(heard("OK", "* 4 FETCH (FLAGS ())", "done", to="UID FETCH"), sent="send FETCH"))
    after = case(step(heard("OK", "* 4 FETCH (FLAGS (\\Seen))", "done", to="UID FETCH"), sent="send FETCH"))
    assert ["text"] == [one.part for one in changes(before, after)]


def test_names_of_all_targets_are_masked():
    """A banner or a certificate may name the server as another target of the run does."""
    said = heard("220", "old.example.org ESMTP", to="greeting")
    old = replace(case(step(said, sent="expect 220"), target="old"), endpoint="smtp://old.example.org:25")
    same = replace(case(step(said, sent="expect 220"), target="same"), endpoint="smtp://new.example.org:25")
    first, second = facts_of(RunResult((old, same)), Masks())
    assert first.steps == second.steps
    assert facts(old)[0].steps == first.steps
