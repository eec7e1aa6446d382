"""`mailproof record` at a terminal, with prompt_toolkit and without: keys struck, screens read."""

from __future__ import annotations

import signal
import threading

import pytest
from fake_server import FakeServer
from recordings import PASSWORD, PROMPT, Terminal, b64, replayed

from tests.cli.commands import url


@pytest.fixture(params=[True, False], ids=["toolkit", "plain"])
def at_terminal(request, tmp_path):
    """A function that starts a recording at a terminal, with the extra or without."""
    started = []

    def start(server, *words, **env):
        terminal = Terminal("record", url(server), *words, cwd=tmp_path, env=env, has_toolkit=request.param)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.__exit__()


def test_dialogue_becomes_a_scenario_that_passes(at_terminal, server, tmp_path):
    """A whole session: typed lines, whole replies, a login without echo, the end by QUIT."""
    terminal = at_terminal(server, "-o", "made.yaml")
    terminal.await_text(PROMPT)
    terminal.say("EHLO client.example.org", "S: 250 AUTH LOGIN PLAIN")
    terminal.await_text(PROMPT)
    terminal.say("/auth PLAIN", "Username:")
    terminal.say("alice", "Password:")
    terminal.say(PASSWORD, "S: 235 2.7.0 ok")
    terminal.await_text(PROMPT)
    terminal.say("RCPT TO:<x@example.net>", "S: 550 5.7.1 relaying denied")
    terminal.await_text(PROMPT)
    terminal.say("QUIT", "S: 221 2.0.0 bye")
    terminal.await_text("made.yaml is written")
    assert 0 == terminal.end()
    assert PASSWORD not in terminal.text
    assert b64(PASSWORD) not in terminal.text
    assert PASSWORD not in (tmp_path / "made.yaml").read_text()
    assert 0 == replayed(server, tmp_path, "--secret", "password=env:PW", "--var", "username=alice").code


def test_login_by_hand_asks_as_the_server_does(at_terminal, server):
    """At the challenges of AUTH LOGIN one is asked for name and password, the latter without echo."""
    terminal = at_terminal(server)
    terminal.await_text(PROMPT)
    terminal.say("EHLO x", "S: 250 AUTH")
    terminal.await_text(PROMPT)
    terminal.say("AUTH LOGIN", "Username:")
    terminal.say("alice", "Password:")
    terminal.say(PASSWORD, "S: 235 2.7.0 ok")
    terminal.await_text(PROMPT)
    terminal.say("/quit", "secrets: [password]")
    assert 0 == terminal.end()
    assert PASSWORD not in terminal.text
    assert b64(PASSWORD) not in terminal.text


def test_ctrl_c_drops_the_line_and_ctrl_d_ends(at_terminal, server):
    """A dropped line is not sent, and the end shows the scenario."""
    terminal = at_terminal(server)
    terminal.await_text(PROMPT)
    terminal.type("DROP")
    terminal.await_text("DROP")
    terminal.type("\x03")
    terminal.await_text(PROMPT)
    terminal.say("NOOP", "S: 250 2.0.0 ok")
    terminal.await_text(PROMPT)
    terminal.type("\x04")
    terminal.await_text("NOOP")
    assert 0 == terminal.end()
    assert "DROP" not in terminal.text.rsplit("steps:", 1)[1]


def test_server_that_hangs_does_not_hang_the_prompt(at_terminal):
    """Ctrl-C while a reply is awaited returns to the prompt and says what is still owed."""
    asked = threading.Event()

    def hanging(conn):
        conn.send(b"220 mx\r\n")
        conn.line()
        asked.set()
        conn.wait_for_eof()

    with FakeServer(hanging) as server:
        terminal = at_terminal(server)
        terminal.await_text(PROMPT)
        terminal.type("NOOP\r")
        assert asked.wait(10)
        terminal.type("\x03")
        terminal.await_text("not waited for: the reply to NOOP")
        terminal.await_text(PROMPT)
        terminal.say("/undo", "/undo must wait: the reply to NOOP")
        terminal.await_text(PROMPT)
        terminal.say("/quit", "did not come to its end: NOOP")
        assert 0 == terminal.end()


def test_what_comes_while_one_types_is_shown_above_the_line(at_terminal):
    """A server that speaks unasked and hangs up is told at once, and what was typed stays."""
    speak = threading.Event()

    def impatient(conn):
        conn.send(b"220 mx\r\n")
        speak.wait(10)
        conn.send(b"421 4.4.2 timeout\r\n")

    with FakeServer(impatient) as server:
        terminal = at_terminal(server)
        terminal.await_text(PROMPT)
        terminal.type("NOO")
        terminal.await_text("NOO")
        speak.set()
        terminal.await_text("S: 421 4.4.2 timeout")
        terminal.await_text("the server has hung up")
        terminal.await_text("NOO")
        terminal.say("P", "the server has hung up; /quit ends the recording")
        terminal.await_text(PROMPT)
        terminal.say("/quit", "421 4.4.2 timeout")
        assert 0 == terminal.end()


def test_tab_completes_what_the_server_offers(at_terminal, server):
    """A mechanism, and a command, by the tabulator."""
    terminal = at_terminal(server)
    terminal.await_text(PROMPT)
    terminal.say("EHLO x", "S: 250 AUTH")
    terminal.await_text(PROMPT)
    terminal.type("AUTH LO\t")
    terminal.await_text("AUTH LOGIN")
    terminal.type("\x15/sho\t")
    terminal.await_text("/show")
    terminal.type("\r")
    terminal.await_text("steps:")


def test_save_writes_and_may_be_repeated(at_terminal, server, tmp_path):
    """What was written by `/save` may be written again; another's file may not."""
    (tmp_path / "mine.yaml").write_text("mine")
    terminal = at_terminal(server)
    terminal.await_text(PROMPT)
    terminal.say("/save", "/save wants a file")
    terminal.await_text(PROMPT)
    terminal.say("/save mine.yaml", "is there already")
    terminal.await_text(PROMPT)
    terminal.say("/save made.yaml", "written to made.yaml")
    terminal.await_text(PROMPT)
    terminal.say("NOOP", "S: 250 2.0.0 ok")
    terminal.await_text(PROMPT)
    terminal.say("/save made.yaml", "written to made.yaml")
    terminal.await_text(PROMPT)
    terminal.say("/quit", "run it with")
    assert 0 == terminal.end()
    assert "mine" == (tmp_path / "mine.yaml").read_text()
    assert 0 == replayed(server, tmp_path).code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["term", "hup"])
def test_signal_gives_the_terminal_back_and_keeps_the_recording(at_terminal, server, tmp_path, number):
    """A recording that is ended from outside is written."""
    terminal = at_terminal(server, "-o", "made.yaml")
    terminal.await_text(PROMPT)
    terminal.say("NOOP", "S: 250 2.0.0 ok")
    terminal.await_text(PROMPT)
    terminal.process.send_signal(number)
    terminal.await_text("made.yaml is written")
    assert 143 == terminal.end()
    assert 0 == replayed(server, tmp_path).code


def test_no_colours_with_no_color(at_terminal, server):
    """NO_COLOR is heeded, and without it consent is green."""
    painted = at_terminal(server)
    painted.await_text(PROMPT)
    assert b"\x1b[32mS: 220" in painted._raw
    plain = at_terminal(server, NO_COLOR="1")
    plain.await_text(PROMPT)
    assert b"\x1b[32m" not in plain._raw
