"""Levels of similarity by kind of pair, and clusters of models, of planted similarities."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from planted import MODELS, NETWORKS, REGIONS, plant, plant_networks, run

from codingaxes.names import BRAIN

KIND = ["family_i", "family_j", "architectures"]
COLUMNS = {"similarity": "same_image", "across": "different_images", "matched_chance": "matched_random"}
KINDS = {
    ("robust", "robust", "different"): [("b_tough", "c_tough")],
    ("standard", "robust", "any"): [("a_plain", "b_tough"), ("a_plain", "c_tough")],
    ("standard", BRAIN, "any"): [("a_plain", BRAIN)],
    ("robust", BRAIN, "any"): [("b_tough", BRAIN), ("c_tough", BRAIN)],
}


def means(models=MODELS, responses=("group", "voxels", "joint", "features")):
    """Make rows of similarity_means at two dimensions; the simulated brain has no features."""
    rng, rows = np.random.default_rng(5), []
    for (one, other), response, k in product(combinations(models, 2), responses, (1, 4)):
        if response == "features" and other == BRAIN:
            continue
        for roi in REGIONS if response in ("group", "voxels") else ("all",):
            similarity = rng.uniform(0.1, 0.2)
            row = {"network_i": one, "network_j": other, "response": response, "roi": roi, "k": k}
            row |= {"similarity": similarity, "across": similarity / 4, "matched_chance": similarity / 9}
            rows.append(row | {"chance": k / 768, "n_images": 8})
    return pd.DataFrame(rows)


def summarise(folder, rows):
    """Run the script; the tables similarity_levels and similarity_clusters."""
    inputs = {
        "networks": plant_networks(folder),
        "similarity_means": plant(folder, "similarity_means", rows),
    }
    return run("summarise_similarity", folder, "similarity_levels", "similarity_clusters", **inputs)


@pytest.mark.parametrize("brain", [True, False])
def test_levels_are_means_over_pairs_of_a_kind_at_the_largest_dimension(tmp_path, brain):
    rows = means(MODELS if brain else NETWORKS)
    levels, _ = summarise(tmp_path, rows)
    assert set(levels.k) == {4} and set(levels.response) == {"voxels", "joint", "features"}
    kinds = {kind: pairs for kind, pairs in KINDS.items() if brain or BRAIN not in kind}
    assert set(map(tuple, levels[KIND].to_numpy())) == set(kinds)
    rows = rows[rows.k == 4].set_index(["network_i", "network_j", "response", "roi"]).sort_index()
    averages = levels[levels.network_i == "mean"].set_index([*KIND, "response", "roi", "level"]).sort_index()
    places = [*product(["voxels"], REGIONS), ("joint", "all"), ("features", "all")]
    for (kind, pairs), (response, roi) in product(kinds.items(), places):
        if response == "features" and BRAIN in kind:
            assert (*kind, response, roi, "same_image") not in averages.index
            continue
        planted = rows.loc[[(*pair, response, roi) for pair in pairs]]
        for column, level in COLUMNS.items():
            average = averages.loc[(*kind, response, roi, level)]
            assert average.similarity == pytest.approx(planted[column].mean())
            assert average.n_pairs == len(pairs) and average.n_images == 8


def test_every_pair_has_a_row_on_the_same_image_alone(tmp_path):
    rows = means()
    levels, _ = summarise(tmp_path, rows)
    pairs = levels[levels.network_i != "mean"]
    assert set(pairs.level) == {"same_image"} and (pairs.n_pairs == 1).all()
    key = ["network_i", "network_j", "response", "roi", "k"]
    joined = pairs.merge(rows, on=key, suffixes=("", "_planted"), validate="one_to_one")
    assert len(joined) == len(pairs) == len(rows[(rows.k == 4) & (rows.response != "group")])
    assert (joined.similarity == joined.similarity_planted).all()


def test_a_pair_is_of_the_same_kind_whichever_of_its_models_comes_first(tmp_path):
    rows = means()
    turned = rows.rename(columns={"network_i": "network_j", "network_j": "network_i"})
    one, other = (summarise(tmp_path, frame)[0] for frame in (rows, turned))
    key = ["response", "roi", "level", *KIND]
    one, other = (table[table.network_i == "mean"].set_index(key).sort_index() for table in (one, other))
    pd.testing.assert_frame_equal(one, other)


def test_responses_with_fewer_axes_than_the_largest_dimension_are_taken_at_theirs(tmp_path):
    rows = means(NETWORKS)
    few = (rows.response == "features") & (rows.k == 4)
    rows.loc[few, ["similarity", "across"]] = np.nan
    levels, _ = summarise(tmp_path, rows)
    dimensions = levels.groupby("response").k.unique().map(list).to_dict()
    assert dimensions == {"voxels": [4], "joint": [4], "features": [1]}


def test_models_whose_axes_are_alike_merge_first_and_distances_are_means_over_pairs(tmp_path):
    rows = means(responses=("voxels",))
    pair = rows.network_i + rows.network_j
    for names, similarity in (("b_toughc_tough", 0.9), (f"a_plain{BRAIN}", 0.7)):
        rows.loc[pair == names, "similarity"] = similarity
    _, clusters = summarise(tmp_path, rows)
    for roi, part in clusters.groupby("roi"):
        part = part.sort_values("step")
        for side in ("left", "right"):
            names = part[side].map(dict(enumerate(MODELS))).fillna("")
            assert part[f"{side}_network"].tolist() == names.tolist()
        assert set(part.k) == {4}
        assert {part.left.iloc[0], part.right.iloc[0]} == {1, 2}
        assert {part.left.iloc[1], part.right.iloc[1]} == {0, 3}
        assert {part.left.iloc[2], part.right.iloc[2]} == {4, 5} and part["size"].tolist() == [2, 2, 4]
        between = rows[(rows.k == 4) & (rows.roi == roi) & (rows.similarity < 0.5)].similarity
        assert part.distance.tolist() == pytest.approx([0.1, 0.3, 1 - between.mean()]) and len(between) == 4


def test_a_model_without_a_similarity_to_others_is_in_no_cluster(tmp_path):
    rows = means(responses=("voxels",))
    gone = (rows.network_i == "b_tough") | (rows.network_j == "b_tough")
    rows.loc[gone & (rows.roi == "FFA") & (rows.network_j != "b_tough"), "similarity"] = np.nan
    _, clusters = summarise(tmp_path, rows)
    for roi, expected in (("FFA", {"a_plain", "c_tough", BRAIN}), ("PPA", set(MODELS))):
        part = clusters[clusters.roi == roi]
        assert {*part.left_network, *part.right_network} - {""} == expected
