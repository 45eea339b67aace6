"""Every summary of the smallest studies, and of models that share no image: what is missing has a reason."""

from functools import cache

import numpy as np
import pytest
from planted_steps import IMAGES, plant_steps, share_no_image, summaries

APART = "two networks that share no image"
STUDIES = {  # networks, whether there is a simulated brain, regions, subjects
    "one network": (["a_plain"], False, ["FFA"], ["subj01"]),
    "one network and the brain": (["a_plain"], True, ["FFA"], ["subj01"]),
    "two networks of two families": (["a_plain", "b_tough"], False, ["FFA"], ["subj01"]),
    "two networks of one family and the brain": (["b_tough", "c_tough"], True, ["FFA", "PPA"], ["subj01"]),
    APART: (["a_plain", "b_tough"], True, ["FFA"], ["subj01"]),
    "two subjects": (["a_plain", "b_tough"], True, ["FFA"], ["subj01", "subj02"]),
}
ESTIMATES = {  # what a row is about; where it, or its interval, is missing, the row says why
    "similarity": ("similarity", "across_images", "captured_ij", "captured_ji", "own_i", "own_j"),
    "race_values": ("value", "change"),
    "sensitivities": ("median", "ci_low"),
    "changes": ("change", "ci_low"),
    "transfers": ("change", "change_low"),
    "transfer_asymmetry": ("slope",),
    "fixed_effect": ("change", "change_low"),
    "transfer_controls": ("absolute", "absolute_low"),
    "algorithms": ("estimate", "ci_low"),
    "similarity_means": ("similarity", "similarity_low"),
    "network_measures": ("r", "sensitivity"),
    "network_correlations": ("rank_correlation",),
    "reliability": ("reliability",),
    "regression": ("coefficient",),
    "agreement": ("value", "ci_low"),
    "control_slopes": ("slope", "ci_low"),
    "ladder_changes": ("change", "ci_low"),
    "category_evidence": ("change", "ci_low"),
    "predictors": ("rank_correlation",),
    "families": ("difference", "ci_low"),
    "predictivity": ("difference", "ci_low"),
    "numbers": ("estimate",),
}
OF_PAIRS = ("similarity", "similarity_means", "similarity_levels", "similarity_clusters", "fixed_effect")
OF_PAIRS += ("regression", "reliability", "families")


@pytest.fixture(scope="module")
def summarised(tmp_path_factory):
    """Give a function that plants one of the studies and makes all of its summaries, once: tables by name."""

    @cache
    def summarise(name):
        folder = tmp_path_factory.mktemp("study")
        networks, brain, regions, subjects = STUDIES[name]
        paths = plant_steps(folder, networks, brain, regions, subjects)
        if name == APART:
            share_no_image(paths, *networks)
        return summaries(folder, paths, brain)

    return summarise


@pytest.mark.parametrize("name", STUDIES)
def test_whatever_is_missing_has_a_reason_and_nothing_is_infinite(summarised, name):
    for file, table in summarised(name).items():
        assert not np.isinf(table.select_dtypes("number").to_numpy(float)).any(), file
        if file in ESTIMATES:
            missing = table[list(ESTIMATES[file])].isna().any(axis=1)
            assert (table.reason[missing] != "").all(), file


def test_what_there_is_of_a_single_network_is_its_own(summarised):
    tables = summarised("one network")
    for table in OF_PAIRS:
        assert tables[table].empty, table
    transfers = tables["transfers"]
    assert set(transfers.source) == {"a_plain", "none"} and set(transfers.target) == {"a_plain"}
    assert transfers.cosine.isna().all()
    assert set(tables["changes"].perturbation) == {"own", "noise"}
    assert set(tables["algorithms"].measure) == {"own change"}
    assert set(tables["transfer_asymmetry"].n_pairs) == {0}
    kinds = tables["numbers"][["family_source", "family_target", "architectures"]]
    assert set(map(tuple, kinds.to_numpy())) == {("standard", "standard", "itself")}
    assert tables["predictivity"].empty  # which compares networks


def test_a_pair_that_shares_no_image_has_neither_similarity_nor_p_and_other_pairs_have_both(summarised):
    means = summarised(APART)["similarity_means"]
    apart = (means.network_i == "a_plain") & (means.network_j == "b_tough")
    assert apart.sum() == 3  # two numbers of axes of voxels, and the gradient
    assert (means.n_images[apart] == 0).all() and (means.n_images[~apart] == 3).all()
    assert means.loc[apart, ["similarity", "similarity_low", "p_matched"]].isna().all(axis=None)
    assert (means.reason[apart] == "on no image have both models axes that converged").all()
    assert means.p_matched[~apart].between(0.001, 1).all() and means.similarity[~apart].notna().all()


def test_an_image_without_a_similarity_says_which_of_the_two_models_lacks_axes(summarised):
    rows = summarised(APART)["similarity"]
    first = rows.image_id.isin(IMAGES[: len(IMAGES) // 2])
    one, other = (rows.network_i == "a_plain"), (rows.network_j == "b_tough")
    assert rows.similarity.isna().equals(rows.reason.str.contains("of its k leading axes", regex=False))
    assert rows.reason[one & other & first].str.startswith("network_j: of its k leading axes").all()
    assert rows.reason[one & other & ~first].str.startswith("network_i: of its k leading axes").all()
    assert (rows.reason[one & ~other & first] == "").all() and rows.reason[~one & first].ne("").all()
