"""Does stability tell apart networks that predict equally well? (rule plot_predictivity_vs_sensitivity)."""

from codingaxes import job, plots, tables

COLUMNS = ["attack", "network", "roi", "direction", "radius", "image_id"]
COLUMNS += ["response_before", "response_after", "converged"]


def main(run):
    """One panel for each region: how well a network predicts, and how far its prediction can be pushed."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    attacks, radius = plots.strongest(tables.read(run.input["attacks"], "perturbations", columns=COLUMNS))
    pushed = plots.sensitivity(attacks)
    scores = tables.read(
        run.input["scores"], "scores", filters=[("subject", "=", "group"), ("target", "=", "mean")]
    ).drop(columns=["subject", "target"])
    scores, label = plots.over_ceiling(scores, ["r", "ci_low", "ci_high"])
    values = scores.join(pushed, on=["roi", "network"]).assign(radius=radius)
    regions = scores.roi.unique()
    values = plots.in_order(values, roi=regions, network=networks.network)
    figure, axes = plots.grid(1, len(regions), 3.0, sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, values[values.roi == roi], looks)
        if (roi, plots.BRAIN) in pushed.index:
            brain = pushed.sensitivity[roi, plots.BRAIN]
            axis.axhline(brain, color=plots.COLORS[plots.BRAIN], linestyle=(0, (4, 2)), zorder=1)
        axis.set(title=roi, xlabel=f"{label}, held-out images")
    if values.sensitivity.min() > 0:
        plots.plain_log(axes[0, 0])
    axes[0, 0].set_ylabel(f"Sensitivity (SD):\nmedian change at radius {plots.number(radius)}")
    handles = plots.key_of(looks, list(networks.network))
    if plots.BRAIN in pushed.index.get_level_values("network"):
        handles.append(plots.dashed("Simulated brain's own sensitivity", plots.COLORS[plots.BRAIN]))
    tested, probes = values.n_test.min(), values.n_probes.min()
    note = f"n = {tested} held-out images for r, {probes} probe images for sensitivity; "
    note += f"attacks not converged (kept): {plots.unconverged(attacks, looks)}"
    plots.legend_below(figure, handles, 4, note)
    plots.save(run, figure, values)


def draw(axis, values, looks):
    """One mark for each network, with the interval of r / ceiling."""
    for row in values.itertuples():
        ends = {"low": row.ci_low_over_ceiling, "high": row.ci_high_over_ceiling, "interval": "x"}
        plots.point(axis, row.r_over_ceiling, row.sensitivity, looks, row.network, size=5.5, **ends)


if __name__ == "__main__":
    job.start(main, globals())
