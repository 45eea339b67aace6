"""Explain similarity over pairs by architecture, training and sensitivity (rule explain_similarity).

What is regressed is the logarithm of similarity. Similarity spans two orders of magnitude, and its spread
grows with it: of raw similarity the permutation test rejects 0 to 1% of true null hypotheses where it says
5%, of its logarithm 4 to 7%.
"""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.axes import subspaces
from codingaxes.estimates import measures, permutations, undefined
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import RELIABILITY, SIMILARITY, SIMILARITY_REGRESSION

NOT_RELIABLE = "fewer than 3 pairs or 4 images that all pairs have, or pairs alike"
NOTHING = dict.fromkeys(("coefficient", "standardised", "p", "smallest_p", "r_squared"), np.nan)
NOTHING |= {"permutations": 0}


def main(run):
    """Take pairs of networks, without the simulated brain, and permute whole networks, not pairs."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    sensitivity = measures.own_sensitivity(store.read(run.input["sensitivities"], SENSITIVITIES))["median"]
    pairs = store.read(run.input["similarity"], SIMILARITY, [*SIMILARITY.key, "similarity"])
    pairs = pairs[(pairs.network_i != BRAIN) & (pairs.network_j != BRAIN)]
    regression, reliabilities = [], []
    for (response, roi, k), rows in pairs.groupby(["response", "roi", "k"], sort=False):
        about = {"response": response, "roi": roi, "k": k}
        known = {*rows.network_i.unique(), *rows.network_j.unique()}
        names = [name for name in networks.index if name in known]
        table = rows.pivot(index=["network_i", "network_j"], columns="image_id", values="similarity")
        table = table.loc[:, table.notna().all()]
        reliabilities.append(about | reliability(run, about, table))
        each = sensitivity.groupby("network").mean() if roi == "all" else sensitivity[roi]
        matrix = symmetric(table.mean(axis=1), names)
        regression += [about | row for row in explain(run, about, matrix, networks.loc[names], each[names])]
    reliabilities = pd.DataFrame(
        reliabilities, columns=[name for name in RELIABILITY.columns if name != "reason"]
    )
    reliabilities["reason"] = undefined.say({NOT_RELIABLE: reliabilities.reliability.isna()})
    store.write(run.output["reliability"], RELIABILITY, reliabilities)
    regression = pd.DataFrame(regression, columns=list(SIMILARITY_REGRESSION.columns))
    regression["p_adjusted"] = permutations.adjust(regression.p)
    store.write(run.output["regression"], SIMILARITY_REGRESSION, regression)
    writing.write_csv(run.output["csv"], regression, digits=5)


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
    """Yield a row for each predictor of a multiple regression over pairs; one that is left out says why."""
    moved = undefined.moves(sensitivity).to_numpy()  # the logarithm of rounding says nothing
    if not moved.all():
        job.log.warning(f"{about}: {undefined.SOURCE_UNMOVED}: {', '.join(networks.index[~moved])}; left out")
    matrix, networks = matrix[np.ix_(moved, moved)], networks[moved]
    predictors = {
        "different architecture": permutations.differs(networks.architecture),
        "different training": permutations.differs(networks.family),
        "both robust": permutations.both(networks.family == "robust"),
        "difference of log sensitivity": permutations.distance(np.log(sensitivity[moved])),
    }
    # permutations are drawn under the name controls; another name would draw others
    rng, response = np.random.default_rng(run.seed("controls", *about.values())), log_of(matrix)
    kept, left_out = permutations.independent(predictors, np.isfinite(response))
    rows, reason = {}, ""
    try:
        result = permutations.regress_pairs(response, kept, run.params["permutations"], rng)
        rows = described(result)
    except ValueError as error:
        reason = f"no regression over {len(matrix)} networks: {error}"
    for name in predictors:
        row = {"predictor": name, "reason": left_out.get(name, reason)}
        if row["reason"]:
            job.log.warning(f"{about}: {name} is left out: {row['reason']}")
        n = int(np.isfinite(response[np.triu_indices(len(response), 1)]).sum())
        yield NOTHING | {"n_pairs": n, "n_networks": len(networks)} | rows.get(name, {}) | row


def described(result):
    """Give the columns of each predictor of a regression, by its name."""
    columns = result.coefficients, result.standardised, result.p_values, result.smallest_p
    names = ("coefficient", "standardised", "p", "smallest_p")
    about = {"r_squared": result.r_squared, "permutations": result.permutations}
    return {
        name: dict(zip(names, values, strict=True)) | about
        for name, *values in zip(result.names, *columns, strict=True)
    }


if __name__ == "__main__":
    job.start(main, globals())
