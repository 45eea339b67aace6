"""Compare ridge readouts with scikit-learn and himalaya: time, peak memory, agreement.

python benchmarks/readouts.py                  # every cell, about twenty minutes on one core
python benchmarks/readouts.py --features 2048  # some cells
python benchmarks/readouts.py --quick          # two small cells, once, in a minute

412 images (the training images of NSD's shared set), 25 penalties chosen for every target, one thread.
Every method runs in a process of its own, is warmed up on a small problem, and then fits the same float32
features (rectified, correlated, of unequal variance) and float64 responses. Seconds are of the processor, so
that a busy machine does not count. Methods take turns, and the fastest process of each counts. Peak memory is
what the peak of the process rises by during the fit, beyond the data. A ratio is a method's figure over that
of codingaxes with the same kind of cross-validation: above 1, codingaxes is ahead. `error` is the largest
difference of the predictions of 100 new images to those of the last method of the kind (scikit-learn;
himalaya in float64), in SD of the responses, over the targets with the same penalty; `other` counts the
targets with another penalty (himalaya's methods have no intercept here, so that they do not centre anew in
each fold).
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
os.environ |= ONE_THREAD

import numpy as np  # noqa: E402

IMAGES, NEW, FOLDS = 412, 100, 5
ALPHAS = np.geomspace(1e-6, 1e6, 25)
# method -> kind of cross-validation that it is compared within; ours first, the reference of a kind last
METHODS = {
    "codingaxes, leave-one-out": "leave-one-out",
    "scikit-learn RidgeCV": "leave-one-out",
    "codingaxes, 5 folds": "5 folds",
    "himalaya KernelRidgeCV float32": "5 folds",
    "himalaya RidgeCV float32": "5 folds",
    "himalaya KernelRidgeCV": "5 folds",
}


def problem(features, targets, seed=0):
    """Draw training features (412, d) float32 and responses (412, t), and features of new images (100, d)."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((IMAGES + NEW, 200)) * np.geomspace(3, 0.3, 200)
    values = np.empty((IMAGES + NEW, features), np.float32)
    for start in range(0, features, 8192):
        columns = slice(start, min(start + 8192, features))
        mixing = rng.standard_normal((200, columns.stop - columns.start)) / 14
        own = rng.standard_normal((len(latent), columns.stop - columns.start))
        values[:, columns] = np.maximum(latent @ mixing + own, 0)
    responses = latent @ rng.standard_normal((200, targets)) / np.linalg.norm(np.geomspace(3, 0.3, 200))
    responses += rng.uniform(0.3, 3, targets) * rng.standard_normal(responses.shape)
    responses = (responses - responses[:IMAGES].mean(axis=0)) / responses[:IMAGES].std(axis=0)
    return values[:IMAGES], responses[:IMAGES], values[IMAGES:]


def fit(method, x, y):
    """Fit by one method: give a function that predicts, and the penalty of each target."""
    if method.startswith("codingaxes"):
        from sklearn.model_selection import KFold

        from codingaxes.readouts import ridge

        cv = "leave_one_out" if "leave" in method else KFold(FOLDS)
        place = ridge.coordinates(x)
        readouts = ridge.fit(place.values, y, cv=cv, alphas=ALPHAS)
        dual = place.combine.T @ readouts.weight.T
        centred_mean = (place.mean @ x.T - place.mean @ place.mean) @ dual

        def predict(new):
            across = new.astype(float) @ x.T - (new @ place.mean)[:, None]
            return across @ dual - centred_mean + readouts.intercept

        return predict, readouts.alpha
    # peers get features that are centred and scaled already, outside of the time that is taken
    if method.startswith("scikit-learn"):
        from sklearn.linear_model import RidgeCV

        peer = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, y)
        return peer.predict, peer.alpha_
    dtype = np.float32 if method.endswith("float32") else np.float64
    x, y = x.astype(dtype), y.astype(dtype)
    if "Kernel" in method:
        from himalaya.kernel_ridge import KernelRidgeCV

        peer = KernelRidgeCV(ALPHAS, cv=FOLDS).fit(x, y)
    else:
        from himalaya.ridge import RidgeCV

        peer = RidgeCV(ALPHAS, cv=FOLDS, solver_params={"warn": False}).fit(x, y)
    return (lambda new: peer.predict(new.astype(dtype))), peer.best_alphas_


def measure(method, features, targets, out):
    """Measure seconds, peak memory, predictions of new images and penalties, in a process of its own."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
    x, y, new = problem(features, targets)
    mean = x.mean(axis=0)
    x, new = x - mean, new - mean
    scale = np.sqrt(np.mean([np.square(row.astype(float)).sum() for row in x])).astype(np.float32)
    x, new = x / scale, new / scale
    fit(method, x[:60, :300].copy(), y[:60, :3])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    predict, alphas = fit(method, x, y)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.savez(out, predicted=predict(new), alphas=alphas, seconds=seconds, extra=(peak - before) / 1024)


def run(method, features, targets, limit):
    """Run one process, and give its results; None where it took too long."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        job = json.dumps([method, features, targets, str(out)])
        try:
            subprocess.run([sys.executable, __file__, "--job", job], check=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        return dict(np.load(out).items())


def run_all(features, targets, repeats, limit):
    """Let the methods take turns; of each the results of its fastest process, None if it was too slow."""
    results = {method: [] for method in METHODS}
    for method in [*METHODS] * repeats:
        if None not in results[method]:
            results[method].append(run(method, features, targets, limit))
    return {
        method: None if None in runs else min(runs, key=lambda one: one["seconds"])
        for method, runs in results.items()
    }


def compare(features, targets, repeats, limit):
    """Print one cell: every method, and its ratio to ours of the same kind; give the rows."""
    rows = []
    print(f"\n{IMAGES} images x {features} features, {targets} targets, {len(ALPHAS)} penalties")
    print(f"  {'method':32}{'seconds':>9}{'ratio':>8}{'MB':>8}{'ratio':>8}{'error':>10}{'other':>7}")
    results = run_all(features, targets, repeats, limit)
    for method, kind in METHODS.items():
        same = [name for name, other in METHODS.items() if other == kind]
        ours, reference, own = results[same[0]], results[same[-1]], results[method]
        if own is None or ours is None:
            late = method if own is None else same[0]
            print(f"  {method:32}  {late} took more than {limit:.0f} s: left out")
            continue
        speed, memory = own["seconds"] / ours["seconds"], own["extra"] / max(ours["extra"], 1)
        line = f"  {method:32}{own['seconds']:9.3f}{speed:8.2f}{own['extra']:8.0f}{memory:8.2f}"
        if reference is None:
            print(f"{line}{'':>10}  (no reference)")
            continue
        alike = np.isclose(own["alphas"], reference["alphas"], rtol=1e-3)
        error = np.abs(own["predicted"] - reference["predicted"])[:, alike].max()
        print(f"{line}{error:10.1e}{(~alike).sum():7}")
        row = {"features": features, "targets": targets, "kind": kind, "method": method}
        row |= {"seconds": float(own["seconds"]), "speed": float(speed), "MB": float(own["extra"])}
        rows.append(row | {"memory": float(memory), "error": float(error), "other": int((~alike).sum())})
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, nargs="+", default=[2048, 25_088, 100_352])
    parser.add_argument("--targets", type=int, nargs="+", default=[24, 5000])
    parser.add_argument("--repeats", type=int, default=3, help="processes a method; the fastest counts")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a method is left out")
    parser.add_argument("--quick", action="store_true", help="two small cells, once")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        return measure(*json.loads(arguments.job))
    if arguments.quick:
        arguments.features, arguments.targets = [2048, 25_088], [24]
        arguments.repeats, arguments.limit = 1, 120
    rows = []
    for features in arguments.features:
        for targets in arguments.targets:
            rows += compare(features, targets, arguments.repeats, arguments.limit)
    if arguments.csv and rows:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
