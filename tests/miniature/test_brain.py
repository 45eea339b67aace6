"""The simulated brain: what its regions prefer, its noise, its gradient and its file."""

from itertools import product

import numpy as np
import pytest
import torch

from codingaxes.miniature import scenes
from codingaxes.miniature.brain import NOISE_CORRELATION, SimulatedBrain, evaluate, trials


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
    double = SimulatedBrain(brain.energies, brain.mean, brain.sd, brain.subjects).double()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, slope = torch.func.jvp(double, (image,), (direction,))
    step = 1e-6
    difference = (double(image + step * direction) - double(image - step * direction)) / (2 * step)
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=1e-5)
    brain.float()


def test_a_saved_brain_answers_as_before(brain, world, tmp_path):
    brain.save(tmp_path / "brain.npz")
    again = SimulatedBrain.load(tmp_path / "brain.npz")
    assert np.array_equal(evaluate(brain, world[0][:3]), evaluate(again, world[0][:3]))


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
