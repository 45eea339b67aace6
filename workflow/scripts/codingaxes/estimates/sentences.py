"""Say the numbers of the study in English: a heading for each question, a line for each number."""

import numpy as np

from codingaxes.estimates import undefined
from codingaxes.names import BRAIN

OPENING = """\
The numbers of the study. Each is a mean over regions, {images} images, and n models or pairs of models.
In brackets: its 95% interval over networks and images; over images alone where a line says so.
"""
HEADINGS = {
    "mean_change": "Change of a model's own response under perturbations of l2 norm {radius:g}, in SD.\n"
    "Attacks count in the attacked direction, all else by the size of the change.",
    "transfer": "Change of another model under an attack of l2 norm {radius:g}, in SD.",
    "transfer_of_target": "The same, as a share of the change of that model under its own attack.",
    "relative_transfer": "The same, as a share of the change of the attacked model. Read it beside the next:",
    "sensitivity_ratio": "Change of the other model under its own attack over that of the attacked model.",
    "effect_transfer": "Change of another model under the smallest attack that changes the attacked one by\n"
    "{wanted:g} SD, in SD.",
    "effect_relative_transfer": "The same, as a share of the change of the attacked model.",
    "similarity": "Similarity of the leading axes of two models on the same image, k = {k}.\n"
    "0: orthogonal; 1: the same space.",
    "similarity_across_images": "The same, of the axes of one model on an image and of the other on others.",
    "similarity_by_spectrum": "The same, expected of unrelated axes with the models' spatial frequencies.",
    "gradient_cosine": "Cosine of the gradients of a network and of the simulated brain.",
    "unconverged": "Share of own attacks of l2 norm {radius:g} that have not converged. They are kept.",
    "reached": "Share of own attacks that reached a change of {wanted:g} SD. The others are left out above.",
}
PERTURBATIONS = {
    "attack": "own attack",
    "random": "white noise",
    "other_image": "own attack made for another image",
    "other_region": "own attack made for another region",
    "phase_scrambled": "own attack with scrambled phases",
}
TRANSFERS = ("transfer", "transfer_of_target", "relative_transfer", "sensitivity_ratio")
VERDICTS = """\
Robust against standard networks: the difference, its 95% interval, the p-value of a permutation within
architectures (adjusted for the {tests} tests of the table families; the smallest possible is {smallest:.2g}).
A verdict needs an interval without 0 and an adjusted p below 0.05.
"""
MEASURES = {
    "sensitivity": "change by the larger own attack, SD",
    "sensitivity_own": "the same, SD of own predictions",
    "noise": "change by white noise, SD",
    "size_needed": "size that changes by {wanted:g} SD",
    "r_over_ceiling": "prediction, r / ceiling",
    "transfer": "transfer to other architectures, SD",
    "transfer_of_target": "the same, share of their own attack",
    "similarity": "axes of two of the family",
    "brain_transfer": "transfer to the brain, SD",
    "brain_transfer_of_target": "the same, share of its own attack",
    "brain_cosine": "gradient's cosine with the brain's",
    "brain_similarity": "axes' similarity with the brain's",
}
SHARES = ("unconverged", "reached")  # of attacks, so that a line need not name the perturbation


def describe_numbers(numbers):
    """Say the numbers of all regions together, each at its largest radius.

    Parameters
    ----------
    numbers : DataFrame
        The table numbers.

    Returns
    -------
    str
        Lines of at most 110 characters.
    """
    rows = numbers[numbers.roi == "all"]
    rows = rows.assign(question=[question_of(row) for row in rows.itertuples()])
    parts = [OPENING.format(images=rows.n_images.max())]
    for (question, k, wanted), part in rows.groupby(["question", "k", "wanted"], sort=False):
        radius = part.radius.max()
        heading = HEADINGS[question].format(radius=radius, wanted=wanted, k=k)
        lines = [describe_number(row) for row in part[part.radius == radius].itertuples()]
        parts.append("\n".join([heading, *lines, ""]))
    return "\n".join(parts)


def question_of(number):
    """Find the heading that a number stands under; chance stands beside the similarity of axes."""
    if number.measure in TRANSFERS and number.wanted > 0:
        return f"effect_{number.measure}"
    return "similarity" if number.measure == "chance" else number.measure


def describe_number(number):
    """Say one number: what it is of, its estimate, its interval, and n; or why it is undefined."""
    if np.isnan(number.estimate):
        return f"  {name_of(number):54s} undefined, n = {number.n}:\n      {number.reason}"
    ends = f"[{significant(number.ci_low):>8s}, {significant(number.ci_high):>8s}]"
    shown = "" if np.isnan(number.ci_low) else ends
    alone = "   images alone" if number.resampled == "images" else ""
    estimate = significant(number.estimate)
    return f"  {name_of(number):54s} {estimate:>8s} {shown:{len(ends)}s} n = {number.n}{alone}"


def significant(value):
    """Write a number with four decimals, or with as many more as its first two digits need."""
    size = abs(value)
    if size == 0 or not size < 0.01:
        return f"{value:.4f}"
    return f"{value:.5f}" if size >= 1e-4 else f"{value:.1e}"


def name_of(number):
    """Name the models, or pairs of models, and the perturbation that a number is of."""
    one, other = models_of(number.family_source), models_of(number.family_target)
    if number.measure == "chance":
        return "random axes"
    if number.measure in (*SHARES, "gradient_cosine"):
        return one
    if number.architectures == "itself":
        return f"{one}, {PERTURBATIONS[number.perturbation]}"
    if number.architectures == "same":
        return f"two {one} of one architecture"
    if number.architectures == "different":
        return f"two {one} of different architectures"
    return f"from {one} to {other}" if number.measure in TRANSFERS else f"{one} and {other}"


def models_of(family):
    """Name the models of a family."""
    return "the simulated brain" if family == BRAIN else f"{family.replace('_', '-')} networks"


def describe_verdicts(families, predictivity):
    """Say what the two families differ in, and whether they predict equally well; all regions together.

    Parameters
    ----------
    families, predictivity : DataFrames
        The tables of these names.

    Returns
    -------
    str
        Lines of at most 110 characters; empty where there are not two families.
    """
    rows = families[families.roi == "all"]
    if rows.empty:
        return ""
    heading = VERDICTS.format(tests=families.p.notna().sum(), smallest=families.smallest_p.min())
    lines = []
    for row in rows.itertuples():
        name = MEASURES[row.measure].format(wanted=row.wanted)
        p = "no test" if np.isnan(row.p_adjusted) else f"p = {row.p_adjusted:.3f}"
        lines.append(f"  {name:37s} {difference_of(row)} {p:10s} {row.verdict}")
    about = predictivity[predictivity.roi == "all"].set_index("comparison")
    equal, stable = about.loc["families"], about.loc["sensitivity_at_equal_r"]
    lines += ["", f"Difference of prediction within {equal.margin:g} (90% interval)? {said(equal)}."]
    if equal.n_images < undefined.FEW_IMAGES:
        lines[-1] += f" There are only {equal.n_images} held-out images."
    lines += ["Log sensitivity at equal r, robust - standard:"]
    if np.isnan(stable.difference):
        return heading + "\n".join([*lines[:-1], ""])
    return heading + "\n".join([*lines, f"  {'':37s} {difference_of(stable)} {said(stable)}", ""])


def difference_of(row):
    """Say a difference with its interval."""
    difference = "undefined" if np.isnan(row.difference) else significant(row.difference)
    if np.isnan(row.ci_low):
        return f"{difference:>9s} {'':20s}"
    return f"{difference:>9s} [{significant(row.ci_low):>8s}, {significant(row.ci_high):>8s}]"


def said(row):
    """Say the verdict of a row of predictivity."""
    return {"equal": "Yes", "both": "Yes, yet different", "different": "Different"}.get(
        row.verdict, "Undecided"
    )
