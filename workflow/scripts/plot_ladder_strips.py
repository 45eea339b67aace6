"""Draw perturbations that grow along the ladder of radii, for three models (rule plot_ladder_strips)."""

from codingaxes import job
from codingaxes.figures import made, made_tables, pictures, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS

RADII = 6  # most radii in a strip: the largest
GAP, LABELS = 0.18, 1.15  # between strips, and for names, in pictures
LEAST = 12.0  # pictures across, so that few of them are not drawn too large
LETTERS = 6.0  # points
VALUES = ["roi", "direction", "image_id", "network", "arm", "radius", "l2", "rms", "response", "level"]
VALUES += ["converged"]


def main(run):
    """Draw a block for each region: the image, one row for each model, and one strip for each arm."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    starts = made_tables.read_starts(run, 1).query("direction == 'increase'")
    rows = made_tables.read_ladder(run, pictures.chosen_makers(networks), starts)
    radii = sorted(rows.radius.unique())[-RADII:]
    arms = [name for name in made.ARMS if name in set(rows.arm)]
    makers = style.models(looks, rows.network)
    regions = [roi for roi in run.params["regions"] if roi in set(rows.roi)]
    rows = style.in_order(rows, roi=regions, network=makers, arm=arms, radius=radii)
    originals = made_tables.read_originals(run, rows.image_id, size)
    strip = len(radii) + GAP
    width = max(LEAST, 1 + LABELS + strip * len(arms))
    step, head = 1.0 + pictures.lines(2.5, LETTERS, width), pictures.lines(2.6, 7, width)
    block = step * len(makers) + pictures.lines(0.6, LETTERS, width)
    figure, axis = pictures.sheet(width, head + block * len(regions), describe(rows, size))
    for place, arm in enumerate(arms):
        title(axis, 1 + LABELS + place * strip, head, arm, radii)
    for place, roi in enumerate(regions):
        top = head + block * place
        pictures.show(axis, 0, top, originals[rows[rows.roi == roi].image_id.iloc[0]], f"{roi}\nup", size=8)
        for line, name in enumerate(makers):
            text = {"va": "center", "color": looks.ink[name], "fontsize": LETTERS + 0.5}
            pictures.write(axis, 1 + LABELS / 2, top + step * line + 0.5, looks.label[name], 10, **text)
    for row in rows.itertuples():
        left = 1 + LABELS + arms.index(row.arm) * strip + radii.index(row.radius)
        top = head + block * regions.index(row.roi) + step * makers.index(row.network)
        text = f"{words.number(row.response)}\n{made.level_text(row.level)}"
        pictures.show(axis, left, top, pictures.open_made(row, size), text, looks.ink[row.network], LETTERS)
    style.save(run, figure, rows[VALUES])


def title(axis, left, bottom, arm, radii):
    """Write above a strip the kind of steps, and above each picture its radius."""
    pictures.write(axis, left + len(radii) / 2, bottom - 0.35, made.ARMS[arm].capitalize(), fontsize=8)
    for place, radius in enumerate(radii):
        pictures.write(
            axis,
            left + place + pictures.HALF,
            bottom - 0.04,
            words.number(radius),
            fontsize=LETTERS + 0.5,
        )


def describe(rows, size):
    """State the number of images, and what stands above and below the pictures."""
    note = "n = 1 image for each region, for illustration, no intervals; above: l2 radius, pixels in [0, 1], "
    note += f"times {words.number(pictures.SIDE / size)} at {pictures.SIDE} × {pictures.SIDE} pixels; "
    note += (
        "below: response of the model that it was made for (SD of the measured response), and its natural "
    )
    return f"{note}level (0, 1: quantiles 0.01, 0.99); {made.unconverged_text(rows)}"


if __name__ == "__main__":
    job.start(main, globals())
