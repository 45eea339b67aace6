"""Summarise the size that each model needs for a wanted change of its response (rule summarise_sizes)."""

import pandas as pd

from codingaxes import job
from codingaxes.estimates import measures
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.changes import SIZES, TRANSFERS

COLUMNS = ["attack", "network", "roi", "direction", "wanted", "image_id", "size", "reached"]
COLUMNS += ["response_before", "response_after"]
WITH_EFFECT = ("attack", "=", "l2_effect")
IN_L2 = ("attack", "in", ["l2_effect", "l2_large"])
KEY = ["wanted", "roi", "network"]


def main(run):
    """Give one row per model, region and wanted change; none where no change was wanted."""
    attacks = store.read(run.input["variants"], PERTURBATIONS, COLUMNS, [IN_L2])
    change = attacks.response_after - attacks.response_before
    attacks["change"] = measures.attacked_change(change, attacks.direction)
    of_any = attacks.groupby(["roi", "network", "direction", "image_id"]).change.max()
    attacks = attacks[attacks.attack == "l2_effect"]
    filters = [WITH_EFFECT, ("roi", "!=", "all")]
    transfers = store.read(run.input["transfers"], TRANSFERS, filters=filters)
    noise = noise_of_wanted(transfers)
    rows = [
        dict(zip(KEY, key, strict=True))
        | needed(part)
        | largest(of_any[key[1:]])
        | {"noise_of_wanted": noise[key]}
        for key, part in attacks.groupby(KEY, sort=False)
    ]
    store.write(run.output["sizes"], SIZES, pd.DataFrame(rows, columns=list(SIZES.columns)))


def needed(attacks):
    """Give the quartiles of the size that a wanted change needs, over images and directions."""
    quartiles = measures.size_needed(attacks["size"], attacks.reached)
    return {
        "size": quartiles["median"],
        "size_low": quartiles["low"],
        "size_high": quartiles["high"],
        "reached": attacks.reached.mean(),
        "n_images": attacks.image_id.nunique(),
    }


def largest(changes):
    """Give the quartiles of the largest change that any l2 attack made, over images and directions."""
    quartiles = {name: changes.quantile(share) for name, share in measures.QUARTILES.items()}
    return {f"largest_{name}".removesuffix("_median"): value for name, value in quartiles.items()}


def noise_of_wanted(transfers):
    """Divide by the wanted change what white noise of the sizes needed does to each target.

    Returns
    -------
    Series, indexed by wanted, roi and target
        Mean over the sources whose sizes the noise has.
    """
    share = transfers.assign(share=transfers.noise / transfers.wanted)
    return share.groupby(["wanted", "roi", "target"], sort=False).share.mean()


if __name__ == "__main__":
    job.start(main, globals())
