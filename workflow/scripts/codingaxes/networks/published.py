"""Compare a row with what is known of its weights: their normalisation, activation, size, and first token.

A network answers whatever it is shown, so that a wrong normalisation is noticed nowhere else. What is known
comes from the file itself, from timm's and torchvision's own statements, and from the ports of this package.
A contradiction is an error where the statement is surely about these weights, and else a warning. The column
`accepted` of the row takes an error back, by its name in `KINDS`.
"""

import logging
from dataclasses import dataclass

from codingaxes.networks import builders
from codingaxes.networks.dreamsim import CLIP, IMAGENET

log = logging.getLogger("codingaxes")

KINDS = ("normalisation", "activation", "first_token")
TOLERANCE = 0.005  # of a mean or std: two digits are enough
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
NARROW = 0.1  # std of pixels in [0, 1]: that of natural images is 0.2 to 0.3
CHANNELS = {"mean": 0, "std": 1}
TOKENS = ("cls_token", "class_token", "class_embedding", "cls_tokens")  # names of a class token's parameter


@dataclass(frozen=True)
class Statement:
    """Hold what somebody other than the row says of its weights."""

    by: str  # who says so, for texts
    values: dict  # column of the table -> value
    certain: bool = True  # whether it is surely about these weights


def check(row):
    """Hold a row to what is published of its weights; needs no file.

    Parameters
    ----------
    row : dict
        Of the table of networks.

    Raises
    ------
    ValueError
        If a statement that is surely about these weights contradicts the row, and `accepted` does not name
        its kind; names both values. What may be about other weights is logged as a warning, and so is a size
        or an interpolation other than the published one.
    """
    for text in oddities(row):
        log.warning(f"network {row['name']}: {text}")
    for statement in statements(row):
        for kind, text in _differences(row, statement):
            if statement.certain and kind in KINDS and kind not in row.get("accepted", ()):
                raise ValueError(f"network {row['name']}: {text}. {_remedy(kind)}")
            log.warning(f"network {row['name']}: {text}")


def oddities(row):
    """Describe what in the normalisation of a row looks like a mistake, whoever trained the network.

    Returns
    -------
    list of str
        Parts of sentences; of a std that may be a variance, and of ImageNet's colours in reversed order.
    """
    said, (mean, std) = [], IMAGENET
    if max(row["std"]) < NARROW:
        roots = ",".join(f"{number**0.5:.3g}" for number in row["std"])
        said.append(
            f"std {','.join(f'{number:.5g}' for number in row['std'])} spreads pixels over "
            f"{1 / max(row['std']):.3g} SD or more; is it the variance, of which std is the root, {roots}?"
        )
    if all(abs(a - b) <= TOLERANCE for a, b in zip(row["mean"], reversed(mean), strict=True)):
        said.append(
            f"mean is that of ImageNet in the order blue, green, red; here it is {','.join(map(str, mean))} "
            f"with std {','.join(map(str, std))}, in the order red, green, blue"
        )
    return said


def statements(row):
    """List what is published of the weights of a row.

    Returns
    -------
    list of Statement
        Empty if nothing is known, as of networks of the user's own.
    """
    source, identifier = row["source"], row["identifier"]
    if source == "checkpoint":
        source, _, identifier = identifier.partition(":")
    name, keywords = builders.parse(identifier, row)
    if source == "timm":
        return _timm(row, name, keywords)
    if source == "torchvision":
        return _torchvision(row, name, keywords)
    if source == "dreamsim":
        return [Statement("DreamSim normalises inside", {"mean": (0.0,) * 3, "std": (1.0,) * 3})]
    ported = {"nomic_vision": CLIP, "blip2_vision": CLIP, "cornet_rt": IMAGENET}
    if source == "cornet" or (source == "adapter" and name in ported):
        mean, std = IMAGENET if source == "cornet" else ported[name]
        return [Statement(f"the publishers of {name}", {"mean": mean, "std": std})]
    return []


def _timm(row, name, keywords):
    """Give what timm states of the tag, and of the repository that the weights come from."""
    import timm

    model, _, tag = name.partition(".")
    named = [part.removeprefix("hf://timm/").partition("@")[0] for part in row.get("weights", "").split()]
    found = []
    for full, certain in [(name, bool(tag)), *((other, True) for other in named if other != name)]:
        known = timm.is_model(full.partition(".")[0]) and "/" not in full
        tagged = f"{full.partition('.')[0]}.*"
        if not known or (full != name and full not in timm.list_models(tagged, pretrained=True)):
            continue
        cfg = timm.get_pretrained_cfg(full)
        values = {"mean": cfg.mean, "std": cfg.std}
        if full in named:
            values["interpolation"] = cfg.interpolation
            if "img_size" not in keywords:
                values["input_size"] = cfg.input_size[-1]
        quick = any("QuickGELU" in note for note in cfg.notes or ()) or "quickgelu" in full
        if quick or "quickgelu" in model:
            values["activation"] = "QuickGELU" if quick else "GELU"
        found.append(Statement(f"timm's statement about {full}", values, certain))
    return found


def _torchvision(row, name, keywords):
    """Give what torchvision states of the file, or of all files of the network if they agree."""
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        return []
    inside = name in ("inception_v3", "googlenet") and not keywords.get("transform_input")
    about = {}
    for entry in torchvision.models.get_model_weights(name):
        shown = entry.transforms()
        # torchvision's own Inception turns ImageNet's normalisation into this one, with transform_input
        mean, std = HALF if inside else (tuple(shown.mean), tuple(shown.std))
        about[entry.url.rpartition("/")[2]] = {"mean": mean, "std": std}
        about[entry.url.rpartition("/")[2]] |= {
            "input_size": shown.crop_size[0],
            "interpolation": shown.interpolation.value,
        }
    files = [part.rpartition("/")[2] for part in row.get("weights", "").split()]
    by = f"torchvision's statement about {name}"
    exact = [Statement(f"{by} in {file}", about[file]) for file in files if file in about]
    if exact:
        return exact
    normalisations = [{key: values[key] for key in CHANNELS} for values in about.values()]
    agreed = normalisations and all(values == normalisations[0] for values in normalisations)
    return [Statement(by, normalisations[0], certain=False)] if agreed else []


def _differences(row, statement):
    """Yield the kind and the text of each contradiction of a row and a statement."""
    values = statement.values
    if _normalised_otherwise(row, values):
        yield (
            "normalisation",
            (f"the row normalises with {_shown(row)}, but {statement.by} has {_shown(values)}"),
        )
    if values.get("activation"):
        own = "QuickGELU" if "quickgelu" in row["identifier"] else "GELU"
        if own != values["activation"]:
            yield (
                "activation",
                (
                    f"{row['identifier']} computes {own}, but its weights were trained with "
                    f"{values['activation']}, by {statement.by}"
                ),
            )
    for key in ("input_size", "interpolation"):
        if key in values and row.get(key) != values[key]:
            yield key, f"{key} is {row.get(key)}, but {statement.by} has {values[key]}"


def _normalised_otherwise(row, values):
    """Say whether mean or std of a row differ by more than rounding from those that are known."""
    pairs = [(a, b) for key in CHANNELS if key in values for a, b in zip(row[key], values[key], strict=True)]
    return any(abs(a - b) > TOLERANCE for a, b in pairs)


def _shown(values):
    """Write mean and std as the table of networks does."""
    return " and ".join(f"{key} {','.join(f'{number:.5g}' for number in values[key])}" for key in CHANNELS)


def _remedy(kind):
    advice = {
        "normalisation": "Correct mean and std of the row",
        "activation": "Take the variant of the network whose name has quickgelu, or the one without it",
        "first_token": "Take the layer without :cls",
    }[kind]
    return f"{advice}; or, if the row is right, write {kind} into its column accepted"


def check_file(row, normaliser, where):
    """Hold a row to the normalisation that lies in its file of weights.

    Parameters
    ----------
    row : dict
    normaliser : (tensor, tensor) or None
        Three numbers of mean and of std, of any shape; None if the file has none.
    where : str
        The file, for the error.

    Raises
    ------
    ValueError
        If they differ, and `accepted` does not name the normalisation.
    """
    if normaliser is None:
        return
    mean, std = (tuple(values.double().flatten().tolist()) for values in normaliser)
    if len(mean) == len(std) == 3:
        statement = Statement(f"the normaliser inside {where}", {"mean": mean, "std": std})
        for kind, text in _differences(row, statement):
            if kind not in row.get("accepted", ()):
                raise ValueError(f"network {row['name']}: {text}. {_remedy(kind)}")
            log.warning(f"network {row['name']}: {text}")


def check_first_token(body, layer, output, accepted=()):
    """Refuse `:cls` of a layer whose first token is no class token but a patch of the image.

    Parameters
    ----------
    body : nn.Module
    layer : str
        Of `body`, without the suffix.
    output : tensor (n, tokens, d)
    accepted : sequence of str
        Kinds that the row accepts.

    Raises
    ------
    ValueError
        If the part of the network that has the layer has no class token, or as many tokens as patches.
    """
    if "first_token" in accepted:
        return
    names = layer.split(".")
    owners = [body.get_submodule(".".join(names[:depth])) for depth in range(len(names), -1, -1)]
    towers = [
        owner for owner in owners if hasattr(owner, "patch_embed") or hasattr(owner, "num_prefix_tokens")
    ]
    tower = towers[0] if towers else body
    parameters = {name.rpartition(".")[2] for name, _ in tower.named_parameters()}
    if not parameters & set(TOKENS):
        prefix = getattr(tower, "num_prefix_tokens", None)
        counted = "" if prefix is None else f" (its num_prefix_tokens is {prefix})"
        raise ValueError(
            f"layer {layer}:cls: the network has no class token{counted}, so its first token is a patch of "
            f"the image or a register. {_remedy('first_token')}"
        )
    patches = getattr(getattr(tower, "patch_embed", None), "num_patches", None)
    if patches == output.shape[1]:
        raise ValueError(
            f"layer {layer}:cls has {patches} tokens, as many as there are patches of the image: the class "
            f"token joins them later. {_remedy('first_token')}"
        )
