"""Summarise similarity of axes by kind of pair, and cluster models by it (rule summarise_similarity)."""

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from codingaxes import job
from codingaxes.estimates import measures
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import SIMILARITY_MEANS
from codingaxes.tables.spaces import SIMILARITY_CLUSTERS, SIMILARITY_LEVELS

RESPONSES = ["voxels", "joint", "features"]
LEVELS = {"similarity": "same_image", "across": "different_images", "matched_chance": "matched_random"}
KIND = ["family_i", "family_j", "architectures"]
PLACE = ["response", "roi", "k", "chance"]


def main(run):
    """Take each kind of axes at its largest k."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    pairs = store.read(run.input["similarity_means"], SIMILARITY_MEANS)
    # without a similarity: fewer axes than k, where units are silent
    pairs = pairs[pairs.response.isin(RESPONSES)].dropna(subset=["similarity"])
    pairs = pairs[pairs.k == pairs.groupby("response").k.transform("max")]
    store.write(run.output["similarity_levels"], SIMILARITY_LEVELS, levels(pairs, networks))
    voxels = pairs[pairs.response == "voxels"]
    mergers = [
        {"roi": roi, "k": part.k.iloc[0], **merger}
        for roi, part in voxels.groupby("roi", sort=False)
        for merger in merge(part, [*networks.index, BRAIN])
    ]
    mergers = pd.DataFrame(mergers, columns=list(SIMILARITY_CLUSTERS.columns))
    store.write(run.output["similarity_clusters"], SIMILARITY_CLUSTERS, mergers)


def levels(pairs, networks):
    """Give every pair on the same image, and the mean over pairs of each level for each kind of pair.

    Of a single model there is no pair, and so no row.
    """
    pairs = measures.in_family_order(pairs, "network_i", "network_j", networks)
    kinds = measures.kinds_of_pairs(pairs, "network_i", "network_j", networks)
    parts = [part.assign(**dict(zip(KIND, kind, strict=True))) for kind, part in kinds]
    if not parts:
        return pd.DataFrame(columns=list(SIMILARITY_LEVELS.columns))
    pairs = pd.concat(parts).sort_index()
    columns = [*PLACE, *KIND, "network_i", "network_j", "n_images"]
    values = list(LEVELS.values())
    rows = pairs.rename(columns=LEVELS).melt(columns, values, var_name="level", value_name="similarity")
    rows = rows.dropna(subset=["similarity"]).assign(n_pairs=1)
    means = rows.groupby([*PLACE, *KIND, "level"], sort=False, as_index=False).agg(
        similarity=("similarity", "mean"), n_pairs=("similarity", "size"), n_images=("n_images", "min")
    )
    means = means.assign(network_i="mean", network_j="mean")
    return pd.concat([rows[rows.level == "same_image"], means])[list(SIMILARITY_LEVELS.columns)]


def merge(pairs, order):
    """Cluster models by average linkage: in each step the two clusters of the highest mean similarity merge.

    A model without a similarity to some others is left out, the one with most such gaps first.

    Parameters
    ----------
    pairs : DataFrame
        Rows of the table similarity_means, one for each pair.
    order : list of str
        All models, in the order of the figures.

    Yields
    ------
    dict
        One merger: columns of the table similarity_clusters.
    """
    known = set(pairs.network_i) | set(pairs.network_j)
    names = [name for name in order if name in known]
    matrix = pairs.pivot(index="network_i", columns="network_j", values="similarity")
    matrix = matrix.reindex(index=names, columns=names)
    distance = (1 - matrix.fillna(matrix.T)).mask(np.eye(len(names), dtype=bool), 0.0)
    while distance.isna().any(axis=None):
        gaps = distance.isna().sum()
        job.log.warning(f"{gaps.idxmax()} has no similarity to {gaps.max()} models: it is in no cluster")
        distance = distance.drop(index=gaps.idxmax(), columns=gaps.idxmax())
    if len(distance) < 2:
        return
    models, condensed = dict(enumerate(distance.columns)), squareform(distance.to_numpy(), checks=False)
    for step, row in enumerate(linkage(condensed, "average", optimal_ordering=True)):
        left, right, size = row[[0, 1, 3]].astype(int)
        yield {
            "step": step,
            "left": left,
            "right": right,
            "left_network": models.get(left, ""),
            "right_network": models.get(right, ""),
            "distance": row[2],
            "size": size,
        }


if __name__ == "__main__":
    job.start(main, globals())
