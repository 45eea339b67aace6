"""The measurement of docs/stimulus_sets.md runs on any finished study, and finds what is planted there."""

import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import planted
import planted_ranking
import pytest

from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import REGIONS
from codingaxes.tables.readouts import TARGETS

SPEC = importlib.util.spec_from_file_location("rank_study", Path(__file__).parents[2] / "docs/rank_study.py")
rank_study = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rank_study)


@pytest.fixture
def study(tmp_path):
    """A study in which robust networks, and the brain, change by 1 SD and standard ones by 0.2 SD."""
    results, zoo = tmp_path / "results", planted_ranking.networks()
    store.write(results / "networks/networks.parquet", NETWORKS, zoo)
    regions, targets = planted_ranking.noise_tables()
    for subject, rows in regions.groupby("subject"):
        store.write(results / f"nsd/regions/{subject}.parquet", REGIONS, rows)
    store.write(results / "readouts/targets.parquet", TARGETS, targets)
    cells = product(zoo.network, ["FFA"], SIGNS, planted_ranking.IMAGES, [*zoo.network, BRAIN])
    rows = pd.DataFrame(cells, columns=["network", "roi", "direction", "image_id", "reviewer"])
    tough = rows.reviewer.str.startswith("tough") | (rows.reviewer == BRAIN)
    change = np.where(tough, 1.0, 0.2) + 0.05 * np.random.default_rng(1).standard_normal(len(rows))
    rows = rows.assign(kind="perturbation", arm="pixels", control="none", step=1, before=0.5)
    rows["response"] = 0.5 + rows.direction.map(SIGNS) * change
    planted.plant(results / "synthesis", "peer_review", rows)
    return tmp_path


def test_a_study_is_ranked_for_each_architecture_of_makers_and_the_planted_families_are_told(
    study, tmp_path, monkeypatch, capsys
):
    arguments = ["rank_study.py", str(study), "--csv", str(tmp_path / "r.csv"), "--experiments", "100"]
    monkeypatch.setattr("sys.argv", arguments)
    rank_study.main()
    table = pd.read_csv(tmp_path / "r.csv")
    assert set(table.makers) == {"resnet", "vgg", "dense"} and set(table.roi) == {"FFA"}
    for makers, rows in table.groupby("makers"):
        strangers = [name for name in planted_ranking.networks().network if makers not in name]
        assert set(rows.truth) == {*strangers, BRAIN}
    assert (table.right[table.n_stimuli == 32].dropna() > 0.95).all()
    assert "information against random: fewer in" in capsys.readouterr().out
