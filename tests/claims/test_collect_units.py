"""Tests of collect_units: it reads in blocks, and its table is the one of all that is read at once."""

import contextlib
from itertools import combinations

import numpy as np
import pandas as pd
import planted
import planted_steps
import pytest

from codingaxes.names import BRAIN
from codingaxes.tables import compact, store
from codingaxes.tables.transfer import TRANSFER

NAMES = ["a_plain", "b_tough", "c_tough"]
MODELS, REGIONS, IMAGES = [*NAMES, BRAIN], ["PPA", "FFA"], planted_steps.IMAGES
INPUTS = "networks sensitivity perturbations variants similarity similarity_means predictions targets "
INPUTS += "peer_review held_out"
AT_ONCE = 2**30


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Plant tables: PGD attacks half of the images; a file has the pairs of a model with those before it."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(3)
    paths = planted_steps.plant_steps(folder, NAMES, True, REGIONS, ["subj01"])
    for name in ("perturbations", "variants"):
        rows = store.read(paths[name], TRANSFER)
        rows = rows[(rows.attack != "l2_pgd") | rows.image_id.isin(IMAGES[:3])]
        rows = rows.assign(reached=rng.uniform(size=len(rows)) < 0.7)
        last = rows[["source", "target"]].map(lambda model: [*MODELS, "none"].index(model) % len(MODELS))
        for place, file in enumerate(paths[name]):
            store.write(file, TRANSFER, rows[last.max(axis=1) == place])
    pairs = [
        {"network_i": one, "network_j": other, "response": response, "roi": roi, "k": k}
        for response, roi in (("voxels", "PPA"), ("voxels", "FFA"), ("group", "PPA"), ("group", "FFA"))
        for k in (1, 2)
        for one, other in combinations(MODELS, 2)
    ]
    rows = [{**pair, "image_id": image, "cosine": rng.normal()} for pair in pairs for image in IMAGES]
    rows = pd.DataFrame(rows).assign(similarity=rng.normal(size=len(rows)))
    paths["similarity"] = planted.plant(folder, "similarity", rows)
    means = pd.DataFrame(pairs).assign(matched_chance=rng.normal(size=len(pairs)))
    paths["similarity_means"] = planted.plant(folder, "similarity_means", means)
    return paths


def collect(folder, paths, monkeypatch, held):
    """Collect units with so many rows in memory."""
    monkeypatch.setattr("codingaxes.tables.compact.ROWS", held)
    monkeypatch.setattr("codingaxes.tables.compact.blocks.__defaults__", (held,))
    with contextlib.chdir(folder):  # where jobs keep their parts
        return planted.run("collect_units", folder, "units", **{name: paths[name] for name in INPUTS.split()})


@pytest.mark.parametrize("held", [1, 40, 500])
def test_units_that_are_read_in_blocks_are_those_that_are_read_at_once(tmp_path, paths, monkeypatch, held):
    whole = collect(tmp_path, paths, monkeypatch, AT_ONCE)
    pd.testing.assert_frame_equal(collect(tmp_path, paths, monkeypatch, held), whole, check_exact=True)
    measures = "share_of_attack sensitivity transfer_of_target brain_transfer_of_target algorithm_transfer "
    measures += "algorithm_reference effect_transfer size_needed similarity similarity_above_spectrum "
    measures += "brain_similarity brain_cosine r_over_ceiling held_out_r held_out_sensitivity "
    measures += "held_out_transfer evidence"
    assert list(whole.measure.unique()) == measures.split()
    assert not list((tmp_path / "results").rglob("*.arrow"))


def test_transfer_is_the_change_of_the_target_beside_that_by_its_own_attack(tmp_path, paths, monkeypatch):
    table = collect(tmp_path, paths, monkeypatch, 40)
    rows = store.read([*paths["perturbations"], *paths["variants"]], TRANSFER)
    rows["change"] = rows.change_target * rows.direction.map({"increase": 1, "decrease": -1})
    for attack, measure, perturbation in (
        ("l2", "transfer_of_target", "l2"),
        ("l2_pgd", "algorithm_transfer", "l2_pgd"),
        ("l2", "algorithm_reference", "l2_pgd"),
    ):
        units = table[(table.measure == measure) & (table.perturbation == perturbation)]
        images = IMAGES[:3] if perturbation == "l2_pgd" else IMAGES
        part = rows[(rows.attack == attack) & rows.image_id.isin(images) & (rows.target != BRAIN)]
        own = part[part.source == part.target].groupby(["target", "roi", "image_id"]).change.mean()
        other = part[(part.source != part.target) & (part.source != BRAIN)]
        other = other.groupby(["source", "target", "roi", "image_id"]).change.mean()
        assert len(units) == len(other) == 6 * len(REGIONS) * len(images)
        np.testing.assert_allclose(units.top, other[pd.MultiIndex.from_frame(units[other.index.names])])
        np.testing.assert_allclose(units.bottom, own[pd.MultiIndex.from_frame(units[own.index.names])])


def test_units_resume_at_the_block_that_they_had_reached(tmp_path, paths, monkeypatch):
    whole = collect(tmp_path, paths, monkeypatch, 40)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("codingaxes.claims.units.of_axes", killed)
        with pytest.raises(KeyboardInterrupt):
            collect(tmp_path, paths, patch, 40)
    with monkeypatch.context() as patch:
        patch.setattr("codingaxes.claims.units.of_transfer", killed)  # it was done
        again = collect(tmp_path, paths, patch, 40)
    pd.testing.assert_frame_equal(again, whole, check_exact=True)


def test_values_of_a_column_are_split_unless_their_rows_are_mixed(tmp_path, monkeypatch):
    monkeypatch.setattr("codingaxes.tables.compact.ROWS", 3)
    rows = [{"network": name, "roi": roi} for roi in ("PPA", "FFA", "V1") for name in ("a", "b")]
    rows[-1:] = [{"network": name, "roi": "V1"} for name in "bcd"]
    path, table = planted.plant(tmp_path, "scores", rows), planted.TABLES["scores"]
    assert compact.split(path, table, "roi") == [["PPA"], ["FFA"], ["V1"]]
    assert compact.split(path, table, "roi", [("network", "=", "a")]) == [["PPA", "FFA", "V1"]]
    assert compact.split(path, table, "network") == [["a", "b", "c", "d"]]
    assert compact.split(path, table, "roi", [("network", "=", "none")]) == []
    assert compact.tally(path, "roi") == {"PPA": 2, "FFA": 2, "V1": 4}
