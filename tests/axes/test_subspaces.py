"""Tests of subspaces: similarity against scipy, its chance level, its nulls, its reliability."""

import itertools

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.stats import binom, kstest

from codingaxes.axes import spectra, subspaces
from codingaxes.estimates import permutations

SHAPE = (3, 12, 12)


def random_bases(rng, *shape):
    """Draw orthonormal bases (..., k, size) of uniformly random subspaces."""
    return subspaces.orthonormal(rng.standard_normal(shape))


def similarity(ones, others):
    """Compute the mean squared cosine of the angles of each pair of two stacks, by scipy."""
    pairs = zip(ones, others, strict=True)
    return np.array([np.mean(np.cos(subspace_angles(one.T, other.T)) ** 2) for one, other in pairs])


def low_frequency_bases(rng, images, k, width, tint):
    """Draw unrelated subspaces of smooth random fields, Gaussian in frequency, of a mixture of colours."""
    mixing = np.linalg.cholesky(np.eye(3) * (1 - tint) + tint)
    strength = np.exp(-0.5 * (spectra.radii(12) / width) ** 2)[:, :7]
    weights = (mixing[:, :, None, None] * strength).astype(np.complex64)
    fields = spectra.random_fields(weights, images * k, 12, rng)
    return subspaces.orthonormal(fields.reshape(images, k, -1))


def two_networks(rng, images, k):
    """Draw unrelated subspaces of two networks that prefer different low frequencies and colours."""
    return low_frequency_bases(rng, images, k, 1.2, 0.8), low_frequency_bases(rng, images, k, 2.0, 0.3)


def matched_null(one, other, draws, rng):
    """Draw the null of one pair of networks; the fields of the second come after those of the first."""
    rngs = {"one": rng, "other": rng}
    return subspaces.matched_nulls({"one": one, "other": other}, [("one", "other")], draws, rngs)[0]


@pytest.mark.parametrize("dimensions", [(4, 4), (2, 5), (5, 2), (1, 1)])
def test_similarity_is_the_mean_squared_cosine_of_the_angles_of_scipy(rng, dimensions):
    ones, others = (random_bases(rng, 6, k, 12) for k in dimensions)
    matrix = subspaces.similarity_matrix(ones, others)
    np.testing.assert_allclose(np.diag(matrix), similarity(ones, others))
    np.testing.assert_allclose(matrix[2, 3], similarity(ones[2:3], others[3:4])[0])


def test_equal_subspaces_have_similarity_one_whatever_their_bases(rng):
    bases = random_bases(rng, 4, 3, 20)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    np.testing.assert_allclose(np.diag(subspaces.similarity_matrix(bases, rotation @ bases)), 1)
    assert subspaces.similarity_matrix(np.eye(6)[None, :3], np.eye(6)[None, 3:]) == 0


def test_the_largest_angle_of_stacks_is_that_of_scipy(rng):
    ones, others = (random_bases(rng, 5, 3, 20) for _ in range(2))
    expected = [subspace_angles(a.T, b.T).max() for a, b in zip(ones, others, strict=True)]
    np.testing.assert_allclose(subspaces.largest_angle(ones, others), np.degrees(expected))
    np.testing.assert_allclose(subspaces.largest_angle(ones, ones), 0, atol=1e-5)


@pytest.mark.parametrize("angle", [1e-3, 0.3, np.pi / 4, 1.2, np.pi / 2 - 1e-9])
def test_planted_angles_are_found(rng, angle):
    frame = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    planted = np.array([0.0, angle])
    other = np.cos(planted)[:, None] * frame[:2] + np.sin(planted)[:, None] * frame[2:4]
    pair = frame[None, :2], (random_bases(rng, 2, 2) @ other)[None]
    assert subspaces.largest_angle(*pair) == pytest.approx(np.degrees(angle), rel=1e-6)
    assert subspaces.similarity_matrix(*pair) == pytest.approx((1 + np.cos(angle) ** 2) / 2)


def test_the_projection_distance_of_the_table_is_the_distance_of_projectors(rng):
    one, other = random_bases(rng, 2, 3, 15)
    expected = np.linalg.norm(one.T @ one - other.T @ other) / np.sqrt(2 * 3)
    similarity = subspaces.similarity_matrix(one[None], other[None])
    assert np.sqrt(1 - similarity) == pytest.approx(expected)


def test_a_matrix_of_similarities_holds_each_pair_and_marks_missing_ones(rng):
    ones, others = random_bases(rng, 4, 2, 20), random_bases(rng, 4, 3, 20)
    ones[1] = np.nan
    matrix = subspaces.similarity_matrix(ones, others)
    assert np.isnan(matrix[1]).all() and np.isfinite(np.delete(matrix, 1, axis=0)).all()
    assert matrix[3, 0] == pytest.approx(similarity(ones[3:], others[:1])[0])
    within, across = subspaces.within_and_across(matrix)
    np.testing.assert_array_equal(within, np.diag(matrix))
    expected = [matrix[0, 2], matrix[0, 3], matrix[0, 1], matrix[2, 0], matrix[3, 0]]
    assert across[0] == pytest.approx(np.mean(expected))
    assert across[1] == pytest.approx(np.mean([matrix[0, 1], matrix[2, 1], matrix[3, 1]]))
    alone = subspaces.within_and_across(np.array([[0.5, np.nan], [np.nan, 0.7]]))
    assert np.isnan(alone[1]).all()


def test_what_networks_share_on_an_image_shows_within_and_not_across_images(rng):
    common = rng.standard_normal((10, 1, 60))
    stacks = [
        subspaces.orthonormal(np.concatenate([common, rng.standard_normal((10, 1, 60))], axis=1))
        for _ in "ab"
    ]
    within, across = subspaces.within_and_across(subspaces.similarity_matrix(*stacks))
    assert (within > 0.49).all() and across.mean() < 3 * subspaces.chance(2, 60)


@pytest.mark.parametrize("dimensions", [(3, 3), (1, 4)])
def test_random_subspaces_have_the_stated_chance_level(rng, dimensions):
    drawn = similarity(*(random_bases(rng, 800, k, 40) for k in dimensions))
    expected = subspaces.chance(max(dimensions), 40)
    assert drawn.mean() == pytest.approx(expected, abs=4 * drawn.std() / np.sqrt(800))
    assert 4 * drawn.std() / np.sqrt(800) < 0.1 * expected


def test_orthonormal_mends_rounding_and_refuses_dependent_rows(rng):
    one = random_bases(rng, 4, 200)
    rounded = subspaces.orthonormal(one.astype(np.float16))
    np.testing.assert_allclose(rounded @ rounded.T, np.eye(4), atol=1e-12)
    assert similarity(one[None], rounded[None]) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="not independent"):
        subspaces.orthonormal(np.array([[1.0, 0, 0], [1.0, 1e-9, 0]]))


def test_subspaces_of_different_images_sizes_are_refused(rng):
    for compare in (subspaces.similarity_matrix, subspaces.largest_angle):
        with pytest.raises(ValueError, match="same pixels, not 9 and 8"):
            compare(random_bases(rng, 1, 2, 9), random_bases(rng, 1, 2, 8))


def test_white_axes_have_the_plain_chance_level(rng):
    white = spectra.CrossSpectrum(np.tile(np.eye(3) * 2 / 432, (12, 12, 1, 1)), 2)
    assert subspaces.matched_chance(white, white) == pytest.approx(subspaces.chance(2, 432))
    null = matched_null(white, white, 500, rng)
    uniform = similarity(*(random_bases(rng, 500, 2, 432) for _ in "ab"))
    assert null.std() == pytest.approx(uniform.std(), rel=0.2)


@pytest.mark.parametrize("k", [1, 4])
def test_the_matched_chance_is_the_mean_over_unrelated_axes_and_that_of_the_null(rng, k):
    ones, others = two_networks(rng, 800, k)
    one, other = (spectra.cross_spectrum(bases, SHAPE) for bases in (ones, others))
    unrelated, expected = similarity(ones, others), subspaces.matched_chance(one, other)
    assert unrelated.mean() == pytest.approx(expected, abs=4 * unrelated.std() / np.sqrt(800))
    assert expected > 8 * subspaces.chance(k, 432)
    null = matched_null(one, other, 800, rng)
    assert null.mean() == pytest.approx(expected)
    assert null.std() == pytest.approx(unrelated.std(), rel=0.2)
    # The fields are scaled little: they have nearly this mean themselves.
    fields = [
        subspaces.orthonormal(
            spectra.random_fields(spectra.matching_filter(s), 800 * k, 12, rng).reshape(800, k, -1)
        )
        for s in (one, other)
    ]
    drawn = similarity(*fields)
    assert drawn.mean() == pytest.approx(expected, abs=4 * drawn.std() / np.sqrt(800), rel=0.06)


def test_the_null_is_the_similarity_of_the_spans_of_random_fields(rng):
    one, other = (spectra.cross_spectrum(bases, SHAPE) for bases in two_networks(rng, 20, 3))
    null, repeated = matched_null(one, other, 40, np.random.default_rng(3)), np.random.default_rng(3)
    weights = [spectra.matching_filter(spectrum) for spectrum in (one, other)]
    fields = [[spectra.random_fields(w, 3, 12, repeated) for w in weights] for _ in range(40)]
    expected = similarity(*zip(*fields, strict=True))
    np.testing.assert_allclose(null / null.mean(), expected / expected.mean(), rtol=1e-4)


def test_the_null_of_a_pair_is_the_same_whichever_other_pairs_there_are(rng):
    bases = [*two_networks(rng, 20, 3), *two_networks(rng, 20, 3)]
    known = {name: spectra.cross_spectrum(basis, SHAPE) for name, basis in zip("abcd", bases, strict=True)}

    def nulls(*pairs):
        rngs = {name: np.random.default_rng(seed) for seed, name in enumerate("abcd")}
        return dict(zip(pairs, subspaces.matched_nulls(known, pairs, 20, rngs), strict=True))

    together = nulls(*itertools.combinations("abcd", 2))
    for pair, null in together.items():
        np.testing.assert_array_equal(nulls(pair)[pair], null)
    for pair, null in nulls(("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")).items():
        np.testing.assert_array_equal(together[pair], null)


def test_the_nulls_of_pairs_that_share_a_network_are_each_as_wide_as_one_that_is_drawn_alone(rng):
    ones, others = two_networks(rng, 400, 2)
    one, other = (spectra.cross_spectrum(bases, SHAPE) for bases in (ones, others))
    known = {"a": one, "b": other, "c": other}
    rngs = {name: np.random.default_rng([7, seed]) for seed, name in enumerate(known)}
    nulls = subspaces.matched_nulls(known, [("a", "b"), ("a", "c"), ("b", "c")], 800, rngs)
    for null, pair in zip(nulls, [(one, other), (one, other), (other, other)], strict=True):
        assert kstest(null, matched_null(*pair, 800, rng)).pvalue > 1e-3
    assert np.abs(np.corrcoef(nulls) - np.eye(3)).max() < 0.5  # they share networks, not values


def test_for_single_gray_axes_the_matched_chance_is_the_overlap_of_their_power(rng):
    bases = [random_bases(rng, 1, 1, 48) for _ in "ab"]
    power = [np.abs(np.fft.fft2(b.reshape(6, 8))) ** 2 for b in bases]
    expected = (power[0] * power[1]).sum() / (power[0].sum() * power[1].sum())
    matched = subspaces.matched_chance(*(spectra.cross_spectrum(b, (1, 6, 8)) for b in bases))
    assert matched == pytest.approx(expected)


@pytest.mark.slow
def test_p_values_against_the_matched_null_are_uniform_over_seeds():
    single, mean = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        ones, others = two_networks(rng, 6, 2)
        null = matched_null(
            spectra.cross_spectrum(ones, SHAPE), spectra.cross_spectrum(others, SHAPE), 120, rng
        )
        observed = similarity(ones, others)
        single.append(permutations.p_value(observed[0], null))
        mean.append(permutations.p_value(observed.mean(), subspaces.null_of_mean(null, 6, 399, rng)))
    for p in (single, mean):
        assert kstest(p, "uniform").pvalue > 0.01
        assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.999, 200, 0.05)


def test_unrelated_axes_of_low_frequency_look_similar_until_their_spectrum_is_matched(rng):
    ones, others = two_networks(rng, 20, 2)
    p, observed = p_of_mean(ones, others, rng)
    assert observed > 8 * subspaces.chance(2, 432)
    white = similarity(*(random_bases(rng, 199, 2, 432) for _ in "ab"))
    assert permutations.p_value(observed, white) == 1 / 200
    assert p > 0.1


def test_an_axis_that_is_truly_shared_stands_out_above_the_matched_null(rng):
    ones, others = two_networks(rng, 20, 2)
    mixture = others.copy()
    mixture[:, 0] += 0.7 * ones[:, 0]
    p, _ = p_of_mean(ones, subspaces.orthonormal(mixture), rng)
    assert p == 1 / 400


def p_of_mean(ones, others, rng):
    """Compute the p-value of a mean over images against the matched null, and that mean."""
    null = matched_null(spectra.cross_spectrum(ones, SHAPE), spectra.cross_spectrum(others, SHAPE), 400, rng)
    observed = similarity(ones, others).mean()
    return permutations.p_value(observed, subspaces.null_of_mean(null, len(ones), 399, rng)), observed


def test_split_half_reliability_recovers_a_planted_one(rng):
    pairs, images, noise = 1500, 24, 3.0
    truth = rng.standard_normal((pairs, 1))
    values = truth + noise * rng.standard_normal((pairs, images))
    reliability, low, high = subspaces.split_half_reliability(values, 300, rng)
    assert reliability == pytest.approx(1 / (1 + noise**2 / images), abs=0.02)
    assert low < reliability < high
    unrelated = subspaces.split_half_reliability(rng.standard_normal((pairs, images)), 300, rng)
    assert abs(unrelated[0]) < 0.1


def test_split_halves_leave_out_one_of_an_odd_number_of_images_and_refuse_gaps(rng):
    values = rng.standard_normal((10, 7)) + rng.standard_normal((10, 1))
    constant = np.repeat(rng.standard_normal((10, 1)), 7, axis=1)
    np.testing.assert_allclose(subspaces.split_half_reliability(constant, 50, rng), 1)
    assert np.isnan(subspaces.split_half_reliability(np.ones((10, 7)), 50, rng)).all()
    with pytest.raises(ValueError, match="missing"):
        subspaces.split_half_reliability(np.where(values > 1, np.nan, values), 50, rng)
    with pytest.raises(ValueError, match="4 images"):
        subspaces.split_half_reliability(values[:, :3], 50, rng)


def test_what_axes_capture_is_the_trace_of_the_projected_jacobian(rng):
    basis = subspaces.orthonormal(rng.standard_normal((4, 3, 40)))
    jacobian = rng.standard_normal((4, 7, 40))
    found = subspaces.captured(basis, jacobian)
    for k in (1, 2, 3):
        for image in range(4):
            projector = basis[image, :k].T @ basis[image, :k]
            expected = np.trace(projector @ jacobian[image].T @ jacobian[image])
            assert found[image, k - 1] == pytest.approx(expected)


def test_random_axes_capture_chance_and_own_axes_the_most(rng):
    jacobian = rng.standard_normal((200, 7, 40))
    jacobian /= np.linalg.norm(jacobian, axis=(1, 2), keepdims=True)
    drawn = subspaces.captured(subspaces.orthonormal(rng.standard_normal((200, 3, 40))), jacobian)[:, -1]
    assert drawn.mean() == pytest.approx(subspaces.chance(3, 40), abs=4 * drawn.std() / 200**0.5)
    own = subspaces.captured(np.linalg.svd(jacobian, full_matrices=False)[2][:, :3], jacobian)[:, -1]
    assert (own > drawn).all()
