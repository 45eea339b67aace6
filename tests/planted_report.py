"""A planted study for the report: claims, a few figures and movies, a manifest; and the page of it."""

import json
from itertools import product

import numpy as np
import planted_summaries as planted
import planted_tables
import write_report
from PIL import Image
from planted_summaries import BRAIN, REGIONS, SIZE

from codingaxes.job import Run
from codingaxes.tables import store
from codingaxes.tables.claims import CLAIMS

FIGURES = ("transfer_matrix", "sensitivity", "predictivity_vs_sensitivity", "response_against_radius")
VERDICTS = ("supported", "contradicted", "undecided", "supported")
CAPTION = "**The figure {name}.** Rows: *models*; ``n`` & more.\n\nIntervals are of nothing."
MOVIE = "**A movie.** It grows."
MANIFEST = {
    "workflow": "codingaxes",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "configuration": {"seed": 7, "attacks": {"radii": [0.86]}, "device": "auto"},
    "configuration_sha256": "c0ffee" + "0" * 58,
    "seeds": {"seed": 7},
    "software": {"python": ["3.11.9"], "numpy": ["2.4.6"]},
    "hardware": [
        {"processor": "Planted CPU", "system": "Linux x86_64", "cores": 2, "memory_gb": 24.0}
        | {"accelerator": "", "jobs": 3}
    ],
    "rules": {
        "attack_images": {"jobs": 3, "seconds": 90.0, "longest_seconds": 40.0, "peak_memory_mb": 512.0},
        "plot_axes": {"jobs": 1, "seconds": None, "longest_seconds": None, "peak_memory_mb": None},
    },
    "tables": {"results/x.parquet": {"rule": "r", "bytes": 1, "sha256": "0" * 64}},
}


def claims():
    """Make two claims of each question, of which the first answers it."""
    return planted_tables.frame(
        "claims",
        [
            {
                "claim": f"claim_{question}_{place}",
                "number": 2 * question - 1 + place,
                "question": question,
                "headline": place == 0,
                "confirmatory": True,
                "title": f"Title {question}.{place}",
                "statement": f"Statement {question}.{place} & so on.",
                "found": f"Found {question}.{place}: larger <than> 0.",
                "estimate": 0.25 * question,
                "low": 0.25 * question - 0.1,
                "high": 0.25 * question + 0.2,
                "confidence": 0.95,
                "unit": "SD",
                "side": "above",
                "margin": 0.1,
                "negligible": np.nan,
                "p": 0.001,
                "p_adjusted": 0.002,
                "smallest_p": np.nan,
                "n": 3,
                "n_of": "networks",
                "resampled": "networks",
                "n_subjects": 4,
                "verdict": VERDICTS[(question + place) % 4],
                "figure": FIGURES[question - 1],
                "reason": "",
            }
            for question, place in product(range(1, 5), range(2))
        ],
    )


def plant(folder, regions=REGIONS, brain=True):
    """Write all tables, figures and movies that the report reads; gives its job."""
    zoo = planted.plant(folder, regions=regions, brain=brain)
    store.write(folder / "claims.parquet", CLAIMS, claims())
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    rng = np.random.default_rng(1)
    for name in FIGURES:
        Image.fromarray(rng.integers(0, 255, (60, 144, 3), np.uint8)).save(folder / f"{name}.png")
        (folder / f"{name}.rst").write_text(CAPTION.format(name=name.replace("_", " ")))
    (folder / "movies.rst").write_text(MOVIE)
    movies = [f"{roi}_{direction}" for roi, direction in product(regions, ("increase", "decrease"))]
    for name in movies:
        frames = [Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)) for _ in range(4)]
        frames[0].save(
            folder / f"{name}.webp", save_all=True, append_images=frames[1:], duration=[900, 100, 100, 900]
        )
    files = {name: str(folder / f"{name}.parquet") for name in ("networks", "claims", "transfers", "stimuli")}
    files |= {name: str(folder / f"{name}.parquet") for name in ("chosen_images", "synthesis", "peer_review")}
    files |= {"manifest": str(folder / "manifest.json"), "movie_caption": str(folder / "movies.rst")}
    files["figures"] = [str(folder / f"{name}.png") for name in FIGURES]
    files["captions"] = [str(folder / f"{name}.rst") for name in FIGURES]
    files["movies"] = [str(folder / f"{name}.webp") for name in movies]
    files["pictures"] = [str(folder) for _ in [*zoo.network, *[BRAIN] * brain]]
    params = {"image_size": SIZE, "regions": list(regions)}
    return Run(
        "write_report", files, {"report": str(folder / "report.html")}, params, {}, str(folder / "log")
    )


def write(folder, **options):
    """Write the report of a planted study; gives its path."""
    run = plant(folder, **options)
    write_report.main(run)
    return folder / "report.html"
