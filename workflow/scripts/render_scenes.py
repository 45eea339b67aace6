"""Render fresh scenes to train and to test the zoo on (rule render_scenes)."""

from codingaxes import job
from codingaxes.miniature import arrays, scenes


def main(run):
    """Render them from other seeds than the stimuli and the simulated brain's calibration."""
    n = {"train": run.params["train_images"], "test": run.params["test_images"]}
    content = {}
    for part, count in run.track(n.items(), unit="set"):
        seed = run.seed(part)
        content[f"{part}_images"], content[f"{part}_labels"] = scenes.render_many(
            seed, count, run.params["image_size"]
        )
    arrays.write(run.output["scenes"], content)


if __name__ == "__main__":
    job.start(main, globals())
