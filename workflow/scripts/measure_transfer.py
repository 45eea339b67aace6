"""Measure what the perturbations of one model do to others, and theirs to it (rule measure_transfer)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks import controls
from codingaxes.attacks.noise import random_direction
from codingaxes.encoding import stored
from codingaxes.images import read_images, read_perturbations
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.transfer import TRANSFER

OUTPUTS = ("perturbations", "variants")  # kinds of perturbations; an output each says what they do
# Columns of perturbations that are needed to show them.
COLUMNS = ["attack", "network", "roi", "direction", "radius", "wanted", "draw", "image_id", "size"]
COLUMNS += ["reached", "response_before", "response_after", "delta"]
BATCH = 64  # perturbations that are shown together


def main(run):
    """Compare this model with each of those before it, both ways, with itself and with random noise."""
    name, probes = run.wildcards["model"], Probes(run)
    target = Target(name, probes)
    own, noise = probes.attacks_on(name), store.read(run.input["noise"], PERTURBATIONS, COLUMNS)
    main_size = noise.attack == "random"
    parts = {
        "perturbations": [target.show(own["perturbations"]), target.show(noise[main_size])],
        "variants": [
            target.show(own["variants"]),
            target.show_noise(own["variants"]),
            target.show(noise[~main_size]),
        ],
    }
    others = [other for other in run.params["models"] if other != name]
    for other_name in run.track(others, unit="model"):
        # every other model is loaded once, and let go before the next
        other, attacks = Target(other_name, probes), probes.attacks_on(other_name)
        for output in OUTPUTS:
            parts[output] += [target.show(attacks[output]), other.show(own[output])]
        parts["variants"] += [target.show_noise(attacks["variants"]), other.show_noise(own["variants"])]
    for output, frames in parts.items():
        frames = [frame for frame in frames if len(frame)] or frames[:1]
        store.write(run.output[output], TRANSFER, pd.concat(frames, ignore_index=True))


class Probes:
    """Hold the images that were attacked, and load the models and perturbations that belong to them."""

    def __init__(self, run):
        self.run, self.device = run, devices.choose_device(run.params["device"])
        stimuli = store.read(run.input["stimuli"], STIMULI)
        probes = stimuli[stimuli.probe].reset_index(drop=True)
        self.images = read_images(probes.file, run.params["image_size"]).to(self.device)
        self.place = pd.Series(probes.index, index=probes.image_id)
        self.fitting = devices.Batches(BATCH)

    def load(self, name):
        """Load a model onto the device."""
        return stored.load(self.run.files(name), self.run.params["models"][name], self.device)

    def attacks_on(self, name):
        """Read the perturbations that were made on a model, by output."""
        files = self.run.files(name)
        return {output: store.read(files[output], PERTURBATIONS, COLUMNS) for output in OUTPUTS}

    def places(self, rows):
        """Find the image of each row."""
        return self.place[rows.image_id].to_numpy(copy=True)

    def stored(self, rows):
        """Read the stored perturbations of some rows, (rows, 3, h, w)."""
        return read_perturbations(rows.delta, self.images)

    def noise(self, rows):
        """Draw white noise of the sizes of some perturbations; of an image it is the same for all models."""
        images, seed = self.images[self.places(rows)], self.run.params["seed"]
        seeds = [job.seed_of(seed, "random_effect", image_id) for image_id in rows.image_id]
        directions = torch.stack(list(map(random_direction, seeds, images)))
        return controls.resized(directions, images, torch.tensor(rows["size"].to_numpy()).to(images), "l2")


class Target:
    """Show a model perturbations of the probes."""

    def __init__(self, name, probes):
        model = probes.load(name)
        self.name, self.probes, self.regions = name, probes, list(model.group)
        self.respond, self.readers = model.readers()
        self.before = self.responses(probes.images)

    @torch.no_grad()
    def responses(self, images):
        """Compute all readouts of some images, (n, readouts)."""
        return torch.cat(self.probes.fitting(self.respond, images))

    def show(self, perturbations):
        """Give rows of transfer: a perturbation counts for the region it was made for, noise for all."""
        return self.as_rows(perturbations, self.changes(perturbations, self.probes.stored))

    def show_noise(self, perturbations):
        """Give the same for white noise of the size of every perturbation whose size was not given."""
        perturbations = perturbations[perturbations.attack == "l2_effect"]
        perturbations = perturbations.assign(attack="random_effect", draw=1, response_after=np.nan)
        return self.as_rows(perturbations, self.changes(perturbations, self.probes.noise))

    def changes(self, perturbations, delta_of):
        """Compute responses to image plus perturbation minus those to the image: float64 (rows, readouts)."""
        parts = [np.zeros((0, len(self.readers)))]
        for start in range(0, len(perturbations), BATCH):
            rows = perturbations.iloc[start : start + BATCH]
            places = self.probes.places(rows)
            after = self.responses(self.probes.images[places] + delta_of(rows))
            parts.append((after - self.before[places]).double().cpu().numpy())
        return np.concatenate(parts)

    def as_rows(self, perturbations, changes):
        """Turn the changes of the readouts that each perturbation counts for into rows of transfer."""
        parts = []
        for roi in self.regions:
            counts = perturbations.roi.isin([roi, NOISE]).to_numpy()
            places = {who: i for i, (region, who) in enumerate(self.readers) if region == roi}
            rows = perturbations[counts]
            rows = rows.assign(roi=roi, target=self.name, source=rows.network)
            rows["change_source"] = rows.response_after - rows.response_before
            rows["change_target"] = changes[counts, places.pop(GROUP)]
            rows["change_subjects"] = list(changes[counts][:, list(places.values())])
            parts.append(rows[list(TRANSFER.columns)])
        return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
