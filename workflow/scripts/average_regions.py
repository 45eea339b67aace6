"""Region means of each subject and of the group, with their noise ceilings (rule average_regions)."""

import numpy as np
import pandas as pd

from codingaxes import job, tables


def main(run):
    """Every mean and SD is taken over training images only."""
    stimuli = tables.read(run.input["stimuli"], "stimuli", columns=["image_id", "split"])
    train = (stimuli.split == "train").to_numpy()
    voxels = tables.read(run.input["voxels"], "voxels")
    responses = tables.read(run.input["responses"], "responses")
    regions = tables.read(run.input["regions"], "regions").set_index(["subject", "roi"])
    subjects = list(dict.fromkeys(voxels.subject))
    targets, measured = [], []
    for roi in regions.index.unique("roi"):  # in the order of the configuration
        having = [subject for subject in subjects if regions.n_voxels[subject, roi] > 0]
        if not having:
            raise ValueError(f"no subject has a usable voxel in {roi}; see the logs of the rule before this")
        job.log.info(f"{roi}: {len(having)} of {len(subjects)} subjects, {', '.join(having)}")
        values, noise = {}, {}
        for subject in having:
            mine = voxels[voxels.subject == subject].sort_values("voxel_id")
            matrix = tables.matrix(
                responses[responses.subject == subject].set_index("image_id").response[stimuli.image_id]
            )
            raw = matrix[:, (mine.roi == roi).to_numpy()].mean(axis=1)
            target, values[subject] = standardise(raw, train)
            noise[subject] = (
                regions.noise_sd[subject, roi] / np.sqrt(regions.repeats[subject, roi]) / target["sd"]
            )
            targets.append({"subject": subject, "roi": roi, **target, "ceiling": ceiling(noise[subject])})
        # noise is independent between subjects, so that of their mean is smaller
        target, values[tables.GROUP] = standardise(np.mean([values[s] for s in having], axis=0), train)
        together = np.sqrt(np.sum(np.square(list(noise.values())))) / len(having) / target["sd"]
        targets.append({"subject": tables.GROUP, "roi": roi, **target, "ceiling": ceiling(together)})
        for subject, value in values.items():
            measured.append(
                pd.DataFrame({"subject": subject, "roi": roi, "image_id": stimuli.image_id, "value": value})
            )
    tables.write(run.output["targets"], "targets", pd.DataFrame(targets))
    tables.write(run.output["measurements"], "measurements", pd.concat(measured, ignore_index=True))


def standardise(raw, train):
    """Values (images,) in SD of the training images, and what was subtracted and divided by."""
    mean, sd = raw[train].mean(), raw[train].std()
    return {"mean": mean, "sd": sd}, (raw - mean) / sd


def ceiling(noise_sd):
    """Largest Pearson r with a target of variance 1 of which noise_sd squared is noise; NaN if unknown."""
    return np.sqrt(np.clip(1 - noise_sd**2, 0, None))


if __name__ == "__main__":
    job.start(main, globals())
