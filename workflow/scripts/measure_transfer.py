"""Measure what the perturbations of one model do to others, and theirs to it (rule measure_transfer)."""

from functools import cached_property

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks import budgets, controls
from codingaxes.attacks.noise import random_direction
from codingaxes.encoding import stored
from codingaxes.images import read_images, read_perturbations
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.transfer import TRANSFER, TRANSFER_CONTROLS

OUTPUTS = {"perturbations": TRANSFER, "variants": TRANSFER, "controls": TRANSFER_CONTROLS}
# Columns of perturbations that are needed to show them.
COLUMNS = ["attack", "network", "roi", "direction", "radius", "wanted", "draw", "image_id", "size"]
COLUMNS += ["reached", "response_before", "response_after", "delta"]
BATCH = 64  # perturbations that are shown together: on a processor more are no faster, on a GPU they grow


def main(run):
    """Compare this model with each of those before it, both ways, with itself and with random noise."""
    name, probes = run.wildcards["model"], Probes(run)
    target, own = Target(name, probes), Shown(probes)
    own.add_attacks(name)
    own.add_controls(name)
    noise = Shown(probes)
    noise.add_noise()
    parts = [target.show(own), target.show(noise)]
    others = [other for other in run.params["models"] if other != name]
    for other_name in run.track(others, unit="model"):
        # every other model is loaded once, and let go before the next
        shown = Shown(probes)
        shown.add_attacks(other_name)
        shown.add_controls(other_name)
        parts += [target.show(shown), Target(other_name, probes).show(own)]
    for output, table in OUTPUTS.items():
        frames = [part[output] for part in parts if len(part.get(output, ()))]
        empty = pd.DataFrame({column: [] for column in table.columns})
        store.write(run.output[output], table, pd.concat(frames, ignore_index=True) if frames else empty)


class Probes:
    """Hold the images that were attacked, and load the models and perturbations that belong to them."""

    def __init__(self, run):
        self.run, self.device = run, devices.choose_device(run.params["device"], run.gpus, str(run))
        stimuli = store.read(run.input["stimuli"], STIMULI)
        probes = stimuli[stimuli.probe].reset_index(drop=True)
        self.images = read_images(probes, run.params["image_size"])
        self.place = pd.Series(probes.index, index=probes.image_id)
        seeds = [job.seed_of(run.params["seed"], "random_effect", image_id) for image_id in probes.image_id]
        self.white = torch.stack(list(map(random_direction, seeds, self.images)))
        self.on_device = self.images.to(self.device)
        self.fitting = devices.Batches(BATCH, grow=self.device.type == "cuda")

    def load(self, name):
        """Load a model onto the device."""
        return stored.load(self.run.files(name), self.run.params["models"][name], self.device)

    def attacks_on(self, name, output):
        """Read the perturbations that were made on a model: rows, and what is added to pixels."""
        return self.unpacked(store.read(self.run.files(name)[output], PERTURBATIONS, COLUMNS))

    def unpacked(self, rows):
        """Part the rows of perturbations from what is added to pixels, (rows, 3, h, w)."""
        delta = read_perturbations(rows.delta, self.images) if len(rows) else self.images[:0]
        return rows.drop(columns="delta"), delta

    def places(self, rows):
        """Find the image of each row."""
        return torch.from_numpy(self.place[rows.image_id].to_numpy(copy=True))

    def phases(self, source, draw, rows):
        """Derive the seeds of scrambled phases: those that measure_sensitivity draws for the source."""
        about = (self.run.params["seed"], "attack_images", ("model", source), "phases", draw)
        return [job.seed_of(*about, image_id) for image_id in rows.image_id]


class Shown:
    """Collect perturbations that every target is shown, and which of its readouts count for each.

    A target answers with all its readouts in one pass. A reading is the readout of one region under one
    perturbation: a row of an output, whose column `row` is the place of the perturbation among all.
    """

    def __init__(self, probes):
        self.probes, self.count = probes, 0
        self.places, self.delta, self.readings = [], [], {}

    def add(self, output, rows, delta):
        """Add perturbations, and a reading of each for the region that it was made for."""
        if len(rows):
            self.places.append(self.probes.places(rows))
            self.delta.append(delta)
        rows = rows.assign(row=np.arange(self.count, self.count + len(rows)))
        self.count += len(rows)
        self.read(output, rows)
        return rows

    def read(self, output, rows):
        """Add readings of perturbations that are there."""
        self.readings.setdefault(output, []).append(rows)

    def add_attacks(self, name):
        """Add all attacks on a model, and white noise of the sizes that wanted effects need."""
        for output in ("perturbations", "variants"):
            rows, delta = self.probes.attacks_on(name, output)
            change = rows.response_after - rows.response_before
            rows = self.add(output, rows.assign(source=name, change_source=change), delta)
            if output == "perturbations":
                self.main = rows[rows.radius == rows.radius.max()]  # of the main radius
                self.main_delta = delta[self.main.row.to_numpy(copy=True)]
        effects = rows[rows.attack == "l2_effect"]
        if len(effects):
            self.add_noise_of_effects(effects)

    def add_noise_of_effects(self, attacks):
        """Add white noise, one draw an image, of the mean size of the attacks up and down that reached."""
        counted = attacks["size"].where(attacks.reached | ~self.any_reached(attacks))
        key = ["source", "roi", "wanted", "radius", "image_id"]
        rows = attacks.assign(size=counted).groupby(key, sort=False)
        rows = rows.agg({"size": "mean", "reached": "any"}).reset_index()
        about = {"attack": "random_effect", "direction": NOISE, "draw": 1, "change_source": np.nan}
        places, size = self.probes.places(rows), torch.tensor(rows["size"].to_numpy(), dtype=torch.float32)
        delta = controls.resized(self.probes.white[places], self.probes.images[places], size, "l2")
        self.add("variants", rows.assign(**about), delta)

    @staticmethod
    def any_reached(attacks):
        """Say of each attack whether it, or that in the opposite direction, reached the wanted effect."""
        return attacks.reached.groupby([attacks[name] for name in ("roi", "wanted", "image_id")]).transform(
            "any"
        )

    def add_controls(self, name):
        """Add controls of the main attacks of the main radius, read as those are; needs `add_attacks`.

        Another region's attack is there already: other regions read it.
        """
        rows, draws = self.main.rename(columns={"roi": "made_for"}), self.probes.run.params["draws"]
        images, delta = self.probes.images[self.probes.places(rows)], self.main_delta
        for roi in dict.fromkeys(rows.made_for):
            others = rows[rows.made_for != roi]
            self.read("controls", others.assign(control="other_region", roi=roi))
        rows = rows.assign(roi=rows.made_for)
        if len(self.probes.images) > 1:
            shifted = torch.empty_like(delta)
            for place in rows.reset_index().groupby(["roi", "direction"]).indices.values():
                shifted[place] = controls.of_another_image(delta[place], images[place])
            self.add("controls", sized(rows, shifted, "other_image"), shifted)
        for draw in range(1, draws + 1):
            scrambled = controls.phase_scrambled(delta, images, self.probes.phases(name, draw, rows))
            self.add("controls", sized(rows.assign(draw=draw), scrambled, "phase_scrambled"), scrambled)

    def add_noise(self):
        """Add the white noise that all models share, which all regions read."""
        noise = store.read(self.probes.run.input["noise"], PERTURBATIONS, COLUMNS)
        noise = noise.assign(source=NOISE, change_source=np.nan)
        for output, kind in (("perturbations", True), ("variants", False)):
            self.add(output, *self.probes.unpacked(noise[(noise.attack == "random") == kind]))

    @cached_property
    def tables(self):
        """Give the readings of each output as one frame, once all are added."""
        return {output: pd.concat(rows, ignore_index=True) for output, rows in self.readings.items()}


def sized(rows, delta, control):
    """Make rows of a control of its own size."""
    return rows.assign(control=control, size=budgets.size(delta, "l2").numpy())


class Target:
    """Show a model perturbations of the probes."""

    def __init__(self, name, probes):
        model = probes.load(name)
        self.name, self.probes, self.regions = name, probes, list(model.group)
        self.respond, readers = model.readers()
        self.column = {reader: place for place, reader in enumerate(readers)}
        self.of_subjects = {
            roi: [self.column[roi, subject] for subject in model.subjects_of(roi)] for roi in self.regions
        }
        self.before = self.responses(torch.arange(len(probes.images)))

    @torch.inference_mode()
    def responses(self, places, *delta):
        """Compute all readouts of some images, plus what is added to them: float64 (n, readouts)."""
        return torch.cat(self.probes.fitting(self.answer, places, *delta)).double().cpu().numpy()

    def answer(self, places, *delta):
        """Compute the readouts of one batch."""
        images = self.probes.on_device[places.to(self.probes.device)]
        return self.respond(images + delta[0].to(images.device) if delta else images)

    def show(self, shown):
        """Show perturbations in one pass; give the rows of every output."""
        parts = zip(shown.places, shown.delta, strict=True)
        changes = [self.responses(places, delta) - self.before[places.numpy()] for places, delta in parts]
        changes = np.concatenate(changes)
        return {output: self.as_rows(output, rows, changes) for output, rows in shown.tables.items()}

    def as_rows(self, output, rows, changes):
        """Put the changes of the readouts that count beside each reading; noise counts for every region."""
        every = rows.roi == NOISE
        each = [rows[~every], *(rows[every].assign(roi=roi) for roi in self.regions)]
        rows = pd.concat([part for part in each if len(part)] or each[:1], ignore_index=True)
        place = rows.row.to_numpy(int)
        group = rows.roi.map({roi: self.column[roi, GROUP] for roi in self.regions}).to_numpy(int)
        change = changes[place, group]
        if output == "controls":
            return rows.assign(target=self.name, change=change)[list(TRANSFER_CONTROLS.columns)]
        subjects = [changes[row, self.of_subjects[roi]] for row, roi in zip(place, rows.roi, strict=True)]
        rows = rows.assign(target=self.name, change_target=change, change_subjects=subjects)
        return rows[list(TRANSFER.columns)]


if __name__ == "__main__":
    job.start(main, globals())
