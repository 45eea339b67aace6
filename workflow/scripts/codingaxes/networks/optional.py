"""Build networks whose code lies in packages that not everybody needs.

Every network is built with random weights; nothing is downloaded. A package is imported when a network asks
for it.
"""

import importlib
import inspect

from codingaxes.networks.dreamsim import DreamSim


def build(row, name, keywords):
    """Build a network with random weights.

    Parameters
    ----------
    row : dict
        Of the table of networks. `source` is a key of `SOURCES`.
    name : str
        Of the network in that source:

        transformers  a model class, with keywords of its configuration: Blip2VisionModel?num_hidden_layers=39
        open_clip     a name of open_clip.list_models(), whose image tower it is
        dreamsim      ensemble
        cornet        a class of the DiCarlo lab's package, with its keywords: CORnet_RT?times=5

    keywords : dict
        As the row gives them after the name.

    Returns
    -------
    nn.Module
        Images (n, 3, h, w), already normalised, -> an answer of the package's own kind. Read its layers.

    Raises
    ------
    ImportError
        If the package is not installed; names the environment that has it.
    ValueError
        If the source, the identifier or a keyword is not known.
    """
    if row["source"] not in SOURCES:
        known = ", ".join(SOURCES)
        raise ValueError(f"network {row['name']}: source {row['source']!r} is none of {known}")
    try:
        return SOURCES[row["source"]](row, name, keywords)
    except TypeError as error:
        raise ValueError(f"network {row['name']}: {row['identifier']} could not be built: {error}") from error


def _package(row, name, needed):
    """Import an optional package that has what is needed of it."""
    cure = "run with conda, which creates the environment envs/hubs.yaml, or install what that file lists"
    where = f"network {row['name']}: source {row['source']} needs the package {name}"
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{where}, which is not installed here ({error}); {cure}") from error
    if not hasattr(package, needed):
        file = getattr(package, "__file__", None)
        raise ImportError(f"{where}, but the one in {file} has no {needed}: another of that name; {cure}")
    return package


def _unknown(row, name, known):
    return ValueError(f"network {row['name']}: {row['source']} has no {name!r}; expected {known}")


def _transformers(row, name, options):
    """Build one of transformers' model classes from explicit keywords of its configuration."""
    transformers = _package(row, "transformers", "PreTrainedModel")
    model = getattr(transformers, name, None)
    config = getattr(model, "config_class", None)
    if not inspect.isclass(model) or not issubclass(model, transformers.PreTrainedModel) or config is None:
        raise _unknown(row, name, "the name of a class with weights, for instance Blip2VisionModel")
    unknown = [key for key in options if key not in config().to_dict()]
    if unknown:
        raise _unknown(row, ", ".join(unknown), f"keywords of {config.__name__}")
    settings = config(**options, attn_implementation="eager")
    if getattr(settings, "use_pretrained_backbone", False):
        raise _unknown(row, name, "a network that fetches no backbone: use_pretrained_backbone=False")
    return model(settings)


def _open_clip(row, name, options):
    """Build the image tower of one of open_clip's own models."""
    open_clip = _package(row, "open_clip", "create_model")
    if name not in open_clip.list_models() or options:
        raise _unknown(row, row["identifier"], "a name of open_clip.list_models() alone, for instance RN50")
    if open_clip.get_model_config(name)["text_cfg"].get("hf_model_name"):
        raise _unknown(row, name, "a model whose text tower is open_clip's own: others download it")
    return open_clip.create_model(name, pretrained=None, pretrained_hf=False).visual


def _cornet(row, name, options):
    """Build one of the DiCarlo lab's CORnets; float32 only. An area runs once for each step of time."""
    cornet = _package(row, "cornet", "CORnet_RT")
    known = [key for key in vars(cornet) if key.startswith("CORnet_")]
    if name not in known:
        raise _unknown(row, name, f"one of {', '.join(known)}")
    return getattr(cornet, name)(**options)


def _dreamsim(row, name, options):
    if name != "ensemble" or options:
        raise _unknown(row, row["identifier"], "ensemble")
    return DreamSim()


SOURCES = {
    "transformers": _transformers,
    "open_clip": _open_clip,
    "dreamsim": _dreamsim,
    "cornet": _cornet,
}
