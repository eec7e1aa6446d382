"""Scenario files as nobody would write them, made by chance: every style of text, comments wherever YAML allows them."""

from __future__ import annotations

import json

from hypothesis import strategies as st

_SIGNS = "abc xyz 019 .:#-?*&!|>'\"%@`{}[],\\/=<~$éß"
_TEXTS = st.text(_SIGNS, min_size=1, max_size=12).filter(lambda text: "${" not in text and "{{" not in text)
_WORDS = st.sampled_from(
    ["250", "2xx", "close", "any", "0250", "no", "1.5", "2024-01-01", "a: b", "x #y", " z", "250 *"]
)
_COMMENTS = st.text("abc: #'\"-|>[]{}", max_size=10).map(lambda text: f"# {text}".rstrip())


def _quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["'" + text.replace("'", "''") + "'", json.dumps(text, ensure_ascii=False)])


@st.composite
def _scalar(draw: st.DrawFn) -> str:
    return draw(_quoted(draw(st.one_of(_TEXTS, _WORDS))))


@st.composite
def _flow(draw: st.DrawFn, pad: str) -> str:
    """A list in brackets, on one line or over several, with comments in it."""
    items = draw(st.lists(_scalar(), min_size=1, max_size=4))
    inner = ""
    for number, item in enumerate(items):
        behind = draw(st.sampled_from(["", " ", f"\n{pad}  ", "comment"]))
        comma = "," if number + 1 < len(items) else ""
        end = f"  {draw(_COMMENTS)}\n{pad}  " if behind == "comment" else behind
        inner += f"{item}{comma}{end}"
    return f"[{inner}]"


@st.composite
def _block(draw: st.DrawFn, pad: str) -> str:
    """A text of several lines, literal or folded, with each way to end it."""
    lines = draw(
        st.lists(st.text("ab #:'-", max_size=8), min_size=1, max_size=4).filter(lambda all_: any(map(str.strip, all_)))
    )
    sign = draw(st.sampled_from("|>"))
    chomping = draw(st.sampled_from(["", "-", "+"]))
    body = "\n".join(f"{pad}  {line}" if line else "" for line in lines)
    return f"{sign}2{chomping}\n{body}" + draw(st.sampled_from(["", "\n", "\n\n"]))


@st.composite
def _gap(draw: st.DrawFn, pad: str) -> str:
    """What may stand between two lines: blank ones, and comments however they are indented."""
    lines = draw(st.lists(st.one_of(st.just(""), _COMMENTS), max_size=3))
    shift = draw(st.sampled_from(["", "  ", "    "]))
    return "".join(f"{pad}{shift}{line}\n" if line else "\n" for line in lines)


@st.composite
def _behind(draw: st.DrawFn) -> str:
    blanks = draw(st.sampled_from(["", " ", "  ", "         "]))
    return blanks and blanks + draw(_COMMENTS)


@st.composite
def _pair(draw: st.DrawFn, key: str, pad: str) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "flow", "block"]))
    if kind == "block":
        return f"{key}: {draw(_block(pad))}\n"
    value = draw(_scalar()) if kind == "scalar" else draw(_flow(pad))
    return f"{key}: {value}{draw(_behind())}\n"


@st.composite
def _step(draw: st.DrawFn, pad: str, depth: int) -> str:
    keys = draw(
        st.lists(st.sampled_from("because send name has timeout session encode".split()), min_size=1, unique=True)
    )
    inner = f"{pad}  "
    text = ""
    for number, key in enumerate(keys):
        gap = draw(_gap(inner)) if number else ""
        text += gap + (inner if number else "") + draw(_pair(key, inner))
    if depth and draw(st.booleans()):
        text += f"{draw(_gap(inner))}{inner}steps:{draw(_behind())}\n{draw(_steps(inner + draw(st.sampled_from(['', '  '])), depth - 1))}"
    return f"{pad}- {text}"


@st.composite
def _steps(draw: st.DrawFn, pad: str, depth: int) -> str:
    return "".join(draw(_gap(pad)) + draw(_step(pad, depth)) for _ in range(draw(st.integers(1, 3))))


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file that YAML takes, with the keys of a scenario in any order; as a scenario it may be wrong."""
    parts = [
        f"name: {draw(_scalar())}{draw(_behind())}\n",
        f"tags: {draw(_flow(''))}{draw(_behind())}\n",
        f"steps:{draw(_behind())}\n{draw(_steps(draw(st.sampled_from(['', '  '])), 2))}",
        f"description: {draw(_block(''))}\n",
        f"vars:\n  b: {draw(_scalar())}\n{draw(_gap('  '))}  a: {draw(_scalar())}{draw(_behind())}\n",
    ]
    text = draw(_gap("")) + "".join(part + draw(_gap("")) for part in draw(st.permutations(parts)))
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))
