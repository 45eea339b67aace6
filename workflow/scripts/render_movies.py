"""Render movies of images whose perturbations grow, up and down, for each region (rule render_movies)."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.figures import made, made_tables, movies, pictures, style
from codingaxes.names import SIGNS
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS


def main(run):
    """Render one movie for each region and direction: the first image of each, and up to three makers."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    makers = pictures.chosen_makers(networks)
    starts = made_tables.read_starts(run, 1)
    rows = made.first_arm(made_tables.read_ladder(run, makers, starts))
    chosen = [*made_tables.LADDER, ("network", "in", makers), ("arm", "=", rows.arm.iloc[0])]
    levels = made_tables.read_levels(run, chosen).merge(
        rows[[*made_tables.ABOUT_IMAGE, "network", "step", "radius"]]
    )
    originals = made_tables.read_originals(run, rows.image_id, size)
    files = zip(run.output["movies"], run.output["strips"], strict=True)
    cases = list(product(run.params["regions"], SIGNS))
    for (roi, direction), (file, strip) in run.track(zip(cases, files, strict=True), unit="movie"):
        about = {"roi": roi, "direction": direction}
        some, answers = (
            frame[(frame[list(about)] == list(about.values())).all(axis=1)] for frame in (rows, levels)
        )
        movie = compose(some, answers, originals[some.image_id.iloc[0]], looks, size)
        write(movie, Path(file), strip)


def compose(rows, levels, original, looks, size):
    """Collect what a movie shows: the pictures of its makers, and the levels of all models."""
    radii = np.array([0.0, *sorted(rows.radius.unique())])
    columns = []
    for name in style.models(looks, rows.network):
        made_for = rows[rows.network == name].sort_values("radius")
        shown = [original, *(pictures.open_made(row, size) for row in made_for.itertuples())]
        columns.append(movies.Column(name, looks.label[name], looks.ink[name], np.stack(shown)))
    before = levels[levels.step == 1].assign(radius=0.0, level=lambda some: some.level_before)
    levels = pd.concat([before, levels])[["network", "reviewer", "radius", "level"]]
    large = pictures.nearest(rows, pictures.LARGE, size).radius.iloc[0]
    deltas = [column.pictures[np.isclose(radii, large)] - original for column in columns]
    roi, direction, image = (rows[name].iloc[0] for name in made_tables.ABOUT_IMAGE)
    heading = f"{roi} {made.ARROWS[direction]} ({image}; {made.ARMS[rows.arm.iloc[0]]})"
    return movies.Movie(heading, radii, columns, levels, looks, pictures.amplification(deltas))


def write(movie, file, strip):
    """Write a movie as WebP, a strip for print, and an MP4 where the package `av` is installed."""
    shown = list(movies.frames(movie))
    movies.save_webp(file, movie, shown)
    with writing.whole(strip) as temporary:
        movies.strip(movie).save(temporary, "PNG", compress_level=6)
    more = file.with_suffix(".mp4")
    more.unlink(missing_ok=True)  # of an earlier run
    if movies.can_write_mp4():
        movies.save_mp4(more, movie, shown)


if __name__ == "__main__":
    job.start(main, globals())
