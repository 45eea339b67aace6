"""Average the voxels of each region, for each subject and the group (rule average_regions)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import undefined
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.nsd import REGIONS, RESPONSES, STIMULI, VOXELS
from codingaxes.tables.readouts import MEASUREMENTS, TARGETS


def main(run):
    """Standardise by means and SDs over the training images only."""
    stimuli = store.read(run.input["stimuli"], STIMULI, columns=["image_id", "split"])
    train = (stimuli.split == "train").to_numpy()
    voxels = store.read(run.input["voxels"], VOXELS)
    responses = store.read(run.input["responses"], RESPONSES)
    regions = store.read(run.input["regions"], REGIONS).set_index(["subject", "roi"])
    subjects = list(dict.fromkeys(voxels.subject))
    targets, measurements = [], []
    for roi in regions.index.unique("roi"):  # in the order of the configuration
        owners = [subject for subject in subjects if regions.n_voxels[subject, roi] > 0]
        if not owners:
            raise ValueError(f"no subject has a usable voxel in {roi}; see the logs of the rule before this")
        job.log.info(f"{roi}: {len(owners)} of {len(subjects)} subjects, {', '.join(owners)}")
        values, noise = {}, {}
        for subject in owners:
            own = voxels[voxels.subject == subject].sort_values("voxel_id")
            matrix = store.matrix(
                responses[responses.subject == subject].set_index("image_id").response[stimuli.image_id]
            )
            raw = matrix[:, (own.roi == roi).to_numpy()].mean(axis=1)
            target, values[subject] = standardise(raw, train, f"{roi} of {subject}")
            noise[subject] = (
                regions.noise_sd[subject, roi] / np.sqrt(regions.repeats[subject, roi]) / target["sd"]
            )
            targets.append({"subject": subject, "roi": roi, **target, "ceiling": ceiling(noise[subject])})
        # noise is independent between subjects, so that of their mean is smaller
        mean = np.mean([values[s] for s in owners], axis=0)
        target, values[GROUP] = standardise(mean, train, f"{roi} of the group")
        together = np.sqrt(np.sum(np.square(list(noise.values())))) / len(owners) / target["sd"]
        targets.append({"subject": GROUP, "roi": roi, **target, "ceiling": ceiling(together)})
        for subject, value in values.items():
            measurements.append(
                pd.DataFrame({"subject": subject, "roi": roi, "image_id": stimuli.image_id, "value": value})
            )
    store.write(run.output["targets"], TARGETS, pd.DataFrame(targets))
    store.write(run.output["measurements"], MEASUREMENTS, pd.concat(measurements, ignore_index=True))


def standardise(raw, train, where):
    """Give the mean and SD of the training images, and the values (images,) in their units.

    Raises
    ------
    ValueError
        If the training images all have one value; names the region and the subject.
    """
    if undefined.constant(raw[train]):
        raise ValueError(
            f"{where}: the mean response is {raw[train][0]:g} for all {train.sum()} training images, so that "
            "nothing can be predicted; check its voxels, or leave the region out of the configuration"
        )
    mean, sd = raw[train].mean(), raw[train].std()
    return {"mean": mean, "sd": sd}, (raw - mean) / sd


def ceiling(noise_sd):
    """Give the largest Pearson r with a target of variance 1 of which noise_sd² is noise; NaN if unknown."""
    return np.sqrt(np.clip(1 - noise_sd**2, 0, None))


if __name__ == "__main__":
    job.start(main, globals())
