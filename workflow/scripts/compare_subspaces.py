"""Compare the leading axes of every two models, image by image (rule compare_subspaces)."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.axes import spectra, subspaces
from codingaxes.estimates import bootstrap, permutations, undefined
from codingaxes.tables import compact, store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.axes import EIGENVECTORS, JACOBIANS, REMAINDERS
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.similarity import ALIGNMENT, PROFILES, SIMILARITY, SIMILARITY_MEANS

NO_IMAGE = "on no image have both models axes that converged"
# Of one image, with network_i or network_j in place of {}.
UNUSABLE = "{}: of its k leading axes one has not converged, or is rounding"
UNKNOWN_SHARE = "{}: shares of its sensitivity are unknown, as an axis has not converged or its trace is 0"
ALONE = "on no other image have both models axes that converged"
HELD = 4 * 2**30  # bytes of axes that are in memory together; reading one model takes four times its own
ROUNDING = 1e-5  # of the largest eigenvalue: below it, and so beyond the rank of J, an axis is rounding


def main(run):
    """Compare all pairs of one kind of responses and region at a time, a block of models with another.

    The axes of two blocks are in memory together (`HELD`), however many models there are. A killed job
    resumes at the kind of responses and region that it had reached.
    """
    stimuli = store.read(run.input["stimuli"], STIMULI, columns=["image_id", "probe"])
    images = stimuli.image_id[stimuli.probe].to_list()
    attacks = {model_of(file): file for file in run.input["attacks"]}
    spaces = spaces_of(run)
    shards = {table.name: run.shards(table) for table in (SIMILARITY, SIMILARITY_MEANS, PROFILES, ALIGNMENT)}
    left = job.unfinished(*((of_table, spaces) for of_table in shards.values()))
    for response, roi in run.track(left, unit="response and region"):
        for name, rows in compare_space(run, response, roi, images, attacks).items():
            shards[name].save((response, roi), rows)
    for name, of_table in shards.items():
        rows = joined((of_table.read(space) for space in spaces), of_table.table)
        store.write(run.output[name], of_table.table, rows)
    for of_table in shards.values():
        of_table.remove()


def compare_space(run, response, roi, images, attacks):
    """Compare all pairs of models for one kind of responses and region: rows of all tables, by name."""
    compared, profiles, alignments, dropped = [], [], [], 0
    for models, pairs, first in blocks_of_pairs(run, response, roi, images):
        for name in first:
            axes, about = models[name], {"network": name, "response": response, "roi": roi}
            dropped += int((~axes.usable.all(axis=1)).sum())
            profiles.append(profile(axes.leading(axes.basis.shape[1]), run).assign(**about))
            chosen = None if roi == "all" else [("roi", "=", roi)]
            rows = store.read(attacks[name], PERTURBATIONS, filters=chosen)
            alignments.append(align(axes, rows, images, run.params["k"]).assign(response=response))
        compared += compare_pairs(run, response, roi, models, pairs)
    if dropped:
        job.log.info(
            f"{response}, {roi}: {dropped} sets of axes have one that had not converged, or is zero; "
            "pairs are missing there"
        )
    compared = in_order(compared, list(attacks), run.params["k"])
    means = [pair | summary for pair, _, summary in compared]
    means = pd.DataFrame(means, columns=[name for name in SIMILARITY_MEANS.columns if name != "reason"])
    means["reason"] = undefined.of_estimate(means.similarity, means.similarity_low, NO_IMAGE)
    return {
        "similarity": image_by_image(compared, images),
        "similarity_means": means,
        "profiles": joined(profiles, PROFILES),
        "alignment": joined(alignments, ALIGNMENT),
    }


def image_by_image(compared, images):
    """Arrange the values of compared pairs as rows of the table similarity, without a frame for each pair."""
    if not compared:
        return joined([], SIMILARITY)
    pairs = pd.DataFrame([pair for pair, *_ in compared])
    rows = pairs.loc[pairs.index.repeat(len(images))].reset_index(drop=True)
    values = {
        name: np.concatenate([np.broadcast_to(of_pair[name], len(images)) for _, of_pair, _ in compared])
        for name in compared[0][1]
    }
    return rows.assign(image_id=images * len(pairs), **values)


def in_order(compared, names, dimensions):
    """Sort compared pairs by k and by the places of the two models, whatever blocks they were compared in."""

    def place(row):
        pair = row[0]
        models = names.index(pair["network_i"]), names.index(pair["network_j"])
        return dimensions.index(pair["k"]), *models

    return sorted(compared, key=place)


def blocks_of_pairs(run, response, roi, images):
    """Yield the axes of one or two blocks of models, the pairs to compare, and whose axes are there first.

    Yields
    ------
    models : dict of str to Axes
    pairs : list of (str, str)
        Every pair of models comes once; the first is the one that comes first in the study.
    first : list of str
        Every model comes once.
    """
    kinds = ("eigenvectors", "jacobians", "remainders")
    files = list(zip(*(run.input[kind] for kind in kinds), strict=True))
    sizes = [bytes_of(run, response, roi, *rows) for rows in files]
    sized = [(rows, size) for rows, size in zip(files, sizes, strict=True) if size]
    blocks = compact.gather(sized, HELD // 2)
    for place, block in enumerate(blocks):
        models = read_axes(block, response, roi, images)
        yield models, list(itertools.combinations(models, 2)), list(models)
        for later in blocks[place + 1 :]:
            others = read_axes(later, response, roi, images)
            yield models | others, list(itertools.product(models, others)), []


def bytes_of(run, response, roi, eigenvectors, jacobians, remainders):
    """Compute the memory that the axes of one model take, see `Axes`; 0 where it has none."""
    chosen = [("response", "=", response), ("roi", "=", roi)]
    axes = len(store.read(eigenvectors, EIGENVECTORS, ["rank"], chosen))
    rest = len(store.read(remainders, REMAINDERS, ["draw"], chosen))
    return (2 * axes + rest * (axes > 0)) * 3 * run.params["image_size"] ** 2 * np.dtype(np.float32).itemsize


def joined(frames, table):
    """Join frames into one; without any, as of a single model, which is in no pair, an empty one."""
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(table.columns))


def model_of(file):
    """Read the name of the model whose attacks a file holds."""
    return store.read(file, PERTURBATIONS, columns=["network"]).network.iloc[0]


def spaces_of(run):
    """List the kinds of responses and regions that any model has axes of, in order."""
    columns = [store.read(file, JACOBIANS, columns=["response", "roi"]) for file in run.input["jacobians"]]
    return list(dict.fromkeys(pd.concat(columns).itertuples(index=False, name=None)))


@dataclass(frozen=True)
class Axes:
    """Hold the axes of one model, kind of responses and region, on all images."""

    basis: np.ndarray  # (images, rank, pixels) float32, orthonormal rows
    usable: np.ndarray  # (images, rank) bool
    shares: np.ndarray  # (images, rank) float64, of the trace; NaN where an axis has not converged
    rows: np.ndarray  # (images, rank + sketches, pixels) float32, see `read_axes`; NaN in the same images

    def leading(self, k):
        """Take the first k axes (images, k, pixels); NaN where one of them is not usable."""
        whole = self.usable[:, :k].all(axis=1)
        chosen = self.basis[:, :k]
        return chosen if whole.all() else np.where(whole[:, None, None], chosen, np.float32(np.nan))


def read_axes(files, response, roi, images):
    """Read the axes of some models, and rows that say how much of a model's trace lies in any subspace.

    Those rows are the axes times the roots of their shares, and the sketches of the rest. The share of a
    subspace in the trace of JᵀJ is the squared size of the rows inside it (`subspaces.captured`): exact for
    what lies in the axes, and without bias for the rest.

    Parameters
    ----------
    files : list of (eigenvectors, jacobians, remainders)
        Of models that have axes of this kind.
    response, roi : str
    images : list of str
    """
    chosen, models = [("response", "=", response), ("roi", "=", roi)], {}
    for file, sizes, remainders in files:
        stored = store.read(file, EIGENVECTORS, filters=chosen)
        rank = stored["rank"].max()
        stored = stored.set_index(["image_id", "rank"])
        stored = stored.loc[[(image, r) for image in images for r in range(1, rank + 1)]]
        vectors = store.matrix(stored.vector).astype(np.float64).reshape(len(images), rank, -1)
        values = stored.eigenvalue.to_numpy().reshape(len(images), rank)
        converged = stored.converged.to_numpy().reshape(len(images), rank)
        some = vectors.any(axis=2).all(axis=1)
        basis = np.zeros_like(vectors)
        basis[some] = subspaces.orthonormal(vectors[some])
        basis *= np.sign((basis * vectors).sum(axis=2))[..., None]  # a gradient keeps its direction
        usable = converged & (values > ROUNDING * values[:, :1]) & some[:, None]
        trace = store.read(sizes, JACOBIANS, filters=chosen).set_index("image_id").trace[images].to_numpy()
        known = (trace > 0) & converged.all(axis=1)
        trace = np.where(known, trace, np.nan)[:, None]
        rest = sketches(store.read(remainders, REMAINDERS, filters=chosen), images, vectors.shape[2])
        rows = np.concatenate([basis * np.sqrt(values)[..., None], rest], axis=1) / np.sqrt(trace)[..., None]
        name = stored.network.iloc[0]
        models[name] = Axes(basis.astype(np.float32), usable, values / trace, rows.astype(np.float32))
    return models


def sketches(remainders, images, size):
    """Arrange the sketches of one model by image: (images, sketches, pixels)."""
    if remainders.empty:
        return np.zeros((len(images), 0, size))
    remainders = remainders.sort_values("draw").set_index("image_id").loc[images]
    vectors = store.matrix(remainders.vector).astype(np.float64) * remainders.length.to_numpy()[:, None]
    return vectors.reshape(len(images), -1, size)


def present(span):
    """Take the images (n, k, pixels) that have axes."""
    return span[~np.isnan(span[:, :, 0]).any(axis=1)].astype(np.float64)


def compare_pairs(run, response, roi, models, pairs):
    """Yield, for every k and pair of models, its names, its values for each image, and its means."""
    shares = {}  # of the second model's trace in the first's leading axes, (images, rank)
    for one, other in [*pairs, *((other, one) for one, other in pairs)]:
        shares[one, other] = subspaces.captured(models[one].basis, models[other].rows)
    for k in run.params["k"]:
        spans = {name: axes.leading(k) for name, axes in models.items() if axes.basis.shape[1] >= k}
        mixed = {name: cross_spectrum(span, run) for name, span in spans.items()}
        own = {name: models[name].shares[:, :k].sum(axis=1) for name in spans}
        missing = {name: ~models[name].usable[:, :k].all(axis=1) for name in spans}
        nulls = draw_nulls(run, response, roi, k, mixed, pairs)
        for one, other in pairs:
            if one not in spans or other not in spans:
                continue
            pair = {"network_i": one, "network_j": other, "response": response, "roi": roi, "k": k}
            values = compare(spans[one], spans[other]) | {
                "captured_ij": np.where(missing[one], np.nan, shares[one, other][:, k - 1]),
                "captured_ji": np.where(missing[other], np.nan, shares[other, one][:, k - 1]),
                "own_i": own[one],
                "own_j": own[other],
            }
            values["reason"] = reasons(values, missing[one], missing[other])
            null = nulls.get((one, other))
            yield pair, values, average(run, pair, values, mixed[one], mixed[other], null)


def draw_nulls(run, response, roi, k, mixed, pairs):
    """Draw the null of similarity of every pair whose models both have axes.

    Random numbers belong to a model, so that no value depends on the blocks that models are read in.

    Parameters
    ----------
    run : job.Run
    response, roi : str
    k : int
    mixed : dict of str to CrossSpectrum or None
        Of `cross_spectrum`.
    pairs : list of (str, str)

    Returns
    -------
    dict of (str, str) to array (null_draws,)
        Empty if there are to be no draws.
    """
    if not run.params["null_draws"]:
        return {}
    drawn = [pair for pair in pairs if all(mixed.get(name) is not None for name in pair)]
    rngs = {name: np.random.default_rng(run.seed(name, response, roi, k)) for name in mixed}
    nulls = subspaces.matched_nulls(mixed, drawn, run.params["null_draws"], rngs)
    return dict(zip(drawn, nulls, strict=True))


def reasons(values, missing_i, missing_j):
    """Say of each image why values of a pair are missing.

    Parameters
    ----------
    values : dict
        Columns of the table similarity, (images,) each.
    missing_i, missing_j : arrays of bool (images,)
        Whether the k leading axes of a model are not usable.
    """
    usable = ~(missing_i | missing_j)
    conditions = {UNUSABLE.format("network_i"): missing_i, UNUSABLE.format("network_j"): missing_j}
    conditions |= {
        UNKNOWN_SHARE.format(f"network_{place}"): np.isnan(values[f"own_{place}"]) for place in ("i", "j")
    }
    return undefined.say(conditions | {ALONE: usable & np.isnan(values["across_images"])})


def cross_spectrum(span, run):
    """Average the spectrum of a model's axes, for the level of chance that shares it; None without any."""
    axes, side = present(span), run.params["image_size"]
    return spectra.cross_spectrum(axes, (3, side, side)) if len(axes) else None


def compare(one, other):
    """Compute columns of the table similarity for one pair of models: a value for each image."""
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


def average(run, pair, values, one, other, null):
    """Average the values of one pair over images, with intervals, and compute the levels of chance.

    Those need the spectra of both models, None where one has no axes; p needs the draws of `draw_nulls` too.
    """
    params, rng = run.params, np.random.default_rng(run.seed(*pair.values()))
    known = pd.DataFrame({name: values[name] for name in ("similarity", "across_images")}).dropna()
    means = {
        "n_images": len(known),
        "chance": values["chance"],
        "matched_chance": np.nan,
        "p_matched": np.nan,
        "own_i": pd.Series(values["own_i"]).mean(),
        "own_j": pd.Series(values["own_j"]).mean(),
    }
    for column, name in (("similarity", "similarity"), ("across_images", "across")):
        means |= interval(known[column], name, rng, params["bootstrap"])
    for name in ("captured_ij", "captured_ji"):
        means |= interval(pd.Series(values[name]).dropna(), name, rng, params["bootstrap"])
    if one is not None and other is not None:
        means["matched_chance"] = subspaces.matched_chance(one, other)
        if null is not None and len(known):
            null_means = subspaces.null_of_mean(null, len(known), 100 * len(null), rng)
            means["p_matched"] = permutations.p_value(means["similarity"], null_means)
    return means


def interval(column, name, rng, draws):
    """Average a column over images, with its interval."""
    row = column.to_numpy()[None]
    numbers = bootstrap.bootstrap_mean_ratio(row, np.ones_like(row), rng, draws)
    return dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))


def profile(span, run):
    """Average the radial power of a model's axes over axes and images, with its SD over images."""
    axes, side = present(span), run.params["image_size"]
    if not len(axes):
        return pd.DataFrame()
    power = spectra.power_spectrum(axes.reshape(-1, 3, side, side)).reshape(*axes.shape[:2], side, side)
    frequency, share = spectra.radial_profile(power.mean(axis=1))
    sd = share.std(axis=0, ddof=1) if len(share) > 1 else np.nan
    columns = {"frequency": frequency, "share": share.mean(axis=0), "sd": sd, "n_images": len(axes)}
    return pd.DataFrame(columns)


def align(axes, attacks, images, dimensions):
    """Compute how much of a model's own attacks lies in the span of its k leading axes."""
    place = attacks.image_id.map({image: i for i, image in enumerate(images)}).to_numpy()
    delta = store.matrix(attacks.delta).astype(np.float32)
    power = np.square(delta).sum(axis=1)
    inside = np.square(np.einsum("nki,ni->nk", axes.basis[place], delta)).astype(np.float64)
    share = np.divide(inside, power[:, None], out=np.full(inside.shape, np.nan), where=power[:, None] > 0)
    share[~axes.usable[place]] = np.nan
    about = attacks[["attack", "network", "roi", "direction", "radius", "image_id"]]
    rank, size = axes.basis.shape[1:]
    return pd.concat(
        [
            about.assign(k=k, share=share[:, :k].sum(axis=1), chance=subspaces.chance(k, size))
            for k in dimensions
            if k <= rank
        ]
    )


if __name__ == "__main__":
    job.start(main, globals())
