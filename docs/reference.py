"""The reference tables of the manual, made from what the code itself goes by: schemas, registries, constants, parser.

Where the code has no sentence for a thing, it stands here; a name that has none, or one too many, is an error.
"""

# ruff: noqa: INP001

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from runner import connection, errors, mx, process, scheduler, session, surroundings, transcript
from runner.authoring.lint import Rule, in_order
from runner.baseline.facts import LATENCIES, SLOWEST
from runner.baseline.masks import MASKS
from runner.cli.command_line import make_parser
from runner.cli.exit_codes import own_codes
from runner.cli.run import MOST_REPEATS
from runner.language import body, filters, fragments, loader, model, reading, target, values
from runner.language.matrix import MOST_ROWS
from runner.language.sessions import MOST_CONNECTIONS
from runner.language.verbs import grouping
from runner.language.vocabulary import CLIENT_VERBS, CONTROL_VERBS
from runner.matching import regex, regex_syntax
from runner.player import auth, conversation, finishing, record
from runner.player.rows import MOST_FAILED_ROWS
from runner.player.rows import MOST_ROWS as MOST_STEPS
from runner.protocol import base
from runner.redaction import SHORTEST_SEARCHED
from runner.report.formats import FORMATS
from runner.resources import bundled
from runner.sasl import MECHANISMS, mechanism, scram

Schema = Mapping[str, Any]
_PLACEHOLDER = re.compile(r"\$\{[\w.]+\}")

# How a definition of the schema is called in a table.
_KINDS = {
    "text": "text",
    "some_text": "text",
    "duration": "duration",
    "count": "whole number",
    "size": "size",
    "rate": "rate",
    "message": "text, or [where it comes from](#messages)",
    "fetched_message": "[mapping](mailboxes.md#judging-a-message)",
    "pattern": "[pattern](#patterns)",
    "patterns": "[pattern](#patterns), or a list",
    "texts": "text, or a list",
    "short_forms": "[short form](#the-short-form), or a list",
    "variable_name": "name",
    "steps_list": "list of steps",
    "tls_options": "[TLS options](#tls)",
    "tls_expect": "[mapping](#tls_expect)",
    "when": "[conditions](#conditions)",
    "capabilities": "[capabilities](#capabilities)",
    "secret": "[source](#secrets-in-the-project-file)",
    "target": "URL, or [target](#targets)",
    "vars": "mapping of names to texts",
    "secrets": "mapping of names to [sources](#secrets-in-the-project-file)",
}
# Keys whose kind is more than the schema's types say.
_SPECIAL = {
    "expect": "[short form](#the-short-form), or a list",
    "expect_each": "list, or mapping by address; see [LMTP](#lmtp)",
    "expect_line": "[pattern](#patterns); see [One line of a reply](#one-line-of-a-reply)",
    "requires": "[mapping](#requires)",
    "matrix": "[lists, rows or a file](#matrix)",
    "sessions": "[mapping](#several-sessions)",
    "headers": "mapping of names to what is asked",
    "attachments": "number, list of [patterns](#patterns), or mapping with `lacks`",
    "defaults": "[mapping](#defaults)",
    "limits": "[mapping](#limits-of-what-a-server-may-send)",
    "capture": "mapping of names",
    "targets": "mapping of names to URLs or [targets](#targets)",
    "auth": "mechanism, or [options](#auth)",
    "connect": "empty, or [options](#connect)",
    "proxy_protocol": "`v1`, `v2`, or [mapping](#reaching-a-server)",
    "keyring": "text, or mapping of `service` and `username`",
    "starttls": "empty, or [TLS options](#tls)",
    "tls": "empty, or [TLS options](#tls)",
    "bytes": "text, or [where they come from](#bytes)",
    "talk": "block of text",
    "close": "`quit`, `fin`, `reset`",
    "repeat": "whole number, or [values](#repeat)",
    "retry": "[mapping](#retry)",
    "known_issue": "text, or [mapping](#known_issue)",
    "with": "mapping of names to texts",
}
_LISTS = {"tags": "list of texts", "secrets": "list of names", "env": "list of names", "command": "list of texts"}


@cache
def _schema(name: str) -> Schema:
    text = (bundled("schema") / f"{name}.schema.json").read_text("utf-8")
    found: Schema = json.loads(text)
    return found


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    heads = list(header)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# Keys.


def keys(name: str, *path: str, leave_out: Iterable[str] = ()) -> str:
    """Return the table of the keys of one mapping of a schema; `path` leads to the mapping's schema."""
    root = _schema(name)
    node: Any = root
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node[step]
    required = set(node.get("required", ()))
    rows = [
        (f"`{key}`", _kind(root, key, one), _meaning(root, one, is_required=key in required))
        for key, one in node["properties"].items()
        if key not in set(leave_out)
    ]
    return table(("key", "value", "meaning"), rows)


def fetched_keys() -> str:
    """Return the keys of `message`, for another page than the one that explains patterns."""
    return keys("scenario", "definitions", "fetched_message").replace("](#", "](language.md#")


def _resolved(root: Schema, one: Schema) -> Schema:
    """Return a schema with what it refers to under what it says itself."""
    while "$ref" in one:
        found: Any = root
        for step in one["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        one = found
    return one


def _kind(root: Schema, key: str, one: Schema) -> str:
    if one.get("type") == "array" and key in _LISTS:
        return _LISTS[key]
    for part in (one, *one.get("allOf", ())):
        name = part.get("$ref", "").rpartition("/")[2]
        if name in _KINDS:
            return _KINDS[name]
    one = _resolved(root, one)
    if "enum" in one:
        return "`true`, `false`" if True in one["enum"] else ", ".join(f"`{word}`" for word in one["enum"])
    if key in _SPECIAL:
        return _SPECIAL[key]
    if one.get("type") == "array":
        return "list of texts"
    if one.get("type") == "object":
        return "mapping"
    return "text"


def _meaning(root: Schema, one: Schema, *, is_required: bool) -> str:
    resolved = _resolved(root, one)
    text = _PLACEHOLDER.sub(r"`\g<0>`", str(one.get("description") or resolved["description"]))
    default = one.get("default", resolved.get("default"))
    if is_required:
        text = f"**Required.** {text}"
    if default is None:
        return text
    return f"{text} Default: `{json.dumps(default) if isinstance(default, bool) else default}`."


def verbs(names: Iterable[str]) -> str:
    """Return what the verbs do."""
    definitions = _schema("scenario")["definitions"]
    return table(("verb", "does"), ((f"[`{name}`](#{name})", definitions[name]["description"]) for name in names))


_COMMON = ("name", "because", "session", "when", "timeout")
_EXPECTATION = tuple(_schema("scenario")["definitions"]["expectation"]["properties"])


def own_keys(verb: str) -> str:
    """Return the keys that only this verb has."""
    return keys("scenario", "definitions", verb, leave_out=(*_COMMON, *_EXPECTATION))


# Registries.

_FILTERS = {
    "base64": "base64 of the UTF-8 text, on one line",
    "base64_decode": "the text that a base64 stands for; an error if it isn't base64 of UTF-8 text",
    "hex": "two hexadecimal digits for each byte",
    "upper": "upper case",
    "lower": "lower case",
    "trim": "without blanks and line ends around it",
    "sha256": "the SHA-256 digest, in hexadecimal",
    "xtext": "as `ORCPT` and `ENVID` want it (RFC 3461)",
    "quoted": 'a quoted string, `"` and `\\` escaped',
    "idna": "the domain (of an address: what follows the `@`) in its ASCII form; needs the extra `dns`",
    "repeat": "the text so many times",
}
_SAMPLES = {"base64_decode": "QWxpY2U=", "idna": "post@bücher.example", "trim": " Alice+1 ", "quoted": 'Al "i" ce'}
_SAMPLE = "Alice+1"
_NUMBER = 3


def filter_table() -> str:
    """Return the filters, each with what it makes of a text."""
    _same_names("filters", filters.FILTERS, _FILTERS)
    return table(("filter", "gives", "of", "makes"), map(_filter_row, filters.FILTERS))


def _filter_row(name: str) -> tuple[str, ...]:
    spec = filters.FILTERS[name]
    sample = _SAMPLES.get(name, _SAMPLE)
    made = spec.apply(sample, _NUMBER)
    if name == "sha256":
        made = f"{made[:12]}…"
    written = f"{name}({_NUMBER})" if spec.takes_number else name
    return f"`{written}`", _FILTERS[name], _code(sample), _code(made)


def _code(text: str) -> str:
    return f"`` {text} ``" if text != text.strip() else f"`{text}`"


_BUILT_INS = {
    "target.host": "the target's host (of a UNIX socket: its path)",
    "target.port": "the target's port",
    "target.name": "the target's name, or its URL if it has none",
    "client.name": "the name for EHLO: the project file's `client_name`, else the machine's full name, "
    "else the address literal",
    "client.address": "the local address of the connection; known once it is open",
    "scenario.name": "the scenario's name",
    "case.id": "a short name of this case",
    "unique": "a token that no other case has: letters and digits, fit for a local part or a Subject",
    "now": "the time when the case started, as a message's `Date` has it",
    "now.iso": "the same, as `2026-01-31T12:00:00+00:00`",
    "message_id": "a value for `Message-ID`, angle brackets included",
    "index": "the number of the round, from 1; inside a [`repeat`](#repeat)",
    "attempt": "the number of the attempt, from 1; inside a [`retry`](#retry)",
}


def built_ins() -> str:
    """Return the names that are there by themselves."""
    _same_names("built-ins", reading.BUILT_INS, _BUILT_INS)
    rows = [(f"`{name}`", meaning) for name, meaning in _BUILT_INS.items()]
    return table(("name", "value"), [*rows, ("`env.NAME`", "the environment variable, if the project file lists it")])


_MECHANISMS = {
    "PLAIN": "RFC 4616",
    "LOGIN": "never standardised; Username: and Password: challenges",
    "CRAM-MD5": "RFC 2195",
    "SCRAM-SHA-1": "RFC 5802",
    "SCRAM-SHA-256": "RFC 7677",
    "SCRAM-SHA-1-PLUS": "RFC 5802; with channel binding, so TLS must be there",
    "SCRAM-SHA-256-PLUS": "RFC 7677; with channel binding, so TLS must be there",
    "XOAUTH2": "Google's and Microsoft's, before OAUTHBEARER",
    "OAUTHBEARER": "RFC 7628",
    "EXTERNAL": "RFC 4422 appendix A; the proof is the TLS client's certificate",
    "NTLM": "MS-SMTPNTLM; by the extra `ntlm`",
    "GSSAPI": "RFC 4752, Kerberos; by the extra `gssapi`",
}


def mechanisms() -> str:
    """Return the SASL mechanisms, the strongest first, with the parts of the credentials that they want."""
    _same_names("mechanisms", MECHANISMS, _MECHANISMS)
    rows = (
        (f"`{name}`", ", ".join(f"`{part}`" for part in known.wants) or "nothing", _MECHANISMS[name])
        for name, known in MECHANISMS.items()
    )
    return table(("mechanism", "wants", "where it is written"), rows)


_PROTOCOLS = {"sieve": "ManageSieve", "tcp": "any line protocol"}
_NO_PORT = {"lmtp+unix": "a UNIX socket", "tcp": "none: the URL has one"}
_NO_STARTTLS = {"tcp": "by `tls`, where the protocol has a command for it"}


def schemes() -> str:
    """Return the URL schemes of targets."""
    rows = (
        (
            f"`{name}`",
            _PROTOCOLS.get(scheme.protocol, scheme.protocol.upper()),
            str(scheme.port) if scheme.port else _NO_PORT[name],
            "from the first byte" if scheme.implicit_tls else _NO_STARTTLS.get(name, "by `starttls`"),
        )
        for name, scheme in target.SCHEMES.items()
    )
    return table(("scheme", "protocol", "port if none is given", "TLS"), rows)


def _same_names(what: str, code: Iterable[str], manual: Iterable[str]) -> None:
    missing, gone = set(code) - set(manual), set(manual) - set(code)
    if missing or gone:
        raise ValueError(f"{what} in docs/reference.py: no sentence for {sorted(missing)}; gone are {sorted(gone)}")


# Limits.

_KIB = 1024


def _size(count: int) -> str:
    for unit, size in (("GiB", _KIB**3), ("MiB", _KIB**2), ("KiB", _KIB)):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count:,} bytes"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def limits_of_time() -> str:
    """Return how long things may take."""
    rows = (
        ("a step", _time(model.DEFAULT_TIMEOUT), "`timeout` of the step, the scenario, the project"),
        ("the reply to a message's end", _time(model.MESSAGE_TIMEOUT), "the same; any `timeout` takes its place"),
        (
            "a case, from its start",
            _time(model.DEFAULT_DEADLINE),
            "`deadline`; what `wait`, `retry` and `greylisting` ask for is added",
        ),
        ("`cleanup`", _time(conversation.CLEANUP_SECONDS), ""),
        ("`cleanup` after an interruption", _time(conversation.STOPPED_CLEANUP_SECONDS), ""),
        ("the goodbye and its answer", _time(finishing.FAREWELL_SECONDS), ""),
        ("an address that doesn't answer, before the host's next one is tried", _time(connection.NEXT_ADDRESS), ""),
        ("a secret's `command`, or the keyring", _time(surroundings.COMMAND_SECONDS), ""),
        ("the lookup of a domain's mail exchangers", _time(mx.LOOKUP_SECONDS), ""),
        ("a target's `command` after its connection's end, until SIGTERM", _time(session.GOODBYE), ""),
        ("the same from SIGTERM to SIGKILL", _time(process.KILL_AFTER), ""),
        ("any duration in a file", _time(values.MAX_DURATION), ""),
    )
    return table(("what", "at most", "set by"), rows)


def limits_of_server() -> str:
    """Return how much a server may send."""
    rows = (
        ("a line", _size(base.LINE_LIMIT), "`defaults: {limits: {line: …}}`"),
        ("a reply", _size(base.REPLY_LIMIT), "`defaults: {limits: {reply: …}}`"),
        ("the lines of a reply", f"{base.REPLY_LINES_LIMIT:,}", ""),
        ("what a regex sees of a line", _size(regex.LINE_LIMIT), ""),
        ("what a regex sees of a reply", _size(regex.TEXT_LIMIT), ""),
        ("what is kept of a `command`'s standard error", _size(process.ERRORS_KEPT), ""),
        ("an AUTH challenge", _size(mechanism.MAX_CHALLENGE), ""),
        ("challenges in an exchange", str(auth.MAX_ROUNDS), ""),
        ("SCRAM iterations", f"{scram.MAX_ITERATIONS:,}", ""),
    )
    return table(("what", "at most", "set by"), rows)


def limits_of_transcripts() -> str:
    """Return how much of a conversation a report shows, the most talkative one."""
    ends = f"the first {transcript.FIRST_LINES} and the last {transcript.LAST_LINES}"
    rows = (
        ("lines that one side sends in a row, those of literals left out", ends),
        (
            "lines of a literal among them",
            f"{ends}; several share that, but each has {transcript.LITERAL_ENDS} and {transcript.LITERAL_ENDS}",
        ),
        ("characters of a line", f"{transcript.LINE_WIDTH}"),
        (
            "what one side sends in a row",
            f"the first {_size(transcript.RUN_FIRST)} and the last {_size(transcript.RUN_LAST)}",
        ),
        (
            "the whole of a connection",
            f"the first {_size(transcript.WHOLE_FIRST)} and the last {_size(transcript.WHOLE_LAST)}",
        ),
    )
    return table(("of", "shown"), rows)


def limits_of_files() -> str:
    """Return how large files and values may be."""
    rows = (
        ("a scenario or project file", _size(loader.MAX_FILE_BYTES)),
        ("levels of mappings and lists in it", str(loader.MAX_DEPTH)),
        ("keys, values and items in it", f"{loader.MAX_NODES:,}"),
        ("YAML aliases in it", str(loader.MAX_ALIASES)),
        ("problems shown of it", str(loader.MAX_PROBLEMS)),
        ("a repeat `{n}` in a regex", f"{regex_syntax.COUNT_LIMIT:,}"),
        ("groups inside one another in a regex", str(regex_syntax.NESTING_LIMIT)),
        ("what the filter `repeat` makes", f"{filters.REPEAT_LIMIT:,} characters"),
        ("fragments inside one another", str(fragments.MAX_DEPTH)),
        ("uses of fragments in a scenario", f"{fragments.MAX_USES:,}"),
        ("rounds of a `repeat`", f"{grouping.MAX_ROUNDS:,}"),
        ("a secret", _size(surroundings.SECRET_LIMIT)),
        ("a file that is sent", _size(body.FILE_LIMIT)),
        ("a file with placeholders that are filled", _size(loader.MAX_FILE_BYTES)),
        ("a message made up by `size`", _size(body.SIZE_LIMIT)),
    )
    return table(("what", "at most"), rows)


def limits_of_runs() -> str:
    """Return how much goes on at once."""
    rows = (
        ("cases at once", str(scheduler.DEFAULT_JOBS), "`--jobs`"),
        ("cases at once for one target", str(scheduler.DEFAULT_PER_TARGET), "`--per-target`"),
        ("steps of a case that a report lists", f"{MOST_STEPS:,}, and {MOST_FAILED_ROWS} failed ones", ""),
        ("connections of a case that are kept", f"{record.FIRST_KEPT + record.LAST_KEPT}", ""),
        ("rows of a matrix", f"{MOST_ROWS:,}", ""),
        ("connections of one session", f"{MOST_CONNECTIONS:,}", "`count`"),
        ("repetitions of a case", f"{MOST_REPEATS:,}", "`--repeat`"),
    )
    return table(("what", "at most", "set by"), rows)


def shortest_secret() -> str:
    """Return how long a secret must be to be looked for."""
    return (
        f"A secret of fewer than {SHORTEST_SEARCHED} characters can't be looked for in what a server sends: it is "
        "masked only where mailproof sends it, and a warning says so."
    )


# Reports.


def report_list() -> str:
    """Return the formats of `--report`, with the sections that tell more."""
    rows = (
        (f"`{one.name}`", one.summary, f"`{one.suffix}`", "its owner" if one.is_private else "as the umask says")
        for one in FORMATS.values()
    )
    return table(("format", "holds", "usual suffix", "a file of it is read by"), rows)


def document_keys(*path: str) -> str:
    """Return the keys of one mapping of a result's document; `path` leads to the mapping's schema."""
    node: Any = _schema("result")
    for step in path:
        node = node[step]
    required = set(node["required"])
    rows = (
        (f"`{key}`", _document_kind(one) if key in required else f"{_document_kind(one)}, or absent", _told(one))
        for key, one in node["properties"].items()
    )
    return table(("key", "value", "meaning"), rows)


def _document_kind(one: Schema) -> str:
    target = one.get("$ref") or one.get("allOf", [{}])[0].get("$ref", "")
    if target:
        name = target.rpartition("/")[2]
        return "word" if name == "outcome" else f"`{name}`"
    if one.get("type") == "array":
        item = _document_kind(one["items"])
        return "list of texts" if item == "text" else f"list of {item}"
    if "const" in one or "enum" in one:
        return " or ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    kinds = {"string": "text", "integer": "whole number", "number": "seconds", "boolean": "true or false"}
    return kinds.get(one["type"], "mapping")


def _told(one: Schema) -> str:
    """Return what a key means; one without words of its own is what its definition says."""
    if "description" in one:
        return str(one["description"])
    name = one["$ref"].rpartition("/")[2]
    return str(_schema("result")["definitions"][name]["description"])


# Baselines.


def baseline_masks() -> str:
    """Return the masks of the house."""
    own = (("⟨host⟩", "the names of the targets' hosts"), ("⟨unique⟩", "`${unique}`, `${case.id}`, `${message_id}`"))
    return table(("shown", "in place of"), (*own, *((mask.mark, mask.hides) for mask in MASKS)))


def latency_classes() -> str:
    """Return the classes of latency, in words."""
    return ", ".join([*(name for _, name in LATENCIES), SLOWEST])


# The command line.


def exit_codes() -> str:
    """Return the exit codes, the first that applies first."""
    rows = (
        (errors.EXIT_INTERRUPTED, "interrupted by Ctrl-C (SIGINT), `record --listen` apart; what ran is reported"),
        (errors.EXIT_TERMINATED, "the same, by SIGTERM"),
        (errors.EXIT_USAGE, "wrong usage, a wrong file, or no scenario selected; nothing was connected"),
        (errors.EXIT_TOOL, "mailproof or its surroundings failed: a missing extra, a report that can't be written"),
        (errors.EXIT_FAILED, "something failed or erred, or nothing passed (all were skipped)"),
        (errors.EXIT_PASSED, "the rest: something passed, and nothing failed; `record --listen` was ended by Ctrl-C"),
    )
    return table(("code", "when"), ((f"`{code}`", text) for code, text in rows))


def commands() -> str:
    """Return the commands, each with its options, as the parser has them."""
    parts = [_command(name, parser) for name, parser in _all_parsers()]
    return "\n\n".join(parts)


def _all_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Iterate over the commands, and the actions of those that have some, each with its whole name."""
    for name, parser in _subparsers(make_parser()).items():
        yield name, parser
        for action, inner in _subparsers(parser).items():
            yield f"{name} {action}", inner


def command_list() -> str:
    """Return the commands, a line each."""
    actions = next(one for one in make_parser()._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    rows = ((f"[`{one.dest}`](#mailproof-{one.dest})", str(one.help)) for one in actions._choices_actions)  # noqa: SLF001
    return table(("command", "does"), rows)


def _subparsers(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    actions = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    found = next(actions, None)
    return found.choices if found is not None else {}


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    paths = [one for one in parser._actions if not one.option_strings]  # noqa: SLF001
    words = " ".join(f"[{one.metavar or one.dest} …]" if one.nargs == "*" else str(one.metavar) for one in paths)
    prose, examples = _split_examples(str(parser.description or ""))
    parts = [f"## mailproof {name}", f"```text\nmailproof {name} [options] {words}".rstrip() + "\n```", prose]
    if examples:
        parts.append(f"```text\n{examples}\n```")
    for group in parser._action_groups:  # noqa: SLF001
        rows = list(_options(group._group_actions))  # noqa: SLF001
        if rows:
            title = "" if group.title in ("options", "positional arguments") else f"### {name}: {group.title}\n\n"
            parts.append(title + table(("option" if title or rows[0][0][1] == "-" else "argument", "meaning"), rows))
    parts.append(f"Exit codes: {' '.join(own_codes(name).split())}; the rest as [below](#exit-codes).")
    return "\n\n".join(parts)


def _split_examples(description: str) -> tuple[str, str]:
    lines = description.split("\n")
    prose = " ".join(line for line in lines if line and not line.startswith("  "))
    return prose, "\n".join(line.removeprefix("  ") for line in lines if line.startswith("  "))


def _options(actions: Iterable[argparse.Action]) -> Iterator[tuple[str, str]]:
    for one in actions:
        if isinstance(one, argparse._SubParsersAction):  # noqa: SLF001
            yield from ((f"`{inner.dest}`", str(inner.help)) for inner in one._choices_actions)  # noqa: SLF001
            continue
        value = one.metavar or ("|".join(map(str, one.choices)) if one.choices else one.dest.upper())
        value = "" if one.nargs == 0 else f" {value}"
        written = ", ".join(f"`{option}{value}`" for option in one.option_strings) or f"`{one.metavar}`"
        yield written, str(one.help)


# What pages may ask for.

_DEFINITION = ("scenario", "definitions")


def lint_list() -> str:
    """Return the table of the rules of `lint`."""
    rows = [
        (f"[`{one.id}`](#{one.id})", one.says + (" Only with `--pedantic`." if one.is_pedantic else ""))
        for one in in_order()
    ]
    return table(("rule", "finds"), rows)


def lint_rules() -> str:
    """Return a section for each rule of `lint`."""
    return "\n\n".join(_about_rule(one) for one in in_order())


def _about_rule(one: Rule) -> str:
    example, remedy = (f"```yaml other\n{text}```" for text in (one.example, one.remedy))
    parts = [f"### {one.id}", f"{one.says} {one.why}", example, "better:", remedy]
    return "\n\n".join([*parts, "Only with `--pedantic`."] if one.is_pedantic else parts)


PARTS: Mapping[str, Callable[[], str]] = {
    "baseline-masks": baseline_masks,
    "latency-classes": latency_classes,
    "report-list": report_list,
    "result-keys": document_keys,
    "result-case-keys": partial(document_keys, "definitions", "case"),
    "result-step-keys": partial(document_keys, "definitions", "step"),
    "result-difference-keys": partial(document_keys, "definitions", "difference"),
    "result-answer-keys": partial(document_keys, "definitions", "answer"),
    "result-line-keys": partial(document_keys, "definitions", "line"),
    "result-repeats-keys": partial(document_keys, "definitions", "repeats"),
    "scenario-keys": partial(keys, "scenario"),
    "requires-keys": partial(keys, "scenario", "properties", "requires"),
    "session-keys": partial(keys, "scenario", "properties", "sessions", "additionalProperties", "anyOf", "1"),
    "client-verbs": partial(verbs, CLIENT_VERBS),
    "control-verbs": partial(verbs, CONTROL_VERBS),
    "common-keys": partial(keys, *_DEFINITION, "common"),
    "expectation-keys": partial(keys, *_DEFINITION, "expectation"),
    "fetched-keys": fetched_keys,
    "when-keys": partial(keys, *_DEFINITION, "when"),
    "tls-keys": partial(keys, *_DEFINITION, "tls_options"),
    "tls-expect-keys": partial(keys, *_DEFINITION, "tls_expect"),
    "connect-keys": partial(keys, *_DEFINITION, "connect", "properties", "connect", "anyOf", "1"),
    "send-keys": partial(own_keys, "send"),
    "data-keys": partial(own_keys, "data"),
    "message-keys": partial(keys, *_DEFINITION, "message", "anyOf", "1"),
    "bdat-keys": partial(own_keys, "bdat"),
    "bytes-keys": partial(own_keys, "bytes"),
    "bytes-values": partial(keys, *_DEFINITION, "bytes", "properties", "bytes", "anyOf", "1"),
    "auth-keys": partial(keys, *_DEFINITION, "auth", "properties", "auth", "anyOf", "1"),
    "steps-keys": partial(own_keys, "steps"),
    "rounds-keys": partial(keys, *_DEFINITION, "rounds"),
    "attempts-keys": partial(keys, *_DEFINITION, "attempts"),
    "use-keys": partial(own_keys, "use"),
    "fragment-keys": partial(keys, *_DEFINITION, "fragment_file"),
    "known-issue-keys": partial(keys, "scenario", "properties", "known_issue", "anyOf", "1"),
    "proxy-keys": partial(
        keys,
        *_DEFINITION,
        *("connect", "properties", "connect", "anyOf", "1", "properties", "proxy_protocol", "anyOf", "1"),
    ),
    "project-keys": partial(keys, "project"),
    "target-keys": partial(keys, "project", "definitions", "target", "anyOf", "1"),
    "secret-keys": partial(keys, "project", "definitions", "secret"),
    "defaults-keys": partial(keys, "project", "properties", "defaults"),
    "limits-keys": partial(keys, "project", "properties", "defaults", "properties", "limits"),
    "filters": filter_table,
    "built-ins": built_ins,
    "mechanisms": mechanisms,
    "schemes": schemes,
    "limits-of-time": limits_of_time,
    "limits-of-server": limits_of_server,
    "limits-of-files": limits_of_files,
    "limits-of-transcripts": limits_of_transcripts,
    "limits-of-runs": limits_of_runs,
    "shortest-secret": shortest_secret,
    "lint-list": lint_list,
    "lint-rules": lint_rules,
    "exit-codes": exit_codes,
    "command-list": command_list,
    "commands": commands,
}
