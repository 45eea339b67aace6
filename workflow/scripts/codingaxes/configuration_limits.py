"""Refuse settings that cannot work with each other, with the networks, or with the images that there are.

Whatever is certain before the first job is found here: a job that fails after an hour, for a reason that
stood in the configuration, is a fault of this module.
"""

import difflib
import re
from math import ceil, sqrt
from pathlib import Path

from codingaxes.configuration import ConfigurationError
from codingaxes.miniature import design
from codingaxes.networks.places import places_of
from codingaxes.nsd import pictures
from codingaxes.nsd.layout import LABELS

# Sessions that each subject of NSD completed; images that all were shown, and how often (NSD data manual).
COMPLETED = dict(zip((f"subj{n:02d}" for n in range(1, 9)), (40, 40, 32, 30, 40, 32, 40, 30), strict=True))
SHARED, SHOWN = 1000, 3
FEWEST_TRAIN = 10  # images that a readout is fitted on
FEWEST_TEST = 3  # images of a correlation: that of two is 1 or -1, whatever they are
# Modules of the networks of the zoo, any of which can be a layer.
_BLOCK = r"(conv|bn|act)[12]"
_DENSE = r"denselayer{}(\.((norm[12](\.act)?)|conv[12]))?"
LAYERS = {
    "resnet": (
        rf"conv1(\.[0-6])?|bn1|act1|maxpool|fc|layer[1-4](\.0(\.{_BLOCK})?)?"
        r"|layer[2-4]\.0\.downsample(\.[01])?"
    ),
    "vgg": r"features(\.(1?[0-9]|2[01]))?|pre_logits(\.(fc|act)[12])?|head(\.fc)?",
    "densenet": (
        r"classifier|features(\.(conv[012]|norm[0125](\.act)?|pool0|denseblock[1-4]"
        r"|transition[1-3](\.(norm(\.act)?|conv|pool))?"
        + "".join(
            rf"|denseblock{i}\.{_DENSE.format(f'[1-{n}]')}" for i, n in enumerate((2, 4, 6, 4), start=1)
        )
        + r"))?"
    ),
}
USUAL = {
    "resnet": ("layer2", "layer3", "layer4"),
    "vgg": ("features.7", "features.14", "features.21"),
    "densenet": ("features.denseblock2", "features.denseblock3", "features.denseblock4"),
}


def check_folder(folder):
    """Refuse a folder of the workflow in which Snakemake cannot run; names it, and what to do."""
    if {"{", "}"} & set(str(folder)):
        raise ConfigurationError(
            f"the folder {folder} has braces in its path, which Snakemake takes for wildcards; rename it, or "
            "move the workflow to another place"
        )


def check_limits(config, rows, here="."):
    """Hold settings to each other, to the table of networks and to the number of images.

    Parameters
    ----------
    config : dict
        From `configuration.checked`.
    rows : dict, name -> row
        From `configuration.read_networks`.
    here : path-like
        Folder that relative paths start from.

    Raises
    ------
    ConfigurationError
        If they cannot work together; names each key, its value and what is allowed.
    """
    problems = [*_sizes(config), *_names(config, rows), *_networks(config, rows)]
    if config["nsd"]["source"] != "own":
        problems += [*_sessions(config), *_regions(config)]
    if not problems:  # images can be counted
        problems += _images(config, count_images(config, here))
    if problems:
        raise ConfigurationError("these settings cannot work:\n  " + "\n  ".join(problems))


def _sizes(config):
    """Yield what is too large for an image of the study's size."""
    size, rank = config["image_size"], config["eigenvectors"]["rank"]
    numbers = 3 * size**2
    if rank > numbers:
        yield (
            f"eigenvectors.rank: {rank} is more than {numbers}, the numbers of an image of {size} x {size} "
            "pixels in 3 colours; no more axes exist"
        )
    for key in ("radii", "large_radii"):
        for radius in config["attacks"][key]:
            if radius > sqrt(numbers):
                yield (
                    f"attacks.{key}: {radius} is more than {sqrt(numbers):.4g}, the l2 distance of black "
                    f"from white at {size} x {size} pixels; sizes are in pixels of [0, 1]"
                )


def _names(config, rows):
    """Yield names that differ only in case, which some disks and all readers take for one."""
    own, regions = config["own"], config["nsd"]["regions"]
    for key, names in (
        ("own.subjects", own["subjects"]),
        ("own.regions", own["regions"]),
        ("nsd.regions", regions),
        (config["networks"], rows),
    ):
        seen = {}
        for name in names:
            if (other := seen.setdefault(name.casefold(), name)) != name:
                yield f"{key}: the names {other} and {name} differ only in case; rename one"


def _networks(config, rows):
    """Yield what is wrong with networks: too few, a layer or a setting that the zoo does not have."""
    zoo, table = config["zoo"], config["networks"]
    if zoo["batch_size"] > zoo["train_images"]:
        yield (
            f"zoo.batch_size: {zoo['batch_size']} is more than zoo.train_images, {zoo['train_images']}; "
            "a step needs as many scenes"
        )
    yield from _rows(rows, table)
    for name, row in rows.items():
        if row["source"] != "zoo":
            continue
        kind = row["identifier"]
        if row["architecture"] not in zoo["epochs"]:
            yield (
                f"{table}, network {name}: zoo.epochs has no number for the architecture "
                f"{row['architecture']}; it has {', '.join(zoo['epochs'])}"
            )
        for layer in row["layers"]:
            if not re.fullmatch(LAYERS[kind], layer):
                near = difflib.get_close_matches(layer, USUAL[kind], n=1) or USUAL[kind]
                yield (
                    f"{table}, network {name}: {layer!r} is no layer of a {kind} of the zoo; "
                    f"for instance {', '.join(near)} is"
                )
    if len(rows) == 1 and config["nsd"]["source"] != "miniature":
        yield (
            f"networks: {table} lists one network, {next(iter(rows))}, and transfer and similarity compare "
            "two; add a row"
        )


def _rows(rows, table):
    """Yield what contradicts itself in the table of networks."""
    if pair := pictures.alike(dict.fromkeys(row["architecture"] for row in rows.values())):
        yield (
            f"{table}: the architectures {pair[0]} and {pair[1]} differ only in how they are written, and "
            "pairs of networks are compared by whether theirs is the same; write one of them"
        )
    for name, row in rows.items():
        where, radius = f"{table}, network {name}", row.get("training_radius")
        if row["family"] == "standard" and radius:
            yield (
                f"{where}: its family is standard, but it was trained on perturbations of size {radius} "
                "(training_radius); is it robust?"
            )
        if row["family"] == "robust" and row["source"] == "zoo" and not radius:
            yield f"{where}: its family is robust, but its training_radius is {radius}; is it standard?"
        if 0 < row.get("top1", 0) <= 1:
            yield f"{where}: top1 is {row['top1']}, but it is in percent; is it {100 * row['top1']:g}?"
        places, stated = places_of(row), row.get("sha256", "").split()
        if stated and len(stated) != len(places):
            yield (
                f"{where}: there are {len(stated)} sha256 of {len(places)} files of weights; give one of "
                "each, in the same order, or none"
            )


def _sessions(config):
    """Yield what NSD, or the miniature of these settings, does not have of sessions and repetitions."""
    nsd = config["nsd"]
    longest, per_session = max(nsd["sessions"].values()), nsd["trials_per_session"]
    if nsd["source"] == "miniature":
        shared, own = config["simulation"]["shared_images"], config["simulation"]["own_images"]
        there = (shared + own) * nsd["repeats"]
        if longest * per_session > there:
            yield (
                f"nsd.sessions: {longest} sessions of {per_session} trials are {longest * per_session}, but "
                f"{shared} shared and {own} own images, {nsd['repeats']} times each, are {there}; take fewer "
                "sessions, or more images (simulation.shared_images, simulation.own_images)"
            )
    if nsd["source"] == "nsd":
        for subject, n in nsd["sessions"].items():
            if n > COMPLETED.get(subject, 0):
                yield (
                    f"nsd.sessions: {subject} {n} is more than NSD has, which is "
                    f"{COMPLETED.get(subject, 'no such subject')}"
                )
        if nsd["repeats"] > SHOWN:
            yield f"nsd.repeats: {nsd['repeats']} is more than {SHOWN}, as often as NSD shows an image"


def _regions(config):
    """Yield regions that NSD's atlases, or the simulated brain, do not have."""
    miniature, contrasts = config["nsd"]["source"] == "miniature", {}
    for name, region in config["nsd"]["regions"].items():
        key, atlas, labels = f"nsd.regions.{name}", region["atlas"], region["labels"]
        if miniature:
            if name not in design.REGIONS:
                yield f"{key}: the simulated brain has no {name}; it has {', '.join(design.REGIONS)}"
                continue
            there, known = design.REGIONS[name]
            if atlas != there:
                yield f"{key}.atlas: {atlas} is not where the simulated brain has {name}; that is {there}"
                continue
        else:
            known = LABELS.get(atlas, labels)
        for label in labels:
            if label not in known:
                yield f"{key}.labels: {label!r} is none of {atlas} for {name}; there are {', '.join(known)}"
        if miniature and contrasts.setdefault(atlas, region["contrast"]) != region["contrast"]:
            yield f"{key}.contrast: the miniature has one contrast for {atlas}, {contrasts[atlas]}"


def count_images(config, here="."):
    """Count the images of a study before it runs.

    Parameters
    ----------
    config : dict
    here : path-like
        Folder that relative paths start from.

    Returns
    -------
    n : int or None
        How many at most, None where nothing is known (a copy of NSD, whose design is read later).
    exact : bool
        Whether there are exactly so many: the miniature, whose design is drawn from the settings alone.
    """
    nsd = config["nsd"]
    if nsd["source"] == "own":
        return len(pictures.find(Path(here, config["own"]["images"]))), False
    if nsd["source"] != "miniature":
        return (SHARED if nsd["source"] == "nsd" else None), False
    sessions = {subject: n for subject, n in nsd["sessions"].items() if n > 0}
    drawn = design.draw_design(config["seed"], sessions, config["simulation"], nsd["repeats"])
    n_trials = min(sessions.values()) * nsd["trials_per_session"]
    return design.count_seen_by_all(drawn, n_trials, nsd["repeats"]), True


def _images(config, counted):
    """Yield what needs more images than there are."""
    n, exact = counted
    if n is None:
        return
    share, probes = config["nsd"]["test_fraction"], config["nsd"]["probes"]
    readouts = config["readouts"]
    amount = f"{n} images" if exact else f"at most {n} images"
    test = round(share * n)
    train = n - test
    if train < FEWEST_TRAIN:
        yield (
            f"nsd.test_fraction: {share} of {amount} leaves {train} to fit readouts on, and {FEWEST_TRAIN} "
            "are the fewest; hold out less, or have more images"
        )
    if test < FEWEST_TEST:
        yield (
            f"nsd.test_fraction: {share} of {amount} holds out {test}, and {FEWEST_TEST} are the fewest that "
            "have a correlation; hold out more, or have more images"
        )
    if probes > test:
        yield (
            f"nsd.probes: {probes} is more than the {test} held-out images (nsd.test_fraction {share} of "
            f"{amount}); attack fewer or hold out more"
        )
    folds = readouts["folds"]
    if n // folds < FEWEST_TEST:
        yield (
            f"readouts.folds: {folds} folds of {amount} have fewer than {FEWEST_TEST} images each, the "
            f"fewest that have a correlation; at most {n // FEWEST_TEST} folds are possible"
        )
        return
    most = min(_inside(train, folds), _inside(_inside(n, folds), folds)) - 1
    if readouts["method"] == "pls" and readouts["components"] > most:
        yield (
            f"readouts.components: {readouts['components']} is more than {most}, one less than the images "
            f"that readouts are fitted on inside folds ({amount}, {folds} folds)"
        )


def _inside(n, folds):
    """Count the images that are left of n when the largest of the folds is held out."""
    return n - ceil(n / folds)
