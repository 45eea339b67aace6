"""Attacks on shipped networks: what their flag guarantees, and how near they come to long searches.

`benchmarks/zoo_attacks.py` does the same for all networks, more images and larger sizes.
"""

from pathlib import Path

import pytest
import torch
from planted_zoo import face_body_house

from codingaxes import devices
from codingaxes.attacks import strongest

ZOO = Path(__file__).parents[2] / "resources" / "zoo"
NETWORKS = ["vgg_standard_1", "resnet_standard_2", "resnet_robust_1", "densenet_robust_2"]
SETTINGS = {"steps": 10, "limit": 310, "tolerance": 0.005}  # the default of the configuration


def test_no_large_attack_on_a_standard_network_gives_up_after_the_first_round():
    # the first ten gradients find nothing for one of these attacks, and a fifth of what there is for another
    devices.keep_memory()
    respond, images = face_body_house(ZOO, "densenet_standard_2", n=2)
    items = {"which": torch.tensor([1, 1]), "direction": torch.tensor([1.0, 1.0])}
    attack = strongest.maximise(respond, images, 8.6, **items, **SETTINGS)
    peer = strongest.maximise(respond, images, 8.6, **items, algorithm="apgd", steps=300)
    assert not attack.converged.any() and (attack.change > 0.9 * peer.change).all()


def attack_and_go_on(network):
    """Attack two images in three responses, up and down; shares of flagged gains, and of a peer's change."""
    respond, images = face_body_house(ZOO, network, n=2)
    items = {"which": torch.arange(3).repeat(4), "direction": torch.tensor([1.0, 1, 1, -1, -1, -1]).repeat(2)}
    shown = images.repeat_interleave(6, dim=0)
    attack = strongest.maximise(respond, shown, 0.86, **items, **SETTINGS)
    longer = 4 * int(attack.evaluations.max())
    again = strongest.maximise(respond, shown, 0.86, **items, steps=longer, starts=[attack.delta])
    noise = torch.randn(shown.shape, generator=torch.Generator().manual_seed(1))
    restarted = strongest.maximise(respond, shown, 0.86, **items, **SETTINGS, starts=[noise])
    peer = strongest.maximise(respond, shown, 0.86, **items, algorithm="apgd", steps=300)
    change = attack.change.abs()
    best = torch.maximum(again.change.abs(), restarted.change.abs())
    return (best / change - 1)[attack.converged], change / torch.maximum(change, peer.change.abs())


@pytest.mark.long
def test_going_on_four_times_as_long_and_a_restart_add_little_to_attacks_that_are_flagged():
    devices.keep_memory()
    gained, share = map(torch.cat, zip(*map(attack_and_go_on, NETWORKS), strict=True))
    assert len(gained) > len(share) / 3
    assert (gained < 0.02).double().mean() >= 0.95, sorted(gained.tolist())
    assert share.mean() > 0.98, "of what APGD reaches with 300 gradients"
