"""Voxels and responses of one subject, from betas in NSD's layout (rule prepare_responses)."""

from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job, nsd, tables


def main(run):
    """z-score each voxel over each session, average repetitions, recompute noise ceilings."""
    subject, repeats = run.wildcards["subject"], run.params["repeats"]
    where, roi = find_voxels(run)
    z, mean, sd = read_sessions(run, where)
    usable = np.isfinite(z).all(axis=0)
    if not usable.all():
        places = ", ".join(str(tuple(map(int, voxel))) for voxel in where[~usable][:5])
        job.log.warning(
            f"{(~usable).sum()} of {len(usable)} voxels are constant or NaN in a session: dropped, "
            f"the first at (i, j, k) = {places}"
        )
        where, roi, z, mean, sd = where[usable], roi[usable], z[:, usable], mean[:, usable], sd[:, usable]
    for region in run.params["regions"]:
        if region not in roi:
            raise ValueError(f"{subject} has no usable voxel in {region}")
    shown = nsd.read_design(run.input["design"]).shown(nsd.position(subject), len(z))
    repeated, images = nsd.group_repeats(z, shown, repeats)
    snr = nsd.ncsnr(nsd.noise_sd(repeated))
    compare_with_file(run.input["ncsnr"], where, snr)
    voxels = pd.DataFrame({"subject": subject, "voxel_id": np.arange(len(roi)), "roi": roi})
    voxels[["i", "j", "k"]] = where
    voxels["mean"], voxels["sd"] = mean.mean(axis=0), sd.mean(axis=0)
    voxels["ncsnr"], voxels["noise_ceiling"] = snr, nsd.noise_ceiling(snr, repeats)
    tables.write(run.output["voxels"], "voxels", voxels)

    stimuli = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "nsd_id"])
    rows = np.searchsorted(images, stimuli.nsd_id)
    if not np.array_equal(images[rows.clip(max=len(images) - 1)], stimuli.nsd_id):
        raise ValueError(f"{subject} did not see every image of {run.input['stimuli']} {repeats} times")
    mean_response = repeated.mean(axis=1)[rows]
    responses = pd.DataFrame({"subject": subject, "image_id": stimuli.image_id, "repeats": repeats})
    responses["response"] = list(mean_response)
    tables.write(run.output["responses"], "responses", responses)

    regions = [
        {
            "subject": subject,
            "roi": region,
            "n_voxels": (roi == region).sum(),
            "noise_sd": nsd.noise_sd(repeated[:, :, roi == region].mean(axis=2, keepdims=True))[0],
            "repeats": repeats,
        }
        for region in run.params["regions"]
    ]
    tables.write(run.output["regions"], "regions", pd.DataFrame(regions))
    median = voxels.groupby("roi").ncsnr.median().round(2).to_dict()
    job.log.info(f"{len(roi)} voxels, {len(stimuli)} images; median ncsnr {median}")


def find_voxels(run):
    """Voxels (v, 3) of all regions and the region of each, in the order of regions, then of i, j, k."""
    where, roi = [], []
    for region, atlas in run.params["regions"].items():
        mask, label = (
            next(file for file in run.input[kind] if Path(file).name.startswith(atlas["atlas"]))
            for kind in ("atlases", "labels")
        )
        found = np.argwhere(nsd.region_mask(mask, label, atlas["labels"]))
        where.append(found)
        roi += [region] * len(found)
    return np.concatenate(where), np.array(roi)


def read_sessions(run, where):
    """All trials (trials, v) in z units, and the means and SDs (sessions, v) in % signal change."""
    z, mean, sd = [], [], []
    for file in run.track(run.input["betas"], unit="session"):
        betas = nsd.read_betas(file, where, run.params["trials_per_session"])
        standard, spread = nsd.standardise(betas)
        z.append(standard)
        mean.append(betas.mean(axis=0, dtype=np.float64))
        sd.append(spread)
    return np.concatenate(z), np.array(mean), np.array(sd)


def compare_with_file(path, where, snr):
    """Say how well the recomputed ncsnr agrees with the one that NSD gives."""
    given = nsd.read_volume(path)[tuple(where.T)]
    known = np.isfinite(given)
    difference = np.abs(given - snr)[known]
    if len(difference):
        job.log.info(f"ncsnr recomputed: median difference from {path} {np.median(difference):.1e}")


if __name__ == "__main__":
    job.start(main, globals())
