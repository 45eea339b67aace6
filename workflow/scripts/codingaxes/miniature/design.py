"""Draw the design of the miniature: its regions, and which image each subject sees in each trial."""

import numpy as np

from codingaxes.nsd.layout import position

# Regions of the simulated brain: the atlas of NSD that each stands in, and its labels there.
REGIONS = {
    "FFA": ("floc-faces", ("FFA-1", "FFA-2")),
    "EBA": ("floc-bodies", ("EBA",)),
    "PPA": ("floc-places", ("PPA",)),
}


def draw_design(seed, subjects, simulation, repeats):
    """Draw the design of a study from its settings alone.

    Parameters
    ----------
    seed : int
    subjects : iterable of str
        NSD's names of subjects.
    simulation : dict
        The configuration's section; shared_images and own_images count.
    repeats : int
        Trials of each image.

    Returns
    -------
    dict
        See `make_design`.
    """
    return make_design(
        np.random.default_rng([seed, 3]),
        n_subjects=max(map(position, subjects)) + 1,
        n_shared=simulation["shared_images"],
        n_own=simulation["own_images"],
        repeats=repeats,
    )


def make_design(rng, n_subjects, n_shared, n_own, repeats=3):
    """Draw a design as in nsd_expdesign.mat: 1-based ids, and an order of trials that all subjects share.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_subjects, n_shared, n_own : int
        Subjects, images that all of them are to see, images of each subject alone.
    repeats : int
        Trials of each image.

    Returns
    -------
    dict
        masterordering uint16 (1, trials), subjectim int32 (subjects, images), sharedix int32 (1, shared).
    """
    n_images = n_shared + n_own
    ids = rng.permutation(n_shared + n_subjects * n_own) + 1
    shared = np.sort(ids[:n_shared])
    own = ids[n_shared:].reshape(n_subjects, n_own)
    ordering = rng.permutation(np.repeat(np.arange(1, n_images + 1), repeats))
    return {
        "masterordering": ordering[None].astype(np.uint16),
        "subjectim": np.concatenate([np.tile(shared, (n_subjects, 1)), own], axis=1).astype(np.int32),
        "sharedix": shared[None].astype(np.int32),
    }


def count_seen_by_all(design, n_trials, repeats):
    """Count the shared images that were seen `repeats` times in the first `n_trials` trials.

    Parameters
    ----------
    design : dict
        From `make_design`: shared images are the first of every subject's list.
    n_trials : int
        Trials of the subject who completed fewest.
    repeats : int
        As the design was drawn with.
    """
    counts = np.bincount(design["masterordering"].ravel()[:n_trials], minlength=design["sharedix"].size + 1)
    return int((counts[1 : design["sharedix"].size + 1] == repeats).sum())
