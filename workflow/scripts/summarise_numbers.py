"""Write the numbers of the study, with intervals, as a table and as text (rule summarise_numbers)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import bootstrap, families, measures, sentences, undefined
from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.sensitivity import SENSITIVITY
from codingaxes.tables.similarity import SIMILARITY, SIMILARITY_MEANS
from codingaxes.tables.summaries import FAMILIES, NUMBERS, PREDICTIVITY
from codingaxes.tables.transfer import TRANSFER

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
COLUMNS += ["change_source", "change_target"]
VARIANTS = [*COLUMNS, "wanted", "reached"]
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
    transfer = with_changes(store.read(run.input["perturbations"], TRANSFER, COLUMNS))
    variants = with_changes(store.read(run.input["variants"], TRANSFER, VARIANTS))
    sensitivity = store.read(run.input["sensitivity"], SENSITIVITY)
    similarity = store.read(run.input["similarity"], SIMILARITY)
    means = store.read(run.input["similarity_means"], SIMILARITY_MEANS)
    similarity = similarity.merge(means[[*PAIR, "matched_chance"]], on=PAIR, validate="many_to_one")
    estimated = [  # in this order they share one stream of random numbers
        *own_changes(transfer, networks),
        *controls(sensitivity, networks),
        *transfer_to_others(transfer[transfer.attack == measures.MAIN], networks),
        *transfer_of_effects(variants, networks),
        *similarity_of_axes(similarity, networks),
        *gradient_cosine(similarity, networks),
    ]
    counted = [*unconverged(sensitivity, networks), *reached(variants, networks)]
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


def with_changes(transfer):
    """Add the changes of target and source in the attacked direction."""
    return transfer.assign(
        change=measures.attacked_change(transfer.change_target, transfer.direction),
        own=measures.attacked_change(transfer.change_source, transfer.direction),
    )


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
    return (rows.one + " " + rows.other).nunique()


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


def own_changes(transfer, networks):
    """Yield, by family, changes under own attacks and under white noise, which is averaged over draws."""
    own = transfer[(transfer.attack == measures.MAIN) & (transfer.source == transfer.target)]
    changes = pd.concat([own, transfer[transfer.attack == "random"]])
    for kind, part in by_family(changes, "target", networks):
        for perturbation, attack in (("attack", measures.MAIN), ("random", "random")):
            rows = part[part.attack == attack]
            if len(rows):
                about = number("mean_change", "SD", perturbation, kind)
                yield about, rows.assign(one=rows.target, other="", top=rows.change, bottom=1.0)


def controls(sensitivity, networks):
    """Yield, by family, changes under attacks made for other images or regions, or with scrambled phases."""
    sensitivity = sensitivity[(sensitivity.subject == GROUP) & (sensitivity.norm == measures.MAIN)]
    for kind, part in by_family(sensitivity, "network", networks):
        for perturbation in CONTROLS:
            rows = part[part.kind == perturbation]
            if len(rows):
                about = number("mean_change", "SD", perturbation, kind)
                change = measures.counted_change(rows.change, rows.direction, rows.kind)
                yield about, rows.assign(one=rows.network, other="", top=change, bottom=1.0)


def transfer_to_others(transfer, networks, wanted=0.0):
    """Yield changes of other models under attacks, by kind of pair.

    They come in SD, as a share of the target's own attack, and last as a share of the source's change, beside
    the ratio of the two own changes, which most of that share is. Where an effect was wanted, both own
    changes are this effect: the second and the fourth would say nothing new.
    """
    key = ["target", "roi", "direction", "radius", "image_id"]
    own = transfer[transfer.source == transfer.target]
    moved = undefined.reference(own, ["target", "roi", "radius"])
    own = own.assign(own_target=moved).set_index(key).own_target
    other = transfer[(transfer.source != transfer.target) & (transfer.source != BRAIN)]
    other = other.join(own, on=key, validate="many_to_one")
    moved = undefined.reference(other.assign(change=other.own), ["source", "roi", "radius"])
    other = other.assign(own=moved).rename(columns={"source": "one"})
    other = other.assign(other=other.target, nothing=1.0)
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
            yield about, part.assign(top=part[top], bottom=part[bottom])


def transfer_of_effects(variants, networks):
    """Yield the same of the smallest attacks that have a wanted effect, where they have it."""
    rows = variants[(variants.attack == "l2_effect") & variants.reached]
    for wanted, part in rows.groupby("wanted"):
        yield from transfer_to_others(part, networks, wanted)


def similarity_of_axes(similarity, networks):
    """Yield similarity of voxels' axes by kind of pair, and what chance and spectra explain of it."""
    similarity = similarity[similarity.response == "voxels"]
    similarity = measures.in_family_order(similarity, "network_i", "network_j", networks)
    similarity = similarity.assign(
        one=similarity.network_i, other=similarity.network_j, bottom=1.0, radius=0.0
    )
    for k, frame in similarity.groupby("k"):
        for measure, column in OF_AXES.items():
            rows = frame.assign(top=frame[column])
            for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
                yield number(measure, "ratio", kind=kind, k=k), part
        yield number("chance", "ratio", k=k), frame.assign(top=frame.chance)


def gradient_cosine(similarity, networks):
    """Yield the cosine of each network's gradient with that of the simulated brain."""
    rows = similarity[(similarity.response == "group") & similarity.cosine.notna()]
    rows = measures.in_family_order(rows, "network_i", "network_j", networks)  # the brain comes last
    rows = rows[rows.network_j == BRAIN]
    rows = rows.assign(one=rows.network_i, other="", top=rows.cosine, bottom=1.0, radius=0.0)
    for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
        yield number("gradient_cosine", "cosine", kind=kind), part


def unconverged(sensitivity, networks):
    """Yield, by family, own attacks, of which some have not converged."""
    rows = sensitivity[(sensitivity.subject == GROUP) & (sensitivity.norm == measures.MAIN)]
    rows = rows[rows.kind == "attack"]
    rows = rows.assign(one=rows.network, other="")
    for kind, part in by_family(rows, "network", networks):
        yield number("unconverged", "share", "attack", kind), part


def reached(variants, networks):
    """Yield, by family, own attacks that wanted a change, of which some did not reach it."""
    rows = variants[(variants.attack == "l2_effect") & (variants.source == variants.target)]
    rows = rows.assign(one=rows.source, other="")
    for wanted, part in rows.groupby("wanted"):
        for kind, of_family in by_family(part, "source", networks):
            yield number("reached", "share", "attack", kind, wanted=wanted), of_family


if __name__ == "__main__":
    job.start(main, globals())
