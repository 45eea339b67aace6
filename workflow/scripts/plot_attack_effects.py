"""Draw what attacks do to their own network and to others, and what noise does (rule plot_attack_effects)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.changes import CHANGES
from codingaxes.tables.networks import NETWORKS

KINDS = {  # how each perturbation is drawn, and how far right of the name
    "own": {"shift": -0.22},
    "transferred": {"shift": 0.0, "filled": False},
    "noise": {"shift": 0.22, "markers": "_"},
}
LINEAR = 0.01  # SD; below it the scale is linear


def main(run):
    """Draw one row for each radius, from the smallest, and one column for each region."""
    networks = store.read(run.input["networks"], NETWORKS)
    names, looks = networks.network.to_list(), style.look(networks)
    values = store.read(run.input["changes"], CHANGES)
    regions, radii = values.roi.unique(), sorted(values.radius.unique())
    values = style.in_order(values, roi=regions, radius=radii, network=names, perturbation=KINDS)
    figure, axes = style.grid(len(radii), len(regions), 1.9 + 1.5 * len(radii), sharex=True, sharey=True)
    for radius, row in zip(radii, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            draw(axis, values[(values.radius == radius) & (values.roi == roi)], names, looks)
        row[0].set_ylabel(f"Change (SD)\nradius {words.number(radius)}")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        marks.row_of_names(bottom, names, looks)
    handles = {
        "own": marks.mark("o", "on the attacked network itself"),
        "transferred": marks.mark("o", "on the other networks, mean", filled=False),
        "noise": marks.mark("_", "random noise of equal size, |change|", color=style.GREY),
    }
    handles = [handle for kind, handle in handles.items() if kind in set(values.perturbation)]
    note = f"{words.probes(values.n_images)}; {words.INTERVALS}; marker: architecture; "
    note += f"linear scale below {words.number(LINEAR)} SD{words.missing(values, 'change')}"
    marks.legend_below(figure, handles, 3, note)
    style.save(run, figure, values)


def draw(axis, values, names, looks):
    """Draw three marks for each network."""
    axis.axhline(0, color="black", linewidth=0.5, zorder=0)
    style.plain_symlog(axis, LINEAR)
    for kind, shape in KINDS.items():
        rows = values[values.perturbation == kind]
        grey = {"colors": dict.fromkeys(names, style.GREY)} if kind == "noise" else {}
        marks.named_points(
            axis, rows, "change", "ci_low", "ci_high", names, looks, area=16.0, **shape, **grey
        )
    marks.family_lines(axis, names, looks)


if __name__ == "__main__":
    job.start(main, globals())
