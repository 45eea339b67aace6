"""Build the network of a row with random weights, from the library that the row names.

Nothing is ever downloaded here: weights are a file of their own. A library is imported when a row names it:
importing timm or torchvision takes longer than torch alone.
"""

import ast
import difflib
import importlib.util
import inspect
import sys
from pathlib import Path

from torch import nn

from codingaxes.miniature import zoo
from codingaxes.networks import optional, ports

WORKFLOW = Path(__file__).parents[4]  # the folder of the Snakefile


def build(row):
    """Build the network of a row, with random weights (torch's global generator) and its classifier.

    Parameters
    ----------
    row : dict
        `name`, `source` and `identifier` count:

        timm         a model of timm, with or without the tag of its weights, which are not fetched
        torchvision  a classifier of torchvision.models
        checkpoint   timm:, torchvision: or adapter: before the model (adapter: a name in `ports.ADAPTERS`)
        zoo          an architecture of the miniature's zoo
        python       path/to/file.py:function; the function takes nothing and returns an nn.Module. The path
                     is relative to the folder of the Snakefile. The file is executed
        transformers, open_clip, dreamsim, cornet   see `optional`

        Keyword arguments of the library's function follow a question mark: name?key=value&key=value, values
        as Python would write them, or else text (num_classes=0, global_pool= for empty text).

    Returns
    -------
    nn.Module
        In evaluation mode. It takes normalised images of the row's input size.

    Raises
    ------
    ValueError
        If there is no such source, identifier or keyword; names what is near.
    """
    source, identifier = row["source"], row["identifier"]
    if source != "zoo":
        _stay_offline()
    if source == "checkpoint":
        source, colon, identifier = identifier.partition(":")
        if not colon or source not in ("timm", "torchvision", "adapter"):
            raise _error(row, "expected timm:model, torchvision:model or adapter:name")
    if source in optional.SOURCES:
        return optional.build(row, *parse(identifier, row)).eval()
    if source == "python":
        return _python(row).eval()
    if source not in BUILDERS:
        known = [*BUILDERS, "checkpoint", "python", *optional.SOURCES]
        raise _error(row, f"unknown source {source!r}; there are {', '.join(known)}")
    name, keywords = parse(identifier, row)
    try:
        return BUILDERS[source](name, keywords, row).eval()
    except (TypeError, AssertionError, RuntimeError) as error:
        raise _error(row, f"{name} could not be built with {keywords}: {error}") from error


def _stay_offline():
    """Let no library fetch weights on its own: HF_HUB_OFFLINE, for this process alone."""
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True


def parse(identifier, row):
    """Split name?key=value&key=value into the name and a dict of the values.

    Raises
    ------
    ValueError
        If a part is no key=value, or a key stands twice.
    """
    name, _, rest = identifier.partition("?")
    keywords = {}
    for part in filter(None, rest.split("&")):
        key, equals, text = part.partition("=")
        if not equals or not key.isidentifier() or key in keywords:
            raise _error(row, f"{part!r} is no key=value, or {key!r} stands twice")
        try:
            keywords[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            keywords[key] = text
    return name, keywords


def timm_name(row):
    """Give the model of timm that a row is about, with its tag; raise an error if it is about another one."""
    identifier = row["identifier"].removeprefix("timm:")
    if row["source"] not in ("timm", "checkpoint") or (row["source"] == "timm") != (
        identifier == row["identifier"]
    ):
        raise _error(row, "is no model of timm, which the format timm_filter needs")
    return parse(identifier, row)[0]


def _timm(name, keywords, row):
    import timm

    model, _, tag = name.partition(".")
    if not timm.is_model(model) or ":" in name:
        raise _unknown(row, name, timm.list_models(), "timm.list_models()")
    tags = [full.partition(".")[2] for full in timm.list_models(f"{model}.*", pretrained=True)]
    if tag and tag not in tags:
        raise _error(row, f"timm has no weights {tag!r} of {model}; there are {', '.join(tags) or 'none'}")
    return timm.create_model(
        name, pretrained=False, **_without(row, keywords, "pretrained", "checkpoint_path")
    )


def _torchvision(name, keywords, row):
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise _unknown(row, name, known, "torchvision.models.list_models()")
    if name in ("inception_v3", "googlenet"):
        # both would warn, and draw their weights in minutes; normalisation is ours, their own is off
        keywords = {"init_weights": False, "transform_input": False} | keywords
    keywords = _without(row, keywords, "weights", "weights_backbone", "progress")
    return torchvision.models.get_model(name, weights=None, **keywords)


def _adapter(name, keywords, row):
    if name not in ports.ADAPTERS:
        raise _unknown(row, name, ports.ADAPTERS, "networks/ports.py")
    return ports.ADAPTERS[name](**keywords)


def _zoo(name, keywords, row):
    if name not in zoo.ARCHITECTURES or keywords:
        raise _error(row, f"unknown architecture {name!r}; there are {', '.join(zoo.ARCHITECTURES)}")
    return zoo.ARCHITECTURES[name].build()


def _python(row):
    """Build a network from a file of the user's own."""
    path, _, function = row["identifier"].rpartition(":")
    file = WORKFLOW / path
    if not path or not file.is_file():
        raise _error(row, f"expected path/to/file.py:function, and there is no file {path!r} in the workflow")
    spec = importlib.util.spec_from_file_location(f"codingaxes_network_{file.stem}", file)
    if spec is None:
        raise _error(row, f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _error(row, f"{path} could not be run: {type(error).__name__}: {error}") from error
    make = getattr(module, function, None)
    if not inspect.isroutine(make) and not inspect.isclass(make):
        defined = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise _unknown(row, function, defined, path)
    try:
        body = make()
    except Exception as error:
        raise _error(row, f"{function}() of {path} failed: {type(error).__name__}: {error}") from error
    if not isinstance(body, nn.Module):
        raise _error(row, f"{function}() of {path} returned {type(body).__name__}, not an nn.Module")
    return body


def _without(row, keywords, *names):
    """Give back the keywords, if none of them would fetch weights."""
    for name in names:
        if name in keywords:
            raise _error(row, f"{name} is not allowed here: weights have a column of their own")
    return keywords


def _unknown(row, name, known, where):
    near = difflib.get_close_matches(name.partition(".")[0], list(known), n=5, cutoff=0.5)
    return _error(row, f"no {name!r} in {where}; near are {', '.join(near) or 'none'}")


def _error(row, message):
    return ValueError(
        f"network {row['name']} (source {row['source']}, identifier {row['identifier']}): {message}"
    )


BUILDERS = {"timm": _timm, "torchvision": _torchvision, "adapter": _adapter, "zoo": _zoo}
