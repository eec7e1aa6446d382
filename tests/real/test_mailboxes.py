"""IMAP, POP3 and ManageSieve against real servers, and the whole way of a message; each scenario can fail, too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from runner.cli import main
from runner.errors import EXIT_PASSED
from runner.results import CaseResult, Outcome
from tests.running import described, run_case
from tests.servers import CyrusImapServer, MailboxServer, MailChain, Running

HERE = Path(__file__).parent / "scenarios" / "mailboxes"
PROTOCOLS = ("imap", "pop3", "sieve")
SHARED_SECRETS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
BOUND = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")
TOKENS = ("XOAUTH2", "OAUTHBEARER")
WRONG = "another-Pa55"
SERVERS = pytest.mark.parametrize("server", ["dovecot", "cyrus"])
#: How a wrong password is refused.
REFUSALS = {
    "dovecot": {"imap": "NO [AUTHENTICATIONFAILED]", "pop3": "-ERR [AUTH]", "sieve": "NO"},
    # Cyrus has no response code for it.
    "cyrus": {"imap": "NO", "pop3": "-ERR [AUTH]", "sieve": "NO"},
}

#: How Dovecot refuses to take a password in clear text.
IN_CLEAR_TEXT = {"imap": "NO [PRIVACYREQUIRED]", "pop3": "-ERR [AUTH]", "sieve": "NO (ENCRYPT-NEEDED)"}
#: What the scenario that files a message asks, and what would be wrong.
OTHERWISE = (
    ("Subject: Grüße an lists ${unique}", "Subject: Grüße von ${unique}"),
    ("Received: ['*by mail.example.com* with LMTP*'", "Received: ['*by mail.example.com* with BSMTP*'"),
    ("X-Spam-Flag: absent", "X-Spam-Flag: present"),
    ("body: Viele Grüße", "body: Liebe Grüße"),
    ("attachments: [übersicht.csv, plain.bin]", "attachments: [overview.csv, plain.bin]"),
    ("lacks: '*discard*'", "lacks: Viele Grüße"),
    ("size: '<= 10KB'", "size: '<= 100'"),
)


def own_mechanisms(protocol: str) -> tuple[str, ...]:
    """Return the ways to log in by a password, those that no other protocol has among them."""
    return (*SHARED_SECRETS, "APOP") if protocol == "pop3" else SHARED_SECRETS


LOGINS = [
    *((server, name, mechanism) for server in REFUSALS for name in PROTOCOLS for mechanism in own_mechanisms(name)),
    *(("dovecot", name, mechanism) for name in PROTOCOLS for mechanism in (*TOKENS, "best")),
]
PASSWORDS = [login for login in LOGINS if login[2] in own_mechanisms(login[1])]


@pytest.fixture
def server(request) -> str:
    """Which server, where a test says nothing of it."""
    return "dovecot"


@pytest.fixture
def doors(request, server) -> MailboxServer | CyrusImapServer:
    """The doors of a server, for alice."""
    return request.getfixturevalue({"dovecot": "mailbox_server", "cyrus": "cyrus_imap_server"}[server])


@pytest.fixture
def own(request, server) -> MailboxServer | CyrusImapServer:
    """The doors of a server, for a user whose mailbox is empty and the test's own."""
    return request.getfixturevalue({"dovecot": "own_mailboxes", "cyrus": "own_cyrus_imap"}[server])


@pytest.fixture
def hasty(tmp_path) -> Path:
    """The scenarios with less patience, for what never comes."""
    folder = tmp_path / "hasty"
    shutil.copytree(HERE, folder)
    for path in folder.glob("*.yaml"):
        path.write_text(re.sub(r"\b(for|timeout): 10s", r"\1: 700ms", path.read_text("utf-8")), "utf-8")
    return folder


def play(
    name: str, door: Running, sessions: Mapping[str, Running] | None = None, folder: Path = HERE, **variables: str
) -> CaseResult:
    return run_case(
        folder / f"{name}.yaml",
        door.url,
        {**door.variables, **variables},
        door.password,
        token=door.token,
        ca=door.ca,
        sessions=sessions,
    )


def with_sessions(name: str, doors: MailboxServer | CyrusImapServer, folder: Path = HERE) -> CaseResult:
    """Play a scenario that begins in the mailbox, with deliveries by LMTP and a look by IMAP."""
    return play(name, getattr(doors, name.partition("-")[0]), {"delivery": doors.lmtp, "inbox": doors.imap}, folder)


def through(name: str, chain: MailChain, folder: Path = HERE, **variables: str) -> CaseResult:
    """Play a scenario that begins at Postfix."""
    sessions = {"filter": chain.mailboxes.sieve, "inbox": chain.mailboxes.imap, "reader": chain.mailboxes.imap}
    return play(name, chain.mx.plain, sessions, folder, **variables)


def assert_passed(result: CaseResult, door: Running) -> None:
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{door.log_tail()}"
    assert () == result.warnings


def assert_failed(result: CaseResult, *words: str) -> None:
    assert result.outcome is Outcome.FAILED, described(result)
    assert [one for one in words if one not in result.reason] == [], described(result)


def said(result: CaseResult) -> str:
    """Return what was sent, as a transcript shows it."""
    lines = [str(line) for one in result.transcripts for line in one.lines()]
    return "\n".join(line for line in lines if line.startswith("C: "))


class TestLogin:
    @pytest.mark.parametrize(("server", "protocol", "mechanism"), LOGINS, ids=map("-".join, LOGINS))
    def test_mechanism(self, doors, protocol, mechanism):
        """The user is let in by each mechanism; the capabilities after STARTTLS and after the login are as they should."""
        door = getattr(doors, protocol)
        assert_passed(play(f"{protocol}-mechanism", door, mechanism=mechanism), door)

    @SERVERS
    @pytest.mark.parametrize("door", ["imaps", "pop3s"])
    def test_tls_from_the_first_byte(self, doors, door):
        """The same scenario is for a door without STARTTLS."""
        running = getattr(doors, door)
        assert_passed(play(f"{door[:4]}-mechanism", running, mechanism="SCRAM-SHA-256"), running)

    @pytest.mark.parametrize(("server", "protocol", "mechanism"), PASSWORDS, ids=map("-".join, PASSWORDS))
    def test_wrong_password(self, doors, server, protocol, mechanism):
        """A wrong password is refused in the way that clients understand, and the right one taken after it."""
        door = getattr(doors, protocol)
        refusal = REFUSALS[server][protocol]
        assert_passed(play(f"{protocol}-wrong-password", door, mechanism=mechanism, refusal=refusal), door)

    @pytest.mark.parametrize(("server", "protocol", "mechanism"), PASSWORDS, ids=map("-".join, PASSWORDS))
    def test_wrong_password_fails(self, doors, server, protocol, mechanism):
        """Where the right one was due, the server's refusal is the reason, and neither password is shown."""
        door = replace(getattr(doors, protocol), password=WRONG)
        result = play(f"{protocol}-mechanism", door, mechanism=mechanism)
        code = "+OK" if protocol == "pop3" else "OK"
        assert_failed(result, f"auth {mechanism}: expected {code}, got {REFUSALS[server][protocol]}")
        assert WRONG not in described(result)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("mechanism", TOKENS)
    def test_wrong_token(self, doors, protocol, mechanism):
        """What the server says of a wrong token inside the exchange (RFC 7628 section 3.2.2) is shown."""
        door = replace(getattr(doors, protocol), token="no.such.token")
        result = play(f"{protocol}-mechanism", door, mechanism=mechanism)
        assert_failed(result, f"got {REFUSALS['dovecot'][protocol]}", 'within the exchange it said: {"status":"')
        assert "no.such.token" not in described(result)

    @SERVERS
    @pytest.mark.parametrize("protocol", ["imap", "pop3"])
    def test_own_command(self, doors, server, protocol):
        """LOGIN, and USER and PASS."""
        door = getattr(doors, protocol)
        result = play(f"{protocol}-login", door, refusal=REFUSALS[server][protocol])
        assert_passed(result, door)
        assert "⟨password⟩" in said(result)

    @SERVERS
    def test_password_as_a_literal(self, doors):
        """A password may be a literal, whether the server is asked or not, and is not shown then either."""
        result = play("imap-login-literal", doors.imap)
        assert_passed(result, doors.imap)
        assert doors.imap.password not in described(result)

    @pytest.mark.parametrize("name", ["imap-login", "pop3-login", *(f"{one}-wrong-password" for one in PROTOCOLS)])
    def test_any_password(self, broken_mailboxes, name):
        """A server that believes every password is found."""
        protocol = name.partition("-")[0]
        door = getattr(broken_mailboxes("any_password"), protocol)
        refusal = REFUSALS["dovecot"][protocol]
        result = play(name, door, mechanism="PLAIN", refusal=refusal)
        assert_failed(result, ": expected ", f"{refusal}", ", got +OK Logged in" if protocol == "pop3" else ", got OK")

    @SERVERS
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_by_hand(self, doors, protocol):
        """Responses are encoded once, challenges decoded, with and without an initial response."""
        door = getattr(doors, protocol)
        result = play(f"{protocol}-auth-by-hand", door)
        assert_passed(result, door)
        assert door.password not in described(result)

    @SERVERS
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_by_hand_fails(self, doors, server, protocol):
        """The response is the step that fails."""
        door = replace(getattr(doors, protocol), password=WRONG)
        result = play(f"{protocol}-auth-by-hand", door)
        assert_failed(result, f"OK, got {REFUSALS[server][protocol]}")
        assert WRONG not in described(result)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("mechanism", [*BOUND, "best"])
    def test_channel_binding(self, cyrus_imap_server, protocol, mechanism):
        """Cyrus, which knows tls-unique, takes a login that is bound to the connection."""
        door = getattr(cyrus_imap_server, protocol)
        result = play(f"{protocol}-channel-binding", door, mechanism=mechanism)
        assert_passed(result, door)
        assert "*: channel binding tls-unique" in described(result)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_another_channel_binding(self, cyrus_imap_server, protocol):
        """With TLS 1.3 the binding is one that Cyrus does not know, and the login fails."""
        result = play(f"{protocol}-mechanism", getattr(cyrus_imap_server, protocol), mechanism=BOUND[1])
        assert_failed(result, f"auth {BOUND[1]}: expected ", "OK, got ")
        assert "*: channel binding tls-server-end-point" in described(result)


class TestTls:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_enforced_by_dovecot(self, broken_mailboxes, protocol):
        """Without TLS no password is taken, and the capabilities say so; with it they are others."""
        door = getattr(broken_mailboxes("requires_tls"), protocol)
        assert_passed(play(f"{protocol}-tls-only", door, refusal=IN_CLEAR_TEXT[protocol]), door)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_enforced_by_cyrus(self, cyrus_imap_server, protocol):
        """So does Cyrus, in its own words."""
        door = getattr(cyrus_imap_server, f"{protocol}_tls_only")
        assert_passed(play(f"{protocol}-tls-only", door, refusal="NO"), door)

    @SERVERS
    @pytest.mark.parametrize(
        ("protocol", "offered"),
        [("imap", "LOGINDISABLED"), ("pop3", "AUTH lacks PLAIN LOGIN"), ("sieve", "SASL lacks PLAIN LOGIN")],
    )
    def test_not_enforced(self, doors, protocol, offered):
        """A server that would take one is found."""
        assert_failed(play(f"{protocol}-tls-only", getattr(doors, protocol), refusal="NO"), f"expected {offered}")

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_no_starttls(self, broken_mailboxes, protocol):
        """Where STARTTLS is not to be had no credential leaves."""
        door = getattr(broken_mailboxes("starttls_off"), protocol)
        result = play(f"{protocol}-auth-by-hand", door)
        assert_failed(result, "starttls: expected ", "TLS")
        assert "STLS" in said(result) or "STARTTLS" in said(result)
        assert re.search("AUTH|LOGIN|PASS|⟨", said(result)) is None

    @pytest.mark.parametrize("name", ["imap", "imaps", "pop3", "pop3s", "sieve"])
    def test_expired_certificate(self, broken_mailboxes, name):
        """A certificate that is out of date fails the handshake, in plain words, before any credential leaves."""
        protocol = name.removesuffix("s")
        result = play(
            f"{protocol}-mechanism", getattr(broken_mailboxes("expired_certificate"), name), mechanism="PLAIN"
        )
        assert_failed(result, "the TLS handshake", "failed: certificate expired")
        assert "AUTH" not in said(result)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_expired_as_expected(self, broken_mailboxes, doors, protocol):
        """A scenario can demand just that, and fails with a certificate that is in order."""
        door = getattr(broken_mailboxes("expired_certificate"), protocol)
        assert_passed(play(f"{protocol}-expired", door), door)
        assert_failed(
            play(f"{protocol}-expired", getattr(doors, protocol)),
            "starttls: expected the TLS handshake to fail (certificate expired)",
        )


class TestImap:
    @SERVERS
    @pytest.mark.parametrize("name", ["imap-append", "imap-append-refused", "imap-pipeline", "imap-idle-delivery"])
    def test_mailbox(self, own, name):
        """Append, search, fetch, store, expunge; what is refused; commands in one write; a mail while idle."""
        assert_passed(with_sessions(name, own), own.imap)

    @pytest.mark.parametrize("name", ["imap-large", "imap-large-at-once"])
    def test_large_message(self, own, name):
        """Two megabytes by a literal; of what comes back the size is known, though not all of it is kept."""
        assert_passed(with_sessions(name, own), own.imap)

    def test_too_large(self, own_cyrus_imap):
        """A server that takes less says so in place of its go-ahead."""
        assert_passed(with_sessions("imap-too-large", own_cyrus_imap), own_cyrus_imap.imap)

    def test_too_large_was_not_due(self, own_cyrus_imap):
        """Where it should take it, this is the reason."""
        result = with_sessions("imap-large", own_cyrus_imap)
        assert_failed(result, "send APPEND INBOX: expected OK [APPENDUID], got NO [TOOBIG] Message size exceeds")

    def test_should_be_too_large(self, own):
        """A server that takes it though it should not is found."""
        assert_failed(
            with_sessions("imap-too-large", own), "send APPEND INBOX: expected NO [TOOBIG], got OK [APPENDUID"
        )

    @pytest.mark.parametrize(("server", "refusal"), [("dovecot", "NO [OVERQUOTA]"), ("cyrus", "NO")])
    def test_over_quota(self, doors, refusal):
        """A full mailbox refuses the message."""
        assert_passed(play("imap-over-quota", doors.imap, refusal=refusal), doors.imap)

    def test_no_quota(self, broken_mailboxes):
        """One that has room though it should be full is found."""
        result = play("imap-over-quota", broken_mailboxes("no_quota").imap, refusal="NO [OVERQUOTA]")
        assert_failed(result, "send APPEND INBOX: expected ", "NO [OVERQUOTA]", ", got OK")

    @SERVERS
    def test_mailbox_is_not_as_expected(self, own):
        """Each tagged reply is judged with its own untagged data, and the rest of the write goes on."""
        assert_passed(with_sessions("imap-append", own), own.imap)
        result = with_sessions("imap-pipeline", own)
        assert_failed(result, "expected an untagged line STATUS INBOX (MESSAGES 0), got * STATUS ", "(MESSAGES 2)")
        failed = [step.label for step in result.steps if step.outcome is Outcome.FAILED]
        labels = ["send STATUS INBOX (MESSAGES)", "send SELECT INBOX", "send FETCH 1 BODY.PEEK[]"]
        assert labels == failed

    def test_nothing_comes(self, broken_chain, new_user, hasty):
        """IDLE that is told of nothing fails when its time is over."""
        doors = broken_chain("loses_mail").of(new_user()).mailboxes
        result = with_sessions("imap-idle-delivery", doors, hasty)
        assert_failed(result, "expect untagged: no untagged line 1 EXISTS within 0.7 s")


class TestPop3:
    @SERVERS
    def test_deletes(self, own):
        """A session that ends without QUIT removes nothing, and one with it what was marked."""
        assert_passed(with_sessions("pop3-deletes", own), own.pop3)

    def test_keeps(self, broken_mailboxes, new_user):
        """A server that only hides what was removed is found by IMAP."""
        doors = broken_mailboxes("pop3_keeps").of(new_user())
        result = with_sessions("pop3-deletes", doors)
        assert_failed(result, "inbox: send STATUS INBOX (MESSAGES): expected an untagged line", "(MESSAGES 1)")


class TestSieve:
    @SERVERS
    def test_life_of_a_script(self, own):
        """A script is checked, put, made active, listed, fetched, renamed, removed; one with an error is refused."""
        assert_passed(with_sessions("sieve-life", own), own.sieve)

    @SERVERS
    def test_broken_script(self, own):
        """What the server says of an error, which comes as a literal, is the reason."""
        result = with_sessions("sieve-broken-script", own)
        assert_failed(result, 'send PUTSCRIPT "slip": expected OK, got NO ')
        assert "line 2" in described(result)


class TestChain:
    """From ManageSieve and Postfix to the mailbox."""

    def test_filed(self, own_chain):
        """A script decides where the message is found, and it is as it was sent."""
        result = through("filed", own_chain)
        assert_passed(result, own_chain.mx.plain)
        assert {"main", "filter", "inbox"} == {one.session for one in result.transcripts}

    def test_not_filed(self, broken_chain, new_user, hasty):
        """A message that lies elsewhere is not found, and the number of looks is told."""
        result = through("filed", broken_chain("ignores_sieve").of(new_user()), hasty)
        assert_failed(result, "inbox: send SELECT Lists: expected OK [READ-WRITE], got NO", "attempt")

    def test_message_is_otherwise(self, own_chain, tmp_path):
        """What is otherwise in a message is told part by part in one step, the first in its reason."""
        folder = tmp_path / "otherwise"
        shutil.copytree(HERE, folder)
        path = folder / "filed.yaml"
        text = path.read_text("utf-8")
        for is_so, is_not in OTHERWISE:
            assert is_so in text
            text = text.replace(is_so, is_not)
        path.write_text(text, "utf-8")
        result = through("filed", own_chain, folder)
        assert_failed(result, "expected Subject: Grüße von ${unique}", ", got Subject: Grüße an lists")
        (step,) = (one for one in result.steps if one.outcome is Outcome.FAILED)
        parts = ["header Subject", "header Received", "header X-Spam-Flag", "body", "attachments", "lacks", "size"]
        assert parts == [one.part for one in step.differences]
        body = next(one for one in step.differences if one.part == "body")
        assert ("a body with Liebe Grüße", "Viele Grüße") == (body.expected, body.actual)
        assert [step.label for step in result.steps if step.is_cleanup][-1].startswith("cleanup: filter: ")

    @pytest.mark.parametrize("name", ["spam-refused", "spam-not-found"])
    def test_spam(self, own_chain, name):
        """What must be rejected is, and is not found within its time."""
        assert_passed(through(name, own_chain), own_chain.mx.plain)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("spam-refused", "expected 550 5.7.1 *spam*, got 250 2.0.0 Ok"),
            ("spam-not-found", 'inbox: send SEARCH SUBJECT "bad '),
        ],
    )
    def test_spam_is_taken(self, broken_chain, new_user, name, reason):
        """A server that takes it is found, by its reply or by what lies in the mailbox."""
        assert_failed(through(name, broken_chain("takes_spam").of(new_user())), reason)

    def test_each_user(self, own_chain, new_user):
        """A session for each of several users."""
        users = {name: new_user() for name in ("first", "second", "third")}
        result = through("each-user", own_chain, **users)
        assert_passed(result, own_chain.mx.plain)
        assert {"main", "reader[1]", "reader[2]", "reader[3]"} == {one.session for one in result.transcripts}

    def test_no_user_has_it(self, broken_chain, new_user, hasty):
        """A message that is lost is missed by the first that looks."""
        users = {name: new_user() for name in ("first", "second", "third")}
        result = through("each-user", broken_chain("loses_mail").of(users["first"]), hasty, **users)
        assert_failed(result, f'[{users["first"]}] reader[1]: send SEARCH SUBJECT "all ', "attempt")


class TestProject:
    """Scenarios by the command line, with a project file that fits; nothing but their pauses is changed."""

    @pytest.fixture
    def run(self, tmp_path, monkeypatch, capsys):
        """A function that runs a scenario against a chain's servers and returns all that is told."""

        def play_by_name(name: str, target: str, chain: MailChain) -> tuple[int, str]:
            door = chain.mx.plain
            user = door.variables["username"]
            urls = {"mx": door.url, "imap": chain.mailboxes.imap.url}
            ca = {"mx": door.ca, "imap": chain.mailboxes.imap.ca}
            targets = "".join(f"  {one}: {{url: '{url}', tls: {{ca: '{ca[one]}'}}}}\n" for one, url in urls.items())
            names = f"username: {user}, sender: {user}, recipient: {user}, external: {user}, reader: {user}"
            shutil.copytree(HERE, tmp_path / "scenarios")
            path = tmp_path / "scenarios" / f"{name}.yaml"
            path.write_text(path.read_text("utf-8").replace("every: 3s", "every: 50ms"), "utf-8")
            (tmp_path / "mailproof.yaml").write_text(
                f"targets:\n{targets}vars: {{{names}}}\n"
                "secrets: {password: {env: PASSWORD}, reader_password: {env: PASSWORD}}\nclient_name: client.example.org\n"
            )
            monkeypatch.chdir(tmp_path)
            monkeypatch.setenv("COLUMNS", "200")
            monkeypatch.setenv("PASSWORD", door.password)
            code = main(["run", f"scenarios/{name}.yaml", "--target", target, "--verbose"])
            told = capsys.readouterr().out
            assert door.password not in told
            return code, told

        return play_by_name

    def test_idle(self, run, own_chain):
        """A mail that comes by Postfix wakes IDLE up; both sessions are in one report, in the order of time."""
        code, told = run("imap-idle", "imap", own_chain)
        assert EXIT_PASSED == code, told
        order = ("C: A5 IDLE", "C: MAIL FROM", "S: 250 2.0.0 Ok: queued", "S: * 2 EXISTS", "C: DONE")
        found = [told.find(words) for words in order]
        assert -1 not in found, told
        assert sorted(found) == found, told

    def test_round_trip(self, run, broken_chain, new_user):
        """What a provider writes into a message is found in it, and where it came from is not."""
        code, told = run("round-trip", "mx", broken_chain("vouches").of(new_user()))
        assert EXIT_PASSED == code, told

    def test_round_trip_without_results(self, run, own_chain):
        """Each header that is missing, and the one that tells too much, is told in one run."""
        code, told = run("round-trip", "mx", own_chain)
        assert EXIT_PASSED != code
        missing = ["Authentication-Results: mx.example.net; *spf=pass*", "a header DKIM-Signature", "no Received: "]
        assert [words for words in missing if words not in told] == [], told


def test_no_scenario_is_left_out():
    """Every scenario of the folder is played."""
    text = Path(__file__).read_text("utf-8")
    told = {f"{protocol}{name}" for protocol in PROTOCOLS for name in re.findall(r'f"\{\w+\}(-[\w-]+)"', text)}
    told |= {f"{name}-wrong-password" for name in PROTOCOLS} | set(re.findall(r'"([\w-]+)"', text))
    assert [path.stem for path in HERE.glob("*.yaml") if path.stem not in told] == []
