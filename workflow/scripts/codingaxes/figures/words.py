"""Write numbers, families and kinds of pairs as a reader reads them, and what figures state below them."""

import math
import textwrap

import pandas as pd

from codingaxes.names import BRAIN

MOST = 3  # reasons that a figure states
LINE = 135  # letters in a line of a note, which fits the width of a figure
INTERVALS = "bars: 95% bootstrap intervals over images"
UNKNOWN_CEILING = "r (ceiling unknown)"
OVER_CEILING = "r / ceiling"
CEILED = {  # column of network_measures: what stands for it where the data have no ceiling
    "r_over_ceiling": "r",
    "r_over_ceiling_low": "r_low",
    "r_over_ceiling_high": "r_high",
    "r_k_fold_over_ceiling": "r_k_fold",
}
ARCHITECTURES = {"resnet": "ResNet", "vgg": "VGG", "densenet": "DenseNet"}
HYPHENS = {"self_supervised": "self-supervised", "language_aligned": "language-aligned"}


def number(value, digits=3):
    """Write a number with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def decimal(value):
    """Write a number with two decimals."""
    return f"{value:.2f}".replace("-", "−")


def signed_number(value):
    """Write a change with its sign and two decimals."""
    return f"{value:+.2f}".replace("-", "−")


def span(values, digits=6):
    """Write the one value of a column, or its least and largest."""
    low, high = values.min(), values.max()
    return number(low, digits) if low == high else f"{number(low, digits)} to {number(high, digits)}"


def percent(values):
    """Write the one share of a column, or its least and largest, in percent."""
    low, high = f"{values.min():.0%}", f"{values.max():.0%}"
    return low if low == high else f"{low.removesuffix('%')} to {high}"


def by_family(frame, column, looks):
    """Write the least and largest share of each family: '8 to 38% standard, 3% robust'."""
    families = frame.network.map(looks.family)
    return ", ".join(
        f"{percent(shares)} {family(name)}"
        for name, shares in frame.dropna(subset=[column]).groupby(families, sort=False)[column]
    )


def unconverged(attacks, looks):
    """State the least and largest share of attacks of each family that have not converged."""
    return f"attacks not converged (kept): {by_family(attacks, 'unconverged', looks)}"


def probes(values):
    """State how many probe images a figure is about."""
    return f"n = {span(values.dropna())} probe images"


def missing(rows, *columns):
    """State how many values are missing, and why; nothing where none is.

    Parameters
    ----------
    rows : DataFrame
        What is plotted, with its reasons: one row for each value.
    columns : str
        What a value has; without one of them it is missing.

    Returns
    -------
    str
        A line of a note, with the line break before it; of many reasons the `MOST` that come first.
    """
    gaps = rows.reason[rows[list(columns)].isna().any(axis=1)].replace("", "reason unknown")
    if gaps.empty:
        return ""
    counts = gaps.groupby(gaps, sort=False).size()
    said = [f"{reason} ({count})" for reason, count in counts.head(MOST).items()]
    said += [f"other reasons ({counts.iloc[MOST:].sum()})"] * (len(counts) > MOST)
    return f"\n{len(gaps)} of {len(rows)} values are missing: {'; '.join(said)}"


def note(text):
    """Break the lines of a note that are too long, between two statements where that helps."""
    lines = []
    for line in text.split("\n"):
        lines.append("")
        for statement in line.split("; "):
            longer = f"{lines[-1]}; {statement}" if lines[-1] else statement
            if lines[-1] and len(longer) > LINE:
                lines.append(statement)
            else:
                lines[-1] = longer
    return "\n".join(textwrap.fill(line, 6 + len(line) // math.ceil(len(line) / LINE)) for line in lines)


def count(number, noun):
    """Write a number of things: 1 subject, 4 subjects."""
    return f"{number:.0f} {noun}{'' if number == 1 else 's'}"


def ranks(n, value, other=None):
    """Write rank correlations over n networks as they stand in a panel; only n where they are undefined."""
    if pd.isna(value):
        return f"n = {count(n, 'network')}"
    second = "" if other is None or pd.isna(other) else f" ({signed_number(other)})"
    return f"ρ = {signed_number(value)}{second}, n = {n:.0f}"


def family(name):
    """Write the name of a family."""
    return HYPHENS.get(name, name.replace("_", " "))


def architecture(name):
    """Write the name of an architecture, as its authors do."""
    return ARCHITECTURES.get(name, name)


def kinds(frame, columns):
    """Collect the columns that make up a kind of pairs into one column of tuples, as in `pair`."""
    return pd.Series(list(frame[columns].itertuples(index=False, name=None)), frame.index, dtype=object)


def pair(row, arrow="to"):
    """Name a kind of pairs of models.

    Parameters
    ----------
    row : tuple
        Family of the one, family of the other, and their architectures: same, different, or any (not split).
    arrow : str
        Between two families: to, where the first is attacked; and, where no one comes first.
    """
    one, other, architectures = row
    if one != other:
        return f"{family(one)} {arrow} {family(other)}"
    return f"within {family(one)}" + ("" if architectures == "any" else f", {architectures} architecture")


def pair_order(rows, families):
    """Sort kinds of pairs: within each family, between families, and last those with the simulated brain.

    Parameters
    ----------
    rows : iterable of tuples
        As in `pair`.
    families : list of str
        In the order of the table of networks.
    """
    places = {name: place for place, name in enumerate([*families, BRAIN])}

    def key(row):
        one, other, architectures = row
        return one != other, BRAIN in (one, other), places[one], places[other], architectures != "same"

    return sorted(set(rows), key=key)


def score(measures):
    """Choose what stands for predictivity: r over its ceiling, or r where the data have no repetitions.

    Parameters
    ----------
    measures : DataFrame
        Rows of the table network_measures.

    Returns
    -------
    columns : dict
        Column of the table that each of `CEILED` stands for.
    label : str
        What they are.
    """
    if measures.ceiling.notna().any():
        return {name: name for name in CEILED}, OVER_CEILING
    return CEILED, UNKNOWN_CEILING
