"""Copies of the workflow that tests run, what Snakemake says of them, and what they have made."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from codingaxes import models, pixels, tables

ROOT = Path(__file__).parents[1]
PARTS = ["Snakefile", "rules", "workflow", "config", "profiles", "envs", "docs", "tests/data"]
MICRO = ("--configfile", "tests/data/micro.yaml")
# of the micro configuration
NETWORKS = ["resnet_standard", "densenet_standard", "resnet_robust"]
MODELS = [*NETWORKS, tables.BRAIN]
REGIONS = ["FFA", "EBA", "PPA"]
SUBJECTS = ["subj01", "subj02"]
IMAGE_SIZE = 64
SIGNS = {"increase": 1, "decrease": -1}


def copy_to(folder):
    """The workflow without results, under `folder`."""
    for part in PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def snakemake(folder, *arguments):
    """Run Snakemake as a user does; what it printed is in stdout."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def jobs(folder, *arguments):
    """Rule -> number of jobs that a dry run lists, without targets."""
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    return {rule: int(n) for rule, n in counts.items() if rule not in ("total", "all", "networks", "figures")}


def run(folder, *arguments):
    """Run Snakemake with the micro configuration."""
    return snakemake(folder, *MICRO, *arguments)


def listed(folder):
    """The rules that a dry run of the micro configuration lists, without the target."""
    return set(jobs(folder, *MICRO))


def read(study, path, name):
    """A table of a study, from one file or from several."""
    paths = [path] if isinstance(path, str) else path
    return tables.read([study / one for one in paths], name)


def recorded(study, rule, name):
    """What a job of the study was asked to do, as it left it beside its log."""
    return json.loads((study / "logs" / rule / f"{name}.json").read_text())


def replay_file(study, folder, rule, name, setting):
    """The file that runs a job of the study once more, into a folder and with another setting."""
    job = recorded(study, rule, name)
    job["params"] |= setting
    job["output"] = {key: str(folder / f"{key}.parquet") for key in job["output"]}
    job["log"] = str(folder / "job.log")
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json"


def replayed(study, folder, rule, name, setting):
    """The outputs of a job of the study, run once more into a folder with another setting."""
    file = replay_file(study, folder, rule, name, setting)
    command = [sys.executable, f"workflow/scripts/{rule}.py", str(file)]
    subprocess.run(command, cwd=study, check=True, timeout=300)
    return json.loads(file.read_text())["output"]


def images_of(study, image_ids):
    """Stimuli by their names, in the order of the names: float32 (n, 3, h, w)."""
    stimuli = read(study, "results/nsd/stimuli.parquet", "stimuli").set_index("image_id")
    return pixels.read([study / stimuli.file[image_id] for image_id in image_ids], IMAGE_SIZE)


def model_of(study, name):
    """A model of the study."""
    if name == tables.BRAIN:
        voxels = read(study, [f"results/nsd/voxels/{subject}.parquet" for subject in SUBJECTS], "voxels")
        targets = read(study, "results/readouts/targets.parquet", "targets")
        return models.load_brain(study / "resources/simulated_brain.npz", voxels, targets)
    with open(study / "tests/data/networks.tsv", newline="") as file:
        row = next(row for row in csv.DictReader(file, delimiter="\t") if row["name"] == name)
    row |= {key: [float(part) for part in row[key].split(",")] for key in ("mean", "std")}
    row |= {"layers": row["layers"].split(","), "input_size": int(row["input_size"])}
    files = [
        f"resources/zoo/{name}.safetensors",
        f"results/readouts/{name}.parquet",
        f"results/bases/{name}.parquet",
    ]
    return models.load_network(row, *(study / file for file in files))


def perturbations(study, model, room="attacks"):
    """What was made on a model, or random: in the room attacks or variants."""
    return read(study, f"results/{room}/{model}.parquet", "perturbations")


def sensitivity(study, model):
    """What a model's own attacks and their controls do to it."""
    return read(study, f"results/sensitivity/{model}.parquet", "sensitivity")


def shown_to(study, models=MODELS, room="transfer"):
    """What perturbations do to some models: in the room transfer or transfer_variants."""
    return read(study, [f"results/{room}/{model}.parquet" for model in models], "transfer")


def signed(rows):
    """Change of the attacked response, positive the way that was attacked."""
    return (rows.response_after - rows.response_before) * rows.direction.map(SIGNS)


def deltas(rows):
    """The perturbations of rows, float32 (n, 3, h, w)."""
    return torch.from_numpy(tables.matrix(rows.delta).astype(np.float32)).view(
        len(rows), 3, IMAGE_SIZE, IMAGE_SIZE
    )


@torch.no_grad()
def change_by(model, roi, who, images, delta):
    """What perturbations change a readout of a model by, float64 (n,)."""
    respond = model.scalar(roi, who)
    return (respond(images + delta) - respond(images)).double().numpy()
