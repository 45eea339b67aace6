"""Claims that are just not true are supported in 1 of 20 studies at most, and stated effects are found.

Every world is planted on tables: of 14 networks in three architectures, as those of the miniature, networks,
images and what belongs to neither vary alike. In its null world a claim is false by as little as can be: a
control moves a model as much as its attack, transfer lies at the margin, families differ only in what is held
equal. So the equivalence claims are calibrated too. Each claim is evaluated alone: among others, its p is
adjusted, and it is supported still less often.
"""

import numpy as np
import planted_claims as planted
import pytest

# Claims about families, which labels can be permuted of.
OF_FAMILIES = [
    "sensitivity_differs_at_equal_prediction",
    "robust_networks_need_larger_perturbations",
    "robust_subspaces_are_similar",
    "robust_networks_agree_with_the_brain",
    "sensitivity_is_not_inherited",
    "conclusions_hold_without_faces",
]
# Found by fewer than four studies of five, however large: rank correlations of 14 networks are uncertain.
WEAK = {"stability_tells_control": 0.25}


def test_every_claim_of_the_study_is_calibrated():
    assert set(planted.WORLDS) == set(planted.CLAIMS)


def supported_by_permuted_labels(name, runs):
    """Count the runs that support a claim where a planted effect is true, but labels are permuted."""
    world, amount = planted.WORLDS[name]
    count = 0
    for seed in range(runs):
        rng = np.random.default_rng([23, seed])
        tables, networks = planted.permuted(world(rng, amount), rng)
        row = planted.verdict_of(name, tables, seed=seed, table_of_networks=networks)
        count += row["verdict"] == "supported"
    return count


@pytest.mark.slow
@pytest.mark.parametrize("name", planted.WORLDS)
def test_of_a_few_null_worlds_hardly_any_supports_a_claim(name):
    """Of 25 studies 5 or more would be supported in fewer than 1 of 100 cases, if 1 of 20 is."""
    assert planted.supported(name, 0.0, runs=25) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", planted.WORLDS)
def test_an_effect_of_the_stated_size_is_found_in_most_of_a_few_studies(name):
    found = planted.supported(name, planted.WORLDS[name][1], runs=8)
    assert found >= (1 if name in WEAK else 5)


@pytest.mark.long
@pytest.mark.parametrize("name", planted.WORLDS)
def test_a_null_world_supports_a_claim_in_at_most_five_percent_of_runs(name):
    assert planted.supported(name, 0.0, runs=200) / 200 <= 0.07


@pytest.mark.long
@pytest.mark.parametrize("name", OF_FAMILIES)
def test_permuted_labels_support_a_claim_in_at_most_five_percent_of_runs(name):
    assert supported_by_permuted_labels(name, 200) / 200 <= 0.07


@pytest.mark.long
def test_properties_that_go_with_nothing_support_no_claim_about_control():
    assert planted.supported("stability_tells_control", None, runs=200) / 200 <= 0.07


@pytest.mark.long
@pytest.mark.parametrize("name", planted.WORLDS)
def test_an_effect_of_the_stated_size_is_found_in_four_studies_of_five(name):
    found = planted.supported(name, planted.WORLDS[name][1], runs=60) / 60
    assert found >= WEAK.get(name, 0.8)
