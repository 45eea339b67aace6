"""NSD's files -> stimuli, voxels and responses.

File names, shapes, units and traps follow the NSD data manual and the code of NSD's authors (Allen et al.,
Nature Neuroscience 2022). Ids in NSD's design are 1-based; here every id is 0-based.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from scipy.io import loadmat

PERCENT = 300  # betas are stored as int16: percent signal change times 300


@dataclass(frozen=True)
class Design:
    """Which image each subject saw in each trial; all ids are 0-based."""

    ordering: np.ndarray  # (trials,) index into a subject's images, the same for all subjects
    subject_images: np.ndarray  # (subjects, images) ids among all images of NSD
    shared: np.ndarray  # (shared,) ids that every subject could see, ascending

    def shown(self, subject, n_trials):
        """Ids of the images of the first `n_trials` trials of the subject at position `subject`."""
        return self.subject_images[subject, self.ordering[:n_trials]]


def read_design(path):
    """Read nsd_expdesign.mat.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If a variable is missing, or an index is out of range.
    """
    content = loadmat(_present(path, "NSD's experimental design"))
    wanted = ("masterordering", "subjectim", "sharedix")
    missing = [name for name in wanted if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it is not NSD's nsd_expdesign.mat")
    # the file's small unsigned types wrap around in arithmetic: convert first, then count from 0
    ordering, images, shared = (content[name].astype(np.int64) - 1 for name in wanted)
    ordering, shared = ordering.ravel(), shared.ravel()
    if ordering.min() < 0 or ordering.max() >= images.shape[1]:
        raise ValueError(
            f"{path}: masterordering must be in 1..{images.shape[1]}, found up to {ordering.max() + 1}"
        )
    if images.min() < 0 or shared.min() < 0:
        raise ValueError(f"{path}: subjectim and sharedix must count from 1")
    return Design(ordering, images, shared)


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
        If there are more trials than the design has, or no image is left.
    """
    longest = max(n_trials.values())
    if longest > len(design.ordering):
        raise ValueError(f"{longest} trials are configured, but the design has only {len(design.ordering)}")
    seen = None
    for subject, n in n_trials.items():
        ids, counts = np.unique(design.shown(subject, n), return_counts=True)
        often = ids[counts == repeats]
        seen = often if seen is None else np.intersect1d(seen, often)
    seen = np.intersect1d(seen, design.shared)
    if not len(seen):
        raise ValueError(f"no shared image was seen {repeats} times by all {len(n_trials)} subjects")
    return seen


def stimulus_file(folder, rank, image):
    """Path of a shared image: `rank` counts from 1 in sharedix, `image` is the 0-based id."""
    return Path(folder) / f"shared{rank:04d}_nsd{image + 1:05d}.png"


def split(images, seed, test_fraction):
    """A fixed split into training and test images.

    Images are ordered by a digest of the seed and their id, so an image's place among others does not
    depend on which others there are.

    Parameters
    ----------
    images : int array (n,)
        Ids.
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


def read_labels(path):
    """Names -> integers of an atlas, from its .ctab file."""
    labels = {}
    for line in _present(path, "a label file").read_text().splitlines():
        if line.strip():
            number, name = line.split()[:2]
            labels[name] = int(number)
    return labels


def region_mask(mask_file, label_file, names):
    """Where an atlas has one of the labels `names`: bool array (x, y, z).

    Only equality with a label counts: -1 is outside cortex and 0 is unlabelled cortex.

    Raises
    ------
    ValueError
        If the label file does not know a name, or holds no voxel of any of them.
    """
    known = read_labels(label_file)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{label_file} has no label {', '.join(unknown)}; it has {', '.join(known)}")
    atlas = np.asanyarray(nibabel.load(_present(mask_file, "a region mask")).dataobj)
    mask = np.isin(atlas, [known[name] for name in names])
    if not mask.any():
        raise ValueError(f"{mask_file} has no voxel labelled {', '.join(names)}")
    return mask


def read_betas(path, where, n_trials):
    """Betas of some voxels in one session, in percent signal change.

    Parameters
    ----------
    path : path-like
        betas_sessionNN.nii.gz: int16 (x, y, z, trials), percent signal change times 300.
    where : int array (v, 3)
        Voxels as i, j, k.
    n_trials : int
        Trials that the session must have.

    Returns
    -------
    float32 array (trials, v)

    Raises
    ------
    ValueError
        If the file has another shape or type.
    """
    image = nibabel.load(_present(path, "a session of betas"))
    if image.ndim != 4 or image.shape[3] != n_trials:
        raise ValueError(f"{path}: expected (x, y, z, {n_trials} trials), found {image.shape}")
    if image.get_data_dtype() != np.int16:
        raise ValueError(f"{path}: expected int16 betas, found {image.get_data_dtype()}")
    if (where.max(axis=0) >= image.shape[:3]).any():
        raise ValueError(
            f"{path}: a mask has voxels up to {where.max(axis=0)}, the betas only {image.shape[:3]}"
        )
    stored = np.asanyarray(image.dataobj)[tuple(where.T)]
    return stored.T.astype(np.float32) / PERCENT


def standardise(betas):
    """z-score each voxel over the trials of one session.

    Parameters
    ----------
    betas : array (trials, v)

    Returns
    -------
    z : float64 array (trials, v)
        A voxel that is constant or not finite in this session is NaN throughout.
    sd : float64 array (v,)
    """
    betas = np.asarray(betas, np.float64)
    sd = betas.std(axis=0)
    usable = np.isfinite(sd) & (sd > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (betas - betas.mean(axis=0)) / sd
    z[:, ~usable] = np.nan
    return z, np.where(usable, sd, np.nan)


def group_repeats(z, shown, repeats):
    """Trials by image: (images, repeats, v) for images shown exactly `repeats` times, and their ids."""
    ids, counts = np.unique(shown, return_counts=True)
    ids = ids[counts == repeats]
    chosen = np.flatnonzero(np.isin(shown, ids))
    order = chosen[np.argsort(shown[chosen], kind="stable")]
    return z[order].reshape(len(ids), repeats, -1), ids


def noise_sd(repeated):
    """SD of a single trial about its image's mean: (images, repeats, v) -> (v,)."""
    return np.sqrt(repeated.var(axis=1, ddof=1).mean(axis=0))


def ncsnr(noise):
    """Noise ceiling SNR of z-scored voxels, as NSD computes it: sqrt(max(0, 1 - noise²)) / noise."""
    return np.sqrt(np.clip(1 - noise**2, 0, None)) / noise


def noise_ceiling(snr, repeats):
    """Share of the variance of a mean of `repeats` trials that is signal: snr² / (snr² + 1 / repeats)."""
    return snr**2 / (snr**2 + 1 / repeats)


def read_volume(path):
    """The numbers of a NIfTI volume (x, y, z)."""
    return np.asanyarray(nibabel.load(_present(path, "a volume")).dataobj)


def position(subject):
    """Position of a subject in NSD's design: subj01 is 0."""
    if not (subject.startswith("subj") and subject[4:].isdigit() and int(subject[4:]) > 0):
        raise ValueError(f"NSD calls its subjects subj01, subj02 ..., not {subject!r}")
    return int(subject[4:]) - 1


def _present(path, what):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} ({what}) is not there; see nsd.folder in the configuration")
    return path
