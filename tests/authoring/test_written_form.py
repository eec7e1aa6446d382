"""What probe, import and record write is in the form that `fmt` would give it; what `new` writes is tested beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.authoring.conversation import Conversation
from runner.authoring.draft import draft
from runner.authoring.formatting import canonical
from runner.authoring.probing.facts import LoginFact, Look, ServerFacts
from runner.authoring.probing.pinning import pin
from runner.authoring.probing.questions import MANNERS
from runner.authoring.readers import read
from runner.errors import SourceFile
from runner.results import Heard
from tests.authoring.linting import nowhere
from tests.authoring.test_draft_properties import LOGINS, smtp_talks, talk
from tests.authoring.test_probe_facts import CERTIFICATE, FACTS, HOSTILE, TLS, WITH

TRANSCRIPTS = Path(__file__).parent / "transcripts"
GREETING = {"smtp": "220", "lmtp": "220", "pop3": "+OK", "imap": "OK", "sieve": "OK"}
MANY = tuple(f"MECHANISM-{number}" for number in range(20))
VARIANTS = {
    "usual": FACTS,
    "hostile": replace(
        FACTS,
        looks=(Look("before TLS", {"X-A": (HOSTILE,), HOSTILE: ()}), Look("with TLS", {"X-B": ("a,b]}", "#x:")})),
        tls=replace(TLS, certificate=replace(CERTIFICATE, issuer=HOSTILE, names=(HOSTILE, "ok.example.com"))),
    ),
    "untrusted": replace(FACTS, tls=replace(TLS, distrust="unknown issuer", version="TLSv1.1")),
    "an issuer with signs": replace(
        FACTS, tls=replace(TLS, certificate=replace(CERTIFICATE, issuer=r"CN=Testing CA #x: \"y\",O=Foo\, Inc."))
    ),
    "an address": replace(FACTS, tls=replace(TLS, certificate=replace(CERTIFICATE, addresses=("2001:db8::1",)))),
    "much": replace(FACTS, looks=(Look("before TLS", {}), Look("with TLS", {**WITH, "AUTH": MANY, "X-LONG": MANY}))),
    "login": replace(FACTS, looks=(*FACTS.looks, Look("after login", WITH)), login=LoginFact("PLAIN")),
    "nothing": ServerFacts("mx", "smtp", "mx", looks=(Look("before TLS", None, "502 5.5.1 no"),)),
}


def written(text: str) -> str:
    """Return what `fmt` makes of a text."""
    return canonical(SourceFile("x.yaml", text), nowhere)


@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("protocol", MANNERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_probe_writes(variant: str, protocol: str, is_implicit: bool) -> None:
    """Whatever a server is, and however TLS begins."""
    facts = VARIANTS[variant]
    facts = replace(facts, protocol=protocol, is_implicit=is_implicit and facts.tls is not None)
    text = pin(replace(facts, greetings=(Heard("", GREETING[protocol], "", ("mx ESMTP ready",), 0.0),)))
    assert written(text) == text


@pytest.mark.parametrize("expect", ["texts", "status", "codes"])
@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.iterdir()), ids=lambda path: path.stem)
def test_what_import_writes(path: Path, expect: str) -> None:
    """Of every tool's transcript."""
    for one in read(path.read_text("utf-8", "surrogateescape"), path.name, source=path.name):
        text = (draft(one, expect=expect) if isinstance(one, Conversation) else one).text
        assert written(text) == text


@pytest.mark.parametrize("title", ["??", "?", "- x", "-x", "<x>", "~", "=", "a: b", "#1", "yes", "'x'", ":x", "[x]"])
def test_titles(title: str) -> None:
    """Quotes stand where `fmt` leaves them, and nowhere else."""
    text = draft(talk("S: 220 mx", "C: NOOP", "S: 250 ok", title=title)).text
    assert written(text) == text


@settings(deadline=None, max_examples=100)
@given(smtp_talks(), st.sampled_from(["texts", "status", "codes"]))
def test_what_record_writes(conversation: Conversation, expect: str) -> None:
    """Whatever is said."""
    text = draft(conversation, expect=expect).text
    assert written(text) == text


@pytest.mark.parametrize("name", LOGINS)
def test_logins(name: str) -> None:
    """However somebody logs in."""
    protocol, said = LOGINS[name]
    greeting = {"smtp": "S: 220 mx", "imap": "S: * OK hi", "pop3": "S: +OK hi", "sieve": "S: OK"}[protocol]
    text = draft(talk(greeting, *said, protocol=protocol)).text
    assert written(text) == text
