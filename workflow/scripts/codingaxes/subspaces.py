"""bases -> how similar the subspaces are that they span, and what chance would give."""

from dataclasses import dataclass

import numpy as np

from codingaxes import spectra


def orthonormal(basis):
    """Rows of `basis` (..., k, size) made orthonormal in order, which mends the rounding of stored vectors.

    Raises
    ------
    ValueError
        If the rows are not independent.
    """
    q, r = np.linalg.qr(np.asarray(basis, np.float64).swapaxes(-1, -2))
    diagonal = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
    if (diagonal.min(axis=-1) < 1e-3 * diagonal.max(axis=-1)).any():
        raise ValueError("the rows of a basis are not independent, so they span no subspace of their number")
    return q.swapaxes(-1, -2)


def similarity(one, other):
    """Mean squared cosine of the principal angles between two subspaces.

    Parameters
    ----------
    one, other : arrays (..., k, size) and (..., other_k, size)
        Orthonormal rows. There are min(k, other_k) angles: a line inside a plane has similarity 1 with
        it, and that of a unit vector with a subspace is the share of its power that lies inside.

    Returns
    -------
    float, or array (...)
        1 if one subspace holds the other, 0 if they are orthogonal; `chance` is its expectation for
        random subspaces. NaN where a basis has a missing value.

    Source
    ------
    Bjorck & Golub, Numerical methods for computing angles between linear subspaces, Mathematics of
    Computation 27 (1973): the cosines are the singular values of the product of the bases.
    """
    _same_size(one, other)
    total = np.square(one @ other.swapaxes(-1, -2)).sum(axis=(-2, -1))
    return total / min(one.shape[-2], other.shape[-2])


def similarity_matrix(ones, others):
    """Similarity of each subspace of one stack with each of another, by a single matrix product.

    With the subspaces of two networks on the same images, the diagonal is similarity within an image
    and the rest is similarity across images (see `within_and_across`).

    Parameters
    ----------
    ones, others : arrays (m, k, size) and (n, other_k, size)
        Orthonormal rows. A subspace that is missing is all NaN. float32 takes half the time and memory
        and is exact to about 1e-6.

    Returns
    -------
    array (m, n)
        NaN in the row or column of a missing subspace.
    """
    _same_size(ones, others)
    (m, k, size), (n, other_k, _) = ones.shape, others.shape
    product = ones.reshape(m * k, size) @ others.reshape(n * other_k, size).T
    return np.square(product).reshape(m, k, n, other_k).sum(axis=(1, 3)) / min(k, other_k)


def within_and_across(matrix):
    """Similarity of two networks on the same image, and on different images, for each image.

    Parameters
    ----------
    matrix : array (images, images)
        Of `similarity_matrix`, the same images in both stacks; NaN where a subspace is missing.

    Returns
    -------
    within : array (images,)
        The diagonal.
    across : array (images,)
        Mean over the other images of the row and the column of the image, so that both networks play
        both parts. `within - across` can be resampled over images. NaN where all are missing.
    """
    other = ~np.eye(len(matrix), dtype=bool) & ~np.isnan(matrix)
    values = np.where(other, matrix, 0)
    count = other.sum(axis=0) + other.sum(axis=1)
    total = values.sum(axis=0) + values.sum(axis=1)
    return np.diag(matrix).copy(), np.divide(total, count, out=np.full(len(matrix), np.nan), where=count > 0)


@dataclass(frozen=True)
class Comparison:
    """How two subspaces, or the subspaces of two stacks one by one, lie to each other."""

    angles: np.ndarray  # (..., min(k, other_k)) principal angles, smallest first, radians
    similarity: np.ndarray  # (...) mean squared cosine, 0 to 1
    projection_distance: np.ndarray  # (...) root mean squared sine, 0 to 1
    largest_angle: np.ndarray  # (...) degrees, 0 to 90


def compare(one, other):
    """Principal angles of two subspaces, and three numbers made of them.

    The projection distance is the projection F-norm ||P1 - P2||_F / sqrt(2) = sqrt(sum of squared
    sines), with P the projectors, divided by sqrt(min(k, other_k)) so that it runs from 0 to 1 for
    every dimension; the equality with the projectors holds for equal dimensions. Its square is
    1 - similarity: it orders pairs as similarity does and resolves small angles better.

    Parameters
    ----------
    one, other : arrays (..., k, size) and (..., other_k, size)
        Orthonormal rows, without missing values.

    Returns
    -------
    Comparison

    Source
    ------
    Angles from cosines above 45 degrees and from sines below, each where it is accurate: Bjorck & Golub
    (1973), section 3; Knyazev & Argentati, SIAM Journal on Scientific Computing 23 (2002). Distance:
    Edelman, Arias & Smith, SIAM Journal on Matrix Analysis and Applications 20 (1998), section 4.3.
    """
    _same_size(one, other)
    if one.shape[-2] < other.shape[-2]:
        one, other = other, one
    product = other @ one.swapaxes(-1, -2)
    cosines = np.linalg.svd(product, compute_uv=False).clip(0, 1)
    sines = np.linalg.svd(other - product @ one, compute_uv=False)[..., ::-1].clip(0, 1)
    angles = np.where(cosines**2 < 0.5, np.arccos(cosines), np.arcsin(sines))
    return Comparison(
        angles=angles,
        similarity=np.mean(np.cos(angles) ** 2, axis=-1),
        projection_distance=np.sqrt(np.mean(np.sin(angles) ** 2, axis=-1)),
        largest_angle=np.degrees(angles[..., -1]),
    )


def largest_angle(ones, others):
    """The largest principal angle of each two subspaces of two stacks, in degrees; quicker than `compare`.

    From the cosines alone, so that angles below about 0.03 degrees (in float32) are not resolved.

    Parameters
    ----------
    ones, others : arrays (n, k, size)
        Orthonormal rows, without missing values.

    Returns
    -------
    array (n,)
    """
    _same_size(ones, others)
    cosines = np.linalg.svd(ones @ others.swapaxes(-1, -2), compute_uv=False)
    return np.degrees(np.arccos(cosines[..., -1].clip(0, 1)))


def chance(k, size):
    """Expected similarity of two independent, uniformly random subspaces: k / size.

    Each squared cosine of a fixed unit vector with a random subspace of dimension k has mean k / size.
    For subspaces of different dimensions, k is the larger of the two.
    """
    return k / size


def sampled_chance(k, size, draws, rng):
    """Similarities of `draws` independent pairs of uniformly random subspaces of dimension k, (draws,)."""
    pairs = (rng.standard_normal((2, k, size)) for _ in range(draws))
    return np.array([_span_similarity(one, other) for one, other in pairs])


def matched_chance(one, other):
    """Expected similarity of independent random subspaces that have two given cross-spectra.

    For independent subspaces the expected trace of the product of their projectors is the trace of the
    product of their expected projectors: the sum over frequencies f of trace(P1(f) P2(f)), divided by
    the smaller dimension. For k = 1 and one channel that is sum(S1 S2) / (sum S1 sum S2). No draws.

    Parameters
    ----------
    one, other : spectra.CrossSpectrum
        Each network's own, from the images whose similarity is to be judged.

    Returns
    -------
    float
        Of the size of `chance` for white axes, and up to 1 for axes of few frequencies.
    """
    overlap = np.einsum("hwcd,hwdc->", one.power, other.power).real
    return float(overlap / min(one.k, other.k))


def matched_null(one, other, draws, rng):
    """Similarities of random subspaces that share nothing but the power spectra of two networks' axes.

    Gaussian random fields with each network's own average cross-spectrum (spatial frequency,
    orientation and colour, `spectra.cross_spectrum`) and random phases. Similarity above these
    is about structure beyond the spectrum. What they do not mimic is a common place in the image: axes
    that are confined to its centre are more similar than these even if unrelated; similarity across
    images tells.

    Parameters
    ----------
    one, other : spectra.CrossSpectrum
    draws : int
        Independent pairs of subspaces, a hundred at least. About 2.5 ms each for five axes of
        3 x 64 x 64, 40 ms for 3 x 224 x 224.
    rng : numpy.random.Generator

    Returns
    -------
    array (draws,)
        Of single images. For a mean over images see `null_of_mean`; for p-values
        `permutations.p_value`. They are scaled by a common factor to the mean that is known exactly,
        `matched_chance`: by chance, and as `spectra.matching_filter` is approximate where axes have
        few components, their own mean is off by some percent, which a mean over images would notice.
    """
    filters = [spectra.matching_filter(spectrum) for spectrum in (one, other)]
    width = one.power.shape[1]
    found = np.empty(draws)
    for draw in range(draws):
        found[draw] = _span_similarity(
            spectra.random_fields(filters[0], one.k, width, rng),
            spectra.random_fields(filters[1], other.k, width, rng),
        )
    return found * (matched_chance(one, other) / found.mean())


def null_of_mean(null, images, draws, rng):
    """Null distribution of a mean over independent images, from one of single images.

    Parameters
    ----------
    null : array (n,)
        Of `matched_null`.
    images, draws : int
        The images are taken as independent. Where a network's axes resemble each other across images
        (its own `similarity_matrix` is above `matched_chance`), the mean over images varies more than
        this says, and p-values are too small: resample `within - across` over images as well.
    rng : numpy.random.Generator

    Returns
    -------
    array (draws,)
        Means of `images` values of `null`, drawn with replacement.
    """
    return rng.choice(null, (draws, images)).mean(axis=1)


def split_half_reliability(values, draws, rng):
    """How well the similarities of pairs on one half of the images agree with those on the other half.

    Parameters
    ----------
    values : array (pairs, images) or (images, networks, networks)
        Similarity of each pair on each image; of symmetric matrices the part above the diagonal is
        used. Without missing values: leave images with gaps out, for all pairs.
    draws : int
        Random splits; of an odd number of images each split leaves out one, at random.
    rng : numpy.random.Generator

    Returns
    -------
    reliability, low, high : floats
        Correlation r over pairs of the two half means, corrected to the full number of images as
        2 r / (1 + r) where it is positive: of the mean r over splits, and of its 2.5 and 97.5
        percentiles. The interval is over splits, not over new images or networks. NaN if pairs do not
        differ in a half.

    Raises
    ------
    ValueError
        For fewer than 3 pairs or 4 images, or missing values.

    Source
    ------
    The correction is that of Spearman (1910) and Brown (1910), British Journal of Psychology 3.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 3:
        values = values[:, *np.triu_indices(values.shape[-1], 1)].T
    pairs, images = values.shape
    if pairs < 3 or images < 4:
        raise ValueError(f"split halves need 3 pairs and 4 images at least, not {pairs} and {images}")
    if not np.isfinite(values).all():
        raise ValueError("values are missing: leave images with gaps out")
    half = images // 2
    rank = rng.permuted(np.tile(np.arange(images), (draws, 1)), axis=1)
    first, second = (
        values @ part.T / half for part in ((rank < half) * 1.0, ((rank >= half) & (rank < 2 * half)) * 1.0)
    )
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    norm = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    if not norm.all():
        return np.nan, np.nan, np.nan
    r = (first * second).sum(axis=0) / norm
    r = np.array([r.mean(), *np.percentile(r, (2.5, 97.5))])
    return tuple(float(value) for value in np.where(r > 0, 2 * r / (1 + np.abs(r)), r))


def _same_size(one, other):
    if one.shape[-1] != other.shape[-1]:
        raise ValueError(f"axes must have the same pixels, not {one.shape[-1]} and {other.shape[-1]}")


def _span_similarity(one, other):
    """Similarity of the spans of rows (k, size) that are independent, but not orthonormal.

    With G the products of the rows of one basis among themselves and C those between the bases, the
    projectors have trace(P1 P2) = trace(G1⁻¹ C G2⁻¹ Cᵀ). For random rows, which are far from
    dependent, this is several times faster than to orthonormalise them.
    """
    cross = one @ other.T
    trace = np.trace(np.linalg.solve(one @ one.T, cross) @ np.linalg.solve(other @ other.T, cross.T))
    return trace / min(len(one), len(other))
