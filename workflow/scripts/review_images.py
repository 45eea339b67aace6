"""Show every synthesised image, as the 8-bit file it is, to every model (rule review_images)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.encoding import evidence, stored
from codingaxes.estimates import levels
from codingaxes.images import read_images
from codingaxes.names import GROUP
from codingaxes.synthesis import pictures
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.sensitivity import NATURAL_RESPONSES
from codingaxes.tables.synthesis import ABOUT, PEER_REVIEW, SYNTHESIS

BATCH = 144  # images that are shown together
JUDGED = ("perturbation", "exciting")  # kinds of images that judges are asked about


def main(run):
    """Load one reviewer after the other; all pictures are held in memory, as bytes."""
    device = devices.choose_device(run.params["device"])
    files = [*run.input["perturbations"], *run.input["exciting"]]
    images = pd.concat([store.read(file, SYNTHESIS) for file in files], ignore_index=True)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    natural = read_images(stimuli, run.params["image_size"])
    gallery = Gallery(images, pictures.read(images.file, images.sha256), natural, stimuli.image_id)
    quantiles = store.read(run.input["natural"], NATURAL_RESPONSES, filters=[("subject", "=", GROUP)])
    quantiles = quantiles.set_index(["network", "roi"])
    names = list(run.params["models"])
    shards = run.shards(PEER_REVIEW)
    for name in run.track(shards.missing(names), unit="reviewer"):
        row = run.params["models"][name]
        model = stored.load(run.files(name), row, device)
        reviewer = Reviewer(name, model, evidence.judge_of(model, row), device)
        shards.save(name, reviewer.review(gallery, quantiles.loc[name]))
    shards.write(run.output["peer_review"], names)
    shards.remove()


class Gallery:
    """Hold all synthesised images beside the natural ones that they were made of."""

    def __init__(self, rows, saved, natural, image_ids):
        self.rows, self.saved, self.natural = rows, saved, natural
        place = pd.Series(range(len(image_ids)), index=image_ids)
        # -1: made of no natural image
        self.start = rows.image_id.map(place).fillna(-1).to_numpy(int)
        self.judged = rows.kind.isin(JUDGED).to_numpy()


class Reviewer:
    """Show images to one model."""

    def __init__(self, name, model, judge, device):
        self.name, self.judge, self.device = name, judge, device
        self.respond, readers = model.readers(subjects=False)
        self.column = {roi: place for place, (roi, _) in enumerate(readers)}
        self.fitting = devices.Batches(BATCH, grow=device.type == "cuda")

    def review(self, gallery, quantiles):
        """Give the rows of the table peer_review of this reviewer."""
        rows, start = gallery.rows, gallery.start
        known = start >= 0
        column = rows.roi.map(self.column).to_numpy(int)
        natural = self.show(self.respond, gallery.natural)
        response = self.show(self.respond, gallery.saved)[np.arange(len(rows)), column]
        before = np.where(known, natural[start, column], np.nan)
        low, high = (quantiles.loc[rows.roi, name].to_numpy() for name in ("q01", "q99"))
        level = levels.natural_level(response, low, high)
        judged = self.judged(gallery)
        return rows[[*ABOUT, "l2", "file"]].assign(
            reviewer=self.name,
            before=before,
            response=response,
            level_before=levels.natural_level(before, low, high),
            level=level,
            super_stimulus=levels.super_stimulus(level, rows.direction),
            **judged,
        )

    def judged(self, gallery):
        """Give the evidence of this reviewer for the categories of each image's region, before and after."""
        rows = gallery.rows
        columns = {name: np.full(len(rows), np.nan) for name in ("evidence_before", "evidence")}
        if self.judge is None or not gallery.judged.any():
            return columns
        places = np.flatnonzero(gallery.judged)
        natural = torch.from_numpy(self.show(self.judge, gallery.natural))
        saved = torch.from_numpy(self.show(self.judge, gallery.saved[places]))
        for roi in rows.roi.unique():
            of_natural = evidence.of_region(natural, roi)
            if of_natural is None:
                continue
            here = rows.roi.to_numpy()[places] == roi
            mean, sd = of_natural.mean().item(), of_natural.std().item()
            after = (evidence.of_region(saved[here], roi).numpy() - mean) / sd
            start = gallery.start[places[here]]
            before = np.where(start >= 0, (of_natural.numpy()[start] - mean) / sd, np.nan)
            columns["evidence"][places[here]], columns["evidence_before"][places[here]] = after, before
        return columns

    @torch.inference_mode()
    def show(self, function, images):
        """Compute a function of images, in [0, 1] or as bytes: float64 (n, values)."""

        def work(images):
            whole = images.dtype == torch.uint8
            return function((pictures.from_bytes(images) if whole else images).to(self.device))

        return torch.cat(self.fitting(work, images)).double().cpu().numpy()


if __name__ == "__main__":
    job.start(main, globals())
