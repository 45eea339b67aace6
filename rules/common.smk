"""Common: the configuration is checked here, once, and turned into the names that several rule files use.

reads   config/config.yaml and the table of networks that it names
makes   ROWS, NETWORKS, MODELS, SUBJECTS, SOURCE and other names; how jobs get the files of a model
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.append(str(Path(workflow.basedir) / "workflow" / "scripts"))

from codingaxes import configuration, configuration_limits, configuration_synthesis
from codingaxes.miniature import recipes
from codingaxes.names import BRAIN
from codingaxes.networks import requirements
from codingaxes.provenance import code_of

SCHEMAS = Path(workflow.basedir) / "config" / "schemas"

try:
    configuration_limits.check_folder(workflow.basedir)
    config.update(configuration.checked(config, SCHEMAS))
    ROWS = configuration.read_networks(
        config["networks"], configuration.read_schema(SCHEMAS, "networks"), code=workflow.basedir
    )
    configuration.check_zoo(ROWS, config, "resources/zoo")
    BRAIN_NETWORK = configuration.brain_of(ROWS, config)
    configuration_limits.check_limits(config, ROWS)
    configuration_synthesis.check_synthesis(config)
except configuration.ConfigurationError as error:
    raise WorkflowError(str(error)) from None

SOURCE = config["nsd"]["source"]
SESSIONS = {subject: n for subject, n in config["nsd"]["sessions"].items() if n > 0}
SUBJECTS = config["own"]["subjects"] if SOURCE == "own" else list(SESSIONS)
NETWORKS = [name for name in ROWS if name != BRAIN_NETWORK]
ZOO = [name for name in ROWS if ROWS[name]["source"] == "zoo"]
# Digests of shipped weights, so that others in their place count whatever their time is.
SHIPPED = {
    name: {"sha256": recipes.read(f"resources/zoo/{name}.json").sha256}
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

GPU = int(config["device"] == "cuda")
MODEL_MEMORY = (
    "4GB" if set(NETWORKS) <= set(ZOO) else "16GB"
)  # the largest pretrained network has 4 GB of weights
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


def function_of_network(wildcards):
    """Give what makes the function of the network that a job is about."""
    name = wildcards.network
    return configuration.function_of(ROWS[name]) | SHIPPED.get(name, {})


def function_of_model(wildcards):
    """Give what makes the function of a model that is a network; None for the simulated brain."""
    name = wildcards.model
    return None if name == BRAIN else configuration.function_of(ROWS[name]) | SHIPPED.get(name, {})


def weights_of(wildcards):
    """Name the weights of a network: shipped, trained here, or fetched."""
    return model_files(wildcards.network)["weights"]


def weights_folder(name):
    """Name the folder of a network's weights: shipped, trained here, or fetched."""
    if name not in ZOO:
        return "resources/weights"
    return "results/networks/trained" if config["zoo"]["retrain"] else "resources/zoo"


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
