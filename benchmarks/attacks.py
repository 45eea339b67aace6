"""Compare attacks with five libraries: largest change on a ball, smallest perturbation for a change.

The peers live in an environment of their own (a missing one is skipped, and said so):

    python -m venv .venv-attacks && .venv-attacks/bin/pip install -r benchmarks/attacks.txt
    .venv-attacks/bin/pip install --no-deps git+https://github.com/jeromerony/adversarial-library
    OMP_NUM_THREADS=1 .venv-attacks/bin/python benchmarks/attacks.py

adversarial-library imports visdom, which has no part in its attacks: a stand-in takes its place here.

The response is a ridge readout of "face" from layer3 of a ResNet-18 at 112 x 112, trained here on synthetic
scenes (some six minutes once, then read from --cache), or with random weights; or from the last candidate
layer of networks of the miniature's zoo at 64 x 64, two standard and two robust. Everyone raises the same
scalar r on the same images, in float32 and one process. Libraries see a classifier with logits
(0, r - before + 40) and the label 0, whose cross-entropy is r plus a constant, to rounding: nobody loses
anything by it. For a wanted change the logits are (0, r - before - wanted). Random starts have a fixed seed.

Gradients are counted in the response itself, `passes` are its forward passes, both for each image; what a
method states about itself is held to it. What comes back is judged here: |x + δ - x| in the ball (1e-4 of
it), x + δ in [0, 1]. The reference is, for each image, the best that anyone found, three methods with
--reference-steps gradients among them. A wanted change counts as reached from 99% of it on; a perturbation
that stops below the whole is first lengthened to it (outside the count), so that nobody gains by the 1%.
An image that does not reach it counts as infinitely far in the median.
Seconds are of the processor: the best of several rounds in turn, in parts of one forward and backward pass.

About 40 minutes on one core: 110 000 gradients of up to 0.014 s, 4 minutes of cost, 6 of training; --quick
three.
"""

import argparse
import copy
import csv
import importlib.util
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from attack_peers import FIXED, OURS, REACH, REFERENCE, Counted, plain, size_of
from planted_zoo import face_body_house

from codingaxes.miniature import scenes

SIZE, SEED, HELD_OUT = 112, 123, 100
# name: weights, norm, radius
CASES = {
    "trained-1": ("trained", "l2", 1.0),
    "trained-5": ("trained", "l2", 5.0),
    "random-1": ("random", "l2", 1.0),
    "random-5": ("random", "l2", 5.0),
    "trained-linf": ("trained", "linf", 2 / 255),
    "vgg_standard_1": ("vgg_standard_1", "l2", 0.86),
    "densenet_standard_1": ("densenet_standard_1", "l2", 0.86),
    "vgg_robust_1": ("vgg_robust_1", "l2", 0.86),
    "resnet_robust_1": ("resnet_robust_1", "l2", 0.86),
}
ZOO = Path(__file__).parents[1] / "resources/zoo"
BALL, BOX = 1e-4, 1e-6  # what may leave the ball, in parts of it, and the box, in pixels
REACHED = 0.99
PARTS = ("fixed", "reach", "cost")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[n for n in CASES if n != "random-5"])
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="reach needs fixed, and runs it"
    )
    parser.add_argument(
        "--images", type=int, default=8, help="how many to attack; there are 100 held-out scenes"
    )
    parser.add_argument("--photographs", type=Path, help="folder of images to attack in their place")
    parser.add_argument("--reference-steps", type=int, default=300, help="at most 100 in the linf case")
    parser.add_argument("--rounds", type=int, default=5, help="of the cost, the first to warm up; peers: two")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "codingaxes-benchmarks")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument("--quick", action="store_true", help="does all run? few images, steps and training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.quick:
        options.images, options.reference_steps, options.rounds = min(options.images, 2), 125, 2
        print("quick: little training and a fifth of the steps, so goals and ratios mean nothing")
    networks, images = prepare(options)
    print(
        f"torch {torch.__version__}, one thread, {len(images)} images of {SIZE} x {SIZE}, of the zoo 64 x 64"
    )
    for package in sorted({package for package, *_ in [*FIXED.values(), *REACH.values()]} - {""}):
        if not importlib.util.find_spec(package):
            print(f"{package} is not installed: skipped")
    rows = []
    for name in options.cases if {"fixed", "reach"} & set(options.parts) else []:
        if CASES[name][0] in networks:
            respond, shown = Counted(fold(networks[CASES[name][0]])), images
        else:
            respond, shown = of_zoo(name, len(images))
        new, best = fixed_size(respond, shown, name, options)
        rows += new
        if "reach" in options.parts and CASES[name][1] == "l2":
            rows += wanted_change(respond, shown, name, best, options)
    if "cost" in options.parts:
        rows += cost(networks["trained"], images, options)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
    goals = [row["note"] for row in rows if row["part"] == "goal"]
    print(f"\n{goals.count('met')} of {len(goals)} goals met")


class Response(nn.Module):
    """A linear readout of layer3: images (n, 3, h, w) in [0, 1] -> (n,)."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.register_buffer("weight", torch.ones(1))
        self.register_buffer("mean", torch.zeros(1))

    def features(self, images):
        body = self.body
        x = body.maxpool(body.act1(body.bn1(body.conv1((images - 0.5) / 0.25))))
        return body.layer3(body.layer2(body.layer1(x))).flatten(1)

    def forward(self, images):
        return (self.features(images) - self.mean) @ self.weight


class Face(nn.Module):
    """The first of several responses."""

    def __init__(self, respond):
        super().__init__()
        self.respond = respond

    def forward(self, images):
        return self.respond(images)[:, 0]


def of_zoo(name, n):
    """Load a network of the zoo with its readout of "face", and images to attack."""
    respond, images = face_body_house(ZOO, name, n)
    return Counted(Face(respond)), images.contiguous()


def prepare(options):
    """Make responses by weights, with nothing folded or frozen but the readout, and images to attack."""
    scenes_, epochs = (300, 1) if options.quick else (2000, 4)
    file = options.cache / f"attacks-resnet18-{scenes_}-{epochs}.pt"
    if not file.exists():
        options.cache.mkdir(parents=True, exist_ok=True)
        torch.save(train(scenes_, epochs), file)
    known = torch.load(file)
    networks = {}
    for weights in ("trained", "random"):
        torch.manual_seed(1)
        respond = Response(timm.create_model("resnet18", num_classes=len(scenes.CATEGORIES))).eval()
        if weights == "trained":
            respond.body.load_state_dict(known["network"])
        fit(respond, known["scenes"], known["labels"][:, scenes.CATEGORIES.index("face")])
        networks[weights] = respond
    if options.photographs:
        images = photographs(options.photographs)
    else:
        images = known["held_out"].float() / 255
    # libraries project in place through flatten or view, which do nothing or fail in other layouts
    return networks, images[: options.images].contiguous()


def train(n, epochs):
    """Train a ResNet-18 on scenes; its weights, scenes, labels and held-out scenes."""
    began = time.process_time()
    torch.manual_seed(0)
    pixels, labels = scenes.render_many(SEED, n + HELD_OUT, SIZE)
    pixels, labels = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    body = timm.create_model("resnet18", num_classes=labels.shape[1]).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(body.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=epochs * (n // 16))
    loss = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for batch in torch.randperm(n).split(16)[: n // 16]:
            optimiser.zero_grad()
            loss(body((pixels[batch] / 255 - 0.5) / 0.25), labels[batch].float()).backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        said = body.eval()((pixels[n:] / 255 - 0.5) / 0.25) > 0
    share = torch.stack([(said == labels[n:])[labels[n:] == truth].float().mean() for truth in (True, False)])
    seconds = time.process_time() - began
    print(f"trained on {n} scenes for {epochs} epochs: {seconds:.0f} s, balanced accuracy {share.mean():.3f}")
    state = {name: value.contiguous() for name, value in body.state_dict().items()}
    return {"network": state, "scenes": pixels[:400], "labels": labels[:400], "held_out": pixels[n:]}


@torch.no_grad()
def fit(respond, pixels, labels):
    """Fit ridge weights for the labels, standardised, in place."""
    x = torch.cat([respond.features(part.float() / 255) for part in pixels.split(50)])
    y = (labels.float() - labels.float().mean()) / labels.float().std()
    respond.mean = x.mean(dim=0)
    x = x - respond.mean
    kernel = x @ x.T
    alpha = 0.1 * kernel.diagonal().mean()
    respond.weight = x.T @ torch.linalg.solve(kernel + alpha * torch.eye(len(x)), y)


def photographs(folder):
    """Read all images of a folder: their shorter side resized to SIZE, their centre."""
    images = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            image = Image.open(path).convert("RGB")
            scale = SIZE / min(image.size)
            image = image.resize([max(SIZE, round(scale * side)) for side in image.size], Image.BICUBIC)
            left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
            images.append(np.asarray(image.crop((left, top, left + SIZE, top + SIZE))))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def fold(respond):
    """Freeze a copy of a response, its batch norms folded into the convolutions, channels last."""
    respond = copy.deepcopy(respond).requires_grad_(False)
    body = respond.body
    body.conv1, body.bn1 = fuse_conv_bn_eval(body.conv1, body.bn1), nn.Identity()
    for block in [*body.layer1, *body.layer2, *body.layer3]:
        block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
        block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
        if block.downsample is not None:
            block.downsample = fuse_conv_bn_eval(*block.downsample)
    return respond.to(memory_format=torch.channels_last)


def fixed_size(respond, images, name, options):
    """Attack by all methods at the case's radius: rows, with goals, and the best change of each image."""
    weights, norm, radius = CASES[name]
    before = plain(respond, images)
    most = min(options.reference_steps, 100) if norm == "linf" else options.reference_steps
    rows, gains = [], []
    for method, (package, budgets, run) in FIXED.items():
        for steps in (*budgets, *([most] if method in REFERENCE and most > max(budgets) else [])):
            row = {"part": "fixed size", "case": name, "method": method, "steps": steps}
            asked = steps // 5 if options.quick else steps
            attacked = attempt(row, package, respond, run, images, before, norm, radius, asked)
            if attacked is None:
                continue
            gain = plain(respond, attacked) - before
            row["value"] = gain.mean().item()
            if outside(row, attacked - images, attacked, norm, radius):
                gain = torch.full_like(gain, -torch.inf)
            rows.append(row)
            gains.append(gain)
    best = torch.stack(gains).amax(dim=0)
    print(f"\n{name}: {weights} weights, {norm} ball of {radius:.4g}: mean change, share of the best known")
    print(f"{'':32} {'steps':>5} {'change':>8} {'share':>8} {'gradients':>9} {'passes':>7}")
    for row in rows:
        row["share"] = row["value"] / best.mean().item()
        numbers = (
            f"{row['value']:8.4f} {100 * row['share']:7.2f}% {row['gradients']:9.1f} {row['passes']:7.1f}"
        )
        print(f"{row['method']:32} {row['steps']:5} {numbers}  {row['note']}")
    return rows + fixed_size_goals(rows, name), best


def fixed_size_goals(rows, name):
    _, norm, radius = CASES[name]
    share = {row["steps"]: row["share"] for row in rows if row["method"] == OURS}
    peers = {
        row["method"]: row["share"]
        for row in rows
        if row["method"] != OURS and row["steps"] == 50 and "outside" not in row["note"]
    }
    goals, few = [], 10 if radius == 1 else 20
    if norm == "l2" and peers and few in share:
        leader = max(peers, key=peers.get)
        text = f"ours with {few} at least the best peer with 50, {leader}"
        goals.append(goal(name, text, share[few], peers[leader], share[few] >= peers[leader]))
    if 100 in share:
        text = "ours with 100 at least 99.5% of the best known"
        goals.append(goal(name, text, share[100], 0.995, share[100] >= 0.995))
    return goals


def wanted_change(respond, images, name, wanted, options):
    """Attack by all methods for the changes `wanted` (n,) of the case's radius: rows, goals among them."""
    radius, before, rows = CASES[name][2], plain(respond, images), []
    for method, (package, budgets, run) in REACH.items():
        for steps in budgets:
            row = {"part": "wanted change", "case": name, "method": method, "steps": steps}
            asked = steps // 5 if options.quick else steps
            attacked = attempt(row, package, respond, run, images, before, wanted, asked)
            if attacked is None:
                continue
            outside(row, attacked - images, attacked)
            reached, size = lengthened(respond, images, before, wanted, attacked - images)
            row["value"], row["share"] = float(np.median(size / radius)), reached.double().mean().item()
            rows.append(row)
    print(f"\n{name}: smallest l2 size for the best known change at {radius:g}, in parts of {radius:g}")
    print(f"{'':32} {'steps':>5} {'median':>8} {'reached':>8} {'gradients':>9} {'passes':>7}")
    for row in rows:
        numbers = (
            f"{row['value']:8.4f} {100 * row['share']:7.0f}% {row['gradients']:9.1f} {row['passes']:7.1f}"
        )
        print(f"{row['method']:32} {row['steps']:5} {numbers}  {row['note']}")
    return rows + wanted_change_goals(rows, name)


def wanted_change_goals(rows, name):
    size = {(row["method"], row["steps"]): row["value"] for row in rows if "outside" not in row["note"]}
    goals = []
    for steps in (10, 20, 50):
        peers = {method: value for (method, n), value in size.items() if n == steps and method in SAME_BUDGET}
        if peers and (OURS, steps) in size:
            leader, own = min(peers, key=peers.get), size[OURS, steps]
            text = f"ours with {steps} smaller than every peer with {steps}, {leader} the best"
            goals.append(goal(name, text, own, peers[leader], own < peers[leader]))
    for steps, limit in [(20, 1.02), (50, 1.005)] if CASES[name][2] == 1 else [(50, 1.03)]:
        if (OURS, steps) in size:
            own = size[OURS, steps]
            goals.append(goal(name, f"ours with {steps} at most {limit:g}", own, limit, own <= limit))
    return goals


SAME_BUDGET = ("adversarial-library FMN", "adversarial-library DDN")  # the others choose their own


def lengthened(respond, images, before, wanted, delta):
    """Lengthen perturbations just short of the change; whether it is reached (n,), and sizes (n,)."""
    change = plain(respond, images + delta) - before
    size, short = size_of(delta), (change < wanted) & (change >= REACHED * wanted)
    if short.any():
        low, high = torch.ones_like(size), torch.full_like(size, 1.1)

        def longer(scale):
            return (images + delta * scale.view(-1, 1, 1, 1)).clamp(0, 1) - images

        for _ in range(12):
            middle = (low + high) / 2
            enough = plain(respond, images + longer(middle)) - before >= wanted
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        size = torch.where(short, size_of(longer(high)), size)
    reached = change >= REACHED * wanted
    return reached, torch.where(reached, size, torch.inf)


def cost(network, images, options):
    """Measure seconds for a gradient, in parts of a bare forward and backward pass of the same network."""
    frozen = copy.deepcopy(network).requires_grad_(False)
    rows, few = [], max(2, 20 // (5 if options.quick else 1))
    for case, respond, steps, everyone in (
        ("frozen", frozen, few, True),
        ("weights not frozen", network, max(2, few // 2), True),
        ("frozen, folded, channels last", fold(network), few, False),
    ):
        print(f"\nseconds for a gradient, {case}: {len(images)} images, {steps} steps")
        rows += cost_of(Counted(respond), images, case, steps, everyone, options.rounds)
    return rows


def cost_of(respond, images, case, steps, everyone, rounds):
    before, seconds, failed = plain(respond, images), {}, set()
    contenders = {"bare forward and backward": ("", None, bare)} | {
        method: entry for method, entry in FIXED.items() if everyone or method == OURS
    }
    for turn in range(rounds):
        for method, (package, _, run) in contenders.items():
            if method in failed or (turn >= 2 and run is not bare and method != OURS):
                continue
            row, began = {"method": method, "steps": steps}, time.process_time()
            if attempt(row, package, respond, run, images, before, "l2", 1.0, steps) is None:
                failed.add(method)
                continue
            taken = (time.process_time() - began) / row["gradients"] / len(images)
            if turn:  # the first one warms up, and imports the libraries
                seconds[method] = min(taken, seconds.get(method, taken))
    rows, floor = [], seconds["bare forward and backward"]
    for method, taken in seconds.items():
        print(f"{method:32} {taken:8.4f} {taken / floor:6.3f}")
        rows.append({"part": "cost", "case": case, "method": method, "value": taken, "share": taken / floor})
    if "not" not in case:
        ratio = seconds[OURS] / floor
        rows.append(goal(case, "seconds of ours at most 1.05 of bare", ratio, 1.05, ratio <= 1.05))
    return rows


def bare(respond, images, before, norm, radius, steps):
    for _ in range(steps):
        x = images.detach().requires_grad_(True)
        torch.autograd.grad(respond(x).sum(), x)
    return images, None


def attempt(row, package, respond, run, images, *others):
    """What a method returns, its spending noted in the row; None if it is not installed or fails."""
    if package and not importlib.util.find_spec(package):
        return None
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  ART draws from it
    respond.reset()
    try:
        attacked, stated = run(respond, images, *others)
    except Exception as error:  # a peer that breaks must not cost the others their numbers
        if not package:
            raise
        print(f"{row['method']} failed: {type(error).__name__}: {error}")
        return None
    row["gradients"], row["passes"] = respond.gradients / len(images), respond.passes / len(images)
    wrong = stated is not None and abs(stated - row["gradients"]) > 0.01
    row["note"] = f"states {stated:g} gradients" if wrong else ""
    return attacked


def outside(row, delta, attacked, norm="l2", radius=torch.inf):
    """Note in the row by how much a result leaves ball or box, if it does."""
    size = size_of(delta) if norm == "l2" else delta.abs().amax(dim=(1, 2, 3))
    ball = (size / radius - 1).max().item()
    box = max(-attacked.min().item(), attacked.max().item() - 1)
    if ball > BALL:
        row["note"] += f" outside the ball by {ball:.0e}"
    if box > BOX:
        row["note"] += f" outside the box by {box:.0e}"
    return ball > BALL or box > BOX


def goal(case, text, value, other, met):
    print(f"goal: {text}: {value:.4f} and {other:.4f}: {'met' if met else 'missed'}", flush=True)
    return {"part": "goal", "case": case, "method": text, "value": value, "share": other} | {
        "note": "met" if met else "missed"
    }


if __name__ == "__main__":
    main()
