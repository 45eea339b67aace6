"""Choose and check what the settings of synthesis say about models, sizes and levels."""

from math import sqrt

from codingaxes.configuration import ConfigurationError
from codingaxes.contrast import contrasted
from codingaxes.names import BRAIN


def exciting_makers(config, rows, models):
    """Choose the models that make exciting images.

    Parameters
    ----------
    config : dict
        From `configuration.checked`; `synthesis.exciting_makers` is few, all, or a list of names.
    rows : dict, name -> row
        From `configuration.read_networks`.
    models : list of str
        Of the study.

    Returns
    -------
    list of str
        In the order of the models. few: those of `contrast.contrasted` (else the first network), and the
        simulated brain if there is one.

    Raises
    ------
    ConfigurationError
        If a named model is none of the study.
    """
    wanted = config["synthesis"]["exciting_makers"]
    if wanted == "all":
        return list(models)
    if wanted == "few":
        networks = [name for name in models if name != BRAIN]
        pair = [name for name in contrasted(rows[name] for name in networks) if name] or networks[:1]
        return [name for name in models if name in pair or name == BRAIN]
    unknown = [name for name in wanted if name not in models]
    if unknown:
        raise ConfigurationError(
            f"synthesis.exciting_makers: {', '.join(unknown)} is no model of this study; models are "
            f"{', '.join(models)}. few chooses three of them, all takes all"
        )
    return [name for name in models if name in wanted]


def check_synthesis(config):
    """Refuse sizes that no image can have, and levels that do not ascend.

    Raises
    ------
    ConfigurationError
        Names the key, its value and what is allowed.
    """
    settings, problems = config["synthesis"], []
    farthest = sqrt(3 * config["image_size"] ** 2)
    for radius in settings["radii"]:
        if radius > farthest:
            problems.append(
                f"synthesis.radii: {radius} is more than {farthest:.4g}, the l2 distance of black from white "
                f"at {config['image_size']} x {config['image_size']} pixels; sizes are in pixels of [0, 1]"
            )
    levels = settings["levels"]
    if levels["lowest"] >= levels["highest"]:
        problems.append(
            f"synthesis.levels: lowest is {levels['lowest']} and highest is {levels['highest']}; the lowest "
            "has to be below the highest"
        )
    if problems:
        raise ConfigurationError("these settings cannot work:\n  " + "\n  ".join(problems))
