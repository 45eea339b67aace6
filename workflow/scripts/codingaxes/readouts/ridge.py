"""Fit linear readouts of responses from the features of a layer."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg.lapack import dpstrf, dtrtri
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression

METHODS = ("ridge", "least_squares", "pls")
CLOSED_FORMS = ("leave_one_out", "generalised")  # of ridge's cross-validated error
BLOCK = 4096  # features that are multiplied at a time
CLOSE = 1e-5  # difference of root mean squared errors that float32 may get wrong, in units of the largest
SAME = 4  # roundings of a number of its type: features that differ by less are the same
TIE = 1e-9  # relative difference of errors below which two penalties are as good as each other


@dataclass(frozen=True)
class Coordinates:
    """Hold the features of a layer as coordinates in an orthonormal basis of the space that images span.

    Distances and inner products between the centred features of the images stay the same. A linear readout
    that treats all directions of feature space alike (ridge, least squares, PLS) is therefore the same if it
    is fitted on these. With 412 images and 100 352 features that costs 1/250.
    """

    values: np.ndarray  # (n, r) float64, feature units; r < n
    mean: np.ndarray  # (d,) float64, feature of the origin of the coordinates
    combine: np.ndarray  # (r, n) float64: basis = combine @ (features - mean)

    def basis(self, features):
        """Compute the basis itself, (r, d) float32, from the same features (n, d)."""
        basis = np.empty((len(self.combine), features.shape[1]), np.float32)
        for columns, centred in _blocks(features, self.mean):
            basis[:, columns] = self.combine @ centred
        return basis


def coordinates(features):
    """Compute coordinates of the images from the features of one layer.

    They come from a Cholesky decomposition, with pivots, of the images' Gram matrix (n, n) in float64, which
    is quicker than its eigenvectors; a matrix of features by features is never formed. Products are in the
    type of the features, 4096 of them at a time, and are summed in float64: with float32 features,
    predictions of 100 new images differed by at most 1.5e-6 SD from those of float64 products, at any
    penalty. Directions in which the images differ by less than rounding are left out. Memory beside the
    features: n * n and n * 4096 numbers.

    Parameters
    ----------
    features : array (n, d)
        All images that will be fitted or predicted.

    Returns
    -------
    Coordinates
        None (n, 0), if every feature is the same on all images, but for rounding of its type.

    Raises
    ------
    ValueError
        If a number is not finite or there is only one image.
    """
    n, d = features.shape
    if n < 2:
        raise ValueError(f"coordinates need at least 2 images, found {n}")
    mean = features.mean(axis=0, dtype=np.float64)
    gram = np.zeros((n, n))
    if not np.isfinite(mean).all():
        raise ValueError(f"{(~np.isfinite(features)).sum()} feature values are not finite")
    varies, rounding = False, SAME * np.finfo(features.dtype).eps
    for columns, shifted in _blocks(features, mean.astype(features.dtype)):
        gram += shifted @ shifted.T
        for some in (shifted[:2], shifted):  # two images are mostly enough to see it
            varies = varies or (np.ptp(some, axis=0) > rounding * np.abs(mean[columns])).any()
    gram -= gram.mean(axis=0)  # what rounding of the mean has left
    gram -= gram.mean(axis=1, keepdims=True)
    return Coordinates(*_orthonormal(gram, min(n - 1, d) if varies else 0, mean))


def _orthonormal(gram, most, mean):
    """Decompose a Gram matrix (n, n) of centred features: the fields of `Coordinates`.

    The coordinates are a lower triangle, if images are put in the order of the pivots, each of which is the
    image that is farthest from the span of those before.
    """
    n = len(gram)
    triangle, pivots, rank, _ = dpstrf(
        gram, lower=1, tol=n * np.finfo(float).eps * max(gram.diagonal().max(), 0)
    )
    rank, pivots = min(rank, most), pivots - 1
    values, combine = np.empty((n, rank)), np.zeros((rank, n))
    values[pivots] = np.tril(triangle)[:, :rank]
    if rank:
        combine[:, pivots[:rank]] = np.tril(dtrtri(triangle[:rank, :rank], lower=1)[0])
    return values, mean, combine


def _blocks(features, mean):
    """Yield some columns at a time: their slice, and the features without their mean, until the next ones."""
    memory = np.empty((len(features), min(BLOCK, features.shape[1])), np.result_type(features, mean))
    for start in range(0, features.shape[1], BLOCK):
        columns = slice(start, start + BLOCK)
        part = features[:, columns]
        yield columns, np.subtract(part, mean[columns], out=memory[:, : part.shape[1]])


def _eigenpairs(matrix, most):
    """Find the leading eigenvectors (n, q) and eigenvalues (q,) of a Gram matrix, those above rounding."""
    squares, left = np.linalg.eigh(matrix)
    squares, left = squares[::-1], left[:, ::-1]
    rank = min((squares > len(matrix) * np.finfo(float).eps * max(squares[0], 0)).sum(), most)
    return left[:, :rank], squares[:rank]


@dataclass(frozen=True)
class Readouts:
    """Linear readouts of several targets from the same features."""

    weight: np.ndarray  # (targets, d) on features as they are: centring and scale are folded in
    intercept: np.ndarray  # (targets,)
    error: np.ndarray  # (targets,) cross-validated mean squared error within the images that were fitted
    alpha: np.ndarray  # (targets,) ridge: chosen penalty; others: NaN
    at_edge: np.ndarray  # (targets,) bool, ridge: alpha is an end of the grid

    def predict(self, features):
        """Predict responses (n, targets) from features (n, d)."""
        return features @ self.weight.T + self.intercept


def fit(features, responses, *, cv, alphas=(), method="ridge", components=25):
    """Fit linear readouts of all targets at once, from training images alone.

    Ridge minimises ||y - X w - b||² + alpha ||w||² for each target. X are the features, centred and divided
    by one number for the whole layer, so that one grid of penalties serves all layers: their Gram matrix has
    a mean diagonal of 1. They are not standardised one by one: that would lift a unit that is silent on
    nearly all training images to the variance of the others, and an image that activates it would get a
    response of hundreds of SD. The penalty of each target is the one with the smallest cross-validated error.
    One eigendecomposition serves all penalties and targets.

    Parameters
    ----------
    features : array (n, d)
        Or, far cheaper where d is large, `coordinates(...).values` of these images.
    responses : array (n, targets)
    cv : "leave_one_out", "generalised" or a scikit-learn splitter
        How the error is estimated. The first two are closed forms of ridge; the other methods need a
        splitter, for instance `KFold(5, shuffle=True, random_state=0)`.
    alphas : sequence of float
        Ridge penalties to choose from, above 0.
    method : "ridge", "least_squares" or "pls"
        least_squares: of smallest norm where it is not unique. pls: each target on its own, unscaled.
    components : int
        Of PLS; at most what the images allow.

    Returns
    -------
    Readouts

    Raises
    ------
    ValueError
        If a number is not finite, shapes do not agree, or the method or cv is unknown.

    Source
    ------
    Closed forms of the leave-one-out and generalised errors: Hastie, Tibshirani & Friedman, The Elements of
    Statistical Learning (2009), section 7.10; Golub, Heath & Wahba, Technometrics 21 (1979).
    """
    features, responses = np.asarray(features, np.float64), np.asarray(responses, np.float64)
    _check(features, responses, cv, method, alphas)
    if method == "ridge":
        return _fit_ridge(features, responses, cv, np.sort(np.asarray(alphas, np.float64)))

    solver = partial(solve, method=method, components=components)
    weight, intercept = solver(features, responses)
    errors = []
    for inside, outside in cv.split(features):
        part, offset = solver(features[inside], responses[inside])
        left_out = features[outside] @ part.T + offset - responses[outside]
        errors.append(np.square(left_out).mean(axis=0))
    none = np.full(responses.shape[1], np.nan)
    return Readouts(weight, intercept, np.mean(errors, axis=0), none, np.zeros(len(none), bool))


def _check(features, responses, cv, method, alphas):
    """Refuse what cannot be fitted."""
    if features.ndim != 2 or responses.ndim != 2 or len(features) != len(responses):
        raise ValueError(
            f"expected features (n, d) and responses (n, t), found {features.shape}, {responses.shape}"
        )
    for name, values in {"feature": features, "response": responses}.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} {name} values are not finite")
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; there are {', '.join(METHODS)}")
    if isinstance(cv, str) and (method != "ridge" or cv not in CLOSED_FORMS):
        raise ValueError(f"cv {cv!r} is unknown for {method}; ridge has {', '.join(CLOSED_FORMS)}")
    if method == "ridge" and not (len(alphas) and min(alphas) > 0):
        raise ValueError("ridge needs penalties (alphas) above 0")


def _fit_ridge(features, responses, cv, alphas):
    """Fit ridge readouts, with the penalty of each target that has the smallest cross-validated error."""
    mean, offset = features.mean(axis=0), responses.mean(axis=0)
    x, y = features - mean, responses - offset
    scale = np.sqrt(np.square(x).sum() / len(x)) or 1.0
    x /= scale
    gram = x @ x.T if len(x) - 1 <= x.shape[1] else None  # the smaller of the two square matrices
    left, squares = _left_vectors(x, gram)
    z = left.T @ y
    if cv == "generalised":
        errors = _generalised(left, squares, y, z, alphas)
    elif cv == "leave_one_out":
        errors = _errors([_leave_one_out(left, squares, y, z, alphas)])
    else:
        errors = _errors(list(_k_fold(x, gram, y, cv, alphas)))
    # the largest penalty among equals: rounding, which is not the same everywhere, never decides
    tied = errors <= errors.min(axis=0) * (1 + TIE)
    best = len(alphas) - 1 - tied[::-1].argmax(axis=0)
    alpha = alphas[best]
    weight = (left @ (z / (squares[:, None] + alpha))).T @ x / scale
    return Readouts(
        weight=weight,
        intercept=offset - weight @ mean,
        error=np.take_along_axis(errors, best[None], axis=0)[0],
        alpha=alpha,
        at_edge=(best == 0) | (best == len(alphas) - 1),
    )


def _left_vectors(x, gram):
    """Find left singular vectors (n, q) and squared singular values (q,) of x; `gram` is x xᵀ or None."""
    if gram is not None:
        return _eigenpairs(gram, len(x) - 1)
    right, squares = _eigenpairs(x.T @ x, x.shape[1])
    return x @ right / np.sqrt(squares), squares


@dataclass(frozen=True)
class Components:
    """The principal components of the features of the images that readouts are fitted on."""

    variance: np.ndarray  # (q,) squared feature units, mean over images; largest first
    vectors: np.ndarray  # (q, d) orthonormal rows


def principal_components(features):
    """Compute the principal components of features (n, d), those above rounding."""
    x = np.asarray(features, np.float64)
    x = x - x.mean(axis=0)
    left, squares = _left_vectors(x, x @ x.T if len(x) - 1 <= x.shape[1] else None)
    return Components(squares / len(x), (x.T @ left / np.sqrt(squares)).T)


@dataclass(frozen=True)
class _Part:
    """Hold what the cross-validated residuals of some images are made of, at each penalty.

    Residuals are gain * ((matrix * weight) @ z - wanted).
    """

    matrix: np.ndarray  # (m, q)
    weights: np.ndarray  # (alphas, q)
    gains: np.ndarray  # (alphas, m)
    z: np.ndarray  # (q, targets)
    wanted: np.ndarray | None  # (m, targets); None: 0

    def at(self, penalty, targets):
        """Give the part of one penalty and of some targets."""
        wanted = None if self.wanted is None else self.wanted[:, targets]
        return _Part(self.matrix, self.weights[[penalty]], self.gains[[penalty]], self.z[:, targets], wanted)


def _errors(parts):
    """Compute the mean squared error of each penalty and target, mean over parts, (alphas, targets).

    They are computed in float32, and again in float64 where two penalties of a target are so close that
    float32 could confuse them.
    """
    errors = _errors_in(np.float32, parts)
    # residuals are rounded in proportion to the responses, however small the error: roots are compared
    root = np.sqrt(errors)
    close = root <= root.min(axis=0) + CLOSE * root.max(axis=0)
    close &= close.sum(axis=0) > 1
    for i in np.flatnonzero(close.any(axis=1)):
        errors[i, close[i]] = _errors_in(np.float64, [part.at(i, close[i]) for part in parts])[0]
    return errors


def _errors_in(dtype, parts):
    """Compute the errors of `_errors` in one type."""
    errors = np.zeros((len(parts[0].weights), parts[0].z.shape[1]))
    for part in parts:
        matrix, z = part.matrix.astype(dtype), part.z.astype(dtype)
        weights, gains = part.weights.astype(dtype), part.gains.astype(dtype)[:, :, None]
        wanted = None if part.wanted is None else part.wanted.astype(dtype)
        few = z.shape[1] < len(matrix)  # of few targets it is less to weight their side
        for i in range(len(errors)):
            residual = matrix @ (weights[i][:, None] * z) if few else (matrix * weights[i]) @ z
            if wanted is not None:
                residual -= wanted
            residual *= gains[i]
            errors[i] += np.einsum("it,it->t", residual, residual) / len(residual) / len(parts)
    return errors


def _leave_one_out(left, squares, y, z, alphas):
    """Make leave-one-out residuals, as a part of `_errors`.

    The residual of an image is its fitted residual over one minus its leverage, the intercept's included.
    Both are sums of terms that shrink with the penalty and a term outside the span of the features. They are
    added up term by term, so that nothing cancels at small penalties.
    """
    squared = np.square(left)
    outside = np.maximum(1 - 1 / len(y) - squared.sum(axis=1), 0)
    beyond = left @ z - y if len(squares) < len(y) - 1 else None
    shrunk = alphas[:, None] / (squares + alphas[:, None])
    return _Part(left, shrunk, 1 / (outside + shrunk @ squared.T), z, beyond)


def _k_fold(x, gram, y, cv, alphas):
    """Yield the residuals of each left-out fold as a part of `_errors`, centred on the other folds alone."""
    for inside, outside in cv.split(x):
        mean, offset = x[inside].mean(axis=0), y[inside].mean(axis=0)
        if gram is None:
            left, squares = _left_vectors(x[inside] - mean, None)
            across = (x[outside] - mean) @ ((x[inside] - mean).T @ left)
        else:
            own, across = _centred(gram, inside, outside)
            left, squares = _eigenpairs(own, len(inside) - 1)
            across = across @ left
        weights, gains = 1 / (squares + alphas[:, None]), np.ones((len(alphas), len(outside)))
        yield _Part(across, weights, gains, left.T @ (y[inside] - offset), y[outside] - offset)


def _centred(gram, inside, outside):
    """Compute inner products of `inside` and of `outside` with `inside`, about the mean of `inside`."""
    rows = gram[:, inside] - gram[:, inside].mean(axis=1, keepdims=True)
    rows -= rows[inside].mean(axis=0)
    return rows[inside], rows[outside]


def _generalised(left, squares, y, z, alphas):
    """Compute generalised errors: leave-one-out with the mean leverage for every image; (alphas, targets)."""
    shrunk = alphas[:, None] / (squares + alphas[:, None])
    beyond = np.maximum(np.square(y).sum(axis=0) - np.square(z).sum(axis=0), 0)
    free = (len(y) - 1 - len(squares) + shrunk.sum(axis=1)) / len(y)
    return (beyond + np.square(shrunk) @ np.square(z)) / len(y) / np.square(free)[:, None]


def solve(x, y, method, components):
    """Fit weights (targets, d) and intercepts (targets,) by least_squares or pls, of scikit-learn."""
    if method == "least_squares":
        model = LinearRegression().fit(x, y)
        return model.coef_, model.intercept_
    most = min(components, len(x) - 1, x.shape[1])
    models = [PLSRegression(most, scale=False).fit(x, target) for target in y.T]
    at_zero = [model.predict(np.zeros((1, x.shape[1]))).ravel() for model in models]
    return np.concatenate([model.coef_ for model in models]), np.concatenate(at_zero)
