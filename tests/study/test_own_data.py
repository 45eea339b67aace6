"""Data of one's own: images and responses enter the tables of NSD, and the whole study hangs on them."""

import os
import time
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.nsd import VOXELS
from codingaxes.tables.readouts import SCORES, TARGETS
from codingaxes.tables.transfer import TRANSFER

ANIMALS = ["ape-1", "ape-2"]  # names with a hyphen, as BIDS has them
NETWORKS = ["resnet_standard", "resnet_robust"]  # of the smallest study that has every figure


def own_data(folder, repetitions, regions=("IT",), lacking=()):
    """Write 60 images, responses of four units of each of two animals to the mean of red, and an overlay.

    `lacking` has the pairs of an animal and a region that are left out.
    """
    rng, rows = np.random.default_rng(0), []
    (folder / "images").mkdir(parents=True)
    for number in range(60):
        picture = rng.integers(0, 256, (64, 64, 3), np.uint8)
        picture[..., 0] = rng.integers(0, 256)
        Image.fromarray(picture).save(folder / f"images/cat_{number:03d}.png")
        for animal, region, unit, _ in product(ANIMALS, regions, range(4), range(repetitions)):
            response = picture[..., 0].mean() / 50 + rng.normal(0, 0.5)
            if (animal, region) not in lacking:
                rows.append([animal, region, f"unit_{unit}", f"cat_{number:03d}.png", response])
    columns = ["subject", "region", "voxel", "image", "response"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "responses.csv", index=False)
    own = {"images": f"{folder}/images", "responses": f"{folder}/responses.csv"}
    own |= {"subjects": ANIMALS, "regions": list(regions)}
    overlay = folder / "own.yaml"
    overlay.write_text(yaml.safe_dump({"nsd": {"source": "own", "probes": 4}, "own": own}))
    return str(overlay)


def test_own_data_enter_the_same_tables_and_the_whole_study_hangs_on_them(tmp_path):
    folder = copy_to(tmp_path / "workflow")
    data = tmp_path / 'it\'s my "data" ü 日本 100% %s $HOME; & [a]*'
    overlay = own_data(data, repetitions=1)
    listed = jobs(folder, *MICRO, overlay)
    assert listed["import_responses"] == 1 and "fit_readouts" in listed and "plot_axes" in listed
    assert not {"prepare_stimuli", "simulate_nsd", "summarise_agreement", "plot_agreement"} & set(listed)
    wanted = ["results/readouts/targets.parquet", "results/readouts/scores/resnet_standard.parquet"]
    done = snakemake(folder, "--cores", "2", *MICRO, overlay, "--", *wanted)
    assert done.returncode == 0, done.stdout
    voxels = store.read(folder / "results/nsd/voxels/ape-1.parquet", VOXELS)
    assert list(voxels.name) == [f"unit_{number}" for number in range(4)]
    targets = store.read(folder / wanted[0], TARGETS).set_index(["subject", "roi"])
    scores = store.read(folder / wanted[1], SCORES)
    assert set(scores.roi) == {"IT"} and scores.r_over_ceiling.isna().all() and targets.ceiling.isna().all()
    (data / "images/cat_003.png").write_bytes((data / "images/cat_004.png").read_bytes())
    listed = jobs(folder, *MICRO, overlay, "--", wanted[0])
    assert listed["import_responses"] == 1, "a replaced image is noticed"


def test_replaced_data_of_ones_own_run_again_whatever_their_time_and_what_does_not_count_does_not(tmp_path):
    """A file that comes with an older time (cp -p, rsync -a) is another file all the same."""
    folder, data = copy_to(tmp_path / "workflow"), tmp_path / "data"
    overlay, wanted = own_data(data, 1), "results/nsd/stimuli.parquet"
    done = snakemake(folder, "--cores", "1", *MICRO, overlay, "--", wanted)
    assert done.returncode == 0, done.stdout
    (data / "images/.DS_Store").touch()
    (data / "images/gone.png").symlink_to("nowhere.png")
    (data / "responses.csv").touch()
    assert jobs(folder, *MICRO, overlay, "--", wanted) == {}
    for name in ("responses.csv", "images/cat_003.png"):
        content = (data / name).read_bytes()
        if name == "responses.csv":
            rows = content.decode().splitlines(keepends=True)
            (data / name).write_text("".join([rows[0], *rows[:0:-1]]))
        else:
            (data / name).write_bytes((data / "images/cat_004.png").read_bytes())
        os.utime(data / name, (1e9, 1e9))
        assert jobs(folder, *MICRO, overlay, "--", wanted) == {"import_responses": 1}, name
        (data / name).write_bytes(content)
    ahead = time.time() + 7200  # of a camera or a server whose clock is wrong
    os.utime(data / "responses.csv", (ahead, ahead))
    (folder / wanted).unlink()
    done = snakemake(folder, "--cores", "1", *MICRO, overlay, "--", wanted)
    assert done.returncode == 1 and f"touch {data}/responses.csv" in done.stdout


@pytest.mark.long
def test_a_subject_that_lacks_a_region_stops_no_step_and_no_figure(tmp_path):
    folder = copy_to(tmp_path / "workflow")
    # the first subject of the first region: reading by place would take the second for it
    overlay = own_data(tmp_path / "my data", 3, regions=("V4", "IT"), lacking=[("ape-1", "V4")])
    table = pd.read_csv(folder / "tests/data/networks.tsv", sep="\t")
    table[table.name.isin(NETWORKS)].to_csv(folder / "tests/data/networks.tsv", sep="\t", index=False)
    done = snakemake(folder, "--cores", "2", *MICRO, overlay)
    assert done.returncode == 0, done.stdout
    targets = store.read(folder / "results/readouts/targets.parquet", TARGETS)
    # the mean of four units and three repetitions is nearly free of noise
    assert targets.ceiling.between(0.95, 1).all()
    assert targets.groupby("roi").subject.agg(set).to_dict() == {
        "IT": {"group", *ANIMALS},
        "V4": {"group", "ape-2"},
    }
    for network in NETWORKS:
        scores = store.read(folder / f"results/readouts/scores/{network}.parquet", SCORES)
        assert scores.r_over_ceiling.notna().all()
        assert set(scores.subject[scores.roi == "V4"]) == {"group", "ape-2"}
    table = store.read(folder / "results/summaries/sensitivities.parquet", SENSITIVITIES)
    table = table[table.kind == "attack"]
    readers = table.groupby("roi").subject.agg(set)
    assert readers["IT"] - {"group", "subjects"} == set(ANIMALS)
    assert readers["V4"] - {"group", "subjects"} == {"ape-2"}
    assert (table.n_subjects[(table.subject == "subjects") & (table.roi == "V4")] == 1).all()
    # where one subject alone has a region, the group is that subject, to a change of units
    files = sorted((folder / "results/transfer/perturbations").glob("*.parquet"))
    rows = store.read(files, TRANSFER)
    rows = rows[(rows.roi == "V4") & (rows.target == "resnet_standard")]
    single = store.matrix(rows.change_subjects)
    assert single.shape == (len(rows), 1)
    np.testing.assert_allclose(single[:, 0], rows.change_target, atol=1e-5)
