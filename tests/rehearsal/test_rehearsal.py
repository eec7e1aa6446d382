"""What `show` shows: the lines that a run would send, with nothing connected and no secret fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from running import ACCOUNTS, CLIENT, PASSWORD, SCENARIOS, USER, described, run_case

from runner.demo import DemoServer, DemoSettings
from runner.language.case import Case, Given
from runner.language.compile import read_scenario
from runner.language.project import SecretRef, parse_target
from runner.rehearsal import DUMMY, cast, rehearse, suppose
from runner.results import Outcome

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
# No branch of these is passed over by the embedded server, so that every line that is shown is sent.
STRAIGHT = [
    "mx/capabilities", "mx/dot-stuffing", "mx/local-delivery", "mx/null-sender", "mx/pipelining", "mx/postmaster",
    "submission/auth-cancelled", "submission/auth-login-relay", "submission/auth-plain-relay",
]  # fmt: skip


def shown(path, variables=ACCOUNTS, url="smtp://mx.example.com", root=SCENARIOS, **given):
    """Return the dialogue of a scenario file's first case; without `url` there is no target."""
    problems = []
    scenario = read_scenario(path, path.name, root, problems)
    assert [one.render() for one in problems] == []
    secrets = {name: SecretRef("env", name) for name in scenario.secrets}
    given = {"variables": variables, "secrets": secrets, "client_name": CLIENT, "secret": lambda _: DUMMY, **given}
    target, given = (parse_target(url), Given(**given)) if url else suppose(scenario, None, Given(**given))
    target = replace(target, tags=scenario.requires.target_tag)
    row = scenario.rows[0] if scenario.rows else None
    case = cast(scenario, target, None, given, now=NOW, problems=problems, row=row)
    assert [one.render() for one in problems] == []
    assert isinstance(case, Case)
    return rehearse(case)


@pytest.fixture
def dialogue(tmp_path):
    """Return a function that shows steps, written as YAML."""

    def show(steps, *, head="", url="smtp://mx.example.com", files=(), **values):
        for name, text in files:
            (tmp_path / name).write_text(text)
        path = tmp_path / "x.yaml"
        path.write_text(f"name: x\n{head}steps:\n{steps}")
        return shown(path, values, url, tmp_path)

    return show


def client_lines(lines):
    """Return what the client says, as far as it is no matter of the moment."""
    said = [line.strip()[3:] for line in lines if line.strip().startswith("C:")]
    return [re.sub(r"^(?:Subject|Date|Message-ID): .*", "", line) for line in said]


class TestLikeARun:
    """What is shown is what is sent."""

    @pytest.mark.parametrize("name", STRAIGHT)
    def test_bundled(self, name):
        """The client's lines are those of the transcript."""
        path = SCENARIOS / f"{name}.yaml"
        with DemoServer(DemoSettings(users={USER: PASSWORD})) as server:
            result = run_case(path, server.url, ACCOUNTS, PASSWORD, tags=("mx", "submission", "starttls"))
        assert result.outcome is Outcome.PASSED, described(result)
        sent = [f"C: {line.text}" for line in result.transcripts[0].lines() if line.who == "C"]
        assert client_lines(sent) == client_lines(shown(path))

    @pytest.mark.parametrize("name", ["imap/imap-mailbox", "sieve/sieve-scripts"])
    def test_mailboxes(self, name):
        """Every line that is sent is shown, in this order; tags are the run's, and of literals both show the ends."""
        path = SCENARIOS / f"{name}.yaml"
        protocol = path.parent.name
        settings = DemoSettings(users={USER: PASSWORD}, protocol=protocol)
        with DemoServer(settings) as server:
            result = run_case(path, server.url, ACCOUNTS, PASSWORD, ca=server.ca)
        assert result.outcome is Outcome.PASSED, described(result)
        sent = [line.text for line in result.transcripts[0].lines() if line.who == "C" and not line.is_literal]
        lines = iter([told(line.strip()[3:]) for line in shown(path, url=f"{protocol}://mx.example.com")])
        assert [] == [one for one in map(told, sent) if one not in lines]


def told(line):
    """Return a line without what differs from case to case, and without IMAP's tag."""
    line = re.sub(r"^A\d+ ", "", line)
    return re.sub(r"t[0-9a-f]{12}|\$\{\w+\}|\{\d+\+?\}|(?<=UID STORE )\d+|(?<=UID FETCH )\d+", "#", line)


class TestValues:
    def test_filled_in(self, dialogue):
        """A placeholder is its value, in what is sent and in what is expected."""
        steps = "  - send: MAIL FROM:<${sender}>\n    expect: 250 2.1.0 <${sender}> *\n"
        assert ["*: connect to mx.example.com:25", "C: MAIL FROM:<a*b@x>", r"S: 250 2.1.0 <a\*b@x> *"] == dialogue(
            steps, sender="a*b@x"
        )[:3]

    def test_no_target(self, dialogue):
        """Without a target what only one gives stays as it is written, filters included."""
        lines = dialogue("  - send: RCPT TO:<${to | upper}>\n  - expect: ${reply}\n", url="")
        assert ["*: connect", "C: RCPT TO:<${to|upper}>", "S: ${reply}"] == lines[:3]

    def test_capture(self, dialogue):
        """What a reply will give stays its name."""
        steps = "  - expect: 220 /id (?P<id>\\w+)/\n  - send: X ${id}\n    expect: 250 *${id}*\n"
        assert ["S: 220 /id (?P<id>\\w+)/", "C: X ${id}", "S: 250 *${id}*"] == dialogue(steps)[1:4]

    def test_secret(self, dialogue):
        """A secret is its name wherever it goes: into a line, through a filter and a variable, into base64."""
        head = "secrets: [password]\nvars: {both: 'a ${password} b'}\n"
        steps = (
            "  - send: X ${password | hex}\n    expect: 250\n  - send: Y ${both}\n    expect: 250\n"
            "  - send: AUTH PLAIN \\0alice\\0${password}\n    expect: 235\n"
        )
        lines = dialogue(steps, head=head)
        expected = ["C: X ⟨password⟩", "C: Y ⟨password⟩", "C: AUTH PLAIN ⟨password⟩"]
        assert expected == [line for line in lines if line[:3] == "C: " and "QUIT" not in line]
        assert "   base64 of \\0alice\\0⟨password⟩" in lines

    def test_literal_password(self, dialogue):
        """A password that is written out is hidden where the protocol has one."""
        lines = dialogue("  - send: LOGIN alice geheim\n    expect: OK\n", head="protocol: imap\n", url="imap://mx")
        assert "C: LOGIN alice ⟨password⟩" in lines

    def test_secret_column(self, dialogue):
        """A secret of a matrix file is shown nowhere, not where it stands elsewhere either."""
        files = [("users.csv", "user,password\nalice,geheim-1\n")]
        head = "matrix: {file: users.csv, secrets: [password]}\n"
        steps = "  - send: X ${password}\n    expect: 250\n  - send: Y geheim-1\n    because: geheim-1\n"
        text = "\n".join(dialogue(steps, head=head, files=files))
        assert "geheim" not in text
        assert "C: Y ⟨password⟩" in text

    def test_hostile_value(self, dialogue):
        """What would steer a terminal is shown by its number."""
        assert "C: X \\x1b[2J" in dialogue('  - send: "X \\e[2J"\n    expect: 250\n')

    def test_broken_value(self, dialogue):
        """A value that would break its line is told where it would end the step."""
        lines = dialogue("  - send: X ${sender}\n    expect: 250\n", sender="a\r\nb")
        told = "*: the step would end here: the value of 'sender' holds a CR, which can't be in a line"
        assert told in " ".join(line.strip() for line in lines)


class TestForm:
    def test_conditions(self, dialogue):
        """Both sides of a condition are shown, under what it asks."""
        steps = (
            "  - expect: 220\n  - when: {capability: STARTTLS, not: {reply: [4xx, silence]}}\n    steps:\n      - send: A\n"
            "        expect: 250\n    else:\n      - send: B\n        expect: 250\n"
        )
        assert [
            "if STARTTLS is offered and not (the last reply was 4xx or (says nothing)):",
            "  C: A",
            "  S: 250",
            "else:",
            "  C: B",
            "  S: 250",
        ] == dialogue(steps)[2:8]

    def test_rounds(self, dialogue):
        """Rounds are shown one by one, each with its value; of many the rest is counted."""
        each = "  - repeat: {each: [a, b], as: x}\n    steps:\n      - send: X ${x} ${index}\n        expect: 250\n"
        assert [
            "round 1 of 2, x = a:", "  *: connect to mx.example.com:25", "  C: X a 1", "  S: 250",
            "round 2 of 2, x = b:", "  C: X b 2", "  S: 250",
        ] == dialogue(each)[:7]  # fmt: skip
        many = dialogue("  - repeat: 12\n    steps:\n      - send: NOOP\n        expect: 250\n")
        assert 10 == many.count("  C: NOOP")
        assert "… and 2 more rounds" in many

    def test_retry(self, dialogue):
        """Attempts are shown once, with how long they go on; their number stays its name."""
        steps = (
            "  - retry: {every: 2s, for: 60s}\n    steps:\n      - connect:\n        expect: 220\n"
            "      - send: X ${attempt}\n        expect: 250\n"
        )
        lines = dialogue(steps)
        assert ["every 2s for 1m, until it passes:", "  *: connect to mx.example.com:25"] == lines[:2]
        assert "  C: X ${attempt}" in lines

    def test_sessions(self, dialogue):
        """With several sessions each line says whose it is, and of one with a count on which connection."""
        head = "sessions: {c: {count: 2}}\n"
        lines = dialogue("  - expect: 220\n  - session: c\n    send: NOOP\n    expect: 250\n", head=head)
        assert [
            "main *: connect to mx.example.com:25", "main S: 220",
            "c[1] *: connect to mx.example.com:25", "c[1] C: NOOP", "c[1] S: 250",
            "c[2] *: connect to mx.example.com:25", "c[2] C: NOOP", "c[2] S: 250",
            "main C: QUIT",
        ] == lines[:9]  # fmt: skip

    def test_fragment(self, dialogue):
        """A fragment's steps are shown where it is used, with what it is given."""
        files = [("f.yaml", "fragment: {params: [to]}\nsteps:\n  - send: RCPT TO:<${to}>\n    expect: 250\n")]
        lines = dialogue("  - use: f.yaml\n    with: {to: '${sender}'}\n", files=files, sender="a@x")
        assert "C: RCPT TO:<a@x>" in lines

    def test_pipeline(self, dialogue):
        """What leaves in one write stands together, and then what is expected."""
        steps = "  - pipeline:\n      - send: A\n        expect: 250\n      - send: B\n        expect: 251\n"
        assert ["in one write:", "  *: connect to mx.example.com:25", "  C: A", "  C: B", "  S: 250", "  S: 251"] == (
            dialogue(steps)[:6]
        )

    def test_large_message(self, dialogue):
        """Of a message that is made up the size is told, and the sample virus is not written out."""
        steps = (
            "  - send: DATA\n    expect: 354\n  - data: {size: 10MB}\n    expect: 250\n"
            "  - send: DATA\n    expect: 354\n  - data: {sample: eicar}\n    expect: 250\n"
        )
        text = "\n".join(dialogue(steps))
        assert re.search(r"before its end: 9,999,\d{3} octets more", text)
        assert "the sample 'eicar'" in text
        assert "EICAR" not in text

    def test_remarks_fit(self, dialogue):
        """Remarks are wrapped to 80 columns; what is sent and expected is not."""
        steps = f"  - send: {'x' * 100}\n    expect: 250\n    because: {'word ' * 40}\n"
        lines = dialogue(steps)
        assert f"C: {'x' * 100}" in lines
        assert [] == [line for line in lines if len(line) > 80 and not line.startswith("C:")]

    def test_words_and_demands(self, dialogue):
        """Alternatives, words and every further demand are told."""
        steps = (
            "  - expect: [550 5.1.1, close]\n    within: 2s\n    has: ['*a*', /b/]\n    lacks: c\n    lines: 3\n"
            "    capture: {n: '/(\\d+)/'}\n    severity: warning\n"
        )
        assert [
            "S: 550 5.1.1 or (closes the connection)", "   has *a*", "   has /b/", "   lacks c", "   lines: 3",
            "   within 2s", "   captures ${n} from /(\\d+)/", "   what differs is only a warning",
        ] == dialogue(steps)[1:9]  # fmt: skip

    def test_cleanup(self, dialogue):
        """The cleanup is shown behind the end, on connections of its own."""
        lines = dialogue("  - expect: 220\n", head="cleanup:\n  - send: RSET\n    expect: 250\n")
        at = lines.index("cleanup, whatever happened before, on fresh connections:")
        assert ["  *: connect to mx.example.com:25", "  C: RSET", "  S: 250"] == lines[at + 1 : at + 4]

    def test_auth(self, dialogue):
        """A whole exchange is shown by how it begins and what it is made of."""
        lines = dialogue("  - auth: PLAIN\n  - auth: best\n", head="secrets: [password]\n", username="alice")
        assert ["C: AUTH PLAIN ⟨password⟩", "   the whole exchange, with username alice, password ⟨password⟩"] == lines[
            1:3
        ]
        assert "C: AUTH …" in lines
