"""Find the perturbation inside a budget that changes a response the most.

`respond` maps images (n, 3, h, w) in [0, 1] to responses (n,) or (n, v), each from its own image alone: any
linear combinations of voxels or regions, of a network or of a brain that can be differentiated.
"""

from dataclasses import dataclass, fields

import torch

from codingaxes.attacks import budgets
from codingaxes.attacks.steps import ALGORITHMS, Ball, ascent, wide
from codingaxes.names import SIGNS

RUGGED = 6  # tolerances that all rounds after the first may have added, for an attack to have converged
HALF = 0.5  # weight of short rounds after the first


@dataclass(frozen=True)
class Attack:
    """Perturbations, each with its own evidence; one entry per image."""

    delta: torch.Tensor  # (n, 3, h, w) pixels; images + delta lie in [0, 1]
    before: torch.Tensor  # (n,) response to the image
    after: torch.Tensor  # (n,) response to the perturbed image
    size: torch.Tensor  # (n,) float64, norm of delta
    bound: torch.Tensor  # (n,) float64, change of a linear response: size (allowed or needed) * dual norm
    converged: torch.Tensor  # (n,) bool, going on added little; see `maximise`
    evaluations: torch.Tensor  # (n,) int, gradients spent on the image
    reached: torch.Tensor  # (n,) bool, the wanted effect, or for a given size any change the right way

    @staticmethod
    def joined(parts):
        """Join the attacks on parts of a batch into one."""
        names = [field.name for field in fields(Attack)]
        return Attack(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    @property
    def change(self):
        """Subtract the response before from the response after, (n,)."""
        return self.after - self.before

    def where(self, chosen, other):
        """Take each image's entry of this attack where `chosen` (n,), and of another attack elsewhere."""
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(Attack)]
        return Attack(*(torch.where(chosen.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


def maximise(
    respond,
    images,
    radius,
    *,
    which=None,
    norm="l2",
    direction="increase",
    algorithm="ascent",
    steps=10,
    limit=0,
    tolerance=0.01,
    starts=(),
    begin=None,
    known=(),
    first=None,
    explore=None,
    prior=None,
):
    """Find perturbations of at most a given size that change the response the most.

    Every point that an algorithm proposes lies in ball and box. The best point that was seen is returned,
    which need not be the last. Images do not influence each other.

    Our ascent decides for each image how long to go on, up to the limit. Its first round has `steps`
    gradients. Two more start at the best point, with fresh annealing, and have twice and four times as many;
    the first of them has half the weight. An image is done, and counts as converged, once a round of whole
    weight has added at most the tolerance. Where all rounds after the first have added more than six times
    the tolerance together, or none has found anything, the landscape is rugged, and one quiet round is weak
    evidence. Then, and where an image is not done after the short rounds, one long round has all that is
    left.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n,) or (n, v)
        Differentiable and deterministic.
    images : tensor (n, 3, h, w)
        In [0, 1].
    radius : float or tensor (n,)
        Above 0, pixels in [0, 1].
    which : tensor (n,) of int, optional
        Which of the v responses is attacked, for each image: so attacks on several responses of the same
        images share passes. The first one if not given.
    norm : "l2" or "linf"
    direction : "increase", "decrease", "either", or tensor (n,) of signs
        either: both are made, and the larger |change| is returned.
    algorithm : str
        Of `steps.ALGORITHMS`: ascent, pgd or apgd.
    steps : int
        Gradients to spend on each image, at least 1; of the ascent in its first round.
    limit : int
        Most gradients of the ascent for an image, without starts. With too few for another round, 0 for
        instance, the first round is all there is. The other algorithms spend `steps`.
    tolerance : float
        Share of the change that going on may have added, for an image to be done. What was added is measured:
        by the last round, or where there was one alone, by its second half, which says little.
    starts : sequence of tensors (n, 3, h, w)
        Directions of further attempts, of `steps` gradients each. The best attempt is continued.
    begin : tensor (n, 3, h, w), optional
        Direction that the first attempt begins with, for instance the perturbation of a smaller budget. Where
        it is not given, or zero, the gradient at the image.
    known : sequence of tensors (n, 3, h, w)
        Perturbations inside the budget, for instance of a smaller one. Each costs a forward pass, and the
        result is never weaker. One that is better shows that the search had not converged.
    first : pair of tensors (n,), (n, 3, h, w), optional
        Response and gradient at the images, where the caller has them from another budget.
    explore : callable, optional
        The same response in a cheaper precision, for gradients. Every change that is reported is of
        `respond`.
    prior : callable, (n, 3, h, w) -> (n, 3, h, w), optional
        Linear map, symmetric and positive definite, that gradients pass before they are followed, with a
        method `only(rows)` that gives the map of some of the images. It prefers some perturbations to others
        of the same size; see `synthesis.priors`. With it a perturbation is not the strongest of its size.

    Returns
    -------
    Attack
        An image with a gradient of zero, or a response that is not finite, has its best point, possibly
        zeros, and is flagged as not converged.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or an argument is out of range.
    """
    budgets.check(images, radius, norm)
    check_choice("algorithm", algorithm, ALGORITHMS)
    check_steps(steps)
    if isinstance(direction, str):
        check_choice("direction", direction, (*SIGNS, "either"))
    settings = {"which": which, "norm": norm, "algorithm": algorithm, "steps": steps, "limit": limit}
    settings |= {"tolerance": tolerance, "starts": starts, "begin": begin, "known": known}
    settings |= {"explore": explore, "prior": prior}
    first = first if first is not None else value_and_gradient(explore or respond, images, which)
    if isinstance(direction, str) and direction == "either":
        up, down = (
            maximise(respond, images, radius, direction=way, first=first, **settings) for way in SIGNS
        )
        return up.where(up.change.abs() >= down.change.abs(), down)
    return _maximise(respond, images, radius, direction, first, settings)


def _maximise(respond, images, radius, direction, first, settings):
    """Make the attack of `maximise` in one direction, with arguments that have been checked."""
    evidence = {name: settings[name] for name in ("which", "explore", "prior")}
    objective, gradient = Objective.of(respond, images, direction, first, **evidence), first[1]
    ball, steps = Ball(images, radius, settings["norm"]), settings["steps"]
    algorithm, begin = ALGORITHMS[settings["algorithm"]], settings["begin"]
    followed = objective.steer(wide(objective.sign, gradient) * gradient)
    search = _Search(objective, ball, followed, begin)
    for start in (None if begin is None else search.begin, *settings["starts"]):
        search.attempt(algorithm, steps, start)
    search.judge(settings["tolerance"])
    if algorithm is ascent:
        search.go_on(steps, settings["limit"], settings["tolerance"])
    # where cheap arithmetic has chosen, the change that is reported is still that of the response itself
    change = search.change if objective.exact else objective.at(search.best)
    best, converged = search.best, search.converged
    for delta in settings["known"]:
        other = objective.at(delta)
        better = other > change
        best, change = torch.where(wide(better, images), delta, best), torch.maximum(other, change)
        converged = converged & ~better
    return Attack(
        delta=best,
        before=objective.before,
        after=objective.before + objective.sign * change,
        size=budgets.size(best, settings["norm"]),
        bound=budgets.bound(gradient, radius, settings["norm"]),
        converged=converged & (change > 0),
        evaluations=search.spent,
        reached=change > 0,
    )


class _Search:
    """Hold the best perturbations so far, and look for better ones."""

    def __init__(self, objective, ball, gradient, begin):
        self.objective, self.ball, self.gradient = objective, ball, gradient
        # the direction of the first attempt, and of later ones where none has found anything
        self.begin = gradient if begin is None else torch.where(_given(begin), begin, gradient)
        self.change, self.best = torch.zeros_like(objective.before), torch.zeros_like(objective.images)
        self.halfway = torch.zeros_like(self.change)  # the best of the first half of an attempt's points
        self.converged = torch.zeros_like(self.change, dtype=torch.bool)
        self.spent = torch.ones_like(self.change, dtype=torch.int32)

    def attempt(self, algorithm, steps, start):
        """Follow an algorithm for some gradients, from the images or from another start."""
        proposals = algorithm(self.ball, steps, start)
        change, best, halfway = follow(self.objective, self.gradient, proposals, steps)
        better = change > self.change
        self.best = torch.where(wide(better, best), best, self.best)
        self.change, self.halfway = (
            torch.where(better, *pair) for pair in ((change, self.change), (halfway, self.halfway))
        )
        self.spent += steps - 1

    def judge(self, tolerance):
        """Flag images on which the second half of the best attempt added at most the tolerance."""
        self.converged = (self.change > 0) & (self.change - self.halfway <= tolerance * self.change)

    def go_on(self, steps, limit, tolerance):
        """Make further rounds of the ascent from the best points, until images are done or the limit.

        The first of them has half the weight, and climbs on from where the one before has ended; the second
        has whole weight, which may leave that hill. Images that turn out to be rugged, and those that are
        not done after the two, get all that is left in one.
        """
        first, left = self.change, limit - steps
        open_ = torch.nonzero(self.gradient.flatten(1).any(dim=1)).flatten()
        for length, weight in ((2 * steps, HALF), (4 * steps, 1.0)):
            if left < length or not len(open_):
                return
            left -= length
            rugged = self._round(open_, length, weight, first, tolerance)
            if left >= 2 * length and rugged.any():
                self._round(open_[rugged], left, 1.0, first, tolerance)
            open_ = open_[~rugged & ~self.converged[open_]]
        if left >= 8 * steps and len(open_):
            self._round(open_, left, 1.0, first, tolerance)

    def _round(self, rows, length, weight, first, tolerance):
        """Make one round for some images, and flag those that are done; say which are rugged.

        A round of less than whole weight says little of other hills, so that no image is done with it.
        """
        objective, ball, best = self.objective.only(rows), self.ball.only(rows), self.best[rows]
        before = self.change[rows]
        start = torch.where(wide(before > 0, best), best, self.begin[rows])
        proposals = ascent(ball, length, start, weight)
        change, delta, _ = follow(objective, self.gradient[rows], proposals, length)
        now = torch.maximum(change, before)
        self.best[rows] = torch.where(wide(change > before, delta), delta, best)
        self.change = self.change.index_copy(0, rows, now)
        rugged = (now - first[rows] > RUGGED * tolerance * now) | (now <= 0)
        self.converged[rows] = ~rugged & (now - before <= tolerance * now) & (weight == 1)
        self.spent[rows] += length - 1  # the last of a round is a forward pass alone
        return rugged


@dataclass(frozen=True)
class Objective:
    """Compute the change of the response in the wanted direction, at perturbations of some images.

    A change that is not finite counts as none, so that no perturbation is chosen for it. With `explore`,
    changes that come with gradients are of that response, from `explored` at the images themselves.
    """

    respond: callable
    images: torch.Tensor  # (n, 3, h, w)
    sign: torch.Tensor  # (n,) 1 or -1
    before: torch.Tensor  # (n,) response to the images
    which: torch.Tensor | None  # (n,) see `maximise`
    explore: callable
    explored: torch.Tensor  # (n,)
    prior: callable = None

    @staticmethod
    def of(respond, images, direction, first, which, explore, prior=None):
        """Make an objective from the arguments of `maximise`."""
        explored = first[0]
        before = explored if explore is None else forward(respond, images, which)
        sign = SIGNS[direction] if isinstance(direction, str) else direction
        sign = torch.as_tensor(sign, dtype=before.dtype, device=before.device).expand_as(before)
        return Objective(respond, images, sign, before, which, explore or respond, explored, prior)

    @property
    def exact(self):
        """Say whether gradients come from the response itself."""
        return self.explore is self.respond

    def only(self, rows):
        """Give the objective of some of the images."""
        which = None if self.which is None else self.which[rows]
        parts = (self.images[rows], self.sign[rows], self.before[rows], which)
        prior = None if self.prior is None else self.prior.only(rows)
        return Objective(self.respond, *parts, self.explore, self.explored[rows], prior)

    def steer(self, gradient):
        """Give the direction that a gradient (n, 3, h, w) is followed in."""
        return gradient if self.prior is None else self.prior(gradient)

    def with_gradient(self, delta):
        """Compute changes (n,) and their gradients (n, 3, h, w)."""
        after, gradient = value_and_gradient(self.explore, self.images + delta, self.which)
        return self._change(after, self.explored), wide(self.sign, delta) * gradient

    def without_gradient(self, delta):
        """Compute the same changes (n,) by a forward pass alone."""
        return self._change(forward(self.explore, self.images + delta, self.which), self.explored)

    def at(self, delta):
        """Compute changes (n,) of the response itself, by a forward pass alone."""
        return self._change(forward(self.respond, self.images + delta, self.which), self.before)

    def _change(self, after, before):
        """Compute changes in the wanted direction; one that is not finite counts as 0."""
        change = self.sign * (after - before)
        return torch.where(torch.isfinite(change), change, torch.zeros_like(change))


def follow(objective, gradient, proposals, steps):
    """Follow an algorithm, which is a generator as in `steps`, for some gradients.

    The last proposal takes a forward pass alone, so that `steps` gradients are spent with the first one.

    Parameters
    ----------
    objective : Objective
    gradient : tensor (n, 3, h, w)
        What the algorithm is sent first.
    proposals : generator
    steps : int

    Returns
    -------
    change, best, halfway : tensors (n,), (n, 3, h, w), (n,)
        The best change that was seen, above 0 or 0, its perturbation, and the best change of the first half.
    """
    best, change = torch.zeros_like(gradient), torch.zeros_like(objective.before)
    halfway = change
    proposals.send(None)
    delta = proposals.send((change, gradient))
    for step in range(1, steps + 1):
        if step == steps:
            reached = objective.without_gradient(delta)
        else:
            reached, gradient = objective.with_gradient(delta)
        better = reached > change
        if better.all():
            best = delta
        elif better.any():  # by rows: a mask over pixels would take as long as a step
            best = best.index_copy(0, better.nonzero().flatten(), delta[better])
        change = torch.where(better, reached, change)
        if step <= steps // 2:
            halfway = change
        if step < steps:
            delta = proposals.send((reached, objective.steer(gradient)))
    return change, best, halfway


def _given(direction):
    """Say which of some directions (n, 3, h, w) are not zero, (n, 1, 1, 1)."""
    return direction.flatten(1).any(dim=1).view(-1, 1, 1, 1)


@torch.no_grad()
def forward(respond, images, which=None):
    """Compute the responses (n,) that are attacked, without a gradient."""
    return _chosen(respond(images), images, which)


def value_and_gradient(respond, images, which=None):
    """Compute responses (n,) and their gradients (n, 3, h, w); one that is not finite counts as zero.

    Raises
    ------
    ValueError
        If `respond` does not give a row for each image, or several numbers and nothing says which counts.
    """
    images = images.detach().requires_grad_(True)
    value = _chosen(respond(images), images, which)
    (gradient,) = torch.autograd.grad(value.sum(), images)
    # convolutions may give it in their own layout; arithmetic of two layouts is several times as slow
    gradient = gradient.contiguous()
    finite = torch.isfinite(gradient.sum(dim=(1, 2, 3)))
    return value.detach(), gradient if finite.all() else torch.where(wide(finite, gradient), gradient, 0.0)


def _chosen(responses, images, which):
    """Take the response of each image (n,) that is attacked."""
    if which is not None and responses.ndim == 2 and len(responses) == len(images):
        return responses.gather(1, which[:, None])[:, 0]
    if responses.shape != images.shape[:1]:
        raise ValueError(
            f"respond must give one number for each of {len(images)} images, not {tuple(responses.shape)}; "
            "of several, which says the one that counts"
        )
    return responses


def check_choice(name, choice, allowed):
    """Refuse a word that is not one of those allowed."""
    if choice not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {choice!r}")


def check_steps(steps):
    """Refuse to spend no gradient."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
