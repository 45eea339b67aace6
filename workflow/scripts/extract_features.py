"""Features of all candidate layers of one network for every stimulus (rule extract_features)."""

import pandas as pd
import torch

from codingaxes import job, networks, pixels, tables

BATCH = 50  # images; an image's features do not depend on it beyond rounding


def main(run):
    """One batch in memory at a time; a stopped job resumes at the batch it had reached."""
    device = job.choose_device(run.params["device"])
    size = run.params["image_size"]
    network = networks.load(run.params["network"], run.input["weights"], device, image_size=size)
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    shards, starts = run.shards("features"), range(0, len(stimuli), BATCH)
    for start in run.track(shards.missing(starts), unit="batch"):
        batch = stimuli.iloc[start : start + BATCH]
        images = pixels.read(batch.file, size).to(device)
        with torch.no_grad():
            features = network.features(images)
        shards.save(start, rows(run.wildcards["network"], batch.image_id, features))
    shards.write(run.output["features"], starts)
    shards.remove()


def rows(name, image_ids, features):
    """A batch's rows of the table features, one layer after the other."""
    parts = []
    for layer, values in features.items():
        part = pd.DataFrame({"network": name, "layer": layer, "image_id": image_ids})
        part["feature"] = list(values.cpu().numpy())
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
