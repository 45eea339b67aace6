"""Ask whether conclusions move when perturbations are searched for in a cheaper precision.

    python benchmarks/precision.py --csv precision.csv                 # on a GPU
    python benchmarks/precision.py --device cpu --images 4             # TF32 is float32 there

Standard and robust networks of the zoo are attacked by the study's default attack: readouts of face, body
and house, fitted by ridge on drawn scenes, up and down, with gradients in float32, TF32 and bfloat16. Every
change that is counted is computed in float32. Each attack is shown to all networks.

The yardstick is float32 once more, where nothing but the number of images in a batch is another: rounding
alone, carried on through hundreds of gradients. A precision moves no conclusion if, of networks and pairs,

- the mean change of its own attacks is within 1% of float32's;
- the mean change in another network, as a share of that network's own attacks, is within 0.01;
- standard and robust networks are told apart alike: the ratio of their changes within 1%, and the difference
  of transfer within and between families within 0.01.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from planted_zoo import face_body_house

from codingaxes import devices
from codingaxes.attacks import strongest

ZOO = Path(__file__).parents[1] / "resources/zoo"
NETWORKS = ("resnet_standard_1", "vgg_standard_1", "resnet_robust_1", "vgg_robust_1")
SETTINGS = {"steps": 10, "tolerance": 0.005}  # of config/config.yaml
RADIUS = 0.86
AGAIN = "float32 again"
SHARE = 0.01  # by which a mean may differ from that in float32


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="of config/zoo.tsv")
    parser.add_argument("--precisions", nargs="+", choices=devices.PRECISIONS, default=devices.PRECISIONS)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--limit", type=int, default=310, help="most gradients for an image")
    parser.add_argument("--csv", type=Path, help="file to write the effects and transfers to")
    options = parser.parse_args()
    device = devices.choose_device(options.device, 1, "benchmarks/precision.py")
    models = {name: face_body_house(ZOO, name, options.images, device=device) for name in options.networks}
    rows = []
    others = (AGAIN, *options.precisions[1:]) if len(options.precisions) > 1 else ()
    for precision in (options.precisions[0], *others):
        for name in options.networks:
            rows += attacked(name, precision, models, options.limit)
            if options.csv:
                pd.DataFrame(rows).to_csv(options.csv, index=False)
    table = pd.DataFrame(rows)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"\n{name}, torch {torch.__version__}, {options.images} images of {len(models)} networks")
    print(compare(conclusions(table)).to_string(float_format="%.4f"))


def attacked(name, precision, models, limit):
    """Attack one network, and show its attacks to all: a row for each target."""
    respond, images = models[name]
    shown, n = images.repeat_interleave(6, dim=0), len(images)
    which = torch.arange(3, device=images.device).repeat(2 * n)
    sign = torch.tensor([1.0, 1, 1, -1, -1, -1], device=images.device).repeat(n)
    explore = devices.exploring(respond, "float32" if precision == AGAIN else precision)
    settings = SETTINGS | {"limit": limit, "explore": explore}
    size, began = len(shown) // 3 + 1 if precision == AGAIN else len(shown), time.perf_counter()
    parts = [
        strongest.maximise(respond, x, RADIUS, which=at, direction=up, **settings)
        for x, at, up in zip(shown.split(size), which.split(size), sign.split(size), strict=True)
    ]
    attack = strongest.Attack.joined(parts)
    about = {
        "precision": precision,
        "source": name,
        "seconds": time.perf_counter() - began,
        "gradients": float(attack.evaluations.double().mean()),
        "converged": float(attack.converged.double().mean()),
    }
    rows = []
    for target, (answer, _) in models.items():
        change = sign * (
            strongest.forward(answer, shown + attack.delta, which) - strongest.forward(answer, shown, which)
        )
        rows.append(about | {"target": target, "change": float(change.double().mean())})
    own = next(row["change"] for row in rows if row["target"] == name)
    print(
        f"{precision:14} {name:20} {own:8.4f} SD  {about['gradients']:6.0f} gradients, "
        f"{about['converged']:.0%} converged, {about['seconds']:6.1f} s",
        flush=True,
    )
    return rows


def conclusions(table):
    """Compute what the study concludes from changes, one column for each precision."""
    found = {}
    for precision, rows in table.groupby("precision", sort=False):
        change = rows.pivot(index="source", columns="target", values="change")
        own = pd.Series({name: change.loc[name, name] for name in change.index})
        transfer = change / own  # of each column's target
        family = {name: name.split("_")[1] for name in change.index}
        values = {("SD", "own change", name): own[name] for name in own.index}
        pairs = [(a, b) for a, b in product(own.index, own.index) if a != b]
        values |= {("share", "transfer", f"{a} to {b}"): transfer.loc[a, b] for a, b in pairs}
        of = {kind: [name for name in own.index if family[name] == kind] for kind in set(family.values())}
        if len(of) == 2:
            ratio = own[of["standard"]].mean() / own[of["robust"]].mean()
            values[("ratio", "own change", "standard to robust")] = ratio
            for kind in ("standard", "robust"):
                inside = [transfer.loc[a, b] for a, b in pairs if family[a] == family[b] == kind]
                across = [transfer.loc[a, b] for a, b in pairs if family[a] != family[b]]
                difference = pd.Series(inside).mean() - pd.Series(across).mean()
                values[("share", "transfer", f"within {kind} less between families")] = difference
        found[precision] = values
    table = pd.DataFrame(found)
    table.index.names = ["unit", "measure", "of"]
    return table


def compare(table):
    """Put beside each conclusion how far it moves: shares by differences, others by ratios less 1."""
    table = table.copy()
    shares = table.index.get_level_values("unit") == "share"
    for precision in table.columns[1:]:
        moved = table[precision] - table["float32"]
        moved[~shares] /= table["float32"][~shares]
        table[f"moved by {precision}"] = moved
    for precision in [name.removeprefix("moved by ") for name in table.columns if name.startswith("moved")]:
        largest = table[f"moved by {precision}"].abs().max()
        holds = "holds" if largest <= SHARE else "missed"
        print(f"{precision}: moves at most {largest:.4f}; goal {SHARE} {holds}")
    return table


if __name__ == "__main__":
    sys.exit(main())
