"""Gather images made elsewhere beside their originals, measure both, and flag what is not as it should be."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from codingaxes.attacks import controls, noise
from codingaxes.images import read_images
from codingaxes.stimulus_sets import conversion, outside
from codingaxes.synthesis import pictures

FITS = 0.99  # share of the wanted size that noise must have within the range of pixels
NOT_THERE = "not in the folder"
# Flags, as they stand in the table.
CONVERTED, RESAMPLED, DUPLICATE = "converted", "resampled", "duplicate"
UNREADABLE, NO_ORIGINAL, UNCHANGED = "unreadable", "no original", "same as its original"


@dataclass(frozen=True)
class Gallery:
    """Hold images made elsewhere, as they are scored."""

    rows: pd.DataFrame  # of the table scored_images
    images: torch.Tensor  # uint8 (readable, 3, size, size): those of the rows that could be read
    originals: torch.Tensor  # uint8 (originals, 3, size, size), each once
    readable: np.ndarray  # places of `images` among the rows (readable,)
    start: np.ndarray  # place of each of `images` among the originals (readable,); -1: it has none

    def noisy(self, chosen, seeds, device="cpu"):
        """Add white noise to originals, of the l2 size of the images that were made of them.

        Parameters
        ----------
        chosen : array of ints (n,)
            Places among `images`.
        seeds : sequence of int (n,)
        device : torch.device or str
            Where noise gets its size; it is drawn on the CPU.

        Returns
        -------
        images : float32 tensor (n, 3, size, size)
        fits : array of bool (n,)
            Whether the noise has its size: more than the range of pixels allows is not there.
        """
        original = pictures.from_bytes(self.originals[self.start[chosen]]).to(device)
        white = torch.stack([noise.white(seed, original.shape[1:]) for seed in seeds]).to(device)
        wanted = torch.from_numpy(self.rows.l2.to_numpy()[self.readable[chosen]]).float().to(device)
        delta = controls.resized(white, original, wanted, "l2")
        return original + delta, (delta.flatten(1).norm(dim=1) >= FITS * wanted).cpu().numpy()


def gather(folder, entries, stimuli, size):
    """Read the listed images of a folder and their originals.

    Parameters
    ----------
    folder : path-like
    entries : list of dict
        From `outside.listed`.
    stimuli : DataFrame
        The table stimuli, whose images can be originals.
    size : int
        Of the study's images.

    Returns
    -------
    Gallery

    Raises
    ------
    ValueError
        If not one of the images can be read.
    """
    files = outside.files_of(folder)
    of_study = stimuli.set_index("image_id")
    pixels, rows = [], []
    originals, places = [], {}

    @cache
    def original_of(name):
        """Give the place of an original, what was converted, and why there is none."""
        if name in files:
            picture = conversion.read(files[name], size)
            if picture.problem:
                return -1, "", f"its original {name} {_said(picture)}"
            content, converted = picture.pixels, picture.converted
        elif name in of_study.index:
            (image,) = read_images(of_study.loc[[name]], size)
            content, converted = np.asarray((255 * image).round().to(torch.uint8).permute(1, 2, 0)), ""
        else:
            known = f"{name!r} is neither a file of the folder nor an image of the study"
            return -1, "", known if name else "none is given"
        originals.append(content)
        return places.setdefault(name, len(originals) - 1), converted, ""

    start = []
    for entry in entries:
        name = entry["filename"]
        there = name in files
        picture = conversion.read(files[name], size) if there else conversion.Picture(None, "", NOT_THERE, "")
        place, converted, problem = original_of(entry["original"])
        rows.append(entry | {"converted": picture.converted, "original_converted": converted})
        rows[-1] |= {"sha256": picture.sha256, "problem": picture.problem, "no_original": problem}
        if picture.pixels is not None:
            pixels.append(picture.pixels)
            start.append(place)
    rows = pd.DataFrame(rows)
    readable = np.flatnonzero(rows.problem == "")
    if not len(readable):
        raise ValueError(
            f"{folder}: none of its {len(rows)} images can be read, the first {rows.filename[0]}: "
            f"{rows.problem[0]}"
        )
    images, originals = _stacked(pixels, size), _stacked(originals, size)
    start = np.array(start)
    return Gallery(described(rows, images, originals, readable, start), images, originals, readable, start)


def _said(picture):
    """Say of a picture that cannot be read why."""
    return picture.problem if picture.problem.startswith("cannot") else f"cannot be read: {picture.problem}"


def _stacked(pixels, size):
    """Stack pixels (size, size, 3) of several pictures: uint8 (n, 3, size, size)."""
    content = np.stack(pixels) if pixels else np.zeros((0, size, size, 3), np.uint8)
    return torch.from_numpy(content).permute(0, 3, 1, 2)


def described(rows, images, originals, readable, start):
    """Give the rows of the table scored_images: sizes, flags and reasons.

    Parameters
    ----------
    rows : DataFrame
        filename, method, original, roi, direction, converted, original_converted, sha256, and why the image
        (problem) or its original (no_original) could not be read.
    images, originals, readable, start
        As in `Gallery`.
    """
    sizes = {name: np.full(len(rows), np.nan) for name in ("l2", "linf", "rms")}
    for image, row, place in zip(images, readable, start, strict=True):
        if place >= 0:
            difference = pictures.from_bytes(image).double() - pictures.from_bytes(originals[place]).double()
            for name, value in pictures.sizes(difference[None]).items():
                sizes[name][row] = value.item()
    first, same = {}, [""] * len(rows)
    for image, row in zip(images, readable, strict=True):
        content = image.numpy().tobytes()
        same[row] = "" if (other := first.setdefault(content, row)) == row else rows.filename[other]
    rows = rows.assign(**sizes, duplicate_of=same)
    unreadable, lost = rows.problem != "", (rows.problem == "") & (rows.no_original != "")
    flags = {
        UNREADABLE: unreadable,
        NO_ORIGINAL: lost,
        RESAMPLED: rows.converted.str.contains("resampled"),
        CONVERTED: (rows.converted != "") & ~rows.converted.str.fullmatch(r"resampled[^;]*"),
        DUPLICATE: rows.duplicate_of != "",
        UNCHANGED: rows.l2 == 0,
    }
    rows["flag"] = ["; ".join(name for name in flags if flags[name][row]) for row in rows.index]
    rows["reason"] = np.where(unreadable, rows.problem, np.where(lost, rows.no_original, ""))
    rows.loc[lost, "reason"] = "no original: " + rows.no_original[lost]
    rows["readable"] = ~unreadable
    return rows.drop(columns=["problem", "no_original"])


def entries_of(folder, regions):
    """List the images of a folder, see `outside.listed`, and count the images that are not listed."""
    entries = outside.listed(folder, regions)
    used = {entry["filename"] for entry in entries} | {entry["original"] for entry in entries}
    return entries, sum(name not in used for name in outside.files_of(Path(folder)))
