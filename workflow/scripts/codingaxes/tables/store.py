"""Write and read Parquet files, and hold each to the declaration of its table.

This module knows no table: declarations stand in the schema modules beside it, one a step, and are passed in.
A cell that is a vector (a feature, an image perturbation) is an Arrow list; it has a fixed size in the file
whenever all rows of the file have the same length.

Parquet has checksums of pages, but none of its footer, whose damaged statistics would hide rows from a
filter. So the footer's CRC-32 stands in the 12 bytes before it, which no reader of Parquet looks at. A part
that a job keeps is an Arrow file behind the CRC-32 of the whole.
"""

import json
import os
import zlib
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from codingaxes import keys, writing

LISTS = {f"list[{kind}]": kind for kind in ("int16", "float16", "float32", "float64")}
DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)  # what a damaged file can raise
SEAL = b"FOOTCRC:"  # stands before the checksum of a footer
PART_SEAL = b"PARTCRC:"  # begins a kept part; then come its checksum, and zeros up to `PART_BEGIN`
PART_BEGIN = 64  # bytes: Arrow wants its arrays at multiples of this
GROUP_BYTES = 2**21  # of the rows that are read together: `filters` skip those without a wanted row
SCALARS = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "float64": pa.float64(),
}


def matrix(column):
    """Stack the vectors of a list column into one array (rows, length)."""
    return np.stack(list(column))


def write(path, table, frame):
    """Write a data frame as a declared table; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Parquet file; its folder is made.
    table : columns.Table
    frame : DataFrame
        Exactly the declared columns, in any order; vectors as arrays.

    Raises
    ------
    ValueError
        If a column is missing or not declared, a value has another type or is missing where it may not be, a
        vector holds a number that is not finite, or two rows have the same key. Names table, file and column.
    """
    content = _content(path, table, frame)
    with writing.whole(path) as temporary:
        with _parquet(temporary, content.schema, table) as writer:
            _append(writer, content)
        _seal(temporary)


def write_part(path, table, frame):
    """Keep a part of a table for `join`: as `write`, but as uncompressed Arrow, which is cheap."""
    content, memory = _content(path, table, frame), pa.BufferOutputStream()
    with pa.ipc.new_file(memory, content.schema) as writer:
        writer.write_table(content)
    body = memory.getvalue()
    with writing.whole(path) as temporary, open(temporary, "wb") as file:
        file.write(_part_seal(body))
        file.write(body)


def check_part(path, table):
    """Raise a ValueError that names the file if a part that `write_part` kept is damaged in any byte."""
    _open_part(path, table)


def read_part(path, table):
    """Read what `write_part` kept.

    Raises
    ------
    ValueError
        As `check_part`.
    """
    content = _open_part(path, table).read_all()
    return pd.DataFrame({column: _from_arrow(content.column(column)) for column in content.column_names})


def join(path, table, parts):
    """Write a table from its parts, one of them in memory at a time, and 8 bytes of each row.

    Parameters
    ----------
    path, table
        As in `write`.
    parts : list of path-likes
        From `write_part`, in the order of the table; at least one. Parts without rows do not count: they do
        not know the length of a vector.

    Raises
    ------
    ValueError
        If two parts have a key in common, or differ in form (vectors of one length and of another), or if a
        part is damaged.
    """
    contents, digests = _contents(parts, table), []
    first = next(contents)
    with writing.whole(path) as temporary:
        with _parquet(temporary, first.schema, table) as writer:
            for content in chain([first], contents):
                if content.schema != first.schema:
                    raise ValueError(
                        f"table {table.name}: parts of {path} differ: {first.schema}, {content.schema}"
                    )
                digests.append(keys.digests(content, table.key))
                _append(writer, content)
        if repeated := keys.repeated(lambda: _contents(parts, table), table.key, digests):
            raise ValueError(
                f"table {table.name}: parts of {path} repeat a key, for instance {min(repeated)}"
            )
        _seal(temporary)


def _contents(parts, table):
    """Open each part once, and give those with rows as Arrow tables; an empty one if none has any."""
    empty = True
    for part in parts:
        content = _open_part(part, table).read_all()
        if len(content):
            empty = False
            yield content
    if empty:
        yield content


def read(path, table, columns=None, filters=None, keep=None):
    """Read a declared table back as a data frame; vectors come as numpy arrays.

    Checked of each file:
    - it is Parquet and holds this table;
    - every wanted column, and every column of `filters`, is there with its declared type and unit;
    - no damage in the footer and in the pages that are read (their checksums);
    - no value is missing where it may not be, in the wanted columns of the rows that are read;
    - no two of these rows have the same key, if all columns of the key are wanted.

    Not checked: columns that are not wanted, rows that `filters` leave out, keys across several files, and
    whether vectors hold finite numbers (`write` has checked it).

    Parameters
    ----------
    path : path-like or list of path-likes
        One file, or several (at least one) that are read one after the other.
    table : columns.Table
    columns : list of str, optional
        Only these, which spares memory where a table holds pixels.
    filters : list of tuples, optional
        As in `pyarrow.parquet.read_table`, for instance [("roi", "=", "FFA")].
    keep : callable, optional
        Frame of one file -> what to keep of it: of several files only this is in memory together.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If a check fails, or `columns` or `filters` name a column that is not declared, or `columns` one
        twice; names the table, the file, the column, and what to do.
    """
    if not isinstance(path, str | os.PathLike):
        parts = [read(one, table, columns, filters, keep) for one in path]
        return pd.concat(parts, ignore_index=True)
    wanted = list(table.columns) if columns is None else list(columns)
    asked = list(dict.fromkeys([*wanted, *_filtered(filters)]))
    undeclared = [column for column in asked if column not in table.columns]
    if undeclared:
        raise ValueError(f"table {table.name} declares no column {', '.join(undeclared)}, asked of {path}")
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"table {table.name}: a column of {path} is asked for twice: {', '.join(wanted)}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"table {table.name}: {path} is not there; run the rule that makes it")
    try:
        _check_seal(path)
        _check_schema(path, table, asked, pq.read_schema(path))
        content = pq.read_table(path, columns=wanted, filters=filters, page_checksum_verification=True)
    except DAMAGE as error:
        reason = str(error).strip()
        raise ValueError(
            f"table {table.name}: {path} is no undamaged Parquet file ({reason}); delete it and run again"
        ) from None
    where = f"read from {path}"
    for column in content.column_names:
        if table.columns[column].type in LISTS and _has_gaps(content.column(column)):
            raise ValueError(f"table {table.name} {where}: {column} has vectors with missing values")
    frame = pd.DataFrame({column: _from_arrow(content.column(column)) for column in content.column_names})
    _check_values(frame, table, wanted, where)
    return frame if keep is None else keep(frame)


def _parquet(file, schema, table):
    """Open a Parquet file for writing, with checksums."""
    # numbers seldom repeat: a dictionary of them would make reading vectors four times as slow
    words = [column for column, spec in table.columns.items() if spec.type == "string"]
    return pq.ParquetWriter(file, schema, compression="lz4", use_dictionary=words, write_page_checksum=True)


def _footer(file):
    """Find the footer of an open Parquet file: where it begins, and its bytes up to the end of the file."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 8))
    begin = end - 8 - int.from_bytes(file.read(4), "little")
    file.seek(max(0, begin))
    return begin, file.read()


def _checksum(footer):
    return SEAL + zlib.crc32(footer).to_bytes(4, "little")


def _seal(path):
    """Put a checksum of a Parquet file's footer before it."""
    with open(path, "r+b") as file:
        begin, footer = _footer(file)
        file.seek(begin)
        file.write(_checksum(footer) + footer)


def _check_seal(path):
    """Compare a Parquet file's footer with its checksum, which files of other writers lack."""
    size = len(_checksum(b""))
    with open(path, "rb") as file:
        begin, footer = _footer(file)
        file.seek(max(0, begin - size))
        seal = file.read(size)
    if seal.startswith(SEAL) and seal != _checksum(footer):
        raise pa.ArrowInvalid("its footer is not the one whose checksum stands before it")


def _part_seal(body):
    """Give what stands before the Arrow file of a part."""
    return (PART_SEAL + zlib.crc32(body).to_bytes(4, "little")).ljust(PART_BEGIN, b"\0")


def _open_part(path, table):
    """Open a part that `write_part` kept; the error of a damaged one names it."""
    try:
        content = pa.memory_map(str(path)).read_buffer()
        body = content.slice(PART_BEGIN)
        if content.slice(0, PART_BEGIN).to_pybytes() != _part_seal(body):
            raise pa.ArrowInvalid("its content is not that whose checksum stands before it")
        return pa.ipc.open_file(body)
    except DAMAGE as error:
        reason = str(error).strip()
        raise ValueError(
            f"table {table.name}: the kept part {path} is damaged ({reason}); delete it and run again"
        ) from None


def _append(writer, content):
    """Write a table in groups of rows of about `GROUP_BYTES`."""
    writer.write_table(content, max(1, GROUP_BYTES * len(content) // max(1, content.nbytes)))


def _content(path, table, frame):
    """Hold a frame to the declaration of its table, and turn it into an Arrow table that explains itself."""
    where = f"to be written to {path}"
    missing = [column for column in table.columns if column not in frame]
    unknown = [column for column in frame if column not in table.columns]
    if missing or unknown:
        raise ValueError(
            f"table {table.name} {where}: missing columns {missing or 'none'}, "
            f"undeclared columns {unknown or 'none'}"
        )
    _check_values(frame, table, list(table.columns), where)
    columns = table.columns.items()
    arrays = [
        _to_arrow(frame[column], spec, f"table {table.name} {where}: {column}") for column, spec in columns
    ]
    fields = [
        pa.field(column, array.type, metadata={"unit": spec.unit, "meaning": spec.meaning})
        for (column, spec), array in zip(columns, arrays, strict=True)
    ]
    about = {"table": table.name, "meaning": table.meaning, "key": json.dumps(table.key)}
    return pa.table(arrays, pa.schema(fields, about))


def _check_schema(path, table, wanted, schema):
    """Hold the schema of a file to the declaration: name of the table, types and units of wanted columns."""
    name = (schema.metadata or {}).get(b"table", b"nothing declared").decode()
    if name != table.name:
        raise ValueError(f"{path} holds {name}, not the table {table.name}; run the rule that makes it again")
    where = f"table {table.name}: {path}"
    cure = "an older version wrote it; run the rule that makes it again"
    for column in wanted:
        if column not in schema.names:
            raise ValueError(f"{where} lacks the column {column}; {cure}")
        declared, field = table.columns[column], schema.field(column)
        if not _has_type(field.type, declared.type):
            raise ValueError(f"{where}: {column} is {field.type}, declared as {declared.type}; {cure}")
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        if unit != declared.unit:
            raise ValueError(
                f"{where}: {column} has the unit {unit!r}, declared as {declared.unit!r}; {cure}"
            )


def _filtered(filters):
    """List the columns that filters ask for; they are tuples, or lists of tuples."""
    for condition in filters or ():
        yield from [condition[0]] if isinstance(condition, tuple) else [part[0] for part in condition]


def _has_type(arrow, declared):
    """Tell whether an Arrow type is the declared one."""
    if declared not in LISTS:
        return arrow == SCALARS[declared]
    is_list = pa.types.is_fixed_size_list(arrow) or pa.types.is_large_list(arrow)
    return is_list and arrow.value_type == pa.from_numpy_dtype(LISTS[declared])


def _check_values(frame, table, wanted, where):
    """Hold the values of some columns to the declaration: none missing that may not be, no key twice."""
    for column in wanted:
        spec = table.columns[column]
        if spec.missing or spec.type in LISTS:
            continue
        empty = frame[column].isna()
        if empty.any():
            raise ValueError(
                f"table {table.name} {where}: {column} is missing in {empty.sum()} rows; "
                "run the rule that makes it again"
            )
    if not set(table.key) <= set(wanted):
        return
    repeated = frame.duplicated(list(table.key))
    if repeated.any():
        row = frame.loc[repeated, list(table.key)].iloc[0].to_dict()
        raise ValueError(
            f"table {table.name} {where}: {repeated.sum()} rows repeat a key, for instance {row}; "
            "run the rule that makes it again"
        )


def _has_gaps(column):
    """Tell whether a list column has a list that is null, or a null inside one."""
    return any(chunk.null_count or chunk.values.null_count for chunk in column.chunks)


def _to_arrow(column, spec, where):
    """Turn a column into an Arrow array of its declared type."""
    if spec.type not in LISTS:
        try:
            values = column.to_list() if spec.type == "string" else column.to_numpy()
            return pa.array(values, SCALARS[spec.type])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(f"{where} is declared as {spec.type}: {error}") from None
    dtype = np.dtype(LISTS[spec.type])
    if dtype.kind == "i":
        for position, vector in enumerate(map(np.asarray, column)):
            with np.errstate(invalid="ignore"):
                fits = np.array_equal(vector, vector.astype(dtype))
            if not fits:
                raise ValueError(f"{where}, row {position}: a number does not fit into {dtype}")
    vectors = [np.asarray(vector, dtype) for vector in column]
    for position, vector in enumerate(vectors):
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise ValueError(
                f"{where}, row {position}: expected a vector of finite numbers, found shape {vector.shape} "
                f"with {(~np.isfinite(vector)).sum()} values that are not finite"
            )
    lengths = [len(vector) for vector in vectors]
    values = pa.array(np.concatenate(vectors) if vectors else np.zeros(0, dtype))
    if len(set(lengths)) == 1:
        return pa.FixedSizeListArray.from_arrays(values, lengths[0])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _from_arrow(column):
    """Turn an Arrow column into a pandas one; vectors share one array."""
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
