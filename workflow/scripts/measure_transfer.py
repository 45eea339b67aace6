"""What the perturbations of one model do to others, and theirs to it (rule measure_transfer)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from codingaxes import batches, controls, job, models, pixels, tables
from codingaxes.tables import GROUP

NOT_SHOWN = ("bound", "bound_ratio", "evaluations", "converged")
MADE = [name for name in tables.TABLES["perturbations"].columns if name not in NOT_SHOWN]
COLUMNS = list(tables.TABLES["transfer"].columns)
OUTPUTS = {"transfer": "perturbations", "variants": "variants"}  # table of changes: files of perturbations


def main(run):
    """Pairs of this model with each of those before it, both ways, with itself and with random noise."""
    mine, probes = run.wildcards["model"], Probes(run)
    names = [tables.BRAIN] if "brain" in run.input and mine != tables.BRAIN else []
    names += [name for name in run.params["networks"] if name != mine]
    target = Target(models.load(run, mine), mine, probes)
    files = {output: as_list(run.input[made]) for output, made in OUTPUTS.items()}
    own = {output: made_of(of[-1]) for output, of in files.items()}
    noise = made_of(run.input["noise"])
    usual = noise.attack == "random"
    parts = {
        "transfer": [target.shown(own["transfer"]), target.shown(noise[usual])],
        "variants": [
            target.shown(own["variants"]),
            target.noisy(own["variants"]),
            target.shown(noise[~usual]),
        ],
    }
    for place, name in run.track(list(enumerate(names)), unit="model"):
        # every other model is loaded once, and let go before the next
        other = Target(models.load(run, name), name, probes)
        for output, of in files.items():
            made = made_of(of[place])
            parts[output] += [target.shown(made), other.shown(own[output])]
            if output == "variants":
                parts[output] += [target.noisy(made), other.noisy(own[output])]
    for output, frames in parts.items():
        frames = [frame for frame in frames if len(frame)]
        made = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)
        tables.write(run.output[output], "transfer", made)


def as_list(files):
    """The files of an input that may be a single one."""
    return [files] if isinstance(files, str) else files


def made_of(file):
    """The perturbations of a file, with what is needed to show them."""
    return tables.read(file, "perturbations", columns=MADE)


class Probes:
    """The images that were attacked, on the device, and where each of them is."""

    def __init__(self, run):
        stimuli = tables.read(run.input["stimuli"], "stimuli")
        probes = stimuli[stimuli.probe].reset_index(drop=True)
        device = job.choose_device(run.params["device"])
        self.images = pixels.read(probes.file, run.params["image_size"]).to(device)
        self.position = pd.Series(probes.index, index=probes.image_id)
        self.fitting = batches.Batches(64)
        self.seed = run.params["seed"]

    def of(self, rows):
        """The image of each row (rows, 3, h, w)."""
        return self.images[self.position[rows.image_id].to_numpy(copy=True)]


@dataclass(frozen=True)
class Target:
    """A model that is shown perturbations of the probes."""

    model: models.Model
    name: str
    probes: Probes

    @cached_property
    def readers(self):
        """All readouts from one pass, and their names."""
        return self.model.readers()

    @cached_property
    def before(self):
        """Responses to the images as they are (images, readouts)."""
        return self.responses(self.probes.images)

    @torch.no_grad()
    def responses(self, images):
        """All readouts of some images, (n, readouts)."""
        return torch.cat(self.probes.fitting(self.readers[0], images))

    def shown(self, made):
        """Rows of the table transfer: a perturbation counts for the region it was made for, noise for all."""
        return self.rows(
            made, self.changes(made, lambda rows: pixels.perturbations(rows.delta, self.probes.images))
        )

    def noisy(self, made):
        """The same for white noise of the size of every perturbation whose size was not given."""
        made = made[made.attack == "l2_effect"]
        made = made.assign(attack="random_effect", draw=1, response_after=np.nan)
        return self.rows(made, self.changes(made, self.noise))

    def noise(self, rows):
        """White noise of the sizes of some perturbations; of an image it is the same for all models."""
        images = self.probes.of(rows)
        seeds = [job.seed_of(self.probes.seed, "random_effect", image_id) for image_id in rows.image_id]
        directions = torch.stack(list(map(controls.random_direction, seeds, images)))
        return controls.resized(directions, images, torch.tensor(rows["size"].to_numpy()).to(images), "l2")

    def changes(self, made, perturbation, together=64):
        """Responses to image plus perturbation, minus those to the image: float64 (rows, readouts)."""
        found = [np.zeros((0, len(self.readers[1])))]
        for start in range(0, len(made), together):
            rows = made.iloc[start : start + together]
            before = self.before[self.probes.position[rows.image_id].to_numpy(copy=True)]
            after = self.responses(self.probes.of(rows) + perturbation(rows))
            found.append((after - before).double().cpu().numpy())
        return np.concatenate(found)

    def rows(self, made, changes):
        """The changes of the readouts that each perturbation counts for, as rows of the table transfer."""
        parts = []
        for roi in self.model.group:
            mine = made.roi.isin([roi, "none"]).to_numpy()
            places = {who: i for i, (where, who) in enumerate(self.readers[1]) if where == roi}
            rows = made[mine].assign(roi=roi, target=self.name, source=made.network[mine])
            rows["change_source"] = rows.response_after - rows.response_before
            rows["change_target"] = changes[mine, places.pop(GROUP)]
            rows["change_subjects"] = list(changes[mine][:, list(places.values())])
            parts.append(rows[COLUMNS])
        return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
