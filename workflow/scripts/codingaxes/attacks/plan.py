"""List the attacks that a study makes on a response, and make each of them."""

from dataclasses import dataclass

from codingaxes.attacks import smallest, strongest


@dataclass(frozen=True)
class Budget:
    """Say what one attack may do: reach a largest size, or change the response by a wanted amount."""

    attack: str  # its name in the table perturbations
    algorithm: str  # of `steps.ALGORITHMS`
    norm: str  # l2 or linf
    radius: float  # largest size, pixels in [0, 1]; 0 where a change is wanted
    wanted: float = 0.0  # change of the response, in its unit; 0 where the size is given
    probes: int = 0  # how many of the probes are attacked, the first ones; 0: all

    @property
    def shares(self):
        """Say whether this attack and others by the same algorithm in the same norm share perturbations."""
        return self.attack in ("l2", "l2_large", "l2_effect")

    def admits(self, other):
        """Say whether a perturbation of another budget is a candidate within this one: it may be smaller."""
        return self.wanted > 0 or 0 < other.radius <= self.radius


def list_budgets(radii, linf_radii, algorithms, large_radii, effects, effect_probes, variant_probes):
    """List the budgets of a study; the main ones first, the largest of them last.

    Parameters
    ----------
    radii, linf_radii, large_radii : sequences of float
        l2, l∞ and large l2 radii, pixels in [0, 1]. At least one main radius.
    algorithms : sequence of str
        Other algorithms, which attack at the largest main radius.
    effects : sequence of float
        Wanted changes of the response, in its unit.
    effect_probes, variant_probes : int
        How many probes are attacked where a change is wanted, and in another norm, at large radii and by
        other algorithms; 0: all.

    Returns
    -------
    list of Budget
    """
    radii, few = sorted(radii), {"probes": variant_probes}
    return [
        *(Budget("l2", "ascent", "l2", radius) for radius in radii),
        *(Budget("linf", "ascent", "linf", radius, **few) for radius in linf_radii),
        *(Budget(f"l2_{name}", name, "l2", radii[-1], **few) for name in algorithms),
        *(Budget("l2_large", "ascent", "l2", radius, **few) for radius in sorted(large_radii)),
        *(Budget("l2_effect", "ascent", "l2", 0.0, wanted, effect_probes) for wanted in effects),
    ]


def attack(
    respond,
    images,
    budget,
    *,
    steps,
    limit,
    effect_limit,
    variant_limit,
    algorithm_steps,
    starts=(),
    **shared,
):
    """Attack responses within a budget.

    Parameters
    ----------
    respond, images
        See `strongest.maximise`.
    budget : Budget
    steps, algorithm_steps : int
        Gradients to spend on an image in the first round of the ascent, and by other algorithms.
    limit, effect_limit, variant_limit : int
        Most gradients of the ascent: of the main attacks, where a change is wanted, and in another norm or of
        a large size.
    starts : sequence of tensors (n, 3, h, w)
        Directions of further attempts; not used where a change is wanted.
    **shared
        which, direction, tolerance, first, known and explore, as in `strongest.maximise`.

    Returns
    -------
    strongest.Attack
    """
    if budget.wanted:
        settings = {"norm": budget.norm, "steps": steps, "limit": effect_limit}
        return smallest.reach(respond, images, budget.wanted, **settings, **shared)
    limit = limit if budget.attack == "l2" else variant_limit
    settings = {"algorithm": budget.algorithm, "norm": budget.norm, "limit": limit, "starts": starts}
    settings["steps"] = steps if budget.algorithm == "ascent" else algorithm_steps
    return strongest.maximise(respond, images, budget.radius, **settings, **shared)
