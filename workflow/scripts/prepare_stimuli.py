"""Save the images that every subject saw, at the study's size, and split them (rule prepare_stimuli)."""

from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.nsd.design import digest, images_seen_by_all, read_design
from codingaxes.nsd.layout import position, present, stimulus_file
from codingaxes.nsd.stimuli import digest_copies, save_stimulus, split, suspicions
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI


def main(run):
    """Derive the images from the design, never from a list of their names."""
    design = read_design(run.input["design"])
    sessions, per_session = run.params["sessions"], run.params["trials_per_session"]
    n_trials = {position(subject): n * per_session for subject, n in sessions.items()}
    ids = images_seen_by_all(design, n_trials, run.params["repeats"])
    check_images(run, design, ids)
    test, rank = split(ids, run.params["seed"], run.params["test_fraction"])
    job.log.info(
        f"{len(ids)} of {len(design.shared)} shared images were seen by all, {test.sum()} are held out"
    )
    if run.params["probes"] > test.sum():
        raise ValueError(f"nsd.probes is {run.params['probes']}, but only {test.sum()} images are held out")
    names, sources, files = [f"nsd_{image:05d}" for image in ids], [], []
    for name, image in zip(names, ids, strict=True):
        source = stimulus_file(run.input["stimuli"], np.searchsorted(design.shared, image) + 1, image)
        sources.append(present(source, "an image that, by the design, every subject saw"))
        copy = Path(run.output["images"]) / f"{name}.png"
        files.append(save_stimulus(sources[-1], copy, run.params["image_size"]))
    digests = digest_copies(sources, files)
    for sentence in suspicions(names, files, test):
        job.log.warning(sentence)
    frame = pd.DataFrame(
        {
            "image_id": names,
            "nsd_id": ids,
            "file": [str(file) for file in files],
            "sha256": digests,
            "split": np.where(test, "test", "train"),
            "probe": rank < run.params["probes"],
        }
    )
    store.write(run.output["stimuli"], STIMULI, frame)


def check_images(run, design, ids):
    """Stop if the images are not those whose digest the configuration gives; without one, only log theirs."""
    expected, sha256 = run.params["images_sha256"], digest(ids)
    job.log.info(f"sha256 of the {len(ids)} ids (1-based, ascending, one a line): {sha256}")
    if expected and sha256 != expected:
        sessions = ", ".join(f"{subject} {n}" for subject, n in run.params["sessions"].items())
        first = ", ".join(str(image + 1) for image in ids[:5])
        raise ValueError(
            f"{design.path}: expected images with the sha256 {expected}, found {len(ids)} images with "
            f"{sha256}, the first {first} (1-based), from the sessions {sessions}. Correct nsd.sessions, "
            "nsd.trials_per_session, nsd.repeats or the design; or, if these images are wanted, set "
            'nsd.images_sha256 to what was found, or to "" for no check'
        )


if __name__ == "__main__":
    job.start(main, globals())
