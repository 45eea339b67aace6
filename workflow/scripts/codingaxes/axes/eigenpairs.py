"""Find the leading axes of JᵀJ of a response by the cheaper route: all rows of J, or Krylov steps."""

import time
from dataclasses import dataclass

import torch

from codingaxes.axes import derivatives, krylov

ROUTES = ("exact", "lanczos", "bidiagonal")
CHOICES = ("auto", "measured")  # ways to choose between exact and lanczos
STRIP = 1024  # pixels of the rows that a Gram matrix is timed on
CHUNK = 8192  # pixels that are taken to float64 at once; a Gram matrix needs no copy of the rows then


@dataclass(frozen=True)
class Axes:
    """Leading axes of a batch of images, and how they were computed."""

    spectrum: krylov.Spectrum
    route: str  # one of ROUTES
    costs: dict  # route -> passes (auto) or seconds (measured) of the choice; empty where the route was given
    responses: int  # v, the rows of J
    products: tuple  # the maps push and pull of `derivatives.jacobian`


def top_axes(respond, images, k, *, start, route="auto", tolerance=1e-5, max_steps=None):
    """Find the k leading eigenpairs of JᵀJ for each image of a batch.

    One response (v = 1) has one axis, the gradient: one backward pass gives it, and the other k - 1 values
    are zero. Up to a few dozen responses, all rows of J are cheapest (v backward passes, then the SVD of a
    matrix with v rows); for many responses, Krylov steps are (two passes each). "auto" counts those passes
    (`count_passes`), so that the same study takes the same route on any machine, however busy. "measured"
    times them (`predict`): faster at times, but two runs may differ. Routes agree in each eigenvector to
    about its residual over its distance to the next eigenvalue.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n, v)
        See `derivatives.jacobian`. A linear readout should be compressed to its rank first
        (`encoding.from_network.compress`).
    images : tensor (n, 3, h, w)
        float32 as a rule; float64 gives a reference.
    k : int
        1 <= k <= 3 h w.
    start : tensor (n, 3 h w)
        Random first directions of the Krylov routes; their type is that of the basis.
    route : str
        "auto" or "measured" (exact or lanczos), or one of `ROUTES`.
    tolerance, max_steps
        See `krylov.top_eigenpairs`. The exact route uses the tolerance to say what has converged.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the route is not known.
    FloatingPointError
        If a derivative is not finite.
    """
    if route not in (*CHOICES, *ROUTES):
        raise ValueError(f"route must be {', '.join((*CHOICES, *ROUTES))}, not {route!r}")
    recorded, seconds = _timed(derivatives.record, respond, images, measure=route == "measured")
    response, leaf = recorded
    push, pull = derivatives.products(response, leaf)
    costs = {}
    if route == "auto":
        costs = count_passes(response.shape[1], k)
    elif route == "measured":
        costs = predict(push, pull, response.shape[1], start, k, seconds)
    route = min(costs, key=costs.get) if costs else route
    options = {"tolerance": tolerance, "max_steps": max_steps}
    if route == "exact":
        spectrum = exact_eigenpairs(_rows(response, leaf), k, tolerance=tolerance)
    elif route == "lanczos":
        spectrum = krylov.top_eigenpairs(lambda v: pull(push(v)), start, k, **options)
    else:
        spectrum = krylov.top_singular_pairs(push, pull, start, k, **options)
    return Axes(spectrum, route, costs, response.shape[1], (push, pull))


def count_passes(responses, k):
    """Count the passes through the network that each route would take.

    Arithmetic between the passes is left out: it is the smaller part of both routes, and grows with the
    pixels as the passes do.

    Parameters
    ----------
    responses : int
        v, the rows of J.
    k : int

    Returns
    -------
    dict
        "exact": v backward passes. "lanczos": `_steps` of two passes. Where both are the same, the exact
        route comes first, as its sums of eigenvalues need no further passes.
    """
    return {"exact": responses, "lanczos": 2 * _steps(responses, k)}


def _steps(responses, k):
    """Give the Krylov steps to expect: 3 k + 5 (a ResNet-18 took 30 to 38 for k = 10), at most v + 1."""
    return min(3 * k + 5, responses + 1)


def predict(push, pull, responses, start, k, seconds):
    """Predict the seconds that each route would take for a batch.

    Parameters
    ----------
    push, pull : callables
        From `derivatives.jacobian`.
    responses : int
        v, the rows of J.
    start : tensor (n, size)
    k : int
    seconds : float
        Time of the forward pass; a backward pass takes about as long.

    Returns
    -------
    dict
        "exact": v backward passes and the Gram matrices of v rows. "lanczos": the steps to expect and their
        orthogonalisation. A step cannot cost less than two passes: where the exact route wins even so,
        nothing more is timed and "lanczos" is that bound. Otherwise a backward pass, a push and one step's
        arithmetic are timed.
    """
    n, size = start.shape
    steps = _steps(responses, k)
    if responses <= 2 * steps:
        return {"exact": responses * seconds, "lanczos": 2 * steps * seconds}
    push(start)  # the first one also records what the others use
    backward, forward = _seconds(pull, start.new_ones(n, responses)), _seconds(push, start)
    basis = start[:1].expand(steps // 2, size).contiguous()
    orthogonal = _seconds(lambda v: [basis.T @ (basis @ v) for _ in range(2)], start[0])
    strip = start[0, :STRIP].double().expand(responses, -1).contiguous()
    gram = _seconds(lambda v: v @ v.T, strip) * size / strip.shape[1]
    return {
        "exact": responses * backward + n * gram,
        "lanczos": steps * (forward + backward + n * orthogonal),
    }


def _timed(function, *arguments, measure):
    """Call a function; its result and, where they are to be measured, its seconds. Else no clock is read."""
    began = _clock(arguments[-1]) if measure else 0.0
    result = function(*arguments)
    return result, _clock(arguments[-1]) - began if measure else 0.0


def _seconds(function, argument):
    """Time one call."""
    began = _clock(argument)
    function(argument)
    return _clock(argument) - began


def _clock(tensor):
    """Read the time once everything sent to the tensor's device is done."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
    return time.perf_counter()


def rows(respond, images):
    """Compute all rows of J for each image: one backward pass gives a row of every image at once.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n, v)
        See `derivatives.jacobian`.
    images : tensor (n, 3, h, w)

    Returns
    -------
    tensor (n, v, 3 h w)
        In the type of the images: n v h w 12 bytes in float32.

    Raises
    ------
    FloatingPointError
        If a derivative is not finite; names the response and the image.
    """
    return _rows(*derivatives.record(respond, images))


def _rows(response, leaf):
    """Compute all rows of J from a forward pass that `derivatives.record` has made."""
    n, responses = response.shape
    matrix = leaf.new_empty(n, responses, leaf[0].numel())
    one_each = torch.eye(responses, dtype=response.dtype, device=response.device)
    for number, one in enumerate(one_each):
        (row,) = torch.autograd.grad(response, leaf, one.expand(n, -1), retain_graph=True)
        row = row.reshape(n, -1)
        bad = ~torch.isfinite(row).all(dim=1)
        if bad.any():
            image = int(bad.nonzero()[0])
            raise FloatingPointError(
                f"the gradient of response {number} at image {image} of the batch is not finite"
            )
        matrix[:, number] = row
    return matrix


def exact_eigenpairs(rows, k, *, tolerance=1e-5):
    """Find the leading eigenpairs of JᵀJ from all rows of J, by way of the small matrix JJᵀ in float64.

    Parameters
    ----------
    rows : tensor (n, v, size)
        J of each image; v may be smaller than k.
    k : int
        Pairs wanted, 1 <= k <= size. Beyond the rank, values are zero and the vectors any orthonormal ones.
    tolerance : float
        A pair counts as converged if its residual is at most `tolerance` times the largest eigenvalue.

    Returns
    -------
    krylov.Spectrum
        Residuals are measured with the rows, in float64. steps is v, the passes that the rows took.

    Raises
    ------
    ValueError
        If k is not in 1..size.
    """
    n, responses, size = rows.shape
    if not 1 <= k <= size:
        raise ValueError(f"k must be in 1..{size} (pixels x colours), not {k}")
    parts = [_exact(matrix, k) for matrix in rows]
    values, vectors, residuals, inside = (torch.stack(part) for part in zip(*parts, strict=True))
    converged = residuals <= tolerance * values[:, :1]
    steps = torch.full((n,), responses, device=rows.device)
    none = tuple(rows.new_empty(0, size) for _ in range(n))
    return krylov.Spectrum(values, vectors, residuals, converged, steps, none, inside)


def _exact(matrix, k):
    """Find the k leading eigenpairs of one image's JᵀJ, and their residuals."""
    chunks = matrix.split(CHUNK, dim=1)
    gram = sum(wide @ wide.T for wide in (part.double() for part in chunks))
    inside = torch.stack([gram.trace(), gram.square().sum()])
    squares, weights = torch.linalg.eigh(gram)
    squares, weights = squares.flip(0)[:k].clamp_min(0), weights.flip(1)[:, :k]
    # below the rounding of the Gram matrix a direction would be noise: any orthonormal one will do
    weights = weights[:, squares > len(gram) * torch.finfo(gram.dtype).eps * squares[0]]
    vectors = torch.cat([part.double().T @ weights for part in chunks])
    if (rank := weights.shape[1]) < k:
        draw = torch.Generator().manual_seed(k)
        others = torch.randn(matrix.shape[1], k, generator=draw, dtype=torch.float64)[:, rank:]
        vectors = torch.cat([vectors, others.to(matrix.device)], dim=1)
    vectors = torch.linalg.qr(vectors / vectors.norm(dim=0).clamp_min(1e-300)).Q
    pushed = sum(part.double() @ vectors[i * CHUNK :][:CHUNK] for i, part in enumerate(chunks))
    values = pushed.square().sum(dim=0)
    pulled = torch.cat([part.double().T @ pushed for part in chunks])
    return values, vectors.T.contiguous(), (pulled - values * vectors).norm(dim=0), inside
