"""Write the numbers of the study, with intervals, as a table and as text (rule summarise_numbers)."""

from itertools import chain

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import bootstrap, families, measures, sentences, undefined
from codingaxes.names import BRAIN, GROUP, NOISE
from codingaxes.tables import compact, store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.sensitivity import SENSITIVITY
from codingaxes.tables.similarity import SIMILARITY, SIMILARITY_MEANS
from codingaxes.tables.summaries import FAMILIES, NUMBERS, PREDICTIVITY
from codingaxes.tables.transfer import TRANSFER

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
COLUMNS += ["change_source", "change_target"]
COLUMNS += ["wanted", "reached"]
PLACE = ["roi", "direction", "radius", "wanted", "image_id"]
CELL = ["one", "other", "roi", "radius", "wanted", "image_id"]
CHANGES = [
    "network",
    "subject",
    "roi",
    "kind",
    "norm",
    "radius",
    "direction",
    "image_id",
    "change",
    "converged",
]
SIMILARITIES = ["network_i", "network_j", "response", "roi", "k", "image_id"]
SIMILARITIES += ["similarity", "across_images", "chance"]
OF_VOXELS = [("response", "=", "voxels")]
CONTROLS = ["other_image", "other_region", "phase_scrambled"]
KIND = ["family_source", "family_target", "architectures"]
PAIR = ["network_i", "network_j", "response", "roi", "k"]
UNDEFINED = "no image has a value of every pair, or no own attack moves a model"
OF_AXES = {
    "similarity": "similarity",
    "similarity_across_images": "across_images",
    "similarity_by_spectrum": "matched_chance",
}


def main(run):
    """Average everything over images last, so that images can be resampled, and networks with them."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    own, noise, brought = attacks_of(run, "perturbations", measures.MAIN)
    sensitivity = store.read(
        run.input["sensitivity"], SENSITIVITY, CHANGES, [("norm", "=", measures.MAIN)], of_group
    )
    wanted = attacks_of(run, "variants", "l2_effect")
    estimated = chain(  # in this order they share one stream of random numbers
        own_changes(own, noise, networks),
        controls(sensitivity, networks),
        transfer_to_others(brought, networks),
        transfer_of_effects(wanted[2], networks),
        similarity_of_axes(run, networks),
        gradient_cosine(run, networks),
    )
    counted = [*unconverged(sensitivity, networks), *reached(wanted[0], networks)]
    rng, draws = np.random.default_rng(run.seed("images")), run.params["bootstrap"]
    rows = [row for number, frame in estimated for row in estimates(number, frame, networks, rng, draws)]
    rows += [row for number, frame in counted for row in shares(number, frame)]
    table = pd.DataFrame(rows)
    shares_of = table.measure.isin(["unconverged", "reached"])
    reason = undefined.of_estimate(table.estimate, table.ci_low.where(~shares_of, 0.0), UNDEFINED)
    table = table.assign(reason=reason)[list(NUMBERS.columns)]
    store.write(run.output["numbers"], NUMBERS, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    verdicts = store.read(run.input["families"], FAMILIES)
    predictivity = store.read(run.input["predictivity"], PREDICTIVITY)
    parts = [sentences.describe_numbers(table), sentences.describe_verdicts(verdicts, predictivity)]
    writing.write_text(run.output["text"], "\n".join(part for part in parts if part))


def of_group(changes):
    """Select changes of the mean over subjects."""
    return changes[changes.subject == GROUP]


def with_changes(transfer):
    """Add the changes of target and source in the attacked direction."""
    return transfer.assign(
        change=measures.attacked_change(transfer.change_target, transfer.direction),
        own=measures.attacked_change(transfer.change_source, transfer.direction),
    )


def attacks_of(run, name, attack):
    """Read attacks of one kind, some files at a time, and average what they do to other models.

    Returns
    -------
    own, noise : DataFrames
        Attacks on the model itself, and white noise that belongs to no model.
    brought : DataFrame
        One row for each pair, region, radius, wanted change and image: mean changes of the target (change)
        and of the source (own) over directions, and of the target by its own attacks (own_target), both
        missing where these do not move it; only of attacks that reached a change that was wanted, and of
        none of the simulated brain.
    """
    wanted = [("attack", "in", [attack, "random"])]
    shared = store.read(run.input[name], TRANSFER, COLUMNS, wanted, of_one_model)
    own = with_changes(shared[(shared.attack == attack) & (shared.source == shared.target)])
    moved = own[own.reached | (own.wanted == 0)]
    moved = moved.assign(moved=undefined.reference(moved, ["target", "roi", "radius", "wanted"]))
    moved = {name: moved.set_index([name, *PLACE]).moved for name in ("source", "target")}
    parts = []
    for block in compact.blocks(run.input[name]):
        rows = with_changes(store.read(block, TRANSFER, COLUMNS, [("attack", "=", attack)], of_others))
        rows = rows.join(moved["target"].rename("own_target"), on=["target", *PLACE], validate="many_to_one")
        rows = rows.join(moved["source"], on=["source", *PLACE], validate="many_to_one")
        rows["own"] = rows.own.where(rows.moved.notna())
        rows = rows.rename(columns={"source": "one", "target": "other"})
        means = rows.groupby(CELL, sort=False, as_index=False)[["change", "own", "own_target"]].mean()
        parts.append(compact.pack(means))
    return own, with_changes(shared[shared.attack == "random"]), compact.join(parts, ("one", "other"))


def of_one_model(transfer):
    """Select attacks on the model itself, and white noise that belongs to no model."""
    return transfer[(transfer.source == transfer.target) | (transfer.source == NOISE)]


def of_others(transfer):
    """Select attacks on networks shown to other models, where they reached what was wanted."""
    others = transfer[(transfer.source != transfer.target) & (transfer.source != BRAIN)]
    return others[others.reached | (others.wanted == 0)]


def number(measure, unit, perturbation="", kind=("all", "all", "any"), k=0, wanted=0.0):
    """Identify a number, but for its region and radius."""
    row = {"measure": measure, "perturbation": perturbation, **dict(zip(KIND, kind, strict=True))}
    return row | {"k": k, "wanted": wanted, "unit": unit}


def cells(frame):
    """Yield radius, region (all first) and rows of each number of a kind."""
    for radius, part in frame.groupby("radius"):
        yield radius, "all", part
        for roi in dict.fromkeys(part.roi):
            yield radius, roi, part[part.roi == roi]


def estimates(about, frame, networks, rng, draws):
    """Yield the rows of one kind of number: mean over pairs and regions of top / bottom, and its interval.

    The interval is over networks and images; over images alone, by the bootstrap-t, where a family has fewer
    than three networks, or the number is about the brain alone. Images that lack a pair or a region are left
    out.
    """
    for radius, roi, part in cells(frame):
        values = families.ratio_cells(part, list(networks.index))
        everything = [(1, np.ones(len(values.value), bool))]
        estimate = float(families.contrast(values.value, everything))
        low, high, resampled = families.interval(values, everything, networks.family.to_numpy())
        if resampled == families.IMAGES:
            low, high = bootstrap.bootstrap_mean_ratio(values.top, values.bottom, rng, draws)[1:]
        row = {"roi": roi, "radius": radius, "estimate": estimate, "ci_low": low, "ci_high": high}
        row |= {"resampled": resampled, "n": pairs_in(part), "n_images": part.image_id.nunique()}
        yield about | row


def pairs_in(rows):
    """Count the models, or pairs of models, that rows are about."""
    return len(rows[["one", "other"]].drop_duplicates())


def shares(about, frame):
    """Yield the rows of a share of attacks, which has no interval."""
    for radius, roi, part in cells(frame):
        missed = about["measure"] == "unconverged"
        share = measures.unconverged(part.converged) if missed else part.reached.mean()
        row = {"roi": roi, "radius": radius, "estimate": share, "ci_low": np.nan, "ci_high": np.nan}
        row |= {"resampled": families.NOTHING, "n": pairs_in(part), "n_images": part.image_id.nunique()}
        yield about | row


def by_family(frame, model, networks):
    """Yield each family as a kind of pair (a model with itself), and the rows of its models."""
    family = measures.families(networks)
    of_row = frame[model].map(family)
    for name in dict.fromkeys(family.values()):
        if (of_row == name).any():
            yield (name, name, "itself"), frame[of_row == name]


def own_changes(own, noise, networks):
    """Yield, by family, changes under own attacks and under white noise, which is averaged over draws."""
    changes = pd.concat([own, noise])
    for kind, part in by_family(changes, "target", networks):
        for perturbation, attack in (("attack", measures.MAIN), ("random", "random")):
            rows = part[part.attack == attack]
            if len(rows):
                about = number("mean_change", "SD", perturbation, kind)
                yield about, rows.assign(one=rows.target, other="", top=rows.change, bottom=1.0)


def controls(sensitivity, networks):
    """Yield, by family, changes under attacks made for other images or regions, or with scrambled phases."""
    for kind, part in by_family(sensitivity, "network", networks):
        for perturbation in CONTROLS:
            rows = part[part.kind == perturbation]
            if len(rows):
                about = number("mean_change", "SD", perturbation, kind)
                change = measures.counted_change(rows.change, rows.direction, rows.kind)
                yield about, rows.assign(one=rows.network, other="", top=change, bottom=1.0)


def transfer_to_others(brought, networks, wanted=0.0):
    """Yield changes of other models under attacks, by kind of pair.

    They come in SD, as a share of the target's own attack, and last as a share of the source's change, beside
    the ratio of the two own changes, which most of that share is. Where an effect was wanted, both own
    changes are this effect: the second and the fourth would say nothing new.

    Parameters
    ----------
    brought : DataFrame
        From `attacks_of`.
    """
    other = brought.assign(nothing=1.0)
    ratios = {
        "transfer": ("SD", "change", "nothing"),
        "transfer_of_target": ("ratio", "change", "own_target"),
        "relative_transfer": ("ratio", "change", "own"),
        "sensitivity_ratio": ("ratio", "own_target", "own"),
    }
    shown = ["transfer", "relative_transfer"] if wanted else list(ratios)
    kinds = list(measures.kinds_of_pairs(other, "one", "other", networks))
    for measure in shown:
        unit, top, bottom = ratios[measure]
        for kind, part in kinds:
            about = number(measure, unit, "attack", kind, wanted=wanted)
            known = part[part[bottom].notna()]  # without models that their own attacks do not move
            part = known if len(known) else part
            yield about, part[CELL].assign(top=part[top], bottom=part[bottom])


def transfer_of_effects(brought, networks):
    """Yield the same of the smallest attacks that have a wanted effect, where they have it."""
    for wanted, part in brought.groupby("wanted"):
        yield from transfer_to_others(part, networks, wanted)


def similarity_of_axes(run, networks):
    """Yield similarity of voxels' axes by kind of pair, and what chance and spectra explain of it."""
    means = store.read(run.input["similarity_means"], SIMILARITY_MEANS, [*PAIR, "matched_chance"], OF_VOXELS)
    for k in sorted(set(means.k)):
        chosen = [*OF_VOXELS, ("k", "=", int(k))]
        frame = store.read(run.input["similarity"], SIMILARITY, SIMILARITIES, chosen)
        frame = frame.merge(means, on=PAIR, validate="many_to_one")
        frame = measures.in_family_order(frame, "network_i", "network_j", networks)
        frame = frame.assign(one=frame.network_i, other=frame.network_j, bottom=1.0, radius=0.0)
        for measure, column in OF_AXES.items():
            rows = frame.assign(top=frame[column])
            for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
                yield number(measure, "ratio", kind=kind, k=k), part
        yield number("chance", "ratio", k=k), frame.assign(top=frame.chance)


def gradient_cosine(run, networks):
    """Yield the cosine of each network's gradient with that of the simulated brain."""
    of_brain = [[("response", "=", GROUP), (name, "=", BRAIN)] for name in ("network_i", "network_j")]
    columns = ["network_i", "network_j", "response", "roi", "k", "image_id", "cosine"]
    rows = store.read(run.input["similarity"], SIMILARITY, columns, of_brain).dropna(subset=["cosine"])
    rows = measures.in_family_order(rows, "network_i", "network_j", networks)  # the brain comes last
    rows = rows[rows.network_j == BRAIN]
    rows = rows.assign(one=rows.network_i, other="", top=rows.cosine, bottom=1.0, radius=0.0)
    for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
        yield number("gradient_cosine", "cosine", kind=kind), part


def unconverged(sensitivity, networks):
    """Yield, by family, own attacks, of which some have not converged."""
    rows = sensitivity[sensitivity.kind == "attack"]
    rows = rows.assign(one=rows.network, other="")
    for kind, part in by_family(rows, "network", networks):
        yield number("unconverged", "share", "attack", kind), part


def reached(own, networks):
    """Yield, by family, own attacks that wanted a change, of which some did not reach it."""
    rows = own.assign(one=own.source, other="")
    for wanted, part in rows.groupby("wanted"):
        for kind, of_family in by_family(part, "source", networks):
            yield number("reached", "share", "attack", kind, wanted=wanted), of_family


if __name__ == "__main__":
    job.start(main, globals())
