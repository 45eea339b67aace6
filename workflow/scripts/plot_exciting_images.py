"""Draw maximally and minimally exciting images, and what every model answers (rule plot_exciting_images)."""

from itertools import product

from matplotlib.colors import Normalize

from codingaxes import job
from codingaxes.figures import made, marks, pictures, style, words
from codingaxes.names import SIGNS
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.synthesis import IDENTITY, PEER_REVIEW, SYNTHESIS

MAKERS, STARTS = 4, 4  # most that are drawn, of the models that made images, and of the starts of each
BEGINNINGS = ("natural", "grey", "noise")
GAP, LABELS = 0.25, 0.65  # between makers, and left of them, in pictures
LEAST = 13.2  # pictures across, so that few of them are not drawn too large
STRIP = 0.18  # height of the strip of responses, in pictures
LETTERS = 6.0  # points
NORM = Normalize(-1.0, 2.0)  # of levels: natural ones are the middle third
KEY = ["roi", "direction", "arm", "network", "start", "draw", "image_id"]
SIZES = ["radius", "l2", "rms", "response", "converged", "restarted", "file", "sha256"]


def main(run):
    """Draw one row for each region, direction and arm, and one block of columns for each maker."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    rows, levels = read_images(run)
    makers = choose_makers(networks, looks, set(rows.network))
    starts = [pair for start in BEGINNINGS for pair in sorted(set(pairs_of(rows))) if pair[0] == start][
        :STARTS
    ]
    regions = [roi for roi in run.params["regions"] if roi in set(rows.roi)]
    arms = [name for name in made.ARMS if name in set(rows.arm)]
    rows = style.in_order(rows, roi=regions, direction=SIGNS, arm=arms, network=makers)
    rows = rows[[pair in starts for pair in pairs_of(rows)]]
    lines, block = list(product(regions, SIGNS, arms)), len(starts) + GAP
    filled = LABELS + block * len(makers) - GAP
    width = max(LEAST, filled)
    begin = (width - filled) / 2
    step = 1.0 + STRIP + pictures.lines(1.7, LETTERS, width)
    head = pictures.lines(5.6, LETTERS, width)
    names = style.models(looks, levels.reviewer)
    note = describe(rows, names)
    figure, axis = pictures.sheet(width, head + step * len(lines), note, bar=0.45)
    for place, name in enumerate(makers):
        title(axis, begin + LABELS + place * block, head, name, starts, looks)
    for line, (roi, direction, arm) in enumerate(lines):
        text = f"{roi} {made.ARROWS[direction]}\n{made.ARMS[arm].replace('Fourier prior', 'Fourier')}"
        middle = {"ha": "left", "va": "center", "rotation": 90, "fontsize": LETTERS}
        pictures.write(axis, begin, head + line * step + pictures.HALF, text, **middle)
    answers = levels.pivot(index=KEY, columns="reviewer", values="level")[names]
    for row in rows.itertuples():
        left = begin + LABELS + makers.index(row.network) * block + starts.index((row.start, row.draw))
        top = head + lines.index((row.roi, row.direction, row.arm)) * step
        pictures.show(axis, left, top, pictures.open_made(row, run.params["image_size"]))
        own = answers.loc[tuple(getattr(row, column) for column in KEY)]
        cells = pictures.strip(axis, left, top + 1.0, STRIP, own, NORM)
        text = {"va": "top", "fontsize": LETTERS, "color": looks.ink[row.network]}
        pictures.write(
            axis, left + pictures.HALF, top + 1.03 + STRIP, made.level_text(own[row.network]), **text
        )
    values = rows.drop(columns=["file", "sha256"]).merge(levels, on=KEY)
    beyond = {"low": values.level.min() < NORM.vmin, "high": values.level.max() > NORM.vmax}
    marks.color_bar(figure, cells, "Natural level of the response", [-1, 0, 1, 2], **beyond, ax=axis)
    style.save(run, figure, values)


def read_images(run):
    """Read the images of limited contrast, and the level of every model's response to each."""
    chosen = [("kind", "=", "exciting"), ("limited", "=", True)]
    rows = store.read(run.input["synthesis"], SYNTHESIS, [*IDENTITY, *SIZES], chosen)
    columns = [*IDENTITY, "reviewer", "level", "super_stimulus"]
    levels = store.read(run.input["peer_review"], PEER_REVIEW, columns, chosen)
    return rows[[*KEY, *SIZES]], levels[[*KEY, "reviewer", "level", "super_stimulus"]]


def pairs_of(rows):
    """List start and draw of each row."""
    return list(zip(rows.start, rows.draw, strict=True))


def choose_makers(networks, looks, present):
    """Choose some of the models that made images: those of other figures first."""
    wanted = dict.fromkeys([*pictures.chosen_makers(networks), *style.models(looks, present)])
    return style.models(looks, [name for name in wanted if name in present][:MAKERS])


def title(axis, left, bottom, name, starts, looks):
    """Write the maker above its columns, and above each column what the images began as."""
    middle = left + (len(starts) - 0.03) / 2
    text = {"color": looks.ink[name], "fontsize": 7.5}
    pictures.write(axis, middle, bottom * 0.52, looks.label[name], 4 * len(starts) + 4, **text)
    for place, (start, draw) in enumerate(starts):
        text = f"{start}\n{draw}" if draw else start
        pictures.write(
            axis, left + place + pictures.HALF, bottom - 0.05, text, fontsize=LETTERS, linespacing=1.0
        )


def describe(rows, names):
    """State the number of images, and what stands below the pictures."""
    note = f"n = {len(rows)} images, no intervals; from a natural image, grey, or noise (number: seed); "
    note += f"contrast of a natural image: l2 ≤ {words.span(rows.radius, 3)} from grey; "
    note += f"strip: the response of each of {len(names)} models, in the order of the other figures; "
    note += "number: level of the model that it was made for (0, 1: quantiles 0.01, 0.99); "
    return f"{note}{made.unconverged_text(rows)}"


if __name__ == "__main__":
    job.start(main, globals())
