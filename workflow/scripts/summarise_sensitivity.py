"""How far each kind of perturbation moves each prediction, with intervals (rule summarise_sensitivity)."""

import numpy as np
import pandas as pd

from codingaxes import job, statistics, tables

POOLED = "subjects"  # label of each subject's own readout, taken together
CHANGES = ["network", "subject", "roi", "kind", "norm", "radius", "image_id", "change", "converged"]
SHOWN = ["attack", "source", "target", "roi", "radius", "image_id", "change_target", "change_subjects"]
KEY = ["subject", "roi", "norm", "radius", "kind"]


def main(run):
    """Every median is over images, directions, draws and sources; images and subjects are resampled."""
    own = tables.read(run.input["sensitivity"], "sensitivity", CHANGES)
    shown = tables.read(run.input["transfer"], "transfer", SHOWN)
    changes = pd.concat([own, transferred(shown, subjects_of(own))], ignore_index=True)
    changes["image_id"] = pd.factorize(changes.image_id, sort=True)[0]  # numbers are compared faster
    rows = []
    for network, part in run.track(list(changes.groupby("network")), unit="model"):
        for key, chosen in with_totals(part).groupby(KEY):
            rng = np.random.default_rng(run.seed())  # the same, so that all rows share resampled images
            rows.append(
                {"network": network, **dict(zip(KEY, key, strict=True))}
                | summary(chosen, rng, run.params["bootstrap"])
            )
    # regions as they come in the tables, not by their names
    order = [*dict.fromkeys(own.roi), "all"]
    table = pd.DataFrame(rows).sort_values("roi", key=lambda roi: roi.map(order.index), kind="stable")
    tables.write(run.output["sensitivities"], "sensitivities", table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")


def subjects_of(own):
    """Subjects of each network's readouts, in the order in which the table has them."""
    single = own[own.subject != tables.GROUP]
    return {name: list(dict.fromkeys(part.subject)) for name, part in single.groupby("network")}


def transferred(shown, subjects):
    """What attacks made on other networks do to each: rows as those of the table sensitivity."""
    shown = shown[(shown.attack == "l2") & (shown.source != shown.target) & (shown.source != tables.BRAIN)]
    shown = shown.assign(network=shown.target, kind="transferred", norm="l2", converged=True)
    parts = [shown.assign(subject=tables.GROUP, change=shown.change_target)[CHANGES]]
    for name, part in shown.groupby("target"):
        part = part[part.change_subjects.map(len) > 0]
        names = subjects.get(name, [])
        odd = part[part.change_subjects.map(len) != len(names)]
        if len(odd):
            raise ValueError(
                f"table transfer has changes of {len(odd.change_subjects.iloc[0])} subjects of {name}, the "
                f"table sensitivity has {len(names)} ({', '.join(names) or 'none'}); make both again"
            )
        for place, subject in enumerate(names):
            change = part.change_subjects.map(lambda changes, place=place: changes[place]).astype(float)
            parts.append(part.assign(subject=subject, change=change)[CHANGES])
    return pd.concat(parts, ignore_index=True)


def with_totals(changes):
    """Rows of each readout and region, again for all subjects together, and both again for all regions."""
    changes = changes.assign(reader=changes.subject)
    single = changes[changes.subject != tables.GROUP]
    changes = pd.concat([changes, single.assign(subject=POOLED)], ignore_index=True)
    return pd.concat([changes, changes.assign(roi="all")], ignore_index=True)


def summary(chosen, rng, draws):
    """One row: the median absolute change with its interval, and what it is a median of."""
    median, low, high = statistics.hierarchical_bootstrap(
        chosen.change.abs(), chosen.reader, chosen.image_id, rng, draws
    )
    counted = chosen[chosen.change.notna()]
    return {
        "median": median,
        "ci_low": low,
        "ci_high": high,
        "n_images": counted.image_id.nunique(),
        "n_subjects": counted.reader.nunique(),
        "n_changes": len(counted),
        "unconverged": 1 - chosen.converged.mean(),
    }


if __name__ == "__main__":
    job.start(main, globals())
