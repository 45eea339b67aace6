"""Networks of the zoo: layers, gradients, weights; and their training."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from codingaxes import lanczos, models, networks, scenes, training

NAMES = list(networks.ARCHITECTURES)


def network(architecture, seed=0):
    torch.manual_seed(seed)
    return networks.Network(architecture).eval().requires_grad_(False)


def images(n=3, seed=0):
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("architecture", NAMES)
def test_features_do_not_depend_on_the_batch_and_have_two_or_more_layers(architecture):
    net, x = network(architecture), images()
    together = net.features(x)
    assert len(together) >= 2
    for layer, values in together.items():
        alone = torch.cat([net.features(image[None], [layer])[layer] for image in x])
        torch.testing.assert_close(values, alone, rtol=1e-4, atol=1e-5)
        assert values.shape[0] == 3 and values.std(dim=0).max() > 0


@pytest.mark.parametrize("architecture", NAMES)
def test_the_features_are_those_of_the_layer_in_a_full_forward_pass(architecture):
    net, x, kept = network(architecture), images(), {}
    layer = net.layers[0]
    handle = net.body.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: kept.update(value=output.detach().flatten(1).clone())
    )
    net(x)
    handle.remove()
    torch.testing.assert_close(net.features(x, [layer])[layer], kept["value"])


@pytest.mark.parametrize("architecture", NAMES)
def test_jacobian_products_agree_with_finite_differences(architecture):
    net, x = network(architecture).double(), images(2).double()
    layer = net.layers[-1]
    d = net.features(x, [layer])[layer].shape[1]
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((d, 5)))[0].T
    respond = models.LinearResponse(net, layer, np.eye(5), basis, np.zeros(5)).double()
    v = torch.randn(2, x[0].numel(), generator=torch.Generator().manual_seed(2)).double()
    product = lanczos.gauss_newton(respond, x)(v)
    step = 1e-6
    pushed = (respond(x + step * v.view_as(x)) - respond(x - step * v.view_as(x))) / (2 * step)
    torch.testing.assert_close((product * v).sum(dim=1), pushed.square().sum(dim=1), rtol=1e-3, atol=1e-8)


def test_an_unknown_layer_or_architecture_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"layer9; candidates are layer2"):
        network("resnet").features(images(), ["layer9"])
    with pytest.raises(ValueError, match="resnet, densenet, vgg"):
        networks.Network("resnett")


def test_weights_are_read_back_exactly_and_never_in_part(tmp_path):
    net = network("resnet", seed=3)
    networks.save(net, tmp_path / "w.safetensors")
    again = networks.load("resnet", tmp_path / "w.safetensors")
    assert torch.equal(net(images()), again(images()))
    assert not any(parameter.requires_grad for parameter in again.parameters()) and not again.training
    content = load_file(tmp_path / "w.safetensors")
    content.pop("layer1.0.conv1.weight")
    save_file(content, tmp_path / "w.safetensors")
    with pytest.raises(RuntimeError, match=r"layer1\.0\.conv1\.weight"):
        networks.load("resnet", tmp_path / "w.safetensors")
    with pytest.raises(FileNotFoundError, match="train_network"):
        networks.load("resnet", tmp_path / "absent.safetensors")


def test_an_adversarial_image_stays_in_ball_and_box_and_raises_the_loss():
    net, x = network("resnet"), images(8)
    labels = torch.zeros(8, 6)
    torch.manual_seed(0)
    misled = training.mislead(net, x, labels, 0.5, steps=3)
    assert (misled - x).flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    assert misled.min() >= 0 and misled.max() <= 1
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    assert loss(net(misled), labels) > loss(net(x), labels)


def test_training_is_reproducible_learns_and_leaves_the_global_state_alone():
    shown, labels = scenes.render_many(1, 256, 64)
    settings = training.Settings(epochs=8, batch_size=16, learning_rate=3e-3, weight_decay=0.01)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = training.train("resnet", shown, labels, 0.0, 7, settings)
    assert torch.equal(torch.rand(1), expected)
    second = training.train("resnet", shown, labels, 0.0, 7, settings)
    other = training.train("resnet", shown, labels, 0.0, 8, settings)
    x = images()
    assert torch.equal(first(x), second(x)) and not torch.allclose(first(x), other(x))
    before = training.balanced_accuracy(network("resnet"), shown, labels, 0, 0, 0)
    assert training.balanced_accuracy(first, shown, labels, 0, 0, 0) > max(before, 0.5) + 0.05


def test_balanced_accuracy_of_a_constant_answer_is_one_half():
    shown, labels = scenes.render_many(2, 60, 64)
    always = lambda x: torch.ones(len(x), 6)  # noqa: E731
    assert training.balanced_accuracy(always, shown, labels, 0, 0, 0) == pytest.approx(0.5)
    assert np.asarray(labels).mean() != 0.5
