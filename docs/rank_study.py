"""Ask of a finished study how many stimuli tell the right family, by how they are chosen.

    OMP_NUM_THREADS=1 python docs/rank_study.py STUDY --csv ranking.csv

STUDY is the folder of a finished miniature. Candidates are the large perturbations that it has already: of
one region, made for a standard and a robust network of one architecture, all start images, directions and
sizes. Their changes in every other model stand in peer_review.parquet, for the region that they were made
for. For each region and each architecture of makers the rule rank_stimuli runs as it would on a set of its
own; it has no readouts that were fitted again. The truth is each network of the other architectures in turn,
left out of everything else with its twin.

docs/stimulus_sets.md has the numbers. About two minutes of one core.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
import rank_stimuli

from codingaxes.job import Run
from codingaxes.names import BRAIN, GROUP
from codingaxes.stimulus_sets import identification, judges
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import REGIONS
from codingaxes.tables.readouts import TARGETS
from codingaxes.tables.stimulus_sets import SET_REFITS
from codingaxes.tables.synthesis import PEER_REVIEW

COMPARE = {"with": "robust", "against": "standard"}
KEY = ["network", "roi", "direction", "image_id", "step"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path, help="folder of a finished miniature")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--repetitions", type=int, default=1, help="trials of each stimulus in each subject")
    parser.add_argument("--experiments", type=int, default=2000, help="that are simulated for each truth")
    parser.add_argument("--steps", type=int, nargs="+", help="of the ladder of sizes, from 1; default: all")
    options = parser.parse_args()
    results = options.study / "results"
    networks = store.read(results / "networks/networks.parquet", NETWORKS).set_index("network")
    reviews = read_reviews(results / "synthesis/peer_review.parquet")
    if options.steps:
        reviews = reviews[reviews.step.isin(options.steps)]
    regions = store.read(sorted((results / "nsd/regions").glob("*.parquet")), REGIONS)
    noise = judges.group_noise(regions, store.read(results / "readouts/targets.parquet", TARGETS))
    experiment = {"repetitions": [options.repetitions], "simulations": options.experiments}
    parts = []
    for roi, rows in reviews.groupby("roi", sort=False):
        for architecture, makers in makers_of(networks).items():
            some = rows[rows.network.isin(makers)]
            run = Run("rank_stimuli", {}, {}, {"experiment": experiment}, {"of": f"{roi} {architecture}"}, "")
            curves = try_ranking(some, makers, networks, noise[[roi]], run)
            parts.append(curves.assign(roi=roi, makers=architecture))
    table = pd.concat(parts, ignore_index=True)
    table.to_csv(options.csv, index=False)
    report(table)


def read_reviews(path):
    """Read what every model answers to large perturbations without a prior."""
    wanted = [("kind", "=", "perturbation"), ("arm", "=", "pixels"), ("control", "=", "none")]
    columns = [*KEY, "reviewer", "before", "response", "kind", "arm", "control"]
    reviews = store.read(path, PEER_REVIEW, columns, wanted)
    return reviews.assign(change=reviews.response - reviews.before)


def makers_of(networks):
    """Give of each architecture the first standard and the first robust network, as role of network."""
    pairs = {}
    for architecture, rows in networks.groupby("architecture", sort=False):
        first = rows.reset_index().drop_duplicates("family").set_index("family").network
        if set(COMPARE.values()) <= set(first.index):
            pairs[architecture] = {first[role]: role for role in COMPARE.values()}
    return pairs


def try_ranking(reviews, makers, networks, noise, run):
    """Rank the stimuli of two makers in one region, and give the table selection_curves."""
    stimuli = reviews[KEY].drop_duplicates().reset_index(drop=True)
    stimuli["stimulus_id"] = [f"stim-{number}" for number in range(len(stimuli))]
    answers = reviews.merge(stimuli, on=KEY)
    predictions = pd.DataFrame({"stimulus_id": answers.stimulus_id, "network": answers.reviewer})
    predictions = predictions.assign(roi=answers.roi, subject=GROUP, change=answers.change)
    stimuli = stimuli.assign(maker=stimuli.network, maker_role=stimuli.network.map(makers), role="perturbed")
    refits = pd.DataFrame(columns=list(SET_REFITS.columns))
    params = run.params | {"compare": COMPARE}
    setting = rank_stimuli.set_up(stimuli, predictions, refits, networks, noise, params)
    truths = rank_stimuli.list_truths(setting, predictions, "")
    return pd.concat([rank_stimuli.curves_of(setting, name, *truth, run) for name, truth in truths.items()])


def report(table):
    """Print how many stimuli are needed, and how often the right family is told after a few."""
    networks = table[table.truth != BRAIN]
    needed = networks.drop_duplicates(["roi", "makers", "truth", "strategy"])
    needed = needed.assign(needed=needed.needed.fillna(np.inf))
    for names in (["strategy"], ["truth_family", "strategy"], ["roi", "strategy"]):
        groups = needed.groupby(names, sort=False).needed
        summary = pd.DataFrame(
            {
                "median needed": groups.median(),
                "upper quartile": groups.quantile(0.75, interpolation="higher"),
                "never": groups.agg(lambda number: np.isinf(number).sum()),
                "cases": groups.size(),
            }
        )
        print(summary.to_string(), end="\n\n")
    print(at_few(networks, "strategy"), end="\n\n")
    pairs = needed.pivot_table(index=["roi", "makers", "truth"], columns="strategy", values="needed")
    for other in identification.STRATEGIES[1:]:
        fewer, same, more = (
            (pairs.information < pairs[other]).sum(),
            (pairs.information == pairs[other]).sum(),
            (pairs.information > pairs[other]).sum(),
        )
        print(f"information against {other}: fewer in {fewer}, as many in {same}, more in {more}")
    brain = table[table.truth == BRAIN]
    print("\nsimulated brain of templates, share that takes it for robust:")
    print(at_few(brain, ["roi", "strategy"]))


def at_few(table, names):
    """Write how often the right family is told after some numbers of stimuli."""
    few = table[table.n_stimuli.isin([1, 4, 12, 16, 64])]
    return few.pivot_table(index=names, columns="n_stimuli", values="right").round(3).to_string()


if __name__ == "__main__":
    main()
