"""The mirror: the server's half of one case, as a machine. Clients' bytes in; bytes, handshakes and hang-ups out.

It plays the client's half itself, as a shadow (see `shadow`): each line that the shadow sends is expected of the
client, and what the shadow waits for is made and given to both. The shadow is always as far ahead as it can be without
the client, so that what is to happen at a connection's next opening is known before it happens. Pure: it keeps no clock
but the shadow's, which jumps from one thing that is due to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from runner.language.model import MAIN, Auth, Connect, Send
from runner.language.walking import all_steps
from runner.matching.expectation import ExpectationError, Word
from runner.mirror.acts import Act, Handshake, Hangup, Said, Say, Shut
from runner.mirror.encrypting import CantShowError, facts_of, fault_of, imagined, offer_for
from runner.mirror.entering import hear_login
from runner.mirror.faults import Plan
from runner.mirror.forms import Spoken, Writing, written
from runner.mirror.giving import give
from runner.mirror.hearing import Hearing
from runner.mirror.offers import Needs, needs_of, offers
from runner.mirror.preferring import following, readers, steps_after
from runner.mirror.shadow import Doing, Shadow
from runner.mirror.situation import Situation, tag_of
from runner.mirror.synthesis import CantSayError
from runner.mirror.taking import LINE_LIMIT, expected_of, takes
from runner.mirror.wires import Wire
from runner.player.ending import StepEnded
from runner.protocol import Reply, decode
from runner.wire import Close, Done, Fault, FaultKind, Open, Peer, Secure, Work, Write

if TYPE_CHECKING:
    from runner.language.case import Case
    from runner.language.model import Step
    from runner.matching.wishes import CapabilityWish
    from runner.mirror.acts import CertificateWish
    from runner.player.link import Link
    from runner.results import CaseResult
    from runner.wire import TlsFacts

# What waits for its turn: a client that pipelines more has no scenario.
WAITING_LIMIT = 16 * 1024 * 1024
# A scenario that goes on for longer without a client never ends.
MOST_TURNS = 200_000
# Behind a silence that a step wants, seconds.
MOMENT = 0.2
TICK = 0.001

_PEER = Peer("127.0.0.1", "127.0.0.1", is_loopback=True)
Certify = Callable[["CertificateWish"], bytes]
"""Makes a certificate and returns its DER."""


class Mirror:
    """The server's half of a case.

    Without a client (`is_alone`) it plays both halves, as quickly as it can: what `result` then says is what a client
    would see. `marks` are the mirror's own values, by their names, where the client has others. `certify` makes
    certificates; without it there is no TLS.

    Attributes:
        said: every reply that a step's expectation was about, in order.
        notes: what a client did otherwise, each in one line, not escaped and without secrets.
        stuck: why the mirror can't go on, empty as long as it can.
    """

    def __init__(
        self,
        case: Case,
        plan: Plan | None = None,
        *,
        marks: Mapping[str, str] | None = None,
        certify: Certify | None = None,
        is_alone: bool = False,
    ) -> None:
        self.case = case
        self.said: list[Said] = []
        self.notes: list[str] = []
        self.stuck = ""
        self.result: CaseResult | None = None
        self.plan = plan or Plan()
        self.is_alone = is_alone
        self._certify = certify
        self.shadow = Shadow(case)
        self.hearing = Hearing(marks or {})
        self.wires: dict[int, Wire] = {}
        self.clients: dict[int, Wire] = {}
        self.acts: list[Act] = []
        self.now = 0.0
        self.lag = self.delay = 0.0
        self._awaited = ""
        self._shut: set[str] = set()
        self._needs: dict[str, Needs] = {}
        self.readers = dict(readers(case.scenario.steps))
        self.following = dict(following(case.scenario.steps, ()))
        self.silenced: Step | None = None

    # What the sockets' side calls.

    def start(self) -> list[Act]:
        """Begin; the first connection is awaited then."""
        self.do(self.shadow.start(self.now))
        return self._advance()

    @property
    def awaits(self) -> str:
        """The session whose connection is awaited, empty if none is."""
        return self._awaited if self.result is None and not self.stuck else ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected of a client."""
        return self.result is not None or bool(self.stuck)

    @property
    def has_client(self) -> bool:
        """Whether anybody has connected."""
        return any(wire.client is not None or wire.is_gone for wire in self.wires.values())

    @property
    def is_kept(self) -> bool:
        """Whether the client did all that was expected of it."""
        return self.result is not None and not self.notes

    def accepted(self, client: int, address: str = "") -> list[Act]:
        """Take the connection that is awaited; `address` is the client's."""
        opening = self.shadow.doing[0].action
        assert isinstance(opening, Open)
        wire = self.wires[opening.sid]
        wire.client, wire.address = client, address
        self.clients[client] = wire
        self._awaited = ""
        self.lag = 0.0
        wire.awaits_proxy = opening.endpoint.proxy is not None
        return self._advance()

    def received(self, client: int, data: bytes) -> list[Act]:
        """Take bytes from a client, decrypted."""
        wire = self.clients.get(client)
        if wire is None or self.stuck:
            return []
        wire.heard += data
        if len(wire.heard) > WAITING_LIMIT:
            self.note(wire, "more came than any step sends")
            self.send_away(wire)
        return self._advance()

    def secured(self, client: int, facts: TlsFacts) -> list[Act]:
        """Take note that a handshake is made; `facts` as the server sees it."""
        wire = self.clients.get(client)
        if wire is not None:
            wire.facts = facts
            self.lag = 0.0
        return self._advance()

    def unsecured(self, client: int, why: str) -> list[Act]:
        """Take note that a handshake failed."""
        wire = self.clients.get(client)
        if wire is not None and not wire.is_to_fail:
            self.note(wire, f"the TLS handshake failed: {why}")
        return self.ended(client)

    def ended(self, client: int) -> list[Act]:
        """Take note that a client has gone."""
        wire = self.clients.pop(client, None)
        if wire is None:
            return []
        wire.client, wire.is_gone = None, True
        if not self._may_leave(wire):
            self.note(wire, f"the client left where {expected_of(self, wire)} was expected")
            self.stuck = self.stuck or "the client left"
            return self._taken()
        return self._advance()

    def _may_leave(self, wire: Wire) -> bool:
        """Whether a client may close this connection now."""
        is_last = self.shadow.step is None or self.is_over or wire.is_hung_up or wire.is_closing
        return is_last or not self._is_expected_of(wire)

    def _is_expected_of(self, wire: Wire) -> bool:
        head = next(iter(self.shadow.doing), None)
        if head is None or isinstance(head.action, Open | Done | Work):
            return head is None
        return head.action.sid == wire.sid and not isinstance(head.action, Close)

    def _taken(self) -> list[Act]:
        acts, self.acts = self.acts, []
        return acts

    # The loop.

    def _advance(self) -> list[Act]:
        for _ in range(MOST_TURNS):
            if self.is_over or not self._turn():
                break
        else:
            self.stuck = "the scenario doesn't come to an end by itself"
        return self._taken()

    def _turn(self) -> bool:
        """Carry out the shadow's next action, or give it what it waits for; return whether there is more to do."""
        try:
            if self.shadow.doing:
                return self._carry_out(self.shadow.doing[0])
            return give(self, self.shadow.due)
        except (CantSayError, CantShowError) as error:
            step = self.shadow.leaf
            at = f"{step.span.source.name}:{step.span.line}: step '{step.label}': " if step is not None else ""
            self.stuck = f"{at}{error}"
        except (ExpectationError, StepEnded) as error:
            self.stuck = str(error)
        return False

    def do(self, out: tuple[object, ...]) -> None:
        """Take note of what the shadow answers; what it does it has noted itself."""
        done = next((action for action in out if isinstance(action, Done)), None)
        if done is not None:
            self.shadow.doing.append(Doing(done, None))

    def _carry_out(self, doing: Doing) -> bool:
        action = doing.action
        if isinstance(action, Open):
            return self._open(action, doing.step)
        if isinstance(action, Write):
            return self._hear(action, doing.step)
        if isinstance(action, Secure):
            return self._secure(action, doing.step)
        del self.shadow.doing[0]
        if isinstance(action, Done):
            self.result = action.result  # type: ignore[assignment]
            return False
        if isinstance(action, Close) and (wire := self.wires.get(action.sid)) is not None:
            wire.is_closing = True
        elif isinstance(action, Work):
            raise CantSayError("this login asks a server of its own, which can't be mirrored")
        return True

    # Connections.

    def _open(self, action: Open, step: Step | None) -> bool:
        wire = self.wires.get(action.sid)
        if wire is None:
            wire = self.wires[action.sid] = Wire(action.sid, self.shadow.session)
        if (answer := self._unopened(step)) is not None:
            self._shut.add(wire.listener)
            self.acts.append(Shut(wire.listener))
            return self._fail(action, answer)
        if wire.listener in self._shut:
            why = "nobody knows when it comes"
            raise CantSayError(f"a connection after one that was refused can't be mirrored: {why}")
        if wire.client is None and not self.is_alone and not wire.is_gone:
            self._awaited = wire.listener
            return False
        if wire.awaits_proxy and not self._takes_proxy(wire):
            return False
        facts = None
        if action.endpoint.tls is not None:
            wrong = self._handshake(wire, step, Secure(action.sid, action.endpoint.tls))
            if wrong is not None:
                return self._fail(action, wrong)
            if wire.facts is None:
                return False
            facts = facts_of(wire.facts, action.endpoint.tls)
        del self.shadow.doing[0]
        peer = replace(_PEER, local_address=wire.address or _PEER.local_address, tls=facts)
        self.do(self.shadow.opened(action.sid, peer, self.tick()))
        return True

    def _fail(self, action: Open | Secure, fault: Fault) -> bool:
        """Let what the shadow has asked for fail."""
        del self.shadow.doing[0]
        self.do(self.shadow.broke(action.sid, fault, self.tick()))
        return True

    @staticmethod
    def _unopened(step: Step | None) -> Fault | None:
        """Return what comes in place of a connection, if that is the first that a server can do."""
        if not isinstance(step, Connect) or step.expect is None:
            return None
        first = next((one for one in step.expect.alternatives if one is not Word.TIMEOUT), None)
        if first is None:
            raise CantSayError("a connection that comes to nothing in time can't be mirrored")
        return Fault(FaultKind.REFUSED) if first is Word.REFUSED else None

    @staticmethod
    def _takes_proxy(wire: Wire) -> bool:
        """Take the PROXY header off what came; return whether it was there."""
        taken = wire.proxy_size()
        if taken is None:
            return False
        del wire.heard[:taken]
        wire.awaits_proxy = False
        return True

    # TLS.

    def _secure(self, action: Secure, step: Step | None) -> bool:
        wire = self.wires[action.sid]
        wrong = self._handshake(wire, step, action)
        if wrong is not None:
            return self._fail(action, wrong)
        if wire.facts is None:
            return False
        del self.shadow.doing[0]
        self.do(self.shadow.secured(action.sid, facts_of(wire.facts, action.wish), self.tick()))
        return True

    def _handshake(self, wire: Wire, step: Step | None, action: Secure) -> Fault | None:
        """Begin a handshake, if it is not under way; return how the client's side of it fails, if it is to."""
        if wire.facts is not None or wire.has_offer:
            return None
        if self._certify is None:
            raise CantShowError("TLS wants a certificate: install the extra 'demo': pip install 'mailproof[demo]'")
        place = self.shadow.place_of(step) if step is not None else None
        struck = self.plan.strike(place, at_handshake=True) if place is not None else None
        offer, fails = offer_for(self.case, self.shadow, step, action.wish, struck.tls if struck else "")
        wire.has_offer, wire.is_to_fail = True, bool(fails)
        certificate = self._certify(offer.certificate)
        if wire.client is not None:
            wire.heard.clear()
            self.acts.append(Handshake(wire.client, offer))
        if fails:
            if action.wish.verify or fails == "protocol":
                return fault_of(fails)
            wire.is_to_fail = False
        if self.is_alone:
            wire.facts = imagined(offer, action.wish, certificate)
        return None

    # What the client says.

    def _hear(self, action: Write, step: Step | None) -> bool:
        """Compare what the client says with what is expected of it; return whether all of that has come."""
        wire = self.wires[action.sid]
        link = self.link_of(wire)
        if isinstance(step, Auth) and link is not None and self.shadow.is_exchange(step, link):
            return hear_login(self, wire, link, action)
        is_nobody = self.is_alone or wire.is_gone
        if not is_nobody and not takes(self, wire, action, step, link):
            return False
        del self.shadow.doing[0]
        wire.taken = 0
        self.lag = 0.0
        wire.command = decode(action.data[:LINE_LIMIT]).strip("\r\n")
        if action.more:
            self.do(self.shadow.drained(action.sid, self.tick()))
        return True

    # What the client says otherwise.

    def note(self, wire: Wire, text: str) -> None:
        """Take note of what a client did otherwise."""
        step = self.shadow.leaf
        at = f"line {step.span.line}" if step is not None else "the end"
        whose = "" if wire.session == MAIN else f"session {wire.session}, "
        self.notes.append(f"{whose}{at}: {text}")

    def send_away(self, wire: Wire) -> None:
        """Hang up on a client, and go on no more."""
        if wire.client is not None:
            self.acts.append(Hangup(wire.client))
        self.stuck = self.stuck or "the client did otherwise"

    def link_of(self, wire: Wire) -> Link | None:
        """Return a connection as the shadow sees it, None if it has left it."""
        return next((one for one in self.shadow.links.values() if one.sid == wire.sid), None)

    def pass_time(self) -> bool:
        """Let the shadow's time pass until something is due."""
        before = self.now
        self.now = max(self.now, self.shadow.deadline)
        self.lag += self.now - before
        self.do(self.shadow.tick(self.now))
        return True

    # Saying.

    def tick(self) -> float:
        """Return the time, a little later than before."""
        self.now += TICK
        return self.now

    def say(self, wire: Wire, link: Link, spoken: Spoken) -> None:
        """Say a reply to the shadow, and to the client in its own words."""
        self.send(wire, self.for_shadow(link, spoken), self.for_client(wire, link, spoken))

    @staticmethod
    def for_shadow(link: Link, spoken: Spoken) -> bytes:
        """Return a reply as the shadow reads it."""
        return written(link.machine.name, spoken, Writing(tag_of(link.machine)))

    def for_client(self, wire: Wire, link: Link, spoken: Spoken) -> bytes:
        """Return a reply as the client reads it."""
        tag = tag_of(link.machine)
        return written(link.machine.name, spoken, Writing(wire.tags.get(tag, tag), self.hearing.translate))

    def send(self, wire: Wire, ours: bytes, theirs: bytes) -> None:
        """Send bytes to the shadow, and to the client."""
        if wire.client is not None and not wire.is_hung_up:
            self.acts.append(Say(wire.client, theirs, self.after))
        self.do(self.shadow.received(wire.sid, ours, self.tick()))

    def hang_up(self, wire: Wire, how: Literal["fin", "reset"]) -> None:
        """Hang up on a client where a step wants it."""
        if wire.client is not None and not wire.is_hung_up:
            self.acts.append(Hangup(wire.client, how, self.after))
        wire.is_hung_up = True

    @property
    def after(self) -> float:
        """How long the client needs until it is where the shadow is; time that a step wants to pass is its own."""
        return (self.lag + MOMENT if self.lag else 0.0) + self.delay

    def situation(self, link: Link, wishes: tuple[CapabilityWish, ...] = (), step: Step | None = None) -> Situation:
        """Return where a reply is due next on a connection."""
        owed = link.machine.owed[0] if link.machine.owed else None
        wire = self.wires[link.sid]
        needs = self.needs_of(wire.listener)
        offered = offers(link.machine.name, needs, wishes, is_encrypted=link.tls is not None)
        command = wire.command
        if isinstance(step, Send):
            command = self.shadow.scope.text(step.line).text
        found = self.following.get(id(step), ()) if step is not None else ()
        return Situation(link.machine, owed, offered, command, self._score(found))

    def needs_of(self, session: str) -> Needs:
        """Return what the steps of a session need."""
        if session not in self._needs:
            scenario = self.case.scenario
            named = _mechanisms(scenario.steps, session, self.shadow)
            self._needs[session] = needs_of(scenario, session, named)
        return self._needs[session]

    def _score(self, following: tuple[Step, ...]) -> Callable[[Reply | Word], int]:
        return lambda got: steps_after(following, got, self.shadow.scope.of_slot)


def _mechanisms(steps: tuple[Step, ...], session: str, shadow: Shadow) -> Iterator[str]:
    for step in all_steps(steps):
        if isinstance(step, Auth) and step.session == session:
            try:
                yield shadow.scope.text(step.mechanism).text
            except StepEnded:
                continue  # a value that comes later: it is offered by nobody yet
