"""Shared by all rooms: the configuration is checked here, once, and turned into names.

reads   config/config.yaml, the table of networks that it names
makes   NETWORKS, MODELS, REGIONS, SUBJECTS, FIGURES; helpers that rules use
"""

import csv
import sys
from pathlib import Path

import jsonschema
import yaml
from snakemake.exceptions import WorkflowError

sys.path.append(str(Path(workflow.basedir) / "workflow" / "scripts"))

from codingaxes.provenance import code_of

SCHEMAS = Path(workflow.basedir) / "config" / "schemas"


def check(content, schema, where):
    """Hold `content` to a schema; an error names the key, the value and what is allowed."""
    rules = yaml.safe_load((SCHEMAS / f"{schema}.schema.yaml").read_text())
    lines = []
    for error in jsonschema.Draft202012Validator(rules).iter_errors(content):
        place = ".".join(map(str, error.absolute_path)) or "top level"
        if error.validator == "additionalProperties" and "properties" in error.schema:
            unknown = sorted(set(error.instance) - set(error.schema["properties"]))
            allowed = ", ".join(error.schema["properties"])
            lines.append(f"{place}: unknown key {', '.join(unknown)}; allowed are {allowed}")
        else:
            lines.append(f"{place}: {error.message}")
    if lines:
        raise WorkflowError(f"{where} is not valid:\n  " + "\n  ".join(lines))


def read_networks(path):
    """The table of networks as a dict by name, each row checked by its schema."""
    if not Path(path).is_file():
        raise WorkflowError(f"networks: {path} is not there; the configuration names the table of networks")
    found, seeds = {}, {}
    with open(path, newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
            row = {
                key: yaml.safe_load(value) if key in ("training_radius", "seed") else value
                for key, value in row.items()
            }
            check(row, "networks", f"{path}, line {number}")
            name = row.pop("name")
            if name in found or name in ("simulated_brain", "none"):
                raise WorkflowError(f"{path}, line {number}: the name {name} is taken")
            if row["seed"] in seeds:
                raise WorkflowError(
                    f"{path}, line {number}: {name} has the seed of {seeds[row['seed']]}; "
                    "networks of one initial state are similar for that reason alone"
                )
            found[name], seeds[row["seed"]] = row, name
    if not found:
        raise WorkflowError(f"{path} lists no network")
    return found


def check_together(config):
    """What a schema cannot say: keys that have to agree."""
    if max(config["similarity"]["k"]) > config["eigenvectors"]["rank"]:
        raise WorkflowError("similarity.k: at most eigenvectors.rank axes are kept")
    if config["eigenvectors"]["max_steps"] < config["eigenvectors"]["rank"]:
        raise WorkflowError("eigenvectors.max_steps: at least eigenvectors.rank products are needed")
    if config["readouts"]["alphas"]["smallest"] >= config["readouts"]["alphas"]["largest"]:
        raise WorkflowError("readouts.alphas: smallest must be below largest")
    if not any(config["nsd"]["sessions"].values()):
        raise WorkflowError("nsd.sessions: at least one subject must have completed a session")
    if config["nsd"]["source"] == "local" and not Path(config["nsd"]["folder"]).is_dir():
        raise WorkflowError(f"nsd.folder: {config['nsd']['folder']!r} is no folder; nsd.source is local")


check(config, "config", "the configuration")
check_together(config)

ZOO = read_networks(config["networks"])
NETWORKS = list(ZOO)
BRAIN = ["simulated_brain"] if config["nsd"]["source"] == "miniature" else []
MODELS = NETWORKS + BRAIN
GPU = int(config["device"] == "cuda")
REGIONS = list(config["nsd"]["regions"])
SESSIONS = {subject: n for subject, n in config["nsd"]["sessions"].items() if n > 0}
SUBJECTS = list(SESSIONS)
NSD = "resources/nsd" if config["nsd"]["source"] == "miniature" else config["nsd"]["folder"].rstrip("/")
ANATOMY = f"{NSD}/nsddata/ppdata/{{subject}}/{config['nsd']['space']}"
BETAS = f"{NSD}/nsddata_betas/ppdata/{{subject}}/{config['nsd']['space']}/{config['nsd']['betas']}"
LABELS = f"{NSD}/nsddata/freesurfer/{{subject}}/label"
ATLASES = sorted({region["atlas"] for region in config["nsd"]["regions"].values()})
FIGURES = [
    "predicted_vs_measured",
    "predictivity_vs_accuracy",
    "predictivity_vs_sensitivity",
    "sensitivity_vs_representation",
    "attack_effects",
    "transfer_matrix",
    "similarity_matrix",
    "similarity_levels",
    "axes",
    "example_perturbations",
] + (["agreement"] if BRAIN else [])


wildcard_constraints:
    network="|".join(NETWORKS),
    model="|".join(MODELS),
    subject="|".join(SUBJECTS),


def betas_of(wildcards):
    """All sessions of one subject, in order."""
    sessions = range(1, SESSIONS[wildcards.subject] + 1)
    return [
        f"{BETAS}/betas_session{session:02d}.nii.gz".format(subject=wildcards.subject) for session in sessions
    ]


def row_of(wildcards):
    """The row of the networks table that a job is about; empty for the simulated brain."""
    return ZOO.get(wildcards.get("network", wildcards.get("model")), {})


def parts_of_model(wildcards):
    """The files that make up a model: a network with its readouts, or the simulated brain with its units."""
    if wildcards.model in BRAIN:
        return {
            "brain": "resources/simulated_brain.npz",
            "voxels": expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
            "targets": "results/readouts/targets.parquet",
        }
    return {
        "weights": f"resources/zoo/{wildcards.model}.safetensors",
        "readouts": f"results/readouts/{wildcards.model}.parquet",
        "bases": f"results/bases/{wildcards.model}.parquet",
    }
