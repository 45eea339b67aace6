"""Prepare the voxels and responses of one subject, from files in NSD's layout (rule prepare_responses)."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.nsd import sessions, volumes
from codingaxes.nsd.design import compare_order, read_design
from codingaxes.nsd.layout import PERCENT, position, session_name
from codingaxes.nsd.responses import (
    average_repeats,
    ncsnr,
    noise_ceiling,
    session_products,
    standardise,
    strange_sessions,
)
from codingaxes.tables import store
from codingaxes.tables.nsd import REGIONS, RESPONSES, STIMULI, T_THRESHOLDS, VOXELS

AGREEMENT = (
    0.5  # smallest correlation over voxels of noise ceilings that were recomputed with those of NSD's map
)
ENOUGH = 20  # voxels for that correlation to mean anything
THRESHOLDS = (0.0, 2.0, 3.0)  # of t, that are compared with the threshold of the study
BLOCK = 256  # voxels whose z-scored trials are held in float64 at a time


def main(run):
    """z-score each voxel over each session, average repetitions, recompute noise ceilings."""
    subject, n_trials = run.wildcards["subject"], run.params["trials_per_session"]
    voxels = choose_voxels(run, run.params["min_t"])
    check_geometry(run)
    design = read_design(run.input["design"])
    trial_images = design.images_of(position(subject), len(run.input["betas"]) * n_trials)
    for file in run.input["behaviour"]:
        same = compare_order(file, trial_images, n_trials)
        job.log.info(f"order of trials: {same} of {len(trial_images)} are in {file}, which agrees in all")
    report_absent_regions(run, voxels)
    stored = read_sessions(run, voxels[["i", "j", "k"]].to_numpy())
    columns = find_usable(voxels, stored, len(run.input["betas"]))
    voxels = voxels.iloc[columns].reset_index(drop=True)
    report_absent_regions(run, voxels)
    stimuli = store.read(run.input["stimuli"], STIMULI, columns=["image_id", "nsd_id"])
    voxels, mean_response, regions = measure(run, voxels, stored, columns, trial_images, stimuli)
    check_ceilings(run, voxels)

    store.write(run.output["voxels"], VOXELS, voxels)
    responses = pd.DataFrame(
        {"subject": subject, "image_id": stimuli.image_id, "repeats": run.params["repeats"]}
    )
    responses["response"] = list(mean_response)
    store.write(run.output["responses"], RESPONSES, responses)
    store.write(run.output["regions"], REGIONS, regions)
    store.write(run.output["t_thresholds"], T_THRESHOLDS, compare_thresholds(run))
    median = voxels.groupby("roi").ncsnr.median().round(2).to_dict()
    job.log.info(f"{len(voxels)} voxels, {len(stimuli)} images; median ncsnr {median}")


def check_geometry(run):
    """Stop if masks, maps and betas do not lie alike; log origins that differ."""
    maps = [run.input["brainmask"], run.input["ncsnr"]]
    maps += [file for name in ("atlas", "left", "tmap") for file in run.files(name).values()]
    for sentence in volumes.check_aligned([*maps, *run.input["betas"]]):
        job.log.warning(sentence)


def check_ceilings(run, voxels):
    """Stop if the noise ceilings of the betas are not those of NSD's map: then they are of other voxels."""
    both = voxels[["ncsnr", "ncsnr_file"]].dropna()
    difference = (both.ncsnr - both.ncsnr_file).abs().median()
    job.log.info(f"ncsnr recomputed: median difference from {run.input['ncsnr']} {difference:.1e}")
    if len(both) < ENOUGH or both.nunique().min() == 1:
        return
    r = both.corr().iloc[0, 1]
    if r < AGREEMENT:
        raise ValueError(
            f"{run.input['ncsnr']} and the noise ceilings of {run.input['betas'][0]} and the other sessions "
            f"have a correlation of {r:.2f} over {len(both)} voxels, so they are not of the same voxels. Are "
            "the axes of one reversed or in another order? Betas in HDF5 are (trials, z, y, x), counted from "
            "the same sides as in the masks. Are all files of one subject and one kind of betas?"
        )


def compare_thresholds(run):
    """Count the voxels of each region above several thresholds of t: rows of the table t_thresholds.

    Without `nsd.min_t` no map of t is read, and the only row of a region is that of all voxels.
    """
    own, rows = run.params["min_t"], []
    for threshold in [None] if own is None else [None, *sorted({own, *THRESHOLDS})]:
        voxels = choose_voxels(run, threshold, logging.DEBUG)
        for region in run.params["regions"]:
            part = voxels[voxels.roi == region]
            row = {"roi": region, "min_t": threshold, "chosen": threshold == own, "n_voxels": len(part)}
            rows.append(row | {"ncsnr": part.ncsnr_file.median()})
    return pd.DataFrame(rows).astype({"min_t": float}).assign(subject=run.wildcards["subject"])


def choose_voxels(run, min_t, level=logging.INFO):
    """Choose the voxels that the configuration asks for: rows of the table voxels, in the order of responses.

    That is the order of the regions, then of i, j, k. All masks and maps must have one shape.

    Parameters
    ----------
    run : job.Run
    min_t : float or None
        Voxels are above this t of their region's contrast; None: whatever it is.
    level : int
        Of the log, which says how many voxels each condition leaves out.
    """
    params, shape = run.params, volumes.shape_of(run.input["brainmask"])
    brain = volumes.read_mask(run.input["brainmask"], shape) > 0
    snr = volumes.read_volume(run.input["ncsnr"], shape)
    atlases, lefts, labels = run.files("atlas"), run.files("left"), run.files("labels")
    parts = []
    for region, settings in params["regions"].items():
        atlas = settings["atlas"]
        mask = volumes.region_mask(atlases[atlas], labels[atlas], settings["labels"], shape)
        left = volumes.read_mask(lefts[atlas], shape)
        chosen, report = brain[mask], [f"{mask.sum()} voxels labelled"]
        report.append(f"{(~chosen).sum()} outside the brain mask")
        if min_t is not None:
            tmap = run.files("tmap")[settings["contrast"]]
            high = volumes.read_volume(tmap, shape)[mask] > min_t  # NaN is not
            report.append(f"{(chosen & ~high).sum()} not above t = {min_t}")
            chosen = chosen & high
        if params["min_ncsnr"] > 0:
            unknown, high = np.isnan(snr[mask]), snr[mask] > params["min_ncsnr"]
            report.append(f"{(chosen & ~high & ~unknown).sum()} not above ncsnr = {params['min_ncsnr']}")
            report.append(f"{(chosen & unknown).sum()} of unknown ncsnr")
            chosen = chosen & high
        job.log.log(level, f"{region}: {', '.join(report)}; {chosen.sum()} are kept")
        part = pd.DataFrame(np.argwhere(mask)[chosen], columns=["i", "j", "k"])
        side = np.where(left[mask][chosen] >= 0, "lh", "rh")
        parts.append(part.assign(roi=region, hemisphere=side, ncsnr_file=snr[mask][chosen].astype(float)))
    return pd.concat(parts, ignore_index=True)


def read_sessions(run, where):
    """Read all trials as they are stored, int16 (trials, v): a quarter of what they need in float64."""
    n_trials, files = run.params["trials_per_session"], run.input["betas"]
    shape = volumes.shape_of(run.input["brainmask"])
    stored, seen = np.empty((len(files) * n_trials, len(where)), np.int16), {}
    for session, file in enumerate(run.track(files, unit="session"), start=1):
        trials = slice((session - 1) * n_trials, session * n_trials)
        if Path(file).suffix == ".parquet":
            subject = run.wildcards["subject"]
            stored[trials] = sessions.read(file, where, n_trials, subject, session)
        elif Path(file).name.startswith(f"{session_name(session)}."):
            stored[trials] = volumes.read_stored(file, where, n_trials, shape)
        else:
            raise ValueError(f"{file}: expected {session_name(session)} in place {session} of the sessions")
        other = seen.setdefault(hashlib.sha256(stored[trials]).digest(), file)
        if other != file:
            raise ValueError(
                f"{file} and {other} hold the same betas: one is a copy of the other. Get it again"
            )
    return stored


def find_usable(voxels, stored, n_sessions):
    """Find the columns of `stored` that vary in every session; log how many others there are, and where."""
    parts = np.split(stored, n_sessions)
    usable = np.all([part.min(axis=0) < part.max(axis=0) for part in parts], axis=0)
    if not usable.all():
        places = ", ".join(
            str(tuple(voxel)) for voxel in voxels[~usable][["i", "j", "k"]].to_numpy()[:5].tolist()
        )
        job.log.warning(
            f"{(~usable).sum()} of {len(usable)} voxels are constant or NaN in a session: dropped, "
            f"the first at (i, j, k) = {places}"
        )
    return np.flatnonzero(usable)


def report_absent_regions(run, voxels):
    """Log the regions without a voxel, as some subjects of NSD lack one; raise if there is none at all."""
    absent = [region for region in run.params["regions"] if region not in set(voxels.roi)]
    if not len(voxels):
        raise ValueError(f"{run.wildcards['subject']} has no usable voxel in {', '.join(absent)}")
    if absent:
        job.log.warning(f"{run.wildcards['subject']} has no usable voxel in {', '.join(absent)}")


def measure(run, voxels, stored, columns, trial_images, stimuli):
    """Average trials: rows of the table voxels, responses (stimuli, v), rows of the table regions."""
    subject, repeats, n_sessions = run.wildcards["subject"], run.params["repeats"], len(run.input["betas"])
    images, counts = np.unique(trial_images, return_counts=True)
    often = np.isin(trial_images, images[counts == repeats])
    rows = np.searchsorted(images[counts == repeats], stimuli.nsd_id)
    if not np.isin(stimuli.nsd_id, images[counts == repeats]).all():
        raise ValueError(f"{subject} did not see every image of {run.input['stimuli']} {repeats} times")
    roi = voxels.roi.to_numpy()
    sums = {region: np.zeros(often.sum()) for region in run.params["regions"]}
    session = np.repeat(np.arange(n_sessions), len(trial_images) // n_sessions)[often]
    means, statistics, products = [], [], 0.0
    for start in range(0, len(voxels), BLOCK):
        block = slice(start, start + BLOCK)
        z, mean, sd = z_score(stored[:, columns[block]], n_sessions)
        z = z[often]
        for region in sums:
            sums[region] += z[:, roi[block] == region].sum(axis=1)
        averages = average_repeats(z, trial_images[often])
        products += session_products(z, trial_images[often], session)
        means.append(averages.mean[rows])
        statistics.append(pd.DataFrame({"mean": mean, "sd": sd, "ncsnr": ncsnr(averages.noise_sd)}))
    for sentence in strange_sessions(products, range(1, n_sessions + 1)):
        job.log.warning(f"{subject}: {sentence}")
    statistics = pd.concat(statistics, ignore_index=True)
    statistics["noise_ceiling"] = noise_ceiling(statistics.ncsnr.to_numpy(), repeats)
    voxels = pd.concat([voxels, statistics], axis=1).assign(
        subject=subject, voxel_id=np.arange(len(voxels)), name=""
    )
    return (
        voxels,
        np.concatenate(means, axis=1),
        describe_regions(subject, sums, roi, trial_images[often], repeats),
    )


def z_score(stored, n_sessions):
    """z-score stored betas (trials, v) by session; also give their means and SDs over sessions (% signal)."""
    betas = stored.astype(np.float32) / PERCENT
    z, mean, sd = zip(*map(standardise, np.split(betas, n_sessions)), strict=True)
    return np.concatenate(z), np.mean(mean, axis=0), np.mean(sd, axis=0)


def describe_regions(subject, sums, roi, trial_images, repeats):
    """Estimate the noise of the mean over voxels: rows of the table regions, also of those without voxels."""
    rows = []
    for region, total in sums.items():
        n = int((roi == region).sum())
        noise = average_repeats(total[:, None] / n, trial_images).noise_sd[0] if n else np.nan
        rows.append({"subject": subject, "roi": region, "n_voxels": n, "noise_sd": noise})
    return pd.DataFrame(rows).assign(repeats=float(repeats))


if __name__ == "__main__":
    job.start(main, globals())
