"""Grow perturbations along a ladder of sizes, each from the one before."""

from itertools import pairwise

from codingaxes.attacks import strongest


def grow(respond, images, radii, **settings):
    """Find the perturbations that change a response the most, for sizes that grow.

    Each search begins with the perturbation of the size before, and never ends with a weaker one, so that the
    change grows along the ladder.

    Parameters
    ----------
    respond, images
        See `strongest.maximise`.
    radii : sequence of float
        l2 sizes, pixels in [0, 1], ascending.
    **settings
        which, direction, steps, limit, tolerance, first, explore and prior, as in `strongest.maximise`.

    Yields
    ------
    strongest.Attack
        One for each radius. With a prior it is not the strongest of its size: it solves
        δ = s · prior(gradient at δ) with the s that gives δ its size. Of the points on the way there it is
        the one of the largest change, which may be a little more.

    Raises
    ------
    ValueError
        If the radii do not ascend.

    Source
    ------
    G. Gaziv, M. J. Lee & J. J. DiCarlo, Strong and precise modulation of human percepts via robustified ANNs
    (NeurIPS 2023), whose ladder of l2 budgets ours is, for the steps from one to the next.
    """
    radii = list(radii)
    if any(later <= earlier for earlier, later in pairwise(radii)):
        raise ValueError(f"radii must ascend, each larger than the one before, not {radii}")
    begin, known = None, ()
    for radius in radii:
        attack = strongest.maximise(respond, images, radius, begin=begin, known=known, **settings)
        begin, known = attack.delta, (attack.delta,)
        yield attack
