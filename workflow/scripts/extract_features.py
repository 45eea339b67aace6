"""Features of all candidate layers of one network for every stimulus (rule extract_features)."""

import pandas as pd
import torch

from codingaxes import job, networks, pixels, tables


def main(run):
    """Small batches; an image's features do not depend on its batch."""
    device = job.choose_device(run.params["device"])
    network = networks.load(run.params["network"]["architecture"], run.input["weights"], device)
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    batches = [stimuli.iloc[start : start + 50] for start in range(0, len(stimuli), 50)]
    parts = []
    for batch in run.track(batches, unit="batch"):
        images = pixels.read(batch.file, run.params["image_size"]).to(device)
        with torch.no_grad():
            features = network.features(images)
        for layer, values in features.items():
            part = pd.DataFrame(
                {"network": run.wildcards["network"], "layer": layer, "image_id": batch.image_id}
            )
            part["feature"] = list(values.cpu().numpy())
            parts.append(part)
    tables.write(run.output["features"], "features", pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    job.start(main, globals())
