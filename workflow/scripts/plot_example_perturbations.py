"""Draw one image and its perturbations for three models (rule plot_example_perturbations)."""

import numpy as np

from codingaxes import job
from codingaxes.figures import marks, pictures, style, words
from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.sensitivity import SENSITIVITY

COLUMNS = ["attack", "network", "roi", "direction", "radius", "wanted", "draw", "image_id", "converged"]
COLUMNS += ["size", "response_before", "response_after", "delta"]
KEY = ["network", "roi", "radius", "image_id"]
VALUES = [*KEY, "converged", "size", "response_before", "response_after", "change"]


def main(run):
    """Draw one row for each region, all of the first probe image."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probe = stimuli[stimuli.probe].iloc[0]
    standard, robust = pictures.choose(networks)
    attacks = read_attacks(run, probe.image_id, [name for name in (standard, robust, BRAIN) if name])
    regions, names = attacks.roi.unique(), style.models(looks, attacks.network)
    deltas = {
        (row.roi, row.network): row.delta.astype(float).reshape(3, size, size).transpose(1, 2, 0)
        for row in attacks.itertuples()
    }
    changes = attacks.set_index(["roi", "network"]).change
    factor, picture = pictures.amplification(deltas.values()), pictures.open_picture(probe.file, size)
    columns, last = len(names) + 2, robust or standard
    figure, axes = style.grid(len(regions), columns, 0.9 + style.WIDTH / columns * len(regions))
    for roi, row in zip(regions, axes, strict=True):
        show(row[0], picture, "")
        for name, axis in zip(names, row[1:], strict=False):
            show(axis, 0.5 + factor * deltas[roi, name], changes[roi, name])
        show(row[-1], picture + deltas[roi, last], changes[roi, last])
        row[0].set_ylabel(roi, fontsize=8.5)
    title(axes[0], names, looks, last)
    note = f"n = 1 image (the first probe); response increased, radius {words.span(attacks.radius, 3)}; "
    note += f"perturbations × {words.number(factor)} about grey; SD: change in the attacked model"
    marks.footnote(figure, note)
    style.save(run, figure, attacks[VALUES].assign(amplification=factor))


def read_attacks(run, image_id, wanted):
    """Read the attacks of the main radius that increase a response, each with the change that it makes."""
    shared = [("direction", "=", "increase"), ("image_id", "=", image_id), ("network", "in", wanted)]
    attacks = store.read(run.input["perturbations"], PERTURBATIONS, COLUMNS, [*shared, ("attack", "=", "l2")])
    attacks, _ = style.largest(attacks, "radius")
    own = [*shared, ("kind", "=", "attack"), ("subject", "=", GROUP), ("norm", "=", "l2")]
    changes = store.read(run.input["sensitivity"], SENSITIVITY, filters=own)
    return attacks.merge(changes[[*KEY, "change"]], on=KEY, validate="one_to_one")


def show(axis, pixels, change):
    """Draw one picture, and below it the change of the response."""
    axis.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    axis.set(xticks=[], yticks=[], xlabel=f"{words.signed_number(change)} SD" if change != "" else "")
    axis.spines[:].set_visible(False)


def title(axes, names, looks, perturbed):
    """Write names above the columns, in their colours."""
    axes[0].set_title("Image", fontsize=8)
    for axis, name in zip(axes[1:-1], names, strict=True):
        axis.set_title(looks.label[name].replace(", ", ",\n"), color=looks.ink[name], fontsize=8)
    text = f"Image perturbed for\n{looks.label[perturbed]}"
    axes[-1].set_title(text, color=looks.ink[perturbed], fontsize=8)


if __name__ == "__main__":
    job.start(main, globals())
