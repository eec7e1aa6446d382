"""The steps of a draft as YAML: dialogues where a telnet operator would read them, steps where keys are needed.

What is in a line is for others to say; here is where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.authoring.client_lines import ClientLines, octets
from runner.authoring.conversation import ClientLine, ClientMessage, Ended, Exchange, Secured
from runner.authoring.decoding import Login
from runner.authoring.expected import Expected, Reading
from runner.authoring.steps import Page, is_talkable
from runner.authoring.turns import STARTTLS, Turn
from runner.authoring.yaml_text import block, flow_mapping, is_value, is_writable, printable, scalar
from runner.sasl import MECHANISMS

_GOODBYES = ("QUIT", "LOGOUT")


class Writer:
    """Writes the turns of one conversation."""

    def __init__(
        self,
        protocol: str,
        turns: Sequence[Turn],
        reading: Reading,
        addresses: Mapping[int, str],
        logins: Sequence[tuple[Login, Mapping[str, str]]],
    ) -> None:
        #: Names that are used and not written: those of the verb `auth`.
        self.implied: set[str] = set()
        self._protocol = protocol
        self._turns = turns
        self._reading = reading
        self._names = reading.names
        self._addresses = addresses
        self._logins = {login.first: (login, named) for login, named in logins}
        self._page = Page()
        self._client = ClientLines(reading, addresses, logins, self._page)
        self._is_over = False

    @property
    def lines(self) -> list[str]:
        """The lines of the steps."""
        return self._page.lines

    @property
    def guesses(self) -> list[str]:
        """What the operator is to be told."""
        return self._page.guesses

    def write(self, guesses: Sequence[str] = ()) -> None:
        """Write all turns, or those before what a run could not do again; what was guessed before stands above them."""
        for guess in guesses:
            self._page.note(f"guessed: {printable(guess)}")
        at = 0
        while at < len(self._turns) and not self._is_over:
            at = self._turn(at)
        self._page.end_talk()
        self._page.flush_notes()
        if not any(line.startswith("  - ") for line in self.lines):
            self._page.tell(
                "nothing was said", "the conversation is empty: the scenario expects no more than a greeting"
            )
            greeting = {"smtp": "220", "lmtp": "220", "pop3": "+OK", "tcp": "'*?*'"}.get(self._protocol, "OK")
            self._page.flush_notes()
            self.lines.append(f"  - expect: {greeting}")

    # One turn.

    def _turn(self, at: int) -> int:
        turn = self._turns[at]
        if isinstance(turn.client, ClientLine | ClientMessage) and self._is_unanswered(at):
            return self._unanswered(at)
        if isinstance(turn.client, Secured):
            return self._secured(at)
        if isinstance(turn.client, Ended):
            return self._ended(at)
        if at in self._logins and self._logins[at][0].verb is not None:
            return self._auth(at)
        if turn.verb in STARTTLS and isinstance(self._client_at(at + 1), Secured) and self._protocol != "tcp":
            return self._starttls(at)
        if isinstance(turn.client, ClientMessage):
            self._message(at)
        elif isinstance(turn.client, ClientLine):
            if self._line_with_chunk(at):
                return at + 2
            self._line(at)
        else:
            self._reply_alone(at)
        return at + 1

    def _client_at(self, at: int) -> object:
        return self._turns[at].client if at < len(self._turns) else None

    def _is_unanswered(self, at: int) -> bool:
        """Whether nothing came after this turn, and it is owed a reply."""
        later = self._turns[at:]
        return all(turn.heard is None for turn in later)

    def _unanswered(self, at: int) -> int:
        turn = self._turns[at]
        ended = next((one.client for one in self._turns[at:] if isinstance(one.client, Ended)), None)
        is_last = not any(isinstance(one.client, ClientLine | ClientMessage) for one in self._turns[at + 1 :])
        if ended is not None and ended.by == "server" and is_last:
            self._answered_by_end(at)
        elif turn.verb in _GOODBYES:
            self._page.step("- close: quit", [], Expected(notes=("no reply to the goodbye is in the transcript",)))
        else:
            self._page.tell(
                "what was sent last has no reply in the transcript: it is left out",
                "the transcript ends before the reply to its last line; that line is left out",
            )
        return len(self._turns)

    def _answered_by_end(self, at: int) -> None:
        end = Expected(("close",), notes=("the server hung up without a reply",), is_own_step=True)
        if isinstance(self._turns[at].client, ClientMessage):
            self._message(at, end)
        else:
            self._line(at, end)

    def _secured(self, at: int) -> int:
        secured = self._turns[at].client
        assert isinstance(secured, Secured)
        self._tell_unverified(secured)
        if at == 0:
            self._page.note("TLS from the first byte: the target's scheme says so, such as smtps or imaps")
        else:
            self._page.step("- tls:", [], Expected())
        return at + 1

    def _ended(self, at: int) -> int:
        client = self._turns[at].client
        assert isinstance(client, Ended)
        said = [turn for turn in self._turns[:at] if isinstance(turn.client, ClientLine | ClientMessage | Exchange)]
        is_goodbye = bool(said) and said[-1].verb in _GOODBYES
        codes = [one.heard.reply.code for one in self._turns[:at] if one.heard is not None and one.heard.reply]
        if client.by == "server" and codes and codes[-1] == self._reading.machine.going_away_code and not is_goodbye:
            self._page.step("- expect: close", [], Expected())
        elif client.by == "server" and not is_goodbye:
            self._page.note("then the server hung up; where it must, add a step: expect: close")
        return at + 1

    # Replies.

    def _expected(self, at: int) -> Expected | None:
        """Return what to expect beside a turn; empty where no reply stands there, None where the end is near."""
        heard = self._turns[at].heard
        if heard is None:
            return Expected()
        name = self._addresses.get(at, "")
        found = self._reading.expected(heard, (name,) if name else ())
        if found is None:
            self._page.tell(
                "what the server said then is no reply of this protocol: the rest is left out",
                f"line {heard.event.line} of the transcript is no reply: what follows is left out"
                if heard.event.line
                else "the server said what is no reply: what follows is left out",
            )
            self._is_over = True
            return None
        if heard.event.expect and heard.event.expect not in found.lines:
            told = "an expectation that was asked for can't be written; another stands in its place"
            self._page.tell(told, told)
        if found.guessed:
            what = " and ".join(found.guessed)
            self.guesses.append(f"a star stands for what looks like {what}")
        for note in found.notes:
            self.guesses.append(note)
        return found

    def _reply_alone(self, at: int) -> None:
        expected = self._expected(at)
        if expected is None:
            return
        # Where a reply has no end of its own, what follows it in a talk would be a part of it.
        is_apart = self._reading.machine.head_at is None or not self._page.ends_with_reply
        if is_talkable(expected) and is_apart:
            self._page.say([], expected)
        else:
            self._page.step("- ", [], expected)

    # Client lines.

    def _line(self, at: int, end: Expected | None = None) -> None:
        turn = self._turns[at]
        expected = end if end is not None else self._expected(at)
        if expected is None:
            return
        text, keys = self._client.line(at, turn)
        if self._wants_bytes(text, turn):
            self._bytes_step(text, turn, keys, expected)
        elif keys or not is_talkable(expected) or text != text.strip(" ") or text.startswith("\t"):
            self._page.step(f"- send: {scalar(text)}", keys, expected)
        else:
            if self._page.is_amid_message:
                self._page.end_talk()
            self._page.say([text], expected)

    def _wants_bytes(self, text: str, turn: Turn) -> bool:
        if not is_value(text):
            return True
        return not turn.is_response and self._reading.machine.slip_in(text) is not None

    def _bytes_step(self, text: str, turn: Turn, keys: list[str], expected: Expected) -> None:
        lead = "x1 " if self._reading.machine.has_tags and not turn.is_response else ""
        value = scalar(octets(lead + text) + r"\r\n")
        self._page.step(f"- bytes: {value}", keys, expected)

    def _line_with_chunk(self, at: int) -> bool:
        """Write a BDAT command with its octets; False if this is none."""
        turn, following = self._turns[at], self._client_at(at + 1)
        if turn.verb != "BDAT" or not isinstance(following, ClientMessage) or turn.heard is not None:
            return False
        expected = self._expected(at + 1)
        if expected is None:
            return True
        lines = self._client.message(following.lines)
        keys = ["last: true"] if turn.text.upper().rstrip(" ").endswith("LAST") else []
        if lines and all(is_writable(line) for line in lines):
            head, *rest = block(lines, "      ")
            self._page.step(f"- bdat: {head}", [*rest, *keys], expected)
        else:
            self._page.tell(
                "a chunk that no text can hold is left out", "a chunk of a message is no text and is left out"
            )
            self._is_over = True
        return True

    # Messages.

    def _message(self, at: int, end: Expected | None = None) -> None:
        client = self._turns[at].client
        assert isinstance(client, ClientMessage)
        expected = end if end is not None else self._expected(at)
        if expected is None:
            return
        lines = self._client.message(client.lines)
        if not all(is_writable(line) for line in lines):
            text = "".join(octets("." * line.startswith(".") + line) + r"\r\n" for line in lines)
            value = scalar(text + r".\r\n")
            self._page.step(f"- bytes: {value}", [], expected)
        elif self._page.is_amid_message and "." not in lines and is_talkable(expected):
            self._page.say([*lines, "."], expected)
        elif lines:
            head, *rest = block(lines, "      ")
            self._page.step(f"- data: {head}", rest, expected)
        else:
            self._page.step(r"- bytes: .\r\n", [], expected)

    # Logins and TLS by verbs.

    def _auth(self, at: int) -> int:
        login, named = self._logins[at]
        if login.mechanism not in MECHANISMS and login.mechanism != "APOP":
            self._page.tell(
                f"an exchange of {login.mechanism}, which no step can make: the rest is left out",
                f"{login.mechanism} is no mechanism that a scenario knows; what follows is left out",
            )
            self._is_over = True
            return at
        if login.is_wrong:
            self._client.tell_wrong(login)
        expected = self._expected(login.last)
        if expected is None:
            return at
        keys = {**(login.verb or {}), **self._parts(login, named)}
        keys = {key: value if value == "false" else scalar(value, in_flow=True) for key, value in keys.items()}
        value = flow_mapping({"mechanism": scalar(login.mechanism, in_flow=True), **keys}) if keys else login.mechanism
        self._page.step(f"- auth: {value}", [], expected)
        return login.last + 1

    def _parts(self, login: Login, named: Mapping[str, str]) -> dict[str, str]:
        """Return the parts of the credentials whose names are not the verb's own; note the others as used."""
        known = MECHANISMS.get(login.mechanism)
        wants = known.wants if known is not None else ("username", "password")
        parts = {part: f"${{{named[part]}}}" for part in wants if named.get(part, part) != part}
        for part in wants:
            if part not in parts:
                self.implied.add(part)
                self._note_implied(part)
        if "authzid" in named and "authzid" in (login.verb or {}):
            parts["authzid"] = f"${{{named['authzid']}}}"
        return parts

    def _note_implied(self, part: str) -> None:
        """Make a name known that the verb takes by itself, though its value was not seen."""
        if part == "username":
            self._names.given.setdefault(part, "")
        else:
            self._names.secrets.setdefault(part, "")

    def _starttls(self, at: int) -> int:
        following = at + 1
        secured = self._turns[following].client
        assert isinstance(secured, Secured)
        self._tell_unverified(secured)
        self._page.step("- starttls:", [], Expected())
        is_greeted = self._reading.machine.greets_after_tls and self._client_at(following + 1) is None
        return following + 1 + is_greeted

    def _tell_unverified(self, secured: Secured) -> None:
        if secured.facts is not None and not secured.facts.verified:
            self._page.tell(
                "the certificate was not verified; a run verifies it unless the target's tls says otherwise",
                "the server's certificate was not verified while this was recorded; a run verifies it",
            )
