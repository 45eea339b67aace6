"""Check the folder of a stimulus set, wherever it lies: nothing is missing, nothing was changed, all agree.

The digests of `sha256sums.txt` tell whether files are as they were exported. The other checks do not rely on
them: they read all tables and pictures again and hold them to each other.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from codingaxes.stimulus_sets import catalogues, measured
from codingaxes.tables import store
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS

SUMS, STIMULI, DECLARATION = "sha256sums.txt", "stimuli.tsv", "stimuli.json"
BRAIN_SCORE, PSYCHOPY = "stimulus_set.csv", "conditions.csv"
PREDICTIONS, PREDICTIONS_CSV = "predictions.parquet", "predictions.csv"
PREDICTIONS_DECLARATION = "predictions.json"
PERTURBATIONS = "perturbations.safetensors"
ORDER = "stimulus_ids"  # entry of the metadata of perturbations: ids with blanks between them
README, DESIGN = "README.md", "design.json"
# What systems put into a folder that is looked at, and Snakemake into one that it has made.
FOREIGN = {".snakemake_timestamp", ".DS_Store", "Thumbs.db", "desktop.ini"}
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")  # of sha256sums.txt
COLUMNS = ["file", "problem", "what_to_do"]
BACK = "put the file of the original folder back, or export the set again"
LEVEL = 1.01 / 255  # by which rounding to 8 bits can move a pixel, and a little
CLOSE = 1e-6  # by which numbers in CSV files, of 9 digits, may differ from those in Parquet files, as a ratio


class Findings:
    """Collect what is wrong with the files of a folder."""

    def __init__(self):
        self.rows = []

    def add(self, file, problem, remedy=BACK):
        """Add one finding."""
        self.rows.append((str(file), problem, remedy))

    def table(self):
        """Give the findings as rows, each once, in the order in which they were added."""
        return pd.DataFrame(list(dict.fromkeys(self.rows)), columns=COLUMNS)


def findings(folder):
    """Check a folder.

    Parameters
    ----------
    folder : path-like
        As `folder.write` made it, or a copy elsewhere.

    Returns
    -------
    DataFrame
        file (relative to the folder), problem, what_to_do: one row for each problem; none if all is well.
    """
    folder, said = Path(folder), Findings()
    if not folder.is_dir():
        said.add(folder, "it is not there, or no folder", "name the folder of a stimulus set")
        return said.table()
    check_sums(folder, said)
    for name in (README, DESIGN):
        if not (folder / name).is_file():
            said.add(name, "it is missing")
    stimuli = check_catalogues(folder, said)
    if stimuli is not None:
        pictures = check_pictures(folder, stimuli, said)
        check_sizes(stimuli, pictures, said)
        check_copies(folder, stimuli, pictures, said)
        check_predictions(folder, stimuli, said)
        check_perturbations(folder, stimuli, pictures, said)
    return said.table()


def check_sums(folder, said):
    """Hold all files to sha256sums.txt: none missing, none changed, none besides."""
    there = _digests(folder, said)
    stated = _stated_sums(folder, said)
    if stated is None:
        return
    places = {digest: name for name, digest in stated.items()}
    for name, digest in stated.items():
        if name not in there:
            said.add(name, "it is missing")
        elif there[name] != digest:
            said.add(name, f"its content was changed: its sha256 is not the one in {SUMS}")
    for name in sorted(set(there) - set(stated)):
        known = places.get(there[name])
        if known is None:
            said.add(
                name, f"it does not belong to the set: {SUMS} does not list it", "take it out of the folder"
            )
        elif known in there:
            said.add(name, f"it is a copy of {known}", "delete the copy")
        else:
            said.add(name, f"it is {known} under another name", f"rename it to {known}")


def _digests(folder, said):
    """Compute the digests of all files but sha256sums.txt: name -> digest; empty where one cannot be read."""
    there = {}
    for file in sorted(folder.rglob("*")):
        if (file.is_dir() and not file.is_symlink()) or file.name in FOREIGN or file == folder / SUMS:
            continue
        name = os.fsencode(file.relative_to(folder).as_posix()).decode(errors="replace")
        try:
            with open(file, "rb") as stored:
                there[name] = hashlib.file_digest(stored, "sha256").hexdigest()
        except OSError as error:
            there[name] = ""
            said.add(name, f"it cannot be read ({error.strerror})")
    return there


def _stated_sums(folder, said):
    """Read sha256sums.txt: name -> digest; None if there is none."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said.add(SUMS, f"it cannot be read ({error.__class__.__name__})")
        return None
    stated = {}
    for number, line in enumerate(lines, start=1):
        found = LINE.fullmatch(line)
        if found is None or found[2] in stated:
            said.add(SUMS, f"line {number} is no digest and name of another file: {line[:80]!r}")
        else:
            stated[found[2]] = found[1]
    return stated


def check_catalogues(folder, said):
    """Read the three tables of images, and hold them to each other; gives stimuli.tsv, or None."""
    stimuli = _read_table(folder, STIMULI, said, sep="\t")
    needed = {"stimulus_id", "type", "filename", "original", "sha256", "pixels", *catalogues.SIZES}
    if stimuli is None or not _has(stimuli, needed, STIMULI, said):
        return None
    _check_ids(stimuli, said)
    _check_declaration(folder, STIMULI, stimuli, DECLARATION, said)
    for file, name_column in ((BRAIN_SCORE, "image_filename"), (PSYCHOPY, "image_file")):
        other = _read_table(folder, file, said)
        if other is not None and _has(other, {"stimulus_id", name_column}, file, said):
            _check_headers(other, file, said)
            named = other.drop(columns="filename", errors="ignore").rename(columns={name_column: "filename"})
            _compare(stimuli, named, file, said)
    return stimuli.drop_duplicates("stimulus_id").reset_index(drop=True)


def _read_table(folder, file, said, sep=","):
    """Read a table as text; None if it cannot be read."""
    try:
        return pd.read_csv(folder / file, sep=sep, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        said.add(file, f"it cannot be read as a table ({' '.join(str(error).split())[:120]})")
        return None


def _has(table, columns, file, said):
    """Tell whether a table has some columns, and at least one row."""
    for column in sorted(columns - set(table)):
        said.add(file, f"it has no column {column}")
    if table.empty:
        said.add(file, "it has no rows")
    return columns <= set(table) and not table.empty


def _check_ids(stimuli, said):
    """Check ids and names of files, as BEP044 wants them, and that they are each of one stimulus."""
    if list(stimuli)[:2] != ["stimulus_id", "type"]:
        said.add(STIMULI, "its first columns are not stimulus_id and type, as BIDS wants")
    for row in stimuli.itertuples():
        if not catalogues.LABEL.fullmatch(row.stimulus_id):
            said.add(STIMULI, f"stimulus_id {row.stimulus_id!r} is not stim- and then letters and digits")
        if row.type != "image":
            said.add(STIMULI, f"{row.stimulus_id} has the type {row.type!r}, not image")
        if row.filename != catalogues.name_of(row.stimulus_id):
            said.add(
                STIMULI, f"{row.stimulus_id} has the file {row.filename!r}, not {row.stimulus_id}_image.png"
            )
    for name in stimuli.stimulus_id[stimuli.stimulus_id.duplicated()].unique():
        said.add(STIMULI, f"{name} stands in several rows")


def _check_declaration(folder, file, table, declaration, said):
    """Check that every column of a table is declared, with its meaning and its unit."""
    try:
        declared = json.loads((folder / declaration).read_text(encoding="utf-8"))
        described = {name: set(about) for name, about in declared.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        said.add(declaration, f"it cannot be read as a JSON object of columns ({error.__class__.__name__})")
        return
    for column in table:
        for part in ("Description", "Units"):
            if part not in described.get(column, set()):
                remedy = f"declare the column there, or take it out of {file}"
                said.add(declaration, f"it has no {part} of the column {column} of {file}", remedy)


def _check_headers(table, file, said):
    """Check the names of columns that Brain-Score or PsychoPy would refuse."""
    for column in table:
        if file == PSYCHOPY and not column.isidentifier():
            said.add(file, f"PsychoPy refuses the header {column!r}: it is no name of Python")
        if file == BRAIN_SCORE and column == "filename":
            said.add(file, "Brain-Score refuses a column called filename")


def _compare(stimuli, other, file, said):
    """Hold a second table to stimuli.tsv: the same stimuli, and the same in every column that both have."""
    ids, others = list(stimuli.stimulus_id), list(other.stimulus_id)
    for name in sorted(set(ids) - set(others)):
        said.add(file, f"it lacks {name}, which {STIMULI} has")
    for name in sorted(set(others) - set(ids)):
        said.add(file, f"it has {name}, which {STIMULI} lacks")
    for name in other.stimulus_id[other.stimulus_id.duplicated()].unique():
        said.add(file, f"{name} stands in several rows")
    both = [column for column in other if column in stimuli and column != "stimulus_id"]
    merged = stimuli.drop_duplicates("stimulus_id").merge(
        other.drop_duplicates("stimulus_id"), on="stimulus_id", suffixes=("", "_other")
    )
    for column in both:
        ours, theirs = merged[column].replace(catalogues.MISSING, ""), merged[f"{column}_other"]
        for place in np.flatnonzero(ours.to_numpy() != theirs.to_numpy()):
            values = f"{theirs[place]!r}, in {STIMULI} {merged[column][place]!r}"
            said.add(file, f"{merged.stimulus_id[place]} has another {column}: {values}")


def check_pictures(folder, stimuli, said):
    """Read all pictures, and check sizes, modes and digests; gives the sound ones by stimulus_id."""
    pictures, contents = {}, {}
    sha1 = _read_table(folder, BRAIN_SCORE, Findings())
    sha1 = (
        {}
        if sha1 is None or not {"sha1", "stimulus_id"} <= set(sha1)
        else dict(zip(sha1.stimulus_id, sha1.sha1, strict=True))
    )
    for row in stimuli.itertuples():
        name = catalogues.name_of(row.stimulus_id)
        try:
            stored = (folder / name).read_bytes()
            picture = measured.decode(stored)
        except OSError:
            said.add(name, f"{STIMULI} names it, and it cannot be read")
            continue
        except ValueError as error:
            said.add(name, str(error))
            continue
        if str(len(picture)) != row.pixels:
            said.add(name, f"it has {len(picture)} pixels a side; {STIMULI} states {row.pixels}")
            continue
        if measured.digest(stored) != row.sha256:
            said.add(name, f"its sha256 is not the one in {STIMULI}")
        if measured.digest(stored, "sha1") != sha1.get(row.stimulus_id, measured.digest(stored, "sha1")):
            said.add(name, f"its sha1 is not the one in {BRAIN_SCORE}")
        first = contents.setdefault(measured.digest(picture.tobytes()), name)
        if first != name:
            said.add(name, f"it is the same picture as {first}", "leave one of the two out of the set")
        pictures[row.stimulus_id] = picture
    if len({picture.shape for picture in pictures.values()}) > 1:
        said.add(STIMULI, "its pictures differ in size", "export the set again")
    return pictures


def check_sizes(stimuli, pictures, said):
    """Measure how far each picture is from its original, and hold that to stimuli.tsv."""
    for row in stimuli.itertuples():
        if row.original not in set(stimuli.stimulus_id):
            said.add(STIMULI, f"{row.stimulus_id} has the original {row.original!r}, which is no stimulus")
        picture, natural = pictures.get(row.stimulus_id), pictures.get(row.original)
        if picture is None or natural is None or picture.shape != natural.shape:
            continue
        for name, size in measured.sizes(picture, natural).items():
            stated = pd.to_numeric(getattr(row, name), errors="coerce")
            if measured.differ(size, stated):
                file = catalogues.name_of(row.stimulus_id)
                said.add(
                    file, f"its {name} is {size:.6g}, measured again; {STIMULI} states {getattr(row, name)}"
                )


def check_copies(folder, stimuli, pictures, said):
    """Check that upscaled copies are 8-bit RGB squares of one size, larger than the original."""
    if catalogues.UPSCALED not in stimuli:
        return
    sides = set()
    for row in stimuli.itertuples():
        name = f"{catalogues.UPSCALED}/{catalogues.name_of(row.stimulus_id)}"
        if row.upscaled != name:
            said.add(STIMULI, f"{row.stimulus_id} has the copy {row.upscaled!r}, not {name}")
        try:
            side = len(measured.read(folder / name))
        except OSError:
            said.add(name, f"{STIMULI} names it, and it cannot be read")
            continue
        except ValueError as error:
            said.add(name, str(error))
            continue
        sides.add(side)
        if row.stimulus_id in pictures and side <= len(pictures[row.stimulus_id]):
            said.add(name, f"it has {side} pixels a side, no more than the original")
    if len(sides) > 1:
        said.add(catalogues.UPSCALED, f"copies differ in size: {', '.join(map(str, sorted(sides)))} pixels")


def check_predictions(folder, stimuli, said):
    """Check that both files of predictions agree, and that every model and reader has every stimulus."""
    try:
        table = store.read(folder / PREDICTIONS, SET_PREDICTIONS)
    except (OSError, ValueError) as error:
        said.add(PREDICTIONS, f"it cannot be read ({error})".replace(f"{folder}/", ""))
        return
    ids = set(stimuli.stimulus_id)
    for name in sorted(set(table.stimulus_id) - ids):
        said.add(PREDICTIONS, f"it has {name}, which {STIMULI} lacks")
    for reader, rows in table.groupby(["network", "roi", "subject"], sort=False):
        lacking = sorted(ids - set(rows.stimulus_id))
        if lacking:
            more = f" and {len(lacking) - 1} more" * (len(lacking) > 1)
            said.add(PREDICTIONS, f"{' '.join(reader)} lacks {lacking[0]}{more}")
    if table.empty:
        said.add(PREDICTIONS, "it has no rows")
    text = _read_table(folder, PREDICTIONS_CSV, said)
    if text is not None:
        _check_declaration(folder, PREDICTIONS_CSV, text, PREDICTIONS_DECLARATION, said)
        _compare_predictions(table, text, said)


def _compare_predictions(table, text, said):
    """Hold the CSV file of predictions to the Parquet file."""
    if list(text) != list(table) or len(text) != len(table):
        said.add(PREDICTIONS_CSV, f"its columns or its {len(text)} rows are not those of {PREDICTIONS}")
        return
    for column in table:
        if table[column].dtype.kind == "f":
            numbers = pd.to_numeric(text[column], errors="coerce").to_numpy()
            same = np.isclose(numbers, table[column], rtol=CLOSE, atol=1e-12, equal_nan=True)
        else:
            same = (text[column] == table[column].astype(str)).to_numpy()
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            said.add(
                PREDICTIONS_CSV,
                f"{(~same).sum()} values of {column} are not those of {PREDICTIONS}, the first in row "
                f"{row + 1}",
            )


def check_perturbations(folder, stimuli, pictures, said):
    """Check that perturbations are those of the stimuli: rounded, each makes the picture of its original."""
    try:
        with safe_open(folder / PERTURBATIONS, "numpy") as tensors:
            order = (tensors.metadata() or {}).get(ORDER, "").split()
            delta = tensors.get_tensor("delta")
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split()).replace(f"{folder}/", "")
        said.add(PERTURBATIONS, f"it cannot be read ({reason})")
        return
    if delta.dtype != np.float32 or len(order) != len(delta) or len(set(order)) != len(order):
        said.add(PERTURBATIONS, f"delta of {len(delta)} {delta.dtype} does not fit {len(order)} {ORDER}")
        return
    for name in sorted(set(order) - set(stimuli.stimulus_id)):
        said.add(PERTURBATIONS, f"it has {name}, which {STIMULI} lacks")
    changed = stimuli[stimuli.original != stimuli.stimulus_id]
    for name in sorted(set(changed.stimulus_id) - set(order)):
        said.add(PERTURBATIONS, f"it lacks {name}, which {STIMULI} has")
    originals = dict(zip(stimuli.stimulus_id, stimuli.original, strict=True))
    for name, change in zip(order, delta, strict=True):
        picture, natural = pictures.get(name), pictures.get(originals.get(name))
        if picture is None or natural is None:
            continue
        change = change.transpose(1, 2, 0)
        if change.shape != natural.shape or picture.shape != natural.shape:
            said.add(PERTURBATIONS, f"{name} has another shape than its picture: {change.shape}")
        elif np.abs(np.clip(natural / 255 + change, 0, 1) - picture / 255).max() > LEVEL:
            said.add(PERTURBATIONS, f"that of {name} does not make its picture of {originals[name]}")
