"""Measure how far principal distortions spread the models of a finished study.

`python docs/principal_distortions.py FOLDER`, the folder of a study. docs/stimulus_sets.md has the numbers.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "workflow" / "scripts"))

from codingaxes.attacks import budgets  # noqa: E402
from codingaxes.axes import derivatives, distortions  # noqa: E402
from codingaxes.encoding import stored  # noqa: E402
from codingaxes.images import read_images  # noqa: E402
from codingaxes.names import BRAIN  # noqa: E402
from codingaxes.tables import store  # noqa: E402
from codingaxes.tables.axes import EIGENVECTORS, JACOBIANS  # noqa: E402
from codingaxes.tables.networks import NETWORKS  # noqa: E402
from codingaxes.tables.nsd import STIMULI  # noqa: E402

KINDS = ("principal", "axes", "random")  # of pairs; two directions each, one after the other
PAIRS = 20  # random pairs whose mean SD is taken by the metrics; one of them is shown to models
RADIUS = 3 * 64 / 224  # l2 at 64 x 64 pixels, of what is shown


def main(study):
    """Print the spread of log distance ratios over networks, mean of images and regions."""
    os.chdir(study)
    families = store.read("results/networks/networks.parquet", NETWORKS).set_index("network").family
    job = json.loads(Path("logs/review_images.json").read_text())
    stimuli = store.read("results/nsd/stimuli.parquet", STIMULI).query("probe").reset_index(drop=True)
    images = read_images(stimuli, job["params"]["image_size"])
    radius = RADIUS * job["params"]["image_size"] / 64
    wanted = [("response", "=", "voxels")]
    axes, jacobians = (
        store.read(
            [f"results/axes/{table.name}/{name}.parquet" for name in families.index], table, None, wanted
        )
        for table in (EIGENVECTORS, JACOBIANS)
    )
    regions, began = list(dict.fromkeys(jacobians.roi)), time.perf_counter()
    directions, rows = search(axes, jacobians, stimuli.image_id, regions)
    seconds = time.perf_counter() - began
    print(f"{len(rows)} pairs in {seconds:.0f} s, {(~rows.converged).sum()} not converged")
    print(f"share of starts that ended at the best optimum, mean: {rows.agreement.mean():.2f}")
    print(rows[["principal", "axes", "random"]].mean().round(2).to_string())
    measured = {name: show(job, name, directions, images, radius) for name in (*families.index, BRAIN)}
    for place, how in enumerate(("derivative", f"l2 {radius:.2f}")):
        report(how, {name: ratios[place] for name, ratios in measured.items()}, families)


def search(axes, jacobians, image_ids, regions):
    """Find the directions of each region (images, 6, d), and what the metrics say: a row per image."""
    directions, rows = {}, []
    rng = np.random.default_rng(0)
    for roi in regions:
        of_images = []
        for image_id in image_ids:
            here = [table[(table.roi == roi) & (table.image_id == image_id)] for table in (axes, jacobians)]
            found = distortions.of_image(*here)
            grouped = [of_model.sort_values("rank") for _, of_model in here[0].groupby("network", sort=False)]
            vectors = [store.matrix(of_model.vector) for of_model in grouped]
            values = [of_model.eigenvalue.to_numpy() for of_model in grouped]
            known = distortions.metrics(values, vectors, here[1].trace.to_numpy())
            stored_axes = known.axes.reshape(-1, known.axes.shape[2])
            pair, variance = distortions.farthest(known.sensitivities(stored_axes))
            noise = rng.standard_normal((2 * PAIRS, known.basis.shape[1]))
            noise /= np.linalg.norm(noise, axis=1, keepdims=True)
            # of unit vectors of all pixels: what lies outside of the span counts by the floors
            ratios = np.subtract(*known.sensitivities(noise @ known.basis.T).reshape(2, PAIRS, -1))
            rows.append(
                {
                    "principal": found.spread,
                    "axes": np.sqrt(variance) / 2,
                    "random": (ratios.std(axis=1) / 2).mean(),
                    "converged": found.converged,
                    "agreement": found.agreement,
                }
            )
            of_images.append([*found.vectors, *(stored_axes[list(pair)] @ known.basis), *noise[:2]])
        directions[roi] = torch.tensor(np.array(of_images), dtype=torch.float32)
    return directions, pd.DataFrame(rows)


def show(job, name, directions, images, radius):
    """Measure log distance ratios (2, kinds, regions x images) of a model: by derivatives, and of images.

    A distance is the length of the change of all voxels of a region.
    """
    files = {key[len(name) + 1 :]: file for key, file in job["input"].items() if key.startswith(f"{name}.")}
    model = stored.load(files, job["params"]["models"][name], torch.device("cpu"))
    distances = []
    for roi, vectors in directions.items():
        respond = model.voxels[roi]
        push, _ = derivatives.jacobian(respond, images)
        with torch.no_grad():
            before = respond(images)
        for direction in vectors.unbind(dim=1):
            small = push(direction).double().norm(dim=1)
            delta = budgets.stretch(direction.view_as(images), images, radius)
            with torch.no_grad():
                large = (respond(images + delta) - before).double().norm(dim=1)
            distances.append(torch.stack([small, large]))
    table = torch.stack(distances).view(len(directions), len(KINDS), 2, 2, len(images)).log()
    ratios = table[:, :, 0] - table[:, :, 1]
    return ratios.permute(2, 1, 0, 3).flatten(2).detach().numpy()


def report(how, ratios, families):
    """Print the spread over networks, and where the simulated brain lies between the families."""
    networks = np.stack([ratios[name] for name in families.index])  # (networks, kinds, places)
    spread = networks.std(axis=0).mean(axis=1)
    print(how, *(f"{kind} {value:.2f}" for kind, value in zip(KINDS, spread, strict=True)), sep="  ")
    standard = networks[(families == "standard").to_numpy()].mean(axis=0)
    robust = networks[(families != "standard").to_numpy()].mean(axis=0)
    for place, kind in enumerate(KINDS):
        one, other, brain = standard[place], robust[place], ratios[BRAIN][place]
        closer = np.abs(brain - other) < np.abs(brain - one)
        position = ((brain - one) * (other - one)).sum() / np.square(other - one).sum()
        print(
            f"  {kind}: robust - standard {np.abs(other - one).mean():.2f} (mean size); brain closer to "
            f"robust in {closer.sum()} of {len(closer)}; at {position:.2f} of the way from standard to robust"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
