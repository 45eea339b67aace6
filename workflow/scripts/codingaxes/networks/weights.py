"""Read a file of weights, whoever wrote it, and fill a network with its tensors, all of them or none.

A file is data: nothing in it is ever executed, see `pickles`. Names that are missing or left over are an
error, unless the file's format says that they are no part of the network.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from codingaxes import writing
from codingaxes.networks import builders, confined, formats, pickles, published, signatures

log = logging.getLogger("codingaxes")

HEADER = 2**22  # bytes that the header of a safetensors file may have: 100 a tensor are usual


class Refused(ValueError):
    """The file holds something that is no weight; it was not executed."""


class _Safetensors(Mapping):
    """Give the tensors of a safetensors file by name, each read when it is asked for."""

    def __init__(self, path):
        self.file = safe_open(path, "pt")
        self.names = list(self.file.keys())

    def __getitem__(self, name):
        return self.file.get_tensor(name)

    def __iter__(self):
        return iter(self.names)

    def __len__(self):
        return len(self.names)


def read(path, root="", tolerant=False):
    """Read the tensors of a file by name: safetensors, or torch's own formats (zip, and pickle before 1.6).

    Parameters
    ----------
    path : path-like
    root : str
        The entry of the file's dict under which the tensors lie; "" if the file is that dict.
    tolerant : bool
        Whether foreign objects (of an optimiser, say) may lie beside the tensors. Their names are logged and
        they are dropped; they are neither imported nor called.

    Returns
    -------
    mapping, str -> tensor
        On the CPU. Of safetensors, each is read when it is asked for.

    Raises
    ------
    FileNotFoundError
    Refused
        If the file holds foreign objects; names them. Always so if they lie among the wanted tensors.
    pickles.Unreadable
        If the file has none of these formats, or is damaged; says what it is instead, where that is known.
    confined.Exceeded
        If reading it takes more memory or processor time than its size allows for.
    ValueError
        If there is no such entry, or it holds other things than tensors.
    """
    path = Path(path)
    _refuse_stand_in(path)
    with open(path, "rb") as file:
        head = file.read(9)
    if meaning := signatures.other_format(path):
        raise pickles.Unreadable(f"{path}: no file of torch or safetensors, but {meaning}")
    if head[8:] == b"{":
        length = int.from_bytes(head[:8], "little")
        if length > HEADER:
            raise confined.Exceeded(
                f"{path}: its header has {length / 1e6:.1f} MB, and {HEADER / 1e6:.1f} MB are enough for any "
                "network. It is no ordinary file of weights, and was not read"
            )
        try:
            return _Safetensors(path)
        except SafetensorError as error:
            raise pickles.Unreadable(f"{path}: damaged safetensors file ({error})") from error
    state, foreign = confined.tensors(_read_torch, path, root, tolerant)
    if foreign:
        log.info(f"{path}: dropped without executing them: {_some(foreign, most=50)}")
    return state


def _refuse_stand_in(path, about=""):
    """Refuse what only stands in place of a file of weights."""
    if meaning := signatures.stand_in(path):
        raise pickles.Unreadable(f"{about}{path}: no file of torch or safetensors, but {meaning}")


def _read_torch(path, root, tolerant):
    """Read the tensors of a torch file, and the names of what is foreign in it; see `read`."""
    value, foreign = pickles.load(path)
    if foreign and not tolerant:
        raise Refused(
            f"{path} holds objects that are no weights: {_some(foreign)}{_places(value, root)}. The file was "
            "not executed; its format allows for none"
        )
    return _tensors(value, root, path), foreign


def _tensors(value, root, path):
    """Take the dict of tensors that lies under `root`; see `read`."""
    if not isinstance(value, dict) or (root and root not in value):
        entries = _some(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{path}: expected a dict with the entry {root!r}, found {entries}")
    state = value[root] if root else value
    if not isinstance(state, dict):
        raise ValueError(f"{path}: {root!r} is not a dict of tensors but {_described(state)}")
    other = {name: item for name, item in state.items() if not (torch.is_tensor(item) and type(name) is str)}
    foreign = sorted({item.text for item in other.values() if isinstance(item, pickles.Foreign)})
    if foreign:
        raise Refused(
            f"{path}: among the wanted tensors ({root or 'top level'}) are objects that are no weights: "
            f"{_some(foreign)}, at {_some(map(str, other))}. The file was not executed"
        )
    if other or not state:
        entries = _some(f"{name} ({_described(item)})" for name, item in other.items()) or "none"
        raise ValueError(
            f"{path}: {root or 'the file'} should hold tensors only, but has {entries}; is this its format?"
        )
    return dict(state)


def _places(value, root):
    """Say which entries of a file's dict are foreign, if some are."""
    state = value.get(root, value) if isinstance(value, dict) else value
    entries = state.items() if isinstance(state, dict) else []
    names = [str(name) for name, item in entries if isinstance(item, pickles.Foreign)]
    return f", at {_some(names)}" if names else ""


def _described(item):
    return item.text if isinstance(item, pickles.Foreign) else type(item).__name__


def _some(items, most=8):
    """List items in an error, shortened."""
    items = list(items)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def fit(state, body, row, where):
    """Fill a network with tensors, all of them or none.

    Counters of training batches (`num_batches_tracked`), which no evaluation reads, may be missing from old
    files and then stay 0. Numbers take the network's own type.

    Parameters
    ----------
    state : mapping, str -> tensor
        From `read`; only those that the network has are asked for.
    body : nn.Module
    row : dict
        Of the table of networks; its `format` says what the names mean.
    where : str
        The file, for errors.

    Raises
    ------
    ValueError
        If tensors are missing, left over, or of another shape or kind of number; lists them.
    """
    with torch.no_grad():
        tensors = formats.translated(state, body, row, where)
        own = {name: value for name, value in body.state_dict().items() if torch.is_tensor(value)}
        faults = _faults(tensors, own)
        if faults:
            raise ValueError(
                f"network {row['name']}: {where} does not fit {row['identifier']} in format "
                f"{row.get('format') or 'plain'}. {faults}"
            )
        for name, value in own.items():
            if name in tensors:
                value.copy_(tensors.pop(name))


def _faults(tensors, own):
    """Say how tensors differ from those of a network, in name, shape and kind of number; empty if not."""
    pairs = {name: (tensors[name], value) for name, value in own.items() if name in tensors}
    faults = {
        "missing": [n for n in own if n not in tensors and not n.endswith("num_batches_tracked")],
        "not expected": [name for name in tensors if name not in own],
        "of another shape": [
            f"{name} {tuple(new.shape)} in place of {tuple(old.shape)}"
            for name, (new, old) in pairs.items()
            if new.shape != old.shape
        ],
        "of another type": [
            f"{name} {new.dtype} in place of {old.dtype}"
            for name, (new, old) in pairs.items()
            if new.is_floating_point() != old.is_floating_point()
        ],
    }
    return "; ".join(f"{kind} ({len(names)}): {_some(names)}" for kind, names in faults.items() if names)


def _oddity(item):
    """Say what keeps something from being a plain tensor with numbers of its own; empty if nothing does."""
    if not torch.is_tensor(item):
        return type(item).__name__
    if item.is_quantized:
        return "quantised"
    if item.is_nested:
        return "nested"
    if item.layout != torch.strided:
        return "sparse"
    return "a meta tensor, without numbers" if item.is_meta else ""


def convert(raw, row, out):
    """Translate downloaded weights into safetensors under the network's own names.

    Parameters
    ----------
    raw : path-like or list of path-likes
        As published. If the row has a sha256 (or its first digits) for each, that is what they must have.
    row : dict
        Of the table of networks.
    out : path-like
        Written whole or not at all. Its metadata say where it comes from.

    Returns
    -------
    int
        Parameters of the network.

    Raises
    ------
    ValueError
        If the file's sha256 is another, it does not fit (see `read` and `fit`), or it was trained with
        another normalisation than the row's (see `published.check_file`).
    """
    files = raw if isinstance(raw, list) else [raw]
    for file in files:
        _refuse_stand_in(file, f"network {row['name']}: ")  # before its sha256 is found to be another
    digests = _digests(files, row)
    form, body = formats.of(row), builders.build(row)
    try:
        if form.assemble:
            state = form.assemble(row, files, read)
        elif len(files) == 1:
            state = read(files[0], form.root, form.tolerant)
        else:
            raise ValueError(f"{len(files)} files, but format {row['format']} is about one")
    except ValueError as error:
        kind = (
            type(error) if isinstance(error, Refused | pickles.Unreadable | confined.Exceeded) else ValueError
        )
        raise kind(f"network {row['name']}: {error}") from error
    for mean, std in form.normaliser:
        normaliser = (state[mean], state[std]) if mean in state and std in state else None
        published.check_file(row, normaliser, str(files[0]))
    fit(state, body, row, " ".join(map(str, files)))
    about = {"format": row.get("format") or "plain", "source_sha256": " ".join(digests)}
    return save(body, row, out, about)


def _digests(files, row):
    """Compute the sha256 of each file, and hold it to what the row says of it."""
    digests = [sha256(file) for file in files]
    for file, digest, stated in zip(files, digests, (row.get("sha256") or "").lower().split(), strict=False):
        if not digest.startswith(stated):
            raise ValueError(
                f"network {row['name']}: the sha256 of {file} is {digest}, not {stated}, which the table of "
                "networks states. If this is the file that you mean, write its sha256 there or leave that "
                "empty; if not, name the right file"
            )
    return digests


def save(body, row, path, metadata=None):
    """Write a network's weights with the name and identifier of its row; see `write`.

    Returns
    -------
    int
        Parameters of the network.
    """
    about = {"name": row["name"], "identifier": row["identifier"]}
    write(body, path, about | (metadata or {}), row["name"])
    return sum(parameter.numel() for parameter in body.parameters())


def write(body, path, metadata=None, name="", half=False):
    """Write a network's weights as safetensors under its own names, whole or not at all; `half`: as float16.

    Raises
    ------
    ValueError
        If its `state_dict` holds something else than plain tensors; names the network and the entry.
    """
    state = body.state_dict()
    odd = [f"{key} ({_oddity(value)})" for key, value in state.items() if _oddity(value)]
    if odd:
        raise ValueError(
            f"network {name or type(body).__name__}: its state_dict holds other than plain tensors, which no "
            f"file of weights can keep: {_some(odd)}"
        )
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    seen = set()
    for key, value in state.items():
        place = value.untyped_storage().data_ptr()
        state[key] = value.contiguous().clone() if place in seen else value.contiguous()
        seen.add(place)
    with writing.whole(path) as temporary:
        save_file(state, temporary, metadata)


def restore(body, path, row):
    """Fill a network from a file that `save` or `convert` wrote; see `fit`.

    Raises
    ------
    ValueError
        Also if the file was converted for another network, or is not the one that the record beside it, of
        the same name with .json, has the sha256 of: safetensors have no checksums of their own.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"network {row['name']}: {path} is no safetensors file, or damaged") from error
    if about.get("identifier", row["identifier"]) != row["identifier"]:
        raise ValueError(
            f"network {row['name']}: {path} was converted for {about['identifier']}, not "
            f"{row['identifier']}; convert it again"
        )
    _check_record(Path(path), row["name"])
    fit(_Safetensors(path), body, row | {"format": "plain"}, str(path))


def _check_record(path, name):
    """Hold a file of weights to the sha256 in the record beside it, if there is one."""
    record = path.with_suffix(".json")
    known = json.loads(record.read_text()).get("sha256", "") if record.is_file() else ""
    if known and (found := sha256(path)) != known:
        raise ValueError(
            f"network {name}: {path} is damaged or was replaced: its sha256 is {found}, and {known} in "
            f"{record}; delete both and run again, or take both from the repository if they are shipped"
        )


def sha256(path):
    """Compute the sha256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
