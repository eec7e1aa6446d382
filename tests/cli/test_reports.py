"""`--report`: which reports are written, where to, and what becomes of one that can't be."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
import xml.etree.ElementTree as ET

import pytest
from commands import ended, polite, run_process, scenario, start, url, write
from fake_server import FakeServer

from runner.cli.command_line import make_parser
from runner.cli.reports import HELP
from runner.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PASSED, EXIT_TOOL, EXIT_USAGE
from runner.report.formats import FORMATS
from runner.result_document import from_json
from runner.results import Outcome

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason=f"there is no {FULL}")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
#: A monitoring plugin's: monitoring-plugins.org/doc/guidelines.html.
PLUGIN_OK, PLUGIN_CRITICAL, PLUGIN_UNKNOWN = 0, 2, 3


@pytest.fixture
def run(mailproof, folder, server):
    """Return `mailproof run` with a scenario that passes, as a function of further words."""
    write(folder, {"a.yaml": scenario()})
    return lambda *words: mailproof("run", "a.yaml", "--target", url(server), *words)


def counts(path):
    return {outcome: from_json(path.read_text()).count(outcome) for outcome in Outcome}


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


class TestWhere:
    """Files, and standard output."""

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_is_written_to_a_file(self, run, folder, name):
        """The file is there and ends its last line; the table is shown as ever."""
        result = run("--report", f"{name}=out")
        assert (EXIT_PASSED, "") == (result.code, result.err)
        assert "1 passed, 0 failed" in result.out
        assert (folder / "out").read_text().endswith("\n")

    def test_many_at_once(self, run, folder):
        """Each report is a file of its own, and none hides the table."""
        names = [name for name in FORMATS if name != "table"]
        result = run(*(word for name in names for word in ("--report", f"{name}=r{FORMATS[name].suffix}.{name}")))
        assert EXIT_PASSED == result.code
        assert len(names) == len(list(folder.glob("r.*")))
        assert "1 passed, 0 failed" in result.out

    @pytest.mark.parametrize("place", ["", "=-", "=/dev/stdout"])
    def test_standard_output_takes_one_in_place_of_the_table(self, run, place):
        """What a program reads stands there alone."""
        result = run("--report", f"json{place}")
        assert EXIT_PASSED == result.code
        assert 1 == from_json(result.out).count(Outcome.PASSED)

    def test_the_table_may_be_asked_for(self, run, folder):
        """It is what there is without any report."""
        result = run("--report", "table", "--report", "junit=out.xml")
        assert "1 passed, 0 failed" in result.out
        assert "testsuites" == ET.parse(folder / "out.xml").getroot().tag

    def test_the_table_in_a_file_is_not_a_terminals(self, run, folder):
        """It has no colours and is whole, whatever is shown meanwhile."""
        run("--report", "table=out.txt", "--color", "always", "-q")
        text = (folder / "out.txt").read_text()
        assert "\x1b" not in text
        assert text.startswith("scenario")

    def test_standard_output_is_utf_8_whatever_the_terminal_is(self, folder, server):
        """What declares its encoding is in it."""
        write(folder, {"a.yaml": scenario("größe")})
        words = ["run", "a.yaml", "--target", url(server), "--report", "junit"]
        result = run_process(*words, cwd=folder, env={"PYTHONIOENCODING": "latin-1"}, text=False, errors=None)
        assert "größe" in ET.fromstring(result.out).find(".//testcase").get("name")

    def test_every_format_is_named_by_the_help(self):
        """The registry has what the help says, and nothing more."""
        listed = HELP.partition(": ")[2].partition(";")[0].replace(" or ", ", ")
        assert list(FORMATS) == listed.split(", ")

    def test_reports_keep_every_conversation(self, run, folder):
        """Also of a case that passed, of which the table shows none."""
        run("--report", "json=out.json")
        (case,) = from_json((folder / "out.json").read_text()).cases
        (transcript,) = case.transcripts
        assert "220 mx.example.org ESMTP" in [line.text for line in transcript.lines()]

    def test_the_beginning_is_told_in_utc(self, run, folder):
        """Anybody can read when a run was."""
        run("--report", "json=out.json")
        assert from_json((folder / "out.json").read_text()).began.endswith("Z")


class TestFiles:
    """How a file comes to be."""

    @pytest.mark.parametrize(("name", "mode"), [("json", 0o600), ("html", 0o600), ("prometheus", 0o640)])
    def test_what_holds_conversations_is_private(self, run, folder, name, mode):
        """Others are as the umask has it."""
        before = os.umask(0o026)
        try:
            run("--report", f"{name}=out")
        finally:
            os.umask(before)
        assert mode == stat.S_IMODE((folder / "out").stat().st_mode)

    @pytest.mark.parametrize("name", ["json", "jsonl", "junit"])
    def test_a_file_is_replaced_not_written_over(self, run, folder, name):
        """Who reads the old one has it to its end; nothing is left beside the new one."""
        (folder / "out").write_text("old\n")
        with (folder / "out").open() as reader:
            assert EXIT_PASSED == run("--report", f"{name}=out").code
            assert "old\n" == reader.read()
        assert "old" not in (folder / "out").read_text()
        assert {"a.yaml", "out"} == set(os.listdir(folder))

    def test_a_link_stays_one(self, run, folder):
        """The file that it leads to is the report."""
        (folder / "real").write_text("old\n")
        (folder / "out").symlink_to("real")
        run("--report", "junit=out")
        assert (folder / "out").is_symlink()
        assert (folder / "real").read_text().startswith("<?xml")

    def test_a_pipe_is_written_to(self, run, folder):
        """As `>(…)` of a shell is one."""
        os.mkfifo(folder / "pipe")
        with subprocess.Popen(["cat", "pipe"], cwd=folder, stdout=subprocess.PIPE, text=True) as reader:
            opened = os.open(folder / "pipe", os.O_WRONLY)  # waits for the reader
            assert EXIT_PASSED == run("--report", "json=pipe").code
            os.close(opened)
            assert 1 == from_json(reader.communicate(timeout=10)[0]).count(Outcome.PASSED)
        assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)

    def test_a_device_takes_several(self, run):
        """`/dev/null` is one place and yet none."""
        assert EXIT_PASSED == run("--report", "json=/dev/null", "--report", "junit=/dev/null").code


class TestUnwritable:
    """A report that can't be written fails the run and nothing else."""

    @pytest.mark.parametrize("name", ["json", "jsonl"])
    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            pytest.param("none/out", "no such file or directory", id="no folder"),
            pytest.param("taken", "is a directory", id="a folder"),
            pytest.param("a.yaml/out", "not a directory", id="a file for a folder"),
            pytest.param("pipe", "no such device or address", id="a pipe that nobody reads"),
            pytest.param("x" * 300, "file name too long", id="long name"),
            pytest.param(FULL, "no space left on device", id="full disk", marks=needs_full),
        ],
    )
    def test_the_others_are_written_and_the_table_is_shown(self, run, folder, name, path, reason):
        """Exit 3, with the reason; nothing is left of it."""
        (folder / "taken").mkdir()
        os.mkfifo(folder / "pipe")
        result = run("--report", f"{name}={path}", "--report", "junit=good.xml")
        assert EXIT_TOOL == result.code
        assert f"mailproof: --report {name}={path} can't be written: {reason}\n" == result.err
        assert "1 passed, 0 failed" in result.out
        assert "testsuites" == ET.parse(folder / "good.xml").getroot().tag
        assert {"a.yaml", "taken", "pipe", "good.xml"} == set(os.listdir(folder))

    @pytest.mark.parametrize("words", [[], ["-q"], ["--report", "table"]], ids=["table", "quiet", "asked for"])
    def test_the_last_word_is_not_that_all_is_well(self, run, words):
        """Below the sum stands that a report is missing, in red."""
        result = run("--report", "json=none/out", "--color", "always", *words)
        assert EXIT_TOOL == result.code
        assert result.out.endswith("\x1b[0m\n\x1b[31ma report was not written: not a pass\x1b[0m\n")
        assert "not written" not in run("--report", "json=out").out

    @pytest.mark.parametrize("name", ["github", "markdown", "tap", "jsonl"])
    def test_in_place_of_the_table_it_is_told_beside(self, run, name):
        """What a program reads of the run stays as it is."""
        result = run("--report", "json=none/out", "--report", name)
        assert EXIT_TOOL == result.code
        assert result.err.endswith("no such file or directory\nmailproof: a report was not written: not a pass\n")
        assert "not written" not in result.out

    @not_as_root
    @pytest.mark.parametrize(("what", "mode"), [("old", 0o400), (".", 0o500)])
    def test_what_may_not_be_written_is_not(self, run, folder, what, mode):
        """A file that is for reading only stays, though its folder would let it be replaced."""
        (folder / "old").write_text("old")
        (folder / what).chmod(mode)
        try:
            result = run("--report", "json=old")
        finally:
            (folder / what).chmod(0o700)
        assert (EXIT_TOOL, "old") == (result.code, (folder / "old").read_text())
        assert "can't be written: permission denied" in result.err

    def test_a_fault_of_one_report_harms_no_other(self, run, folder, monkeypatch):
        """An internal error is one line and exit 3; the table and the other reports are there."""

        def break_down(_):
            raise ZeroDivisionError

        monkeypatch.setattr("runner.report.junit.render_junit", break_down)
        result = run("--report", "junit=bad.xml", "--report", "json=good.json")
        assert EXIT_TOOL == result.code
        assert result.err.startswith("mailproof: --report junit=bad.xml: internal error: ZeroDivisionError")
        assert "1 passed" in result.out
        assert {"a.yaml", "good.json"} == set(os.listdir(folder))

    def test_a_red_run_with_a_lost_report_is_a_lost_report(self, run, folder):
        """3 comes before 1; the table tells both."""
        write(folder, {"a.yaml": scenario().replace("220", "250")})
        result = run("--report", "json=none/out")
        assert EXIT_TOOL == result.code
        assert "1 failed" in result.out

    @needs_full
    @pytest.mark.parametrize("name", ["json", "jsonl"])
    def test_a_full_standard_output_leaves_the_files(self, folder, server, name):
        """What can still be written is."""
        write(folder, {"a.yaml": scenario()})
        words = ["run", "a.yaml", "--target", url(server), "--report", name, "--report", "junit=good.xml"]
        with open(FULL, "w") as full:
            result = run_process(*words, cwd=folder, stdout=full)
        assert EXIT_TOOL == result.code
        assert "mailproof: the output can't be written: no space left on device\n" == result.err
        assert "testsuites" == ET.parse(folder / "good.xml").getroot().tag

    def test_a_reader_that_leaves_is_no_traceback(self, folder, server):
        """As `head` does after the first event."""
        write(folder, {"a.yaml": scenario()})
        process = start("run", "a.yaml", "--target", url(server), "--report", "jsonl", cwd=folder)
        process.stdout.close()
        process.stdout = None
        assert (EXIT_TOOL, "") == (ended(process).code, "")


class TestRefused:
    """What can't be meant is told before anything connects."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["juint"], "there is no report 'juint'; did you mean 'junit'?"),
            (["pdf=x"], "there is no report 'pdf'; the reports are: github, html, json"),
            (["junit="], "'junit=' names no file; without '=' it goes to standard output"),
            (["json", "junit"], "--report json and --report junit: standard output takes one report"),
            (["json=-", "table"], "--report json and --report table: standard output takes one report"),
            (["json=out", "junit=./out"], "--report json=out and --report junit=./out: './out' takes one report"),
            (["json=out", "junit=link"], "--report json=out and --report junit=link: 'link' takes one report"),
            (["json=a.yaml"], "--report json=a.yaml: that file is there, and a run reads such; name another"),
            (["json=sub/../a.yaml"], "that file is there, and a run reads such"),
            (["json=fragment.yml"], "that file is there, and a run reads such"),
            (["json=message.eml"], "that file is there, and a run reads such"),
            (["json=secret"], "that file is there, and a run reads such"),
            (["json=scenario"], "that file is there, and a run reads such"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_usage(self, mailproof, folder, words, message):
        """Two reports for one place, a report over a scenario, a name that is none: exit 2, no file is touched."""
        text = scenario()
        files = {"a.yaml": text, "scenario": text, "fragment.yml": text, "message.eml": text, "secret": text}
        write(folder, files)
        (folder / "sub").mkdir()
        (folder / "link").symlink_to("out")
        with FakeServer(polite) as server:
            words = [word for report in words for word in ("--report", report)]
            given = ["--target", url(server), "--secret", "password=file:secret"]
            result = mailproof("run", "a.yaml", "scenario", *given, *words)
            assert 0 == server.connections
        assert (EXIT_USAGE, "") == (result.code, result.out)
        assert message in result.err
        assert [text] * 5 == [(folder / name).read_text() for name in files]
        assert not (folder / "out").exists()

    def test_a_wrong_file_leaves_no_old_report(self, mailproof, folder, server):
        """What an earlier run has left must not pass for a run that could not begin."""
        write(folder, {"a.yaml": "name: x\n", "out.json": "old"})
        result = mailproof(
            "run", "a.yaml", "--target", url(server), "--report", "json=out.json", "--report", "jsonl=new"
        )
        assert EXIT_USAGE == result.code
        written = json.loads((folder / "out.json").read_text())
        assert (False, []) == (written["is_passed"], written["cases"])
        assert '"is_passed": false' in (folder / "new").read_text().splitlines()[-1]

    def test_no_case_leaves_no_old_report(self, mailproof, folder, server):
        """The same where nothing was selected."""
        write(folder, {"a.yaml": "name: x\nsteps: [{expect: 220}]\n", "out.prom": "mailproof_run_passed 1\n"})
        words = ("run", "a.yaml", "--target", url(server), "-k", "zzz", "--report", "prometheus=out.prom")
        assert EXIT_USAGE == mailproof(*words).code
        assert "mailproof_run_passed 0" in (folder / "out.prom").read_text()


class TestEvents:
    """jsonl: there as it happens."""

    def test_events_are_there_while_the_run_goes_on(self, folder):
        """One case has ended and is told, another still runs."""
        told = threading.Event()

        def late(conn):
            assert told.wait(20)
            polite(conn)

        write(folder, {"a.yaml": scenario("early"), "b.yaml": scenario("late")})
        with FakeServer(polite) as first, FakeServer(late) as second:
            targets = ["--target", url(first), "--target", url(second)]
            process = start("run", "a.yaml", *targets, "--report", "jsonl", "--deadline", "20s", cwd=folder)
            lines = [process.stdout.readline() for _ in range(2)]
            assert process.poll() is None
            told.set()
            result = ended(process)
        assert ["run began", "case ended"] == [json.loads(line)["event"] for line in lines]
        assert ["case ended", "run ended"] == [event["event"] for event in events_of(result.out)]
        assert EXIT_PASSED == result.code

    def test_repetitions_are_told_apart_from_what_comes_of_them(self, run, folder):
        """A case counts once, however often it is played."""
        run("--report", "jsonl=out", "--repeat", "3")
        events = events_of((folder / "out").read_text())
        assert ["run began", *["repetition ended"] * 3, "case ended", "run ended"] == [one["event"] for one in events]
        assert (3, 1) == (events[0]["planned"], events[-1]["counts"]["passed"])
        assert {"runs": 3, "passed": 3, "others": []} == events[-2]["case"]["repeats"]

    @pytest.mark.parametrize(("words", "outcome"), [([], "skipped"), (["--no-skips"], "failed")])
    def test_a_skip_is_told_as_what_it_comes_to(self, run, folder, words, outcome):
        """The counts at the end are those of the cases above."""
        write(folder, {"b.yaml": scenario("other", requires="{target_tag: mx}")})
        run("b.yaml", "--report", "jsonl=out", *words)
        events = events_of((folder / "out").read_text())
        ends = [one["case"]["outcome"] for one in events if one["event"] == "case ended"]
        assert ["passed", outcome] == ends
        assert 1 == events[-1]["counts"][outcome]


class TestInterrupted:
    """Ctrl-C, and the run's own deadline."""

    def test_reports_tell_what_ran(self, folder):
        """What was not begun is not run, the run is not passed, and every file is whole."""
        greeted = threading.Event()

        def silent(conn):
            conn.send(b"220 mx\r\n")
            conn.line()
            greeted.set()
            conn.wait_for_eof()

        write(folder, {"a.yaml": scenario("first"), "b.yaml": scenario("second")})
        with FakeServer(silent) as server:
            words = ["--target", url(server), "--jobs", "1", "--report", "json=out.json", "--report", "jsonl=out.jsonl"]
            process = start("run", ".", *words, cwd=folder)
            assert greeted.wait(20)
            process.send_signal(signal.SIGINT)
            result = ended(process)
        run = from_json((folder / "out.json").read_text())
        assert EXIT_INTERRUPTED == result.code
        assert ("SIGINT", False, 1) == (run.interrupted, run.is_passed, run.count(Outcome.NOT_RUN))
        events = events_of((folder / "out.jsonl").read_text())
        assert ("run ended", "SIGINT") == (events[-1]["event"], events[-1]["interrupted"])
        assert counts(folder / "out.json") == {one: events[-1]["counts"][one.value] for one in Outcome}


class TestPlugin:
    """`--report nagios` on standard output: a monitor's codes and its one line."""

    @pytest.mark.parametrize(
        ("files", "code", "word"),
        [
            pytest.param({"a.yaml": scenario()}, PLUGIN_OK, "OK", id="passed"),
            pytest.param({"a.yaml": scenario().replace("220", "250")}, PLUGIN_CRITICAL, "CRITICAL", id="failed"),
            pytest.param({"a.yaml": "name: x\n"}, PLUGIN_UNKNOWN, "UNKNOWN", id="wrong file"),
        ],
    )
    def test_codes(self, mailproof, folder, server, files, code, word):
        """What is wrong on our side is unknown, not critical, though our own code for it is theirs for critical."""
        write(folder, files)
        result = mailproof("run", "a.yaml", "--target", url(server), "--report", "nagios")
        assert code == result.code
        assert word in result.out.partition("\n")[0]

    @pytest.mark.parametrize(
        "words",
        [["--reprot"], ["--jobs", "0"], ["none.yaml"], ["--target", "nobody"], ["--report", "json"]],
        ids=" ".join,
    )
    @pytest.mark.parametrize("asked", [["--report", "nagios"], ["--report=nagios=-"]], ids=" ".join)
    def test_wrong_usage_is_unknown(self, mailproof, folder, server, words, asked):
        """A monitor takes 2 for critical, and reads standard output only."""
        write(folder, {"a.yaml": scenario()})
        result = mailproof("run", "a.yaml", "--target", url(server), *asked, *words)
        assert PLUGIN_UNKNOWN == result.code
        assert result.out.startswith("MAILPROOF UNKNOWN")
        assert 1 == result.out.count("\n")

    def test_in_a_file_our_own_codes_stay(self, mailproof, folder, server):
        """The exit code is for who reads standard output."""
        write(folder, {"a.yaml": scenario().replace("220", "250")})
        result = mailproof("run", "a.yaml", "--target", url(server), "--report", "nagios=out")
        assert EXIT_FAILED == result.code

    def test_a_lost_report_is_unknown_where_all_passed(self, run):
        """The line says so, too."""
        result = run("--report", "nagios", "--report", "json=none/out")
        assert PLUGIN_UNKNOWN == result.code
        assert "MAILPROOF UNKNOWN - all passed, but a report was not written\n" == result.out

    def test_a_lost_report_makes_no_failure_less(self, run, folder):
        """What is critical stays so."""
        write(folder, {"a.yaml": scenario().replace("220", "250")})
        result = run("--report", "nagios", "--report", "json=none/out")
        assert PLUGIN_CRITICAL == result.code
        assert "CRITICAL" in result.out.partition("\n")[0]


def test_the_embedded_servers_reports_are_files_too(mailproof, folder):
    """`demo` takes the same; what it could not play is told beside a report, not in it."""
    pytest.importorskip("aiosmtpd")
    result = mailproof("demo", "--report", "json", "--report", "junit=out.xml")
    run = from_json(result.out)
    assert (EXIT_PASSED, True, True) == (result.code, run.is_embedded, run.is_passed)
    assert "not run here" in result.err
    tests = ET.parse(folder / "out.xml").getroot().get("tests")
    assert str(len(run.cases)) == tests


def test_only_what_runs_takes_reports():
    """`validate` and `serve` have none."""
    commands = make_parser()._subparsers._group_actions[0].choices
    has = {name: "--report" in parser._option_string_actions for name, parser in commands.items()}
    assert {name for name, takes in has.items() if takes} >= {"run", "demo"}
    assert not has["validate"]
    assert not has["serve"]
