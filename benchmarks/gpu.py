"""Measure a GPU with the study's own code: gradients, forward passes, products with J, memory, and an attack.

    python benchmarks/gpu.py --csv gpu.csv              # 240 s at most, the most important first
    python benchmarks/gpu.py --device cpu --limit 30    # tries it out where there is no GPU

Networks are those of config/networks.tsv with random weights: nothing is downloaded, and what a pass costs
does not depend on weights. A network that cannot be built here, for want of a package, is named and left out.

    gradients   responses of regions and their gradient, as attacks and synthesised images take it
    forward     responses of the group and of eight subjects in all regions, as transfer takes them
    products    JᵀJ v with 412 responses, as axes take it, once the forward pass has been recorded
    attack      main attacks, of radii 1 and 3, of 8 images in 3 regions, up and down

`per second` counts images (of an attack: gradients). `GB` is the most memory that was held beyond the loaded
network. `share` is what an attack changes responses, scored in float32, over what that in float32 does (mean
over images, regions and directions; goal: 0.99). Every row is written as soon as it is there.
"""

import argparse
import contextlib
import csv
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
from codingaxes import devices
from codingaxes.attacks import plan, strongest
from codingaxes.axes import derivatives, eigenpairs
from codingaxes.encoding.from_network import LinearResponse
from codingaxes.encoding.model import EncodingModel
from codingaxes.miniature import scenes
from codingaxes.networks.folding import fold_batch_norms
from codingaxes.networks.network import Network, validate

ROOT = Path(__file__).parents[1]
COLUMNS = ("machine", "date", "torch", "network", "measure", "precision", "layout", "attention", "batch")
COLUMNS += ("per second", "GB", "share", "elapsed s", "note")
MAIN = ("resnet50", "google_vit", "blip2")
OTHERS = ("vgg16", "densenet201", "inception_v3", "dreamsim", "dinov2", "nomic", "clip_resnet50", "cornet_rt")
OTHERS += ("mobilenet_v2", "alexnet", "squeezenet1_1")  # the robust networks are ResNet-50s
REGIONS = ("FFA", "EBA", "PPA")
SUBJECTS, VOXELS = 8, 412  # 412 training images determine as many directions
CHANNELS_LAST, CONTIGUOUS = torch.channels_last, torch.contiguous_format
GROWN = 1.03  # a batch twice as large has to be so much faster for the next one to be tried
SETTINGS = {"effect_limit": 70, "variant_limit": 70, "algorithm_steps": 100, "tolerance": 0.005}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--limit", type=float, default=240, help="seconds, after which nothing new begins")
    parser.add_argument("--csv", type=Path, default=Path("gpu.csv"))
    parser.add_argument("--networks", nargs="+", choices=(*MAIN, *OTHERS), default=MAIN)
    parser.add_argument("--precisions", nargs="+", choices=devices.PRECISIONS, default=devices.PRECISIONS)
    parser.add_argument("--batch", type=int, help="images to begin with (64, of BLIP2 32; on a CPU 2)")
    parser.add_argument("--images", type=int, help="images of the attack (8; on a CPU 1)")
    parser.add_argument("--gradients", type=int, help="most of the attack for an image (310; on a CPU 10)")
    options = parser.parse_args()
    device = devices.choose_device(options.device, 1, "benchmarks/gpu.py")
    small = device.type == "cpu"
    options.batch = options.batch or (2 if small else 64)
    options.images = options.images or (1 if small else 8)
    options.gradients = options.gradients or (10 if small else 310)
    with options.csv.open("w", newline="") as file:
        bench = Bench(device, options, file)
        for work in bench.plan():
            if bench.elapsed() > options.limit:
                print(f"{options.limit:g} s are over; what is left is not measured")
                break
            bench.attempt(*work)
    print(f"{bench.elapsed():.0f} s; {options.csv} has every row")


class Bench:
    """Measure one thing after the other on one device, and write each as soon as it is there."""

    def __init__(self, device, options, file):
        self.device, self.options, self.file, self.began = device, options, file, time.perf_counter()
        self.models, self.rows, self.failed = {}, read_rows(), set()
        cuda = device.type == "cuda"
        self.machine = torch.cuda.get_device_name(device) if cuda else platform.machine()
        self.writer = csv.DictWriter(file, COLUMNS)
        self.writer.writeheader()
        print(f"{self.machine}, torch {torch.__version__}")
        print(
            f"{'network':14}{'measure':16}{'precision':10}{'layout':15}{'attention':10}{'batch':>6}"
            f"{'per s':>10}{'GB':>8}{'share':>8}{'at s':>7}"
        )

    def plan(self):
        """List what is measured, the most important first: method, network, arguments."""
        names, base = self.options.networks, self.options.batch
        batch = {name: max(1, base // 2) if name == "blip2" else base for name in (*MAIN, *OTHERS)}
        first, precisions = names[0], self.options.precisions
        fewer = [precision for precision in precisions if precision != "bfloat16"]  # of what is reported
        others = [name for name in OTHERS if name not in names]
        yield from ((self.passes, name, (p, batch[name])) for name in names for p in precisions)
        yield from ((self.passes, first, (p, batch[first], CONTIGUOUS)) for p in precisions)
        yield from ((self.products, name, ("float32", max(1, base // 8))) for name in names)
        yield from ((self.attack, first, (p,)) for p in precisions)
        yield from ((self.grow, name, (p, batch[name])) for p in precisions for name in names)
        yield from ((self.products, name, (p, base // 2)) for name in names for p in fewer)
        yield self.axes, first, ()
        yield from ((self.fused, name, (p, batch[name])) for name in names[1:] for p in precisions)
        yield from ((self.passes, name, (p, batch[name])) for name in others for p in precisions)
        yield from ((self.passes, name, ("float32", batch[name], CONTIGUOUS)) for name in others)

    def attempt(self, method, name, arguments):
        """Measure one thing; what cannot be is a row that says why."""
        if name in self.failed:
            return
        try:
            self.only(name)
            method(self.model(name), *arguments)
        except (ImportError, ValueError, RuntimeError, FloatingPointError) as error:
            if name not in self.models:
                self.failed.add(name)
            note = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
            self.row(name, method.__name__, arguments[0] if arguments else "", note=note)
        if self.device.type == "cuda":  # outside the handler, whose traceback holds tensors
            torch.cuda.empty_cache()

    def only(self, name):
        """Let go of all networks but one where it is not one of those that are measured again."""
        for other in [other for other in self.models if other not in {name, *self.options.networks}]:
            del self.models[other]

    def model(self, name):
        """Build a network with readouts of random weights, once."""
        if name not in self.models:
            self.models[name] = Model(self.rows[name], self.device)
            if self.models[name].warning:
                self.row(name, "check", "float32", note=self.models[name].warning)
        return self.models[name]

    def elapsed(self):
        return time.perf_counter() - self.began

    def row(self, name, measure, precision, layout="", attention="plain", batch="", **found):
        """Write and print one row."""
        about = {"machine": self.machine, "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
        about |= {
            "network": name,
            "measure": measure,
            "precision": precision,
            "layout": layout,
            "attention": attention,
            "batch": batch,
        }
        self.writer.writerow(about | found | {"elapsed s": round(self.elapsed(), 1)})
        self.file.flush()
        numbers = [found.get("per second", np.nan), found.get("GB", np.nan), found.get("share", np.nan)]
        print(
            f"{name:14}{measure:16}{precision:10}{layout:15}{attention:10}{batch:>6}{numbers[0]:10.1f}"
            f"{numbers[1]:8.2f}{numbers[2]:8.4f}{self.elapsed():7.1f}  {found.get('note', '')}",
            flush=True,
        )

    def timed(self, model, measure, precision, batch, work, n=None, **about):
        """Measure how often `work` runs in a second, times `n` images, and write it."""
        rate, peak = throughput(work, self.device)
        found = {"per second": (n or batch) * rate, "GB": peak}
        self.row(model.name, measure, precision, model.layout, model.attention, batch, **found, **about)
        return found["per second"]

    def passes(self, model, precision, batch, layout=None):
        """Measure gradients and forward passes; `layout` None is the study's own choice."""
        with model.laid_out(layout):
            images, which = model.inputs(batch)
            explore = devices.exploring(model.respond, precision) or model.respond

            def gradients():
                strongest.value_and_gradient(explore, images, which)

            self.timed(model, "gradients", precision, batch, gradients)
            self.timed(model, "forward", precision, batch, lambda: strongest.forward(explore, images, which))

    def fused(self, model, precision, batch):
        """Measure gradients where attention is one kernel, which has no second derivative."""
        with model.fused_attention():
            self.passes(model, precision, batch)

    def grow(self, model, precision, batch):
        """Measure gradients with twice as many images at a time, for as long as that is faster."""
        explore, last = devices.exploring(model.respond, precision) or model.respond, 0.0
        while self.elapsed() < self.options.limit:
            images, which = model.inputs(batch)

            def gradients(images=images, which=which):
                strongest.value_and_gradient(explore, images, which)

            now = self.timed(model, "gradients grown", precision, batch, gradients)
            if now < GROWN * last:
                return
            last, batch = now, 2 * batch

    def products(self, model, precision, batch):
        """Measure products JᵀJ v of all voxels of a region, from a recorded forward pass."""
        images, _ = model.inputs(batch)
        with devices.cheaper(precision, self.device.type):
            product = derivatives.gauss_newton(model.voxels(), images)
            vectors = torch.randn(batch, images[0].numel(), device=self.device)
            self.timed(model, "products", precision, batch, lambda: product(vectors))

    def axes(self, model):
        """Measure the leading five axes of voxels, as rule compute_eigenvectors finds them."""
        batch = max(1, self.options.batch // 8)
        images, _ = model.inputs(batch)
        start = torch.randn(batch, images[0].numel(), device=self.device)

        def work():
            return eigenpairs.top_axes(model.voxels(), images, 5, start=start, tolerance=1e-4, max_steps=60)

        steps = float(work().spectrum.steps.double().mean())
        self.timed(model, "axes", "float32", batch, work, note=f"{steps:.0f} products an image")

    def attack(self, model, precision):
        """Make the study's main attacks; hold what they change, in float32, to those made in float32."""
        explore = devices.exploring(model.respond, precision)
        n, each = self.options.images, 2 * len(REGIONS)
        shown = model.scenes(n).repeat_interleave(each, dim=0)
        items = {
            "which": torch.arange(len(REGIONS), device=self.device).repeat(2 * n) * (SUBJECTS + 1),
            "direction": torch.tensor([1.0] * 3 + [-1.0] * 3, device=self.device).repeat(n),
        }
        settings = SETTINGS | {"steps": 10, "limit": self.options.gradients, "explore": explore}
        began, spent, changes, known = self.elapsed(), 0, [], ()
        for budget in plan.list_budgets([1.0, 3.0], [], [], [], [], 0, 0):
            attack = plan.attack(model.respond, shown, budget, known=known, **items, **settings)
            known = (attack.delta,)
            spent += int(attack.evaluations.sum())
            changes.append(attack.change.abs())
        seconds, changes = self.elapsed() - began, torch.cat(changes)
        if precision == "float32":
            model.changes = changes
        share = changes / model.changes if model.changes is not None else changes * np.nan
        note = f"{seconds:.1f} s, {spent} gradients; least share {float(share.min()):.4f}"
        found = {"per second": spent / seconds, "share": float(share.mean()), "note": note}
        self.row(model.name, "attack", precision, model.layout, batch=len(shown), **found)


class Model:
    """Hold a network with random weights, and readouts of three regions from its candidate layers."""

    def __init__(self, row, device):
        self.name, self.device, self.warning = row["name"], device, ""
        self.attention, self.changes = "plain", None
        torch.manual_seed(0)
        with device:
            network = Network(row).eval().requires_grad_(False)
        self.network, self.size = network, network.input_size
        try:
            validate(network, self.size)
        except (ValueError, FloatingPointError) as error:
            self.warning = str(error)
        fold_batch_norms(network, self.size)
        self.default, self.rng = network.layout, np.random.default_rng(0)
        # the deepest layer for one region, the one before for the others
        self.layers = dict(zip(REGIONS, [network.layers[-1], *[network.layers[-2]] * 2], strict=True))
        with torch.no_grad():
            features = network.features(self.scenes(16))
        self.depth = features[self.layers["EBA"]].shape[1]
        parts = {roi: self.readouts(layer, features[layer]) for roi, layer in self.layers.items()}
        group, subjects = ({roi: pair[i] for roi, pair in parts.items()} for i in range(2))
        names = tuple(f"subj{number:02}" for number in range(1, SUBJECTS + 1))
        self.respond, _ = EncodingModel(group, subjects, {}, names=names).readers()

    @property
    def layout(self):
        return "channels last" if self.network.layout is CHANNELS_LAST else "contiguous"

    def readouts(self, layer, features):
        """Draw readouts of the group and of subjects, whose responses to these images have an SD of 1."""
        basis = self.rng.standard_normal((SUBJECTS, features.shape[1]), dtype=np.float32)
        basis /= np.linalg.norm(basis, axis=1, keepdims=True)
        directions = torch.tensor(basis, dtype=torch.float64, device=self.device)
        weights = np.diag(1 / (features.double() @ directions.T).std(dim=0).cpu().numpy())
        return [
            LinearResponse(self.network, layer, part, basis, np.zeros(len(part))).to(self.device).eval()
            for part in (weights[:1], weights)
        ]

    def voxels(self):
        """Give as many responses as training images determine, from one layer."""
        layer = self.layers["EBA"]
        generator = torch.Generator(self.device).manual_seed(1)
        weight = torch.randn(VOXELS, self.depth, generator=generator, device=self.device)
        return lambda images: self.network.features(images, [layer])[layer] @ weight.T

    def inputs(self, batch):
        """Draw random images, and the response of each that is attacked."""
        generator = torch.Generator(self.device).manual_seed(2)
        images = torch.rand(batch, 3, self.size, self.size, generator=generator, device=self.device)
        which = torch.arange(batch, device=self.device) % len(REGIONS) * (SUBJECTS + 1)
        return images, which

    def scenes(self, n):
        """Draw scenes, at the network's size."""
        pixels = torch.from_numpy(scenes.render_many(7, n, 64)[0]).permute(0, 3, 1, 2).float() / 255
        size = (self.size, self.size)
        return torch.nn.functional.interpolate(pixels, size, mode="bilinear").clamp(0, 1).to(self.device)

    @contextlib.contextmanager
    def laid_out(self, layout):
        """Keep convolutions in another layout while active."""
        if layout is not None:
            self.network.body.to(memory_format=layout)
            self.network.layout = layout
        try:
            yield
        finally:
            if layout is not None:
                self.network.body.to(memory_format=self.default)
                self.network.layout = self.default

    @contextlib.contextmanager
    def fused_attention(self):
        """Let attention be one kernel while active."""
        modules = [module for module in self.network.body.modules() if hasattr(module, "fused_attn")]
        for module in modules:
            module.fused_attn = True
        self.network.forward = lambda images: self.network.body(self.network._prepare(images))
        self.attention = "fused"
        try:
            yield
        finally:
            del self.network.forward
            self.attention = "plain"
            for module in modules:
                module.fused_attn = False


def throughput(work, device, seconds=0.4):
    """Run `work` for a while after a first run; gives runs a second, and GB beyond what was held before."""
    cuda = device.type == "cuda"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    synchronize()
    held = torch.cuda.memory_allocated() if cuda else 0
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    work()
    synchronize()
    began, runs = time.perf_counter(), 0
    while not runs or time.perf_counter() - began < seconds:
        work()
        synchronize()
        runs += 1
    peak = (torch.cuda.max_memory_allocated() - held) / 1e9 if cuda else np.nan
    return runs / (time.perf_counter() - began), peak


def read_rows():
    """Read the table of networks, name -> row, without the packages that its checks need."""
    rows = {}
    with (ROOT / "config/networks.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            row |= {"layers": row["layers"].split(","), "input_size": int(row["input_size"])}
            row |= {name: [float(number) for number in row[name].split(",")] for name in ("mean", "std")}
            rows[row["name"]] = row
    return rows


if __name__ == "__main__":
    sys.exit(main())
