"""Find the leading eigenpairs of linear operators, with residuals, by Krylov methods for a batch at once.

`top_eigenpairs` takes JᵀJ as one map, `top_singular_pairs` takes J as two. `derivatives.gauss_newton` and
`derivatives.jacobian` make those maps from a differentiable response. Both methods are Rayleigh-Ritz in a
Krylov space whose basis is stored and made orthonormal in full.
"""

import itertools
from dataclasses import dataclass

import torch

FRESH = 10**9  # seeds of fresh directions begin here, far from those of a `start`


@dataclass(frozen=True)
class Spectrum:
    """The k leading eigenpairs of each operator, largest first, each with its own evidence."""

    values: torch.Tensor  # (n, k) float64
    vectors: torch.Tensor  # (n, k, size) float64, rows of unit length; the sign is arbitrary
    residuals: torch.Tensor  # (n, k) ||A v - value v||, in the unit of `values`
    converged: torch.Tensor  # (n, k) bool
    steps: torch.Tensor  # (n,) applications of the operator that the result rests on
    basis: tuple  # n tensors (length, size): orthonormal rows, the space searched; (0, size): all rows of J
    inside: torch.Tensor  # (n, 2) sum of A's eigenvalues, and of their squares, that the basis accounts for


def top_eigenpairs(matvec, start, k, *, tolerance, max_steps=None):
    """Find the leading eigenpairs of n symmetric positive semidefinite operators of one size, by Lanczos.

    Every new direction is made orthogonal, twice, to all earlier ones, so that rounding cannot make a
    converged eigenvalue appear a second time. Each operator is searched on its own; only the products are
    made together. Its result rests on the first step at which all of its k pairs have converged (from then on
    it is sent zeros), so it does not depend on the rest of the batch.

    The vectors are orthonormal, and each value has an eigenvalue of A within its residual (apart from the
    rounding of `matvec` itself, about 1e-6 of the largest in float32). A residual cannot tell that no larger
    eigenvalue was missed. A random start has a part in every eigenvector, so that distinct eigenvalues are
    met from the top down, but it sees only one direction of a repeated one. Further copies are looked for
    where the Krylov space ends (always so when few eigenvalues differ): the search then continues from a
    fresh random direction until the pair after the k-th has settled too.

    Parameters
    ----------
    matvec : callable, (n, size) -> (n, size)
        All operators at once, for instance `derivatives.gauss_newton(respond, images)`; float32 is enough.
    start : tensor (n, size)
        First directions; random ones, so that none is orthogonal to a leading eigenvector. Their type is that
        of the basis: float64, or float32, which with float32 products gave the same subspace (ResNet-18, top
        10, 2.5e-3 degrees off at a tolerance of 1e-5 either way) in half of the memory. Memory is n
        `max_steps` size numbers: 578 MB for 8 images of 224 x 224 and 60 directions in float64.
    k : int
        Pairs wanted, 1 <= k <= size.
    tolerance : float
        A pair has converged once its residual is at most `tolerance` times the largest eigenvalue.
    max_steps : int, optional
        Most applications of `matvec` to spend; min(size, 10 k + 20) if not given.

    Returns
    -------
    Spectrum
        Always k pairs. Those that ran out of steps have `converged` False. Beyond the rank, values are zero
        to rounding and the vectors are orthonormal all the same.

    Raises
    ------
    ValueError
        If k is not in 1..size, or `max_steps` is below k.
    FloatingPointError
        If a product is not finite; names the step.

    Source
    ------
    B. N. Parlett, The Symmetric Eigenvalue Problem (SIAM 1998), chapters 6 and 13.
    """
    return _solve(_Symmetric, (matvec,), start, k, tolerance, max_steps)


def top_singular_pairs(push, pull, start, k, *, tolerance, max_steps=None):
    """Find the leading eigenpairs of n operators JᵀJ, by Golub-Kahan bidiagonalisation of J itself.

    As `top_eigenpairs`, at the same number of products, but nothing is squared: with float32 products it
    resolves singular values down to 1e-5 of the largest, and JᵀJ only down to 1e-3. Both the directions and
    their responses are stored and kept orthonormal, so memory grows with size + v instead of size.

    Parameters
    ----------
    push : callable, (n, size) -> (n, v)
    pull : callable, (n, v) -> (n, size)
        J and Jᵀ of all operators at once, for instance `derivatives.jacobian(respond, images)`.
    start, k, tolerance, max_steps
        As in `top_eigenpairs`; a step is one push and one pull. v may be smaller than k.

    Returns
    -------
    Spectrum
        Of JᵀJ: values are squared singular values, residuals ||JᵀJ v - value v||.

    Raises
    ------
    ValueError, FloatingPointError
        As `top_eigenpairs`.

    Source
    ------
    G. Golub and W. Kahan, Calculating the singular values and pseudo-inverse of a matrix (J. SIAM Numer.
    Anal. B 2, 1965).
    """
    return _solve(_Bidiagonal, (push, pull), start, k, tolerance, max_steps)


def _solve(method, operators, start, k, tolerance, max_steps):
    """Run one search for each row of `start`; the vectors they ask for go through the operators together."""
    size = start.shape[1]
    if not 1 <= k <= size:
        raise ValueError(f"k must be in 1..{size} (pixels x colours), not {k}")
    limit = min(size, 10 * k + 20 if max_steps is None else max_steps)
    if limit < k:
        raise ValueError(f"max_steps must be at least k = {k}, not {max_steps}")
    searches = [_search(method(row, limit), row, k, tolerance, limit) for row in start]
    results, asked = [None] * len(searches), [None] * len(operators)  # asked: a batch of vectors per operator
    wishes = [next(search) for search in searches]
    for turn in itertools.count():
        which, step = turn % len(operators), turn // len(operators)
        asked[which] = _batch(wishes, asked[which])
        answers = operators[which](asked[which])
        if not torch.isfinite(answers).all():
            raise FloatingPointError(f"the operator returned a value that is not finite at step {step}")
        wishes = [None] * len(searches)
        for i, search in enumerate(searches):
            if results[i] is None:
                try:
                    wishes[i] = search.send(answers[i])
                except StopIteration as stop:
                    results[i] = stop.value
        if all(result is not None for result in results):
            *parts, bases, inside = zip(*results, strict=True)
            return Spectrum(*map(torch.stack, parts), bases, torch.stack(inside))


def _batch(wishes, batch):
    """Put the vectors wished for into one tensor, reused; zeros for searches that have ended."""
    if batch is None:
        return torch.stack(wishes)
    for row, wish in zip(batch, wishes, strict=True):
        row.copy_(wish) if wish is not None else row.zero_()
    return batch


def _search(space, start, k, tolerance, limit):
    """Search one operator: yields vectors, is sent their products, returns the parts of a Spectrum."""
    direction, chain, wanted = start / start.norm(), 0, k
    for step in range(1, limit + 1):
        rest, noise, gain = yield from space.extend(direction)
        chain += 1
        values, weights, slopes, scale = space.pairs()
        norm = rest.norm().item()
        broken = norm <= noise * scale  # the directions so far are invariant
        residuals = (0.0 if broken else norm) * slopes
        settled = (residuals <= tolerance * values[0].abs())[:wanted]
        # a chain that ends settles every pair, and says nothing of what is orthogonal to it, unless it was a
        # single random direction
        ended = min(norm, gain) <= max(noise, tolerance) * scale
        enough = len(settled) == wanted and settled.all() and (chain == 1 or not ended)
        if enough or step == limit:
            break
        if ended:
            chain, wanted = 0, min(k + 1, len(start))
        direction = space.fresh(step) if broken else rest / norm
    converged = residuals[:k] <= tolerance * values[0].abs()
    device, vectors = start.device, space.combine(weights[:, :k])
    evidence = (values[:k].clamp_min(0), vectors, residuals[:k], converged, torch.tensor(step))
    basis, inside = space.basis[: space.length].clone(), space.inside(norm)
    return *(part.to(device) for part in evidence), basis, inside.to(device)


class _Symmetric:
    """Hold orthonormal directions V (length, size) of one operator A, and the matrix VᵀAV on the CPU."""

    def __init__(self, start, limit):
        self.basis = start.new_empty(limit, len(start))
        self.matrix = torch.zeros(limit, limit, dtype=torch.float64)
        self.length = 0

    def extend(self, direction):
        """Take in a direction.

        Returns the part of its product outside of V, the relative rounding of products, and how much the
        direction adds to the responses (infinite here, where responses are not looked at).
        """
        product = yield direction
        self.basis[self.length] = direction
        self.length += 1
        rest, weights = _orthogonal(product.to(direction.dtype), self.basis[: self.length])
        last = self.length - 1
        self.matrix[last, : self.length] = self.matrix[: self.length, last] = weights
        return rest, _rounding(product, direction), float("inf")

    def pairs(self):
        """Compute Ritz values, their weights on V, their residual for a unit of rest, and the size of A."""
        values, weights = torch.linalg.eigh(self.matrix[: self.length, : self.length])
        values, weights = values.flip(0), weights.flip(1)
        return values, weights, weights[-1].abs(), values[0].abs().item()

    def inside(self, norm):
        """Sum A's eigenvalues and their squares, without its part P A P outside of V.

        `norm` is that of the last rest. With A V = V VᵀAV + rest eᵀ, the squares are those of VᵀAV and,
        twice, those of the rest.
        """
        matrix = self.matrix[: self.length, : self.length]
        return torch.stack([matrix.trace(), matrix.square().sum() + 2 * norm**2])

    def combine(self, weights):
        """Add up directions by their weights (length, k): vectors (k, size) in float64."""
        return (weights.T.to(self.basis) @ self.basis[: self.length]).double()

    def fresh(self, step):
        """Draw a random direction orthogonal to V, another at each step, the same in every batch."""
        draw = torch.Generator().manual_seed(FRESH + step)
        direction = torch.randn(self.basis.shape[1], generator=draw, dtype=torch.float64).to(self.basis)
        rest, _ = _orthogonal(direction / direction.norm(), self.basis[: self.length])
        return rest / rest.norm()


class _Bidiagonal(_Symmetric):
    """Hold orthonormal directions V and responses U of one J, and the small matrix UᵀJV.

    J V = U B and JᵀU = V Bᵀ + the rest of the last pull. A direction without a response of its own has a
    zero row in U and in B.
    """

    left = None  # U, made at the first push, which tells how many responses there are

    def extend(self, direction):
        """Take in a direction; see `_Symmetric.extend`."""
        pushed = yield direction
        noise, last = _rounding(pushed, direction), self.length
        if self.left is None:
            self.left = direction.new_zeros(len(self.basis), len(pushed))
        self.basis[last] = direction
        self.length += 1
        rest, weights = _orthogonal(pushed.to(direction.dtype), self.left[:last])
        self.matrix[:last, last] = weights
        norm = rest.norm().item()
        if norm > noise * self.matrix.norm().item():
            self.left[last] = rest / norm
            self.matrix[last, last] = norm
        else:
            self.left[last] = 0
        pulled = yield self.left[last]
        rest, _ = _orthogonal(pulled.to(direction.dtype), self.basis[: self.length])
        return rest, noise, norm

    def pairs(self):
        """Compute Ritz values, weights and residuals; see `_Symmetric.pairs`."""
        turn, values, right = torch.linalg.svd(self.matrix[: self.length, : self.length])
        return values.square(), right.T, values * turn[-1].abs(), values[0].item()

    def inside(self, norm):
        """Sum the eigenvalues of JᵀJ and their squares; see `_Symmetric.inside`."""
        matrix = self.matrix[: self.length, : self.length]
        gram, last = matrix.T @ matrix, norm * matrix[-1, -1]
        return torch.stack([gram.trace(), gram.square().sum() + 2 * last**2])


def _rounding(*vectors):
    """Give the share of the largest product below which a rest is rounding, in the coarsest type."""
    return 10 * max(torch.finfo(vector.dtype).eps for vector in vectors)


def _orthogonal(vector, basis):
    """Take the part in `basis` (length, size) out of `vector` (size,); the rest, and coefficients on the CPU.

    It is done twice, which is enough (Parlett, 6.9).
    """
    total = 0
    for _ in range(2):
        weights = basis @ vector
        vector = torch.addmv(vector, basis.T, weights, alpha=-1)
        total = total + weights
    return vector, total.double().cpu()
