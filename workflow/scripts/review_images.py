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
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
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
        reviewer = Reviewer(name, model, row, device)
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

    def __init__(self, name, model, row, device):
        self.name, self.device = name, device
        self.regions = list(model.group)
        self.answer = evidence.beside_responses(model, row)
        self.fitting = devices.Batches(BATCH, grow=device.type == "cuda")

    def review(self, gallery, quantiles):
        """Give the rows of the table peer_review of this reviewer."""
        rows, start = gallery.rows, gallery.start
        known = start >= 0
        column = rows.roi.map(self.regions.index).to_numpy(int)
        of_natural, of_saved = self.show(gallery.natural), self.show(gallery.saved)
        response = of_saved[np.arange(len(rows)), column]
        before = np.where(known, of_natural[start, column], np.nan)
        low, high = (quantiles.loc[rows.roi, name].to_numpy() for name in ("q01", "q99"))
        level = levels.natural_level(response, low, high)
        categories = slice(len(self.regions), None)
        judged = judge(gallery, of_natural[:, categories], of_saved[:, categories])
        return rows[[*ABOUT, "l2", "file"]].assign(
            reviewer=self.name,
            before=before,
            response=response,
            level_before=levels.natural_level(before, low, high),
            level=level,
            super_stimulus=levels.super_stimulus(level, rows.direction),
            **judged,
        )

    @torch.inference_mode()
    def show(self, images):
        """Answer images, in [0, 1] or as bytes: float64 (n, regions, then categories if there are any)."""

        def work(images):
            return self.answer(pictures.from_bytes(images).to(self.device))

        return torch.cat(self.fitting(work, images)).double().cpu().numpy()


def judge(gallery, of_natural, of_saved):
    """Give the evidence for the categories of each image's region, before and after, in SD of natural images.

    Parameters
    ----------
    gallery : Gallery
    of_natural, of_saved : arrays (natural images, categories), (images, categories)
        Without categories if the reviewer is no judge: then nothing is known.
    """
    rows = gallery.rows
    columns = {name: np.full(len(rows), np.nan) for name in ("evidence_before", "evidence")}
    if not of_natural.shape[1]:
        return columns
    natural, saved = torch.from_numpy(of_natural), torch.from_numpy(of_saved)
    for roi in rows.roi[gallery.judged].unique():
        known = evidence.of_region(natural, roi)
        if known is None:
            continue
        here = np.flatnonzero(gallery.judged & (rows.roi == roi).to_numpy())
        mean, sd = known.mean().item(), known.std().item()
        start = gallery.start[here]
        before = np.where(start >= 0, (known.numpy()[start] - mean) / sd, np.nan)
        columns["evidence"][here] = (evidence.of_region(saved[here], roi).numpy() - mean) / sd
        columns["evidence_before"][here] = before
    return columns


if __name__ == "__main__":
    job.start(main, globals())
