"""Estimates and their intervals."""

import time

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from codingaxes.estimates import bootstrap


def test_correlation_is_pearsons_and_missing_for_a_constant(rng):
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    y[:, 1] = 1.0
    r = bootstrap.correlation(x, y)
    assert r[0] == pytest.approx(pearsonr(x[:, 0], y[:, 0]).statistic)
    assert np.isnan(r[1])


def test_determination_is_scikit_learns_and_missing_for_a_constant(rng):
    predicted, measured = rng.standard_normal((2, 30, 3))
    measured[:, 2] = 1.0
    r2 = bootstrap.determination(predicted, measured)
    expected = r2_score(measured[:, :2], predicted[:, :2], multioutput="raw_values")
    np.testing.assert_allclose(r2[:2], expected)
    assert np.isnan(r2[2])


def test_an_interval_of_r_covers_the_truth_about_as_often_as_it_says():
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((80, 1))
        low, high = bootstrap.bootstrap_correlation(
            x, 0.5 * x + np.sqrt(0.75) * rng.standard_normal((80, 1)), rng, 200
        )
        covered.append(low[0] <= 0.5 <= high[0])
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_ratio_of_means_is_recovered_and_its_interval_covers_it():
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        bottom = rng.uniform(1, 3, (3, 60))
        top = bottom * np.array([[0.1], [0.2], [0.3]]) + 0.1 * rng.standard_normal((3, 60))
        estimate, low, high = bootstrap.bootstrap_mean_ratio(top, bottom, rng, 200)
        assert estimate == pytest.approx(np.mean(top.mean(axis=1) / bottom.mean(axis=1)))
        covered.append(low <= 0.2 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_resampled_units_are_as_many_as_there_are_and_each_counts_once_on_average(rng):
    counts = bootstrap.draw_counts(7, rng, 4000)
    assert counts.shape == (4000, 7) and (counts.sum(axis=1) == 7).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.07)
    np.testing.assert_allclose(counts.var(axis=0), 6 / 7, atol=0.1)  # of the multinomial


def test_ratios_of_many_cells_are_each_that_of_its_sums_and_missing_without_a_bottom(rng):
    bottom = rng.uniform(1, 3, (3, 12))
    top = bottom * np.array([[0.25], [-2.0], [5.0]])
    top[1] += rng.standard_normal(12)
    top[2], bottom[2] = 0, 0
    counts = bootstrap.draw_counts(12, rng, 300)
    estimate, low, high = bootstrap.bootstrap_ratios(top, bottom, counts)
    assert (estimate[0], low[0], high[0]) == pytest.approx((0.25, 0.25, 0.25), abs=1e-12)
    assert estimate[1] == pytest.approx(top[1].sum() / bottom[1].sum()) and low[1] < estimate[1] < high[1]
    assert np.isnan([estimate[2], low[2], high[2]]).all()


def test_a_mean_of_ratios_without_a_denominator_is_missing_not_infinite(rng):
    ratio = bootstrap.bootstrap_mean_ratio(np.ones((1, 4)), np.zeros((1, 4)), rng, 10)
    assert np.isnan(ratio).all()


def test_images_that_lack_a_ratio_are_resampled_too_but_do_not_undo_it(rng):
    top, bottom = np.zeros((1, 6)), np.zeros((1, 6))
    top[0, 0], bottom[0, 0] = 0.5, 1.0  # in a third of all samples it is not drawn at all
    ratio = bootstrap.bootstrap_ratios(top, bottom, bootstrap.draw_counts(6, rng, 300))
    assert np.ravel(ratio) == pytest.approx([0.5, 0.5, 0.5])


def test_a_weighted_median_is_that_of_the_repeated_values(rng):
    values = np.sort(rng.standard_normal(9))
    weights = rng.integers(0, 4, (9, 50))
    weights[:, 0] = 0
    medians = bootstrap.weighted_median(values, weights)
    expected = [np.median(np.repeat(values, column)) for column in weights.T[1:]]
    np.testing.assert_allclose(medians[1:], expected)
    assert np.isnan(medians[0])


def crossed(rng, subjects, images, spread, rest=2):
    """Values about 10 with parts of the subject, of the image and of their own, and their labels."""
    parts = [(subjects, 1, 1), (1, images, 1), (subjects, images, rest)]
    values = 10 + sum(sd * rng.standard_normal(shape) for sd, shape in zip(spread, parts, strict=True))
    subject, image, _ = np.indices(values.shape)
    return values.ravel(), subject.ravel(), image.ravel()


def intervals(subjects, images, spread):
    """Whether the interval holds the truth, and its width: by both factors, and by images alone."""
    samples = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values, subject, image = crossed(rng, subjects, images, spread)
        for labels in (subject, np.zeros_like(subject)):
            _, low, high = bootstrap.hierarchical_bootstrap(values, labels, image, rng, 200)
            samples.append((low <= 10 <= high, high - low))
    return np.mean(np.reshape(samples, (200, 2, 2)), axis=0)


def test_an_interval_over_subjects_and_images_covers_the_truth_where_one_over_images_does_not():
    (both, wide), (alone, narrow) = intervals(12, 20, spread=(1, 1, 1))
    assert 0.88 <= both <= 0.99
    assert alone < 0.85 and wide > 1.3 * narrow


def test_an_interval_over_subjects_and_images_is_too_wide_where_neither_matters_and_narrow_for_few():
    assert intervals(4, 20, spread=(0, 0, 1))[0, 0] >= 0.97
    assert 0.8 <= intervals(4, 20, spread=(1, 1, 1))[0, 0] <= 0.93


def test_with_one_subject_only_images_are_resampled(rng):
    values, subject, image = crossed(rng, 1, 15, spread=(1, 1, 1))
    estimate, low, high = bootstrap.hierarchical_bootstrap(
        values, subject, image, np.random.default_rng(3), 2000
    )
    rows = np.random.default_rng(4).integers(0, 15, (2000, 15))
    expected = np.median(values.reshape(15, 2)[rows].reshape(2000, 30), axis=1)
    assert estimate == np.median(values)
    np.testing.assert_allclose([low, high], np.percentile(expected, bootstrap.LEVEL), atol=0.25)


def test_a_hierarchical_bootstrap_knows_neither_order_nor_names_and_leaves_out_what_is_missing(rng):
    values, subject, image = crossed(rng, 3, 8, spread=(1, 1, 1))
    values[5] = np.nan
    order, known = rng.permutation(len(values)), np.isfinite(values)
    samples = [
        (values, subject, image),
        (values[order], subject[order], image[order]),
        (values[known], np.array(["a", "b", "c"])[subject[known]], image[known] + 9),
    ]
    one, shuffled, complete = (
        bootstrap.hierarchical_bootstrap(*sample, np.random.default_rng(1), 100) for sample in samples
    )
    assert one == shuffled == complete and one[0] == np.nanmedian(values)
    assert np.isnan(bootstrap.hierarchical_bootstrap([np.nan], [0], [0], rng, 5)).all()


def test_a_thousand_draws_of_four_subjects_take_well_under_a_second(rng):
    values, subject, image = crossed(rng, 4, 16, spread=(1, 1, 1), rest=40)
    begin = time.process_time()
    bootstrap.hierarchical_bootstrap(values, subject, image, rng, 1000)
    assert time.process_time() - begin < 0.5
