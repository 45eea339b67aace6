"""features + responses -> linear readouts and honest scores."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV


@dataclass(frozen=True)
class Readouts:
    """Ridge readouts of several targets from the same features."""

    weight: np.ndarray  # (targets, d) on features as they are: centring and scale are folded in
    intercept: np.ndarray  # (targets,)
    alpha: np.ndarray  # (targets,) chosen penalty
    error: np.ndarray  # (targets,) leave-one-out mean squared error at that penalty
    at_edge: np.ndarray  # (targets,) bool, alpha is an end of the grid

    def predict(self, features):
        """Features (n, d) -> predictions (n, targets)."""
        return features @ self.weight.T + self.intercept


def fit(features, responses, alphas):
    """Ridge regression with the penalty of each target chosen by leave-one-out error.

    Features are centred and divided by one number for the whole layer, so that one grid of penalties serves
    all layers: their Gram matrix has a mean diagonal of 1. They are not standardised one by one: that
    would lift a unit that is silent on nearly all training images to the variance of the others, and an
    image that wakes it up would then get a response of hundreds of SD. Give training images only.

    Parameters
    ----------
    features : array (n, d)
    responses : array (n, targets)
    alphas : sequence of float
        The grid, above 0.

    Returns
    -------
    Readouts

    Raises
    ------
    ValueError
        If a number is not finite or the shapes do not agree.

    Source
    ------
    Leave-one-out residuals in closed form: Hastie, Tibshirani & Friedman, The Elements of Statistical
    Learning (2009), section 7.10; solved by scikit-learn's RidgeCV.
    """
    features, responses = np.asarray(features, np.float64), np.asarray(responses, np.float64)
    if features.ndim != 2 or responses.ndim != 2 or len(features) != len(responses):
        raise ValueError(
            f"expected features (n, d) and responses (n, t), found {features.shape}, {responses.shape}"
        )
    for name, values in {"feature": features, "response": responses}.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} {name} values are not finite")
    mean = features.mean(axis=0)
    scale = np.sqrt(np.square(features - mean).sum() / len(features)) or 1.0
    alphas = np.sort(np.asarray(alphas, np.float64))
    ridge = RidgeCV(alphas, alpha_per_target=True).fit((features - mean) / scale, responses)
    weight = np.atleast_2d(ridge.coef_) / scale
    alpha = np.broadcast_to(ridge.alpha_, responses.shape[1])
    return Readouts(
        weight=weight,
        intercept=np.broadcast_to(ridge.intercept_, responses.shape[1]) - weight @ mean,
        alpha=alpha,
        error=-np.broadcast_to(ridge.best_score_, responses.shape[1]),
        at_edge=(alpha == alphas[0]) | (alpha == alphas[-1]),
    )
