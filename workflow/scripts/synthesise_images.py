"""Make maximally and minimally exciting images of one model (rule synthesise_images)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks.noise import white
from codingaxes.encoding import stored
from codingaxes.images import read_images
from codingaxes.names import SIGNS
from codingaxes.synthesis import exciting, pictures, priors
from codingaxes.synthesis.album import Album
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.synthesis import CHOSEN_IMAGES, SYNTHESIS

GREY = 0.5
CONTRAST = 0.1  # SD of the noise that images start from, about mid grey: no pixel in a million is clipped
NO_IMAGE = "none"


def main(run):
    """Make all images of one arm, with or without a limit, together; a stopped job resumes there."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    model = stored.load(run.files("model"), run.params["network"], device)
    maker = Maker(run, model, device)
    parts = [
        (arm, limited, start)
        for arm in run.params["arms"]
        for limited in (True, False)
        for start in range(0, len(maker.starts), run.params["batch_size"])
    ]
    album = Album(run, SYNTHESIS)
    for part in run.track(album.missing(parts), unit="part"):
        album.save(part, *maker.make(*part))
    album.write(run.output["synthesis"], run.output["pictures"], parts)
    report(run.output["synthesis"])


def report(file):
    """Say in the log what the images reach, and how many began where the model has no gradient."""
    table = store.read(file, SYNTHESIS)
    for (arm, limited), rows in table.groupby(["arm", "limited"], sort=False):
        up = rows[rows.direction == "increase"].groupby("roi", sort=False).response.max()
        best = ", ".join(f"{roi} {response:.1f}" for roi, response in up.items())
        job.log.info(
            f"{arm}, {'limited' if limited else 'free'}: best {best} SD; {rows.converged.mean():.0%} "
            f"converged, {rows.evaluations.mean():.0f} gradients, {rows.restarted.sum()} restarted"
        )


class Maker:
    """Make images for one model as the parameters say."""

    def __init__(self, run, model, device):
        self.run, self.params, self.device = run, run.params, device
        self.respond, readers = model.readers(subjects=False)
        self.column = {roi: place for place, (roi, _) in enumerate(readers)}
        self.explore = devices.exploring(self.respond, run.params["precision"])
        self.fitting = devices.Batches(run.params["batch_size"])
        size = run.params["image_size"]
        stimuli = store.read(run.input["stimuli"], STIMULI)
        natural = read_images(stimuli, size)
        # as far from mid grey as the median natural image
        self.radius = float((natural - GREY).flatten(1).norm(dim=1).median())
        self.natural = dict(zip(stimuli.image_id, natural, strict=True))
        self.starts = self.list_starts(store.read(run.input["chosen"], CHOSEN_IMAGES))

    def list_starts(self, chosen):
        """List what images begin with: mid grey, noise of several seeds, a natural image."""
        rows = []
        for row in chosen[chosen.purpose == "exciting"].itertuples():
            about = {"roi": row.roi, "direction": row.direction}
            rows.append(about | {"start": "grey", "image_id": NO_IMAGE, "draw": 0})
            rows += [
                about | {"start": "noise", "image_id": NO_IMAGE, "draw": draw}
                for draw in range(1, self.params["seeds"] + 1)
            ]
            rows.append(about | {"start": "natural", "image_id": row.image_id, "draw": 0})
        return pd.DataFrame(rows)

    def make(self, arm, limited, start):
        """Make some images: rows of the table synthesis, and 8-bit pictures."""
        rows = self.starts.iloc[start : start + self.params["batch_size"]].reset_index(drop=True)
        begin = torch.stack([self.start_image(row) for row in rows.itertuples()]).to(self.device)
        which = torch.tensor([self.column[roi] for roi in rows.roi], device=self.device)
        sign = torch.tensor([SIGNS[name] for name in rows.direction], device=self.device)
        settings = {name: self.params[name] for name in ("steps", "limit", "tolerance")}
        settings |= {"norm": self.radius if limited else None, "explore": self.explore}
        seeds = [
            self.run.seed("dead", row.roi, row.direction, row.start, row.draw) for row in rows.itertuples()
        ]

        def work(begin, which, sign, seeds):
            about = {"which": which, "direction": sign, "seeds": seeds.tolist()}
            about["prior"] = self.prior(begin) if arm == "fourier" else None
            return exciting.excite(self.respond, begin, **about, **settings)

        parts = self.fitting(work, begin, which, sign, torch.tensor(seeds))
        made = exciting.Exciting.joined(parts)
        limit = {"limited": limited, "radius": self.radius if limited else np.nan}
        return self.develop(rows.assign(arm=arm, **limit), begin, made, which)

    def prior(self, images):
        """Make the prior of some images."""
        exponents = torch.full((len(images),), self.params["exponent"], device=self.device)
        return priors.Coarse(exponents, images.shape[2:])

    def start_image(self, row):
        """Make the image (3, h, w) that a search begins with."""
        size = self.params["image_size"]
        if row.start == "natural":
            return self.natural[row.image_id]
        grey = torch.full((3, size, size), GREY)
        if row.start == "grey":
            return grey
        seed = self.run.seed("start", row.draw)  # the same noise for all regions, directions and arms
        return (grey + CONTRAST * white(seed, grey.shape)).clamp(0, 1)

    def develop(self, rows, begin, made, which):
        """Round images to 8 bits, and measure them as they are saved: rows, and pictures."""
        seeds = [
            self.run.seed("round", row.arm, row.limited, row.roi, row.direction, row.start, row.draw)
            for row in rows.itertuples()
        ]
        saved, measured = pictures.develop(self.respond, made.images, which, GREY, seeds, self.fitting)
        rows = rows.assign(
            network=self.run.wildcards["model"],
            kind="exciting",
            control="none",
            step=1,
            wanted_level=np.nan,
            response_before=pictures.responses(self.respond, begin, which, self.fitting),
            response_after=made.after.double().cpu().numpy(),
            evaluations=made.evaluations.cpu().numpy(),
            converged=made.converged.cpu().numpy(),
            reached=made.reached.cpu().numpy(),
            restarted=made.restarted.cpu().numpy(),
            **measured,
        )
        return rows, saved


if __name__ == "__main__":
    job.start(main, globals())
