"""Express responses as levels of a model's own responses to natural images."""

import numpy as np

from codingaxes.estimates import undefined


def natural_level(response, low, high):
    """Express responses as natural levels: (r - q01) / (q99 - q01).

    0 and 1 are the quantiles 0.01 and 0.99 of the model's responses to natural images, so that nature lies
    between them, and levels of models whose predictions vary more or less can be compared.

    Parameters
    ----------
    response, low, high : arrays (n,)
        r, q01 and q99 of the table natural_responses, SD.

    Returns
    -------
    array (n,)
        NaN where the quantiles differ by rounding alone, see `undefined.moves`.
    """
    response, low, high = (np.asarray(values, float) for values in (response, low, high))
    width = np.where(undefined.moves(high - low), high - low, np.nan)
    return (response - low) / width


def super_stimulus(level, direction):
    """Say which images drive a model beyond nature: above level 1, or below level 0 where that was the aim.

    Parameters
    ----------
    level : array (n,)
    direction : Series of str (n,)
        increase or decrease.

    Returns
    -------
    array of bool (n,)
        False where the level is missing.
    """
    return np.where(direction == "increase", np.asarray(level) > 1, np.asarray(level) < 0)
