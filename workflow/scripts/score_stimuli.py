"""Show images made elsewhere to every model, beside white noise of the same size (rule score_stimuli)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.encoding import stored
from codingaxes.estimates import levels, methods, undefined
from codingaxes.names import GROUP, SIGNS
from codingaxes.stimulus_sets import gallery
from codingaxes.synthesis import pictures
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.scoring import IMAGE_SCORES, SCORED_IMAGES
from codingaxes.tables.sensitivity import NATURAL_RESPONSES

BATCH = 144  # images that are shown together
NO_LEVELS = "natural responses do not differ: no level"
NO_ORIGINAL = "no original"
NO_NOISE = "white noise of this size does not fit into the range of pixels"
UNCHANGED = "same as its original: no noise of its size"


def main(run):
    """Load one model after the other; the parts of a killed job that are whole are kept."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    stimuli = store.read(run.input["stimuli"], STIMULI)
    entries, others = gallery.entries_of(run.input["images"], run.params["regions"])
    if others:
        job.log.warning(f"{others} images of {run.input['images']} are in no row of its table: not scored")
    images = gallery.gather(run.input["images"], entries, stimuli, run.params["image_size"])
    report(images.rows)
    quantiles = store.read(run.input["natural"], NATURAL_RESPONSES, filters=[("subject", "=", GROUP)])
    quantiles = quantiles.set_index(["network", "roi"])
    names = list(run.params["models"])
    shards = run.shards(IMAGE_SCORES)
    for name in run.track(shards.missing(names), unit="model"):
        model = stored.load(run.files(name), run.params["models"][name], device)
        scores = Scorer(name, model, device, run).score(images, quantiles.loc[name])
        shards.save(name, scores)
    store.write(run.output["scored_images"], SCORED_IMAGES, images.rows)
    shards.write(run.output["image_scores"], names)
    shards.remove()


def report(rows):
    """Log how many images there are of each method, and each that has a flag with a reason."""
    counts = ", ".join(f"{method} {n}" for method, n in rows.groupby("method", sort=False).size().items())
    job.log.info(f"{len(rows)} images: {counts}")
    for row in rows[rows.flag != ""].itertuples():
        why = row.reason or row.converted or (f"of {row.duplicate_of}" if row.duplicate_of else "")
        job.log.warning(f"{row.filename}: {row.flag}{f' ({why})' if why else ''}")


class Scorer:
    """Show images to one model."""

    def __init__(self, name, model, device, run):
        self.name, self.device, self.run = name, device, run
        self.regions = list(model.group)
        self.respond, _ = model.readers(subjects=False)
        self.fitting = devices.Batches(BATCH, grow=device.type == "cuda")

    def score(self, images, quantiles):
        """Give the rows of the table image_scores of this model.

        Parameters
        ----------
        images : gallery.Gallery
        quantiles : DataFrame, indexed by roi
            Of the table natural_responses.
        """
        rows = images.rows.iloc[images.readable].reset_index(drop=True)
        response, of_originals = self.show(images.images), self.show(images.originals)
        before = np.full_like(response, np.nan)
        before[images.start >= 0] = of_originals[images.start[images.start >= 0]]
        noise = self.noise(images, rows, before)
        parts = [
            self.of_region(roi, rows, quantiles.loc[roi], response[:, i], before[:, i], noise[..., i])
            for i, roi in enumerate(self.regions)
        ]
        return pd.concat(parts, ignore_index=True)

    def of_region(self, roi, rows, quantiles, response, before, noise):
        """Give the rows of one region."""
        meant = rows.roi.isin(["", roi])
        change = response - before
        level, level_before = (
            levels.natural_level(value, quantiles.q01, quantiles.q99) for value in (response, before)
        )
        mean, q95 = methods.noise_floor(noise)
        wanted = meant & rows.direction.isin(list(SIGNS))
        lost, unchanged = np.isnan(before), rows.l2.to_numpy() == 0
        reason = undefined.say(
            {
                NO_ORIGINAL: lost,
                UNCHANGED: unchanged,
                NO_NOISE: np.isnan(q95) & ~lost & ~unchanged,
                NO_LEVELS: np.isnan(level),
            }
        )
        return rows[["filename", "method"]].assign(
            network=self.name,
            roi=roi,
            meant=meant,
            response=response,
            before=before,
            change=change,
            level_before=level_before,
            level=level,
            super_stimulus=wanted & levels.super_stimulus(level, rows.direction),
            noise_mean=mean,
            noise_q95=q95,
            beyond_noise=np.nan_to_num(np.abs(change), nan=-1.0) > np.nan_to_num(q95, nan=np.inf),
            reason=reason,
        )

    def noise(self, images, rows, before):
        """Measure |change| by white noise of each image's size on its original: (draws, readable, regions).

        A draw belongs to the content of the file and its number alone. Missing where there is no noise.
        """
        draws = self.run.params["noise_draws"]
        changes = np.full((draws, *before.shape), np.nan)
        chosen = np.flatnonzero((images.start >= 0) & (rows.l2.to_numpy() > 0))
        for begin in range(0, len(chosen), BATCH):
            part = chosen[begin : begin + BATCH]
            for draw in range(draws):
                seeds = [self.run.seed("noise", sha256, draw) for sha256 in rows.sha256.iloc[part]]
                noisy, fits = images.noisy(part, seeds, self.device)
                change = np.abs(self.show(noisy) - before[part])
                changes[draw, part] = np.where(fits[:, None], change, np.nan)
        return changes

    @torch.inference_mode()
    def show(self, images):
        """Answer images, in [0, 1] or as bytes: float64 (n, regions)."""
        if not len(images):
            return np.zeros((0, len(self.regions)))

        def work(images):
            return self.respond(pictures.from_bytes(images).to(self.device))

        return torch.cat(self.fitting(work, images)).double().cpu().numpy()


if __name__ == "__main__":
    job.start(main, globals())
