"""Fit readouts again on bootstrapped training images: how far predictions hang on which images were shown."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from codingaxes.readouts import ridge

ENDS = (0.025, 0.975)  # quantiles of refits that bound an interval


@dataclass(frozen=True)
class Refits:
    """Linear readouts of several targets from the same features, one set for each bootstrap of images."""

    weight: np.ndarray  # (refits, targets, r) on features as they are: centring and scale are folded in
    intercept: np.ndarray  # (refits, targets)

    def predict(self, features):
        """Predict responses (refits, n, targets) from features (n, r)."""
        return features @ self.weight.swapaxes(1, 2) + self.intercept[:, None]


def draw_images(images, number, seed):
    """Draw bootstraps of training images: as many as there are, with replacement.

    Parameters
    ----------
    images : int
        Training images, 1 or more.
    number : int
        Bootstraps.
    seed : int
        The same seed gives the same images, so that refits of different networks can be compared one by one.

    Returns
    -------
    int array (number, images)
        How often each image counts; each row sums to `images`.
    """
    drawn = np.random.default_rng(seed).integers(images, size=(number, images))
    return np.array([np.bincount(row, minlength=images) for row in drawn]).reshape(number, images)


def refit(features, responses, counts, *, method="ridge", alphas=None, components=25):
    """Fit readouts again on images that count several times or not at all, with penalties that were chosen.

    Each readout is the one that `ridge.fit` gives for the images repeated `counts` times, with one penalty to
    choose from: centred on their mean, and scaled so that their Gram matrix has a mean diagonal of 1. Layer
    and penalty are kept, so that what these choices add to the uncertainty is left out.

    Of ridge, the matrix of inner products of all images is formed once. Each bootstrap and penalty takes one
    Cholesky factorisation of the smaller of two matrices: of the images that were drawn, or of features.

    Parameters
    ----------
    features : array (n, r)
        Of the training images, as a rule coordinates along the basis of a layer.
    responses : array (n, targets)
    counts : int array (refits, n)
        From `draw_images`; every row has an image that counts.
    method : "ridge", "least_squares" or "pls"
        As `ridge.fit`. The last two are fitted from scratch on the repeated images.
    alphas : array (targets,), optional
        Of ridge: the penalty of each target, above 0.
    components : int
        Of PLS; at most what the images that were drawn allow.

    Returns
    -------
    Refits

    Raises
    ------
    ValueError
        If a number is not finite, shapes do not agree, a penalty of ridge is missing or not above 0, a
        bootstrap has no image, or the method is unknown.
    """
    features, responses = np.asarray(features, np.float64), np.asarray(responses, np.float64)
    counts = np.asarray(counts)
    _check(features, responses, counts, method, alphas)
    weight = np.empty((len(counts), responses.shape[1], features.shape[1]))
    intercept = np.empty(weight.shape[:2])
    if method == "ridge":
        mean = features.mean(axis=0)
        x, alphas = features - mean, np.asarray(alphas, np.float64)
        gram = x @ x.T
        for i, count in enumerate(counts):
            weight[i], intercept[i] = _solve_ridge(x, gram, responses, count, alphas)
        return Refits(weight, intercept - weight @ mean)
    for i, count in enumerate(counts):
        rows = np.repeat(np.arange(len(features)), count)
        most = max(1, min(components, np.count_nonzero(count) - 1))
        weight[i], intercept[i] = ridge.solve(features[rows], responses[rows], method, most)
    return Refits(weight, intercept)


def interval(values):
    """Take the ends of the 95% interval over refits: quantiles 0.025 and 0.975 of values (refits, ...)."""
    return np.quantile(values, ENDS, axis=0)


def _check(features, responses, counts, method, alphas):
    """Refuse what cannot be fitted."""
    n, targets = responses.shape if responses.ndim == 2 else (-1, 0)
    if features.ndim != 2 or len(features) != n or counts.ndim != 2 or counts.shape[1] != n:
        raise ValueError(
            f"expected features (n, r), responses (n, t) and counts (refits, n), found {features.shape}, "
            f"{responses.shape}, {counts.shape}"
        )
    for name, values in {"feature": features, "response": responses}.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} {name} values are not finite")
    if (counts < 0).any() or not counts.any(axis=1).all():
        raise ValueError("counts must be 0 or more, and above 0 for at least one image of each bootstrap")
    if method not in ridge.METHODS:
        raise ValueError(f"method {method!r} is unknown; there are {', '.join(ridge.METHODS)}")
    if method == "ridge":
        penalties = np.asarray([] if alphas is None else alphas, np.float64)
        if penalties.shape != (targets,) or not (penalties > 0).all():
            raise ValueError(f"ridge needs a penalty above 0 for each of {targets} targets, found {alphas}")


def _solve_ridge(x, gram, responses, count, alphas):
    """Fit one bootstrap: weights (targets, r) and intercepts (targets,) for `x` (n, r), gram = x xᵀ.

    The dual problem has the images that were drawn, each once: one that counts c times enters by the root
    of c.
    """
    rows = np.flatnonzero(count)
    share = count[rows] / count.sum()
    x, y, root = x[rows], responses[rows], np.sqrt(count[rows])[:, None]
    mean, offset = share @ x, share @ y
    gram = gram[np.ix_(rows, rows)]
    to_mean = gram @ share
    gram = gram - to_mean - to_mean[:, None] + share @ to_mean  # about the mean of the bootstrap
    square = share @ np.diag(gram)
    square = square if square > 0 else 1.0
    x, y = root * (x - mean), root * (y - offset)
    dual = len(rows) <= x.shape[1]
    matrix, wanted = (root * gram * root.T, y) if dual else (x.T @ x, x.T @ y)
    solution = np.empty((len(matrix), y.shape[1]))
    for alpha in np.unique(alphas):
        same = alphas == alpha
        factor = cho_factor(matrix + alpha * square * np.eye(len(matrix)))
        solution[:, same] = cho_solve(factor, wanted[:, same])
    weight = (x.T @ solution if dual else solution).T
    return weight, offset - weight @ mean
