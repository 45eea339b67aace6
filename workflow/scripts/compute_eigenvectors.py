"""Leading eigenvectors of JᵀJ of one model, for several kinds of responses (rule compute_eigenvectors)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import jacobians, job, models, pixels, tables


def main(run):
    """A stopped job resumes at the batch of images it had reached."""
    name = run.wildcards["model"]
    model = models.load(run, name)
    device = job.choose_device(run.params["device"])
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    weights = ceiling_weights(run) if run.params["weighting"] == "noise_ceiling" else None
    spaces = {
        (kind, roi): respond
        for kind in run.params["responses"]
        for roi, respond in model.responses(kind, weights).items()
    }
    together = run.params["batch_size"]
    parts = [(*space, start) for space in spaces for start in range(0, len(probes), together)]
    axes, sizes = run.shards("eigenvectors"), run.shards("jacobians")
    for kind, roi, start in run.track(axes.missing(parts), unit="batch"):
        batch = probes.iloc[start : start + together]
        images = pixels.read(batch.file, run.params["image_size"]).to(device)
        respond = spaces[kind, roi]
        spectrum, size = (
            gradient(respond, images) if kind == "group" else leading(run, respond, images, batch)
        )
        about = {"network": name, "response": kind, "roi": roi}
        sizes.save((kind, roi, start), as_sizes(spectrum, size, batch.image_id).assign(**about))
        # last, as it says that the part is there
        axes.save((kind, roi, start), as_axes(spectrum, batch.image_id).assign(**about))
    axes.write(run.output["eigenvectors"], parts)
    sizes.write(run.output["jacobians"], parts)
    axes.remove()
    sizes.remove()
    found = tables.read(run.output["eigenvectors"], "eigenvectors", columns=["converged"])
    measured = tables.read(run.output["jacobians"], "jacobians")
    job.log.info(
        f"{found.converged.mean():.1%} of {len(found)} pairs converged, at most {measured.products.max()} "
        f"products; routes: {measured.groupby('response', sort=False).route.unique().map(list).to_dict()}"
    )


def ceiling_weights(run):
    """Square roots of the noise ceilings of the voxels of each region, in the order of the responses."""
    voxels = tables.read(run.input["voxels"], "voxels")
    if voxels.noise_ceiling.isna().any():
        raise ValueError(
            "eigenvectors.weighting is noise_ceiling, but some voxels have none, as data without "
            "repetitions; set it to none"
        )
    return {roi: np.sqrt(part.noise_ceiling.to_numpy()) for roi, part in voxels.groupby("roi", sort=False)}


def gradient(respond, images):
    """The one axis of a single response, pointing to where it rises; JᵀJ has rank one."""
    row = jacobians.rows(respond, images).double()
    norm = row.norm(dim=2)
    spectrum = jacobians.exact_eigenpairs(row, 1)
    spectrum.vectors.copy_(row / norm.clamp_min(1e-300)[..., None])
    size = {"route": "exact", "n_responses": 1, "trace": norm[:, 0] ** 2, "squares": norm[:, 0] ** 4}
    return spectrum, size


def leading(run, respond, images, batch):
    """The leading axes of several responses, and the sums over all eigenvalues."""
    params, size = run.params, images[0].numel()
    seeds = [run.seed(image_id) for image_id in batch.image_id]
    start = torch.stack(
        [torch.randn(size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).to(images.device)
    with torch.no_grad():
        responses = respond(images[:1]).shape[1]
    found = jacobians.top_axes(
        respond,
        images,
        min(params["rank"], responses),
        start=start,
        route=params["route"],
        tolerance=params["tolerance"],
        max_steps=params["max_steps"],
    )
    if found.predicted:
        costs = ", ".join(f"{route} {seconds:.2f} s" for route, seconds in found.predicted.items())
        job.log.debug(f"{responses} responses: {found.route} of predicted {costs}")
    trace, squares = jacobians.moments(respond, images, found.spectrum, params["trace_probes"], seeds)
    size = {"route": found.route, "n_responses": responses, "trace": trace, "squares": squares}
    return found.spectrum, size


def as_axes(spectrum, image_ids):
    """Rows of the eigenvectors table for one batch of images."""
    rank = spectrum.values.shape[1]
    frame = pd.DataFrame(
        {
            "image_id": np.repeat(image_ids.to_numpy(), rank),
            "rank": np.tile(np.arange(1, rank + 1), len(image_ids)),
            "eigenvalue": spectrum.values.flatten().cpu(),
            "residual": spectrum.residuals.flatten().cpu(),
            "converged": spectrum.converged.flatten().cpu(),
        }
    )
    frame["vector"] = list(spectrum.vectors.flatten(0, 1).half().cpu().numpy())
    return frame


def as_sizes(spectrum, size, image_ids):
    """Rows of the jacobians table for one batch of images; ratios are missing where J is zero."""
    trace, squares = size["trace"].cpu().numpy(), size["squares"].cpu().numpy()
    first = spectrum.values[:, 0].cpu().numpy()
    some = trace > 0
    return pd.DataFrame(
        {
            "image_id": image_ids.to_numpy(),
            "n_responses": size["n_responses"],
            "route": size["route"],
            "products": spectrum.steps.cpu().numpy(),
            "trace": trace,
            "first_share": np.divide(first, trace, out=np.full(len(trace), np.nan), where=some),
            "participation_ratio": np.divide(trace**2, squares, out=np.full(len(trace), np.nan), where=some),
        }
    )


if __name__ == "__main__":
    job.start(main, globals())
