"""Put the report together: one page that carries all that it shows, and asks no network for anything."""

import json
from html import escape
from pathlib import Path
from string import Template

from codingaxes import writing
from codingaxes.figures import pictures, words
from codingaxes.report import captions, embed, explorer, findings, matrix, record

HERE = Path(__file__).parent
DIRECTIONS = {"increase": "increase the response", "decrease": "decrease the response"}


def write(path, claims, figures, movies, view, transfer, networks, manifest):
    """Write the page.

    Parameters
    ----------
    path : path-like
    claims : DataFrame
        The table claims.
    figures, movies : dicts
        Name -> (path of the PNG or WebP, its caption), in the order of the page.
    view : explorer.Explorer
    transfer : dict
        See `matrix.read`.
    networks : DataFrame
        The table networks.
    manifest : dict
        What results/manifest.json holds.
    """
    plates = {name: (embed.figure(file), captions.title(text)) for name, (file, text) in figures.items()}
    headlines = set(claims.figure[claims.headline])
    small = {
        name: (embed.figure(file, embed.SMALL_FIGURE), captions.title(text))
        for name, (file, text) in figures.items()
        if name in headlines
    }
    case, maker, step = explorer.begin(view, networks)
    texts = {f"view_{key}": text for key, text in explorer.static(view, networks).items()}
    content = {
        "style": (HERE / "page.css").read_text(),
        "script": (HERE / "page.js").read_text(),
        "summary": summary(networks, claims, view, transfer),
        "answers": findings.answers(claims, small),
        "claims": findings.claims_list(claims),
        "figures": "\n".join(plate(name, *plates[name], text) for name, (_, text) in figures.items()),
        "movies": "\n".join(moving(name, file) for name, (file, _) in movies.items()),
        "movie_caption": captions.html(next(text for _, text in movies.values())) if movies else "",
        "matrix": matrix.table(transfer, view.models),
        "matrix_radius": words.number(transfer["radius"]),
        "matrix_regions": matrix.options(
            {roi: {"all": "all regions"}.get(roi, roi) for roi in transfer["regions"]}
        ),
        "matrix_measures": matrix.options(dict(reversed(transfer["measures"].items()))),
        "tones": ",".join(transfer["tones"][::6]),
        "regions": matrix.options({roi: roi for roi in dict.fromkeys(one["roi"] for one in view.cases)}),
        "directions": matrix.options(DIRECTIONS),
        "makers": matrix.options({model["name"]: model["label"] for model in view.models}),
        "run_times": record.run_times(manifest["rules"]),
        "settings": record.settings(manifest["configuration"]),
        "versions": record.versions(manifest),
        "tables": words.count(len(manifest["tables"]), "table"),
        "data": data(
            view, transfer, {"roi": case["roi"], "direction": case["direction"], "maker": maker, "step": step}
        ),
        **texts,
    }
    page = Template((HERE / "page.html").read_text()).substitute(content)
    writing.write_text(path, page)


def summary(networks, claims, view, transfer):
    """Write in one line what the study is of."""
    families = ", ".join(
        f"{n} {words.family(name)}" for name, n in networks.family.value_counts(sort=False).items()
    )
    regions = [roi for roi in transfer["regions"] if roi != matrix.ALL]
    subjects = claims.n_subjects.max()
    parts = [f"{words.count(len(networks), 'network')} ({families})", ", ".join(regions)]
    parts += [words.count(subjects, "subject")] if subjects else []
    return escape(" · ".join([*parts, words.count(len(claims), "claim")]))


def plate(name, picture, title, caption):
    """Write a figure with its caption; on a narrow screen it is moved sideways within its frame."""
    alt = f"Figure: {title}. Its caption follows; its values are in results/figures/{name}.csv."
    return (
        f'<figure class="sheet" id="figure-{name}"><div class="frame" tabindex="0" role="group" '
        f'aria-label="Figure {escape(name.replace("_", " "))}">{picture.tag(alt, "loading=lazy")}</div>'
        f'<figcaption>{captions.html(caption)}<p class="files"><a href="figures/{name}.pdf">PDF</a> '
        f'<a href="figures/{name}.csv">values</a></p></figcaption></figure>'
    )


def moving(name, file):
    """Write a movie; who asked for less motion sees its last frame."""
    movie, still = embed.movie(file)
    region, _, direction = name.rpartition("_")
    alt = f"Movie: an image whose perturbation grows to {direction} the response of {region}"
    alt += ", and the levels of all models."
    return (
        '<figure class="movie"><picture><source media="(prefers-reduced-motion: reduce)" '
        f'srcset="{still.uri}">'
        f"{movie.tag(alt, 'loading=lazy')}</picture><figcaption>{escape(region)}, {direction} "
        f'<a href="movies/{name}.webp">whole movie</a></figcaption></figure>'
    )


def data(view, transfer, begin):
    """Write what the script of the page reads, as JSON that cannot end its element."""
    content = {
        "models": view.models,
        "radii": view.radii,
        "side": pictures.SIDE / view.size,
        "limit": view.limit,
        "cases": view.cases,
        "transfer": transfer,
        "begin": begin,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace(
        "</", "<\\/"
    )
