"""Planted tables of the steps before summaries: three networks of a small world, with or without a brain."""

import importlib

import numpy as np
import pandas as pd

from codingaxes.job import Run
from codingaxes.names import BRAIN
from codingaxes.tables import (
    attacks,
    axes,
    changes,
    claims,
    control,
    networks,
    nsd,
    readouts,
    scoring,
    sensitivity,
    similarity,
    spaces,
    stimulus_sets,
    store,
    summaries,
    synthesis,
    transfer,
)

ZOO = pd.DataFrame(
    {
        "network": ["a_plain", "b_tough", "c_tough"],
        "family": ["standard", "robust", "robust"],
        "architecture": ["resnet", "resnet", "vgg"],
        "training_radius": [0.0, 0.3, 0.9],
    }
)
NETWORKS = list(ZOO.network)
MODELS = [*NETWORKS, BRAIN]
REGIONS, SUBJECTS = ("FFA", "PPA"), ("subj01", "subj02", "subj03")
IMAGES = [f"nsd_{number:05d}" for number in range(8)]
STEPS = (attacks, axes, changes, control, networks, nsd, readouts, sensitivity, similarity, spaces, summaries)
STEPS += (claims, scoring, stimulus_sets, synthesis, transfer)
TABLES = {
    table.name: table for module in STEPS for table in vars(module).values() if hasattr(table, "columns")
}
OTHER_NAMES = {"regression": "similarity_regression"}  # of a file, and of the table in it
TYPES = {"string": "str", "bool": bool, "int32": "int32", "float64": float}
BLANKS = {"string": "", "bool": True, "int32": 1, "float64": 0.5}
# What a row has that does not say otherwise; beyond that, the blank of a column's type.
DEFAULTS = {
    "networks": {"accuracy": 0.9, "accuracy_of": "top-1 (made up)"},
    "perturbations": {"attack": "l2", "norm": "l2", "wanted": 0.0, "draw": 0, "direction": "increase"},
    "sensitivity": {"subject": "group", "kind": "attack", "norm": "l2", "direction": "increase", "draw": 0},
    "sensitivities": {
        "subject": "group",
        "kind": "attack",
        "direction": "largest",
        "norm": "l2",
        "roi": "FFA",
    },
    "transfer": {"attack": "l2", "direction": "increase", "wanted": 0.0, "draw": 0, "change_source": np.nan},
    "transfers": {"attack": "l2", "wanted": 0.0},
    "scores": {"subject": "group", "target": "mean", "ceiling": 0.8},
    "readouts": {"subject": "group", "target": "mean", "layer": "late"},
    "representations": {"layer": "late"},
    "similarity": {"response": "voxels", "roi": "FFA", "cosine": np.nan},
    "similarity_means": {"response": "voxels", "roi": "FFA"},
    "jacobians": {"response": "voxels", "roi": "FFA"},
    "inherited": {"layer": "late"},
    "profiles": {"response": "voxels", "roi": "FFA", "n_images": len(IMAGES)},
    "synthesis": {"start": "natural", "file": "image.png"},
    "peer_review": {"start": "natural", "file": "image.png"},
    "alignment": {"attack": "l2", "response": "voxels", "roi": "FFA", "direction": "increase"},
}


def rows_of(name, rows):
    """Make rows of a table from dicts or a frame; what a row does not say is a default."""
    rows = pd.DataFrame(rows)
    for column, spec in TABLES[name].columns.items():
        if spec.type.startswith("list"):
            rows[column] = rows.get(column, [np.zeros(3)] * len(rows))
            continue
        default = DEFAULTS.get(name, {}).get(column, BLANKS[spec.type])
        if column not in rows:
            rows[column] = default
        elif not spec.missing:
            rows[column] = rows[column].fillna(default).astype(TYPES[spec.type])
    return rows[list(TABLES[name].columns)]


def plant(folder, name, rows, file=None):
    """Write rows of a table; returns the path."""
    path = str(folder / f"{file or name}.parquet")
    store.write(path, TABLES[name], rows_of(name, rows))
    return path


def plant_each(folder, name, rows, by, file=None):
    """Write one file for each value of the column `by`, as the models' jobs do; returns the paths."""
    rows = pd.DataFrame(rows)
    parts = rows.groupby(by, sort=False)
    return [plant(folder, name, part, f"{file or name}_{value}") for value, part in parts]


def plant_networks(folder, **columns):
    """Write the table networks of `ZOO`, with other values of some columns."""
    return plant(folder, "networks", ZOO.assign(**columns))


def run(script, folder, *names, bootstrap=100, permutations=99, settings=None, **inputs):
    """Run one script by hand, perhaps with more `settings`; returns the tables `names` that it wrote."""
    output = {name: str(folder / f"{name}.parquet") for name in names}
    output |= {"csv": str(folder / f"{names[0]}.csv"), "text": str(folder / f"{names[0]}.txt")}
    params = {"bootstrap": bootstrap, "permutations": permutations, "splits": 10, "seed": 5}
    params |= settings or {}
    job = Run(script, inputs, output, params, {}, str(folder / "log"))
    importlib.import_module(script).main(job)
    tables = [store.read(output[name], TABLES[OTHER_NAMES.get(name, name)]) for name in names]
    return tables[0] if len(tables) == 1 else tables
