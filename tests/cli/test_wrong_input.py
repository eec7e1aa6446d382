"""Files that are wrong: exit 2, everything that is wrong at once, and nothing connected."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from commands import ROOT, scenario, url, write

from runner.errors import EXIT_USAGE

GOLDEN = sorted((ROOT / "tests/golden/errors").glob("*.yaml"))


@pytest.mark.parametrize("path", GOLDEN, ids=[path.stem for path in GOLDEN])
@pytest.mark.parametrize("command", ["run", "validate"])
def test_golden(mailproof, server, command, path):
    """Every file of the collection is refused in its own words, and nothing is connected."""
    ended = mailproof(command, path, "--target", url(server))
    assert (EXIT_USAGE, "") == (ended.code, ended.out)
    assert re.search(r"\d+ problems? in \d files?; nothing was connected\n$", ended.err)
    assert re.match(re.escape(str(path)) + r":\d+:\d+: ", ended.err)
    assert "Traceback" not in ended.err
    assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*", ended.err)
    assert 0 == server.connections


def test_all_at_once(mailproof, server):
    """All problems of all files come in one run."""
    ended = mailproof("run", *GOLDEN, "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert [] == [path.name for path in GOLDEN if f"{path}:" not in ended.err]
    count = re.search(r"in (\d+) files; nothing was connected\n$", ended.err)
    assert count is not None
    assert len(GOLDEN) <= int(count[1])  # what they name is told, too
    assert 0 == server.connections


NAMELESS = "name: a\nsteps:\n  - expect: 220\n  - {send: 'NOOP ${usernam}', expect: 250}\n"


@pytest.mark.parametrize("command", ["run", "validate"])
def test_names_and_keys_at_once(mailproof, folder, server, command):
    """A name that nobody gives is told together with another file's wrong key, in the order of the files."""
    files = {"a.yaml": NAMELESS, "b.yaml": "name: b\nsteps:\n  - expct: 220\n", "c.yaml": NAMELESS}
    write(folder, files)
    ended = mailproof(command, "a.yaml", "b.yaml", "c.yaml", "--target", url(server))
    places = [line.partition(": ")[0] for line in ended.err.split("\n") if re.match(r"\w\.yaml:", line)]
    assert (EXIT_USAGE, ["a.yaml:4:18", "b.yaml:3:5", "c.yaml:4:18"]) == (ended.code, places)
    assert 0 == server.connections


def test_names_where_the_project_is_wrong(mailproof, folder, server):
    """What a broken project file may give is not missed."""
    write(folder, {"mailproof.yaml": "vars: {usernam: x}\ntargts: {}\n", "a.yaml": NAMELESS})
    ended = mailproof("run", "a.yaml", "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert "unknown placeholder" not in ended.err


def test_names_of_what_is_not_chosen(mailproof, folder, server):
    """Names are checked of what was to run; no secret is fetched for it."""
    secret = "name: c\nsteps:\n  - {send: 'NOOP ${password}', expect: 250}\n"
    write(folder, {"a.yaml": NAMELESS, "b.yaml": "name: b\n", "c.yaml": secret})
    ended = mailproof("run", ".", "-k", "c.yaml", "--secret", "password=env:NOT_SET", "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert "1 problem in 1 file; nothing was connected" in ended.err


def test_one_wrong_among_many(mailproof, folder, server):
    """One wrong file fails the run before anything connects, whatever is chosen of the others."""
    write(folder, {"a.yaml": scenario("a"), "b.yaml": "name: b\nsteps:\n  - expct: 220\n"})
    ended = mailproof("run", ".", "-k", "a.yaml", "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert "b.yaml:3:5: unknown key 'expct'" in ended.err
    assert "did you mean 'expect'?" in ended.err
    assert 0 == server.connections


def test_every_kind_at_once(mailproof, folder, server):
    """A wrong project file, a wrong scenario and a wrong URL are told together."""
    write(folder, {"mailproof.yaml": "targts: {}\n", "a.yaml": "name: a\n"})
    ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1:0", "--target", "smpt://127.0.0.1")
    assert EXIT_USAGE == ended.code
    for message in ("unknown key 'targts'", "a.yaml:1:1: ", "'0' is no port", "unknown scheme 'smpt'"):
        assert message in ended.err
    assert "4 problems in 2 files; nothing was connected" in ended.err


@pytest.mark.parametrize(
    "name",
    ["a\x1b[2J.yaml", "a\u202e.yaml", "a\n::error::x.yaml", "caf\u00e9.yaml", os.fsdecode(b"\xff.yaml")],
    ids=["escape", "bidi", "newline", "accent", "bytes"],
)
def test_hostile_names(mailproof, folder, server, name):
    """A file's name is shown escaped, and harms nothing."""
    Path(folder, name).write_text("name: x\n")
    ended = mailproof("run", ".", "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]*", ended.err)
    assert not ended.err.startswith("::")
    assert 1 == len(re.findall(r"\.yaml:1:1: ", ended.err))


@pytest.mark.parametrize("what", ["fifo", "large", "binary"])
def test_no_text_files(mailproof, folder, server, what):
    """What is no file of text holds up nothing."""
    path = folder / "a.yaml"
    if what == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"#" * 2_000_000 if what == "large" else bytes(range(256)) * 100)
    ended = mailproof("run", "a.yaml", "--target", url(server))
    assert EXIT_USAGE == ended.code
    assert ended.err.startswith("a.yaml:")
    assert 0 == server.connections
