"""Which scenarios and targets a command line means."""

from __future__ import annotations

import contextlib
import ctypes
import sys

import pytest
from commands import scenario, url, write
from fake_server import FakeServer, certificates

from runner import mx
from runner.errors import EXIT_PASSED, EXIT_USAGE

PROJECT = "targets: {{first: 'smtp://127.0.0.1:{port}', second: 'smtp://127.0.0.1:{port}'}}\n"


def names(runs):
    return [case.scenario for case in runs[-1].cases]


def places(runs):
    return [case.place.file for case in runs[-1].cases]


@contextlib.contextmanager
def as_permissions_say():
    """Let this thread read what its user may read, be that root: drop CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH."""
    system = ctypes.CDLL(None)
    header, had = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert 0 == system.capget(header, had)
    effective, *others = had
    assert 0 == system.capset(header, (ctypes.c_uint32 * 6)(effective & ~0b110, *others))
    try:
        yield
    finally:
        assert 0 == system.capset(header, had)


class TestPaths:
    """Files, folders, the pack and the default folder."""

    def test_folder(self, mailproof, runs, folder, server):
        """Of a folder all scenarios run, also of those within, in the order of names; no hidden ones, no project."""
        write(
            folder,
            {
                "s/b.yaml": scenario("b"),
                "s/a.yml": scenario("a"),
                "s/a/z.yaml": scenario("z"),
                "s/.hidden.yaml": "wrong",
                "s/.git/x.yaml": "wrong",
                "s/notes.txt": "wrong",
                "s/mailproof.yaml": "{}",
            },
        )
        mailproof("run", "s", "--target", url(server))
        assert ["s/a/z.yaml", "s/a.yml", "s/b.yaml"] == places(runs)

    def test_files_between_options(self, mailproof, runs, folder, server):
        """Paths may stand anywhere between options, and run in the order of the command line."""
        write(folder, {f"{name}.yaml": scenario(name) for name in "abc"})
        ended = mailproof("run", "c.yaml", "--target", url(server), "a.yaml", "--jobs", "1", "b.yaml")
        assert (EXIT_PASSED, ["c", "a", "b"]) == (ended.code, names(runs))

    def test_each_once(self, mailproof, runs, folder, server):
        """A file that is named twice, by its folder or by a link, runs once."""
        write(folder, {"s/a.yaml": scenario("a")})
        (folder / "link.yaml").symlink_to("s/a.yaml")
        mailproof("run", "s/a.yaml", "s", "link.yaml", str(folder / "s"), "--target", url(server))
        assert ["s/a.yaml"] == places(runs)

    def test_links_in_circles(self, mailproof, runs, folder, server):
        """Linked folders are walked, each once, also where links go in circles."""
        write(folder, {"s/a.yaml": scenario("a"), "more/b.yaml": scenario("b")})
        (folder / "s/more").symlink_to("../more")
        (folder / "more/back").symlink_to("../s")
        mailproof("run", "s", "--target", url(server))
        assert ["b", "a"] == sorted(names(runs), reverse=True)

    def test_broken_link(self, mailproof, folder, server):
        """A scenario that can't be read is never passed over."""
        write(folder, {"s/a.yaml": scenario("a")})
        (folder / "s/b.yaml").symlink_to("nowhere")
        ended = mailproof("run", "s", "--target", url(server))
        assert EXIT_USAGE == ended.code
        assert "s/b.yaml:1:1: cannot be read: no such file or directory" in ended.err
        assert 0 == server.connections

    def test_closed_folder(self, mailproof, folder, server):
        """A folder that can't be read is an error, too."""
        write(folder, {"s/a.yaml": scenario("a"), "s/closed/b.yaml": scenario("b")})
        (folder / "s/closed").chmod(0)
        with as_permissions_say():
            ended = mailproof("run", "s", "--target", url(server))
        (folder / "s/closed").chmod(0o700)
        assert (EXIT_USAGE, "mailproof: 's/closed' can't be read: permission denied\n") == (ended.code, ended.err)

    def test_default(self, mailproof, runs, folder, monkeypatch, server):
        """Without a path it is scenarios/ beside the project file, from any folder below."""
        write(folder, {"mailproof.yaml": PROJECT.format(port=server.port), "scenarios/a.yaml": scenario("a")})
        (folder / "deep").mkdir()
        monkeypatch.chdir(folder / "deep")
        ended = mailproof("run")
        assert (EXIT_PASSED, ["../scenarios/a.yaml"] * 2) == (ended.code, places(runs))

    def test_default_without_a_project_file(self, mailproof, runs, folder, server):
        """There it is scenarios/ here, for every command that takes scenarios."""
        write(folder, {"scenarios/a.yaml": scenario("a")})
        ended = mailproof("run", "--target", url(server))
        assert (EXIT_PASSED, ["scenarios/a.yaml"]) == (ended.code, places(runs))
        for words in (["validate"], ["lint"], ["fmt", "--check"], ["run", "--mirror"]):
            assert EXIT_PASSED == mailproof(*words).code, words

    def test_default_without_a_project_file_wants_a_target(self, mailproof, folder):
        """The scenarios are there; what is wanted is a server."""
        write(folder, {"scenarios/a.yaml": scenario("a")})
        ended = mailproof("run")
        assert EXIT_USAGE == ended.code
        assert ended.err.startswith("mailproof: which server? name one: --target smtp://host:25")

    @pytest.mark.parametrize(
        ("files", "where"),
        [
            pytest.param({}, "here, and no mailproof.yaml from here upwards", id="nothing"),
            pytest.param({"../mailproof.yaml": "targets: {}\n"}, "beside ../mailproof.yaml", id="a project file alone"),
            pytest.param(
                {"../mailproof.yaml": "targets: {}\n", "scenarios/a.yaml": scenario("a")},
                "beside ../mailproof.yaml",
                id="scenarios elsewhere",
            ),
        ],
    )
    def test_no_default(self, mailproof, folder, monkeypatch, files, where):
        """What is not there is said as it is: where was looked for it."""
        (folder / "deep").mkdir()
        monkeypatch.chdir(folder / "deep")
        write(folder / "deep", files)
        ended = mailproof("validate")
        assert EXIT_USAGE == ended.code
        assert ended.err.endswith(f"there is no scenarios/ {where}\n")

    def test_pack(self, mailproof, runs, server):
        """`pack:` stands for the bundled scenarios, named so in messages."""
        mailproof("run", "pack:", "-k", "lmtp", "--target", url(server))
        assert ["pack:lmtp/lmtp-delivery.yaml"] == places(runs)

    def test_folder_of_pack(self, mailproof, runs, server):
        """`pack:mx` stands for one folder of them."""
        mailproof("run", "pack:mx", "-k", "starttls", "--target", url(server))
        assert ["pack:mx/starttls.yaml"] == places(runs)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "which scenarios? name files or folders, or pack: for the bundled ones"),
            (["nowhere"], "there is no file or folder 'nowhere'"),
            ([""], "there is no file or folder ''"),
            (["empty"], "no scenario files in empty; they end with .yaml"),
            (["x" * 300], "can't be read: file name too long"),
            (["empty\0"], "can't be read: embedded null byte"),
            (
                ["pack:nope"],
                "'pack:nope'; the packs are pack:imap, pack:lmtp, pack:mx, pack:pop3, pack:sieve, pack:submission, pack:tcp, and 'pack:' for all",
            ),
            (["pack:../docs"], "there is no bundled pack 'pack:../docs'"),
            (["empty/mailproof.yaml"], "'empty/mailproof.yaml' is a project file, no scenario"),
        ],
    )
    def test_wrong_path(self, mailproof, folder, server, words, message):
        """What leads nowhere is wrong usage, in one line with what would be right."""
        write(folder, {"empty/mailproof.yaml": ""})
        ended = mailproof("run", *words, "--target", url(server))
        assert (EXIT_USAGE, "") == (ended.code, ended.out)
        assert ended.err.startswith("mailproof: ")
        assert message in ended.err
        assert 1 == ended.err.count("\n")

    def test_wrong_project_file(self, mailproof, folder):
        """What is wrong in the project file is told, and not that it was not found."""
        write(folder, {"mailproof.yaml": "targts: {}\n", "scenarios/a.yaml": scenario("a")})
        ended = mailproof("run")
        assert EXIT_USAGE == ended.code
        assert "mailproof.yaml:1:1: unknown key 'targts'" in ended.err
        assert "did you mean 'targets'?" in ended.err


class TestChoice:
    """`-k`, `--tag` and what is intrusive."""

    @pytest.fixture(autouse=True)
    def scenarios(self, folder):
        write(
            folder,
            {
                "one.yaml": scenario("Alpha", tags="[x]"),
                "two.yaml": scenario("Beta", tags="[x, y]"),
                "three.yaml": scenario("Flood", tags="[y, intrusive]"),
            },
        )

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ([], ["Alpha", "Beta"]),
            (["-k", "alph"], ["Alpha"]),
            (["-k", "TWO"], ["Beta"]),
            (["-k", "one", "-k", "two"], ["Alpha", "Beta"]),
            (["--tag", "y"], ["Beta"]),
            (["--tag", "x", "-k", "beta"], ["Beta"]),
            (["--tag", "intrusive"], ["Flood"]),
            (["--tag", "y", "--tag", "intrusive"], ["Flood", "Beta"]),
        ],
        ids=" ".join,
    )
    def test_choice(self, mailproof, runs, server, words, expected):
        """A scenario runs if one of the texts and one of the tags fit; an intrusive one only by that tag."""
        mailproof("run", ".", *words, "--target", url(server))
        assert expected == names(runs)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["-k", "zzz"], "no scenario is selected by -k zzz"),
            (["--tag", "zzz"], "no scenario is selected by --tag zzz; the tags are: intrusive, x, y"),
            (
                ["-k", "flood"],
                "no scenario is selected by -k flood; what is tagged 'intrusive' runs only with --tag intrusive",
            ),
            (
                ["three.yaml"],
                "no scenario is selected; what is tagged 'intrusive' runs only with --tag intrusive",
            ),
        ],
        ids=["text", "tag", "intrusive", "intrusive-alone"],
    )
    def test_nothing(self, mailproof, server, words, message):
        """That nothing is selected is wrong usage, and no pass."""
        paths = [] if words[0].endswith(".yaml") else ["."]
        ended = mailproof("run", *paths, *words, "--target", url(server))
        assert (EXIT_USAGE, f"mailproof: {message}\n") == (ended.code, ended.err)
        assert 0 == server.connections


class TestTargets:
    """`--target`, the project file's targets, TLS for URLs."""

    @pytest.fixture(autouse=True)
    def scenarios(self, folder):
        write(folder, {"a.yaml": scenario("a"), "b.yaml": scenario("b")})

    def test_all_of_the_project(self, mailproof, runs, folder, server):
        """Without --target it is all targets of the project file, each scenario with each."""
        write(folder, {"mailproof.yaml": PROJECT.format(port=server.port)})
        mailproof("run", ".")
        found = [(case.scenario, case.target) for case in runs[-1].cases]
        assert [("a", "first"), ("a", "second"), ("b", "first"), ("b", "second")] == found

    def test_some(self, mailproof, runs, folder, server):
        """Names and URLs go together; each target is there once."""
        write(folder, {"mailproof.yaml": PROJECT.format(port=server.port)})
        mailproof("run", "a.yaml", "--target", "second", "--target", url(server), "--target", "second")
        assert ["second", url(server)] == [case.target for case in runs[-1].cases]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--target", "secnod"], "unknown target 'secnod'; did you mean 'second'?"),
            (["--target", "x"], "unknown target 'x'; the targets are: first, second"),
            (["--target", "localhost:25"], "unknown target 'localhost:25'; did you mean smtp://localhost:25?"),
            (["--target", "smtp:127.0.0.1"], "unknown target 'smtp:127.0.0.1'; did you mean smtp://127.0.0.1?"),
            (["--target", "mx.example.com"], "unknown target 'mx.example.com'; did you mean smtp://mx.example.com?"),
            (["--target", "first", "--ca", "x.pem"], "--ca is for targets given as a URL; for others write 'tls: {ca:"),
            (
                ["--target", "first", "--target-tag", "mx", "--target-tag", "lan"],
                "--target-tag is for targets given as a URL; for others write 'tags: [mx, lan]' into mailproof.yaml",
            ),
            (["--no-verify"], "--no-verify is for targets given as a URL; for others write 'tls: {verify: false}'"),
            (["--target", "smtp://127.0.0.1", "--ca", "x.pem"], "--ca: there is no file 'x.pem'"),
        ],
    )
    def test_wrong_usage(self, mailproof, folder, server, words, message):
        """An option that can't be or would do nothing is refused."""
        write(folder, {"mailproof.yaml": PROJECT.format(port=server.port)})
        ended = mailproof("run", ".", *words)
        assert EXIT_USAGE == ended.code
        assert message in ended.err
        assert 0 == server.connections

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            ([], "the target has no tag 'mx'"),
            (["--target-tag", "mx"], "the target has no tag 'lan'"),
            (["--target-tag", "lan", "--target-tag", "mx"], ""),
        ],
        ids=["none", "one", "both"],
    )
    def test_tags_of_a_url(self, mailproof, runs, folder, server, words, reason):
        """--target-tag says what a target given as a URL is."""
        write(folder, {"a.yaml": scenario("a", requires="{target_tag: [mx, lan]}")})
        mailproof("run", "a.yaml", "--target", url(server), *words)
        assert [reason] == [case.reason for case in runs[-1].cases]
        assert (not reason) == (runs[-1].cases[0].outcome.value == "passed")

    def test_none(self, mailproof):
        """Without any target the advice is to name one."""
        ended = mailproof("run", ".")
        assert EXIT_USAGE == ended.code
        assert "which server? name one: --target smtp://host:25" in ended.err
        assert "unknown target 'mx'; a URL (smtp://host:25) needs no" in mailproof("run", ".", "--target", "mx").err

    @pytest.mark.parametrize("port", ["0", "70000", "x", "-1"])
    def test_wrong_port(self, mailproof, port):
        """A port that is none is an error with a caret below it."""
        ended = mailproof("run", ".", "--target", f"smtp://127.0.0.1:{port}")
        assert EXIT_USAGE == ended.code
        assert f"<command line>:1:18: '{port}' is no port\n" in ended.err
        assert "1 problem; nothing was connected" in ended.err

    def test_no_protocol(self, mailproof, runs, folder, server):
        """A scenario whose protocol no target speaks is skipped, with the reason; alone, that is no pass."""
        write(folder, {"l.yaml": scenario("l", protocol="lmtp").replace("EHLO", "LHLO")})
        ended = mailproof("run", "a.yaml", "l.yaml", "--target", url(server))
        assert EXIT_PASSED == ended.code
        assert [("passed", ""), ("skipped", "no target speaks lmtp")] == [
            (case.outcome.value, case.reason) for case in runs[-1].cases
        ]
        alone = mailproof("run", "l.yaml", "--target", url(server))
        assert 1 == alone.code
        assert "nothing passed: not a pass" in alone.out

    @pytest.mark.parametrize(
        ("words", "expected", "message"),
        [
            ([], 1, "certificate not trusted: unknown issuer"),
            (["--no-verify"], 0, "the certificate was not verified (verify: false)"),
            (["--ca", "roots.pem"], 0, ""),
        ],
        ids=["system", "no-verify", "ca"],
    )
    def test_tls(self, mailproof, folder, words, expected, message):
        """--ca has a certificate verified, --no-verify has it taken, and every report says so."""

        def serve(conn):
            conn.send(b"220 mx ESMTP\r\n")
            conn.line()
            conn.send(b"250-mx\r\n250 STARTTLS\r\n")
            conn.line()
            conn.send(b"220 go\r\n")
            conn.secure(certificates().context())
            conn.line()
            conn.send(b"221 bye\r\n")

        certificates().roots(folder)
        steps = "  - starttls:\n  - send: QUIT\n"
        write(folder, {"tls.yaml": scenario("tls").replace("  - send: QUIT\n", steps).replace("[221, close]", "221")})
        with FakeServer(serve) as server:
            ended = mailproof("run", "tls.yaml", *words, "--target", url(server))
        assert expected == ended.code, ended.out
        assert message in " ".join(ended.out.split())


class TestReaching:
    """Targets of the project file that are no URL."""

    SERVER = """\
import sys
print("220 mx ESMTP", end="\\r\\n", flush=True)
for line in sys.stdin:
    bye = line.startswith("QUIT")
    print("221 bye" if bye else "250 ok", end="\\r\\n", flush=True)
    if bye:
        break
"""

    @pytest.fixture(autouse=True)
    def _scenario(self, folder):
        write(folder, {"a.yaml": scenario("a")})

    def project(self, folder, target):
        write(folder, {"mailproof.yaml": f"targets: {{out: {target}}}\n"})

    def test_mail_exchangers(self, mailproof, runs, folder, server, monkeypatch):
        """Every mail exchanger is a target, named after the domain's; a run without a project file asks nobody."""
        monkeypatch.setattr(mx, "_system_resolver", lambda: None)
        monkeypatch.setattr(mx, "_hosts", lambda domain, resolver: ["127.0.0.1", "localhost"])
        self.project(folder, f"{{mx: 'smtp://example.com:{server.port}'}}")
        ended = mailproof("run", "a.yaml", "--target", "out")
        assert EXIT_PASSED == ended.code, ended.out + ended.err
        assert ["out 127.0.0.1", "out localhost"] == [case.target for case in runs[-1].cases]

    def test_checking_asks_no_name_server(self, mailproof, folder, monkeypatch):
        """`validate` connects nowhere."""

        def asked(*_):
            raise AssertionError("a name server was asked")

        monkeypatch.setattr(mx, "_hosts", asked)
        self.project(folder, "{mx: example.com}")
        assert EXIT_PASSED == mailproof("validate", "a.yaml").code

    def test_a_domain_that_takes_no_mail(self, mailproof, folder, monkeypatch):
        """It is told at its place in the project file, before anything connects."""

        def refuse(*_):
            raise ValueError("'example.com' takes no mail: its MX says so (RFC 7505)")

        monkeypatch.setattr(mx, "_system_resolver", lambda: None)
        monkeypatch.setattr(mx, "_hosts", refuse)
        self.project(folder, "{mx: example.com}")
        ended = mailproof("run", "a.yaml")
        assert EXIT_USAGE == ended.code
        assert "mailproof.yaml:1:21: 'example.com' takes no mail: its MX says so (RFC 7505)" in ended.err

    def test_a_command(self, mailproof, runs, folder):
        """A program in place of a server, its path beside the project file."""
        write(folder, {"serve": f"#!{sys.executable}\n{self.SERVER}"})
        (folder / "serve").chmod(0o755)
        self.project(folder, "{command: [./serve]}")
        ended = mailproof("run", "a.yaml")
        assert EXIT_PASSED == ended.code, ended.out + ended.err
        assert [("out", f"command: {folder}/serve")] == [(case.target, case.endpoint) for case in runs[-1].cases]

    def test_a_command_that_fails(self, mailproof, folder):
        """What it said on standard error is shown where the case is."""
        script = "import sys; sys.exit('cannot open \\x1b[2J main.cf')"
        write(folder, {"serve": f"#!{sys.executable}\n{script}\n"})
        (folder / "serve").chmod(0o755)
        self.project(folder, "{command: [./serve]}")
        ended = mailproof("run", "a.yaml")
        assert 1 == ended.code
        assert "standard error: cannot open \\x1b[2J main.cf" in ended.out
        assert "the command ended with status 1" in ended.out
        assert "\x1b[2J" not in ended.out

    def test_no_command_from_the_command_line(self, mailproof):
        """Only the project file names one."""
        ended = mailproof("run", "a.yaml", "--target", "command://sendmail")
        assert EXIT_USAGE == ended.code
        assert "unknown scheme 'command'" in ended.err
