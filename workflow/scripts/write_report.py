"""Write the report: findings, an explorer, claims, figures, movies and the record (rule write_report)."""

import json
from pathlib import Path

from codingaxes import job
from codingaxes.figures import style
from codingaxes.report import explorer, matrix, page
from codingaxes.tables import store
from codingaxes.tables.claims import CLAIMS
from codingaxes.tables.networks import NETWORKS


def main(run):
    """Read tables, figures and movies, and write one page that carries them."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    view = explorer.read(run, looks, run.params["regions"])
    names = style.models(looks, looks.index)
    page.write(
        run.output["report"],
        store.read(run.input["claims"], CLAIMS),
        named(run.input["figures"], run.input["captions"]),
        named(run.input["movies"], [run.input["movie_caption"]] * len(run.input["movies"])),
        view,
        matrix.read(run, names, run.params["regions"]),
        networks,
        json.loads(Path(run.input["manifest"]).read_text()),
    )


def named(files, captions):
    """Join files with the texts of their captions, by name."""
    return {
        Path(file).stem: (file, Path(caption).read_text())
        for file, caption in zip(files, captions, strict=True)
    }


if __name__ == "__main__":
    job.start(main, globals())
