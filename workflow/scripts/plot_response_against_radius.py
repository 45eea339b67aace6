"""Draw how responses change as perturbations grow, for every maker (rule plot_response_against_radius)."""

from matplotlib.ticker import FixedLocator

from codingaxes import job
from codingaxes.figures import made, marks, pictures, style, words
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.control import LADDER_CHANGES
from codingaxes.tables.networks import NETWORKS

KEY = ["roi", "direction", "network", "reviewer", "arm", "radius"]
COLUMNS = [*KEY, "change", "ci_low", "ci_high", "level", "unconverged", "n_images", "reason"]
LINEAR = 1.0  # SD; below it the scale is linear
TICKS = (-100, -30, -10, -3, 0, 1, 3, 10, 30, 100)
THICK = {BRAIN: 1.8}


def main(run):
    """Draw rows: own change and the simulated brain's, up and down; columns: regions; one line a maker."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = [("control", "=", "none"), ("roi", "!=", "all")]
    values = store.read(run.input["ladder_changes"], LADDER_CHANGES, [*COLUMNS, "control", "step"], chosen)
    values = made.first_arm(values.drop(columns=["control", "step"]))
    own = values.reviewer == values.network
    values = values.assign(seen_by="brain").mask(own, values.assign(seen_by="itself"))
    values = values[own | ((values.reviewer == BRAIN) & (values.network != BRAIN))]
    names = style.models(looks, values.network)
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    seen = [name for name in ("itself", "brain") if name in set(values.seen_by)]
    radii = sorted(values.radius.unique())
    order = {"seen_by": seen, "direction": SIGNS, "roi": regions, "network": names, "radius": radii}
    values = style.in_order(values, **order)
    figure, axes = style.grid(2 * len(seen), len(regions), 1.6 + 3.0 * len(seen), sharex=True, sharey="row")
    panels = [(by, direction) for by in seen for direction in SIGNS]
    mark = pictures.nearest(values, pictures.LARGE, size).radius.iloc[0]
    for (by, direction), row in zip(panels, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            chosen = (values.seen_by == by) & (values.direction == direction) & (values.roi == roi)
            draw(axis, values[chosen], names, looks)
            axis.axvline(mark, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)
        whose = "Own change" if by == "itself" else "Brain's change"
        row[0].set_ylabel(f"{whose}\n{made.ARROWS[direction]} (SD)")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        bottom.set_xlabel("l2 radius, pixels in [0, 1]")
    style.plain_log(axes[0, 0], "x", (1.0, 3.0))
    marks.letters(axes[:, 0])
    marked = marks.dashed(f"radius {words.number(mark)}: {made.at_side(mark, size)}")
    handles = [*marks.key_of(looks, names, markers=False), marked]
    marks.legend_below(figure, handles, 3, describe(values, looks))
    style.save(run, figure, values)


def draw(axis, rows, names, looks):
    """Draw one line with points for each maker; the simulated brain's is thick."""
    style.plain_symlog(axis, LINEAR)
    axis.yaxis.set_major_locator(FixedLocator(TICKS))
    axis.axhline(0, color="black", linewidth=0.5, zorder=0)
    for name in names:
        line = rows[rows.network == name]
        look = {"color": looks.color[name], "linewidth": THICK.get(name, 0.8), "markersize": 2.0}
        axis.plot(line.radius, line.change, marker=".", **look)


def describe(values, looks):
    """State n, the scale, and the share of images that have not converged, by family."""
    note = f"n = {words.span(values.n_images)} images for each region and direction; no intervals; "
    note += f"{made.ARMS[values.arm.iloc[0]]}; linear scale below {words.number(LINEAR)} SD; "
    own = values[values.seen_by == "itself"]
    note += f"not converged (kept): {words.by_family(own, 'unconverged', looks)}"
    return note + words.missing(values, "change")


if __name__ == "__main__":
    job.start(main, globals())
