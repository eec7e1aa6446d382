"""What holds for every mechanism: order of messages, limits, errors of one kind, no secret shown."""

import base64
import contextlib
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sasl import MECHANISMS, ChannelBinding, Credentials, SaslError, create

# What wants somebody else to make its messages (GSSAPI: Kerberos) has tests of its own.
NAMES = sorted(name for name, known in MECHANISMS.items() if not known.may_wait)
CLIENT_FIRST = [name for name in NAMES if MECHANISMS[name].client_first]
SERVER_FIRST = [name for name in NAMES if not MECHANISMS[name].client_first]
SECRET = "xipj3plmq-Tür"
BINDING = ChannelBinding("tls-server-end-point", b"\x01" * 32)
CREDENTIALS = Credentials(
    username="alice", password=SECRET, token="ya29.xipj3plmq", authzid="bob", channel_binding=BINDING
)
NONCE = "fyko+d2lbbFgONRv9qkxdawL"


def begin(name, credentials=CREDENTIALS):
    return create(name, credentials, nonce=NONCE)


def test_the_registry_names_the_mechanisms():
    """The registry has the mechanisms, each under its own name."""
    scram = ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]
    expected = ["CRAM-MD5", "EXTERNAL", "GSSAPI", "LOGIN", "NTLM", "OAUTHBEARER", "PLAIN", *scram, "XOAUTH2"]
    assert expected == sorted(MECHANISMS)
    assert expected == sorted(known.name for known in MECHANISMS.values())


def test_a_name_is_known_in_any_case():
    """`scram-sha-256` and `SCRAM-SHA-256` are the same mechanism."""
    assert isinstance(create("scram-Sha-256", CREDENTIALS, nonce=NONCE), MECHANISMS["SCRAM-SHA-256"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PLAN", "unknown SASL mechanism 'PLAN': did you mean 'PLAIN'?"),
        (
            "scram-sha256",
            "unknown SASL mechanism 'scram-sha256': did you mean 'SCRAM-SHA-256' or 'SCRAM-SHA-256-PLUS'?",
        ),
        (
            "\x1b[2J",
            "unknown SASL mechanism '\\x1b[2J': known are SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, EXTERNAL, CRAM-MD5, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN, NTLM, GSSAPI",
        ),
    ],
    ids=["a letter left out", "a hyphen left out", "nothing near"],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, message):
    """An unknown mechanism is an error that names the nearest, or all."""
    with pytest.raises(SaslError) as caught:
        create(name, CREDENTIALS)
    assert message == str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_wants_are_fields_of_credentials(name):
    """What a mechanism wants are fields that credentials have."""
    assert set(MECHANISMS[name].wants) <= {"username", "password", "token"}


@pytest.mark.parametrize("name", SERVER_FIRST)
def test_a_server_first_mechanism_has_no_initial_response(name):
    """Where the server speaks first there is no initial response."""
    assert begin(name).initial() is None


@pytest.mark.parametrize("name", CLIENT_FIRST)
def test_an_empty_challenge_asks_for_the_initial_response(name):
    """Without an initial response, the answer to the empty first challenge is that same message."""
    assert begin(name).initial() == begin(name).respond(b"")


@pytest.mark.parametrize("name", CLIENT_FIRST)
def test_a_first_challenge_with_content_is_refused(name):
    """A server that sends content before the client spoke is wrong."""
    with pytest.raises(SaslError, match="first challenge is not empty"):
        begin(name).respond(b"hello")


@pytest.mark.parametrize("name", SERVER_FIRST)
def test_an_empty_first_challenge_is_refused_where_the_server_speaks_first(name):
    """A server that speaks first must say something."""
    with pytest.raises(SaslError):
        begin(name).respond(b"")


@pytest.mark.parametrize("name", NAMES)
def test_success_before_the_exchange_is_refused(name):
    """A server that accepts before anything was proved is not believed."""
    with pytest.raises(SaslError, match="success"):
        begin(name).accepted()


@pytest.mark.parametrize("name", ["PLAIN", "EXTERNAL"])
def test_a_challenge_after_the_only_message_is_refused(name):
    """After its one message these mechanisms have no answer left."""
    mechanism = begin(name)
    mechanism.initial()
    with pytest.raises(SaslError, match="only success or failure can follow"):
        mechanism.respond(b"")


@pytest.mark.parametrize("name", ["PLAIN", "EXTERNAL", "XOAUTH2", "OAUTHBEARER"])
def test_success_after_the_one_message_is_taken(name):
    """Success after the one message ends the exchange, with or without data."""
    mechanism = begin(name)
    mechanism.initial()
    mechanism.accepted(b"")
    assert mechanism.refusal == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_challenge_after_success_is_refused(name):
    """Once success was judged, whatever the verdict, nothing more is sent."""
    mechanism = begin(name)
    mechanism.initial()
    with contextlib.suppress(SaslError):
        mechanism.accepted()
    with pytest.raises(SaslError, match="only success or failure can follow"):
        mechanism.respond(b"x")


@pytest.mark.parametrize("name", NAMES)
def test_a_huge_challenge_is_refused_with_its_size(name):
    """A challenge above 64 KiB is an error that tells its size."""
    with pytest.raises(SaslError, match="has 65537 bytes, more than 65536"):
        begin(name).respond(b"x" * 65537)


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_after_an_error(name):
    """After a bad challenge even a good one has no answer."""
    mechanism = begin(name)
    with pytest.raises(SaslError):
        mechanism.respond(b"x" * 65537)
    with pytest.raises(SaslError, match="only success or failure can follow"):
        mechanism.respond(b"" if mechanism.client_first else b"<1896.697170952@postoffice.reston.mci.net>")


@given(
    name=st.sampled_from(NAMES),
    begins=st.booleans(),
    challenges=st.lists(
        st.binary(max_size=80) | st.just(b"<1@a>") | st.just(b"r=" + NONCE.encode() + b"x,s=QQ==,i=1"), max_size=4
    ),
    data=st.none() | st.binary(max_size=40),
)
def test_any_bytes_give_bytes_or_a_sasl_error(name, begins, challenges, data):
    """Whatever a server sends, a mechanism answers with bytes or raises `SaslError`, nothing else."""
    mechanism = begin(name)
    if begins:
        mechanism.initial()
    outcomes = []
    try:
        outcomes += [mechanism.respond(challenge) for challenge in challenges]
        mechanism.accepted(data)
    except SaslError as error:
        outcomes.append(str(error).encode())
    assert {type(outcome) for outcome in outcomes} <= {bytes}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        SECRET.encode(),
        base64.b64encode(SECRET.encode()),
        b"e=" + SECRET.encode() + b"\xff",
        b"v=" + SECRET.encode(),
    ],
    ids=["empty", "echo", "base64 echo", "scram error", "scram verifier"],
)
def test_no_error_shows_the_secret_or_an_echo_of_it(name, challenge):
    """Neither a mechanism nor its errors, with what they are chained to, show a secret that a server echoes."""
    mechanism = begin(name)
    shown = [repr(mechanism), str(mechanism)]
    try:
        for _ in range(4):
            mechanism.respond(challenge)
        mechanism.accepted()
    except SaslError as error:
        shown.append("".join(traceback.format_exception(error)))
    assert len(shown) == 3
    assert not any(part in text for part in (SECRET, "xipj3plmq") for text in shown)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, "xipj3plmq\udc80") for name in NAMES]
    + [(name, "xipj3plmq\0\x01") for name in NAMES if name not in {"LOGIN", "CRAM-MD5"}],
    ids=ascii,
)
def test_no_error_about_a_value_shows_it(name, value):
    """A value that can't be carried is named by its field, not quoted, also not in a chained exception."""
    with pytest.raises(SaslError) as caught:
        create(name, Credentials(value, value, value, value, channel_binding=BINDING), nonce=NONCE)
    text = "".join(traceback.format_exception(caught.value))
    assert "xipj3plmq" not in text
    assert "udc80" not in text
    # UnicodeEncodeError would keep the whole value.
    assert type(caught.value.__context__) in {type(None), ValueError}


@pytest.mark.parametrize("name", NAMES)
def test_half_a_surrogate_pair_is_refused_before_anything_is_sent(name):
    """Text that UTF-8 can't hold is refused when the mechanism is made."""
    value = "a\udc80"
    with pytest.raises(SaslError, match="half a surrogate pair"):
        create(name, Credentials(value, value, value, value, channel_binding=BINDING), nonce=NONCE)


def test_credentials_show_no_value():
    """The text of credentials holds none of their values."""
    assert repr(CREDENTIALS) == str(CREDENTIALS) == f"{CREDENTIALS}" == "Credentials(…)"
