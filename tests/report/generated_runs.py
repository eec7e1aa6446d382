"""Generated runs whose every text is as bad as a server, a file's name or a matrix can make it."""

from __future__ import annotations

from hypothesis import strategies as st
from report_samples import BEGUN, transcript

from runner.results import CaseResult, Difference, Outcome, Place, RunResult, StepResult

#: What the formats have for their own, and what none of them may hold.
SNIPPETS = (
    "]]>",
    "<![CDATA[",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>",
    "</failure>",
    "&amp;&#0;&nope;",
    "\x00\x08\x0b\x1f\x7f\x85\x9b",
    "\x1b[2J\x1b]0;title\x07",
    "\ufffe\uffff\ufeff\U0001ffff",
    "\ud800\udc80\udfff",
    "\u202e\u2066\u200b\u2028\u2029",
    "\r\nok 1 - forged\r\n",
    "\nnot ok 2\nBail out! forged\n1..0\n",
    "\n  ...\n  ---\n",
    " # SKIP forged",
    "#todo",
    "\\# SKIP \\\\# TODO",
    "pragma +strict",
    ": x",
    "key: 'value'",
    "\"quoted\" 'single'",
    "- &anchor *alias !!python/object:os.system",
    "[[ATTACHMENT|/etc/passwd]]",
    "::error file=x,line=1::forged",
    "| `a` | **b** |",
    "%0A%0D",
    "  blanks  ",
    "郵便 \U0001f4e8 é",
    "${external}",
)
LETTERS = st.text(st.characters(exclude_categories=()), max_size=12)


def texts(most: int = 4) -> st.SearchStrategy[str]:
    """Any text, now and then with what a format would take for its own."""
    return st.lists(st.sampled_from(SNIPPETS) | LETTERS, max_size=most).map("".join)


SECONDS = st.floats(0, 2000)


def runs_with(text: st.SearchStrategy[str], began: st.SearchStrategy[str]) -> st.SearchStrategy[RunResult]:
    """Runs of every kind in which each text from outside is one of these."""
    maybe = st.just("") | text
    places = st.builds(Place, text.map(lambda name: f"{name}.yaml"), st.integers(1, 99999), st.integers(1, 999))
    differences = st.builds(Difference, st.just("code") | text, text, text, text, st.booleans())
    steps = st.builds(
        StepResult,
        label=text,
        place=places,
        outcome=st.sampled_from(Outcome),
        started=SECONDS,
        elapsed=SECONDS,
        because=text,
        reason=text,
        differences=st.lists(differences, max_size=3).map(tuple),
        session=maybe,
        is_cleanup=st.booleans(),
        used_at=st.lists(places, max_size=2).map(tuple),
    )
    lines = st.builds(
        lambda line, end: (line + end).encode("utf-8", "surrogatepass"), text, st.sampled_from(("", "\r\n"))
    )
    said = st.binary(max_size=40) | lines
    events = st.tuples(SECONDS, st.sampled_from("CS"), said) | st.tuples(SECONDS, st.just("*"), text)
    transcripts = st.builds(
        lambda events, session: transcript(*sorted(events, key=lambda event: event[0]), session=session),
        st.lists(events, max_size=5),
        st.just("main") | text,
    )
    cases = st.builds(
        CaseResult,
        scenario=text,
        target=st.sampled_from(("mx", "", "smtp://mx.example:25", "\x9b31m#<")) | text,
        outcome=st.sampled_from(Outcome),
        reason=maybe,
        place=st.none() | places,
        elapsed=SECONDS,
        endpoint=text,
        tls=text,
        description=text,
        steps=st.lists(steps, max_size=3).map(tuple),
        warnings=st.lists(text, max_size=3).map(tuple),
        row=maybe,
        transcripts=st.lists(transcripts, max_size=2).map(tuple),
        started=st.sampled_from((BEGUN, None)),
    )
    return st.builds(
        RunResult,
        cases=st.lists(cases, max_size=4).map(tuple),
        elapsed=SECONDS,
        interrupted=st.sampled_from(("", "", "SIGINT", "the # deadline\n]]>")) | text,
        is_embedded=st.booleans(),
        began=began,
    )


RUNS = runs_with(texts(), st.sampled_from(("", "2026-01-02T03:04:05.678901+00:00", "yesterday")))
