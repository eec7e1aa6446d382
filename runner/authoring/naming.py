"""The variables of a draft: which value has which name, and how a text is written with names in place of values.

A secret's value, in whatever form, gets into no text that comes from here: a client's line has a word in its place,
an expectation a star. Of the user's name nothing is written either but `${username}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from runner.authoring.varying import LONGEST, Stretch, varying
from runner.authoring.yaml_text import made_writable, printable
from runner.redaction import Redactor

REMOVED = "REMOVED"
"""What stands in a client's line where a secret was."""
_SHORTEST = 4
_DISTINCT = re.compile(r"[^A-Za-z]")
_GLOB_SPECIAL = re.compile(r"[*?\\]")

Written = Callable[[str], str]
# Where it is, and the name of the value there; empty where none may be written.
_Span = tuple[int, int, str]


def escaped(text: str) -> str:
    """Return a client's text so that nothing in it is a placeholder."""
    return text.replace("${", "$${")


class Names:
    """The names of one draft. Values are put in as they are met; the first name that a value gets is its own."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {name: value for name, value in secrets.items() if value}
        #: Names that are given from outside and are no secrets.
        self.given: dict[str, str] = {}
        self.hosts: tuple[str, ...] = ()
        #: Values of what failed to log in, hidden like secrets.
        self._hidden: list[str] = []
        self._redactor = Redactor(self.secrets)
        self._names_of_users = Redactor({})

    # What is known.

    def hide(self, value: str) -> None:
        """Hide a value that is no secret of the file, such as a wrong password."""
        self._hidden.append(value)
        self._learn()

    def give_secret(self, role: str, value: str) -> str:
        """Return the name of a secret, a new one if another value has the role's."""
        name = self._free(role, value, self.secrets)
        self.secrets[name] = value
        self._learn()
        return name

    def give_user(self, role: str, value: str) -> str:
        """Return the name of a user's name (or of who is acted for), which is given from outside."""
        name = self._free(role, value, self.given)
        self.given[name] = value
        self._learn()
        return name

    def give(self, role: str, value: str) -> str:
        """Return the name of a value that has its default in the file."""
        name = self._free(role, value, self.variables)
        self.variables[name] = value
        return name

    @staticmethod
    def _free(role: str, value: str, among: Mapping[str, str]) -> str:
        name, number = role, 1
        while among.get(name, value) != value:
            number += 1
            name = f"{role}{number}"
        return name

    def _learn(self) -> None:
        hidden = {f"wrong {number}": value for number, value in enumerate(self._hidden)}
        self._redactor = Redactor({**hidden, **self.secrets})
        distinct = {name: one for name, one in self.given.items() if len(one) >= _SHORTEST and _DISTINCT.search(one)}
        self._names_of_users = Redactor(distinct)

    def holds_secret(self, text: str) -> bool:
        """Whether a secret, or a distinct user name in another form than its own, is in a text."""
        return bool(self._redactor.find(text) or self._names_of_users.find(text))

    # Texts.

    def client(self, text: str, prefer: Iterable[str] = (), *, start: int = 0) -> str:
        """Return a client's text as a template; what stands before `start`, a command, is left as it is."""
        spans = self._spans(text, start, prefer, in_pattern=False)
        return self._rendered(text, spans, escaped, REMOVED)

    def user_only(self, text: str) -> str:
        """Return the value of a variable: of all names only those of users stand in it."""
        return self._rendered(text, self._joint_spans(text, self._value_spans(text, self.given)), escaped, REMOVED)

    def title(self, text: str) -> str:
        """Return a text for people: no secret in it, nor a user's name."""
        text = printable(text)
        spans = [
            (start, end, "") for start, end, _ in (*self._secret_spans(text), *self._value_spans(text, self.given))
        ]
        return self._rendered(text, _apart(spans), str, "…")

    def pattern(
        self, text: str, prefer: Iterable[str] = (), *, counts: bool = False
    ) -> tuple[str, tuple[Stretch, ...]]:
        """Return a server's line as a glob, and what in it became a star for another reason than a secret."""
        is_long, text = len(text) > LONGEST, text[:LONGEST]
        spans = self._spans(text, 0, prefer, in_pattern=True)
        wild = [
            one
            for one in varying(text, self.hosts, counts=counts)
            if not any(name and start < one.end and one.start < end for start, end, name in spans)
        ]
        spans = _apart([*spans, *((one.start, one.end, "") for one in wild)])
        glob = self._rendered(text, spans, glob_of, "*")
        glob = _without_ends(glob + "*" * is_long)
        return re.sub(r"(?<!\\)\*{2,}", "*", glob), tuple(wild)

    def _spans(self, text: str, start: int, prefer: Iterable[str], *, in_pattern: bool) -> list[tuple[int, int, str]]:
        own = {**self.given, **self.variables}
        ordered = {name: own[name] for name in prefer if name in own} | own
        values = self._value_spans(text, ordered, any_case=in_pattern)
        return [span for span in self._joint_spans(text, values) if span[0] >= start]

    def _joint_spans(self, text: str, values: list[_Span]) -> list[_Span]:
        """Return secrets and named values apart: a secret within a value goes with it, for its name says neither."""
        secrets = self._secret_spans(text)
        covering = []
        for value in values:
            touching = [one for one in secrets if one[0] < value[1] and value[0] < one[1]]
            if value[2] and touching and all(value[0] <= one[0] and one[1] <= value[1] for one in touching):
                covering.append(value)
        return _apart([*covering, *secrets, *values])

    def _secret_spans(self, text: str) -> list[tuple[int, int, str]]:
        hidden = [(mark.start, mark.end, "") for mark in self._redactor.find(text)]
        return hidden + self._other_forms(text)

    def _other_forms(self, text: str) -> list[tuple[int, int, str]]:
        """Find a user's name in another form than its own, or in other case."""
        values = self._value_spans(text, self.given)
        return [
            (mark.start, mark.end, "")
            for mark in self._names_of_users.find(text)
            if not any(start <= mark.start and mark.end <= end for start, end, _ in values)
        ]

    @staticmethod
    def _value_spans(text: str, values: Mapping[str, str], *, any_case: bool = False) -> list[tuple[int, int, str]]:
        found = []
        for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
            if not value or value.lower() not in text.lower():
                continue
            flags = re.IGNORECASE if any_case else 0
            after = r"(?![\w@-]|\.\w)" if "@" in value else r"(?![\w-]|\.\w)"
            pattern = rf"(?<![\w@+=/.-])(?<!\\){re.escape(value)}{after}"
            matches = re.finditer(pattern, text, flags)
            found += [(match.start(), match.end(), name if match[0] == value else "") for match in matches]
        return found

    @staticmethod
    def _rendered(text: str, spans: Iterable[tuple[int, int, str]], written: Written, otherwise: str) -> str:
        parts, at = [], 0
        for start, end, name in spans:
            parts += [written(text[at:start]), f"${{{name}}}" if name else otherwise]
            at = end
        return "".join([*parts, written(text[at:])])

    def withheld(self) -> tuple[str, ...]:
        """Return the variables whose values a secret is in, or is by chance the same word as a part of: no defaults."""
        return tuple(name for name, value in self.variables.items() if self.holds_secret(self._without_users(value)))

    def _without_users(self, text: str) -> str:
        spans = [(start, end, "") for start, end, _ in self._value_spans(text, self.given)]
        return self._rendered(text, _apart(spans), str, "\n")

    def shown_variables(self) -> dict[str, str]:
        """Return the variables that have defaults with these, as templates."""
        withheld = self.withheld()
        return {name: self.user_only(value) for name, value in self.variables.items() if name not in withheld}


def _apart(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return spans in order and apart from each other; of two the one that was found first stays, made as large.

    One that overlaps another only in part is joined to it, and what it names is named no more.
    """
    kept: list[tuple[int, int, str]] = []
    for span in spans:
        start, end, _ = span
        touching = [one for one in kept if one[0] < end and start < one[1]]
        if not touching:
            kept.append(span)
        elif any(start < one[0] or end > one[1] for one in touching) and not any(one[2] for one in touching):
            kept = [one for one in kept if one not in touching]
            kept.append((min(start, *(one[0] for one in touching)), max(end, *(one[1] for one in touching)), ""))
    return sorted(kept)


def glob_of(text: str) -> str:
    """Return the glob that a text is matched by."""
    glob = made_writable(_GLOB_SPECIAL.sub(r"\\\g<0>", text).replace("\t", "?"))
    return glob.replace("{{", "{?").replace("${", "$${")


def as_glob(glob: str) -> str:
    """Return a glob as it is written where a pattern may stand: what begins with a slash would be a regex."""
    return f"\\{glob}" if glob.startswith("/") else glob


def _without_ends(glob: str) -> str:
    """Return a glob with stars for blanks at its ends, which an expectation does not keep."""
    bare = glob.strip(" ")
    return "*" * glob.startswith(" ") + bare + "*" * (glob.endswith(" ") and bool(bare))
