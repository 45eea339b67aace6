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
SETTINGS = {"steps": 10, "limit": 310, "tolerance": 0.004}  # a round more than the default, so that most end


@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg_standard_1", "resnet_robust_1"])
def test_going_on_four_times_as_long_and_a_restart_add_little_to_attacks_that_are_flagged(network):
    devices.keep_memory()
    respond, images = face_body_house(ZOO, network, n=2)
    # each image in three responses, up and down
    items = {"which": torch.arange(3).repeat(4), "direction": torch.tensor([1.0, 1, 1, -1, -1, -1]).repeat(2)}
    shown = images.repeat_interleave(6, dim=0)
    attack = strongest.maximise(respond, shown, 0.86, **items, **SETTINGS)
    again = strongest.maximise(
        respond, shown, 0.86, **items, steps=4 * int(attack.evaluations.max()), starts=[attack.delta]
    )
    noise = torch.randn(shown.shape, generator=torch.Generator().manual_seed(1))
    restarted = strongest.maximise(respond, shown, 0.86, **items, **SETTINGS, starts=[noise])
    peer = strongest.maximise(respond, shown, 0.86, **items, algorithm="apgd", steps=300)
    change = attack.change.abs()
    best = torch.maximum(again.change.abs(), restarted.change.abs())
    gained = (best / change - 1)[attack.converged]
    assert len(gained) and gained.mean() < 0.02
    assert (change / torch.maximum(change, peer.change.abs())).mean() > 0.98
