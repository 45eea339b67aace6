"""Estimates and their intervals."""

import time
from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from codingaxes.estimates import bootstrap


def test_correlation_is_pearsons_and_missing_for_a_constant(rng):
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    y[:, 1] = 1.0
    r = bootstrap.correlation(x, y)
    assert r[0] == pytest.approx(pearsonr(x[:, 0], y[:, 0]).statistic)
    assert np.isnan(r[1])


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        ("float64", 1e-200),
        ("float64", 1e200),
        ("float64", 1.0),
        ("float32", 1e-30),
        ("float32", 1e30),
        ("float16", 0.01),
        ("float16", 1000.0),
    ],
)
def test_a_correlation_does_not_depend_on_the_unit_of_responses(rng, kind, scale):
    x, y = rng.standard_normal((2, 30, 3))
    found = bootstrap.correlation(x.astype(kind), (scale * y).astype(kind))
    np.testing.assert_allclose(found, bootstrap.correlation(x, y), rtol=1e-10 if kind == "float64" else 0.01)


def test_determination_is_scikit_learns_and_missing_for_a_constant(rng):
    predicted, measured = rng.standard_normal((2, 30, 3))
    measured[:, 2] = 1.0
    r2 = bootstrap.determination(predicted, measured)
    expected = r2_score(measured[:, :2], predicted[:, :2], multioutput="raw_values")
    np.testing.assert_allclose(r2[:2], expected)
    assert np.isnan(r2[2])


def log_normal(rng, shape, sd=1.0):
    """Values of a mean of 1, and as skewed as the sensitivity of images."""
    return np.exp(sd * rng.standard_normal(shape) - sd**2 / 2)


def coverage_of_r(images, skewed, repeats=400):
    """How often the interval of r holds the truth."""
    shape = np.exp if skewed else np.asarray
    pairs = np.random.default_rng(99).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 10**6)
    truth = pearsonr(*shape(pairs).T).statistic
    x, y = np.random.default_rng(1).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], (images, repeats)).T
    low, high = bootstrap.correlation_interval(shape(x.T), shape(y.T))
    return np.mean((low <= truth) & (truth <= high))


def test_an_interval_of_r_covers_the_truth_as_often_as_it_says_of_few_and_of_skewed_images():
    """Measured with 4000 repeats: 96, 94 and 95% of normal, 94, 92 and 91% of log-normal data."""
    for images in (12, 24, 94):
        assert 0.92 <= coverage_of_r(images, skewed=False) <= 0.985
        assert 0.89 <= coverage_of_r(images, skewed=True) <= 0.985


def test_an_interval_of_r_is_the_jackknife_of_fishers_z_and_missing_where_r_is(rng):
    x, y = rng.standard_normal((2, 9, 3))
    y[:, 1], y[1:, 2] = 2 * x[:, 1], 1.0
    keep = [np.delete(np.arange(9), image) for image in range(9)]
    r = [pearsonr(x[rows, 0], y[rows, 0]).statistic for rows in keep]
    np.testing.assert_allclose(bootstrap.correlations_without(x, y)[:, 0], r)
    error = np.sqrt(8 * np.var(np.arctanh(r)))
    z = np.arctanh(pearsonr(x[:, 0], y[:, 0]).statistic)
    low, high = bootstrap.correlation_interval(x, y)
    half = stats.t.ppf(0.975, 7) * error
    np.testing.assert_allclose([low[0], high[0]], np.tanh([z - half, z + half]))
    assert np.isnan([low[1:], high[1:]]).all()
    assert np.isnan(bootstrap.correlation_interval(x[:3], y[:3])).all()


def coverage_of_means(draw, images, repeats=600):
    """How often the interval of a mean of 1 holds it: of bootstrap_ratios, and of bootstrap_mean_ratio."""
    rng, covered = np.random.default_rng(2), []
    values = draw(rng, (repeats, images))
    for start in range(0, repeats, 20):
        counts = bootstrap.draw_counts(images, rng, 500).astype(float)
        part = values[start : start + 20]
        _, low, high = bootstrap.bootstrap_ratios(part, np.ones_like(part), counts)
        covered.append((low <= 1) & (1 <= high))
    ones = np.ones((1, images))
    single = [bootstrap.bootstrap_mean_ratio(row[None], ones, rng, 300) for row in values[:300]]
    return np.mean(covered), np.mean([low <= 1 <= high for _, low, high in single])


def test_an_interval_of_a_mean_covers_it_as_often_as_it_says_of_few_and_of_skewed_images():
    """Measured with 3000 repeats at 12 and 24 images, the lower of the two functions.

    Normal 95 and 94%, log-normal 93 and 92%; 88 and 91% where one image in twenty has five times the median.
    """
    for images in (12, 24):
        for cover in coverage_of_means(lambda rng, shape: 1 + rng.standard_normal(shape), images):
            assert 0.92 <= cover <= 0.985
        for cover in coverage_of_means(partial(log_normal, sd=0.5), images):
            assert 0.91 <= cover <= 0.985
        for cover in coverage_of_means(log_normal, images):
            assert 0.86 <= cover <= 0.985


def test_a_ratio_of_means_is_recovered_and_its_interval_covers_it():
    covered = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        bottom = rng.uniform(1, 3, (3, 12))
        top = bottom * np.array([[0.1], [0.2], [0.3]]) + 0.1 * rng.standard_normal((3, 12))
        estimate, low, high = bootstrap.bootstrap_mean_ratio(top, bottom, rng, 200)
        assert estimate == pytest.approx(np.mean(top.mean(axis=1) / bottom.mean(axis=1)))
        covered.append(low <= 0.2 <= high)
    assert 0.92 <= np.mean(covered) <= 0.985


def test_no_interval_is_that_of_a_constant_or_of_two_images_or_excludes_its_estimate(rng):
    counts = bootstrap.draw_counts(12, rng, 300)
    ones, some = np.ones((1, 12)), rng.uniform(1, 3, (1, 12))
    for top, bottom in ((0.3 * ones, ones), (0.25 * some, some), (0 * ones, ones)):
        estimate, *ends = bootstrap.bootstrap_ratios(top, bottom, counts)
        assert estimate == pytest.approx(top.sum() / bottom.sum()) and np.isnan(ends).all()
        estimate, *ends = bootstrap.bootstrap_mean_ratio(top, bottom, rng, 300)
        assert estimate == pytest.approx(top.sum() / bottom.sum()) and np.isnan(ends).all()
    two = np.where(np.arange(12) < 2, some, 0)
    assert np.isnan(bootstrap.bootstrap_ratios(two, two > 0, counts)[1:]).all()
    assert np.isnan(bootstrap.bootstrap_mean_ratio(some[:, :2], ones[:, :2], rng, 99)[1:]).all()
    assert np.isnan(bootstrap.hierarchical_bootstrap(some[0, :2], [0, 0], [0, 1], rng, 99)[1:]).all()
    assert np.isnan(bootstrap.hierarchical_bootstrap(ones[0], [0] * 12, np.arange(12), rng, 99)[1:]).all()
    skewed = np.array([log_normal(np.random.default_rng(seed), 4, sd=3) for seed in range(200)])
    estimate, low, high = bootstrap.bootstrap_ratios(
        skewed, np.ones_like(skewed), bootstrap.draw_counts(4, rng, 50)
    )
    defined = np.isfinite(low)
    assert defined.mean() > 0.9 and ((low <= estimate) & (estimate <= high))[defined].all()


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
    assert estimate[0] == pytest.approx(0.25) and np.isnan([low[0], high[0]]).all()  # of every image
    assert estimate[1] == pytest.approx(top[1].sum() / bottom[1].sum()) and low[1] < estimate[1] < high[1]
    assert np.isnan([estimate[2], low[2], high[2]]).all()


def test_a_mean_of_ratios_without_a_denominator_is_missing_not_infinite(rng):
    ratio = bootstrap.bootstrap_mean_ratio(np.ones((1, 4)), np.zeros((1, 4)), rng, 10)
    assert np.isnan(ratio).all()


def test_images_that_lack_a_ratio_are_resampled_too_but_do_not_undo_it(rng):
    top, bottom = np.zeros((1, 9)), np.zeros((1, 9))
    top[0, :3], bottom[0, :3] = (0.4, 0.5, 0.6), 1.0  # some samples have none of them
    estimate, low, high = bootstrap.bootstrap_ratios(top, bottom, bootstrap.draw_counts(9, rng, 300))
    assert estimate == pytest.approx(0.5) and low < 0.5 < high


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


def coverage(subjects, images, spread, repeats=200, skewed=False):
    """How often the interval of the median holds it, and its width: by both factors, and by images alone."""
    samples = []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        values, subject, image = crossed(rng, subjects, images, spread)
        values, truth = (np.exp(values - 10), 1) if skewed else (values, 10)
        for labels in (subject, np.zeros_like(subject)):
            _, low, high = bootstrap.hierarchical_bootstrap(values, labels, image, rng, 200)
            samples.append((low <= truth <= high, high - low))
    return np.mean(np.reshape(samples, (repeats, 2, 2)), axis=0)


@pytest.mark.parametrize("skewed", [False, True])
def test_an_interval_of_a_median_over_few_images_covers_it_as_often_as_it_says(skewed):
    """Measured with 1500 repeats: 95% of 12 and 24 images, normal and log-normal alike."""
    for images in (12, 24):
        assert 0.905 <= coverage(1, images, (0, 1, 0.5), 300, skewed)[0, 0] <= 0.985


def test_an_interval_over_subjects_and_images_covers_the_truth_where_one_over_images_does_not():
    (both, wide), (alone, narrow) = coverage(12, 20, spread=(1, 1, 1))
    assert 0.91 <= both <= 0.985
    assert alone < 0.85 and wide > 1.3 * narrow


def test_an_interval_over_subjects_and_images_covers_also_few_subjects_and_is_wide_where_neither_matters():
    """Measured with 600 repeats: 96 and 94% of 4 subjects and 12 and 24 images that vary alike."""
    assert coverage(4, 20, spread=(0, 0, 1))[0, 0] >= 0.97
    assert 0.9 <= coverage(4, 24, spread=(1, 1, 1))[0, 0] <= 0.985


def test_with_one_subject_only_images_are_resampled_and_percentiles_widened(rng):
    values, subject, image = crossed(rng, 1, 15, spread=(1, 1, 1))
    estimate, low, high = bootstrap.hierarchical_bootstrap(
        values, subject, image, np.random.default_rng(3), 4000
    )
    rows = np.random.default_rng(4).integers(0, 15, (4000, 15))
    medians = np.median(values.reshape(15, 2)[rows].reshape(4000, 30), axis=1)
    wider = stats.t.ppf(0.975, 14) / stats.norm.ppf(0.975) * np.sqrt(15 / 14)
    expected = estimate + wider * (np.percentile(medians, bootstrap.LEVEL) - estimate)
    assert estimate == np.median(values)
    np.testing.assert_allclose([low, high], expected, atol=0.25)


def test_degrees_of_freedom_lie_between_those_of_one_variance_and_of_all():
    assert bootstrap.freedom(np.array([2.0, 0.0]), np.array([5, 23])) == 5
    assert bootstrap.freedom(np.array([1.0, 1.0]), np.array([5, 5])) == 10
    assert bootstrap.widening(np.ones(1), np.array([10**6])) == pytest.approx(1, abs=1e-5)


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
