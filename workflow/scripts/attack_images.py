"""Find the perturbations that move a model's predicted responses the most (rule attack_images)."""

import itertools
from dataclasses import asdict

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

BUDGETS = ("radii", "linf_radii", "algorithms", "large_radii", "effects")  # parameters of `plan.list_budgets`
SETTINGS = ("steps", "effect_steps", "tolerance")  # parameters of `plan.attack`
REACHED = 0.01  # of a wanted change, by which that of the stored perturbation may differ from it


def main(run):
    """Attack all regions, directions and budgets; a stopped job resumes at the batch it had reached."""
    device = devices.choose_device(run.params["device"])
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    images = read_images(probes.file, run.params["image_size"]).to(device)
    attacker, batch_size = Attacker(run, model), run.params["batch_size"]
    starts = range(0, len(probes), batch_size)
    parts, current = list(itertools.product(starts, model.group, SIGNS)), None
    shards = {
        "subjects": run.shards(SUBJECT_ATTACKS),
        "variants": run.shards(PERTURBATIONS, "variants"),
        "perturbations": run.shards(PERTURBATIONS),  # last, as it says that the part is there
    }
    for part in run.track(shards["perturbations"].missing(parts), unit="batch, region and direction"):
        start, roi, direction = part
        batch = slice(start, start + batch_size)
        if start != current:  # all regions and directions share the first gradients
            current, first = start, attacker.first_gradients(images[batch])
        about = {"roi": roi, "direction": direction, "image_id": probes.image_id.iloc[batch].to_numpy()}
        frames = attacker.attack(images[batch], first, about)
        for name, shard in shards.items():
            shard.save(part, frames[name])
    for name, shard in shards.items():
        shard.write(run.output[name], parts)
    report(run.output["perturbations"])
    for shard in shards.values():
        shard.remove()


def report(file):
    """Say in the log how strong the main attacks are."""
    columns = ["roi", "radius", "response_before", "response_after", "converged"]
    attacks = store.read(file, PERTURBATIONS, columns)
    for (roi, radius), rows in attacks.groupby(["roi", "radius"], sort=False):
        change = (rows.response_after - rows.response_before).abs().median()
        job.log.info(f"{roi}, l2 {radius:g}: median {change:.3f} SD, {rows.converged.mean():.0%} converged")


class Attacker:
    """Attack the readouts of one model as the parameters say."""

    def __init__(self, run, model):
        self.run, self.params, self.model = run, run.params, model
        self.respond, self.readers = model.readers()
        self.fitting = devices.Batches(run.params["batch_size"])
        self.budgets = plan.list_budgets(**{name: run.params[name] for name in BUDGETS})
        self.largest = self.budgets[len(run.params["radii"]) - 1]  # of the main ones

    def attack(self, images, first, about):
        """Attack one region in one direction: a frame for each output, by its name."""
        rows, known = {"perturbations": [], "variants": [], "subjects": []}, []
        for budget in self.budgets:
            # a perturbation of a smaller ball is allowed in a larger one, and may have the wanted effect
            candidates = [delta for other, delta in known if budget.admits(other)] if budget.shares else []
            frame = self.attack_readout(images, first, GROUP, about, budget, candidates)
            if budget.shares:
                known.append((budget, read_perturbations(frame.delta, images)))
            rows["perturbations" if budget.attack == "l2" else "variants"].append(frame)
        for subject in self.model.names if self.params["subjects"] else ():
            frame = self.attack_readout(images, first, subject, about, self.largest)
            rows["subjects"].append(frame.assign(subject=subject))
        none = rows["perturbations"][0].iloc[:0]
        empty = {"variants": none, "subjects": none.assign(subject="")}
        frames = {name: pd.concat(parts or [empty[name]], ignore_index=True) for name, parts in rows.items()}
        return frames | {"subjects": frames["subjects"][list(SUBJECT_ATTACKS.columns)]}

    def first_gradients(self, images):
        """Compute responses (n,) and gradients (n, 3, h, w) at the images, by readout: one forward pass."""
        wanted = [i for i, (_, who) in enumerate(self.readers) if who == GROUP or self.params["subjects"]]
        respond = devices.exploring(self.respond, self.params["precision"]) or self.respond

        def work(images):
            images = images.detach().requires_grad_(True)
            responses = respond(images)
            each = [torch.autograd.grad(responses[:, i].sum(), images, retain_graph=True)[0] for i in wanted]
            return responses.detach(), torch.stack(each, dim=1)

        values, gradients = map(torch.cat, zip(*self.fitting(work, images), strict=True))
        gradients = torch.where(torch.isfinite(gradients).all((2, 3, 4), keepdim=True), gradients, 0.0)
        return {self.readers[i]: (values[:, i], gradients[:, j]) for j, i in enumerate(wanted)}

    def attack_readout(self, images, first, who, about, budget, known=()):
        """Attack one readout within one budget: rows of the table perturbations."""
        respond = self.model.scalar(about["roi"], who)
        settings = {name: self.params[name] for name in SETTINGS}
        settings["direction"] = about["direction"]
        settings["explore"] = devices.exploring(respond, self.params["precision"])
        starts = [] if budget.wanted else self.starts(images, about["image_id"])

        def work(images, value, gradient, *more):
            evidence = {"starts": more[: len(starts)], "known": more[len(starts) :]}
            return plan.attack(respond, images, budget, first=(value, gradient), **evidence, **settings)

        parts = self.fitting(work, images, *first[about["roi"], who], *starts, *known)
        return self.as_rows(respond, images, strongest.Attack.joined(parts), about, budget)

    def as_rows(self, respond, images, attack, about, budget):
        """Turn an attack into rows of perturbations, with the responses to what is stored."""
        delta = budgets.round_towards_zero(attack.delta)
        before, after = (self.responses(respond, images + part).double() for part in (0, delta.float()))
        change, wanted = SIGNS[about["direction"]] * (after - before), budget.wanted
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
        frame = pd.DataFrame(about | asdict(budget) | model | evidence)
        frame["delta"] = list(delta.flatten(1).cpu().numpy())
        return frame

    def starts(self, images, image_ids):
        """Draw random directions for restarts, each image's own, so that batches have no part in them."""

        def draw(number):
            seeds = [self.run.seed("restart", number, image_id) for image_id in image_ids]
            return torch.stack(list(map(random_direction, seeds, images)))

        return [draw(number) for number in range(self.params["restarts"])]

    @torch.no_grad()
    def responses(self, respond, images):
        """Compute responses to images, in float32."""
        return torch.cat(self.fitting(respond, images))


if __name__ == "__main__":
    job.start(main, globals())
