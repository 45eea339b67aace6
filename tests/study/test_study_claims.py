"""Claims of the finished micro study: of three networks they decide little, but they rest on its tables."""

import json

import numpy as np
import pytest
import studies

from codingaxes.claims import quotes
from codingaxes.tables.claims import CLAIMS, HELD_OUT_GRADIENTS, HELD_OUT_PREDICTIONS, QUOTED, UNITS
from codingaxes.tables.summaries import AGREEMENT, FAMILIES


@pytest.fixture(scope="module")
def units(study):
    return studies.read(study, "results/claims/units.parquet", UNITS)


def means(rows):
    """Compute the value of every model or pair and region."""
    sums = rows.groupby(["measure", "wanted", "source", "target", "roi"])[["top", "bottom"]].sum()
    return (sums.top / sums.bottom).rename("value")


def test_values_that_claims_average_are_those_of_the_table_families(study, units):
    """The same measures, each network's mean over regions, from the same tables by other code."""
    table = studies.read(study, "results/summaries/families.parquet", FAMILIES)
    table = table[(table.roi == "all") & table.robust.notna()].set_index(["measure", "wanted"])
    same = ("sensitivity", "r_over_ceiling", "brain_cosine", "brain_similarity", "brain_transfer_of_target")
    of_robust = means(units[units.source == studies.ROBUST]).groupby(["measure", "wanted"]).mean()
    compared = [key for key in table.index if key[0] in same]
    assert {key[0] for key in compared} == set(same)
    for key in compared:
        assert of_robust[key] == pytest.approx(table.robust[key], rel=1e-9), key


def test_agreement_with_the_brain_is_that_of_the_table_agreement(study, units):
    table = studies.read(study, "results/summaries/agreement.parquet", AGREEMENT)
    table = table[(table.measure == "cosine") & (table.roi != "all")].set_index(["network", "roi"]).value
    own = means(units[units.measure == "brain_cosine"]).reset_index().set_index(["source", "roi"]).value
    np.testing.assert_allclose(own[table.index], table, rtol=1e-9)


def test_every_claim_has_a_row_and_what_is_undecided_says_why(study):
    table = studies.read(study, "results/claims/claims.parquet", CLAIMS)
    assert len(table) == 15 and set(table.verdict) <= {"supported", "contradicted", "undecided"}
    undecided = table[table.verdict == "undecided"]
    assert len(undecided) >= 12 and (undecided.reason != "").all()  # one robust network stands for no other
    assert (table.n_subjects == len(studies.SUBJECTS)).all()
    page = (study / "results/claims/claims.md").read_text()
    assert all(title in page for title in table.title)


def test_quoted_numbers_are_those_of_their_tables_and_the_results_section_has_them(study):
    table = studies.read(study, "results/claims/numbers.parquet", QUOTED)
    content = json.loads((study / "results/claims/numbers.json").read_text())
    assert set(content) == set(table.macro)
    text = (study / "results/claims/results.md").read_text()
    assert not quotes.MARKDOWN.search(text) and "# Results" in text
    assert f"compare {content['networksStandard']['text']} standard with" in text


def test_readouts_without_a_category_are_tested_on_it_alone(study, units):
    predictions = studies.read(study, "results/claims/held_out_predictions.parquet", HELD_OUT_PREDICTIONS)
    gradients = studies.read(study, "results/claims/held_out_gradients.parquet", HELD_OUT_GRADIENTS)
    assert set(predictions.network) == set(studies.NETWORKS) == set(gradients.network_i)
    assert set(gradients.image_id) <= set(predictions.image_id)
    assert (gradients.norm > 0).all() and gradients.cosine.dropna().abs().max() <= 1
    own = means(units[units.measure == "held_out_sensitivity"])
    alone = gradients[gradients.network_j == ""]
    assert own.mean() == pytest.approx(
        max(studies.RADII) * alone.groupby(["network_i", "roi"]).norm.mean().mean()
    )
