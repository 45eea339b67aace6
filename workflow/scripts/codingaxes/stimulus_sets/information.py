"""Rank stimuli by what would be learned from showing them: which family of models answers as the brain does.

To show one of n stimuli is to measure a noisy change of the response in each of R regions, SD. All of them
together are a vector y of n R numbers, the regions of one stimulus beside each other. Before anything is
shown all families are equally likely, and

    y given family F ~ Normal(m_F, W + N)

- m_F: mean of the predictions of the family's models.
- W: how models of one family differ from it, and how readouts that are fitted again do; see `nuisance`.
- N: noise of trials; see `trial_noise`.

With B, the covariance of m_F over families, the information about the family is
½ log2 det(I + (W + N)⁻¹ B) bits. Of one stimulus in one region, where models of a family agree, it is
½ log2(1 + s²_families / σ²_noise).

Sources: T. Cover & J. Thomas, Elements of Information Theory (2006), chapter 9: the information of a Gaussian
channel, which is an upper bound of that about a family, because a family is one of a few. A. Krause, A. Singh
& C. Guestrin, Journal of Machine Learning Research 9 (2008) 235-284: greedy choice by mutual information.
J. S. Prince and colleagues (2026) choose images by |A - B| alone.
"""

import numpy as np

BITS = 1 / np.log(2)
TIE = 1e-9  # gains that differ by less, relative to the largest, are ties: the first stimulus is taken


def family_means(changes, families):
    """Average predictions over the models of each family.

    Parameters
    ----------
    changes : array (models, n R)
    families : array of str (models,)

    Returns
    -------
    names : list of str (F,)
        In the order in which they come first.
    means : array (F, n R)
    """
    names = list(dict.fromkeys(families))
    return names, np.array([changes[np.asarray(families) == name].mean(axis=0) for name in names])


def between_families(means):
    """Compute B: the covariance of predictions over families that are equally likely (n R, n R).

    Parameters
    ----------
    means : array (F, n R)
    """
    centred = means - means.mean(axis=0)
    return centred.T @ centred / len(means)


def nuisance(changes, families, refits=()):
    """Compute W: the covariance of predictions within families (n R, n R), each family weighing the same.

    It is the sum of that between models of a family and that of readouts that are fitted again. The former is
    known of as many directions as there are models, fewer than there are stimuli. Taken as it is, it would
    say that all other directions are free of nuisance, and these would be taken for the most informative. So
    its correlations are shrunk towards those of readouts that are fitted again (without any, towards 0), by
    the share that is expected to be closest to the truth. Stimuli to which all models answer alike stay
    alike.

    Parameters
    ----------
    changes : array (models, n R)
    families : array of str (models,)
    refits : sequence of arrays (draws, n R)
        Predictions of some models by readouts that were fitted again; two draws or more of each.

    Returns
    -------
    array (n R, n R)
        Of families of one model each, that of readouts alone; 0 without these.

    Source
    ------
    J. Schäfer & K. Strimmer, Statistical Applications in Genetics and Molecular Biology 4 (2005) 32: the
    share Σ Var(r_ij) / Σ (r_ij - target_ij)²; of normal data Var(r_ij) is about (1 + r_ij²) / freedom.
    """
    families = np.asarray(families)
    again = sum((np.cov(draws, rowvar=False, ddof=1) for draws in refits), np.zeros(2 * changes.shape[1:]))
    again = again.reshape(2 * changes.shape[1:]) / max(1, len(refits))
    members = [changes[families == name] for name in dict.fromkeys(families)]
    members = [rows - rows.mean(axis=0) for rows in members if len(rows) > 1]
    if not members:
        return again
    models = sum(rows.T @ rows / (len(rows) - 1) for rows in members) / len(members)
    freedom = len(members) ** 2 / sum(1 / (len(rows) - 1) for rows in members)
    scale = np.sqrt(np.diag(models))
    correlation, target = _correlation(models), _correlation(again)
    apart = ~np.eye(len(models), dtype=bool)
    distance = np.square(correlation - target)[apart].sum()
    error = (1 + np.square(correlation))[apart].sum() / freedom
    share = min(1.0, error / distance) if distance > 0 else 1.0
    return scale[:, None] * (share * target + (1 - share) * correlation) * scale + again


def _correlation(covariance):
    """Give correlations; what does not vary is correlated with nothing but itself."""
    scale = np.sqrt(np.diag(covariance))
    product = scale[:, None] * scale
    correlation = np.divide(covariance, product, out=np.zeros_like(covariance), where=product > 0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def trial_noise(images, noise_sd, repetitions):
    """Compute N: the covariance of measured changes by noise of trials (n R, n R).

    A change is the mean over trials of the perturbed image, less that over as many of the natural image. So
    its variance is 2 σ² / repetitions, and stimuli made of one image share that of the image,
    σ² / repetitions. Noise of regions is independent: nothing is known of its correlation.

    Parameters
    ----------
    images : array (n,)
        Natural image that each stimulus was made of.
    noise_sd : array (R,)
        σ: SD of one trial about its image's mean, in the units of the changes.
    repetitions : int
        Trials of each stimulus and of each natural image.
    """
    images = np.asarray(images)
    shared = np.eye(len(images)) + (images[:, None] == images)
    return np.kron(shared, np.diag(np.square(noise_sd))) / repetitions


def information(between, rest):
    """Compute ½ log2 det(I + (W + N)⁻¹ B): what all stimuli together say about the family, bits.

    Parameters
    ----------
    between, rest : arrays (n R, n R)
        B, and W + N, which is positive definite.
    """
    (sign, whole), (also, noise) = np.linalg.slogdet(rest + between), np.linalg.slogdet(rest)
    if sign <= 0 or also <= 0:
        raise ValueError("W + N is not positive definite: without noise of trials nothing bounds information")
    return float(0.5 * BITS * (whole - noise))


def alone(between, rest, regions):
    """Compute the information of each stimulus alone, bits (n,)."""
    parts = (_Conditional(matrix, regions).blocks for matrix in (rest + between, rest))
    whole, noise = (np.linalg.slogdet(blocks)[1] for blocks in parts)
    return 0.5 * BITS * (whole - noise)


def greedy(between, rest, regions, number=None):
    """Order stimuli so that each adds the most information to those before it.

    What one adds is ½ log2 of the ratio of two determinants: of its covariance given the stimuli before it,
    with and without B. Both are updated by a block of a Cholesky factor for each stimulus, so that 500
    stimuli of 3 regions take seconds.

    Parameters
    ----------
    between, rest : arrays (n R, n R)
        B, and W + N, which is positive definite.
    regions : int
        R.
    number : int, optional
        Stimuli to be ranked; all if not given.

    Returns
    -------
    order : array of ints (number,)
        Ties go to the stimulus that comes first.
    gains : array (number,)
        Bits. Their sum over the first k is `information` of these k.
    """
    whole, noise = _Conditional(rest + between, regions), _Conditional(rest, regions)
    count = len(noise.blocks) if number is None else min(number, len(noise.blocks))
    order, gains, left = [], [], np.ones(len(noise.blocks), bool)
    for _ in range(count):
        places = np.flatnonzero(left)
        gain = np.linalg.slogdet(whole.blocks[places])[1] - np.linalg.slogdet(noise.blocks[places])[1]
        best = np.flatnonzero(gain >= gain.max() - TIE * abs(gain.max()))[0]
        order.append(places[best])
        gains.append(0.5 * BITS * gain[best])
        left[places[best]] = False
        whole.take(places[best])
        noise.take(places[best])
    return np.array(order, int), np.array(gains)


class _Conditional:
    """Hold the covariance of each stimulus (R, R) given those that were taken: a growing Cholesky factor."""

    def __init__(self, matrix, regions):
        self.matrix, self.regions, self.rows = matrix, regions, 0
        count = len(matrix) // regions
        places = np.arange(count)
        self.blocks = matrix.reshape(count, regions, count, regions)[places, :, places].copy()
        self.factor = np.empty((0, len(matrix)))

    def take(self, stimulus):
        """Condition on one more stimulus."""
        of = slice(stimulus * self.regions, (stimulus + 1) * self.regions)
        factor = self.factor[: self.rows]
        columns = self.matrix[:, of] - factor.T @ factor[:, of]
        added = np.linalg.solve(np.linalg.cholesky(columns[of]), columns.T)
        if self.rows + self.regions > len(self.factor):  # room for twice as many
            room = np.empty((max(self.regions, len(self.factor)), len(self.matrix)))
            self.factor = np.concatenate([self.factor, room])
        self.factor[self.rows : self.rows + self.regions] = added
        self.rows += self.regions
        added = added.reshape(self.regions, -1, self.regions)
        self.blocks -= np.einsum("kna,knb->nab", added, added)
