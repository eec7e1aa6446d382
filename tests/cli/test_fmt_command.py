"""`mailproof fmt`: the command around the formatter, and what it leaves of a file."""

from __future__ import annotations

import os
import stat

import pytest
from commands import run_process, write

from runner.authoring.formatting import formatter

GOOD = "name: greets\nsteps:\n  - expect: 220\n"
MESSY = 'name: "greets"\nsteps:\n- expect:   "220"\n'


def test_rewritten(mailproof, folder):
    """Each file that changes is named, the others are counted."""
    write(folder, {"x.yaml": MESSY, "y.yaml": GOOD})
    ended = mailproof("fmt", ".")
    assert (0, "x.yaml: rewritten\n1 file rewritten, 1 file in form already\n") == (ended.code, ended.out)
    assert GOOD == (folder / "x.yaml").read_text()
    assert "2 files in form already\n" == mailproof("fmt", ".").out


def test_check(mailproof, folder):
    """Exit 1 where a file would change, and nothing is written."""
    write(folder, {"x.yaml": MESSY})
    ended = mailproof("fmt", "x.yaml", "--check")
    assert (1, "x.yaml: would be rewritten\n1 file would be rewritten\n") == (ended.code, ended.out)
    assert MESSY == (folder / "x.yaml").read_text()
    write(folder, {"x.yaml": GOOD})
    assert 0 == mailproof("fmt", "x.yaml", "--check").code


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--check",), 1)], ids=["alone", "with --check"])
def test_diff(mailproof, folder, words, code):
    """What would change is shown, and nothing is written."""
    write(folder, {"x.yaml": MESSY})
    ended = mailproof("fmt", "x.yaml", "--diff", *words)
    assert code == ended.code
    assert '-name: "greets"\n' in ended.out
    assert "+name: greets\n" in ended.out
    assert MESSY == (folder / "x.yaml").read_text()


def test_bytes_that_no_text_shows(mailproof, folder):
    """A byte order mark and CRLF go; that alone is a change."""
    (folder / "x.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    (folder / "y.yaml").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert 1 == mailproof("fmt", ".", "--check").code
    mailproof("fmt", ".")
    assert [GOOD.encode()] * 2 == [(folder / name).read_bytes() for name in ("x.yaml", "y.yaml")]


def test_project_and_fragments(mailproof, folder):
    """Without paths all of a project's files are written in their form."""
    files = {
        "mailproof.yaml": "vars: {a: b}\ntargets: {}\n",
        "scenarios/x.yaml": MESSY,
        "scenarios/f.yaml": "steps:\n- expect: 250\nfragment: {params: []}\n",
    }
    write(folder, files)
    assert 0 == mailproof("fmt").code
    assert "targets: {}\nvars: {a: b}\n" == (folder / "mailproof.yaml").read_text()
    assert (folder / "scenarios/f.yaml").read_text().startswith("fragment: {params: []}\nsteps:\n  - expect: 250\n")


def test_an_invalid_file(mailproof, folder):
    """It is told as validate does, and no file is written."""
    write(folder, {"x.yaml": MESSY, "y.yaml": "name: x\nstep: []\n", "mailproof.yaml": "target: {}\n"})
    ended = mailproof("fmt", ".", "mailproof.yaml")
    assert (2, "") == (ended.code, ended.out)
    assert ["mailproof.yaml", "y.yaml"] == sorted(
        {line.split(":")[0] for line in ended.err.splitlines() if "yaml:" in line}
    )
    assert MESSY == (folder / "x.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["pack:"], "the bundled scenarios are in their form already", id="pack"),
        pytest.param(["nope.yaml"], "there is no file or folder 'nope.yaml'", id="no file"),
        pytest.param(["-", "x.yaml"], "can't be formatted in one run", id="two sources"),
    ],
)
def test_wrong_usage(mailproof, words, said):
    """What can't be is exit 2."""
    ended = mailproof("fmt", *words)
    assert (2, "") == (ended.code, ended.out)
    assert said in ended.err


def test_mode_and_links_stay(mailproof, folder):
    """Who may read a file does not change, and a link stays one."""
    write(folder, {"real.yaml": MESSY})
    (folder / "real.yaml").chmod(0o604)
    (folder / "x.yaml").symlink_to("real.yaml")
    mailproof("fmt", "x.yaml")
    assert (folder / "x.yaml").is_symlink()
    assert (GOOD, 0o604) == ((folder / "real.yaml").read_text(), stat.S_IMODE((folder / "real.yaml").stat().st_mode))
    assert ["real.yaml", "x.yaml"] == sorted(os.listdir(folder))


def test_a_fault_of_the_formatter_leaves_the_file(mailproof, folder, monkeypatch):
    """It is ours, exit 3."""
    write(folder, {"x.yaml": MESSY})
    monkeypatch.setattr(formatter, "write_tree", lambda *_: "name: other\nsteps:\n  - expect: 220\n")
    ended = mailproof("fmt", "x.yaml")
    assert (3, "") == (ended.code, ended.out)
    assert "'x.yaml' in its canonical form would mean something else" in ended.err
    assert MESSY == (folder / "x.yaml").read_text()


# From standard input.


def _filter(folder, text, *words):
    with (folder / "input").open("w+b") as file:
        file.write(text.encode() if isinstance(text, str) else text)
        file.seek(0)
        return run_process("fmt", "-", *words, cwd=folder, stdin=file)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        pytest.param(MESSY, (), (0, GOOD), id="scenario"),
        pytest.param("vars: {a: b}\ntargets: {}\n", (), (0, "targets: {}\nvars: {a: b}\n"), id="project file"),
        pytest.param(MESSY, ("--check",), (1, ""), id="check"),
        pytest.param(GOOD, ("--check",), (0, ""), id="check of one in form"),
    ],
)
def test_standard_input(folder, text, words, expected):
    """It comes out in its form, and nothing is written anywhere."""
    ended = _filter(folder, text, *words)
    assert (*expected, "") == (ended.code, ended.out, ended.err)
    assert ["input"] == os.listdir(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("name: x\n", "<standard input>:1:1", id="invalid"),
        pytest.param("targets: {}\nfoo: bar\n", "<standard input>:2:1", id="invalid project file"),
        pytest.param(b"name: \xff\n", "not UTF-8", id="not UTF-8"),
        pytest.param(b"#" * (1024 * 1024 + 1), "larger than 1024 KiB", id="too large"),
    ],
)
def test_wrong_standard_input(folder, text, said):
    """It is told as a file's would be, and nothing comes out."""
    ended = _filter(folder, text)
    assert (2, "") == (ended.code, ended.out)
    assert said in ended.err
