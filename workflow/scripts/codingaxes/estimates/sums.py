"""Add up values of many cells, some values at a time."""

import numpy as np
import pandas as pd


class Sums:
    """Hold running sums of cells, with what rounding loses of them.

    They do not depend on how many values come together, to the last bit, and are those of pandas. Its own
    sum of groups adds up in another order where the groups of a frame happen to be sorted.

    Source
    ------
    W. Kahan, Further remarks on reducing truncation errors (Communications of the ACM 8, 1965, page 40).
    """

    def __init__(self, cells):
        self.total, self.lost, self.number = np.zeros((3, cells))

    def add(self, cell, values):
        """Add values (n,), each to the sum of its cell, in the order in which they come."""
        turn = pd.Series(cell).groupby(cell).cumcount().to_numpy()
        order = np.argsort(turn, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
            where = cell[part]
            value = values[part] - self.lost[where]
            total = self.total[where] + value
            self.lost[where] = total - self.total[where] - value
            self.total[where] = total
        self.number += np.bincount(cell, minlength=len(self.number))

    def mean(self):
        """Give the mean of each cell; NaN where nothing was added."""
        return np.divide(self.total, self.number, out=np.full_like(self.total, np.nan), where=self.number > 0)
