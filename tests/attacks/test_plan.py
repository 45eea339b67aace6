"""Tests of plans: which attacks a study makes, and which of them share perturbations."""

import pytest
import torch
from planted_responses import kinked, rand

from codingaxes.attacks import plan, smallest, strongest
from codingaxes.attacks.plan import Budget

SETTINGS = {
    "steps": 4,
    "limit": 12,
    "effect_limit": 28,
    "variant_limit": 4,
    "algorithm_steps": 6,
    "tolerance": 1e-9,
    "direction": "decrease",
}


def list_budgets(radii=(0.9, 0.3), linf_radii=(), algorithms=(), large_radii=(), effects=()):
    """List the budgets of a study that asks for little."""
    return plan.list_budgets(radii, linf_radii, algorithms, large_radii, effects, 12, 6)


def test_main_budgets_come_first_the_largest_last_and_wanted_changes_at_the_end():
    budgets = list_budgets(
        linf_radii=[0.01], algorithms=["pgd", "apgd"], large_radii=[9.0, 3.0], effects=[0.5, 1.5]
    )
    assert [(budget.attack, budget.radius, budget.wanted) for budget in budgets] == [
        ("l2", 0.3, 0.0),
        ("l2", 0.9, 0.0),
        ("linf", 0.01, 0.0),
        ("l2_pgd", 0.9, 0.0),
        ("l2_apgd", 0.9, 0.0),
        ("l2_large", 3.0, 0.0),
        ("l2_large", 9.0, 0.0),
        ("l2_effect", 0.0, 0.5),
        ("l2_effect", 0.0, 1.5),
    ]
    assert [budget.algorithm for budget in budgets if budget.attack.endswith("pgd")] == ["pgd", "apgd"]
    assert [budget.attack for budget in budgets if budget.norm == "linf"] == ["linf"]
    # main attacks are made on all probes, wanted changes on twelve, what checks conclusions on six
    assert [budget.probes for budget in budgets] == [0, 0, 6, 6, 6, 6, 6, 12, 12]


def test_only_the_main_algorithm_in_the_main_norm_shares_perturbations():
    budgets = list_budgets(linf_radii=[0.01], algorithms=["pgd"], large_radii=[9.0], effects=[0.5])
    assert {budget.attack for budget in budgets if budget.shares} == {"l2", "l2_large", "l2_effect"}


def test_a_smaller_ball_is_admitted_to_a_larger_one_and_everything_to_a_wanted_change():
    small, large = list_budgets()
    (effect,) = list_budgets(effects=[0.5])[2:]
    assert large.admits(small) and large.admits(large) and not small.admits(large)
    assert all(effect.admits(other) for other in (small, large, effect))
    # the size of a perturbation for a wanted change is not known in advance
    assert not large.admits(effect)


@pytest.mark.parametrize(("algorithm", "steps", "spent"), [("ascent", 4, 11), ("apgd", 6, 6)])
def test_a_given_size_is_attacked_by_the_algorithm_of_its_budget(algorithm, steps, spent):
    respond, images = kinked(), rand(3, 3, 8, 8)
    attack = plan.attack(respond, images, Budget("l2", algorithm, "l2", 0.8), **SETTINGS)
    settings = {"steps": steps, "limit": 12, "tolerance": 1e-9, "direction": "decrease"}
    expected = strongest.maximise(respond, images, 0.8, algorithm=algorithm, **settings)
    assert torch.equal(attack.delta, expected.delta) and (attack.evaluations == spent).all()
    assert torch.equal(attack.converged, expected.converged)


@pytest.mark.parametrize("budget", [("linf", "linf", 0.05), ("l2_large", "l2", 0.8)])
def test_variants_have_a_limit_of_their_own(budget):
    name, norm, radius = budget
    attack = plan.attack(kinked(), rand(3, 3, 8, 8), Budget(name, "ascent", norm, radius), **SETTINGS)
    assert (attack.evaluations == 4).all()


def test_a_wanted_change_is_attacked_with_as_many_gradients_as_it_needs():
    respond, images = kinked(), rand(3, 3, 8, 8)
    attack = plan.attack(respond, images, Budget("l2_effect", "ascent", "l2", 0.0, wanted=0.2), **SETTINGS)
    settings = {"steps": 4, "limit": 28, "tolerance": 1e-9, "direction": "decrease"}
    expected = smallest.reach(respond, images, 0.2, **settings)
    assert torch.equal(attack.delta, expected.delta) and torch.equal(attack.size, expected.size)
