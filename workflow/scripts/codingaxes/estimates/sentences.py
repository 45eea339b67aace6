"""Say the numbers of the study in English: a heading for each question, a line for each number."""

import numpy as np

from codingaxes.names import BRAIN

OPENING = """\
The numbers of the study. Each is a mean over regions, images, and n models or pairs of models.
In brackets: its 95% interval by resampling the {images} images.
"""
HEADINGS = {
    "mean_change": "Change of a model's own response under perturbations of l2 norm {radius:g}, in SD.\n"
    "Attacks count in the attacked direction, all else by the size of the change.",
    "relative_transfer": "Change of another model under an attack of l2 norm {radius:g}, as a share of the\n"
    "change of the attacked model.",
    "transfer_of_effects": "The same under the smallest attack that changes the attacked by {wanted:g} SD.",
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
    if number.measure == "relative_transfer" and number.wanted > 0:
        return "transfer_of_effects"
    return "similarity" if number.measure == "chance" else number.measure


def describe_number(number):
    """Say one number: what it is of, its estimate, its interval, and n."""
    interval = f"[{number.ci_low:7.4f}, {number.ci_high:7.4f}]"
    shown = "" if np.isnan(number.ci_low) else interval
    return f"  {name_of(number):56s} {number.estimate:8.4f} {shown:{len(interval)}s} n = {number.n}"


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
    return f"from {one} to {other}" if number.measure == "relative_transfer" else f"{one} and {other}"


def models_of(family):
    """Name the models of a family."""
    return "the simulated brain" if family == BRAIN else f"{family.replace('_', '-')} networks"
