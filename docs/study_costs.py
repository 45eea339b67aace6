"""Estimate what the full study costs, from its settings, operations of passes, and what was measured."""

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "workflow" / "scripts"))

from codingaxes import configuration_synthesis  # noqa: E402
from codingaxes.attacks import plan  # noqa: E402

FOLDER = ROOT / "docs/scaling"
BUDGETS = ("radii", "linf_radii", "algorithms", "large_radii", "effects", "effect_probes", "variant_probes")
IMAGES, TRAINING, SUBJECTS, REGIONS, DIRECTIONS = 515, 412, 8, 3, 2  # of NSD
# Assumed where no GPU was measured: operations a second that a pass reaches on an H100-class card, 1e12.
ASSUMED = {"float32": 40.0, "tf32": 150.0, "bfloat16": 250.0}


@dataclass(frozen=True)
class Passes:
    """Say how often images pass through a network in one part of a job."""

    step: str
    part: str
    gradients: float = 0  # in the precision of attacks
    forward: float = 0  # in float32, as all below
    products: float = 0  # JᵀJ v, once a forward pass has been recorded
    draws: float = 0  # Jᵀu


def settings(*overlays):
    """Read the settings of the full study, with further files of config/ in their order."""
    config = {}
    for name in ("config.yaml", "nsd.yaml", *overlays):
        config = merged(config, yaml.safe_load((ROOT / "config" / name).read_text()))
    return config


def merged(config, more):
    """Give settings with others in their place."""
    both = {
        k: merged(config.get(k, {}), v) if isinstance(v, dict) and k != "sessions" else v
        for k, v in more.items()
    }
    return config | both


class Measured:
    """Hold the numbers that were measured: docs/scaling/measured.csv and gpu.csv."""

    def __init__(self):
        self.numbers = {row["name"]: float(row["value"]) for row in read("measured.csv")}
        self.flops = {row["network"]: row for row in read("flops.csv")}
        self.card, self.rates = "", {}
        if (FOLDER / "gpu.csv").exists():
            self.read_rates(read("gpu.csv"))

    def read_rates(self, rows):
        """Take the best rate of every network, measure and precision over batches.

        Each network's first row has the study's own layout; rates in another one do not count.
        """
        layouts = {}
        self.card = f"{rows[0]['machine']}, torch {rows[0]['torch']}, {rows[0]['date']}"
        for row in rows:
            own = layouts.setdefault(row["network"], row["layout"]) == row["layout"]
            if own and row["attention"] == "plain" and row["per second"]:
                key = row["network"], row["measure"].partition(" ")[0], row["precision"]
                self.rates[key] = max(self.rates.get(key, 0), float(row["per second"]))

    def operations(self, network, kind):
        """Give the operations of a gradient, forward pass, product or draw."""
        forward, backward = (float(self.flops[network][name]) for name in ("forward", "backward"))
        return {
            "gradients": forward + backward,
            "forward": forward,
            "products": forward + backward,
            "draws": backward,
        }[kind]

    def seconds(self, network, kind, precision):
        """Give the seconds of one pass of one image: measured, or from operations at the pace of others."""
        known = self.rates.get((self.like(network), kind, precision))
        if known:
            return 1 / known
        if kind == "draws":
            share = self.operations(network, "draws") / self.operations(network, "products")
            return share * self.seconds(network, "products", precision)
        return self.operations(network, kind) / self.pace(kind, precision)

    def like(self, network):
        """Name the measured network that has the same architecture."""
        return "resnet50" if network.startswith("resnet50_robust") else network

    def pace(self, kind, precision):
        """Give operations a second: the median of what was measured, or what is assumed."""
        paces = [
            rate * self.operations(network, kind)
            for (network, of, at), rate in self.rates.items()
            if (of, at) == (kind, precision)
        ]
        return median(paces) if paces else ASSUMED[precision] * 1e12

    def gradients(self, attack, limit, family):
        """Give the gradients that a search spends on an image, on average; at most its limit."""
        return min(limit, self.numbers.get(f"gradients {attack}, limit {limit}, {family}", limit))


def read(name):
    """Read a small table beside the page."""
    with (FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def networks():
    """Read the names of networks and their families: standard stands for all that are not robust."""
    with (ROOT / "config/networks.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["name"]: "robust" if row["family"] == "robust" else "standard" for row in rows}, rows


def exciting_makers(config):
    """List the networks that make exciting images."""
    names, rows = networks()
    rows = {row["name"]: row | {"training_radius": float(row["training_radius"])} for row in rows}
    return configuration_synthesis.exciting_makers(config, rows, list(names))


def passes(config, measured, family, exciting):
    """List the passes of images through one network, without those that other networks' jobs ask for.

    `exciting` says whether it makes exciting images.
    """
    a, probes = config["attacks"], config["nsd"]["probes"]
    items = probes * REGIONS * DIRECTIONS
    draws = config["controls"]["draws"]
    yield Passes("features", "candidate layers of all images", forward=IMAGES)
    for budget in plan.list_budgets(**{name: a[name] for name in BUDGETS}):
        n = min(probes, budget.probes or probes) * REGIONS * DIRECTIONS
        yield Passes("attacks", _part(budget), n * _gradients(a, measured, budget, family), forward=2 * n)
    if a["subjects"]:
        main = measured.gradients("l2", a["subject_limit"], family)
        n = items * SUBJECTS
        yield Passes("attacks", "on each subject's readout", n * main, forward=2 * n)
    controls = len(a["radii"]) * (2 * items + items * draws + probes * draws)
    yield Passes("attacks", "controls of the network's own attacks", forward=controls + IMAGES)
    e = config["eigenvectors"]
    for kind in e["responses"]:
        if kind == "group":
            yield Passes("axes", "group", forward=probes * REGIONS, draws=probes * REGIONS)
            continue
        n = probes * (1 if kind in ("joint", "features") else REGIONS)
        products, more = (
            measured.numbers[f"{what} of axes, voxels, {family}"] for what in ("products", "draws")
        )
        inherited = e["inherited_draws"] * n if kind == "voxels" else 0
        yield Passes("axes", kind, forward=n, products=n * products, draws=n * more + inherited)
    yield from synthesis_passes(config, exciting)


def _part(budget):
    if budget.wanted:
        return f"change of {budget.wanted:g} SD"
    name = {"l2_large": "large l2", "linf": "l∞"}.get(budget.attack, budget.attack.replace("_", ", "))
    return f"{name}, radius {budget.radius:.3g}"


def _gradients(a, measured, budget, family):
    """Give the gradients of one attack within a budget."""
    if budget.wanted:
        return measured.gradients("effect", a["effect_limit"], family)
    if budget.algorithm != "ascent":
        return a["algorithm_steps"]
    limit = a["limit"] if budget.attack == "l2" else a["variant_limit"]
    return measured.gradients("l2" if budget.attack == "l2" else "linf", limit, family)


def pictures(config, exciting=True):
    """Count the pictures of one model by kind, those that are searched for and all with their controls.

    `exciting` says whether it makes exciting images.
    """
    s, arms = config["synthesis"], len(config["synthesis"]["arms"])
    perturbed = REGIONS * DIRECTIONS * s["perturbed"] * len(s["radii"])
    levels = s["levels"]["number"]
    at_levels = REGIONS * s["accentuated"]
    searched = {"perturbations": perturbed * arms, "levels": at_levels * levels * arms}
    if exciting:
        searched["exciting"] = REGIONS * DIRECTIONS * (2 + s["seeds"]) * arms * 2
    # of many levels, every second has controls
    controls = 2 * perturbed + 2 * at_levels * (levels if levels < 5 else -(-levels // 2))
    return searched, sum(searched.values()) + controls


def all_pictures(config, names):
    """Count the pictures of some networks together."""
    makers = exciting_makers(config)
    return sum(pictures(config, name in makers)[1] for name in names)


def synthesis_passes(config, exciting):
    """List the passes of synthesised images; limits are taken for what is spent."""
    limits = {"perturbations": "limit", "levels": "level_limit", "exciting": "exciting_limit"}
    for kind, number in pictures(config, exciting)[0].items():
        limit = config["synthesis"][limits[kind]]
        yield Passes("synthesised images", kind, number * limit, forward=2 * number)


def stimulus_sets(config):
    """Count the images of each stimulus set: those that are searched for, for each maker, and all.

    The full study has no twin of its robust networks, so that a set is made without.
    """
    counts = {}
    for file in config["stimulus_sets"]:
        design = yaml.safe_load((ROOT / file).read_text())
        sizes = sum(len(design[key]) for key in ("radii", "effects", "levels"))
        places = design["images"]["number"] * REGIONS * sizes
        searched, makers = places * DIRECTIONS, len({"standard", "robust"} & set(design["makers"]))
        pairs = 2 * places * ("principal_distortions" in design["makers"])
        each = len({"phase_scrambled", "other_image"} & set(design["controls"]))
        shared = 2 * searched  # white noise, blends and natural images, at most
        counts[Path(file).stem] = searched, makers, (searched * makers + pairs) * (1 + each) + shared
    return counts


def set_jobs(config, measured, forward):
    """Give the seconds on a GPU of each stimulus set; makers are ResNet-50s, and limits are what is spent."""
    one = measured.seconds("resnet50", "gradients", config["attacks"]["precision"])
    for name, (searched, makers, images) in stimulus_sets(config).items():
        limit = yaml.safe_load((ROOT / f"config/stimulus_sets/{name}.yaml").read_text())["limit"]
        yield name, searched * makers * limit * one + (images + IMAGES) * sum(forward.values())


def shown(config):
    """Count the perturbations of one source that every target is shown."""
    a, probes = config["attacks"], config["nsd"]["probes"]
    noise = min(probes, a["effect_probes"] or probes) * REGIONS * len(a["effects"])
    controls = probes * REGIONS * DIRECTIONS * (1 + config["controls"]["transfer_draws"])
    return perturbations(config) + noise + controls


def gpu_jobs(config, measured, without=()):
    """Give the seconds on a GPU of every job, and the jobs that each waits for; leaves out some networks."""
    names, precision = networks()[0], config["attacks"]["precision"]
    names = {name: family for name, family in names.items() if name not in without}
    jobs, parts, makers = {}, defaultdict(float), exciting_makers(config)
    for name, family in names.items():
        by_step = defaultdict(float)
        for one in passes(config, measured, family, name in makers):
            seconds = one.gradients * measured.seconds(name, "gradients", precision)
            for kind in ("forward", "products", "draws"):
                seconds += getattr(one, kind) * measured.seconds(name, kind, "float32")
            by_step[one.step] += seconds
            parts[one.step, one.part] += seconds
        jobs["features", name] = by_step["features"], []
        jobs["attacks", name] = by_step["attacks"], [("features", name)]
        jobs["axes", name] = by_step["axes"], [("features", name)]
        jobs["synthesised images", name] = by_step["synthesised images"], [("attacks", name)]
    forward = {name: measured.seconds(name, "forward", "float32") for name in names}
    each, earlier = shown(config), []
    for name in names:
        cost = each * (forward[name] + sum(forward[name] + forward[other] for other in earlier))
        earlier.append(name)
        jobs["transfer", name] = cost, [("attacks", other) for other in earlier]
        parts["transfer", "attacks and controls of all, shown to all"] += cost
    saved = all_pictures(config, names) + 2 * IMAGES
    review = sum(saved * seconds for seconds in forward.values())
    jobs["synthesised images", "review"] = review, [("synthesised images", name) for name in names]
    parts["synthesised images", "review of all by all"] += review
    for name, seconds in set_jobs(config, measured, forward):
        waits = [(step, other) for step in ("attacks", "axes") for other in names]
        jobs["stimulus sets", name] = seconds, waits
        parts["stimulus sets", name] += seconds
    return jobs, parts


def gpu_hours(config, measured, without=()):
    """Give the hours that one GPU computes for the whole study; leaves out some networks."""
    jobs, _ = gpu_jobs(config, measured, without)
    return sum(seconds for seconds, _ in jobs.values()) / 3600


def makespan(jobs, gpus):
    """Give the seconds until all jobs are done, if the longest that can begin always does."""
    waiting, running, done, now = dict(jobs), [], set(), 0.0
    while waiting or running:
        ready = [name for name, (_, needs) in waiting.items() if done.issuperset(needs)]
        for name in sorted(ready, key=lambda name: -jobs[name][0])[: gpus - len(running)]:
            running.append((now + waiting.pop(name)[0], name))
        now = min(running)[0]
        done |= {name for end, name in running if end <= now}
        running = [(end, name) for end, name in running if end > now]
    return now


def processor_hours(config, measured, gpu, jobs):
    """Estimate processor hours of each step: waiting for the GPU, and what is done beside it."""
    number, names = measured.numbers, networks()[0]
    rows, models = shown(config), len(names)
    attacks = perturbations(config)
    pairs = models * models * rows
    sizes = (224 / 64) ** 2
    scrambled = config["nsd"]["probes"] * REGIONS * DIRECTIONS * config["controls"]["draws"]
    features = sum(float(row["features"]) for row in measured.flops.values())
    beside = {
        "readouts": number["processor of readouts"] * (features / 98432) * (TRAINING / 375) ** 2,
        "attacks": models
        * (
            attacks * number["processor to write a perturbation"]
            + len(config["attacks"]["radii"]) * scrambled * number["processor to scramble phases"]
        ),
        "transfer": pairs * number["processor to read a perturbation"]
        + models * models * scrambled / 3 * number["processor to scramble phases"],
        "axes": number["processor of compared subspaces"]
        * (models * (models - 1) / 2 / 105)
        * (config["nsd"]["probes"] / 24)
        * sizes,
        "summaries, claims and figures": number["processor of summaries and figures"]
        * pairs
        / (15 * 15 * 700),
    }
    starts = number["processor to start a job"]
    return {step: (beside.get(step, 0) + starts * jobs[step]) / 3600 + gpu.get(step, 0) for step in jobs}


def perturbations(config):
    """Count the stored perturbations of one network."""
    probes = config["nsd"]["probes"]
    budgets = plan.list_budgets(**{name: config["attacks"][name] for name in BUDGETS})
    return sum(min(probes, budget.probes or probes) for budget in budgets) * REGIONS * DIRECTIONS


def gigabytes(config, measured, without=()):
    """Estimate the disk that each step's files take; leaves out some networks."""
    number, rows = measured.numbers, [row for row in networks()[1] if row["name"] not in without]
    names = [row["name"] for row in rows]
    models, probes = len(names), config["nsd"]["probes"]
    features = sum(float(measured.flops[name]["features"]) for name in names)
    one = number["MB of a perturbation"] / 1e3
    e = config["eigenvectors"]
    voxels = sum(kind != "group" for kind in e["responses"])
    axes = probes * REGIONS * (voxels * (e["rank"] + e["sketches"]) + ("group" in e["responses"]))
    picture = number["kB of a picture"] / 1e6 * (224 / 64) ** 2
    return {
        "NSD": number["GB of cut-out sessions"],
        "networks": sum(float(row["megabytes"]) for row in rows) / 1e3,
        "features": IMAGES * 4 * features / 1e9,
        "readouts": TRAINING * 4 * features / 1e9,
        "attacks": models * perturbations(config) * one,
        "axes": models * axes * one,
        "synthesised images": all_pictures(config, names) * picture,
        # the picture twice, in the tables and in the folder, and the perturbation in float32, twice
        "stimulus sets": sum(images for *_, images in stimulus_sets(config).values())
        * 2
        * (picture + 12e-9 * 224**2),
    }
