"""NSD's design and measurements -> images that count, z-scored responses and their noise ceilings.

File names, units and traps follow the NSD data manual and the code of NSD's authors (Allen et al., Nature
Neuroscience 2022). Ids in NSD's design are 1-based; here every id is 0-based.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from scipy.io import loadmat

from codingaxes.volumes import present

BEHAVIOUR = ("SESSION", "RUN", "TRIAL", "73KID")  # columns of responses.tsv that are read; all count from 1


@dataclass(frozen=True)
class Design:
    """Which image each subject saw in each trial; all ids are 0-based."""

    ordering: np.ndarray  # (trials,) index into a subject's images, the same for all subjects
    subject_images: np.ndarray  # (subjects, images) ids among all images of NSD
    shared: np.ndarray  # (shared,) ids that every subject could see, ascending
    path: str  # of the file, for errors

    def shown(self, subject, n_trials):
        """Ids of the images of the first `n_trials` trials of the subject at position `subject`.

        Raises
        ------
        ValueError
            If the design has no such subject or fewer trials.
        """
        if subject >= len(self.subject_images):
            raise ValueError(
                f"{self.path}: subject {subject + 1} is asked for, subjectim has {len(self.subject_images)}"
            )
        if n_trials > len(self.ordering):
            raise ValueError(
                f"{self.path}: {n_trials} trials are configured, but the design has only {len(self.ordering)}"
            )
        return self.subject_images[subject, self.ordering[:n_trials]]


def read_design(path):
    """Read nsd_expdesign.mat.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is no MATLAB file, a variable is missing or misshapen, or an id is out of range.
    """
    present(path, "NSD's experimental design")
    wanted = ("masterordering", "subjectim", "sharedix")
    try:
        content = loadmat(path, variable_names=wanted)
    except Exception as error:  # scipy has one of its own for every way in which a file can be broken
        raise ValueError(f"{path}: expected a MATLAB file (version 5), cannot be read: {error}") from None
    missing = [name for name in wanted if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it is not NSD's nsd_expdesign.mat")
    for name in wanted:
        values = content[name]
        if values.ndim != 2 or not values.size or (name != "subjectim" and 1 not in values.shape):
            expected = "(subjects, images)" if name == "subjectim" else "one row"
            raise ValueError(f"{path}: {name} must be {expected}, found the shape {values.shape}")
        if values.dtype.kind not in "iuf" or (values != np.round(values)).any():
            raise ValueError(f"{path}: {name} must hold whole numbers, found {values.dtype}")
    # the file's small unsigned types wrap around in arithmetic: convert first, then count from 0
    ordering, images, shared = (content[name].astype(np.int64) - 1 for name in wanted)
    ordering, shared = ordering.ravel(), shared.ravel()
    if ordering.min() < 0 or ordering.max() >= images.shape[1]:
        raise ValueError(
            f"{path}: masterordering must be in 1..{images.shape[1]}, "
            f"found {ordering.min() + 1} to {ordering.max() + 1}"
        )
    if images.min() < 0 or shared.min() < 0:
        raise ValueError(f"{path}: subjectim and sharedix must count from 1")
    if (np.diff(shared) <= 0).any():
        raise ValueError(f"{path}: sharedix must ascend")
    for position, mine in enumerate(images):
        if not np.isin(shared, mine).all():
            lost = shared[~np.isin(shared, mine)][0] + 1
            raise ValueError(f"{path}: sharedix has {lost}, which subjectim lacks for subject {position + 1}")
    return Design(ordering, images, shared, str(path))


def images_seen_by_all(design, n_trials, repeats):
    """Ids of the images that every subject saw exactly `repeats` times, ascending.

    Parameters
    ----------
    design : Design
    n_trials : dict of int
        Trials that each subject completed, by its position in the design.
    repeats : int

    Raises
    ------
    ValueError
        If there are more trials or subjects than the design has, or no image is left.
    """
    seen = design.shared
    for subject, n in n_trials.items():
        ids, counts = np.unique(design.shown(subject, n), return_counts=True)
        seen = np.intersect1d(seen, ids[counts == repeats])
    if not len(seen):
        raise ValueError(
            f"{design.path}: no shared image was seen {repeats} times by all {len(n_trials)} subjects"
        )
    return seen


def digest(ids):
    """sha256 of a set of images: their 1-based ids in ascending order, one a line, with a final newline."""
    return hashlib.sha256("".join(f"{image + 1}\n" for image in sorted(ids)).encode()).hexdigest()


def compare_order(path, shown, n_trials):
    """Hold the order of trials against what a subject's responses.tsv says was shown.

    Parameters
    ----------
    path : path-like
        Tab-separated: SESSION, RUN, TRIAL (within the run) and 73KID, all from 1; it may lack sessions.
    shown : int array (trials,)
        0-based ids from the design, all sessions in use.
    n_trials : int
        Trials a session.

    Returns
    -------
    int
        Trials that were compared.

    Raises
    ------
    ValueError
        If the file lacks a column, has no whole number or one out of range, or differs: the first difference.
    """
    present(path, "a subject's behaviour")
    try:
        rows = pd.read_csv(path, sep="\t")
    except ValueError as error:
        raise ValueError(f"{path}: expected a table with tabs between columns: {error}") from None
    missing = [column for column in BEHAVIOUR if column not in rows]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(rows)}")
    numbers = [pd.to_numeric(rows[column], errors="coerce").astype(float) for column in BEHAVIOUR]
    bad = ~np.all([(n >= 1) & (n < 2**31) & (n == np.floor(n)) for n in numbers], axis=0)
    if bad.any():
        raise ValueError(
            f"{path}, line {bad.argmax() + 2}: {', '.join(BEHAVIOUR)} must be whole numbers from 1"
        )
    session, run, trial, image = numbers
    lengths = trial.groupby(run).max().sort_index()  # runs have their lengths in every session
    begin = run.map(lengths.cumsum() - lengths)
    within = (begin + trial - 1).astype(int)
    if (within >= n_trials).any():
        raise ValueError(f"{path}: runs have {int(lengths.sum())} trials, a session has {n_trials}")
    place = ((session - 1) * n_trials + within).astype(int)
    used = place < len(shown)
    differs = used & (image - 1 != shown[place.clip(upper=len(shown) - 1)])
    if differs.any():
        first = place[differs].idxmin()
        raise ValueError(
            f"{path}: session {int(session[first])}, run {int(run[first])}, trial {int(trial[first])} showed "
            f"image {int(image[first])}, but {shown[place[first]] + 1} by the design (ids from 1)"
        )
    return int(used.sum())


def root_of(path):
    """The folder that stands for NSD's bucket: all of a path that comes before nsddata or nsddata_betas.

    Raises
    ------
    ValueError
        If the path has neither.
    """
    parts = Path(path).parts
    tops = [place for place, part in enumerate(parts) if part in ("nsddata", "nsddata_betas")]
    if not tops:
        raise ValueError(f"{path} is no path of NSD's bucket: it has neither nsddata nor nsddata_betas")
    return Path(*parts[: tops[0]])


def stimulus_file(folder, rank, image):
    """Path of a shared image: `rank` counts from 1 in sharedix, `image` is the 0-based id."""
    return Path(folder) / f"shared{rank:04d}_nsd{image + 1:05d}.png"


def _rgb(image):
    """An opened image as RGB, upright and opaque; see `save_stimulus`."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions (mode F), of which the range is unknown")
    if image.mode.startswith("I"):  # convert would clip what is above 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"16-bit grey must be in 0..65535, found {values.min()} to {values.max()}")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image)
    return image.convert("RGB")


def save_stimulus(source, destination, size):
    """Copy an image as PNG of `size` x `size` pixels, antialiased where it was larger; gives its path.

    It is turned upright as its EXIF orientation says, laid on mid-grey (128, 128, 128) where it is
    transparent, and cropped to its central square; 16-bit grey is scaled to 8 bits. An upright, opaque square
    of 8 bits is only resized.

    Raises
    ------
    ValueError
        If the source is no image, or has fractions as pixels.
    """
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Image.open(source) as image:
            image = _rgb(image)
    except Exception as error:  # Pillow has many, for every way in which a file can be broken
        raise ValueError(f"{source}: expected an image, cannot be read: {error}") from None
    side = min(image.size)
    if image.size != (side, side):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    image.save(destination)
    return destination


def split(images, seed, test_fraction):
    """A fixed split into training and test images.

    Images are ordered by a digest of the seed and their id, so an image's place among others does not
    depend on which others there are.

    Parameters
    ----------
    images : sequence (n,)
        Ids or names.
    seed : int
    test_fraction : float
        Between 0 and 1.

    Returns
    -------
    test : bool array (n,)
        The first share of that order.
    rank : int array (n,)
        Place in the order, from 0.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, not {test_fraction}")
    digests = [hashlib.sha256(f"{seed} {image}".encode()).hexdigest() for image in images]
    rank = np.empty(len(images), int)
    rank[np.argsort(digests)] = np.arange(len(images))
    return rank < round(test_fraction * len(images)), rank


def standardise(betas):
    """z-score each voxel over the trials of one session.

    Parameters
    ----------
    betas : array (trials, v)

    Returns
    -------
    z : float64 array (trials, v)
        A voxel that is constant or not finite in this session is NaN throughout.
    mean, sd : float64 arrays (v,)
        sd is NaN for such a voxel.
    """
    betas = np.asarray(betas, np.float64)
    mean, sd = betas.mean(axis=0), betas.std(axis=0)
    usable = np.isfinite(sd) & (sd > 0) & (betas != betas[0]).any(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (betas - mean) / sd
    z[:, ~usable] = np.nan
    return z, mean, np.where(usable, sd, np.nan)


@dataclass(frozen=True)
class Repeats:
    """Trials averaged by image."""

    images: np.ndarray  # (n,) ids, ascending
    counts: np.ndarray  # (n,) trials of each
    mean: np.ndarray  # (n, v) over the trials of an image
    noise_sd: np.ndarray  # (v,) SD of a single trial about its image's mean; NaN if no image has two trials


def average_repeats(z, shown):
    """Average the trials of each image, and estimate the noise of one trial.

    The noise variance is the sum of squares of trials about their image's mean over its degrees of freedom,
    one less than the trials of each image. With as many trials of every image it is the mean of the images'
    variances, as NSD computes it.

    Parameters
    ----------
    z : array (trials, v)
    shown : int array (trials,)
        Image of each trial.

    Returns
    -------
    Repeats
    """
    images, counts = np.unique(shown, return_counts=True)
    begin = np.cumsum(counts) - counts
    ordered = z[np.argsort(shown, kind="stable")]
    mean = np.add.reduceat(ordered, begin, axis=0) / counts[:, None]
    ordered -= np.repeat(mean, counts, axis=0)
    freedom = (counts - 1).sum()
    squares = np.einsum("tv,tv->v", ordered, ordered)
    noise = np.sqrt(squares / freedom) if freedom else np.full(z.shape[1], np.nan)
    return Repeats(images, counts, mean, noise)


def ncsnr(noise):
    """Noise ceiling SNR of z-scored voxels, as NSD computes it: sqrt(max(0, 1 - noise²)) / noise."""
    with np.errstate(divide="ignore"):
        return np.sqrt(np.clip(1 - np.square(noise), 0, None)) / noise


def noise_ceiling(snr, counts):
    """Share of the variance over images of mean responses that is signal: snr² / (snr² + mean of 1 / n).

    Parameters
    ----------
    snr : array (v,)
        Noise ceiling signal-to-noise ratio; NaN gives NaN, infinity (no noise) gives 1.
    counts : int or array (images,)
        Trials n that the response to each image averages.

    Source
    ------
    NSD data manual, "Conversion of ncsnr to noise ceiling percentages".
    """
    with np.errstate(divide="ignore"):
        return 1 / (1 + np.mean(1 / np.asarray(counts)) / np.square(snr))


def position(subject):
    """Position of a subject in NSD's design: subj01 is 0."""
    if not (subject.startswith("subj") and subject[4:].isdigit() and int(subject[4:]) > 0):
        raise ValueError(f"NSD calls its subjects subj01, subj02 ..., not {subject!r}")
    return int(subject[4:]) - 1
