"""Make large perturbations and accentuated images for one model (rule synthesise_perturbations)."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks import controls, strongest
from codingaxes.encoding import stored
from codingaxes.estimates import undefined
from codingaxes.images import read_images
from codingaxes.names import GROUP, SIGNS
from codingaxes.synthesis import accentuation, ladder, pictures, priors
from codingaxes.synthesis.album import Album
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.sensitivity import NATURAL_RESPONSES
from codingaxes.tables.synthesis import CHOSEN_IMAGES, SYNTHESIS

CONTROLS = ("blend", "phase_scrambled")
MANY = 5  # levels; of as many, every second has controls, the lowest first, which is enough for a slope


def main(run):
    """Make images of one kind together, in all arms; a stopped job resumes at the images it had reached."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    model = stored.load(run.files("model"), run.params["network"], device)
    maker = Maker(run, model, device)
    parts = [
        (kind, start)
        for kind in ("perturbation", "accentuation")
        for start in range(0, len(maker.starts[kind]), maker.together)
    ]
    album = Album(run, SYNTHESIS)
    for part in run.track(album.missing(parts), unit="part"):
        album.save(part, *maker.make(*part))
    album.write(run.output["synthesis"], run.output["pictures"], parts)
    report(run.output["synthesis"])


def report(file):
    """Say in the log how far each kind of images went, and what it cost."""
    table = store.read(file, SYNTHESIS)
    for (kind, arm), rows in table[table.control == "none"].groupby(["kind", "arm"], sort=False):
        job.log.info(
            f"{kind}, {arm}: {len(rows)} images, {rows.reached.mean():.0%} reached, "
            f"{rows.converged.mean():.0%} converged, {rows.evaluations.mean():.0f} gradients"
        )


@dataclass(frozen=True)
class Batch:
    """Hold images that are changed together."""

    about: pd.DataFrame  # one row each: roi, direction, image_id, arm
    images: torch.Tensor  # (n, 3, h, w)
    which: torch.Tensor  # (n,) of the response
    before: torch.Tensor  # (n,) responses of the maker, in the precision of gradients
    exact: np.ndarray  # (n,) the same in full precision
    gradient: torch.Tensor  # (n, 3, h, w)

    def only(self, first):
        """Give the first images alone."""
        return Batch(*(getattr(self, field.name)[:first] for field in fields(Batch)))


class Maker:
    """Make images for one model as the parameters say."""

    def __init__(self, run, model, device):
        self.run, self.params, self.device = run, run.params, device
        self.respond, readers = model.readers(subjects=False)
        self.column = {roi: place for place, (roi, _) in enumerate(readers)}
        self.explore = devices.exploring(self.respond, run.params["precision"])
        self.fitting = devices.Batches(run.params["batch_size"])
        stimuli = store.read(run.input["stimuli"], STIMULI).set_index("image_id", drop=False)
        chosen = store.read(run.input["chosen"], CHOSEN_IMAGES)
        self.starts = {purpose: rows for purpose, rows in chosen.groupby("purpose", sort=False)}
        names = list(dict.fromkeys(chosen.image_id))
        size = run.params["image_size"]
        self.place = {name: place for place, name in enumerate(names)}
        self.images = read_images(stimuli.loc[names], size).to(device)
        natural = store.read(run.input["natural"], NATURAL_RESPONSES, filters=[("subject", "=", GROUP)])
        self.natural = natural.set_index("roi")
        self.together = max(1, run.params["batch_size"] // len(run.params["arms"]))  # start images of a part
        levels = run.params["levels"]
        self.levels = np.linspace(levels["lowest"], levels["highest"], levels["number"])
        self.radii = sorted(run.params["radii"])

    def make(self, kind, start):
        """Make some images of one kind: rows of the table synthesis, and 8-bit pictures."""
        batch = self.batch(self.starts[kind].iloc[start : start + self.together])
        make = self.perturb if kind == "perturbation" else self.accentuate
        made = []
        for step, (extra, attack) in enumerate(make(batch), start=1):
            rows = batch.about.assign(kind=kind, control="none", step=step, **extra)
            rows = rows.assign(
                response_after=attack.after.double().cpu().numpy(),
                evaluations=attack.evaluations.cpu().numpy(),
                converged=attack.converged.cpu().numpy(),
                reached=attack.reached.cpu().numpy(),
            )
            made.append(self.develop(rows, batch, attack.delta))
            if kind == "accentuation" and len(self.levels) >= MANY and step % 2 == 0:
                continue
            # controls stand beside the first arm, whose rows come first
            first = len(rows) // len(self.params["arms"])
            made += self.controls(rows[:first], batch.only(first), attack.delta[:first])
        frames, images = zip(*made, strict=True)
        return pd.concat(frames, ignore_index=True), torch.cat(images)

    def batch(self, starts):
        """Gather start images, with responses and gradients there."""
        about = starts[["roi", "direction", "image_id"]]
        about = pd.concat([about.assign(arm=arm) for arm in self.params["arms"]], ignore_index=True)
        images = self.images[[self.place[name] for name in about.image_id]]
        which = torch.tensor([self.column[roi] for roi in about.roi], device=self.device)
        parts = self.fitting(self.at_start, images, which)
        before, gradient = map(torch.cat, zip(*parts, strict=True))
        exact = pictures.responses(self.respond, images, which, self.fitting)
        return Batch(about, images, which, before, exact, gradient)

    def at_start(self, images, which):
        """Compute responses and gradients of one batch."""
        return strongest.value_and_gradient(self.explore or self.respond, images, which)

    def settings(self, limit):
        """Collect the settings that all searches share."""
        names = ("steps", "tolerance")
        return {name: self.params[name] for name in names} | {
            "limit": self.params[limit],
            "explore": self.explore,
        }

    def prior(self, exponents):
        """Make the prior of some images, by their exponents; that of the arm pixels is 0."""
        size = self.params["image_size"]
        return priors.Coarse(exponents, (size, size))

    def perturb(self, batch):
        """Climb the ladder of radii: for each step its columns, and the attack."""
        signs = torch.tensor([SIGNS[name] for name in batch.about.direction], device=self.device)
        settings = self.settings("limit")

        def work(images, which, exponents, before, gradient, sign):
            about = {"which": which, "direction": sign, "first": (before, gradient)}
            about["prior"] = self.prior(exponents)
            return list(ladder.grow(self.respond, images, self.radii, **about, **settings))

        steps = self.joined(work, batch, signs)
        for radius, attack in zip(self.radii, steps, strict=True):
            yield {"radius": radius, "wanted_level": np.nan}, attack

    def accentuate(self, batch):
        """Bring the responses to all levels: for each its columns, and the attack."""
        rows = self.natural.loc[batch.about.roi]
        # responses that are all alike but for rounding have no levels
        rows = rows.assign(q99=rows.q99.where(undefined.moves(rows.q99 - rows.q01), rows.q01))
        low, high = (torch.tensor(rows[name].to_numpy(), device=self.device) for name in ("q01", "q99"))
        low, high = low.to(batch.before), high.to(batch.before)
        settings = self.settings("level_limit") | {"accuracy": self.params["accuracy"]}

        def work(images, which, exponents, before, gradient, low, high):
            about = {"which": which, "first": (before, gradient), "prior": self.prior(exponents)}
            return accentuation.accentuate(self.respond, images, self.levels, low, high, **about, **settings)

        steps = self.joined(work, batch, low, high)
        for level, attack in zip(self.levels, steps, strict=True):
            upwards = low + level * (high - low) >= batch.before
            direction = np.where(upwards.cpu(), "increase", "decrease")
            yield {"radius": np.nan, "wanted_level": level, "direction": direction}, attack

    def joined(self, work, batch, *more):
        """Run `work` on parts of a batch that fit the device, and join the attacks of each step."""
        exponents = torch.tensor(batch.about.arm.map({"pixels": 0.0, "fourier": self.params["exponent"]}))
        exponents = exponents.to(batch.before)
        each = (batch.images, batch.which, exponents, batch.before, batch.gradient)
        parts = self.fitting(work, *each, *more)
        return [strongest.Attack.joined(step) for step in zip(*parts, strict=True)]

    def controls(self, rows, batch, delta):
        """Make images that differ from the start by as much, but were not made for the model."""
        size = delta.flatten(1).double().norm(dim=1)
        best = [self.best(row.roi, row.direction, row.image_id) for row in rows.itertuples()]
        seeds = [
            self.run.seed("phases", row.roi, row.image_id, row.step, row.kind) for row in rows.itertuples()
        ]
        steps = {
            "blend": controls.blended(batch.images, self.images[best], size),
            "phase_scrambled": controls.phase_scrambled(delta, batch.images, seeds),
        }
        nothing = {"response_after": np.nan, "evaluations": 0, "converged": True, "reached": True}
        return [
            self.develop(rows.assign(control=control, **nothing), batch, steps[control])
            for control in CONTROLS
        ]

    def best(self, roi, direction, image_id):
        """Find the natural image to blend towards: the best of the region that is not the start itself."""
        best = self.starts["best"]
        best = best[(best.roi == roi) & (best.direction == direction) & (best.image_id != image_id)]
        return self.place[best.sort_values("rank").image_id.iloc[0]]

    def develop(self, rows, batch, delta):
        """Round images to 8 bits, and measure them as they are saved: rows, and pictures."""
        seeds = [
            self.run.seed("round", row.kind, row.arm, row.control, row.roi, row.image_id, row.step)
            for row in rows.itertuples()
        ]
        images = batch.images + delta
        saved, measured = pictures.develop(
            self.respond, images, batch.which, batch.images, seeds, self.fitting
        )
        rows = rows.assign(
            network=self.run.wildcards["model"],
            start="natural",
            draw=0,
            limited=rows.kind == "perturbation",
            restarted=False,
            response_before=batch.exact,
            **measured,
        )
        return rows, saved


if __name__ == "__main__":
    job.start(main, globals())
