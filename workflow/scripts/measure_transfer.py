"""What the perturbations of one model do to others, and theirs to it (rule measure_transfer)."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch

from codingaxes import job, models, pixels, tables


def main(run):
    """Pairs of this model with each of those before it, both ways, with itself and with random noise."""
    mine, probes = run.wildcards["model"], Probes(run)
    *others, own, noise = run.input["perturbations"]
    # every other model is loaded once, and let go before the next
    target, attacks = Target(models.load(run, mine), mine, probes), tables.read(own, "perturbations")
    parts = [target.shown(attacks), target.shown(tables.read(noise, "perturbations"))]
    names = [tables.BRAIN] if "brain" in run.input and mine != tables.BRAIN else []
    names += [name for name in run.params["networks"] if name != mine]
    for name, file in run.track(list(zip(names, others, strict=True)), unit="model"):
        parts.append(target.shown(tables.read(file, "perturbations")))
        parts.append(Target(models.load(run, name), name, probes).shown(attacks))
    tables.write(run.output["transfer"], "transfer", pd.concat(parts, ignore_index=True))


class Probes:
    """The images that were attacked, on the device, and where each of them is."""

    def __init__(self, run):
        stimuli = tables.read(run.input["stimuli"], "stimuli")
        probes = stimuli[stimuli.probe].reset_index(drop=True)
        device = job.choose_device(run.params["device"])
        self.images = pixels.read(probes.file, run.params["image_size"]).to(device)
        self.position = pd.Series(probes.index, index=probes.image_id)


@dataclass(frozen=True)
class Target:
    """A model that is shown perturbations of the probes."""

    model: models.Model
    name: str
    probes: Probes

    @cached_property
    @torch.no_grad()
    def before(self):
        """Responses to the images as they are: region -> (images,)."""
        return {roi: respond(self.probes.images).squeeze(1) for roi, respond in self.model.group.items()}

    def shown(self, made):
        """Rows of the table transfer: a perturbation counts for the region it was made for, noise for all."""
        parts = []
        for roi in self.model.group:
            rows = made[made.roi.isin([roi, "none"])].copy()
            rows["roi"], rows["target"], rows["source"] = roi, self.name, rows.network
            rows["change_source"] = rows.response_after - rows.response_before
            rows["change_target"] = self.changes(roi, rows)
            parts.append(rows[list(tables.TABLES["transfer"].columns)])
        return pd.concat(parts, ignore_index=True)

    @torch.no_grad()
    def changes(self, roi, rows, batch=64):
        """Response to image plus perturbation, minus that to the image, as float64."""
        chosen, found = self.probes.position[rows.image_id].to_numpy(copy=True), []
        for start in range(0, len(rows), batch):
            part = chosen[start : start + batch]
            images = self.probes.images[part]
            delta = torch.from_numpy(tables.matrix(rows.delta.iloc[start : start + batch])).float()
            responses = self.model.group[roi](images + delta.view_as(images).to(images.device))
            found.append(responses.squeeze(1) - self.before[roi][part])
        return torch.cat(found).double().cpu().numpy()


if __name__ == "__main__":
    job.start(main, globals())
