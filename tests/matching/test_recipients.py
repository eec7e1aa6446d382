"""Which expectation is for which accepted recipient: in order, or by address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.expectation import Expectation, ExpectationError, Short
from runner.matching.pattern import Slot
from runner.matching.recipients import EachRecipient, address_source

A, B = Expectation((Short("250"),)), Expectation((Short("550"),))
ADDRESSES = st.sampled_from(["a@x", "A@x", "a@X", "b@x", "postmaster", "", '"a b"@x', "ä@ö"])


def by_address(*addresses: str) -> EachRecipient:
    """Return one form for each of these, filled."""
    return EachRecipient((A,) * len(addresses), tuple((one,) for one in addresses)).fill(str)


def test_in_order():
    """As many forms as recipients: each has its own."""
    assert ((A, B), ()) == EachRecipient((A, B)).assign(["a@x", "b@x"])


@pytest.mark.parametrize("recipients", [["a@x"], ["a@x", "b@x", "c@x"]], ids=["fewer", "more"])
def test_another_number(recipients):
    """Nobody can tell whose form is whose: none is assigned, and the recipients are named."""
    forms, (wrong,) = EachRecipient((A, B)).assign(recipients)
    assert (None,) * len(recipients) == forms
    assert ("2 accepted recipients", f"{len(recipients)}: {', '.join(recipients)}") == (wrong.expected, wrong.actual)


@pytest.mark.parametrize(
    ("named", "accepted", "is_same"),
    [
        ("bob@Example.COM", "bob@example.com", True),
        ("Bob@example.com", "bob@example.com", False),
        ("postmaster", "postmaster", True),
        ("Postmaster", "postmaster", False),
        ('"a@b"@X', '"a@b"@x', True),
        ("a@Ö", "a@ö", False),
    ],
)
def test_the_same_address(named, accepted, is_same):
    """The domain's case does not count, that of the local part does; Unicode is compared as it is."""
    (form,), wrong = by_address(named).assign([accepted])
    assert (is_same, not is_same) == (form is not None, bool(wrong))


def test_placeholders_in_an_address():
    """A slot is filled and shown beside what was written; two that come to one address are an error."""
    slot = Slot("${user}")
    each = EachRecipient((A, B), (address_source(["u", "@x"]), (slot, "@x")))
    filled = each.fill(lambda _: "v", lambda _: "⟨v⟩")
    assert ("u@x", "⟨v⟩@x") == filled.shown
    assert ((B, A), ()) == filled.assign(["v@x", "u@x"])
    with pytest.raises(ExpectationError, match=r"names one recipient twice: '\$\{user\}@x'"):
        each.fill(lambda _: "u")


@given(st.lists(ADDRESSES, min_size=1, max_size=4), st.lists(ADDRESSES, min_size=1, max_size=4))
def test_nobody_is_left_out_in_silence(named, accepted):
    """Whatever is named and accepted: who has no form of its own, or no reply, is told."""
    try:
        each = by_address(*named)
    except ExpectationError:
        return
    forms, wrong = each.assign(accepted)
    assert len(accepted) == len(forms)
    if not wrong:
        assert None not in forms
        assert len(set(named)) <= len(accepted)
