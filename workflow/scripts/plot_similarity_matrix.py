"""Are the leading coding axes of different models the same? (rule plot_similarity_matrix)."""

import pandas as pd

from codingaxes import job, plots, tables

COLUMNS = ["network_i", "network_j", "response", "roi", "image_id", "k", "similarity", "chance"]


def main(run):
    """One symmetric panel for each region, at the largest dimension of the table."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    voxels = [("response", "=", "voxels")]
    pairs = tables.read(run.input["similarity"], "similarity", columns=COLUMNS, filters=voxels)
    pairs = pairs[pairs.k == pairs.k.max()]
    missing = int(pairs.similarity.isna().sum())
    present = set(pairs.network_i) | set(pairs.network_j)
    names = [name for name in [*networks.network, plots.BRAIN] if name in present]
    regions = pairs.roi.unique()
    means = pairs.groupby(["roi", "network_i", "network_j", "k"], sort=False)
    means = means.agg(
        similarity=("similarity", "mean"), chance=("chance", "first"), n_images=("similarity", "count")
    ).reset_index()
    turned = means.rename(columns={"network_i": "network_j", "network_j": "network_i"})
    values = plots.in_order(pd.concat([means, turned]), roi=regions, network_i=names, network_j=names)
    k, chance = values.k.iloc[0], values.chance.iloc[0]
    figure, axes = plots.grid(1, len(regions), 1.9 + 0.17 * len(names))
    norm = plots.root_scale(chance, max(values.similarity.max(), 2 * chance))
    for column, (roi, axis) in enumerate(zip(regions, axes[0], strict=True)):
        matrix = values[values.roi == roi].pivot(index="network_i", columns="network_j", values="similarity")
        image = plots.heatmap(axis, matrix.reindex(index=names, columns=names), looks, norm, rows=column == 0)
        axis.set_title(roi)
    label = f"Similarity of {k} leading axes (0 to 1); the lowest colour is chance, {plots.number(chance, 2)}"
    plots.color_bar(
        figure, image, axes, label, plots.root_ticks(norm), low=(values.similarity < chance).any()
    )
    note = (
        f"n = {values.n_images.min()} probe images; similarity: mean squared cosine of the principal angles"
    )
    plots.footnote(figure, note + (f"; {missing} of {len(pairs)} pairs × images missing" if missing else ""))
    plots.save(run, figure, values)


if __name__ == "__main__":
    job.start(main, globals())
