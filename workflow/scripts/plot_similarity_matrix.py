"""Are the leading coding axes of different models the same? (rule plot_similarity_matrix)."""

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import SIMILARITY_MEANS

COLUMNS = ["network_i", "network_j", "response", "roi", "k", "similarity", "chance", "n_images", "reason"]
NOTE = "similarity: mean squared cosine of the principal angles; no intervals"


def main(run):
    """Draw one symmetric panel for each region, at the largest dimension of the table."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    voxels = [("response", "=", "voxels")]
    pairs = store.read(run.input["similarity_means"], SIMILARITY_MEANS, columns=COLUMNS, filters=voxels)
    pairs, k = style.largest(pairs, "k")
    names = style.models(looks, [*pairs.network_i, *pairs.network_j])
    regions, chance = pairs.roi.unique(), pairs.chance.iloc[0]
    turned = pairs.rename(columns={"network_i": "network_j", "network_j": "network_i"})
    values = style.in_order(pd.concat([pairs, turned]), roi=regions, network_i=names, network_j=names)
    figure, axes = style.grid(1, len(regions), 1.9 + 0.17 * max(7, len(names)))
    norm = style.root_scale(chance, max(values.similarity.max(), 2 * chance))
    for column, (roi, axis) in enumerate(zip(regions, axes[0], strict=True)):
        matrix = values[values.roi == roi].pivot(index="network_i", columns="network_j", values="similarity")
        matrix = matrix.reindex(index=names, columns=names)
        cells = marks.heatmap(axis, matrix, looks, norm, rows=column == 0)
        axis.set_title(roi)
    label = f"Similarity of {k} leading axes (0 to 1); the lowest colour is chance, {words.number(chance, 2)}"
    low = (values.similarity < chance).any()
    marks.color_bar(figure, cells, label, style.root_ticks(norm), low, ax=axes)
    note = f"{words.probes(pairs.n_images)}; {NOTE}{words.missing(pairs, 'similarity')}"
    marks.footnote(figure, note)
    style.save(run, figure, values.drop(columns="response"))


if __name__ == "__main__":
    job.start(main, globals())
