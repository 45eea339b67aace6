"""Sum all eigenvalues of JᵀJ to a stated accuracy, and sketch what its leading axes leave."""

from dataclasses import dataclass

import torch

FEWEST = 8  # draws that an error is estimated from, by 28 products b_ij; from one it would often be too small


@dataclass(frozen=True)
class Moments:
    """Sums over all eigenvalues of JᵀJ for each image, with their evidence."""

    total: torch.Tensor  # (n,) float64, the trace: sum of the eigenvalues
    squares: torch.Tensor  # (n,) float64, sum of their squares
    error: torch.Tensor  # (n,) float64, standard error of the participation ratio, over its value
    draws: torch.Tensor  # (n,) int64, random directions that the sums rest on
    remainder: torch.Tensor  # (n, sketches, size) float64, see `moments`


def moments(axes, *, tolerance, sketches, seeds):
    """Sum all eigenvalues of JᵀJ, and their squares, to within `tolerance`, for each image.

    With all rows of J both sums are known. A Krylov search knows them inside the space that it has searched,
    which holds most of them: with P the projector onto the rest of the space, A = JᵀJ and orthonormal rows V
    of the search, ||A||² = ||V A Vᵀ||² + 2 ||P A Vᵀ||² + ||P A P||², of which only the last is not known. It
    and the trace of P A P are those of B = J P Jᵀ (v, v). They are estimated from m random directions u of
    the responses, of length 1 and orthogonal to each other, and b_ij = (P Jᵀu_i) . (P Jᵀu_j):

        trace B = v mean(b_ii)        ||B||² = v mean(b_ii²) + v (v - 1) mean(b_ij², i not j)

    Both are without bias, and exact once m = v. The variance of the trace is 2 v (v - m) / m times the mean
    of b_ij² over i not j. ||B||² is taken to vary as the square of the trace does, so with twice its relative
    error. Draws go on, for each image on its own, until the standard error of the participation ratio
    (`total`² / `squares`) is at most `tolerance` of it. It is taken as twice that of the trace, plus that of
    the squares, as if they did not cancel in the ratio, although they tend to. A draw is one backward pass.

    The remainder is a sketch of what the k leading axes leave: with Q the projector onto their complement,
    its rows are Q Jᵀu, times sqrt(v / sketches). For any pixel direction w, the sum of the squares of their
    products with w has the mean ||J Q w||², without bias.

    Parameters
    ----------
    axes : eigenpairs.Axes
        Of a batch of n images.
    tolerance : float
        Largest standard error of the participation ratio, over its value; that of the trace is about half.
    sketches : int
        Rows of the remainder, 1 or more: draws that are made in any case. Of fewer responses v, v are enough,
        and the other rows are zero.
    seeds : sequence of int (n,)
        One for each image, so that no result depends on the batch.

    Returns
    -------
    Moments

    Source
    ------
    Hutchinson, Communications in Statistics - Simulation and Computation 18 (1989); deflation as in Meyer,
    Musco, Musco & Woodruff, Hutch++ (2021). The moments of random orthogonal directions: Collins & Sniady,
    Communications in Mathematical Physics 264 (2006).
    """
    pull, spectrum, v = axes.products[1], axes.spectrum, axes.responses
    n, _, size = spectrum.vectors.shape
    device, exact = spectrum.values.device, axes.route == "exact"
    images = [
        _Draws(v, seed, *inside, exact) for seed, inside in zip(seeds, spectrum.inside.tolist(), strict=True)
    ]
    sketch, weight = spectrum.vectors.new_zeros(n, sketches, size), (v / min(sketches, v)) ** 0.5
    for made in range(v):
        if made >= sketches and all(image.error <= tolerance for image in images):
            break
        pulled = pull(torch.stack([image.direction() for image in images]).to(device))
        if made < sketches:
            sketch[:, made] = weight * _outside(pulled, spectrum.vectors)
        for image, vector, basis in zip(images, pulled, spectrum.basis, strict=True):
            if image.error > tolerance:
                image.add(_outside(vector[None], basis[None])[0])
    parts = [[image.total, image.squares, image.error, image.draws] for image in images]
    total, squares, error, draws = torch.tensor(parts, dtype=torch.float64, device=device).unbind(dim=1)
    return Moments(total, squares, error, draws.long(), sketch)


def _outside(vectors, bases):
    """Take the part in its basis (n, length, size) out of each vector (n, size); in the type of the bases."""
    vectors = vectors.to(bases.dtype)
    inside = torch.einsum("nki,ni->nk", bases, vectors)
    return vectors - torch.einsum("nki,nk->ni", bases, inside)


class _Draws:
    """The sums of one image: what its search knows, and what random directions say of the rest."""

    def __init__(self, responses, seed, total, squares, exact):
        self.responses, self.known, self.exact = responses, (total, squares), exact
        self.generator = torch.Generator().manual_seed(seed)
        self.taken = torch.zeros(0, responses, dtype=torch.float64)
        self.rows, self.products = [], torch.zeros(0, 0, dtype=torch.float64)

    def direction(self):
        """Draw a unit vector (v,) orthogonal to all earlier ones, uniformly."""
        draw = torch.randn(self.responses, generator=self.generator, dtype=torch.float64)
        for _ in range(2):
            draw = draw - self.taken.T @ (self.taken @ draw)
        draw = draw / draw.norm()
        self.taken = torch.cat([self.taken, draw[None]])
        return draw.float()

    def add(self, row):
        """Add the product P Jᵀu of the latest direction."""
        self.rows.append(row)
        crossed = torch.stack([(row * other).sum(dtype=torch.float64) for other in self.rows]).cpu()
        old, m = self.products, len(self.rows)
        self.products = torch.zeros(m, m, dtype=torch.float64)
        self.products[:-1, :-1] = old
        self.products[-1] = self.products[:, -1] = crossed

    @property
    def draws(self):
        return len(self.rows)

    @property
    def rest(self):
        """Estimate the trace of B, ||B||² and the mean squared b_ij, i not j."""
        m, v = self.draws, self.responses
        own = self.products.diagonal()
        across = (self.products.square().sum() - own.square().sum()).item() / max(m * (m - 1), 1)
        return v * own.mean().item(), v * own.square().mean().item() + v * (v - 1) * across, across

    @property
    def total(self):
        return self.known[0] + (self.rest[0] if self.draws else 0.0)

    @property
    def squares(self):
        return self.known[1] + (self.rest[1] if self.draws else 0.0)

    @property
    def error(self):
        """Estimate the relative standard error of the participation ratio; infinite below `FEWEST` draws."""
        m, v = self.draws, self.responses
        if self.exact or m == v:
            return 0.0
        if m < FEWEST:
            return float("inf")
        left = (v - m) / m
        trace, squares, across = self.rest
        if not trace:
            return 0.0
        spread = (2 * v * left * across) ** 0.5
        return 2 * spread / self.total + 2 * spread / trace * squares / self.squares
