"""Tests of profiles: one that replaces the default keeps its keys, and limits what a machine has."""

from pathlib import Path

import pytest
import studies
import yaml

PROFILES = Path(__file__).parents[1] / "profiles"


def profile(name):
    """Read a profile."""
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


def test_the_profile_of_a_workstation_keeps_what_the_default_says():
    default, workstation = profile("default"), profile("workstation")
    assert {key: workstation[key] for key in default if key != "resources"} | {"resources": 0} == (
        default | {"resources": 0}
    )
    assert workstation["resources"].items() >= default["resources"].items()
    assert workstation["resources"]["gpu"] == 1


@pytest.mark.slow
def test_a_run_that_has_no_gpu_to_give_gives_none(tmp_path):
    folder = studies.copy_to(tmp_path / "study")
    limits = {"1": (), "0": ("--resources", "gpu=0", "downloads=4")}
    for gpus, resources in limits.items():
        arguments = ("-n", "--workflow-profile", "profiles/workstation", *resources)
        done = studies.run(folder, *arguments)
        assert done.returncode == 0, done.stdout
        assert f" gpu={gpus}," in done.stdout and f" gpu={1 - int(gpus)}," not in done.stdout
