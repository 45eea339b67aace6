"""Data of one's own: images and responses enter the tables of NSD, and the whole study hangs on them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes.tables import store
from codingaxes.tables.nsd import VOXELS
from codingaxes.tables.readouts import SCORES, TARGETS


def own_data(folder, repetitions):
    """Write 60 images, responses of four units of each of two animals to the mean of red, and an overlay."""
    rng, rows = np.random.default_rng(0), []
    (folder / "images").mkdir(parents=True)
    for number in range(60):
        picture = rng.integers(0, 256, (64, 64, 3), np.uint8)
        picture[..., 0] = rng.integers(0, 256)
        Image.fromarray(picture).save(folder / f"images/cat_{number:03d}.png")
        for animal, unit, _ in product(("ape_1", "ape_2"), range(4), range(repetitions)):
            response = picture[..., 0].mean() / 50 + rng.normal(0, 0.5)
            rows.append([animal, "IT", f"unit_{unit}", f"cat_{number:03d}.png", response])
    columns = ["subject", "region", "voxel", "image", "response"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "responses.csv", index=False)
    own = {"images": f"{folder}/images", "responses": f"{folder}/responses.csv"}
    own |= {"subjects": ["ape_1", "ape_2"], "regions": ["IT"]}
    overlay = folder / "own.yaml"
    overlay.write_text(yaml.safe_dump({"nsd": {"source": "own", "probes": 4}, "own": own}))
    return str(overlay)


@pytest.mark.parametrize("repetitions", [1, 3])
def test_own_data_enter_the_same_tables_and_the_whole_study_hangs_on_them(tmp_path, repetitions):
    folder = copy_to(tmp_path / "workflow")
    overlay = own_data(tmp_path / "data", repetitions)
    listed = jobs(folder, *MICRO, overlay)
    assert listed["import_responses"] == 1 and "fit_readouts" in listed and "plot_axes" in listed
    assert not {"prepare_stimuli", "simulate_nsd", "summarise_agreement", "plot_agreement"} & set(listed)
    wanted = ["results/readouts/targets.parquet", "results/readouts/scores/resnet_standard.parquet"]
    done = snakemake(folder, "--cores", "2", *MICRO, overlay, "--", *wanted)
    assert done.returncode == 0, done.stdout
    voxels = store.read(folder / "results/nsd/voxels/ape_1.parquet", VOXELS)
    assert list(voxels.name) == [f"unit_{number}" for number in range(4)]
    targets = store.read(folder / wanted[0], TARGETS).set_index(["subject", "roi"])
    scores = store.read(folder / wanted[1], SCORES)
    assert set(scores.roi) == {"IT"} and scores.r_over_ceiling.isna().all() == (repetitions == 1)
    if repetitions == 1:
        assert targets.ceiling.isna().all()
    else:  # the mean of four units and three repetitions is nearly free of noise
        assert targets.ceiling.between(0.95, 1).all()
    (tmp_path / "data/images/cat_003.png").write_bytes((tmp_path / "data/images/cat_004.png").read_bytes())
    listed = jobs(folder, *MICRO, overlay, "--", wanted[0])
    assert listed["import_responses"] == 1, "a replaced image is noticed"
