"""Equal prediction, and differences at equal prediction."""

import numpy as np
import pandas as pd

from codingaxes.estimates import families, predictivity

ARCHITECTURES = np.repeat(["resnet", "vgg", "densenet"], 4)
ROBUST = np.tile([False, False, True, True], 3)


def test_equal_is_a_90_percent_interval_within_the_margin_and_different_a_95_percent_one_without_zero():
    for wide, narrow, expected in (
        ((-0.02, 0.02), (-0.015, 0.015), "equal"),
        ((0.01, 0.05), (0.015, 0.045), "different"),
        ((0.001, 0.029), (0.004, 0.026), "both"),
        ((-0.05, 0.05), (-0.04, 0.04), "undecided"),
        ((np.nan, np.nan), (np.nan, np.nan), "undecided"),
    ):
        assert predictivity.verdict(wide, narrow, 0.03) == expected
    assert predictivity.verdict((-0.02, 0.02), (-0.015, 0.015), np.nan) == "undecided"


def test_at_equal_r_a_difference_that_r_explains_vanishes_and_another_stays(rng):
    labels = families.permute_labels(ROBUST, ARCHITECTURES, 999, rng)
    r = 0.7 + 0.02 * rng.standard_normal(12) - 0.05 * ROBUST
    offset = pd.factorize(ARCHITECTURES)[0]
    for effect in (0.0, -1.5):
        values = offset + 20 * r + effect * ROBUST + 0.05 * rng.standard_normal(12)
        without = values[:, None] + 0.01 * rng.standard_normal((12, 24))
        result = predictivity.equal_r(values, without, r, ROBUST, ARCHITECTURES, labels)
        low, high = result.interval(0.95)
        assert low <= effect <= high and (low <= 0 <= high) == (effect == 0)
        assert (result.p < 0.05) == (effect != 0) and result.resampled == families.BOTH
    some = families.permute_labels(ROBUST[:3], ARCHITECTURES[:3], 999, rng)
    few = predictivity.equal_r(values[:3], without[:3], r[:3], ROBUST[:3], ARCHITECTURES[:3], some)
    assert np.isnan(few.difference) and np.isnan(few.interval(0.95)).all() and np.isnan(few.p)
