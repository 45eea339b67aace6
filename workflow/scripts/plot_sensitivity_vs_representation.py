"""Does the layer that is read tell how sensitive a network is? (rule plot_sensitivity_vs_representation)."""

from codingaxes import job, plots, tables

ATTACKS = ["attack", "network", "roi", "direction", "radius", "image_id"]
ATTACKS += ["response_before", "response_after", "converged"]
READOUTS = ["network", "roi", "layer", "norm"]
MEASURES = {
    "sparseness": "Sparseness\n(0 to 1)",
    "normalised_variance": "Normalised variance\n(0 to 1)",
    "effective_dimensionality": "Effective dimensionality\n(dimensions)",
    "relative_norm": "Relative readout norm\n(SD)",
}


def main(run):
    """A row for each region, a column for each number that describes the layer that it reads."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    attacks, radius = plots.strongest(tables.read(run.input["attacks"], "perturbations", columns=ATTACKS))
    group = [("subject", "=", tables.GROUP), ("target", "=", "mean")]
    layers = tables.read(run.input["readouts"], "readouts", columns=READOUTS, filters=group)
    about = tables.read(run.input["representations"], "representations")
    layers = layers.merge(about, on=["network", "layer"], validate="many_to_one")
    layers["relative_norm"] = layers.norm * layers.spread
    values = layers.join(plots.sensitivity(attacks), on=["roi", "network"]).assign(radius=radius)
    regions = values.roi.unique()
    values = tidy(plots.in_order(values, roi=regions, network=networks.network))
    size = {"sharex": "col", "sharey": True}
    figure, axes = plots.grid(len(regions), len(MEASURES), 1.2 + 1.65 * len(regions), **size)
    for roi, row in zip(regions, axes, strict=True):
        for measure, axis in zip(MEASURES, row, strict=True):
            draw(axis, values[(values.roi == roi) & (values.measure == measure)], looks)
        row[0].set_ylabel(f"{roi}\nSensitivity (SD)")
    for axis, text in zip(axes[-1], MEASURES.values(), strict=True):
        axis.set_xlabel(text)
        axis.locator_params(axis="x", nbins=4)
    if values.sensitivity.min() > 0:
        plots.plain_log(axes[0, 0])
    probes, images = values.n_probes.min(), values.n_images.min()
    note = f"Sensitivity: median change at radius {plots.number(radius)}, n = {probes} probe images; "
    note += f"attacks not converged (kept): {plots.unconverged(attacks, looks)}\n"
    note += f"Layer: n = {images} stimuli; ρ: Spearman's rank correlation over n networks, descriptive"
    plots.legend_below(figure, plots.key_of(looks, list(networks.network)), 4, note)
    plots.save(run, figure, values)


def tidy(values):
    """One row for each mark, with the rank correlation of its panel."""
    kept = ["roi", "network", "layer", "sensitivity", "radius", "n_probes", "n_images"]
    values = values.melt(kept, list(MEASURES), var_name="measure")
    found = {
        panel: plots.rank_correlation(part.value, part.sensitivity)
        for panel, part in values.groupby(["roi", "measure"])
    }
    panels = list(zip(values.roi, values.measure, strict=True))
    return values.assign(
        rank_correlation=[found[panel][0] for panel in panels],
        n_networks=[found[panel][1] for panel in panels],
    )


def draw(axis, values, looks):
    """One mark for each network."""
    for row in values.itertuples():
        plots.point(axis, row.value, row.sensitivity, looks, row.network, size=5.0)
    shown = values.iloc[0]
    plots.above(axis, f"ρ = {plots.rank_text(shown.rank_correlation)}, n = {shown.n_networks}")


if __name__ == "__main__":
    job.start(main, globals())
