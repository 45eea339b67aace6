"""Tests of the choice of natural images for a stimulus set."""

import numpy as np
import pandas as pd
import pytest

from codingaxes.stimulus_sets import starts

NAMES = [f"nsd_{number:05d}" for number in range(20)]
# the response of A ascends with the name, that of B descends
MEASURED = pd.DataFrame(
    {
        "roi": ["A"] * 20 + ["B"] * 20,
        "image_id": NAMES * 2,
        "value": [*range(20), *range(20, 0, -1)],
    }
)
POOL = NAMES[::2]  # held out: ten of twenty


def choose(way, number=2, names=(), seed=0, directions=("increase", "decrease")):
    """Choose images in one way, from the pool."""
    settings = {"choose": way, "number": number, "list": list(names)}
    rng = np.random.default_rng(seed)
    return starts.choose(MEASURED.sample(frac=1, random_state=seed), POOL, NAMES, directions, settings, rng)


def of(rows, roi, direction):
    """Give the images of one region and direction."""
    return rows[(rows.roi == roi) & (rows.direction == direction)].image_id.tolist()


def test_spread_takes_the_middles_of_equal_parts_of_the_held_out_images_for_both_directions():
    rows = choose("spread")
    for direction in ("increase", "decrease"):
        assert of(rows, "A", direction) == [POOL[2], POOL[7]]
        assert of(rows, "B", direction) == [POOL[7], POOL[2]]


def test_extremes_are_the_weakest_to_increase_and_the_strongest_to_decrease():
    rows = choose("extremes")
    assert of(rows, "A", "increase") == of(rows, "B", "decrease") == POOL[:2]
    assert of(rows, "A", "decrease") == of(rows, "B", "increase") == POOL[:-3:-1]


def test_random_images_are_the_same_for_all_regions_and_belong_to_the_seed():
    rows = choose("random", number=5)
    chosen = [of(rows, roi, way) for roi in "AB" for way in ("increase", "decrease")]
    assert all(names == chosen[0] for names in chosen) and set(chosen[0]) <= set(POOL)
    assert len(set(chosen[0])) == 5
    assert rows.equals(choose("random", number=5)) and not rows.equals(choose("random", number=5, seed=1))


def test_listed_images_are_taken_as_they_are_even_those_that_readouts_saw():
    rows = choose("list", names=[NAMES[1], NAMES[0]], directions=("increase",))
    assert of(rows, "A", "increase") == of(rows, "B", "increase") == [NAMES[1], NAMES[0]]


def test_too_many_and_unknown_images_are_refused():
    with pytest.raises(ValueError, match="11 images are wanted, and there are 10 that may be chosen"):
        choose("spread", number=11)
    with pytest.raises(ValueError, match="nsd_99999 is none of the 20 stimuli"):
        choose("list", names=["nsd_99999"])
