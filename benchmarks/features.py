"""Measure how features are extracted: ours beside torchvision's create_feature_extractor and thingsvision.

The peers live in an environment of their own (a missing one is skipped, and said so):

    python -m venv .venv-features && .venv-features/bin/pip install -r benchmarks/features.txt
    .venv-features/bin/pip install --no-deps thingsvision==2.7.3
    .venv-features/bin/python benchmarks/features.py

thingsvision asks for torch 2.0 and numpy 1, but runs with what we have, so that all run the same torch. It
imports tensorflow, which has no part in what a network of torch answers: a stand-in takes its place here.

Everyone gets the same images, already in memory, and the same random weights, and gives the same layers,
flattened, on one thread. `features` is the time until they are in memory; `to files` until they are on disk,
ours as rule extract_features writes them (Parquet, in parts from which a stopped job resumes), the others' as
.npy. Seconds are of the processor, so that a busy machine does not count: the best of three runs in each of
some processes. Memory is what a process needs beyond the loaded network and the images. `apart` is the
largest difference from our features, in parts of the largest one.
"""

import argparse
import csv
import importlib.machinery
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
import extract_features

from codingaxes import job
from codingaxes.networks.folding import fold_batch_norms
from codingaxes.networks.network import load_network
from codingaxes.tables.features import FEATURES

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bilinear"}
RESNET50 = {"name": "resnet50", "source": "timm", "identifier": "resnet50", "input_size": 224, **IMAGENET}
SMALL = {"name": "small", "source": "zoo", "identifier": "resnet", "input_size": 64, **IMAGENET}
# name: row, layers, images, images in a batch
CASES = {
    "ResNet-50, layer3, layer4, global_pool": (RESNET50, ["layer3", "layer4", "global_pool"], 8, 8),
    "ResNet-50, layer2 alone": (RESNET50, ["layer2"], 8, 8),
    "the miniature's ResNet, layer2 to layer4": (SMALL, ["layer2", "layer3", "layer4"], 500, 50),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
AGREEMENT = 1e-4  # of the largest feature: everyone computes in float32


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="processes of each contender, in turn")
    parser.add_argument("--quick", action="store_true", help="one process of each contender")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument("--only", nargs=3, metavar=("CASE", "CONTENDER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        return measure(*options.only)
    if options.quick:
        options.runs = 1
    print(f"torch {torch.__version__}, one thread, best of 3 x {options.runs} runs")
    rows = []
    for case, (row, _, images, batch) in CASES.items():
        print(f"\n{case}: {images} images of {row['input_size']} x {row['input_size']} in batches of {batch}")
        print(
            f"{'':40} {'ms/image':>8} {'x ours':>7} {'to files':>9} {'x ours':>7} {'peak MB':>8} {'apart':>8}"
        )
        rows += compare(case, options.runs)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return 0


def compare(case, runs):
    """Run every contender in turn, `runs` times; print and give a row for each, held to our features."""
    rows = []
    contenders = [name for name in CONTENDERS if name != "thingsvision" or importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        rounds = [{name: alone(case, name, folder) for name in contenders} for _ in range(runs)]
        ours = dict(np.load(Path(folder) / "ours.npz"))
        best = {
            name: {k: min(one[name][k] for one in rounds) for k in rounds[0][name]} for name in contenders
        }
        for name, row in best.items():
            features = np.load(Path(folder) / f"{name}.npz")
            apart = max(abs(features[k] - ours[k]).max() / abs(ours[k]).max() for k in ours)
            assert apart < AGREEMENT, f"{name} differs from ours by {apart:.1e} of the largest feature"
            ratios = [row[task] / best["ours"][task] for task in ("features", "files")]
            print(
                f"{name:40} {1000 * row['features']:8.2f} {ratios[0]:7.2f} {1000 * row['files']:9.2f} "
                f"{ratios[1]:7.2f} {row['peak']:8.0f} {apart:8.0e}"
            )
            numbers = {"ratio": ratios[0], "ratio_to_files": ratios[1], "apart": float(apart)}
            rows.append({"case": case, "contender": name} | row | numbers)
    if len(contenders) < len(CONTENDERS):
        print("thingsvision is not installed: skipped")
    sys.stdout.flush()
    return rows


def alone(case, contender, folder):
    """Run `measure` in a process of its own, and give what it prints."""
    command = [sys.executable, __file__, "--only", case, contender, folder]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    answer = subprocess.run(command, env=os.environ | ONE_THREAD, **quiet)
    if answer.returncode:
        raise SystemExit(f"{contender} failed:\n{answer.stderr}")
    return json.loads(answer.stdout.splitlines()[-1])


def measure(case, contender, folder):
    """Measure one contender in this process: seconds an image, and MB; leave its features in the folder."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    row, layers, n, size = CASES[case]
    network = load_network(row | {"layers": layers}, None, random_weights=True)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(n, 3, row["input_size"], row["input_size"], generator=generator)
    make, write = CONTENDERS[contender](network, images.split(size), layers)
    before, seconds = peak_memory(), {}
    for task, run in (("features", make), ("files", write)):
        taken = []
        for _ in range(3):
            with tempfile.TemporaryDirectory(dir=folder) as target:
                began = time.process_time()
                run(Path(target))
                taken.append((time.process_time() - began) / n)
        seconds[task] = min(taken)
    features = make(Path(folder))
    np.savez(Path(folder) / f"{contender}.npz", **features)
    print(json.dumps(seconds | {"peak": peak_memory() - before}))
    return 0


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def together(batches):
    """Join the features of all batches by layer, as arrays."""
    return {layer: np.concatenate([part[layer].numpy() for part in batches]) for layer in batches[0]}


@torch.no_grad()
def ours(network, batches, layers):
    fold_batch_norms(network, batches[0].shape[-1])

    def make(_):
        return together([network.features(batch) for batch in batches])

    def write(folder):
        shards, names = job.Shards(folder / "parts", FEATURES), range(len(batches))
        for name, batch in zip(names, batches, strict=True):
            image_ids = [f"{name}_{position}" for position in range(len(batch))]
            shards.save(name, extract_features.as_rows(network.name, image_ids, network.features(batch)))
        shards.write(folder / "features.parquet", names)
        shards.remove()

    return torch.no_grad()(make), torch.no_grad()(write)


def plain(network):
    """Give the same network as somebody without us has it: its weights, in torch's usual layout."""
    return network.body.to(memory_format=torch.contiguous_format)


class Normalised(nn.Module):
    def __init__(self, network, extractor, layout):
        super().__init__()
        self.mean, self.std, self.extractor, self.layout = network.mean, network.std, extractor, layout

    def forward(self, images):
        return self.extractor(((images - self.mean) / self.std).contiguous(memory_format=self.layout))


def torchvision(layout):
    def contender(network, batches, layers):
        body = network.body.to(memory_format=layout)
        extract = Normalised(network, create_feature_extractor(body, layers), layout).eval()

        @torch.no_grad()
        def make(_):
            features = [extract(batch) for batch in batches]
            return together([{name: part.flatten(1) for name, part in one.items()} for one in features])

        def write(folder):
            for layer, values in make(folder).items():
                np.save(folder / f"{layer}.npy", values)

        return make, write

    return contender


def thingsvision(network, batches, layers):
    extract = without_tensorflow().get_extractor_from_model(model=plain(network), device="cpu", backend="pt")
    batches = [(batch - network.mean) / network.std for batch in batches]

    def run(**where):
        return extract.extract_features(batches, module_names=layers, flatten_acts=True, **where)

    return (lambda _: run()), (lambda folder: run(output_dir=str(folder)))


def without_tensorflow():
    """Import the package thingsvision, as numpy 2 and the lack of tensorflow require."""
    vars(np).update(AxisError=np.exceptions.AxisError)
    names = ["tensorflow", "tensorflow.keras", "tensorflow.keras.applications", "tensorflow.keras.layers"]
    for name in names:
        sys.modules[name] = mock.MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
    try:
        import thingsvision
    finally:
        for name in names:
            del sys.modules[name]
    return thingsvision


CONTENDERS = {
    "ours": ours,
    "create_feature_extractor": torchvision(torch.contiguous_format),
    "create_feature_extractor, channels_last": torchvision(torch.channels_last),
    "thingsvision": thingsvision,
}


if __name__ == "__main__":
    sys.exit(main())
