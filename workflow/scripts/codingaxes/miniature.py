"""The miniature NSD: the simulated brain's responses, written in NSD's own file layout.

Names, types, axis order and conventions are those that `nsd` reads (data manual of NSD); only the numbers
of images, trials, sessions and voxels are smaller.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from codingaxes import nsd, scenes, simulation, volumes

log = logging.getLogger("codingaxes")

SHAPE = (14, 16, 12)  # voxels of a volume; left to right, posterior to anterior, inferior to superior
ATLASES = {atlas: tuple(labels) for atlas, labels in volumes.LABELS.items()}  # in the order of their integers
CONTRASTS = {"floc-faces": "faces", "floc-bodies": "bodies", "floc-places": "places"}  # of their t-maps
LABELS = {
    "FFA": ("floc-faces", ("FFA-1", "FFA-2")),
    "EBA": ("floc-bodies", ("EBA",)),
    "PPA": ("floc-places", ("PPA",)),
}
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
RUNS = 12  # of a session


def make_design(rng, n_subjects, n_shared, n_own, repeats=3):
    """A design as in nsd_expdesign.mat: 1-based ids, a trial order that all subjects share.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_subjects, n_shared, n_own : int
        Subjects, images that all of them are to see, images of each subject alone.

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


def place_voxels(rng, roi):
    """Where the voxels of one subject lie.

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
    brain : bool array SHAPE
        Where there are betas.
    """
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"), axis=-1)
    radius = np.linalg.norm(grid, axis=-1)
    brain, cortex = radius < 1, (radius < 1) & (radius > 0.5)
    free = rng.permutation(np.argwhere(cortex))
    atlases = {name: np.where(cortex, 0, -1).astype(np.int16) for name in ATLASES}
    where = free[: len(roi)]
    for region in LABELS:  # the order in which a reader meets them, so that voxel ids are those of the brain
        mine = where[roi == region]
        where[roi == region] = mine[np.lexsort(mine.T[::-1])]
    rest = iter(free[len(roi) :])
    for region, (atlas, names) in LABELS.items():
        mine = where[roi == region]
        numbers = np.array([ATLASES[atlas].index(name) + 1 for name in names])
        atlases[atlas][tuple(mine.T)] = numbers[np.arange(len(mine)) % len(numbers)]
    for atlas, names in ATLASES.items():  # neighbours of the regions, which a reader must not take for them
        for number, name in enumerate(names, start=1):
            if (atlases[atlas] == number).any():
                continue
            for voxel in [next(rest) for _ in range(5)]:
                atlases[atlas][tuple(voxel)] = number
            log.debug(f"{atlas}: {name} has 5 voxels of noise")
    return where, atlases, brain


def write_anatomy(files, atlases, brain):
    """Write masks of both hemispheres, their union, the label files and the brain mask of one subject."""
    left = np.arange(SHAPE[0]) < SHAPE[0] // 2
    for atlas, values in atlases.items():
        _save(files / "roi" / f"{atlas}.nii.gz", values)
        for side, mine in (("lh", left), ("rh", ~left)):
            half = np.where(mine[:, None, None], values, -1)
            _save(files / "roi" / f"{side}.{atlas}.nii.gz", half.astype(np.int16))
    _save(files / "brainmask.nii.gz", brain.astype(np.int16))


def write_labels(folder):
    """Write the .ctab files of one subject: an integer and a name on each line, the first 0 Unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    for atlas, names in ATLASES.items():
        lines = [f"{number} {name}" for number, name in enumerate(("Unknown", *names))]
        (folder / f"{atlas}.mgz.ctab").write_text("\n".join(lines) + "\n")


def write_contrasts(files, rng, atlases, brain, contrasts):
    """Write the t-map of each contrast: about 9 in the labelled voxels of its atlas, 0 elsewhere, else NaN.

    Parameters
    ----------
    files : Path
    rng : numpy.random.Generator
    atlases : dict of int arrays SHAPE
    brain : bool array SHAPE
    contrasts : dict, atlas -> contrast

    Raises
    ------
    ValueError
        If the miniature has no such atlas.
    """
    unknown = set(contrasts) - set(atlases)
    if unknown:
        raise ValueError(f"the miniature has no atlas {', '.join(unknown)}; it has {', '.join(atlases)}")
    for atlas, contrast in contrasts.items():
        t = np.where(atlases[atlas] > 0, 9.0, 0.0) + rng.normal(0, 1.5, SHAPE)
        _save(files / f"floc_{contrast}tval.nii.gz", np.where(brain, t, np.nan).astype(np.float32))


def write_behaviour(path, rng, position, design, n_trials, n_sessions):
    """Write responses.tsv: one row per trial, what was shown and a subject who always answers right.

    Parameters
    ----------
    path : Path
    rng : numpy.random.Generator
        Draws reaction times.
    position : int
        Of the subject in the design, from 0.
    n_trials, n_sessions : int
        Trials a session and sessions.
    """
    own = design["masterordering"].ravel().astype(int)[: n_trials * n_sessions]
    trial = np.arange(len(own))
    rows = pd.DataFrame({"SUBJECT": position + 1, "SESSION": trial // n_trials + 1}, index=trial)
    runs = np.array_split(np.arange(n_trials), RUNS)
    rows["RUN"] = np.tile(np.repeat(np.arange(RUNS) + 1, list(map(len, runs))), n_sessions)
    rows["TRIAL"] = np.tile(np.concatenate([np.arange(len(run)) + 1 for run in runs]), n_sessions)
    rows["73KID"], rows["10KID"] = design["subjectim"][position, own - 1], own
    rows["TIME"] = rows.SESSION - 1 + (trial % n_trials) * 4 / 86400  # days, a trial in four seconds
    by_image = pd.Series(trial).groupby(own)
    old = by_image.cumcount() > 0
    in_session = pd.Series(trial).groupby([own, rows.SESSION]).cumcount() > 0
    rows["ISOLD"], rows["ISCORRECT"] = old.astype(int), 1
    rows["RT"] = rng.normal(900, 150, len(own)).round(1)  # ms
    rows["CHANGEMIND"] = 0
    rows["MEMORYRECENT"] = by_image.diff()
    rows["MEMORYFIRST"] = (trial - by_image.transform("first")).where(old)
    rows["ISOLDCURRENT"], rows["ISCORRECTCURRENT"] = in_session.astype(int), (in_session == old).astype(int)
    rows["TOTAL1"], rows["TOTAL2"] = (~old).astype(int), old.astype(int)
    rows["BUTTON"], rows["MISSINGDATA"] = old + 1, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, sep="\t", index=False, na_rep="NaN")


def write_session(path, rng, betas, where, brain):
    """Write one session: int16, percent signal change x 300, zero outside the brain.

    Parameters
    ----------
    path : Path
        Ends in .nii.gz, for (x, y, z, trials); or in .hdf5, for the dataset /betas (trials, z, y, x), where
        each voxel is a chunk of its own.
    rng : numpy.random.Generator
        Draws the rest of the brain, and the gain and drift of the session.
    betas : array (trials, v)
        Percent signal change of the voxels at `where`.
    """
    volume = np.zeros((*SHAPE, len(betas)))
    volume[brain] = rng.normal(0, 2, (brain.sum(), len(betas)))
    volume[tuple(where.T)] = betas.T
    volume[brain] = volume[brain] * rng.uniform(0.9, 1.1) + rng.normal(0, 0.3)
    limit = np.iinfo(np.int16)
    stored = np.clip(np.round(volume * volumes.PERCENT), limit.min, limit.max).astype(np.int16)
    if path.suffix != ".hdf5":
        _save(path, stored)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=stored.T, chunks=(len(betas), 1, 1, 1))


def write_stimuli(folder, images, design):
    """Write the shared images as PNG under NSD's names: rank in sharedix and 1-based id."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank, image in enumerate(design["sharedix"].ravel(), start=1):
        Image.fromarray(images[image - 1]).save(nsd.stimulus_file(folder, rank, image - 1))


def simulate(folder, brain, design, images, *, seed, track=iter, **layout):
    """Write a whole miniature NSD under `folder`.

    Parameters
    ----------
    folder : path-like
        Laid out like NSD's bucket.
    brain : simulation.SimulatedBrain
    design : dict
        From `make_design`.
    images : uint8 array (all images, size, size, 3)
        By 0-based id.
    track : callable, optional
        Wraps the list of subjects, to report progress.
    **layout
        What `Layout` holds.

    Returns
    -------
    dict, subject -> int array (v, 3)
        Where each of the brain's voxels lies; see `add_places`.
    """
    folder, layout = Path(folder), Layout(**layout)
    path = folder / "nsddata/experiments/nsd/nsd_expdesign.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, design)
    write_stimuli(folder / "nsddata/stimuli/nsd/shared1000", images, design)
    responses = simulation.evaluate(brain, images)
    begin = np.cumsum([0] + [len(voxels.gain) for voxels in brain.subjects.values()])
    places = {}
    for number, subject in enumerate(track(list(layout.sessions))):
        mine = responses[:, begin[number] : begin[number + 1]]
        places[subject] = write_subject(
            folder, subject, brain.subjects[subject], mine, design, layout=layout, seed=seed
        )
    return places


@dataclass(frozen=True)
class Layout:
    """How much of a miniature there is, and what its files are called."""

    space: str  # NSD's name of the volume space
    version: str  # and of the kind of betas
    sessions: dict  # that each subject completed
    n_trials: int  # of a session
    contrasts: dict = field(default_factory=CONTRASTS.copy)  # atlas -> contrast of its t-map
    suffix: str = "nii.gz"  # of betas, or hdf5


def write_subject(folder, subject, voxels, signal, design, *, layout, seed):
    """Write the files of one subject; returns where its voxels lie, int array (v, 3).

    Parameters
    ----------
    folder : Path
    subject : str
    voxels : simulation.Voxels
    signal : array (all images, v)
        Noiseless responses, % signal change.
    design : dict
    layout : Layout
    seed : int
    """
    position, n_sessions = nsd.position(subject), layout.sessions[subject]
    rng, another = (np.random.default_rng([seed, kind, position]) for kind in (2, 4))
    where, atlases, inside = place_voxels(rng, voxels.roi)
    anatomy = folder / f"nsddata/ppdata/{subject}"
    write_anatomy(anatomy / layout.space, atlases, inside)
    write_contrasts(anatomy / layout.space, another, atlases, inside, layout.contrasts)
    behaviour = anatomy / "behav/responses.tsv"
    write_behaviour(behaviour, another, position, design, layout.n_trials, n_sessions)
    write_labels(folder / f"nsddata/freesurfer/{subject}/label")
    shown = design["subjectim"][position, design["masterordering"].ravel().astype(int) - 1] - 1
    shown = shown[: layout.n_trials * n_sessions]
    betas = simulation.trials(signal[shown], voxels, rng)
    out = folder / f"nsddata_betas/ppdata/{subject}/{layout.space}/{layout.version}"
    for session, part in enumerate(np.split(betas, n_sessions), start=1):
        write_session(out / f"betas_session{session:02d}.{layout.suffix}", rng, part, where, inside)
    _save(out / "ncsnr.nii.gz", _ncsnr(betas, shown, where, layout.n_trials))
    return where


def add_places(path, places):
    """Add to a saved brain where each subject's voxels lie, by which a reader finds them again."""
    with np.load(path, allow_pickle=False) as content:
        content = dict(content)
    np.savez(path, **content, **{f"{subject}/where": where for subject, where in places.items()})


def _ncsnr(betas, shown, where, n_trials):
    z = np.concatenate([nsd.standardise(part)[0] for part in np.split(betas, len(betas) // n_trials)])
    images, counts = np.unique(shown, return_counts=True)
    often = np.isin(shown, images[counts == counts.max()])
    volume = np.full(SHAPE, np.nan, np.float32)
    volume[tuple(where.T)] = nsd.ncsnr(nsd.average_repeats(z[often], shown[often]).noise_sd)
    return volume


def _save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)


def render_images(seed, n, size):
    """The world's images by 0-based id: uint8 (n, size, size, 3), apart from those that networks train on."""
    return scenes.render_many(seed, n, size)[0]
