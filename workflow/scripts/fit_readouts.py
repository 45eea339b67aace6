"""Ridge readouts of one network, and their scores on held-out images (rule fit_readouts)."""

import numpy as np
import pandas as pd

from codingaxes import job, readouts, statistics, tables


def main(run):
    """Penalties and layers are chosen inside the training images; test images only give the scores."""
    network = run.wildcards["network"]
    stimuli = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "split"])
    train = (stimuli.split == "train").to_numpy()
    features = tables.read(run.input["features"], "features")
    layers = {
        layer: tables.matrix(rows.set_index("image_id").feature[stimuli.image_id])
        for layer, rows in features.groupby("layer", sort=False)
    }
    fitted, scores, predictions, chosen = [], [], [], []
    for roi, (about, responses) in collect_targets(run, stimuli).items():
        group = [np.flatnonzero((about.subject == tables.GROUP) & (about.target == "mean"))[0]]
        errors = {
            layer: readouts.fit(values[train], responses[train][:, group], run.params["alphas"]).error[0]
            for layer, values in layers.items()
        }
        best = min(errors, key=errors.get)
        chosen += [{"network": network, "roi": roi, "layer": layer, "error": error, "chosen": layer == best}
                   for layer, error in errors.items()]  # fmt: skip
        readout = readouts.fit(layers[best][train], responses[train], run.params["alphas"])
        job.log.info(
            f"{roi}: layer {best}, {len(about)} targets, {readout.at_edge.sum()} penalties at an edge"
        )
        keys = about[["subject", "roi", "target"]].assign(network=network)
        part = keys.assign(
            layer=best, alpha=readout.alpha, alpha_at_edge=readout.at_edge, intercept=readout.intercept
        )
        part["weight"] = list(readout.weight.astype(np.float32))
        fitted.append(part)
        predicted, measured = readout.predict(layers[best][~train]), responses[~train]
        rng = np.random.default_rng(run.seed(roi))
        scores.append(keys.assign(**score(predicted, measured, about.ceiling, rng, run.params["bootstrap"]),
                                  n_train=train.sum(), n_test=(~train).sum()))  # fmt: skip
        predictions += [
            pd.DataFrame(
                {
                    **keys.iloc[i][["network", "subject", "roi"]],
                    "image_id": stimuli.image_id[~train],
                    "measured": measured[:, i],
                    "predicted": predicted[:, i],
                }
            )
            for i in np.flatnonzero(about.target == "mean")
        ]
    for name, rows in {"readouts": fitted, "scores": scores, "predictions": predictions}.items():
        tables.write(run.output[name], name, pd.concat(rows, ignore_index=True))
    tables.write(run.output["layer_scores"], "layer_scores", pd.DataFrame(chosen))


def collect_targets(run, stimuli):
    """For each region: a frame of targets (subject, roi, target, ceiling) and responses (images, targets)."""
    voxels = tables.read(run.input["voxels"], "voxels")
    responses = tables.read(run.input["responses"], "responses")
    means = tables.read(run.input["targets"], "targets")
    measured = tables.read(run.input["measurements"], "measurements")
    found = {}
    for roi in dict.fromkeys(voxels.roi):
        about, values = [], []
        for target in means[means.roi == roi].itertuples():
            about.append({"subject": target.subject, "roi": roi, "target": "mean", "ceiling": target.ceiling})
            mine = measured[(measured.subject == target.subject) & (measured.roi == roi)]
            values.append(mine.set_index("image_id").value[stimuli.image_id].to_numpy()[:, None])
        for subject, mine in voxels[voxels.roi == roi].groupby("subject", sort=False):
            about += [
                {
                    "subject": subject,
                    "roi": roi,
                    "target": str(voxel.voxel_id),
                    "ceiling": voxel.noise_ceiling**0.5,
                }
                for voxel in mine.itertuples()
            ]
            rows = responses[responses.subject == subject].set_index("image_id").response[stimuli.image_id]
            values.append(tables.matrix(rows)[:, mine.voxel_id])
        found[roi] = pd.DataFrame(about), np.concatenate(values, axis=1)
    return found


def score(predicted, measured, ceiling, rng, draws):
    """r, its interval, and r over the ceiling; NaN where the ceiling is zero."""
    r = statistics.correlation(predicted, measured)
    low, high = statistics.bootstrap_correlation(predicted, measured, rng, draws)
    ceiling = ceiling.to_numpy()
    ratio = np.divide(r, ceiling, out=np.full(len(r), np.nan), where=ceiling > 0)
    return {"r": r, "ci_low": low, "ci_high": high, "ceiling": ceiling, "r_over_ceiling": ratio}


if __name__ == "__main__":
    job.start(main, globals())
