"""Find the leading eigenvectors of JᵀJ for the responses of one model (rule compute_eigenvectors)."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from codingaxes import devices, job
from codingaxes.axes import eigenpairs, inherited, spectra, traces
from codingaxes.encoding import stored
from codingaxes.images import read_images
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.axes import EIGENVECTORS, INHERITED, JACOBIANS, REMAINDERS
from codingaxes.tables.nsd import STIMULI, VOXELS
from codingaxes.tables.readouts import COMPONENTS, READOUTS


def main(run):
    """Differentiate one batch of images at a time; a stopped job resumes at the batch it had reached."""
    device = devices.choose_device(run.params["device"], run.gpus, str(run))
    batch_size = run.params["batch_size"]
    model = stored.load(run.files("model"), run.params["network"], device)
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    weights = ceiling_weights(run) if run.params["weighting"] == "noise_ceiling" else None
    responds = {
        (kind, roi): respond
        for kind in run.params["responses"]
        for roi, respond in model.responses(kind, weights).items()
    }
    starts = range(0, len(probes), batch_size)
    parts = [(*key, start) for key in responds for start in starts]
    shards = {table.name: run.shards(table) for table in (JACOBIANS, REMAINDERS, EIGENVECTORS, INHERITED)}
    fitting = devices.Batches(batch_size)
    several = [part for part in parts if part[0] != "group"]  # a gradient leaves no remainder
    of_tables = {"eigenvectors": parts, "jacobians": parts, "remainders": several}
    left = job.unfinished(*((shards[name], of_table) for name, of_table in of_tables.items()))
    for part in run.track(left, unit="batch"):
        batch = probes.iloc[part[-1] : part[-1] + batch_size]
        images = read_images(batch, run.params["image_size"]).to(device)
        about = {"network": run.wildcards["model"], "response": part[0], "roi": part[1]}
        make = partial(differentiate, run, part[0], responds[part[:2]])
        for name, rows in in_parts(fitting, make, images, batch.image_id).items():
            shards[name].save(part, rows.assign(**about))
    readers = readers_of(run, model) if run.input["components"] else {}
    whole = [(layer, start) for layer in readers for start in starts]
    for layer, start in shards["inherited"].missing(whole):
        batch = probes.iloc[start : start + batch_size]
        images = read_images(batch, run.params["image_size"]).to(device)
        regions = in_parts(fitting, partial(inherit, run, *readers[layer]), images, batch.image_id)
        rows = pd.concat(regions.values(), ignore_index=True)
        shards["inherited"].save((layer, start), rows.assign(network=run.wildcards["model"], layer=layer))
    for name, of_table in of_tables.items():
        shards[name].write(run.output[name], of_table)
    if readers:
        shards["inherited"].write(run.output["inherited"], whole)
    else:
        store.write(run.output["inherited"], INHERITED, pd.DataFrame(columns=list(INHERITED.columns)))
    report(run)
    for of_table in shards.values():
        of_table.remove()


def in_parts(fitting, make, images, image_ids):
    """Make frames of a batch of images, by name, from parts of it that fit into memory.

    `make` is called with images and their ids, and gives a frame for each name, image after image.
    """

    def work(images, places):
        return make(images, image_ids.iloc[places.numpy()])

    parts = fitting(work, images, torch.arange(len(images)))
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}


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


def differentiate(run, kind, respond, images, image_ids):
    """Make rows of tables for one batch; those of axes come last, as they say that a part is there."""
    if kind == "group":
        spectrum, shape = gradient(respond, images)
        rows = {}
    else:
        spectrum, shape, remainder = leading_axes(run, respond, images, image_ids)
        rows = {"remainders": remainder_rows(remainder, image_ids)}
    rows["jacobians"] = jacobian_rows(spectrum, shape, image_ids)
    return rows | {"eigenvectors": axis_rows(spectrum, image_ids)}


def gradient(respond, images):
    """Find the one axis of a single response, pointing to where it rises, and the shape of JᵀJ."""
    row = eigenpairs.rows(respond, images).double()
    norm = row.norm(dim=2)
    spectrum = eigenpairs.exact_eigenpairs(row, 1)
    spectrum.vectors.copy_(row / norm.clamp_min(1e-300)[..., None])
    total, zero = norm[:, 0] ** 2, torch.zeros(len(images))
    shape = {"route": "exact", "n_responses": 1, "trace": total, "squares": total**2}
    return spectrum, shape | {"error": zero, "draws": zero.int()}


def leading_axes(run, respond, images, image_ids):
    """Find the leading axes of several responses, the shape of JᵀJ, and a sketch of what they leave."""
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
    if axes.costs:
        costs = ", ".join(f"{route} {cost:.4g}" for route, cost in axes.costs.items())
        unit = "passes" if params["route"] == "auto" else "seconds"
        job.log.debug(f"{responses} responses: {axes.route} of {costs} {unit}")
    moments = traces.moments(
        axes, tolerance=params["trace_tolerance"], sketches=params["sketches"], seeds=seeds
    )
    shape = {"route": axes.route, "n_responses": responses, "trace": moments.total}
    shape |= {"squares": moments.squares, "error": moments.error, "draws": moments.draws}
    return axes.spectrum, shape, moments.remainder


def readers_of(run, model):
    """Give, for each layer that is read, the map from images to its components, and each region's gains.

    Components are those of the training images' features. Gains rest on the penalty of the group's readout.
    """
    components = store.read(run.input["components"], COMPONENTS).sort_values("component")
    readouts = store.read(
        run.input["model.readouts"], READOUTS, columns=["subject", "roi", "target", "alpha"]
    )
    group = readouts[(readouts.subject == GROUP) & (readouts.target == "mean")].set_index("roi").alpha
    readers = {}
    for layer, rows in components.groupby("layer", sort=False):
        regions = [roi for roi, part in model.group.items() if part.layer == layer]
        respond = model.group[regions[0]].with_weight(store.matrix(rows.vector))
        penalties = {roi: group[roi] / rows.n_images.iloc[0] for roi in regions}
        variance = rows.variance.to_numpy()
        readers[layer] = (
            respond,
            penalties,
            [inherited.gains(variance, penalty) for penalty in penalties.values()],
        )
    return readers


def inherit(run, respond, penalties, gains, images, image_ids):
    """Make rows of the table inherited for some images, by the regions that read one layer."""
    seeds = [run.seed("inherited", image_id) for image_id in image_ids]
    gains = torch.tensor(np.array(gains), dtype=torch.float32, device=images.device)
    mean, error = inherited.inherited_sensitivity(
        respond, images, gains, draws=run.params["inherited_draws"], seeds=seeds
    )
    return {
        roi: pd.DataFrame(
            {"image_id": image_ids.to_numpy(), "inherited_sensitivity": one, "error": spread}
        ).assign(roi=roi, penalty=penalty)
        for (roi, penalty), one, spread in zip(
            penalties.items(), mean.T.cpu().numpy(), error.T.cpu().numpy(), strict=True
        )
    }


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


def remainder_rows(remainder, image_ids):
    """Make rows of the table remainders for a batch of images."""
    images, draws, size = remainder.shape
    length = remainder.norm(dim=2)
    unit = (remainder / length.clamp_min(1e-300)[..., None]).flatten(0, 1).half().cpu().numpy()
    frame = pd.DataFrame(
        {
            "image_id": np.repeat(image_ids.to_numpy(), draws),
            "draw": np.tile(np.arange(1, draws + 1), images),
            "length": length.flatten().double().cpu().numpy(),
        }
    )
    frame["vector"] = list(unit.reshape(-1, size))
    return frame


def jacobian_rows(spectrum, shape, image_ids):
    """Make rows of the table jacobians for a batch of images; ratios are missing where J is zero."""
    trace, squares = shape["trace"].cpu().numpy(), shape["squares"].cpu().numpy()
    values = spectrum.values.cpu().numpy()

    def ratio(part, whole):
        return np.divide(part, whole, out=np.full(len(trace), np.nan), where=trace > 0)

    return pd.DataFrame(
        {
            "image_id": image_ids.to_numpy(),
            "n_responses": shape["n_responses"],
            "route": shape["route"],
            "products": spectrum.steps.cpu().numpy(),
            "trace": trace,
            "leading_share": ratio(values.sum(axis=1), trace),
            "first_share": ratio(values[:, 0], trace),
            "participation_ratio": ratio(trace**2, squares),
            "spectral_participation_ratio": spectral_width(spectrum.vectors[:, 0].cpu().numpy()),
            "error": shape["error"].cpu().numpy().astype(float),
            "draws": shape["draws"].cpu().numpy(),
        }
    )


def spectral_width(axes):
    """Compute the participation ratio of the radial power spectrum of axes (n, pixels); missing for zeros."""
    ratio, some = np.full(len(axes), np.nan), axes.any(axis=1)
    if some.any():
        side = round((axes.shape[1] / 3) ** 0.5)
        power = spectra.power_spectrum(axes[some].reshape(-1, 3, side, side))
        ratio[some] = spectra.participation_ratio(spectra.radial_profile(power)[1])
    return ratio


if __name__ == "__main__":
    job.start(main, globals())
