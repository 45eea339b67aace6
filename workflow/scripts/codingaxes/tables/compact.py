"""Hold many rows of a table in little memory: some files at a time, and words as categories."""

import pandas as pd
import pyarrow.parquet as pq

from codingaxes.tables import store
from codingaxes.tables.store import DAMAGE

ROWS = 2**19  # that are read together (`blocks`): about 0.1 GB of words and numbers


def count(path):
    """Count the rows of a file; one that is not there, or damaged, has none, and `store.read` says so."""
    try:
        return pq.read_metadata(path).num_rows
    except DAMAGE:
        return 0


def blocks(paths, rows=ROWS):
    """Split a list of files into lists to be read in turn: at most `rows` rows together, or one file."""
    return gather([(path, count(path)) for path in paths], rows) or [[]]


def gather(items, most):
    """Gather items, each with its size, into lists of at most this size together, or of one item."""
    lists, held = [], 0
    for item, size in items:
        if not lists or held + size > most:
            lists.append([])
            held = 0
        lists[-1].append(item)
        held += size
    return lists


def split(path, table, column, filters=None):
    """Split the values of a column into lists whose rows are read in turn: at most `ROWS` rows, or one value.

    Parameters
    ----------
    path : path-like
        One file.
    table : columns.Table
    column : str
    filters : list of tuples, optional
        Only rows that these select are counted, see `store.read`.

    Returns
    -------
    list of lists
        Values in the order of the file. If rows of one value stand between rows of others, which reading in
        turn would put into another order, all values are in one list.
    """
    values = store.read(path, table, [column], filters)[column]
    first = values[values != values.shift()]
    if first.duplicated().any():
        return [list(first.unique())]
    return gather(values.groupby(values, sort=False).size().items(), ROWS)


def tally(path, column):
    """Count the rows of each word of a column, a dict in the order of the file, in 4 bytes a row."""
    words = pq.read_table(path, columns=[column], read_dictionary=[column])[column]
    return {str(word["values"]): word["counts"].as_py() for word in words.value_counts()}


def pack(rows):
    """Turn the columns of words into categories."""
    return rows.assign(**{name: rows[name].astype("category") for name in rows.select_dtypes("str")})


def join(parts, shared=()):
    """Join rows from `pack`, whose categories may differ from part to part.

    Parameters
    ----------
    parts : list of DataFrames
    shared : tuple of str
        Columns that get the same categories, so that they can be compared with each other.

    Returns
    -------
    DataFrame
        Rows of the parts in their order; groups of them come in the order in which those of words would.
    """
    words = parts[0].select_dtypes("category").columns
    known = {name: set().union(*(part[name].cat.categories for part in parts)) for name in words}
    together = set().union(*(known[name] for name in shared))
    order = {name: sorted(together if name in shared else known[name]) for name in words}
    alike = [
        part.assign(**{name: part[name].cat.set_categories(order[name]) for name in words}) for part in parts
    ]
    return pd.concat(alike, ignore_index=True)


def unpack(index):
    """Turn the categories of an index back into words."""
    return pd.MultiIndex.from_frame(index.to_frame().astype("str"))
