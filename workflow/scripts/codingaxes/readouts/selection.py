"""Choose the layer that a region reads, and score predictions of images that no choice has seen."""

import numpy as np
from sklearn.model_selection import KFold

from codingaxes.estimates import bootstrap
from codingaxes.readouts import ridge


def fit_options(settings, seed):
    """Turn the settings of readouts into the options of `ridge.fit`, and the folds of the second estimate.

    Parameters
    ----------
    settings : dict
        Of the configuration: method, alphas, cross_validation, folds, components.
    seed : int
        Of the folds, below 2^32.

    Returns
    -------
    options : dict
    folds : sklearn.model_selection.KFold
    """
    folds = KFold(settings["folds"], shuffle=True, random_state=seed)
    closed = settings["method"] == "ridge" and settings["cross_validation"] != "k_fold"
    grid = settings["alphas"]
    options = {
        "method": settings["method"],
        "components": settings["components"],
        "alphas": np.geomspace(grid["smallest"], grid["largest"], grid["number"]),
        "cv": settings["cross_validation"] if closed else folds,
    }
    return options, folds


def choose_layers(errors, lead):
    """Choose for each region the layer with the smallest cross-validated error of its leading target.

    Parameters
    ----------
    errors : dict, layer -> array (targets,)
        `Readouts.error` of `ridge.fit` on training images.
    lead : dict, region -> int
        Which target decides for the region: the group's mean.

    Returns
    -------
    dict, region -> layer
    """
    return {region: min(errors, key=lambda layer: errors[layer][target]) for region, target in lead.items()}


def k_fold_correlations(layers, responses, regions, lead, folds, **options):
    """Correlate predictions with responses to images that neither weights, penalties nor layers have seen.

    In every fold all choices are made anew inside the other folds. Pearson r is computed within each fold:
    predictions of different folds come from different readouts, and pooling them would pull r of an
    unpredictable target below 0.

    Parameters
    ----------
    layers : dict, layer -> array (n, r)
        `ridge.Coordinates.values` of all images.
    responses : array (n, targets)
    regions : sequence (targets,)
        Region of each target.
    lead : dict, region -> int
        As in `choose_layers`.
    folds : scikit-learn splitter
    options
        Of `ridge.fit`.

    Returns
    -------
    array (folds, targets)
    """
    regions, columns = np.asarray(regions), list(lead.values())
    position = {region: i for i, region in enumerate(lead)}
    correlations = np.empty((folds.get_n_splits(responses), responses.shape[1]))
    for fold, (inside, outside) in enumerate(folds.split(responses)):
        errors = {
            layer: ridge.fit(values[inside], responses[inside][:, columns], **options).error
            for layer, values in layers.items()
        }
        chosen = choose_layers(errors, position)
        for layer in dict.fromkeys(chosen.values()):
            targets = np.flatnonzero([chosen[region] == layer for region in regions])
            readouts = ridge.fit(layers[layer][inside], responses[inside][:, targets], **options)
            predicted = readouts.predict(layers[layer][outside])
            r = bootstrap.correlation(predicted, responses[outside][:, targets])
            correlations[fold, targets] = r
    return correlations
