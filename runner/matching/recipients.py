"""One expectation for each recipient that has a reply of its own (LMTP, PRDR): in order, or by address.

Pure: which recipients were accepted is handed in, and which expectation is whose is handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

from runner.dataclass import dataclass
from runner.matching.alternatives import ExpectationError, ValueOf
from runner.matching.base import Slot, Source, show_source, slots_in
from runner.matching.expectation import Expectation
from runner.matching.mismatch import Mismatch

Assigned = tuple[Expectation | None, ...]


@dataclass(frozen=True, slots=True)
class EachRecipient:
    """What is asked of the replies to a message. `addresses` are as many as `forms`, or none: then order tells.

    An expectation's `is_warning` is the same for all.
    """

    forms: tuple[Expectation, ...]
    addresses: tuple[Source, ...] = ()
    #: How the addresses may be shown once they are filled.
    shown: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_warning(self) -> bool:
        """Whether what differs is only noted."""
        return self.forms[0].is_warning

    def fill(self, value_of: ValueOf, slot_text: ValueOf = str) -> EachRecipient:
        """Return it with its placeholders' values in it; `slot_text` is how they may be shown.

        Raises:
            ExpectationError: a value can't stand where its placeholder does, or one address is there twice.
        """
        texts = [show_source(source, value_of) for source in self.addresses]
        known: set[str] = set()
        for source, text in zip(self.addresses, texts, strict=True):
            if _folded(text) in known:
                written = f"'{show_source(source, str)}'"
                raise ExpectationError(f"expect_each names one recipient twice: {written} is the same as another")
            known.add(_folded(text))
        return replace(
            self,
            forms=tuple(form.fill(value_of, slot_text) for form in self.forms),
            addresses=tuple((text,) for text in texts),
            shown=tuple(show_source(source, slot_text) for source in self.addresses),
        )

    def assign(self, recipients: Sequence[str]) -> tuple[Assigned, tuple[Mismatch, ...]]:
        """Return which expectation is for each of the accepted recipients (None: no one's), and what doesn't fit.

        Where a list is too long or too short, nobody can tell whose each form is meant to be: none is assigned.
        """
        if self.addresses:
            return self._by_address(recipients)
        if len(self.forms) == len(recipients):
            return self.forms, ()
        wanted, names = len(self.forms), ", ".join(recipients)
        expected = f"{wanted} accepted recipient{'' if wanted == 1 else 's'}"
        return (None,) * len(recipients), (Mismatch("recipients", expected, f"{len(recipients)}: {names}"),)

    def _by_address(self, recipients: Sequence[str]) -> tuple[Assigned, tuple[Mismatch, ...]]:
        assert all(not slots_in(source) for source in self.addresses), "the addresses were not filled"
        names = [_folded(show_source(source, str)) for source in self.addresses]
        accepted = {_folded(recipient): recipient for recipient in recipients}
        all_accepted = "accepted: " + ", ".join(accepted.values())
        wrong = [
            Mismatch("recipients", f"{shown} accepted", "no such accepted recipient", all_accepted)
            for name, shown in zip(names, self.shown, strict=True)
            if name not in accepted
        ]
        wrong += [
            Mismatch("recipients", f"none but {', '.join(self.shown)}", f"{recipient} accepted")
            for name, recipient in accepted.items()
            if name not in names
        ]
        forms = dict(zip(names, self.forms, strict=True))
        return tuple(forms.get(_folded(recipient)) for recipient in recipients), tuple(wrong)


def _folded(address: str) -> str:
    """Return an address to compare by: the case of a local part counts, a domain's doesn't (RFC 5321 section 2.4).

    >>> _folded("Bob@EXAMPLE.com")
    'Bob@example.com'
    """
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower() if at and domain.isascii() else domain}"


def address_source(parts: Sequence[object]) -> Source:
    """Return the source of an address: its texts, and a slot for each placeholder."""
    return tuple(part if isinstance(part, str) else Slot(part) for part in parts)
