"""How a text is written: plain where YAML lets it stand, else in single quotes; in double ones where it must be."""

from __future__ import annotations

import re

# What begins no plain text, and what does only if no blank follows.
_INDICATORS = frozenset(",[]{}#&*!|>'\"%@`")
_WITH_BLANK = frozenset("-?:")
_ENDS = re.compile(r": |:$| #|\t")
_FLOW = frozenset(",[]{}")
# What another reader of YAML takes for a number, a truth value, a date or nothing.
_TYPED = re.compile(
    r"(?i:true|false|yes|no|on|off|y|n|null|~)|[-+]?\.?[0-9][-+0-9_.,:exoTZabcdef ]*|[-+]?\.(?i:inf|nan)|=|<<"
)
# What means something to YAML or to a pattern: quotes around it help who reads, and stay where an author put them.
_SPECIAL = frozenset("\\\"'[]{}*&#|>!%@`")
# What can't stand in single quotes: no line of a file shows it, or only an escape does.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


def is_plain(text: str, *, in_flow: bool) -> bool:
    """Whether a text means itself without quotes.

    >>> is_plain("334 Username:", in_flow=False), is_plain("250-*", in_flow=False), is_plain("${to}", in_flow=True)
    (False, True, False)
    """
    if not text or text != text.strip() or _ENDS.search(text) or _UNSHOWN.search(text):
        return False
    if text[0] in _INDICATORS or (text[0] in _WITH_BLANK and (in_flow or text[1:2] in ("", " "))):
        return False
    if text.startswith(("---", "...")):
        return False
    return not (in_flow and not _FLOW.isdisjoint(text))


def is_typed(text: str) -> bool:
    """Whether another reader of YAML takes a plain text for something else than a text."""
    return _TYPED.fullmatch(text) is not None


def keeps_quotes(text: str) -> bool:
    """Whether quotes that a text could do without stay around it, where no code is expected."""
    return not _SPECIAL.isdisjoint(text) or is_typed(text)


def quoted(text: str) -> str:
    """Return a text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def written(text: str, style: str, raw: str, *, in_flow: bool, keeps_typed: bool) -> str:
    """Return a text of one line as it is best written; `raw` is how it was.

    Quotes stay around signs that mean something elsewhere, and around what looks like a number or a truth value if
    `keeps_typed`: for other readers they count.
    """
    if _UNSHOWN.search(text) or _loses_blanks(raw, style):
        return raw
    stays = bool(style) and (not _SPECIAL.isdisjoint(text) or (keeps_typed and is_typed(text)))
    return text if is_plain(text, in_flow=in_flow) and not stays else quoted(text)


def _loses_blanks(raw: str, style: str) -> bool:
    r"""Whether an escape shows what can't be seen, such as a no-break space."""
    return style == '"' and re.search(r"\\[xuUN_LP]", raw) is not None
