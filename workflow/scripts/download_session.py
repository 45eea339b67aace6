"""One session of NSD's betas, of which the voxels of the atlases are kept (rule download_session)."""

import pandas as pd

from codingaxes import downloads, job, nsd, tables, volumes


def main(run):
    """Fetch the session and cut out what any choice of labels in the atlases could ask for."""
    atlases, betas = run.input["atlases"], run.params["betas"]
    where = volumes.labelled(atlases)
    shape, n_trials = volumes.shape_of(atlases[0]), run.params["trials_per_session"]
    with downloads.borrow(run.site["endpoint"], nsd.root_of(betas), betas) as path:
        try:
            stored = volumes.read_stored(path, where, n_trials, shape)
        except ValueError as error:
            raise ValueError(f"{betas}, as downloaded: {error}; see nsd.trials_per_session too") from error
        voxels = pd.DataFrame(where, columns=["i", "j", "k"])
        voxels["subject"], voxels["session"] = run.wildcards["subject"], int(run.wildcards["session"])
        voxels["beta"] = list(stored.T)
        tables.write(run.output["session"], "sessions", voxels)
    job.log.info(f"{len(where)} voxels, {len(stored)} trials")


if __name__ == "__main__":
    job.start(main, globals())
