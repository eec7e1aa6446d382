"""Texts as YAML in the house's form: plain where that is safe, else single-quoted; dialogues and messages as blocks.

It knows no scenario. What no text in YAML can hold is refused by `is_writable`; whoever writes finds another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from runner.authoring.formatting.scalars import is_plain, keeps_quotes, quoted

WIDTH = 120
# What the loader refuses outside of double quotes, what PyYAML takes for a line's end, and what templates use inside.
_UNWRITABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffc\ufffe\uffff\ud800-\udfff]")
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`=~<")
_PLAIN_MINUS = re.compile(r"-[^\s\-]")


def is_writable(text: str) -> bool:
    """Whether a text of one line can stand in YAML without escapes."""
    return _UNWRITABLE.search(text) is None


def is_value(text: str) -> bool:
    """Whether a text can be a variable's value as it stands: `{{` would be taken for another tool's placeholder."""
    return is_writable(text) and "{{" not in text


def made_writable(text: str) -> str:
    """Return a text with `?` in place of each character that can't stand in YAML without escapes."""
    return _UNWRITABLE.sub("?", text)


def printable(text: str) -> str:
    """Return a text fit for a title or a comment: one line, without what YAML can't hold."""
    return " ".join(_UNWRITABLE.sub(" ", text).split())


def scalar(text: str, *, in_flow: bool = False) -> str:
    """Return a text of one line as a value, in quotes wherever these help who reads and `fmt` leaves them.

    >>> scalar("250 2.0.0 *"), scalar("a: b"), scalar("*")
    ('250 2.0.0 *', "'a: b'", "'*'")
    """
    helps = (text[:1] in _INDICATORS and not _PLAIN_MINUS.match(text)) or (in_flow and ":" in text)
    is_quoted = not is_plain(text, in_flow=in_flow) or (helps and keeps_quotes(text))
    return quoted(text) if is_quoted else text


def flow_list(texts: Iterable[str]) -> str:
    """Return texts as a list in one line."""
    return f"[{', '.join(scalar(text, in_flow=True) for text in texts)}]"


def flow_mapping(items: Mapping[str, str]) -> str:
    """Return a mapping in one line; its values are YAML already."""
    return f"{{{', '.join(f'{scalar(name, in_flow=True)}: {value}' for name, value in items.items())}}}"


def block(lines: Sequence[str], indent: str) -> list[str]:
    """Return a literal block: its header, and its lines behind `indent`, which is two deeper than its key's."""
    first = next((line for line in lines if line), "")
    header = "|" + ("2" if first.startswith((" ", "\t")) or not lines[0] else "") + ("+" if not lines[-1] else "")
    return [header, *(f"{indent}{line}" if line else "" for line in lines)]


def key_lines(key: str, value: str | Sequence[str] | Mapping[str, str], indent: str) -> list[str]:
    """Return a key with its value: in one line where that is not too wide, else a line for each item.

    A text is YAML already, as the values of a mapping are; the texts of a list are not.
    """
    if isinstance(value, str):
        return [f"{indent}{key}: {value}"]
    flow = flow_mapping(value) if isinstance(value, Mapping) else flow_list(value)
    if len(line := f"{indent}{key}: {flow}") <= WIDTH:
        return [line]
    if isinstance(value, Mapping):
        return [f"{indent}{key}:", *(f"{indent}  {scalar(name)}: {one}" for name, one in value.items())]
    return [f"{indent}{key}:", *(f"{indent}  - {scalar(one)}" for one in value)]
