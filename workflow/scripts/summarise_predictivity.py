"""Ask whether networks predict equally well, and are as stable at equal r (rule summarise_predictivity)."""

from itertools import combinations

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import families, measures, permutations, predictivity, undefined
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.readouts import PREDICTIONS, TARGETS
from codingaxes.tables.summaries import PREDICTIVITY
from codingaxes.tables.transfer import TRANSFER

NOT_COMPARED = "r is missing, an attack does not move its network, or networks are too few for the predictors"
COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id", "change_target"]


def main(run):
    """Compare r over its ceiling on the same held-out images; then sensitivity with r held equal."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    predictions = store.read(run.input["predictions"], PREDICTIONS, filters=[("subject", "=", GROUP)])
    targets = store.read(run.input["targets"], TARGETS, filters=[("subject", "=", GROUP)])
    ceilings = targets.set_index("roi").ceiling
    both = networks[networks.family.isin(["standard", "robust"])]
    compared = both.family.nunique() == 2
    if compared:
        rng, robust = np.random.default_rng(run.seed("labels")), (both.family == "robust").to_numpy()
        labels = families.permute_labels(robust, both.architecture, run.params["permutations"], rng)
        own = own_changes(run, both)
    rows = []
    for roi in ("all", *dict.fromkeys(predictions.roi)):
        part = predictions if roi == "all" else predictions[predictions.roi == roi]
        cells = families.correlation_cells(part, ceilings, list(networks.index))
        unit = "ratio" if ceilings.notna().any() else "Pearson r"
        rows += [about | {"roi": roi, "unit": unit} for about in of_networks(cells, networks)]
        if compared:
            cells = families.correlation_cells(part, ceilings, list(both.index))
            rows.append(of_families(cells, both, labels) | {"roi": roi, "unit": unit})
            attacked = own if roi == "all" else own[own.roi == roi]
            rows.append(at_equal_r(cells, attacked, both, labels) | {"roi": roi})
    added = ("p_adjusted", "reason")
    table = pd.DataFrame(rows, columns=[name for name in PREDICTIVITY.columns if name not in added])
    table["p_adjusted"] = permutations.adjust(table.p)
    table["reason"] = undefined.of_estimate(table.difference, table.ci_low, NOT_COMPARED)
    table = table[list(PREDICTIVITY.columns)]
    store.write(run.output["predictivity"], PREDICTIVITY, table)
    writing.write_csv(run.output["csv"], table, digits=5)


def own_changes(run, networks):
    """Take the change by the larger of the two attacks of each image, at the main radius."""
    main = [("attack", "=", measures.MAIN)]
    own = store.read(run.input["perturbations"], TRANSFER, COLUMNS, main, keep=measures.own_attacks)
    own = measures.at_main_radius(own)[0]
    own = own[own.target.isin(networks.index)].rename(columns={"change_target": "change"})
    own = measures.largest_changes(own, ["target", "roi", "image_id"])
    return own.assign(one=own.target, other="", top=own.s.abs(), bottom=1.0)


def described(comparison, one, other, difference, wide, narrow, resampled, margin=predictivity.MARGIN):
    """Make a row without its region, unit, test and numbers."""
    row = {"comparison": comparison, "one": one, "other": other, "difference": difference}
    row |= dict(zip(("ci_low", "ci_high", "ci90_low", "ci90_high"), (*wide, *narrow), strict=True))
    row |= {"resampled": resampled, "margin": margin, "p": np.nan, "smallest_p": np.nan}
    return row | {"verdict": predictivity.verdict(wide, narrow, margin)}


def of_networks(cells, networks):
    """Yield the paired difference of every two networks, over images."""
    names = list(networks.index)
    alone = np.full(len(names), "")  # two networks are compared as they are: none is resampled
    for one, other in combinations(range(len(names)), 2):
        sides = [(1, cells.one == one), (-1, cells.one == other)]
        wide, narrow = (families.interval(cells, sides, alone, level) for level in (0.95, 0.9))
        difference = families.contrast(cells.value, sides)
        row = described("networks", names[one], names[other], difference, wide[:2], narrow[:2], wide[2])
        yield row | {"n_networks": 2, "n_images": cells.without.shape[1]}


def of_families(cells, networks, labels):
    """Compare the mean of robust with that of standard networks, over networks and images."""
    robust, strata = (networks.family == "robust").to_numpy(), networks.family.to_numpy()
    sides = [(1, cells.of(robust)), (-1, cells.of(~robust))]
    wide, narrow = (families.interval(cells, sides, strata, level) for level in (0.95, 0.9))
    difference = families.contrast(cells.value, sides)
    row = described("families", "robust", "standard", difference, wide[:2], narrow[:2], wide[2])
    row |= {"p": families.difference_p(cells, labels), "smallest_p": labels.smallest_p}
    return row | {"n_networks": len(networks), "n_images": cells.without.shape[1]}


def at_equal_r(cells, own, networks, labels):
    """Compare log sensitivity of robust and standard networks of one architecture at equal r."""
    r = pd.Series(cells.value).groupby(cells.one).mean()
    attacked = families.ratio_cells(own, list(networks.index))
    values, without = (
        pd.DataFrame(value).groupby(attacked.one).mean().to_numpy()
        for value in (attacked.value, attacked.without)
    )
    robust, architectures = (networks.family == "robust").to_numpy(), networks.architecture.to_numpy()
    moved = undefined.moves(values)  # the logarithm of rounding says nothing
    values = np.log(np.where(moved, values, np.nan)[:, 0])
    without = np.log(np.where(moved & (without > 0), without, np.nan))
    result = predictivity.equal_r(values, without, r.to_numpy(), robust, architectures, labels)
    row = described(
        "sensitivity_at_equal_r",
        "robust",
        "standard",
        result.difference,
        result.interval(0.95),
        result.interval(0.9),
        result.resampled,
        margin=np.nan,
    )
    row |= {"p": result.p, "smallest_p": labels.smallest_p, "unit": "log ratio"}
    return row | {"n_networks": len(networks), "n_images": without.shape[1]}


if __name__ == "__main__":
    job.start(main, globals())
