"""Propose the next point of an attack: by our own ascent, plain projected gradient ascent, or APGD.

Each algorithm is a generator. It yields perturbations (n, 3, h, w) inside the budget and is sent, for each,
the value (n,) and the gradient (n, 3, h, w) of what is to be increased. The first pair that it is sent is
that at the images themselves.
"""

import torch

from codingaxes.attacks import budgets

DECAY = 1.5  # power by which the weight of the newest gradient falls; chosen on a ResNet-18, 1 to 2 are close


class Ball:
    """Describe a budget: a ball around each of some images, inside the pixel box.

    Parameters
    ----------
    images : tensor (n, 3, h, w)
    radius : float or tensor (n,)
    norm : "l2" or "linf"
    """

    def __init__(self, images, radius, norm):
        self.images, self.radius, self.norm = images, radius, norm

    def stretch(self, direction):
        """Go to the farthest point in a direction; see `budgets.stretch`."""
        return budgets.stretch(direction, self.images, self.radius, self.norm)

    def project(self, delta):
        """Go to the nearest point; see `budgets.project`."""
        return budgets.project(delta, self.images, self.radius, self.norm)

    def only(self, rows):
        """Give the budget of some of the images."""
        each = isinstance(self.radius, torch.Tensor) and self.radius.ndim > 0
        return Ball(self.images[rows], self.radius[rows] if each else self.radius, self.norm)


def ascent(ball, steps, start=None, weight=1.0):
    """Climb by a fixed-point iteration with annealed weights (ours).

    Where a response is highest in the ball, the perturbation is the one that a linear response with the
    gradient there would choose: delta = stretch(gradient at delta). Iterating that map oscillates, because
    networks have kinks: a step along the part of a gradient that belongs to one side of a kink ends on the
    other side, where that part has turned around (on ResNet-18 deviations of successive gradients from
    their mean are correlated by -0.45). So the direction is a running mean of gradients, and the weight of
    the newest falls from 1 to 0 over the steps: large steps find the region, then the kinks average out.
    With a smaller first weight than 1 the climb stays nearer to its start.

    Source: conditional gradient (Frank-Wolfe) attacks, whose weights fall as 1 / step (Chen, Zhou, Yi & Gu,
    AAAI 2020), with weights that reach zero at the last step, which is known in advance (Defazio, Cutkosky,
    Mehta & Mishchenko, Optimal linear decay learning rate schedules, 2023).
    """
    _, gradient = yield
    mean = unit(gradient if start is None else start)
    for step in range(steps):
        _, gradient = yield ball.stretch(mean)
        mean = annealed(mean, gradient, step, steps, weight)


def later_rounds(steps, limit):
    """List how many gradients the rounds of the ascent after the first have, of `steps` gradients.

    The second and third have twice and four times as many. Who is not done then is hard, and gets one long
    round with all that is left of the limit, if that is at least eight times as many: a long anneal finds
    what several short ones do not.
    """
    lengths, left = [], limit - steps
    for length in (2 * steps, 4 * steps):
        if left < length:
            return lengths
        lengths.append(length)
        left -= length
    return [*lengths, left] if left >= 8 * steps else lengths


def annealed(mean, gradient, step, steps, weight=1.0):
    """Update the running mean of unit gradients by one more, of this first weight; steps count from 0."""
    weight = weight * (1 - step / steps) ** DECAY
    norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)
    return unit((1 - weight) * mean + wide(weight / norm, gradient) * gradient)


def pgd(ball, steps, start=None):
    """Climb by projected gradient ascent with a constant step of 2.5 radius / steps.

    Source: Madry, Makelov, Schmidt, Tsipras & Vladu, Towards deep learning models resistant to adversarial
    attacks (ICLR 2018), without a random start unless one is given.
    """
    _, gradient = yield
    delta = torch.zeros_like(gradient) if start is None else ball.stretch(start)
    for step in range(steps):
        if start is None or step:
            step_size = wide(2.5 / steps * ball.radius, delta)
            delta = ball.project(delta + step_size * steepest(gradient, ball.norm))
        _, gradient = yield delta


def apgd(ball, steps, start=None):
    """Climb by Auto-PGD: with momentum, and a step that is halved when an image has stopped improving.

    Source: Croce & Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks (ICML 2020), algorithm 1 and section 3.
    """
    value, gradient = yield
    delta = torch.zeros_like(gradient)
    if start is not None:
        delta = ball.stretch(start)
        value, gradient = yield delta
    best, best_value, best_gradient, previous = delta, value, gradient, delta
    step = torch.as_tensor(2.0 * ball.radius, dtype=value.dtype, device=value.device).expand_as(value)
    rises, halved, value_then = torch.zeros_like(value), torch.ones_like(value, dtype=torch.bool), value
    period, since = max(int(0.22 * steps), 1), 0
    for number in range(steps - (start is not None)):
        target = ball.project(delta + wide(step, delta) * steepest(gradient, ball.norm))
        moved = target if not number else 0.75 * (target - delta) + 0.25 * (delta - previous) + delta
        previous, delta, last = delta, ball.project(moved), value
        value, gradient = yield delta
        rises, since = rises + (value > last), since + 1
        better = value > best_value
        best_value, better = torch.where(better, value, best_value), wide(better, delta)
        best = torch.where(better, delta, best)
        best_gradient = torch.where(better, gradient, best_gradient)
        if since == period:
            stalled = (rises < 0.75 * period) | (~halved & (best_value <= value_then))
            step, halved, value_then = torch.where(stalled, step / 2, step), stalled, best_value
            back = wide(stalled, delta)
            delta, gradient = torch.where(back, best, delta), torch.where(back, best_gradient, gradient)
            previous, value = torch.where(back, best, previous), torch.where(stalled, best_value, value)
            period, since = max(period - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1)), 0
            rises = torch.zeros_like(rises)


ALGORITHMS = {"ascent": ascent, "pgd": pgd, "apgd": apgd}


def steepest(gradient, norm):
    """Give the direction of steepest ascent, of unit size in a norm."""
    return unit(gradient) if norm == "l2" else gradient.sign()


def unit(direction):
    """Scale directions (n, 3, h, w) to an l2 norm of 1; zeros stay zeros."""
    norm = direction.flatten(1).norm(dim=1)
    return direction / wide(norm.clamp_min(1e-30), direction)


def wide(x, like):
    """Shape a number, or one for each image (n,), so that it can multiply images (n, 3, h, w)."""
    dtype = x.dtype if isinstance(x, torch.Tensor) else like.dtype
    return torch.as_tensor(x, device=like.device, dtype=dtype).view(-1, 1, 1, 1)
