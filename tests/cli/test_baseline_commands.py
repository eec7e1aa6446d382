"""Baselines on the command line: what is written, what is shown, exit codes; no secret is kept, nothing is half done."""

import errno
import json
import os
import pty
import stat

import pytest
from commands import ended, scenario, start, url, write
from fake_server import FakeServer

from runner.errors import EXIT_FAILED, EXIT_PASSED, EXIT_TOOL, EXIT_USAGE

PASSWORD = "pencil-and-paper"
ASKING = """\
name: {name}
steps:
  - expect: 220
  - send: EHLO client.example.org
    expect: 250
  - send: VRFY ${{password}}
    expect: any
  - send: QUIT
    expect: [221, close]
"""


class Changing:
    """A server whose words can be changed."""

    def __init__(self):
        self.capabilities = ["SIZE 1000", "DSN"]
        self.verified = "252 2.1.5 maybe"
        self.count = 0
        self.mute = set()  # the numbers of the connections that are not greeted

    def __call__(self, conn):
        self.count += 1
        if self.count in self.mute:
            conn.wait_for_eof()
            return
        conn.send(b"220 mx ESMTP\r\n")
        while line := conn.line():
            word = line[:4].upper()
            if word == b"QUIT":
                conn.send(b"221 2.0.0 bye\r\n")
                return
            if word == b"EHLO":
                lines = ["mx", *self.capabilities]
                ends = ["-"] * (len(lines) - 1) + [" "]
                conn.send("".join(f"250{end}{text}\r\n" for end, text in zip(ends, lines, strict=True)).encode())
            else:
                said = line.decode().split()[-1]
                conn.send(self.verified.format(said=said, count=self.count).encode() + b"\r\n")


@pytest.fixture
def changing(folder, monkeypatch):
    """A server with a project file, and two scenarios that ask it."""
    monkeypatch.setenv("PASSWORD", PASSWORD)
    handler = Changing()
    with FakeServer(handler) as server:
        write(
            folder,
            {
                "mailproof.yaml": f"targets: {{mx: '{url(server)}'}}\nsecrets: {{password: {{env: PASSWORD}}}}\n",
                "scenarios/one.yaml": ASKING.format(name="one"),
                "scenarios/two.yaml": ASKING.format(name="two"),
            },
        )
        yield handler


@pytest.fixture
def saved(mailproof, changing):
    """The same, and a baseline of it."""
    assert EXIT_PASSED == mailproof("baseline", "save", "-o", "mx.baseline").code
    return changing


class TestSave:
    def test_no_secret(self, mailproof, changing, folder):
        """What a server echoes of a password is not in the file, nor is what is sent."""
        changing.verified = "252 2.1.5 {said}"
        assert EXIT_PASSED == mailproof("baseline", "save", "-o", "mx.baseline").code
        text = (folder / "mx.baseline").read_text()
        assert (False, True) == (PASSWORD in text, "'⟨password⟩'" in text)

    def test_hostile_text(self, mailproof, changing, folder):
        """Nothing that a server says can do harm in the file or where it is shown."""
        changing.verified = "252 \x1b[2J'\u202e: {{x}} # ⟨varies⟩"
        mailproof("baseline", "save", "-o", "mx.baseline")
        text = (folder / "mx.baseline").read_text()
        assert text.replace("\n", "").isprintable()
        changing.verified = "252 ok"
        told = mailproof("run", "--baseline", "mx.baseline")
        assert EXIT_FAILED == told.code
        assert told.out.replace("\n", "").isprintable()

    def test_what_differs_between_runs(self, mailproof, changing, folder):
        """It is marked, and then it is no change."""
        changing.verified = "252 load {count} of 9"
        assert EXIT_PASSED == mailproof("baseline", "save", "-o", "mx.baseline", "--runs", "3").code
        assert "load ⟨varies⟩ of 9" in (folder / "mx.baseline").read_text()
        assert EXIT_PASSED == mailproof("run", "--baseline", "mx.baseline").code

    def test_over_a_file(self, mailproof, saved, folder):
        """Only with --force, and then nothing was connected."""
        count = saved.count
        told = mailproof("baseline", "save", "-o", "mx.baseline")
        assert (EXIT_USAGE, True, count) == (told.code, "is there already" in told.err, saved.count)
        assert EXIT_PASSED == mailproof("baseline", "save", "-o", "mx.baseline", "--force").code

    def test_no_folder(self, mailproof, changing):
        """That is told before anything connects."""
        assert (EXIT_USAGE, 0) == (mailproof("baseline", "save", "-o", "no/mx.baseline").code, changing.count)

    def test_unwritable(self, mailproof, saved, folder, monkeypatch):
        """A full disk is told with the file's name, and what was there stays."""
        before = (folder / "mx.baseline").read_bytes()

        def fill(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("runner.cli.files.write_whole", fill)
        saved.capabilities = ["SIZE 1"]
        for words in (("save", "--force", "-o", "mx.baseline"), ("approve", "--all", "mx.baseline")):
            told = mailproof("baseline", *words)
            message = "mailproof: 'mx.baseline' can't be written: no space left on device\n"
            assert (EXIT_TOOL, message) == (told.code, told.err)
        assert before == (folder / "mx.baseline").read_bytes()

    def test_no_verdict(self, mailproof, changing, folder):
        """Where a server can't be asked nothing is written."""
        told = mailproof("baseline", "save", "-o", "x", "--target", "smtp://127.0.0.1:1")
        assert (EXIT_FAILED, True, False) == (
            told.code,
            "no case came to a verdict" in told.err,
            (folder / "x").exists(),
        )

    def test_nothing_but_skips(self, mailproof, changing, folder):
        """A file that holds no word of a server would be equal to whatever comes."""
        write(folder, {"three.yaml": scenario("three", requires="{target_tag: other}")})
        told = mailproof("baseline", "save", "-o", "x", "three.yaml")
        assert (EXIT_FAILED, False) == (told.code, (folder / "x").exists())
        assert "mailproof: 'x' is not written: every case was skipped\n" == told.err

    def test_some_without_a_verdict(self, mailproof, changing, folder):
        """The others are kept, and what is missing is named, with the reason; the exit code tells of it, too."""
        text = (folder / "mailproof.yaml").read_text()
        (folder / "mailproof.yaml").write_text(text.replace("{mx:", "{dead: 'smtp://127.0.0.1:1', mx:"))
        told = mailproof("baseline", "save", "-o", "mx.baseline")
        assert EXIT_FAILED == told.code
        assert (
            "mailproof: one at dead: no verdict: expect 220: no connection to 127.0.0.1:1: connection refused"
            in told.err
        )
        assert "; it is not in the file\n" in told.err
        assert told.err.endswith("mailproof: warning: 2 of 4 cases came to no verdict and are not in the file\n")
        kept = (folder / "mx.baseline").read_text()
        assert (2, 0) == (kept.count("target: 'mx'"), kept.count("target: 'dead'"))

    def test_without_a_verdict_once(self, mailproof, changing, folder):
        """What is learnt from several runs is learnt from those that had a verdict: nothing varies for it."""
        changing.mute = {2}
        write(folder, {"quick.yaml": ASKING.format(name="quick").replace("steps:", "timeout: 300ms\nsteps:")})
        told = mailproof("baseline", "save", "-o", "mx.baseline", "--runs", "3", "quick.yaml")
        assert EXIT_FAILED == told.code
        assert "quick at mx: no verdict: expect 220: no greeting within 0.3 s" in told.err
        assert told.err.endswith("; learnt from the other runs\n")
        assert "'⟨varies⟩'" not in (folder / "mx.baseline").read_text()

    def test_failed_in_an_earlier_run(self, mailproof, changing, folder):
        """One that passed the last time is no whole success."""
        changing.verified = "25{count} 2.1.5 maybe"
        write(folder, {"quick.yaml": ASKING.format(name="quick").replace("expect: any", "expect: 252")})
        assert EXIT_FAILED == mailproof("baseline", "save", "-o", "mx.baseline", "--runs", "2", "quick.yaml").code

    def test_failed_scenario(self, mailproof, changing, folder):
        """What the server said is kept, and the exit code tells that it was wrong."""
        write(folder, {"scenarios/three.yaml": scenario("three").replace("expect: 250", "expect: 550")})
        assert EXIT_FAILED == mailproof("baseline", "save", "-o", "mx.baseline").code
        assert "outcome: 'failed'" in (folder / "mx.baseline").read_text()


class TestRun:
    def test_change(self, mailproof, saved):
        """It fails the run, is shown in its step, and once at the end."""
        saved.capabilities = ["SIZE 1000"]
        told = mailproof("run", "--baseline", "mx.baseline")
        assert EXIT_FAILED == told.code
        assert "changed since the baseline: capability DSN: offered → not offered" in told.out.replace("\n", " ")
        assert "compared with mx.baseline: 1 change in 2 places" in told.out

    def test_ignored(self, mailproof, saved):
        """A part that nobody wants to be told of."""
        saved.capabilities = ["SIZE 1000"]
        for part in ("capability DSN", "capability dsn", "capability"):
            assert EXIT_PASSED == mailproof("run", "--baseline", "mx.baseline", "--ignore", part).code
        assert EXIT_FAILED == mailproof("run", "--baseline", "mx.baseline", "--ignore", "capability SIZE").code

    def test_in_reports(self, mailproof, saved):
        """Other reports have it, too."""
        saved.verified = "502 no"
        told = mailproof("run", "--baseline", "mx.baseline", "--report", "json")
        cases = json.loads(told.out)["cases"]
        assert (EXIT_FAILED, ["failed", "failed"]) == (told.code, [case["outcome"] for case in cases])

    def test_a_part_of_it(self, mailproof, saved):
        """What was not asked for is counted, and is no change."""
        told = mailproof("run", "--baseline", "mx.baseline", "-k", "one")
        assert (EXIT_PASSED, True) == (told.code, "nothing changed; 1 of its cases were not run" in told.out)

    def test_a_new_case(self, mailproof, saved, folder):
        """What the baseline does not have is not green."""
        write(folder, {"scenarios/three.yaml": ASKING.format(name="three")})
        told = mailproof("run", "--baseline", "mx.baseline")
        assert (EXIT_FAILED, True) == (told.code, "not in the baseline" in told.out)

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (("--baseline", "none"), "can't be read: no such file"),
            (("--baseline", "scenarios/one.yaml"), "no baseline"),
            (("--baseline", "mx.baseline", "--repeat", "2"), "leave --repeat out"),
            (("--ignore", "latency"), "--ignore is for a comparison"),
            (
                ("--baseline", "mx.baseline", "--ignore", "latancy"),
                "no part 'latancy'; did you mean 'latency'? the parts",
            ),
            (("--baseline", "mx.baseline", "--ignore", "weather"), "no part 'weather'; the parts are case, step, "),
            (("--baseline", "mx.baseline", "--ignore", ""), "no part ''; the parts are"),
            (("--baseline", "mx.baseline", "--report", "tap=mx.baseline"), "a run reads such"),
        ],
        ids=[
            *("missing", "another file", "repeat", "ignore alone", "near part", "no such part", "empty part"),
            "report over it",
        ],
    )
    def test_refused(self, mailproof, saved, words, why):
        """Before anything connects."""
        count = saved.count
        told = mailproof("run", *words)
        assert (EXIT_USAGE, True, count) == (told.code, why in told.err, saved.count)


class TestApprove:
    def test_all(self, mailproof, saved, folder):
        """The file is as if it were saved now, but for its time."""
        saved.verified, saved.capabilities = "502 5.5.1 no", ["SIZE 2000", "ETRN"]
        assert EXIT_PASSED == mailproof("baseline", "approve", "mx.baseline", "--all").code
        mailproof("baseline", "save", "-o", "new.baseline")
        without_time = [
            [line for line in (folder / name).read_text().splitlines() if not line.startswith("made_at")]
            for name in ("mx.baseline", "new.baseline")
        ]
        assert without_time[0] == without_time[1]
        assert EXIT_PASSED == mailproof("compare", "mx.baseline", "new.baseline").code

    def test_nothing_changed(self, mailproof, saved, folder):
        """That is said, and the file stays as it is."""
        before = (folder / "mx.baseline").read_bytes()
        told = mailproof("baseline", "approve", "mx.baseline", "--all")
        assert (EXIT_PASSED, "nothing changed\n") == (told.code, told.out)
        assert before == (folder / "mx.baseline").read_bytes()

    def test_only(self, mailproof, saved):
        """The rest is told again."""
        saved.verified, saved.capabilities = "502 no", ["SIZE 1000"]
        assert EXIT_FAILED == mailproof("baseline", "approve", "mx.baseline", "--only", "capability *").code
        told = mailproof("run", "--baseline", "mx.baseline")
        assert (EXIT_FAILED, True, False) == (
            told.code,
            "502" in told.out,
            "capability" in told.out.split("compared")[0].split("where")[-1],
        )

    def test_nobody_can_be_asked(self, mailproof, saved):
        """Then it must be said what is meant, before anything connects."""
        count = saved.count
        told = mailproof("baseline", "approve", "mx.baseline")
        assert (EXIT_USAGE, True, count) == (told.code, "nobody can be asked" in told.err, saved.count)

    def test_new_case(self, mailproof, saved, folder):
        """Only where its path is named."""
        write(folder, {"scenarios/three.yaml": ASKING.format(name="three")})
        mailproof("baseline", "approve", "mx.baseline", "--all")
        assert "three" not in (folder / "mx.baseline").read_text()
        mailproof("baseline", "approve", "mx.baseline", "scenarios", "--all")
        assert "three" in (folder / "mx.baseline").read_text()

    def test_no_verdict(self, mailproof, saved, folder, monkeypatch):
        """A server that can't be asked has not changed."""
        before = (folder / "mx.baseline").read_text()
        told = mailproof("baseline", "approve", "mx.baseline", "--all", "--target", "smtp://127.0.0.1:1")
        assert (EXIT_FAILED, before) == (told.code, (folder / "mx.baseline").read_text())

    @pytest.mark.parametrize(
        ("answers", "accepted"),
        [("y\nn\n", (True, False)), ("x\nn\ny\n", (False, True)), ("a\n", (True, True)), ("q\n", (False, False))],
    )
    def test_asks(self, saved, folder, answers, accepted):
        """On a terminal each change is shown and asked for."""
        saved.verified, saved.capabilities = "252 2.1.5 surely", ["SIZE 1000"]
        ours, theirs = pty.openpty()
        process = start("baseline", "approve", "mx.baseline", cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.write(ours, answers.encode())
        ended(process)
        os.close(ours)
        text = (folder / "mx.baseline").read_text()
        assert accepted == ("capability DSN" not in text, "surely" in text)


class TestCompare:
    def test_files(self, mailproof, saved):
        """What two files differ in."""
        saved.capabilities = ["SIZE 2000", "DSN"]
        mailproof("baseline", "save", "-o", "new.baseline")
        told = mailproof("compare", "mx.baseline", "new.baseline")
        assert (EXIT_FAILED, True) == (told.code, "capability SIZE  1000    2000" in told.out)

    def test_servers(self, mailproof, changing, folder):
        """What two servers differ in, each under its name."""
        other = Changing()
        other.capabilities = ["SIZE 1000"]
        with FakeServer(other) as server:
            text = (folder / "mailproof.yaml").read_text()
            (folder / "mailproof.yaml").write_text(text.replace("}\n", f", new: '{url(server)}'}}\n", 1))
            told = mailproof("compare", "--target", "mx", "--target", "new")
            same = mailproof("compare", "--target", "mx", "--target", "new", "--ignore", "capability")
        assert (EXIT_FAILED, EXIT_PASSED) == (told.code, same.code)
        assert ["where", "what", "mx", "new"] == told.out.splitlines()[0].split()

    def test_nothing_to_compare(self, mailproof, changing):
        """A server that can't be asked is not the same as another, and in what it differs nobody knows."""
        told = mailproof("compare", "--target", "mx", "--target", "smtp://127.0.0.1:1")
        assert (EXIT_FAILED, "nothing was compared: that is not the same as no change\n") == (told.code, told.out)
        assert "two at smtp://127.0.0.1:1: no verdict: expect 220: no connection to 127.0.0.1:1" in told.err

    def test_a_part_without_a_verdict(self, mailproof, changing, folder):
        """The rest is compared, and the exit code tells that it is not all."""
        write(folder, {"scenarios/three.yaml": ASKING.format(name="three").replace("steps:", "timeout: 300ms\nsteps:")})
        other = Changing()
        other.mute = {3}
        with FakeServer(other) as server:
            targets = ("--target", "mx", "--target", url(server), "--per-target", "1")
            told = mailproof("compare", *targets, "scenarios/one.yaml", "scenarios/two.yaml", "scenarios/three.yaml")
        assert (EXIT_FAILED, "nothing changed\n") == (told.code, told.out)
        assert (1, True) == (told.err.count("\n"), told.err.startswith("mailproof: three at smtp://"))

    @pytest.mark.parametrize("words", [(), ("a",), ("--target", "mx"), ("--target", "mx", "--target", "mx")])
    def test_wrong_usage(self, mailproof, changing, words):
        """It wants two of a kind."""
        assert EXIT_USAGE == mailproof("compare", *words).code


def test_show(mailproof, saved, folder):
    """What is in it, and its masks, those that were written by hand among them."""
    path = folder / "mx.baseline"
    path.write_text(path.read_text().replace("masks: {}", "masks:\n  ticket: /ref-[0-9]+/"))
    told = mailproof("baseline", "show", "mx.baseline")
    assert (EXIT_PASSED, True, True) == (told.code, "⟨ticket⟩  /ref-[0-9]+/" in told.out, "⟨queue id⟩" in told.out)


def test_file_is_as_the_umask_has_it(saved, folder):
    """It holds no secret and is made to be shared."""
    mask = os.umask(0)
    os.umask(mask)
    assert 0o666 & ~mask == stat.S_IMODE((folder / "mx.baseline").stat().st_mode)
