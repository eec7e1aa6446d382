"""`mailproof lint`: the command around the rules, its exit codes, and what --fix leaves of a file."""

from __future__ import annotations

import os
import stat

import pytest
from commands import run_process, write

GOOD = "name: greets\nsteps:\n  - expect: 220\n"
STAR = "name: stars\nsteps:\n  - expect: 220 *\n"
PASSWORD = "correct-horse"
SECRET = f"name: logs in\nvars: {{password: {PASSWORD}}}\nsteps:\n  - expect: 220 ${{password}}\n"


def test_clean(mailproof, folder):
    """Nothing found is exit 0, and says how many files were looked at."""
    write(folder, {"x.yaml": GOOD})
    assert (0, "nothing found in 1 file\n", "") == tuple(vars(mailproof("lint", "x.yaml")).values())


def test_found(mailproof, folder):
    """A finding is exit 1, in the form of errors with its rule behind it."""
    write(folder, {"x.yaml": STAR, "y.yaml": GOOD})
    ended = mailproof("lint", ".")
    assert 1 == ended.code
    assert ended.out == (
        "x.yaml:3:17: '*' matches every text [matches-everything]\n"
        "  |\n3 |   - expect: 220 *\n  |                 ^\n  = write 220 alone, or what the text must be\n\n"
        "1 finding in 1 of 2 files; --fix mends 1\n"
    )


def test_invalid(mailproof, folder):
    """What validate refuses is not looked at: exit 2."""
    write(folder, {"x.yaml": STAR, "y.yaml": "name: x\n"})
    ended = mailproof("lint", ".")
    assert (2, "") == (ended.code, ended.out)
    assert "y.yaml:1:1" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["nope.yaml"], "there is no file or folder 'nope.yaml'", id="no file"),
        pytest.param(["sub/mailproof.yaml"], "there is no file 'sub/mailproof.yaml'", id="no project file"),
        pytest.param(["pack:", "--fix"], "--fix changes no bundled scenario", id="fix of the pack"),
        pytest.param(["--explain", "match"], "there is no rule 'match'", id="no rule"),
        pytest.param([], "which scenarios?", id="nothing to look at"),
    ],
)
def test_wrong_usage(mailproof, words, said):
    """What can't be is exit 2."""
    ended = mailproof("lint", *words)
    assert (2, "") == (ended.code, ended.out)
    assert said in ended.err


def test_without_paths_the_project_is_looked_at(mailproof, folder):
    """Its file and the scenarios beside it."""
    write(folder, {"mailproof.yaml": f"targets: {{}}\nvars: {{token: {PASSWORD}}}\n", "scenarios/x.yaml": STAR})
    ended = mailproof("lint")
    heads = [line.split(" ")[0] for line in ended.out.splitlines() if line.endswith("]")]
    assert ["mailproof.yaml:2:15:", "scenarios/x.yaml:3:17:"] == heads


def test_from_a_folder_below_the_project(mailproof, folder, monkeypatch):
    """The project file is called as its scenarios are: from where one stands."""
    write(folder, {"mailproof.yaml": 'targets: {}\nvars: {word: "x"}\n', "scenarios/x.yaml": STAR})
    monkeypatch.chdir(folder / "scenarios")
    heads = [line.split(" ")[0] for line in mailproof("lint").out.splitlines() if line.endswith("]")]
    assert ["../mailproof.yaml:2:14:", "x.yaml:3:17:"] == heads


def test_no_password_is_shown(mailproof, folder):
    """Neither as text nor as an annotation."""
    write(folder, {"x.yaml": SECRET, "mailproof.yaml": f'targets: {{}}\nvars: {{password: "{PASSWORD}"}}\n'})
    ended = [mailproof("lint", "x.yaml", "mailproof.yaml", "--format", how) for how in ("text", "github")]
    assert [1, 1] == [one.code for one in ended]
    assert PASSWORD not in "".join(one.out + one.err for one in ended)


def test_sessions_of_the_project(mailproof, folder):
    """What a session's target speaks the project file says."""
    text = (
        "name: x\nsessions: {inbox: reader}\nsteps:\n  - session: inbox\n    expect: OK\n"
        "  - session: inbox\n    send: SELECT a\n    expect: OK\n"
    )
    write(folder, {"mailproof.yaml": "targets: {reader: 'imap://h'}\n", "scenarios/x.yaml": text})
    assert "scenarios/x.yaml:7:11: SELECT before LOGIN or AUTHENTICATE" in mailproof("lint").out


def test_same_name_in_two_files(mailproof, folder):
    """Only a run of both shows it."""
    write(folder, {"a.yaml": GOOD, "b.yaml": GOOD})
    assert "another scenario is called 'greets'" in mailproof("lint", ".").out
    assert 0 == mailproof("lint", "b.yaml").code


def test_fragments_are_looked_at_too(mailproof, folder):
    """They lie beside scenarios, and may be named."""
    write(folder, {"f.yaml": "fragment: {params: [a]}\nsteps:\n  - expect: 250\n"})
    assert "the parameter 'a' is never used [unused-parameter]" in mailproof("lint", "f.yaml").out


def test_pedantic(mailproof, folder):
    """More is asked of files that others run."""
    write(folder, {"x.yaml": GOOD})
    assert "[missing-tags]" in mailproof("lint", "x.yaml", "--pedantic").out
    assert 0 == mailproof("lint", "pack:", "--pedantic").code


def test_github(mailproof, folder):
    """Each finding is one workflow command, which no text ends."""
    write(folder, {"x,y.yaml": STAR})
    first, last = mailproof("lint", ".", "--format", "github").out.splitlines()
    assert first == (
        "::warning file=x%2Cy.yaml,line=3,col=17,title=matches-everything"
        "::'*' matches every text: write 220 alone, or what the text must be"
    )
    assert "1 finding in 1 of 1 file; --fix mends 1" == last


def test_list_and_explain(mailproof):
    """Every rule is told, and each with an example."""
    listed = mailproof("lint", "--list").out
    assert "matches-everything       A pattern matches every text.\n" in listed
    assert 80 >= max(map(len, listed.splitlines()))
    told = mailproof("lint", "--explain", "matches-everything").out
    assert "    - expect: 220 *\n" in told
    assert told.endswith("# lint: allow matches-everything\n")


# Fixing.


def test_fix(mailproof, folder):
    """What was done is said; comments, the rest of the file and who may read it stay."""
    path = folder / "x.yaml"
    path.write_text("# why\n" + STAR.replace("*", "*  # so"), "utf-8")
    path.chmod(0o640)
    ended = mailproof("lint", "x.yaml", "--fix")
    said = "x.yaml:4:17: '220 *' is '220' now [matches-everything]\n\nnothing found in 1 file\n"
    assert (0, said) == (ended.code, ended.out)
    assert "# why\nname: stars\nsteps:\n  - expect: 220  # so\n" == path.read_text("utf-8")
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_what_can_not_be_fixed_stays_told(mailproof, folder):
    """Exit 1, and the file is as it was."""
    write(folder, {"x.yaml": SECRET})
    ended = mailproof("lint", "x.yaml", "--fix")
    assert (1, SECRET) == (ended.code, (folder / "x.yaml").read_text())
    assert ended.out.endswith("\n1 finding in 1 of 1 file\n")


def test_what_shows_only_after_a_fix(mailproof, folder):
    """Both secrets go, though each is taken out of the same line."""
    write(folder, {"x.yaml": GOOD.replace("steps", "secrets: [a, b]\nsteps")})
    ended = mailproof("lint", "x.yaml", "--fix")
    assert (0, GOOD) == (ended.code, (folder / "x.yaml").read_text())


def test_a_fix_never_makes_a_file_wrong(mailproof, folder):
    """In braces a placeholder wants quotes that the fix does not write: it stays told."""
    text = "name: x\nsteps:\n  - {send: AUTH LOGIN, expect: 334}\n  - {send: YWxpY2U=, expect: 334}\n"
    write(folder, {"x.yaml": text})
    ended = mailproof("lint", "x.yaml", "--fix")
    assert (1, text) == (ended.code, (folder / "x.yaml").read_text())


def test_a_link_stays_a_link(mailproof, folder):
    """What it leads to is mended."""
    write(folder, {"real.yaml": STAR})
    (folder / "x.yaml").symlink_to("real.yaml")
    assert 0 == mailproof("lint", "x.yaml", "--fix").code
    assert (folder / "x.yaml").is_symlink()
    assert "220 *" not in (folder / "real.yaml").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written(mailproof, folder):
    """It is told, and stays."""
    write(folder, {"x.yaml": STAR})
    (folder / "x.yaml").chmod(0o444)
    assert 3 == mailproof("lint", "x.yaml", "--fix").code


def test_nothing_is_left_beside_a_file(folder):
    """What was written for it has taken its place."""
    write(folder, {"x.yaml": STAR})
    ended = run_process("lint", "x.yaml", "--fix", cwd=folder)
    assert 0 == ended.code
    assert ["x.yaml"] == os.listdir(folder)
