"""Does the layer that is read tell how sensitive a network is? (rule plot_sensitivity_vs_representation)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.summaries import NETWORK_CORRELATIONS, NETWORK_MEASURES

MEASURES = {
    "sparseness": "Sparseness\n(0 to 1)",
    "normalised_variance": "Normalised variance\n(0 to 1)",
    "effective_dimensionality": "Effective dimensionality\n(dimensions)",
    "relative_norm": "Relative readout norm\n(SD)",
}
COLUMNS = ["roi", "network", "layer", "sensitivity", "radius", "unconverged", "n_probes", "n_stimuli"]
COLUMNS += ["reason"]


def main(run):
    """Draw a row for each region, a column for each number that describes the layer that it reads."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    table = store.read(run.input["network_measures"], NETWORK_MEASURES)
    regions = table.roi.unique()
    table = style.in_order(table, roi=regions, network=networks.network)
    ranks = store.read(run.input["network_correlations"], NETWORK_CORRELATIONS)
    ranks = ranks[ranks.y == "sensitivity"].drop(columns="y")
    ranks = ranks.rename(columns={"x": "measure", "reason": "reason_of_rank_correlation"})
    values = table.melt(COLUMNS, list(MEASURES), var_name="measure")
    values = values.merge(ranks, on=["roi", "measure"], how="left")
    figure, axes = style.grid(
        len(regions), len(MEASURES), 1.2 + 1.65 * len(regions), sharex="col", sharey=True
    )
    for roi, row in zip(regions, axes, strict=True):
        for measure, axis in zip(MEASURES, row, strict=True):
            draw(axis, values[(values.roi == roi) & (values.measure == measure)], looks)
        row[0].set_ylabel(f"{roi}\nSensitivity (SD)")
    for axis, text in zip(axes[-1], MEASURES.values(), strict=True):
        axis.set_xlabel(text)
        axis.locator_params(axis="x", nbins=5)
    if values.sensitivity.min() > 0:
        style.plain_log(axes[0, 0])
    note = f"Sensitivity: median change at radius {words.span(values.radius, 3)}, "
    note += f"n = {words.span(values.n_probes)} probe images; {words.unconverged(values, looks)}\n"
    note += f"Layer: n = {words.span(values.n_stimuli)} stimuli; no intervals"
    if values.rank_correlation.notna().any():
        note += "; ρ: Spearman's rank correlation over n networks, descriptive"
    note += words.missing(values, "value", "sensitivity")
    marks.legend_below(figure, marks.key_of(looks, list(networks.network)), 4, note)
    style.save(run, figure, values)


def draw(axis, values, looks):
    """Draw one mark for each network."""
    colors, markers = looks.color.to_dict(), looks.marker.to_dict()
    marks.points(axis, values, "value", "sensitivity", "network", colors, markers, area=25.0)
    row = values.iloc[0]
    marks.above(axis, words.ranks(row.n_networks, row.rank_correlation))


if __name__ == "__main__":
    job.start(main, globals())
