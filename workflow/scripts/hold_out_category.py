"""Fit readouts without the images of a category, and see what they make of it (rule hold_out_category)."""

from itertools import combinations

import numpy as np
import pandas as pd
import torch

from codingaxes import job
from codingaxes.axes import eigenpairs
from codingaxes.devices import choose_device
from codingaxes.encoding import from_network
from codingaxes.estimates import undefined
from codingaxes.images import read_images
from codingaxes.miniature import scenes
from codingaxes.names import GROUP
from codingaxes.readouts import ridge, selection
from codingaxes.tables import store
from codingaxes.tables.claims import HELD_OUT_GRADIENTS, HELD_OUT_PREDICTIONS
from codingaxes.tables.features import FEATURES
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS

FEWEST = 10  # training images that are left


def main(run):
    """Take one network after the other; their gradients are compared at the end."""
    stimuli = store.read(run.input["stimuli"], STIMULI)
    test = shows(run, stimuli)
    train = (stimuli.split == "train").to_numpy() & ~test
    predictions, gradients = [], {}
    enough = train.sum() >= FEWEST and test.sum() >= undefined.FEWEST
    if not enough:
        job.log.warning(
            f"{run.params['category']}: {train.sum()} training images are without it and {test.sum()} images "
            f"show it; {FEWEST} and {undefined.FEWEST} are needed, so nothing is held out"
        )
    # no image that shows it was fitted; those that no other readout has seen either come first
    probes = stimuli[test].sort_values("split", kind="stable").iloc[: run.params["probes"]]
    measured = store.read(run.input["measurements"], MEASUREMENTS, filters=[("subject", "=", GROUP)])
    measured = measured.pivot(index="image_id", columns="roi", values="value").loc[stimuli.image_id]
    device = choose_device(run.params["device"])
    images = read_images(probes, run.params["image_size"]).to(device) if enough else None
    options, _ = selection.fit_options(run.params["readouts"], run.seed("folds") % 2**32)
    names = list(run.params["networks"]) if enough else []
    for name in run.track(names, unit="network"):
        for roi, respond, values in readers_of(run, name, stimuli, device):
            response = measured[[roi]].to_numpy()
            fit = ridge.fit(values[train], response[train], **options)
            predictions.append(
                pd.DataFrame(
                    {
                        "network": name,
                        "roi": roi,
                        "image_id": stimuli.image_id[test],
                        "measured": response[test, 0],
                        "predicted": fit.predict(values[test])[:, 0],
                    }
                )
            )
            gradients[name, roi] = gradient(respond.with_weight(fit.weight), images, run.params["batch_size"])
    table = pd.concat(predictions or [pd.DataFrame(columns=list(HELD_OUT_PREDICTIONS.columns))])
    store.write(run.output["predictions"], HELD_OUT_PREDICTIONS, table)
    store.write(run.output["gradients"], HELD_OUT_GRADIENTS, compare(gradients, probes.image_id))


def shows(run, stimuli):
    """Tell which images show the category, (images,)."""
    category = run.params["category"]
    if run.params["scenes"] is not None:
        seed, size = run.params["scenes"], run.params["image_size"]
        found = [category in scenes.categories_of(seed, scene, size) for scene in stimuli.nsd_id]
        return np.array(found, bool)
    file = run.input["categories"]
    table = pd.read_csv(file, dtype=str)
    if missing := {"image_id", "category"} - set(table.columns):
        raise ValueError(
            f"held_out.table: {file} lacks the column {', '.join(sorted(missing))}; it has "
            f"{', '.join(table.columns)}"
        )
    found = stimuli.image_id.isin(set(table.image_id[table.category == category])).to_numpy()
    if not found.any():
        known = ", ".join(sorted(set(table.category.dropna())))
        raise ValueError(
            f"held_out.table: {file} has no image of the study with the category {category!r}; its "
            f"categories are {known}, and an image is called {stimuli.image_id.iloc[0]}, for instance"
        )
    return found


def readers_of(run, name, stimuli, device):
    """Yield each region of a network with its response module, and the features (images, r) that it reads.

    They are coordinates along the basis of the layer, which was chosen on all training images: to choose one
    of a few layers takes less from them than to fit hundreds of weights.
    """
    place = list(run.params["networks"]).index(name)
    files = (run.input[part][place] for part in ("weights", "readouts", "bases"))
    model = from_network.load(run.params["networks"][name], *files, device)
    layers = {}
    for roi, respond in model.group.items():
        if respond.layer not in layers:
            rows = store.read(
                run.input["features"][place],
                FEATURES,
                columns=["image_id", "feature"],
                filters=[("layer", "=", respond.layer)],
            )
            features = store.matrix(rows.set_index("image_id").feature[stimuli.image_id])
            layers[respond.layer] = (features @ respond.basis.T).astype(np.float64)
        yield roi, respond, layers[respond.layer]


def gradient(respond, images, batch_size):
    """Differentiate one response by the pixels of each image: float32 (images, pixels)."""
    parts = [eigenpairs.rows(respond, batch)[:, 0] for batch in images.split(batch_size)]
    return torch.cat(parts).cpu().numpy()


def compare(gradients, image_ids):
    """Make rows of the table held_out_gradients, of networks and of pairs of them."""
    parts = [pd.DataFrame(columns=list(HELD_OUT_GRADIENTS.columns))]
    regions = dict.fromkeys(roi for _, roi in gradients)
    for roi in regions:
        own = {name: rows.astype(np.float64) for (name, of_roi), rows in gradients.items() if of_roi == roi}
        norms = {name: np.linalg.norm(rows, axis=1) for name, rows in own.items()}
        about = {"roi": roi, "image_id": image_ids.to_numpy()}
        parts += [
            pd.DataFrame({"network_i": name, "network_j": "", **about, "norm": norm, "cosine": np.nan})
            for name, norm in norms.items()
        ]
        for one, other in combinations(own, 2):
            product = norms[one] * norms[other]
            dots = (own[one] * own[other]).sum(axis=1)
            cosine = np.divide(dots, product, out=np.full(len(dots), np.nan), where=product > 0)
            pair = {"network_i": one, "network_j": other, "norm": norms[one], "cosine": cosine}
            parts.append(pd.DataFrame({**pair, **about}))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
