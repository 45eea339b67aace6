"""Find the pair of image perturbations that tells the local metrics of several models apart the most."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize

from codingaxes.axes import subspaces

SPREAD = 1e-3  # least share of the trace that is spread over the directions which no axis covers
SAME = 1e-6  # singular value, of unit vectors side by side, below which they add no direction
ROUNDS = 20  # of the ascent; each begins with vectors of length 1
ALIKE = 1e-2  # relative: objectives that differ by less are the same optimum


@dataclass(frozen=True)
class Metrics:
    """Local metrics JᵀJ of several models at one image, inside the span of the axes of all of them.

    G_m = f_m (1 + Wᵀ diag(g) W), in coordinates of the span; outside of it, f_m times the identity.
    """

    basis: np.ndarray  # (span, d) orthonormal rows
    axes: np.ndarray  # (models, k, span) orthonormal rows, or rows of zeros where a model has fewer axes
    gains: np.ndarray  # (models, k) eigenvalue over the model's floor, less 1
    floors: np.ndarray  # (models,) mean eigenvalue of the directions which no axis of the model covers

    def sensitivities(self, vectors):
        """Compute log eᵀG_m e (n, models) of unit vectors (n, span)."""
        along = np.einsum("mkd,nd->nmk", self.axes, vectors)
        return np.log(self.floors) + np.log1p(np.einsum("nmk,mk->nm", along**2, self.gains))


@dataclass(frozen=True)
class Distortions:
    """Hold principal distortions of an image, and what shows that they are."""

    vectors: np.ndarray  # (2, d) unit vectors over pixels; their largest entry is positive
    models: tuple  # names, or places, of the models that were told apart
    ratios: np.ndarray  # (models,) log(e1ᵀG e1 / e2ᵀG e2), natural logarithm
    objective: float  # variance of `ratios` over models
    start: float  # the same of the best pair that the ascent started from
    gradient: float  # length of its derivative by both unit vectors, over `objective`
    converged: bool  # `gradient` is at most the tolerance
    agreement: float  # share of the starts that ended at this objective

    @property
    def spread(self):
        """Standard deviation over models of the log ratio of distances, √(e1ᵀG e1 / e2ᵀG e2)."""
        return float(np.sqrt(self.objective) / 2)


def of_image(axes, jacobians, *, starts=8, tolerance=1e-4):
    """Find the principal distortions of one image for one kind of response of one region.

    A model whose trace is 0 is left out, as it has no ratio.

    Parameters
    ----------
    axes, jacobians : DataFrames
        Rows of the tables eigenvectors and jacobians of all models that are to be told apart, of this image,
        region and response. The simulated brain is not among them: its metric is what an experiment finds.
    starts, tolerance
        See `principal`.

    Returns
    -------
    Distortions

    Raises
    ------
    ValueError
        If the rows are of several images, regions or responses, a model has no axes, or fewer than two
        models are left.
    """
    for name, rows in {"axes": axes, "jacobians": jacobians}.items():
        about = rows[["response", "roi", "image_id"]].drop_duplicates()
        if len(about) != 1:
            raise ValueError(f"{name} must be of one response, region and image, found {len(about)}")
    rows = jacobians[jacobians.trace > 0]
    parts = {name: part.sort_values("rank") for name, part in axes.groupby("network", sort=False)}
    without = [name for name in rows.network if name not in parts]
    if without:
        raise ValueError(f"no axes of {', '.join(without)}; compute their eigenvectors again")
    values = [parts[name].eigenvalue.to_numpy() for name in rows.network]
    vectors = [np.stack(list(parts[name].vector)) for name in rows.network]
    names = tuple(rows.network)
    return principal(values, vectors, rows.trace.to_numpy(), models=names, starts=starts, tolerance=tolerance)


def principal(values, vectors, traces, *, models=None, starts=8, tolerance=1e-4):
    """Find unit vectors (e1, e2) that maximise the variance over models of log(e1ᵀG_m e1 / e2ᵀG_m e2).

    Such a pair is seen by one group of models as a large and a small change, and by another the other way
    round, whatever the scale of each model: a factor of G_m drops out. G_m is made of the leading eigenpairs
    that are known; the rest of the trace is spread evenly over all other directions (see `metrics`). The
    search is in the span of the eigenvectors of all models: of directions outside of it nothing is known but
    these floors.

    The variance is maximised by L-BFGS from several starts: pairs that are farthest apart among the extreme
    generalised eigenvectors of all pairs of models, which are the solution for two models. The best end
    counts, and it is never below its start. Nothing is drawn at random.

    Parameters
    ----------
    values : sequence of arrays (k,)
        Of each model the leading eigenvalues of JᵀJ, in its own unit.
    vectors : sequence of arrays (k, d)
        Their eigenvectors, unit rows.
    traces : array (models,)
        Sum of all eigenvalues, above 0.
    models : sequence, optional
        Names; else places.
    starts : int
        Pairs of vectors to start from, 1 or more.
    tolerance : float
        As for `Distortions.converged`.

    Returns
    -------
    Distortions
        e1 is the direction that models see better, in the mean of the log.

    Raises
    ------
    ValueError
        As `metrics`.

    Source
    ------
    J. Feather, D. Lipshutz, S. E. Harvey, A. H. Williams & E. P. Simoncelli, Discriminating image
    representations with principal distortions, ICLR 2025. Their distance is √(eᵀGe), so that their variance
    is a quarter of this one; the pair is the same. They differentiate models; we keep to stored eigenpairs.
    """
    known = metrics(values, vectors, traces)
    begins = _starts(known, starts)
    ends = [_ascend(known, pair, tolerance) for pair in begins]
    objectives = np.array([end[1] for end in ends])
    pair, objective, gradient = ends[int(objectives.argmax())]
    ratios = np.subtract(*known.sensitivities(pair))
    if ratios.mean() < 0:
        pair, ratios = pair[::-1], -ratios
    pixels = pair @ known.basis
    pixels *= np.sign(np.take_along_axis(pixels, np.abs(pixels).argmax(axis=1)[:, None], axis=1))
    return Distortions(
        vectors=pixels / np.linalg.norm(pixels, axis=1, keepdims=True),
        models=tuple(range(len(traces)) if models is None else models),
        ratios=ratios,
        objective=float(objective),
        start=max(_objective(known, one)[0] for one in begins),
        gradient=float(gradient),
        converged=bool(gradient <= tolerance),
        agreement=float((objectives >= (1 - ALIKE) * objective).mean()),
    )


def metrics(values, vectors, traces):
    """Describe each model's metric by its leading eigenpairs, and the rest of its trace as a floor.

    Parameters
    ----------
    values, vectors, traces
        See `principal`.

    Returns
    -------
    Metrics
        The floor of a model is what its axes leave of the trace, over the d - k other directions. Of a model
        with as many axes as responses they leave nothing; then, and where an estimated trace is too small,
        it is `SPREAD` of the trace. An eigenvalue below the floor counts as the floor.

    Raises
    ------
    ValueError
        If there are fewer than two models, a number is not finite, a trace is not above 0, or vectors do not
        have the same pixels or are not independent.
    """
    traces = np.asarray(traces, np.float64)
    sizes = {np.shape(rows)[-1] for rows in vectors}
    if len(traces) < 2 or len({len(values), len(vectors), len(traces)}) > 1 or len(sizes) != 1:
        raise ValueError(
            f"expected axes of the same pixels of two models or more, found {len(values)} models' values, "
            f"{len(vectors)} models' vectors with {sorted(sizes)} pixels, and {len(traces)} traces"
        )
    if not all(np.isfinite(part).all() for part in (*values, *vectors)) or not (traces > 0).all():
        raise ValueError("eigenpairs must be finite and traces above 0")
    d, most = sizes.pop(), max(map(len, values))
    bases = [subspaces.orthonormal(rows) for rows in vectors]
    _, strengths, span = np.linalg.svd(np.concatenate(bases), full_matrices=False)
    span = span[strengths > SAME]
    axes, gains = np.zeros((len(traces), most, len(span))), np.zeros((len(traces), most))
    left = traces - np.array([np.sum(part) for part in values])
    others = np.array([max(1, d - len(part)) for part in values])
    floors = np.maximum(left, SPREAD * traces) / others
    for place, (basis, of_model) in enumerate(zip(bases, values, strict=True)):
        axes[place, : len(basis)] = basis @ span.T
        gains[place, : len(basis)] = np.maximum(np.asarray(of_model) / floors[place] - 1, 0)
    return Metrics(span, axes, gains, floors)


def farthest(sensitivities):
    """Find the pair of directions with the largest variance of the log ratio, and that variance.

    Parameters
    ----------
    sensitivities : array (n, models)
        From `Metrics.sensitivities`.

    Returns
    -------
    pair : tuple of int
    variance : float
    """
    apart = _apart(sensitivities)
    pair = np.unravel_index(apart.argmax(), apart.shape)
    return tuple(map(int, pair)), float(apart[pair])


def _apart(sensitivities):
    """Compute the variance over models of the log ratio of each pair of directions, (n, n)."""
    centred = sensitivities - sensitivities.mean(axis=1, keepdims=True)
    products = centred @ centred.T / centred.shape[1]
    own = np.diag(products)
    return own + own[:, None] - 2 * products


def _starts(known, number):
    """List pairs of directions (2, span) to start from: the farthest apart, at first none of them twice."""
    candidates = np.concatenate([_extremes(known, *pair) for pair in combinations(range(len(known.axes)), 2)])
    apart = _apart(known.sensitivities(candidates))
    one, other = np.triu_indices(len(candidates), 1)
    order = np.argsort(-apart[one, other], kind="stable")
    pairs = list(zip(one[order].tolist(), other[order].tolist(), strict=True))
    taken, first, rest = set(), [], []
    for pair in pairs:
        free = taken.isdisjoint(pair)
        (first if free else rest).append(pair)
        taken.update(pair if free else ())
    return [candidates[list(pair)] for pair in [*first, *rest][:number]]


def _extremes(known, one, other):
    """Find the extreme generalised eigenvectors (2, span) of two models' metrics, in the span of their axes.

    Orthogonal to that span, both metrics are multiples of the identity.
    """
    _, strengths, basis = np.linalg.svd(np.concatenate(known.axes[[one, other]]), full_matrices=False)
    basis = basis[strengths > SAME]
    scaled = np.sqrt(known.gains)[[one, other], :, None] * (known.axes[[one, other]] @ basis.T)
    first, second = np.eye(len(basis)) + scaled.swapaxes(1, 2) @ scaled
    ends = eigh(first, second)[1][:, [0, -1]].T @ basis
    return ends / np.linalg.norm(ends, axis=1, keepdims=True)


def _ascend(known, pair, tolerance):
    """Maximise the variance from one pair (2, span): the pair of unit vectors, the variance, the gradient."""
    best, (value, slope) = pair, _objective(known, pair)
    for _ in range(ROUNDS):
        if np.linalg.norm(slope) <= tolerance * value:
            break
        found = minimize(
            lambda x: _negative(known, x),
            best.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 500, "gtol": 0.1 * tolerance * max(value, 1e-300), "ftol": 0.0},
        )
        new = found.x.reshape(pair.shape)
        new /= np.linalg.norm(new, axis=1, keepdims=True)
        after, turned = _objective(known, new)
        if after <= value:
            break
        best, value, slope = new, after, turned
    return best, value, np.linalg.norm(slope) / value if value > 0 else 0.0


def _negative(known, x):
    """Give minus the objective and its gradient, for a minimiser."""
    value, slope = _objective(known, x.reshape(2, -1))
    return -value, -slope.ravel()


def _objective(known, pair):
    """Compute the variance of the log ratio, and its gradient (2, span), of a pair of any length.

    Lengths do not count, and the gradient is orthogonal to each vector.
    """
    flat = known.axes.reshape(-1, pair.shape[1])
    along = (pair @ flat.T).reshape(2, *known.gains.shape)
    weighted = known.gains * along
    squares = (pair**2).sum(axis=1)[:, None] + (weighted * along).sum(axis=2)  # (2, models), over the floor
    ratio = np.log(squares[0] / squares[1])
    weight = 2 * (ratio - ratio.mean()) / len(ratio)
    share = np.stack([weight, -weight]) / squares  # (2, models)
    slope = 2 * (share.sum(axis=1)[:, None] * pair + (share[:, :, None] * weighted).reshape(2, -1) @ flat)
    return float(np.var(ratio)), slope
