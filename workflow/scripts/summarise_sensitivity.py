"""Summarise how far each kind of perturbation moves each prediction (rule summarise_sensitivity)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import measures
from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.sensitivity import SENSITIVITY
from codingaxes.tables.transfer import TRANSFER

POOLED = "subjects"  # label of each subject's own readout, taken together
COLUMNS = ["network", "subject", "roi", "kind", "norm", "radius", "direction", "image_id", "change"]
COLUMNS += ["converged"]
TRANSFERRED = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
TRANSFERRED += ["change_target", "change_subjects"]
KEY = ["subject", "roi", "norm", "radius", "kind"]


def main(run):
    """Take every median over images, directions, draws and sources; resample images and subjects."""
    own = store.read(run.input["sensitivity"], SENSITIVITY, COLUMNS)
    transfer = store.read(run.input["transfer"], TRANSFER, TRANSFERRED)
    main_radius = measures.main_radius(own)
    changes = pd.concat([own, transferred(transfer, subjects_of(own))], ignore_index=True)
    changes["change"] = measures.counted_change(changes.change, changes.direction, changes.kind)
    changes["image_id"] = pd.factorize(changes.image_id, sort=True)[0]  # numbers are compared faster
    rows = []
    for network, part in run.track(list(changes.groupby("network")), unit="model"):
        for key, cell in with_totals(part).groupby(KEY):
            rng = np.random.default_rng(run.seed())  # the same, so that all rows share resampled images
            identity = {"network": network} | dict(zip(KEY, key, strict=True))
            rows.append(identity | summarise(cell, rng, run.params["bootstrap"]))
    # regions as they come in the tables, not by their names
    order = [*dict.fromkeys(own.roi), "all"]
    table = pd.DataFrame(rows).sort_values("roi", key=lambda roi: roi.map(order.index), kind="stable")
    table["main_radius"] = (table.norm == measures.MAIN) & np.isclose(table.radius, main_radius)
    table = table[list(SENSITIVITIES.columns)]
    store.write(run.output["sensitivities"], SENSITIVITIES, table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")


def subjects_of(own):
    """List the subjects of each network's readouts, in the order in which the table has them."""
    single = own[own.subject != GROUP]
    return {name: list(dict.fromkeys(part.subject)) for name, part in single.groupby("network")}


def transferred(transfer, subjects):
    """Make rows, as those of the table sensitivity, of what attacks on other networks do to each network."""
    transfer = transfer[
        (transfer.attack == measures.MAIN) & (transfer.source != transfer.target) & (transfer.source != BRAIN)
    ]
    transfer = transfer.assign(
        network=transfer.target, kind="transferred", norm=measures.MAIN, converged=True
    )
    parts = [transfer.assign(subject=GROUP, change=transfer.change_target)[COLUMNS]]
    for name, part in transfer.groupby("target"):
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
            parts.append(part.assign(subject=subject, change=change)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def with_totals(changes):
    """Repeat the rows of subjects for all subjects together, and those of regions for all together."""
    changes = changes.assign(reader=changes.subject)
    single = changes[changes.subject != GROUP]
    changes = pd.concat([changes, single.assign(subject=POOLED)], ignore_index=True)
    return pd.concat([changes, changes.assign(roi="all")], ignore_index=True)


def summarise(cell, rng, draws):
    """Give one row: the sensitivity with its interval, and what it is a median of."""
    median, low, high = measures.sensitivity(cell.change, cell.reader, cell.image_id, rng, draws)
    counted = cell[cell.change.notna()]
    return {
        "median": median,
        "ci_low": low,
        "ci_high": high,
        "n_images": counted.image_id.nunique(),
        "n_subjects": counted.reader.nunique(),
        "n_changes": len(counted),
        "unconverged": measures.unconverged(cell.converged),
    }


if __name__ == "__main__":
    job.start(main, globals())
