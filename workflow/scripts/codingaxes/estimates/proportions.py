"""Give intervals of shares of independent trials."""

import numpy as np
from scipy.stats import beta


def binomial_interval(successes, trials):
    """Compute the exact 95% interval of a probability.

    Parameters
    ----------
    successes, trials : ints or arrays of ints
        Of independent trials, at least one.

    Returns
    -------
    low, high : floats or arrays
        They cover in at least 95% of experiments, whatever the probability is.

    Source
    ------
    C. J. Clopper & E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    successes, trials = np.asarray(successes), np.asarray(trials)
    failures = trials - successes
    low = np.where(successes > 0, beta.ppf(0.025, np.maximum(1, successes), failures + 1), 0.0)
    high = np.where(failures > 0, beta.ppf(0.975, successes + 1, np.maximum(1, failures)), 1.0)
    return low[()], high[()]
