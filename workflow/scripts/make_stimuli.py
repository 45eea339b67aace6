"""Make the images of a stimulus set: natural ones, perturbed ones and controls (rule make_stimuli)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch

from codingaxes import devices, job, writing
from codingaxes.attacks import budgets, controls, noise, smallest, strongest
from codingaxes.axes import distortions
from codingaxes.encoding import stored
from codingaxes.images import read_images
from codingaxes.names import BOTH, DISTORTIONS, GROUP, NOISE, SIGNS
from codingaxes.stimulus_sets import starts
from codingaxes.synthesis import accentuation, pictures
from codingaxes.tables import store
from codingaxes.tables.axes import EIGENVECTORS, JACOBIANS
from codingaxes.tables.columns import Column, Table
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS
from codingaxes.tables.sensitivity import NATURAL_RESPONSES
from codingaxes.tables.stimulus_sets import SET_STIMULI
from codingaxes.tables.synthesis import CHOSEN_IMAGES

ALL = "all"  # regions, of originals and of white noise
DIGITS = 4  # of the number in the id of a stimulus
ROLES = ["original", "perturbed", "control"]
ORDER = ["role", "image_id", "roi", "direction", "step"]  # that stimuli are numbered in
IDENTITY = ["role", "control", "maker_role", "roi", "direction", "image_id", "draw", "step"]
OF_NOBODY = {
    "maker": NOISE,
    "maker_role": NOISE,
    "draw": 0,
    "evaluations": 0,
    "converged": True,
    "reached": True,
}

# What the job keeps until it is done: perturbations before controls are made of them and before rounding.
KEPT = ("maker_role", "roi", "direction", "image_id", "draw", "step", "evaluations", "converged", "reached")
PARTS = Table(
    "set_perturbations",
    "one row per perturbation",
    KEPT[:6],
    {name: SET_STIMULI.columns[name] for name in KEPT}
    | {"delta": Column("list[float32]", "pixels in [0, 1]", "perturbation (3, h, w), flattened")},
)


def main(run):
    """Search for perturbations, maker by maker; a stopped job resumes at the images it had reached."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    studio = Studio(run, device)
    shards = run.shards(PARTS)
    parts = [(role, begin) for role in run.params["makers"] for begin in range(0, *studio.spans(role))]
    for role, begin in run.track(shards.missing(parts), unit="part"):
        shards.save((role, begin), studio.search(role, begin))
    made = pd.concat([shards.read(part) for part in parts], ignore_index=True)
    rows, delta = studio.assemble(made)
    save(run, studio, rows, delta)
    shards.remove()
    for role, part in made.groupby("maker_role", sort=False):
        job.log.info(
            f"{role}: {len(part)} perturbations, {part.reached.mean():.0%} reached, "
            f"{part.converged.mean():.0%} converged, {part.evaluations.mean():.0f} gradients"
        )


def save(run, studio, rows, delta):
    """Round the images to 8 bits, measure them as they are, and write pictures, perturbations and table."""
    seeds = [run.seed("round", *row) for row in rows[IDENTITY].itertuples(index=False, name=None)]
    natural = studio.images[rows.place.to_list()].cpu()
    saved = pictures.to_bytes(natural + delta, seeds)
    measured = pictures.sizes(pictures.from_bytes(saved) - natural)
    word = "".join(sign for sign in run.wildcards["set"] if sign.isalnum())
    ids = [f"stim-{word}{number:0{DIGITS}d}" for number in range(1, len(rows) + 1)]
    folder = Path(run.output["pictures"])
    files = [folder / f"{name}.png" for name in ids]
    digests = [pictures.save(picture, file) for picture, file in zip(saved, files, strict=True)]
    with writing.whole(run.output["perturbations"]) as file:
        safetensors.torch.save_file({"delta": delta}, file, {"stimulus_ids": " ".join(ids)})
    table = rows.assign(
        stimulus_id=ids,
        matched=run.params["design"]["match"],
        file=list(map(str, files)),
        sha256=digests,
        **{name: size.numpy() for name, size in measured.items()},
    )
    store.write(run.output["stimuli"], SET_STIMULI, table[list(SET_STIMULI.columns)])


@dataclass(frozen=True)
class Items:
    """List images that are changed together for one maker."""

    about: pd.DataFrame  # one row each: roi, direction, image_id
    images: torch.Tensor  # (n, 3, h, w)
    which: torch.Tensor  # (n,) of the response
    sign: torch.Tensor  # (n,) of the direction


class Studio:
    """Make the images of one set as its design says."""

    def __init__(self, run, device):
        self.run, self.device, self.design = run, device, run.params["design"]
        stimuli = store.read(run.input["stimuli"], STIMULI).set_index("image_id", drop=False)
        self.chosen = self.choose(stimuli)
        best = store.read(run.input["chosen"], CHOSEN_IMAGES, filters=[("purpose", "=", "best")])
        self.best = best.sort_values("rank")
        names = list(dict.fromkeys([*self.chosen.image_id, *best.image_id]))
        self.place = {name: place for place, name in enumerate(names)}
        self.images = read_images(stimuli.loc[names], run.params["image_size"]).to(device)
        self.fitting = devices.Batches(self.design["batch_size"])
        self.loaded = None, None  # the last maker, and its responses

    def choose(self, stimuli):
        """Choose natural images: where axes are needed those that have them, else all that are held out."""
        measured = store.read(self.run.input["measurements"], MEASUREMENTS, filters=[("subject", "=", GROUP)])
        measured = measured[measured.roi.isin(self.run.params["regions"])]
        tested = stimuli.probe if DISTORTIONS in self.run.params["makers"] else stimuli.split == "test"
        rng = np.random.default_rng(self.run.seed("images", self.design["seed"]))
        pool, directions = stimuli.image_id[tested], self.design["directions"]
        self.check_list(stimuli)
        return starts.choose(
            measured, set(pool), set(stimuli.image_id), directions, self.design["images"], rng
        )

    def check_list(self, stimuli):
        """Warn of listed images that readouts were fitted to; refuse those without axes that are needed."""
        listed = stimuli[stimuli.image_id.isin(self.design["images"]["list"])]
        if DISTORTIONS in self.run.params["makers"] and not listed.probe.all():
            raise ValueError(
                f"images.list: {', '.join(listed.image_id[~listed.probe])}: no axes are there, which "
                f"{DISTORTIONS} are made of. List probes (column probe of stimuli), or leave that maker out"
            )
        if seen := listed.image_id[listed.split == "train"].tolist():
            job.log.warning(
                f"images.list: readouts were fitted to {', '.join(seen)}: predictions are too good"
            )

    def items_of(self, role):
        """List what is made for a maker; levels say themselves which way, and distortions have none."""
        if role == DISTORTIONS or self.design["levels"]:
            way = BOTH if self.design["levels"] else NOISE
            return self.chosen.assign(direction=way).drop_duplicates(ignore_index=True)
        return self.chosen

    def spans(self, role):
        """Give the number of images of a maker, and of those that are made together."""
        return len(self.items_of(role)), self.design["batch_size"]

    def search(self, role, begin):
        """Make some of the perturbations for one maker: rows of `PARTS`."""
        about = self.items_of(role).iloc[begin : begin + self.design["batch_size"]].reset_index(drop=True)
        images = self.images[[self.place[name] for name in about.image_id]]
        if role == DISTORTIONS:
            return self.to_axes(about, images.cpu())
        respond, column = self.responses_of(role)
        which = torch.tensor([column[roi] for roi in about.roi], device=self.device)
        sign = torch.tensor([SIGNS.get(way, 1.0) for way in about.direction], device=self.device)
        items = Items(about, images, which, sign)
        frames = []
        for step, (direction, attack) in enumerate(self.steps(role, respond, items), start=1):
            frames.append(
                about.assign(
                    direction=direction,
                    maker_role=role,
                    draw=0,
                    step=step,
                    evaluations=attack.evaluations.cpu().numpy(),
                    converged=attack.converged.cpu().numpy(),
                    reached=attack.reached.cpu().numpy(),
                    delta=list(attack.delta.flatten(1).float().cpu().numpy()),
                )
            )
        return pd.concat(frames, ignore_index=True)[list(PARTS.columns)]

    def to_axes(self, about, images):
        """Make the principal distortions of images, at all sizes: rows of `PARTS`."""
        axes, jacobians = (
            store.read(
                list(self.run.files(name).values()),
                table,
                columns,
                filters=[("response", "=", "voxels"), ("image_id", "in", about.image_id.tolist())],
            )
            for name, table, columns in (
                ("eigenvectors", EIGENVECTORS, [*EIGENVECTORS.key, "eigenvalue", "vector"]),
                ("jacobians", JACOBIANS, [*JACOBIANS.key, "trace"]),
            )
        )
        frames = []
        for row, image in zip(about.itertuples(), images, strict=True):
            here = (
                part[(part.roi == row.roi) & (part.image_id == row.image_id)] for part in (axes, jacobians)
            )
            pair = distortions.of_image(*here)
            vectors = torch.from_numpy(pair.vectors).float().view(2, *image.shape)
            both = image.expand_as(vectors)
            for step, radius in enumerate(self.run.params["radii"], start=1):
                delta = budgets.stretch(vectors, both, torch.full((2,), radius, dtype=torch.float64))
                start = {"roi": row.roi, "direction": NOISE, "image_id": row.image_id, "draw": [1, 2]}
                search = {"evaluations": 0, "converged": pair.converged, "reached": True}
                vectors_of = list(delta.flatten(1).float().numpy())
                about_pair = {"maker_role": DISTORTIONS, "step": step, "delta": vectors_of}
                frames.append(pd.DataFrame(start | search | about_pair))
        return pd.concat(frames, ignore_index=True)[list(PARTS.columns)]

    def responses_of(self, role):
        """Load a maker: its responses to images, and the column of each region."""
        if self.loaded[0] != role:
            row = self.run.params["makers"][role]["network"]
            model = stored.load(self.run.files(role), row, self.device)
            respond, readers = model.readers(subjects=False)
            self.loaded = role, (respond, {roi: place for place, (roi, _) in enumerate(readers)})
        return self.loaded[1]

    def steps(self, role, respond, items):
        """Search at all sizes, effects or levels: for each the directions, and the attack."""
        settings = {name: self.design[name] for name in ("steps", "limit", "tolerance")}
        settings["explore"] = devices.exploring(respond, self.run.params["precision"])
        each = (items.images, items.which, items.sign)
        if self.design["levels"]:
            return self.to_levels(role, respond, items, settings)
        if self.design["effects"]:

            def work(images, which, sign):
                about = {"which": which, "direction": sign, **settings}
                return to_effects(respond, images, self.design["effects"], **about)

        else:

            def work(images, which, sign):
                about = {"which": which, "direction": sign, **settings}
                return to_sizes(respond, images, self.run.params["radii"], **about)

        return [(items.about.direction.to_numpy(), attack) for attack in self.joined(work, *each)]

    def to_levels(self, role, respond, items, settings):
        """Bring responses to natural levels of the maker."""
        file, levels = self.run.input[f"{role}.natural"], self.design["levels"]
        natural = store.read(file, NATURAL_RESPONSES, filters=[("subject", "=", GROUP)]).set_index("roi")
        rows = natural.loc[items.about.roi]
        low, high = (
            torch.tensor(rows[name].to_numpy(), dtype=torch.float32, device=self.device)
            for name in ("q01", "q99")
        )

        def work(images, which, low, high):
            return accentuation.accentuate(respond, images, levels, low, high, which=which, **settings)

        attacks = self.joined(work, items.images, items.which, low, high)
        for level, attack in zip(levels, attacks, strict=True):
            upwards = low + level * (high - low) >= attack.before
            yield np.where(upwards.cpu(), "increase", "decrease"), attack

    def joined(self, work, *each):
        """Run `work` on parts of a batch that fit the device, and join the attacks of each step."""
        parts = self.fitting(work, *each)
        return [strongest.Attack.joined(step) for step in zip(*parts, strict=True)]

    def assemble(self, made):
        """Put natural images, perturbations and controls together.

        Returns
        -------
        rows : DataFrame
            The columns of set_stimuli that do not depend on rounding, and place: of the natural image.
        delta : tensor (rows, 3, h, w)
        """
        delta = torch.from_numpy(store.matrix(made.delta)).view(-1, *self.images.shape[1:])
        names = {role: maker["name"] for role, maker in self.run.params["makers"].items()}
        rows = made.drop(columns="delta").assign(
            role="perturbed", control=NOISE, maker=made.maker_role.map(names)
        )
        parts = [self.originals(), (rows, delta)]
        for control in self.design["controls"]:
            parts += self.controls(control, rows, delta)
        frames, deltas = zip(*parts, strict=True)
        rows, delta = pd.concat(frames, ignore_index=True), torch.cat(deltas)
        radii = self.run.params["radii"] if self.design["match"] == "norm" else []
        sizes = {"radius": radii, "effect": self.design["effects"]}
        for name, values in (sizes | {"wanted_level": self.design["levels"]}).items():
            rows[name] = rows.step.map(dict(enumerate(values, start=1))).astype(float)
        order = rows.assign(role=rows.role.map(ROLES.index)).sort_values(ORDER, kind="stable").index
        rows = rows.loc[order].assign(place=rows.image_id.map(self.place))
        return rows.reset_index(drop=True), delta[torch.from_numpy(order.to_numpy(copy=True))]

    def originals(self):
        """Give the natural images themselves."""
        rows = self.chosen[["image_id"]].drop_duplicates(ignore_index=True).assign(roi=ALL, direction=NOISE)
        rows = rows.assign(role="original", control=NOISE, step=0, **OF_NOBODY)
        return rows, torch.zeros(len(rows), *self.images.shape[1:])

    def controls(self, control, rows, delta):
        """Make one kind of control: beside each perturbation or, where all have one size, beside none.

        Yields
        ------
        rows : DataFrame
        delta : tensor (rows, 3, h, w)
        """
        if control in ("blend", "random"):
            rows, size = self.beside(control, rows, delta)
            rows = rows[rows.direction != NOISE] if control == "blend" else rows
            size = size[torch.from_numpy(rows.index.to_numpy(copy=True))]
            if len(rows):
                yield self.described(rows, control), self.of_image(control, rows, size)
            return
        # of the same maker, region and step; a level says for each image which way it lies
        key = ["maker_role", "roi", "draw", "step", *["direction"] * (not self.design["levels"])]
        for _, group in rows.groupby(key, sort=False):
            of_group = delta[torch.from_numpy(group.index.to_numpy(copy=True))]
            yield self.described(group, control), self.of_perturbation(control, group, of_group)

    def beside(self, control, rows, delta):
        """Choose what a control that is of no maker stands beside: rows, and sizes (rows,)."""
        if self.design["match"] == "effect":
            return rows, budgets.size(delta, "l2")
        about = self.chosen
        if control == "random":
            about = about[["image_id"]].drop_duplicates().assign(roi=ALL, direction=NOISE)
        steps = range(1, len(self.run.params["radii"]) + 1)
        rows = pd.concat([about.assign(step=step, **OF_NOBODY) for step in steps], ignore_index=True)
        radii = torch.tensor(self.run.params["radii"], dtype=torch.float64)
        return rows, radii[torch.from_numpy(rows.step.to_numpy() - 1)]

    @staticmethod
    def described(rows, control):
        """Describe a control by what it stands beside; nothing was searched for."""
        nothing = {"evaluations": 0, "converged": True, "reached": True}
        return rows.assign(role="control", control=control, **nothing)

    def of_image(self, control, rows, size):
        """Make blends or white noise of given sizes (rows,)."""
        images = self.natural(rows)
        if control == "blend":
            best = [self.best_of(row.roi, row.direction, row.image_id) for row in rows.itertuples()]
            return controls.blended(images, self.images[best].cpu(), size)
        white = torch.stack([noise.white(seed, images.shape[1:]) for seed in self.seeds("white", rows)])
        return controls.resized(white, images, size, "l2")

    def of_perturbation(self, control, rows, delta):
        """Scramble the phases of perturbations, or exchange them among images; their sizes stay."""
        images = self.natural(rows)
        if control == "phase_scrambled":
            return controls.phase_scrambled(delta, images, self.seeds("phases", rows))
        return controls.of_another_image(delta, images)

    def natural(self, rows):
        """Collect the natural images (rows, 3, h, w) of some rows, on the CPU."""
        return self.images[[self.place[name] for name in rows.image_id]].cpu()

    def seeds(self, name, rows):
        """Derive a seed for each row from what it is."""
        key = ["maker_role", "roi", "direction", "image_id", "draw", "step"]
        rows = rows[key].itertuples(index=False, name=None)
        return [self.run.seed(name, self.design["seed"], *row) for row in rows]

    def best_of(self, roi, direction, image_id):
        """Find the natural image to blend towards: the best of the region that is not the start itself."""
        best = self.best[(self.best.roi == roi) & (self.best.direction == direction)]
        return self.place[best.image_id[best.image_id != image_id].iloc[0]]


def of_image(rows, roi, image_id):
    """Take the rows of one region and image."""
    return rows[(rows.roi == roi) & (rows.image_id == image_id)]


def to_sizes(respond, images, radii, **settings):
    """Find the strongest perturbations of some sizes, each begun with the one before.

    Unlike `ladder.grow` each has its whole size, also where a smaller one changes the response more.
    """
    attacks, begin = [], None
    for radius in radii:
        attacks.append(strongest.maximise(respond, images, radius, begin=begin, **settings))
        begin = attacks[-1].delta
    return attacks


def to_effects(respond, images, effects, **settings):
    """Find the smallest perturbations with each of some effects, each from the one before."""
    attacks, begin = [], None
    for effect in effects:
        attacks.append(smallest.reach(respond, images, effect, begin=begin, **settings))
        begin = attacks[-1].delta
    return attacks


if __name__ == "__main__":
    job.start(main, globals())
