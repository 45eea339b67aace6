"""Tools for planted tables of tests of figures: rows of any declared table, written and read."""

import pandas as pd
from planted import TABLES

from codingaxes.tables import store


def frame(name, rows):
    """Make rows of a table: what is not given is nothing, 12 or 0.5, by its type."""
    rows = pd.DataFrame(rows)
    for column, spec in TABLES[name].columns.items():
        if column not in rows:
            rows[column] = {"string": "", "bool": False, "int32": 12, "float64": 0.5}[spec.type]
        if spec.type == "int32":
            rows[column] = rows[column].astype("int32")
    return rows[list(TABLES[name].columns)]


def write(folder, name, rows):
    """Write rows of a table; returns them."""
    table = frame(name, rows)
    store.write(folder / f"{name}.parquet", TABLES[name], table)
    return table


def read(folder, name):
    """Read a planted table."""
    return store.read(folder / f"{name}.parquet", TABLES[name])


def edit(folder, name, change):
    """Replace a planted table by what `change` makes of it."""
    store.write(folder / f"{name}.parquet", TABLES[name], change(read(folder, name)))


def interval(estimate, low="ci_low", high="ci_high"):
    """Put an interval around an estimate."""
    return {low: estimate - 0.2 * abs(estimate), high: estimate + 0.3 * abs(estimate)}
