"""Download those of NSD's shared images that every subject saw (rule download_stimuli)."""

import numpy as np

from codingaxes import job
from codingaxes.downloads import fetch
from codingaxes.nsd.design import images_seen_by_all, read_design
from codingaxes.nsd.layout import position, root_of, stimulus_file


def main(run):
    """Derive the images from the design and fetch each; never the file of all 73 000 images."""
    design, folder = read_design(run.input["design"]), run.output["stimuli"]
    sessions, per_session = run.params["sessions"], run.params["trials_per_session"]
    n_trials = {position(subject): n * per_session for subject, n in sessions.items()}
    ids = images_seen_by_all(design, n_trials, run.params["repeats"])
    job.log.info(f"{len(ids)} of {len(design.shared)} shared images were seen by all")
    ranks = np.searchsorted(design.shared, ids) + 1
    files = [stimulus_file(folder, rank, image) for rank, image in zip(ranks, ids, strict=True)]
    fetch.mirror(run.params["endpoint"], root_of(folder), files, connections=run.threads)


if __name__ == "__main__":
    job.start(main, globals())
