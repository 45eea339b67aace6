"""The images that every subject saw, at the study's size, with their split (rule prepare_stimuli)."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from codingaxes import job, nsd, tables


def main(run):
    """Derive the images from the design, never from a list."""
    design = nsd.read_design(run.input["design"])
    sessions, per_session = run.params["sessions"], run.params["trials_per_session"]
    n_trials = {nsd.position(subject): n * per_session for subject, n in sessions.items()}
    ids = nsd.images_seen_by_all(design, n_trials, run.params["repeats"])
    test, rank = nsd.split(ids, run.params["seed"], run.params["test_fraction"])
    job.log.info(
        f"{len(ids)} of {len(design.shared)} shared images were seen by all, {test.sum()} are held out"
    )
    if run.params["probes"] > test.sum():
        raise ValueError(f"nsd.probes is {run.params['probes']}, but only {test.sum()} images are held out")
    files = [
        resize(
            nsd.stimulus_file(run.input["stimuli"], np.searchsorted(design.shared, image) + 1, image),
            Path(run.output["images"]) / f"nsd_{image:05d}.png",
            run.params["image_size"],
        )
        for image in ids
    ]
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


def resize(source, destination, size):
    """Copy an image at `size` x `size` pixels; antialiased where it was larger."""
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there, but the design says that every subject saw it")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image = image.convert("RGB")
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        image.save(destination)
    return destination


if __name__ == "__main__":
    job.start(main, globals())
