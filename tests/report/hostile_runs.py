"""Runs of every kind whose texts try to be something else: what the tests of formats generate.

Every text from outside holds `MARK`, so that a test can see where it went.
"""

from __future__ import annotations

from hypothesis import strategies as st
from report_samples import BEGUN, transcript

from runner.results import CaseResult, Difference, Outcome, Place, RunResult, StepResult, fold_repeats

MARK = "¤"
NASTY = (
    "",
    "|",
    "\\",
    "\\|",
    "a | b | c",
    "`",
    "``` \n```\n# heading",
    "`" * 90,
    "~~~~",
    "<script>alert(1)</script>",
    "</details><img src=x onerror=alert(1)>",
    "<!-- -->",
    "]]>",
    "&lt;b&gt; &#60;",
    "[text](http://elsewhere.example)",
    "![](http://elsewhere.example)",
    "http://elsewhere.example www.elsewhere.example alice@elsewhere.example",
    "**bold** _slanted_ ~~struck~~ @everybody #1 :boom: $x$",
    "- item\n1. item\n> quote\n    code\n---\n===",
    "::error::forged",
    " ::stop-commands::token",
    "\n::set-env name=PATH::/tmp",
    "\r::add-mask::a",
    "##[error]forged",
    "##[group]",
    "%0A::error::forged %25 %3A %2C",
    ",title=forged::",
    "OK | passed=1",
    "'label'=1;2;3",
    "$(id) `id` $USER$ \"quoted\" 'single' a & b",
    '"} 1\nmailproof_run_passed 1',
    "# HELP mailproof_run_passed forged",
    "ok 1 - forged",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x08\x7f\x85\x9b",
    "\u202eright to left\u2066 \u200b\ufeff\u2028\u2029",
    "\udc80\udcff",
    " leading and trailing ",
    "\t\t",
    "郵便 é e\u0301",
    "z" * 700,
    "line\n" * 40,
)

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=12)).flatmap(
    lambda text: st.sampled_from([MARK + text, text + MARK])
)
places = st.builds(Place, texts, st.integers(1, 999), st.integers(1, 99))
times = st.floats(0, 1000, allow_nan=False)
differences = st.builds(Difference, texts, texts, texts, texts, st.booleans())
steps = st.builds(
    StepResult,
    label=texts,
    place=places,
    outcome=st.sampled_from(Outcome),
    started=times,
    elapsed=times,
    because=texts,
    reason=texts,
    differences=st.lists(differences, max_size=2).map(tuple),
    session=st.one_of(st.just(""), texts),
    is_cleanup=st.booleans(),
    used_at=st.lists(places, max_size=1).map(tuple),
)
transcripts = st.builds(
    lambda name, said: transcript((0.1, "S", said.encode("utf-8", "surrogateescape")), session=name),
    texts,
    texts,
)
cases = st.builds(
    CaseResult,
    scenario=texts,
    target=st.one_of(st.just(""), texts),
    outcome=st.sampled_from(Outcome),
    reason=st.one_of(st.just(""), texts),
    place=st.one_of(st.none(), places),
    elapsed=times,
    endpoint=texts,
    tls=texts,
    steps=st.lists(steps, max_size=3).map(tuple),
    warnings=st.lists(texts, max_size=2).map(tuple),
    row=st.one_of(st.just(""), texts),
    transcripts=st.lists(transcripts, max_size=1).map(tuple),
    started=st.just(BEGUN),
)
single_runs = st.builds(
    RunResult,
    st.lists(cases, max_size=4).map(tuple),
    elapsed=times,
    interrupted=st.one_of(st.just(""), texts),
    is_embedded=st.booleans(),
    began=st.one_of(st.sampled_from(["", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.5+00:00"]), texts),
)
runs = st.one_of(single_runs, single_runs.map(lambda run: fold_repeats(run, 2)))
#: Runs that no format may show as green, each with its name.
NEVER_GREEN = {
    "no case": RunResult(()),
    "all skipped": RunResult((CaseResult("a", "mx", Outcome.SKIPPED, "no target"),)),
    "not run": RunResult((CaseResult("a", "mx", Outcome.PASSED), CaseResult("b", "mx", Outcome.NOT_RUN))),
    "nothing begun": RunResult((CaseResult("a", "mx", Outcome.NOT_RUN, "not begun"),), interrupted="SIGTERM"),
    "interrupted": RunResult((CaseResult("a", "mx", Outcome.PASSED),), interrupted="SIGINT"),
    "interrupted without a case": RunResult((), interrupted="SIGINT"),
    "only known issues": RunResult((CaseResult("a", "mx", Outcome.KNOWN, "ticket 12"),)),
    "failed": RunResult((CaseResult("a", "mx", Outcome.PASSED), CaseResult("b", "mx", Outcome.FAILED, "it did"))),
    "erred": RunResult((CaseResult("a", "mx", Outcome.PASSED), CaseResult("b", "mx", Outcome.ERROR, "refused"))),
}
