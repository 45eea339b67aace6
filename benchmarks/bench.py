"""Run the quick form of every benchmark, one after another, and print which goals hold.

    python benchmarks/bench.py FOLDER                # what `make bench` runs
    python benchmarks/bench.py FOLDER --only readouts features
    python benchmarks/bench.py FOLDER --read         # only judge what is in the folder, of long forms too

FOLDER gets a CSV and a log of each benchmark, and goals.csv. Quick forms are small: a ratio near its goal
needs the long form. Peers that are not installed are left out and named; benchmarks/*.txt say how to install
them. A goal that fails is said plainly, and the exit code is 0 all the same. It is 1 only if a benchmark
breaks. Nothing else should run on the machine meanwhile.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from measures import MEASURES, judge

HERE = Path(__file__).parent
# Arguments of the quick forms. Two networks of the zoo stand for all, a standard and a robust one.
TWO = ["resnet_standard_2", "resnet_robust_2"]
QUICK = {
    "readouts": ["--quick"],
    "eigenvectors": ["--quick"],
    "features": ["--quick"],
    "extraction": ["--quick"],
    "hub_downloads": ["--quick"],
    "attacks": ["--quick", "--parts", "fixed", "cost", "--cases", "resnet_robust_1"],
    "zoo_attacks": ["--quick", "--networks", *TWO],
    "synthesis": ["--networks", *TWO],
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="for a CSV and a log of each benchmark, and goals.csv")
    parser.add_argument("--only", nargs="+", choices=QUICK, default=list(QUICK))
    parser.add_argument("--read", action="store_true", help="run nothing; judge the CSV files of the folder")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    broken = [] if options.read else [name for name in options.only if not run(name, options.folder)]
    values = {}
    for name in options.only:
        file = options.folder / f"{name}.csv"
        if file.exists() and name not in broken:
            values[name] = MEASURES[name](pd.read_csv(file))
    goals = pd.read_csv(HERE / "goals.tsv", sep="\t")
    table = judge(goals[goals.benchmark.isin(options.only)], values)
    table.to_csv(options.folder / "goals.csv", index=False)
    report(table)
    for name in broken:
        print(f"BROKEN: {name}, see {options.folder / name}.log")
    return 1 if broken else 0


def run(name, folder):
    """Run one benchmark in its quick form; say how long it took, and which peers it left out."""
    log, began = folder / f"{name}.log", time.monotonic()
    (folder / f"{name}.csv").unlink(missing_ok=True)
    command = [sys.executable, HERE / f"{name}.py", *QUICK[name], "--csv", folder / f"{name}.csv"]
    with log.open("w") as file:
        pipes = {"stdout": file, "stderr": subprocess.STDOUT}
        done = subprocess.run(
            [str(word) for word in command], env=os.environ | ONE_THREAD, check=False, **pipes
        )
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    for line in dict.fromkeys(log.read_text().splitlines()):
        if "is not installed" in line:
            print(f"  {line}", flush=True)
    return done.returncode == 0


def report(table):
    """Print the table of goals."""
    print(f"\n{'goal':72} {'wanted':>7} {'worst':>7} {'cells that meet it':>19}  holds")
    for row in table.itertuples():
        worst = "" if pd.isna(row.worst) else f"{row.worst:7.2f}"
        cells = f"{row.met:.0%} of {row.cells}" if row.cells else ""
        cells += f", {row.share:.0%} wanted" if row.cells and row.share < 1 else ""
        print(f"{row.goal:72} {row.wanted:>7} {worst:>7} {cells:>19}  {row.holds}")
        if row.holds == "FAILS":
            print(f"    worst: {table.loc[row.Index, 'in']}; goal of {row.source}")
    held, measured = (table.holds == "yes").sum(), (table.holds != "not measured").sum()
    print(f"\n{held} of {measured} goals hold; {len(table) - measured} were not measured")


if __name__ == "__main__":
    sys.exit(main())
