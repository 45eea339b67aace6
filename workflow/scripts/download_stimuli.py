"""Those of NSD's shared images that every subject saw (rule download_stimuli)."""

import numpy as np

from codingaxes import downloads, job, nsd


def main(run):
    """Derive the images from the design and fetch each; never the file of all 73 000 images."""
    design = nsd.read_design(run.input["design"])
    sessions, per_session = run.params["sessions"], run.params["trials_per_session"]
    n_trials = {nsd.position(subject): n * per_session for subject, n in sessions.items()}
    ids = nsd.images_seen_by_all(design, n_trials, run.params["repeats"])
    job.log.info(f"{len(ids)} of {len(design.shared)} shared images were seen by all")
    ranks = np.searchsorted(design.shared, ids) + 1
    files = [
        nsd.stimulus_file(run.output["stimuli"], rank, image) for rank, image in zip(ranks, ids, strict=True)
    ]
    downloads.mirror(run.site["endpoint"], nsd.root_of(run.output["stimuli"]), files, connections=run.threads)


if __name__ == "__main__":
    job.start(main, globals())
