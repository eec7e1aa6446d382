"""Exchanges: what was said in each step, whole, redacted and bounded; nothing where nobody asks for it."""

import pytest
from memory import EOF, play
from playing import compile_case, says

from runner.player import Player
from runner.player.exchanges import FIRST_LINES, LAST_LINES, MOST_CHARACTERS, MOST_REPLIES
from runner.results import Exchange, Heard
from runner.wire import TlsFacts

HELLO = b"220 mx.example ESMTP\r\n"
EHLO = b"250-mx.example\r\n250-DSN\r\n250 AUTH PLAIN LOGIN\r\n"
OFFERED = {"DSN": (), "AUTH": ("PLAIN", "LOGIN")}
SECRET = "s3cr3t-horse/battery"
TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=True)


def exchanges(steps, *turns, keeps_exchanges=True, tls=None, **given):
    """Return the exchange of each step."""
    player = Player(compile_case(steps, **given), keeps_exchanges=keeps_exchanges)
    result = play(player, says(*turns), **({"tls": tls} if tls else {})).result
    return [step.exchange for step in result.steps]


def test_nothing_is_kept_where_nobody_asks():
    """It would cost memory for each step."""
    assert [None] == exchanges("  - expect: 220", HELLO, keeps_exchanges=False)


def test_replies_and_capabilities():
    """Code, status, lines without them; capabilities where they were read."""
    greeting, hello, sender = exchanges(
        "  - expect: 220\n  - {send: EHLO x, expect: 250}\n  - {send: MAIL FROM:<>, expect: 250}",
        HELLO,
        EHLO,
        b"250 2.1.0 Ok\r\n",
    )
    (first,) = greeting.replies
    assert (
        Exchange("expect 220", replies=(Heard("greeting", "220", "", ("mx.example ESMTP",), first.latency),))
        == greeting
    )
    assert 0 < first.latency < 1
    assert ("send EHLO x", OFFERED) == (hello.sent, hello.capabilities)
    assert (("mx.example", "DSN", "AUTH PLAIN LOGIN"), None) == (hello.replies[0].lines, sender.capabilities)
    assert ("2.1.0", ("Ok",)) == (sender.replies[0].status, sender.replies[0].lines)


def test_capabilities_that_are_read_again():
    """The same list is shown each time that the server says it."""
    found = exchanges(
        "  - expect: 220\n  - {send: EHLO x, expect: 250}\n  - {send: EHLO x, expect: 250}", HELLO, EHLO, EHLO
    )
    assert [None, OFFERED, OFFERED] == [one.capabilities for one in found]


def test_tls():
    """What a handshake brought is of its own step alone."""
    steps = "  - expect: 220\n  - starttls: {verify: false}\n  - {send: NOOP, expect: 250}"
    found = exchanges(steps, HELLO, b"220 go\r\n", b"250 ok\r\n", tls=TLS)
    assert [None, TLS, None] == [one.tls for one in found]


def test_a_reply_that_fails_the_step():
    """It is kept like any other, and the step is called as its author wrote it."""
    steps = "  - expect: 220\n  - {send: 'RCPT TO:<${to}>', expect: 250}"
    found = exchanges(steps, HELLO, b"550 5.1.1 no\r\n", variables={"to": "bob@example.com"})
    assert ("send RCPT TO:<${to}>", "550") == (found[1].sent, found[1].replies[0].code)


def test_a_server_that_hangs_up():
    """That is told in place of a reply."""
    found = exchanges("  - expect: 220\n  - {send: X, expect: close}", HELLO, (EOF,))
    assert ["close"] == [reply.code for reply in found[1].replies]


@pytest.mark.parametrize("cut", range(1, len(SECRET), 3))
def test_secrets(cut):
    """What a server echoes is hidden, over lines, too."""
    turn = f"250-{SECRET[:cut]}\r\n250 {SECRET[cut:]}\r\n".encode()
    steps = "  - expect: 220\n  - {send: 'X ${password}', expect: 250}"
    found = exchanges(steps, HELLO, turn, secrets={"password": SECRET})
    assert ("⟨password⟩", "⟨password⟩") == found[1].replies[0].lines


def test_challenges():
    """One that a step reads is kept decoded; those of a whole exchange are new each time, and left out."""
    prompt = b"334 VXNlcm5hbWU6\r\n"
    steps = "  - expect: 220\n  - {send: AUTH LOGIN, expect: 334}"
    assert ("Username:",) == exchanges(steps, HELLO, prompt)[1].replies[0].lines
    steps = "  - expect: 220\n  - auth: LOGIN"
    given = {"variables": {"username": "alice"}, "secrets": {"password": SECRET}}
    found = exchanges(steps, HELLO, prompt, b"334 UGFzc3dvcmQ6\r\n", b"235 ok\r\n", **given)
    assert ["235"] == [reply.code for reply in found[1].replies]


def test_long_replies():
    """Of many lines the first and the last are kept, and how many there were besides; a long line is cut."""
    lines = [f"250-{number}" for number in range(1000)] + ["250 " + "x" * 5000]
    steps = "  - expect: 220\n  - {send: HELP, expect: 250}"
    kept = exchanges(steps, HELLO, "".join(f"{line}\r\n" for line in lines).encode())[1].replies[0].lines
    assert FIRST_LINES + 1 + LAST_LINES == len(kept)
    assert f"… {1001 - FIRST_LINES - LAST_LINES} lines left out …" == kept[FIRST_LINES]
    assert MOST_CHARACTERS + 40 > len(kept[-1])


def test_many_replies():
    """So are the replies of one step."""
    count = MOST_REPLIES + 5
    recipients = "".join(f"      - {{send: 'RCPT TO:<{number}@x>', expect: 250}}\n" for number in range(count))
    steps = (
        "  - expect: 220\n  - {send: LHLO x, expect: 250}\n  - {send: MAIL FROM:<>, expect: 250}\n"
        f"  - pipeline:\n{recipients}  - {{send: DATA, expect: 354}}\n  - {{data: x, expect_each: [{', '.join(['250'] * count)}]}}"
    )
    ok = b"250 ok\r\n"
    turns = [HELLO, ok, ok, ok * count, b"354 go\r\n", ok * count]
    found = exchanges(steps, *turns, top="protocol: lmtp", url="lmtp://127.0.0.1:24")
    assert MOST_REPLIES + 1 == len(found[-1].replies)
    assert ("… 5 replies left out …",) == found[-1].replies[-1].lines
