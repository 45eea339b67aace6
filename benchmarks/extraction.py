"""Read a region's voxels out of a full session of NSD, beside nibabel and h5py: time and peak memory.

python benchmarks/extraction.py             # minutes on one core; 4 GB of disk for as long as it runs
python benchmarks/extraction.py --trials 75 # a tenth of a session

The session is made up, in the shape of subj01: int16, 81 x 104 x 83 voxels, 750 trials, of which a fifth are
brain and the others zero. 10 000 voxels of the brain are read. It is written as betas_session01.nii.gz
(compression 1) and betas_session01.hdf5 (a chunk for each voxel, as NSD's). Every method reads it in fresh
processes, warm from the disk cache. `peak` is the largest memory of the process, `imports` what it had before
it opened the file. MB/s are of the session as stored (1049 MB) and of the file as it is. All methods must
give the same numbers.
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import nibabel
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
from codingaxes.nsd import volumes

SHAPE, VOXELS = (81, 104, 83), 10_000
METHODS = {
    "codingaxes nii.gz": "nii.gz",
    "nibabel dataobj, then index": "nii.gz",
    "codingaxes hdf5": "hdf5",
    "h5py whole, then index": "hdf5",
}


def make_session(folder, trials):
    """Write the session in both formats, and the voxels to read, without ever holding it whole."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = np.square(axes).sum(axis=0) < 0.75**2
    where = np.argwhere(brain)
    where = where[np.sort(rng.choice(len(where), VOXELS, replace=False))]
    np.save(folder / "where.npy", where)
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*SHAPE, trials))
    header["magic"], header["vox_offset"] = b"n+1", 352
    series = np.memmap(folder / "frames", np.int16, "w+", shape=(trials, *SHAPE[::-1]))  # (t, z, y, x)
    with gzip.open(folder / "betas_session01.nii.gz", "wb", compresslevel=1) as file:
        file.write(header.binaryblock + b"\0" * 4)
        for trial in series:
            trial[brain.T] = np.clip(rng.normal(250, 600, brain.sum()), -32767, 32767)
            file.write(trial.tobytes())
    with h5py.File(folder / "betas_session01.hdf5", "w") as file:
        betas = file.create_dataset("betas", series.shape, np.int16, chunks=(trials, 1, 1, 1))
        for k in range(SHAPE[2]):
            betas[:, k] = series[:, k]
    (folder / "frames").unlink()


def read(method, folder, trials):
    """Read the voxels by one method: seconds, memory and a digest of the numbers."""
    where = np.load(folder / "where.npy")
    path = folder / f"betas_session01.{METHODS[method]}"
    imports, begin = peak(), time.perf_counter()
    if method.startswith("codingaxes"):
        betas = volumes.read_stored(path, where, trials, SHAPE)
    elif method.startswith("nibabel"):
        betas = np.asanyarray(nibabel.load(path).dataobj)[tuple(where.T)].T
    else:
        with h5py.File(path) as file:
            betas = file["betas"][:][:, where[:, 2], where[:, 1], where[:, 0]]
    seconds = time.perf_counter() - begin
    digest = hashlib.sha256(np.ascontiguousarray(betas, "<i2").tobytes()).hexdigest()
    return {"seconds": seconds, "imports": imports, "peak": peak(), "digest": digest}


def peak():
    """Give the largest memory of this process so far, MB; in Linux without that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        words = status.read_text().split()
        return int(words[words.index("VmHWM:") + 1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run(*words):
    """Run this script in a fresh process; gives what it prints."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *map(str, words)]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    """Make the session, read it by every method and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=750)
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes a method; the fastest counts")
    parser.add_argument("--quick", action="store_true", help="a twentieth of a session, one process a method")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    parser.add_argument("--folder", type=Path, help="for the session; a temporary one if not given")
    parser.add_argument("--method", choices=["make", *METHODS], help="one step, in this process")
    arguments = parser.parse_args()
    if arguments.method == "make":
        return make_session(arguments.folder, arguments.trials)
    if arguments.method:
        return print(json.dumps(read(arguments.method, arguments.folder, arguments.trials)))
    if arguments.quick:
        arguments.trials, arguments.repeats = 37, 1
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        options = ["--folder", folder, "--trials", arguments.trials]
        run("--method", "make", *options)
        stored = 2e-6 * SHAPE[0] * SHAPE[1] * SHAPE[2] * arguments.trials
        print(f"session {stored:.0f} MB, {VOXELS} voxels to read, {2e-6 * VOXELS * arguments.trials:.0f} MB")
        print(f"{'method':<29} {'s':>6} {'MB/s':>6} {'file MB':>8} {'MB/s':>6} {'peak MB':>8} {'imports':>8}")
        digests = set()
        for method, suffix in METHODS.items():
            size = os.stat(Path(folder) / f"betas_session01.{suffix}").st_size / 1e6
            runs = [json.loads(run("--method", method, *options)) for _ in range(arguments.repeats)]
            best = min(runs, key=lambda one: one["seconds"])
            digests |= {one["digest"] for one in runs}
            rows.append({"method": method, "format": suffix} | best)
            print(
                f"{method:<29} {best['seconds']:6.2f} {stored / best['seconds']:6.0f} {size:8.0f} "
                f"{size / best['seconds']:6.0f} {best['peak']:8.0f} {best['imports']:8.0f}"
            )
        if len(digests) > 1:
            sys.exit("the methods do not agree")
        print("all methods give the same numbers")
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
