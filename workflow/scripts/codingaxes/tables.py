"""Tables: every Parquet file of the workflow has one declared schema, and `read` and `write` hold it to that.

A cell that is a vector (a feature, an image perturbation) is an Arrow list; it has a fixed size in the
file whenever all rows of the file have the same length.
"""

import json
import os
import tempfile
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from codingaxes.columns import BRAIN, GROUP
from codingaxes.schemas import TABLES

__all__ = ["BRAIN", "GROUP", "TABLES", "join", "matrix", "read", "write", "write_part"]

LISTS = {f"list[{kind}]": kind for kind in ("int16", "float16", "float32", "float64")}
GROUP_BYTES = 2**21  # of the rows that are read together: `filters` skip those without a wanted row
SCALARS = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "float64": pa.float64(),
}


def matrix(column):
    """The vectors of a list column as one array (rows, length)."""
    return np.stack(list(column))


def write(path, name, frame):
    """Write a data frame as the declared table `name`; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Parquet file; its folder is made.
    name : str
        A key of `TABLES`.
    frame : DataFrame
        Exactly the declared columns, in any order; vectors as arrays.

    Raises
    ------
    ValueError
        If a column is missing or not declared, a value is missing where it may not be, or two rows
        have the same key.
    """
    content = _content(path, name, frame)
    with _whole(path) as temporary, _parquet(temporary, content.schema, name) as writer:
        _append(writer, content)


def write_part(path, name, frame):
    """Keep a part of a table for `join`: as `write`, but as uncompressed Arrow, which is cheap."""
    content = _content(path, name, frame)
    with _whole(path) as temporary, pa.ipc.new_file(temporary, content.schema) as writer:
        writer.write_table(content)


def join(path, name, parts):
    """Write a table from its parts, one of them in memory at a time; otherwise as `write`.

    Parameters
    ----------
    path, name
        As in `write`.
    parts : list of path-likes
        From `write_part`, in the order of the table; at least one.

    Raises
    ------
    ValueError
        If two parts have a key in common, or vectors of one length and of several.
    """
    seen, key = set(), list(_declared(name).key)
    schema = pa.ipc.open_file(parts[0]).schema
    with _whole(path) as temporary, _parquet(temporary, schema, name) as writer:
        for part in parts:
            content = pa.ipc.open_file(part).read_all()
            if content.schema != schema:
                raise ValueError(f"table {name}: parts of {path} differ: {schema} and {content.schema}")
            keys = set(content.select(key).to_pandas().itertuples(index=False, name=None))
            if repeated := keys & seen:
                raise ValueError(f"table {name}: parts of {path} repeat a key, for instance {min(repeated)}")
            seen |= keys
            _append(writer, content)


@contextmanager
def _whole(path):
    """A temporary name beside `path`, which gets its name at the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _parquet(file, schema, name):
    # numbers seldom repeat: a dictionary of them would make reading vectors four times as slow
    words = [column for column, spec in TABLES[name].columns.items() if spec.type == "string"]
    return pq.ParquetWriter(file, schema, compression="lz4", use_dictionary=words)


def _append(writer, content):
    writer.write_table(content, max(1, GROUP_BYTES * len(content) // max(1, content.nbytes)))


def _content(path, name, frame):
    """A frame that is held to the declaration of its table, as an Arrow table that explains itself."""
    table = _declared(name)
    _check(frame, name, table, f"to be written to {path}")
    columns = table.columns.items()
    arrays = [_to_arrow(frame[column], spec) for column, spec in columns]
    fields = [
        pa.field(column, array.type, metadata={"unit": spec.unit, "meaning": spec.meaning})
        for (column, spec), array in zip(columns, arrays, strict=True)
    ]
    about = {"table": name, "meaning": table.meaning, "key": json.dumps(table.key)}
    return pa.table(arrays, pa.schema(fields, about))


def read(path, name, columns=None, filters=None):
    """Read a declared table back as a data frame; vectors come as numpy arrays.

    Parameters
    ----------
    path : path-like or list of path-likes
        One file, or several that are read one after the other.
    name : str
        A key of `TABLES`.
    columns : list of str, optional
        Only these, which spares memory where a table holds pixels.
    filters : list of tuples, optional
        As in `pyarrow.parquet.read_table`, for instance [("roi", "=", "FFA")].

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it holds another table, lacks a column, has rows of equal key, or is no Parquet file.
    """
    if isinstance(path, list | tuple) or (not isinstance(path, str | os.PathLike)):
        parts = [read(one, name, columns, filters) for one in path]
        return pd.concat(parts, ignore_index=True)
    table = _declared(name)
    if not Path(path).is_file():
        raise FileNotFoundError(f"table {name}: {path} is not there; run the rule that makes it")
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"table {name}: {path} is no Parquet file ({error}); delete it and run again"
        ) from None
    found = (schema.metadata or {}).get(b"table", b"nothing declared").decode()
    if found != name:
        raise ValueError(f"{path} holds {found}, not the table {name}")
    wanted = list(table.columns) if columns is None else columns
    content = pq.read_table(path, columns=wanted, filters=filters)
    frame = pd.DataFrame({column: _from_arrow(content.column(column)) for column in content.column_names})
    if columns is None:
        _check(frame, name, table, f"read from {path}")
    return frame


def _declared(name):
    if name not in TABLES:
        raise ValueError(f"no table {name!r} is declared; there are {', '.join(TABLES)}")
    return TABLES[name]


def _check(frame, name, table, where):
    missing = [column for column in table.columns if column not in frame]
    unknown = [column for column in frame if column not in table.columns]
    if missing or unknown:
        raise ValueError(
            f"table {name} {where}: missing columns {missing or 'none'}, "
            f"undeclared columns {unknown or 'none'}"
        )
    for column, spec in table.columns.items():
        if spec.missing or spec.type in LISTS:
            continue
        empty = frame[column].isna()
        if empty.any():
            raise ValueError(f"table {name} {where}: {column} is missing in {empty.sum()} rows")
    repeated = frame.duplicated(list(table.key))
    if repeated.any():
        row = frame.loc[repeated, list(table.key)].iloc[0].to_dict()
        raise ValueError(f"table {name} {where}: {repeated.sum()} rows repeat a key, for instance {row}")


def _to_arrow(column, spec):
    if spec.type not in LISTS:
        return pa.array(column.to_list() if spec.type == "string" else column.to_numpy(), SCALARS[spec.type])
    dtype = np.dtype(LISTS[spec.type])
    vectors = [np.asarray(vector, dtype) for vector in column]
    for position, vector in enumerate(vectors):
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise ValueError(
                f"column {column.name}, row {position}: expected a vector of finite numbers, "
                f"found shape {vector.shape} with {(~np.isfinite(vector)).sum()} values that are not finite"
            )
    lengths = [len(vector) for vector in vectors]
    values = pa.array(np.concatenate(vectors) if vectors else np.zeros(0, dtype))
    if len(set(lengths)) == 1:
        return pa.FixedSizeListArray.from_arrays(values, lengths[0])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _from_arrow(column):
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        values = array.flatten().to_numpy(zero_copy_only=False)
        return pd.Series(list(values.reshape(-1, size)), dtype=object)
    if pa.types.is_large_list(array.type):
        values, ends = array.values.to_numpy(zero_copy_only=False), array.offsets.to_numpy()
        return pd.Series([values[begin:end] for begin, end in pairwise(ends)], dtype=object)
    if pa.types.is_string(array.type):
        return pd.Series(array.to_pylist(), dtype="str")
    return pd.Series(array.to_numpy(zero_copy_only=False))
