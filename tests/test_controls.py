"""Controls: as large as the attack, with what they keep of it and without the rest; and batches that fit."""

import pytest
import torch

from codingaxes import batches, budgets, controls


def made(images, radius=0.5, seed=0):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return budgets.stretch(noise.cumsum(-1) + noise.roll(1, 1), images, radius)


def test_scrambled_perturbations_keep_size_spectrum_and_colours_and_lose_their_structure():
    images = torch.full((3, 3, 16, 16), 0.5)
    delta = made(images)
    found = controls.phase_scrambled(delta, images, [1, 2, 3])
    torch.testing.assert_close(budgets.size(found, "l2"), budgets.size(delta, "l2"), rtol=1e-5, atol=0)
    one, other = torch.fft.fft2(delta), torch.fft.fft2(found)
    torch.testing.assert_close(other.abs(), one.abs(), rtol=1e-3, atol=1e-4)
    # the cross spectrum of two colours too
    torch.testing.assert_close(
        other[:, 0] * other[:, 1].conj(), one[:, 0] * one[:, 1].conj(), rtol=1e-3, atol=1e-3
    )
    cosine = torch.nn.functional.cosine_similarity(found.flatten(1), delta.flatten(1))
    assert (cosine.abs() < 0.4).all()


def test_controls_stay_in_the_box_and_are_as_large_as_the_attack():
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    for norm, radius in (("l2", 3.0), ("linf", 0.05)):
        delta = budgets.stretch(made(images), images, radius, norm)
        for found in (
            controls.phase_scrambled(delta, images, [1, 2, 3, 4], norm),
            controls.of_another_image(delta, images, norm),
        ):
            shown = images + found
            assert shown.min() >= 0 and shown.max() <= 1
            torch.testing.assert_close(
                budgets.size(found, norm), budgets.size(delta, norm), rtol=1e-5, atol=0
            )


def test_a_draw_belongs_to_its_seed_alone():
    images = torch.full((2, 3, 8, 8), 0.5)
    delta = made(images)
    together = controls.phase_scrambled(delta, images, [7, 8])
    alone = controls.phase_scrambled(delta[1:], images[1:], [8])
    torch.testing.assert_close(together[1:], alone)
    one, other = (controls.random_direction(seed, images[0]) for seed in (1, 2))
    assert torch.equal(one, controls.random_direction(1, images[1])) and not torch.equal(one, other)


def test_every_image_gets_the_perturbation_of_another():
    images = torch.full((3, 3, 8, 8), 0.5)
    delta = made(images)
    found = controls.of_another_image(delta, images)
    for i in range(3):
        torch.testing.assert_close(found[i], delta[(i + 1) % 3], rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="two probes or more"):
        controls.of_another_image(delta[:1], images[:1])


def test_no_perturbation_gives_no_control():
    images = torch.full((2, 3, 8, 8), 0.5)
    delta = made(images)
    delta[0] = 0
    assert (controls.phase_scrambled(delta, images, [1, 2])[0] == 0).all()
    assert (controls.of_another_image(delta, images)[1] == 0).all()


def test_batches_are_halved_when_memory_is_out_and_what_they_give_stays_the_same(caplog):
    shown = []

    def work(x, y):
        shown.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError("no room")
        return x + y

    fitting = batches.Batches(10)
    x, y = torch.arange(10), torch.ones(10)
    with caplog.at_level("WARNING", logger="codingaxes"):
        assert torch.equal(torch.cat(fitting(work, x, y)), x + y)
    assert shown == [10, 5, 3, 3, 3, 1]
    assert "going on with 3 images at once" in caplog.text
    assert torch.equal(torch.cat(fitting(work, x, y)), x + y) and shown[6] == 3

    def hopeless(x):
        raise torch.OutOfMemoryError("no room at all")

    with pytest.raises(torch.OutOfMemoryError, match="no room at all"):
        fitting(hopeless, x)
