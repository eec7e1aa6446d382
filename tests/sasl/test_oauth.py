"""XOAUTH2 and OAUTHBEARER: the published examples, refusals in JSON, and what may not pass."""

import base64
import json

import pytest

from runner.sasl import Credentials, SaslError, create

GOOGLE = Credentials(username="someuser@example.com", token="ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
GOOGLE_REFUSAL = "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ=="
RFC7628 = Credentials(
    username="user@example.com",
    token="vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
    host="server.example.com",
    port=143,
)
RFC7628_REFUSAL = (
    "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3Blb"
    "mlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5"
    "pZC1jb25maWd1cmF0aW9uIn0="
)


def test_xoauth2_example_of_google():
    """The initial response of Google's description of XOAUTH2."""
    expected = (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
        "Q2cBAQ=="
    )
    message = create("XOAUTH2", GOOGLE).initial()
    assert message == b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"
    assert expected == base64.b64encode(message).decode()


def test_oauthbearer_example_of_rfc_7628():
    """The initial response of RFC 7628, section 4.1."""
    expected = (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
        "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    assert expected == base64.b64encode(create("OAUTHBEARER", RFC7628).initial()).decode()


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        (Credentials("u", token="t"), b"n,a=u,\x01auth=Bearer t\x01\x01"),
        (Credentials(token="t"), b"n,,\x01auth=Bearer t\x01\x01"),
        (Credentials("a,b=c", token="t"), b"n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01"),
        (Credentials("u", token="t", authzid="z"), b"n,a=z,\x01auth=Bearer t\x01\x01"),
        (Credentials("u", token="t", port=587), b"n,a=u,\x01port=587\x01auth=Bearer t\x01\x01"),
        (Credentials("u", token="t", host="h"), b"n,a=u,\x01host=h\x01auth=Bearer t\x01\x01"),
    ],
    ids=["no host", "no user", "escaped", "authzid", "port only", "host only"],
)
def test_oauthbearer_leaves_out_what_is_not_given(credentials, message):
    """Header and pairs hold what the credentials have, with `,` and `=` escaped in the name."""
    assert message == create("OAUTHBEARER", credentials).initial()


@pytest.mark.parametrize(
    ("name", "credentials", "challenge", "response", "status"),
    [
        ("XOAUTH2", GOOGLE, GOOGLE_REFUSAL, b"", "400"),
        ("OAUTHBEARER", RFC7628, RFC7628_REFUSAL, b"\x01", "invalid_token"),
    ],
    ids=["Google", "RFC 7628 section 4.3"],
)
def test_a_refusal_is_acknowledged_and_kept(name, credentials, challenge, response, status):
    """The JSON challenge of a refusal is answered as the mechanism says, and kept as the server wrote it."""
    mechanism = create(name, credentials)
    mechanism.initial()
    decoded = base64.b64decode(challenge)
    assert response == mechanism.respond(decoded)
    assert decoded.decode() == mechanism.refusal
    assert status == json.loads(mechanism.refusal)["status"]


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
def test_success_after_a_refusal_is_refused(name):
    """A server that says no inside the exchange and yes after it is not believed."""
    mechanism = create(name, RFC7628)
    mechanism.initial()
    mechanism.respond(b'{"status":"401"}\n')
    with pytest.raises(SaslError, match="success after it had refused"):
        mechanism.accepted()
    assert mechanism.refusal == '{"status":"401"}'


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
def test_a_second_refusal_is_refused(name):
    """After one refusal only the failure can follow."""
    mechanism = create(name, RFC7628)
    mechanism.initial()
    mechanism.respond(b"{}")
    with pytest.raises(SaslError, match="only success or failure can follow"):
        mechanism.respond(b"{}")


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"no",
        b"[]",
        b"null",
        b'{"status":',
        b'{"a":"\xff"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "words", "list", "null", "cut", "not UTF-8", "deep list", "deep object", "long number"],
)
def test_a_challenge_that_is_no_json_object_is_refused(name, challenge):
    """After the token only a JSON object may come."""
    mechanism = create(name, RFC7628)
    mechanism.initial()
    with pytest.raises(SaslError, match="is not a JSON object"):
        mechanism.respond(challenge)
    assert mechanism.refusal == ""


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("XOAUTH2", "username"),
        ("XOAUTH2", "token"),
        ("OAUTHBEARER", "username"),
        ("OAUTHBEARER", "token"),
        ("OAUTHBEARER", "host"),
    ],
)
@pytest.mark.parametrize(("char", "called"), [("\x01", "Control-A"), ("\0", "NUL")], ids=["control-a", "nul"])
def test_a_separator_in_a_value_is_refused(name, field, char, called):
    """A value with a separator in it would forge another pair."""
    with pytest.raises(SaslError, match=f"the {field}.* has a {called} character"):
        create(name, Credentials(**{field: f"a{char}b"}))
