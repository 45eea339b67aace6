"""Tests of verdicts, and of p-values that are adjusted for the number of claims."""

import numpy as np
import pytest

from codingaxes.claims import verdicts
from codingaxes.claims.kinds import Side

NONE = np.nan


@pytest.mark.parametrize(
    ("side", "interval", "narrow", "negligible", "p", "verdict"),
    [
        (Side("above", 0.1), (0.11, 0.5), (0.15, 0.45), NONE, 0.01, "supported"),
        (Side("above", 0.1), (0.11, 0.5), (0.15, 0.45), NONE, 0.06, "undecided"),
        (Side("above", 0.1), (0.09, 0.5), (0.15, 0.45), NONE, 0.01, "undecided"),
        (Side("above", 0.1), (0.01, 0.09), (0.02, 0.08), NONE, 0.99, "contradicted"),
        (Side("below", 1.0), (0.2, 0.9), (0.3, 0.8), NONE, 0.01, "supported"),
        (Side("below", 1.0), (1.1, 1.9), (1.2, 1.8), NONE, 0.99, "contradicted"),
        (Side("within", 0.1), (-0.11, 0.05), (-0.09, 0.04), NONE, 0.04, "supported"),
        (Side("within", 0.1), (-0.11, 0.05), (-0.101, 0.04), NONE, 0.06, "undecided"),
        (Side("within", 0.1), (0.11, 0.3), (0.13, 0.28), NONE, 0.9, "contradicted"),
        (Side("within", 0.1), (-0.3, -0.11), (-0.28, -0.13), NONE, 0.9, "contradicted"),
        (Side("outside", 0.0), (-3.0, -0.5), (-2.5, -1.0), 0.2, 0.01, "supported"),
        (Side("outside", 0.0), (-0.15, 0.15), (-0.1, 0.1), 0.2, 0.9, "contradicted"),
        (Side("above", 0.0), (0.001, 0.01), (0.002, 0.009), 0.02, 0.01, "contradicted"),
        (Side("above", 0.0), (NONE, NONE), (NONE, NONE), 0.02, 0.01, "undecided"),
        (Side("above", 0.0), (0.1, 0.2), (0.1, 0.2), 0.02, NONE, "undecided"),
    ],
)
def test_a_verdict_needs_the_interval_on_one_side_and_an_adjusted_p(
    side, interval, narrow, negligible, p, verdict
):
    assert verdicts.verdict(side, interval, narrow, negligible, p) == verdict


def test_p_values_are_adjusted_by_holm_and_missing_ones_do_not_count():
    """The example of R's p.adjust: its values for method = "holm"."""
    adjusted = verdicts.holm([0.01, 0.02, np.nan, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(adjusted, [0.05, 0.08, np.nan, 0.09, 0.09, 0.09])
    assert np.isnan(verdicts.holm([np.nan])).all() and verdicts.holm([0.9, 0.8]).max() == 1


def test_an_adjusted_p_finds_something_in_at_most_five_percent_of_sets_of_true_hypotheses():
    rng = np.random.default_rng(5)
    found = np.mean([verdicts.holm(rng.uniform(size=15)).min() < 0.05 for _ in range(2000)])
    assert found < 0.065


def test_a_reason_says_which_of_the_two_conditions_is_missing():
    side = Side("above", 0.0)
    assert "not on one side of 0" in verdicts.why_undecided(side, (-1, 2), (-0.5, 1), 0.2, 0.6)
    assert verdicts.why_undecided(side, (1, 2), (1, 2), 0.02, 0.3).startswith("p is 0.02, and 0.3 adjusted")
    assert "±0.1" in verdicts.why_undecided(Side("within", 0.1), (-1, 2), (-0.5, 1), 0.2, 0.6)
