"""Common: the configuration is checked here, once, and turned into the names that several rule files use.

reads   config/config.yaml and the table of networks that it names
makes   ROWS, NETWORKS, MODELS, SUBJECTS, SOURCE and other names; how jobs get the files of a model
"""

import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

if not isinstance(workflow.current_basedir, os.PathLike):
    raise WorkflowError(
        f"codingaxes is used as a module from {workflow.current_basedir}, but its scripts import a package beside "
        "them, which Snakemake does not fetch: clone the repository, and name the clone's workflow/Snakefile"
    )
# The folder of this workflow, also where it is a module of another.
CODE = Path(workflow.current_basedir).resolve().parent
sys.path.append(str(CODE / "workflow" / "scripts"))

from codingaxes import (
    configuration,
    configuration_limits,
    configuration_scoring,
    configuration_synthesis,
    memory,
    provenance,
)
from codingaxes.miniature import recipes
from codingaxes.names import BRAIN
from codingaxes.networks import requirements

SCHEMAS = CODE / "config" / "schemas"
# Before names of files that come with the workflow, where it is used as a module from another folder.
HOME = "" if CODE == Path.cwd() else f"{CODE}/"
SHIPPED_ZOO = f"{HOME}resources/zoo"

try:
    configuration_limits.check_folder(workflow.basedir)
    config.update(configuration.checked(config, SCHEMAS, files=workflow.configfiles))
    ROWS = configuration.read_networks(
        config["networks"], configuration.read_schema(SCHEMAS, "networks"), code=CODE
    )
    configuration.check_zoo(ROWS, config, SHIPPED_ZOO)
    BRAIN_NETWORK = configuration.brain_of(ROWS, config)
    configuration_limits.check_limits(config, ROWS)
    configuration_synthesis.check_synthesis(config)
    SCORED = configuration_scoring.check_scoring(config)
except configuration.ConfigurationError as error:
    raise WorkflowError(str(error)) from None

SOURCE = config["nsd"]["source"]
SESSIONS = {subject: n for subject, n in config["nsd"]["sessions"].items() if n > 0}
SUBJECTS = config["own"]["subjects"] if SOURCE == "own" else list(SESSIONS)
# Regions in the order of the study, which a table sorted by name has lost.
REGION_ORDER = list(config["own" if SOURCE == "own" else "nsd"]["regions"])
NETWORKS = [name for name in ROWS if name != BRAIN_NETWORK]
ZOO = [name for name in ROWS if ROWS[name]["source"] == "zoo"]
# Digests of shipped weights, so that others in their place count whatever their time is.
SHIPPED = {
    name: {"sha256": recipes.read(f"{SHIPPED_ZOO}/{name}.json").sha256}
    for name in ZOO
    if not config["zoo"]["retrain"]
}
HAS_BRAIN = SOURCE == "miniature"
MODELS = NETWORKS + [BRAIN] * HAS_BRAIN
try:
    EXCITING_MAKERS = configuration_synthesis.exciting_makers(config, ROWS, MODELS)
except configuration.ConfigurationError as error:
    raise WorkflowError(str(error)) from None
# In the order in which jobs about pairs come: a model's job has the pairs with those before it.
PAIR_ORDER = [BRAIN] * HAS_BRAIN + NETWORKS

STUDY = memory.Study(config, {name: ROWS.get(name) for name in MODELS}, len(SUBJECTS))
# A job that runs a network asks for one GPU, unless the study runs on the processor; with auto it takes what it gets.
# Where nobody grants GPUs, as on one machine without a limit, that asks for nothing.
GPU = int(config["device"] != "cpu")
OPTIONAL = {"transformers", "open_clip", "cornet"} & {row["source"] for row in ROWS.values()}
TORCH = "../envs/hubs.yaml" if OPTIONAL else "../envs/torch.yaml"


wildcard_constraints:
    network="|".join(NETWORKS),
    model="|".join(MODELS),
    subject="|".join(SUBJECTS),
    session="[0-9]{2}",


def unwatched(value):
    """Give a job a value that does not make it run again when it changes, such as the address of a server.

    Snakemake does not compare a parameter that is a function of the job's outputs.
    """

    def parameter(wildcards, output):
        return value

    return parameter


def function_of(name):
    """Give what makes the function of a model that is a network; None for the simulated brain."""
    return None if name == BRAIN else configuration.function_of(ROWS[name]) | SHIPPED.get(name, {})


def function_of_network(wildcards):
    """Give what makes the function of the network that a job is about."""
    return function_of(wildcards.network)


def function_of_model(wildcards):
    """Give what makes the function of the model that a job is about; None for the simulated brain."""
    return function_of(wildcards.model)


def weights_of(wildcards):
    """Name the weights of a network: shipped, trained here, or fetched."""
    return model_files(wildcards.network)["weights"]


def weights_folder(name):
    """Name the folder of a network's weights: shipped, trained here, or fetched."""
    if name not in ZOO:
        return "resources/weights"
    return "results/networks/trained" if config["zoo"]["retrain"] else SHIPPED_ZOO


def model_files(name):
    """Name the files that make up a model: a network with its readouts, or the simulated brain with its units."""
    if name == BRAIN:
        return {
            "brain": "resources/simulated_brain.npz",
            "voxels": expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
            "targets": "results/readouts/targets.parquet",
        }
    return {
        "weights": f"{weights_folder(name)}/{name}.safetensors",
        "readouts": f"results/readouts/readouts/{name}.parquet",
        "bases": f"results/readouts/bases/{name}.parquet",
    }


def files_of_model(wildcards):
    """Name the files of the model that a job is about, each as the input model.{part}."""
    return {f"model.{part}": file for part, file in model_files(wildcards.model).items()}


def mem(estimate, *about):
    """Ask for the memory of a job, and for as much again at each further attempt: one that had too little gets more.

    Attempts follow each other where a profile has `retries`, as profiles/slurm does.
    """

    def resource(wildcards, attempt):
        return f"{attempt * estimate(STUDY, *about)}MB"

    return resource


@cache
def code_of(script):
    """Give the digest of a script's code to the jobs that are planned: all scripts together take seconds."""

    @cache
    def digest():
        return provenance.code_of(script)

    return lambda wildcards: digest()


def mem_of_row(estimate, *about):
    """Ask for the memory of each job by the row of its network or model; None is the row of the simulated brain."""

    def resource(wildcards, attempt):
        name = getattr(wildcards, "network", None) or wildcards.model
        return mem(estimate, ROWS.get(name), *about)(wildcards, attempt)

    return resource
