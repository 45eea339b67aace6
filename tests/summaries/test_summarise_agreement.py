"""Agreement with the simulated brain, of planted similarities and attacks."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, MODELS, NETWORKS, REGIONS, plant, run
from planted_attacks import SHARE, attacked, drawn, own_change, plant_transfer

from codingaxes.names import BRAIN


def plant_similarity(folder, models=MODELS, turned=False):
    """Write similarity of gradients and of voxels' axes; the pairs perhaps the other way round."""
    rng, rows = np.random.default_rng(1), []
    for pair, roi, image in product(combinations(models, 2), REGIONS, IMAGES):
        one, other = pair[::-1] if turned else pair
        row = {"network_i": one, "network_j": other, "roi": roi, "image_id": image}
        for response, k in (("group", 1), ("voxels", 1), ("voxels", 4)):
            values = {"similarity": rng.uniform(0, 0.2), "cosine": rng.uniform(-1, 1) if k == 1 else np.nan}
            rows.append(row | {"response": response, "k": k, "chance": k / 768} | values)
    return plant(folder, "similarity", rows)


def summarise(folder, turned=False):
    """Run the script; the table agreement, and the planted similarities."""
    similarity = plant_similarity(folder, turned=turned)
    rows = pd.concat([attacked(), attacked(radius=0.2, share=0.9), drawn()])
    transfer = plant_transfer(folder, rows)
    table = run("summarise_agreement", folder, "agreement", similarity=similarity, transfer=transfer)
    return table, pd.read_parquet(similarity)


@pytest.mark.parametrize("turned", [False, True])
def test_cosines_and_similarities_are_means_over_images_of_pairs_with_the_brain(tmp_path, turned):
    table, similarity = summarise(tmp_path, turned)
    partner, brain = ("network_j", "network_i") if turned else ("network_i", "network_j")
    similarity = similarity[similarity[brain] == BRAIN]
    for measure, query, k in (
        ("cosine", "response == 'group' and k == 1", 0),
        ("similarity", "response == 'voxels' and k == 4", 4),
    ):
        expected = similarity.query(query).groupby(["roi", partner])[measure].mean()
        rows = table[table.measure == measure].set_index(["roi", "network"]).sort_index()
        assert rows.value.to_numpy() == pytest.approx(expected.to_numpy()) and (rows.k == k).all()
        assert (rows.ci_low < rows.value).all() and (rows.value < rows.ci_high).all()
        assert (rows.n_images == len(IMAGES)).all() and (rows.radius == 0).all()
    assert (table.chance[table.measure == "similarity"] == 4 / 768).all()
    assert table.chance[table.measure != "similarity"].isna().all()


def test_attacks_of_the_main_radius_on_networks_move_the_brain_by_the_planted_share(tmp_path):
    table, _ = summarise(tmp_path)
    rows = table[table.measure == "transfer_of_brain"]
    assert sorted(zip(rows.roi, rows.network, strict=True)) == sorted(product(REGIONS, NETWORKS))
    for row in rows.itertuples():
        changes = [[own_change(name, image, row.roi) for image in IMAGES] for name in (row.network, BRAIN)]
        assert row.value == pytest.approx(SHARE * np.sum(changes[0]) / np.sum(changes[1]))
    assert rows.ci_low.isna().all()  # the share is the same of all images
    assert (rows.radius == 0.5).all() and (rows.k == 0).all()


def test_an_image_without_a_similarity_is_left_out(tmp_path):
    path = plant_similarity(tmp_path)
    rows = pd.read_parquet(path)
    rows.loc[(rows.network_i == "a_plain") & (rows.image_id == IMAGES[0]), "similarity"] = np.nan
    path = plant(tmp_path, "similarity", rows)
    transfer = plant_transfer(tmp_path)
    table = run("summarise_agreement", tmp_path, "agreement", similarity=path, transfer=transfer)
    n = table[table.measure == "similarity"].groupby("network").n_images.unique().map(list)
    assert n["a_plain"] == [len(IMAGES) - 1] and n["b_tough"] == [len(IMAGES)]


def test_a_network_without_any_similarity_has_a_row_that_says_so(tmp_path):
    path = plant_similarity(tmp_path)
    rows = pd.read_parquet(path)
    rows.loc[rows.network_i == "b_tough", ["similarity", "cosine"]] = np.nan
    path = plant(tmp_path, "similarity", rows)
    transfer = plant_transfer(tmp_path)
    table = run("summarise_agreement", tmp_path, "agreement", similarity=path, transfer=transfer)
    table = table[table.measure != "transfer_of_brain"]
    missing = table.network == "b_tough"
    assert missing.sum() == 2 * len(REGIONS) and table.value.isna().equals(missing)
    assert (table.reason[missing] == "no image has a value").all() and (table.n_images[missing] == 0).all()


def test_a_study_without_a_simulated_brain_is_refused(tmp_path):
    similarity, transfer = plant_similarity(tmp_path, NETWORKS), plant_transfer(tmp_path)
    with pytest.raises(ValueError, match="no row with simulated_brain"):
        run("summarise_agreement", tmp_path, "agreement", similarity=similarity, transfer=transfer)
