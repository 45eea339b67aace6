"""List the attacks that a study makes on one response, and make each of them."""

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

    @property
    def shares(self):
        """Say whether this attack and others by the same algorithm in the same norm share perturbations."""
        return self.attack in ("l2", "l2_large", "l2_effect")

    def admits(self, other):
        """Say whether a perturbation of another budget is a candidate within this one: it may be smaller."""
        return self.wanted > 0 or 0 < other.radius <= self.radius


def list_budgets(radii, linf_radii, algorithms, large_radii, effects):
    """List the budgets of a study; the main ones first, the largest of them last.

    Parameters
    ----------
    radii, linf_radii, large_radii : sequences of float
        l2, l∞ and large l2 radii, pixels in [0, 1]. At least one main radius.
    algorithms : sequence of str
        Other algorithms, which attack at the largest main radius.
    effects : sequence of float
        Wanted changes of the response, in its unit.

    Returns
    -------
    list of Budget
    """
    radii = sorted(radii)
    return [
        *(Budget("l2", "ascent", "l2", radius) for radius in radii),
        *(Budget("linf", "ascent", "linf", radius) for radius in linf_radii),
        *(Budget(f"l2_{name}", name, "l2", radii[-1]) for name in algorithms),
        *(Budget("l2_large", "ascent", "l2", radius) for radius in sorted(large_radii)),
        *(Budget("l2_effect", "ascent", "l2", 0.0, wanted) for wanted in effects),
    ]


def attack(respond, images, budget, *, steps, effect_steps, tolerance, starts=(), **shared):
    """Attack one response within a budget.

    Parameters
    ----------
    respond, images
        See `strongest.maximise`.
    budget : Budget
    steps, effect_steps : int
        Gradients to spend on an image where the size is given, and where a change is wanted.
    tolerance : float
        Of the converged flag; see `strongest.maximise`.
    starts : sequence of tensors (n, 3, h, w)
        Directions of further attempts; not used where a change is wanted.
    **shared
        direction, first, known and explore, as in `strongest.maximise`.

    Returns
    -------
    strongest.Attack
    """
    if budget.wanted:
        settings = {"steps": effect_steps, "gap_tolerance": tolerance}
        return smallest.reach(respond, images, budget.wanted, norm=budget.norm, **settings, **shared)
    settings = {"algorithm": budget.algorithm, "steps": steps, "tolerance": tolerance, "starts": starts}
    return strongest.maximise(respond, images, budget.radius, norm=budget.norm, **settings, **shared)
