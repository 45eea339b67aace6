"""The full study and other sources of data, as far as they go without a network: dry runs and refusals."""

import csv
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes import tables


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A copy of the workflow without any result."""
    return copy_to(tmp_path_factory.mktemp("workflow"))


def test_a_dry_run_of_the_full_study_needs_no_network_and_stays_below_500_jobs(workflow):
    with open(workflow / "config/networks.tsv", newline="") as file:
        n_networks = len(list(csv.DictReader(file, delimiter="\t")))
    assert n_networks == 18
    listed = jobs(workflow, "--configfile", "config/nsd.yaml")
    assert sum(listed.values()) < 500
    # sessions 1 to 30 of eight subjects, whoever completed more
    assert listed["download_session"] == 240 and listed["download_anatomy"] == 8
    assert listed["download_design"] == listed["download_stimuli"] == 1
    elsewhere = ["--config", "nsd={endpoint: 'http://127.0.0.1:1/bucket'}", "hub=http://127.0.0.1:1"]
    assert jobs(workflow, "--configfile", "config/nsd.yaml", *elsewhere) == listed
    per_network = {"fetch_weights", "extract_features", "fit_readouts", "attack_images"}
    per_network |= {"measure_transfer", "compute_eigenvectors"}
    assert {listed[rule] for rule in per_network} == {n_networks}
    assert not {"simulate_nsd", "train_network", "plot_agreement"} & set(listed)


def test_nothing_is_downloaded_before_the_terms_are_accepted(workflow):
    done = snakemake(workflow, "--cores", "1", "--configfile", "config/nsd.yaml")
    said = done.stdout
    assert done.returncode != 0
    assert (
        "nsd.terms_accepted is false" in said
        and "https://forms.gle/" in said
        and "Terms-and-Conditions" in said
    )
    assert not (workflow / "resources").exists() and not (workflow / "logs").exists()


def test_settings_in_braces_on_the_command_line_have_their_types(workflow):
    full = ["--configfile", "config/nsd.yaml", "--config"]
    listed = jobs(workflow, *full, "nsd={terms_accepted: true, min_t: 2.5, sessions: {subj04: 29}}")
    assert listed["download_session"] == 8 * 29
    wrong = snakemake(workflow, "-n", *full, "nsd={terms_accepted: maybe, probes: 3.5}")
    assert "nsd.terms_accepted: 'maybe' is not of type 'boolean'" in wrong.stdout
    assert "nsd.probes: 3.5 is not of type 'integer'" in wrong.stdout


def test_what_downloads_nothing_from_nsd_needs_no_consent(workflow):
    settings = ["--configfile", "config/nsd.yaml", "--config", "random_weights=true"]
    done = snakemake(workflow, "--cores", "1", *settings, "--", "results/network_checks/alexnet.parquet")
    assert done.returncode == 0, done.stdout
    check = tables.read(workflow / "results/network_checks/alexnet.parquet", "network_checks").iloc[0]
    assert check.problem == "" and check.jvp and check.vjp and check.random_weights
    assert check.parameters == 61_100_840


def touch_local_copy(folder, subjects, sessions, suffix):
    """Empty files under the names of NSD's bucket: enough for a dry run."""
    names = ["nsddata/experiments/nsd/nsd_expdesign.mat"]
    for subject in subjects:
        anatomy = f"nsddata/ppdata/{subject}/func1pt8mm"
        betas = f"nsddata_betas/ppdata/{subject}/func1pt8mm/betas_fithrf_GLMdenoise_RR"
        names += [f"{anatomy}/brainmask.nii.gz", f"{betas}/ncsnr.nii.gz"]
        for atlas in ("floc-faces", "floc-bodies", "floc-places"):
            names += [f"{anatomy}/roi/{side}{atlas}.nii.gz" for side in ("", "lh.")]
            names.append(f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab")
        names += [f"{betas}/betas_session{session:02d}.{suffix}" for session in sessions]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "nsddata/stimuli/nsd/shared1000").mkdir(parents=True)


@pytest.mark.parametrize("suffix", ["nii.gz", "hdf5"])
def test_a_local_copy_is_used_in_place_and_a_missing_session_is_named(workflow, tmp_path, suffix):
    subjects = [f"subj{number:02d}" for number in range(1, 9)]
    touch_local_copy(tmp_path / "nsd", subjects, range(1, 31), suffix)
    local = f"nsd={{source: local, folder: {tmp_path}/nsd, format: {suffix}}}"
    arguments = ["--configfile", "config/nsd.yaml", "--config", local]
    listed = jobs(workflow, *arguments)
    assert listed["prepare_responses"] == 8
    assert not [rule for rule in listed if rule.startswith(("download", "simulate"))]
    gone = f"subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session17.{suffix}"
    next((tmp_path / "nsd").rglob(gone)).unlink()
    done = snakemake(workflow, "-n", *arguments)
    assert done.returncode != 0 and gone in done.stdout


def test_a_folder_that_is_not_there_and_a_wrong_source_are_refused_by_name(workflow):
    missing = snakemake(workflow, "-n", "--config", "nsd={source: local, folder: nowhere}")
    assert "nsd.folder: 'nowhere' is no folder" in missing.stdout
    nothing = snakemake(workflow, "-n", "--config", "nsd={source: local}")
    assert "nsd.folder: '' is no folder" in nothing.stdout
    unknown = snakemake(workflow, "-n", "--config", "nsd={source: bucket}")
    assert "nsd.source: 'bucket' is not one of ['miniature', 'nsd', 'local', 'own']" in unknown.stdout


def own_data(folder, repetitions):
    """60 images, two animals with four units in IT each, that answer to the mean of red; and the overlay."""
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
    assert not {"prepare_stimuli", "simulate_nsd", "plot_agreement"} & set(listed)
    wanted = ["results/readouts/targets.parquet", "results/scores/resnet_standard.parquet"]
    done = snakemake(folder, "--cores", "2", *MICRO, overlay, "--", *wanted)
    assert done.returncode == 0, done.stdout
    voxels = tables.read(folder / "results/nsd/voxels/ape_1.parquet", "voxels")
    assert list(voxels.name) == [f"unit_{number}" for number in range(4)]
    targets = tables.read(folder / wanted[0], "targets").set_index(["subject", "roi"])
    scores = tables.read(folder / wanted[1], "scores")
    assert set(scores.roi) == {"IT"} and scores.r_over_ceiling.isna().all() == (repetitions == 1)
    if repetitions == 1:
        assert targets.ceiling.isna().all()
    else:  # the mean of four units and three repetitions is nearly free of noise
        assert targets.ceiling.between(0.95, 1).all()
    (tmp_path / "data/images/cat_003.png").write_bytes((tmp_path / "data/images/cat_004.png").read_bytes())
    assert (
        jobs(folder, *MICRO, overlay, "--", wanted[0])["import_responses"] == 1
    )  # a replaced image is noticed
