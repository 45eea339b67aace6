"""Collect all networks in one table, in the order of the configuration (rule collect_networks)."""

import pandas as pd

from codingaxes import job, writing
from codingaxes.miniature import recipes
from codingaxes.tables import store
from codingaxes.tables.networks import ACCURACIES, NETWORKS

OF_ZOO = "balanced, mean over categories, fresh scenes, 0.5 by chance"


def main(run):
    """Write Parquet for later steps, and CSV for readers."""
    records = {record.network: record.accuracies for record in map(recipes.read, run.input["records"])}
    measured = pd.DataFrame.from_dict(records, orient="index")
    if fetched := run.input["accuracies"]:
        measured = pd.concat([measured, store.read(fetched, ACCURACIES).set_index("network")])
    networks = pd.DataFrame([describe(row, measured.loc[row["name"]]) for row in run.params["rows"]])
    store.write(run.output["networks"], NETWORKS, networks)
    writing.write_csv(run.output["csv"], networks, digits=4)


def describe(row, measured):
    """Describe a network: what the configuration says of it, and what was measured."""
    about = {key: row.get(key, "") for key in ("display_name", "family", "architecture", "source")}
    about |= {key: row.get(key, "") for key in ("licence", "citation")}
    if row["source"] == "zoo":
        accuracy, meaning = measured.accuracy, OF_ZOO
    else:
        accuracy = row["top1"] / 100 if "top1" in row else float("nan")
        meaning = f"ImageNet top-1 ({row['top1_source']})" if "top1" in row else ""
    return {
        "network": row["name"],
        **about,
        **measured.to_dict(),
        "training_radius": row.get("training_radius", 0.0),
        "accuracy": accuracy,
        "accuracy_of": meaning,
    }


if __name__ == "__main__":
    job.start(main, globals())
