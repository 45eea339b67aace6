"""The numbers of the study, with intervals, as a table and as text (rule summarise_effects)."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import groups, job, statistics, tables

TRANSFER = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
TRANSFER += ["change_source", "change_target"]
VARIANTS = [*TRANSFER, "wanted", "reached"]
CONTROLS = {
    "other_image": "another image's attack",
    "other_region": "another region's attack",
    "phase_scrambled": "attack with scrambled phases",
}
HEADINGS = {
    "sensitivity": "Change of a model's own response under its own attack, and under controls of its size",
    "relative transfer": "Change of another model, as a share of the change of the attacked one",
    "subspace similarity": "Mean squared cosine of the principal angles of leading axes, on the same image",
    "similarity across images": "The same, of one model's axes on an image and the other's on other images",
    "similarity by spectrum": "The same, expected of unrelated axes with the two models' spatial frequencies",
    "gradient cosine": "Cosine of the gradient with that of the simulated brain",
}


def main(run):
    """Everything is averaged over images last, so that images can be resampled."""
    networks = tables.read(run.input["networks"], "networks").set_index("network")
    transfer = tables.read(run.input["transfer"], "transfer", TRANSFER)
    similarity = tables.read(run.input["similarity"], "similarity")
    means = tables.read(run.input["similarity_means"], "similarity_means")
    pair = ["network_i", "network_j", "response", "roi", "k"]
    similarity = similarity.merge(means[[*pair, "matched_chance"]], on=pair, validate="many_to_one")
    rng, draws = np.random.default_rng(run.seed()), run.params["bootstrap"]
    rows = []
    for effect, group, unit, frame in [
        *sensitivity(transfer, networks),
        *controls(tables.read(run.input["sensitivity"], "sensitivity"), networks),
        *relative_transfer(transfer[transfer.attack == "l2"], networks),
        *with_effect(tables.read(run.input["variants"], "transfer", VARIANTS), networks),
        *subspace_similarity(similarity, networks),
        *gradient_cosine(similarity, networks),
    ]:
        for radius, part in frame.groupby("radius"):
            for roi in ["all", *dict.fromkeys(part.roi)]:
                chosen = part if roi == "all" else part[part.roi == roi]
                estimate, low, high = estimate_mean(chosen, rng, draws)
                rows.append(
                    {
                        "effect": effect,
                        "group": group,
                        "roi": roi,
                        "radius": radius,
                        "estimate": estimate,
                        "ci_low": low,
                        "ci_high": high,
                        "n": chosen.pair.nunique(),
                        "n_images": chosen.image_id.nunique(),
                        "unit": unit,
                    }
                )
    effects = pd.DataFrame(rows)
    tables.write(run.output["effects"], "effects", effects)
    effects.to_csv(run.output["csv"], index=False, float_format="%.5g")
    Path(run.output["text"]).write_text(as_text(effects))


def estimate_mean(frame, rng, draws):
    """Mean over pairs and regions of top / bottom, and its interval; images with gaps are left out."""
    top, bottom = (
        frame.pivot_table(index=["pair", "roi"], columns="image_id", values=v) for v in ("top", "bottom")
    )
    whole = top.notna().all() & bottom.notna().all()
    if not whole.any():
        return np.nan, np.nan, np.nan
    return statistics.bootstrap_mean_ratio(
        top.loc[:, whole].to_numpy(), bottom.loc[:, whole].to_numpy(), rng, draws
    )


def sensitivity(transfer, networks):
    """Own attacks and random noise (mean over draws), by family, in SD of the measured training responses."""
    own = transfer[(transfer.attack == "l2") & (transfer.source == transfer.target)]
    own = own.assign(change=groups.attacked_way(own.change_target, own.direction))
    noise = transfer[transfer.attack == "random"]
    family = groups.families(networks)
    for name in dict.fromkeys(family.values()):
        members = [model for model, kind in family.items() if kind == name]
        for label, part, values in (
            ("own attack", own, own.change),
            ("random noise", noise, noise.change_target.abs()),
        ):
            mine = part.target.isin(members)
            if mine.any():
                frame = part[mine].assign(pair=part.target, top=values[mine], bottom=1.0)
                yield "sensitivity", f"{name}, {label}", "SD", frame


def controls(seen, networks):
    """What is left of an attack on another image, for another region, or with scrambled phases, by family."""
    seen = seen[(seen.subject == tables.GROUP) & (seen.norm == "l2")]
    family = groups.families(networks)
    for name, (kind, label) in itertools.product(dict.fromkeys(family.values()), CONTROLS.items()):
        part = seen[(seen.network.map(family) == name) & (seen.kind == kind)]
        if len(part):
            frame = part.assign(pair=part.network, top=part.change.abs(), bottom=1.0)
            yield "sensitivity", f"{name}, {label}", "SD", frame


def relative_transfer(transfer, networks, effect="relative transfer"):
    """Attacks shown to other models: within and between families, and to the simulated brain."""
    other = transfer[(transfer.source != transfer.target) & (transfer.source != tables.BRAIN)]
    other = other.assign(
        pair=other.source + " > " + other.target,
        top=groups.attacked_way(other.change_target, other.direction),
        bottom=groups.attacked_way(other.change_source, other.direction),
    )
    for label, part in groups.by_pair(other, "source", "target", networks):
        yield effect, label, "ratio", part


def with_effect(transfer, networks):
    """The same for the smallest attacks that have a wanted effect, where they have it."""
    reached = transfer[(transfer.attack == "l2_effect") & transfer.reached]
    for wanted, part in reached.groupby("wanted"):
        yield from relative_transfer(part, networks, f"relative transfer, effect of {wanted:g} SD")


def subspace_similarity(similarity, networks):
    """Of voxels' axes, within families and with the simulated brain, and what chance and spectra explain."""
    similarity = similarity[similarity.response == "voxels"]
    measures = {
        "subspace similarity": "similarity",
        "similarity across images": "across_images",
        "similarity by spectrum": "matched_chance",
    }
    for k, frame in similarity.groupby("k"):
        for name, column in measures.items():
            frame = frame.assign(
                pair=frame.network_i + " & " + frame.network_j, top=frame[column], bottom=1.0, radius=0.0
            )
            for label, part in groups.by_pair(frame, "network_i", "network_j", networks):
                yield f"{name}, k = {k}", label.replace(" to ", " and "), "ratio", part
        yield f"subspace similarity, k = {k}", "chance", "ratio", frame.assign(top=frame.chance)


def gradient_cosine(similarity, networks):
    """Between each network and the simulated brain."""
    frame = similarity[(similarity.response == "group") & (similarity.network_j == tables.BRAIN)]
    frame = frame.assign(pair=frame.network_i, top=frame.cosine, bottom=1.0, radius=0.0)
    for family in dict.fromkeys(networks.family):
        part = frame[frame.network_i.map(networks.family) == family]
        if len(part):
            yield "gradient cosine with the simulated brain", family, "cosine", part


def as_text(effects):
    """The rows for all regions together, at the largest radius, as the run prints them."""
    shown = effects[effects.roi == "all"]
    largest = shown.groupby("effect").radius.transform("max")
    lines = []
    for effect, part in shown[shown.radius == largest].groupby("effect", sort=False):
        radius = part.radius.iloc[0]
        heading = next(text for name, text in HEADINGS.items() if effect.startswith(name))
        lines += ["", f"{effect}{f', l2 radius {radius:g}' if radius else ''}", f"  {heading}"]
        for row in part.itertuples():
            interval = f"[{row.ci_low:8.4f}, {row.ci_high:8.4f}]"
            lines.append(f"  {row.group:48s} {row.estimate:8.4f}  {interval} {row.unit:6s} n = {row.n}")
    images = int(shown.n_images.max())
    lines += ["", f"Means over regions and pairs; 95% intervals by bootstrap over {images} held-out images."]
    return "\n".join(lines).lstrip() + "\n"


if __name__ == "__main__":
    job.start(main, globals())
