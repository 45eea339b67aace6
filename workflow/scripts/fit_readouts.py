"""Linear readouts of one network, and their scores on held-out images (rule fit_readouts)."""

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from codingaxes import job, readouts, representations, statistics, tables


def main(run):
    """Weights, penalties and layers are chosen inside the training images; test images only give scores."""
    network = run.wildcards["network"]
    stimuli = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "split"])
    train = (stimuli.split == "train").to_numpy()
    about, measured = collect_targets(run, stimuli)
    options, folds = settings(run)
    layers, described = {}, []
    for layer in tables.read(run.input["features"], "features", columns=["layer"]).layer.unique():
        features = read_layer(run, layer, stimuli)
        layers[layer] = readouts.coordinates(features)
        described.append({"network": network, "layer": layer, **describe(features, layers[layer].values)})
    values = {layer: place.values for layer, place in layers.items()}

    scored = score_layers(values, about, measured, train, options)
    lead = leading(about)
    chosen = scored[scored.chosen].drop_duplicates("roi").set_index("roi").layer.to_dict()
    fitted, bases, predicted = fit_chosen(run, layers, chosen, about, measured, train, stimuli, options)
    again = readouts.k_fold_correlations(values, measured, about.roi, lead, folds, **options)

    test, draws = ~train, run.params["bootstrap"]
    keys = about[["subject", "roi", "target"]].assign(network=network)
    scores = keys.assign(
        **score(predicted, measured[test], about.ceiling, rng(run, "scores"), draws),
        r2=statistics.determination(predicted, measured[test]),
        r_k_fold=again.mean(axis=0),
        n_train=train.sum(),
        n_test=test.sum(),
    )
    means = np.flatnonzero(about.target == "mean")
    predictions = [
        pd.DataFrame(
            {
                **keys.iloc[i][["network", "subject", "roi"]],
                "image_id": stimuli.image_id[test],
                "measured": measured[test, i],
                "predicted": predicted[:, i],
            }
        )
        for i in means
    ]
    made = {
        "readouts": fitted.assign(network=network),
        "bases": bases.assign(network=network),
        "scores": scores,
        "predictions": pd.concat(predictions, ignore_index=True),
        "layer_scores": scored.assign(network=network),
        "cross_subject": cross_subject(run, about, predicted, measured[test]).assign(network=network),
        "representations": pd.DataFrame(described),
    }
    for name, rows in made.items():
        tables.write(run.output[name], name, rows)


def settings(run):
    """Options of `readouts.fit`, and the folds of the second estimate, from the configuration."""
    params = run.params
    folds = KFold(params["folds"], shuffle=True, random_state=run.seed("folds") % 2**32)
    closed = params["method"] == "ridge" and params["cross_validation"] != "k_fold"
    grid = params["alphas"]
    options = {
        "method": params["method"],
        "components": params["components"],
        "alphas": np.geomspace(grid["smallest"], grid["largest"], grid["number"]),
        "cv": params["cross_validation"] if closed else folds,
    }
    return options, folds


def rng(run, name):
    """The random generator of one part of this job."""
    return np.random.default_rng(run.seed(name))


def read_layer(run, layer, stimuli):
    """Features (images, d) of one layer, in the order of the stimuli."""
    rows = tables.read(
        run.input["features"], "features", columns=["image_id", "feature"], filters=[("layer", "=", layer)]
    )
    return tables.matrix(rows.set_index("image_id").feature[stimuli.image_id])


def describe(features, values):
    """What a layer's representation is like, over all stimuli."""
    return {
        "n_features": features.shape[1],
        "sparseness": representations.sparseness(features),
        "normalised_variance": representations.normalised_variance(features),
        "effective_dimensionality": representations.effective_dimensionality(values),
        "spread": representations.spread(values),
        "n_images": len(features),
    }


def collect_targets(run, stimuli):
    """A frame of all targets (subject, roi, target, ceiling) and their responses (images, targets)."""
    voxels = tables.read(run.input["voxels"], "voxels")
    responses = tables.read(run.input["responses"], "responses")
    means = tables.read(run.input["targets"], "targets")
    measured = tables.read(run.input["measurements"], "measurements")
    about, values = [], []
    for roi in dict.fromkeys(means.roi):
        for target in means[means.roi == roi].itertuples():
            about.append({"subject": target.subject, "roi": roi, "target": "mean", "ceiling": target.ceiling})
            mine = measured[(measured.subject == target.subject) & (measured.roi == roi)]
            values.append(mine.set_index("image_id").value[stimuli.image_id].to_numpy()[:, None])
        for subject, mine in voxels[voxels.roi == roi].groupby("subject", sort=False):
            about += [
                {"subject": subject, "roi": roi, "target": str(number), "ceiling": share**0.5}
                for number, share in zip(mine.voxel_id, mine.noise_ceiling, strict=True)
            ]
            rows = responses[responses.subject == subject].set_index("image_id").response[stimuli.image_id]
            values.append(tables.matrix(rows)[:, mine.voxel_id])
    return pd.DataFrame(about), np.concatenate(values, axis=1)


def leading(about):
    """Region -> row of its group mean, the target that chooses the region's layer."""
    rows = about[(about.subject == tables.GROUP) & (about.target == "mean")]
    return dict(zip(rows.roi, rows.index, strict=True))


def score_layers(values, about, measured, train, options):
    """Every layer's cross-validated error, and for reading only its r on test images; the choice."""
    means = about[about.target == "mean"]
    columns = means.index.to_numpy()
    place = {row: i for i, row in enumerate(columns)}
    lead = {roi: place[row] for roi, row in leading(about).items()}
    found = {
        layer: readouts.fit(x[train], measured[train][:, columns], **options) for layer, x in values.items()
    }
    chosen = readouts.choose_layers({layer: fit.error for layer, fit in found.items()}, lead)
    parts = []
    for layer, fit in found.items():
        r = statistics.correlation(fit.predict(values[layer][~train]), measured[~train][:, columns])
        part = means[["subject", "roi"]].assign(layer=layer, error=fit.error, r=r, alpha=fit.alpha)
        parts.append(part.assign(alpha_at_edge=fit.at_edge, chosen=part.roi.map(chosen) == layer))
    return pd.concat(parts, ignore_index=True)


def fit_chosen(run, layers, chosen, about, measured, train, stimuli, options):
    """Rows of the tables readouts and bases, and predictions (test images, targets)."""
    predicted, parts, bases = np.empty((int((~train).sum()), len(about))), [], []
    for layer in dict.fromkeys(chosen.values()):
        mine = np.flatnonzero(about.roi.map(chosen) == layer)
        x = layers[layer].values
        readout = readouts.fit(x[train], measured[train][:, mine], **options)
        predicted[:, mine] = readout.predict(x[~train])
        basis = layers[layer].basis(read_layer(run, layer, stimuli))
        part = about.iloc[mine][["subject", "roi", "target"]].assign(
            layer=layer,
            alpha=readout.alpha,
            alpha_at_edge=readout.at_edge,
            # the mean is taken out with the basis as it is stored, so that nothing is lost to its rounding
            intercept=readout.intercept - readout.weight @ (basis @ layers[layer].mean),
            norm=np.linalg.norm(readout.weight, axis=1),
        )
        part["weight"] = list(readout.weight)
        parts.append(part)
        rows = pd.DataFrame({"layer": layer, "component": range(len(basis))})
        rows["vector"] = list(basis)
        bases.append(rows)
        job.log.info(
            f"layer {layer}: {len(mine)} targets of {', '.join(r for r in chosen if chosen[r] == layer)}, "
            f"{readout.at_edge.sum()} penalties at an edge of the grid"
        )
    return pd.concat(parts, ignore_index=True), pd.concat(bases, ignore_index=True), predicted


def cross_subject(run, about, predicted, measured):
    """How well the readout fitted on one subject's region mean predicts another subject's."""
    means = about[(about.target == "mean") & (about.subject != tables.GROUP)]
    means = means.assign(column=means.index)
    pairs = means.merge(means, on="roi", suffixes=("", "_of"), sort=False)
    found = score(
        predicted[:, pairs.column],
        measured[:, pairs.column_of],
        pairs.ceiling_of,
        rng(run, "cross_subject"),
        run.params["bootstrap"],
    )
    named = pairs[["roi", "subject"]].assign(tested_on=pairs.subject_of)
    return named.assign(**found, n_test=len(measured))


def score(predicted, measured, ceiling, generator, draws):
    """r, its interval, and r over the ceiling; NaN where the ceiling is zero."""
    r = statistics.correlation(predicted, measured)
    low, high = statistics.bootstrap_correlation(predicted, measured, generator, draws)
    ceiling = ceiling.to_numpy()
    ratio = np.divide(r, ceiling, out=np.full(len(r), np.nan), where=ceiling > 0)
    return {"r": r, "ci_low": low, "ci_high": high, "ceiling": ceiling, "r_over_ceiling": ratio}


if __name__ == "__main__":
    job.start(main, globals())
