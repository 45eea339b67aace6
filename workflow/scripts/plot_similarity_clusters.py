"""Do families of models cluster by the similarity of their axes? (rule plot_similarity_clusters)."""

import math

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import SIMILARITY_MEANS
from codingaxes.tables.spaces import SIMILARITY_CLUSTERS

COLUMNS = ["network_i", "network_j", "response", "roi", "k", "similarity", "chance", "n_images", "reason"]


def main(run):
    """Draw a map for each region, models in the order of their clusters; the last place holds the key."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    mergers = store.read(run.input["similarity_clusters"], SIMILARITY_CLUSTERS)
    voxels = [("response", "=", "voxels")]
    pairs = store.read(run.input["similarity_means"], SIMILARITY_MEANS, columns=COLUMNS, filters=voxels)
    if mergers.empty:
        raise ValueError(
            "the table similarity_clusters is empty: in no region have two models axes that converged; "
            "see the log of compare_subspaces"
        )
    pairs = pairs[pairs.k == mergers.k.iloc[0]]
    regions = list(mergers.roi.unique())
    left_out = [roi for roi in pairs.roi.unique() if roi not in regions]
    names = models_of(mergers[mergers.roi == regions[0]])
    height = 0.7 + math.ceil((len(regions) + 1) / 2) * (0.7 + 0.15 * len(names))
    figure, axes = style.grid(math.ceil((len(regions) + 1) / 2), 2, height)
    chance = pairs.chance.iloc[0]
    norm = style.root_scale(chance, max(pairs.similarity.max(), 2 * chance))
    draw_key(figure, axes.flat[len(regions)], pairs, norm, looks, names)
    for axis in axes.flat:
        axis.set_axis_off()
    for roi, axis in zip(regions, axes.flat, strict=False):
        axis.set_title(roi)
    note = "; no intervals; trees: average linkage, at the mean similarity between the two clusters"
    note += f"; without similarity, left out: {', '.join(left_out)}" if left_out else ""
    marks.footnote(figure, words.probes(pairs.n_images) + note + words.missing(pairs, "similarity"))
    figure.draw_without_rendering()  # places the cells
    values = []
    for roi, axis in zip(regions, axes.flat, strict=False):
        matrix, tree = pairs[pairs.roi == roi], mergers[mergers.roi == roi].sort_values("step")
        order = draw(figure, axis, matrix, tree, looks, norm)
        values += [style.in_order(both_ways(matrix), network_i=order, network_j=order), tree]
    style.save(run, figure, pd.concat(values).drop(columns="response"))


def models_of(tree):
    """List the models of one region's tree in the order of their places."""
    sides = [
        tree[[side, f"{side}_network"]].set_axis(["place", "network"], axis=1) for side in ("left", "right")
    ]
    places = pd.concat(sides).sort_values("place")
    return places.network[places.network != ""].to_list()


def both_ways(pairs):
    """Repeat each pair with its models the other way round."""
    return pd.concat([pairs, pairs.rename(columns={"network_i": "network_j", "network_j": "network_i"})])


def draw(figure, axis, pairs, tree, looks, norm):
    """Draw the map of one region, and give the names in its order."""
    names = models_of(tree)
    matrix = both_ways(pairs).pivot(index="network_i", columns="network_j", values="similarity")
    linkage = tree[["left", "right", "distance", "size"]].to_numpy(np.float64)
    return marks.cluster_map(figure, axis, matrix.reindex(index=names, columns=names), linkage, looks, norm)


def draw_key(figure, axis, pairs, norm, looks, names):
    """Draw colours of names and of similarities in the place that is left."""
    chance = norm.vmin
    handles = [*marks.key_of(looks, names, markers=False), marks.dashed(f"Chance, {words.number(chance, 2)}")]
    marks.legend_in(axis, handles)
    label = f"Similarity of {pairs.k.iloc[0]} leading axes (0 to 1)"
    low, place = (pairs.similarity < chance).any(), axis.inset_axes([0.1, 0.12, 0.8, 0.045])
    ticks = style.root_ticks(norm, apart=0.15)
    marks.color_bar(figure, ScalarMappable(norm, style.SCALE), label, ticks, low, cax=place)


if __name__ == "__main__":
    job.start(main, globals())
