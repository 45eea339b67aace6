"""Import images and responses of your own into the tables that NSD enters (rule import_responses).

Images are saved as `nsd.stimuli.save_stimulus` says. The log counts those that were cropped.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from codingaxes import job
from codingaxes.names import GROUP
from codingaxes.nsd import response_tables
from codingaxes.nsd.pictures import SUFFIXES, find, normal
from codingaxes.nsd.responses import (
    average_repeats,
    ncsnr,
    noise_ceiling,
    session_products,
    standardise,
    strange_sessions,
)
from codingaxes.nsd.stimuli import conversions, digest_copies, save_stimulus, split, suspicions
from codingaxes.tables import store
from codingaxes.tables.nsd import REGIONS, RESPONSES, STIMULI, VOXELS

FEW = 10  # images of a session


def main(run):
    """Standardise voxels over each session (or all trials), average repetitions, estimate noise ceilings."""
    rows = choose_rows(run, response_tables.read(run.input["responses"]))
    files = find(run.input["images"])
    rows["image"] = identify(rows.image, files, run.input)
    ids = images_of_all(rows, run.params["subjects"])
    stimuli = write_stimuli(run, ids, files)
    parts = zip(
        run.params["subjects"],
        *(run.output[name] for name in ("voxels", "responses", "regions")),
        strict=True,
    )
    for subject, voxels_file, responses_file, regions_file in parts:
        own = rows[rows.subject == subject]
        series, trials, voxels, notes = response_tables.arrange(
            run.input["responses"], own, subject, run.params["regions"]
        )
        z, voxels = z_score(series, trials, voxels, subject)
        for note in [*notes, *check_sessions(subject, z, trials)]:
            job.log.warning(note)
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
    without = [name for name in run.params["subjects"] if name not in set(rows.subject)]
    if without:
        regions = ", ".join(run.params["regions"])
        raise ValueError(f"{run.input['responses']}: {', '.join(without)} has no row in {regions}")
    return rows.reset_index(drop=True)


def identify(names, files, paths):
    """Take suffixes from names of images; each must be one file of the folder.

    Parameters
    ----------
    names : Series of category (rows,)
        As the table has them.
    files : dict, name -> list of Paths
        From `pictures.find`.
    paths : dict
        Of the folder (images) and of the table (responses), for errors.

    Returns
    -------
    Series of str (rows,)
        The keys of `files`.

    Raises
    ------
    ValueError
        If a name is no image, is several, or differs from another one in capitals alone.
    """
    known = {f"{name}{path.suffix}": name for name, paths in files.items() for path in paths}
    stems = {name: known.get(name, name) for name in names.cat.categories}
    used = list(dict.fromkeys(stems[name] for name in names.unique()))
    absent = [name for name in used if name not in files]
    if absent:
        inside = [name for name in files if name.rpartition("/")[2] == absent[0]]
        hint = f"; there is {inside[0]!r}, so write the folder too" if inside else ""
        raise ValueError(
            f"{paths['images']} lacks {len(absent)} images of {paths['responses']}, the first {absent[0]!r}"
            f"{hint}. Files that end in {', '.join(SUFFIXES)} count, if they are no broken links"
        )
    several = [name for name in used if len(files[name]) > 1]
    if several:
        listed = ", ".join(path.name for path in files[several[0]])
        if len({normal(path.name) for path in files[several[0]]}) == 1:
            listed = "two forms of Unicode, " + ", ".join(ascii(path.name) for path in files[several[0]])
        raise ValueError(f"{paths['images']}: {several[0]!r} is more than one file ({listed}); keep one")
    lower = {}
    for name in used:
        other = lower.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(
                f"{paths['responses']}: the images {other!r} and {name!r} differ in capitals alone, which "
                "not every system tells apart; rename one"
            )
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
    sources = [files[name][0] for name in ids]
    copies = [
        save_stimulus(file, folder / f"{name}.png", size) for name, file in zip(ids, sources, strict=True)
    ]
    digests = digest_copies(sources, copies)
    for sentence in [*suspicions(ids, copies, test), *conversions(ids, sources, size)]:
        job.log.warning(sentence)
    cropped = sum(not is_square(file) for file in sources)
    if cropped:
        job.log.warning(f"{cropped} of {len(ids)} images are not square: cropped to their central square")
    stimuli = pd.DataFrame({"image_id": ids, "nsd_id": np.arange(len(ids)), "file": list(map(str, copies))})
    stimuli["sha256"] = digests
    stimuli["split"], stimuli["probe"] = np.where(test, "test", "train"), rank < run.params["probes"]
    store.write(run.output["stimuli"], STIMULI, stimuli)
    job.log.info(f"{len(ids)} images, {test.sum()} are held out")
    return stimuli


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


def check_sessions(subject, z, trials):
    """Say which sessions have few images, and which respond to images unlike all others."""
    said, names = [], list(trials.session.unique())
    if len(names) > 1:
        images = trials.groupby("session", sort=False).image.nunique()
        few = images[images < FEW]
        if len(few):
            said.append(
                f"{subject}: {len(few)} of {len(images)} sessions have fewer than {FEW} images, the first "
                f"{few.index[0]!r} {few.iloc[0]}. Responses are z-scored within each session, which takes "
                "away what its images have in common; give sessions that belong together one name"
            )
        image, session = trials.image.factorize()[0], pd.Index(names).get_indexer(trials.session)
        sentences = strange_sessions(session_products(z, image, session), names)
        said += [f"{subject}: {sentence}" for sentence in sentences]
    return said


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
