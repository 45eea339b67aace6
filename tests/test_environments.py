"""The conda environments name the versions that the lock pins."""

import re
import tomllib
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
    for pin in (pin for pin in pins if isinstance(pin, str)):
        name, _, version = (part.strip() for part in pin.partition("="))
        name = CONDA_NAMES.get(name, name)
        if name in versions:
            assert versions[name] == version, pin
        else:  # tools need no version; packages of the optional sources have their own
            assert name in ("python", "pip", "git") or f"{name}=={version}" in optional(), pin


def optional():
    """Packages of the optional sources of networks, with their versions."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["hubs"]


def test_packages_of_optional_sources_have_the_versions_of_the_extra():
    pins = yaml.safe_load((ROOT / "envs/hubs.yaml").read_text())["dependencies"]
    (by_pip,) = (pin["pip"] for pin in pins if isinstance(pin, dict))
    assert {pin for pin in by_pip if "git+" not in pin} <= set(optional())


def test_the_lock_names_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()
