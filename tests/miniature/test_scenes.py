"""The simulated world: scenes, their labels and their seeds."""

import numpy as np

from codingaxes.miniature import scenes


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
