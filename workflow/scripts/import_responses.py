"""Import images and responses of your own into the tables that NSD enters (rule import_responses).

Images are saved as `nsd.stimuli.save_stimulus` says. The log counts those that were cropped.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from codingaxes import job
from codingaxes.names import GROUP
from codingaxes.nsd.responses import average_repeats, ncsnr, noise_ceiling, standardise
from codingaxes.nsd.stimuli import save_stimulus, split
from codingaxes.tables import store
from codingaxes.tables.nsd import REGIONS, RESPONSES, STIMULI, VOXELS

NAMES = ["subject", "region", "voxel", "image"]
COLUMNS = [*NAMES, "response"]  # that the file must have; session may be there
IMAGES = (".png", ".jpg", ".jpeg")


def main(run):
    """Standardise voxels over each session (or all trials), average repetitions, estimate noise ceilings."""
    rows = choose_rows(run, read_rows(run.input["responses"]))
    files = find_images(run.input["images"])
    rows["image"] = identify(rows.image, files, run.input)
    ids = images_of_all(rows, run.params["subjects"])
    stimuli = write_stimuli(run, ids, files)
    parts = zip(
        run.params["subjects"],
        *(run.output[name] for name in ("voxels", "responses", "regions")),
        strict=True,
    )
    for subject, voxels_file, responses_file, regions_file in parts:
        series, trials, voxels = arrange(rows[rows.subject == subject], subject, run)
        z, voxels = z_score(series, trials, voxels, subject)
        voxels, responses, regions = measure(z, trials.image.to_numpy(), voxels, stimuli.image_id, run)
        store.write(voxels_file, VOXELS, voxels.assign(subject=subject))
        store.write(responses_file, RESPONSES, responses.assign(subject=subject))
        store.write(regions_file, REGIONS, regions.assign(subject=subject))
        report(subject, voxels, trials, regions)


def report(subject, voxels, trials, regions):
    """Log what was imported of a subject, and which regions it lacks."""
    absent = regions.roi[regions.n_voxels == 0]
    if len(absent):
        job.log.warning(f"{subject} has no usable voxel in {', '.join(absent)}")
    ceiling = voxels.noise_ceiling.median()
    reliability = "no repetitions, no ceilings"
    if np.isfinite(ceiling):
        reliability = f"median noise ceiling {ceiling:.2f}"
    amount = f"{len(voxels)} voxels, {len(trials)} trials of {trials.image.nunique()} images"
    job.log.info(f"{subject}: {amount}; {reliability}")


def read_rows(path):
    """Read the user's table: names as text and responses as numbers; `session` is "" where there is none.

    Raises
    ------
    ValueError
        If it is no CSV or Parquet file, has other columns, a missing name or a response that is no number.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: expected a table that ends in .csv or .parquet")
    text = dict.fromkeys([*NAMES, "session"], str)
    try:
        if path.suffix == ".csv":
            rows = pd.read_csv(path, dtype=text, keep_default_na=False)
        else:
            rows = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from None
    missing = [column for column in COLUMNS if column not in rows]
    unknown = [column for column in rows if column not in [*COLUMNS, "session"]]
    if missing or unknown:
        raise ValueError(
            f"{path}: expected the columns {', '.join(COLUMNS)} and, if there are several, session; "
            f"missing {', '.join(missing) or 'none'}, unknown {', '.join(map(str, unknown)) or 'none'}"
        )
    for column in rows.columns.difference(["response"]):
        empty = (rows[column].isna() | (rows[column] == "")).to_numpy()
        if empty.any():
            raise ValueError(
                f"{path}: {column} is missing in {empty.sum()} rows, first row {empty.argmax() + 1}"
            )
        rows[column] = rows[column].astype(str).astype("category")
    numbers = pd.to_numeric(rows.response, errors="coerce")
    bad = ~np.isfinite(numbers.to_numpy(float))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{path}: {bad.sum()} responses are no finite number, "
            f"first row {row + 1}: {rows.response.iloc[row]!r}"
        )
    rows["response"] = numbers.astype(float)
    return rows if "session" in rows else rows.assign(session=pd.Categorical([""] * len(rows)))


def choose_rows(run, rows):
    """Choose the rows of the subjects and regions that the configuration lists; all listed must be there."""
    for column, listed in (("subject", run.params["subjects"]), ("region", run.params["regions"])):
        names = set(rows[column].unique())
        absent = [name for name in listed if name not in names]
        if absent:
            has = ", ".join(sorted(names)) or "none"
            raise ValueError(f"{run.input['responses']} has no {column} {', '.join(absent)}; it has {has}")
        if GROUP in listed:
            raise ValueError(f"no {column} may be called {GROUP}, as the mean over subjects is")
        if names - set(listed):
            job.log.info(f"left out, not listed: {column} {', '.join(sorted(names - set(listed)))}")
        rows = rows[rows[column].isin(listed)]
    return rows.reset_index(drop=True)


def find_images(folder):
    """List the images of a folder: a dict from their names without suffix to lists of paths."""
    files = {}
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in IMAGES:
            files.setdefault(path.stem, []).append(path)
    if not files:
        raise ValueError(f"{folder} has no image that ends in {', '.join(IMAGES)}")
    return files


def identify(names, files, paths):
    """Take suffixes from names of images; each must be one file of the folder.

    `paths` are those of the folder (images) and of the table (responses), for errors.
    """
    known = {path.name: stem for stem, paths in files.items() for path in paths}
    stems = {name: known.get(name, name) for name in names.cat.categories}
    used = [stems[name] for name in names.unique()]
    absent = [stem for stem in used if stem not in files]
    if absent:
        raise ValueError(
            f"{paths['images']} lacks {len(absent)} images of {paths['responses']}, the first {absent[0]!r}"
        )
    several = [stem for stem in used if len(files[stem]) > 1]
    if several:
        listed = ", ".join(path.name for path in files[several[0]])
        raise ValueError(f"{paths['images']}: {several[0]!r} is more than one file ({listed}); keep one")
    return names.map(stems).astype(str)


def images_of_all(rows, subjects):
    """Name the images that every subject saw, in alphabetical order; log how many others are dropped."""
    seen = [set(rows.image[rows.subject == subject]) for subject in subjects]
    common = sorted(set.intersection(*seen))
    if not common:
        raise ValueError(f"no image was seen by all {len(subjects)} subjects")
    dropped = len(set.union(*seen)) - len(common)
    if dropped:
        job.log.warning(f"{dropped} images were not seen by every subject: dropped; {len(common)} are left")
    return common


def is_square(path):
    """Tell whether an image is as wide as high, from its header alone."""
    with Image.open(path) as image:
        return image.width == image.height


def write_stimuli(run, ids, files):
    """Save the images at the study's size; write the table stimuli and return it."""
    test, rank = split(ids, run.params["seed"], run.params["test_fraction"])
    if run.params["probes"] > test.sum():
        raise ValueError(f"nsd.probes is {run.params['probes']}, but only {test.sum()} images are held out")
    folder, size = Path(run.output["images"]), run.params["image_size"]
    copies = [save_stimulus(files[name][0], folder / f"{name}.png", size) for name in ids]
    cropped = sum(not is_square(files[name][0]) for name in ids)
    if cropped:
        job.log.warning(f"{cropped} of {len(ids)} images are not square: cropped to their central square")
    stimuli = pd.DataFrame({"image_id": ids, "nsd_id": np.arange(len(ids)), "file": list(map(str, copies))})
    stimuli["sha256"] = [hashlib.sha256(file.read_bytes()).hexdigest() for file in copies]
    stimuli["split"], stimuli["probe"] = np.where(test, "test", "train"), rank < run.params["probes"]
    store.write(run.output["stimuli"], STIMULI, stimuli)
    job.log.info(f"{len(ids)} images, {test.sum()} are held out")
    return stimuli


def arrange(rows, subject, run):
    """Arrange one subject's rows as a matrix of trials and voxels.

    Rows of one voxel and image (and session) are its first, second ... repetition, in the order of the file.
    A repetition is one trial of all voxels, so that the noise of their mean can be estimated.

    Returns
    -------
    series : array (trials, v)
    trials : DataFrame
        image and session of each trial.
    voxels : DataFrame
        roi and name of each voxel, in the order of the regions, then of the file.
    """
    keys = ["image", "session"]
    rows = rows.assign(
        repetition=rows.groupby(["region", "voxel", *keys], observed=True, sort=False).cumcount()
    )
    trial, trials = pd.MultiIndex.from_frame(rows[[*keys, "repetition"]]).factorize()
    column, names = pd.MultiIndex.from_frame(rows[["region", "voxel"]]).factorize()
    series = np.full((len(trials), len(names)), np.nan)
    series[trial, column] = rows.response
    holes = np.isnan(series)
    if holes.any():
        row, of = np.argwhere(holes)[0]
        image, session, repetition = trials[row]
        where = f"image {image}" + (f", session {session}" if session else "")
        raise ValueError(
            f"{run.input['responses']}: subject {subject}, voxel {names[of][1]} of {names[of][0]} lacks "
            f"repetition {repetition + 1} of {where}, which other voxels have ({holes.sum()} such gaps); all "
            "voxels of a subject must have the same images, as often, in the same sessions"
        )
    place = {region: i for i, region in enumerate(run.params["regions"])}
    order = np.argsort([place[region] for region, _ in names], kind="stable")
    voxels = pd.DataFrame([names[i] for i in order], columns=["roi", "name"])
    return series[:, order], pd.DataFrame([trial[:2] for trial in trials], columns=keys), voxels


def z_score(series, trials, voxels, subject):
    """z-score each session in place of `series`; keep the voxels that vary in each, with means and SDs."""
    means, sds = [], []
    for session in trials.session.unique():
        rows = (trials.session == session).to_numpy()
        series[rows], mean, sd = standardise(series[rows])
        means.append(mean)
        sds.append(sd)
    usable = np.isfinite(sds).all(axis=0)
    if not usable.any():
        raise ValueError(f"{subject} has no voxel that varies in every session")
    if not usable.all():
        first = ", ".join(f"{roi} {name}" for roi, name in voxels[~usable].to_numpy()[:5])
        job.log.warning(
            f"{subject}: {(~usable).sum()} of {len(usable)} voxels, constant in a session, dropped: {first}"
        )
    voxels = voxels.assign(mean=np.mean(means, axis=0), sd=np.mean(sds, axis=0))
    return series[:, usable], voxels[usable].reset_index(drop=True)


def measure(z, trial_images, voxels, image_ids, run):
    """Average z (trials, v): rows of the tables voxels, responses and regions of one subject."""
    averages = average_repeats(z, trial_images)
    rows = pd.Index(averages.images).get_indexer(image_ids)
    counts = averages.counts[rows]
    snr = ncsnr(averages.noise_sd)
    voxels = voxels.assign(
        voxel_id=np.arange(len(voxels)),
        hemisphere="",
        i=-1,
        j=-1,
        k=-1,
        ncsnr=snr,
        ncsnr_file=np.nan,
        noise_ceiling=noise_ceiling(snr, counts),
    )
    responses = pd.DataFrame({"image_id": image_ids, "repeats": counts})
    responses["response"] = list(averages.mean[rows])
    regions = []
    for region in run.params["regions"]:
        inside = (voxels.roi == region).to_numpy()
        average = z[:, inside].mean(axis=1, keepdims=True) if inside.any() else np.full((len(z), 1), np.nan)
        noise = average_repeats(average, trial_images).noise_sd[0]
        regions.append({"roi": region, "n_voxels": inside.sum(), "noise_sd": noise})
    return voxels, responses, pd.DataFrame(regions).assign(repeats=1 / np.mean(1 / counts))


if __name__ == "__main__":
    job.start(main, globals())
