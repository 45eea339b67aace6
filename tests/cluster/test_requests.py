"""Tests of what jobs ask a cluster for, and of what is downloaded before: dry runs of the full study."""

import re
from collections import defaultdict

import pytest
import yaml
from studies import MICRO, ROOT, TARGET_RULES, copy_to, jobs, snakemake

NSD = ("--configfile", "config/nsd.yaml")
NETWORK_RULES = {
    "extract_features",
    "attack_images",
    "measure_sensitivity",
    "measure_transfer",
    "compute_eigenvectors",
    "synthesise_perturbations",
    "synthesise_images",
    "review_images",
    "make_stimuli",
    "predict_stimuli",
}
OF_MINIATURE = {"hold_out_category"}  # of other data only if a table of categories is named
OF_OTHERS = {"score_stimuli"}  # only if a folder of images made elsewhere is named
DOWNLOADS = {"download_design", "download_stimuli", "download_anatomy", "download_session", "fetch_weights"}
PROFILE = ROOT / "profiles/slurm/config.yaml"

pytestmark = pytest.mark.slow  # each of them runs Snakemake


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A copy of the workflow without any result."""
    return copy_to(tmp_path_factory.mktemp("workflow"))


def requests(workflow, *arguments):
    """Read from a dry run what the jobs of each rule ask for: rule -> list of dicts, a value each."""
    done = snakemake(workflow, "-n", *arguments)
    assert done.returncode == 0, done.stdout
    asked = defaultdict(list)
    for rule, resources in re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", done.stdout, re.M):
        if rule not in TARGET_RULES:
            asked[rule].append(dict(part.split("=") for part in resources.split(", ")))
    return asked


def numbers(asked, resource):
    """Collect the different values of a resource that each rule's jobs ask for."""
    return {
        rule: {int(one[resource]) for one in of_jobs if resource in one} for rule, of_jobs in asked.items()
    }


@pytest.fixture(scope="module")
def first(workflow):
    """What jobs ask for at their first attempt."""
    return requests(workflow, *NSD)


def test_exactly_the_rules_that_run_networks_ask_for_one_gpu(first):
    asked = {rule: gpus for rule, gpus in numbers(first, "gpu").items() if gpus}
    assert asked == {rule: {1} for rule in NETWORK_RULES}


def test_a_study_on_the_processor_asks_for_no_gpu(workflow):
    asked = numbers(requests(workflow, *MICRO, "--config", "device=cpu"), "gpu")
    assert set(asked) > NETWORK_RULES | OF_MINIATURE and set().union(*asked.values()) == {0}


def test_every_job_states_its_run_time_and_memory(first):
    assert all(
        "runtime" in job and int(job["mem_mb"]) >= 400 for of_jobs in first.values() for job in of_jobs
    )


def test_jobs_that_run_networks_ask_for_more_memory_each_time_they_are_tried_again(workflow, first):
    third = requests(workflow, *NSD, "--attempt", "3")
    memory, more = numbers(first, "mem_mb"), numbers(third, "mem_mb")
    assert {rule: more[rule] for rule in NETWORK_RULES} == {
        rule: {3 * size for size in memory[rule]} for rule in NETWORK_RULES
    }
    assert all(min(more[rule]) >= min(memory[rule]) for rule in memory)


def test_the_thorough_settings_ask_for_no_less(workflow, first):
    thorough = requests(workflow, *NSD, "config/nsd_thorough.yaml")
    assert numbers(thorough, "gpu") == numbers(first, "gpu")
    for resource in ("mem_mb", "runtime"):
        least, asked = numbers(first, resource), numbers(thorough, resource)
        assert all(max(asked[rule]) >= max(least[rule]) for rule in least)


def test_the_profile_has_one_place_for_what_a_cluster_wants_of_gpu_jobs():
    text = PROFILE.read_text()
    wanted = yaml.safe_load(text)["set-resources"]
    assert set(wanted) == NETWORK_RULES | OF_MINIATURE | OF_OTHERS
    assert {str(one) for one in wanted.values()} == {"{'nodes': 1}"}
    example = re.search(r"&gpu \{nodes: 1, .+?\}", text)[0]
    edited = yaml.safe_load(re.sub(r"(?m)^(  \w+: )&gpu \{nodes: 1\}$", rf"\1{example}", text))
    for one in edited["set-resources"].values():
        assert one == {"nodes": 1, "slurm_partition": "gpu", "gpu_model": "a100", "runtime": "8h"}


def test_the_target_fetch_makes_exactly_the_downloads(workflow, first):
    assert jobs(workflow, "fetch", *NSD) == {rule: len(first[rule]) for rule in DOWNLOADS}


def test_the_miniature_has_nothing_to_fetch(workflow):
    assert jobs(workflow, "fetch", *MICRO) == {}
