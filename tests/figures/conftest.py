"""The planted tables that figures read, made once for all tests here; tests that change them get a copy."""

import shutil

import planted_summaries as planted
import pytest


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The tables of three networks and the brain, not to be changed."""
    folder = tmp_path_factory.mktemp("study")
    planted.plant(folder)
    return folder


@pytest.fixture
def folder(study, tmp_path):
    """The same, for a test to edit."""
    return shutil.copytree(study, tmp_path, dirs_exist_ok=True)
