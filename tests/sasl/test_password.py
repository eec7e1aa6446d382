"""PLAIN, LOGIN, CRAM-MD5 and EXTERNAL: the RFCs' examples and what may not pass."""

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sasl import Credentials, SaslError, create

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TIM = Credentials(username="tim", password="tanstaaftanstaaf")
RFC2195_CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        (TIM, b"\0tim\0tanstaaftanstaaf"),
        (Credentials(username="Kurt", password="xipj3plmq", authzid="Ursel"), b"Ursel\0Kurt\0xipj3plmq"),
        (Credentials(username="jürgen", password="größe"), b"\0j\xc3\xbcrgen\0gr\xc3\xb6\xc3\x9fe"),
        (Credentials(), b"\0\0"),
    ],
    ids=["RFC 4616 tim", "RFC 4616 Ursel", "not ASCII", "empty"],
)
def test_plain_is_three_values_between_nuls(credentials, message):
    """PLAIN sends authzid, username and password in UTF-8 between NULs (RFC 4616, section 4)."""
    assert message == create("PLAIN", credentials).initial()


@given(username=TEXT, password=TEXT, authzid=TEXT)
def test_plain_has_exactly_two_nuls_and_gives_the_values_back(username, password, authzid):
    """Split at its NULs, a PLAIN message is the three values, exactly."""
    credentials = Credentials(username=username, password=password, authzid=authzid)
    message = create("PLAIN", credentials).initial()
    assert [authzid, username, password] == [part.decode() for part in message.split(b"\0")]


@pytest.mark.parametrize("field", ["authzid", "username", "password"])
def test_plain_refuses_a_nul_in_a_value(field):
    """A NUL in a value would shift the others: it is refused and its field named."""
    with pytest.raises(SaslError) as caught:
        create("PLAIN", Credentials(**{field: "a\0b"}))
    assert f"PLAIN: the {field} has a NUL character, which would split the message" == str(caught.value)


@pytest.mark.parametrize(
    "prompts",
    [(b"Username:", b"Password:"), (b"User Name\0", b"Password\0"), (b"\xff", b"\xff")],
    ids=["usual", "draft-murchison-sasl-login", "rubbish"],
)
def test_login_answers_prompts_by_their_order(prompts):
    """LOGIN sends the username to the first prompt and the password to the second, whatever they say."""
    login = create("LOGIN", TIM)
    assert [login.respond(prompt) for prompt in prompts] == [b"tim", b"tanstaaftanstaaf"]
    login.accepted()


def test_login_refuses_a_third_prompt():
    """After the password LOGIN has no answer left."""
    login = create("LOGIN", TIM)
    login.respond(b"Username:")
    login.respond(b"Password:")
    with pytest.raises(SaslError, match="only success or failure can follow"):
        login.respond(b"Password:")


def test_login_refuses_an_empty_second_prompt():
    """The password is not sent to an empty prompt."""
    login = create("LOGIN", TIM)
    login.respond(b"Username:")
    with pytest.raises(SaslError, match="asks for the password is empty"):
        login.respond(b"")


def test_login_success_without_a_password_is_refused():
    """A server that accepts a username alone is not believed."""
    login = create("LOGIN", TIM)
    login.respond(b"Username:")
    with pytest.raises(SaslError, match="before the exchange was complete"):
        login.accepted()


def test_login_carries_a_nul_exactly():
    """LOGIN's messages are whole values, so a NUL is sent as it is."""
    login = create("LOGIN", Credentials(username="a\0b", password="c\r\nd\0"))
    assert [login.respond(b"1"), login.respond(b"2")] == [b"a\0b", b"c\r\nd\0"]


def test_cram_md5_example_of_rfc_2195():
    """The example of RFC 2195, section 2, in its base64 form."""
    challenge = base64.b64decode("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+")
    assert challenge == RFC2195_CHALLENGE
    cram = create("CRAM-MD5", TIM)
    response = cram.respond(challenge)
    cram.accepted()
    assert base64.b64encode(response) == b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
    assert response == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_cram_md5_takes_keys_longer_than_a_block():
    """A password above MD5's block size is hashed first (RFC 2104), as the library's HMAC has it."""
    password = "p" * 100
    response = create("CRAM-MD5", Credentials("a b", password)).respond(RFC2195_CHALLENGE)
    digest = hmac.new(password.encode(), RFC2195_CHALLENGE, "md5").hexdigest()
    assert f"a b {digest}".encode() == response


@pytest.mark.parametrize(
    "challenge",
    [b"", b"Username:", b"<>", b"<@>x", b"<1896.697170952>", b"<a@b", b"<a@b>\n", b"<a b@c>", b"<a@b@c>", b"<\xff@b>"],
)
def test_cram_md5_refuses_a_challenge_that_is_no_msg_id(challenge):
    """A challenge must have the form of a message identifier; nothing is computed for another."""
    with pytest.raises(SaslError, match="does not have the form '<…@host>'"):
        create("CRAM-MD5", TIM).respond(challenge)


def test_cram_md5_refuses_a_second_challenge():
    """CRAM-MD5 answers once."""
    cram = create("CRAM-MD5", TIM)
    cram.respond(RFC2195_CHALLENGE)
    with pytest.raises(SaslError, match="only success or failure can follow"):
        cram.respond(RFC2195_CHALLENGE)


def test_cram_md5_names_a_machine_without_md5(monkeypatch):
    """Where policy forbids MD5 the reason says so, instead of a traceback."""

    def refuse(*_):
        raise ValueError("[digital envelope routines] unsupported")

    monkeypatch.setattr(hmac, "new", refuse)
    with pytest.raises(SaslError) as caught:
        create("CRAM-MD5", TIM).respond(RFC2195_CHALLENGE)
    assert str(caught.value) == "CRAM-MD5: this machine's cryptography policy does not allow MD5"


@pytest.mark.parametrize(("authzid", "message"), [("", b""), ("fred@example.com", b"fred@example.com")])
def test_external_sends_the_authzid(authzid, message):
    """EXTERNAL sends the identity to act as, or nothing (RFC 4422, appendix A)."""
    assert message == create("EXTERNAL", Credentials(authzid=authzid)).initial()


def test_external_refuses_a_nul():
    """The authzid of EXTERNAL excludes NUL (RFC 4422, appendix A.1)."""
    with pytest.raises(SaslError, match="the authzid has a NUL character"):
        create("EXTERNAL", Credentials(authzid="a\0"))
