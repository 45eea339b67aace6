"""Training of the zoo: adversarial images, reproducible runs, accuracies."""

import numpy as np
import pytest
import torch

from codingaxes.miniature import scenes, training
from codingaxes.networks.network import Network


def network(seed=0):
    torch.manual_seed(seed)
    return Network("resnet").eval().requires_grad_(False)


def images(n=3, seed=0):
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_an_adversarial_image_stays_in_ball_and_box_and_raises_the_loss():
    net, x = network(), images(8)
    labels = torch.zeros(8, 6)
    torch.manual_seed(0)
    misled = training.mislead(net, x, labels, 0.5, steps=3)
    assert (misled - x).flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    assert misled.min() >= 0 and misled.max() <= 1
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    assert loss(net(misled), labels) > loss(net(x), labels)


@pytest.mark.slow
def test_training_is_reproducible_learns_and_leaves_the_global_state_alone():
    pixels, labels = scenes.render_many(1, 256, 64)
    settings = training.Settings(
        epochs=8, batch_size=16, learning_rate=3e-3, weight_decay=0.01, gradients=1, growth=0.0
    )
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = training.train("resnet", pixels, labels, 0.0, 7, settings)
    assert torch.equal(torch.rand(1), expected)
    second = training.train("resnet", pixels, labels, 0.0, 7, settings)
    other = training.train("resnet", pixels, labels, 0.0, 8, settings)
    x = images()
    assert torch.equal(first(x), second(x)) and not torch.allclose(first(x), other(x))
    before = training.balanced_accuracy(network(), pixels, labels, 0, 0, 0)
    assert training.balanced_accuracy(first, pixels, labels, 0, 0, 0) > max(before, 0.5) + 0.05


def test_balanced_accuracy_of_a_constant_answer_is_one_half():
    pixels, labels = scenes.render_many(2, 60, 64)
    always = lambda x: torch.ones(len(x), 6)  # noqa: E731
    assert training.balanced_accuracy(always, pixels, labels, 0, 0, 0) == pytest.approx(0.5)
    assert np.asarray(labels).mean() != 0.5
