"""Summarise what the perturbations of each model do to every model (rule summarise_transfer)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import asymmetry, bootstrap, measures, undefined
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import CHANGES, FIXED_EFFECT, TRANSFER_ASYMMETRY, TRANSFERS
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.similarity import SIMILARITY
from codingaxes.tables.transfer import TRANSFER

# The white noise that an attack is compared with: of the same norm and size.
NOISE_OF = {
    "l2": "random",
    "l2_pgd": "random",
    "l2_apgd": "random",
    "linf": "random_linf",
    "l2_large": "random_large",
    "l2_effect": "random_effect",
}
ATTACK_OF = {"random": "l2", "random_linf": "linf", "random_large": "l2_large"}  # that noise is compared with
IN_L2 = ("l2", "l2_pgd", "l2_apgd", "random")  # attacks and noise that may have the main radius
COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "wanted", "draw", "image_id"]
COLUMNS += ["size", "reached", "change_source", "change_target"]
SETTING = ["attack", "radius", "wanted"]
PAIR = ["roi", "source", "target"]
PLACE = ["target", "roi", "image_id"]
KIND = ["family_source", "family_target", "architectures"]
# Measures that are ratios of means: column of the table, and the changes above and below.
RATIOS = {
    "change": ("change", "one"),
    "of_target": ("change", "target_own"),
    "sensitivity_ratio": ("target_own", "own"),
    "of_source": ("change", "own"),
}
# The own change that a ratio is divided by, and why a ratio is missing where that is rounding.
DIVIDED_BY = {
    "of_target": ("own_target", undefined.TARGET_UNMOVED),
    "sensitivity_ratio": ("own_source", undefined.SOURCE_UNMOVED),
    "of_source": ("own_source", undefined.SOURCE_UNMOVED),
}
OF_EFFECT = {"change": ("change", "one"), "of_target": ("both", "target_own")}
COSINE = ("cosine", "cosine_low", "cosine_high")
NO_ASYMMETRY = "no pair of networks moves each other both ways, or all are equally sensitive"
# Perturbations of the table changes, and the words that their draws are seeded with.
SEEDS = {"own": "own", "transferred": "other networks", "noise": "random noise"}


def main(run):
    """Sum over directions, draws and regions first; resample images, the same for all pairs."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    files = [*run.input["perturbations"], *run.input["variants"]]
    transfer = store.read(files, TRANSFER, COLUMNS)
    transfer["change"] = measures.attacked_change(transfer.change_target, transfer.direction)
    transfer["own"] = measures.attacked_change(transfer.change_source, transfer.direction)
    settings, parts, effects = dict(list(transfer.groupby(SETTING))), [], []
    for (attack, radius, wanted), rows in run.track(list(settings.items()), unit="attack"):
        rng = np.random.default_rng(run.seed())  # the same, so that all attacks share resampled images
        if attack in NOISE_OF:
            rows = attacks(rows, settings.get((NOISE_OF[attack], radius, wanted)))
        elif attack in ATTACK_OF:
            rows = noise(rows, settings.get((ATTACK_OF[attack], radius, wanted)))
        else:
            continue
        means = summarise(rows, rng, run.params["bootstrap"])
        parts.append(means.assign(attack=attack, radius=radius, wanted=wanted))
        if wanted:
            effects += [row | {"wanted": wanted} for row in fixed_effect(rows, means, networks, run)]
    means = pd.concat(parts, ignore_index=True).join(gradient_cosines(run), on=PAIR, validate="many_to_one")
    table = describe(means, networks, measures.main_radius(transfer))
    store.write(run.output["transfers"], TRANSFERS, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    store.write(run.output["changes"], CHANGES, changes(transfer, list(networks.index), run))
    effects = pd.DataFrame(effects, columns=list(FIXED_EFFECT.columns))
    effects["reason"] = undefined.of_estimate(effects.change, effects.change_low, undefined.NOT_REACHED)
    store.write(run.output["fixed_effect"], FIXED_EFFECT, effects)
    rows = pd.DataFrame(asymmetries(table, list(networks.index)), columns=list(TRANSFER_ASYMMETRY.columns))
    rows["reason"] = undefined.say({NO_ASYMMETRY: rows.slope.isna()})
    store.write(run.output["transfer_asymmetry"], TRANSFER_ASYMMETRY, rows)


def attacks(rows, white):
    """Join to each attack what the target's own attack and noise of its size do in the same place.

    Where an effect was wanted and not reached, the row does not count, nor does the target's own attack.
    """
    rows = rows.assign(counted=rows.reached | (rows.wanted == 0))
    key = [*PLACE, "direction"]
    own = rows[(rows.source == rows.target) & rows.counted].set_index(key).change.rename("target_own")
    rows = rows.join(own, on=key, validate="many_to_one")
    if white is None:
        return rows.assign(noise=np.nan)
    # noise of the size of a wanted effect is that of a source, all other noise belongs to no model
    key = [*PLACE, "source"] if (rows.wanted > 0).any() else PLACE
    sizes = white.change.abs().groupby([white[name] for name in key]).mean().rename("noise")
    return rows.join(sizes, on=key, validate="many_to_one")


def noise(rows, attacked):
    """Treat white noise as an attack: absolute changes, and the mean of the target's own attacks."""
    rows = rows.assign(own=np.nan, counted=True, noise=rows.change)
    if attacked is None:
        return rows.assign(target_own=np.nan)
    own = attacked[attacked.source == attacked.target]
    own = own.groupby(PLACE).change.mean().rename("target_own")
    return rows.join(own, on=PLACE, validate="many_to_one")


def summarise(rows, rng, draws):
    """Give one row for each region, and all, source and target, of the rows of one attack.

    Parameters
    ----------
    rows : DataFrame
        `change` of the target, `own` of the source, `target_own` by the target's own attack, and `noise`,
        which may each be missing; only rows that are `counted` enter means, and the share that is `reached`.
    rng : numpy.random.Generator
    draws : int
        Of the bootstrap over images.
    """
    rows = pd.concat([rows, rows.assign(roi="all")], ignore_index=True).assign(one=1.0)
    # regions as they come in the tables, not by their names
    rows["roi"] = pd.Categorical(rows.roi, dict.fromkeys(rows.roi))
    groups = rows.groupby(PAIR, observed=True)
    table = groups.reached.mean().to_frame()
    pair, image = groups.ngroup().to_numpy(), pd.factorize(rows.image_id, sort=True)
    shape = len(table), len(image[1])
    counted = rows.counted.to_numpy()

    def sums(values, where):
        """Sum values over all but pairs and images: (pairs, images), 0 where there is none."""
        cell = (pair * shape[1] + image[0])[where]
        return np.bincount(cell, values.to_numpy()[where], shape[0] * shape[1]).reshape(shape)

    counts = bootstrap.draw_counts(shape[1], rng, draws).astype(float)
    for name, (above, below) in RATIOS.items():
        where = counted & rows[above].notna().to_numpy() & rows[below].notna().to_numpy()
        estimate = bootstrap.bootstrap_ratios(sums(rows[above], where), sums(rows[below], where), counts)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = estimate
    means = {"noise": "noise", "size": "size", "own_source": "own", "own_target": "target_own"}
    for name, column in means.items():
        where = counted & rows[column].notna().to_numpy()
        total, number = (sums(rows[what], where).sum(axis=1) for what in (column, "one"))
        table[name] = bootstrap.ratio(total, number)
    table["n_images"] = (sums(rows.one, counted) > 0).sum(axis=1)
    return without_unmoved(table.reset_index())


def without_unmoved(table):
    """Take away ratios to own changes that are rounding, and say why values are missing."""
    reasons = undefined.of_estimate(table.change, table.change_low, undefined.NOT_REACHED)
    for name, (own, reason) in DIVIDED_BY.items():
        unmoved = table[own].notna() & ~undefined.moves(table[own])
        table.loc[unmoved, [name, f"{name}_low", f"{name}_high"]] = np.nan
        reasons = undefined.join(reasons, undefined.say({reason: unmoved}))
    return table.assign(roi=table.roi.astype("str"), reason=reasons)


def gradient_cosines(run):
    """Average the cosine of the gradients of every two models over images, with its interval.

    A study of a single model has no pair, and so no row.
    """
    columns = ["network_i", "network_j", "response", "roi", "k", "image_id", "cosine"]
    pairs = store.read(run.input["similarity"], SIMILARITY, columns, [("response", "=", GROUP)])
    pairs = pairs.dropna(subset=["cosine"])
    one = pairs.rename(columns={"network_i": "source", "network_j": "target"})
    other = pairs.rename(columns={"network_j": "source", "network_i": "target"})
    pairs = pd.concat([one, other], ignore_index=True)
    pairs = pd.concat([pairs, pairs.assign(roi="all")], ignore_index=True)
    if pairs.empty:
        return pd.DataFrame(columns=list(COSINE), index=pd.MultiIndex.from_frame(pairs[PAIR]), dtype=float)
    cells = pairs.groupby([*PAIR, "image_id"]).cosine.agg(["sum", "count"]).unstack("image_id").fillna(0.0)
    rng = np.random.default_rng(run.seed())
    counts = bootstrap.draw_counts(cells["sum"].shape[1], rng, run.params["bootstrap"]).astype(float)
    estimate = bootstrap.bootstrap_ratios(cells["sum"].to_numpy(), cells["count"].to_numpy(), counts)
    return pd.DataFrame(dict(zip(COSINE, estimate, strict=True)), index=cells.index)


def fixed_effect(rows, means, networks, run):
    """Yield, for each region and kind of pair, what attacks with one wanted effect do to other models.

    Parameters
    ----------
    rows : DataFrame
        From `attacks`.
    means : DataFrame
        From `summarise`, of the same rows.
    networks : DataFrame
        The table networks, indexed by network.
    run : job.Run
    """
    rows = rows[(rows.source != rows.target) & rows.source.isin(networks.index)]
    means = means[(means.source != means.target) & means.source.isin(networks.index)]
    images = np.unique(rows.image_id)
    rng = np.random.default_rng(run.seed())
    counts = bootstrap.draw_counts(len(images), rng, run.params["bootstrap"]).astype(float)
    counted = rows[rows.counted]
    both = counted.change.where(counted.target_own.notna())
    counted = counted.assign(one=1.0, both=both, target_own=counted.target_own.where(both.notna()))
    cells = counted.groupby([*PAIR, "image_id"])[["change", "one", "both", "target_own"]].sum()
    cells = {name: cells[name].unstack("image_id").reindex(columns=images).fillna(0.0) for name in cells}
    for roi in ["all", *dict.fromkeys(rows.roi)]:
        part = means[means.roi == roi] if roi != "all" else means[means.roi != "all"]
        for kind, pairs in kinds_of_targets(part, networks):
            index = pd.MultiIndex.from_frame(pairs[PAIR])
            values = {name: cell.reindex(index).fillna(0.0).to_numpy() for name, cell in cells.items()}
            row = {"roi": roi, **dict(zip(KIND, kind, strict=True)), "n_images": len(images)}
            for name, (above, below) in OF_EFFECT.items():
                estimate = mean_over_pairs(values[above], values[below], counts)
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))
            yield row | least(pairs)


def kinds_of_targets(pairs, networks):
    """Yield kinds of pairs, and for each family of sources the pairs with every other model."""
    yield from measures.kinds_of_pairs(pairs, "source", "target", networks)
    family = pairs.source.map(networks.family)
    for name in dict.fromkeys(networks.family):
        if (family == name).any():
            yield (name, "all", "any"), pairs[family == name]


def mean_over_pairs(above, below, counts):
    """Average over pairs a ratio of sums over images (pairs, images), with its interval over images.

    Pairs without a value are left out, and samples in which another pair has none.
    """
    estimates = bootstrap.ratio(above.sum(axis=1), below.sum(axis=1))
    known = np.isfinite(estimates)
    if not known.any():
        return np.nan, np.nan, np.nan
    samples = bootstrap.ratio(counts @ above[known].T, counts @ below[known].T).mean(axis=1)
    return float(estimates[known].mean()), *map(float, bootstrap.percentiles(samples))


def least(pairs):
    """Find the pair in which the target is moved least, and count the pairs that are moved at all."""
    known = pairs[pairs.change.notna()]
    row = {"least_change": np.nan, "least_low": np.nan, "least_high": np.nan, "moved": np.nan}
    row |= {"least_source": "", "least_target": "", "least_of_target": known.of_target.min()}
    if len(known):
        smallest = known.loc[known.change.idxmin()]
        row["least_change"], row["moved"] = smallest.change, (known.change_low > known.noise).mean()
        row["least_low"], row["least_high"] = smallest.change_low, smallest.change_high
        row["least_source"], row["least_target"] = smallest.source, smallest.target
    row |= {"noise": known.noise.mean(), "reached": pairs.reached.mean()}
    return row | {"n_pairs": len(pairs), "n_left_out": len(pairs) - len(known)}


def asymmetries(transfers, names):
    """Yield, for each region and for all, what the asymmetry of transfer between networks follows."""
    rows = transfers[(transfers.attack == measures.MAIN) & transfers.main_radius & (transfers.roi != "all")]
    rows = rows[rows.source.isin(names) & rows.target.isin(names)].set_index(PAIR)
    places = [(rows.index.get_level_values(name)).map(names.index) for name in ("source", "target")]
    there = rows[places[0] < places[1]]
    back = rows.loc[[(roi, target, source) for roi, source, target in there.index]]
    for roi in ["all", *dict.fromkeys(there.index.get_level_values("roi"))]:
        chosen = (there.index.get_level_values("roi") == roi) | (roi == "all")
        values = there.of_source[chosen], back.of_source[chosen], there.sensitivity_ratio[chosen]
        slope, r_squared, n = asymmetry.transfer_asymmetry(*(column.to_numpy() for column in values))
        row = {"roi": roi, "slope": slope, "r_squared": r_squared, "n_pairs": n}
        yield row | {"n_left_out": int(chosen.sum()) - n, "radius": rows.radius.iloc[0]}


def describe(transfers, networks, main_radius):
    """Add what kind of pair each source and target are, and whether a radius is the main one."""
    pairs = measures.describe_pairs(transfers.source, transfers.target, networks)
    transfers = transfers.assign(
        family_source=pairs.family_one,
        family_target=pairs.family_other,
        architectures=pairs.architectures,
        main_radius=transfers.attack.isin(IN_L2) & np.isclose(transfers.radius, main_radius),
    )
    return transfers[list(TRANSFERS.columns)]


def changes(transfer, names, run):
    """Average over images what attacks do to their network and to others, and noise to it, with intervals.

    Directions, draws and targets are averaged first. The simulated brain is neither source nor target.
    """
    transfer = transfer[transfer.attack.isin(["l2", "random"]) & transfer.target.isin(names)]
    networks, drawn = transfer[transfer.source.isin(names)], transfer[transfer.source == NOISE]
    own = networks[networks.source == networks.target]
    other = networks[networks.source != networks.target]
    parts = [
        own.assign(network=own.source, perturbation="own"),
        other.assign(network=other.source, perturbation="transferred"),
        drawn.assign(network=drawn.target, perturbation="noise"),
    ]
    keys = ["roi", "radius", "network", "perturbation"]
    images = measures.image_means(pd.concat(parts), "change", keys)
    rows = []
    for (*place, kind), part in images.groupby(keys, sort=False):
        change = part.change.to_numpy()[None]
        # drawn under the name of the rule that once did this: another name would draw other images
        seed = run.seed(*map(str, [*place, SEEDS[kind]]), rule="plot_attack_effects")
        rng, ones = np.random.default_rng(seed), np.ones_like(change)
        mean, low, high = bootstrap.bootstrap_mean_ratio(change, ones, rng, run.params["bootstrap"])
        rows.append([*place, kind, mean, low, high, change.shape[1]])
    table = pd.DataFrame(rows, columns=[*keys, "change", "ci_low", "ci_high", "n_images"])
    table["reason"] = undefined.of_estimate(table.change, table.ci_low)
    return table[list(CHANGES.columns)]


if __name__ == "__main__":
    job.start(main, globals())
