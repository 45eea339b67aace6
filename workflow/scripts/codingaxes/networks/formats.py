"""Say what published files of weights call their tensors, and where they keep them: one `Format` each."""

import inspect
import re
import sys
from dataclasses import dataclass

from codingaxes.networks import builders, cornet, dreamsim, ports


@dataclass(frozen=True)
class Format:
    """Say where a kind of file has its tensors, and what it calls them."""

    about: str
    root: str = ""  # entry of the file's dict
    tolerant: bool = False  # of foreign objects beside the tensors
    rename: callable = str  # name in the file -> name in the network; None: no part of the network
    adapt: callable = None  # (tensors by name in the network, network, row) -> the same
    normaliser: tuple = ()  # pairs of names of mean and std that are dropped, but compared with the row's
    assemble: callable = (
        None  # (row, files, read) -> tensors by name in the file, where several files make one
    )


def _strip(prefix, dropped=()):
    """Take a prefix off names. Drop what begins with one of `dropped`; keep any other name as it is."""

    def rename(name):
        if name.startswith(tuple(dropped)):
            return None
        return name.removeprefix(prefix)

    return rename


def _densenet(name):
    """Rename densely connected layers: old files of torchvision have a dot before the number."""
    return re.sub(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", name)


def _only(prefix):
    """Keep names that begin with `prefix`, as they are, and drop all others."""
    return lambda name: name if name.startswith(prefix) else None


def _timm_filter(state, body, row):
    """Apply timm's own filter to a file that timm did not write, or wrote for another size of images."""
    from timm.models import model_entrypoint

    name = builders.timm_name(row)
    module = sys.modules[model_entrypoint(name.partition(".")[0]).__module__]
    names = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
    filters = [getattr(module, name) for name in names if hasattr(module, name)]
    if not filters:
        raise ValueError(f"network {row['name']}: timm has no filter of weights for {name}; try format plain")
    takes_model = len(inspect.signature(filters[0]).parameters) > 1
    return dict(filters[0](dict(state), body) if takes_model else filters[0](dict(state)))


FORMATS = {
    "plain": Format("the network's own names"),
    "data_parallel": Format(
        "under state_dict, names that begin with module.: torch's DataParallel (CORnet)",
        root="state_dict",
        rename=_strip("module."),
    ),
    "robustness": Format(
        "under model, names that begin with module.model.; optimiser and the like beside it; the "
        "attacker's copy and the normalisation are dropped, which must be the row's: the package robustness "
        "(Engstrom et al. 2019)",
        root="model",
        tolerant=True,
        rename=_strip("module.model.", dropped=("module.attacker.", "module.normalizer.")),
        normaliser=tuple(
            (f"module.{part}.new_mean", f"module.{part}.new_std")
            for part in ("normalizer", "attacker.normalize")
        ),
    ),
    "nomic": Format(
        "Nomic Embed Vision's own names, for adapter:nomic_vision",
        rename=ports.rename_nomic,
        adapt=ports.adapt_nomic,
    ),
    "blip2": Format(
        "names of transformers' Blip2, of which vision_model. is wanted, for adapter:blip2_vision",
        rename=ports.rename_blip2,
        adapt=ports.adapt_blip2,
    ),
    "cornet": Format(
        "under state_dict, CORnet-RT's own names after module., for adapter:cornet_rt",
        root="state_dict",
        rename=cornet.rename_cornet,
    ),
    "densenet": Format("torchvision's DenseNet of before 2018: norm.1 for norm1", rename=_densenet),
    "clip_resnet": Format(
        "open_clip's CLIP with a ResNet, of which visual. is wanted, for timm's",
        rename=_only("visual."),
        adapt=_timm_filter,
    ),
    "dreamsim": Format(
        "the release's archive and DINO's backbone, see `dreamsim.assemble`", assemble=dreamsim.assemble
    ),
    "timm_filter": Format(
        "whatever timm's own filter for this network understands: other names, position embeddings of "
        "another size of images, which it resamples",
        adapt=_timm_filter,
    ),
}


def of(row):
    """Look up the row's `Format`; "" is plain.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    name = row.get("format") or "plain"
    if name not in FORMATS:
        raise ValueError(f"network {row['name']}: unknown format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def translated(state, body, row, where):
    """Give the tensors of a file the network's own names, and drop those that are no part of it.

    Parameters
    ----------
    state : mapping, str -> tensor
    body : nn.Module
    row : dict
        Of the table of networks.
    where : str
        The file, for errors.

    Raises
    ------
    ValueError
        If two names become one, or a tensor has no shape that the format knows.
    """
    form = of(row)
    origin = {}
    for name in state:
        own = form.rename(name)
        if own in origin:
            raise ValueError(f"network {row['name']}: {where} has both {origin[own]} and {name} for {own}")
        if own is not None:
            origin[own] = name
    tensors = {own: state[name] for own, name in origin.items()}
    return form.adapt(tensors, body, row) if form.adapt else tensors
