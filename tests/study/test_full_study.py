"""The full study as far as it goes without a network: dry runs and refusals."""

import csv

import pytest
from studies import copy_to, jobs, snakemake

from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A copy of the workflow without any result."""
    return copy_to(tmp_path_factory.mktemp("workflow"))


def test_a_dry_run_of_the_full_study_needs_no_network_and_stays_below_600_jobs(workflow):
    with open(workflow / "config/networks.tsv", newline="") as file:
        n_networks = len(list(csv.DictReader(file, delimiter="\t")))
    assert n_networks == 18
    listed = jobs(workflow, "--configfile", "config/nsd.yaml")
    assert sum(listed.values()) < 600
    # sessions 1 to 30 of eight subjects, whoever completed more
    assert listed["download_session"] == 240 and listed["download_anatomy"] == 8
    assert listed["download_design"] == listed["download_stimuli"] == 1
    elsewhere = ["--config", "nsd={endpoint: 'http://127.0.0.1:1/bucket'}", "hub=http://127.0.0.1:1"]
    assert jobs(workflow, "--configfile", "config/nsd.yaml", *elsewhere) == listed
    per_network = {"fetch_weights", "extract_features", "fit_readouts", "attack_images"}
    per_network |= {"measure_sensitivity", "measure_transfer", "compute_eigenvectors"}
    assert {listed[rule] for rule in per_network} == {n_networks}
    assert not {"simulate_nsd", "train_network", "summarise_agreement", "plot_agreement"} & set(listed)


def test_the_thorough_settings_come_on_top_and_stay_below_600_jobs(workflow):
    lean = jobs(workflow, "--configfile", "config/nsd.yaml")
    thorough = jobs(workflow, "--configfile", "config/nsd.yaml", "config/nsd_thorough.yaml")
    # every network makes exciting images, and nothing else is another job
    assert lean["synthesise_images"] == 2 and thorough == {**lean, "synthesise_images": 18}
    assert sum(thorough.values()) < 600


def test_the_design_that_separates_robustness_from_architecture_is_a_study_of_its_own(workflow):
    crossed = ["--configfile", "config/nsd.yaml", "--config", "networks=config/networks_crossed.tsv"]
    listed = jobs(workflow, *crossed)
    assert listed["fetch_weights"] == listed["attack_images"] == 14 and sum(listed.values()) < 600


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
    settings = "nsd={terms_accepted: true, min_t: 2.5, sessions: {subj04: 29}}"
    listed = jobs(workflow, "--configfile", "config/nsd.yaml", "--config", settings)
    assert listed["download_session"] == 8 * 29


def test_what_downloads_nothing_from_nsd_needs_no_consent(workflow):
    settings = ["--configfile", "config/nsd.yaml", "--config", "random_weights=true"]
    done = snakemake(workflow, "--cores", "1", *settings, "--", "results/networks/checks/alexnet.parquet")
    assert done.returncode == 0, done.stdout
    check = store.read(workflow / "results/networks/checks/alexnet.parquet", NETWORK_CHECKS).iloc[0]
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
    # at once, not by Snakemake when a job needs it: a finished study of other data needs none
    assert "nsd.folder: 1 of" in done.stdout
