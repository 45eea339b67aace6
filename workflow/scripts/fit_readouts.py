"""Fit linear readouts of one network, and score them on held-out images (rule fit_readouts)."""

import numpy as np
import pandas as pd
from sklearn.model_selection import ShuffleSplit

from codingaxes import job
from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.names import GROUP
from codingaxes.readouts import representations, ridge, selection
from codingaxes.tables import store
from codingaxes.tables.features import FEATURES
from codingaxes.tables.nsd import RESPONSES, STIMULI, VOXELS
from codingaxes.tables.readouts import (
    BASES,
    COMPONENTS,
    CROSS_SUBJECT,
    LAYER_SCORES,
    MEASUREMENTS,
    PREDICTIONS,
    READOUTS,
    REPRESENTATIONS,
    SCORES,
    SPLIT_SCORES,
    TARGETS,
)


def main(run):
    """Choose weights, penalties and layers on the training images; test images only give scores."""
    stimuli = store.read(run.input["stimuli"], STIMULI, columns=["image_id", "split"])
    train = (stimuli.split == "train").to_numpy()
    warn_of_few((~train).sum())
    about, responses = collect_targets(run, stimuli)
    options, folds = selection.fit_options(run.params, run.seed("folds") % 2**32)
    layers, described = {}, []
    for layer in store.read(run.input["features"], FEATURES, columns=["layer"]).layer.unique():
        features = read_layer(run, layer, stimuli)
        layers[layer] = coordinates_of(layer, features)
        described.append({"layer": layer, **describe(features, layers[layer].values)})
    values = {layer: coordinates.values for layer, coordinates in layers.items()}

    layer_scores = score_layers(values, about, responses, train, options)
    chosen = layer_scores[layer_scores.chosen].drop_duplicates("roi").set_index("roi").layer.to_dict()
    readouts, bases, components = [], [], []
    predicted = np.empty((int((~train).sum()), len(about)))
    for layer in dict.fromkeys(chosen.values()):
        targets = np.flatnonzero(about.roi.map(chosen) == layer)
        fit = ridge.fit(values[layer][train], responses[train][:, targets], **options)
        predicted[:, targets] = fit.predict(values[layer][~train])
        basis = layers[layer].basis(read_layer(run, layer, stimuli))
        readouts.append(readout_rows(about.iloc[targets], layer, fit, basis @ layers[layer].mean))
        bases.append(basis_rows(layer, basis))
        components.append(component_rows(layer, values[layer][train]))
    correlations = selection.k_fold_correlations(
        values, responses, about.roi, leading(about), folds, **options
    )
    for table, rows in (
        (READOUTS, pd.concat(readouts).sort_index()),  # of all layers, in the order of the targets
        (BASES, pd.concat(bases, ignore_index=True)),
        (COMPONENTS, pd.concat(components, ignore_index=True)),
        (SCORES, score_targets(run, about, predicted, responses, train, correlations.mean(axis=0))),
        (PREDICTIONS, prediction_rows(about, predicted, responses[~train], stimuli.image_id[~train])),
        (LAYER_SCORES, layer_scores),
        (SPLIT_SCORES, split_scores(run, values, about, responses, train, options)),
        (CROSS_SUBJECT, cross_subject(run, about, predicted, responses[~train])),
        (REPRESENTATIONS, pd.DataFrame(described)),
    ):
        store.write(run.output[table.name], table, rows.assign(network=run.wildcards["network"]))


def warn_of_few(held_out):
    """Warn where scores rest on few images: of 20, unrelated responses have |r| > 0.44 in 1 of 20 cases."""
    if held_out < undefined.FEW_IMAGES:
        job.log.warning(
            f"only {held_out} held-out images: scores are uncertain below {undefined.FEW_IMAGES}, and "
            f"undefined below {undefined.FEWEST}; raise nsd.test_fraction, or use more images"
        )


def read_layer(run, layer, stimuli):
    """Read the features (images, d) of one layer, in the order of the stimuli."""
    rows = store.read(
        run.input["features"], FEATURES, columns=["image_id", "feature"], filters=[("layer", "=", layer)]
    )
    return store.matrix(rows.set_index("image_id").feature[stimuli.image_id])


def coordinates_of(layer, features):
    """Compute `ridge.coordinates` of one layer; one that predicts nothing is refused by its name."""
    coordinates = ridge.coordinates(features)
    if not coordinates.values.size:
        raise ValueError(
            f"layer {layer}: all {features.shape[1]} features are the same on all {len(features)} images; "
            "check the weights of the network, or name another layer in the column layers of its table"
        )
    return coordinates


def describe(features, values):
    """Describe a layer's representation of all stimuli."""
    return {
        "n_features": features.shape[1],
        "sparseness": representations.sparseness(features),
        "normalised_variance": representations.normalised_variance(features),
        "effective_dimensionality": representations.effective_dimensionality(values),
        "spread": representations.spread(values),
        "n_images": len(features),
    }


def collect_targets(run, stimuli):
    """Collect all targets (subject, roi, target, ceiling) and their responses (images, targets)."""
    voxels = store.read(run.input["voxels"], VOXELS)
    responses = store.read(run.input["responses"], RESPONSES)
    means = store.read(run.input["targets"], TARGETS)
    measurements = store.read(run.input["measurements"], MEASUREMENTS)
    about, values = [], []
    for roi in dict.fromkeys(means.roi):
        for mean in means[means.roi == roi].itertuples():
            about.append({"subject": mean.subject, "roi": roi, "target": "mean", "ceiling": mean.ceiling})
            rows = measurements[(measurements.subject == mean.subject) & (measurements.roi == roi)]
            values.append(rows.set_index("image_id").value[stimuli.image_id].to_numpy()[:, None])
        for subject, own in voxels[voxels.roi == roi].groupby("subject", sort=False):
            about += [
                {"subject": subject, "roi": roi, "target": str(number), "ceiling": share**0.5}
                for number, share in zip(own.voxel_id, own.noise_ceiling, strict=True)
            ]
            rows = responses[responses.subject == subject].set_index("image_id").response[stimuli.image_id]
            values.append(store.matrix(rows)[:, own.voxel_id])
    return pd.DataFrame(about), np.concatenate(values, axis=1)


def leading(about):
    """Give the row of each region's group mean, the target that chooses the region's layer."""
    rows = about[(about.subject == GROUP) & (about.target == "mean")]
    return dict(zip(rows.roi, rows.index, strict=True))


def score_layers(values, about, responses, train, options):
    """Compute each layer's cross-validated error, which chooses, and its r on test images, which does not."""
    means = about[about.target == "mean"]
    columns = means.index.to_numpy()
    position = {row: i for i, row in enumerate(columns)}
    lead = {roi: position[row] for roi, row in leading(about).items()}
    fits = {
        layer: ridge.fit(x[train], responses[train][:, columns], **options) for layer, x in values.items()
    }
    chosen = selection.choose_layers({layer: fit.error for layer, fit in fits.items()}, lead)
    parts = []
    for layer, fit in fits.items():
        scores = fit.predict(values[layer][~train]), responses[~train][:, columns]
        r = bootstrap.correlation(*scores)
        reason = undefined.of_correlation(*scores, r, low=r)  # without an interval
        part = means[["subject", "roi"]].assign(layer=layer, error=fit.error, r=r, alpha=fit.alpha)
        part["reason"] = reason
        parts.append(part.assign(alpha_at_edge=fit.at_edge, chosen=part.roi.map(chosen) == layer))
    return pd.concat(parts, ignore_index=True)


def readout_rows(about, layer, fit, origin):
    """Make rows of the table readouts of the targets that read one layer.

    `origin` is the mean of the features along the basis as it is stored, so that the intercept loses nothing
    to the rounding of the basis.
    """
    job.log.info(
        f"layer {layer}: {len(about)} targets of {', '.join(about.roi.unique())}, "
        f"{fit.at_edge.sum()} penalties at an edge of the grid"
    )
    rows = about[["subject", "roi", "target"]].assign(
        layer=layer,
        alpha=fit.alpha,
        alpha_at_edge=fit.at_edge,
        intercept=fit.intercept - fit.weight @ origin,
        norm=np.linalg.norm(fit.weight, axis=1),
    )
    rows["weight"] = list(fit.weight)
    return rows


def basis_rows(layer, basis):
    """Make rows of the table bases of one layer."""
    rows = pd.DataFrame({"layer": layer, "component": range(len(basis))})
    rows["vector"] = list(basis)
    return rows


def component_rows(layer, coordinates):
    """Make rows of the table components of one layer, from coordinates of the training images."""
    components = ridge.principal_components(coordinates)
    rows = pd.DataFrame({"layer": layer, "variance": components.variance, "n_images": len(coordinates)})
    rows["vector"] = list(components.vectors.astype(np.float32))
    return rows.assign(component=range(len(rows)))


def prediction_rows(about, predicted, measured, image_ids):
    """Make rows of the table predictions, of region means."""
    parts = [
        pd.DataFrame(
            {
                "subject": about.subject[i],
                "roi": about.roi[i],
                "image_id": image_ids,
                "measured": measured[:, i],
                "predicted": predicted[:, i],
            }
        )
        for i in np.flatnonzero(about.target == "mean")
    ]
    return pd.concat(parts, ignore_index=True)


def score_targets(run, about, predicted, responses, train, r_k_fold):
    """Score every target on held-out images: rows of the table scores."""
    measured = responses[~train]
    scores = score(predicted, measured, about.ceiling)
    fold = undefined.say({undefined.SOME_FOLD: np.isnan(r_k_fold)})
    scores["reason"] = undefined.join(scores["reason"], fold)
    return about[["subject", "roi", "target"]].assign(
        **scores,
        r2=bootstrap.determination(predicted, measured),
        r_k_fold=r_k_fold,
        n_train=train.sum(),
        n_test=(~train).sum(),
    )


def split_scores(run, values, about, responses, train, options):
    """Score region means on other random splits, in which all is chosen anew: rows of the table split_scores.

    Every split holds out as many images as the one that is attacked.
    """
    means = about[about.target == "mean"].reset_index(names="column")
    rows = {"n_train": train.sum(), "n_test": (~train).sum()}
    number, parts = run.params["splits"], [pd.DataFrame(columns=list(SPLIT_SCORES.columns))]
    if number:
        seed = job.seed_of(run.params["seed"], run.rule, "splits") % 2**32  # the same for all networks
        splits = ShuffleSplit(number, test_size=int(rows["n_test"]), random_state=seed)
        columns, lead = means.column.to_numpy(), leading(means)
        r = selection.k_fold_correlations(values, responses[:, columns], means.roi, lead, splits, **options)
        parts = [means[["subject", "roi"]].assign(split=i, r=one, **rows) for i, one in enumerate(r, start=1)]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(reason=undefined.say({undefined.IN_SPLIT: table.r.isna()}))


def cross_subject(run, about, predicted, measured):
    """Test the readout fitted on one subject's region mean on another subject's responses."""
    means = about[(about.target == "mean") & (about.subject != GROUP)]
    means = means.assign(column=means.index)
    pairs = means.merge(means, on="roi", suffixes=("", "_of"), sort=False)
    scores = score(predicted[:, pairs.column], measured[:, pairs.column_of], pairs.ceiling_of)
    rows = pairs[["roi", "subject"]].assign(tested_on=pairs.subject_of)
    return rows.assign(**scores, n_test=len(measured))


def score(predicted, measured, ceiling):
    """Compute r, its interval, and r over the ceiling; NaN, with a reason, where they are undefined."""
    r = bootstrap.correlation(predicted, measured)
    low, high = bootstrap.correlation_interval(predicted, measured)
    ratio = measures.over_ceiling(r, ceiling).to_numpy()
    no_ceiling = {undefined.WITHOUT_CEILING: ~np.isnan(r) & np.isnan(ratio)}
    reason = undefined.join(undefined.of_correlation(predicted, measured, r, low), undefined.say(no_ceiling))
    scores = {"r": r, "ci_low": low, "ci_high": high, "ceiling": ceiling.to_numpy()}
    return scores | {"r_over_ceiling": ratio, "reason": reason}


if __name__ == "__main__":
    job.start(main, globals())
