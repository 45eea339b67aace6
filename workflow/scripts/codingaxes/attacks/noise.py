"""Draw white noise that belongs to a seed alone, on every device; restarts and controls begin there."""

import torch


def random_direction(seed, image):
    """Draw white noise of the shape of an image (3, h, w), the same on every device."""
    return white(seed, image.shape).to(image)


def white(seed, shape):
    """Draw white noise of a shape, float32 on the CPU."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
