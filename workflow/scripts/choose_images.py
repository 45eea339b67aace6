"""Choose the natural images that synthesis starts from, and blends others with (rule choose_images)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.names import BOTH, GROUP, SIGNS
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS
from codingaxes.tables.synthesis import CHOSEN_IMAGES

BEST = 2  # natural images that blends go towards: the second serves where the first is the start itself


def main(run):
    """Choose by the measured response of the group alone, among held-out images, whatever the models say."""
    stimuli = store.read(run.input["stimuli"], STIMULI)
    measured = store.read(run.input["measurements"], MEASUREMENTS, filters=[("subject", "=", GROUP)])
    further = run.params["images"]
    unknown = [name for name in further if name not in set(stimuli.image_id)]
    if unknown:
        raise ValueError(
            f"synthesis.images: {', '.join(unknown)} is none of the {len(stimuli)} stimuli, which "
            f"{run.input['stimuli']} lists by image_id"
        )
    held_out = set(stimuli.image_id[stimuli.split == "test"])
    for key in ("perturbed", "accentuated"):
        if run.params[key] > len(held_out):
            raise ValueError(
                f"synthesis.{key} is {run.params[key]}, but only {len(held_out)} images are held out"
            )
    rows = []
    for roi, part in measured.groupby("roi", sort=False):
        responses = part.set_index("image_id").value
        rows += of_region(responses.sort_values(kind="stable"), held_out, roi, run.params)
    store.write(run.output["chosen"], CHOSEN_IMAGES, pd.DataFrame(rows))


def of_region(responses, held_out, roi, params):
    """Give the rows of one region, from its responses in ascending order."""
    tested = responses[responses.index.isin(held_out)]
    further, rows = params["images"], []

    def use(purpose, direction, names):
        for rank, name in enumerate(dict.fromkeys(names), start=1):
            about = {"purpose": purpose, "roi": roi, "direction": direction, "image_id": name, "rank": rank}
            rows.append(about | {"measured": responses[name]})

    for direction, sign in SIGNS.items():
        weakest_first = list(tested.index[:: int(sign)])
        use("perturbation", direction, [*weakest_first[: params["perturbed"]], *further])
        use("best", direction, list(responses.index[:: -int(sign)][:BEST]))
        use("exciting", direction, [tested.index[len(tested) // 2]])
    # the middles of as many equal parts: not the extremes, which lie at the ends of nature already
    spaced = ((np.arange(params["accentuated"]) + 0.5) / params["accentuated"] * len(tested)).astype(int)
    use("accentuation", BOTH, [*tested.index[spaced], *further])
    return rows


if __name__ == "__main__":
    job.start(main, globals())
