"""Draw images and large perturbations of them for two models (rule plot_large_perturbations)."""

from itertools import product

from codingaxes import job
from codingaxes.figures import made, made_tables, pictures, style
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS

IMAGES = 2  # of each region and direction; more would be too small
GAP, LABELS = 0.12, 0.25  # between images, and left of them, in pictures
LETTERS = 6.5  # points
VALUES = ["roi", "direction", "rank", "image_id", "network", "arm", "radius", "l2", "rms", "response_before"]
VALUES += ["response", "level_before", "level", "converged"]
NOTE = (
    "SD of the measured response; level: 0 and 1 are quantiles 0.01 and 0.99 of responses to natural images"
)


def main(run):
    """Draw two rows for each region, up and down: every image, and one picture of it for each model."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    makers = [name for name in pictures.chosen_makers(networks) if name != BRAIN]
    rows = made_tables.read_ladder(run, makers, made_tables.read_starts(run, IMAGES))
    rows = made.first_arm(pictures.nearest(rows, pictures.LARGE, size))
    regions = [roi for roi in run.params["regions"] if roi in set(rows.roi)]
    ranks = range(1, rows["rank"].max() + 1)
    rows = style.in_order(rows, roi=regions, direction=SIGNS, rank=ranks, network=makers)
    places, of_image = list(product(regions, SIGNS)), 1 + len(makers) + GAP
    width = LABELS + len(ranks) * of_image - GAP
    step, head = 1.02 + pictures.lines(2.4, LETTERS, width), pictures.lines(3, 8, width)
    figure, axis = pictures.sheet(width, head + step * len(places), describe(rows, size))
    for rank in ranks:
        title(axis, LABELS + (rank - 1) * of_image, head, rank, makers, looks)
    originals = made_tables.read_originals(run, rows.image_id, size)
    for line, (roi, direction) in enumerate(places):
        top, label = head + line * step, f"{roi} {made.ARROWS[direction]}"
        pictures.write(axis, 0, top + 0.5, label, ha="left", va="center", rotation=90, fontsize=8.5)
        chosen = rows[(rows.roi == roi) & (rows.direction == direction)]
        for row in chosen.itertuples():
            left = LABELS + (row.rank - 1) * of_image
            pictures.show(axis, left, top, originals[row.image_id])
            picture, left = pictures.open_made(row, size), left + 1 + makers.index(row.network)
            text = made.before_and_after(row)
            pictures.show(axis, left, top, picture, text, looks.ink[row.network], LETTERS)
    style.save(run, figure, rows[VALUES])


def title(axis, left, bottom, rank, makers, looks):
    """Write above the columns of one image what they are."""
    pictures.write(axis, left + pictures.HALF, bottom - 0.04, f"Image {rank}", fontsize=8)
    for place, name in enumerate(makers, start=1):
        text, ink = f"for {looks.label[name]}", looks.ink[name]
        pictures.write(axis, left + place + pictures.HALF, bottom - 0.04, text, 12, color=ink)


def describe(rows, size):
    """State the number of images, the size, and what stands below the pictures."""
    images = rows[["roi", "direction", "image_id"]].drop_duplicates()
    note = f"n = {len(images)} images, for illustration, no intervals; {made.radius_text(rows, size)}; "
    return f"{note}{made.ARMS[rows.arm.iloc[0]]}; {made.unconverged_text(rows)}; {NOTE}"


if __name__ == "__main__":
    job.start(main, globals())
