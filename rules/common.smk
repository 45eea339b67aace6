"""Shared by all rooms: the configuration is checked here, once, and turned into names.

reads   config/config.yaml, the table of networks that it names
makes   NETWORKS, MODELS, REGIONS, SUBJECTS, FIGURES; helpers that rules use
"""

import csv
import os
import sys
from hashlib import sha256
from math import isfinite
from pathlib import Path

import jsonschema
import yaml
from snakemake.exceptions import WorkflowError

sys.path.append(str(Path(workflow.basedir) / "workflow" / "scripts"))

from codingaxes.provenance import code_of

FUNCTION = ("name", "source", "identifier", "input_size", "mean", "std", "interpolation", "layers")
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


def typed(value, rules):
    """A setting from the command line, where Snakemake leaves what stands in braces text, as its schema wants it."""
    if isinstance(value, dict):
        patterns = list(rules.get("patternProperties", {}).values())
        other = patterns[0] if patterns else rules.get("additionalProperties")
        inside = rules.get("properties", {})
        return {key: typed(part, inside.get(key, other) or {}) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part, rules.get("items", {})) for part in value]
    wanted = rules.get("type", "string")
    return yaml.safe_load(value) if isinstance(value, str) and wanted != "string" else value


def parsed(row, where):
    """A row of a table of networks with numbers and lists instead of text; empty cells are left out."""
    numbers = ("input_size", "top1", "training_radius", "seed")
    lists = {"mean": float, "std": float, "layers": str.strip}
    if None in row:
        raise WorkflowError(f"{where}: more cells than columns, the first too many is {row[None][0]!r}")
    found = {key: value.strip() for key, value in row.items() if key and value and value.strip()}
    where = f"{where}, network {found.get('name')}"
    for key in found:
        try:
            if key in numbers:
                found[key] = yaml.safe_load(found[key])
            elif key in lists:
                found[key] = [lists[key](part) for part in found[key].split(",")]
        except (ValueError, yaml.YAMLError):
            what = "numbers with commas between" if key in lists else "a number"
            raise WorkflowError(f"{where}: {key} is {found[key]!r}, expected {what}") from None
    if not all(map(isfinite, [*found.get("mean", []), *found.get("std", [])])):
        raise WorkflowError(f"{where}: mean and std must be finite")
    check(found, "networks", where)
    return found


def read_networks(path):
    """The table of networks as a dict by name, each row checked by its schema, and its files for being there."""
    if not Path(path).is_file():
        raise WorkflowError(f"networks: {path} is not there; the configuration names the table of networks")
    try:
        rows = list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except UnicodeDecodeError as error:
        raise WorkflowError(f"networks: {path} is no table in UTF-8 ({error})") from None
    found, seeds = {}, {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        row = parsed(row, where)
        name, seed = row["name"], row.get("seed")
        if name in found or name in ("simulated_brain", "none", "random"):
            raise WorkflowError(f"{where}: the name {name} is taken")
        if row["source"] == "zoo" and seed in seeds:
            raise WorkflowError(
                f"{where}: {name} has the seed of {seeds[seed]}; "
                "networks of one initial state are similar for that reason alone"
            )
        for file in files_here(row):
            if not Path(file).is_file():
                raise WorkflowError(f"{where}: network {name} needs {file}, which is not there")
        found[name], seeds[seed] = row, name
    if not found:
        raise WorkflowError(f"{path} lists no network")
    return found


def files_here(row):
    """Files on this machine that a network is made of: its own code, weights that need no download."""
    code = [row["identifier"].partition(":")[0]] if row["source"] == "python" else []
    # as networks find it: below the folder of the Snakefile, wherever Snakemake works
    if code and Path.cwd() != Path(workflow.basedir):
        code = [str(Path(workflow.basedir, code[0]))]
    return code + [part for part in row.get("weights", "").split() if "://" not in part]


def check_together(config):
    """What a schema cannot say: keys that have to agree."""
    nsd, own = config["nsd"], config["own"]
    if max(config["similarity"]["k"]) > config["eigenvectors"]["rank"]:
        raise WorkflowError("similarity.k: at most eigenvectors.rank axes are kept")
    if config["eigenvectors"]["max_steps"] < config["eigenvectors"]["rank"]:
        raise WorkflowError("eigenvectors.max_steps: at least eigenvectors.rank products are needed")
    if config["readouts"]["alphas"]["smallest"] >= config["readouts"]["alphas"]["largest"]:
        raise WorkflowError("readouts.alphas: smallest must be below largest")
    if not any(nsd["sessions"].values()):
        raise WorkflowError("nsd.sessions: at least one subject must have completed a session")
    if nsd["source"] == "local":
        if not nsd["folder"] or not Path(nsd["folder"]).expanduser().is_dir():
            raise WorkflowError(f"nsd.folder: {nsd['folder']!r} is no folder; nsd.source is local")
        if {"{", "}"} & set(nsd["folder"]):
            raise WorkflowError(
                f"nsd.folder: {nsd['folder']!r} has braces, which stand for wildcards; link to it"
            )
    if nsd["source"] == "own":
        if not (Path(own["images"]).is_dir() and Path(own["responses"]).is_file()):
            raise WorkflowError(
                f"own.images: {own['images']!r} must be a folder, own.responses: {own['responses']!r} a file"
            )
        if not (own["subjects"] and own["regions"]):
            raise WorkflowError("own.subjects, own.regions: name at least one of each")


def accept_terms(config, jobs):
    """Refuse to download from NSD before its terms are accepted; a dry run asks for nothing."""
    if not config["nsd"]["terms_accepted"] and any(job.rule.name.startswith("download_") for job in jobs):
        raise WorkflowError(
            "nsd.terms_accepted is false, so nothing is downloaded. Read NSD's terms, "
            "https://cvnlab.slite.com/api/s/note/9dgh5HCqgZYhMoAESZBS86/Terms-and-Conditions, and sign its Data "
            "Access Agreement, https://forms.gle/xue2bCdM9LaFNMeb7. Then say so: --config "
            "'nsd={terms_accepted: true}'. To read a copy that you have: --config "
            "'nsd={source: local, folder: /your/copy}'."
        )


config.update(typed(config, yaml.safe_load((SCHEMAS / "config.schema.yaml").read_text())))
check(config, "config", "the configuration")
check_together(config)

ZOO = read_networks(config["networks"])
NETWORKS = list(ZOO)
# What a job may know and yet not run again when it changes: addresses of servers, digests of what they give.
config["site"] = {
    "endpoint": config["nsd"]["endpoint"],
    "hub": config["hub"],
    "sha256": {name: row.get("sha256", "") for name, row in ZOO.items()},
}
TRAINED = [name for name in NETWORKS if ZOO[name]["source"] == "zoo"]
FETCHED = [name for name in NETWORKS if name not in TRAINED]
SOURCE = config["nsd"]["source"]
BRAIN = ["simulated_brain"] if SOURCE == "miniature" else []
MODELS = NETWORKS + BRAIN
ORDER = BRAIN + NETWORKS  # of jobs about pairs: a model's job has the pairs with those before it
GPU = int(config["device"] == "cuda")
HUBS = {"transformers", "open_clip", "cornet"} & {row["source"] for row in ZOO.values()}
MODEL_MEMORY = "4GB" if TRAINED == NETWORKS else "16GB"  # the largest pretrained network has 4 GB of weights
TORCH = "../envs/hubs.yaml" if HUBS else "../envs/torch.yaml"

# The layout of NSD's bucket, below the folder where it is made, downloaded or found.
NSD = {"miniature": "resources/miniature", "local": str(Path(config["nsd"]["folder"]).expanduser())}.get(
    SOURCE, "resources/nsd"
)
SUBJECT = f"{NSD}/nsddata/ppdata/{{subject}}"
ANATOMY = f"{SUBJECT}/{config['nsd']['space']}"
BEHAVIOUR = f"{SUBJECT}/behav/responses.tsv"
BETAS = f"{NSD}/nsddata_betas/ppdata/{{subject}}/{config['nsd']['space']}/{config['nsd']['betas']}"
LABELS = f"{NSD}/nsddata/freesurfer/{{subject}}/label"
DESIGN = f"{NSD}/nsddata/experiments/nsd/nsd_expdesign.mat"
STIMULI = f"{NSD}/nsddata/stimuli/nsd/shared1000"
SUFFIX = config["nsd"]["format"]
REGIONS = config["nsd"]["regions"].values()
# Sessions are cut to these, so that another choice of regions in them fetches nothing again.
STORED = sorted({"floc-bodies", "floc-faces", "floc-places"} | {region["atlas"] for region in REGIONS})
ATLASES = sorted({region["atlas"] for region in REGIONS})
CONTRASTS = sorted({region["contrast"] for region in REGIONS})
T_MAPS = [] if config["nsd"]["min_t"] is None else CONTRASTS  # those that choose voxels
SESSIONS = {subject: n for subject, n in config["nsd"]["sessions"].items() if n > 0}
NEEDED = min(SESSIONS.values())  # all subjects share one order of trials: what all saw, all saw by then
SESSION = (  # voxels of the atlases, cut out as soon as a session was downloaded; or the whole session in place
    "results/nsd/sessions/{subject}/{session:02d}.parquet"
    if SOURCE == "nsd"
    else f"{BETAS}/betas_session{{session:02d}}.{SUFFIX}"
)
SUBJECTS = config["own"]["subjects"] if SOURCE == "own" else list(SESSIONS)

FIGURES = [
    "predicted_vs_measured",
    "predictivity_vs_accuracy",
    "predictivity_vs_sensitivity",
    "sensitivity_vs_representation",
    "attack_effects",
    "sensitivity",
    "transfer_matrix",
    "fixed_effect",
    "attack_algorithms",
    "similarity_matrix",
    "similarity_levels",
    "axes",
    "example_perturbations",
] + (["agreement"] if BRAIN else [])
if not any(row["source"] == "zoo" or "top1" in row for row in ZOO.values()):
    FIGURES.remove("predictivity_vs_accuracy")
NUMBERS = [
    "results/effects.txt",
    "results/controls.csv",
    "results/sensitivities.csv",
    "results/transfers.csv",
]
if config["attacks"]["algorithms"]:
    NUMBERS.append("results/algorithms.csv")
else:
    FIGURES.remove("attack_algorithms")
if not config["attacks"]["effects"]:
    FIGURES.remove("fixed_effect")


wildcard_constraints:
    network="|".join(NETWORKS),
    model="|".join(MODELS),
    subject="|".join(SUBJECTS),
    session="[0-9]{2}",


def behaviour_of(wildcards):
    """The table of a subject's trials, against which the design is checked where it is there."""
    file = BEHAVIOUR.format(subject=wildcards.subject)
    return [file] if SOURCE != "local" or Path(file).is_file() else []


def weights_of(wildcards):
    """The weights of a network: trained here, or fetched."""
    return files_of(wildcards.network)["weights"]


def function_of(name):
    """Of a row, what makes the network's function: a changed citation, say, reruns nothing."""
    return {key: ZOO[name][key] for key in FUNCTION}


def network_of(wildcards):
    """What makes the function of the network that a job is about."""
    return function_of(wildcards.network)


def stamp_of(folder):
    """What changes when a file of a folder is replaced: a digest of names, sizes and times."""
    entries = sorted(
        (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in os.scandir(folder)
    )
    return sha256(repr(entries).encode()).hexdigest()[:16]


def training_of(wildcards):
    """What makes a network of the zoo, trained."""
    row = ZOO[wildcards.network]
    return function_of(wildcards.network) | {key: row[key] for key in ("training_radius", "seed")}


def weights_row_of(wildcards):
    """What makes the weights of a pretrained network."""
    row = ZOO[wildcards.network]
    return function_of(wildcards.network) | {key: row.get(key, "") for key in ("weights", "format")}


def files_of_weights(wildcards):
    """Files here that a network's weights are made of."""
    return files_here(ZOO[wildcards.network])


def weights_to_check(wildcards):
    """The weights of a network; none where random ones are asked for."""
    return [] if config["random_weights"] else [weights_of(wildcards)]


def networks_of_model(wildcards):
    """What makes the function of a model that is a network, by its name; empty for the simulated brain."""
    return {wildcards.model: function_of(wildcards.model)} if wildcards.model in ZOO else {}


def files_of(name):
    """The files that make up a model: a network with its readouts, or the simulated brain with its units."""
    if name in BRAIN:
        return {
            "brain": "resources/simulated_brain.npz",
            "voxels": expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
            "targets": "results/readouts/targets.parquet",
        }
    return {
        "weights": f"resources/{'zoo' if name in TRAINED else 'weights'}/{name}.safetensors",
        "readouts": f"results/readouts/{name}.parquet",
        "bases": f"results/bases/{name}.parquet",
    }


def parts_of_model(wildcards):
    """The files that make up the model that a job is about."""
    return files_of(wildcards.model)


def up_to(model):
    """The models before one, and itself."""
    return ORDER[: ORDER.index(model) + 1]


def parts_of_pairs(wildcards):
    """The files that make up these models, and the perturbations made on them."""
    names = up_to(wildcards.model)
    parts = {
        "perturbations": [f"results/attacks/{name}.parquet" for name in names],
        "variants": [f"results/variants/{name}.parquet" for name in names],
    }
    for name in names:
        for part, file in files_of(name).items():
            parts[part] = [*parts.get(part, []), file] if name in ZOO else file
    return parts


def functions_of_pairs(wildcards):
    """What makes the functions of these networks, in the order of their files."""
    return {name: function_of(name) for name in up_to(wildcards.model) if name in ZOO}
