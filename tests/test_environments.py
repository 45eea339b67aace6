"""The conda environments name the versions that the lock pins."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}


def locked():
    """Versions of the lock, for Python 3.11."""
    found = {}
    for name, version, marker in re.findall(
        r"^([\w.-]+)==([\w.]+)(.*)", (ROOT / "requirements.lock").read_text(), re.M
    ):
        if "python_full_version >= '3.12'" not in marker:
            found[name] = version
    return found


@pytest.mark.parametrize("file", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_environment_pins_the_versions_of_the_lock(file):
    versions = locked()
    pins = yaml.safe_load(file.read_text())["dependencies"]
    assert len(pins) > 3
    for pin in pins:
        name, version = (part.strip() for part in pin.split("="))
        if name != "python":
            assert versions[CONDA_NAMES.get(name, name)] == version, pin


def test_the_lock_names_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()
