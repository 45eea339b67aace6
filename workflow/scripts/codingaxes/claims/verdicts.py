"""Say whether claims are supported, contradicted or undecided, and adjust p-values for their number."""

import numpy as np

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
ALPHA = 0.05


def holm(p_values):
    """Adjust p-values for their number by Holm: the chance of one false finding or more is at most 5%.

    Parameters
    ----------
    p_values : array-like (n,)
        Missing ones (NaN) are no tests: they stay missing and do not count.

    Returns
    -------
    array (n,)

    Source
    ------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979) 65-70.
    """
    p_values = np.array(p_values, float)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    raised = p_values[order] * np.arange(len(order), 0, -1)
    p_values[order] = np.minimum(1, np.maximum.accumulate(raised))
    return p_values


def verdict(side, interval, narrow, negligible, p):
    """Say of one part of a claim whether it holds; it was fixed before any result was seen.

    - supported: the interval lies where the claim wants it, and the adjusted p is below 0.05. Of `above`,
      `below` and `outside` the interval is that of 95%, of `within` that of 90%, which is two tests of 5%.
    - contradicted: the interval lies wholly on the other side of the margin (`within`: beyond one of the two
      margins); or, of a claim of a difference, the 90% interval lies within ± `negligible`.
    - undecided: neither, or something is missing. It is no evidence that the claim is false.

    Parameters
    ----------
    side : kinds.Side
    interval, narrow : (low, high)
        95% and 90% intervals.
    negligible : float
        NaN: nothing counts as negligible.
    p : float
        Adjusted for the number of claims; NaN: not tested.
    """
    margin, (low, high) = side.margin, interval
    holds, fails = {
        "above": (low > margin, high < margin),
        "below": (high < margin, low > margin),
        "within": (-margin < narrow[0] and narrow[1] < margin, low > margin or high < -margin),
        "outside": (low > margin or high < -margin, False),
    }[side.where]
    if fails or (-negligible < narrow[0] and narrow[1] < negligible and side.where != "within"):
        return CONTRADICTED
    return SUPPORTED if holds and p < ALPHA else UNDECIDED


def why_undecided(side, interval, narrow, p, adjusted):
    """Say why a part whose numbers are there is undecided; `adjusted` is the p of the whole claim."""
    low, high = narrow if side.where == "within" else interval
    level = "90%" if side.where == "within" else "95%"
    if verdict(side, interval, narrow, np.nan, 0.0) == SUPPORTED:
        return f"p is {p:.2g}, and {adjusted:.2g} adjusted for the number of claims"
    margin = {"outside": "0", "within": f"a margin of ±{side.margin:g}"}.get(side.where, f"{side.margin:g}")
    return f"the {level} interval, {low:.3g} to {high:.3g}, is not on one side of {margin}"
