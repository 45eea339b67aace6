"""Say whether models predict equally well, and compare them at equal prediction."""

from dataclasses import dataclass

import numpy as np

from codingaxes.estimates import families

# Differences of r / ceiling that count as none: what the zoo was to reach, stated before it was trained.
MARGIN = 0.03


def verdict(wide, narrow, margin):
    """Say whether two are equal, different, both (by less than the margin), or undecided.

    Equal is the two one-sided tests of 5%: the 90% interval lies within the margin. Different is a 95%
    interval that excludes 0.

    Parameters
    ----------
    wide, narrow : (low, high)
        95% and 90% intervals of the difference.
    margin : float
        Missing: nothing counts as equal.

    Source
    ------
    D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680: equivalence.
    """
    equal = -margin < narrow[0] and narrow[1] < margin
    different = wide[0] > 0 or wide[1] < 0
    return {(True, True): "both", (True, False): "equal", (False, True): "different"}.get(
        (equal, different), "undecided"
    )


@dataclass(frozen=True)
class EqualR:
    """The difference of log values, robust - standard, of networks of one architecture and of equal r."""

    difference: float
    variances: np.ndarray  # (factors,) of the difference, by jackknives
    units: np.ndarray  # (factors,) of ints
    resampled: str
    p: float  # two-sided, labels permuted within architectures; NaN where that is not defined

    def interval(self, level):
        """Give the interval of the difference; NaN where nothing could be left out."""
        if not self.resampled:
            return np.nan, np.nan
        return families.students(self.difference, self.variances, self.units, abs(self.difference), level)


def equal_r(values, without, r, robust, architectures, labels):
    """Regress log values of networks on architecture, family and r; give the coefficient of family.

    Parameters
    ----------
    values : array (networks,)
        For instance log sensitivity.
    without : array (networks, images)
        The same without each image in turn.
    r : array (networks,)
        What is held equal.
    robust : array of bool (networks,)
    architectures : array (networks,)
    labels : Labels
        Permuted is who is robust, within architectures; r stays with its network.

    Returns
    -------
    EqualR
        Missing where r or a value is, or predictors are collinear, or as many as there are networks.
    """
    dummies = [architectures == name for name in dict.fromkeys(architectures)]

    def coefficient(kept, members, of):
        present = [dummy.astype(float) for dummy in dummies if dummy[kept].any()]
        design = np.column_stack([*present, r, members])[kept]
        enough = len(design) > design.shape[1] and np.isfinite(design).all() and np.isfinite(of[kept]).all()
        if not enough or np.linalg.matrix_rank(design) < design.shape[1]:
            return np.full(np.shape(of)[1:], np.nan)[()]
        return np.linalg.lstsq(design, of[kept], rcond=None)[0][-1]

    everyone = np.ones(len(r), bool)
    variances, units = [families.spread(coefficient(everyone, robust, without))], [without.shape[1]]
    for family in (robust, ~robust):
        left = [everyone & (np.arange(len(r)) != network) for network in np.flatnonzero(family)]
        variances.append(families.spread(np.array([coefficient(kept, robust, values) for kept in left])))
        units.append(len(left))
    defined = np.isfinite(variances).all() and min(units) >= families.FEWEST
    p = np.nan
    if len(labels.robust) > 1:
        permuted = np.array([coefficient(everyone, members, values) for members in labels.robust])
        p = families.share_as_far(permuted) if np.isfinite(permuted).all() else np.nan
    difference = float(coefficient(everyone, robust, values))
    resampled = families.BOTH if defined else families.NOTHING
    return EqualR(difference, np.array(variances), np.array(units), resampled, p)
