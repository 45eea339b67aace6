"""What goes with similarity over pairs: architecture, training, sensitivity (rule explain_similarity)."""

import numpy as np
import pandas as pd

from codingaxes import job, permutations, subspaces, tables

ATTACKS = ["attack", "network", "roi", "direction", "radius", "image_id", "response_before", "response_after"]


def main(run):
    """Over pairs of networks; the simulated brain is none. Whole networks are permuted, not pairs."""
    networks = tables.read(run.input["networks"], "networks").set_index("network")
    attacks = tables.read(run.input["attacks"], "perturbations", columns=ATTACKS)
    attacks = attacks[attacks.radius == attacks.radius.max()]
    change = (attacks.response_after - attacks.response_before).abs()
    sensitivity = change.groupby([attacks.roi, attacks.network]).median()
    pairs = tables.read(run.input["similarity"], "similarity")
    pairs = pairs[(pairs.network_i != tables.BRAIN) & (pairs.network_j != tables.BRAIN)]
    controls, reliabilities = [], []
    for (response, roi, k), part in pairs.groupby(["response", "roi", "k"], sort=False):
        about = {"response": response, "roi": roi, "k": k}
        names = [name for name in networks.index if name in set(part.network_i) | set(part.network_j)]
        table = part.pivot(index=["network_i", "network_j"], columns="image_id", values="similarity")
        table = table.loc[:, table.notna().all()]
        reliabilities.append(about | reliability(run, about, table))
        each = sensitivity.groupby("network").mean() if roi == "all" else sensitivity[roi]
        matrix = symmetric(table.mean(axis=1), names)
        controls += [about | row for row in explain(run, about, matrix, networks.loc[names], each[names])]
    tables.write(run.output["reliability"], "reliability", pd.DataFrame(reliabilities))
    columns = list(tables.TABLES["controls"].columns)
    controls = pd.DataFrame(controls, columns=columns)
    tables.write(run.output["controls"], "controls", controls)
    controls.to_csv(run.output["csv"], index=False, float_format="%.5g")


def reliability(run, about, table):
    """Agreement of the pairs' order between random halves of the images; missing where it is not defined."""
    found, enough = (np.nan, np.nan, np.nan), table.shape[0] >= 3 and table.shape[1] >= 4
    if enough:
        rng = np.random.default_rng(run.seed("reliability", *about.values()))
        found = subspaces.split_half_reliability(table.to_numpy(), run.params["splits"], rng)
    row = dict(zip(("reliability", "low", "high"), found, strict=True))
    return row | {"n_pairs": table.shape[0], "n_images": table.shape[1]}


def symmetric(means, names):
    """Similarity of each pair as a matrix (networks, networks)."""
    matrix = means.unstack().reindex(index=names, columns=names).to_numpy()
    return np.where(np.isnan(matrix), matrix.T, matrix)


def explain(run, about, matrix, networks, sensitivity):
    """One row for each predictor of a multiple regression over pairs; none where it cannot be made."""
    predictors = {
        "different architecture": permutations.differs(networks.architecture),
        "different training": permutations.differs(networks.family),
        "both robust": permutations.both(networks.family == "robust"),
        "difference of log sensitivity": permutations.distance(np.log(sensitivity.clip(lower=1e-12))),
    }
    rng = np.random.default_rng(run.seed("controls", *about.values()))
    try:
        found = permutations.regress_pairs(matrix, predictors, run.params["permutations"], rng)
    except ValueError as error:
        job.log.warning(f"{about}: no regression over {len(matrix)} networks: {error}")
        return
    evidence = zip(found.names, found.coefficients, found.standardised, found.p_values, strict=True)
    for name, coefficient, standardised, p in evidence:
        yield {
            "predictor": name,
            "coefficient": coefficient,
            "standardised": standardised,
            "p": p,
            "r_squared": found.r_squared,
            "n_pairs": found.n_pairs,
            "n_networks": found.n_networks,
            "permutations": found.permutations,
        }


if __name__ == "__main__":
    job.start(main, globals())
