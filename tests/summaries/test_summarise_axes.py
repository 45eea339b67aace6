"""What the axes of models are like, of planted profiles, Jacobians and alignments."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from planted import BRAIN, IMAGES, MODELS, REGIONS, plant, plant_each, run

from codingaxes.tables import store
from codingaxes.tables.similarity import ALIGNMENT


@pytest.fixture
def inputs(tmp_path):
    """Plant tables of voxels and, beside them, of the group, which must not count."""
    rng = np.random.default_rng(6)
    profiles, alignment, jacobians, inherited = [], [], [], []
    for model, roi, response in product(MODELS, REGIONS, ("group", "voxels")):
        name = {"network": model, "roi": roi, "response": response}
        shares = rng.dirichlet(np.ones(9))
        profiles += [name | {"frequency": float(f), "share": share} for f, share in enumerate(shares)]
        for image in IMAGES:
            ratio = rng.uniform(1, 9) if response == "voxels" else 99.0
            width = 99.0 if response == "voxels" else rng.uniform(1, 40)
            row = {"participation_ratio": ratio, "spectral_participation_ratio": width}
            jacobians.append(name | {"image_id": image} | row)
            if model != BRAIN and response == "group":
                row = {"network": model, "roi": roi, "image_id": image}
                inherited.append(row | {"inherited_sensitivity": rng.uniform(1, 9)})
            for direction, radius, k in product(("increase", "decrease"), (0.3, 0.9), (1, 4)):
                row = name | {"direction": direction, "radius": radius, "image_id": image, "k": k}
                alignment.append(row | {"share": rng.uniform(), "chance": k / 768})
    return {
        "profiles": plant(tmp_path, "profiles", profiles),
        "alignment": plant(tmp_path, "alignment", alignment),
        "jacobians": plant_each(tmp_path, "jacobians", jacobians, "network"),
        "inherited": plant_each(tmp_path, "inherited", inherited, "network"),
    }


def test_values_are_quartiles_over_images_with_directions_averaged_first(tmp_path, inputs):
    axes, _ = run("summarise_axes", tmp_path, "axes", "spectra", **inputs)
    voxels = "response == 'voxels'"
    attacks = pd.read_parquet(inputs["alignment"]).query(f"{voxels} and k == 4 and radius == 0.9")
    jacobians = pd.concat([pd.read_parquet(path) for path in inputs["jacobians"]])
    inherited = pd.concat([pd.read_parquet(path) for path in inputs["inherited"]])
    planted = {
        "attack_share": (attacks, "share"),
        "participation_ratio": (jacobians.query(voxels), "participation_ratio"),
        "spectral_participation_ratio": (
            jacobians.query("response == 'group'"),
            "spectral_participation_ratio",
        ),
        "inherited_sensitivity": (inherited, "inherited_sensitivity"),
    }
    for measure, (frame, column) in planted.items():
        images = frame.groupby(["roi", "network", "image_id"])[column].mean().groupby(["roi", "network"])
        rows = axes[axes.measure == measure].set_index(["roi", "network"]).sort_index()
        for name, quantile in (("low", 0.25), ("value", 0.5), ("high", 0.75)):
            assert rows[name].to_numpy() == pytest.approx(images.quantile(quantile).to_numpy())
        assert (rows.n_images == len(IMAGES)).all()


def test_the_share_of_attacks_is_of_the_main_radius_and_the_largest_dimension(tmp_path, inputs):
    axes, _ = run("summarise_axes", tmp_path, "axes", "spectra", **inputs)
    share, number = (axes[axes.measure == name] for name in ("attack_share", "participation_ratio"))
    assert set(zip(share.k, share.radius, share.chance, strict=True)) == {(4, 0.9, 4 / 768)}
    assert (number.k == 0).all() and (number.radius == 0).all() and number.chance.isna().all()


def test_a_spectrum_is_the_mean_over_regions_and_sums_to_one(tmp_path, inputs):
    _, spectra = run("summarise_axes", tmp_path, "axes", "spectra", **inputs)
    profiles = pd.read_parquet(inputs["profiles"]).query("response == 'voxels'")
    expected = profiles.groupby(["network", "frequency"]).share.mean()
    shares = spectra.set_index(["network", "frequency"]).share.sort_index()
    assert shares.to_numpy() == pytest.approx(expected.to_numpy())
    assert shares.groupby("network").sum().to_numpy() == pytest.approx(1)


def test_an_image_without_axes_is_left_out_of_the_share_and_of_its_n(tmp_path, inputs):
    rows = store.read(inputs["alignment"], ALIGNMENT)
    rows.loc[(rows.network == "a_plain") & (rows.image_id == IMAGES[0]), "share"] = np.nan
    store.write(inputs["alignment"], ALIGNMENT, rows)
    axes, _ = run("summarise_axes", tmp_path, "axes", "spectra", **inputs)
    share = axes[axes.measure == "attack_share"]
    assert set(share.n_images[share.network == "a_plain"]) == {len(IMAGES) - 1}
    assert set(share.n_images[share.network != "a_plain"]) == {len(IMAGES)}
