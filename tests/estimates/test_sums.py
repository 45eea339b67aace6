"""Sums that are added up some values at a time."""

import numpy as np
import pandas as pd
import pytest

from codingaxes.estimates.sums import Sums


@pytest.mark.parametrize("parts", [1, 2, 7, 300])
def test_sums_and_means_of_parts_are_those_of_pandas_to_the_last_bit(parts, rng):
    cell = rng.integers(5, size=300)
    values = rng.normal(size=300) * 10.0 ** rng.integers(-8, 9, size=300)
    sums = Sums(6)
    for part in np.array_split(np.arange(300), parts):
        sums.add(cell[part], values[part])
    whole = pd.Series(values).groupby(cell)
    assert sums.total[:5].tolist() == whole.sum().to_list()
    assert sums.mean()[:5].tolist() == whole.mean().to_list()
    assert np.isnan(sums.mean()[5])  # nothing was added


def test_sums_do_not_depend_on_whether_cells_come_in_order(rng):
    cell, values = np.repeat(np.arange(7), 11), rng.normal(size=77)
    ordered, turned = Sums(7), Sums(7)
    ordered.add(cell, values)
    turned.add(cell.reshape(7, 11).T.ravel(), values.reshape(7, 11).T.ravel())
    assert ordered.total.tolist() == turned.total.tolist()
