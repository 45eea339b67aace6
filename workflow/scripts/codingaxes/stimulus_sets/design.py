"""Read the design of a stimulus set, and hold it to the study that the set is to be made in."""

import re
from math import sqrt
from pathlib import Path

import yaml

from codingaxes.configuration import ConfigurationError, hold
from codingaxes.configuration_written import refuse_misread, typed
from codingaxes.contrast import contrasted
from codingaxes.names import BRAIN, DISTORTIONS

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")
PAPER_SIZE = 224  # pixels on a side of the images that the radii of a design are meant for
KINDS = ("standard", "robust", "twin")  # of networks, as makers
TWINS = ("architecture", "family", "training_radius")  # in which twins agree


def read(path, schema, here=".", code="."):
    """Read a design.

    Parameters
    ----------
    path : str
        YAML file. A set has the name of its file.
    schema : dict
        JSON schema of a design.
    here, code : path-likes
        Folders that a relative path may start from, the user's first, then that of the workflow.

    Returns
    -------
    dict
        As the schema says, and the name of the set; radii, effects and levels ascend.

    Raises
    ------
    ConfigurationError
        If there is no such file, it is no YAML, its name is none for a folder, a key is unknown or missing,
        or two keys do not agree; names the file, the key and what to do.
    """
    files = [Path(folder, path) for folder in (here, code)]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ConfigurationError(
            f"stimulus_sets: there is no file {path}; name designs by their path, for instance "
            "config/stimulus_sets/targeted.yaml"
        )
    if not NAME.fullmatch(file.stem):
        raise ConfigurationError(
            f"stimulus_sets: {path} names the folder of its set, so its name may have letters, digits, "
            "_ and - alone, and begins with a letter or a digit"
        )
    try:
        design = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as YAML: {error}") from None
    refuse_misread([file])
    design = typed(design if isinstance(design, dict) else {}, schema)
    hold(design, schema, str(file))
    _check(design, file)
    ascending = {key: sorted(design[key]) for key in ("radii", "effects", "levels")}
    return design | ascending | {"name": file.stem}


def _check(design, file):
    """Refuse keys of a design that do not agree."""
    problems, sizes = [], [key for key in ("radii", "effects", "levels") if design[key]]
    wanted = ["radii"] if design["match"] == "norm" else ["effects", "levels"]
    if len(sizes) != 1 or sizes[0] not in wanted:
        problems.append(
            f"match: {design['match']} needs {' or '.join(wanted)}, and nothing else; given are "
            f"{' and '.join(sizes) or 'none'}"
        )
    for key, role in design["compare"].items():
        if role not in design["makers"]:
            problems.append(f"compare.{key}: {role} is none of the makers, {', '.join(design['makers'])}")
    if design["compare"]["with"] == design["compare"]["against"]:
        problems.append("compare: with and against are the same maker; there is nothing to compare")
    if DISTORTIONS in design["makers"] and design["match"] == "effect":
        problems.append(f"makers: {DISTORTIONS} change no response by a wanted amount; use match: norm")
    if DISTORTIONS in design["compare"].values():
        problems.append(f"compare: {DISTORTIONS} increase and decrease nothing; compare models")
    if (design["images"]["choose"] == "list") != bool(design["images"]["list"]):
        problems.append("images: list needs choose: list, and choose: list needs a list")
    images = design["images"]
    if "other_image" in design["controls"] and max(images["number"], len(images["list"])) < 2:
        problems.append("controls: other_image needs a second image; ask for two images or more")
    if (design["choose"] == "information") != (design["number"] > 0):
        problems.append("choose: information needs a number above 0, and all needs number: 0")
    if problems:
        raise ConfigurationError(f"{file} does not agree with itself:\n  " + "\n  ".join(problems))


def _where(design):
    """Begin an error that is about a set."""
    return f"stimulus set {design['name']}:"


def makers_of(design, rows, models):
    """Find the models that the makers of a design stand for.

    Parameters
    ----------
    design : dict
        From `read`.
    rows : dict, name -> row
        The table of networks.
    models : list of str
        Of the study.

    Returns
    -------
    dict, maker -> model
        In the order of the design. principal_distortions stands for itself. A kind of network that the study
        lacks (standard, robust, twin), or the simulated brain, is left out, see `what_is_lacking`.

    Raises
    ------
    ConfigurationError
        If a maker is neither a kind of network nor a model of the study, or two makers are the same one.
    """
    networks = [rows[name] for name in models if name != BRAIN]
    standard, robust = contrasted(networks)
    known = {"standard": standard, "robust": robust, "twin": _twin(networks, robust)}
    known |= {BRAIN: None} | {name: name for name in (*models, DISTORTIONS)}
    found = {}
    for maker in design["makers"]:
        if maker not in known:
            raise ConfigurationError(
                f"{_where(design)} makers: {maker} is none of this study. Makers are {', '.join(KINDS)} "
                f"(another seed of the robust network), {DISTORTIONS}, and {', '.join(models)}"
            )
        model = known[maker]
        if model in found.values():
            raise ConfigurationError(
                f"{_where(design)} makers: {maker} is {model}, which is named twice; name it once"
            )
        if model is not None:
            found[maker] = model
    return found


def what_is_lacking(design, makers):
    """Say which makers of a set the study lacks, and what follows; an empty text if it has all."""
    lacking = [maker for maker in design["makers"] if maker not in makers]
    if not lacking:
        return ""
    text = f"{_where(design)} this study has no {' and no '.join(lacking)}"
    if set(lacking) & set(design["compare"].values()):
        return f"{text}, which the set compares; it is not made"
    return f"{text}; the set is made without"


def _twin(networks, robust):
    """Find the first other network that differs from the robust one in nothing but its seed."""
    if robust is None:
        return None
    of_robust = next(row for row in networks if row["name"] == robust)
    alike = (row for row in networks if all(row[key] == of_robust[key] for key in TWINS))
    return next((row["name"] for row in alike if row["name"] != robust), None)


def regions_of(design, regions):
    """Give the regions of a design, in the order of the study; one that the study lacks is an error."""
    unknown = [name for name in design["regions"] if name not in regions]
    if unknown:
        raise ConfigurationError(
            f"{_where(design)} regions: {', '.join(unknown)} is none of this study, which has "
            f"{', '.join(regions)}"
        )
    return [name for name in regions if name in design["regions"] or not design["regions"]]


def radii_of(design, image_size):
    """Scale the l2 sizes of a design, which are meant for 224 x 224 pixels, to the images of a study.

    Raises
    ------
    ConfigurationError
        If one is larger than the distance of black from white.
    """
    farthest = sqrt(3) * PAPER_SIZE
    for radius in design["radii"]:
        if radius > farthest:
            raise ConfigurationError(
                f"{_where(design)} radii: {radius:g} is more than {farthest:.4g}, the distance of black from "
                f"white at {PAPER_SIZE} x {PAPER_SIZE} pixels, which radii of a design are meant for"
            )
    return [radius * image_size / PAPER_SIZE for radius in design["radii"]]


def read_all(paths, schema, here=".", code="."):
    """Read the designs of a study, by the names of their sets; two sets of one name are an error."""
    designs = {}
    for path in paths:
        name = Path(path).stem
        if name in designs:
            raise ConfigurationError(
                f"stimulus_sets: {path} is the second set of the name {name}; rename one of the two files"
            )
        designs[name] = read(path, schema, here, code)
    return designs
