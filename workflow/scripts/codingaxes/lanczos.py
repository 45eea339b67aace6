"""operator -> leading eigenpairs with residuals: Lanczos for a batch of symmetric operators at once."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Spectrum:
    """The k leading eigenpairs of each operator, largest first, each with its own evidence."""

    values: torch.Tensor  # (n, k) float64
    vectors: torch.Tensor  # (n, k, size) float64, rows of unit length; the sign is arbitrary
    residuals: torch.Tensor  # (n, k) ||A v - value v||, in the unit of `values`
    converged: torch.Tensor  # (n, k) bool
    steps: torch.Tensor  # (n,) applications of the operator that the result rests on


def gauss_newton(respond, images):
    """The map v -> JᵀJ v for each image of a batch, without ever forming J.

    The forward pass is made once. J v is the derivative of u -> Jᵀu, which is linear (double backward);
    Jᵀ(J v) is one more backward pass.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n, v)
        Twice differentiable by autograd; the response of an image depends on that image alone.
    images : tensor (n, 3, h, w)

    Returns
    -------
    callable, (n, 3 h w) -> (n, 3 h w)
    """
    images = images.detach().requires_grad_(True)
    response = respond(images)
    probe = torch.zeros_like(response, requires_grad=True)
    (pulled,) = torch.autograd.grad(response, images, probe, create_graph=True)

    def apply(vectors):
        tangent = vectors.to(images.dtype).view_as(images)
        (pushed,) = torch.autograd.grad(pulled, probe, tangent, retain_graph=True)
        (back,) = torch.autograd.grad(response, images, pushed, retain_graph=True)
        return back.flatten(1)

    return apply


def top_eigenpairs(matvec, start, k, *, tolerance, max_steps=None):
    """Leading eigenpairs of n symmetric positive semidefinite operators of the same size, by Lanczos.

    Every new direction is made orthogonal, twice, to all earlier ones, so that rounding cannot make a
    converged eigenvalue appear a second time. An operator's result rests on the first step at which all
    of its k pairs have converged, so it does not depend on the rest of the batch. Memory: (steps, n,
    size) in float64.

    Parameters
    ----------
    matvec : callable, (n, size) -> (n, size)
        All operators at once, for instance `gauss_newton(respond, images)`; float32 products are enough.
    start : tensor (n, size)
        First directions; random ones, so that none is orthogonal to a leading eigenvector.
    k : int
        Pairs wanted, 1 <= k <= size.
    tolerance : float
        A pair has converged once its residual is at most `tolerance` times the largest eigenvalue.
    max_steps : int, optional
        Most applications of `matvec` to spend; min(size, 10 k + 20) if not given.

    Returns
    -------
    Spectrum
        Always k pairs. Those that ran out of steps have `converged` False. An eigenvalue that an operator has
        several times may be returned fewer times; beyond the rank, values are zero.

    Raises
    ------
    ValueError
        If k is not in 1..size, or `max_steps` is below k.
    FloatingPointError
        If `matvec` returns a value that is not finite.

    Source
    ------
    B. N. Parlett, The Symmetric Eigenvalue Problem (SIAM 1998), chapters 6 and 13.
    """
    n, size = start.shape
    if not 1 <= k <= size:
        raise ValueError(f"k must be in 1..{size} (the number of pixels), not {k}")
    limit = min(size, 10 * k + 20 if max_steps is None else max_steps)
    if limit < k:
        raise ValueError(f"max_steps must be at least k = {k}, not {max_steps}")
    current = _unit(start.double())
    basis = current.new_empty(limit, n, size)
    diagonal, beside = (current.new_zeros(n, limit) for _ in range(2))
    final = torch.full((n,), limit, device=start.device)
    for step in range(limit):
        basis[step] = current
        product = matvec(current)
        if not torch.isfinite(product).all():
            raise FloatingPointError(f"matvec returned a value that is not finite at step {step}")
        # products are rounded to their own type, coefficients and basis are float64
        noise = 10 * torch.finfo(product.dtype).eps
        product = product.double()
        diagonal[:, step] = (product * current).sum(dim=1)
        rest = _orthogonal(product, basis[: step + 1])
        norm = rest.norm(dim=1)
        scale = diagonal[:, : step + 1].abs().amax(dim=1)
        broken = norm <= noise * scale
        beside[:, step] = torch.where(broken, 0.0, norm)
        done = (final == limit) & _all_converged(diagonal, beside, step + 1, k, tolerance)
        final[done] = step + 1
        if step + 1 == limit or (final <= step + 1).all():
            break
        if broken.any():  # the directions so far are invariant: go on from one orthogonal to them
            fresh = _orthogonal(_fresh(start, step), basis[: step + 1])
            rest = torch.where(broken[:, None], fresh, rest)
        current = _unit(rest)
    return _assemble(basis, diagonal, beside, final, k, tolerance)


def _orthogonal(vectors, basis):
    """`vectors` (n, size) less its part in `basis` (steps, n, size); twice is enough (Parlett, 6.9)."""
    for _ in range(2):
        weights = torch.einsum("sni,ni->sn", basis, vectors)
        vectors = vectors - torch.einsum("sn,sni->ni", weights, basis)
    return vectors


def _fresh(start, step):
    """New directions from the old ones alone, so that no further random state is needed."""
    return torch.roll(start.double(), step + 1, dims=1) * torch.linspace(0.5, 1.5, start.shape[1]).to(start)


def _unit(vectors):
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-300)


def _ritz(diagonal, beside, steps, k):
    """The k largest eigenpairs of the tridiagonal matrices after `steps`, and their residuals."""
    inner = beside[:, : steps - 1]
    matrix = torch.diag_embed(diagonal[:, :steps]) + torch.diag_embed(inner, 1) + torch.diag_embed(inner, -1)
    values, vectors = torch.linalg.eigh(matrix)
    values, vectors = values.flip(1)[:, :k], vectors.flip(2)[:, :, :k]
    return values, vectors, beside[:, steps - 1, None].abs() * vectors[:, -1].abs()


def _all_converged(diagonal, beside, steps, k, tolerance):
    if steps < k:
        return torch.zeros(len(diagonal), dtype=torch.bool, device=diagonal.device)
    values, _, residuals = _ritz(diagonal, beside, steps, k)
    return (residuals <= tolerance * values[:, :1].abs()).all(dim=1)


def _assemble(basis, diagonal, beside, final, k, tolerance):
    n, size = basis.shape[1:]
    values, residuals = (basis.new_zeros(n, k) for _ in range(2))
    vectors = basis.new_zeros(n, k, size)
    for i in range(n):
        steps = int(final[i])
        value, weight, residual = _ritz(diagonal[i : i + 1], beside[i : i + 1], steps, k)
        values[i], residuals[i] = value[0].clamp_min(0), residual[0]
        vectors[i] = weight[0].T @ basis[:steps, i]
    converged = residuals <= tolerance * values[:, :1]
    return Spectrum(values, vectors, residuals, converged, final)
