"""The miniature NSD: the simulated brain's responses, written in NSD's own file layout.

Names, types, axis order and conventions are those that `nsd` reads (data manual of NSD); only the numbers
of images, trials, sessions and voxels are smaller.
"""

import logging
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from scipy.io import savemat

from codingaxes import nsd, scenes, simulation

log = logging.getLogger("codingaxes")

SHAPE = (14, 16, 12)  # voxels of a volume; left to right, posterior to anterior, inferior to superior
ATLASES = {  # labels of NSD's own .ctab files
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-places": ("OPA", "PPA", "RSC"),
}
LABELS = {
    "FFA": ("floc-faces", ("FFA-1", "FFA-2")),
    "EBA": ("floc-bodies", ("EBA",)),
    "PPA": ("floc-places", ("PPA",)),
}
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])


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


def write_session(path, rng, betas, where, brain):
    """Write one session: int16 (x, y, z, trials), percent signal change x 300, zero outside the brain.

    Parameters
    ----------
    path : Path
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
    _save(path, np.clip(np.round(volume * nsd.PERCENT), limit.min, limit.max).astype(np.int16))


def write_stimuli(folder, images, design):
    """Write the shared images as PNG under NSD's names: rank in sharedix and 1-based id."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank, image in enumerate(design["sharedix"].ravel(), start=1):
        Image.fromarray(images[image - 1]).save(nsd.stimulus_file(folder, rank, image - 1))


def simulate(folder, brain, design, images, *, space, version, sessions, n_trials, seed, track=iter):
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
    space, version : str
        NSD's names of the volume space and of the kind of betas.
    sessions : dict of int
        Sessions that each subject completed.
    n_trials : int
        Trials a session.
    track : callable, optional
        Wraps the list of subjects, to report progress.
    """
    folder = Path(folder)
    path = folder / "nsddata/experiments/nsd/nsd_expdesign.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, design)
    write_stimuli(folder / "nsddata/stimuli/nsd/shared1000", images, design)
    responses = simulation.evaluate(brain, images)
    begin = np.cumsum([0] + [len(voxels.gain) for voxels in brain.subjects.values()])
    for number, subject in enumerate(track(list(sessions))):
        position = nsd.position(subject)
        rng = np.random.default_rng([seed, 2, position])
        voxels = brain.subjects[subject]
        where, atlases, inside = place_voxels(rng, voxels.roi)
        write_anatomy(folder / f"nsddata/ppdata/{subject}/{space}", atlases, inside)
        write_labels(folder / f"nsddata/freesurfer/{subject}/label")
        shown = design["subjectim"][position, design["masterordering"].ravel().astype(int) - 1] - 1
        shown = shown[: n_trials * sessions[subject]]
        mine = responses[:, begin[number] : begin[number + 1]]
        betas = simulation.trials(mine[shown], voxels, rng)
        out = folder / f"nsddata_betas/ppdata/{subject}/{space}/{version}"
        for session in range(sessions[subject]):
            part = slice(session * n_trials, (session + 1) * n_trials)
            write_session(out / f"betas_session{session + 1:02d}.nii.gz", rng, betas[part], where, inside)
        _save(out / "ncsnr.nii.gz", _ncsnr(betas, shown, where, n_trials))


def _ncsnr(betas, shown, where, n_trials):
    z = np.concatenate([nsd.standardise(part)[0] for part in np.split(betas, len(betas) // n_trials)])
    repeated, _ = nsd.group_repeats(z, shown, 3)
    volume = np.full(SHAPE, np.nan, np.float32)
    volume[tuple(where.T)] = nsd.ncsnr(nsd.noise_sd(repeated))
    return volume


def _save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)


def render_images(seed, n, size):
    """The world's images by 0-based id: uint8 (n, size, size, 3), apart from those that networks train on."""
    return scenes.render_many(seed, n, size)[0]
