"""One image and its perturbations for two networks and the brain (rule plot_example_perturbations)."""

import matplotlib.image
import numpy as np
import pandas as pd

from codingaxes import job, plots, tables

KEYS = ["network", "roi", "radius", "image_id", "converged"]


def main(run):
    """One row for each region, all of the first probe image."""
    size = run.params["image_size"]
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probe = stimuli[stimuli.probe].iloc[0]
    standard, robust = choose(networks)
    wanted = [name for name in (standard, robust, plots.BRAIN) if name]
    shown = [("attack", "=", "l2"), ("direction", "=", "increase"), ("image_id", "=", probe.image_id)]
    attacks = tables.read(run.input["attacks"], "perturbations", filters=[*shown, ("network", "in", wanted)])
    attacks, radius = plots.strongest(attacks)
    picture = open_picture(probe.file, size)
    regions = attacks.roi.unique()
    attacks = attacks.assign(change=attacks.response_after - attacks.response_before).set_index(
        ["roi", "network"]
    )
    names = [name for name in wanted if name in attacks.index.get_level_values("network")]
    deltas = {key: delta.astype(float).reshape(3, size, size) for key, delta in attacks.delta.items()}
    factor = amplification(deltas.values())
    columns = len(names) + 2
    figure, axes = plots.grid(len(regions), columns, 0.9 + plots.WIDTH / columns * len(regions))
    for roi, row in zip(regions, axes, strict=True):
        pictures = [picture, *(0.5 + factor * deltas[roi, name].transpose(1, 2, 0) for name in names)]
        pictures.append(picture + deltas[roi, robust or standard].transpose(1, 2, 0))
        changes = [plots.signed_number(attacks.change[roi, name]) for name in [*names, robust or standard]]
        for axis, pixels, change in zip(row, pictures, ["", *changes], strict=True):
            axis.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
            axis.set(xticks=[], yticks=[], xlabel=f"{change} SD" if change else "")
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(roi, fontsize=8.5)
    title(axes[0], names, looks, robust or standard)
    note = f"n = 1 image, the first probe; response increased, radius {plots.number(radius)}; "
    plots.footnote(
        figure, f"{note}perturbations × {plots.number(factor)} about grey; SD: change in the attacked model"
    )
    values = attacks.reset_index()[[*KEYS, "size", "response_before", "response_after", "change"]]
    plots.save(run, figure, pd.DataFrame(values).assign(amplification=factor))


def choose(networks):
    """A standard and the most strongly trained robust network of the first architecture that has both."""
    for _, group in networks.groupby("architecture", sort=False):
        standard, robust = group[group.family == "standard"], group[group.family == "robust"]
        if len(standard) and len(robust):
            return standard.network.iloc[0], robust.network[robust.training_radius.idxmax()]
    standard, robust = (networks.network[networks.family == kind] for kind in ("standard", "robust"))
    return next(iter(standard), None), next(iter(robust), None)


def open_picture(file, size):
    """A stimulus (size, size, 3) in [0, 1]."""
    picture = matplotlib.image.imread(file)[..., :3].astype(float)
    if picture.shape != (size, size, 3):
        raise ValueError(
            f"{file}: expected a PNG of {size} x {size} x 3 (image_size), found shape {picture.shape}"
        )
    return picture


def amplification(deltas):
    """One factor for all, of one digit, that spreads nearly all pixels over the whole range about grey."""
    largest = np.percentile(np.abs(np.stack(list(deltas))), 99)
    return float(f"{0.5 / largest:.0e}")


def title(axes, names, looks, perturbed):
    """Names above the columns, in their colours."""
    axes[0].set_title("Image", fontsize=8)
    for axis, name in zip(axes[1:-1], names, strict=True):
        axis.set_title(looks.label[name].replace(", ", ",\n"), color=looks.ink[name], fontsize=8)
    axes[-1].set_title(
        f"Image perturbed for\n{looks.label[perturbed]}", color=looks.ink[perturbed], fontsize=8
    )


if __name__ == "__main__":
    job.start(main, globals())
