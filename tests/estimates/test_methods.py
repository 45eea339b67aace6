"""Tests of methods at equal norm and equal effect: planted power laws, closed forms, fronts."""

import numpy as np
import pytest

from codingaxes.estimates import methods


def power_law(gains, power, low=0.5, high=8.0, number=60):
    """Paths v = gain * l2 ** power, one for each gain, known at many sizes."""
    l2 = np.geomspace(low, high, number)
    return [methods.make_path(f"image_{i}", l2, (gain * l2**power)[:, None]) for i, gain in enumerate(gains)]


def test_a_planted_power_law_is_recovered_at_sizes_between_those_that_were_made():
    (path,) = power_law([0.3], 1.5)
    at = np.log([0.7, 1.234, 5.5])
    np.testing.assert_allclose(path.at(at)[:, 0], 0.3 * np.exp(at) ** 1.5, rtol=3e-3)


def test_between_two_sizes_a_value_is_linear_in_the_logarithm_of_the_size():
    path = methods.make_path("x", [4.0, 1.0], np.array([[5.0, -1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(path.at(np.log([1.0, 2.0, 4.0])), [[1, 1], [3, 0], [5, -1]], atol=1e-12)


def test_nothing_is_said_beyond_the_ends_of_a_path_but_for_rounding_to_eight_bits():
    (path,) = power_law([1.0], 1.0, low=1.0, high=2.0)
    assert np.isnan(path.at(np.log([0.98, 2.03]))).all()
    np.testing.assert_allclose(path.at(np.log([0.995, 2.01]))[:, 0], [1.0, 2.0])


def test_a_path_of_one_size_has_a_value_there_alone():
    path = methods.make_path("x", [2.0], np.array([[0.7]]))
    values = path.at(np.log([1.9, 2.0, 2.01, 2.1]))[:, 0]
    assert np.isnan(values[[0, 3]]).all() and values[1] == values[2] == 0.7


def test_images_of_equal_size_are_averaged():
    path = methods.make_path("x", [1.0, 3.0, 1.0], np.array([[1.0], [9.0], [2.0]]))
    np.testing.assert_allclose(path.values[:, 0], [1.5, 9.0])
    np.testing.assert_allclose(np.exp(path.sizes), [1.0, 3.0])


def test_the_mean_height_of_a_logarithm_is_its_closed_form():
    l2 = np.array([1.0, 2.0, 10.0])
    path = methods.make_path("x", l2, np.log(l2)[:, None])  # linear in log l2: exact
    low, high = np.log(1.5), np.log(6.0)
    assert methods.mean_height(path, low, high)[0] == pytest.approx((low + high) / 2)
    assert methods.mean_height(path, high, high)[0] == pytest.approx(high)
    assert np.isnan(methods.mean_height(path, low, np.log(11.0))[0])


def test_the_mean_height_of_a_power_law_is_its_integral_over_the_logarithm():
    (path,) = power_law([0.4], 2.0, number=400)
    low, high = np.log(1.0), np.log(4.0)
    expected = 0.4 * (np.exp(2 * high) - np.exp(2 * low)) / 2 / (high - low)
    assert methods.mean_height(path, low, high)[0] == pytest.approx(expected, rel=1e-3)


def test_the_size_that_an_effect_needs_is_that_of_the_inverse_power_law():
    (path,) = power_law([0.4], 1.5)
    for effect in (0.5, 1.0, 3.0):
        found = np.exp(methods.size_for(path, effect)[0])
        assert found == pytest.approx((effect / 0.4) ** (1 / 1.5), rel=3e-3)


def test_an_effect_that_no_size_has_or_that_the_smallest_exceeds_has_no_size():
    (path,) = power_law([1.0], 1.0, low=1.0, high=2.0)
    assert methods.size_for(path, 2.5)[0] == methods.NEVER
    assert methods.size_for(path, 0.5)[0] == methods.ALREADY
    assert methods.size_for(path, 1.0)[0] == pytest.approx(0.0, abs=1e-12)  # exactly the smallest
    unknown = methods.make_path("x", [1.0, 2.0], np.array([[1.0], [np.nan]]))
    assert np.isnan(methods.size_for(unknown, 0.5)[0])


def test_the_first_size_that_reaches_an_effect_counts_where_values_fall_again():
    path = methods.make_path("x", [1.0, 2.0, 4.0, 8.0], np.array([[0.0], [2.0], [0.0], [4.0]]))
    assert np.exp(methods.size_for(path, 1.0)[0]) == pytest.approx(np.sqrt(2))


def test_a_method_has_the_sizes_that_all_its_images_have_and_methods_those_that_all_have():
    one = [
        methods.make_path("a", [1.0, 8.0], np.zeros((2, 1))),
        methods.make_path("b", [2.0, 9.0], np.zeros((2, 1))),
    ]
    other = [methods.make_path("a", [0.5, 4.0], np.zeros((2, 1)))]
    ranges = [methods.range_of(one), methods.range_of(other)]
    np.testing.assert_allclose(np.exp(ranges), [[2, 8], [0.5, 4]])
    np.testing.assert_allclose(np.exp(methods.common_range(ranges)), [2, 4])
    far = methods.range_of([methods.make_path("a", [20.0, 30.0], np.zeros((2, 1)))])
    assert np.isnan(methods.common_range([*ranges, far])).all()
    assert np.isnan(methods.range_of([])).all()
    np.testing.assert_allclose(methods.common_range([*ranges, methods.range_of([])]), np.log([2, 4]))


def test_images_of_one_nominal_size_have_it_in_common_although_rounding_moves_each():
    paths = [methods.make_path(str(l2), [l2], np.zeros((1, 1))) for l2 in (2.86, 2.865, 2.88)]
    low, high = methods.range_of(paths)
    assert low == high and np.exp(low) == pytest.approx(np.sqrt(2.86 * 2.88))
    assert not any(np.isnan(path.at([low])).any() for path in paths)
    paths.append(methods.make_path("3.1", [3.1], np.zeros((1, 1))))
    assert np.isnan(methods.range_of(paths)).all()


def test_sizes_of_curves_span_all_paths_and_hold_the_common_ends():
    paths = [methods.make_path("a", [1.0, 8.0], np.zeros((2, 1)))]
    sizes = np.exp(methods.sizes_between(paths, (np.log(2.5), np.log(2.5))))
    assert len(sizes) == methods.POINTS + 1 and sizes[0] == pytest.approx(1) and sizes[-1] == pytest.approx(8)
    assert np.isclose(sizes, 2.5).any() and (np.diff(sizes) > 0).all()
    assert len(methods.sizes_between(paths, (np.nan, np.nan))) == methods.POINTS


def test_the_median_size_is_not_moved_by_how_far_beyond_the_others_an_image_lies(rng):
    sizes = np.log([1.0, 2.0, 3.0, 4.0, 5.0])
    median, low, high = methods.median_size(sizes, list("abcde"), rng, 500)
    assert np.exp(median) == pytest.approx(3.0) and low < median < high
    some = sizes.copy()
    some[[0, 4]] = methods.ALREADY, methods.NEVER
    median, low, high = methods.median_size(some, list("abcde"), rng, 500)
    assert np.exp(median) == pytest.approx(3.0)
    assert np.isnan(low) and np.isnan(high)  # resampled medians include what is not known


def test_a_median_that_is_not_reached_is_told_so_and_few_images_have_no_interval(rng):
    never, already = methods.NEVER, methods.ALREADY
    assert methods.median_size(np.array([never, never, 0.1]), list("abc"), rng, 50)[0] == never
    assert methods.median_size(np.array([already, already, 0.1]), list("abc"), rng, 50)[0] == already
    median, low, high = methods.median_size(np.array([0.1, 0.3]), list("ab"), rng, 50)
    assert median == pytest.approx(0.2) and np.isnan([low, high]).all()
    assert np.isnan(methods.median_size(np.array([np.nan]), ["a"], rng, 50)).all()


@pytest.mark.slow
def test_intervals_of_the_median_size_cover_the_true_median(rng):
    covered, repeats = 0, 400
    for _ in range(repeats):
        sizes = 0.7 + 0.5 * rng.standard_normal(12)
        _, low, high = methods.median_size(sizes, np.arange(12), rng, 200)
        covered += low <= 0.7 <= high
    assert 0.92 <= covered / repeats <= 0.99


def beaten(size, value, place):
    """Whether a point is beaten by another, by comparing it with all."""
    no_worse = (size <= size[place]) & (value >= value[place])
    return (no_worse & ((size < size[place]) | (value > value[place]))).any()


def test_the_pareto_front_is_that_of_comparing_all_points_with_all(rng):
    for _ in range(50):
        size, value = rng.integers(0, 8, 30).astype(float), rng.integers(-3, 4, 30).astype(float)
        expected = [not beaten(size, value, place) for place in range(30)]
        assert methods.front(size, value).tolist() == expected


def test_points_without_a_value_are_on_no_front():
    on = methods.front([1.0, np.nan, 2.0, 3.0], [np.nan, 5.0, 1.0, 1.0])
    assert on.tolist() == [False, False, True, False]
    assert methods.front([], []).tolist() == []


@pytest.mark.parametrize("draws", [20, 60])
def test_one_further_draw_of_noise_in_twenty_is_beyond_the_noise_floor(rng, draws):
    n = 20_000
    mean, quantile = methods.noise_floor(np.abs(rng.standard_normal((draws, n))))
    beyond = np.abs(rng.standard_normal(n)) > quantile
    assert beyond.mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / n))
    assert mean.mean() == pytest.approx(np.sqrt(2 / np.pi), rel=0.01)


def test_there_is_no_noise_floor_where_a_draw_is_missing():
    changes = np.ones((20, 2))
    changes[3, 1] = np.nan
    mean, quantile = methods.noise_floor(changes)
    assert mean[0] == quantile[0] == 1.0 and np.isnan([mean[1], quantile[1]]).all()
