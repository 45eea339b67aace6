"""Read a table of responses of the user's own, and arrange it as trials and voxels.

What may be meant, but makes results wrong if it is not, is told in sentences for the log.
"""

from decimal import Decimal
from pathlib import Path
from unicodedata import category

import numpy as np
import pandas as pd

from codingaxes.nsd.pictures import alike, normal

NAMES = ("subject", "region", "voxel", "image")
COLUMNS = (*NAMES, "response")  # that the table must have
OPTIONAL = ("session", "trial")
FAR = 10.0  # times the range of the middle 98% of responses: farther away lies what stands for none
SOME = 2**20  # responses that this range is taken of


def read(path):
    """Read the table: names as text in Unicode's form NFC, and responses as float64.

    Parameters
    ----------
    path : path-like
        A CSV file in UTF-8, or a Parquet file, of which columns may also be the named index.

    Returns
    -------
    DataFrame
        With the columns `COLUMNS` and those of `OPTIONAL` that the table has. Names are categories.

    Raises
    ------
    ValueError
        If it is no CSV or Parquet file, or has other columns. If a name is missing, is neither text nor a
        whole number, begins or ends with a blank, has an invisible character, or is written in two forms of
        Unicode. If two subjects or two regions differ in capitals alone, say (see `pictures.plain`). If a
        response is no finite number, as a duration or a time is none.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: expected a table that ends in .csv or .parquet")
    try:
        if path.suffix == ".csv":
            text = dict.fromkeys([*NAMES, *OPTIONAL], str)
            rows = pd.read_csv(path, dtype=text, keep_default_na=False, encoding="utf-8-sig")
        else:
            rows = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        remedy = ". Save it as CSV in UTF-8, not compressed" * isinstance(error, UnicodeDecodeError)
        raise ValueError(f"{path}: cannot be read as {path.suffix[1:]}: {error}{remedy}") from None
    wanted = [*COLUMNS, *OPTIONAL]
    rows = rows.reset_index([name for name in rows.index.names if name in wanted and name not in rows])
    _check_columns(path, list(rows))
    for column in rows.columns.drop("response"):
        rows[column] = _names(path, rows[column])
    for column in ("subject", "region"):
        _check_distinct(path, column, rows[column].cat.categories)
    rows["response"] = _numbers(path, rows.response)
    return rows


def _check_distinct(path, column, names, of=""):
    """Raise if two names are plainly the same; rows of one of them would be lost, or counted apart."""
    if pair := alike(names):
        raise ValueError(
            f"{path}: the {column}s {pair[0]!r} and {pair[1]!r}{of} differ only in capitals, in kinds of "
            "blanks or letters, or in how a number is written. If they are one, write it in one way in all "
            "rows; if not, rename one"
        )


def _check_columns(path, columns):
    """Raise unless a table has the columns that it must have, and no others."""
    missing = [column for column in COLUMNS if column not in columns]
    unknown = [column for column in columns if column not in (*COLUMNS, *OPTIONAL)]
    if missing or unknown:
        told = [repr(name) if name != str(name).strip() else name for name in unknown]
        hint = ""
        if any(str(name).startswith("Unnamed") for name in unknown):
            hint = ". A column without a name is the index of pandas: write the table with index=False"
        elif len(columns) == 1:
            hint = ". Is there another sign than a comma between columns?"
        raise ValueError(
            f"{path}: expected the columns {', '.join(COLUMNS)} and, if there are several, session, and, if "
            f"rows are not in the order of trials, trial; missing {', '.join(missing) or 'none'}, unknown "
            f"{', '.join(map(str, told)) or 'none'}{hint}"
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: there are several columns {twice[0]}; keep one")


def _names(path, column):
    """Give a column of names as categories of text; raise unless each can only be meant as it is written."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    empty = (column.isna() | (column == "")).to_numpy(bool)
    if empty.any():
        raise ValueError(
            f"{path}: {column.name} is missing in {empty.sum()} rows, first row {empty.argmax() + 1}"
        )
    kinds = set(column.map(type).unique()) if column.dtype == object else set()
    if kinds - {str, int} or not (kinds or pd.api.types.is_string_dtype(column) or _whole(column)):
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or column.dtype
        raise ValueError(
            f"{path}: {column.name} holds values of type {found}, expected text or whole numbers; write "
            "names as text"
        )
    names = column.astype(str).astype("category")
    for name in names.cat.categories:
        if name != name.strip() or any(category(sign) in ("Cc", "Cf") for sign in name):
            row = int((names == name).to_numpy().argmax()) + 1
            raise ValueError(
                f"{path}: {column.name} {name!a}, first row {row}, begins or ends with a blank or has an "
                "invisible character, so it is another name than it seems; remove that"
            )
    forms = {}
    for name in names.cat.categories:
        other = forms.setdefault(normal(name), name)
        if other != name:
            raise ValueError(
                f"{path}: {column.name} {normal(name)} is written in two forms of Unicode, {other!a} and "
                f"{name!a}; write one of them in all rows"
            )
    return names.cat.rename_categories(normal)


def _whole(column):
    """Tell whether a column holds whole numbers."""
    return pd.api.types.is_integer_dtype(column)


def _numbers(path, column):
    """Give a column of responses as float64; raise unless all are finite and of a type that is a number."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    kinds = set(column.dropna().map(type).unique()) if column.dtype == object else set()
    real = pd.api.types.is_numeric_dtype(column) and column.dtype.kind in "iuf"
    text = pd.api.types.is_string_dtype(column) or column.dtype == object
    if kinds - {str, int, float, Decimal} or not (real or text):
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or column.dtype
        raise ValueError(
            f"{path}: responses are of type {found}, expected numbers. Durations, times and truth values "
            "have no unit that can be known: convert them to numbers yourself"
        )
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(bad.argmax())
        found = column.iloc[row]
        found = repr(found) if isinstance(found, str) else str(found)
        hint = ". Write a point before decimals, and nothing between thousands" * ("," in found)
        raise ValueError(
            f"{path}: {bad.sum()} responses are no finite number, first row {row + 1}: {found}{hint}"
        )
    return numbers


def arrange(path, rows, subject, regions):
    """Arrange one subject's rows as a matrix of trials and voxels.

    A trial is one presentation of an image to all voxels, so that the noise of their mean can be estimated.
    The rows of one trial have the same image, session and, if there is that column, trial. Without it, rows
    of one voxel, image and session are its first, second ... repetition, in the order of the table.

    Parameters
    ----------
    path : path-like
        Of the table, for errors.
    rows : DataFrame
        From `read`, of one subject.
    subject : str
    regions : list of str
        In the order in which voxels are to come.

    Returns
    -------
    series : float64 array (trials, v)
    trials : DataFrame (trials rows)
        image and session.
    voxels : DataFrame (v rows)
        roi and name, in the order of the regions, then of the table.
    notes : list of str
        A sentence each on what makes results wrong unless it is meant: responses that may stand for missing
        ones, trials that repeat others exactly, voxels of plainly the same name, and an order of rows that
        differs between voxels.

    Raises
    ------
    ValueError
        If a voxel lacks a trial that others have, or has one twice. If two sessions differ in capitals alone,
        or in how a number is written.
    """
    if "session" in rows:
        _check_distinct(path, "session", sorted(rows.session.unique()), f" of subject {subject}")
    keys = [key for key in ("image", "session") if key in rows]
    of_voxel = rows.groupby(["region", "voxel", *keys], observed=True, sort=False)
    number = "trial" if "trial" in rows else "repetition"
    if number == "repetition":
        rows = rows.assign(repetition=of_voxel.cumcount() + 1)
    trial, trials = pd.MultiIndex.from_frame(rows[[*keys, number]]).factorize()
    column, names = pd.MultiIndex.from_frame(rows[["region", "voxel"]]).factorize()
    counts = np.zeros((len(trials), len(names)), int)
    np.add.at(counts, (trial, column), 1)
    _check_complete(path, counts, subject, trials, names, number)
    series = np.empty(counts.shape)
    series[trial, column] = rows.response
    table = pd.DataFrame([tuple(map(str, trial[:-1])) for trial in trials], columns=keys)
    if "session" not in table:
        table["session"] = ""
    notes = _placeholders(subject, series) + _repeated(subject, series, table)
    notes += _same_voxels(subject, names)
    if number == "repetition":
        notes += _unordered(subject, trial, column, table, names)
    place = {region: i for i, region in enumerate(regions)}
    order = np.argsort([place[region] for region, _ in names], kind="stable")
    voxels = pd.DataFrame([names[i] for i in order], columns=["roi", "name"])
    return series[:, order], table, voxels, notes


def _check_complete(path, counts, subject, trials, names, number):
    """Raise unless every voxel has every trial once; counts (trials, v)."""
    wrong = np.argwhere(counts != 1)
    if not len(wrong):
        return
    row, of = wrong[0]
    image, *session, repetition = trials[row]
    where = f"image {image}" + "".join(f", session {name}" for name in session)
    voxel = f"subject {subject}, voxel {names[of][1]} of {names[of][0]}"
    if counts[row, of] > 1:
        raise ValueError(
            f"{path}: {voxel} has {counts[row, of]} rows of trial {repetition} of {where}; a voxel has one "
            "response in a trial"
        )
    raise ValueError(
        f"{path}: {voxel} lacks {number} {repetition} of {where}, which other voxels have ({len(wrong)} such "
        "gaps); all voxels of a subject must have the same images, as often, in the same sessions"
    )


def _placeholders(subject, series):
    """Say which value, the smallest or the largest, may stand for responses that are missing, as -9999 does.

    It stands there several times, and far from all others.
    """
    values, said = series.ravel(), []
    for value in sorted({values.min(), values.max()}):
        times = int((values == value).sum())
        some = values[:: 1 + len(values) // SOME]
        some = some[some != value]
        if times < 2 or not len(some):
            continue
        low, middle, high = np.percentile(some, (1, 50, 99))
        if abs(value - middle) > FAR * (high - low) > 0:
            said.append(
                f"{subject}: {times} responses are {value:g}, and 98% of the others are between {low:g} and "
                f"{high:g}. If it stands for a response that is missing, remove its trial from the table: it "
                "is taken for a response"
            )
    return said


def _same_voxels(subject, names):
    """Say which voxels of a region have plainly the same name."""
    for region in dict.fromkeys(region for region, _ in names):
        if pair := alike(str(name) for other, name in names if other == region):
            return [
                f"{subject}: the voxels {pair[0]!r} and {pair[1]!r} of {region} are taken for two, though "
                "their names differ only in capitals, in kinds of blanks or letters, or in how a number is "
                "written"
            ]
    return []


def _repeated(subject, series, trials):
    """Say how many trials equal another trial of their image in every voxel."""
    responses = [row.tobytes() for row in series]
    again = trials.assign(responses=responses).duplicated(["image", "responses"]).to_numpy()
    if not again.any():
        return []
    return [
        f"{subject}: {again.sum()} of {len(again)} trials equal an earlier trial of their image in every "
        f"voxel, the first is of image {trials.image[again.argmax()]}. If rows stand in the table twice, "
        "remove them: they make noise ceilings too high"
    ]


def _unordered(subject, trial, column, trials, names):
    """Say how many voxels have their rows in another order of images than the first voxel.

    Repetitions are then paired between voxels in a way that is no trial's.
    """
    shown = trials.groupby(["image", "session"], sort=False).ngroup().to_numpy()
    if len(names) == 1 or len(np.unique(shown)) == len(shown):
        return []
    orders = shown[trial[np.argsort(column, kind="stable")]].reshape(len(names), len(trials))
    other = (orders != orders[0]).any(axis=1)
    if not other.any():
        return []
    return [
        f"{subject}: {other.sum()} of {len(names)} voxels have their rows in another order of images than "
        f"voxel {names[0][1]} of {names[0][0]}, so it is unknown which repetitions belong to one trial. They "
        "are paired in the order of the table, and noise ceilings of region means are too high unless that "
        "is right. Add a column trial"
    ]
