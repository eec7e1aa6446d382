"""The driver over real loopback sockets."""

from __future__ import annotations

import itertools
import math
import socket
import threading
import time
from dataclasses import replace

import pytest
from fake_server import FakeServer, certificates, refusing_port

from runner import connection, net, session
from runner.net import resolving
from runner.session import Driver
from runner.wire import (
    Close,
    Done,
    Endpoint,
    Fault,
    FaultKind,
    Flow,
    Open,
    Secure,
    TlsFacts,
    TlsWish,
    Write,
)

QUIT = b"QUIT\r\n"


class Recorder:
    """A player that writes down what it is told and answers by a table of the test's: event to actions.

    A table's key is an event's name (`opened`) or its name and payload; a value is a tuple of actions or a
    function of the payload. Without an entry an end (`eof`, `broke`, `tick`, `stop`) is answered by Done.
    """

    def __init__(self, endpoint, table=None, *, seconds=5.0):
        self.endpoint = endpoint
        self.table = table or {}
        self.seconds = seconds
        self.deadline = math.inf
        self.events = []

    def __getattr__(self, name):
        def call(*what):
            *what, _ = what
            return self._answer(name, *what)

        return call

    def start(self, now):
        """Open the connection, unless the table says otherwise."""
        self.deadline = now + self.seconds
        return self.table.get("start", (Open(0, self.endpoint),))

    def _answer(self, name, *what):
        self.events.append((name, *what))
        payload = what[-1]
        answer = self.table.get((name, payload) if isinstance(payload, (bytes, str)) else name)
        answer = answer if answer is not None else self.table.get(name)
        if callable(answer):
            return answer(payload)
        if answer is not None:
            return answer
        return (Done(tuple(self.events)),) if name in ("eof", "broke", "stop") else ()

    def tick(self, now):
        """End, unless the table says otherwise."""
        self.events.append(("tick",))
        return self.table.get("tick", (Done(tuple(self.events)),))

    def names(self):
        """Return the events' names."""
        return [event[0] for event in self.events]


@pytest.fixture(params=["system", "selectors"])
def poller(request, monkeypatch):
    """Play over the system's poller and over the one for systems without epoll."""
    if request.param == "selectors":
        monkeypatch.setattr(net, "new_poller", net.SelectorPoller)


@pytest.fixture
def driver():
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def roots(tmp_path):
    return certificates().roots(tmp_path)


def run(driver, *players):
    results = []
    for player in players:
        driver.add(player, results.append)
    driver.run()
    return results


def local(server, **options):
    return Endpoint("127.0.0.1", server.port, **options)


def polite(conn):
    """Greet, answer each line, say goodbye to QUIT."""
    conn.send(b"220 hello\r\n")
    while line := conn.line():
        conn.send(b"221 bye\r\n" if line == QUIT else b"250 " + line)
        if line == QUIT:
            return


POLITE = {
    ("received", b"220 hello\r\n"): (Write(0, b"NOOP\r\n"),),
    ("received", b"250 NOOP\r\n"): (Write(0, QUIT),),
    ("received", b"221 bye\r\n"): (Close(0), Done("polite")),
}


@pytest.mark.usefixtures("poller")
class TestPlain:
    """Connections without TLS."""

    def test_conversation(self):
        """A conversation runs to its Done, and the peer names both ends."""
        driver = Driver()
        with FakeServer(polite) as server:
            player = Recorder(local(server), POLITE)
            assert run(driver, player) == ["polite"]
        driver.close()
        peer = player.events[0][2]
        assert (
            peer.local_address,
            peer.remote_address,
            peer.is_loopback,
            peer.tls,
        ) == ("127.0.0.1", "127.0.0.1", True, None)

    def test_refused(self):
        """A refused connection is told as that."""
        driver = Driver()
        with refusing_port() as port:
            player = Recorder(Endpoint("127.0.0.1", port))
            run(driver, player)
        driver.close()
        assert [("broke", 0, Fault(FaultKind.REFUSED))] == player.events

    def test_silence_ends_at_the_deadline(self):
        """A server that never greets costs the player's own time and no more."""
        driver = Driver()
        with FakeServer(lambda conn: conn.wait_for_eof()) as server:
            player = Recorder(local(server), seconds=0.05)
            run(driver, player)
            driver.close()
        assert player.names() == ["opened", "tick"]

    def test_end_of_file(self):
        """A server's end is told once, clean, after its last words, and leaves the loop at rest."""
        driver = Driver()
        with FakeServer(lambda conn: (conn.send(b"421 bye\r\n"), conn.end(), conn.wait_for_eof())) as server:
            player = Recorder(local(server), {"eof": ()}, seconds=0.1)
            turns = count_turns(driver)
            run(driver, player)
            driver.close()
        assert player.names() == ["opened", "received", "eof", "tick"]
        assert ("eof", 0, True) in player.events
        assert len(turns) < 12

    def test_reset(self):
        """A reset is told as that."""
        driver = Driver()
        with FakeServer(lambda conn: (conn.line(), conn.reset())) as server:
            player = Recorder(local(server), {"opened": (Write(0, b"x\r\n"),)})
            run(driver, player)
            driver.close()
        assert ("broke", 0, Fault(FaultKind.RESET)) == player.events[-1]

    def test_large_write_drains(self):
        """A write beyond the kernel's buffers goes out whole, while the server talks, and is told once."""
        body = b"x" * 16_000_000
        heard = []

        def handler(conn):
            conn.send(b"250 reading\r\n")
            heard.append(conn.wait_for_eof())

        driver = Driver()
        with FakeServer(handler) as server:
            table = {
                "opened": (Write(0, body, more=True), Write(0, b"end")),
                "drained": (Close(0), Done("drained")),
            }
            player = Recorder(local(server), table)
            assert run(driver, player) == ["drained"]
            driver.close()
        assert player.names() == ["opened", "received", "drained"]
        assert heard[0] == body + b"end"

    def test_paused_reading(self):
        """While the player does not read, nothing is read and the loop rests, also when the server hangs up."""

        def handler(conn):
            conn.send(b"one\r\n")
            conn.line()
            conn.send(b"two\r\n")

        driver = Driver()
        table = {
            ("received", b"one\r\n"): (Flow(0, read=False), Write(0, b"go\r\n")),
            "tick": (Flow(0, read=True),),
        }
        with FakeServer(handler) as server:
            player = Recorder(local(server), table, seconds=0.1)
            player.tick = lambda now: later(player, now)
            turns = count_turns(driver)
            run(driver, player)
            driver.close()
        assert player.names() == ["opened", "received", "tick", "received", "eof"]
        assert len(turns) < 12

    def test_last_words_before_a_break(self):
        """What the server said before it broke off is told before the break."""
        told = threading.Event()

        def handler(conn):
            conn.send(b"421 too many\r\n")
            conn.reset()
            told.set()

        def write_after_the_end(_peer):
            told.wait(5)
            return (Write(0, b"EHLO\r\n"), Write(0, b"MAIL\r\n"))

        driver = Driver()
        with FakeServer(handler) as server:
            player = Recorder(local(server), {"opened": write_after_the_end})
            run(driver, player)
            driver.close()
        assert player.names() == ["opened", "received", "broke"]
        assert player.events[-1][2].kind is FaultKind.RESET


def test_last_words_before_a_break_at_once(driver):
    """A server that speaks and resets before we look is told as opened, then its words, then the reset."""
    told = threading.Event()

    def handler(conn):
        conn.send(b"421 too many\r\n")
        conn.reset()
        told.set()

    def look_late(timeout, most, poll=driver.poller.poll):
        if driver.by_fd:
            assert told.wait(5)
        return poll(timeout, most)

    class LatePoller:
        def __getattr__(self, name):
            return look_late if name == "poll" else getattr(poller, name)

    poller, driver.poller = driver.poller, LatePoller()
    with FakeServer(handler) as server:
        player = Recorder(local(server))
        run(driver, player)
    assert [("received", 0, b"421 too many\r\n"), ("broke", 0, Fault(FaultKind.RESET))] == player.events[1:]


def later(player, now):
    player.events.append(("tick",))
    player.deadline = now + 5
    return (Flow(0, read=True),)


def count_turns(driver):
    """Return a list that grows with each of the driver's turns."""
    turns = []
    turn = driver._turn

    def counted():
        turns.append(None)
        turn()

    driver._turn = counted
    return turns


def test_unix_socket(driver, tmp_path):
    """A UNIX socket is connected to by its path and counts as loopback."""
    path = str(tmp_path / "lmtp")
    with FakeServer(polite, path=path) as server:
        player = Recorder(Endpoint("", path=path), POLITE)
        assert run(driver, player) == ["polite"]
        assert server.connections == 1
    assert player.events[0][2].is_loopback


def test_missing_unix_socket(driver, tmp_path):
    """A UNIX socket that is not there is unreachable, in plain words."""
    player = Recorder(Endpoint("", path=str(tmp_path / "none")))
    run(driver, player)
    assert [("broke", 0, Fault(FaultKind.UNREACHABLE, "no such socket"))] == player.events


def test_full_unix_socket_is_tried_again(driver, tmp_path):
    """A UNIX socket whose queue is full is tried again until there is room."""
    path = str(tmp_path / "lmtp")
    with FakeServer(polite, path=path, backlog=0) as server:
        players = [Recorder(Endpoint("", path=path), POLITE) for _ in range(20)]
        assert run(driver, *players) == ["polite"] * 20
        assert server.connections == 20


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        pytest.param(Endpoint("", path="/" + "x" * 200), FaultKind.LOCAL, id="long path"),
        pytest.param(Endpoint("mx\0.example", 25), FaultKind.UNRESOLVED, id="host with NUL"),
        pytest.param(Endpoint("", path="/x", tls=TlsWish()), FaultKind.LOCAL, id="no name to verify"),
    ],
)
def test_impossible_endpoints(driver, endpoint, kind):
    """What cannot be an address breaks the one case, and nothing else."""
    player = Recorder(endpoint)
    run(driver, player)
    assert ("broke", kind) == (player.events[0][0], player.events[0][2].kind)


def test_far_deadline(driver):
    """A deadline beyond all time is no error."""
    with FakeServer(polite) as server:
        assert run(driver, Recorder(local(server), POLITE, seconds=1e18)) == ["polite"]


def test_source_address(driver):
    """The local end is bound to the address that was asked for."""
    with FakeServer(polite) as server:
        player = Recorder(local(server, source_address="127.0.0.2"), POLITE)
        assert run(driver, player) == ["polite"]
    assert player.events[0][2].local_address == "127.0.0.2"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("mx.example", "source address 'mx.example' is no IP address", id="name"),
        pytest.param("::1", "source address '::1' is of another family than the server's", id="family"),
        pytest.param("192.0.2.1", "this machine has no such address, or no free port", id="not ours"),
    ],
)
def test_wrong_source_address(driver, source, words):
    """A source address that cannot be used is a local error in plain words."""
    player = Recorder(Endpoint("127.0.0.1", 9, source_address=source))
    run(driver, player)
    assert [("broke", 0, Fault(FaultKind.LOCAL, words))] == player.events


def test_name_is_looked_up_beside_the_loop(driver, monkeypatch):
    """A slow lookup holds up nobody; a name that is not found is told as that."""
    release = threading.Event()
    look_up = resolving.look_up

    def slow(host, port, flags=0):
        if not flags:
            assert release.wait(5)
            raise net.Broken(Fault(FaultKind.UNRESOLVED, "name or service not known"))
        return look_up(host, port, flags)

    monkeypatch.setattr(resolving, "look_up", slow)
    with FakeServer(polite) as server:
        lost = Recorder(Endpoint("mx.invalid", 25))
        quick = Recorder(local(server), POLITE)
        results = []
        driver.add(lost, results.append)
        driver.add(quick, lambda result: (results.append(result), release.set()))
        driver.run()
    assert results[0] == "polite"
    assert [("broke", 0, Fault(FaultKind.UNRESOLVED, "name or service not known"))] == lost.events


def test_addresses_are_tried_in_turn(driver, monkeypatch):
    """When an address refuses, the next is tried."""
    with FakeServer(polite) as server, refusing_port() as port:
        refusing = net.numeric("127.0.0.1", port)
        known = refusing + net.numeric("127.0.0.1", server.port)
        monkeypatch.setattr(net.Resolver, "known", lambda *_: known)
        player = Recorder(Endpoint("mx.example", server.port), POLITE)
        assert run(driver, player) == ["polite"]


def test_silent_address_is_passed_over(driver, monkeypatch):
    """An address that does not answer is not waited for when there is another."""
    monkeypatch.setattr(connection, "NEXT_ADDRESS", 0.05)
    with FakeServer(polite) as server, socket.socket() as full:
        # A listener whose queue is full lets further connections wait.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        known = tuple(net.Address(socket.AF_INET, ("127.0.0.1", port)) for port in (full.getsockname()[1], server.port))
        monkeypatch.setattr(net.Resolver, "known", lambda *_: known)
        player = Recorder(Endpoint("mx.example", server.port), POLITE)
        assert run(driver, player) == ["polite"]
        for filler in fillers:
            filler.close()


def test_too_many_open_files(driver, monkeypatch):
    """A process that may open no more files says so, as a local error."""

    def no_more(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", no_more)
    player = Recorder(Endpoint("127.0.0.1", 9))
    run(driver, player)
    ((name, _, fault),) = player.events
    assert (name, fault.kind) == ("broke", FaultKind.LOCAL)
    assert fault.detail.startswith("too many open files: ")


def test_reopened_session_hears_nothing_of_the_former(driver):
    """After Close and Open by the same sid only the new connection's events arrive."""
    numbers = itertools.count()

    def handler(conn):
        conn.send(b"%d\r\n" % next(numbers))
        conn.send(conn.line())
        conn.wait_for_eof()

    with FakeServer(handler) as server:
        again = (Write(0, b"old\r\n"), Close(0), Open(0, local(server)))
        table = {
            ("received", b"0\r\n"): again,
            ("received", b"1\r\n"): (Write(0, b"new\r\n"),),
            ("received", b"new\r\n"): (Close(0), Done("new")),
        }
        player = Recorder(local(server), table)
        assert run(driver, player) == ["new"]
    assert player.names() == ["opened", "received", "opened", "received", "received"]


def test_closing_in_order_delivers_the_last_words(driver):
    """A goodbye whose answer is not waited for still reaches a server that has just written."""
    heard = []

    def handler(conn):
        conn.send(b"220 hello\r\n")
        for _ in range(50):
            conn.send(b"x" * 1000)
        heard.append(conn.wait_for_eof())

    with FakeServer(handler) as server:
        player = Recorder(local(server), {"received": (Write(0, QUIT), Close(0), Done("closed"))})
        assert run(driver, player) == ["closed"]
    assert heard == [QUIT]


def test_closing_in_order_is_bounded(driver):
    """A server that never ends holds an orderly close up for its bound only."""
    driver.goodbye = 0.05
    release = threading.Event()

    def handler(conn):
        conn.send(b"220 hello\r\n")
        release.wait(5)

    with FakeServer(handler) as server:
        began = time.monotonic()
        player = Recorder(local(server), {"received": (Write(0, QUIT), Close(0), Done("closed"))})
        run(driver, player)
        took = time.monotonic() - began
        release.set()
    assert took < 2


def test_closing_by_reset(driver):
    """A close by reset is seen as one by the server."""
    seen = []

    def handler(conn):
        conn.send(b"220 hello\r\n")
        try:
            conn.wait_for_eof()
        except ConnectionResetError:
            seen.append("reset")

    with FakeServer(handler) as server:
        run(driver, Recorder(local(server), {"received": (Close(0, "reset"), Done(None))}))
    assert seen == ["reset"]


def test_two_hundred_players(driver):
    """Two hundred players at once all come to their ends, and players that `done` adds are played too."""
    with FakeServer(polite) as server:
        left = iter(range(100))
        results = []

        def done(result):
            results.append(result)
            if next(left, None) is not None:
                driver.add(Recorder(local(server), POLITE), done)

        for _ in range(200):
            driver.add(Recorder(local(server), POLITE), done)
        driver.run()
    assert results == ["polite"] * 300


def test_stop_from_another_thread(driver):
    """`stop` wakes the loop and reaches every player; the results still come."""
    greeted = threading.Semaphore(0)

    def stop():
        assert greeted.acquire(timeout=5)
        assert greeted.acquire(timeout=5)
        driver.stop("interrupted")

    with FakeServer(lambda conn: conn.wait_for_eof()) as server:
        table = {"opened": lambda _: greeted.release() or (), "stop": lambda why: (Close(0), Done(why))}
        stopper = threading.Thread(target=stop)
        stopper.start()
        results = run(driver, Recorder(local(server), table), Recorder(local(server), table))
        stopper.join()
    assert results == ["interrupted", "interrupted"]


def test_player_added_after_stop_is_not_started(driver):
    """A player that was not started when `stop` came is stopped without a connection."""
    driver.stop("interrupted")
    player = Recorder(Endpoint("127.0.0.1", 9))
    run(driver, player)
    assert player.events == [("stop", "interrupted")]


def test_crashed_player_harms_no_other():
    """A player that raises ends with what `crashed` makes of it; its connection is gone, the others play on."""
    seen = []

    def crash(_):
        raise KeyError("oops")

    def handler(conn):
        try:
            polite(conn)
        except OSError as error:
            seen.append(type(error))

    driver = Driver(crashed=lambda player, error: ("crashed", type(player), repr(error)))
    with FakeServer(handler) as server:
        bad = Recorder(local(server), {"received": crash})
        good = Recorder(local(server), POLITE)
        results = run(driver, bad, good)
        driver.close()
    assert {("crashed", Recorder, "KeyError('oops')"), "polite"} == set(results)
    assert seen == [ConnectionResetError]


def test_wrong_action_is_a_crash():
    """A write to a connection that does not stand yet is the player's mistake."""
    driver = Driver(crashed=lambda _, error: str(error))
    player = Recorder(Endpoint("127.0.0.1", 9), {"start": (Open(0, Endpoint("127.0.0.1", 9)), Write(0, b"x"))})
    assert run(driver, player) == ["session 0 cannot be written to now"]
    driver.close()


def test_deadline_moved_earlier_is_kept(driver):
    """A deadline that moves to an earlier time is armed at once."""

    class Hasty(Recorder):
        def opened(self, sid, peer, now):
            self.events.append(("opened",))
            self.deadline = now + 0.02
            return ()

    with FakeServer(lambda conn: conn.wait_for_eof()) as server:
        player = Hasty(local(server), seconds=60)
        began = time.monotonic()
        run(driver, player)
        took = time.monotonic() - began
    assert player.names() == ["opened", "tick"]
    assert took < 5


def test_timers_of_ended_players_are_swept(driver, monkeypatch):
    """The heap of deadlines does not grow with the players that have ended."""
    monkeypatch.setattr(session, "SWEEP", 8)
    table = {"start": (Done(None),)}
    run(driver, *(Recorder(Endpoint("127.0.0.1", 9), table) for _ in range(100)))
    with refusing_port() as port:
        run(driver, *(Recorder(Endpoint("127.0.0.1", port), seconds=600) for _ in range(100)))
    assert len(driver._timers) <= 16


# --- TLS ---


def greet(conn):
    conn.send(b"220 inside\r\n")
    conn.line()
    conn.send(b"221 bye\r\n")
    conn.wait_for_eof()


def starttls(context):
    """Return a handler that offers STARTTLS and greets inside it."""

    def handler(conn):
        conn.send(b"220 outside\r\n")
        assert conn.line() == b"STARTTLS\r\n"
        conn.send(b"220 go\r\n")
        conn.secure(context)
        greet(conn)

    return handler


def implicit(context):
    def handler(conn):
        conn.secure(context)
        greet(conn)

    return handler


def securing(wish):
    return {
        ("received", b"220 outside\r\n"): (Write(0, b"STARTTLS\r\n"),),
        ("received", b"220 go\r\n"): (Secure(0, wish),),
        ("received", b"220 inside\r\n"): (Write(0, QUIT),),
        ("received", b"221 bye\r\n"): (Close(0), Done("bye")),
    }


@pytest.mark.usefixtures("poller")
def test_starttls(roots):
    """A handshake amid a connection is told with its facts, and what follows is decrypted."""
    driver = Driver()
    with FakeServer(starttls(certificates().context())) as server:
        player = Recorder(local(server), securing(TlsWish(ca=roots)))
        assert run(driver, player) == ["bye"]
    driver.close()
    secured = next(event for event in player.events if event[0] == "secured")
    assert (secured[2].version, secured[2].verified) == ("TLSv1.3", True)


@pytest.mark.usefixtures("poller")
def test_implicit_tls(roots):
    """Implicit TLS is one answer: `opened`, with the facts."""
    driver = Driver()
    with FakeServer(implicit(certificates().context())) as server:
        player = Recorder(local(server, tls=TlsWish(ca=roots)), securing(TlsWish()))
        assert run(driver, player) == ["bye"]
    driver.close()
    assert player.names() == ["opened", "received", "received"]
    assert isinstance(player.events[0][2].tls, TlsFacts)


def test_server_name_is_verified(driver, roots):
    """`server_name` is what the certificate must be for."""
    with FakeServer(implicit(certificates().context("mx.example"))) as server:
        wish = TlsWish(ca=roots, server_name="mx.example")
        assert run(driver, Recorder(local(server, tls=wish), securing(wish))) == ["bye"]


def test_unverified_is_said(driver):
    """With verification off any certificate does, and the facts say so."""
    with FakeServer(implicit(certificates().context("other.example", days=(-9, -8)))) as server:
        player = Recorder(local(server, tls=TlsWish(verify=False)), securing(TlsWish()))
        assert run(driver, player) == ["bye"]
    assert not player.events[0][2].tls.verified


CERTIFICATE_FAULTS = [
    pytest.param({}, TlsWish(), (FaultKind.TLS_UNTRUSTED, ""), id="untrusted"),
    pytest.param(
        {"names": ["mx.example"]}, TlsWish(ca="*"), (FaultKind.TLS_NAME, "not valid for '127.0.0.1'"), id="address"
    ),
    pytest.param(
        {"names": ["mx.example"]},
        TlsWish(ca="*", server_name="mail.example"),
        (FaultKind.TLS_NAME, "not valid for 'mail.example'"),
        id="name",
    ),
    pytest.param({"days": (-9, -8)}, TlsWish(ca="*"), (FaultKind.TLS_EXPIRED, ""), id="expired"),
    pytest.param({"days": (8, 9)}, TlsWish(ca="*"), (FaultKind.TLS_NOT_YET_VALID, ""), id="early"),
]


@pytest.mark.parametrize(("issued", "wish", "expected"), CERTIFICATE_FAULTS)
def test_certificate_faults(driver, roots, issued, wish, expected):
    """Each fault of a certificate has its own kind, after STARTTLS as with implicit TLS."""
    wish = replace(wish, ca=roots if wish.ca else "")
    context = certificates().context(*issued.get("names", ()), days=issued.get("days", (-1, 1)))
    with FakeServer(implicit(context)) as hidden, FakeServer(starttls(context)) as offering:
        first = Recorder(local(hidden, tls=wish))
        second = Recorder(local(offering), securing(wish))
        run(driver, first, second)
    assert first.names() == ["broke"]
    assert first.events[-1] == second.events[-1]
    kind, words = expected
    assert kind is first.events[-1][2].kind
    assert words in first.events[-1][2].detail


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        pytest.param(b"220 mx ESMTP\r\n", "'220 mx ESMTP'", id="smtp"),
        pytest.param(b"* OK \x1b[2Jready\r\n", "'* OK \\x1b[2Jready'", id="hostile"),
        pytest.param(b"HTTP/1.1 400 Bad\r\n\r\n", "an HTTP server answers: 'HTTP/1.1 400 Bad'", id="http"),
    ],
)
def test_clear_text_behind_implicit_tls(driver, greeting, words):
    """A clear-text port behind implicit TLS is named as such, its first line quoted."""
    with FakeServer(lambda conn: (conn.send(greeting), conn.wait_for_eof())) as server:
        player = Recorder(local(server, tls=TlsWish(verify=False)))
        run(driver, player)
    assert [("broke", 0, Fault(FaultKind.TLS_PLAINTEXT, words))] == player.events


def test_handshake_that_hangs(driver):
    """A handshake that goes nowhere ends at the player's deadline."""
    with FakeServer(lambda conn: conn.wait_for_eof()) as server:
        player = Recorder(local(server, tls=TlsWish(verify=False)), seconds=0.1)
        run(driver, player)
    assert player.names() == ["tick"]


def test_handshake_that_is_closed(driver):
    """A close during the handshake is told as that."""
    with FakeServer(lambda conn: (conn.socket.recv(5000), conn.end(), conn.wait_for_eof())) as server:
        player = Recorder(local(server, tls=TlsWish(verify=False)))
        run(driver, player)
    assert [("broke", 0, Fault(FaultKind.TLS_CLOSED))] == player.events


def test_no_common_version(driver, roots):
    """A server that speaks only older TLS is told as that."""
    import ssl

    context = certificates().context(maximum=ssl.TLSVersion.TLSv1_2)
    with FakeServer(implicit(context)) as server:
        player = Recorder(local(server, tls=TlsWish(ca=roots, minimum="TLSv1.3")))
        run(driver, player)
    assert FaultKind.TLS_PROTOCOL is player.events[-1][2].kind


def test_missing_roots(driver, tmp_path):
    """A file of roots that cannot be read is a local error, before anything is sent."""
    path = str(tmp_path / "none.pem")
    with FakeServer(polite) as server:
        run(driver, player := Recorder(local(server, tls=TlsWish(ca=path))))
        assert server.connections == 0
    words = f"cannot read the file of roots '{path}': no such file or directory"
    assert [("broke", 0, Fault(FaultKind.LOCAL, words))] == player.events


def test_starttls_with_missing_roots(driver, tmp_path):
    """The same, after STARTTLS."""
    handler = starttls(certificates().context())
    with FakeServer(handler) as server:
        player = Recorder(local(server), securing(TlsWish(ca=str(tmp_path / "none.pem"))))
        run(driver, player)
    assert FaultKind.LOCAL is player.events[-1][2].kind


def test_injection_in_the_same_segment(driver):
    """What came along with the go-ahead is clear text in the player's hands, before any handshake."""
    heard = []

    def handler(conn):
        conn.send(b"220 go\r\n250 injected\r\n")
        heard.append(conn.wait_for_eof())

    with FakeServer(handler) as server:
        table = {("received", b"220 go\r\n250 injected\r\n"): (Close(0), Done("injection"))}
        assert run(driver, Recorder(local(server), table)) == ["injection"]
    assert heard == [b""]


def test_injection_after_the_go_ahead(driver):
    """Clear text that waits in the socket when the handshake is due is handed over; no ClientHello leaves."""
    injected = threading.Event()
    heard = []

    def handler(conn):
        conn.send(b"220 go\r\n")
        conn.line()
        conn.send(b"250 injected\r\n")
        injected.set()
        heard.append(conn.wait_for_eof())

    def secure(_):
        return (Write(0, b"ready\r\n"), Secure(0, TlsWish(verify=False)))

    with FakeServer(handler) as server:
        table = {
            ("received", b"220 go\r\n"): secure,
            ("received", b"250 injected\r\n"): (Close(0, "fin"), Done("injection")),
        }
        player = Recorder(local(server), table)
        begin = connection.Connection._begin_tls
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection.Connection, "_begin_tls", lambda self: (injected.wait(5), begin(self)))
            assert run(driver, player) == ["injection"]
    assert heard == [b""]


@pytest.mark.parametrize(
    ("end", "clean"),
    [
        pytest.param(lambda conn: conn.socket.unwrap(), True, id="close_notify"),
        pytest.param(lambda conn: conn.socket.shutdown(socket.SHUT_WR), False, id="truncated"),
    ],
)
def test_end_of_tls(driver, roots, end, clean):
    """An end without close_notify is not clean."""

    def handler(conn):
        conn.secure(certificates().context())
        conn.send(b"220 inside\r\n")
        conn.line()
        end(conn)

    with FakeServer(handler) as server:
        table = {"received": (Write(0, QUIT),), "eof": lambda clean: (Close(0), Done(clean))}
        assert run(driver, Recorder(local(server, tls=TlsWish(ca=roots)), table)) == [clean]


def test_close_sends_close_notify(driver, roots):
    """An orderly close ends TLS by close_notify."""
    ends = []

    def handler(conn):
        conn.secure(certificates().context())
        conn.send(b"220 inside\r\n")
        ends.append(conn.wait_for_eof())  # raises when TLS is cut off

    with FakeServer(handler) as server:
        run(driver, Recorder(local(server, tls=TlsWish(ca=roots)), {"received": (Close(0), Done(None))}))
    assert ends == [b""]


def test_large_write_over_tls(driver, roots):
    """A body beyond the kernel's buffers goes out whole through TLS."""
    body = b"x" * 3_000_000
    heard = []

    def handler(conn):
        conn.secure(certificates().context())
        heard.append(conn.until(b"end"))

    with FakeServer(handler) as server:
        table = {
            "opened": (Write(0, body, more=True),),
            "drained": (Write(0, b"end"), Close(0), Done("sent")),
        }
        assert run(driver, Recorder(local(server, tls=TlsWish(ca=roots)), table)) == ["sent"]
    assert heard == [body + b"end"]


def test_ssl_is_not_imported_without_tls():
    """The driver does not import the TLS library before it is wished for."""
    import subprocess
    import sys

    code = "import sys, runner.session; sys.exit('ssl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
