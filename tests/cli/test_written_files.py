"""Files that commands write with `-o`: never over one that is there, unless `--force` says so."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from runner.cli.files import make_folder
from runner.errors import EXIT_TOOL, EXIT_USAGE, UsageError

TRANSCRIPT = Path(__file__).parents[1] / "authoring" / "transcripts" / "1-local-delivery.txt"
#: Nothing listens there, and nobody asks: the file is looked at before anything connects.
NOBODY = "smtp://127.0.0.1:9"
WRITING = {
    "new": ["new", "relay"],
    "import": ["import", TRANSCRIPT],
    "record": ["record", NOBODY],
    "record --listen": ["record", "--listen", "0", NOBODY],
    "probe": ["probe", NOBODY],
    "schema": ["schema", "scenario"],
    "baseline save": ["baseline", "save", "pack:", "--target", NOBODY],
}


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_a_file_that_is_there_stays(mailproof, folder, words):
    """Whatever a command would write, what the name has meant so far is kept, and nothing is left beside it."""
    (folder / "mine.yaml").write_text("mine")
    ended = mailproof(*words, "-o", "mine.yaml")
    assert EXIT_USAGE == ended.code
    assert "'mine.yaml' is there already; --force writes over it" in ended.err
    assert "mine" == (folder / "mine.yaml").read_text()
    assert ["mine.yaml"] == [one.name for one in folder.iterdir()]


@pytest.mark.parametrize("name", ["new", "import", "schema"])
def test_force_writes_over_it(mailproof, folder, name):
    """With `--force` the new file takes the place, whole."""
    (folder / "mine.yaml").write_text("mine")
    assert 0 == mailproof(*WRITING[name], "-o", "mine.yaml", "--force").code
    assert "mine" != (folder / "mine.yaml").read_text()
    assert ["mine.yaml"] == [one.name for one in folder.iterdir()]


@pytest.mark.parametrize("beside", [None, ".mailproof-0"], ids=["nameless", "beside"])
@pytest.mark.parametrize("name", ["new", "import", "schema"])
def test_a_file_that_cannot_be_written_is_named(mailproof, folder, monkeypatch, name, beside):
    """By the name that was given, whatever file the system complains of; nothing is left."""

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device", beside)

    monkeypatch.setattr("runner.cli.files.NewFile.write", fill)
    ended = mailproof(*WRITING[name], "-o", "mine.yaml")
    assert (EXIT_TOOL, "mailproof: 'mine.yaml': no space left on device\n") == (ended.code, ended.err)
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_a_folder_that_is_not_there(mailproof, folder, words):
    """No folder is made for a file, and none is needed to say so."""
    ended = mailproof(*words, "-o", "none/mine.yaml")
    assert EXIT_USAGE == ended.code
    assert "there is no folder" in ended.err
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_an_empty_name(mailproof, folder, words):
    """A variable of the shell that was never set is no file, and nothing else either."""
    ended = mailproof(*words, "-o", "")
    assert (EXIT_USAGE, True) == (ended.code, "an empty name is no file" in ended.err), ended.err
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("name", ["new", "record", "probe", "schema", "baseline save"])
def test_a_folder_in_place_of_a_file(mailproof, folder, name):
    """What writes one file makes none of the name of a folder."""
    ended = mailproof(*WRITING[name], "-o", "none/")
    assert (EXIT_USAGE, True) == (ended.code, "'none/' is a folder, and here one file is written" in ended.err), (
        ended.err
    )
    assert [] == list(folder.iterdir())


class TestMakeFolder:
    @pytest.mark.parametrize("name", ["new", "new/"])
    def test_made(self, folder, name):
        """A folder is made, and one that is there is left as it is."""
        for _ in range(2):
            make_folder(name)
            assert (folder / "new").is_dir()

    def test_not_made(self, folder):
        """No folder is made above it, and none in the place of a file."""
        (folder / "mine").write_text("mine")
        with pytest.raises(UsageError, match="there is no folder for 'none/new/'"):
            make_folder("none/new/")
        with pytest.raises(UsageError, match="'mine' is no folder"):
            make_folder("mine/")
        assert ["mine"] == [one.name for one in folder.iterdir()]
