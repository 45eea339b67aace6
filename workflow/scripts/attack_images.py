"""Find the perturbations that move a model's predicted responses the most (rule attack_images)."""

from dataclasses import asdict, dataclass

import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.attacks import budgets, plan, strongest
from codingaxes.attacks.noise import random_direction
from codingaxes.encoding import stored
from codingaxes.images import read_images, read_perturbations
from codingaxes.names import GROUP, SIGNS
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS, SUBJECT_ATTACKS
from codingaxes.tables.nsd import STIMULI

# Parameters of `plan.list_budgets`, and of `plan.attack`.
BUDGETS = ("radii", "linf_radii", "algorithms", "large_radii", "effects", "effect_probes", "variant_probes")
SETTINGS = ("steps", "limit", "effect_limit", "variant_limit", "algorithm_steps", "tolerance")
REACHED = 0.01  # of a wanted change, by which that of the stored perturbation may differ from it


def main(run):
    """Attack all regions and directions; a stopped job resumes at the images it had reached."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    images = read_images(probes, run.params["image_size"]).to(device)
    attacker = Attacker(run, model)
    # so many images are attacked together, in all regions and directions, and kept together if a job stops
    together = max(1, run.params["batch_size"] // (len(model.group) * len(SIGNS)))
    parts = list(range(0, len(probes), together))
    shards = {
        "subjects": run.shards(SUBJECT_ATTACKS),
        "variants": run.shards(PERTURBATIONS, "variants"),
        "perturbations": run.shards(PERTURBATIONS),
    }
    left = job.unfinished(*((shard, parts) for shard in shards.values()))
    for start in run.track(left, unit=f"part of {together} images"):
        part = slice(start, start + together)
        frames = attacker.attack(images[part], probes.image_id.iloc[part].to_numpy(), start)
        for name, shard in shards.items():
            shard.save(start, frames[name])
    for name, shard in shards.items():
        shard.write(run.output[name], parts)
    report(run.output["perturbations"])
    for shard in shards.values():
        shard.remove()


def report(file):
    """Say in the log how strong the main attacks are, and what they cost."""
    columns = ["roi", "radius", "response_before", "response_after", "converged", "evaluations"]
    attacks = store.read(file, PERTURBATIONS, columns)
    for (roi, radius), rows in attacks.groupby(["roi", "radius"], sort=False):
        change = (rows.response_after - rows.response_before).abs().median()
        job.log.info(
            f"{roi}, l2 {radius:g}: median {change:.3f} SD, {rows.converged.mean():.0%} converged, "
            f"{rows.evaluations.mean():.0f} gradients"
        )


@dataclass(frozen=True)
class Items:
    """List what is attacked together: each image in each region and direction, for one or more readers."""

    about: pd.DataFrame  # one row each: roi, subject, direction, image_id
    place: torch.Tensor  # (items,) of the image
    which: torch.Tensor  # (items,) of the response
    sign: torch.Tensor  # (items,) of the direction


class Attacker:
    """Attack the readouts of one model as the parameters say."""

    def __init__(self, run, model):
        self.run, self.params, self.model = run, run.params, model
        self.respond, self.readers = model.readers(subjects=self.params["subjects"])
        self.explore = devices.exploring(self.respond, self.params["precision"])
        self.fitting = devices.Batches(run.params["batch_size"])
        self.budgets = plan.list_budgets(**{name: run.params[name] for name in BUDGETS})
        self.largest = self.budgets[len(run.params["radii"]) - 1]  # of the main ones

    def attack(self, images, image_ids, start):
        """Attack some images, of which the first is probe `start`: a frame for each output, by its name."""
        first, groups = (
            self.first_gradients(images),
            [i for i, (_, who) in enumerate(self.readers) if who == GROUP],
        )
        rows, known = {"perturbations": [], "variants": [], "subjects": []}, []
        for budget in self.budgets:
            n = min(len(images), budget.probes - start) if budget.probes else len(images)
            if n <= 0:
                continue
            items = self.items(groups, image_ids[:n], images.device)
            # a perturbation of a smaller ball is allowed in a larger one, and may have the wanted effect
            candidates = [
                delta[torch.tensor(other.about.image_id.isin(image_ids[:n]).to_numpy(copy=True))]
                for of, other, delta in known
                if budget.shares and budget.admits(of) and len(other.about) >= len(items.about)
            ]
            frame = self.attack_readouts(images, first, items, budget, candidates)
            if budget.shares:
                known.append((budget, items, read_perturbations(frame.delta, images)))
            rows["perturbations" if budget.attack == "l2" else "variants"].append(frame)
        if self.params["subjects"]:
            single = [i for i in range(len(self.readers)) if i not in groups]
            items = self.items(single, image_ids, images.device)
            limit = self.params["subject_limit"]
            group = next(self.of_group(items, *part[1:]) for part in known if part[0] == self.largest)
            rows["subjects"].append(self.attack_readouts(images, first, items, self.largest, [group], limit))
        none = rows["perturbations"][0].iloc[:0]
        frames = {name: pd.concat(parts or [none], ignore_index=True) for name, parts in rows.items()}
        tables = {"perturbations": PERTURBATIONS, "variants": PERTURBATIONS, "subjects": SUBJECT_ATTACKS}
        return {name: frame[list(tables[name].columns)] for name, frame in frames.items()}

    def items(self, readers, image_ids, device):
        """List the attacks on some readers: each direction and image of each."""
        rows = [
            (*self.readers[reader], direction, image_id)
            for reader in readers
            for direction in SIGNS
            for image_id in image_ids
        ]
        about = pd.DataFrame(rows, columns=["roi", "subject", "direction", "image_id"])
        each, n = len(SIGNS) * len(image_ids), len(readers)
        which = torch.tensor(readers, device=device).repeat_interleave(each)
        place = torch.arange(len(image_ids), device=device).repeat(n * len(SIGNS))
        sign = torch.tensor(list(SIGNS.values()), dtype=torch.float32, device=device)
        return Items(about, place, which, sign.repeat_interleave(len(image_ids)).repeat(n))

    @staticmethod
    def of_group(items, group_items, delta):
        """Take the attack on the group's readout that belongs to each attack on a subject's."""
        key = ["roi", "direction", "image_id"]
        place = pd.Series(range(len(delta)), index=pd.MultiIndex.from_frame(group_items.about[key]))
        places = place[pd.MultiIndex.from_frame(items.about[key])].to_numpy(copy=True)
        return delta[torch.from_numpy(places).to(delta.device)]

    def first_gradients(self, images):
        """Compute responses (n, readers) and gradients (n, readers, 3, h, w) at the images, in one pass."""
        respond = self.explore or self.respond

        def work(images):
            images = images.detach().requires_grad_(True)
            responses = respond(images)
            each = [
                torch.autograd.grad(responses[:, i].sum(), images, retain_graph=True)[0]
                for i in range(responses.shape[1])
            ]
            return responses.detach(), torch.stack(each, dim=1)

        values, gradients = map(torch.cat, zip(*self.fitting(work, images), strict=True))
        return values, torch.where(torch.isfinite(gradients).all((2, 3, 4), keepdim=True), gradients, 0.0)

    def attack_readouts(self, images, first, items, budget, known=(), limit=None):
        """Attack all items within one budget: rows of the table perturbations, with the subject.

        `limit`, where it is given, takes the place of that of the main attacks.
        """
        settings = {name: self.params[name] for name in SETTINGS} | {"explore": self.explore}
        settings |= {"limit": limit} if limit else {}
        values, gradients = (part[items.place, items.which] for part in first)
        starts = [] if budget.wanted else self.starts(images, items)

        def work(images, which, sign, value, gradient, *more):
            evidence = {"starts": more[: len(starts)], "known": more[len(starts) :]}
            evidence |= {"which": which, "direction": sign, "first": (value, gradient)}
            return plan.attack(self.respond, images, budget, **evidence, **settings)

        shown = images[items.place]
        parts = self.fitting(work, shown, items.which, items.sign, values, gradients, *starts, *known)
        return self.as_rows(shown, strongest.Attack.joined(parts), items, budget)

    def as_rows(self, images, attack, items, budget):
        """Turn attacks into rows of perturbations, with the responses to what is stored."""
        delta = budgets.round_towards_zero(attack.delta)
        before, after = (self.responses(images + part, items.which) for part in (0, delta.float()))
        change, wanted = items.sign * (after - before), budget.wanted
        bound = torch.where(attack.bound > 0, attack.bound, torch.nan)
        evidence = {
            "size": budgets.size(delta, budget.norm),
            "response_before": before,
            "response_after": after,
            "bound": attack.bound,
            "bound_ratio": change.abs() / bound,
            "evaluations": attack.evaluations,
            "converged": attack.converged,
            "reached": (change - wanted).abs() <= REACHED * wanted if wanted else change > 0,
        }
        evidence = {name: values.cpu() for name, values in evidence.items()}
        model = {"network": self.run.wildcards["model"], "draw": 0}
        frame = items.about.assign(**asdict(budget), **model, **evidence)
        frame["delta"] = list(delta.flatten(1).cpu().numpy())
        return frame

    def starts(self, images, items):
        """Draw random directions for restarts, each image's own, so that batches have no part in them."""
        image_ids = items.about.image_id.unique()
        draws = []
        for number in range(self.params["restarts"]):
            seeds = [self.run.seed("restart", number, image_id) for image_id in image_ids]
            draws.append(torch.stack(list(map(random_direction, seeds, images)))[items.place])
        return draws

    def responses(self, images, which):
        """Compute the responses of each item, in float32, as float64."""

        def work(images, which):
            return strongest.forward(self.respond, images, which)

        return torch.cat(self.fitting(work, images, which)).double()


if __name__ == "__main__":
    job.start(main, globals())
