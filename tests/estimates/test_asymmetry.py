"""The asymmetry of transfer, of planted pairs whose truth is known."""

import numpy as np
import pytest

from codingaxes.estimates import asymmetry


def test_the_asymmetry_of_transfer_has_slope_one_where_shares_of_the_target_are_symmetric():
    rng = np.random.default_rng(0)
    ratio, share = rng.lognormal(0, 1, 40), rng.uniform(0.1, 1, 40)
    there, back = share * ratio, share / ratio
    assert asymmetry.transfer_asymmetry(there, back, ratio) == pytest.approx((1.0, 1.0, 40))
    # which model of a pair comes first changes nothing
    swap = np.arange(40) % 2 == 0
    turned, noisy = np.where(swap, 1 / ratio, ratio), there * rng.lognormal(0, 0.3, 40)
    one = asymmetry.transfer_asymmetry(noisy, back, ratio)
    other = asymmetry.transfer_asymmetry(np.where(swap, back, noisy), np.where(swap, noisy, back), turned)
    assert one == pytest.approx(other) and 0.9 < one[1] < 1


def test_pairs_whose_transfer_is_not_positive_both_ways_do_not_count_for_its_asymmetry():
    slope, r_squared, n = asymmetry.transfer_asymmetry(
        np.array([2.0, -1.0, 1.0]), np.array([0.5, 1.0, 0.0]), np.array([2.0, 2.0, 2.0])
    )
    assert (slope, r_squared, n) == (pytest.approx(1.0), pytest.approx(1.0), 1)
    nothing = asymmetry.transfer_asymmetry(np.array([-1.0]), np.array([1.0]), np.array([2.0]))
    assert np.isnan(nothing[:2]).all() and nothing[2] == 0
    alike = asymmetry.transfer_asymmetry(np.array([2.0]), np.array([1.0]), np.array([1.0]))
    assert np.isnan(alike[0]) and alike[2] == 1
