"""Perturbations that move a model's predicted responses, and controls of their sizes (rule attack_images)."""

import itertools

import pandas as pd
import torch

from codingaxes import attacks, batches, budgets, controls, effects, job, models, pixels, precision, tables
from codingaxes.tables import GROUP

SEEN = [
    "roi",
    "direction",
    "image_id",
    "norm",
    "radius",
    "size",
    "converged",
]  # shared with the table sensitivity


def main(run):
    """All regions, directions and budgets of one model; a stopped job resumes at the batch it had reached."""
    model = models.load(run, run.wildcards["model"])
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    device = job.choose_device(run.params["device"])
    images = pixels.read(probes.file, run.params["image_size"]).to(device)
    attacker, together = Attacker(run, model), run.params["batch_size"]
    starts = range(0, len(probes), together)
    parts, current = list(itertools.product(starts, model.group, attacks.SIGNS)), None
    found, seen = run.shards("perturbations"), run.shards("sensitivity")
    variants = run.shards("perturbations", "variants")
    for part in run.track(found.missing(parts), unit="batch, region and direction"):
        start, roi, direction = part
        batch = slice(start, start + together)
        if start != current:  # all regions and directions share the first gradients
            current, first = start, attacker.first(images[batch])
        about = {"roi": roi, "direction": direction, "image_id": probes.image_id.iloc[batch].to_numpy()}
        main_rows, other_rows, seen_rows = attacker.attack(images[batch], first, about)
        variants.save(part, other_rows)
        seen.save(part, seen_rows)
        found.save(part, main_rows)  # last, as it says that the part is there
    found.write(run.output["perturbations"], parts)
    variants.write(run.output["variants"], parts)
    made = tables.read(run.output["perturbations"], "perturbations")
    noise = tables.read(run.input["noise"], "perturbations")
    seen.save("controls", attacker.compare(made, noise, images, probes.image_id))
    seen.write(run.output["sensitivity"], [*parts, "controls"])
    for shards in (found, variants, seen):
        shards.remove()
    for (roi, radius), rows in made.groupby(["roi", "radius"], sort=False):
        change = (rows.response_after - rows.response_before).abs().median()
        job.log.info(f"{roi}, l2 {radius:g}: median {change:.3f} SD, {rows.converged.mean():.0%} converged")
    job.log.info(f"{images[0].numel() * 2} bytes a stored perturbation")


class Attacker:
    """Makes what the parameters ask for on one model."""

    def __init__(self, run, model):
        self.run, self.params, self.model = run, run.params, model
        self.readers, self.names = model.readers()
        self.fitting = batches.Batches(run.params["batch_size"])

    def attack(self, images, first, about):
        """Rows for perturbations, for its variants, and for sensitivity, of one region and direction."""
        found, variants, seen, known = [], [], [], []
        for budget in self.budgets():
            # what was found in a smaller ball is allowed in a larger one, and may have the wanted effect
            usual = budget["attack"] in ("l2", "l2_large", "l2_effect")
            allowed = [delta for size, delta in known if budget["wanted"] or size <= budget["radius"]]
            rows = self.rows(images, first, GROUP, about, budget, allowed if usual else ())
            if usual:
                known.append((budget["radius"], pixels.perturbations(rows.delta, images)))
            (found if budget["attack"] == "l2" else variants).append(rows)
            if budget["attack"] in ("l2", "linf"):
                seen.append(self.as_seen(rows, GROUP))
        largest = self.budgets()[len(self.params["radii"]) - 1]
        for subject in self.model.names if self.params["subjects"] else ():
            seen.append(self.as_seen(self.rows(images, first, subject, about, largest), subject))
        variants = variants or [found[0].iloc[:0]]
        return [pd.concat(rows, ignore_index=True) for rows in (found, variants, seen)]

    def budgets(self):
        """What tables say of each attack; the main ones first, the largest of them last."""
        params = self.params
        l2 = {"attack": "l2", "algorithm": "ascent", "norm": "l2", "wanted": 0.0}
        radii = sorted(params["radii"])
        return (
            [l2 | {"radius": radius} for radius in radii]
            + [l2 | {"attack": "linf", "norm": "linf", "radius": radius} for radius in params["linf_radii"]]
            + [
                l2 | {"attack": f"l2_{name}", "algorithm": name, "radius": radii[-1]}
                for name in params["algorithms"]
            ]
            + [l2 | {"attack": "l2_large", "radius": radius} for radius in sorted(params["large_radii"])]
            + [l2 | {"attack": "l2_effect", "radius": 0.0, "wanted": wanted} for wanted in params["effects"]]
        )

    def first(self, images):
        """Responses (n,) and gradients (n, 3, h, w) at the images, by (region, who): one pass forward."""
        wanted = [i for i, (_, who) in enumerate(self.names) if who == GROUP or self.params["subjects"]]
        respond = precision.exploring(self.readers, self.params["precision"]) or self.readers

        def work(images):
            images = images.detach().requires_grad_(True)
            responses = respond(images)
            each = [torch.autograd.grad(responses[:, i].sum(), images, retain_graph=True)[0] for i in wanted]
            return responses.detach(), torch.stack(each, dim=1)

        values, gradients = map(torch.cat, zip(*self.fitting(work, images), strict=True))
        gradients = torch.where(torch.isfinite(gradients).all((2, 3, 4), keepdim=True), gradients, 0.0)
        return {self.names[i]: (values[:, i], gradients[:, j]) for j, i in enumerate(wanted)}

    def rows(self, images, first, who, about, budget, known=()):
        """One attack on one readout, as rows of the table perturbations, and responses to what is stored."""
        respond = self.model.scalar(about["roi"], who)
        shared = {
            "direction": about["direction"],
            "norm": budget["norm"],
            "explore": precision.exploring(respond, self.params["precision"]),
        }

        starts = [] if budget["wanted"] else self.starts(images, about["image_id"])

        def work(images, value, gradient, *more):
            starts_, known_ = more[: len(starts)], more[len(starts) :]
            first = {"first": (value, gradient), "known": known_} | shared
            if budget["wanted"]:
                steps, tolerance = self.params["effect_steps"], self.params["tolerance"]
                return effects.reach(
                    respond, images, budget["wanted"], steps=steps, gap_tolerance=tolerance, **first
                )
            settings = {name: self.params[name] for name in ("steps", "tolerance")}
            return attacks.maximise(
                respond,
                images,
                budget["radius"],
                algorithm=budget["algorithm"],
                starts=starts_,
                **settings,
                **first,
            )

        more = (*first[about["roi"], who], *starts, *known)
        found = attacks.Attack.joined(self.fitting(work, images, *more))
        delta = budgets.round_towards_zero(found.delta)
        before, after = (self.shown(respond, images + part).double() for part in (0, delta.float()))
        change = attacks.SIGNS[about["direction"]] * (after - before)
        wanted = budget["wanted"]
        frame = pd.DataFrame(
            about
            | budget
            | {
                "network": self.run.wildcards["model"],
                "draw": 0,
                "size": budgets.size(delta, budget["norm"]).cpu(),
                "response_before": before.cpu(),
                "response_after": after.cpu(),
                "bound": found.bound.cpu(),
                "bound_ratio": (change.abs() / torch.where(found.bound > 0, found.bound, torch.nan)).cpu(),
                "evaluations": found.evaluations.cpu(),
                "converged": found.converged.cpu(),
                "reached": ((change - wanted).abs() <= 0.01 * wanted if wanted else change > 0).cpu(),
            }
        )
        frame["delta"] = list(delta.flatten(1).cpu().numpy())
        return frame

    def starts(self, images, image_ids):
        """Random directions for restarts, each image's own, so that batches have no part in them."""
        return [
            torch.stack(
                [
                    controls.random_direction(self.run.seed("restart", number, image_id), image)
                    for image_id, image in zip(image_ids, images, strict=True)
                ]
            )
            for number in range(self.params["restarts"])
        ]

    @torch.no_grad()
    def shown(self, respond, images):
        """Responses to images, in float32."""
        return torch.cat(self.fitting(respond, images))

    def as_seen(self, rows, who):
        """Rows of the table sensitivity of an attack on the readout `who`."""
        change = rows.response_after - rows.response_before
        about = {"network": self.run.wildcards["model"], "subject": who, "kind": "attack"}
        return rows[SEEN].assign(**about, made_for=rows.roi, draw=0, change=change)

    def compare(self, made, noise, images, image_ids):
        """Rows of the table sensitivity of all controls, read by the group and by each subject."""
        before = self.shown(self.readers, images)
        place = pd.Series(range(len(image_ids)), index=image_ids)
        rows = []

        def show(about, delta, regions, chosen):
            change = (
                (self.shown(self.readers, images[chosen] + delta) - before[chosen]).double().cpu().numpy()
            )
            shared = about | {"image_id": image_ids.to_numpy()[chosen], "converged": True}
            shared["size"] = budgets.size(delta, about["norm"]).cpu()
            shared["network"] = self.run.wildcards["model"]
            for i, (roi, who) in enumerate(self.names):
                if roi in regions:
                    rows.append(pd.DataFrame(shared | {"roi": roi, "subject": who, "change": change[:, i]}))

        for (norm, radius, draw), part in noise[noise.attack == "random"].groupby(["norm", "radius", "draw"]):
            about = {"kind": "random", "made_for": "none", "norm": norm, "radius": radius}
            delta, chosen = pixels.perturbations(part.delta, images), place[part.image_id].to_numpy(copy=True)
            show(about | {"direction": "none", "draw": draw}, delta, list(self.model.group), chosen)
        for (roi, direction, radius), part in made.groupby(["roi", "direction", "radius"], sort=False):
            about = {"made_for": roi, "norm": "l2", "radius": radius, "direction": direction, "draw": 0}
            delta, chosen = pixels.perturbations(part.delta, images), place[part.image_id].to_numpy(copy=True)
            show(
                about | {"kind": "other_region"},
                delta,
                [name for name in self.model.group if name != roi],
                chosen,
            )
            if len(chosen) > 1:
                other = controls.of_another_image(delta, images[chosen])
                show(about | {"kind": "other_image"}, other, [roi], chosen)
            for draw in range(1, self.params["draws"] + 1):
                seeds = [self.run.seed("phases", draw, image_id) for image_id in part.image_id]
                scrambled = controls.phase_scrambled(delta, images[chosen], seeds)
                show(about | {"kind": "phase_scrambled", "draw": draw}, scrambled, [roi], chosen)
        return pd.concat(rows, ignore_index=True)


if __name__ == "__main__":
    job.start(main, globals())
