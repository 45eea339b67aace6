"""A miniature NSD: scenes, a simulated brain, and its responses in NSD's own files (rule simulate_nsd)."""

from pathlib import Path

import numpy as np

from codingaxes import job, miniature, nsd, simulation


def main(run):
    """Grow the brain, render what its subjects see, and write all of it under one folder."""
    settings, sessions = run.params["simulation"], run.params["sessions"]
    seed, size = run.params["seed"], run.params["image_size"]
    job.log.info(f"growing the simulated brain of {len(sessions)} subjects")
    brain = simulation.SimulatedBrain.grow(size, seed, list(sessions), settings["voxels"])
    Path(run.output["brain"]).parent.mkdir(parents=True, exist_ok=True)
    brain.save(run.output["brain"])
    design = miniature.make_design(
        np.random.default_rng([seed, 3]),
        n_subjects=max(map(nsd.position, sessions)) + 1,
        n_shared=settings["shared_images"],
        n_own=settings["own_images"],
        repeats=run.params["repeats"],
    )
    images = miniature.render_images(seed + 1, int(design["subjectim"].max()), size)
    places = miniature.simulate(
        Path(run.output["design"]).parents[3],
        brain,
        design,
        images,
        space=run.params["space"],
        version=run.params["betas"],
        sessions=sessions,
        n_trials=run.params["trials_per_session"],
        seed=seed,
        contrasts=run.params["contrasts"],
        suffix=run.params["format"],
        track=lambda subjects: run.track(subjects, unit="subject"),
    )
    miniature.add_places(run.output["brain"], places)


if __name__ == "__main__":
    job.start(main, globals())
