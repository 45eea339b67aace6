"""One planted set and its folder, for all tests here; tests that change it get a copy."""

import shutil

import exported_sets
import planted_sets
import pytest

from codingaxes.stimulus_sets import folder


@pytest.fixture(scope="session")
def working(tmp_path_factory):
    """The tables, pictures and perturbations of a planted set."""
    folder = tmp_path_factory.mktemp("sets") / "working"
    return planted_sets.plant(folder)


@pytest.fixture(scope="session")
def exported(working, tmp_path_factory):
    """The folder of all of that set, not to be changed."""
    path = tmp_path_factory.mktemp("exported") / "planted"
    folder.write(path, exported_sets.content(working))
    return path


@pytest.fixture(scope="session")
def small(working, tmp_path_factory):
    """The folder of a few stimuli of that set, not to be changed."""
    return exported_sets.export(working, tmp_path_factory.mktemp("small") / "few")


@pytest.fixture
def copied(small, tmp_path):
    """The folder of a few stimuli, moved elsewhere under another name; a test may change it."""
    return shutil.copytree(small, tmp_path / "elsewhere" / "from a colleague")
