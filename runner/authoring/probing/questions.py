"""What a probe asks: scenarios that greet a server, let it show its capabilities and part; no mail is begun.

Their steps have the names below, by which `facts` finds them again. Nothing here knows a server's answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names of steps.
GREETING, CLEAR, TLS, SECURED = "greeting", "capabilities", "TLS", "capabilities with TLS"
LOGIN, KNOWN, IDENTITY, NAMESPACES, MAILBOXES = (
    "login",
    "capabilities after login",
    "software",
    "namespaces",
    "special mailboxes",
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a protocol is asked: the code of its greeting, the line that asks for capabilities, the code of its answer.

    `greetings` are all that are a greeting, as a short form.
    """

    greetings: str
    asking: str
    code: str


#: By protocol; what is not here can't be probed, for it shows no capabilities.
MANNERS: Mapping[str, Manner] = {
    "smtp": Manner("220", "EHLO ${client.name}", "250"),
    "lmtp": Manner("220", "LHLO ${client.name}", "250"),
    "pop3": Manner("+OK", "CAPA", "+OK"),
    "imap": Manner("[OK, PREAUTH]", "CAPABILITY", "OK"),
    "sieve": Manner("OK", "CAPABILITY", "OK"),
}

# RFC 2971, RFC 2342, RFC 6154: what an IMAP server tells of itself, where it says that it does.
_IDENTITY = f"""\
  - when: {{capability: ID}}
    steps:
      - name: {IDENTITY}
        send: ID NIL
        expect: any
"""
_STRUCTURE = f"""\
  - when: {{capability: NAMESPACE}}
    steps:
      - name: {NAMESPACES}
        send: NAMESPACE
        expect: any
  - when: {{capability: SPECIAL-USE}}
    steps:
      - name: {MAILBOXES}
        send: LIST (SPECIAL-USE) "" "*"
        expect: any
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One conversation with a server: how TLS is begun, if it is, and whether somebody logs in.

    `options` are those of the handshake, as YAML; None where there is none. `timeout` is a duration.
    """

    protocol: str
    is_implicit: bool
    options: str | None
    logs_in: bool = False
    timeout: str = "30s"

    def scenario(self) -> str:
        """Return it as a scenario's text."""
        manner = MANNERS[self.protocol]
        opening = f"{{tls: {{{self.options}}}}}" if self.is_implicit and self.options else ""
        lines = [
            "name: probe",
            f"protocol: {self.protocol}",
            f"timeout: {self.timeout}",
            "steps:",
            f"  - name: {GREETING}",
            f"    connect: {opening}".rstrip(),
            f"    expect: {manner.greetings}",
            *_asked(CLEAR, manner),
        ]
        if self.options is not None and not self.is_implicit:
            lines += [f"  - name: {TLS}", f"    starttls: {{{self.options}}}", *_asked(SECURED, manner)]
        text = "\n".join(lines) + "\n"
        if self.logs_in:
            text += f"  - name: {LOGIN}\n    auth: best\n" + "\n".join(_asked(KNOWN, manner)) + "\n"
        if self.protocol == "imap":
            text += _IDENTITY + (_STRUCTURE if self.logs_in else "")
        return text


def _asked(name: str, manner: Manner) -> list[str]:
    return [f"  - name: {name}", f"    send: {manner.asking}", "    expect: any"]
