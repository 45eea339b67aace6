"""Write the folder of a stimulus set that a laboratory takes and runs: whole, measured again, and checked.

Everything in it is about the saved 8-bit files. Digests of all files stand in `sha256sums.txt`, last.
"""

import json
import re
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from codingaxes import writing
from codingaxes.names import GROUP
from codingaxes.stimulus_sets import catalogues, check, keeping, licences, measured, sheet, words
from codingaxes.tables import store
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")  # of a set; it travels to other systems as that of a folder
FILTERS = {"nearest": Image.Resampling.NEAREST, "lanczos": Image.Resampling.LANCZOS}
ROW_BYTES = 400  # of a prediction, at most: in the Parquet file and in the CSV file
STIMULUS_BYTES = 4_000  # of a row of all tables of images, at most
OTHER_BYTES = 100_000  # of README, declarations and design, at most
SAID = 5  # findings that an error quotes


@dataclass(frozen=True)
class Content:
    """Hold all that a folder is made of."""

    name: str  # of the set
    design: dict
    source: str  # the setting nsd.source
    stimuli: pd.DataFrame  # the table set_stimuli
    predictions: pd.DataFrame  # set_predictions
    ranking: pd.DataFrame  # set_ranking
    curves: pd.DataFrame  # selection_curves
    power: pd.DataFrame  # set_power
    experiments: pd.DataFrame  # set_experiments
    networks: pd.DataFrame  # of the table networks: network, family
    perturbations: str  # file of perturbations before rounding
    version: str = ""  # of codingaxes: the commit


def write(path, content):
    """Write the folder of a set.

    Parameters
    ----------
    path : path-like
        It appears when it is whole and `check.findings` has none; what lay there before is replaced then.
    content : Content

    Raises
    ------
    ValueError
        If the set may not be public, a name or id is not allowed, a picture is no 8-bit RGB square or was
        changed since it was made, a size measured again differs from its table, perturbations or predictions
        lack a stimulus, or two stimuli are the same picture. Says which, and what to do.
    OSError
        If the disk is too small, which is found out before anything is written, or cannot be written.
    """
    _check_names(content)
    licences.check_public(content.design, content.source)
    kept = keeping.keep(content.stimuli, content.ranking)
    if kept.empty:
        raise ValueError(f"set {content.name}: the ranking keeps no stimulus; raise number in its design")
    originals = catalogues.originals_of(kept)
    predictions = _predictions_of(content.predictions, kept)
    files = _read(kept)
    pictures = {name: measured.decode(stored) for name, stored in files.items()}
    _check_sizes(kept, originals, pictures)
    pixels = len(next(iter(pictures.values())))
    side = _side_of_copies(content.design["upscale"], pixels)
    deltas = _perturbations_of(content.perturbations, kept)
    _check_room(path, _bytes(files, deltas, predictions, side))
    about = catalogues.complete(
        kept, content.ranking, licences.of(content.design, content.source), pixels, side > 0
    )
    with writing.whole_folder(path) as folder:
        for name, stored in files.items():
            writing.write_bytes(folder / catalogues.name_of(name), stored)
            if side:
                copy = upscaled(pictures[name], side, content.design["upscale"]["filter"])
                writing.write_bytes(folder / catalogues.UPSCALED / catalogues.name_of(name), _png(copy))
        _write_tables(folder, about, files)
        _write_predictions(folder, predictions)
        _write_perturbations(folder, deltas)
        for name, page in [*sheet.pages(kept, pictures), *sheet.amplified_pages(kept, originals, pictures)]:
            writing.write_bytes(folder / name, _png(page))
        writing.write_text(folder / check.DESIGN, _json(content.design))
        writing.write_text(folder / check.README, words.readme(content, kept, predictions, pixels, side))
        writing.write_text(folder / check.SUMS, sums(folder))
        _check(folder)


def upscaled(picture, side, filter):
    """Enlarge an 8-bit picture (h, h, 3) to `side` pixels, by nearest or lanczos."""
    return np.asarray(Image.fromarray(picture).resize((side, side), FILTERS[filter]))


def sums(folder):
    """List the sha256 of all files of a folder, as the command sha256sum reads it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{measured.digest(file.read_bytes())}  {file.relative_to(folder).as_posix()}" for file in files]
    return "\n".join(lines) + "\n"


def _check_names(content):
    """Refuse a set or a stimulus whose name other systems or BIDS do not allow."""
    if not NAME.fullmatch(content.name):
        raise ValueError(
            f"the stimulus set {content.name!r} has a name that cannot travel: give its file in "
            "config/stimulus_sets a name of letters a to z, digits, _ and -"
        )
    ids = content.stimuli.stimulus_id
    if wrong := [name for name in ids if not catalogues.LABEL.fullmatch(name)]:
        raise ValueError(
            f"set {content.name}: BIDS does not allow the stimulus_id {wrong[0]!r}, and {len(wrong) - 1} "
            "more; it is stim- and then letters a to z and digits only"
        )
    if (twice := ids[ids.str.lower().duplicated()]).any():
        raise ValueError(
            f"set {content.name}: two stimuli have the id {twice.iloc[0]}, capitals aside, so that their "
            "files are one on some disks"
        )


def _predictions_of(predictions, kept):
    """Select the group's predictions of the kept stimuli; every model and region must have all of them."""
    rows = predictions[predictions.stimulus_id.isin(set(kept.stimulus_id)) & (predictions.subject == GROUP)]
    rows = rows.reset_index(drop=True)
    numbers = rows.groupby(["network", "roi"], sort=False).stimulus_id.nunique()
    if rows.empty or (numbers < len(kept)).any():
        whose = "any model" if rows.empty else " ".join(numbers[numbers < len(kept)].index[0])
        raise ValueError(f"predictions of {whose} lack stimuli of the set; run predict_stimuli again")
    return rows


def _read(kept):
    """Read the picture files of stimuli, and hold each to its digest: stimulus_id -> bytes."""
    files = {}
    for row in kept.itertuples():
        try:
            stored = Path(row.file).read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(f"{row.file} is not there; run make_stimuli again") from None
        if measured.digest(stored) != row.sha256:
            raise ValueError(
                f"{row.file} was changed after it was made: its sha256 is not {row.sha256}, as its table "
                "says; delete its folder and run make_stimuli again"
            )
        try:
            side = len(measured.decode(stored))
        except ValueError as error:
            raise ValueError(f"{row.file}: {error}; run make_stimuli again") from None
        if side != (expected := len(measured.decode(next(iter(files.values()), stored)))):
            raise ValueError(f"{row.file} has {side} pixels a side, others of the set have {expected}")
        files[row.stimulus_id] = stored
    return files


def _check_sizes(kept, originals, pictures):
    """Measure all sizes again, and refuse a table that says something else of the files."""
    for row, original in zip(kept.itertuples(), originals, strict=True):
        for name, size in measured.sizes(pictures[row.stimulus_id], pictures[original]).items():
            if measured.differ(size, stated := getattr(row, name)):
                raise ValueError(
                    f"{row.stimulus_id}: {name} of {row.file} is {size:.6g}, and {stated:.6g} in its table; "
                    "run make_stimuli again"
                )


def _side_of_copies(upscale, pixels):
    """Check the side of upscaled copies; 0: none are wanted."""
    side, filter = upscale["pixels"], upscale["filter"]
    if side and side <= pixels:
        raise ValueError(
            f"upscale.pixels is {side}, and images have {pixels} already; set more, or 0 for no copies"
        )
    if side and filter == "nearest" and side % pixels:
        raise ValueError(
            f"upscale.pixels is {side}: by the filter nearest, pixels would get unequal sides; set a "
            f"multiple of {pixels}, or upscale.filter: lanczos"
        )
    return side


def _perturbations_of(file, kept):
    """Read perturbations of the kept stimuli, float32 (3, h, w) by stimulus_id; originals may have none."""
    try:
        with safe_open(file, "numpy") as tensors:
            order = (tensors.metadata() or {}).get(check.ORDER, "").split()
            delta = tensors.get_tensor("delta")
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file} cannot be read ({error}); run make_stimuli again") from None
    if len(order) != len(delta) or delta.dtype != np.float32:
        raise ValueError(
            f"{file}: metadata {check.ORDER} names {len(order)} stimuli, delta has {len(delta)} of "
            f"{delta.dtype}; run make_stimuli again"
        )
    place = {name: number for number, name in enumerate(order)}
    if lacking := [name for name in kept.stimulus_id[kept.role != "original"] if name not in place]:
        raise ValueError(f"{file} lacks {lacking[0]} and {len(lacking) - 1} more; run make_stimuli again")
    return {name: delta[place[name]] for name in kept.stimulus_id if name in place}


def _bytes(files, deltas, predictions, side):
    """Estimate the size of the folder from above, in bytes."""
    of_pictures = sum(map(len, files.values())) + sum(delta.nbytes for delta in deltas.values())
    of_each = STIMULUS_BYTES + 3 * (side**2 + 4 * sheet.THUMB**2)  # copies and sheets, as if not compressed
    return of_pictures + of_each * len(files) + ROW_BYTES * len(predictions) + OTHER_BYTES


def _check_room(path, needed):
    """Refuse to begin if the disk is too small."""
    place = next(folder for folder in Path(path).absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OSError(
            f"{path} needs about {needed / 1e6:.0f} MB, and the disk of {place} has {free / 1e6:.0f} MB "
            "free. Make room there, or ask for fewer images or for smaller copies (upscale.pixels) in the "
            "design; nothing was written"
        )


def _write_tables(folder, about, files):
    """Write the three tables about the images, and the declaration of the first."""
    with writing.whole(folder / check.STIMULI) as temporary:
        catalogues.bids(about).to_csv(temporary, sep="\t", index=False, lineterminator="\n")
    writing.write_text(folder / check.DECLARATION, _json(catalogues.declaration(about)))
    digests = [measured.digest(files[name], "sha1") for name in about.stimulus_id]
    writing.write_csv(folder / check.BRAIN_SCORE, catalogues.brain_score(about, digests), digits=9)
    writing.write_csv(folder / check.PSYCHOPY, catalogues.psychopy(about), digits=9)


def _write_predictions(folder, predictions):
    """Write the predictions as Parquet, whose columns explain themselves, and as CSV with a declaration."""
    declaration = catalogues.declaration_of(SET_PREDICTIONS)
    writing.write_text(folder / check.PREDICTIONS_DECLARATION, _json(declaration))
    store.write(folder / check.PREDICTIONS, SET_PREDICTIONS, predictions)
    writing.write_csv(folder / check.PREDICTIONS_CSV, predictions, digits=9)


def _write_perturbations(folder, deltas):
    """Write perturbations before rounding, with the order of stimuli as the one entry of the metadata.

    Safetensors writes several entries in an order that changes from run to run.
    """
    about = {check.ORDER: " ".join(deltas)}
    tensors = {"delta": np.stack(list(deltas.values()))}
    writing.write_bytes(folder / check.PERTURBATIONS, save(tensors, about))


def _check(folder):
    """Check the folder before anybody sees it."""
    findings = check.findings(folder)
    if len(findings):
        said = "; ".join(f"{row.file}: {row.problem}" for row in findings.head(SAID).itertuples())
        raise ValueError(
            f"the folder would not pass its own check, {len(findings)} findings, for instance {said}. "
            "Nothing was written; run make_stimuli again, or leave out of the design what makes two stimuli "
            "the same"
        )


def _png(picture):
    """Encode an 8-bit picture as PNG."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _json(content):
    """Write JSON that people can read too."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
