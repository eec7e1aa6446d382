"""SCRAM: the RFCs' exchanges, scramp as the server, and a server that lies."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramMechanism
from scramp.utils import saslprep

from runner.sasl import Credentials, SaslError, create
from runner.sasl.scram import MAX_ITERATIONS

PENCIL = Credentials(username="user", password="pencil")
RFC5802 = (
    "SCRAM-SHA-1",
    "fyko+d2lbbFgONRv9qkxdawL",
    b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC7677 = (
    "SCRAM-SHA-256",
    "rOprNGfwEbeRWgbNEkqO",
    b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)
EXAMPLES = pytest.mark.parametrize("example", [RFC5802, RFC7677], ids=["RFC 5802", "RFC 7677"])
_, NONCE, _, SERVER_FIRST, CLIENT_FINAL, SERVER_FINAL = RFC5802


def opened():
    scram = create("SCRAM-SHA-1", PENCIL, nonce=NONCE)
    scram.initial()
    return scram


def proved():
    scram = opened()
    scram.respond(SERVER_FIRST)
    return scram


@EXAMPLES
def test_example_with_the_last_message_as_a_challenge(example):
    """The example of RFC 5802, section 5, or RFC 7677, section 3, as SMTP and IMAP carry it."""
    name, nonce, client_first, server_first, client_final, server_final = example
    scram = create(name, PENCIL, nonce=nonce)
    assert client_first == scram.initial()
    assert client_final == scram.respond(server_first)
    assert scram.respond(server_final) == b""
    scram.accepted()


@EXAMPLES
def test_example_with_the_last_message_as_data_with_success(example):
    """The same exchange as ManageSieve carries it: the signature comes with success."""
    name, nonce, client_first, server_first, client_final, server_final = example
    scram = create(name, PENCIL, nonce=nonce)
    assert client_first == scram.respond(b"")
    assert client_final == scram.respond(server_first)
    scram.accepted(server_final)


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@settings(max_examples=25, deadline=None)
@given(
    username=st.text("abcXYZ019=,. @äßπ漢\u00aa\u00ad", min_size=1, max_size=10).filter(saslprep),
    password=st.text("abcXYZ019=,. \"'%ü€Ω漢\u2168\u00a0", min_size=1, max_size=16).filter(saslprep),
)
def test_scramp_takes_the_proof_and_gives_its_own(name, username, password):
    """A server that is scramp accepts the proof and its signature verifies, for many names and passwords."""
    known = ScramMechanism(name)
    asked = []

    def look_up(user):
        asked.append(user)
        return known.make_auth_info(password, salt=b"0123456789abcdef")

    server = known.make_server(look_up)
    scram = create(name, Credentials(username, password), nonce="n0nce")
    server.set_client_first(scram.initial().decode())
    server.set_client_final(scram.respond(server.get_server_first().encode()).decode())
    assert scram.respond(server.get_server_final().encode()) == b""
    scram.accepted()
    assert [saslprep(username)] == asked


def test_scramp_refuses_another_password():
    """A proof made with the wrong password is refused by scramp, and the refusal is kept."""
    known = ScramMechanism("SCRAM-SHA-256")
    server = known.make_server(lambda _: known.make_auth_info("pencil"))
    scram = create("SCRAM-SHA-256", Credentials("user", "pen"), nonce="n0nce")
    server.set_client_first(scram.initial().decode())
    final = scram.respond(server.get_server_first().encode()).decode()
    with pytest.raises(Exception, match="invalid-proof"):
        server.set_client_final(final)
    assert scram.respond(server.get_server_final().encode()) == b""
    assert scram.refusal == "invalid-proof"


def test_names_are_prepared_and_escaped():
    """The username is prepared by SASLprep and, like the authzid, freed of `,` and `=`."""
    scram = create("SCRAM-SHA-1", Credentials("I\u00adX,=", "p", authzid="a=b"), nonce="x")
    assert scram.initial() == b"n,a=a=3Db,n=IX=2C=3D,r=x"


def test_the_final_message_repeats_the_header():
    """`c=` is the base64 of the header that was sent, authzid included (RFC 5802, section 5.1)."""
    scram = create("SCRAM-SHA-1", Credentials("user", "pencil", authzid="a=b"), nonce=NONCE)
    scram.initial()
    binding = scram.respond(SERVER_FIRST).split(b",")[0]
    assert base64.b64decode(binding.removeprefix(b"c=")) == b"n,a=a=3Db,"


def test_password_is_prepared():
    """Passwords that SASLprep makes equal give equal proofs."""
    answers = set()
    for password in ("IX", "I\u00adX", "\u2168"):
        scram = create("SCRAM-SHA-1", Credentials("user", password), nonce=NONCE)
        scram.initial()
        answers.add(scram.respond(SERVER_FIRST))
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("credentials", "nonce", "reason"),
    [
        (PENCIL, "", "a nonce is needed"),
        (PENCIL, "a,b", "a nonce is needed"),
        (PENCIL, "a b", "a nonce is needed"),
        (PENCIL, "ä", "a nonce is needed"),
        (Credentials("", "p"), "n", "the username is empty"),
        (Credentials("\u00ad", "p"), "n", "nothing is left of it after SASLprep"),
        (Credentials("u\u0007", "p"), "n", "the username has a control character"),
        (Credentials("u", "p\u0007"), "n", "the password has a control character"),
        (Credentials("u", "p\u0221"), "n", "the password has a code point that Unicode 3.2 does not assign"),
        (Credentials("u", "p", authzid="a\0"), "n", "the authzid has a NUL"),
    ],
    ids=[
        "no nonce",
        "comma in nonce",
        "blank in nonce",
        "nonce not ASCII",
        "no username",
        "username vanishes",
        "username",
        "password",
        "unassigned in password",
        "authzid",
    ],
)
def test_what_the_messages_cannot_carry_is_refused(credentials, nonce, reason):
    """Bad nonces and values that SASLprep refuses are errors before anything was sent."""
    with pytest.raises(SaslError, match=reason):
        create("SCRAM-SHA-1", credentials, nonce=nonce)


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        (b"", "the server's first message is empty"),
        (b"hello", "not a list of attributes"),
        (b"r=", "not a list of attributes"),
        (SERVER_FIRST + b",", "not a list of attributes"),
        (SERVER_FIRST + b",1=x", "not a list of attributes"),
        (SERVER_FIRST + b",x=a\0b", "not a list of attributes"),
        (SERVER_FINAL, "does not have the form 'r=…,s=…,i=…'"),
        (b"s=QSXCR+Q6sek8bf92,r=%s3,i=4096" % NONCE.encode(), "does not have the form"),
        (b"r=%s3,s=QSXC" % NONCE.encode(), "does not have the form"),
        (b"m=ext," + SERVER_FIRST, "demands an extension"),
        (SERVER_FIRST + b",m=ext", "demands an extension"),
        (b"r=other3rfc,s=QSXC,i=1", "does not begin with the client's"),
        (b"r=%s,s=QSXC,i=1" % NONCE.encode(), "adds nothing to the client's"),
        (b"r=%s \x07,s=QSXC,i=1" % NONCE.encode(), "is not printable ASCII"),
        (b"r=%s\xff,s=QSXC,i=1" % NONCE.encode(), "is not printable ASCII"),
        (b"r=%s3,s=QSX,i=1" % NONCE.encode(), "the salt in the server's message"),
        (b"r=%s3,s=Q S X C=,i=1" % NONCE.encode(), "the salt in the server's message"),
        (b"r=%s3,s=\xff,i=1" % NONCE.encode(), "the salt in the server's message"),
        (b"r=%s3,s=QSXC,i=0" % NONCE.encode(), "not a number of at least 1"),
        (b"r=%s3,s=QSXC,i=-1" % NONCE.encode(), "not a number of at least 1"),
        (b"r=%s3,s=QSXC,i=01" % NONCE.encode(), "not a number of at least 1"),
        (b"r=%s3,s=QSXC,i=1e3" % NONCE.encode(), "not a number of at least 1"),
        (b"r=%s3,s=QSXC,i=\xd9\xa1" % NONCE.encode(), "not a number of at least 1"),
        (b"r=%s3,s=QSXC,i=10000001" % NONCE.encode(), "above the limit of 10000000"),
        (b"r=%s3,s=QSXC,i=%s" % (NONCE.encode(), b"9" * 5000), "above the limit of 10000000"),
    ],
    ids=lambda value: None if isinstance(value, str) else ascii(value[:60]),
)
def test_a_bad_first_message_of_the_server_is_refused(challenge, reason):
    """A malformed first message, or one that would cost too much, ends the exchange with its reason."""
    with pytest.raises(SaslError, match=reason):
        opened().respond(challenge)


@pytest.mark.parametrize("iterations", [1, 2, 4095])
def test_a_low_iteration_count_is_answered(iterations):
    """A tester must be able to talk to a server with a count below RFC 7677's 4096."""
    salt = base64.b64encode(b"salt")
    final = opened().respond(b"r=%s3,s=%s,i=%d,x=extension" % (NONCE.encode(), salt, iterations))
    assert final.startswith(b"c=biws,r=%s3,p=" % NONCE.encode())


def test_the_greatest_iteration_count_is_let_through(monkeypatch):
    """The limit itself is within the limit."""
    asked = []

    def record(_hash, _password, _salt, iterations):
        asked.append(iterations)
        return b"x" * 20

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", record)
    opened().respond(b"r=%s3,s=QSXC,i=%d" % (NONCE.encode(), MAX_ITERATIONS))
    assert asked == [10_000_000]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "the server's final message is empty"),
        (b"ok", "not a list of attributes"),
        (b"r=x", "does not begin with 'v=' or 'e='"),
        (b"v=%%%", "the signature in the server's message"),
        (b"v=" + base64.b64encode(b"x" * 20), "the server's signature is wrong"),
        (SERVER_FINAL.replace(b"rm", b"rn"), "the server's signature is wrong"),
        (b"v=cm1G", "the server's signature is wrong"),
        (SERVER_FINAL + b",m=x", "demands an extension"),
        (b"v=" + b"A" * 70000, "has 70002 bytes, more than 65536"),
    ],
    ids=lambda value: None if isinstance(value, str) else ascii(value[:40]),
)
@pytest.mark.parametrize("comes_with_success", [False, True], ids=["challenge", "data"])
def test_a_server_that_proves_nothing_is_not_believed(message, reason, comes_with_success):
    """A last message without the right signature is an error, and success after it is one too."""
    scram = proved()
    with pytest.raises(SaslError, match=reason):
        (scram.accepted if comes_with_success else scram.respond)(message)
    with pytest.raises(SaslError, match="without proving that it knows the password"):
        scram.accepted(SERVER_FINAL)


@pytest.mark.parametrize("data", [None, b"", SERVER_FINAL], ids=["no data", "empty data", "signature"])
def test_success_before_the_proof_is_not_believed(data):
    """Success right after the first message proves nothing, whatever comes with it."""
    with pytest.raises(SaslError, match="without proving that it knows the password"):
        opened().accepted(data)


def test_success_without_a_signature_is_not_believed():
    """RFC 5802, section 5: without the server's signature the exchange has failed."""
    with pytest.raises(SaslError, match="without proving that it knows the password"):
        proved().accepted()


def test_an_extension_after_the_signature_is_passed_over():
    """Optional extensions in the last message are ignored (RFC 5802, section 5.1)."""
    scram = proved()
    assert scram.respond(SERVER_FINAL + b",x=y") == b""
    scram.accepted()


@pytest.mark.parametrize("begin", [opened, proved], ids=["first message", "last message"])
def test_a_refusal_inside_the_exchange_is_kept_and_acknowledged(begin):
    """`e=` is answered with an empty response, so that the server can say its final no."""
    scram = begin()
    assert scram.respond(b"e=unknown-user,x=y") == b""
    assert scram.refusal == "unknown-user"
    with pytest.raises(SaslError, match="success after it had refused"):
        scram.accepted(SERVER_FINAL)


def test_a_refusal_as_data_with_success_is_not_believed():
    """A server can't report success and an error in one."""
    scram = proved()
    with pytest.raises(SaslError, match="success after it had refused"):
        scram.accepted(b"e=other-error")
    assert scram.refusal == "other-error"


def test_a_challenge_after_the_signature_is_refused():
    """After the server's signature only success or failure can follow."""
    scram = proved()
    scram.respond(SERVER_FINAL)
    with pytest.raises(SaslError, match="only success or failure can follow"):
        scram.respond(SERVER_FINAL)


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_but_the_signature_are_success(data):
    """No last message but the true one makes success count."""
    scram = proved()
    with pytest.raises(SaslError):
        scram.accepted(data)
