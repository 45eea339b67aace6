"""What every model's perturbations do to one target (rule measure_transfer)."""

import pandas as pd
import torch

from codingaxes import job, models, pixels, tables


def main(run):
    """Each perturbation is judged by the target's response of the region it was made for; noise by all."""
    target = run.wildcards["model"]
    model = models.load(run, target)
    device = job.choose_device(run.params["device"])
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe].reset_index(drop=True)
    images = pixels.read(probes.file, run.params["image_size"]).to(device)
    position = pd.Series(probes.index, index=probes.image_id)
    with torch.no_grad():
        before = {roi: respond(images).squeeze(1) for roi, respond in model.group.items()}
    parts = []
    for file in run.track(run.input["perturbations"], unit="source"):
        made = tables.read(file, "perturbations")
        for roi in model.group:
            rows = made[made.roi.isin([roi, "none"])].copy()
            chosen = position[rows.image_id].to_numpy(copy=True)
            rows["roi"], rows["target"], rows["source"] = roi, target, rows.network
            rows["change_source"] = rows.response_after - rows.response_before
            rows["change_target"] = changes(model.group[roi], images[chosen], rows.delta, before[roi][chosen])
            parts.append(rows[list(tables.TABLES["transfer"].columns)])
    tables.write(run.output["transfer"], "transfer", pd.concat(parts, ignore_index=True))


@torch.no_grad()
def changes(respond, images, deltas, before, batch=64):
    """Response to image plus perturbation, minus that to the image, as float64."""
    found = []
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        delta = (
            torch.from_numpy(tables.matrix(deltas.iloc[part])).float().view_as(images[part]).to(images.device)
        )
        found.append(respond(images[part] + delta).squeeze(1) - before[part])
    return torch.cat(found).double().cpu().numpy()


if __name__ == "__main__":
    job.start(main, globals())
