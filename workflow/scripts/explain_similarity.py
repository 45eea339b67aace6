"""Explain similarity over pairs by architecture, training and sensitivity (rule explain_similarity).

What is regressed is the logarithm of similarity. Similarity spans two orders of magnitude, and its spread
grows with it: of raw similarity the permutation test rejects 0 to 1% of true null hypotheses where it says
5%, of its logarithm 4 to 7%.
"""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.axes import subspaces
from codingaxes.estimates import measures, permutations
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import RELIABILITY, SIMILARITY, SIMILARITY_REGRESSION


def main(run):
    """Take pairs of networks, without the simulated brain, and permute whole networks, not pairs."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    sensitivity = measures.own_sensitivity(store.read(run.input["sensitivities"], SENSITIVITIES))["median"]
    pairs = store.read(run.input["similarity"], SIMILARITY)
    pairs = pairs[(pairs.network_i != BRAIN) & (pairs.network_j != BRAIN)]
    regression, reliabilities = [], []
    for (response, roi, k), rows in pairs.groupby(["response", "roi", "k"], sort=False):
        about = {"response": response, "roi": roi, "k": k}
        names = [name for name in networks.index if name in set(rows.network_i) | set(rows.network_j)]
        table = rows.pivot(index=["network_i", "network_j"], columns="image_id", values="similarity")
        table = table.loc[:, table.notna().all()]
        reliabilities.append(about | reliability(run, about, table))
        each = sensitivity.groupby("network").mean() if roi == "all" else sensitivity[roi]
        matrix = symmetric(table.mean(axis=1), names)
        regression += [about | row for row in explain(run, about, matrix, networks.loc[names], each[names])]
    store.write(run.output["reliability"], RELIABILITY, pd.DataFrame(reliabilities))
    regression = pd.DataFrame(regression, columns=list(SIMILARITY_REGRESSION.columns))
    regression["p_adjusted"] = permutations.adjust(regression.p)
    store.write(run.output["regression"], SIMILARITY_REGRESSION, regression)
    regression.to_csv(run.output["csv"], index=False, float_format="%.5g")


def reliability(run, about, table):
    """Correlate the pairs between random halves of the images; missing where that is not defined."""
    numbers, enough = (np.nan, np.nan, np.nan), table.shape[0] >= 3 and table.shape[1] >= 4
    if enough:
        rng = np.random.default_rng(run.seed("reliability", *about.values()))
        numbers = subspaces.split_half_reliability(table.to_numpy(), run.params["splits"], rng)
    row = dict(zip(("reliability", "low", "high"), numbers, strict=True))
    return row | {"n_pairs": table.shape[0], "n_images": table.shape[1]}


def symmetric(means, names):
    """Arrange the similarity of each pair as a matrix (networks, networks)."""
    matrix = means.unstack().reindex(index=names, columns=names).to_numpy()
    return np.where(np.isnan(matrix), matrix.T, matrix)


def log_of(matrix):
    """Take logarithms of similarities (networks, networks); missing where one is not above 0."""
    return np.log(np.where(matrix > 0, matrix, np.nan))


def explain(run, about, matrix, networks, sensitivity):
    """Yield a row for each predictor of a multiple regression over pairs; none where it is not defined."""
    predictors = {
        "different architecture": permutations.differs(networks.architecture),
        "different training": permutations.differs(networks.family),
        "both robust": permutations.both(networks.family == "robust"),
        "difference of log sensitivity": permutations.distance(np.log(sensitivity.clip(lower=1e-12))),
    }
    # permutations are drawn under the name controls; another name would draw others
    rng = np.random.default_rng(run.seed("controls", *about.values()))
    try:
        result = permutations.regress_pairs(log_of(matrix), predictors, run.params["permutations"], rng)
    except ValueError as error:
        job.log.warning(f"{about}: no regression over {len(matrix)} networks: {error}")
        return
    columns = result.coefficients, result.standardised, result.p_values, result.smallest_p
    for name, coefficient, standardised, p, smallest_p in zip(result.names, *columns, strict=True):
        yield {
            "predictor": name,
            "coefficient": coefficient,
            "standardised": standardised,
            "p": p,
            "smallest_p": smallest_p,
            "r_squared": result.r_squared,
            "n_pairs": result.n_pairs,
            "n_networks": result.n_networks,
            "permutations": result.permutations,
        }


if __name__ == "__main__":
    job.start(main, globals())
