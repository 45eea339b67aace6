"""What the perturbations of each model do to each other one, with intervals (rule summarise_transfer)."""

import numpy as np
import pandas as pd

from codingaxes import groups, job, statistics, tables

# The white noise that an attack is compared with: of the same norm and size.
NOISE = {
    "l2": "random",
    "l2_pgd": "random",
    "l2_apgd": "random",
    "linf": "random_linf",
    "l2_large": "random_large",
    "l2_effect": "random_effect",
}
# The attack that noise is compared with.
ATTACK = {"random": "l2", "random_linf": "linf", "random_large": "l2_large"}
SHOWN = ["attack", "source", "target", "roi", "direction", "radius", "wanted", "draw", "image_id"]
SHOWN += ["size", "reached", "change_source", "change_target"]
SETTING = ["attack", "radius", "wanted"]
PAIR = ["roi", "source", "target"]
PLACE = ["target", "roi", "image_id"]


def main(run):
    """Sums over directions, draws and regions first; images are resampled, the same for all pairs."""
    files = [*run.input["transfer"], *run.input["variants"]]
    shown = tables.read(files, "transfer", SHOWN)
    shown["change"] = groups.attacked_way(shown.change_target, shown.direction)
    shown["own"] = groups.attacked_way(shown.change_source, shown.direction)
    rows = pd.concat([attacks(shown), noise(shown)], ignore_index=True)
    settings = list(rows.groupby(SETTING))
    parts = []
    for setting, part in run.track(settings, unit="attack"):
        rng = np.random.default_rng(run.seed())  # the same, so that all attacks share resampled images
        found = summarise(part, rng, run.params["bootstrap"])
        parts.append(found.assign(**dict(zip(SETTING, setting, strict=True))))
    table = pd.concat(parts, ignore_index=True)[list(tables.TABLES["transfers"].columns)]
    tables.write(run.output["transfers"], "transfers", table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")


def attacks(shown):
    """Attacks, each with what the target's own attack and noise of its size do in the same place.

    Where an effect was wanted and not reached, the row does not count, nor does the target's own attack.
    """
    made = shown[shown.attack.isin(NOISE)]
    made = made.assign(counted=made.reached | (made.wanted == 0), noise_attack=made.attack.map(NOISE))
    key = [*SETTING, *PLACE, "direction"]
    own = made[(made.source == made.target) & made.counted].set_index(key).change.rename("target_own")
    made = made.join(own, on=key, validate="many_to_one")
    white = shown[shown.attack.isin(ATTACK)]
    common = mean_noise(white, ["attack", "radius", *PLACE]).rename("white")
    sized = shown[shown.attack == "random_effect"]
    matched = mean_noise(sized, ["attack", "wanted", "source", "direction", *PLACE]).rename("matched")
    made = made.join(common, on=["noise_attack", "radius", *PLACE], validate="many_to_one")
    key = ["noise_attack", "wanted", "source", "direction", *PLACE]
    made = made.join(matched, on=key, validate="many_to_one")
    return made.assign(noise=made.white.where(made.attack != "l2_effect", made.matched))


def noise(shown):
    """White noise as if it were an attack: absolute changes, and the mean of the target's own attacks."""
    drawn = shown[shown.attack.isin(ATTACK)]
    drawn = drawn.assign(
        change=drawn.change.abs(),
        own=np.nan,
        counted=True,
        like=drawn.attack.map(ATTACK),
    )
    own = shown[(shown.source == shown.target) & shown.attack.isin(ATTACK.values())]
    own = own.groupby(["attack", "radius", *PLACE]).change.mean().rename("target_own")
    drawn = drawn.join(own, on=["like", "radius", *PLACE], validate="many_to_one")
    return drawn.assign(noise=drawn.change)


def mean_noise(drawn, key):
    """Mean absolute change over draws."""
    return drawn.change.abs().groupby([drawn[name] for name in key]).mean()


def summarise(rows, rng, draws):
    """One row for each region, and all, source and target, of the rows of one attack.

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
    cells = rows.groupby(PAIR)
    found = cells.reached.mean().to_frame()
    counted = rows[rows.counted]
    images = np.unique(rows.image_id)

    def sums(values):
        """Values summed over all but pairs and images: (pairs, images), 0 where there is none."""
        summed = values.groupby([counted[name] for name in [*PAIR, "image_id"]]).sum().unstack("image_id")
        return summed.reindex(index=found.index, columns=images).fillna(0.0).to_numpy()

    counts = statistics.draw_counts(len(images), rng, draws).astype(float)
    one = pd.Series(1.0, counted.index)
    for name, below in (("change", one), ("of_source", counted.own), ("of_target", counted.target_own)):
        top = counted.change.where(below.notna())
        estimate = statistics.bootstrap_ratios(sums(top), sums(below), counts)
        found[name], found[f"{name}_low"], found[f"{name}_high"] = estimate
    for name in ("noise", "size"):
        found[name] = counted[name].groupby([counted[key] for key in PAIR]).mean()
    found["n_images"] = (sums(one) > 0).sum(axis=1)
    return found.reset_index()


if __name__ == "__main__":
    job.start(main, globals())
