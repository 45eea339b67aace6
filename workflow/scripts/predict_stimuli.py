"""Predict what every model answers to each saved image of a stimulus set (rule predict_stimuli)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.encoding import stored
from codingaxes.estimates import levels
from codingaxes.images import read_images
from codingaxes.names import GROUP
from codingaxes.readouts import refits
from codingaxes.synthesis import pictures
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS, READOUTS
from codingaxes.tables.sensitivity import NATURAL_RESPONSES
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS, SET_REFITS, SET_STIMULI

BATCH = 144  # images that are shown together
INTERVALS = ("response_low", "response_high", "change_low", "change_high")


def main(run):
    """Load one model after the other; all pictures are held in memory, as bytes."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    stimuli = store.read(run.input["stimuli"], STIMULI)
    gallery = Gallery(store.read(run.input["set"], SET_STIMULI), stimuli, run.params["image_size"])
    training = Training(run, stimuli)
    quantiles = store.read(run.input["natural"], NATURAL_RESPONSES, filters=[("subject", "=", GROUP)])
    quantiles = quantiles.set_index(["network", "roi"])
    models = run.params["models"]
    networks = [name for name in models if models[name] is not None]
    predictions, changes = run.shards(SET_PREDICTIONS), run.shards(SET_REFITS)
    for name in run.track(job.unfinished((predictions, list(models)), (changes, networks)), unit="model"):
        files = run.files(name)
        viewer = Viewer(stored.load(files, models[name], device), device)
        seen = viewer.show_all(gallery)
        rows = predict(gallery, viewer, seen, quantiles.loc[name])
        if name in networks:
            again = training.refit(viewer, files["readouts"])
            responses, moved = predict_again(again, viewer, gallery, seen)
            rows = with_intervals(rows, responses, moved)
            changes.save(name, refit_rows(gallery, moved).assign(network=name))
        predictions.save(name, rows.assign(network=name))
    predictions.write(run.output["predictions"], list(models))
    changes.write(run.output["refits"], networks)
    predictions.remove()
    changes.remove()


class Gallery:
    """Hold the images of a set beside the natural ones that they were made of.

    Natural images come first among all that are shown; `place` says where each row of the set stands.
    An original is its natural image, and is shown once.
    """

    def __init__(self, rows, stimuli, size):
        self.rows = rows
        names = list(dict.fromkeys(rows.image_id))
        known = stimuli.set_index("image_id")
        if unknown := [name for name in names if name not in known.index]:
            raise ValueError(
                f"the set has images made of {', '.join(unknown)}, which the table of stimuli lacks; make "
                "the set again"
            )
        self.natural = read_images(known.loc[names], size)
        self.start = rows.image_id.map(pd.Series(range(len(names)), index=names)).to_numpy(int)
        saved = pictures.read(rows.file, rows.sha256)
        if saved.shape[1:] != self.natural.shape[1:]:
            raise ValueError(f"expected images of {size} x {size}, found {tuple(saved.shape[1:])} in the set")
        original = (rows.role == "original").to_numpy(copy=True)
        starts = torch.from_numpy(self.start[original])
        differs = (pictures.from_bytes(saved[original]) != self.natural[starts]).flatten(1).any(dim=1)
        if differs.any():
            file = rows.file[original][differs.numpy()].iloc[0]
            raise ValueError(
                f"{file} is no longer the natural image that it is said to be; make the set again"
            )
        self.saved, self.begins = saved[~original], torch.from_numpy(self.start[~original])
        self.place = self.start.copy()
        self.place[~original] = len(names) + np.arange(int((~original).sum()))


class Training:
    """Hold the training images, what the group answered to them, and which of them each refit has."""

    def __init__(self, run, stimuli):
        train = stimuli[stimuli.split == "train"]
        measured = store.read(run.input["measurements"], MEASUREMENTS, filters=[("subject", "=", GROUP)])
        measured = measured.pivot(index="image_id", columns="roi", values="value")
        self.responses = measured.loc[train.image_id]
        self.images = read_images(train, run.params["image_size"])
        self.fitting = {name: run.params[name] for name in ("method", "components")}
        # the same images for every set, network and region
        seed = job.seed_of(run.params["seed"], "refits")
        self.counts = refits.draw_images(len(train), run.params["refits"], seed)

    def refit(self, viewer, readouts_file):
        """Fit the group's readouts of a network again: region -> refits along the basis of its layer."""
        filters = [("subject", "=", GROUP), ("target", "=", "mean")]
        alphas = store.read(readouts_file, READOUTS, ["roi", "alpha"], filters).set_index("roi").alpha
        features = viewer.coordinates(self.images)
        again = {}
        for layer in features:
            regions = [roi for roi in viewer.regions if viewer.layers[roi] == layer]
            fits = refits.refit(
                features[layer],
                self.responses[regions].to_numpy(),
                self.counts,
                alphas=alphas[regions].to_numpy(),
                **self.fitting,
            )
            for i, roi in enumerate(regions):
                again[roi] = refits.Refits(fits.weight[:, [i]], fits.intercept[:, [i]])
        return again


class Viewer:
    """Show images to one model: all its readouts, its voxels, and what its readouts rest on, in one pass."""

    def __init__(self, model, device):
        self.regions, self.readers, self.device = list(model.group), model.readers()[1], device
        of_region = {roi: (model.group[roi], model.subjects[roi]) for roi in self.regions}
        self.readouts = [part for parts in of_region.values() for part in parts]
        self.voxels = model.voxels
        # of a network: the basis of every layer that is read
        self.layers = {roi: part.layer for roi, part in model.group.items() if model.features is not None}
        self.bases = {
            layer: torch.from_numpy(model.group[roi].basis).to(device) for roi, layer in self.layers.items()
        }
        self.fitting = devices.Batches(BATCH, grow=device.type == "cuda")

    def show_all(self, gallery):
        """Show the natural images of a set and then the others.

        Returns
        -------
        dict
            float64 arrays, rows as `Gallery.place` counts them: responses (n, readers), distance (n, regions)
            from the natural image, and ("along", layer) -> coordinates (n, r).
        """
        first = self._show(gallery.natural)
        voxels = {roi: first.pop(("voxels", roi)) for roi in self.regions}
        first["distance"] = torch.zeros(len(gallery.natural), len(self.regions))
        parts = [first]
        if len(gallery.saved):
            parts.append(self._show(gallery.saved, gallery.begins, voxels))
        return {key: torch.cat([part[key] for part in parts]).double().numpy() for key in first}

    def coordinates(self, images):
        """Give the coordinates (n, r) of images along the basis of each layer that is read, float64."""
        shown = self._show(images, alone=True)
        return {layer: shown["along", layer].double().numpy() for layer in self.bases}

    @torch.inference_mode()
    def _show(self, images, begins=None, voxels=None, alone=False):
        """Show images, with the places of their natural images, whose voxels are known; on the processor."""

        def work(images, *begins):
            images = pictures.from_bytes(images).to(self.device)
            parts = [*self.readouts, *self.voxels.values()]
            observed = parts[0].observe(images, parts)
            found = {("along", layer): observed[layer] @ basis.T for layer, basis in self.bases.items()}
            if not alone:
                found["responses"] = torch.cat([part.read(observed) for part in self.readouts], dim=1)
                read = {roi: self.voxels[roi].read(observed) for roi in self.regions}
                if begins:
                    moved = [read[roi] - voxels[roi][begins[0]].to(self.device) for roi in self.regions]
                    distance = [one.double().square().mean(dim=1).sqrt() for one in moved]
                    found["distance"] = torch.stack(distance, dim=1)
                else:
                    found |= {("voxels", roi): values for roi, values in read.items()}
            return {key: values.cpu() for key, values in found.items()}

        parts = self.fitting(work, images, *([] if begins is None else [begins]))
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def predict(gallery, viewer, seen, quantiles):
    """Make rows of the table set_predictions of one model, without intervals."""
    rows, parts = gallery.rows, []
    for column, (roi, who) in enumerate(viewer.readers):
        response = seen["responses"][gallery.place, column]
        before = seen["responses"][gallery.start, column]
        part = rows[["stimulus_id"]].assign(
            roi=roi, subject=who, response=response, before=before, change=response - before
        )
        part = part.assign(**dict.fromkeys((*INTERVALS, "level", "distance"), np.nan), super_stimulus=False)
        if who == GROUP:
            low, high = quantiles.loc[roi, ["q01", "q99"]]
            part["level"] = levels.natural_level(response, low, high)
            wanted = (rows.roi == roi) & (rows.direction != "none")
            part["super_stimulus"] = levels.super_stimulus(part.level, rows.direction) & wanted
            part["distance"] = seen["distance"][gallery.place, viewer.regions.index(roi)]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def predict_again(again, viewer, gallery, seen):
    """Predict with refits: responses and changes, each a dict, region -> array (refits, rows of the set)."""
    responses, changes = {}, {}
    for roi, fits in again.items():
        predicted = fits.predict(seen["along", viewer.layers[roi]])[:, :, 0]
        responses[roi] = predicted[:, gallery.place]
        changes[roi] = responses[roi] - predicted[:, gallery.start]
    return responses, changes


def with_intervals(rows, responses, changes):
    """Put the intervals of the group's responses and changes over refits into rows of predictions."""
    for roi in responses:
        here = (rows.roi == roi) & (rows.subject == GROUP)
        ends = [*refits.interval(responses[roi]), *refits.interval(changes[roi])]
        rows.loc[here, list(INTERVALS)] = np.stack(ends, axis=1)
    return rows


def refit_rows(gallery, changes):
    """Make rows of the table set_refits, one region after the other."""
    parts = []
    for roi, change in changes.items():
        part = gallery.rows[["stimulus_id"]].assign(roi=roi)
        part["change"] = list(change.T.astype(np.float32))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
