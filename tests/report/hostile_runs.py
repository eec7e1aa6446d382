"""Generated runs whose texts try to be something else for formats that are read line by line, or as Markdown.

Every text from outside holds `MARK`, so that a test can see where it went.
"""

from __future__ import annotations

from generated_runs import runs_with
from hypothesis import strategies as st

from runner.results import CaseResult, Outcome, RunResult, fold_repeats

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
single_runs = runs_with(texts, st.sampled_from(["", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.5+00:00"]) | texts)
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
