"""Extract the features of all candidate layers of one network for every stimulus (rule extract_features)."""

import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.images import read_images
from codingaxes.networks.folding import fold_batch_norms
from codingaxes.networks.network import load_network
from codingaxes.tables import store
from codingaxes.tables.features import FEATURES
from codingaxes.tables.nsd import STIMULI

BATCH = 50  # images; the features of an image do not depend on it beyond rounding


def main(run):
    """Hold one batch in memory at a time; a stopped job resumes at the batch it had reached."""
    device, size = devices.choose_device(run.params["device"], run.gpus, str(run)), run.params["image_size"]
    network = load_network(run.params["network"], run.input["weights"], device, image_size=size)
    fold_batch_norms(network, size)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    shards, starts, fitting = run.shards(FEATURES), range(0, len(stimuli), BATCH), devices.Batches(BATCH)

    @torch.no_grad()
    def work(images):
        return {layer: values.cpu() for layer, values in network.features(images.to(device)).items()}

    for start in run.track(shards.missing(starts), unit="batch"):
        batch = stimuli.iloc[start : start + BATCH]
        parts = fitting(work, read_images(batch, size))
        features = {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}
        shards.save(start, as_rows(run.wildcards["network"], batch.image_id, features))
    shards.write(run.output["features"], starts)
    shards.remove()


def as_rows(name, image_ids, features):
    """Turn the features of a batch into rows of the table features, one layer after the other."""
    names = [layer for layer in features for _ in image_ids]
    rows = {"network": name, "layer": names, "image_id": [*image_ids] * len(features)}
    vectors = [vector for values in features.values() for vector in values.numpy()]
    return pd.DataFrame(rows | {"feature": pd.Series(vectors, dtype=object)})


if __name__ == "__main__":
    job.start(main, globals())
