"""Write the README of a stimulus set: what it is, how to run it, and what may be claimed afterwards."""

from codingaxes.stimulus_sets import catalogues, licences, plans, results
from codingaxes.stimulus_sets.markdown import listed, number, plural, table, wrapped

FILES = {
    "`stim-..._image.png`": "the stimuli: 8-bit RGB (sRGB), square, {pixels} x {pixels} pixels",
    "`stimuli.tsv`, `stimuli.json`": "one row a stimulus, and what each column means, as BIDS wants them "
    "(BEP044, draft of 2025-04-24)",
    "`stimulus_set.csv`": "the same files for Brain-Score",
    "`conditions.csv`": "the same files for PsychoPy",
    "`predictions.parquet`, `predictions.csv`": "the response of every model to every stimulus, as the saved "
    "file, by the group's readout, in SD and in natural levels; intervals are over readouts that were fitted "
    "again. `predictions.json` explains the columns",
    "`perturbations.safetensors`": "`delta` (stimuli, 3, rows, columns), float32: what was added to natural "
    "images, with pixels in [0, 1], before rounding to 8 bits; the metadata `stimulus_ids` name the stimuli",
    "`contact_sheet*.png`": "all stimuli at a glance, and what was added to natural images, amplified",
    "`design.json`": "the design that the set was made from",
    "`sha256sums.txt`": "digests of all files",
}
COPIES = (
    "larger copies of all stimuli, {side} x {side} pixels, by the filter {filter}. **Sizes and predictions "
    "are of the files of the original size**, not of the copies"
)
USE = """**BIDS.** Copy this folder into your dataset as its folder `stimuli`. In `events.tsv` the column
`stim_id` names a stimulus by its `stimulus_id`. BEP044 is a draft: until it is accepted, put what BIDS does
not know into the dataset's `.bidsignore`:

    stimuli/*.md
    stimuli/*.csv
    stimuli/*.txt
    stimuli/*.parquet
    stimuli/*.safetensors
    stimuli/predictions.json
    stimuli/design.json
    stimuli/contact_sheet*.png

**PsychoPy.** Put your experiment into this folder, and name `conditions.csv` in its loop; the image
component shows `$image_file`. To keep it elsewhere, put the path of this folder before `image_file`.

**Brain-Score.** Read `stimulus_set.csv`, map each `stimulus_id` to its `image_filename`, and drop that
column before you package the set: packaging adds a column `filename` of its own.

**Show the files as they are.** A screen or a program that resizes, smooths or compresses them changes small
perturbations first of all. Calibrate the screen, or say that you did not."""
CHECK = """Before you run it, and whenever the folder was copied or sent:

    sha256sum -c --quiet sha256sums.txt

That tells whether files were changed. The checker of codingaxes also tells whether files were added, whether
two stimuli are the same picture, and whether all tables agree with the pictures:

    python workflow/scripts/check_stimulus_set.py FOLDER"""
KINDS = {
    "none": "made for the maker",
    "blend": "control: step towards another natural image",
    "phase_scrambled": "control: the maker's perturbation, random phases",
    "random": "control: white noise",
    "other_image": "control: the maker's perturbation of another image",
}
MAY = [
    "how large each perturbation is, as a saved file: all sizes were measured again on these files;",
    "what each model predicts for each file, and how sure it is of that (intervals over readouts);",
]
MAY_BY = {
    "all": "if the test that this set was planned for finds the difference: that responses to stimuli made "
    "for the maker `{with}` and responses to those made for `{against}` differ, in these regions, for "
    "perturbations that are matched in {match}.",
    "information": "by how likely the measured changes are under the predictions of each family: which "
    "family answers more as the brain does, in these regions and to these stimuli.",
}
NOT = {
    "norm": "that perturbations of equal norm look equally strong to people, or are equally visible. They "
    "are equal in l2, no more;",
    "effect": "that perturbations of equal effect are of equal size. They were matched by what their own "
    "maker predicts, and their sizes differ;",
}
NOT_EITHER = [
    "that a kind of model is right about the brain in general. The set tests the models that it was made "
    "for, on {images} natural images and the regions {regions};",
    "that nothing was there if nothing is found. Look at the power above, and report intervals;",
    "from contrasts that were chosen after the data were seen, what only a planned test can show.",
]
SIMULATED = (
    "anything about brains of people from the numbers in this README: this set was made in the miniature, "
    "whose brain is simulated;"
)


def readme(content, kept, predictions, pixels, side):
    """Write the README.

    Parameters
    ----------
    content : folder.Content
    kept : DataFrame
        Rows of the table set_stimuli that are in the set.
    predictions : DataFrame
        Rows of the table set_predictions of these.
    pixels, side : int
        Side of the image files, and of upscaled copies (0: there are none).

    Returns
    -------
    str
        Markdown.
    """
    design = content.design
    parts = [
        f"# {design['title']}",
        design["question"],
        _opening(content, kept),
        "## Files",
        _files(design, pixels, side),
        "## Stimuli",
        _stimuli(content, kept),
        "## What is matched, and how well",
        _match(design, kept, predictions),
        "## What models predict",
        _predictions(content, kept, predictions),
        *plans.trials(content),
        "## What may be claimed",
        _claims(content, kept),
        "## How to use it",
        USE,
        "## Is the folder whole?",
        CHECK,
        "## Licence",
        _licence(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(content, kept):
    roles = kept.role.value_counts()
    words = {"original": "natural image", "perturbed": "image", "control": "control"}
    counts = {role: plural(roles.get(role, 0), word) for role, word in words.items()}
    version = f", commit {content.version}" if content.version else ""
    public = "" if content.design["public"] else " It is **not** marked as public; see Licence."
    return wrapped(
        f"The set `{content.name}` has {len(kept)} stimuli: {counts['original']}, {counts['perturbed']} made "
        f"for models, and {counts['control']}. It was made by codingaxes{version}."
        + (public if content.source != "miniature" else "")
    )


def _files(design, pixels, side):
    rows = [(name, meaning.format(pixels=pixels)) for name, meaning in FILES.items()]
    if side:
        meaning = COPIES.format(side=side, filter=design["upscale"]["filter"])
        rows.insert(1, (f"`{catalogues.UPSCALED}/`", meaning))
    return table(["file", "what it is"], rows)


def _stimuli(content, kept):
    changed = kept[kept.role != "original"]
    rows = [
        (KINDS[control], maker, step, len(part), number(part.l2.mean()), number(part.rms.mean(), 2))
        for (control, maker, step), part in changed.groupby(["control", "maker_role", "step"], sort=False)
    ]
    headers = ["stimuli", "maker", "step", "how many", "mean l2", "mean RMS (grey levels)"]
    ranking, lost = content.ranking, (content.stimuli.l2[content.stimuli.role != "original"] == 0).sum()
    chosen = (
        f" Of {len(ranking)} stimuli made for models, the {ranking.chosen.sum()} were kept from which most "
        "would be learned about which family is right: the columns `rank` and `gain`."
    ) * plans.is_ranked(content)
    if content.design["choose"] == "information" and not plans.is_ranked(content):
        chosen = f" They could not be ranked, and all were kept: {plans.reasons(content.ranking)}."
    chosen += f" {plural(lost, 'image')} of the design are left out: no perturbation was found." * bool(lost)
    return f"{table(headers, rows)}\n\n" + wrapped(
        "l2 sizes are with pixels in [0, 1], and less the natural image. `step` counts the sizes, effects or "
        "levels of the design." + chosen
    )


def _match(design, kept, predictions):
    off = results.match(kept, predictions)
    if off.empty:
        return "No stimulus was made for a model."
    what = {
        "radius": "l2 size",
        "effect": "change, SD",
        "wanted_level": "natural level",
        "maker": "l2, of the maker's",
    }
    rows = [
        (
            KINDS[row.control],
            row.step,
            what[row.what],
            number(row.wanted, 4),
            row.n_stimuli,
            number(row.lowest, 4),
            number(row.highest, 4),
            f"{row.off:.2%}",
        )
        for row in off.itertuples()
    ]
    headers = ["stimuli", "step", "matched", "wanted", "how many", "least", "largest", "furthest off"]
    equal = "**natural level** of their own maker" if design["levels"] else "**effect** on their own maker"
    words = (
        "Perturbations of all makers and controls have the same **l2 norm** at a step. Measured on the saved "
        "files:"
        if design["match"] == "norm"
        else f"Perturbations have the same {equal} at a step, predicted by the maker for the saved "
        "files. Controls have the l2 size of the maker's perturbation, measured on the saved files:"
    )
    made = kept[kept.role == "perturbed"]
    search = (
        f"Of {plural(len(made), 'image')} made for models, {(~made.reached).sum()} did not reach what was "
        f"wanted, and {(~made.converged).sum()} might come nearer with more gradients: the columns `reached` "
        "and `converged`."
    )
    return f"{wrapped(words)}\n\n{table(headers, rows)}\n\n{wrapped(search)}"


def _predictions(content, kept, predictions):
    means = results.mean_changes(kept, predictions, content.networks)
    judges = [name for name in means if name not in ("control", "maker_role", "step")]
    rows = [
        (
            KINDS[row["control"]],
            row["maker_role"],
            row["step"],
            *(number(row[name], 2) for name in judges),
        )
        for row in means.to_dict("records")
    ]
    named = {"maker": "the maker itself"}
    headers = ["stimuli", "maker", "step", *(named.get(name, name.replace("_", " ")) for name in judges)]
    return f"{table(headers, rows)}\n\n" + wrapped(
        "Mean predicted change in SD over training images, the wanted way, in the region that a stimulus was "
        "made for: of the maker itself, and of all other models by family. Where no direction was wanted it "
        "is the mean absolute change. `predictions.csv` has every single one, and its interval."
    )


def _claims(content, kept):
    design = content.design
    values = design["compare"] | {
        "match": {"norm": "l2 norm", "effect": "the effect on their own maker"}[design["match"]],
        "images": kept.image_id.nunique(),
        "regions": ", ".join(name for name in content.predictions.roi.unique() if name in set(kept.roi)),
    }
    may = [
        text.format(**values) for text in (*MAY, MAY_BY["information" if plans.is_ranked(content) else "all"])
    ]
    forbidden = [NOT[design["match"]], *[text.format(**values) for text in NOT_EITHER]]
    forbidden = [SIMULATED] * (content.source == "miniature") + forbidden
    return f"With this set you can claim\n\n{listed(may)}\n\nYou cannot claim\n\n{listed(forbidden)}"


def _licence(content):
    about = licences.of(content.design, content.source)
    parts = [wrapped(about.words)]
    read = content.design["terms_read"].strip()
    if read and content.source != "miniature":
        parts.append(f"Terms were read by: {read}.")
    if not content.design["public"] and content.source != "miniature":
        parts.append("This set is not marked as public: do not put it where everybody can load it.")
    return "\n\n".join(parts)
