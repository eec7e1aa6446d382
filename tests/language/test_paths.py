"""Paths that files name never lead out of the root."""

import os
from pathlib import Path

import pytest

from runner.language.paths import find_root, resolve_inside


@pytest.fixture
def tree(tmp_path) -> Path:
    """A project folder with a file, a folder, links and a FIFO, and a file outside of it."""
    root = tmp_path / "project"
    (root / "scenarios").mkdir(parents=True)
    (root / "scenarios" / "ca.pem").write_text("ca")
    (root / "top.pem").write_text("top")
    (tmp_path / "outside.pem").write_text("outside")
    (root / "scenarios" / "out").symlink_to(tmp_path / "outside.pem")
    (root / "scenarios" / "folder-out").symlink_to(tmp_path)
    (root / "scenarios" / "in").symlink_to(root / "top.pem")
    (root / "scenarios" / "loop").symlink_to("loop")
    os.mkfifo(root / "scenarios" / "fifo")
    return root


@pytest.mark.parametrize(
    ("text", "found"),
    [("ca.pem", "scenarios/ca.pem"), ("../top.pem", "top.pem"), ("./in", "top.pem"), ("../scenarios/in", "top.pem")],
)
def test_a_path_is_relative_to_the_file_that_names_it(tree, text, found):
    """Upwards is fine as long as it ends below the root; links are followed."""
    assert str((tree / found).resolve()) == resolve_inside(tree, tree / "scenarios", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../../outside.pem", "'../../outside.pem' leads out of the folder 'project'"),
        ("out", "'out' leads out of the folder 'project'"),
        ("folder-out/outside.pem", "'folder-out/outside.pem' leads out of the folder 'project'"),
        ("../../project-2/x", "'../../project-2/x' leads out of the folder 'project'"),
        ("/etc/passwd", "'/etc/passwd' is no relative path"),
        ("~/x", "'~/x' is no relative path"),
        ("http://x/y", "'http://x/y' is no relative path"),
        ("${x}", "'${x}' is no relative path"),
        ("a\0b", "'a\0b' is no relative path"),
        ("missing", "there is no file 'missing'"),
        ("a" * 300, f"there is no file '{'a' * 300}'"),
        ("loop", "there is no file 'loop'"),
        (".", "'.' is a folder"),
        ("fifo", "'fifo' is no regular file"),
    ],
)
def test_what_is_no_file_below_the_root_is_refused(tree, text, message):
    """With one sentence, whatever the links are."""
    with pytest.raises(ValueError, match=r".") as caught:
        resolve_inside(tree, tree / "scenarios", text)
    assert message == caught.value.args[0]


def test_the_root_is_the_nearest_folder_with_a_project_file(tree):
    """Without one it is what the command line says; a linked scenario belongs where the link is."""
    scenario = tree / "scenarios" / "x.yaml"
    assert tree.parent == find_root(scenario, tree.parent)
    (tree / "mailproof.yaml").write_text("")
    assert tree == find_root(scenario, tree.parent)
    scenario.symlink_to(tree.parent / "outside.pem")
    assert tree == find_root(scenario, tree.parent)
    assert tree == find_root(tree / "scenarios" / ".." / "x.yaml", tree.parent)
