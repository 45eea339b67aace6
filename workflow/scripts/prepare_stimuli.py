"""The images that every subject saw, at the study's size, with their split (rule prepare_stimuli)."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job, nsd, tables, volumes


def main(run):
    """Derive the images from the design, never from a list."""
    design = nsd.read_design(run.input["design"])
    sessions, per_session = run.params["sessions"], run.params["trials_per_session"]
    n_trials = {nsd.position(subject): n * per_session for subject, n in sessions.items()}
    ids = nsd.images_seen_by_all(design, n_trials, run.params["repeats"])
    check_images(run, design, ids)
    test, rank = nsd.split(ids, run.params["seed"], run.params["test_fraction"])
    job.log.info(
        f"{len(ids)} of {len(design.shared)} shared images were seen by all, {test.sum()} are held out"
    )
    if run.params["probes"] > test.sum():
        raise ValueError(f"nsd.probes is {run.params['probes']}, but only {test.sum()} images are held out")
    files = []
    for image in ids:
        source = nsd.stimulus_file(run.input["stimuli"], np.searchsorted(design.shared, image) + 1, image)
        copy = Path(run.output["images"]) / f"nsd_{image:05d}.png"
        present = volumes.present(source, "an image that, by the design, every subject saw")
        files.append(nsd.save_stimulus(present, copy, run.params["image_size"]))
    frame = pd.DataFrame(
        {
            "image_id": [f"nsd_{image:05d}" for image in ids],
            "nsd_id": ids,
            "file": [str(file) for file in files],
            "sha256": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
            "split": np.where(test, "test", "train"),
            "probe": rank < run.params["probes"],
        }
    )
    tables.write(run.output["stimuli"], "stimuli", frame)


def check_images(run, design, ids):
    """Stop if the images are not those whose digest the configuration gives; no digest, no check."""
    expected, found = run.params["images_sha256"], nsd.digest(ids)
    job.log.info(f"sha256 of the {len(ids)} ids (1-based, ascending, one a line): {found}")
    if expected and found != expected:
        sessions = ", ".join(f"{subject} {n}" for subject, n in run.params["sessions"].items())
        first = ", ".join(str(image + 1) for image in ids[:5])
        raise ValueError(
            f"{design.path}: expected images with the sha256 {expected}, found {len(ids)} images with "
            f"{found}, the first {first} (1-based), from the sessions {sessions}. Correct nsd.sessions, "
            "nsd.trials_per_session, nsd.repeats or the design; or, if these images are wanted, set "
            'nsd.images_sha256 to what was found, or to "" for no check'
        )


if __name__ == "__main__":
    job.start(main, globals())
