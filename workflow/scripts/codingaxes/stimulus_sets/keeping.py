"""Select the stimuli of a set that a laboratory gets."""

import numpy as np


def keep(stimuli, ranking):
    """Select the stimuli that the set keeps: by the ranking, with the natural images and controls they need.

    Parameters
    ----------
    stimuli : DataFrame
        The table set_stimuli.
    ranking : DataFrame
        The table set_ranking. A stimulus made for a model that it does not rank is kept.

    Returns
    -------
    DataFrame
        Rows of `stimuli`, in their order. A control is kept if a kept stimulus has its image and step, and
        also its region, direction and maker, where the control has one of its own. An image for which no
        perturbation was found is its natural image again, and is left out, with its controls. So is a control
        that is the same picture as another, as blends are that have arrived at one natural image.
    """
    again = stimuli.sha256.duplicated() & (stimuli.role == "control")
    stimuli = stimuli[~again & ((stimuli.role == "original") | (stimuli.l2 > 0))]
    dropped = set(ranking.stimulus_id[~ranking.chosen])
    chosen = stimuli[(stimuli.role == "perturbed") & ~stimuli.stimulus_id.isin(dropped)]
    if not dropped:
        return stimuli.reset_index(drop=True)

    def is_needed(row):
        near = chosen[chosen.image_id == row.image_id]
        if row.role == "original":
            return len(near) > 0
        near = near[near.step == row.step]
        for column, of_all in {"roi": "all", "direction": "none", "maker": "none"}.items():
            value = getattr(row, column)
            near = near[(near[column] == value) | (value == of_all)]
        return len(near) > 0

    needed = [row.role != "perturbed" and is_needed(row) for row in stimuli.itertuples()]
    return stimuli[np.array(needed) | stimuli.index.isin(chosen.index)].reset_index(drop=True)
