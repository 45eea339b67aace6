"""How similar the leading axes of every two models are, image by image (rule compare_subspaces)."""

import itertools

import numpy as np
import pandas as pd

from codingaxes import job, permutations, spectra, statistics, subspaces, tables

ROUNDING = 1e-5  # of the largest eigenvalue: below it, and so beyond the rank of J, an axis is rounding


def main(run):
    """A pair of models is left missing for an image where an axis has not converged."""
    order = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "probe"])
    images = order.image_id[order.probe].to_list()
    attacks = {model_of(file): file for file in run.input["attacks"]}
    compared, averaged, profiles, aligned, dropped = [], [], [], [], 0
    for response, roi in run.track(spaces_of(run), unit="response and region"):
        bases, side = read_axes(run, response, roi, images), run.params["image_size"]
        for name, (basis, good) in bases.items():
            about = {"network": name, "response": response, "roi": roi}
            dropped += int((~good.all(axis=1)).sum())
            profiles.append(profile(masked(basis, good, basis.shape[1]), side).assign(**about))
            mine = None if roi == "all" else [("roi", "=", roi)]
            rows = tables.read(attacks[name], "perturbations", filters=mine)
            aligned.append(align(basis, good, rows, images, run.params["k"]).assign(response=response))
        for k in run.params["k"]:
            spans = {name: masked(*parts, k) for name, parts in bases.items() if parts[0].shape[1] >= k}
            mixed = {name: cross_spectrum(span, side) for name, span in spans.items()}
            for one, other in itertools.combinations(spans, 2):
                pair = {"network_i": one, "network_j": other, "response": response, "roi": roi, "k": k}
                values = pd.DataFrame({"image_id": images, **compare(spans[one], spans[other])})
                compared.append(values.assign(**pair))
                averaged.append(pair | average(run, pair, values, mixed[one], mixed[other]))
    job.log.info(
        f"{dropped} sets of axes have one that had not converged, or is zero; pairs are missing there"
    )
    made = {"similarity": compared, "profiles": profiles, "alignment": aligned}
    for name, frames in made.items():
        tables.write(run.output[name], name, pd.concat(frames, ignore_index=True))
    tables.write(run.output["similarity_means"], "similarity_means", pd.DataFrame(averaged))


def model_of(file):
    """The model whose attacks a file holds."""
    return tables.read(file, "perturbations", columns=["network"]).network.iloc[0]


def spaces_of(run):
    """Kinds of responses and regions that any model has axes of, in order."""
    columns = [tables.read(file, "jacobians", columns=["response", "roi"]) for file in run.input["jacobians"]]
    return list(dict.fromkeys(pd.concat(columns).itertuples(index=False, name=None)))


def read_axes(run, response, roi, images):
    """For each model: orthonormal axes (images, rank, pixels), and which are usable (images, rank)."""
    wanted, found = [("response", "=", response), ("roi", "=", roi)], {}
    for file in run.input["eigenvectors"]:
        rows = tables.read(file, "eigenvectors", filters=wanted)
        if rows.empty:
            continue
        rank = rows["rank"].max()
        rows = rows.set_index(["image_id", "rank"]).loc[[(i, r) for i in images for r in range(1, rank + 1)]]
        stored = tables.matrix(rows.vector).astype(np.float64).reshape(len(images), rank, -1)
        values = rows.eigenvalue.to_numpy().reshape(len(images), rank)
        good = rows.converged.to_numpy().reshape(len(images), rank) & (values > ROUNDING * values[:, :1])
        some = stored.any(axis=2).all(axis=1)
        basis = np.zeros_like(stored)
        basis[some] = subspaces.orthonormal(stored[some])
        basis *= np.sign((basis * stored).sum(axis=2))[..., None]  # a gradient keeps its direction
        found[rows.network.iloc[0]] = basis.astype(np.float32), good & some[:, None]
    return found


def masked(basis, good, k):
    """The first k axes (images, k, pixels), NaN where one of them is not usable; a view where all are."""
    usable = good[:, :k].all(axis=1)
    return basis[:, :k] if usable.all() else np.where(usable[:, None, None], basis[:, :k], np.float32(np.nan))


def whole(span):
    """The images (n, k, pixels) that have axes."""
    return span[~np.isnan(span[:, :, 0]).any(axis=1)].astype(np.float64)


def cross_spectrum(span, side):
    """The average spectrum of a model's axes, for the level of chance that shares it; None without any."""
    usable = whole(span)
    return spectra.cross_spectrum(usable, (3, side, side)) if len(usable) else None


def compare(one, other):
    """Columns of the similarity table for one pair of models: a value for each image."""
    k, size = one.shape[1:]
    matrix = subspaces.similarity_matrix(one, other).astype(np.float64).clip(None, 1)
    within, across = subspaces.within_and_across(matrix)
    known = ~np.isnan(within)
    angle = np.full(len(one), np.nan)
    angle[known] = subspaces.largest_angle(one[known], other[known])
    return {
        "similarity": within,
        "across_images": across,
        "projection_distance": np.sqrt(1 - within),
        "largest_angle": angle,
        "cosine": np.einsum("ni,ni->n", one[:, 0], other[:, 0]).astype(np.float64) if k == 1 else np.nan,
        "chance": subspaces.chance(k, size),
    }


def average(run, pair, values, one, other):
    """Means over images of one pair with their intervals, and the levels of chance."""
    params, seed = run.params, run.seed(*pair.values())
    rng, whole = np.random.default_rng(seed), values.dropna(subset=["similarity", "across_images"])
    found = {
        "n_images": len(whole),
        "chance": values.chance.iloc[0],
        "matched_chance": np.nan,
        "p_matched": np.nan,
    }
    for column, name in (("similarity", "similarity"), ("across_images", "across")):
        row = whole[column].to_numpy()[None]
        numbers = statistics.bootstrap_mean_ratio(row, np.ones_like(row), rng, params["bootstrap"])
        found |= zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True)
    if one is not None and other is not None:
        found["matched_chance"] = subspaces.matched_chance(one, other)
        if params["null_draws"]:
            null = subspaces.matched_null(one, other, params["null_draws"], rng)
            means = subspaces.null_of_mean(null, len(whole), 100 * params["null_draws"], rng)
            found["p_matched"] = permutations.p_value(found["similarity"], means)
    return found


def profile(span, side):
    """Radially averaged power of a model's axes: mean over axes and images, and SD over images."""
    usable = whole(span)
    if not len(usable):
        return pd.DataFrame()
    power = spectra.power_spectrum(usable.reshape(-1, 3, side, side)).reshape(*usable.shape[:2], side, side)
    frequency, share, _ = spectra.radial_profile(power.mean(axis=1))
    sd = share.std(axis=0, ddof=1) if len(share) > 1 else np.nan
    found = {"frequency": frequency, "share": share.mean(axis=0), "sd": sd, "n_images": len(usable)}
    return pd.DataFrame(found)


def align(basis, good, attacks, images, dimensions):
    """How much of a model's own attacks lies in the span of its k leading axes."""
    place = attacks.image_id.map({image: i for i, image in enumerate(images)}).to_numpy()
    delta = tables.matrix(attacks.delta).astype(np.float32)
    power = np.square(delta).sum(axis=1)
    inside = np.square(np.einsum("nki,ni->nk", basis[place], delta)).astype(np.float64)
    share = np.divide(inside, power[:, None], out=np.full(inside.shape, np.nan), where=power[:, None] > 0)
    share[~good[place]] = np.nan
    about = attacks[["attack", "network", "roi", "direction", "radius", "image_id"]]
    size, rank = basis.shape[2], basis.shape[1]
    return pd.concat(
        [
            about.assign(k=k, share=share[:, :k].sum(axis=1), chance=subspaces.chance(k, size))
            for k in dimensions
            if k <= rank
        ]
    )


if __name__ == "__main__":
    job.start(main, globals())
