"""Tests of pictures as saved: rounding that keeps small perturbations, files, sizes."""

import pytest
import torch
from planted_responses import rand, randn

from codingaxes.synthesis import pictures


def natural(n=2, size=32):
    """Make images at whole grey levels, far from black and white."""
    return (rand(n, 3, size, size) * 200 + 20).round() / 255


def test_whole_grey_levels_stay_as_they_are():
    levels = torch.arange(256).repeat(3, 1).view(1, 3, 16, 16)
    images = levels.float() / 255
    assert torch.equal(pictures.to_bytes(images, [5]), levels.to(torch.uint8))


def test_bytes_become_images_and_images_stay():
    images = natural(1, 8)
    saved = pictures.to_bytes(images, [1])
    assert torch.equal(pictures.from_bytes(saved), saved.float() / 255)
    assert pictures.from_bytes(images) is images


def test_a_change_of_a_third_of_a_grey_level_is_kept_on_average():
    images, pattern = natural(1, 64), randn(1, 3, 64, 64).sign() / 3 / 255
    saved = pictures.from_bytes(pictures.to_bytes(images + pattern, [1])).double() - images
    share = (saved * pattern).sum() / pattern.square().sum()
    assert share == pytest.approx(1.0, abs=0.05)
    plain = (255 * (images + pattern)).round() / 255 - images
    assert plain.abs().max() < 1e-9  # the usual rounding loses it altogether


def test_pictures_depend_on_their_own_seed_alone():
    images = rand(3, 3, 16, 16)
    together = pictures.to_bytes(images, [1, 2, 3])
    assert torch.equal(together[1:2], pictures.to_bytes(images[1:2], [2]))
    assert not torch.equal(together[:1], pictures.to_bytes(images[:1], [2]))


def test_a_saved_picture_is_read_back_bit_by_bit_and_an_edited_one_is_refused(tmp_path):
    saved = pictures.to_bytes(rand(2, 3, 16, 16), [1, 2])
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    digests = [pictures.save(picture, file) for picture, file in zip(saved, files, strict=True)]
    assert torch.equal(pictures.read(files, digests), saved)
    pictures.save(saved[0], files[1])
    with pytest.raises(ValueError, match=r"b\.png was changed"):
        pictures.read(files, digests)


def test_sizes_are_those_of_the_difference():
    difference = torch.zeros(1, 3, 8, 8)
    difference[0, 0, 0, :3] = torch.tensor([0.3, -0.4, 0.0])
    found = pictures.sizes(difference)
    assert found["l2"].item() == pytest.approx(0.5) and found["linf"].item() == pytest.approx(0.4)
    assert found["rms"].item() == pytest.approx(255 * 0.5 / 192**0.5)
