"""What the client said as templates: names in place of values, a word in place of a secret.

Where it stands is for others to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.authoring.conversation import ClientLine
from runner.authoring.decoding import Login
from runner.authoring.expected import Reading
from runner.authoring.message_text import message_lines
from runner.authoring.naming import REMOVED, escaped
from runner.authoring.steps import Page
from runner.authoring.turns import COMMANDS, HELLOS, Turn
from runner.authoring.yaml_text import block, is_writable, made_writable, scalar

# What a scenario says in place of a response that nobody can make again: base64 of REMOVED.
_REMOVED = "UkVNT1ZFRA=="


class ClientLines:
    """Makes templates of what the client said, and tells on the page where that is not what it was."""

    def __init__(
        self,
        reading: Reading,
        addresses: Mapping[int, str],
        logins: Sequence[tuple[Login, Mapping[str, str]]],
        page: Page,
    ) -> None:
        self._machine = reading.machine
        self._names = reading.names
        self._addresses = addresses
        self._responses = {at: (login, named) for login, named in logins for at in range(login.first, login.last + 1)}
        self._page = page

    def line(self, at: int, turn: Turn) -> tuple[str, list[str]]:
        """Return a line as a template, and the lines of YAML for the keys that it wants beside it."""
        if at in self._responses:
            return self._of_login(at, turn)
        return self._text(at, turn), self._literal(turn)

    def message(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of a message as templates."""
        written = message_lines(lines, self._names)
        self._tell_removed("\n".join(written), "\n".join(lines))
        return written

    def _text(self, at: int, turn: Turn) -> str:
        assert isinstance(turn.client, ClientLine)
        if turn.client.template:
            return turn.client.template
        if turn.verb in HELLOS:
            return self._hello(turn)
        word = turn.text.split(" ", 1)[0]
        start = len(word) if word.upper() in COMMANDS and not turn.is_response else 0
        name = self._addresses.get(at, "")
        text = self._names.client(turn.text, (name,) if name else (), start=start)
        self._tell_removed(text, turn.text)
        return text

    def _tell_removed(self, written: str, said: str) -> None:
        if REMOVED in written and REMOVED not in said:
            self._page.tell(
                f"a secret stood here: {REMOVED} is in its place; where it was the same word by chance, put that back",
                f"a secret stood in what the client said outside of its login; {REMOVED} is in its place: where it was "
                "the same word by chance, put that back",
            )

    def _hello(self, turn: Turn) -> str:
        word, blank, name = turn.text.partition(" ")
        if not (blank and name.strip()):
            self._page.tell(
                "changed: no name followed here, and servers of today want one",
                f"{word.upper()} had no argument: it is sent with the client's name",
            )
        return f"{word.upper()} ${{client.name}}"

    def _of_login(self, at: int, turn: Turn) -> tuple[str, list[str]]:
        login, named = self._responses[at]
        assert isinstance(turn.client, ClientLine)
        if at == login.first and login.is_wrong:
            self.tell_wrong(login)
        if at in login.untold:
            self._page.tell(
                f"a response of {login.mechanism} that is made anew each time: it is left out, write your own",
                f"a response of {login.mechanism} can't be replayed as a line; write it yourself",
            )
            is_first = at == login.first and not turn.is_response
            return (f"AUTH {login.mechanism} {_REMOVED}" if is_first else _REMOVED), []
        template = turn.client.template if "${" in turn.client.template else login.lines.get(at, "")
        if not template and not turn.is_response:
            template = escaped(turn.text)
        for part, name in named.items():
            template = re.sub(rf"\$\{{{part}(?=[ }}|])", f"${{{name}", template)
        keys = ["encode: none"] if at in login.as_typed and "${" in template else []
        return template, keys

    def tell_wrong(self, login: Login) -> None:
        """Tell that a login has failed, and what is sent in place of its secret."""
        self._page.tell(
            f"a failed login was recorded: wrong_{'token' if 'token' in login.values else 'password'} is made up",
            "a login that failed was recorded; a made-up password is sent in its place",
        )

    def _literal(self, turn: Turn) -> list[str]:
        if turn.literal is None:
            return []
        lines = turn.literal.text.replace("\r\n", "\n").split("\n")
        ends = lines[-1] == ""
        written = self.message(lines[:-1] if ends else lines)
        if not all(is_writable(line) for line in written):
            self._page.tell(
                "bytes that no text can hold are left out of what follows",
                "a literal holds bytes that are no text; they are left out",
            )
            written = [made_writable(line) for line in written]
        if not ends and len(written) == 1:
            is_usual = turn.literal.is_sync or not self._machine.has_tags
            return [f"literal: {scalar(written[0])}" if is_usual else f"literal: {_unsync(written[0])}"]
        head, *rest = block(written or [""], "      ")
        return [f"literal: {head if ends else head[:1] + '-' + head[1:].rstrip('+')}", *rest]


def octets(text: str) -> str:
    """Return a template as `bytes` takes it: escapes for what YAML or a template can't hold."""
    found = []
    for char in text.replace("\\", "\\\\").replace("{{", "{\\x7b"):
        if is_writable(char) and char != "\t":
            found.append(char)
        else:
            found += [f"\\x{octet:02x}" for octet in char.encode("utf-8", "surrogateescape")]
    return "".join(found)


def _unsync(text: str) -> str:
    return f"{{text: {scalar(text, in_flow=True)}, sync: false}}"
