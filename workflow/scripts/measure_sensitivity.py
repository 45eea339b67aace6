"""Measure what attacks, and controls of their sizes, do to the attacked model (rule measure_sensitivity)."""

import numpy as np
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
from codingaxes.tables.sensitivity import NATURAL_RESPONSES, SENSITIVITY

# Columns of attacks that the table sensitivity needs.
COLUMNS = ["network", "roi", "direction", "image_id", "norm", "radius", "size"]
COLUMNS += ["response_before", "response_after", "converged"]
QUANTILES = {"q01": 0.01, "q50": 0.5, "q99": 0.99}  # of the responses to natural images
BATCH = 64  # images that are shown together: on a processor more are no faster, on a GPU they grow


def main(run):
    """Take the model's own attacks from their tables; show it all stimuli, and controls of attacks."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    images = read_images(stimuli, run.params["image_size"])
    readout, probe = Readout(model, device), stimuli.probe.to_numpy(copy=True)
    natural = readout.responses(images)
    natural_rows = describe(natural, readout.readers).assign(network=run.wildcards["model"])
    store.write(run.output["natural"], NATURAL_RESPONSES, natural_rows)
    attacks = store.read(run.input["perturbations"], PERTURBATIONS)
    linf = store.read(run.input["variants"], PERTURBATIONS, COLUMNS, [("attack", "=", "linf")])
    subjects = store.read(run.input["subjects"], SUBJECT_ATTACKS, [*COLUMNS, "subject"])
    noise = store.read(run.input["noise"], PERTURBATIONS, filters=[("attack", "=", "random")])
    comparison = Comparison(run, readout, images[probe], stimuli.image_id[probe], natural[probe])
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


def describe(responses, readers):
    """Describe how the responses (images, readouts) to natural images are spread, one row per readout."""
    rows = pd.DataFrame(readers, columns=["roi", "subject"])
    rows = rows.assign(mean=responses.mean(axis=0), sd=responses.std(axis=0), n_images=len(responses))
    quantiles = np.quantile(responses, list(QUANTILES.values()), axis=0)
    return rows.assign(**dict(zip(QUANTILES, quantiles, strict=True)))


class Readout:
    """Compute all readouts of a model, of the group and of each subject, in one pass."""

    def __init__(self, model, device):
        self.respond, self.readers = model.readers()
        self.regions, self.device = list(model.group), device
        self.fitting = devices.Batches(BATCH, grow=device.type == "cuda")

    @torch.inference_mode()
    def responses(self, images, *delta):
        """Compute all readouts of images, plus what is added to them: float64 (n, readouts)."""
        return torch.cat(self.fitting(self.answer, images, *delta)).double().cpu().numpy()

    def answer(self, images, *delta):
        """Compute the readouts of one batch."""
        images = images.to(self.device)
        return self.respond(images + delta[0].to(self.device) if delta else images)


class Comparison:
    """Show a model controls of its attacks, read by the group and by each subject."""

    def __init__(self, run, readout, images, image_ids, before):
        self.run, self.readout, self.images, self.before = run, readout, images, before
        self.place = pd.Series(range(len(image_ids)), index=image_ids)

    def show(self, rows, delta, kind):
        """Yield rows for every readout that counts, under perturbations of the images of `rows`."""
        places = self.places(rows)
        change = self.readout.responses(self.images[places], delta) - self.before[places]
        about = {"network": self.run.wildcards["model"], "kind": kind, "converged": True}
        rows = rows.assign(size=budgets.size(delta, "l2").numpy(), **about)
        for i, (roi, who) in enumerate(self.readout.readers):
            # of a control of an attack its own region is read, of another region's all the others
            read = (rows.made_for == NOISE) | ((rows.made_for == roi) != (kind == "other_region"))
            part = rows[read].assign(roi=roi, subject=who, change=change[read.to_numpy(), i])
            yield part[list(SENSITIVITY.columns)]

    def places(self, rows):
        """Find the image of each row."""
        return self.place[rows.image_id].to_numpy(copy=True)

    def noise(self, noise):
        """Show white noise of the main sizes to all readouts."""
        delta = read_perturbations(noise.delta, self.images)
        yield from self.show(noise.drop(columns="delta").assign(made_for=NOISE), delta, "random")

    def of_attacks(self, attacks):
        """Show each attack to the other regions, on another image, and with random phases."""
        for _, rows in attacks.groupby("radius", sort=False):
            delta = read_perturbations(rows.delta, self.images)
            rows = rows.drop(columns="delta").rename(columns={"roi": "made_for"}).reset_index(drop=True)
            yield from self.show(rows, delta, "other_region")
            images = self.images[self.places(rows)]
            if len(self.images) > 1:
                shifted = torch.empty_like(delta)
                for place in rows.groupby(["made_for", "direction"]).indices.values():
                    shifted[place] = controls.of_another_image(delta[place], images[place])
                yield from self.show(rows, shifted, "other_image")
            for draw in range(1, self.run.params["draws"] + 1):
                # phases are drawn under the name attack_images; another name would draw other phases
                seeds = [self.run.seed("phases", draw, name, rule="attack_images") for name in rows.image_id]
                scrambled = controls.phase_scrambled(delta, images, seeds)
                yield from self.show(rows.assign(draw=draw), scrambled, "phase_scrambled")


if __name__ == "__main__":
    job.start(main, globals())
