"""Choose the natural images that the stimuli of a set are made of."""

import numpy as np
import pandas as pd

from codingaxes.names import SIGNS


def choose(measured, pool, known, directions, settings, rng):
    """Choose natural images by the measured response of the group, whatever the models say.

    Parameters
    ----------
    measured : DataFrame
        roi, image_id and value: measured responses, of the regions of the set.
    pool : sequence of str
        image_ids that may be chosen: held-out images.
    known : sequence of str
        All image_ids of the study, which a list may name.
    directions : sequence of str
        Of the set: increase, decrease.
    settings : dict
        images of a design: choose, number, list.
    rng : numpy Generator
        For a random choice.

    Returns
    -------
    DataFrame
        roi, direction and image_id, one row for each image of a region and direction.

    Raises
    ------
    ValueError
        If there are fewer images than wanted, or a listed one is none of the study.
    """
    way, number = settings["choose"], settings["number"]
    if unknown := sorted(set(settings["list"]) - set(known)):
        raise ValueError(
            f"images.list: {', '.join(unknown)} is none of the {len(known)} stimuli of the study"
        )
    if way != "list" and number > len(pool):
        raise ValueError(
            f"images.number: {number} images are wanted, and there are {len(pool)} that may be chosen"
        )
    common = settings["list"] if way == "list" else None
    if way == "random":
        common = sorted(rng.choice(sorted(pool), number, replace=False))
    rows = []
    for roi, part in measured.groupby("roi", sort=False):
        tested = part[part.image_id.isin(pool)].sort_values(["value", "image_id"]).image_id.tolist()
        for direction in directions:
            names = common if common is not None else _of_region(tested, way, number, direction)
            rows += [(roi, direction, name) for name in names]
    return pd.DataFrame(rows, columns=["roi", "direction", "image_id"])


def _of_region(tested, way, number, direction):
    """Choose among the images of one region, which come in ascending order of the measured response."""
    if way == "spread":  # the middles of as many equal parts
        return [tested[place] for place in ((np.arange(number) + 0.5) / number * len(tested)).astype(int)]
    return tested[:: int(SIGNS[direction])][:number]
