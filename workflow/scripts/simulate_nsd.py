"""Simulate a miniature NSD: scenes, a brain, and its responses in NSD's own files (rule simulate_nsd)."""

from codingaxes import job
from codingaxes.miniature import growth, nsd_files
from codingaxes.miniature.brain import NetworkFeatures, TemplateEnergies
from codingaxes.miniature.design import draw_design
from codingaxes.networks.network import load_network
from codingaxes.nsd.layout import Layout, root_of


def main(run):
    """Grow the brain, render what its subjects see, and write all of it under one folder."""
    settings, sessions = run.params["simulation"], run.params["sessions"]
    seed, size = run.params["seed"], run.params["image_size"]
    job.log.info(f"growing the simulated brain of {len(sessions)} subjects")
    features = features_of_brain(run)
    brain = growth.grow(features, seed, list(sessions), settings["voxels"])
    brain.save(run.output["brain"])
    design = draw_design(seed, sessions, settings, run.params["repeats"])
    images = nsd_files.render_images(seed + 1, int(design["subjectim"].max()), size)
    places = nsd_files.simulate(
        Layout(
            root=str(root_of(run.output["design"])),
            space=run.params["space"],
            version=run.params["betas"],
            suffix=run.params["format"],
        ),
        brain,
        design,
        images,
        sessions=sessions,
        n_trials=run.params["trials_per_session"],
        seed=seed,
        contrasts=run.params["contrasts"],
        track=lambda subjects: run.track(subjects, unit="subject"),
    )
    nsd_files.add_places(run.output["brain"], places)


def features_of_brain(run):
    """Make the features that voxels read: template energies, or the last candidate layer of a network."""
    seed, size, row = run.params["seed"], run.params["image_size"], run.params["network"]
    if row is None:
        return TemplateEnergies(size, growth.make_templates(size, seed))
    job.log.info(f"the brain is the network {row['name']}, layer {row['layers'][-1]}")
    return NetworkFeatures(size, load_network(row, run.input["weights"], image_size=size), row)


if __name__ == "__main__":
    job.start(main, globals())
