"""operator -> leading eigenpairs with residuals: Krylov methods for a batch of operators at once.

`top_eigenpairs` takes JᵀJ as one map, `top_singular_pairs` takes J as two; `gauss_newton` and `jacobian` make
those maps from a differentiable response. Both methods are Rayleigh-Ritz in a Krylov space, kept orthonormal
in full and restarted thickly when it outgrows its memory.
"""

import itertools
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Spectrum:
    """The k leading eigenpairs of each operator, largest first, each with its own evidence."""

    values: torch.Tensor  # (n, k) float64
    vectors: torch.Tensor  # (n, k, size) float64, rows of unit length; the sign is arbitrary
    residuals: torch.Tensor  # (n, k) ||A v - value v||, in the unit of `values`
    converged: torch.Tensor  # (n, k) bool
    steps: torch.Tensor  # (n,) applications of the operator that the result rests on


def gauss_newton(respond, images):
    """The map v -> JᵀJ v for each image of a batch, without ever forming J; see `jacobian`.

    Returns
    -------
    callable, (n, 3 h w) -> (n, 3 h w)
        Symmetric and positive semidefinite for each image.
    """
    push, pull = jacobian(respond, images)
    return lambda vectors: pull(push(vectors))


def jacobian(respond, images):
    """The maps v -> J v and u -> Jᵀu for each image of a batch, without ever forming J.

    The forward pass is made once. Jᵀu is a backward pass; J v is the derivative of u -> Jᵀu, which is linear
    (double backward). Torch's own double backward of a convolution also makes the gradient of its weight,
    which nobody asked for; here a frozen convolution is told to be linear, so that J v costs one forward
    pass (8 images of 112 x 112, ResNet-18: 0.08 s in place of 0.23 s) and JᵀJ v two passes.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n, v)
        Twice differentiable by autograd, in evaluation mode; the response of an image depends on that image
        alone. Noise-ceiling weights, if wanted, are part of it: they scale the rows of its readout.
    images : tensor (n, 3, h, w)

    Returns
    -------
    push : callable, (n, 3 h w) -> (n, v)
    pull : callable, (n, v) -> (n, 3 h w)
        Both compute in the type of the images.
    """
    return products(*record(respond, images))


def record(respond, images):
    """One forward pass, recorded for `products`: the responses (n, v) and the leaf they are a function of."""
    leaf = images.detach().requires_grad_(True)
    # fused attention has no second derivative, the plain one does
    with _FrozenLayers(), sdpa_kernel(SDPBackend.MATH):
        response = respond(leaf)
    if response.ndim != 2 or len(response) != len(images):
        raise ValueError(f"respond must return ({len(images)}, v), not {tuple(response.shape)}")
    return response, leaf


def products(response, leaf):
    """`jacobian` of a forward pass that `record` has made."""
    doubled = []  # (u, Jᵀu) with its graph, made at the first push: a pull alone does not need it

    def push(vectors):
        if not doubled:
            probe = torch.zeros_like(response, requires_grad=True)
            doubled.extend((probe, *torch.autograd.grad(response, leaf, probe, create_graph=True)))
        probe, pulled = doubled
        tangent = vectors.to(leaf.dtype).view_as(leaf)
        return torch.autograd.grad(pulled, probe, tangent, retain_graph=True)[0]

    def pull(vectors):
        cotangent = vectors.to(response.dtype)
        return torch.autograd.grad(response, leaf, cotangent, retain_graph=True)[0].flatten(1)

    return push, pull


class _FrozenLayers(TorchFunctionMode):
    """While active, convolutions and batch norms with frozen parameters are linear in autograd's eyes too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.conv2d and not _learns(args, kwargs):
            return _convolve(*args, **kwargs)
        if func is functional.batch_norm and not _learns(args, kwargs):
            return _normalise(*args, **kwargs)
        return func(*args, **kwargs)


def _learns(args, kwargs):
    """Whether a parameter is differentiated, or is a word (padding="same"): then torch's own way is taken."""
    rest = (*args[1:], *kwargs.values())
    return any((torch.is_tensor(a) and a.requires_grad) or isinstance(a, str) for a in rest)


def _convolve(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    def pair(number):
        return (number, number) if isinstance(number, int) else tuple(number)

    return _Convolution.apply(input, weight, bias, pair(stride), pair(padding), pair(dilation), groups)


class _Convolution(torch.autograd.Function):
    """A convolution whose backward pass is again one convolution, transposed, and nothing else."""

    @staticmethod
    def forward(ctx, input, weight, bias, stride, padding, dilation, groups):
        ctx.save_for_backward(weight)
        ctx.geometry = input.shape[2:], stride, padding, dilation, groups
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        shape, stride, padding, dilation, groups = ctx.geometry
        missing = []  # rows and columns that no kernel reached: the stride had jumped over them
        for i in range(2):
            span = dilation[i] * (weight.shape[2 + i] - 1) + 1
            missing.append(shape[i] + 2 * padding[i] - span - (gradient.shape[2 + i] - 1) * stride[i])
        back = functional.conv_transpose2d(gradient, weight, None, stride, padding, missing, groups, dilation)
        return back, None, None, None, None, None, None


def _normalise(input, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """A batch norm; with fixed statistics it is a scale and a shift of each channel."""
    if training:
        return functional.batch_norm(input, mean, var, weight, bias, training, momentum, eps)
    scale = (var + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    shape = (1, -1) + (1,) * (input.ndim - 2)
    return input * scale.view(shape) + shift.view(shape)


def top_eigenpairs(matvec, start, k, *, tolerance, max_steps=None, basis_limit=None):
    """Leading eigenpairs of n symmetric positive semidefinite operators of the same size, by Lanczos.

    Every new direction is made orthogonal, twice, to all earlier ones, so that rounding cannot make a
    converged eigenvalue appear a second time. Each operator has a process of its own; only the products are
    made together. Its result rests on the first step at which all of its k pairs have converged (from then on
    it is sent zeros), so it does not depend on the rest of the batch.

    What the evidence says: the vectors are orthonormal, and each value has an eigenvalue of A within its
    residual (less the rounding of `matvec` itself, about 1e-6 of the largest in float32). What a residual
    cannot say is that no larger eigenvalue was missed. A random start has a part in every eigenvector, so
    that distinct eigenvalues are met from the top down; but it sees one direction of a repeated one. Further
    copies are looked for where the Krylov space ends (always so when few eigenvalues differ): the search
    then goes on from a fresh random direction until the pair after the k-th has settled too.

    Parameters
    ----------
    matvec : callable, (n, size) -> (n, size)
        All operators at once, for instance `gauss_newton(respond, images)`; float32 products are enough.
    start : tensor (n, size)
        First directions; random ones, so that none is orthogonal to a leading eigenvector. Their type is that
        of the basis: float64, or float32, which with float32 products gave the same subspace (ResNet-18, top
        10, 2.5e-3 degrees off at a tolerance of 1e-5 either way) in half of the memory.
    k : int
        Pairs wanted, 1 <= k <= size.
    tolerance : float
        A pair has converged once its residual is at most `tolerance` times the largest eigenvalue.
    max_steps : int, optional
        Most applications of `matvec` to spend; min(size, 10 k + 20) if not given.
    basis_limit : int, optional
        Most directions to hold for an operator, at least k + 2: a full basis is replaced by its best part
        (thick restart), which costs some more steps. As many as `max_steps` if not given. Memory is n
        basis_limit size numbers: 578 MB for 8 images of 224 x 224 and 60 directions in float64.

    Returns
    -------
    Spectrum
        Always k pairs. Those that ran out of steps have `converged` False. Beyond the rank, values are zero
        to rounding and the vectors are orthonormal all the same.

    Raises
    ------
    ValueError
        If k is not in 1..size, `max_steps` is below k, or `basis_limit` below k + 2.
    FloatingPointError
        If a product is not finite; names the step.

    Source
    ------
    B. N. Parlett, The Symmetric Eigenvalue Problem (SIAM 1998), chapters 6 and 13; K. Wu and H. Simon,
    Thick-restart Lanczos method for large symmetric eigenvalue problems (SIAM J. Matrix Anal. Appl. 2000).
    """
    return _solve(_Symmetric, (matvec,), start, k, tolerance, max_steps, basis_limit)


def top_singular_pairs(push, pull, start, k, *, tolerance, max_steps=None, basis_limit=None):
    """Leading eigenpairs of n operators JᵀJ, by Golub-Kahan bidiagonalisation of J itself.

    As `top_eigenpairs`, at the same number of products, but nothing is squared: with float32 products it
    resolves singular values of 1e-5 of the largest, where JᵀJ ends at 1e-3. Both the directions and their
    responses are kept orthonormal, so size + v takes the place of size in memory.

    Parameters
    ----------
    push : callable, (n, size) -> (n, v)
    pull : callable, (n, v) -> (n, size)
        J and Jᵀ of all operators at once, for instance `jacobian(respond, images)`.
    start, k, tolerance, max_steps, basis_limit
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
    J. Baglama and L. Reichel, Augmented implicitly restarted Lanczos bidiagonalization methods (SIAM J. Sci.
    Comput. 2005), section 3.
    """
    return _solve(_Bidiagonal, (push, pull), start, k, tolerance, max_steps, basis_limit)


def _solve(method, operators, start, k, tolerance, max_steps, basis_limit):
    """Run one search for each row of `start`; what they ask for goes through the operators together."""
    size = start.shape[1]
    if not 1 <= k <= size:
        raise ValueError(f"k must be in 1..{size} (the number of pixels), not {k}")
    limit = min(size, 10 * k + 20 if max_steps is None else max_steps)
    if limit < k:
        raise ValueError(f"max_steps must be at least k = {k}, not {max_steps}")
    room = limit if basis_limit is None else min(limit, basis_limit)
    if room < min(limit, k + 2):
        raise ValueError(f"basis_limit must be at least k + 2 = {k + 2}, not {basis_limit}")
    searches = [_search(method(row, room), row, k, tolerance, limit) for row in start]
    found, asked = [None] * len(searches), [None] * len(operators)  # asked: a batch of vectors per operator
    wishes = [next(search) for search in searches]
    for turn in itertools.count():
        which, step = turn % len(operators), turn // len(operators)
        asked[which] = _batch(wishes, asked[which])
        answers = operators[which](asked[which])
        if not torch.isfinite(answers).all():
            raise FloatingPointError(f"the operator returned a value that is not finite at step {step}")
        wishes = [None] * len(searches)
        for i, search in enumerate(searches):
            if found[i] is None:
                try:
                    wishes[i] = search.send(answers[i])
                except StopIteration as stop:
                    found[i] = stop.value
        if all(result is not None for result in found):
            return Spectrum(*(torch.stack(part) for part in zip(*found, strict=True)))


def _batch(wishes, batch):
    """The vectors wished for in one tensor, used again and again; zeros for searches that have ended."""
    if batch is None:
        return torch.stack(wishes)
    for row, wish in zip(batch, wishes, strict=True):
        row.copy_(wish) if wish is not None else row.zero_()
    return batch


def _search(space, start, k, tolerance, limit):
    """One operator's search: yields vectors, is sent their products, returns the parts of a Spectrum."""
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
        if space.length == len(space.basis):
            space.restart(weights, k)
        if ended:
            chain, wanted = 0, min(k + 1, len(start))
        direction = space.fresh(step) if broken else rest / norm
    converged = residuals[:k] <= tolerance * values[0].abs()
    device, vectors = start.device, space.combine(weights[:, :k])
    evidence = (values[:k].clamp_min(0), vectors, residuals[:k], converged, torch.tensor(step))
    return tuple(part.to(device) for part in evidence)


class _Symmetric:
    """Orthonormal directions V (length, size) of one operator A, and the small matrix VᵀAV on the CPU."""

    def __init__(self, start, room):
        self.basis = start.new_empty(room, len(start))
        self.matrix = torch.zeros(room, room, dtype=torch.float64)
        self.length = 0

    def extend(self, direction):
        """Take in a direction.

        Returns the part of its product outside of V, the relative rounding of products, and how much the
        direction adds to the responses (no limit here: responses are not looked at).
        """
        product = yield direction
        self.basis[self.length] = direction
        self.length += 1
        rest, weights = _orthogonal(product.to(direction.dtype), self.basis[: self.length])
        last = self.length - 1
        self.matrix[last, : self.length] = self.matrix[: self.length, last] = weights
        return rest, _rounding(product, direction), float("inf")

    def pairs(self):
        """Ritz values, their weights on V, their residual for a unit of rest, and the size of A."""
        values, weights = torch.linalg.eigh(self.matrix[: self.length, : self.length])
        self.diagonal, weights = values.flip(0), weights.flip(1)
        return self.diagonal, weights, weights[-1].abs(), self.diagonal[0].abs().item()

    def restart(self, weights, k):
        """Replace V by its Ritz vectors but for the last third of those that were not asked for."""
        self.length -= max(1, (self.length - k) // 3)
        self.basis[: self.length] = weights[:, : self.length].T.to(self.basis) @ self.basis
        self.matrix.zero_().diagonal()[: self.length] = self.diagonal[: self.length]

    def combine(self, weights):
        return (weights.T.to(self.basis) @ self.basis[: self.length]).double()

    def fresh(self, step):
        """A random direction orthogonal to V; drawn anew each time, the same in every batch."""
        draw = torch.Generator().manual_seed(10**9 + step)  # not the seed of a `start`
        direction = torch.randn(self.basis.shape[1], generator=draw, dtype=torch.float64).to(self.basis)
        rest, _ = _orthogonal(direction / direction.norm(), self.basis[: self.length])
        return rest / rest.norm()


class _Bidiagonal(_Symmetric):
    """Orthonormal directions V and responses U of one J, and the small matrix UᵀJV.

    J V = U B and JᵀU = V Bᵀ + the rest of the last pull. A direction without a response of its own has a
    zero row in U and in B.
    """

    left = None  # made at the first push, which tells how many responses there are

    def extend(self, direction):
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
        self.turn, self.diagonal, right = torch.linalg.svd(self.matrix[: self.length, : self.length])
        slopes = self.diagonal * self.turn[-1].abs()
        return self.diagonal.square(), right.T, slopes, self.diagonal[0].item()

    def restart(self, weights, k):
        super().restart(weights, k)
        self.left[: self.length] = self.turn[:, : self.length].T.to(self.left) @ self.left


def _rounding(*vectors):
    """Below this part of the largest product, a rest is rounding in the coarsest of the vectors' types."""
    return 10 * max(torch.finfo(vector.dtype).eps for vector in vectors)


def _orthogonal(vector, basis):
    """`vector` (size,) less its part in `basis` (length, size), and that part's coefficients, on the CPU.

    Twice is enough (Parlett, 6.9).
    """
    total = 0
    for _ in range(2):
        weights = basis @ vector
        vector = torch.addmv(vector, basis.T, weights, alpha=-1)
        total = total + weights
    return vector, total.double().cpu()
