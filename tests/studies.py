"""Copies of the workflow that tests run, what Snakemake says of them, and what they have made."""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from codingaxes import configuration
from codingaxes.encoding import from_brain, from_network
from codingaxes.images import read_images
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS, SUBJECT_ATTACKS
from codingaxes.tables.nsd import STIMULI, VOXELS
from codingaxes.tables.readouts import TARGETS
from codingaxes.tables.sensitivity import NATURAL_RESPONSES, SENSITIVITY
from codingaxes.tables.transfer import TRANSFER, TRANSFER_CONTROLS

ROOT = Path(__file__).parents[1]
PARTS = ["Snakefile", "rules", "workflow", "config", "profiles", "envs", "docs", "tests/data"]
MICRO = ("--configfile", "tests/data/micro.yaml")
TARGET_RULES = {"all", "networks", "figures", "fetch"}
LAST = {"write_manifest", "write_report"}  # rules that run after every other
COMPLETE = "\ncomplete\n"  # ends the log of a study that came to its end
# of the micro configuration
NETWORKS = ["resnet_standard", "densenet_standard", "resnet_robust"]
ROBUST = "resnet_robust"
MODELS = [*NETWORKS, BRAIN]
REGIONS = ["FFA", "EBA", "PPA"]
SUBJECTS = ["subj01", "subj02"]
IMAGE_SIZE = 64
RADII, LINF, LARGE, WANTED, DRAWS = [0.29, 0.86], 0.00784, [2.9, 8.6], 0.5, 2


def copy_to(folder, parts=()):
    """Copy the workflow, without results, to `folder`, and some further parts of the repository."""
    for part in (*PARTS, *parts):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def copy_of(study, folder):
    """Copy a study with its results, the times of its files and Snakemake's records of them."""
    return shutil.copytree(study, folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))


def times_of(folder):
    """Size and time of every file of a study but Python's caches."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def snakemake(folder, *arguments):
    """Run Snakemake as a user does; what it printed is in stdout."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )


def jobs(folder, *arguments):
    """Count the jobs of each rule that a dry run lists, without targets."""
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    return {rule: int(n) for rule, n in counts.items() if rule not in {"total", *TARGET_RULES}}


def run(folder, *arguments):
    """Run Snakemake with the micro configuration."""
    return snakemake(folder, *MICRO, *arguments)


def listed(folder, *arguments):
    """List the rules that a dry run of the micro configuration would run, without the target."""
    return set(jobs(folder, *MICRO, *arguments))


def edit(file, old, new):
    """Replace text in a file, where it stands exactly once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new))


def recorded(study, rule, name=None):
    """Read what a job of the study was asked to do, as it left it beside its log."""
    file = study / "logs" / (f"{rule}/{name}.json" if name else f"{rule}.json")
    return {key: value for key, value in json.loads(file.read_text()).items() if key != "ran_on"}


def files_of_rules(study):
    """Collect the inputs and the outputs of each rule's jobs, from their records: rule -> (set, set)."""
    files = defaultdict(lambda: (set(), set()))
    for record in (study / "logs").rglob("*.json"):
        job = json.loads(record.read_text())
        for of_rule, of_job in zip(files[job["rule"]], (job["input"], job["output"]), strict=True):
            for value in of_job.values():
                of_rule.update([value] if isinstance(value, str) else value)
    return dict(files)


def tables_of_rules(study):
    """Collect the names of the tables that each rule's jobs read or write, from the files themselves."""
    tables = {}
    for rule, (inputs, outputs) in files_of_rules(study).items():
        files = [study / file for file in inputs | outputs if file.endswith(".parquet")]
        tables[rule] = {pq.read_schema(file).metadata[b"table"].decode() for file in files}
    return tables


def with_later(study, rules):
    """Add to some rules all that depend on what they make, directly or through others."""
    files, rules = files_of_rules(study), set(rules)
    while True:
        outputs = set().union(*(files[rule][1] for rule in rules))
        later = {rule for rule, (inputs, _) in files.items() if inputs & outputs} | rules
        if later == rules:
            return rules
        rules = later


def replay_file(study, folder, rule, name, setting):
    """Write the file that runs a job of the study once more, into a folder and with another setting."""
    job = recorded(study, rule, name)
    job["params"] |= setting
    job["output"] = {key: str(folder / f"{key}.parquet") for key in job["output"]}
    job["log"] = str(folder / "job.log")
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json"


def replayed(study, folder, rule, name, setting):
    """Run a job of a study once more, into a folder and with another setting: its outputs by name.

    A job keeps finished parts below results/.parts of the study, so give it a copy.
    """
    file = replay_file(study, folder, rule, name, setting)
    command = [sys.executable, f"workflow/scripts/{rule}.py", str(file)]
    subprocess.run(command, cwd=study, check=True, timeout=300)
    return json.loads(file.read_text())["output"]


def read(study, path, table):
    """Read a table of a study, from one file or from several."""
    paths = [path] if isinstance(path, str) else path
    return store.read([study / one for one in paths], table)


def images_of(study, image_ids):
    """Read stimuli by their names, in the order of the names: float32 (n, 3, h, w)."""
    stimuli = read(study, "results/nsd/stimuli.parquet", STIMULI).set_index("image_id")
    rows = stimuli.loc[list(image_ids)]
    return read_images(rows.assign(file=[study / file for file in rows.file]), IMAGE_SIZE)


def model_of(study, name):
    """Load a model of the study."""
    if name == BRAIN:
        voxels = read(study, [f"results/nsd/voxels/{subject}.parquet" for subject in SUBJECTS], VOXELS)
        targets = read(study, "results/readouts/targets.parquet", TARGETS)
        return from_brain.load(study / "resources/simulated_brain.npz", voxels, targets)
    schema = configuration.read_schema(study / "config/schemas", "networks")
    row = configuration.read_networks("tests/data/networks.tsv", schema, here=study)[name]
    files = [
        f"results/networks/trained/{name}.safetensors",
        f"results/readouts/readouts/{name}.parquet",
        f"results/readouts/bases/{name}.parquet",
    ]
    return from_network.load(row, *(study / file for file in files))


def perturbations(study, model):
    """Read the main attacks that were made on a model."""
    return read(study, f"results/attacks/perturbations/{model}.parquet", PERTURBATIONS)


def variants(study, model):
    """Read the variants of the attacks that were made on a model."""
    return read(study, f"results/attacks/variants/{model}.parquet", PERTURBATIONS)


def subject_attacks(study, model):
    """Read the attacks on the readouts of single subjects of a model."""
    return read(study, f"results/attacks/subjects/{model}.parquet", SUBJECT_ATTACKS)


def noise(study):
    """Read the white noise that every model is shown."""
    return read(study, "results/attacks/noise.parquet", PERTURBATIONS)


def sensitivity(study, model):
    """Read what a model's own attacks and their controls do to it."""
    return read(study, f"results/attacks/sensitivity/{model}.parquet", SENSITIVITY)


def natural(study, model):
    """Read how a model's responses to all stimuli are spread."""
    return read(study, f"results/attacks/natural/{model}.parquet", NATURAL_RESPONSES)


def transfer_controls(study, models=MODELS):
    """Read what controls of main attacks do to other models, from the jobs of some models."""
    return read(study, [f"results/transfer/controls/{model}.parquet" for model in models], TRANSFER_CONTROLS)


def transfer(study, kind="perturbations", models=MODELS):
    """Read what perturbations, or variants, do to other models, from the jobs of some models."""
    return read(study, [f"results/transfer/{kind}/{model}.parquet" for model in models], TRANSFER)


def signed(rows):
    """Compute the change of the attacked response, positive in the attacked direction."""
    return (rows.response_after - rows.response_before) * rows.direction.map(SIGNS)


def deltas(rows):
    """Stack the perturbations of rows, float32 (n, 3, h, w)."""
    return torch.from_numpy(store.matrix(rows.delta).astype(np.float32)).view(
        len(rows), 3, IMAGE_SIZE, IMAGE_SIZE
    )


@torch.no_grad()
def change_by(model, roi, subject, images, delta):
    """Measure what perturbations change a readout of a model by, float64 (n,)."""
    respond = model.scalar(roi, subject)
    return (respond(images + delta) - respond(images)).double().numpy()
