"""bases -> how similar the subspaces are that they span, and what chance would give."""

import numpy as np


def orthonormal(basis):
    """Rows of `basis` (k, size) made orthonormal in order, which mends the rounding of stored vectors.

    Raises
    ------
    ValueError
        If the rows are not independent.
    """
    q, r = np.linalg.qr(np.asarray(basis, np.float64).T)
    if np.abs(np.diag(r)).min() < 1e-3 * np.abs(np.diag(r)).max():
        raise ValueError("the rows of a basis are not independent, so they span no subspace of their number")
    return q.T


def similarity(one, other):
    """Mean squared cosine of the principal angles between two subspaces.

    Parameters
    ----------
    one, other : arrays (k, size)
        Orthonormal rows.

    Returns
    -------
    float
        1 if the subspaces are equal, 0 if orthogonal; `chance` is its expectation for random subspaces.

    Source
    ------
    Bjorck & Golub, Numerical methods for computing angles between linear subspaces, Mathematics of
    Computation 27 (1973): the cosines are the singular values of the product of the bases.
    """
    if one.shape != other.shape:
        raise ValueError(f"subspaces of equal dimension are compared, not {one.shape} and {other.shape}")
    return float(np.square(one @ other.T).sum() / len(one))


def chance(k, size):
    """Expected similarity of two independent, uniformly random subspaces: k / size.

    Each squared cosine of a fixed unit vector with a random subspace of dimension k has mean k / size.
    """
    return k / size
