"""The simulated brain: what its regions prefer, its noise, its gradient and its file."""

from itertools import product

import numpy as np
import pytest
import torch

from codingaxes.miniature import growth, scenes, zoo
from codingaxes.miniature.brain import NOISE_CORRELATION, NetworkFeatures, SimulatedBrain, evaluate, trials
from codingaxes.networks.network import Network


@pytest.fixture(scope="module")
def world():
    """600 scenes and their labels."""
    return scenes.render_many(99, 600, 64)


@pytest.fixture(scope="module")
def group(brain, world):
    """Noiseless group response of each region: mean over voxels and subjects of standardised responses."""
    responses = evaluate(brain, world[0])
    standard = (responses - responses.mean(axis=0)) / responses.std(axis=0)
    roi = np.concatenate([voxels.roi for voxels in brain.subjects.values()])
    return {name: standard[:, roi == name].mean(axis=1) for name in scenes.PREFERRED}


@pytest.fixture(scope="module")
def network_brain():
    """A brain whose regions are planted on the last layer of a network with random weights."""
    row = zoo.row("vgg")
    torch.manual_seed(0)
    network = Network(row)
    network.train()(torch.rand(16, 3, 64, 64))
    features = NetworkFeatures(64, network.eval().requires_grad_(False), row)
    return growth.grow(features, 7, ["subj01", "subj02"], 4)


def d_prime(one, other):
    """The distance of two samples in units of their SD."""
    return (one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2)


@pytest.mark.parametrize("roi", list(scenes.PREFERRED))
def test_a_region_prefers_its_category_to_every_other_category_by_a_d_prime_of_one(roi, group, world):
    own = [scenes.CATEGORIES.index(category) for category in scenes.PREFERRED[roi]]
    labels = world[1]
    preferred = labels[:, own].any(axis=1)
    others = [i for i in range(len(scenes.CATEGORIES)) if i not in own]
    assert len(others) >= 4
    for one, other in product(own, others):
        distance = d_prime(group[roi][labels[:, one]], group[roi][labels[:, other] & ~preferred])
        assert distance >= 1, f"{scenes.CATEGORIES[one]} against {scenes.CATEGORIES[other]}: {distance:.2f}"


def test_the_gradient_of_the_brain_is_that_of_finite_differences(brain, world):
    image = torch.from_numpy(world[0][:1]).permute(0, 3, 1, 2).double() / 255
    image = image.clamp(0.05, 0.95)
    double = SimulatedBrain(brain.features, brain.mean, brain.sd, brain.subjects).double()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, slope = torch.func.jvp(double, (image,), (direction,))
    step = 1e-6
    difference = (double(image + step * direction) - double(image - step * direction)) / (2 * step)
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=1e-5)
    brain.float()


@pytest.mark.parametrize("kind", ["brain", "network_brain"])
def test_a_saved_brain_answers_as_before(kind, request, world, tmp_path):
    brain = request.getfixturevalue(kind)
    brain.save(tmp_path / "brain.npz")
    again = SimulatedBrain.load(tmp_path / "brain.npz")
    assert np.array_equal(evaluate(brain, world[0][:3]), evaluate(again, world[0][:3]))
    with np.load(tmp_path / "brain.npz", allow_pickle=False) as content:
        assert all(content[name].dtype.kind in "biufU" for name in content)  # numbers and text


def test_voxels_of_a_brain_that_is_a_network_are_linear_in_its_last_layer(network_brain, world):
    network = network_brain.features.network
    images = torch.from_numpy(world[0][:40]).permute(0, 3, 1, 2).float() / 255
    layer = network.features(images)["features.21"].double().numpy()
    mean, sd = network_brain.mean.numpy(), network_brain.sd.numpy()
    assert np.isfinite(sd).any()
    responses = np.concatenate(
        [
            (layer - mean) / sd @ voxels.weights.T + voxels.baseline
            for voxels in network_brain.subjects.values()
        ],
        axis=1,
    )
    np.testing.assert_allclose(network_brain(images).numpy(), responses, atol=1e-3)


def test_regions_of_a_brain_that_is_a_network_tell_their_categories_and_voxels_have_the_planted_gain(
    network_brain,
):
    images, labels = scenes.render_many(7, 400, 64)  # the first of those that it was calibrated on
    responses = evaluate(network_brain, images)
    voxels = network_brain.subjects.values()
    gain = np.concatenate([of.gain for of in voxels])
    np.testing.assert_allclose(responses.std(axis=0), gain, rtol=0.25)
    roi = np.concatenate([of.roi for of in voxels])
    for name, own in scenes.PREFERRED.items():
        preferred = labels[:, [scenes.CATEGORIES.index(category) for category in own]].any(axis=1)
        mean = (responses[:, roi == name] / gain[roi == name]).mean(axis=1)
        assert d_prime(mean[preferred], mean[~preferred]) > 1


def test_derivatives_of_a_brain_that_is_a_network_agree_forwards_and_backwards(network_brain):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(4))
    _, forwards = torch.func.jvp(network_brain, (image,), (direction,))
    weight = torch.randn(forwards.shape, generator=torch.Generator().manual_seed(5))
    _, pull_back = torch.func.vjp(network_brain, image)
    backwards = (pull_back(weight)[0] * direction).sum()
    torch.testing.assert_close((forwards * weight).sum(), backwards, rtol=1e-3, atol=1e-3)


def test_the_noise_of_trials_is_the_planted_one_and_partly_shared(brain, rng):
    voxels = brain.subjects["subj01"]
    noise = trials(np.zeros((20000, len(voxels.gain))), voxels, rng) / voxels.noise
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.03)
    first, second = np.flatnonzero(voxels.roi == "FFA")[:2]
    other = np.flatnonzero(voxels.roi == "EBA")[0]
    correlation = np.corrcoef(noise[:, [first, second, other]].T)
    assert correlation[0, 1] == pytest.approx(NOISE_CORRELATION, abs=0.03)
    assert correlation[0, 2] == pytest.approx(0, abs=0.03)


def test_voxels_have_noise_ceilings_in_the_range_of_nsd_and_differ(brain):
    first, second = brain.subjects["subj01"], brain.subjects["subj02"]
    assert first.ncsnr.min() >= 0.2 and first.ncsnr.max() <= 0.6
    for roi in scenes.PREFERRED:
        assert (first.roi == roi).sum() >= 20
    assert not np.allclose(first.weights[0], first.weights[1])
    assert not np.allclose(first.weights[0], second.weights[0])


def test_an_image_of_another_size_is_refused(brain):
    with pytest.raises(ValueError, match="64, 64"):
        brain(torch.zeros(1, 3, 32, 32))
