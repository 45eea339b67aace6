"""White noise of the same sizes as the attacks, one draw an image (rule draw_random_controls)."""

import pandas as pd
import torch

from codingaxes import attacks, job, pixels, tables


def main(run):
    """The same noise is shown to every model; it is stretched to ball and box as attacks are."""
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    images = pixels.read(probes.file, run.params["image_size"])
    rows = []
    for radius in run.params["radii"]:
        for image_id, image in zip(probes.image_id, images.split(1), strict=True):
            generator = torch.Generator().manual_seed(run.seed(radius, image_id))
            noise = attacks.random_direction(generator, image)
            delta = attacks.round_towards_zero(attacks.stretch(noise, image, radius))
            rows.append(
                {
                    "attack": "random",
                    "network": "none",
                    "roi": "none",
                    "direction": "none",
                    "image_id": image_id,
                    "norm": "l2",
                    "radius": radius,
                    "size": float(delta.double().norm()),
                    "response_before": float("nan"),
                    "response_after": float("nan"),
                    "evaluations": 0,
                    "converged": True,
                    "delta": delta.flatten().numpy(),
                }
            )
    tables.write(run.output["perturbations"], "perturbations", pd.DataFrame(rows))


if __name__ == "__main__":
    job.start(main, globals())
