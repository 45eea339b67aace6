"""Train one network of the zoo and measure how well it does its own task (rule train_network)."""

import time
from pathlib import Path

from codingaxes import job, provenance
from codingaxes.miniature import arrays, recipes, training
from codingaxes.networks.network import save_network
from codingaxes.networks.weights import sha256


def main(run):
    """Write the weights as float16 safetensors, and a record of how they came about."""
    row, settings = run.params["network"], run.params["zoo"]
    scenes, began = arrays.read(run.input["scenes"]), time.process_time()
    network = training.train(
        row,
        scenes["train_images"],
        scenes["train_labels"],
        row["training_radius"],
        run.seed(row["seed"]),
        training.Settings(
            epochs=settings["epochs"][row["architecture"]],
            **{name: settings[name] for name in recipes.TRAINING},
        ),
        track=lambda epochs: run.track(epochs, unit="epoch"),
    )
    seconds = time.process_time() - began
    weights = Path(run.output["weights"])
    save_network(network, weights, half=True)
    accuracies = measure(network, scenes, settings, run)
    job.log.info(f"balanced accuracy {accuracies['accuracy']:.3f}, {accuracies['adversarial_accuracy']:.3f}")
    record = recipes.Record(
        network=run.wildcards["network"],
        recipe=recipes.recipe(row, settings, run.params["image_size"]),
        accuracies=accuracies,
        sha256=sha256(weights),
        commit=provenance.commit_of(__file__),
        versions=provenance.versions("python", "torch", "numpy"),
        processor_seconds=round(seconds, 1),
    )
    recipes.write(record, run.output["record"])


def measure(network, scenes, settings, run):
    """Measure the accuracy on fresh scenes, as they are and under attack; values of the table accuracies."""
    images, labels = scenes["test_images"], scenes["test_labels"]
    radius, steps = settings["attack_radius"], settings["attack_steps"]
    clean, attacked = (
        training.balanced_accuracy(network, images, labels, size, steps, run.seed("attack"))
        for size in (0, radius)
    )
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "accuracy": clean,
        "adversarial_accuracy": attacked,
        "attack_radius": radius,
        "n_images": len(images),
    }


if __name__ == "__main__":
    job.start(main, globals())
