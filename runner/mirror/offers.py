"""Which capabilities a mirror shows: what the scenario asks for, needs or lets a condition hang on, and the usual ones.

Pure. Where a condition asks for a capability, it is shown if more steps run so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from runner.dataclass import dataclass
from runner.language.model import MAIN, Bdat, Group, Pipeline, Scenario, Send, StartTls, Step, When
from runner.language.walking import all_steps, leaves
from runner.matching.wishes import CapabilityWish
from runner.player.auth import BEST
from runner.protocol import PROTOCOLS

Offers = tuple[tuple[str, ...], ...]

_USUAL: Mapping[str, Offers] = {
    "smtp": (("PIPELINING",), ("SIZE", "10485760"), ("8BITMIME",), ("ENHANCEDSTATUSCODES",)),
    "lmtp": (("PIPELINING",), ("SIZE", "10485760"), ("8BITMIME",), ("ENHANCEDSTATUSCODES",)),
    "pop3": (("USER",), ("UIDL",), ("TOP",)),
    "imap": (("IDLE",), ("UIDPLUS",)),
    "sieve": (("IMPLEMENTATION", "mirror"), ("SIEVE", "fileinto", "reject", "vacation"), ("VERSION", "1.0")),
    "tcp": (),
}
# Under which name the mechanisms stand.
_MECHANISMS_UNDER = {"pop3": "SASL", "sieve": "SASL"}
_STARTTLS = frozenset({"STARTTLS", "STLS"})
_FOR_BEST = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")
_MOST_BYTES = {">=": 0, ">": 1, "<=": 0, "<": -1, "=": 0}


@dataclass(frozen=True, slots=True)
class Needs:
    """What the steps of one session need: names to show, names better not shown, mechanisms, and whether TLS begins."""

    shown: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    begins_tls: bool = False


def needs_of(scenario: Scenario, session: str, mechanisms: Iterable[str] = ()) -> Needs:
    """Return what the steps of a session need; `mechanisms` are those of `auth` steps, with their values filled in."""
    steps = [step for step in leaves((*scenario.steps, *scenario.cleanup)) if step.session == session]
    scores: Counter[str] = Counter()
    for step in all_steps((*scenario.steps, *scenario.cleanup)):
        if step.session == session and step.when is not None:
            _score(step.when, weight(step), scores)
    shown = [name for name, score in scores.items() if score >= 0]
    if session == MAIN:
        shown += scenario.requires.capability
    if any(isinstance(step, Bdat) for step in steps):
        shown.append("CHUNKING")
    machine = PROTOCOLS[scenario.sessions[session].protocol]
    named = [name.upper() for name in mechanisms]
    if machine.name != "tcp":
        lines = [step.line.flat for step in steps if isinstance(step, Send)]
        named += [line.split()[1].strip('"').upper() for line in lines if machine.auth_command.match(line)]
    hidden = tuple(name for name, score in scores.items() if score < 0)
    return Needs(
        tuple(dict.fromkeys(shown)),
        hidden,
        tuple(dict.fromkeys(one for name in named for one in (_FOR_BEST if name == BEST else (name,)))),
        any(isinstance(step, StartTls) for step in steps),
    )


def _score(when: When, gain: int, scores: Counter[str]) -> None:
    if when.capability:
        scores[when.capability.upper()] += gain
    if when.negated is not None:
        _score(when.negated, -gain, scores)


def weight(step: Step) -> int:
    """Return how many steps more run if a step's condition holds than if it doesn't."""
    if isinstance(step, Group):
        return sum(1 for _ in leaves(step.steps)) - sum(1 for _ in leaves(step.otherwise))
    return len(step.steps) if isinstance(step, Pipeline) else 1


def offers(protocol: str, needs: Needs, wishes: Iterable[CapabilityWish], *, is_encrypted: bool) -> Offers:
    """Return the capabilities to show, each a name with its parameters, as they are wished for here."""
    found: dict[str, list[str]] = {name: list(values) for name, *values in _USUAL[protocol]}
    under = _MECHANISMS_UNDER.get(protocol, "AUTH")
    for name in needs.shown:
        found.setdefault(_own_name(name, under), [])
    starttls = PROTOCOLS[protocol].starttls_command.decode("ascii").strip() if protocol != "tcp" else ""
    if needs.begins_tls:
        found.setdefault(starttls, [])
    if needs.mechanisms or under in found:
        found[under] = list(needs.mechanisms or ("PLAIN", "LOGIN"))
    if is_encrypted:
        for name in _STARTTLS:
            found.pop(name, None)
    for name in needs.hidden:
        found.pop(name, None)
    for wish in wishes:
        _grant(wish, _own_name(wish.name, under), found)
    for name in [name for name in found if "=" in name and protocol == "imap"]:
        head, _, value = name.partition("=")
        del found[name]
        found[head] = [*found.get(head, []), value]
    return tuple((name, *dict.fromkeys(values)) for name, values in found.items())


def _own_name(name: str, under: str) -> str:
    return under if name.upper() == "AUTH" else name


def _grant(wish: CapabilityWish, name: str, found: dict[str, list[str]]) -> None:
    """Change the list to what is wished."""
    words = list(wish.parameters)
    match wish.asks:
        case "absent":
            found.pop(name, None)
        case "required":
            found.setdefault(name, ["PLAIN", "LOGIN"] if name in ("AUTH", "SASL") else [])
        case "at least":
            found[name] = [*found.get(name, []), *words]
        case "exactly":
            found[name] = words
        case "lacks":
            refused = {word.upper() for word in words}
            found[name] = [word for word in found.get(name, []) if word.upper() not in refused]
        case _:
            if not wish.fits(tuple(found[name]) if name in found else None):
                found[name] = [str(max(1, wish.size + _MOST_BYTES[wish.asks]))]
