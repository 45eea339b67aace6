"""Similarity of subspaces and its chance level."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from codingaxes import subspaces


def basis(rng, k, size):
    return subspaces.orthonormal(rng.standard_normal((k, size)))


def test_similarity_is_the_mean_squared_cosine_of_the_principal_angles(rng):
    one, other = basis(rng, 4, 30), basis(rng, 4, 30)
    expected = np.mean(np.cos(subspace_angles(one.T, other.T)) ** 2)
    assert subspaces.similarity(one, other) == pytest.approx(expected)


def test_equal_subspaces_have_similarity_one_whatever_their_bases(rng):
    one = basis(rng, 3, 20)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert subspaces.similarity(one, rotation @ one) == pytest.approx(1)
    assert subspaces.similarity(np.eye(6)[:3], np.eye(6)[3:]) == 0


def test_random_subspaces_have_the_stated_chance_level(rng):
    found = [subspaces.similarity(basis(rng, 3, 40), basis(rng, 3, 40)) for _ in range(500)]
    assert np.mean(found) == pytest.approx(subspaces.chance(3, 40), abs=4 * np.std(found) / np.sqrt(500))


def test_orthonormal_mends_rounding_and_refuses_dependent_rows(rng):
    one = basis(rng, 4, 200)
    rounded = subspaces.orthonormal(one.astype(np.float16))
    np.testing.assert_allclose(rounded @ rounded.T, np.eye(4), atol=1e-12)
    assert subspaces.similarity(one, rounded) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="not independent"):
        subspaces.orthonormal(np.array([[1.0, 0, 0], [1.0, 1e-9, 0]]))


def test_subspaces_of_different_dimension_are_refused(rng):
    with pytest.raises(ValueError, match="equal dimension"):
        subspaces.similarity(basis(rng, 2, 9), basis(rng, 3, 9))
