"""Compare leading axes of JᵀJ with plenoptic, scipy, torch and pytorch-hessian-eigenthings, in one process.

The peers live in an environment of their own (a missing one is skipped, and said so):

    python -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/eigenvectors.txt
    OMP_NUM_THREADS=1 .venv-peers/bin/python benchmarks/eigenvectors.py

Everyone differentiates the same function: a ResNet-18 (trained for a minute here on synthetic scenes) or the
miniature's, and a ridge readout of V targets fitted on 412 scenes, compressed to its rank. The angle is the
largest principal angle to the subspace of a float64 Jacobian with all its rows, over the images that peers
saw. Peers work on one image at a time with torch's double backward, as their users would; `our product` is
their solver with our JᵀJ. Seconds are of the processor (one thread), so that a busy machine does not count:
the best image of a peer, and the better of two runs of our batch.
"""

import argparse
import csv
import importlib.util
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.sparse.linalg
import timm
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
from codingaxes.axes import derivatives, eigenpairs
from codingaxes.encoding.from_network import compress
from codingaxes.miniature import scenes
from codingaxes.networks.network import Network

ACCURATE = 0.01  # degrees: what "equal accuracy" means


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=("resnet18", "miniature"), default="resnet18")
    parser.add_argument("--train-steps", type=int, default=60, help="0 leaves the weights random")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--peer-images", type=int, default=2, help="images for peers and angles")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 10, 100, 1000, 2000])
    parser.add_argument(
        "--slow", type=int, nargs="*", default=[100], help="V at which lobpcg and plenoptic run"
    )
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="four images, one for peers, at most 100 targets, few steps of training",
    )
    options = parser.parse_args()
    if options.quick:
        options.images, options.peer_images, options.targets, options.slow = 4, 1, [1, 10, 100], []
        options.train_steps = min(options.train_steps, 10)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    features, pixels, labels = network_and_scenes(options)
    images = pixels[-options.images :]
    readouts = {v: readout(features, pixels[:412], labels[:412], v) for v in options.targets}
    responds = {v: Response(features, weight) for v, weight in readouts.items()}
    before = peak_memory()
    ours = {v: run_ours(respond, images, min(options.k, v)) for v, respond in responds.items()}
    print(f"peak memory {peak_memory():.0f} MB while ours ran, {before:.0f} MB before")
    exact = eigenpairs.rows(features.double(), images[: options.peer_images].double())
    features.float()
    table = []
    for v, respond in responds.items():
        k = min(options.k, v)
        reference = eigenpairs.exact_eigenpairs(readouts[v].double() @ exact, k).vectors
        rows = ours[v] + run_peers(respond, images[: options.peer_images], k, slow=v in options.slow)
        table += report(v, readouts[v].shape[0], rows, reference)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)


class Features(torch.nn.Module):
    """Map images (n, 3, h, w) in [0, 1] to the readout layer's features (n, d)."""

    def __init__(self, name, size):
        super().__init__()
        self.name, self.size = name, size
        resnet = name == "resnet18"
        self.body = timm.create_model("resnet18", num_classes=6) if resnet else Network("resnet")

    def forward(self, images):
        if self.name == "miniature":
            return self.body.features(images, ["layer3"])["layer3"]
        return self.body.forward_head(self.body.forward_features((images - 0.5) / 0.25), pre_logits=True)

    def logits(self, images):
        return self.body(images if self.name == "miniature" else (images - 0.5) / 0.25)


class Response(torch.nn.Module):
    """Map images (n, 3, h, w) to responses (n, v): features and a linear readout."""

    def __init__(self, features, weight):
        super().__init__()
        self.features = features
        self.register_buffer("weight", weight)

    def forward(self, images):
        return self.features(images) @ self.weight.T


def network_and_scenes(options):
    size = 112 if options.network == "resnet18" else 64
    raw, labels = scenes.render_many(0, 412 + options.images, size)
    pixels = torch.tensor(raw).permute(0, 3, 1, 2).contiguous().float() / 255
    labels = torch.tensor(labels).float()
    features = Features(options.network, size)
    optimiser = torch.optim.AdamW(features.parameters(), lr=1e-3)
    for step in range(options.train_steps):
        batch = torch.arange(step * 16, (step + 1) * 16) % 412
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            features.logits(pixels[batch]), labels[batch]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return features.eval().requires_grad_(False), pixels, labels


def readout(features, pixels, labels, v):
    """Fit ridge weights (rank, d) of v synthetic voxels: categories, coarse light and noise, mixed."""
    with torch.no_grad():
        x = torch.cat([features(part) for part in pixels.split(32)]).double()
    x = x - x.mean(dim=0)
    coarse = torch.nn.functional.avg_pool2d(pixels, pixels.shape[-1] // 4).flatten(1)
    causes = torch.cat([labels, coarse], dim=1).double()
    causes = (causes - causes.mean(dim=0)) / causes.std(dim=0)
    generator = torch.Generator().manual_seed(v)
    mixing = torch.randn(causes.shape[1], v, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(x), v, generator=generator, dtype=torch.float64)
    y = causes @ mixing / causes.shape[1] ** 0.5 + noise
    kernel = x @ x.T
    alpha = 0.01 * kernel.diagonal().mean()
    weight = torch.linalg.solve(kernel + alpha * torch.eye(len(x)), y - y.mean(dim=0)).T @ x
    return compress(weight).float()


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_ours(respond, images, k):
    """Run our routes on the whole batch: (name, seconds an image, products, vectors) of each."""
    rows = []
    start = torch.randn(len(images), images[0].numel(), generator=torch.Generator().manual_seed(1))
    runs = [("auto", torch.float32), ("lanczos", torch.float64), ("bidiagonal", torch.float32)]
    for route, dtype in runs if len(respond.weight) > 1 else runs[:1]:
        seconds = []
        for _ in range(2):
            began = time.process_time()
            axes = eigenpairs.top_axes(respond, images, k, start=start.to(dtype), route=route)
            seconds.append((time.process_time() - began) / len(images))
        name = f"ours auto: {axes.route}" if route == "auto" else f"ours {route}, {str(dtype)[6:]} basis"
        rows.append((name, min(seconds), axes.spectrum.steps.double().mean().item(), axes.spectrum.vectors))
        if route == "auto":
            costs = ", ".join(f"{name} {value:.0f}" for name, value in axes.costs.items())
            print(f"rank {len(respond.weight)}: passes of each route: {costs}")
    return rows


def run_peers(respond, images, k, *, slow):
    peers = {"jacrev + SVD": jacrev} if len(respond.weight) <= 100 else {}
    for tolerance in (1e-3, 1e-4):
        peers[f"scipy eigsh {tolerance:.0e}"] = eigsh(tolerance, None, plain_product)
    peers["scipy eigsh 1e-03 ncv 40"] = eigsh(1e-3, 40, plain_product)
    peers["scipy eigsh 1e-03 our product"] = eigsh(1e-3, None, derivatives.gauss_newton)
    if slow:
        peers["torch lobpcg 20"] = lobpcg(20)
    if importlib.util.find_spec("hessian_eigenthings"):
        if len(respond.weight) > 3 * k:
            peers["hessian-eigenthings"] = eigenthings(None)
            peers["hessian-eigenthings 40"] = eigenthings(40)
    else:
        print("hessian-eigenthings is not installed: skipped")
    if slow and importlib.util.find_spec("plenoptic"):
        peers["plenoptic randomized_svd"] = plenoptic("randomized_svd")
        peers["plenoptic power 30"] = plenoptic("power", max_iter=30)
    elif slow:
        print("plenoptic is not installed: skipped")
    rows = []
    for name, solve in peers.items():
        answers, seconds = [], []
        for image in images:
            began = time.process_time()
            answers.append(solve(respond, image[None], k))
            seconds.append(time.process_time() - began)
        vectors = torch.stack([vectors for vectors, _ in answers])
        rows.append((name, min(seconds), np.mean([products for _, products in answers]), vectors))
    return rows


def plain_product(respond, image):
    """Make v -> JᵀJ v by torch's double backward, as one writes it without a library."""
    image = image.detach().requires_grad_(True)
    response = respond(image)
    probe = torch.zeros_like(response, requires_grad=True)
    (pulled,) = torch.autograd.grad(response, image, probe, create_graph=True)

    def apply(vectors):
        tangent = vectors.to(image.dtype).view_as(image)
        (pushed,) = torch.autograd.grad(pulled, probe, tangent, retain_graph=True)
        return torch.autograd.grad(response, image, pushed, retain_graph=True)[0].flatten(1)

    return apply


class Counted:
    def __init__(self, product):
        self.product, self.calls = product, 0

    def __call__(self, vector):
        self.calls += 1
        return self.product(vector.view(1, -1)).flatten()


def eigsh(tolerance, ncv, make):
    def solve(respond, image, k):
        product, size = Counted(make(respond, image)), image.numel()
        operator = scipy.sparse.linalg.LinearOperator(
            (size, size), lambda v: product(torch.from_numpy(v.astype(np.float32))).numpy(), dtype=np.float32
        )
        v0 = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        _, vectors = scipy.sparse.linalg.eigsh(operator, k, tol=tolerance, ncv=ncv, v0=v0)
        return torch.tensor(vectors.T.copy()).double(), product.calls

    return solve


def lobpcg(steps):
    def solve(respond, image, k):
        product, size = Counted(plain_product(respond, image)), image.numel()
        plain = torch._linalg_utils.matmul

        def matmul(a, b):  # torch.lobpcg takes no operator: the square matrix stands for ours
            if a is None or a.shape[-2:] != (size, size):
                return plain(a, b)
            return torch.stack([product(column.contiguous()) for column in b.T], dim=1)

        start = torch.randn(size, k, generator=torch.Generator().manual_seed(0))
        with mock.patch.object(torch._linalg_utils, "matmul", matmul):
            _, vectors = torch.lobpcg(torch.zeros(1).expand(size, size), X=start, niter=steps, largest=True)
        return vectors.T.double(), product.calls

    return solve


def eigenthings(steps):
    def solve(respond, image, k):
        import hessian_eigenthings

        product = Counted(plain_product(respond, image))
        operator = hessian_eigenthings.LambdaOperator(product, image.numel())
        result = hessian_eigenthings.lanczos(operator, k=k, max_iter=steps, seed=0)
        return result.eigenvectors.double(), product.calls

    return solve


def plenoptic(method, **options):
    def solve(respond, image, k):
        os.environ["TQDM_DISABLE"] = "1"
        import plenoptic

        solver = plenoptic.Eigendistortion(image, respond)
        solver.synthesize(method, k=k, **options)
        return solver.eigendistortions[:k].flatten(1).double(), float("nan")

    return solve


def jacrev(respond, image, k):
    rows = torch.func.jacrev(lambda x: respond(x)[0], chunk_size=32)(image).flatten(1)
    return torch.linalg.svd(rows, full_matrices=False).Vh[:k].double(), len(rows)


def degrees(vectors, reference):
    """Measure the largest principal angle by its sine, which is accurate for small angles."""
    basis = torch.linalg.qr(vectors.T).Q
    rest = basis - reference.T @ (reference @ basis)
    return np.degrees(np.arcsin(min(1.0, torch.linalg.matrix_norm(rest, 2).item())))


def report(v, rank, rows, reference):
    """Print a line for each method, ours first, and give the rows."""
    table = []
    print(f"\nV = {v}, rank {rank}")
    print(f"{'':34} {'s/image':>8} {'products':>8} {'degrees':>9}  of ours")
    for name, seconds, products, vectors in rows:
        angle = max(degrees(span, truth) for span, truth in zip(vectors, reference, strict=False))
        mark = "" if angle < ACCURATE else "  (not accurate)"
        print(f"{name:34} {seconds:8.3f} {products:8.1f} {angle:9.1e} {seconds / rows[0][1]:6.2f}{mark}")
        row = {"targets": v, "rank": rank, "method": name, "seconds": seconds, "products": float(products)}
        table.append(
            row | {"degrees": float(angle), "ratio": seconds / rows[0][1], "accurate": angle < ACCURATE}
        )
    sys.stdout.flush()
    return table


if __name__ == "__main__":
    main()
