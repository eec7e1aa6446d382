"""The bundled scenarios: their form, and the embedded server, which passes all that it is for and fails where broken."""

from __future__ import annotations

import base64
import pickle
import re
import urllib.parse

import pytest
from fake_server import FakeServer
from running import SCENARIOS, described, run_case

from runner.demo import DemoServer, DemoSettings
from runner.language.compile import read_scenario
from runner.language.model import Group, Pipeline
from runner.results import Outcome

FILES = {path.stem: path for path in sorted(SCENARIOS.rglob("*.yaml"))}
SMTP = sorted(name for name, path in FILES.items() if path.parent.name in {"mx", "submission"})
#: The folders for servers where users read mail and manage scripts.
MAILBOXES = frozenset({"imap", "pop3", "sieve"})
MODELINE = "# yaml-language-server: $schema=../../schema/scenario.schema.json"
ACCOUNTS = {"domain", "sender", "recipient", "unknown", "external", "username", "password"}
CONVERSATIONS = ("local-delivery", "relay-refused", "auth-login-relay")
USER, PASSWORD = "alice@example.com", "S3cret+/pa ?s?>"
NAME_WIDTH = 30
DEMO_TAGS = ("mx", "submission", "starttls")

each_file = pytest.mark.parametrize("name", list(FILES))


def play(name, server, tags=DEMO_TAGS, password=None):
    password = server.password if password is None else password
    return run_case(FILES[name], server.url, server.variables, password, ca=server.ca, tags=tags)


def scenario_of(name):
    problems = []
    scenario = read_scenario(FILES[name], name, SCENARIOS, problems)
    assert [problem.render() for problem in problems] == []
    return scenario


def leaves(steps):
    for step in steps:
        if isinstance(step, Group | Pipeline):
            yield from leaves(step.steps)
            yield from leaves(getattr(step, "otherwise", ()))
        else:
            yield step


@pytest.fixture(scope="module")
def server():
    with DemoServer(DemoSettings(users={USER: PASSWORD})) as server:
        yield server


class TestForm:
    """What every file of the pack owes its readers."""

    @each_file
    def test_modeline(self, name):
        """An editor finds the schema by the first line."""
        assert FILES[name].read_text().splitlines()[0] == MODELINE

    @each_file
    def test_accounts(self, name):
        """Accounts and addresses have the pack's names and no others, and the password is a secret."""
        scenario = scenario_of(name)
        used = {placeholder.name for placeholder in scenario.placeholders}
        ours = {one for one in used if "." not in one} - {"unique", "now", "message_id"} - scenario.captures
        assert set() == ours - ACCOUNTS
        assert ("password" in used) == ("password" in scenario.secrets)

    @each_file
    def test_description_says_where_to_look(self, name):
        """Who sees a scenario red is told where to look, in each of the usual servers."""
        description = scenario_of(name).description
        servers = ("Dovecot", "Cyrus") if FILES[name].parent.name in MAILBOXES else ("Postfix", "Exim")
        assert [word for word in servers if word not in description] == []

    @each_file
    def test_because_names_its_source(self, name):
        """What is demanded is demanded by a document and a section of it."""
        reasons = [step.because for step in leaves(scenario_of(name).steps) if step.because]
        source = re.compile(r"(RFC \d+|draft-\S+) (section|appendix) [A-Z\d.]+|RFC (976|2920|1870|6152|5737)\b")
        assert reasons
        assert [reason for reason in reasons if not source.search(reason)] == []

    @each_file
    def test_required_tags_are_documented(self, name):
        """Each tag that a target may need is in the table of roles."""
        roles = re.findall(r"^\| `([\w-]+)` \|", (SCENARIOS / "README.md").read_text(), re.MULTILINE)
        assert {"mx", "submission", "starttls", "tls-only-auth"} == set(roles)
        assert set(scenario_of(name).requires.target_tag) <= set(roles)

    @each_file
    def test_folder_is_a_role(self, name):
        """Each folder holds what is for one kind of server, and no file lies beside the folders."""
        folder = FILES[name].parent.name
        scenario = scenario_of(name)
        assert FILES[name].parent.parent == SCENARIOS
        assert folder in {"mx", "submission", "lmtp", "tcp", *MAILBOXES}
        assert folder in scenario.tags
        assert ("smtp" if folder in {"mx", "submission"} else folder) == scenario.protocol

    def test_folders_and_tags_are_documented(self):
        """The page beside the folders names each of them, and each tag."""
        page = (SCENARIOS / "README.md").read_text()
        folders = {path.parent.name for path in FILES.values()}
        assert folders == set(re.findall(r"^\| `pack:(\w+)` \|", page, re.MULTILINE))
        tags = {tag for name in FILES for tag in scenario_of(name).tags}
        assert tags <= set(re.findall(r"`([\w-]+)`", page.partition("## The scenarios' own tags")[2]))

    def test_names_fit(self):
        """A table of 80 columns tells the scenarios apart: names are short, and no two are the same."""
        names = [scenario_of(name).name for name in FILES]
        assert len(names) == len(set(names))
        assert [name for name in names if len(name) > NAME_WIDTH] == []


class TestEmbeddedServer:
    @pytest.mark.parametrize("name", SMTP)
    def test_passes(self, server, name):
        """The embedded server does what the scenario demands; it takes AUTH in clear text, so one is not for it."""
        result = play(name, server)
        expected = Outcome.SKIPPED if name == "auth-needs-tls" else Outcome.PASSED
        assert expected is result.outcome, described(result)
        assert () == result.warnings

    def test_lmtp(self):
        """Its LMTP door passes what is for LMTP."""
        with DemoServer(DemoSettings(protocol="lmtp")) as server:
            result = run_case(FILES["lmtp-delivery"], server.url, server.variables)
        assert result.outcome is Outcome.PASSED, described(result)
        assert () == result.warnings

    @pytest.mark.parametrize("name", ["imap-mailbox", "sieve-scripts"])
    @pytest.mark.parametrize("settings", [{}, {"auth_requires_tls": True}, {"tls": "none"}], ids=str)
    def test_mailboxes(self, name, settings):
        """Its IMAP and ManageSieve doors pass what is for these, whether passwords need TLS or there is none."""
        protocol = FILES[name].parent.name
        with DemoServer(DemoSettings(users={USER: PASSWORD}, protocol=protocol, **settings)) as server:
            result = play(name, server)
        assert result.outcome is Outcome.PASSED, described(result)
        assert () == result.warnings

    def test_lines(self, server):
        """Its SMTP door passes what is for any line protocol."""
        url = server.url.replace("smtp:", "tcp:")
        result = run_case(FILES["tcp-smtp-port"], url, server.variables)
        assert result.outcome is Outcome.PASSED, described(result)

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_conversations_need_no_tags(self, server, name):
        """The three conversations run against a target that is no more than a URL."""
        result = play(name, server, tags=())
        assert result.outcome is Outcome.PASSED, described(result)

    @pytest.mark.parametrize("name", ["auth-needs-tls", "starttls", "submission", "submission-wrong-password"])
    def test_tls_only(self, name):
        """With AUTH after TLS only, what is for such a server passes."""
        with DemoServer(DemoSettings(auth_requires_tls=True)) as server:
            result = play(name, server, ("submission", "starttls", "tls-only-auth"))
        assert result.outcome is Outcome.PASSED, described(result)

    @pytest.mark.parametrize("name", ["submission", "submission-wrong-password", "auth-login-relay", "auth-verb"])
    def test_implicit_tls(self, name):
        """The same scenarios are for a server that speaks TLS from the first byte."""
        with DemoServer(DemoSettings(tls="implicit")) as server:
            result = play(name, server, ("submission",))
        assert result.outcome is Outcome.PASSED, described(result)

    @pytest.mark.parametrize(
        ("name", "tags", "missing"),
        [
            ("postmaster", ("submission",), "mx"),
            ("submission", ("mx",), "submission"),
            ("starttls", (), "starttls"),
            ("auth-needs-tls", ("starttls",), "tls-only-auth"),
        ],
    )
    def test_skipped_says_why(self, server, name, tags, missing):
        """A target that does not promise what a scenario is about is passed over, with the promise that is missing."""
        result = play(name, server, tags)
        assert result.outcome is Outcome.SKIPPED
        assert f"tag '{missing}'" in result.reason

    @pytest.mark.parametrize("name", ["auth-login-relay", "auth-plain-relay", "auth-verb", "wrong-password"])
    def test_no_account(self, server, name):
        """Who gives no user name has the AUTH scenarios skipped, not refused."""
        variables = {key: value for key, value in server.variables.items() if key != "username"}
        result = run_case(FILES[name], server.url, variables)
        assert result.outcome is Outcome.SKIPPED
        assert "'username'" in result.reason

    def test_no_size_limit(self):
        """A server whose SIZE is 0, that is without a limit (RFC 1870 section 4), is not asked to keep one."""
        with DemoServer(DemoSettings(size_limit=0)) as server:
            result = play("size-limit", server)
        assert result.outcome is Outcome.PASSED, described(result)
        outcomes = {step.label: step.outcome for step in result.steps}
        assert Outcome.SKIPPED is outcomes["ten times the limit"]

    @pytest.mark.parametrize("name", ["auth-cancelled", "auth-login-relay", "auth-plain-relay", "wrong-password"])
    def test_no_auth_in_clear_text(self, name):
        """What needs AUTH is passed over where the server does not offer it."""
        with DemoServer(DemoSettings(auth_requires_tls=True)) as server:
            result = play(name, server, ())
        assert result.outcome is Outcome.SKIPPED
        assert "AUTH, which the server does not offer" in result.reason


def wants_auth_at_once(conn):
    """Play a submission server that asks for AUTH at MAIL."""
    conn.send(b"220 hello\r\n")
    for answer in (b"250 hello", b"530 5.7.0 authentication required", b"221 bye"):
        conn.line()
        conn.send(answer + b"\r\n")


def test_refusal_at_mail_is_a_refusal():
    """A server that refuses MAIL from strangers relays nothing for them; RCPT is not tried."""
    with FakeServer(wants_auth_at_once) as server:
        accounts = {"sender": "a@example.com", "external": "b@example.net"}
        result = run_case(FILES["relay-refused"], f"smtp://127.0.0.1:{server.port}", accounts)
    assert result.outcome is Outcome.PASSED, described(result)
    assert Outcome.SKIPPED is result.steps[-1].outcome


class TestBrokenEmbeddedServer:
    """A server that is broken on purpose turns those scenarios red that judge what is broken, and no others."""

    @pytest.mark.parametrize(
        ("settings", "tags", "expected"),
        [
            pytest.param(
                {"mailboxes": ("bob", "postmaster", "nobody")},
                DEMO_TAGS,
                {"unknown-recipient": "expected 550 5.1.x, got 250 2.1.5 Ok"},
                id="accepts everybody",
            ),
            pytest.param(
                {"mailboxes": ("bob",)},
                DEMO_TAGS,
                {"postmaster": "expected 250, got 550 5.1.1 user unknown"},
                id="no postmaster",
            ),
            pytest.param(
                {"size_limit": 2000},
                DEMO_TAGS,
                {"size-limit": "expected SIZE >= 64KiB, got SIZE 2000"},
                id="low size limit",
            ),
            pytest.param(
                {"tls": "none"},
                DEMO_TAGS,
                {
                    "starttls": "expected STARTTLS offered, got STARTTLS not offered",
                    "submission": "starttls: expected 220, got 502 5.5.1 STARTTLS not implemented",
                    "submission-wrong-password": "starttls: expected 220, got 502 5.5.1 STARTTLS not implemented",
                },
                id="no STARTTLS",
            ),
            pytest.param(
                {},
                (*DEMO_TAGS, "tls-only-auth"),
                {"auth-needs-tls": "expected AUTH not offered, got AUTH LOGIN PLAIN CRAM-MD5"},
                id="AUTH in clear text",
            ),
        ],
    )
    def test_red(self, settings, tags, expected):
        """Exactly these are red, each with its reason."""
        with DemoServer(DemoSettings(**settings)) as server:
            results = {name: play(name, server, tags) for name in SMTP}
        red = {name: result.reason for name, result in results.items() if result.outcome.is_failure}
        assert expected.keys() == red.keys()
        assert [(name, red[name]) for name, words in expected.items() if words not in red[name]] == []


def forms(password, user):
    """Return what must be in no output: the password, and its base64 wherever in a longer text it stands."""
    octets = password.encode()
    yield password
    yield octets.hex()
    yield urllib.parse.quote(password)
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + octets).decode().rstrip("=")
        first = -(-before * 8 // 6)  # the character that is the password's alone
        last = (before + len(octets)) * 8 // 6
        yield coded[first:last]
    yield base64.b64encode(octets).decode()
    yield base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def outputs(result):
    """Return all that can leave a result, by name."""
    yield "lines", "\n".join(str(line) for transcript in result.transcripts for line in transcript.lines())
    yield "reasons", "\n".join([result.reason, *result.warnings, *(step.reason for step in result.steps)])
    yield "repr", repr(result)
    yield "pickle", pickle.dumps(result).decode("latin-1")


class TestPassword:
    """The password leaves to the server and to nobody else."""

    # The lengths of the names give the password each place in the base64 of a PLAIN response.
    @pytest.mark.parametrize("user", ["ann@example.com", "anna@example.com", "annie@example.com"])
    @pytest.mark.parametrize("known", [PASSWORD, "another one"], ids=["accepted", "refused"])
    @pytest.mark.parametrize("name", ["auth-login-relay", "auth-plain-relay", "auth-verb", "submission"])
    def test_is_in_no_output(self, name, known, user):
        """Neither transcripts nor reasons nor repr nor pickle show it, in any form, whether it is right or wrong."""
        with DemoServer(DemoSettings(users={user: known})) as server:
            result = play(name, server, password=PASSWORD)
        assert (known == PASSWORD) == (result.outcome is Outcome.PASSED), described(result)
        found = [(where, form) for where, text in outputs(result) for form in forms(PASSWORD, user) if form in text]
        assert [] == found

    def test_place_is_shown(self, server):
        """Where it was sent, a transcript says so."""
        result = play("auth-plain-relay", server)
        assert "C: AUTH PLAIN ⟨password⟩" in [str(line) for line in result.transcripts[0].lines()]

    def test_forms_are_what_is_sent(self):
        """The forms that are searched for are those of the wire: each of the three names makes another one appear."""
        users = ["ann@example.com", "anna@example.com", "annie@example.com"]
        wires = [base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode() for user in users]
        places = [[at for at, form in enumerate(list(forms(PASSWORD, ""))[3:6]) if form in wire] for wire in wires]
        assert [[0], [1], [2]] == sorted(places)
