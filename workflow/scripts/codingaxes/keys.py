"""Find rows of several parts of a table that have the same key, in 8 bytes a row."""

import numpy as np
import pandas as pd


def digests(content, key):
    """Compute a number of 64 bits of the key of each row, (rows,); different keys may have the same.

    Parameters
    ----------
    content : pyarrow.Table
    key : tuple of str
        Columns, at least one: words or numbers.
    """
    columns = {}
    for name in key:
        column = content.column(name)
        numbers = str(column.type) in ("int32", "double")  # -0.0 + 0 is the 0.0 that it is equal to
        columns[name] = column.to_numpy() + 0 if numbers else column.dictionary_encode().to_pandas()
    return pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy()


def repeated(parts, key, of_parts):
    """Select the keys that several rows of some parts have.

    Parameters
    ----------
    parts : callable, () -> iterable of pyarrow.Table
        Called only where digests repeat.
    key : tuple of str
    of_parts : list of arrays
        `digests` of each part.

    Returns
    -------
    set of tuples
    """
    order = np.sort(np.concatenate(of_parts))
    alike = np.unique(order[1:][order[1:] == order[:-1]])
    if not len(alike):
        return set()
    seen, twice = set(), set()
    for content, numbers in zip(parts(), of_parts, strict=True):
        rows = content.select(list(key)).take(np.flatnonzero(np.isin(numbers, alike)))
        for values in zip(*(rows[name].to_pylist() for name in key), strict=True):
            (twice if values in seen else seen).add(values)
    return twice
