"""Approving: what was accepted is taken over, and nothing else."""

import pytest
from baseline_samples import case, facts, heard, not_run, step
from hypothesis import given
from hypothesis import strategies as st

from runner.baseline import Masks, approve, compare, learn
from runner.results import Outcome

CODES = st.sampled_from(["250", "251", "550"])
CASES = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), CODES, st.sampled_from(["x", "y"])), max_size=3), max_size=3
).map(
    lambda cases: facts(
        *(
            case(*(step(heard(code, text), sent=sent) for sent, code, text in steps), scenario=str(at))
            for at, steps in enumerate(cases)
        )
    )
)


def between(old, new):
    return compare(old, new, Masks(), is_whole=True)


@given(CASES, CASES)
def test_all(old, new):
    """Once all is taken over nothing differs."""
    found = between(old, new)
    assert [] == between(approve(old, new, found, set(found), Masks()), new)


@given(CASES, CASES)
def test_none(old, new):
    """Where nothing is accepted nothing changes."""
    assert old == approve(old, new, between(old, new), (), Masks())


def test_one_of_a_step():
    """One part is taken over, the other is told again."""
    old = facts(case(step(heard("250", "Ok"), capabilities={"DSN": ()})))
    new = facts(case(step(heard("250", "Fine"))))
    found = between(old, new)
    kept = approve(old, new, found, {found[0]}, Masks())
    assert [found[1]] == between(kept, new)


def test_what_followed_is_taken_with_it():
    """A step that failed for what was accepted, and those that did not run, are the new state."""
    old = facts(case(step(heard("250"), sent="a"), step(heard("250"), sent="b")))
    refused = step(heard("550"), sent="a", outcome=Outcome.FAILED, reason="expected 250")
    new = facts(case(refused, not_run("b"), outcome=Outcome.FAILED))
    found = between(old, new)
    assert new == approve(old, new, found, set(found), Masks())


def test_what_varies_stays_so():
    """What was learnt is not unlearnt by a change beside it."""
    old = learn([facts(case(step(heard("250", f"load {load}")))) for load in (1, 2)])
    new = facts(case(step(heard("251", "load 9"))))
    found = between(old, new)
    (kept,) = approve(old, new, found, set(found), Masks())
    assert {"code": "251", "text": ("load ⟨varies⟩",)} == dict(kept.steps[0].parts)


@pytest.mark.parametrize("is_accepted", [True, False])
def test_new_and_gone_cases(is_accepted):
    """A case is taken in, or out, whole."""
    old, new = facts(case(step(heard()), scenario="a")), facts(case(step(heard()), scenario="b"))
    found = between(old, new)
    assert (new if is_accepted else old) == approve(old, new, found, found if is_accepted else [], Masks())
