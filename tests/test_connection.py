"""How a server is reached, over the real driver: PROXY headers, families of addresses, commands, work beside the loop."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time

import pytest
from fake_server import FakeServer, certificates
from test_session import POLITE, Recorder, local, polite, run

from runner import connection, net, process
from runner.net import resolving
from runner.proxy import SocketAddress, header
from runner.session import Driver
from runner.wire import Close, Done, Endpoint, Fault, FaultKind, Flow, ProxyHeader, Secure, TlsWish, Work, Write

NAMED = ProxyHeader(2, SocketAddress("192.0.2.7", 1234), SocketAddress("192.0.2.1", 25))
HELLO = b"220 hello\r\n"
HELLO_LF = b"220 hello\n"


@pytest.fixture(params=["system", "selectors"])
def driver(request, monkeypatch):
    """A driver over the system's poller, and one over the poller for systems without epoll."""
    if request.param == "selectors":
        monkeypatch.setattr(net, "new_poller", net.SelectorPoller)
    driver = Driver()
    yield driver
    driver.close()
    assert set() == driver.leaving


# PROXY headers.


def behind_proxy(size, heard, secure=None):
    """Return a server that wants a header of so many bytes before anything else."""

    def handler(conn):
        while len(heard[0]) < size:
            heard[0] += conn.socket.recv(size - len(heard[0]))
        heard.append(conn.socket.getpeername())
        if secure:
            conn.secure(secure)
        polite(conn)

    return handler


def test_a_named_client_is_announced_first(driver):
    """The header is what the server reads first, the greeting comes after it."""
    expected = header(2, NAMED.source, NAMED.destination)
    heard = [b""]
    with FakeServer(behind_proxy(len(expected), heard)) as server:
        player = Recorder(local(server, proxy=NAMED), POLITE)
        assert ["polite"] == run(driver, player)
    assert expected == heard[0]
    assert "PROXY v2: 192.0.2.7:1234 to 192.0.2.1:25" == player.events[0][2].announced


def test_the_connections_own_ends_are_announced(driver):
    """Without addresses the header names the real ones."""
    heard = []

    def handler(conn):
        heard.append(conn.line())
        heard.append(conn.socket.getpeername())
        polite(conn)

    with FakeServer(handler) as server:
        assert ["polite"] == run(driver, Recorder(local(server, proxy=ProxyHeader(1)), POLITE))
        port = server.port
    line = f"PROXY TCP4 127.0.0.1 127.0.0.1 {heard[1][1]} {port}\r\n"
    assert line.encode() == heard[0]


def test_a_port_that_is_left_out_is_the_connections_own(driver):
    """An address alone is enough to test rules by address."""
    heard = []

    def handler(conn):
        heard.append(conn.line().split())
        heard.append(conn.socket.getpeername()[1])
        polite(conn)

    with FakeServer(handler) as server:
        wish = ProxyHeader(1, SocketAddress("192.0.2.7"))
        assert ["polite"] == run(driver, Recorder(local(server, proxy=wish), POLITE))
    assert [b"192.0.2.7", b"127.0.0.1", b"%d" % heard[1]] == heard[0][2:5]


def test_the_header_comes_before_tls(driver, tmp_path):
    """With implicit TLS the header is in clear text, before the handshake."""
    expected = header(2, NAMED.source, NAMED.destination)
    heard = [b""]
    wish = TlsWish(ca=certificates().roots(tmp_path), server_name="localhost")
    with FakeServer(behind_proxy(len(expected), heard, certificates().context())) as server:
        player = Recorder(local(server, tls=wish, proxy=NAMED), POLITE)
        assert ["polite"] == run(driver, player)
    assert expected == heard[0]
    assert player.events[0][2].tls.verified


def test_a_client_on_a_unix_socket_is_unknown(driver, tmp_path):
    """There are no addresses to announce."""
    heard = []

    def handler(conn):
        heard.append(conn.line())
        polite(conn)

    path = str(tmp_path / "lmtp")
    with FakeServer(handler, path=path):
        player = Recorder(Endpoint("", path=path, proxy=ProxyHeader(1)), POLITE)
        assert ["polite"] == run(driver, player)
    assert [b"PROXY UNKNOWN\r\n"] == heard
    assert "PROXY v1: an unknown client" == player.events[0][2].announced


@pytest.mark.parametrize("is_unix", [False, True], ids=["IPv6 server", "UNIX socket"])
def test_a_client_that_no_header_can_name(driver, tmp_path, is_unix):
    """An address that would get lost is an error, and nothing is sent."""
    heard = []
    path = str(tmp_path / "lmtp") if is_unix else ""
    source = SocketAddress("192.0.2.7", 1)
    wish = ProxyHeader(1, source) if is_unix else ProxyHeader(1, source, SocketAddress("2001:db8::1", 25))
    with FakeServer(lambda conn: heard.append(conn.wait_for_eof()), path=path) as server:
        endpoint = Endpoint("" if is_unix else "127.0.0.1", server.port, path, proxy=wish)
        player = Recorder(endpoint)
        run(driver, player)
    assert [("broke", 0, FaultKind.LOCAL)] == [(*event[:2], event[2].kind) for event in player.events]
    assert b"" == b"".join(heard)


# Families.


def has_ipv6_loopback():
    """Whether this machine's loopback interface has ::1."""
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


class TestFamily:
    """`family` leaves the host's addresses of that one."""

    ADDRESSES = (net.Address(socket.AF_INET6, ("::1", 1)), net.Address(socket.AF_INET, ("127.0.0.1", 1)))

    @pytest.mark.parametrize(("family", "left"), [("", [0, 1]), ("ipv4", [1]), ("ipv6", [0])])
    def test_addresses(self, family, left):
        """The order stays."""
        assert [self.ADDRESSES[number] for number in left] == net.of_family(self.ADDRESSES, family)

    @pytest.mark.parametrize(
        ("host", "family", "words"),
        [("127.0.0.1", "ipv6", "'127.0.0.1' has no IPv6 address"), ("::1", "ipv4", "'::1' has no IPv4 address")],
    )
    def test_none_is_left(self, driver, host, family, words):
        """A host without such an address is told as that, and not tried by another."""
        player = Recorder(Endpoint(host, 25, family=family))
        run(driver, player)
        assert [("broke", 0, Fault(FaultKind.UNRESOLVED, words))] == player.events

    def test_a_host_with_both(self, driver, monkeypatch):
        """Of a name with both only the wanted one is connected to."""
        with FakeServer(polite) as server:
            both = (
                net.Address(socket.AF_INET6, ("::1", server.port)),
                net.Address(socket.AF_INET, ("127.0.0.1", server.port)),
            )
            monkeypatch.setattr(resolving, "look_up", lambda host, port, flags=0: both)
            player = Recorder(Endpoint("mx.test", server.port, family="ipv4"), POLITE)
            assert ["polite"] == run(driver, player)
        assert "127.0.0.1" == player.events[0][2].remote_address

    # On a machine without ::1 the tests above are what there is; this one can't be run there.
    if has_ipv6_loopback():

        def test_ipv6(self, driver):
            """Over ::1 as over 127.0.0.1: a loopback address, and the PROXY header is TCP6."""
            heard = []

            def serve():
                sock, _ = listener.accept()
                with sock:
                    heard.append(sock.recv(200))
                    sock.sendall(HELLO)

            with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
                port = listener.getsockname()[1]
                thread = threading.Thread(target=serve, daemon=True)
                thread.start()
                player = Recorder(Endpoint("::1", port, family="ipv6", proxy=ProxyHeader(1)))
                run(driver, player)
                thread.join(5)
            assert ["opened", "received", "eof"] == player.names()
            assert player.events[0][2].is_loopback
            assert heard[0].startswith(b"PROXY TCP6 ::1 ::1 ")


# Commands.

GREETING = "import os; os.write(1, b'220 hello\\n')\n"
SERVER = """
import sys
out = sys.stdout.buffer
out.write(b'220 hello\\r\\n')
out.flush()
for line in sys.stdin.buffer:
    out.write(b'221 bye\\r\\n' if line == b'QUIT\\r\\n' else b'250 ' + line)
    out.flush()
    if line == b'QUIT\\r\\n':
        break
"""


def python(script):
    """Return an endpoint that is a Python script."""
    return Endpoint("localhost", command=(sys.executable, "-c", script))


def is_running(pid):
    """Whether a process is there, one that is dead and waited for by nobody left out."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def pid_in(data):
    return int(data.split()[-1])


def test_a_command_is_a_server(driver):
    """Its output is read and its input written, as a connection on this machine."""
    player = Recorder(python(SERVER), POLITE)
    assert ["polite"] == run(driver, player)
    peer = player.events[0][2]
    assert (f"the command '{sys.executable}'", True) == (peer.remote_address, peer.is_loopback)


def test_the_end_of_a_command_is_its_end_of_file(driver):
    """One that ends after its last words hangs up; status 0 is no news."""
    player = Recorder(python(GREETING))
    run(driver, player)
    assert [("received", 0, HELLO_LF), ("eof", 0, True)] == player.events[1:]


def test_how_a_command_failed_is_told_before_its_end(driver):
    """Its standard error, line by line, and its status."""
    script = "import sys; print('no spool\\nno luck', file=sys.stderr); sys.exit(75)"
    player = Recorder(python(script))
    run(driver, player)
    assert [
        ("noted", 0, "standard error: no spool"),
        ("noted", 0, "standard error: no luck"),
        ("noted", 0, "the command ended with status 75"),
        ("eof", 0, True),
    ] == player.events[1:]


def test_a_command_that_a_signal_ends(driver):
    """The signal is named."""
    player = Recorder(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    run(driver, player)
    assert [("noted", 0, "the command ended with signal 9 (Killed)"), ("eof", 0, True)] == player.events[1:]


def test_a_command_that_hangs_up_and_goes_on(driver, monkeypatch):
    """Its end is not waited for for long."""
    monkeypatch.setattr(connection, "LAST_WORDS", 0.05)
    driver.goodbye = 0.05
    player = Recorder(python("import os, time; os.close(0); os.close(1); time.sleep(60)"))
    run(driver, player)
    assert ["opened", "eof"] == player.names()


def test_a_command_that_does_not_stop_complaining(driver):
    """What is kept of its standard error is bounded, and it is read all the same."""
    script = "import sys; sys.stderr.write('x' * 1000000 + '\\n'); sys.stderr.flush(); import os; os.write(1, b'220 hello\\n')"
    player = Recorder(python(script))
    run(driver, player)
    notes = [event[2] for event in player.events if event[0] == "noted"]
    assert [
        "standard error: " + "x" * process.ERRORS_KEPT,
        "standard error: … (more on standard error is not shown)",
    ] == notes
    assert ("received", 0, HELLO_LF) in player.events


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param(("/nowhere/sendmail", "-bs"), "no such file or directory", id="missing"),
        pytest.param(("/", "-bs"), "permission denied", id="a folder"),
        pytest.param(("true", "a\0b"), "embedded null byte", id="NUL"),
    ],
)
def test_a_command_that_cannot_be_run(driver, command, words):
    """That is a fault of this side, with its reason."""
    player = Recorder(Endpoint("localhost", command=command))
    run(driver, player)
    assert [("broke", 0, Fault(FaultKind.LOCAL, f"the command '{command[0]}' can't be run: {words}"))] == player.events


def test_a_command_can_speak_tls(driver, tmp_path):
    """A handshake goes over its pipes as over a socket."""
    script = "import sys; import os; os.write(1, b'220 hello\\n'); sys.exit(sys.stdin.buffer.read(1) != b'\\x16')"
    table = {("received", HELLO_LF): (Secure(0, TlsWish(ca=certificates().roots(tmp_path))),)}
    player = Recorder(python(script), table)
    run(driver, player)
    assert ("broke", 0) == player.events[-1][:2]
    assert player.events[-1][2].kind in (FaultKind.TLS_CLOSED, FaultKind.RESET)


# The end of commands.

PID = "import os, time, sys, signal\nos.write(1, b'220 %d\\n' % os.getpid())\n"


IGNORING = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def ends(script, actions, driver):
    """Play a command that tells its process id and is left by these actions; return the id and the seconds it took."""
    pids = []

    def left(data):
        pids.append(pid_in(data))
        return actions

    started = time.monotonic()
    run(driver, Recorder(python(script), {"received": left}))
    return pids[0], time.monotonic() - started


def test_a_command_that_ends_by_itself_is_let(driver, tmp_path):
    """Once its input has ended it has a moment to end, and no signal comes: a delivery under way is not cut off."""
    delivered = tmp_path / "delivered"
    script = f"sys.stdin.read()\ntime.sleep(0.1)\nopen({str(delivered)!r}, 'w').write('all of it')"
    pid, _ = ends(PID + script, (Close(0), Done("left")), driver)
    assert not is_running(pid)
    assert "all of it" == delivered.read_text()


def test_a_command_that_stays_is_ended(driver):
    """After its time SIGTERM comes."""
    driver.goodbye = 0.05
    pid, seconds = ends(PID + "time.sleep(60)", (Close(0), Done("left")), driver)
    assert not is_running(pid)
    assert seconds < 10


def test_a_command_that_does_not_heed_sigterm_is_killed(driver, monkeypatch):
    """SIGKILL comes a while after SIGTERM."""
    monkeypatch.setattr(process, "KILL_AFTER", 0.05)
    driver.goodbye = 0.05
    pid, seconds = ends(IGNORING + PID + "time.sleep(60)", (Close(0), Done("left")), driver)
    assert not is_running(pid)
    assert seconds < 10


def test_the_whole_group_of_a_command_ends(driver):
    """Its children are ended with it."""
    driver.goodbye = 0.05
    script = "if os.fork():\n    time.sleep(60)\nelse:\n    os.write(1, b'220 %d\\n' % os.getpid())\n    time.sleep(60)"
    children = []

    def left(data):
        children.extend(data.split()[1::2])
        return (Close(0), Done("left")) if len(children) > 1 else ()

    run(driver, Recorder(python(PID + script), {"received": left}))
    wait_until(lambda: not any(is_running(int(pid)) for pid in children))


def wait_until(holds, seconds=5.0):
    """Wait until something outside of this process is so."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "not within its time"
        time.sleep(0.005)


def test_a_reset_ends_a_command_at_once(driver):
    """Dropped is dropped: no moment is given."""
    driver.goodbye = 60
    pid, seconds = ends(PID + "time.sleep(60)", (Close(0, "reset"), Done("left")), driver)
    assert not is_running(pid)
    assert seconds < 30


def test_a_crash_ends_a_command(driver):
    """A player that raises leaves no process behind."""
    pids = []

    def crash(data):
        pids.append(pid_in(data))
        raise RuntimeError("a crash of the test's")

    driver.add(Recorder(python(PID + "time.sleep(60)"), {"received": crash}), lambda _: None, lambda *_: "crashed")
    driver.run()
    assert not is_running(pids[0])


def test_closing_the_driver_ends_commands(monkeypatch):
    """Also one that does not heed SIGTERM, and without a loop that could be called."""
    monkeypatch.setattr(process, "KILL_AFTER", 0.05)
    driver = Driver()
    pids = []

    def crash(data):
        pids.append(pid_in(data))
        raise RuntimeError("a crash of the test's")

    driver.add(Recorder(python(IGNORING + PID + "time.sleep(60)"), {"received": crash}), lambda _: None)
    with pytest.raises(RuntimeError, match="a crash"):
        driver.run()
    driver.close()
    assert not is_running(pids[0])


def test_no_descriptor_is_left(driver):
    """Sockets and pipes of commands are closed with them."""
    run(driver, Recorder(python(GREETING)))
    before = len(os.listdir("/proc/self/fd"))
    run(driver, *[Recorder(python(GREETING)) for _ in range(3)], Recorder(Endpoint("localhost", command=("/nowhere",))))
    assert before == len(os.listdir("/proc/self/fd"))


def test_a_command_whose_output_is_not_read_waits(driver):
    """While the player does not read, the loop rests."""
    table = {"received": (Flow(0, read=False), Write(0, b"QUIT\r\n"), Close(0), Done("left"))}
    assert ["left"] == run(driver, Recorder(python(SERVER), table))


# Work beside the loop.


def working(call, driver, **options):
    """Play a player that has a call made once it is connected; return its events."""
    with FakeServer(polite) as server:
        table = {"opened": (Work(call),), "worked": lambda outcome: (Done(outcome),), **options}
        return run(driver, Recorder(local(server), table))


def test_work_is_done_beside_the_loop(driver):
    """The call is made in another thread, and its outcome told in the loop's."""
    [thread] = working(threading.current_thread, driver)
    assert thread is not threading.current_thread()


def test_what_work_raises_is_told(driver):
    """An exception is an outcome, too."""

    def fail():
        raise OSError(errno.ETIMEDOUT, "no answer")

    [outcome] = working(fail, driver)
    assert errno.ETIMEDOUT == outcome.errno


def test_work_that_is_not_done_holds_up_nobody(driver):
    """A player whose time is over ends; what comes later is dropped."""
    done = threading.Event()
    with FakeServer(polite) as server:
        late = Recorder(local(server), {"opened": (Work(done.wait),)}, seconds=0.05)
        other = Recorder(local(server), POLITE)
        run(driver, late, other)
        assert ["opened", "received", "tick"] == sorted(late.names())
        done.set()
        assert ["polite"] == run(driver, Recorder(local(server), POLITE))
    assert "worked" not in late.names()


def test_more_work_than_threads(driver):
    """What is beyond their number waits for its turn."""
    gate = threading.Barrier(8)
    with FakeServer(polite) as server:
        players = [
            Recorder(local(server), {"opened": (Work(lambda: gate.wait(5)),), "worked": lambda _: (Done("worked"),)})
            for _ in range(16)
        ]
        assert ["worked"] * 16 == run(driver, *players)
