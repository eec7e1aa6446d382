"""Where the bundled files are."""

import pytest

from runner import resources
from runner.resources import bundled


@pytest.mark.parametrize("kind", ["scenarios", "schema"])
def test_a_checkout_has_its_files_beside_the_package(kind):
    """The top-level folder is what `bundled` names."""
    assert bundled(kind).is_dir()
    assert bundled(kind).name == kind


def test_an_install_has_its_files_inside_the_package(tmp_path, monkeypatch):
    """What the wheel put into `_bundled` comes first."""
    (tmp_path / "_bundled" / "schema").mkdir(parents=True)
    monkeypatch.setattr(resources, "_HERE", tmp_path)
    assert bundled("schema") == tmp_path / "_bundled" / "schema"
