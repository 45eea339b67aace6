"""Measure what attacks, and controls of their sizes, do to the attacked model (rule measure_sensitivity)."""

import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks import budgets, controls
from codingaxes.encoding import stored
from codingaxes.images import read_images, read_perturbations
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS, SUBJECT_ATTACKS
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.sensitivity import SENSITIVITY

# Columns of attacks that the table sensitivity needs.
COLUMNS = ["network", "roi", "direction", "image_id", "norm", "radius", "size"]
COLUMNS += ["response_before", "response_after", "converged"]


def main(run):
    """Take the model's own attacks from their tables, and show it all controls of the main ones."""
    device = devices.choose_device(run.params["device"])
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    images = read_images(probes.file, run.params["image_size"]).to(device)
    attacks = store.read(run.input["perturbations"], PERTURBATIONS)
    linf = store.read(run.input["variants"], PERTURBATIONS, COLUMNS, [("attack", "=", "linf")])
    subjects = store.read(run.input["subjects"], SUBJECT_ATTACKS, [*COLUMNS, "subject"])
    noise = store.read(run.input["noise"], PERTURBATIONS, filters=[("attack", "=", "random")])
    comparison = Comparison(run, model, images, probes.image_id)
    parts = [
        own(attacks[COLUMNS].assign(subject=GROUP)),
        own(linf.assign(subject=GROUP)),
        own(subjects),
        *comparison.noise(noise),
        *comparison.of_attacks(attacks),
    ]
    store.write(run.output["sensitivity"], SENSITIVITY, pd.concat([part for part in parts if len(part)]))


def own(attacks):
    """Turn attacks on the model itself into rows of the table sensitivity."""
    change = attacks.response_after - attacks.response_before
    rows = attacks.assign(kind="attack", made_for=attacks.roi, draw=0, change=change)
    return rows[list(SENSITIVITY.columns)]


class Comparison:
    """Show a model controls of its attacks, read by the group and by each subject."""

    def __init__(self, run, model, images, image_ids):
        self.run, self.images, self.image_ids = run, images, image_ids.to_numpy()
        self.respond, self.readers = model.readers()
        self.regions = list(model.group)
        self.fitting = devices.Batches(run.params["batch_size"])
        self.place = pd.Series(range(len(image_ids)), index=self.image_ids)
        self.before = self.responses(images)

    @torch.no_grad()
    def responses(self, images):
        """Compute all readouts of some images, (n, readouts)."""
        return torch.cat(self.fitting(self.respond, images))

    def unpack(self, rows):
        """Read the perturbations (rows, 3, h, w) of some rows, and the places of their images."""
        return read_perturbations(rows.delta, self.images), self.place[rows.image_id].to_numpy(copy=True)

    def show(self, delta, places, regions, **about):
        """Yield rows for the readouts of some regions under perturbations of the images at `places`."""
        after = self.responses(self.images[places] + delta)
        change = (after - self.before[places]).double().cpu().numpy()
        about["network"], about["image_id"] = self.run.wildcards["model"], self.image_ids[places]
        about["size"], about["converged"] = budgets.size(delta, about["norm"]).cpu(), True
        for i, (roi, who) in enumerate(self.readers):
            if roi in regions:
                yield pd.DataFrame(about | {"roi": roi, "subject": who, "change": change[:, i]})

    def noise(self, noise):
        """Show white noise of the main sizes to all readouts."""
        for (norm, radius, draw), rows in noise.groupby(["norm", "radius", "draw"]):
            delta, places = self.unpack(rows)
            about = {"kind": "random", "made_for": NOISE, "direction": NOISE}
            yield from self.show(delta, places, self.regions, norm=norm, radius=radius, draw=draw, **about)

    def of_attacks(self, attacks):
        """Show each attack to the other regions, on another image, and with random phases."""
        for (roi, direction, radius), rows in attacks.groupby(["roi", "direction", "radius"], sort=False):
            delta, places = self.unpack(rows)
            about = {"made_for": roi, "norm": "l2", "radius": radius, "direction": direction}
            others = [name for name in self.regions if name != roi]
            yield from self.show(delta, places, others, kind="other_region", draw=0, **about)
            if len(places) > 1:
                shifted = controls.of_another_image(delta, self.images[places])
                yield from self.show(shifted, places, [roi], kind="other_image", draw=0, **about)
            for draw in range(1, self.run.params["draws"] + 1):
                # phases are drawn under the name attack_images; another name would draw other phases
                seeds = [self.run.seed("phases", draw, name, rule="attack_images") for name in rows.image_id]
                scrambled = controls.phase_scrambled(delta, self.images[places], seeds)
                yield from self.show(scrambled, places, [roi], kind="phase_scrambled", draw=draw, **about)


if __name__ == "__main__":
    job.start(main, globals())
