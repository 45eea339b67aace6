"""Write the numbers of the study, with intervals, as a table and as text (rule summarise_numbers)."""

from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import bootstrap, measures, sentences
from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.sensitivity import SENSITIVITY
from codingaxes.tables.similarity import SIMILARITY, SIMILARITY_MEANS
from codingaxes.tables.summaries import NUMBERS
from codingaxes.tables.transfer import TRANSFER

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
COLUMNS += ["change_source", "change_target"]
VARIANTS = [*COLUMNS, "wanted", "reached"]
CONTROLS = ["other_image", "other_region", "phase_scrambled"]
KIND = ["family_source", "family_target", "architectures"]
PAIR = ["network_i", "network_j", "response", "roi", "k"]
OF_AXES = {
    "similarity": "similarity",
    "similarity_across_images": "across_images",
    "similarity_by_spectrum": "matched_chance",
}


def main(run):
    """Average everything over images last, so that images can be resampled."""
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
        *relative_transfer(transfer[transfer.attack == measures.MAIN], networks),
        *transfer_of_effects(variants, networks),
        *similarity_of_axes(similarity, networks),
        *gradient_cosine(similarity, networks),
    ]
    counted = [*unconverged(sensitivity, networks), *reached(variants, networks)]
    # drawn under the rule's former name: another name would draw other images
    rng, draws = np.random.default_rng(run.seed(rule="summarise_effects")), run.params["bootstrap"]
    rows = [row for number, frame in estimated for row in estimates(number, frame, rng, draws)]
    rows += [row for number, frame in counted for row in shares(number, frame)]
    table = pd.DataFrame(rows)[list(NUMBERS.columns)]
    store.write(run.output["numbers"], NUMBERS, table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")
    Path(run.output["text"]).write_text(sentences.describe_numbers(table))


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


def estimates(about, frame, rng, draws):
    """Yield the rows of one kind of number: mean over pairs and regions of top / bottom, and its interval.

    Images that lack a pair or a region are left out.
    """
    for radius, roi, part in cells(frame):
        top, bottom = (
            part.pivot_table(index=["pair", "roi"], columns="image_id", values=name)
            for name in ("top", "bottom")
        )
        whole = top.notna().all() & bottom.notna().all()
        estimate, low, high = np.nan, np.nan, np.nan
        if whole.any():
            values = top.loc[:, whole].to_numpy(), bottom.loc[:, whole].to_numpy()
            estimate, low, high = bootstrap.bootstrap_mean_ratio(*values, rng, draws)
        row = {"roi": roi, "radius": radius, "estimate": estimate, "ci_low": low, "ci_high": high}
        yield about | row | {"n": part.pair.nunique(), "n_images": part.image_id.nunique()}


def shares(about, frame):
    """Yield the rows of a share of attacks, which has no interval."""
    for radius, roi, part in cells(frame):
        missed = about["measure"] == "unconverged"
        share = measures.unconverged(part.converged) if missed else part.reached.mean()
        row = {"roi": roi, "radius": radius, "estimate": share, "ci_low": np.nan, "ci_high": np.nan}
        yield about | row | {"n": part.pair.nunique(), "n_images": part.image_id.nunique()}


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
                yield about, rows.assign(pair=rows.target, top=rows.change, bottom=1.0)


def controls(sensitivity, networks):
    """Yield, by family, changes under attacks made for other images or regions, or with scrambled phases."""
    sensitivity = sensitivity[(sensitivity.subject == GROUP) & (sensitivity.norm == measures.MAIN)]
    for kind, part in by_family(sensitivity, "network", networks):
        for perturbation in CONTROLS:
            rows = part[part.kind == perturbation]
            if len(rows):
                about = number("mean_change", "SD", perturbation, kind)
                change = measures.counted_change(rows.change, rows.direction, rows.kind)
                yield about, rows.assign(pair=rows.network, top=change, bottom=1.0)


def relative_transfer(transfer, networks, wanted=0.0):
    """Yield changes of other models under attacks, by kind of pair."""
    other = transfer[(transfer.source != transfer.target) & (transfer.source != BRAIN)]
    other = other.assign(pair=other.source + " > " + other.target, top=other.change, bottom=other.own)
    for kind, part in measures.kinds_of_pairs(other, "source", "target", networks):
        yield number("relative_transfer", "ratio", "attack", kind, wanted=wanted), part


def transfer_of_effects(variants, networks):
    """Yield the same of the smallest attacks that have a wanted effect, where they have it."""
    rows = variants[(variants.attack == "l2_effect") & variants.reached]
    for wanted, part in rows.groupby("wanted"):
        yield from relative_transfer(part, networks, wanted)


def similarity_of_axes(similarity, networks):
    """Yield similarity of voxels' axes by kind of pair, and what chance and spectra explain of it."""
    similarity = similarity[similarity.response == "voxels"]
    similarity = measures.in_family_order(similarity, "network_i", "network_j", networks)
    similarity = similarity.assign(
        pair=similarity.network_i + " & " + similarity.network_j, bottom=1.0, radius=0.0
    )
    for k, frame in similarity.groupby("k"):
        for measure, column in OF_AXES.items():
            rows = frame.assign(top=frame[column])
            for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
                yield number(measure, "ratio", kind=kind, k=k), part
        yield number("chance", "ratio", k=k), frame.assign(top=frame.chance)


def gradient_cosine(similarity, networks):
    """Yield the cosine of each network's gradient with that of the simulated brain."""
    rows = similarity[(similarity.response == "group") & (similarity.network_j == BRAIN)]
    rows = rows.assign(pair=rows.network_i, top=rows.cosine, bottom=1.0, radius=0.0)
    for kind, part in measures.kinds_of_pairs(rows, "network_i", "network_j", networks):
        yield number("gradient_cosine", "cosine", kind=kind), part


def unconverged(sensitivity, networks):
    """Yield, by family, own attacks, of which some have not converged."""
    rows = sensitivity[(sensitivity.subject == GROUP) & (sensitivity.norm == measures.MAIN)]
    rows = rows[rows.kind == "attack"]
    rows = rows.assign(pair=rows.network)
    for kind, part in by_family(rows, "network", networks):
        yield number("unconverged", "share", "attack", kind), part


def reached(variants, networks):
    """Yield, by family, own attacks that wanted a change, of which some did not reach it."""
    rows = variants[(variants.attack == "l2_effect") & (variants.source == variants.target)]
    rows = rows.assign(pair=rows.source)
    for wanted, part in rows.groupby("wanted"):
        for kind, of_family in by_family(part, "source", networks):
            yield number("reached", "share", "attack", kind, wanted=wanted), of_family


if __name__ == "__main__":
    job.start(main, globals())
