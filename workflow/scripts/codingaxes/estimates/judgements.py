"""Add up category evidence over makers and judges, some reviewers at a time."""

import numpy as np
import pandas as pd

from codingaxes.estimates import control
from codingaxes.estimates.sums import Sums

VALUES = ("evidence_before", "evidence")


class Judgements:
    """Hold sums of category evidence by kind of image and family of makers and judges; no review is kept.

    Parameters
    ----------
    key : list of str
        Columns that tell cells apart.
    levels : dict of str to list
        All values of each of these columns, in their order; and those of image_id, network and reviewer.
    """

    def __init__(self, key, levels):
        self.levels = {name: pd.Index(levels[name]) for name in (*key, "image_id", "network", "reviewer")}
        self.key, self.shape = key, tuple(len(self.levels[name]) for name in key)
        cells = int(np.prod(self.shape))
        self.change, self.known = np.zeros((2, cells, len(self.levels["image_id"])))
        self.values = {name: Sums(cells) for name in VALUES}
        self.radius, self.seen, self.judged = (
            np.full(cells, np.nan),
            np.zeros(cells, bool),
            np.zeros(cells, bool),
        )
        self.who = {name: np.zeros((cells, len(self.levels[name])), bool) for name in ("network", "reviewer")}

    def add(self, rows):
        """Add reviews: columns of the key, image_id, network, reviewer, radius, the evidence, independent.

        `change` is missing (NaN) where a judge knows no evidence; it counts where the judge is `independent`.
        """
        codes = {name: codes_of(rows[name], level) for name, level in self.levels.items()}
        cell = np.ravel_multi_index([codes[name] for name in self.key], self.shape)
        radius = rows.radius.groupby(cell).first()
        new = np.isnan(self.radius[radius.index])
        self.radius[radius.index[new]] = radius[new]
        counts = rows.independent.to_numpy()
        self.seen[cell], self.judged[cell[counts]] = True, True
        counts = counts & rows.change.notna().to_numpy()
        for name, who in self.who.items():
            who[cell[counts], codes[name][counts]] = True
        for name, values in self.values.items():
            values.add(cell[counts], rows[name].to_numpy()[counts])
        change = rows.change.to_numpy()[counts]
        control.add_to_sums(self.change, self.known, change, cell[counts], codes["image_id"][counts])

    def table(self, sets, images, seed, draws):
        """Average over images, with intervals by resampling the images that a set of cells shares.

        Parameters
        ----------
        sets : list of str
            Columns of the key that tell sets apart.
        images : dict, tuple of values of `sets` -> array of ints
            Places of their images in `levels`.
        seed, draws : int
            Of the bootstrap of each set.

        Returns
        -------
        DataFrame, indexed by the key, with the cells that have rows
            change, ci_low, ci_high, n_images, evidence_before, evidence, radius, judged, n_makers, n_judges.
        """
        index = pd.MultiIndex.from_product([self.levels[name] for name in self.key], names=self.key)
        about = {"judged": self.judged, "radius": self.radius}
        about |= {name: values.mean() for name, values in self.values.items()}
        about |= {"n_makers": self.who["network"].sum(axis=1), "n_judges": self.who["reviewer"].sum(axis=1)}
        table = pd.DataFrame(about, index)[self.seen]
        change, known = self.change[self.seen], self.known[self.seen]
        places, parts = table.index.to_frame()[sets], []
        for place, columns in images.items():
            cells = np.flatnonzero((places == list(place)).all(axis=1))
            sums = (values[np.ix_(cells, columns)] for values in (change, known))
            part = control.mean_of_sums(*sums, np.random.default_rng(seed), draws)
            parts.append(part.set_index(table.index[cells]).rename(columns={"mean": "change"}))
        return table.join(pd.concat(parts))


def codes_of(column, level):
    """Give the place of each value of a column in an index of all values."""
    column = pd.Categorical(column)
    return level.get_indexer(column.categories)[column.codes]
