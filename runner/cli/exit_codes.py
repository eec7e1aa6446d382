"""What the exit codes say of each command, as its help tells it; the codes themselves are in `errors`."""

from __future__ import annotations

import argparse

_CASES = "0 passed · 1 something failed or erred, or nothing passed"
_SHOWN = "0 shown"
# What 0 and 1 say, by a command's or an action's whole name; of most commands a 1 says nothing, and there is none.
_OWN = {
    "": f"{_CASES};\n'mailproof COMMAND --help' tells what they say of a command",
    "run": _CASES,
    "validate": "0 every file is right",
    "show": _SHOWN,
    "lint": "0 nothing found · 1 something found, that --fix has not mended",
    "fmt": "0 every file is in its form, or now is · 1 with --check: one is not",
    "new": "0 shown or written",
    "import": "0 shown or written",
    "record": "0 recorded · 1 the conversation broke off before its end;\nwith --listen Ctrl-C is its usual end, and 0",
    "probe": "0 every server was probed · 1 one was not, or a login failed",
    "mirror": "with --once: 0 every client did its part · 1 one did not",
    "baseline": "those of the action, which its own --help tells",
    "baseline save": "0 saved, and all passed · 1 something failed, or nothing was saved",
    "baseline approve": "0 nothing differs any more · 1 something does, or has no verdict",
    "baseline show": _SHOWN,
    "compare": "0 nothing differs · 1 something does, or could not be compared",
    "history": "0 shown, whatever it tells",
    "demo": _CASES,
    "serve": "130 at Ctrl-C, which is its usual end",
    "base64": "0 encoded or decoded",
    "schema": "0 shown or written",
    "completion": "0 shown",
}
_CONNECTING = ("", "run", "record", "probe", "baseline", "baseline save", "baseline approve", "compare", "demo")
_WITHOUT_FILES = ("new", "base64", "schema", "completion", "serve")
_END = "3 mailproof or its surroundings failed · 130 interrupted · 143 terminated"
_OF_MONITOR = "with --report nagios on standard output: those of a monitoring plugin"


def own_codes(name: str) -> str:
    """Return what 0 and 1 say of a command, or of an action such as `baseline save`."""
    return _OWN.get(name) or _OWN[name.partition(" ")[0]]


def told_codes(name: str, parser: argparse.ArgumentParser) -> str:
    """Return what the help of a command says of its exit codes; `parser` has all its options."""
    usage = "2 wrong usage" if name in _WITHOUT_FILES else "2 wrong usage or an invalid file"
    if name in _CONNECTING:
        usage += ", and nothing was connected"
    has_report = "--report" in parser._option_string_actions  # noqa: SLF001 -- there is no other way to ask
    return "\n".join([f"exit codes: {own_codes(name)}", usage, _END, *([_OF_MONITOR] if has_report else [])])
