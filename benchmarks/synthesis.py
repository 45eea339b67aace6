"""Compare synthesis with the usual ways: images brought to a level, and maximally exciting images.

    OMP_NUM_THREADS=1 python benchmarks/synthesis.py --csv synthesis.csv

Responses are readouts of face, body and house, fitted by ridge on scenes, from the last candidate layer of
networks of the miniature's zoo at 64 x 64, and from layer3 of a ResNet-18 at 112 x 112 that `attacks.py`
trains (six minutes once, then read from --cache). The networks named by default had no part in the choice of
our parameters. Levels 0 and 1 are the quantiles 0.01 and 0.99 of responses to 100 other scenes; w is their
distance.

Levels: 11 from -0.25 to 1.5, each to 1% of w, of each image and region. Peers begin at the image, ours at the
level before, with at most 15 gradients for a level, the miniature's default. Counted are gradients, and
forward passes apart from those that belong to a gradient. A size is compared where both met the level. Peers
stop at the first point that meets it, or after --most gradients.

Exciting images: increase and decrease, from grey, noise and a scene, in the pixel box; everybody has the
same gradients and the best image that was seen. Each peer has several rates; the one that is best over all
networks of the run is compared. Goal: ours is better than both peers for 80% of (network, region), by the
mean over starts.

About a minute of one core for each network of the zoo, five or more for the ResNet-18; --quick some seconds.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from attack_peers import Counted
from attacks import fit, fold, prepare
from planted_zoo import CATEGORIES, face_body_house
from synthesis_peers import Fourier, Pixels, approach, bisect, climb

from codingaxes import devices
from codingaxes.attacks.noise import white
from codingaxes.attacks.strongest import forward
from codingaxes.miniature import scenes
from codingaxes.synthesis import accentuation, exciting, priors

ROOT = Path(__file__).parents[1]
RESNET18 = "resnet18"
NAMES = [row.split("\t")[0] for row in (ROOT / "config/zoo.tsv").read_text().splitlines()[1:]]
# none of which our parameters were chosen on
DEFAULT = [name for name in NAMES if not name.endswith("_1")]
LEVELS = torch.linspace(-0.25, 1.5, 11)
ACCURACY = 0.01  # of w
OURS, FOURIER = "ours", "ours, Fourier arm"
ADAM, LUCENT = "Adam on pixels", "lucent-style: Adam on Fourier"
RATES = {ADAM: (0.1, 0.2), LUCENT: (0.05, 0.4, 0.8)}  # of more, the best in trials; 0.05 is lucent's own
SPACE = {ADAM: Pixels, LUCENT: Fourier}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=[*NAMES, RESNET18], default=[*DEFAULT, RESNET18])
    parser.add_argument("--parts", nargs="+", choices=("levels", "exciting"), default=("levels", "exciting"))
    parser.add_argument("--images", type=int, default=1, help="that are brought to levels")
    parser.add_argument("--gradients", type=int, default=75, help="for each exciting image")
    parser.add_argument("--most", type=int, default=100, help="gradients of a peer for each level")
    parser.add_argument("--threads", type=int, default=1, help="changes rounding and seconds, no count")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "codingaxes-benchmarks")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument("--quick", action="store_true", help="does all run? few images and gradients")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    devices.keep_memory()
    if options.quick:
        options.images, options.gradients, options.most = 1, 10, 40
        print("quick: so few gradients that ratios and goals mean nothing")
    rows = []
    for name in options.networks:
        respond, images = load(name, options)
        if "levels" in options.parts:
            rows += to_levels(name, respond, images, options)
        if "exciting" in options.parts:
            rows += most_exciting(name, respond, images, options)
        table = pd.DataFrame(rows)
        if options.csv:
            table.to_csv(options.csv, index=False)
        print(f"{name} done", flush=True)
    if "levels" in options.parts:
        report_levels(table[table.part == "levels"])
    if "exciting" in options.parts:
        report_exciting(table[table.part == "exciting"])


def load(name, options):
    """Load a network with readouts of three regions, and 100 images: responses (n, 3), counted."""
    if name != RESNET18:
        respond, images = face_body_house(ROOT / "resources/zoo", name, 100)
        return Counted(respond), images.contiguous()
    asked = {"quick": options.quick, "cache": options.cache, "images": 100, "photographs": None}
    networks, images = prepare(argparse.Namespace(**asked))
    respond, (pixels, labels) = networks["trained"], known_scenes(options)
    weights = []
    for category in CATEGORIES:
        fit(respond, pixels, labels[:, scenes.CATEGORIES.index(category)])
        weights.append(respond.weight)
    respond.weight = torch.stack(weights, dim=1)
    return Counted(fold(respond)), images


def known_scenes(options):
    """Read the scenes that the readouts of the ResNet-18 are fitted on, with their labels."""
    file = options.cache / f"attacks-resnet18-{'300-1' if options.quick else '2000-4'}.pt"
    known = torch.load(file)
    return known["scenes"], known["labels"]


def quantiles(respond, images):
    """Say which responses are level 0 and level 1, (3,) each."""
    with torch.no_grad():
        natural = torch.cat([respond.respond(part) for part in images.split(50)])
    return torch.quantile(natural, torch.tensor([0.01, 0.99]), dim=0)


# ---------------------------------------------------------------------------------------------------- levels


def to_levels(name, respond, images, options):
    """Bring images to all levels by all methods: a row for each method, image, region and level."""
    low, high = quantiles(respond, images)
    shown = images[: options.images].repeat_interleave(3, dim=0)
    which = torch.arange(3).repeat(options.images)
    low, width = low[which], (high - low)[which]
    wanted = low + LEVELS[:, None] * width  # (levels, items)
    asked = (wanted - forward(respond.respond, shown, which)).abs() > ACCURACY * width
    rows = []
    for method, run in level_methods(options.most).items():
        respond.reset()
        delta = run(respond, shown, which, wanted, low, width) - shown  # (levels, items, 3, h, w)
        spent, passes = respond.gradients, respond.passes - respond.gradients
        for step, changed in enumerate(delta):
            error = (forward(respond.respond, shown + changed, which) - wanted[step]).abs() / width
            sizes = changed.flatten(1).norm(dim=1)
            for item in torch.nonzero(asked[step]).flatten().tolist():
                row = {"part": "levels", "network": name, "method": method, "item": item}
                row |= {"level": float(LEVELS[step]), "size": float(sizes[item]), "error": float(error[item])}
                rows.append(
                    row | {"gradients": spent / int(asked.sum()), "passes": passes / int(asked.sum())}
                )
    return rows


def level_methods(most):
    """List the methods that bring images to levels; each gives images (levels, items, 3, h, w)."""

    def ours(limit, respond, shown, which, wanted, low, width):
        settings = {"steps": 5, "limit": limit, "tolerance": 0.01, "accuracy": ACCURACY}
        found = accentuation.accentuate(respond, shown, LEVELS, low, low + width, which=which, **settings)
        return torch.stack([shown + attack.delta for attack in found])

    def peer(method, respond, shown, which, wanted, low, width):
        k = len(wanted)
        off = (wanted - forward(respond.respond, shown, which)).abs() > ACCURACY * width
        items = off.flatten().nonzero().flatten()
        begin, of, by = shown.repeat(k, 1, 1, 1), which.repeat(k), (ACCURACY * width).repeat(k)
        images = begin.clone()
        for part in items.split(64):
            images[part] = method(respond, begin[part], of[part], wanted.flatten()[part], by[part], most)
        return images.unflatten(0, (k, -1))

    methods = {"ours, 5": partial(ours, 0), OURS: partial(ours, 15), "ours, at most 35": partial(ours, 35)}
    methods["PGD, radius bisected"] = partial(peer, bisect)
    for rate in (0.002, 0.01):
        methods[f"Adam on pixels, rate {rate}"] = partial(peer, partial(approach, space=Pixels, rate=rate))
    for rate in (0.01, 0.05):
        run = partial(approach, space=Fourier, rate=rate, optimiser=torch.optim.NAdam)
        methods[f"NAdam on Fourier, rate {rate}"] = partial(peer, run)
    return methods


def report_levels(table):
    """Print for each network and method what a level costs, and sizes over those of ours."""
    key = ["network", "item", "level"]
    met = table.error <= 1.05 * ACCURACY  # rounding, and arithmetic of another batch
    ours = table[met & (table.method == OURS)].set_index(key)["size"].rename("ours")
    table = table.assign(met=met).join(ours, on=key)
    table["ratio"] = (table["size"] / table.ours).where(table.met)
    print(
        "\nlevels: share met, gradients and passes for a level, size over that of ours (median; share >= 1)"
    )
    parts = [*table.groupby("network", sort=False), ("all", table)]
    for network, part in parts:
        print(network)
        for method, rows in part.groupby("method", sort=False):
            ratio = rows.ratio.dropna()
            numbers = f"{rows.met.mean():6.3f} {rows.gradients.mean():8.1f} {rows.passes.mean():7.1f}"
            print(f"  {method:30} {numbers} {ratio.median():8.3f} {(ratio >= 1).mean():6.2f}")


# -------------------------------------------------------------------------------------------- exciting images


def most_exciting(name, respond, images, options):
    """Make exciting images by all methods: a row for each method, region, direction and start."""
    low, high = quantiles(respond, images)
    grey = torch.full_like(images[0], 0.5)
    starts = {"grey": grey, "noise": (grey + 0.1 * white(1, grey.shape)).clamp(0, 1), "scene": images[7]}
    items = [(start, roi, sign) for start in starts for roi in range(3) for sign in (1.0, -1.0)]
    begin = torch.stack([starts[start] for start, *_ in items]).contiguous()
    which, sign = torch.tensor([roi for _, roi, _ in items]), torch.tensor([way for *_, way in items])
    rows = []
    for method, run in exciting_methods(options.gradients, begin).items():
        respond.reset()
        made = run(respond, begin, which, sign)
        spent = respond.gradients / len(items)
        level = (forward(respond.respond, made, which) - low[which]) / (high - low)[which]
        for (start, roi, way), value in zip(items, level.tolist(), strict=True):
            row = {"part": "exciting", "network": name, "method": method, "region": CATEGORIES[roi]}
            row |= {"direction": "increase" if way > 0 else "decrease", "start": start, "level": value}
            rows.append(row | {"gradients": spent})
    return rows


def exciting_methods(gradients, begin):
    """List the methods that make exciting images; each gives images (n, 3, h, w)."""

    def ours(respond, begin, which, sign, **settings):
        settings = {"limit": gradients, "tolerance": 0.0} | settings
        return exciting.excite(respond, begin, which=which, direction=sign, **settings).images

    def peer(respond, begin, which, sign, space, rate):
        return climb(respond, begin, which, sign, gradients, space, rate)

    coarse = priors.Coarse(torch.ones(len(begin)), begin.shape[2:])
    methods = {
        OURS: partial(ours, steps=gradients),
        "ours, in rounds from 5": partial(ours, steps=5, tolerance=0.01),
        FOURIER: partial(ours, steps=gradients, prior=coarse),
    }
    for method, rates in RATES.items():
        methods |= {f"{method}, rate {r}": partial(peer, space=SPACE[method], rate=r) for r in rates}
    return methods


def report_exciting(table):
    """Print mean levels, each method's share of ours, and for how many (network, region) ours is better."""
    # how far from the middle of natural responses, in w, the right way
    sign = table.direction.map({"increase": 1.0, "decrease": -1.0})
    table = table.assign(gain=sign * (table.level - 0.5))
    print("\nexciting images: mean level by network, and gradients")
    shown = table.pivot_table(index="method", columns=["network"], values="gain", sort=False)
    print(shown.assign(gradients=table.groupby("method").gradients.mean()).round(2).to_string())
    cell = ["network", "region", "direction"]
    means = table.pivot_table(index=cell, columns="method", values="gain", sort=False)
    for direction, part in means.groupby("direction", sort=False):
        print(
            f"\n{direction}: (network, region) where ours is better, of {len(part)}; their mean share of ours"
        )
        for name in means.columns:
            if name != OURS:
                share = (part[name] / part[OURS]).mean()
                print(f"  {name:40} {(part[OURS] > part[name]).sum():3} {share:8.3f}")
        best = [
            max((c for c in means if c.startswith(peer)), key=lambda c: means[c].mean()) for peer in RATES
        ]
        wins = (part[OURS] > part[best].max(axis=1)).mean()
        met = "met" if wins >= 0.8 else "missed"
        print(f"  better than both at their best rates ({'; '.join(best)}): {wins:.0%}, goal of 80% {met}")


if __name__ == "__main__":
    main()
