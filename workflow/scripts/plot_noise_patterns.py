"""Draw the perturbations of one image for all models, families apart (rule plot_noise_patterns)."""

from codingaxes import job
from codingaxes.figures import made, made_tables, pictures, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.synthesis import IDENTITY, SYNTHESIS

ACROSS = 9  # most pictures in a row, beside that of the image
GAP, LABELS = 0.12, 0.25  # between image and perturbations, and left of them, in pictures
LEAST = 8.0  # pictures across, so that few of them are not drawn too large
LETTERS = 6.0  # points
VALUES = ["roi", "direction", "image_id", "network", "arm", "radius", "l2", "rms", "converged"]


def main(run):
    """Draw a block for each region: the image, and rows of perturbations of one family each."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    starts = made_tables.read_starts(run, 1)
    chosen = [*made_tables.LADDER, ("direction", "=", "increase")]
    rows = store.read(run.input["synthesis"], SYNTHESIS, [*IDENTITY, *made_tables.SIZES], chosen)
    rows = rows.merge(starts, on=made_tables.ABOUT_IMAGE)
    rows = made.first_arm(pictures.nearest(rows, pictures.MIDDLE, size))
    names = style.models(looks, rows.network)
    regions = [roi for roi in run.params["regions"] if roi in set(rows.roi)]
    rows = style.in_order(rows, roi=regions, network=names)
    places = layout(names, looks)
    originals = made_tables.read_originals(run, rows.image_id, size)
    deltas = [pictures.open_made(row, size) - originals[row.image_id] for row in rows.itertuples()]
    factor = pictures.amplification(deltas)
    filled = LABELS + 1 + GAP + max(column for column, _ in places.values())
    width = max(LEAST, filled)
    begin = (width - filled) / 2
    step = 1.0 + pictures.lines(2.7, LETTERS, width)
    block = step * (1 + max(line for _, line in places.values()))
    figure, axis = pictures.sheet(width, block * len(regions), describe(rows, size, factor))
    for place, roi in enumerate(regions):
        top = block * place + step - 1
        pictures.write(axis, begin, top + 0.5, f"{roi} up", ha="left", va="center", rotation=90, fontsize=8.5)
        image = rows[rows.roi == roi].image_id.iloc[0]
        pictures.show(axis, begin + LABELS, top, originals[image])
        pictures.write(axis, begin + LABELS + pictures.HALF, top - 0.03, "Image", fontsize=LETTERS)
    for row, delta in zip(rows.itertuples(), deltas, strict=True):
        column, line = places[row.network]
        left = begin + LABELS + (column and column + GAP)
        top = block * regions.index(row.roi) + step * line + step - 1
        pictures.show(axis, left, top, pictures.amplified(delta, factor))
        text = {"fontsize": LETTERS, "color": looks.ink[row.network], "linespacing": 1.0}
        pictures.write(axis, left + pictures.HALF, top - 0.03, looks.label[row.network], 12, **text)
    style.save(run, figure, rows[VALUES].assign(amplification=factor))


def layout(names, looks):
    """Give each model its column and line in a block: standard, robust and other networks on lines apart.

    Column 0 is that of the image, below which the simulated brain stands.
    """
    places, lines = {}, 0
    groups = {"standard": [], "robust": [], "others": []}
    for name in names:
        if name != BRAIN:
            family = looks.family[name]
            groups[family if family in groups else "others"].append(name)
    for group in groups.values():
        for place, name in enumerate(group):
            places[name] = 1 + place % ACROSS, lines + place // ACROSS
        lines += -(-len(group) // ACROSS)
    if BRAIN in names:
        places[BRAIN] = 0, 1
    return places


def describe(rows, size, factor):
    """State the number of images, the size, and how perturbations are drawn."""
    note = f"n = 1 image for each region, for illustration, no intervals; {made.radius_text(rows, size)}, "
    note += f"response increased; {made.ARMS[rows.arm.iloc[0]]}; "
    return f"{note}perturbations × {words.number(factor)} about grey; {made.unconverged_text(rows)}"


if __name__ == "__main__":
    job.start(main, globals())
