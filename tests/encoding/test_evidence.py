"""Tests of judges: what a model sees of each category, apart from what it predicts of the brain."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from codingaxes.encoding import evidence
from codingaxes.encoding.model import EncodingModel
from codingaxes.miniature import scenes
from codingaxes.networks import network


def scenes_and_labels(seed=31, n=80):
    """Render scenes, float32 (n, 3, 64, 64), with their labels."""
    rendered, labels = scenes.render_many(seed, n, 64)
    return torch.from_numpy(rendered).permute(0, 3, 1, 2).float() / 255, labels


def brain_model(brain):
    """Make an encoding model that knows no more of a brain than the judge needs."""
    return EncodingModel({"FFA": SimpleNamespace(brain=brain)}, {}, {})


@pytest.mark.parametrize("category", scenes.CATEGORIES)
def test_the_brain_has_more_evidence_for_categories_that_are_there(brain, category):
    images, labels = scenes_and_labels()
    with torch.no_grad():
        found = evidence.judge_of(brain_model(brain), None)(images).numpy()
    place = scenes.CATEGORIES.index(category)
    there = labels[:, place]
    pairs = found[there, place][:, None] > found[~there, place][None]
    assert pairs.mean() > 0.75  # the area under the curve of hits and false alarms


def test_the_evidence_of_a_network_of_the_zoo_is_its_own_answer_and_a_pretrained_one_has_none():
    net = network.load_network("resnet", None, random_weights=True)
    model = EncodingModel({}, {}, {}, features=SimpleNamespace(network=net))
    images, _ = scenes_and_labels(n=3)
    judge = evidence.judge_of(model, {"source": "zoo"})
    assert torch.equal(judge(images), net(images)) and judge(images).shape == (3, len(scenes.CATEGORIES))
    assert evidence.judge_of(model, {"source": "timm"}) is None


def test_either_of_two_preferred_categories_is_enough_and_other_regions_have_none():
    found = torch.tensor(np.log([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))
    assert evidence.of_region(found, "FFA").item() == pytest.approx(0.0)
    assert evidence.of_region(found, "PPA").item() == pytest.approx(np.log(7.0))
    assert evidence.of_region(found, "V1") is None
