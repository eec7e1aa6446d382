"""The page as a whole: one file that asks nobody for anything, and what may run in it named by its hash.

The policy (Content Security Policy 3) lets in the page's own style and script by their SHA-256 and nothing else, so
that even text that got through unescaped could do nothing. This module must not know what a case is.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report.html.cases import render_cases
from runner.report.html.markup import kind
from runner.report.html.matrix import render_matrix
from runner.report.html.overview import (
    render_failures,
    render_latency,
    render_summary,
    render_targets,
    render_warnings,
    verdict,
)
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import RunResult

# Browsers ask the server for an icon unless a page brings one.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='none' stroke='{}' stroke-width='2.5' d='{}'/%3E%3C/svg%3E"
)
_TICK = _ICON.format("%232d6a35", "M2 9l4 4 8-10")
_CROSS = _ICON.format("%23a8201a", "M3 3l10 10M13 3l-10 10")

_LEGEND = (
    "<p class=legend>Times are in seconds since a case began; a bar shows when a step was under way. "
    "<code>C:</code> is what was sent, <code>S:</code> what the server said. "
    "<span class=tls>Lines with a solid rule went through TLS</span>, "
    "<span class=clear>those with a dotted one in clear text</span>; "
    "<code class=a>AUTH</code> marks an authentication."
)


def render_html(run: RunResult) -> str:
    """Return the report as a page in HTML (the living standard), with a line feed at its end."""
    said = verdict(run)
    sections = [
        ("failures", "Not passed", render_failures(run.cases)),
        ("warnings", "Warnings", render_warnings(run.cases)),
        ("targets", "Targets", render_targets(run.cases) if run.cases else ""),
        ("matrix", "Matrix", render_matrix(run.cases) if run.cases else ""),
        ("latency", "Latency", render_latency(run.cases)),
        ("cases", "Conversations", _LEGEND + render_cases(run.cases) if run.cases else ""),
    ]
    shown = [one for one in sections if one[2]]
    links = "".join(f"<li><a href=#{name}>{title}</a>" for name, title, _ in shown)
    contents = f"<nav aria-label=Contents><ul>{links}</ul></nav>" if shown else ""
    body = "\n".join(
        f"{_filters(run) if name == 'matrix' else ''}<section aria-labelledby={name}><h2 id={name}>{title}</h2>"
        f"{content}</section>"
        for name, title, content in shown
    )
    header = (
        f"<header><p class=tool>mailproof report</p><h1 class={'passed' if run.is_passed else 'failed'}>{said}</h1>"
        f"{render_summary(run)}{contents}</header>"
    )
    return page(f"{said} · mailproof", header, body, is_green=run.is_passed)


def page(title: str, header: str, body: str, *, is_green: bool) -> str:
    """Return a whole page; what it is given is markup already. Its icon tells whether all is well."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    icon = _TICK if is_green else _CROSS
    return f"""<!DOCTYPE html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta http-equiv=Content-Security-Policy content="{policy}">
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark">
<meta name=referrer content=no-referrer>
<title>{title}</title>
<link rel=icon href="{icon}">
<style>{style}</style>
</head>
<body>
<a class=skip href=#main>skip to the results</a>
{header}
<main id=main tabindex=-1>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""


def _filters(run: RunResult) -> str:
    """Return what chooses among cases; it is hidden until the script that it needs runs."""
    boxes = "".join(
        f"<label class={kind(outcome)}><input type=checkbox value={kind(outcome)} checked> {outcome.value}</label>"
        for outcome in Outcome
        if run.count(outcome)
    )
    return (
        f"<form id=filters hidden><fieldset><legend>Show</legend>{boxes}</fieldset>"
        "<label>containing <input type=search id=query autocomplete=off spellcheck=false></label>"
        "<button type=button id=open>open all</button><button type=button id=close>close all</button>"
        "<output id=shown></output></form>"
    )


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
