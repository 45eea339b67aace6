"""Summarise what networks are compared by, and how these measures go together (rule summarise_networks)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import measures, permutations, undefined
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.readouts import READOUTS, REPRESENTATIONS, SCORES, SPLIT_SCORES
from codingaxes.tables.summaries import NETWORK_CORRELATIONS, NETWORK_MEASURES

MEAN_OF_GROUP = [("subject", "=", GROUP), ("target", "=", "mean")]
SCORE = ["network", "roi", "r", "ci_low", "ci_high", "ceiling", "r_k_fold", "n_train", "n_test", "reason"]
READOUT = ["network", "roi", "layer", "norm"]
RATIOS = {
    "r": "r_over_ceiling",
    "r_low": "r_over_ceiling_low",
    "r_high": "r_over_ceiling_high",
    "r_k_fold": "r_k_fold_over_ceiling",
}
OF_LAYER = ["sparseness", "normalised_variance", "effective_dimensionality", "relative_norm"]
OF_SCORE = ["r", "r_over_ceiling", "r_k_fold", "r_k_fold_over_ceiling"]
PAIRS = [("accuracy", y) for y in OF_SCORE] + [(x, "sensitivity") for x in [*OF_SCORE, *OF_LAYER]]


def main(run):
    """Give one row per network and region: scores, accuracy, the layer that is read, sensitivity."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    scores = store.read(run.input["scores"], SCORES, SCORE, MEAN_OF_GROUP)
    splits = store.read(run.input["split_scores"], SPLIT_SCORES, filters=[("subject", "=", GROUP)])
    sensitivities = store.read(run.input["sensitivities"], SENSITIVITIES)
    scores = scores.join(spread(splits), on=["network", "roi"], validate="one_to_one")
    scores["n_splits"] = scores.n_splits.fillna(0).astype("int32")
    table = score(scores).join(networks[["accuracy", "accuracy_of"]], on="network", validate="many_to_one")
    table = table.merge(layers(run), on=["network", "roi"], validate="one_to_one")
    table = table.merge(pushed(sensitivities), on=["network", "roi"], validate="one_to_one")
    if len(table) < len(scores):
        raise ValueError(f"{len(scores) - len(table)} readouts have no attack of their own; make them again")
    no_attack = undefined.say({undefined.NO_IMAGE: table.sensitivity.isna()})
    table["reason"] = undefined.join(table.reason, no_attack)
    table = table[list(NETWORK_MEASURES.columns)]
    store.write(run.output["network_measures"], NETWORK_MEASURES, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    store.write(run.output["network_correlations"], NETWORK_CORRELATIONS, correlate(table, run))


def score(scores):
    """Put each network's scores beside those relative to the noise ceiling."""
    scores = scores.rename(columns={"ci_low": "r_low", "ci_high": "r_high"})
    ratios = {name: measures.over_ceiling(scores[r], scores.ceiling) for r, name in RATIOS.items()}
    return scores.assign(**ratios)


def spread(splits):
    """Give the median, the smallest and the largest r of each network and region over random splits."""
    names = {"median": "r_splits", "min": "r_splits_low", "max": "r_splits_high", "count": "n_splits"}
    return splits.groupby(["network", "roi"]).r.agg(list(names)).rename(columns=names)


def layers(run):
    """Describe the layer that each region reads, and the length of the readout."""
    readouts = store.read(run.input["readouts"], READOUTS, READOUT, MEAN_OF_GROUP)
    features = store.read(run.input["representations"], REPRESENTATIONS)
    layers = readouts.merge(features, on=["network", "layer"], validate="many_to_one")
    layers = layers.assign(relative_norm=layers.norm * layers.spread, n_stimuli=layers.n_images)
    return layers[["network", "roi", "layer", *OF_LAYER, "n_stimuli"]]


def pushed(sensitivities):
    """Take each network's sensitivity to its own attack of the main radius."""
    own = measures.own_sensitivity(sensitivities).reset_index()
    own = own.rename(columns={"median": "sensitivity", "n_images": "n_probes"})
    return own[["network", "roi", "sensitivity", "radius", "unconverged", "n_probes"]]


def correlate(table, run):
    """Correlate pairs of measures over networks, in each region, and test it by permuting networks."""
    rows = []
    for roi, part in table.groupby("roi", sort=False):
        for x, y in PAIRS:
            correlation, n = measures.rank_correlation(part[x], part[y])
            rng = np.random.default_rng(run.seed(roi, x, y))
            p, smallest = permutations.rank_p(
                part[x].to_numpy(), part[y].to_numpy(), run.params["permutations"], rng
            )
            row = {"roi": roi, "x": x, "y": y, "rank_correlation": correlation, "n_networks": n}
            rows.append(row | {"p": p, "smallest_p": smallest})
    table = pd.DataFrame(rows)
    reason = undefined.of_ranks(table.rank_correlation, table.n_networks)
    return table.assign(p_adjusted=permutations.adjust(table.p), reason=reason)


if __name__ == "__main__":
    job.start(main, globals())
