"""Find the leading eigenvectors of JᵀJ for the responses of one model (rule compute_eigenvectors)."""

import numpy as np
import pandas as pd
import torch

from codingaxes import job
from codingaxes.axes import eigenpairs
from codingaxes.devices import choose_device
from codingaxes.encoding import stored
from codingaxes.images import read_images
from codingaxes.tables import store
from codingaxes.tables.axes import EIGENVECTORS, JACOBIANS
from codingaxes.tables.nsd import STIMULI, VOXELS


def main(run):
    """Differentiate one batch of images at a time; a stopped job resumes at the batch it had reached."""
    device, batch_size = choose_device(run.params["device"]), run.params["batch_size"]
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    weights = ceiling_weights(run) if run.params["weighting"] == "noise_ceiling" else None
    responds = {
        (kind, roi): respond
        for kind in run.params["responses"]
        for roi, respond in model.responses(kind, weights).items()
    }
    parts = [(*key, start) for key in responds for start in range(0, len(probes), batch_size)]
    axes, jacobians = run.shards(EIGENVECTORS), run.shards(JACOBIANS)
    for kind, roi, start in run.track(axes.missing(parts), unit="batch"):
        batch, respond = probes.iloc[start : start + batch_size], responds[kind, roi]
        images = read_images(batch.file, run.params["image_size"]).to(device)
        if kind == "group":
            spectrum, shape = gradient(respond, images)
        else:
            spectrum, shape = leading_axes(run, respond, images, batch.image_id)
        about = {"network": run.wildcards["model"], "response": kind, "roi": roi}
        jacobians.save((kind, roi, start), jacobian_rows(spectrum, shape, batch.image_id).assign(**about))
        # last, as it says that the part is there
        axes.save((kind, roi, start), axis_rows(spectrum, batch.image_id).assign(**about))
    axes.write(run.output["eigenvectors"], parts)
    jacobians.write(run.output["jacobians"], parts)
    report(run)
    axes.remove()
    jacobians.remove()


def report(run):
    """Say in the log how many pairs have converged, and how they were computed."""
    converged = store.read(run.output["eigenvectors"], EIGENVECTORS, columns=["converged"]).converged
    jacobians = store.read(run.output["jacobians"], JACOBIANS)
    routes = jacobians.groupby("response", sort=False).route.unique().map(list).to_dict()
    job.log.info(
        f"{converged.mean():.1%} of {len(converged)} pairs converged, at most {jacobians.products.max()} "
        f"products; routes: {routes}"
    )


def ceiling_weights(run):
    """Take the roots of the noise ceilings of the voxels of each region, in the order of the responses."""
    voxels = store.read(run.input["voxels"], VOXELS)
    if voxels.noise_ceiling.isna().any():
        raise ValueError(
            "eigenvectors.weighting is noise_ceiling, but some voxels have none, as data without "
            "repetitions; set it to none"
        )
    return {roi: np.sqrt(rows.noise_ceiling.to_numpy()) for roi, rows in voxels.groupby("roi", sort=False)}


def gradient(respond, images):
    """Find the one axis of a single response, pointing to where it rises, and the shape of JᵀJ."""
    row = eigenpairs.rows(respond, images).double()
    norm = row.norm(dim=2)
    spectrum = eigenpairs.exact_eigenpairs(row, 1)
    spectrum.vectors.copy_(row / norm.clamp_min(1e-300)[..., None])
    shape = {"route": "exact", "n_responses": 1, "trace": norm[:, 0] ** 2, "squares": norm[:, 0] ** 4}
    return spectrum, shape


def leading_axes(run, respond, images, image_ids):
    """Find the leading axes of several responses, and the shape of JᵀJ: sums over all its eigenvalues."""
    params, size = run.params, images[0].numel()
    seeds = [run.seed(image_id) for image_id in image_ids]
    start = torch.stack(
        [torch.randn(size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).to(images.device)
    with torch.no_grad():
        responses = respond(images[:1]).shape[1]
    axes = eigenpairs.top_axes(
        respond,
        images,
        min(params["rank"], responses),
        start=start,
        route=params["route"],
        tolerance=params["tolerance"],
        max_steps=params["max_steps"],
    )
    if axes.predicted:
        costs = ", ".join(f"{route} {seconds:.2f} s" for route, seconds in axes.predicted.items())
        job.log.debug(f"{responses} responses: {axes.route} of predicted {costs}")
    trace, squares = eigenpairs.moments(respond, images, axes.spectrum, params["trace_probes"], seeds)
    shape = {"route": axes.route, "n_responses": responses, "trace": trace, "squares": squares}
    return axes.spectrum, shape


def axis_rows(spectrum, image_ids):
    """Turn the axes of a batch of images into rows of the table eigenvectors."""
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


def jacobian_rows(spectrum, shape, image_ids):
    """Make rows of the table jacobians for a batch of images; ratios are missing where J is zero."""
    trace, squares = shape["trace"].cpu().numpy(), shape["squares"].cpu().numpy()
    first = spectrum.values[:, 0].cpu().numpy()
    some = trace > 0
    return pd.DataFrame(
        {
            "image_id": image_ids.to_numpy(),
            "n_responses": shape["n_responses"],
            "route": shape["route"],
            "products": spectrum.steps.cpu().numpy(),
            "trace": trace,
            "first_share": np.divide(first, trace, out=np.full(len(trace), np.nan), where=some),
            "participation_ratio": np.divide(trace**2, squares, out=np.full(len(trace), np.nan), where=some),
        }
    )


if __name__ == "__main__":
    job.start(main, globals())
