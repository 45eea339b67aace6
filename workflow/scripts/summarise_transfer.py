"""Summarise what the perturbations of each model do to every model (rule summarise_transfer)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import asymmetry, bootstrap, fixed_effect, measures, undefined
from codingaxes.estimates.fixed_effect import PAIR
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import compact, store
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
PLACE = ["target", "roi", "image_id"]
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
COSINE = ("cosine", "cosine_low", "cosine_high")
NO_ASYMMETRY = "no pair of networks moves each other both ways, or all are equally sensitive"
# Perturbations of the table changes, and the words that their draws are seeded with.
SEEDS = {"own": "own", "transferred": "other networks", "noise": "random noise"}


def main(run):
    """Sum over directions, draws and regions first; resample images, the same for all pairs.

    The pairs of some files are in memory at a time (`compact.blocks`). Of all pairs together there are only
    what they are compared with (own attacks, and white noise that belongs to no model), sums over images of
    wanted effects, main attacks between networks as numbers, and means.
    """
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    files = [*run.input["perturbations"], *run.input["variants"]]
    shared, regions, images = survey(files)
    references = {setting: reference(setting, shared) for setting in images}
    counts = {setting: draw_counts(run, len(names)) for setting, names in images.items()}
    every = np.unique(np.concatenate(list(images.values())))
    parts, effects, transferred = {setting: [] for setting in images}, {}, []
    for block in run.track(compact.blocks(files), unit="block of files"):
        transfer = with_changes(store.read(block, TRANSFER, COLUMNS))
        transferred.append(between_networks(transfer, list(networks.index), regions, every))
        settings = dict(list(transfer.groupby(SETTING)))
        for setting, rows in settings.items():
            rows = compared(setting, rows, settings, *references[setting])
            if rows is None:
                continue
            parts[setting].append(summarise(rows, regions, images[setting], counts[setting]))
            if setting[2]:
                effects.setdefault(setting[2], []).append(fixed_effect.sums(rows, networks))
    means = {setting: in_order(tables, regions) for setting, tables in parts.items() if tables}
    named = [table.assign(**dict(zip(SETTING, setting, strict=True))) for setting, table in means.items()]
    named = pd.concat(named, ignore_index=True).join(gradient_cosines(run), on=PAIR, validate="many_to_one")
    table = describe(named, networks, measures.main_radius(shared))
    store.write(run.output["transfers"], TRANSFERS, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    transferred = pd.concat(transferred, ignore_index=True)
    store.write(run.output["changes"], CHANGES, changes(shared, transferred, list(networks.index), run))
    effects = pd.DataFrame(effects_of(effects, means, networks, run), columns=list(FIXED_EFFECT.columns))
    effects["reason"] = undefined.of_estimate(effects.change, effects.change_low, undefined.NOT_REACHED)
    store.write(run.output["fixed_effect"], FIXED_EFFECT, effects)
    rows = pd.DataFrame(asymmetries(table, list(networks.index)), columns=list(TRANSFER_ASYMMETRY.columns))
    rows["reason"] = undefined.say({NO_ASYMMETRY: rows.slope.isna()})
    store.write(run.output["transfer_asymmetry"], TRANSFER_ASYMMETRY, rows)


def with_changes(transfer):
    """Add the changes of target and source in the attacked direction."""
    return transfer.assign(
        change=measures.attacked_change(transfer.change_target, transfer.direction),
        own=measures.attacked_change(transfer.change_source, transfer.direction),
    )


def draw_counts(run, images):
    """Draw how often each image is in each sample: the same of all attacks on as many images."""
    return bootstrap.draw_counts(images, np.random.default_rng(run.seed()), run.params["bootstrap"]).astype(
        float
    )


def survey(files):
    """Read what all pairs share: rows that others are compared with, the regions, and images by setting.

    Returns
    -------
    shared : DataFrame
        Attacks on the model itself, and white noise that belongs to no model.
    regions : list of str
        In the order of the tables.
    images : dict, setting -> array of str
        Sorted, as the settings are.
    """
    shared, places = [], []
    for block in compact.blocks(files):
        rows = store.read(block, TRANSFER, COLUMNS)
        shared.append(with_changes(rows[(rows.source == rows.target) | (rows.source == NOISE)]))
        places.append(rows[[*SETTING, "roi", "image_id"]].drop_duplicates())
    places = pd.concat(places, ignore_index=True)
    images = {setting: np.unique(part.image_id) for setting, part in places.groupby(SETTING)}
    return pd.concat(shared, ignore_index=True), list(dict.fromkeys(places.roi)), images


def reference(setting, shared):
    """Take from `survey` what the rows of a setting are compared with: own attacks, and the size of noise.

    Returns
    -------
    own : Series or None
        Change of each target by its own attack: of an attack by place and direction, of noise by place.
    white : Series or None
        Of an attack, the mean size of the change by noise that belongs to no model, by place.
    """
    attack, radius, wanted = setting
    named = NOISE_OF if attack in NOISE_OF else ATTACK_OF
    if attack not in named:
        return None, None
    partner = (shared.attack == named[attack]) & (shared.radius == radius) & (shared.wanted == wanted)
    partner = shared[partner]
    if attack in ATTACK_OF:
        own = partner[partner.source == partner.target].groupby(PLACE).change.mean()
        return (own.rename("target_own") if len(partner) else None), None
    own = (shared.attack == attack) & (shared.radius == radius) & (shared.wanted == wanted)
    own = shared[own & (shared.reached | (shared.wanted == 0)) & (shared.source == shared.target)]
    own = own.set_index([*PLACE, "direction"]).change.rename("target_own")
    return own, noise_sizes(partner, PLACE) if len(partner) else None


def noise_sizes(white, key):
    """Average the size of the change by white noise."""
    return white.change.abs().groupby([white[name] for name in key]).mean().rename("noise")


def compared(setting, rows, settings, own, white):
    """Join to rows of one setting what they are compared with; None: the setting is of no attack.

    `settings` has all rows of these pairs by setting; `own` and `white` are from `reference`.
    """
    attack, radius, wanted = setting
    if attack in NOISE_OF:
        if wanted > 0:  # noise of the size of a wanted effect is that of a source
            of_source = settings.get((NOISE_OF[attack], radius, wanted))
            white = None if of_source is None else noise_sizes(of_source, [*PLACE, "source"])
        return attacks(rows, own, white)
    return noise(rows, own) if attack in ATTACK_OF else None


def attacks(rows, own, white):
    """Join to each attack what the target's own attack and noise of its size do in the same place.

    Where an effect was wanted and not reached, the row does not count, nor does the target's own attack.
    """
    rows = rows.assign(counted=rows.reached | (rows.wanted == 0))
    rows = rows.join(own, on=[*PLACE, "direction"], validate="many_to_one")
    if white is None:
        return rows.assign(noise=np.nan)
    return rows.join(white, on=list(white.index.names), validate="many_to_one")


def noise(rows, own):
    """Treat white noise as an attack: absolute changes, and the mean of the target's own attacks."""
    rows = rows.assign(own=np.nan, counted=True, noise=rows.change)
    return rows.assign(target_own=np.nan) if own is None else rows.join(own, on=PLACE, validate="many_to_one")


def in_order(parts, regions):
    """Join the means of pairs from several files: by region as they come in the tables, source and target."""
    order = [*regions, "all"]
    table = pd.concat(parts, ignore_index=True)
    table = table.sort_values(["source", "target"], ignore_index=True)
    return table.sort_values("roi", key=lambda roi: roi.map(order.index), kind="stable", ignore_index=True)


def summarise(rows, regions, images, counts):
    """Give one row for each region, and all, source and target, of the rows of one attack.

    Parameters
    ----------
    rows : DataFrame
        `change` of the target, `own` of the source, `target_own` by the target's own attack, and `noise`,
        which may each be missing; only rows that are `counted` enter means, and the share that is `reached`.
    regions : list of str
        In their order.
    images : array of str (images,)
        Sorted; all that any pair has.
    counts : array (draws, images)
        From `bootstrap.draw_counts`.
    """
    rows = pd.concat([rows, rows.assign(roi="all")], ignore_index=True).assign(one=1.0)
    # regions as they come in the tables, not by their names
    rows["roi"] = pd.Categorical(rows.roi, [*regions, "all"])
    groups = rows.groupby(PAIR, observed=True)
    table = groups.reached.mean().to_frame()
    pair, image = groups.ngroup().to_numpy(), pd.Index(images).get_indexer(rows.image_id)
    shape = len(table), len(images)
    counted = rows.counted.to_numpy()

    def sums(values, where):
        """Sum values over all but pairs and images: (pairs, images), 0 where there is none."""
        cell = (pair * shape[1] + image)[where]
        return np.bincount(cell, values.to_numpy()[where], shape[0] * shape[1]).reshape(shape)

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


def effects_of(cells, means, networks, run):
    """Yield the rows of the table fixed_effect, from `fixed_effect.sums` of all files by wanted effect."""
    for setting, table in means.items():
        if setting[2]:
            whole = pd.concat(cells[setting[2]])
            counts = draw_counts(run, whole.columns.get_level_values("image_id").nunique())
            for row in fixed_effect.describe(whole, table, networks, counts):
                yield row | {"wanted": setting[2]}


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


def between_networks(transfer, names, regions, images):
    """Take what main attacks on networks do to other networks, with words as categories, which are small."""
    rows = transfer[(transfer.attack == measures.MAIN) & (transfer.source != transfer.target)]
    rows = rows[rows.source.isin(names) & rows.target.isin(names)]
    words = {"network": (rows.source, names), "roi": (rows.roi, regions), "image_id": (rows.image_id, images)}
    return rows[["radius", "change"]].assign(**{name: pd.Categorical(*word) for name, word in words.items()})


def changes(shared, transferred, names, run):
    """Average over images what attacks do to their network and to others, and noise to it, with intervals.

    Directions, draws and targets are averaged first. The simulated brain is neither source nor target.

    Parameters
    ----------
    shared : DataFrame
        From `survey`.
    transferred : DataFrame
        From `between_networks`, of all pairs.
    names : list of str
        Of all networks.
    run : job.Run
    """
    shared = shared[shared.attack.isin([measures.MAIN, "random"]) & shared.target.isin(names)]
    own, drawn = shared[shared.source != NOISE], shared[shared.source == NOISE]
    parts = [
        own.assign(network=own.source, perturbation="own"),
        transferred.assign(perturbation="transferred"),
        drawn.assign(network=drawn.target, perturbation="noise"),
    ]
    keys = ["roi", "radius", "network", "perturbation"]
    images = pd.concat([measures.image_means(part, "change", keys) for part in parts])
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
