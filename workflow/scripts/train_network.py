"""Train one network of the zoo and measure how well it does its own task (rule train_network)."""

from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.miniature import training
from codingaxes.networks.network import save_network
from codingaxes.tables import store
from codingaxes.tables.networks import ACCURACIES


def main(run):
    """Write the weights as safetensors, and one row of accuracies."""
    row, settings = run.params["network"], run.params["zoo"]
    scenes = np.load(run.input["scenes"])
    network = training.train(
        row,
        scenes["train_images"],
        scenes["train_labels"],
        row["training_radius"],
        run.seed(row["seed"]),
        training.Settings(
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            weight_decay=settings["weight_decay"],
        ),
        track=lambda epochs: run.track(epochs, unit="epoch"),
    )
    Path(run.output["weights"]).parent.mkdir(parents=True, exist_ok=True)
    save_network(network, run.output["weights"])
    images, labels = scenes["test_images"], scenes["test_labels"]
    radius, steps = settings["attack_radius"], settings["attack_steps"]
    clean, attacked = (
        training.balanced_accuracy(network, images, labels, size, steps, run.seed("attack"))
        for size in (0, radius)
    )
    job.log.info(f"balanced accuracy {clean:.3f}, under attack {attacked:.3f}")
    row_of_network = {
        "network": run.wildcards["network"],
        "parameters": sum(p.numel() for p in network.parameters()),
        "accuracy": clean,
        "adversarial_accuracy": attacked,
        "attack_radius": radius,
        "n_images": len(images),
    }
    store.write(run.output["accuracies"], ACCURACIES, pd.DataFrame([row_of_network]))


if __name__ == "__main__":
    job.start(main, globals())
