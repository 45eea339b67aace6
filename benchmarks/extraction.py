"""A region's voxels out of a full session of NSD, side by side with nibabel and h5py: time, peak memory.

python benchmarks/extraction.py             # minutes on one core; 4 GB of disk for as long as it runs
python benchmarks/extraction.py --trials 75 # a tenth of a session

The session is made up, in the shape of subj01: int16, 81 x 104 x 83 voxels, 750 trials, of which a fifth are
brain and the others zero; 10 000 voxels of the brain are wanted. It is written as betas_session01.nii.gz
(compression 1) and betas_session01.hdf5 (a chunk for each voxel, as NSD's). Every method reads it in fresh
processes, warm from the disk cache. `peak` is the largest memory of the process, `imports` what it had before
it opened the file. MB/s are of the session as stored (1049 MB) and of the file as it is. Each must give the
same numbers.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPE, VOXELS = (81, 104, 83), 10_000
METHODS = {
    "codingaxes nii.gz": "nii.gz",
    "nibabel dataobj, then index": "nii.gz",
    "codingaxes hdf5": "hdf5",
    "h5py whole, then index": "hdf5",
}
# numpy and the readers are imported in the processes that read, so that this one stays small: what a
# process starts with counts as its peak, too


def make_session(folder, trials):
    """Write the session in both formats, and the voxels that are wanted, without ever holding it whole."""
    import gzip

    import h5py
    import nibabel
    import numpy as np

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
    """Read the wanted voxels by one method: seconds, memory and a digest of the numbers."""
    import h5py
    import nibabel
    import numpy as np

    from codingaxes import volumes

    where = np.load(folder / "where.npy")
    path = folder / f"betas_session01.{METHODS[method]}"
    imports, begin = peak(), time.perf_counter()
    if method.startswith("codingaxes"):
        found = volumes.read_stored(path, where, trials, SHAPE)
    elif method.startswith("nibabel"):
        found = np.asanyarray(nibabel.load(path).dataobj)[tuple(where.T)].T
    else:
        with h5py.File(path) as file:
            found = file["betas"][:][:, where[:, 2], where[:, 1], where[:, 0]]
    seconds = time.perf_counter() - begin
    digest = hashlib.sha256(np.ascontiguousarray(found, "<i2").tobytes()).hexdigest()
    return {"seconds": seconds, "imports": imports, "peak": peak(), "digest": digest}


def peak():
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run(*arguments):
    """This script in a fresh process; what it prints."""
    library = str(Path(__file__).parents[1] / "workflow" / "scripts")
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": library}
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=750)
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes a method; the fastest counts")
    parser.add_argument("--folder", type=Path, help="for the session; a temporary one if not given")
    parser.add_argument("--method", choices=["make", *METHODS], help="one step, in this process")
    given = parser.parse_args()
    if given.method == "make":
        return make_session(given.folder, given.trials)
    if given.method:
        return print(json.dumps(read(given.method, given.folder, given.trials)))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        options = ["--folder", folder, "--trials", given.trials]
        run("--method", "make", *options)
        stored = 2e-6 * SHAPE[0] * SHAPE[1] * SHAPE[2] * given.trials
        print(f"session {stored:.0f} MB, {VOXELS} voxels wanted, {2e-6 * VOXELS * given.trials:.0f} MB")
        print(f"{'method':<29} {'s':>6} {'MB/s':>6} {'file MB':>8} {'MB/s':>6} {'peak MB':>8} {'imports':>8}")
        digests = set()
        for method, suffix in METHODS.items():
            size = os.stat(Path(folder) / f"betas_session01.{suffix}").st_size / 1e6
            made = [json.loads(run("--method", method, *options)) for _ in range(given.repeats)]
            best = min(made, key=lambda one: one["seconds"])
            digests |= {one["digest"] for one in made}
            print(
                f"{method:<29} {best['seconds']:6.2f} {stored / best['seconds']:6.0f} {size:8.0f} "
                f"{size / best['seconds']:6.0f} {best['peak']:8.0f} {best['imports']:8.0f}"
            )
        if len(digests) > 1:
            sys.exit("the methods do not agree")
        print("all methods give the same numbers")


if __name__ == "__main__":
    main()
