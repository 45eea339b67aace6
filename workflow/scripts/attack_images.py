"""The strongest small perturbations of one model's predicted responses (rule attack_images)."""

import itertools

import pandas as pd
import torch

from codingaxes import attacks, job, models, pixels, tables

SIGNS = {"increase": 1.0, "decrease": -1.0}


def main(run):
    """All regions, directions and radii of one model; a stopped job resumes at the part it had reached."""
    name = run.wildcards["model"]
    model = models.load(run, name)
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    device = job.choose_device(run.params["device"])
    images = pixels.read(probes.file, run.params["image_size"]).to(device)
    parts = list(itertools.product(model.group, SIGNS, run.params["radii"]))
    shards = run.shards("perturbations")
    for roi, direction, radius in run.track(shards.missing(parts), unit="attack"):
        respond = model.scalar(roi, SIGNS[direction])
        found = attacks.increase(
            respond, images, radius, steps=run.params["steps"], tolerance=run.params["tolerance"]
        )
        delta = attacks.round_towards_zero(found.delta)
        with torch.no_grad():
            before = SIGNS[direction] * respond(images)
            after = SIGNS[direction] * respond(images + delta.float())
        frame = pd.DataFrame(
            {
                "attack": "l2",
                "network": name,
                "roi": roi,
                "direction": direction,
                "image_id": probes.image_id,
                "norm": "l2",
                "radius": radius,
                "size": delta.double().flatten(1).norm(dim=1).cpu(),
                "response_before": before.double().cpu(),
                "response_after": after.double().cpu(),
                "evaluations": found.evaluations,
                "converged": found.converged.cpu(),
            }
        )
        frame["delta"] = list(delta.flatten(1).cpu().numpy())
        shards.save((roi, direction, radius), frame)
        change = (frame.response_after - frame.response_before).abs().median()
        share = frame.converged.mean()
        job.log.debug(f"{roi} {direction} {radius}: median change {change:.3f} SD, {share:.0%} converged")
    shards.write(run.output["perturbations"], parts)
    shards.remove()


if __name__ == "__main__":
    job.start(main, globals())
