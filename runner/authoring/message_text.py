"""A recorded message as a scenario sends it: with its own date, Message-ID and Subject each time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.authoring.naming import Names

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(.*)\Z", re.DOTALL)
_SIGNED = ("dkim-signature", "arc-seal", "arc-message-signature")
_PREFERRED = {"from": "sender", "sender": "sender", "reply-to": "sender"}
_OWN = {"date": "${now}", "message-id": "${message_id}"}


def message_lines(lines: Sequence[str], names: Names) -> list[str]:
    """Return the lines of a message as templates; one that is signed keeps its header fields."""
    end = next((at for at, line in enumerate(lines) if not line), len(lines))
    header = lines[:end] if lines and _FIELD.match(lines[0]) else ()
    if any((found := _FIELD.match(line)) and found[1].lower() in _SIGNED for line in header):
        header = ()
    written: list[str] = []
    is_dropped = False
    for at, line in enumerate(lines):
        if at >= len(header):
            written.append(names.client(line))
            continue
        if line[:1] in (" ", "\t") and is_dropped:
            continue
        found = _FIELD.match(line)
        name = found[1].lower() if found else ""
        is_dropped = name in _OWN
        if found and is_dropped:
            written.append(f"{found[1]}: {_OWN[name]}")
        else:
            prefer = [_PREFERRED[name]] if name in _PREFERRED else [one for one in names.variables if one != "sender"]
            text = names.client(line, prefer)
            written.append(f"{text.rstrip(' ')} ${{unique}}" if name == "subject" else text)
    return written
