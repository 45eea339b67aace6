"""What attacks do to their own network and to others, and what noise does (rule plot_attack_effects)."""

import numpy as np
import pandas as pd

from codingaxes import job, plots, statistics, tables

KINDS = {"own": -0.22, "other networks": 0.0, "random noise": 0.22}  # and their place beside the name's tick
COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id", "change_target"]


def main(run):
    """One row for each radius and one column for each region, both from the smallest."""
    networks = tables.read(run.input["networks"], "networks")
    names, looks = networks.network.to_list(), plots.look(networks)
    shown = [("attack", "in", ["l2", "random"])]
    changes = tables.read(run.input["transfer"], "transfer", columns=COLUMNS, filters=shown)
    changes = changes[changes.source.isin([*names, plots.RANDOM]) & changes.target.isin(names)]
    changes = changes.assign(change=plots.signed(changes.change_target, changes.direction))
    regions, radii = changes.roi.unique(), sorted(changes.radius.unique())
    values = plots.in_order(
        summarise(changes, names, run), roi=regions, radius=radii, network=names, effect=KINDS
    )
    figure, axes = plots.grid(len(radii), len(regions), 1.9 + 1.5 * len(radii), sharex=True, sharey=True)
    for radius, row in zip(radii, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            draw(axis, values[(values.radius == radius) & (values.roi == roi)], names, looks)
        row[0].set_ylabel(f"Change (SD)\nradius {plots.number(radius)}")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        plots.name_axis(bottom, names, looks)
    handles = [
        plots.mark("o", "on the attacked network itself"),
        plots.mark("o", "on the other networks, mean", filled=False),
        plots.mark("_", "random noise of equal size, |change|", color=plots.COLORS["random"]),
    ]
    note = f"n = {values.n_images.min()} probe images; bars: 95% intervals; marker: architecture; "
    plots.legend_below(figure, handles, 3, f"{note}linear scale below 0.01 SD")
    plots.save(run, figure, values)


def summarise(changes, names, run):
    """Mean over images of each effect, and its bootstrap interval; directions, draws, targets come first."""
    own = changes[changes.source == changes.target].assign(network=lambda part: part.source, effect="own")
    others = changes[(changes.source != changes.target) & (changes.source != plots.RANDOM)]
    others = others.assign(network=others.source, effect="other networks")
    noise = changes[changes.source == plots.RANDOM]
    noise = noise.assign(network=noise.target, effect="random noise")
    keys = ["roi", "radius", "network", "effect"]
    images = plots.per_image(pd.concat([own, others, noise]), "change", keys)
    rows = []
    for key, group in images.groupby(keys, sort=False):
        change = group.change.to_numpy()[None]
        rng = np.random.default_rng(run.seed(*map(str, key)))
        mean, low, high = statistics.bootstrap_mean_ratio(
            change, np.ones_like(change), rng, run.params["bootstrap"]
        )
        rows.append([*key, mean, low, high, change.shape[1]])
    return pd.DataFrame(rows, columns=[*keys, "change", "ci_low", "ci_high", "n_images"])


def draw(axis, values, names, looks):
    """Three marks for each network."""
    axis.axhline(0, color="black", linewidth=0.5, zorder=0)
    axis.set_yscale("symlog", linthresh=0.01, linscale=0.4)
    for row in values.itertuples():
        noise = row.effect == "random noise"
        looked = looks.loc[[plots.RANDOM]].set_axis([row.network]) if noise else looks
        place = names.index(row.network) + KINDS[row.effect]
        plots.point(
            axis,
            place,
            row.change,
            looked,
            row.network,
            row.ci_low,
            row.ci_high,
            filled=row.effect == "own",
            size=4,
        )
    plots.families(axis, names, looks)
    axis.yaxis.set_major_formatter(lambda value, _: plots.number(value))
    axis.set_xlim(-0.6, len(names) - 0.4)


if __name__ == "__main__":
    job.start(main, globals())
