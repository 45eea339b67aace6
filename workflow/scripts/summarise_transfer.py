"""Summarise what the perturbations of each model do to every model (rule summarise_transfer)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import bootstrap, measures
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import CHANGES, TRANSFERS
from codingaxes.tables.networks import NETWORKS
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
# Perturbations of the table changes, and the words that their draws are seeded with.
SEEDS = {"own": "own", "transferred": "other networks", "noise": "random noise"}


def main(run):
    """Sum over directions, draws and regions first; resample images, the same for all pairs."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    files = [*run.input["perturbations"], *run.input["variants"]]
    transfer = store.read(files, TRANSFER, COLUMNS)
    transfer["change"] = measures.attacked_change(transfer.change_target, transfer.direction)
    transfer["own"] = measures.attacked_change(transfer.change_source, transfer.direction)
    rows = pd.concat([attacks(transfer), noise(transfer)], ignore_index=True)
    parts = []
    for setting, part in run.track(list(rows.groupby(SETTING)), unit="attack"):
        rng = np.random.default_rng(run.seed())  # the same, so that all attacks share resampled images
        means = summarise(part, rng, run.params["bootstrap"])
        parts.append(means.assign(**dict(zip(SETTING, setting, strict=True))))
    table = describe(pd.concat(parts, ignore_index=True), networks, measures.main_radius(transfer))
    store.write(run.output["transfers"], TRANSFERS, table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")
    store.write(run.output["changes"], CHANGES, changes(transfer, list(networks.index), run))


def attacks(transfer):
    """Join to each attack what the target's own attack and noise of its size do in the same place.

    Where an effect was wanted and not reached, the row does not count, nor does the target's own attack.
    """
    rows = transfer[transfer.attack.isin(NOISE_OF)]
    rows = rows.assign(counted=rows.reached | (rows.wanted == 0), noise_attack=rows.attack.map(NOISE_OF))
    key = [*SETTING, *PLACE, "direction"]
    own = rows[(rows.source == rows.target) & rows.counted].set_index(key).change.rename("target_own")
    rows = rows.join(own, on=key, validate="many_to_one")
    white = transfer[transfer.attack.isin(ATTACK_OF)]
    common = mean_noise(white, ["attack", "radius", *PLACE]).rename("white")
    sized = transfer[transfer.attack == "random_effect"]
    matched = mean_noise(sized, ["attack", "wanted", "source", "direction", *PLACE]).rename("matched")
    rows = rows.join(common, on=["noise_attack", "radius", *PLACE], validate="many_to_one")
    key = ["noise_attack", "wanted", "source", "direction", *PLACE]
    rows = rows.join(matched, on=key, validate="many_to_one")
    return rows.assign(noise=rows.white.where(rows.attack != "l2_effect", rows.matched))


def noise(transfer):
    """Treat white noise as an attack: absolute changes, and the mean of the target's own attacks."""
    drawn = transfer[transfer.attack.isin(ATTACK_OF)]
    drawn = drawn.assign(own=np.nan, counted=True, like=drawn.attack.map(ATTACK_OF))
    own = transfer[(transfer.source == transfer.target) & transfer.attack.isin(ATTACK_OF.values())]
    own = own.groupby(["attack", "radius", *PLACE]).change.mean().rename("target_own")
    drawn = drawn.join(own, on=["like", "radius", *PLACE], validate="many_to_one")
    return drawn.assign(noise=drawn.change)


def mean_noise(drawn, key):
    """Average the absolute change over draws; noise of an attack's size has the direction of that attack."""
    return drawn.change.abs().groupby([drawn[name] for name in key]).mean()


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
    rows = pd.concat([rows, rows.assign(roi="all")], ignore_index=True)
    table = rows.groupby(PAIR).reached.mean().to_frame()
    counted = rows[rows.counted]
    images = np.unique(rows.image_id)

    def sums(values):
        """Sum values over all but pairs and images: (pairs, images), 0 where there is none."""
        summed = values.groupby([counted[name] for name in [*PAIR, "image_id"]]).sum().unstack("image_id")
        return summed.reindex(index=table.index, columns=images).fillna(0.0).to_numpy()

    counts = bootstrap.draw_counts(len(images), rng, draws).astype(float)
    one = pd.Series(1.0, counted.index)
    # the mean change, and twice the measure `relative_transfer`, each with its interval
    for name, below in (("change", one), ("of_source", counted.own), ("of_target", counted.target_own)):
        top = counted.change.where(below.notna())
        estimate = bootstrap.bootstrap_ratios(sums(top), sums(below), counts)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = estimate
    for name in ("noise", "size"):
        table[name] = counted[name].groupby([counted[key] for key in PAIR]).mean()
    table["n_images"] = (sums(one) > 0).sum(axis=1)
    return table.reset_index()


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
    return table[list(CHANGES.columns)]


if __name__ == "__main__":
    job.start(main, globals())
