"""`connect`: what can come in place of a connection, and opening a second one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory import EOF, PEER, RESET, STALL
from playing import compile_case, everything, shown

from runner.language.project import parse_target
from runner.player import Player
from runner.proxy import SocketAddress
from runner.results import Outcome
from runner.wire import Close, Fault, FaultKind, Open, ProxyHeader, Work

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 ok\r\n"
REFUSED = Fault(FaultKind.REFUSED)
BYE = (b"221 bye\r\n", EOF)


@pytest.mark.parametrize(
    ("word", "server"),
    [
        pytest.param("refused", lambda: REFUSED, id="refused"),
        pytest.param("reset", lambda: RESET, id="reset"),
    ],
)
def test_the_words_of_connect(run, word, server):
    """`refused` and `reset` are met where no connection comes about."""
    assert Outcome.PASSED is run(f"  - {{connect: , expect: {word}}}", server).result.outcome
    assert Outcome.PASSED is run(f"  - {{connect: , expect: [220, {word}]}}", server).result.outcome


def test_reset_in_place_of_a_greeting(run):
    """`reset` is met too where the connection is reset before its greeting."""
    assert Outcome.PASSED is run("  - {connect: , expect: reset}", (RESET,)).result.outcome


def test_no_connection_in_time(playing_alone):
    """`timeout` is met when no connection comes within the step's time; else that is an error."""
    assert Outcome.PASSED is playing_alone("  - {connect: , expect: timeout, timeout: 5s}").outcome
    result = playing_alone("  - {connect: , timeout: 5s}\n  - expect: 220")
    assert ["error: no connection to 127.0.0.1:25 within 5 s", "not run"] == shown(result)


def test_the_cases_deadline_is_no_timeout_of_connect(playing_alone):
    """A case whose time is over has not met `timeout`."""
    result = playing_alone("  - {connect: , expect: timeout}", top="deadline: 3s")
    assert ["error: no connection to 127.0.0.1:25 before the case's deadline of 3 s"] == shown(result)


@pytest.fixture
def playing_alone():
    """Play without a driver that answers: the connection never comes about."""
    from playing import compile_case

    from runner.player import Player
    from runner.wire import Done

    def play(steps, **given):
        player = Player(compile_case(steps, **given))
        player.start(100.0)
        out = player.tick(player.deadline)
        assert Close(0, "reset") == out[0]
        assert isinstance(out[-1], Done)
        return out[-1].result

    return play


@pytest.mark.parametrize(
    ("expect", "server", "reason"),
    [
        pytest.param("refused", (HELLO,), "failed: expected refused, got 220 mx.example ESMTP", id="a greeting"),
        pytest.param(
            "timeout",
            lambda: REFUSED,
            "failed: expected timeout, got no connection to 127.0.0.1:25: connection refused",
            id="another word",
        ),
        pytest.param("220", lambda: REFUSED, "error: no connection to 127.0.0.1:25: connection refused", id="no word"),
        pytest.param(
            "refused",
            lambda: Fault(FaultKind.UNRESOLVED),
            "error: no connection to 127.0.0.1:25: host not found",
            id="no host",
        ),
        pytest.param("reset", (EOF,), "failed: the server closed the connection before its greeting", id="closed"),
    ],
)
def test_another_end_than_expected(run, expect, server, reason):
    """A scenario that tests for refusal and the like fails by another; without, no connection is an error."""
    assert [reason] == shown(run(f"  - {{connect: , expect: {expect}}}", server).result)


def test_greeting(run):
    """The `expect` of `connect` judges the greeting; without one it stays owed."""
    assert Outcome.PASSED is run("  - {connect: , expect: 220}", HELLO).result.outcome
    assert Outcome.PASSED is run("  - connect:\n  - expect: 220", HELLO).result.outcome


@pytest.mark.parametrize("turn", [HELLO, None, STALL], ids=["sent", "not sent", "stall"])
def test_a_greeting_that_no_step_expects(run, turn):
    """A greeting that is owed at the end fails the case, whether it came or not."""
    result = run("  - connect:", turn).result
    assert ["passed"] == shown(result)
    assert (Outcome.FAILED, "after the last step: no step expected the reply to the greeting") == (
        result.outcome,
        result.reason,
    )


def test_connecting_again(run):
    """On an open session `connect` says goodbye and opens another connection; each has its own transcript."""

    def server(sid):
        heard = yield HELLO
        while heard != b"QUIT\r\n":
            heard = yield OK
        yield BYE

    played = run(
        "  - expect: 220\n  - {send: NOOP, expect: 250}\n  - {connect: , expect: 220}\n  - {send: RSET, expect: 250}",
        server,
    )
    assert Outcome.PASSED is played.result.outcome
    assert {0: b"NOOP\r\nQUIT\r\n", 1: b"RSET\r\nQUIT\r\n"} == played.sent
    assert 2 == len(played.result.transcripts)
    assert [0, 1] == [action.sid for action in played.actions if isinstance(action, Open)]


def test_connecting_again_with_a_reply_owed(run):
    """What is owed or left over on the connection before fails the `connect`."""
    result = run("  - expect: 220\n  - send: NOOP\n  - {connect: , expect: 220}\n  - {send: X}", HELLO, OK).result
    assert [
        "passed",
        "passed",
        "failed: on the connection before: no step expected the reply to NOOP",
        "not run",
    ] == shown(result)


def test_connecting_again_after_the_servers_end(run):
    """After a close that was expected `connect` begins anew."""

    def server(sid):
        yield (HELLO, EOF) if sid == 0 else HELLO
        yield BYE

    played = run("  - expect: 220\n  - expect: close\n  - {connect: , expect: 220}", server)
    assert Outcome.PASSED is played.result.outcome


def test_source_address(run):
    """`source_address` goes to the driver, its placeholders filled."""
    played = run("  - {connect: {source_address: '${here}'}, expect: 220}", HELLO, variables={"here": "127.0.0.9"})
    assert "127.0.0.9" == played.actions[0].endpoint.source_address


def test_client_names(run):
    """`client.address` is the connection's, and an address literal is the name of a machine that has none."""
    played = run(
        "  - expect: 220\n  - {send: 'EHLO ${client.name} ${client.address}', expect: 250}", HELLO, OK, client_name=""
    )
    assert played.sent[0].startswith(b"EHLO [127.0.0.1] 127.0.0.1\r\n")


def test_client_address_before_the_connection(run):
    """`client.address` used before there is a connection is an error of the step."""
    result = run("  - {connect: {source_address: '${client.address}'}, expect: 220}", HELLO).result
    assert ["error: '${client.address}' is known only once connected"] == shown(result)


V2 = "{proxy_protocol: {version: v2, source: '${there}', destination: 192.0.2.1:25}}"


def endpoint(run, connect, **given):
    played = run(f"  - {{connect: {connect}, expect: 220}}", HELLO, **given)
    assert Outcome.PASSED is played.result.outcome
    return played.actions[0].endpoint


def test_family_and_proxy_header(run):
    """They go to the driver, placeholders filled."""
    found = endpoint(run, V2, variables={"there": "192.0.2.7:1234"})
    assert ProxyHeader(2, SocketAddress("192.0.2.7", 1234), SocketAddress("192.0.2.1", 25)) == found.proxy
    assert ("ipv6", ProxyHeader(1)) == (
        (found := endpoint(run, "{family: ipv6, proxy_protocol: v1}")).family,
        found.proxy,
    )


def test_what_the_target_says_of_reaching(run):
    """It holds where the step says nothing, also for a connection that opens by itself."""
    target = replace(parse_target("smtp://mx"), family="ipv4", proxy=ProxyHeader(1), command=("sendmail", "-bs"))
    for steps in ("  - expect: 220", "  - {connect: , expect: 220}"):
        found = run(steps, HELLO, target=target).actions[0].endpoint
        assert ("ipv4", ProxyHeader(1), ("sendmail", "-bs")) == (found.family, found.proxy, found.command)


def test_the_step_comes_before_the_target(run):
    """Another family, another header, or none."""
    target = replace(parse_target("smtp://mx"), family="ipv4", proxy=ProxyHeader(1))
    found = run("  - {connect: {family: ipv6, proxy_protocol: none}, expect: 220}", HELLO, target=target)
    assert ("ipv6", None) == (found.actions[0].endpoint.family, found.actions[0].endpoint.proxy)


@pytest.mark.parametrize("there", ["mx.example", "192.0.2.7\r\nHELO x", "::1"])
def test_a_client_that_is_none(run, there):
    """A value that is no address, or of another family, is an error of the step; nothing is connected."""
    played = run(f"  - {{connect: {V2}, expect: 220}}", HELLO, variables={"there": there})
    if there == "::1":
        assert Outcome.PASSED is played.result.outcome
        return
    assert shown(played.result)[0].startswith("error: proxy_protocol: '")
    assert not [action for action in played.actions if isinstance(action, Open)]


def test_who_is_announced_stands_in_the_transcript(run):
    """Whose mail it seems to be must be seen in a report."""
    peer = replace(PEER, announced="PROXY v1: 192.0.2.7:1 to 192.0.2.1:25")
    assert "PROXY v1: 192.0.2.7:1 to 192.0.2.1:25" in everything(run("  - expect: 220", HELLO, peer=peer).result)


def test_what_a_command_says_stands_in_the_transcript():
    """Hostile text is escaped there, secrets are masked."""
    player = Player(compile_case("  - {send: '${password}', expect: 220}", secrets={"password": "hunter2x"}))
    player.start(1.0)
    player.opened(0, PEER, 1.0)
    assert () == player.noted(0, "standard error: \x1b[2J hunter2x", 1.0)
    text = everything(player.stop("interrupted", 2.0)[-1].result)
    assert "* standard error: \\x1b[2J ⟨password⟩".replace("* ", "*: ") in text


def test_mail_exchangers_are_no_session(run):
    """A target that is several servers is none for one connection."""
    target = replace(parse_target("smtp://example.com"), name="out", is_domain=True)
    expected = "error: 'out' are the mail exchangers of example.com, and a session is with one: name its url"
    assert [expected] == shown(run("  - expect: 220", HELLO, target=target).result)


def test_work_beside_the_conversation_has_the_steps_time():
    """What nobody waits for any more is dropped."""
    player = Player(compile_case("  - {wait: 1s}"))
    player.start(1.0)
    assert () == player.worked(Work(lambda: None), None, 1.5)


def test_tls_from_the_start_that_does_not_come(playing_alone):
    """Where TLS is implicit, the connection may stand and the handshake hang: the reason says which of both it is of."""
    result = playing_alone("  - {connect: , timeout: 5s}", url="smtps://127.0.0.1:465")
    reason = "error: no connection with a finished TLS handshake to 127.0.0.1:465 within 5 s"
    assert [reason] == shown(result)
