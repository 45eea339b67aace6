"""Quadratic responses, and the perturbations that change them the most, by independent formulas."""

import torch
from planted_responses import randn

SHAPE = (4, 4)
SIZE = 3 * SHAPE[0] * SHAPE[1]


def grey_images(n):
    """Make grey images, so far from the pixel box that it does not matter."""
    return torch.full((n, 3, *SHAPE), 0.5).double()


def quadratic(strength=0.4):
    """Make a response g·δ + δᵀHδ/2 about grey, with a convex H: the response, g and H."""
    gradient, root = randn(SIZE), randn(SIZE, SIZE)
    curvature = root @ root.T
    curvature = strength * gradient.norm() * curvature / torch.linalg.eigvalsh(curvature)[-1]

    def respond(images):
        delta = (images - 0.5).flatten(1)
        return delta @ gradient + ((delta @ curvature) * delta).sum(dim=1) / 2

    return respond, gradient, curvature


def prior_matrix(exponent):
    """Write the prior as a matrix, column by column, with NumPy's way of counting frequencies."""
    rows = torch.fft.fftfreq(SHAPE[0]).double()[:, None] * SHAPE[0]
    columns = torch.fft.fftfreq(SHAPE[1]).double()[None] * SHAPE[1]
    weight = (rows**2 + columns**2).sqrt().clamp_min(1.0) ** -exponent
    basis = torch.eye(SIZE).double().view(SIZE, 3, *SHAPE)
    return torch.fft.ifft2(torch.fft.fft2(basis) * weight).real.flatten(1).T


def strongest_of_quadratic(gradient, curvature, radius, exponent=0.0):
    """Solve δ = s W (g + H δ) with ||δ|| = radius, by bisection on s.

    Without a prior, W = 1, these are the conditions of the largest change in the ball.
    """
    prior = prior_matrix(exponent)
    low, high = 0.0, 1.0 / torch.linalg.eigvals(prior @ curvature).real.max()
    for _ in range(200):
        step = (low + high) / 2
        delta = torch.linalg.solve(
            torch.eye(SIZE).double() - step * prior @ curvature, step * prior @ gradient
        )
        low, high = (low, step) if delta.norm() > radius else (step, high)
    return delta
