"""A reply as what a scenario expects of it: no more than the level asks, and nothing that the reply itself would fail.

Each form is tried on the reply with the code that a run judges by; the first that fits is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from runner.authoring.naming import Names, as_glob
from runner.authoring.turns import ASKING, Heard
from runner.authoring.varying import Stretch
from runner.authoring.yaml_text import flow_list, is_writable, scalar
from runner.dataclass import dataclass
from runner.errors import Problem, SourceFile, Span
from runner.language.short_form import ShortFormReader
from runner.language.template import Placeholder, parse_text
from runner.matching.expectation import Alternative, Expectation, Word
from runner.matching.judging import judge
from runner.matching.pattern import Slot
from runner.protocol import Reply
from runner.protocol.base import LineReply

if TYPE_CHECKING:
    from runner.protocol import Machine

Level = Literal["texts", "status", "codes"]
"""How much of a reply a draft expects."""
Value = str | list[str] | dict[str, str]
"""What a key says: YAML, a list of texts, or names with YAML."""

# A block longer than this is no dialogue any more; its beginning tells it.
_MOST_LINES = 12
_MOST_UNTAGGED = 8
_NAME = re.compile(r"[A-Z0-9][A-Z0-9.+-]*")
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_SIZE = re.compile(r"[1-9][0-9]{0,17}")
# What a line of IMAP holds that is no fact of the server: literals, and what lies in a mailbox.
_NO_FACT = re.compile(
    r"\{\d+\}|\n|\A\d+ FETCH |\ACAPABILITY |\A(?:SEARCH|SORT|THREAD|ESEARCH)\b|\AOK \[UNSEEN ", re.IGNORECASE
)
_NOWHERE = Span(SourceFile("", ""), 1, 1)
# Nothing but stars and blanks demands nothing.
_SAYS_NOTHING = re.compile(r"(?:[*? ]|\$\{\})*\Z")


@dataclass(frozen=True, slots=True)
class Expected:
    """What is written: `lines` of one short form or of a block, `keys` beside it, and what was guessed."""

    lines: tuple[str, ...] = ()
    keys: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_own_step: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known while replies are written: the protocol, the level, the names, the capabilities that are used."""

    machine: type[Machine]
    level: Level
    names: Names
    used: frozenset[str]

    def expected(self, heard: Heard, prefer: Iterable[str] = ()) -> Expected | None:
        """Return what to expect of a reply; None if it is none that a run could read."""
        if heard.event.expect and (wanted := self._wanted(heard)) is not None:
            return wanted
        if heard.reply is None:
            return self._without_reply(heard, prefer)
        keys = self._capabilities(heard)
        if self.machine.has_tags and self.level == "texts" and not keys:
            keys = self._untagged_keys(heard, prefer)
        for lines, wild in self._forms(heard, heard.reply, prefer, is_bare=bool(keys)):
            if self._accepts(lines, heard.reply):
                guessed = tuple(dict.fromkeys(one.what for one in wild if one.is_guess))
                until = self._until(lines)
                return Expected(lines, {**until, **keys}, guessed)
        return Expected((heard.reply.code,), keys)

    def _until(self, lines: tuple[str, ...]) -> dict[str, Value]:
        is_more = not self.machine.knows_ends and len(lines) > 1
        return {"until": f"{{lines: {len(lines)}}}"} if is_more else {}

    def _wanted(self, heard: Heard) -> Expected | None:
        """Return the operator's own form, if it can be read and holds no secret."""
        text = heard.event.expect
        if not is_writable(text) or self.names.holds_secret(text) or self._read(text) is None:
            return None
        return Expected((text,), self._capabilities(heard), is_own_step=True)

    def _without_reply(self, heard: Heard, prefer: Iterable[str]) -> Expected | None:
        if heard.untagged:
            return Expected(("untagged",), self._untagged_keys(heard, prefer))
        last = heard.event.lines[0 if self.machine.head_at == 0 else -1] if heard.event.lines else ""
        code = self.machine.code_grammar.match(last)
        if not heard.event.is_cut or code is None or last[code.end() :][:1] not in ("", " ", "-"):
            return None
        return Expected((code[0],), notes=("the transcript ends in the midst of this reply: more of it is not known",))

    # Forms, the one that says most first.

    def _forms(
        self, heard: Heard, reply: Reply, prefer: Iterable[str], *, is_bare: bool
    ) -> Iterator[tuple[tuple[str, ...], tuple[Stretch, ...]]]:
        if not self.machine.has_codes:
            yield from self._plain_forms(heard, prefer)
            return
        status = self._status(reply)
        if self.level == "texts" and not (is_bare and not self.machine.has_tags):
            if self.machine.head_at is None and len(reply.lines) > 1:
                yield self._block(reply, prefer)
            else:
                yield from self._texts(reply, status, prefer)
        if self.level != "codes" and status:
            yield (f"{reply.code} {status}",), ()
        yield (reply.code,), ()

    def _texts(
        self, reply: Reply, status: str, prefer: Iterable[str]
    ) -> Iterator[tuple[tuple[str, ...], tuple[Stretch, ...]]]:
        if isinstance(reply, LineReply) and reply.head_at is not None and not reply.is_challenge:
            said = reply.said.split("\n")[0]
        else:
            said = reply.decoded if reply.decoded is not None else reply.bare(reply.texts[0])
        if "\n" in said:
            return
        counts = self.machine.head_at is not None and self._has_counts(reply)
        glob, wild = self.names.pattern(said, prefer, counts=counts)
        if _SAYS_NOTHING.match(glob):
            return
        head = f"{reply.code} {status}" if status else reply.code
        yield (f"{head} {as_glob(glob)}",), wild
        # What looks like a status, a word or a second code is none with its first character open.
        yield (f"{head} ?{glob[1:]}",), wild

    def _has_counts(self, reply: Reply) -> bool:
        owed = reply.owed.to if reply.owed is not None else ""
        return owed not in ("greeting", "CAPA", "CAPABILITY")

    def _block(self, reply: Reply, prefer: Iterable[str]) -> tuple[tuple[str, ...], tuple[Stretch, ...]]:
        texts, lines = reply.texts, []
        found: list[Stretch] = []
        for text in texts[:_MOST_LINES]:
            glob, wild = self.names.pattern(text, prefer)
            lines.append(f"{reply.code}-{glob}".rstrip(" "))
            found += wild
        if len(texts) > _MOST_LINES:
            lines.append("...")
        else:
            lines[-1] = (reply.code + " " + lines[-1][len(reply.code) + 1 :]).rstrip(" ")
        return tuple(lines), tuple(found)

    def _plain_forms(
        self, heard: Heard, prefer: Iterable[str]
    ) -> Iterator[tuple[tuple[str, ...], tuple[Stretch, ...]]]:
        """Of a protocol without codes: all lines, or how the last one begins."""
        found: list[Stretch] = []
        lines: list[str] = []
        for line in heard.event.lines:
            text = line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            glob, wild = self.names.pattern(text, prefer)
            found += wild
            word = glob.split(" ", 1)[0]
            short = glob if self.level == "texts" else f"{word}*"
            lines.append(short)
        if len(lines) > 1:
            yield tuple(lines), tuple(found)
            return
        first = lines[0] if lines else ""
        yield (as_glob(first) if first else "/^$/",), tuple(found)
        yield (f"?{first[1:]}",), tuple(found)

    def _status(self, reply: Reply) -> str:
        """Return the status as it is written; of a response code in brackets its name only, for the rest varies."""
        status = reply.enhanced
        if status[:1] in ("[", "("):
            name = re.match(r"[\[(]([A-Za-z][A-Za-z0-9-]*(?:/[A-Za-z0-9-]+)?)[\s\])]", status)
            if name is None or name[1].upper() in ("CAPABILITY", "SASL", "TAG"):
                return ""
            status = f"{status[0]}{name[1]}{status[-1]}"
        return "" if self.names.holds_secret(status) else status

    # Keys beside it.

    def _capabilities(self, heard: Heard) -> dict[str, Value]:
        asks = heard.owed in ASKING or (heard.owed == "greeting" and self.machine.name == "sieve")
        if heard.shown is None or not asks:
            return {}
        wishes = {name: self._wish(name, values) for name, values in heard.shown.items() if self._is_told(name, heard)}
        if not wishes:
            return {}
        if all(value == "required" for value in wishes.values()):
            return {"capabilities": list(wishes)}
        return {"capabilities": wishes}

    def _is_told(self, name: str, heard: Heard) -> bool:
        if not _NAME.fullmatch(name) or name == "OK" or self.names.holds_secret(name):
            return False
        if name == "SASL" and "AUTH" in (heard.shown or {}):
            return False
        return self.level == "texts" or name in self.used

    def _wish(self, name: str, values: tuple[str, ...]) -> str:
        if name == "SIZE" and values and _SIZE.fullmatch(values[0]):
            return scalar(f">= {values[0]}", in_flow=True)
        if name == "AUTH":
            known = [one for one in values if _PARAMETER.fullmatch(one) and not self.names.holds_secret(one)]
            if self.level != "texts":
                known = [one for one in known if one.upper() in self.used]
            return flow_list(known) if known else "required"
        return "required"

    def _untagged_keys(self, heard: Heard, prefer: Iterable[str]) -> dict[str, Value]:
        found: list[str] = []
        lines = heard.untagged
        for line in lines[:_MOST_UNTAGGED]:
            if _NO_FACT.search(line) and heard.reply is not None:
                continue
            glob, _ = self.names.pattern(line.split("\n")[0], prefer, counts=True)
            glob = as_glob(glob + "*" * ("\n" in line))
            if not _SAYS_NOTHING.match(glob) and glob not in found and self._fits(glob, line):
                found.append(glob)
        if not found and heard.reply is None:
            found = ["*"]
        return {"untagged": found} if found else {}

    # The proof.

    def _read(self, text: str) -> Alternative | None:
        problems: list[Problem] = []
        template = parse_text(text, _nowhere, _NOWHERE, problems)
        one = ShortFormReader(self.machine, problems, _nowhere).read(template)
        return None if problems else one

    def _fits(self, glob: str, line: str) -> bool:
        problems: list[Problem] = []
        template = parse_text(glob, _nowhere, _NOWHERE, problems)
        pattern = ShortFormReader(self.machine, problems, _nowhere).pattern(template)
        return pattern is not None and bool(pattern.fill(self._value_of).match_line(line))

    def _value_of(self, slot: Slot) -> str:
        name = cast(Placeholder, slot.key).name
        return {**self.names.given, **self.names.variables}.get(name, "")

    def _accepts(self, lines: tuple[str, ...], reply: Reply) -> bool:
        """Whether the form can be read, is no word, holds no secret and accepts the reply."""
        if any(self.names.holds_secret(line.partition(" ")[2]) for line in lines):
            return False
        one = self._read("\n".join(lines) + "\n" * (len(lines) > 1))
        if one is None or isinstance(one, Word):
            return False
        if not self.machine.knows_ends and len(lines) > 1:
            return True
        judgement = judge(Expectation((one,)).fill(self._value_of), reply)
        return not judgement.mismatches and not judgement.is_wrong_code


def _nowhere(_at: int, _width: int) -> Span:
    return _NOWHERE
