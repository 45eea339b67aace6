"""Does stability tell apart networks that predict equally well? (rule plot_predictivity_vs_sensitivity)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN, GROUP, LARGEST
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.summaries import NETWORK_MEASURES

PREDICTS = "r_over_ceiling"
COLUMNS = ["network", "roi", "r", "r_low", "r_high", "ceiling", "n_test"]
COLUMNS += ["sensitivity", "radius", "unconverged", "n_probes", "reason"]
OWN = [("main_radius", "=", True), ("roi", "!=", "all"), ("kind", "=", "attack"), ("subject", "=", GROUP)]
OWN += [("direction", "=", LARGEST)]


def main(run):
    """Draw one panel for each region: how well a network predicts, and how far its prediction moves."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = store.read(run.input["network_measures"], NETWORK_MEASURES)
    own = store.read(run.input["sensitivities"], SENSITIVITIES, filters=[*OWN, ("network", "=", BRAIN)])
    brain = own.set_index("roi")["median"]
    regions, (columns, label) = values.roi.unique(), words.score(values)
    values = style.in_order(values, roi=regions, network=networks.network)
    values = values[COLUMNS].assign(**{name: values[column] for name, column in columns.items()})
    figure, axes = style.grid(1, len(regions), 3.0, sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, values[values.roi == roi], looks)
        if roi in brain.index:
            axis.axhline(brain[roi], color=style.COLORS[BRAIN], linestyle=style.DASHES, zorder=1)
        axis.set(title=roi, xlabel=f"{label}, held-out images")
    if values.sensitivity.min() > 0:
        style.plain_log(axes[0, 0])
    axes[0, 0].set_ylabel(f"Sensitivity (SD):\nmedian change at radius {words.span(values.radius, 3)}")
    handles = marks.key_of(looks, list(networks.network))
    if len(brain):
        handles.append(marks.dashed("Simulated brain's own sensitivity", style.COLORS[BRAIN]))
    note = f"n = {words.span(values.n_test)} held-out images for r, "
    note += f"{words.span(values.n_probes)} probe images for sensitivity; "
    note += f"bars: 95% intervals of r over images\n{words.unconverged(values, looks)}"
    marks.legend_below(figure, handles, 4, note + words.missing(values, PREDICTS, "sensitivity"))
    style.save(run, figure, values)


def draw(axis, values, looks):
    """Draw one mark for each network, with the interval of r / ceiling."""
    colors, markers = looks.color.to_dict(), looks.marker.to_dict()
    low, high = f"{PREDICTS}_low", f"{PREDICTS}_high"
    marks.intervals(axis, values, "sensitivity", low, high, values.network.map(colors), along="x")
    marks.points(axis, values, PREDICTS, "sensitivity", "network", colors, markers, area=28.0)


if __name__ == "__main__":
    job.start(main, globals())
