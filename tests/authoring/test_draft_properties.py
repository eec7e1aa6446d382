"""Drafts of hostile conversations: they compile, accept their own conversation, and hold no secret."""

import base64

import pytest
from compiling import problems_in
from drafting import ClientLiteral, Exchange, accepts_its_own, draft, encoded, reply, talk
from drafting import line as line_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.redaction import Redactor

PASSWORD = "Xk9-hunter2"
HOSTILE = (
    "#", " #", ": ", "${", "$${", "${x}", "{{ x }}", "'", '"', "*", "?", "\\", "/", "...", "C: x", "S: 250", " ", "\t",
    "\x00", "\x07", "\x7f", "\u0085", "\u2028", "\ufeff", "\ufffc", "\udcff", "é", "\U0001f600", "- a", "[x]", "{a: b}",
    "|", ">", "&a", "!t", "%d", "@", "`", "250-x", "250 or 251", "5.7.1", "2.1", "close", "any", "<a@b.example>", ".",
    "4VgXyz1234z9", "[192.0.2.1]", "mx.example.com", "Fri, 17 May 2024 12:00:00 +0000", PASSWORD,
    base64.b64encode(f"x{PASSWORD}".encode()).decode(), PASSWORD.encode().hex(), "a@x.example", "alice",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=3), max_size=5).map(
    lambda parts: "".join(parts).replace("\r", "").replace("\n", "")
)
# Bytes that are no UTF-8 come as surrogates of one byte; others don't come.
SENT = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
CODES = st.sampled_from(["250", "252", "450 4.2.0", "550 5.7.1", "500"])
_MEANT = ("EHLO", "HELO", "DATA", "BDAT", "AUTH", "STARTTLS", "QUIT", "MAIL", "RCPT", "LHLO")


@st.composite
def replies(draw):
    """Return a reply of one or more lines."""
    code = draw(CODES)
    texts = draw(st.lists(SENT, min_size=1, max_size=3))
    *before, last = texts
    return reply("\n".join([*(f"{code[:3]}-{text}" for text in before), f"{code} {last}"]))


@st.composite
def smtp_talks(draw):
    """Return a conversation in which everything that can be is hostile."""
    said = [reply(f"220 {draw(SENT)}")]
    said += ["C: EHLO client.example", reply("250-mx.example.com\n250-AUTH LOGIN\n250 SIZE 1000")]
    if draw(st.booleans()):
        said += [
            "C: AUTH LOGIN",
            "S: 334 VXNlcm5hbWU6",
            f"C: {encoded('alice')}",
            "S: 334 UGFzc3dvcmQ6",
            f"C: {encoded(PASSWORD)}",
            reply(f"235 {draw(SENT)}"),
        ]
    for line in draw(st.lists(SENT, max_size=3)):
        text = f"NOOP {line}" if draw(st.booleans()) else line
        assume(text.split(" ", 1)[0].split("\t")[0].upper() not in _MEANT)
        said += [line_of(text), draw(replies())]
    if draw(st.booleans()):
        said += ["C: MAIL FROM:<a@x.example>", draw(replies()), "C: DATA", reply("354 " + draw(SENT))]
        said += [draw(st.lists(SENT, max_size=4)), draw(replies())]
    return talk(*said, secrets={"password": PASSWORD}, title=draw(TEXTS), source=draw(TEXTS))


@settings(deadline=None, max_examples=150)
@given(smtp_talks(), st.sampled_from(["texts", "status", "codes"]))
def test_any_conversation_is_a_scenario_that_accepts_it(conversation, expect):
    """Whatever is said, the draft has no mistake, passes against the same server, and no secret is in it."""
    made = accepts_its_own(conversation, expect=expect, secrets={"password": PASSWORD})
    assert [] == Redactor({"password": PASSWORD}).find(made.text + "\n".join(made.guesses))


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["pop3", "imap", "sieve", "tcp"]), st.lists(st.tuples(SENT, SENT), max_size=4))
def test_any_conversation_of_any_protocol_compiles(protocol, said):
    """Also where what is said is no reply at all, the file has no mistake and holds no secret."""
    greeting = {"pop3": "+OK", "imap": "* OK", "sieve": "OK", "tcp": "hello"}[protocol]
    events = [reply(greeting)]
    for number, (client, server) in enumerate(said):
        lead = {"pop3": "+OK", "imap": f"a{number} OK", "sieve": "OK", "tcp": "x"}[protocol]
        events += [line_of(f"a{number} {client}" if protocol == "imap" else client), reply(f"{lead} {server}")]
    made = draft(talk(*events, protocol=protocol, secrets={"password": PASSWORD}))
    assert [] == [problem.render() for problem in problems_in(made.text)]
    assert [] == Redactor({"password": PASSWORD}).find(made.text)


@settings(deadline=None, max_examples=50)
@given(st.lists(SENT, max_size=5), st.booleans())
def test_any_literal_compiles(lines, is_ended):
    """A literal of any text is one in the file, whatever its lines look like."""
    literal = ClientLiteral("\n".join(lines) + "\n" * is_ended)
    said = ["S: * OK hi", "C: a1 APPEND INBOX {9}", "S: + go", literal, "S: a1 OK done"]
    made = draft(talk(*said, protocol="imap", secrets={"password": PASSWORD}))
    assert [] == [problem.render() for problem in problems_in(made.text)]
    assert [] == Redactor({"password": PASSWORD}).find(made.text)


PLAIN = f"\0alice\0{PASSWORD}"
LOGINS = {
    "plain": ("smtp", [f"C: AUTH PLAIN {encoded(PLAIN)}", "S: 235 ok"]),
    "plain refused": ("smtp", [f"C: AUTH PLAIN {encoded(PLAIN)}", f"S: 535 5.7.8 no {PASSWORD}"]),
    "plain not offered": ("smtp", [f"C: AUTH PLAIN {encoded(PLAIN)}", "S: 538 5.7.11 TLS first"]),
    "login": (
        "smtp",
        ["C: AUTH LOGIN", "S: 334 ", f"C: {encoded('alice')}", "S: 334 ", f"C: {encoded(PASSWORD)}", "S: 235 ok"],
    ),
    "typed bare": ("smtp", ["C: AUTH LOGIN", "S: 334 UGFzc3dvcmQ6", f"C: {PASSWORD}", "S: 501 bad"]),
    "xoauth2": (
        "smtp",
        [f"C: AUTH XOAUTH2 {encoded('user=alice' + chr(1) + 'auth=Bearer ' + PASSWORD + chr(1) * 2)}", "S: 235 ok"],
    ),
    "oauthbearer refused": (
        "smtp",
        [
            f"C: AUTH OAUTHBEARER {encoded('n,a=alice,' + chr(1) + 'auth=Bearer ' + PASSWORD + chr(1) * 2)}",
            f"S: 334 {encoded('{}')}",
            "C: AQ==",
            "S: 535 5.7.8 no",
        ],
    ),
    "digest": ("smtp", ["C: AUTH DIGEST-MD5", "S: 334 eA==", f"C: {encoded(PASSWORD)}", "S: 235 ok"]),
    "imap": ("imap", [f"C: a LOGIN alice {PASSWORD}", "S: a OK in"]),
    "imap literals": (
        "imap",
        [
            "C: a LOGIN {5}",
            "S: + go",
            ClientLiteral("alice"),
            f"C:  {{{len(PASSWORD)}}}",
            "S: + go",
            ClientLiteral(PASSWORD),
            "C: ",
            "S: a OK in",
        ],
    ),
    "imap plain": ("imap", [f"C: a AUTHENTICATE PLAIN {encoded(PLAIN)}", "S: a NO [AUTHENTICATIONFAILED] x"]),
    "pop3": ("pop3", ["C: USER alice", "S: +OK", f"C: PASS {PASSWORD}", f"S: -ERR [AUTH] {PASSWORD}"]),
    "pop3 plain": ("pop3", ["C: AUTH PLAIN", "S: +", f"C: {encoded(PLAIN)}", "S: +OK in"]),
    "sieve": ("sieve", [f'C: AUTHENTICATE "PLAIN" "{encoded(PLAIN)}"', 'S: OK "in"']),
    "sieve literal": (
        "sieve",
        [f'C: AUTHENTICATE "PLAIN" {{{len(encoded(PLAIN))}+}}', ClientLiteral(encoded(PLAIN)), 'S: OK "in"'],
    ),
    "verb": ("smtp", [Exchange("PLAIN", reply(f"235 welcome {PASSWORD}"))]),
}
_GREETINGS = {"smtp": "S: 220 mx.example.com hi", "imap": "S: * OK hi", "pop3": "S: +OK hi", "sieve": "S: OK"}
_GOODBYES = {"smtp": "C: NOOP", "imap": "C: z NOOP", "pop3": "C: NOOP", "sieve": "C: NOOP"}


@pytest.mark.parametrize("case", LOGINS.values(), ids=LOGINS)
def test_no_login_leaves_its_secret(case):
    """By whatever mechanism, and whether it went well: no form of the secret and no user's name is in the draft."""
    protocol, said = case
    known = {"password": PASSWORD} if any(isinstance(one, Exchange) for one in said) else {}
    made = draft(talk(_GREETINGS[protocol], *said, protocol=protocol, secrets=known))
    told = made.text + "\n".join(made.guesses) + repr(made.secrets)
    assert [] == Redactor({"password": PASSWORD}).find(told)
    assert "alice" not in told.lower()
    assert [] == [problem.render() for problem in problems_in(made.text)]


@pytest.mark.parametrize("name", ["plain", "login", "imap", "imap plain", "pop3", "pop3 plain", "sieve"])
def test_a_login_passes_again(name):
    """A login that was had is one in the scenario, and goes as it went."""
    protocol, said = LOGINS[name]
    accepts_its_own(talk(_GREETINGS[protocol], *said, protocol=protocol), secrets={"password": PASSWORD})
