"""Leading eigenvectors of JᵀJ, and gradients, of one model (rule compute_eigenvectors)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import job, lanczos, models, pixels, tables

BATCH = 8  # images that go through the network together; memory is about steps * BATCH * pixels * 8 bytes


def main(run):
    """A stopped job resumes at the batch of images it had reached."""
    name = run.wildcards["model"]
    model = models.load(run, name)
    device = job.choose_device(run.params["device"])
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    parts = [(roi, start) for roi in model.voxels for start in range(0, len(probes), BATCH)]
    axes, slopes = run.shards("eigenvectors"), []
    for roi, start in run.track(axes.missing(parts), unit="batch"):
        batch = probes.iloc[start : start + BATCH]
        images = pixels.read(batch.file, run.params["image_size"]).to(device)
        axes.save(
            (roi, start),
            eigenvectors(run, model.voxels[roi], images, batch.image_id).assign(network=name, roi=roi),
        )
    for roi, respond in model.group.items():
        images = pixels.read(probes.file, run.params["image_size"]).to(device)
        slopes.append(gradients(respond, images, probes.image_id).assign(network=name, roi=roi))
    found = axes.concat(parts)
    job.log.info(
        f"{found.converged.mean():.1%} of {len(found)} pairs converged, at most {found.steps.max()} products"
    )
    tables.write(run.output["eigenvectors"], "eigenvectors", found)
    tables.write(run.output["gradients"], "gradients", pd.concat(slopes, ignore_index=True))
    axes.remove()


def eigenvectors(run, respond, images, image_ids):
    """Rows of the eigenvectors table for one batch of images."""
    rank, size = run.params["rank"], images[0].numel()
    start = torch.stack(
        [
            torch.randn(
                size, generator=torch.Generator().manual_seed(run.seed(image_id)), dtype=torch.float64
            )
            for image_id in image_ids
        ]
    )
    spectrum = lanczos.top_eigenpairs(
        lanczos.gauss_newton(respond, images),
        start.to(images.device),
        rank,
        tolerance=run.params["tolerance"],
        max_steps=run.params["max_steps"],
    )
    frame = pd.DataFrame(
        {
            "image_id": np.repeat(image_ids.to_numpy(), rank),
            "rank": np.tile(np.arange(1, rank + 1), len(image_ids)),
            "eigenvalue": spectrum.values.flatten().cpu(),
            "residual": spectrum.residuals.flatten().cpu(),
            "converged": spectrum.converged.flatten().cpu(),
            "steps": np.repeat(spectrum.steps.cpu().numpy(), rank),
        }
    )
    frame["vector"] = list(spectrum.vectors.flatten(0, 1).half().cpu().numpy())
    return frame


def gradients(respond, images, image_ids):
    """Rows of the gradients table: length and direction of the group response's gradient."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(respond(images).sum(), images)
    norm = gradient.flatten(1).double().norm(dim=1)
    unit = gradient.flatten(1).double() / norm.clamp_min(1e-300)[:, None]
    frame = pd.DataFrame({"image_id": image_ids.to_numpy(), "norm": norm.cpu().numpy()})
    frame["gradient"] = list(unit.half().cpu().numpy())
    return frame


if __name__ == "__main__":
    job.start(main, globals())
