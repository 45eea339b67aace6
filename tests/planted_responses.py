"""Planted responses for tests of attacks: linear, with kinks, constant, undefined."""

import torch


def rand(*shape, seed=0):
    """Draw numbers from 0 to 1, float64."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randn(*shape, seed=0):
    """Draw normal numbers, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grey(n=2, side=8):
    """Make grey images, float64 (n, 3, side, side)."""
    return torch.full((n, 3, side, side), 0.5, dtype=torch.float64)


def linear(weights):
    """Make the response that is linear in the image."""
    return lambda images: (images * weights).sum(dim=(1, 2, 3))


def kinked(seed=3, hidden=60, side=8):
    """Make a response with kinks: a network with one hidden layer of ReLUs."""
    first, second = randn(hidden, 3 * side * side, seed=seed) / 5, randn(hidden, seed=seed + 1)
    return lambda images: torch.relu((images.flatten(1) - 0.5) @ first.T.to(images)) @ second.to(images)


def constant(images):
    """Respond to all images alike."""
    return 0 * images.sum(dim=(1, 2, 3))


def undefined(images):
    """Respond with a gradient that is not a number."""
    return constant(images).sqrt()


def dead(images):
    """Respond to no image, as a unit that is silent everywhere."""
    return torch.relu(images.sum(dim=(1, 2, 3)) - 1e4)


def along(images):
    """Measure how far images are from grey along one direction, in which the smallest size is known."""
    return (images - 0.5).flatten(1).sum(1) / images[0].numel() ** 0.5


class Counted:
    """Count the gradients that a response is asked for, and remember the values that it gave."""

    def __init__(self, respond):
        self.respond, self.gradients, self.values = respond, 0, []

    def __call__(self, images):
        self.gradients += images.requires_grad
        value = self.respond(images)
        self.values.append(value.detach())
        return value
