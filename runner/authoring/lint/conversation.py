"""What can be known of a session before it is held: which commands came before, as far as the file makes it certain.

Where a condition, a loop or the server decides, nothing is known, and nothing is said. A refusal that is expected is
a test, not a mistake: only steps that demand success are judged.
"""

from __future__ import annotations

from dataclasses import field, replace

from runner.authoring.lint.outcomes import Known
from runner.dataclass import dataclass

#: Where a message is handed over by EHLO (LHLO in LMTP), MAIL, RCPT and DATA.
SMTP = frozenset({"smtp", "lmtp"})
_FACTS = "greeted hello mail recipient message upgraded secured login selected over auth".split()


@dataclass(slots=True)
class State:
    """A session at one point: each fact is so, is not, or nobody knows.

    `greeted`: the greeting was read; `hello`: EHLO was taken since the last connection and handshake; `upgraded`: a
    handshake came after the last EHLO; `message`: the client's lines are a message; `over`: the goodbye was said;
    `auth`: an AUTH exchange is open, whose `mechanism` and number of `responses` so far are known with it.
    """

    greeted: Known = Known.NO
    hello: Known = Known.NO
    mail: Known = Known.NO
    recipient: Known = Known.NO
    message: Known = Known.NO
    upgraded: Known = Known.NO
    secured: Known = Known.MAYBE
    login: Known = Known.MAYBE
    selected: Known = Known.NO
    over: Known = Known.NO
    auth: Known = Known.NO
    mechanism: str = ""
    responses: int = 0
    #: The goodbye was sent and its reply is still to be read.
    owes_goodbye: bool = False
    #: Lines of steps that sent a password when nobody knew whether it was in the clear.
    sent_passwords: frozenset[int] = field(default_factory=frozenset)

    def copy(self) -> State:
        """Return another that is the same."""
        return replace(self)

    def either(self, other: State) -> State:
        """Return what is known where it may be this or another."""
        known = {name: getattr(self, name).either(getattr(other, name)) for name in _FACTS}
        found = replace(self, **known, sent_passwords=self.sent_passwords & other.sent_passwords)
        found.owes_goodbye = self.owes_goodbye or other.owes_goodbye
        if (self.mechanism, self.responses) != (other.mechanism, other.responses):
            found.auth = Known.MAYBE if found.auth is not Known.NO else Known.NO
        return found

    def forget(self) -> None:
        """Know nothing any more, but what TLS there is, and that no message is being sent."""
        for name in _FACTS:
            if name not in ("secured", "message"):
                setattr(self, name, Known.MAYBE)


def unknown() -> State:
    """Return a session of which nothing is known."""
    state = State()
    state.forget()
    return state
