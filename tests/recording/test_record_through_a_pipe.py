"""`mailproof record` through a pipe: what it writes, what it shows, and how it ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
from fake_server import FakeServer
from recordings import PASSWORD, b64, begin, ended_by, replayed, run

from tests.cli.commands import url

GREETED = "EHLO client.example.org\n"
SECRET = ("--secret", "password=env:PW", "--var", "username=alice")
ENV = {"PW": PASSWORD}


@pytest.mark.parametrize(
    "login",
    [
        "/auth PLAIN\n",
        "/auth\n",
        "AUTH LOGIN\nalice\n${password}\n",
        f"AUTH LOGIN\nalice\n{PASSWORD}\n",
        f"AUTH LOGIN\n{b64('alice')}\n{b64(PASSWORD)}\n",
        f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + PASSWORD)}\n",
    ],
    ids=["auth-plain", "auth", "placeholder", "typed", "base64", "initial"],
)
def test_recorded_login_passes_at_once_and_holds_no_secret(server, tmp_path, login):
    """However one logs in, the scenario passes when it is run, and the password is nowhere."""
    lines = f"{GREETED}{login}MAIL FROM:<a@example.org>\nRCPT TO:<x@example.net>\nQUIT\n"
    made = run("record", url(server), "-o", "made.yaml", *SECRET, cwd=tmp_path, lines=lines, env=ENV)
    text = (tmp_path / "made.yaml").read_text()
    assert (0, "") == (made.code, made.out), made.err
    for hidden in (PASSWORD, b64(PASSWORD), b64(f"\0alice\0{PASSWORD}")):
        assert hidden not in text + made.err
    again = replayed(server, tmp_path, *SECRET)
    assert 0 == again.code, again.out + text


def test_next_command_is_told_complete(server, tmp_path):
    """What is told at the end can be typed as it stands."""
    made = run(
        "record", url(server), "-o", "made.yaml", *SECRET, cwd=tmp_path, lines=f"{GREETED}/auth PLAIN\n", env=ENV
    )
    command = made.err.rsplit("run it with:\n", 1)[1].split("\n")[0].split()
    assert ["mailproof", "run", "made.yaml"] == command[:3]
    assert 0 == run(*command[1:], cwd=tmp_path, env=ENV).code


def test_without_file_scenario_is_on_standard_output(server, tmp_path):
    """The scenario goes to standard output alone, the dialogue to standard error."""
    made = run("record", url(server), cwd=tmp_path, lines=f"{GREETED}QUIT\n")
    (tmp_path / "made.yaml").write_text(made.out)
    assert 0 == replayed(server, tmp_path).code
    assert "C: EHLO client.example.org\nS: 250-mx.example.org\n" in made.err


def test_message_expectation_undo_and_name(server, tmp_path):
    """A message from a file, a reply expected in other words, an exchange taken out and a name, all in one."""
    (tmp_path / "m.eml").write_text("Subject: x\n\n.dot\n")
    lines = (
        f"{GREETED}RCPT TO:<x@example.net>\n/expect 5xx 5.7.1 *denied\nVRFY x\n/undo\nMAIL FROM:<>\n"
        "/data m.eml\n/name Relays nothing\nQUIT\n"
    )
    made = run("record", url(server), "-o", "made.yaml", cwd=tmp_path, lines=lines)
    text = (tmp_path / "made.yaml").read_text()
    assert 0 == made.code, made.err
    assert "name: Relays nothing\n" in text
    assert "5xx 5.7.1 *denied" in text
    assert "VRFY" not in text
    assert "the server has not forgotten it" in made.err
    assert 0 == replayed(server, tmp_path).code, text


@pytest.mark.parametrize("expect", ["texts", "status", "codes"])
def test_how_much_is_expected_is_chosen(server, tmp_path, expect):
    """`--expect` goes to the draft, and each passes."""
    run(
        "record",
        url(server),
        "-o",
        "made.yaml",
        "--expect",
        expect,
        cwd=tmp_path,
        lines=f"{GREETED}RCPT TO:<x@y>\nQUIT\n",
    )
    text = (tmp_path / "made.yaml").read_text()
    assert (expect == "texts") == ("relaying denied" in text)
    assert (expect == "codes") == ("5.7.1" not in text)
    assert 0 == replayed(server, tmp_path).code, text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/tsl", "line 2: unknown command '/tsl'; did you mean 'tls'?"),
        ("/expect 550", "line 2: the last reply would not fit: expected 550"),
        ("/auth PLAIN", "line 2: no username is known; give it by --var username=VALUE"),
        ("/auth NONE", "line 2: unknown mechanism 'NONE'"),
        ("/data nothing.eml", "line 2: 'nothing.eml' can't be read"),
        ("/tls", "line 2: the server does not let TLS begin"),
        ("HANG", "line 2: the reply to a client line has not come within 0.3 s"),
        ("DROP", "the server has hung up"),
    ],
)
def test_what_goes_wrong_ends_it_and_keeps_what_was(server, tmp_path, line, reason):
    """A pipe ends at what can't be done, with the line's number; what was recorded until then is written and passes."""
    lines = f"{GREETED}{line}\nNOOP\n"
    made = run("record", url(server), "-o", "made.yaml", "--timeout", "300ms", cwd=tmp_path, lines=lines)
    assert reason in made.err
    assert 1 == made.code
    assert "Traceback" not in made.err
    again = replayed(server, tmp_path)
    assert 0 == again.code, again.out


def test_nobody_there_is_told_and_leaves_no_file(tmp_path, server):
    """Without a connection there is nothing to write."""
    target = url(server)
    server.__exit__(None)
    made = run("record", target, "-o", "made.yaml", cwd=tmp_path, lines=GREETED)
    assert 1 == made.code
    assert "connection refused" in made.err
    assert "nothing was recorded" in made.err
    assert not (tmp_path / "made.yaml").exists()


def test_silent_server_may_want_tls_first(tmp_path):
    """Who is greeted by nobody is told what that may mean."""
    with FakeServer(lambda conn: conn.wait_for_eof()) as server:
        made = run("record", url(server), "--timeout", "300ms", cwd=tmp_path, lines=GREETED)
    reason = "the greeting has not come within 0.3 s; a server of implicit TLS is silent until the handshake"
    assert (1, True) == (made.code, f"{reason}: smtps://127.0.0.1:{server.port}?" in made.err), made.err


def test_user_name_is_no_secret(server, tmp_path):
    """By whatever mechanism somebody has logged in, an address of the same name is shown."""
    lines = f"{GREETED}/auth LOGIN\nMAIL FROM:<alice>\n"
    made = run("record", url(server), "-o", "made.yaml", *SECRET, cwd=tmp_path, lines=lines, env=ENV)
    assert (0, True) == (made.code, "C: MAIL FROM:<alice>" in made.err), made.err
    assert PASSWORD not in made.err
    assert b64(PASSWORD) not in made.err


def test_every_file_of_its_own_may_be_written_again(server, tmp_path):
    """What `/save` has written elsewhere in between makes the first file nobody else's, whatever it is called."""
    lines = f"{GREETED}/save\n/save other.yaml\nNOOP\n/save ./other.yaml\nQUIT\n"
    made = run("record", url(server), "-o", "made.yaml", cwd=tmp_path, lines=lines)
    assert 0 == made.code, made.err
    assert "QUIT" in (tmp_path / "made.yaml").read_text()
    assert "NOOP" in (tmp_path / "other.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-o", "there.yaml"), "'there.yaml' is there already; --force writes over it"),
        (("-o", "no/folder.yaml"), "there is no folder for 'no/folder.yaml'"),
        (("--secret", "password=secret"), "a value on the command line shows in the list of processes"),
        (("--ca", "none.pem"), "--ca: there is no file 'none.pem'"),
    ],
)
def test_what_can_not_be_is_refused_before_connecting(server, tmp_path, words, reason):
    """Nothing is connected for what could not be kept."""
    (tmp_path / "there.yaml").write_text("mine")
    made = run("record", url(server), *words, cwd=tmp_path, lines=GREETED)
    assert 2 == made.code
    assert reason in made.err
    assert 0 == server.connections
    assert "mine" == (tmp_path / "there.yaml").read_text()


def test_force_replaces_only_at_the_end(server, tmp_path):
    """With `--force` the file that was there stays until the new one is whole."""
    (tmp_path / "made.yaml").write_text("mine")
    made = run("record", url(server), "-o", "made.yaml", "--force", cwd=tmp_path, lines=f"{GREETED}QUIT\n")
    assert 0 == made.code
    assert 0 == replayed(server, tmp_path).code


def test_target_and_password_of_the_project_file(server, tmp_path):
    """A target's name, its variables and its secrets serve as a run has them."""
    (tmp_path / "mailproof.yaml").write_text(
        f"targets:\n  mx:\n    url: {url(server)}\n    vars: {{username: alice}}\n    secrets: {{password: {{env: PW}}}}\n"
    )
    made = run("record", "mx", "-o", "made.yaml", cwd=tmp_path, lines=f"{GREETED}/auth PLAIN\n", env=ENV)
    assert 0 == made.code, made.err
    assert "mailproof run made.yaml --target mx\n" in made.err
    assert 0 == run("run", "made.yaml", "--target", "mx", cwd=tmp_path, env=ENV).code


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=["int", "term", "hup"]
)
def test_signal_keeps_what_was_recorded(server, tmp_path, number, code):
    """Whichever signal ends it, the file is whole and passes."""
    with begin("record", url(server), "-o", "made.yaml", cwd=tmp_path) as process:
        process.stdin.write(GREETED)
        process.stdin.flush()
        while "SIZE" not in process.stderr.readline():
            pass
        process.send_signal(number)
        assert code == ended_by(process)
    assert 0 == replayed(server, tmp_path).code
    assert ["made.yaml"] == [one.name for one in tmp_path.iterdir() if not one.name.startswith(".mailproof-history")]


def test_hangup_that_nohup_has_ignored_ends_nothing(server, tmp_path):
    """Under `nohup` a recording goes on when its terminal is gone."""

    def ignoring():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with begin("record", url(server), "-o", "made.yaml", cwd=tmp_path, preexec_fn=ignoring) as process:
        process.stdin.write(GREETED)
        process.stdin.flush()
        while "SIZE" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGHUP)
        process.communicate("QUIT\n", timeout=20)
    assert 0 == process.returncode
    assert "QUIT" in (tmp_path / "made.yaml").read_text()


def test_full_disk_loses_nothing(server, tmp_path):
    """Where the file can't be written, nothing of it is left and the recording is kept elsewhere, which is told."""
    (tmp_path / "tmp").mkdir()

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    env = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    with begin("record", url(server), "-o", "made.yaml", cwd=tmp_path, env=env, preexec_fn=limited) as process:
        out, err = process.communicate(f"{GREETED}QUIT\n", timeout=20)
    assert 3 == process.returncode
    assert "'made.yaml' can't be written: file too large" in err
    assert ["tmp"] == [one.name for one in tmp_path.iterdir()]
    assert [] == list((tmp_path / "tmp").iterdir())
    assert "the recording follows on standard output" in err
    (tmp_path / "made.yaml").write_text(out)
    assert 0 == replayed(server, tmp_path).code


def test_place_taken_meanwhile_is_kept_elsewhere(server, tmp_path):
    """A file that has appeared while one recorded is not written over, and the recording is not lost."""
    (tmp_path / "tmp").mkdir()
    with begin(
        "record", url(server), "-o", "made.yaml", cwd=tmp_path, env={"TMPDIR": str(tmp_path / "tmp")}
    ) as process:
        process.stdin.write(GREETED)
        process.stdin.flush()
        while "SIZE" not in process.stderr.readline():
            pass
        (tmp_path / "made.yaml").write_text("mine")
        _, err = process.communicate("QUIT\n", timeout=20)
    assert 3 == process.returncode
    assert "mine" == (tmp_path / "made.yaml").read_text()
    [kept] = (tmp_path / "tmp").iterdir()
    assert f"the recording is kept in {kept}" in err
    assert 0 == run("run", kept, "--target", url(server), cwd=tmp_path).code
    assert 0o600 == kept.stat().st_mode & 0o777


def test_hostile_text_is_harmless_and_replays(tmp_path):
    """What a server sends moves no cursor, opens no placeholder and breaks out of no scalar."""

    def hostile(conn):
        conn.send(b"220 \x1b[2J${password} ' : # * ?\r\n")
        while conn.line():
            conn.send(b"250 ::error::${env.HOME} - [x]: {y}\r\n")

    with FakeServer(hostile) as server:
        made = run("record", url(server), "-o", "made.yaml", cwd=tmp_path, lines="NOOP ${x} /\n")
        assert "\x1b" not in made.err
        assert 0 == made.code
        again = replayed(server, tmp_path)
    assert 0 == again.code, again.out + Path(tmp_path, "made.yaml").read_text()


def test_colours_only_where_they_are_wanted(server, tmp_path):
    """Through a pipe there are none unless asked for."""
    plain = run("record", url(server), cwd=tmp_path, lines=GREETED)
    painted = run("record", url(server), "--color", "always", cwd=tmp_path, lines=GREETED, env={"NO_COLOR": "1"})
    assert "\x1b[" not in plain.err
    assert "\x1b[32m" in painted.err


def test_each_line_waits_for_the_replies_before_it(tmp_path):
    """Nothing is pipelined: at each line the server has had no other."""
    heard = []

    def slow(conn):
        conn.send(b"220 mx\r\n")
        while line := conn.line():
            conn.socket.settimeout(0.05)
            try:
                heard.append(conn.socket.recv(100))
            except TimeoutError:
                heard.append(line)
            conn.socket.settimeout(5)
            conn.send(b"250-one\r\n")
            conn.send(b"250 two\r\n")

    with FakeServer(slow) as server:
        run("record", url(server), cwd=tmp_path, lines="EHLO a\nNOOP\nRSET\n")
    assert [b"EHLO a\r\n", b"NOOP\r\n", b"RSET\r\n"] == heard[:3]


def test_standard_output_closed_early_is_no_traceback(server, tmp_path):
    """Who reads the scenario may leave."""
    with begin("record", url(server), cwd=tmp_path, stdout=subprocess.PIPE) as process:
        process.stdout.close()
        process.stdin.write(f"{GREETED}QUIT\n")
        process.stdin.close()
        err = process.stderr.read()
    assert "Traceback" not in err
    assert 3 == process.returncode
    assert os.listdir(tmp_path) == []
