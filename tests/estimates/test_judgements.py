"""Sums of category evidence that are added up some reviewers at a time."""

import numpy as np
import pandas as pd
import pytest

from codingaxes.estimates.judgements import Judgements


def reviews():
    """Make up reviews of two makers' images by three judges, the last of which knows no categories."""
    levels = {"family": ["plain", "tough"], "step": [1, 2], "image_id": ["a", "b", "c"]}
    levels |= {"network": ["one", "two"], "reviewer": ["one", "two", "blind"]}
    rows = pd.MultiIndex.from_product(
        [levels["network"], levels["reviewer"], levels["image_id"]], names=["network", "reviewer", "image_id"]
    ).to_frame(index=False)
    rows["family"] = rows.network.map({"one": "plain", "two": "tough"})
    change = rows.image_id.map({"a": 1.0, "b": 2.0, "c": 6.0})
    rows = rows.assign(step=1, radius=0.3, evidence_before=0.1, evidence=0.1 + change)
    rows["change"] = change.where(rows.reviewer != "blind")
    return rows.assign(independent=rows.network != rows.reviewer), levels


def test_evidence_counts_independent_judges_that_know_categories_and_no_others():
    rows, levels = reviews()
    rows = rows[rows.network == "one"]
    judgements = Judgements(["family", "step"], levels)
    for _, part in rows.groupby("reviewer", sort=False):
        judgements.add(part)
    table = judgements.table(["step"], {(1,): np.arange(3)}, seed=1, draws=99)
    assert list(table.index) == [("plain", 1)]  # of the others there is no row
    (row,) = table.itertuples()
    assert row.change == pytest.approx(3.0) and row.evidence == pytest.approx(3.1)
    assert (row.n_makers, row.n_judges, row.n_images) == (1, 1, 3)
    assert row.judged and row.radius == 0.3 and row.ci_low < 3.0 < row.ci_high
    alone = Judgements(["family", "step"], levels)
    alone.add(rows[rows.reviewer == "one"])
    (row,) = alone.table(["step"], {(1,): np.arange(3)}, seed=1, draws=99).itertuples()
    assert not row.judged and np.isnan(row.change) and (row.n_makers, row.n_judges) == (0, 0)


def test_evidence_of_reviews_in_parts_is_that_of_all_at_once():
    rows, levels = reviews()
    whole, parts = (Judgements(["family", "step"], levels) for _ in range(2))
    whole.add(rows)
    for _, part in rows.groupby("reviewer", sort=False):
        parts.add(part)
    tables = (some.table(["step"], {(1,): np.arange(3)}, seed=1, draws=99) for some in (whole, parts))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
