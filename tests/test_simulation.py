"""The simulated world and brain: preferences, noise, gradient, files."""

import numpy as np
import pytest
import torch

from codingaxes import scenes, simulation


@pytest.fixture(scope="module")
def shown():
    return scenes.render_many(99, 600, 64)


@pytest.fixture(scope="module")
def group(brain, shown):
    """Noiseless group response of each region: mean over voxels and subjects of standardised responses."""
    responses = simulation.evaluate(brain, shown[0])
    standard = (responses - responses.mean(axis=0)) / responses.std(axis=0)
    roi = np.concatenate([voxels.roi for voxels in brain.subjects.values()])
    return {name: standard[:, roi == name].mean(axis=1) for name in scenes.PREFERRED}


def d_prime(one, other):
    return (one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2)


@pytest.mark.parametrize("roi", list(scenes.PREFERRED))
def test_a_region_prefers_its_category_to_every_other_category_by_a_d_prime_of_one(roi, group, shown):
    own = [scenes.CATEGORIES.index(category) for category in scenes.PREFERRED[roi]]
    labels = shown[1]
    preferred = labels[:, own].any(axis=1)
    others = [i for i in range(len(scenes.CATEGORIES)) if i not in own]
    assert len(others) >= 4
    for mine in own:
        for i in others:
            found = d_prime(group[roi][labels[:, mine]], group[roi][labels[:, i] & ~preferred])
            assert found >= 1, f"{scenes.CATEGORIES[mine]} against {scenes.CATEGORIES[i]}: {found:.2f}"


def test_a_scene_does_not_depend_on_how_many_are_rendered():
    few, labels = scenes.render_many(3, 4, 64)
    many, more_labels = scenes.render_many(3, 9, 64)
    assert np.array_equal(few, many[:4]) and np.array_equal(labels, more_labels[:4])


def test_scenes_show_one_or_two_of_six_categories_in_valid_pixels():
    image, labels = scenes.render(np.random.default_rng(5), 64)
    assert image.shape == (3, 64, 64) and image.dtype == np.float32
    assert image.min() >= 0 and image.max() <= 1
    assert labels.sum() in (1, 2)
    _, labels = scenes.render_many(6, 200, 32)
    assert labels.any(axis=0).all() and set(labels.sum(axis=1)) == {1, 2}


def test_the_gradient_of_the_brain_is_that_of_finite_differences(brain, shown):
    image = torch.from_numpy(shown[0][:1]).permute(0, 3, 1, 2).double() / 255
    image = image.clamp(0.05, 0.95)
    double = simulation.SimulatedBrain(brain.energies, brain.mean, brain.sd, brain.subjects).double()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, slope = torch.func.jvp(double, (image,), (direction,))
    step = 1e-6
    difference = (double(image + step * direction) - double(image - step * direction)) / (2 * step)
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=1e-5)
    brain.float()


def test_a_saved_brain_answers_as_before(brain, shown, tmp_path):
    brain.save(tmp_path / "brain.npz")
    again = simulation.SimulatedBrain.load(tmp_path / "brain.npz")
    assert np.array_equal(simulation.evaluate(brain, shown[0][:3]), simulation.evaluate(again, shown[0][:3]))


def test_the_noise_of_trials_is_the_planted_one_and_partly_shared(brain, rng):
    voxels = brain.subjects["subj01"]
    noise = simulation.trials(np.zeros((20000, len(voxels.gain))), voxels, rng) / voxels.noise
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.03)
    mine = np.flatnonzero(voxels.roi == "FFA")[:2]
    other = np.flatnonzero(voxels.roi == "EBA")[0]
    assert np.corrcoef(noise[:, mine].T)[0, 1] == pytest.approx(simulation.NOISE_CORRELATION, abs=0.03)
    assert np.corrcoef(noise[:, mine[0]], noise[:, other])[0, 1] == pytest.approx(0, abs=0.03)


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
