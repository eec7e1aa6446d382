"""`mailproof new` and `mailproof schema`: first files that are right as they stand, and what editors know them by."""

from __future__ import annotations

import json

import pytest
from fake_server import FakeServer, certificates
from jsonschema import Draft7Validator
from running import ACCOUNTS, PASSWORD, USER, described, run_case

from runner.authoring.kinds import KINDS, PROJECT
from runner.demo import DemoServer, DemoSettings
from runner.resources import bundled, template
from runner.results import Outcome

SCENARIOS = [kind for kind in KINDS if kind != PROJECT]
#: What is played against the embedded server's SMTP door.
SMTP = ["relay", "starttls", "auth", "submission", "blank"]


def demo(protocol="smtp", **more):
    """Return the embedded server's door for a protocol."""
    return DemoServer(DemoSettings(users={USER: PASSWORD}, protocol=protocol, **more))


def passes(kind, url, **more):
    """Play a kind's template; it passes, without a warning."""
    result = run_case(template(kind), url, ACCOUNTS, PASSWORD, **more)
    assert result.outcome is Outcome.PASSED, described(result)
    assert () == result.warnings


class TestTemplates:
    def test_each_kind_has_one(self):
        """What is listed is there, and nothing else is."""
        assert set(KINDS) == {path.stem for path in template("relay").parent.iterdir()}

    @pytest.mark.parametrize("kind", KINDS)
    def test_form(self, kind):
        """Lines fit a terminal, quotes are single, and the first line is for editors."""
        text = template(kind).read_text("utf-8")
        lines = text.splitlines()
        assert lines[0].startswith("# yaml-language-server: $schema=")
        assert [] == [line for line in lines if len(line) > 80 or line != line.rstrip()]
        assert text.endswith("\n")
        assert "'\"" not in text.replace("'\\\"", "")

    @pytest.mark.parametrize("kind", SMTP)
    def test_smtp(self, kind):
        """It passes with the embedded server."""
        with demo() as server:
            passes(kind, server.url, ca=server.ca)

    @pytest.mark.parametrize("kind", ["imap", "sieve", "lmtp"])
    def test_other_doors(self, kind):
        """It passes with the embedded server's door for its protocol."""
        with demo(kind) as server:
            passes(kind, server.url, ca=server.ca)

    def test_tcp(self):
        """It passes with the embedded server's SMTP door, spoken to as any line protocol."""
        with demo() as server:
            passes("tcp", server.url.replace("smtp:", "tcp:"))

    def test_pop3(self, tmp_path):
        """It passes with a server that has STLS and knows the user."""
        answers = {
            b"USER": b"+OK",
            b"PASS": b"+OK",
            b"STAT": b"+OK 2 320",
            b"UIDL": b"+OK\r\n1 a\r\n.",
            b"QUIT": b"+OK",
        }

        def talk(conn):
            conn.send(b"+OK POP3 ready\r\n")
            while line := conn.line():
                conn.send(answers.get(line[:4].upper(), b"+OK") + b"\r\n")
                if line.upper().startswith(b"STLS"):
                    conn.secure(certificates().context())
                if line.upper().startswith(b"QUIT"):
                    return

        with FakeServer(talk) as server:
            passes("pop3", f"pop3://localhost:{server.port}", ca=certificates().roots(tmp_path))


class TestNew:
    def test_lists(self, mailproof):
        """Without a kind it tells which there are, a line each, and what to type."""
        ended = mailproof("new")
        assert 0 == ended.code
        assert list(KINDS) == [line.split()[0] for line in ended.out.splitlines()]
        assert "next: mailproof new relay -o relay.yaml" in ended.err

    def test_shows(self, mailproof):
        """Without -o it shows the file."""
        assert template("imap").read_text("utf-8") == mailproof("new", "imap").out

    @pytest.mark.parametrize("kind", SCENARIOS)
    def test_validates(self, mailproof, folder, kind):
        """What it writes is valid, and the command that it tells to type is right usage."""
        written = mailproof("new", kind, "-o", "x.yaml")
        assert 0 == written.code
        assert "wrote x.yaml\nnext: mailproof run x.yaml --target " in written.err
        assert 0 == mailproof("validate", "x.yaml").code
        assert mailproof("new", kind, "-o", "x.yaml").code == 2
        assert mailproof("new", kind, "-o", "x.yaml", "--force").code == 0
        assert ["x.yaml"] == [path.name for path in folder.iterdir()]

    def test_in_a_project(self, mailproof, folder):
        """In a project the modeline leads to its schemas, and its targets are those to run against."""
        (folder / "scenarios").mkdir()
        assert 0 == mailproof("new", "project", "-o", "mailproof.yaml").code
        assert "wrote schema/scenario.schema.json" in mailproof("schema", "-o", "schema").err
        ended = mailproof("new", "relay", "-o", "scenarios/relay.yaml")
        assert "wrote scenarios/relay.yaml\nnext: mailproof run scenarios/relay.yaml\n" == ended.err
        first = (folder / "scenarios" / "relay.yaml").read_text().splitlines()[0]
        assert "# yaml-language-server: $schema=../schema/scenario.schema.json" == first
        assert mailproof("validate").out.startswith("1 scenario is valid")

    def test_a_first_project_is_right(self, mailproof, folder):
        """A project file and a scenario of each kind, as they are written: nothing is red, lint and fmt are content."""
        (folder / "scenarios").mkdir()
        assert 0 == mailproof("new", "project", "-o", "mailproof.yaml").code
        for kind in SCENARIOS:
            ended = mailproof("new", kind, "-o", f"scenarios/{kind}.yaml")
            assert f"wrote scenarios/{kind}.yaml\nnext: mailproof run scenarios/{kind}.yaml\n" in ended.err
            ended = mailproof("validate")
            assert (0, "") == (ended.code, ended.err)
        assert f"{len(SCENARIOS)} scenarios are valid\n" == ended.out
        assert 0 == mailproof("lint").code
        assert 0 == mailproof("fmt", "--check").code

    def test_a_session_without_its_target(self, mailproof, folder):
        """Where the project lacks the target of a kind's further session, the next command gives one."""
        (folder / "mailproof.yaml").write_text("targets: {mx: 'smtp://mail.example.com'}\n")
        ended = mailproof("new", "delivery", "-o", "x.yaml")
        assert "next: mailproof run x.yaml --session inbox=imap://HOST\n" in ended.err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["rely"], "there is no kind 'rely'; did you mean 'relay'?"),
            (["xyz"], "there is no kind 'xyz'; the kinds are relay, "),
            (["-o", "x.yaml"], "which kind is 'x.yaml' to be? relay, "),
            (["relay", "-o", "no/x.yaml"], "there is no folder for 'no/x.yaml'"),
        ],
        ids=["a slip", "another word", "no kind", "no folder"],
    )
    def test_refused(self, mailproof, folder, words, message):
        """What is wrong is said, and nothing is written."""
        ended = mailproof("new", *words)
        assert 2 == ended.code
        assert message in ended.err
        assert [] == list(folder.iterdir())


class TestSchema:
    def test_where(self, mailproof):
        """Without anything it says where those of the installation are."""
        lines = mailproof("schema").out.splitlines()
        assert [f"scenario  {bundled('schema') / 'scenario.schema.json'}"] == lines[:1]
        assert 3 == len(lines)

    def test_folder(self, mailproof, folder):
        """A folder is made and filled with all three; they are not written over unless that is asked for."""
        assert 0 == mailproof("schema", "-o", "schema").code
        names = ["fragment.schema.json", "project.schema.json", "scenario.schema.json"]
        assert names == sorted(path.name for path in (folder / "schema").iterdir())
        again = mailproof("schema", "-o", "schema")
        assert (2, True) == (again.code, "is there already" in again.err)
        assert 0 == mailproof("schema", "-o", "schema", "--force").code

    @pytest.mark.parametrize(
        ("kind", "good", "bad"),
        [
            ("scenario", {"name": "x", "steps": [{"expect": "220"}]}, {"name": "x"}),
            ("project", {"targets": {"mx": "smtp://x"}}, {"targts": {}}),
            ("fragment", {"fragment": {"params": ["to"]}, "steps": [{"expect": "220"}]}, {"name": "x", "steps": []}),
        ],
    )
    def test_one_is_whole(self, mailproof, kind, good, bad):
        """One schema needs no other file."""
        document = json.loads(mailproof("schema", kind).out)
        validator = Draft7Validator(document)
        assert validator.is_valid(good)
        assert not validator.is_valid(bad)

    def test_refused(self, mailproof, folder):
        """What is no kind, and what is no folder, is said."""
        (folder / "x.json").write_text("{}")
        assert "there is no schema 'result'; there are scenario, project, fragment" in mailproof("schema", "result").err
        ended = mailproof("schema", "-o", "x.json")
        assert (2, True) == (ended.code, "'x.json' is a file; for one schema name its kind" in ended.err)
        assert "{}" == (folder / "x.json").read_text()
        above = mailproof("schema", "-o", "none/schema")
        assert (2, True) == (above.code, "there is no folder for 'none/schema'" in above.err)
