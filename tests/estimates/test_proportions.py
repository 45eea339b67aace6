"""Intervals of shares cover what they say, also at 0 and 1."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from codingaxes.estimates.proportions import binomial_interval


def test_an_interval_of_a_share_is_that_of_scipy_also_of_none_and_of_all():
    hits = np.array([0, 1, 37, 99, 100])
    low, high = binomial_interval(hits, 100)
    for place, successes in enumerate(hits):
        exact = binomtest(int(successes), 100).proportion_ci(method="exact")
        assert (low[place], high[place]) == pytest.approx((exact.low, exact.high))
    assert low[0] == 0 and high[-1] == 1


@pytest.mark.parametrize("probability", [0.02, 0.5, 0.95])
def test_an_interval_covers_in_at_least_95_percent_of_experiments(probability):
    hits = np.arange(201)
    low, high = binomial_interval(hits, 200)
    covered = (low <= probability) & (probability <= high)
    assert binom.pmf(hits[covered], 200, probability).sum() >= 0.95
