"""Tests of the SLURM that tests start: it leaves a machine alone that has one."""

import clusters
import pytest


@pytest.mark.parametrize("name", ["slurm.conf", "gres.conf"])
def test_a_machine_with_a_slurm_of_its_own_is_left_alone(tmp_path, monkeypatch, name):
    configuration, folder = tmp_path / "etc", tmp_path / "run"
    monkeypatch.setattr(clusters, "CONFIGURATION", configuration)
    configuration.mkdir()
    folder.mkdir()
    (configuration / name).write_text("of the administrator\n")
    assert f"configured here already: {configuration / name}" in clusters.obstacle()
    cluster = clusters.Cluster(folder)
    with pytest.raises(AssertionError, match="is not ours"):
        cluster.__enter__()
    assert (configuration / name).read_text() == "of the administrator\n"
    assert cluster.daemons == [] and list(configuration.iterdir()) == [configuration / name]
