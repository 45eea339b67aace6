"""Summarise what the leading axes of each model are like (rule summarise_axes)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import measures
from codingaxes.tables import store
from codingaxes.tables.axes import INHERITED, JACOBIANS
from codingaxes.tables.similarity import ALIGNMENT, PROFILES
from codingaxes.tables.spaces import AXES, SPECTRA

VOXELS = [("response", "=", "voxels")]


def main(run):
    """Describe axes: their number, the attacks that they hold, their frequencies; and what is inherited."""
    jacobians = store.read(run.input["jacobians"], JACOBIANS)
    attacks = store.read(run.input["alignment"], ALIGNMENT, filters=VOXELS)
    profiles = store.read(run.input["profiles"], PROFILES, filters=VOXELS)
    attacks, radius = measures.at_main_radius(attacks[attacks.k == attacks.k.max()])
    k, chance = attacks.k.iloc[0], attacks.chance.iloc[0]
    none = {"k": 0, "radius": 0.0, "chance": np.nan}
    parts = [
        (jacobians[jacobians.response == "voxels"], "participation_ratio", none),
        (
            attacks.rename(columns={"share": "attack_share"}),
            "attack_share",
            dict(none, k=k, radius=radius, chance=chance),
        ),
        (jacobians[jacobians.response == "group"], "spectral_participation_ratio", none),
        (store.read(run.input["inherited"], INHERITED), "inherited_sensitivity", none),
    ]
    rows = [over_images(frame, measure).assign(measure=measure, **about) for frame, measure, about in parts]
    store.write(run.output["axes"], AXES, pd.concat(rows)[list(AXES.columns)])
    store.write(run.output["spectra"], SPECTRA, spectrum(profiles))


def over_images(frame, measure):
    """Give the median and quartiles over images for each model and region; directions are averaged first."""
    images = measures.image_means(frame.dropna(subset=[measure]), measure, ["roi", "network"])
    groups = images.groupby(["roi", "network"], sort=False)[measure]
    quartiles = groups.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["low", "value", "high"], axis=1)
    return quartiles.assign(n_images=groups.size()).reset_index()


def spectrum(profiles):
    """Average the share of power at each spatial frequency over regions, for each model."""
    groups = profiles.groupby(["network", "frequency"], as_index=False, sort=False)
    return groups.agg(share=("share", "mean"), n_images=("n_images", "min"))


if __name__ == "__main__":
    job.start(main, globals())
