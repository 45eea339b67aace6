"""Tests of natural levels and super-stimuli."""

import numpy as np
import pandas as pd

from codingaxes.estimates.levels import natural_level, super_stimulus


def test_levels_are_0_and_1_at_the_quantiles_and_linear_between_and_beyond():
    found = natural_level([-1.0, 3.0, 1.0, 5.0], [-1.0] * 4, [3.0] * 4)
    np.testing.assert_allclose(found, [0.0, 1.0, 0.5, 1.5])


def test_a_model_whose_responses_are_all_alike_has_no_levels():
    assert np.isnan(natural_level([1.0, 2.0], [1.0, 1.0], [1.0, 1.0 + 1e-7])).all()


def test_an_image_is_a_super_stimulus_beyond_nature_in_its_own_direction_alone():
    level = np.array([1.01, 1.0, -0.2, -0.2, 1.3, np.nan, np.nan])
    direction = pd.Series(["increase"] * 3 + ["decrease"] * 3 + ["increase"])
    assert super_stimulus(level, direction).tolist() == [True, False, False, True, False, False, False]
