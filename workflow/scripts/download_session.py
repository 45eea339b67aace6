"""Download one session of NSD's betas, and keep the voxels of the atlases (rule download_session)."""

from codingaxes import job
from codingaxes.downloads import fetch
from codingaxes.nsd import layout, sessions, volumes


def main(run):
    """Fetch the session and cut out what any choice of labels in the atlases could ask for."""
    atlases, betas = run.input["atlases"], run.params["betas"]
    where = volumes.labelled(atlases)
    shape, n_trials = volumes.shape_of(atlases[0]), run.params["trials_per_session"]
    with fetch.borrow(run.params["endpoint"], layout.root_of(betas), betas) as path:
        try:
            for sentence in volumes.check_aligned([*atlases, path]):
                job.log.warning(sentence)
            stored = volumes.read_stored(path, where, n_trials, shape)
        except ValueError as error:
            raise ValueError(f"{betas}, as downloaded: {error}; see nsd.trials_per_session too") from error
        session = int(run.wildcards["session"])
        sessions.write(run.output["session"], stored, where, run.wildcards["subject"], session)
    job.log.info(f"{len(where)} voxels, {len(stored)} trials")


if __name__ == "__main__":
    job.start(main, globals())
