"""Planted curves of methods of making images, for tests of their figure: power laws, noise, single points."""

import numpy as np

BRAIN = "simulated_brain"
GAINS = {"attack": 0.5, "blend, strong": 0.3, "warp": 0.1}  # SD per l2 ** 0.5
SINGLE = {"generative prior": (3.0, 0.7)}  # l2 and change of a method of one size for each image
SIZES = np.geomspace(0.3, 12.0, 7)
COMMON = slice(2, 5)


def plant(folder, write, zoo, models, regions, measures=("wanted", "size")):
    """Write the table method_curves of all families, and of the brain if it is among the models.

    Parameters
    ----------
    folder : Path
    write : callable (folder, name of a table, rows) -> table
    zoo : DataFrame
        The table networks.
    models, regions : lists of str
    measures : tuple of str
    """
    seen = [("family", name) for name in dict.fromkeys(zoo.family)]
    seen += [("brain", BRAIN)] * (BRAIN in models) + [("network", zoo.network.iloc[0])]
    rows = []
    for place, (seen_as, seen_by) in enumerate(seen):
        for roi in regions:
            for measure in measures:
                about = {"seen_as": seen_as, "seen_by": seen_by, "roi": roi, "measure": measure}
                off = {"common": False, "front": False, "reason": ""}
                rows += [about | off | row for row in rows_of(1.0 - 0.1 * place)]
    return write(folder, "method_curves", rows)


def rows_of(gain):
    """Yield the rows of one model, region and measure."""
    for name, of_method in GAINS.items():
        for step, l2 in enumerate(SIZES, start=1):
            row = {"method": name, "at": "norm", "step": step, "l2": l2, "noise_q95": 0.1 * l2**0.5}
            row |= between(gain * of_method * l2**0.5)
            yield row | {"common": l2 in SIZES[COMMON], "front": name == "attack", "n_images": 12}
        yield {"method": name, "at": "own", "step": 1, "l2": 2.0, "n_images": 12} | between(gain * of_method)
    for name, (l2, change) in SINGLE.items():
        yield {"method": name, "at": "own", "step": 1, "l2": l2, "n_images": 9} | between(gain * change)
    for step, l2 in enumerate(SIZES, start=1):
        row = {"method": "all", "at": "noise", "step": step, "l2": l2, "change": 0.05 * l2**0.5}
        yield row | {"noise_q95": 0.1 * l2**0.5, "ci_low": np.nan, "ci_high": np.nan, "n_images": 12}


def between(change):
    """Put a change between the ends of an interval."""
    return {"change": change, "ci_low": 0.8 * change, "ci_high": 1.3 * change}
