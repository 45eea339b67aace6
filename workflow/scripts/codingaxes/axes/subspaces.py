"""Measure how similar subspaces are, given their bases, and what chance would give."""

import itertools

import numpy as np

from codingaxes.axes import spectra
from codingaxes.estimates import bootstrap


def orthonormal(basis):
    """Make the rows of `basis` (..., k, size) orthonormal in order; this mends the rounding of stored ones.

    Returns
    -------
    float64 array (..., k, size)

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


def similarity_matrix(ones, others):
    """Compute the similarity of each subspace of one stack with each of another, by one matrix product.

    Similarity is the mean squared cosine of the principal angles. It is 1 if one subspace holds the other and
    0 if they are orthogonal; `chance` is its expectation for random subspaces. There are min(k, other_k)
    angles: a line inside a plane has similarity 1 with it. With the subspaces of two networks on the same
    images, the diagonal is similarity within an image and the rest is similarity across images (see
    `within_and_across`).

    Parameters
    ----------
    ones, others : arrays (m, k, size) and (n, other_k, size)
        Orthonormal rows. A subspace that is missing is all NaN. float32 takes half the time and memory
        and is exact to about 1e-6.

    Returns
    -------
    array (m, n)
        NaN in the row or column of a missing subspace.

    Raises
    ------
    ValueError
        If the axes do not have the same pixels.

    Source
    ------
    Bjorck & Golub, Numerical methods for computing angles between linear subspaces, Mathematics of
    Computation 27 (1973): the cosines are the singular values of the product of the bases.
    """
    _check_size(ones, others)
    (m, k, size), (n, other_k, _) = ones.shape, others.shape
    product = ones.reshape(m * k, size) @ others.reshape(n * other_k, size).T
    return np.square(product).reshape(m, k, n, other_k).sum(axis=(1, 3)) / min(k, other_k)


def within_and_across(matrix):
    """Take the similarity of two networks on the same image, and on different images, for each image.

    Parameters
    ----------
    matrix : array (images, images)
        Of `similarity_matrix`, the same images in both stacks; NaN where a subspace is missing.

    Returns
    -------
    within : array (images,)
        The diagonal.
    across : array (images,)
        Mean over the other images of the row and the column of the image, so that either network's axes on
        this image are compared with the other's on other images. `within - across` can be resampled over
        images. NaN where all are missing.
    """
    other = ~np.eye(len(matrix), dtype=bool) & ~np.isnan(matrix)
    values = np.where(other, matrix, 0)
    count = other.sum(axis=0) + other.sum(axis=1)
    total = values.sum(axis=0) + values.sum(axis=1)
    return np.diag(matrix).copy(), np.divide(total, count, out=np.full(len(matrix), np.nan), where=count > 0)


def largest_angle(ones, others):
    """Compute the largest principal angle of each pair of subspaces of two stacks, in degrees.

    It is computed from the cosines alone, so that angles below about 0.03 degrees (in float32) are not
    resolved. `scipy.linalg.subspace_angles` resolves them, one pair at a time.

    Parameters
    ----------
    ones, others : arrays (n, k, size)
        Orthonormal rows, without missing values.

    Returns
    -------
    array (n,)
    """
    _check_size(ones, others)
    cosines = np.linalg.svd(ones @ others.swapaxes(-1, -2), compute_uv=False)
    return np.degrees(np.arccos(cosines[..., -1].clip(0, 1)))


def captured(bases, rows):
    """Compute the squared size of the part of some rows inside the span of the first k axes, for every k.

    With rows J / ||J|| of a model j on an image, and the k leading axes of a model i as basis, this is
    trace(P_i J_jᵀJ_j) / trace(J_jᵀJ_j): the share of what can move model j's responses that lies in the axes
    of model i. Unlike similarity it weights directions by how sensitive j is to them, and is not symmetric.
    It is at most the share of j's own k leading axes, and `chance` in the mean over random axes.

    Parameters
    ----------
    bases : array (images, k, size)
        Orthonormal rows.
    rows : array (images, rows, size)
        J, or fewer rows with the same JᵀJ, or with that mean.

    Returns
    -------
    array (images, k) float64
        In the span of the first 1, 2, ... k axes. NaN where a value is missing.
    """
    _check_size(bases, rows)
    products = (bases @ rows.swapaxes(-1, -2)).astype(np.float64)
    return np.square(products).sum(axis=2).cumsum(axis=1)


def chance(k, size):
    """Compute the expected similarity of two independent, uniformly random subspaces: k / size.

    Each squared cosine of a fixed unit vector with a random subspace of dimension k has mean k / size.
    For subspaces of different dimensions, k is the larger of the two.
    """
    return k / size


def matched_chance(one, other):
    """Compute the expected similarity of independent random subspaces that have two given cross-spectra.

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


def matched_nulls(of_network, pairs, draws, rngs):
    """Draw similarities of random subspaces that share only the power spectra of networks' axes.

    The subspaces are spanned by Gaussian random fields with each network's own average cross-spectrum
    (spatial frequency, orientation and colour, `spectra.cross_spectrum`) and random phases. Similarity above
    these is about structure beyond the spectrum. They do not mimic a common place in the image: axes that
    are confined to its centre are more similar than these even if unrelated, which similarity across images
    shows.

    A draw has one subspace for each network, and all its pairs share it. The draws of any one pair are
    independent of each other; those of two pairs with a network in common are not quite. A pair's values
    depend on its own two spectra and generators alone, to the last bit, whichever other pairs there are: its
    products are computed by themselves, as those of one large matrix are rounded otherwise in another place.

    Parameters
    ----------
    of_network : dict of str to spectra.CrossSpectrum
    pairs : list of (str, str)
    draws : int
        A hundred at least. For five axes of 3 x 64 x 64 each takes about 1.3 ms for each network and 0.02 ms
        for each pair; of 3 x 224 x 224, 24 ms and 0.8 ms. One draw is in memory at a time.
    rngs : dict of str to numpy.random.Generator
        One for each network, so that networks with the same spectrum have independent subspaces.

    Returns
    -------
    array (pairs, draws)
        Of single images. For a mean over images see `null_of_mean`; for p-values
        `permutations.p_value`. Those of a pair are scaled by a common factor to the mean that is known
        exactly, `matched_chance`. Their own mean is off by some percent, by chance and because
        `spectra.matching_filter` is approximate where axes have few components.
    """
    names = list(dict.fromkeys(itertools.chain.from_iterable(pairs)))
    filters = {name: spectra.matching_filter(of_network[name]) for name in names}
    similarities = np.empty((len(pairs), draws))
    for draw in range(draws):
        bases = {name: _random_basis(of_network[name], filters[name], rngs[name]) for name in names}
        for place, (one, other) in enumerate(pairs):
            product = bases[one] @ bases[other].T
            similarities[place, draw] = np.vdot(product, product) / min(product.shape)
    expected = [matched_chance(of_network[one], of_network[other]) for one, other in pairs]
    return similarities * (np.array(expected) / similarities.mean(axis=1))[:, None]


def null_of_mean(null, images, draws, rng):
    """Draw the null distribution of a mean over independent images from that of single images.

    Parameters
    ----------
    null : array (n,)
        Of `matched_nulls`, of one pair.
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
    """Correlate the similarities of pairs on one half of the images with those on the other half.

    Parameters
    ----------
    values : array (pairs, images)
        Similarity of each pair on each image, without missing values: leave images with gaps out, for all
        pairs.
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
    pairs, images = values.shape
    if pairs < 3 or images < 4:
        raise ValueError(f"split halves need 3 pairs and 4 images at least, not {pairs} and {images}")
    if not np.isfinite(values).all():
        raise ValueError("values are missing: leave images with gaps out")
    half = images // 2
    place = rng.permuted(np.tile(np.arange(images), (draws, 1)), axis=1)
    halves = place < half, (place >= half) & (place < 2 * half)
    first, second = (values @ (part * 1.0).T / half for part in halves)
    r = bootstrap.correlation(first, second)
    if np.isnan(r).any():
        return np.nan, np.nan, np.nan
    r = np.array([r.mean(), *np.percentile(r, (2.5, 97.5))])
    return tuple(float(value) for value in np.where(r > 0, 2 * r / (1 + np.abs(r)), r))


def _check_size(one, other):
    """Refuse axes of images of different sizes."""
    if one.shape[-1] != other.shape[-1]:
        raise ValueError(f"axes must have the same pixels, not {one.shape[-1]} and {other.shape[-1]}")


def _random_basis(spectrum, weights, rng):
    """Draw an orthonormal basis (k, size), float32, of the span of random fields with a network's spectrum.

    The rows are multiplied by the inverse Cholesky factor of their products among themselves, in float64.
    Random rows are far from dependent, and this takes half the time of a QR decomposition.
    """
    fields = spectra.random_fields(weights, spectrum.k, spectrum.power.shape[1], rng).astype(np.float64)
    factor = np.linalg.cholesky(fields @ fields.T)
    return (np.linalg.inv(factor) @ fields).astype(np.float32)
