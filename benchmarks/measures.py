"""Read the numbers that goals are about from what each benchmark writes: {measure: {cell: value}}."""

import pandas as pd

OURS = "ours"
EQUAL = 10.0  # a method is as accurate as ours while its error is at most this many times ours
LEAST = 1e-6  # and errors below this are rounding, in SD of the responses


def of_readouts(table):
    """Compare seconds in each cell (features, targets, folds) with the fastest peer of equal accuracy."""
    speed = {}
    for cell, rows in table.groupby(["features", "targets", "kind"], sort=False):
        ours = rows[rows.method.str.startswith("codingaxes")].iloc[0]
        peers = rows[~rows.method.str.startswith("codingaxes")]
        equal = peers[peers.error <= max(EQUAL * ours.error, LEAST)]
        if len(equal):
            speed[" x ".join(map(str, cell))] = equal.seconds.min() / ours.seconds
    return {"speed": speed}


def of_eigenvectors(table):
    """Compare seconds at each number of targets with the fastest accurate peer that is not half ours."""
    speed = {}
    for targets, rows in table.groupby("targets"):
        ours = rows[rows.method.str.startswith("ours auto")].iloc[0]
        peers = rows[~rows.method.str.startswith("ours") & ~rows.method.str.contains("our product")]
        if peers.accurate.any():
            speed[f"V = {targets}"] = peers[peers.accurate].seconds.min() / ours.seconds
    return {"speed": speed}


def of_features(table):
    """Compare seconds with the faster of torchvision's two layouts, in each case."""
    peers = table[table.contender.str.startswith("create_feature_extractor")]
    speed = {task: peers.groupby("case")[task].min() for task in ("ratio", "ratio_to_files")}
    return {"speed": dict(speed["ratio"]), "speed_to_files": dict(speed["ratio_to_files"])}


def of_zoo_attacks(table):
    """Take the shares of the best known change by family, and apart at the large radius; a cell a network."""
    shares = {}
    for row in table.itertuples():
        shares.setdefault(f"share_{row.family if row.radius < 1 else 'large'}", {})[
            f"{row.network}, {row.radius:g}"
        ] = row.share
    return shares


def of_attacks(table):
    """Take the seconds of a gradient of ours, over those of bare passes of the same frozen network."""
    rows = table[(table.part == "cost") & (table.method == OURS) & (table.case != "weights not frozen")]
    return {"cost": dict(zip(rows.case, rows.share, strict=True))}


def of_synthesis(table):
    """Compare gradients for a level, share of levels met, and how high exciting images get."""
    measures = {"gradients": {}, "gradients_of_5": {}, "met": {}, "higher": {}}
    levels = table[table.part == "levels"]
    for network, rows in levels.groupby("network", sort=False):
        spent = rows.groupby("method").gradients.mean()
        quickest = spent[[not name.startswith(OURS) for name in spent.index]].min()
        measures["gradients"][network] = spent[OURS] / quickest
        measures["gradients_of_5"][network] = spent["ours, 5"] / quickest
        measures["met"][network] = (rows[rows.method == OURS].error <= 1.05 * 0.01).mean()
    exciting = table[table.part == "exciting"]
    sign = exciting.direction.map({"increase": 1.0, "decrease": -1.0})
    means = exciting.assign(gain=sign * (exciting.level - 0.5)).pivot_table(
        index=["network", "region", "direction"], columns="method", values="gain"
    )
    peers = [name for name in means if not name.startswith(OURS)]
    kinds = {name.partition(", rate")[0] for name in peers}
    best = [means[[name for name in peers if name.startswith(kind)]].mean().idxmax() for kind in kinds]
    for cell, row in means.iterrows():
        measures["higher"][", ".join(cell)] = float(row[OURS] > row[best].max())
    return measures


def of_extraction(table):
    """Compare seconds with the peer that reads the same format."""
    seconds = table.set_index("method").seconds
    return {
        "speed": {
            "nii.gz": seconds["nibabel dataobj, then index"] / seconds["codingaxes nii.gz"],
            "hdf5": seconds["h5py whole, then index"] / seconds["codingaxes hdf5"],
        }
    }


def of_hub_downloads(table):
    """Say whether our client ended as it should in each case: 1 or 0."""
    ours = table[table.contender == OURS]
    wanted = ours.case.map(lambda case: "error" if case == "one wrong byte" else "right file")
    return {"right": dict(zip(ours.case, (ours.outcome == wanted).astype(float), strict=True))}


MEASURES = {
    "readouts": of_readouts,
    "eigenvectors": of_eigenvectors,
    "features": of_features,
    "zoo_attacks": of_zoo_attacks,
    "attacks": of_attacks,
    "synthesis": of_synthesis,
    "extraction": of_extraction,
    "hub_downloads": of_hub_downloads,
}


def judge(goals, values):
    """Hold goals to the values of all cells.

    Parameters
    ----------
    goals : DataFrame
        As goals.tsv: at_least or at_most in each cell, met in at least `share` of the cells.
    values : dict, benchmark -> measure -> cell -> value

    Returns
    -------
    DataFrame
        goal, cells (their number), worst, wanted, share of cells that meet it, and `holds`: yes, FAILS, or
        "not measured" where the benchmark has no cell for it, for instance as no peer is installed.
    """
    rows = []
    for goal in goals.itertuples():
        cells = pd.Series(values.get(goal.benchmark, {}).get(goal.measure, {}), dtype=float).dropna()
        least = not pd.isna(goal.at_least)
        limit = goal.at_least if least else goal.at_most
        met = (cells >= limit if least else cells <= limit).mean() if len(cells) else float("nan")
        holds = "not measured" if not len(cells) else "yes" if met >= goal.share else "FAILS"
        worst = cells.idxmin() if least and len(cells) else cells.idxmax() if len(cells) else ""
        rows.append(
            {
                "goal": goal.goal,
                "wanted": f"{'>=' if least else '<='} {limit:g}",
                "worst": cells[worst] if len(cells) else float("nan"),
                "in": worst,
                "cells": len(cells),
                "met": met,
                "share": goal.share,
                "holds": holds,
                "source": goal.source,
            }
        )
    return pd.DataFrame(rows)
