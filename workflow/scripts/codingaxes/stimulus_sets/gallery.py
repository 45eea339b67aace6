"""Gather images made elsewhere beside their originals, measure both, and flag what is not as it should be."""

import hashlib
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Original:
    """Say where an original is, or why there is none."""

    name: str
    place: int = -1  # among the originals of a gallery; -1: there is none
    digest: str = ""  # of its pixels
    converted: str = ""
    problem: str = ""


class Originals:
    """Look up originals: files of the folder, or images of the study; equal pixels are kept once."""

    def __init__(self, files, stimuli, size):
        self.files, self.size = files, size
        self.of_study = stimuli.set_index("image_id")
        self.pixels, self.places, self.found = [], {}, {}

    def find(self, name):
        """Give the original of a name; an id of the study may have folders before it that are not its own."""
        if name not in self.found:
            self.found[name] = self._find(name)
        return self.found[name]

    def _find(self, name):
        last = name.rpartition("/")[2]
        if name in self.files:
            picture = conversion.read(self.files[name], self.size)
            if picture.problem:
                return Original(name, problem=f"its original {name} {_said(picture)}")
            return self._keep(name, picture.pixels, picture.converted)
        if not {name, last} & set(self.of_study.index):
            known = f"{name!r} is neither a file of the folder nor an image of the study"
            return Original(name, problem=known if name else "none is given")
        name = name if name in self.of_study.index else last
        (image,) = read_images(self.of_study.loc[[name]], self.size)
        return self._keep(name, np.asarray((255 * image).round().to(torch.uint8).permute(1, 2, 0)), "")

    def _keep(self, name, pixels, converted):
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
        if digest not in self.places:
            self.places[digest] = len(self.pixels)
            self.pixels.append(pixels)
        return Original(name, self.places[digest], digest, converted)


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
    originals, pixels, start, rows = Originals(files, stimuli, size), [], [], []
    for entry in entries:
        name = entry["filename"]
        there = name in files
        picture = conversion.read(files[name], size) if there else conversion.Picture(None, "", NOT_THERE, "")
        original = originals.find(entry["original"])
        rows.append(entry | {"converted": picture.converted, "sha256": picture.sha256})
        rows[-1] |= {"original": original.name, "original_digest": original.digest}
        rows[-1] |= {"original_converted": original.converted, "no_original": original.problem}
        rows[-1] |= {"problem": picture.problem}
        if picture.pixels is not None:
            pixels.append(picture.pixels)
            start.append(original.place)
    rows = pd.DataFrame(rows)
    readable = np.flatnonzero(rows.problem == "")
    if not len(readable):
        raise ValueError(
            f"{folder}: none of its {len(rows)} images can be read, the first {rows.filename[0]}: "
            f"{rows.problem[0]}"
        )
    images, originals = _stacked(pixels, size), _stacked(originals.pixels, size)
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
        The columns of the table that are no size and no flag, and why the image (problem) or its original
        (no_original) could not be read.
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
