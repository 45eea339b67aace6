"""The ways to make images that `synthesis.py` compares with ours, to be called alike.

An image is described by parameters: its pixels, clamped to [0, 1] after each step, or Fourier coefficients
multiplied by 1 / frequency, with decorrelated colours and a sigmoid, as in lucid and lucent. That
description, its constants, and the 2026 study's choice of NAdam on it are written from memory. Torch's
optimisers change each number alone, so images of a batch do not influence each other.
"""

import torch

from codingaxes.attacks import budgets
from codingaxes.attacks.steps import wide
from codingaxes.attacks.strongest import forward, value_and_gradient

MARGIN = 1 / 512  # a sigmoid does not reach black and white: half an 8-bit grey level from there
PGD_STEPS = 20  # of each run of PGD at one radius


class Pixels:
    """Describe images by themselves."""

    def __init__(self, images):
        self.parameters = images.clone().requires_grad_(True)

    def images(self):
        return self.parameters

    def clamp(self):
        with torch.no_grad():
            self.parameters.clamp_(0, 1)


class Fourier:
    """Describe images (n, 3, h, w) as lucent does; a start is translated into coefficients."""

    # lucid's square root of the covariance of colours on ImageNet
    COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])

    def __init__(self, images):
        self.shape = images.shape[2:]
        height, width = self.shape
        rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        self.scale = 1 / torch.hypot(rows, columns).clamp_min(1 / max(self.shape)) / 4
        self.colours = self.COLOURS / self.COLOURS.norm(dim=0).max()
        plain = torch.logit(images.clamp(MARGIN, 1 - MARGIN))
        plain = torch.einsum("ij,njhw->nihw", torch.linalg.inv(self.colours), plain)
        spectrum = torch.fft.rfft2(plain, norm="ortho") / self.scale
        self.parameters = torch.view_as_real(spectrum).clone().requires_grad_(True)

    def images(self):
        spectrum = torch.view_as_complex(self.parameters) * self.scale
        plain = torch.fft.irfft2(spectrum, s=self.shape, norm="ortho")
        return torch.einsum("ij,njhw->nihw", self.colours, plain).sigmoid()

    def clamp(self):
        pass


def climb(respond, starts, which, sign, steps, space, rate, optimiser=torch.optim.Adam):
    """Raise sign * response with some gradients: the best images that were seen."""
    space = space(starts)
    steps_of = optimiser([space.parameters], rate)
    best, most = starts.clone(), torch.full((len(starts),), -torch.inf)
    for step in range(steps + 1):
        with torch.no_grad():
            images = space.images().detach().clone()
        if step == steps:
            value = sign * forward(respond, images, which)
        else:
            value, gradient = value_and_gradient(respond, images, which)
            value = sign * value
        better = value > most
        best, most = torch.where(wide(better, best), images, best), torch.maximum(value, most)
        if step < steps:
            steps_of.zero_grad()
            space.images().backward(-wide(sign, gradient) * gradient)
            steps_of.step()
            space.clamp()
    return best


def approach(respond, starts, which, wanted, accuracy, most, space, rate, optimiser=torch.optim.Adam):
    """Lower (response - wanted)² until it is met: the images that meet it first, else the nearest.

    wanted, accuracy : tensors (n,)
    most : int
        Most gradients of an image.
    """
    space = space(starts)
    steps_of = optimiser([space.parameters], rate)
    best, least = starts.clone(), torch.full((len(starts),), torch.inf)
    live = torch.arange(len(starts))
    for _ in range(most):
        with torch.no_grad():
            images = space.images().detach().clone()
        value, gradient = value_and_gradient(respond, images[live], which[live])
        off = value - wanted[live]
        nearer = off.abs() < least[live]
        rows = live[nearer]
        best[rows], least[rows] = images[rows], off.abs()[nearer]
        loss = torch.zeros_like(images)
        loss[live] = wide(off / accuracy[live], gradient) * gradient
        live = live[off.abs() > accuracy[live]]
        if not len(live):
            break
        steps_of.zero_grad()
        space.images().backward(loss)
        steps_of.step()
        space.clamp()
    return best


def bisect(respond, starts, which, wanted, accuracy, most):
    """Run PGD of 20 steps at radii that are doubled until one suffices, then bisected, until one meets it."""
    before, gradient = value_and_gradient(respond, starts, which)
    sign = (wanted - before).sign()
    radius = (wanted - before).abs() / gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    low, high = torch.zeros_like(radius), torch.full_like(radius, torch.inf)
    best, least = starts.clone(), (wanted - before).abs()
    live = torch.arange(len(starts))
    for _ in range(most // PGD_STEPS):
        images = _pgd(respond, starts[live], which[live], sign[live], radius[live])
        off = forward(respond, images, which[live]) - wanted[live]
        nearer = off.abs() < least[live]
        rows = live[nearer]
        best[rows], least[rows] = images[nearer], off.abs()[nearer]
        enough = sign[live] * off >= 0
        low[live] = torch.where(enough, low[live], radius[live])
        high[live] = torch.where(enough, radius[live], high[live])
        radius = torch.where(high.isinf(), 2 * radius, (low + high) / 2)
        live = live[off.abs() > accuracy[live]]
        if not len(live):
            break
    return best


def _pgd(respond, starts, which, sign, radius):
    """Climb by projected gradient ascent with a step of 2.5 radius / steps; the last point counts."""
    delta = torch.zeros_like(starts)
    for _ in range(PGD_STEPS):
        _, gradient = value_and_gradient(respond, starts + delta, which)
        unit = gradient / wide(gradient.flatten(1).norm(dim=1).clamp_min(1e-30), gradient)
        delta = budgets.project(delta + wide(2.5 / PGD_STEPS * sign * radius, unit) * unit, starts, radius)
    return starts + delta
