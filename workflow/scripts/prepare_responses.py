"""Voxels and responses of one subject, from betas in NSD's layout (rule prepare_responses)."""

from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job, nsd, tables, volumes

BLOCK = 256  # voxels whose z-scored trials are held in float64 at a time


def main(run):
    """z-score each voxel over each session, average repetitions, recompute noise ceilings."""
    subject, n_trials = run.wildcards["subject"], run.params["trials_per_session"]
    voxels = choose_voxels(run)
    design = nsd.read_design(run.input["design"])
    shown = design.shown(nsd.position(subject), len(run.input["betas"]) * n_trials)
    for file in run.input["behaviour"]:
        same = nsd.compare_order(file, shown, n_trials)
        job.log.info(f"order of trials: {same} of {len(shown)} are in {file}, all of the image of the design")
    report_lacking(run, voxels)
    stored = read_sessions(run, voxels[["i", "j", "k"]].to_numpy())
    columns = find_usable(voxels, stored, len(run.input["betas"]))
    voxels = voxels.iloc[columns].reset_index(drop=True)
    report_lacking(run, voxels)
    stimuli = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "nsd_id"])
    voxels, mean_response, regions = measure(run, voxels, stored, columns, shown, stimuli)

    tables.write(run.output["voxels"], "voxels", voxels)
    responses = pd.DataFrame(
        {"subject": subject, "image_id": stimuli.image_id, "repeats": run.params["repeats"]}
    )
    responses["response"] = list(mean_response)
    tables.write(run.output["responses"], "responses", responses)
    tables.write(run.output["regions"], "regions", regions)
    difference = (voxels.ncsnr - voxels.ncsnr_file).abs().median()
    job.log.info(f"ncsnr recomputed: median difference from {run.input['ncsnr']} {difference:.1e}")
    median = voxels.groupby("roi").ncsnr.median().round(2).to_dict()
    job.log.info(f"{len(voxels)} voxels, {len(stimuli)} images; median ncsnr {median}")


def choose_voxels(run):
    """Rows of the table voxels for every voxel that the configuration asks for, in the order of responses.

    That is the order of the regions, then of i, j, k. All masks and maps must have one shape.
    """
    params, shape = run.params, volumes.shape_of(run.input["brainmask"])
    brain = volumes.read_mask(run.input["brainmask"], shape) > 0
    snr = volumes.read_volume(run.input["ncsnr"], shape)
    parts = []
    for region, given in params["regions"].items():
        atlas = given["atlas"]
        mask_file = pick(run.input["atlases"], f"{atlas}.nii.gz")
        label_file = pick(run.input["labels"], f"{atlas}.mgz.ctab")
        mask = volumes.region_mask(mask_file, label_file, given["labels"], shape)
        left = volumes.read_mask(pick(run.input["left"], f"lh.{atlas}.nii.gz"), shape)
        where = np.argwhere(mask)
        kept, said = brain[mask], [f"{mask.sum()} voxels labelled"]
        said.append(f"{(~kept).sum()} outside the brain mask")
        if params["min_t"] is not None:
            file = pick(run.input["tmaps"], f"floc_{given['contrast']}tval.nii.gz")
            high = volumes.read_volume(file, shape)[mask] > params["min_t"]  # NaN is not
            said.append(f"{(kept & ~high).sum()} not above t = {params['min_t']}")
            kept = kept & high
        if params["min_ncsnr"] > 0:
            unknown, high = np.isnan(snr[mask]), snr[mask] > params["min_ncsnr"]
            said.append(f"{(kept & ~high & ~unknown).sum()} not above ncsnr = {params['min_ncsnr']}")
            said.append(f"{(kept & unknown).sum()} of unknown ncsnr")
            kept = kept & high
        job.log.info(f"{region}: {', '.join(said)}; {kept.sum()} are kept")
        part = pd.DataFrame(where[kept], columns=["i", "j", "k"])
        side = np.where(left[mask][kept] >= 0, "lh", "rh")
        parts.append(part.assign(roi=region, hemisphere=side, ncsnr_file=snr[mask][kept].astype(float)))
    return pd.concat(parts, ignore_index=True)


def pick(files, name):
    """The file of that name; the rule must have asked for it."""
    for file in files:
        if Path(file).name == name:
            return file
    raise ValueError(f"{name} is not among {', '.join(map(str, files)) or 'no files'}")


def read_sessions(run, where):
    """All trials as they are stored, int16 (trials, v): a quarter of what they need in float64."""
    n_trials, files = run.params["trials_per_session"], run.input["betas"]
    shape = volumes.shape_of(run.input["brainmask"])
    stored = np.empty((len(files) * n_trials, len(where)), np.int16)
    for session, file in enumerate(run.track(files, unit="session"), start=1):
        trials = slice((session - 1) * n_trials, session * n_trials)
        if Path(file).suffix == ".parquet":
            subject = run.wildcards["subject"]
            stored[trials] = volumes.read_extracted(file, where, n_trials, subject, session)
        elif Path(file).name.startswith(f"betas_session{session:02d}."):
            stored[trials] = volumes.read_stored(file, where, n_trials, shape)
        else:
            raise ValueError(
                f"{file}: expected betas_session{session:02d} in place {session} of the sessions"
            )
    return stored


def find_usable(voxels, stored, n_sessions):
    """Columns of `stored` that vary in every session: those that are missing in one are dropped, and said."""
    sessions = np.split(stored, n_sessions)
    usable = np.all([part.min(axis=0) < part.max(axis=0) for part in sessions], axis=0)
    if not usable.all():
        places = ", ".join(
            str(tuple(voxel)) for voxel in voxels[~usable][["i", "j", "k"]].to_numpy()[:5].tolist()
        )
        job.log.warning(
            f"{(~usable).sum()} of {len(usable)} voxels are constant or NaN in a session: dropped, "
            f"the first at (i, j, k) = {places}"
        )
    return np.flatnonzero(usable)


def report_lacking(run, voxels):
    """A region without voxels is not an error: some subjects of NSD lack one. A subject without any is."""
    lacking = [region for region in run.params["regions"] if region not in set(voxels.roi)]
    if not len(voxels):
        raise ValueError(f"{run.wildcards['subject']} has no usable voxel in {', '.join(lacking)}")
    if lacking:
        job.log.warning(f"{run.wildcards['subject']} has no usable voxel in {', '.join(lacking)}")


def measure(run, voxels, stored, columns, shown, stimuli):
    """z-scored sessions -> rows of the table voxels, responses (stimuli, v), rows of the table regions."""
    subject, repeats, n_sessions = run.wildcards["subject"], run.params["repeats"], len(run.input["betas"])
    images, counts = np.unique(shown, return_counts=True)
    often = np.isin(shown, images[counts == repeats])
    rows = np.searchsorted(images[counts == repeats], stimuli.nsd_id)
    if not np.isin(stimuli.nsd_id, images[counts == repeats]).all():
        raise ValueError(f"{subject} did not see every image of {run.input['stimuli']} {repeats} times")
    roi = voxels.roi.to_numpy()
    sums = {region: np.zeros(often.sum()) for region in run.params["regions"]}
    means, about = [], []
    for start in range(0, len(voxels), BLOCK):
        block = slice(start, start + BLOCK)
        z, mean, sd = z_score(stored[:, columns[block]], n_sessions)
        z = z[often]
        for region in sums:
            sums[region] += z[:, roi[block] == region].sum(axis=1)
        found = nsd.average_repeats(z, shown[often])
        means.append(found.mean[rows])
        about.append(pd.DataFrame({"mean": mean, "sd": sd, "ncsnr": nsd.ncsnr(found.noise_sd)}))
    about = pd.concat(about, ignore_index=True)
    about["noise_ceiling"] = nsd.noise_ceiling(about.ncsnr.to_numpy(), repeats)
    voxels = pd.concat([voxels, about], axis=1).assign(
        subject=subject, voxel_id=np.arange(len(voxels)), name=""
    )
    return voxels, np.concatenate(means, axis=1), describe_regions(subject, sums, roi, shown[often], repeats)


def z_score(stored, n_sessions):
    """Stored betas (trials, v) -> z per session (float64), means and SDs over sessions (% signal change)."""
    betas = stored.astype(np.float32) / volumes.PERCENT
    z, mean, sd = zip(*map(nsd.standardise, np.split(betas, n_sessions)), strict=True)
    return np.concatenate(z), np.mean(mean, axis=0), np.mean(sd, axis=0)


def describe_regions(subject, sums, roi, shown, repeats):
    """Rows of the table regions, also of those that the subject lacks: noise of the mean over voxels."""
    rows = []
    for region, total in sums.items():
        n = int((roi == region).sum())
        noise = nsd.average_repeats(total[:, None] / n, shown).noise_sd[0] if n else np.nan
        rows.append({"subject": subject, "roi": region, "n_voxels": n, "noise_sd": noise})
    return pd.DataFrame(rows).assign(repeats=float(repeats))


if __name__ == "__main__":
    job.start(main, globals())
