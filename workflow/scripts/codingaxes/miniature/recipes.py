"""Say how a network of the zoo came about, and whether that agrees with the settings of a study."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from codingaxes import writing

# Settings of the section zoo by which all networks are trained: of `training.Settings`, but for the epochs.
TRAINING = ("batch_size", "learning_rate", "weight_decay", "gradients", "growth")
# Further settings that decide what comes out: the scenes, and the attack under which accuracy is measured.
MEASURED = ("train_images", "test_images", "attack_radius", "attack_steps")


@dataclass(frozen=True)
class Record:
    """Say how a network of the zoo came about; it lies as JSON beside the weights."""

    network: str
    recipe: dict  # of `recipe`
    accuracies: dict  # a row of the table accuracies, without the network
    sha256: str  # of the weights
    commit: str  # of the code that trained it; empty where it was in no repository
    versions: dict  # package -> version
    processor_seconds: float  # of the training


def recipe(row, settings, image_size):
    """Collect all that decides what a network of the zoo is, but for the code.

    Parameters
    ----------
    row : dict
        Of the table of networks, with architecture, training_radius and seed.
    settings : dict
        The configuration's section zoo.
    image_size : int
        Pixels a side of the scenes.
    """
    of_row = {key: row[key] for key in ("architecture", "training_radius", "seed")}
    of_all = {key: settings[key] for key in (*MEASURED, *TRAINING)}
    of_all |= {"scenes_seed": settings["seed"], "epochs": settings["epochs"][row["architecture"]]}
    return of_row | {"image_size": image_size} | of_all


def write(record, path):
    """Write a record as JSON."""
    writing.write_text(path, json.dumps(asdict(record), indent=2) + "\n")


def read(path):
    """Read what `write` wrote.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    try:
        return Record(**json.loads(Path(path).read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no record of a network of the zoo ({error})") from None


def problem(row, settings, image_size, folder):
    """Find what keeps the weights of a network of the zoo in a folder from being those of a study.

    Parameters
    ----------
    row, settings, image_size
        As for `recipe`.
    folder : path-like
        Of {network}.safetensors and {network}.json.

    Returns
    -------
    str
        The file and what is wrong with it; empty if the weights are those that the recipe makes.
    """
    weights, about = (Path(folder, f"{row['name']}.{suffix}") for suffix in ("safetensors", "json"))
    for file in (weights, about):
        if not file.is_file():
            return f"{file} is not there"
    try:
        record = read(about)
    except ValueError as error:
        return str(error)
    wanted = recipe(row, settings, image_size)
    for key in wanted | record.recipe:
        recorded, configured = record.recipe.get(key), wanted.get(key)
        if recorded != configured:
            return f"{key} is {configured} here, and {recorded} in {about}"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != record.sha256:
        return f"the sha256 of {weights} is {digest}, and {record.sha256} in {about}"
    return ""
