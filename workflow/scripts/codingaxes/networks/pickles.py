"""Read torch files as data: nothing that a file names is imported, called or given attributes.

`torch.load` opens the container, zip or older, and fills the tensors. `_Unpickler` reads the pickle inside: a
name in it is one of the `REBUILDERS` of tensors, or else becomes an inert `Foreign`.

Two shorter ways were tried with torch 2.15 and Python 3.11, and fail:

- `torch.load(weights_only=True)` refuses the files of the robust networks, which hold an optimiser as well.
  Besides, it never returns from a file of 400 bytes in which the key of a dict is a tuple of tuples, 60 deep:
  each level doubles the time that Python needs to hash the key.
- A `find_class` alone, with Python's unpickler in C, never returns from such keys and such names of storages
  either. Besides, one instruction of 5 bytes makes its memo as large as memory (CPython issue 115952).

So `_Unpickler` is Python's own unpickler in Python, whose memo is a dict. It replaces the instructions that
hash, that call `__new__` or `__setstate__`, and that take memory before they have read anything.
"""

import math
import pickle
import tarfile
import types
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch


class Unreadable(ValueError):
    """The file is damaged, or is no file of torch.save."""


@dataclass(frozen=True)
class Foreign:
    """Stand for something that a file names and that is no part of a tensor; do nothing, keep nothing."""

    text: str  # module.name

    def __call__(self, *arguments, **keywords):
        return self

    def extend(self, items):
        """Forget the items of what was a kind of list."""

    append = extend


def load(path):
    """Read the content of a torch file, zip or older.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    value : object
        Made of None, bool, int, float, str, bytes, list (also in place of a set), tuple, dict, and tensors on
        the CPU; `Foreign` where the file holds something else. Attributes and `requires_grad` are dropped.
    foreign : list of str
        Names in the file that are no part of a tensor, in the order of the file.

    Raises
    ------
    Unreadable
        If the file is neither, is damaged, or is TorchScript, which is code. If a tensor is larger than its
        storage. If a key of a dict is neither text nor a whole number.

    Source
    ------
    The instructions of Python's pickletools; torch.serialization for the two containers.
    """
    path = Path(path)
    size = path.stat().st_size
    module = _pickle_module(size)
    try:
        _check_container(path, size)
        value = torch.load(path, "cpu", module, weights_only=False, mmap=False, encoding="latin1")
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from error
    except Exception as error:  # a damaged file can fail anywhere
        message = f"{path}: no file of torch, or damaged ({type(error).__name__}: {error})"
        raise Unreadable(message) from error
    return value, list(module.Unpickler.foreign)


def _check_container(path, size):
    """Refuse archives of code, tar archives, and zips that unfold to more than their size."""
    with open(path, "rb") as file:
        zipped = file.read(4) == b"PK\3\4"
    if not zipped:
        if tarfile.is_tarfile(path):
            raise Unreadable("it is a tar archive, as torch wrote them before 2017")
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    script = any(member.filename.rpartition("/")[2] == "constants.pkl" for member in members)
    unfolded = sum(member.file_size for member in members)
    if not script and (unfolded > size or any(member.compress_type for member in members)):
        raise Unreadable("the zip is compressed, or its members overlap; torch.save does neither")
    # torch.load hands TorchScript to another reader; what its own reader of zips would see counts as well
    if script or "constants.pkl" in torch._C.PyTorchFileReader(str(path)).get_all_records():
        raise Unreadable("it is a TorchScript archive, which is code")


def _pickle_module(size):
    """Make what `torch.load` takes in place of the module pickle, for a file of `size` bytes."""

    class Unpickler(_Unpickler):
        foreign, keys, most = {}, set(), size

    def load_plain(file, **keywords):
        """Read one of the small pickles around the content of a file of torch before 1.6."""
        value = Unpickler(file, **keywords).load()
        if isinstance(value, list):
            if {_checked_key(key) for key in value} != Unpickler.keys:
                raise Unreadable("the storages of its tensors are not those that it lists")
        elif not isinstance(value, int | dict):
            raise Unreadable("it does not begin as a file of torch.save does")
        return {} if isinstance(value, dict) else value

    return types.SimpleNamespace(__name__=__name__, Unpickler=Unpickler, load=load_plain)


class _Unpickler(pickle._Unpickler):
    """Python's unpickler without imports, attributes, sets, and keys that are more than text or a number."""

    foreign, keys, most = {}, set(), 0  # names so far; storages so far; bytes that a storage may have

    def find_class(self, module, name):
        """Give a rebuilder of tensors, or `Foreign`; never look a name up."""
        module = "builtins" if module == "__builtin__" else module  # its name in Python 2
        text = f"{module}.{name}"
        if text in REBUILDERS:
            return REBUILDERS[text]
        if text not in PLAIN:
            self.foreign[text] = None
        return Foreign(text)

    def load_binpersid(self):
        """Give a storage, which torch reads; any other object that the pickle only points to is foreign."""
        identity = self.stack.pop()
        if isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage":
            _, kind, key, _, length, *view = identity
            dtype = getattr(kind, "dtype", None)
            if isinstance(dtype, torch.dtype) and isinstance(length, int) and view in ([], [None]):
                if not 0 <= length * dtype.itemsize <= self.most:
                    raise Unreadable(f"storage {_checked_key(key)} is larger than the file")
                self.keys.add(_checked_key(key))
                self.append(self.persistent_load(identity))
                return
        self.foreign["an object that the pickle only points to"] = None
        self.append(Foreign("an object that the pickle only points to"))

    def load_newobj_ex(self):
        """Treat a new object with keywords as one without."""
        self.stack.pop()
        self.load_reduce()

    def load_dict(self):
        """Make a dict of keys that are cheap to hash."""
        items = self.pop_mark()
        self.append(_dictionary(zip(items[::2], items[1::2], strict=True)))

    def load_setitem(self):
        """Set one item of a dict; see `load_setitems`."""
        value, key = self.stack.pop(), self.stack.pop()
        self._update([(key, value)])

    def load_setitems(self):
        """Set items of a dict; forget those of a `Foreign`."""
        items = self.pop_mark()
        self._update(zip(items[::2], items[1::2], strict=True))

    def _update(self, pairs):
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_dictionary(pairs))

    dispatch = pickle._Unpickler.dispatch | {
        pickle.BINPERSID[0]: load_binpersid,
        # attributes, and a call of __setstate__
        pickle.BUILD[0]: pickle._Unpickler.load_pop,
        pickle.NEWOBJ[0]: pickle._Unpickler.load_reduce,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.DICT[0]: load_dict,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.EMPTY_SET[0]: pickle._Unpickler.load_empty_list,
        pickle.ADDITEMS[0]: pickle._Unpickler.load_appends,
        pickle.FROZENSET[0]: pickle._Unpickler.load_tuple,
        # fills as much memory as the file says, before it reads
        pickle.BYTEARRAY8[0]: pickle._Unpickler.load_binbytes8,
    }
    # no file of weights needs objects of the process that reads it, nor buffers from elsewhere
    for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.NEXT_BUFFER):
        del dispatch[_code[0]]


def _dictionary(pairs=()):
    return {_checked_key(key): value for key, value in pairs}


def _checked_key(key):
    """Give back a key; of nested tuples, hash and text could take longer than anybody waits."""
    if not isinstance(key, str | int):
        kind = key.text if isinstance(key, Foreign) else type(key).__name__
        raise Unreadable(f"a key or name in the pickle is neither text nor a whole number but {kind}")
    return key


def _tensor(storage, offset, shape, stride, grad=False, hooks=None, metadata=None):
    """Make a tensor that lies within its storage; torch checks offset and strides."""
    if isinstance(storage, Foreign):
        return storage
    if metadata:
        raise Unreadable("a tensor has metadata: its numbers are to be negated or conjugated, say")
    shape, stride = tuple(shape), tuple(stride)
    whole = all(isinstance(size, int) and size >= 0 for size in (offset, *shape, *stride))
    if not whole or len(shape) != len(stride):
        raise Unreadable("a tensor has no stride for each side of its shape, or none of whole numbers")
    tensor = torch._utils._rebuild_tensor(storage, offset, shape, stride)
    length = tensor.untyped_storage().nbytes() // tensor.itemsize
    if math.prod(shape) > length:
        raise Unreadable(f"a tensor asks for more than the {length} numbers of its storage")
    return tensor


REBUILDERS = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
    "torch.Size": lambda items: items,
    "collections.OrderedDict": _dictionary,
    "builtins.set": lambda items=(): items,
    "_codecs.encode": lambda text, encoding: text.encode("latin1"),
}
# names that belong to tensors but need nothing to be made of them
PLAIN = {"torch.device", *(str(value) for value in vars(torch).values() if isinstance(value, torch.dtype))}
