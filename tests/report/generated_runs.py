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


SECONDS = st.floats(0, 1000, allow_nan=False)
PLACES = st.builds(Place, texts(2).map(lambda text: f"{text}.yaml"), st.integers(1, 999), st.integers(1, 99))
DIFFERENCES = st.builds(Difference, st.just("code") | texts(1), texts(), texts(), texts(2), st.booleans())
STEPS = st.builds(
    StepResult,
    label=texts(),
    place=PLACES,
    outcome=st.sampled_from(Outcome),
    started=SECONDS,
    elapsed=SECONDS,
    because=texts(2),
    reason=texts(),
    differences=st.lists(DIFFERENCES, max_size=2).map(tuple),
    session=st.just("") | texts(1),
    is_cleanup=st.booleans(),
    used_at=st.lists(PLACES, max_size=2).map(tuple),
)
EVENTS = st.one_of(
    st.tuples(st.just(0.1), st.sampled_from("CS"), st.binary(max_size=40)),
    st.tuples(st.just(0.1), st.sampled_from("CS"), texts().map(lambda text: text.encode("utf-8", "surrogatepass"))),
    st.tuples(st.just(0.1), st.just("*"), texts(2)),
)
TRANSCRIPTS = st.builds(
    lambda events, session: transcript(*events, session=session),
    st.lists(EVENTS, max_size=3),
    st.just("main") | texts(1),
)
CASES = st.builds(
    CaseResult,
    scenario=texts(),
    target=st.sampled_from(("mx", "", "smtp://mx.example:25", "\x9b31m#<")),
    outcome=st.sampled_from(Outcome),
    reason=st.just("") | texts(),
    place=st.none() | PLACES,
    elapsed=SECONDS,
    endpoint=texts(1),
    tls=texts(1),
    description=texts(2),
    steps=st.lists(STEPS, max_size=2).map(tuple),
    warnings=st.lists(texts(2), max_size=2).map(tuple),
    row=st.just("") | texts(2),
    transcripts=st.lists(TRANSCRIPTS, max_size=1).map(tuple),
    started=st.just(BEGUN),
)
RUNS = st.builds(
    RunResult,
    cases=st.lists(CASES, max_size=4).map(tuple),
    elapsed=SECONDS,
    interrupted=st.sampled_from(("", "", "SIGINT", "the # deadline\n]]>")),
    began=st.sampled_from(("", "2026-01-02T03:04:05.678901+00:00", "yesterday")),
)
