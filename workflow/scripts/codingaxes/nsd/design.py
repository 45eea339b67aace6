"""Read which image each subject of NSD saw in each trial, and find the images that all of them saw.

Ids in NSD's design count from 1. Here every id counts from 0.

Source: the NSD data manual, and the code of NSD's authors (Allen et al., Nature Neuroscience 2022).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.io import loadmat

from codingaxes.nsd.layout import present

BEHAVIOUR = ("SESSION", "RUN", "TRIAL", "73KID")  # columns of responses.tsv that are read; all count from 1


@dataclass(frozen=True)
class Design:
    """Hold which image each subject saw in each trial; all ids are 0-based."""

    ordering: np.ndarray  # (trials,) index into a subject's images, the same for all subjects
    subject_images: np.ndarray  # (subjects, images) ids among all images of NSD
    shared: np.ndarray  # (shared,) ids that every subject could see, ascending
    path: str  # of the file, for errors

    def images_of(self, subject, n_trials):
        """Give the ids of the images of the first `n_trials` trials of the subject at position `subject`.

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
    names = ("masterordering", "subjectim", "sharedix")
    try:
        content = loadmat(path, variable_names=names)
    except Exception as error:  # scipy has one of its own for every way in which a file can be broken
        raise ValueError(f"{path}: expected a MATLAB file (version 5), cannot be read: {error}") from None
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it is not NSD's nsd_expdesign.mat")
    for name in names:
        values = content[name]
        if values.ndim != 2 or not values.size or (name != "subjectim" and 1 not in values.shape):
            expected = "(subjects, images)" if name == "subjectim" else "one row"
            raise ValueError(f"{path}: {name} must be {expected}, found the shape {values.shape}")
        if values.dtype.kind not in "iuf" or (values != np.round(values)).any():
            raise ValueError(f"{path}: {name} must hold whole numbers, found {values.dtype}")
    # the file's small unsigned types wrap around in arithmetic: convert first, then count from 0
    ordering, images, shared = (content[name].astype(np.int64) - 1 for name in names)
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
    for subject, seen in enumerate(images, start=1):
        absent = shared[~np.isin(shared, seen)]
        if len(absent):
            raise ValueError(
                f"{path}: sharedix has {absent[0] + 1}, which subjectim lacks for subject {subject}"
            )
    return Design(ordering, images, shared, str(path))


def images_seen_by_all(design, n_trials, repeats):
    """Find the images that every subject saw exactly `repeats` times.

    Parameters
    ----------
    design : Design
    n_trials : dict of int
        Trials that each subject completed, by its position in the design.
    repeats : int

    Returns
    -------
    int array (images,)
        Their 0-based ids, ascending.

    Raises
    ------
    ValueError
        If there are more trials or subjects than the design has, or no image is left.
    """
    seen = design.shared
    for subject, n in n_trials.items():
        ids, counts = np.unique(design.images_of(subject, n), return_counts=True)
        seen = np.intersect1d(seen, ids[counts == repeats])
    if not len(seen):
        raise ValueError(
            f"{design.path}: no shared image was seen {repeats} times by all {len(n_trials)} subjects"
        )
    return seen


def digest(ids):
    """Digest a set of images: sha256 of their 1-based ids, ascending, one a line, with a final newline."""
    return hashlib.sha256("".join(f"{image + 1}\n" for image in sorted(ids)).encode()).hexdigest()


def compare_order(path, trial_images, n_trials):
    """Compare the order of trials with the one in a subject's table of behaviour.

    Parameters
    ----------
    path : path-like
        Tab-separated: SESSION, RUN, TRIAL (within the run) and 73KID, all from 1; it may lack sessions.
    trial_images : int array (trials,)
        0-based ids from the design, all sessions in use.
    n_trials : int
        Trials a session.

    Returns
    -------
    int
        How many trials were compared.

    Raises
    ------
    ValueError
        If the file lacks a column, or a number is not whole or out of range. If an image differs; says where.
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
    used = place < len(trial_images)
    differs = used & (image - 1 != trial_images[place.clip(upper=len(trial_images) - 1)])
    if differs.any():
        first = place[differs].idxmin()
        raise ValueError(
            f"{path}: session {int(session[first])}, run {int(run[first])}, trial {int(trial[first])} showed "
            f"image {int(image[first])}, but {trial_images[place[first]] + 1} by the design (ids from 1)"
        )
    return int(used.sum())
