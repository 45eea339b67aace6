"""Race properties of networks: which tells how well they drive the brain? (rule race_predictors)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import measures, permutations, race, undefined
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFERS
from codingaxes.tables.control import CONTROL_SLOPES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import SIMILARITY_MEANS
from codingaxes.tables.spaces import AXES, PREDICTORS, RACE_VALUES
from codingaxes.tables.summaries import NETWORK_MEASURES

ALL, TRANSFERRED = "all", "transfer"
LEFT_OUT = "too few networks or recipes to leave any out"
NO_VALUE = "the predictor is not known of this network"
NO_LOGARITHM = "the predictor is 0, negative or rounding: no logarithm"
NO_ATTACK = "no attack of the network on any image was shown to the simulated brain"
NO_SLOPE = "no control slope of the simulated brain"
# Predictors, and whether their logarithm enters: where networks differ by factors. Chosen beforehand.
LOGARITHMIC = {
    "r": False,
    "r_over_ceiling": False,
    "accuracy": False,
    "adversarial_accuracy": False,
    "training_radius": False,
    "sensitivity": True,
    "noise": True,
    "spectral_participation_ratio": False,
    "inherited_sensitivity": True,
    "participation_ratio": False,
    "axis_similarity": False,
    "effective_dimensionality": False,
}
IN_SD = ("sensitivity", "noise")
OF_MEASURES = ["r", "r_over_ceiling", "sensitivity", "effective_dimensionality"]
OF_NETWORKS = ["accuracy", "adversarial_accuracy", "training_radius"]
OF_AXES = ["spectral_participation_ratio", "inherited_sensitivity", "participation_ratio"]


def main(run):
    """Test every predictor in every region, among all networks and among those of each family."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    values = collect(run, networks)
    store.write(run.output["race_values"], RACE_VALUES, values)
    rows = []
    for (outcome, roi, predictor), part in values.groupby(["outcome", "roi", "predictor"], sort=False):
        for among in [ALL, *networks.family.unique()]:
            chosen = part if among == ALL else part[part.network.map(networks.family) == among]
            about = {"roi": roi, "predictor": predictor, "among": among}
            # transfer, the first outcome, draws without its name
            names = [*about.values(), *[outcome] * (outcome != TRANSFERRED)]
            rng = np.random.default_rng(run.seed(*names))
            rows.append(
                about | {"outcome": outcome} | compare(chosen, networks, run.params["permutations"], rng)
            )
    table = pd.DataFrame(rows)
    table["p_adjusted"] = permutations.adjust(table.p)
    left = {LEFT_OUT: table.rank_correlation.notna() & table.r2_recipe_left_out.isna()}
    ranks = undefined.of_ranks(table.rank_correlation, table.n_networks)
    table["reason"] = undefined.join(ranks, undefined.say(left))
    store.write(run.output["predictors"], PREDICTORS, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    for outcome, part in table[(table.roi == ALL) & (table.among == ALL)].groupby("outcome", sort=False):
        best = part.nlargest(3, "r2_left_out").itertuples()
        best = ", ".join(f"{row.predictor} {row.r2_left_out:.2f}" for row in best)
        job.log.info(f"best over all regions, {outcome}: {best}")


def collect(run, networks):
    """Give one row per outcome, region (and all together), predictor and network: predictor and outcome."""
    main_attack = [("attack", "=", measures.MAIN), ("main_radius", "=", True)]
    transfers = store.read(run.input["transfers"], TRANSFERS, filters=main_attack)
    outcomes = {TRANSFERRED: transfers[transfers.target == BRAIN].set_index(["source", "roi"])}
    outcomes |= controlled(run)
    wide = pd.concat([of_regions(run, networks), of_attacks(run, transfers)], axis=1)
    means = wide.groupby("network", sort=False).mean()
    wide = pd.concat([wide, pd.concat({ALL: means}, names=["roi"]).swaplevel()])
    for name in OF_NETWORKS:
        wide[name] = wide.index.get_level_values("network").map(networks[name])
    known = wide[list(LOGARITHMIC)].notna().rename_axis(columns="predictor").stack(future_stack=True)
    for name in [name for name, log in LOGARITHMIC.items() if log]:
        # a change by rounding has a logarithm, but says nothing
        wide[name] = np.log10(wide[name].where(wide[name] > (undefined.NO_CHANGE if name in IN_SD else 0)))
    long = wide[list(LOGARITHMIC)].rename_axis(columns="predictor").stack(future_stack=True).rename("value")
    long = long.reset_index()
    places = pd.MultiIndex.from_frame(long[["network", "roi"]])
    missing, known = long.value.isna(), known.to_numpy()
    parts = []
    for name, outcome in outcomes.items():
        outcome = outcome[["change", "n_images"]].reindex(places).reset_index(drop=True)
        outcome = outcome.fillna({"n_images": 0}).astype({"n_images": "int32"})
        nothing = NO_ATTACK if name == TRANSFERRED else NO_SLOPE
        reason = undefined.say(
            {NO_VALUE: missing & ~known, NO_LOGARITHM: missing & known, nothing: outcome.change.isna()}
        )
        about = {"outcome": name, "logarithm": long.predictor.map(LOGARITHMIC), "reason": reason}
        parts.append(long.assign(**about, **outcome))
    return pd.concat(parts, ignore_index=True)


def controlled(run):
    """Give the control slopes of the simulated brain as outcomes, one for each arm."""
    own = [("reviewer", "=", BRAIN), ("control", "=", "none")]
    slopes = store.read(run.input["control_slopes"], CONTROL_SLOPES, filters=own)
    slopes = slopes.rename(columns={"slope": "change"}).set_index(["network", "roi"])
    return {f"control_{arm}": rows for arm, rows in slopes.groupby("arm", sort=False)}


def of_regions(run, networks):
    """Collect predictors of each network and region, from tables of readouts, attacks and axes."""
    measured = store.read(run.input["network_measures"], NETWORK_MEASURES).set_index(["network", "roi"])
    axes = store.read(run.input["axes"], AXES).pivot(
        index=["network", "roi"], columns="measure", values="value"
    )
    pairs = store.read(run.input["similarity_means"], SIMILARITY_MEANS, filters=[("response", "=", "voxels")])
    pairs = pairs[
        (pairs.k == pairs.k.max())
        & pairs.network_i.isin(networks.index)
        & pairs.network_j.isin(networks.index)
    ]
    turned = pairs.rename(columns={"network_i": "network_j", "network_j": "network_i"})
    similar = pd.concat([pairs, turned]).groupby(["network_i", "roi"]).similarity.mean()
    similar = similar.rename_axis(["network", "roi"]).rename("axis_similarity")
    return measured[OF_MEASURES].join(axes.reindex(columns=OF_AXES)).join(similar)


def of_attacks(run, transfers):
    """Give the change of each network under white noise of the size of its attacks: without gradients."""
    own = transfers[
        (transfers.source == transfers.target) & (transfers.source != BRAIN) & (transfers.roi != ALL)
    ]
    return own.set_index(["source", "roi"]).noise.rename_axis(["network", "roi"])


def compare(part, networks, draws, rng):
    """Compare one predictor with the outcome over some networks: columns of the table predictors."""
    part = part.dropna(subset=["value", "change"])
    x, y = part.value.to_numpy(), part.change.to_numpy()
    recipe = networks.loc[part.network, ["architecture", "training_radius"]].astype(str).agg(" ".join, axis=1)
    correlation, p, smallest = race.rank_test(x, y, draws, rng)
    slope, r = race.slope(x, y)
    return {
        "rank_correlation": correlation,
        "p": p,
        "smallest_p": smallest,
        "slope": slope,
        "r": r,
        "r2_left_out": race.left_out(x, y, part.network.to_numpy()),
        "r2_recipe_left_out": race.left_out(x, y, recipe.to_numpy()),
        "n_networks": len(part),
        "n_images": part.n_images.min() if len(part) else 0,
    }


if __name__ == "__main__":
    job.start(main, globals())
