"""A miniature NSD for tests: two subjects, and the inputs that rules give to scripts which read it."""

import nibabel
import numpy as np

from codingaxes.miniature import nsd_files, scenes
from codingaxes.miniature.brain import SimulatedBrain
from codingaxes.miniature.design import make_design
from codingaxes.nsd.layout import LABELS, Layout

SESSIONS, TRIALS = {"subj01": 4, "subj02": 3}, 30  # of 40 images each, of which 35 are shared
SPACE, VERSION = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
REGIONS = {
    region: {"atlas": atlas, "labels": list(names), "contrast": nsd_files.CONTRASTS[atlas]}
    for region, (atlas, names) in nsd_files.REGIONS.items()
}
IMAGES_SEED = 4


def layout_in(folder, suffix="nii.gz"):
    """The paths of a miniature in a folder."""
    return Layout(str(folder), SPACE, VERSION, suffix)


def of_subjects(brain, subjects):
    """A brain of some subjects only."""
    voxels = {name: brain.subjects[name] for name in subjects}
    return SimulatedBrain(brain.features, brain.mean, brain.sd, voxels)


def write(
    folder, brain, *, suffix="nii.gz", sessions=SESSIONS, n_trials=TRIALS, n_shared=35, n_own=5, brain_file=""
):
    """Write a miniature into a folder, and its brain into a file if one is named; the paths."""
    design = make_design(np.random.default_rng(1), n_subjects=len(sessions), n_shared=n_shared, n_own=n_own)
    images = scenes.render_many(IMAGES_SEED, int(design["subjectim"].max()), 64)[0]
    brain, layout = of_subjects(brain, sessions), layout_in(folder, suffix)
    places = nsd_files.simulate(layout, brain, design, images, sessions=sessions, n_trials=n_trials, seed=7)
    if brain_file:
        brain.save(brain_file)
        nsd_files.add_places(brain_file, places)
    return layout


def all_sessions(layout, subject, sessions=SESSIONS):
    """The files of all sessions of a subject."""
    return [layout.session(subject, session + 1) for session in range(sessions[subject])]


def inputs(layout, subject, betas=()):
    """What the rule prepare_responses gives its script."""
    return {
        **{f"atlas.{atlas}": layout.atlas(subject, atlas) for atlas in LABELS},
        **{f"left.{atlas}": layout.atlas(subject, atlas, "lh") for atlas in LABELS},
        **{f"labels.{atlas}": layout.labels(subject, atlas) for atlas in LABELS},
        **{f"tmap.{name}": layout.tmap(subject, name) for name in nsd_files.CONTRASTS.values()},
        "design": layout.design,
        "stimuli": "stimuli.parquet",
        "brainmask": layout.brainmask(subject),
        "behaviour": [layout.behaviour(subject)],
        "betas": list(map(str, betas)),
        "ncsnr": layout.ncsnr(subject),
    }


def changed_copy(source, destination, change):
    """A copy of a volume in which `change` has changed numbers; its path."""
    image = nibabel.load(source)
    values = np.asanyarray(image.dataobj).copy()
    change(values)
    destination.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, image.affine), destination)
    return str(destination)
