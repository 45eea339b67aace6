"""Summarise how far each kind of perturbation moves each prediction (rule summarise_sensitivity)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import measures, undefined
from codingaxes.names import BOTH, BRAIN, GROUP, LARGEST, NOISE
from codingaxes.tables import compact, store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.sensitivity import NATURAL_RESPONSES, SENSITIVITY
from codingaxes.tables.transfer import TRANSFER

SAME_PREDICTED = "own predictions: the same on all images"
POOLED = "subjects"  # label of each subject's own readout, taken together
COLUMNS = ["network", "subject", "roi", "kind", "norm", "radius", "direction", "image_id", "change"]
COLUMNS += ["converged"]
TRANSFERRED = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
TRANSFERRED += ["change_target", "change_subjects"]
AT_ONCE = 8  # rows that a row of the table transfer becomes here: one for each reader
PLACES = ["roi", "norm", "radius"]
READOUT = ["network", "roi", "subject"]
KEY = ["subject", "roi", "norm", "radius", "kind", "direction"]


def main(run):
    """Take every median over images, draws and sources; resample images and subjects.

    Some models are in memory at a time.
    """
    places = store.read(run.input["sensitivity"], SENSITIVITY, PLACES, keep=pd.DataFrame.drop_duplicates)
    natural = store.read(run.input["natural"], NATURAL_RESPONSES).set_index(READOUT).sd
    main_radius, rows = measures.main_radius(places), []
    for files in run.track(blocks_of_models(run), unit="block of models"):
        changes = changes_of(run, files, natural, main_radius)
        for network, part in changes.groupby("network"):
            for key, cell in with_totals(part).groupby(KEY):
                identity = {"network": network} | dict(zip(KEY, key, strict=True))
                rows.append(identity | summarise(cell, run))
    # regions as they come in the tables, not by their names
    order = [*dict.fromkeys(places.roi), "all"]
    table = pd.DataFrame(rows).sort_values("roi", key=lambda roi: roi.map(order.index), kind="stable")
    table["reason"] = undefined.join(
        undefined.of_estimate(table["median"], table.ci_low),
        undefined.say({SAME_PREDICTED: table["median"].notna() & table.median_own.isna()}),
    )
    table = table[list(SENSITIVITIES.columns)]
    store.write(run.output["sensitivities"], SENSITIVITIES, table)
    writing.write_csv(run.output["csv"], table, digits=5)


def blocks_of_models(run):
    """Split the models' files, by name, into lists whose rows of the table transfer are not too many."""
    files = {store.read(file, SENSITIVITY, ["network"]).network[0]: file for file in run.input["sensitivity"]}
    shown = sum(map(compact.count, run.input["transfer"])) // len(files)  # to each model
    step = max(1, compact.ROWS // (AT_ONCE * (1 + shown)))
    ordered = [files[name] for name in sorted(files)]
    return [ordered[place : place + step] for place in range(0, len(ordered), step)]


def changes_of(run, files, natural, main_radius):
    """Read what each kind of perturbation does to some models: every change as the summary counts it."""
    own = store.read(files, SENSITIVITY, COLUMNS)
    shown = [("attack", "=", measures.MAIN), ("target", "in", list(own.network.unique()))]
    transfer = store.read(run.input["transfer"], TRANSFER, TRANSFERRED, shown)
    changes = pd.concat([own, transferred(transfer, subjects_of(own))], ignore_index=True)
    changes["main_radius"] = (changes.norm == measures.MAIN) & np.isclose(changes.radius, main_radius)
    changes = counted(changes[(changes.subject == GROUP) | changes.main_radius])
    changes = changes.join(natural, on=READOUT, validate="many_to_one")
    changes["change_own"] = measures.in_own_units(changes.change, changes.sd)
    changes["image_id"] = pd.factorize(changes.image_id, sort=True)[0]  # numbers are compared faster
    return changes


def subjects_of(own):
    """List the subjects that each network reads in each region, in the order in which the table has them."""
    single = own[own.subject != GROUP]
    return {key: list(dict.fromkeys(part.subject)) for key, part in single.groupby(["network", "roi"])}


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
        names = part.roi.map({roi: subjects.get((name, roi), []) for roi in part.roi.unique()})
        odd = part.change_subjects.map(len).to_numpy() != names.map(len).to_numpy()
        if odd.any():
            row = int(odd.argmax())
            raise ValueError(
                f"table transfer has changes of {len(part.change_subjects.iloc[row])} subjects of {name} in "
                f"{part.roi.iloc[row]}, the table sensitivity has {len(names.iloc[row])} "
                f"({', '.join(names.iloc[row]) or 'none'}); make both again"
            )
        for subject in dict.fromkeys(who for whose in names for who in whose):
            has = names.map(lambda whose, who=subject: who in whose).to_numpy(bool)
            pairs = zip(part.change_subjects[has], names[has], strict=True)
            change = [changes[whose.index(subject)] for changes, whose in pairs]
            parts.append(part[has].assign(subject=subject, change=change)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def counted(changes):
    """Count every change as its row of the summary does; own attacks also by the larger of two directions."""
    attack = changes.kind == "attack"
    unit = [*READOUT, "norm", "radius", "image_id"]
    largest = measures.largest_changes(changes[attack], unit)
    decreases = (largest.s > 0).astype(float)
    largest = largest.assign(change=largest.s.abs(), direction=LARGEST, decreases=decreases)
    changes = changes.assign(change=measures.counted_change(changes.change, changes.direction, changes.kind))
    changes["direction"] = changes.direction.where(attack | (changes.direction == NOISE), BOTH)
    return pd.concat([changes, largest.drop(columns="s")], ignore_index=True)


def with_totals(changes):
    """Repeat the rows of subjects for all subjects together, and those of regions for all together.

    Of single subjects only own attacks are summarised by themselves.
    """
    changes = changes.assign(reader=changes.subject)
    single = changes.subject != GROUP
    kept = changes[~single | (changes.kind == "attack")]
    changes = pd.concat([kept, changes[single].assign(subject=POOLED)], ignore_index=True)
    return pd.concat([changes, changes.assign(roi="all")], ignore_index=True)


def summarise(cell, run):
    """Give one row: the sensitivity with its interval in both units, and what it is a median of."""
    median, low, high = estimate(cell, "change", run)
    if cell.sd.nunique(dropna=False) == 1:  # of one readout both units differ by a factor
        own = [measures.in_own_units(value, cell.sd.iloc[:1]).iloc[0] for value in (median, low, high)]
    else:
        own = estimate(cell, "change_own", run)
    known = cell[cell.change.notna()]
    return {
        "main_radius": cell.main_radius.iloc[0],
        "median": median,
        "ci_low": low,
        "ci_high": high,
        "median_own": own[0],
        "own_low": own[1],
        "own_high": own[2],
        "decreases": cell.decreases.mean(),
        "n_images": known.image_id.nunique(),
        "n_subjects": known.reader.nunique(),
        "n_changes": len(known),
        "unconverged": measures.unconverged(cell.converged),
    }


def estimate(cell, column, run):
    """Give the sensitivity in one unit, and its interval."""
    rng = np.random.default_rng(run.seed())  # the same, so that all rows share resampled images
    return measures.sensitivity(cell[column], cell.reader, cell.image_id, rng, run.params["bootstrap"])


if __name__ == "__main__":
    job.start(main, globals())
