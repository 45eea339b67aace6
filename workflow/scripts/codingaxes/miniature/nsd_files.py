"""Write a miniature NSD: the simulated brain's responses, in NSD's own file layout.

Names, types, axis order and conventions are those that the package `nsd` reads (NSD data manual). Only the
numbers of images, trials, sessions and voxels are smaller.
"""

import logging
from io import BytesIO
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from codingaxes import writing
from codingaxes.miniature import arrays, scenes
from codingaxes.miniature.brain import evaluate, trials
from codingaxes.miniature.design import REGIONS
from codingaxes.nsd.layout import LABELS, PERCENT, position, stimulus_file
from codingaxes.nsd.responses import average_repeats, ncsnr, standardise

log = logging.getLogger("codingaxes")

SHAPE = (14, 16, 12)  # voxels of a volume; left to right, posterior to anterior, inferior to superior
CONTRASTS = {"floc-faces": "faces", "floc-bodies": "bodies", "floc-places": "places"}  # of their t-maps
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
RUNS = 12  # of a session


def render_images(seed, n, size):
    """Render the world's images by 0-based id, uint8 (n, size, size, 3); networks train on other seeds."""
    return scenes.render_many(seed, n, size)[0]


def simulate(layout, brain, design, images, *, sessions, n_trials, seed, contrasts=CONTRASTS, track=iter):
    """Write a whole miniature NSD.

    Parameters
    ----------
    layout : nsd.layout.Layout
        Where.
    brain : brain.SimulatedBrain
    design : dict
        From `design.make_design`.
    images : uint8 array (all images, size, size, 3)
        By 0-based id.
    sessions : dict, subject -> int
        Sessions that each subject completed.
    n_trials : int
        Trials of a session.
    seed : int
    contrasts : dict, atlas -> contrast
        Of the t-maps that are written.
    track : callable, optional
        Wraps the list of subjects, to report progress.

    Returns
    -------
    dict, subject -> int array (v, 3)
        Where each of the brain's voxels lies; see `add_places`.
    """
    with writing.whole(layout.design) as temporary:
        savemat(temporary, design)
    write_stimuli(layout.stimuli, images, design)
    responses = evaluate(brain, images)
    begin = np.cumsum([0] + [len(voxels.gain) for voxels in brain.subjects.values()])
    places = {}
    for number, subject in enumerate(track(list(sessions))):
        signal, voxels = responses[:, begin[number] : begin[number + 1]], brain.subjects[subject]
        rng, another = (np.random.default_rng([seed, kind, position(subject)]) for kind in (2, 4))
        where, atlases, inside = place_voxels(rng, voxels.roi)
        write_anatomy(layout, subject, atlases, inside)
        write_contrasts(layout, subject, another, atlases, inside, contrasts)
        ids, trial_images = images_of_trials(subject, design, n_trials * sessions[subject])
        write_behaviour(layout.behaviour(subject), another, position(subject), ids, trial_images, n_trials)
        write_labels(layout, subject)
        betas = trials(signal[trial_images], voxels, rng)
        for session, part in enumerate(np.split(betas, sessions[subject]), start=1):
            write_session(layout.session(subject, session), rng, part, where, inside)
        _save(layout.ncsnr(subject), ncsnr_map(betas, trial_images, where, n_trials))
        places[subject] = where
    return places


def images_of_trials(subject, design, n):
    """Give what a subject saw in its first `n` trials: 1-based places in its list, and 0-based ids."""
    places = design["masterordering"].ravel().astype(int)[:n]
    return places, design["subjectim"][position(subject), places - 1] - 1


def add_places(path, places):
    """Add to a saved brain where each subject's voxels lie, by which a reader finds them again."""
    arrays.write(path, arrays.read(path) | {f"{subject}/where": where for subject, where in places.items()})


def place_voxels(rng, roi):
    """Place the voxels of one subject.

    Parameters
    ----------
    rng : numpy.random.Generator
    roi : array (v,) of region names

    Returns
    -------
    where : int array (v, 3)
        Voxel i, j, k of each entry of `roi`.
    atlases : dict of int16 arrays SHAPE
        -1 outside cortex, 0 in unlabelled cortex, else the label.
    inside : bool array SHAPE
        Where there are betas.
    """
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"), axis=-1)
    radius = np.linalg.norm(grid, axis=-1)
    inside, cortex = radius < 1, (radius < 1) & (radius > 0.5)
    free = rng.permutation(np.argwhere(cortex))
    atlases = {name: np.where(cortex, 0, -1).astype(np.int16) for name in LABELS}
    where = free[: len(roi)]
    for region in REGIONS:  # the order in which a reader meets them, so that voxel ids are those of the brain
        voxels = where[roi == region]
        where[roi == region] = voxels[np.lexsort(voxels.T[::-1])]
    rest = iter(free[len(roi) :])
    for region, (atlas, names) in REGIONS.items():
        voxels = where[roi == region]
        numbers = np.array([LABELS[atlas][name] for name in names])
        atlases[atlas][tuple(voxels.T)] = numbers[np.arange(len(voxels)) % len(numbers)]
    for atlas, labels in LABELS.items():  # neighbours of the regions, which a reader must not take for them
        for name, number in labels.items():
            if (atlases[atlas] == number).any():
                continue
            for voxel in [next(rest) for _ in range(5)]:
                atlases[atlas][tuple(voxel)] = number
            log.debug(f"{atlas}: {name} has 5 voxels of noise")
    return where, atlases, inside


def write_anatomy(layout, subject, atlases, inside):
    """Write the masks of both hemispheres, their union, and the brain mask of one subject."""
    left = np.arange(SHAPE[0]) < SHAPE[0] // 2
    for atlas, values in atlases.items():
        _save(layout.atlas(subject, atlas), values)
        for hemisphere, side in (("lh", left), ("rh", ~left)):
            half = np.where(side[:, None, None], values, -1)
            _save(layout.atlas(subject, atlas, hemisphere), half.astype(np.int16))
    _save(layout.brainmask(subject), inside.astype(np.int16))


def write_labels(layout, subject):
    """Write the .ctab files of one subject: an integer and a name on each line, the first 0 Unknown."""
    for atlas, labels in LABELS.items():
        lines = ["0 Unknown", *(f"{number} {name}" for name, number in labels.items())]
        writing.write_text(layout.labels(subject, atlas), "\n".join(lines) + "\n")


def write_contrasts(layout, subject, rng, atlases, inside, contrasts):
    """Write the t-map of each contrast: about 9 in the labelled voxels of its atlas, 0 elsewhere, else NaN.

    Parameters
    ----------
    layout : nsd.layout.Layout
    subject : str
    rng : numpy.random.Generator
    atlases : dict of int arrays SHAPE
    inside : bool array SHAPE
        The brain, outside of which the map is NaN.
    contrasts : dict, atlas -> contrast

    Raises
    ------
    ValueError
        If the miniature has no such atlas.
    """
    unknown = sorted(set(contrasts) - set(atlases))
    if unknown:
        raise ValueError(f"the miniature has no atlas {', '.join(unknown)}; it has {', '.join(atlases)}")
    for atlas, contrast in contrasts.items():
        t = np.where(atlases[atlas] > 0, 9.0, 0.0) + rng.normal(0, 1.5, SHAPE)
        _save(layout.tmap(subject, contrast), np.where(inside, t, np.nan).astype(np.float32))


def write_behaviour(path, rng, subject, places, trial_images, n_trials):
    """Write responses.tsv: a row for each trial, of a subject who always answers right.

    Parameters
    ----------
    path : path-like
    rng : numpy.random.Generator
        Draws reaction times.
    subject : int
        Position in the design, from 0.
    places, trial_images : int arrays (trials,)
        From `images_of_trials`: what was shown in all trials of all sessions.
    n_trials : int
        Trials of a session.
    """
    trial, n_sessions = np.arange(len(trial_images)), len(trial_images) // n_trials
    rows = pd.DataFrame({"SUBJECT": subject + 1, "SESSION": trial // n_trials + 1}, index=trial)
    runs = np.array_split(np.arange(n_trials), RUNS)
    rows["RUN"] = np.tile(np.repeat(np.arange(RUNS) + 1, list(map(len, runs))), n_sessions)
    rows["TRIAL"] = np.tile(np.concatenate([np.arange(len(run)) + 1 for run in runs]), n_sessions)
    rows["73KID"], rows["10KID"] = trial_images + 1, places
    rows["TIME"] = rows.SESSION - 1 + (trial % n_trials) * 4 / 86400  # days, a trial in four seconds
    by_image = pd.Series(trial).groupby(places)
    old = by_image.cumcount() > 0
    in_session = pd.Series(trial).groupby([places, rows.SESSION]).cumcount() > 0
    rows["ISOLD"], rows["ISCORRECT"] = old.astype(int), 1
    rows["RT"] = rng.normal(900, 150, len(trial_images)).round(1)  # ms
    rows["CHANGEMIND"] = 0
    rows["MEMORYRECENT"] = by_image.diff()
    rows["MEMORYFIRST"] = (trial - by_image.transform("first")).where(old)
    rows["ISOLDCURRENT"], rows["ISCORRECTCURRENT"] = in_session.astype(int), (in_session == old).astype(int)
    rows["TOTAL1"], rows["TOTAL2"] = (~old).astype(int), old.astype(int)
    rows["BUTTON"], rows["MISSINGDATA"] = old + 1, 0
    with writing.whole(path) as temporary:
        rows.to_csv(temporary, sep="\t", index=False, na_rep="NaN")


def write_session(path, rng, betas, where, inside):
    """Write one session: int16, percent signal change x 300, zero outside the brain.

    Parameters
    ----------
    path : path-like
        Ends in .nii.gz, for (x, y, z, trials); or in .hdf5, for the dataset /betas (trials, z, y, x), where
        each voxel is a chunk of its own.
    rng : numpy.random.Generator
        Draws the rest of the brain, and the gain and drift of the session.
    betas : array (trials, v)
        Percent signal change of the voxels at `where`.
    where : int array (v, 3)
    inside : bool array SHAPE
        The brain.
    """
    volume = np.zeros((*SHAPE, len(betas)))
    volume[inside] = rng.normal(0, 2, (inside.sum(), len(betas)))
    volume[tuple(where.T)] = betas.T
    volume[inside] = volume[inside] * rng.uniform(0.9, 1.1) + rng.normal(0, 0.3)
    limit = np.iinfo(np.int16)
    stored = np.clip(np.round(volume * PERCENT), limit.min, limit.max).astype(np.int16)
    if Path(path).suffix != ".hdf5":
        _save(path, stored)
        return
    memory = BytesIO()  # on a full disk HDF5 would crash the process
    with h5py.File(memory, "w") as file:
        file.create_dataset("betas", data=stored.T, chunks=(len(betas), 1, 1, 1))
    writing.write_bytes(path, memory.getvalue())


def write_stimuli(folder, images, design):
    """Write the shared images as PNG under NSD's names: rank in sharedix and 1-based id."""
    for rank, image in enumerate(design["sharedix"].ravel(), start=1):
        with writing.whole(stimulus_file(folder, rank, image - 1)) as temporary:
            Image.fromarray(images[image - 1]).save(temporary)


def ncsnr_map(betas, trial_images, where, n_trials):
    """Estimate the noise ceiling SNR of voxels from the images that were shown most often.

    Returns
    -------
    float32 array SHAPE
        NaN elsewhere.
    """
    z = np.concatenate([standardise(part)[0] for part in np.split(betas, len(betas) // n_trials)])
    images, counts = np.unique(trial_images, return_counts=True)
    often = np.isin(trial_images, images[counts == counts.max()])
    volume = np.full(SHAPE, np.nan, np.float32)
    volume[tuple(where.T)] = ncsnr(average_repeats(z[often], trial_images[often]).noise_sd)
    return volume


def _save(path, values):
    with writing.whole(path) as temporary:
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), temporary)
