"""A torch file's pickle -> plain values and tensors, read as data: nothing in it is imported or called.

`torch.load(weights_only=True)` refuses files that hold anything foreign beside their weights. This reader
goes through such a file's pickle itself, opcode by opcode. A name in it stays a name. What the pickle wants
to call is compared with a short list of things that a tensor is made of, for which there are functions here;
anything else becomes an inert `Foreign`, which keeps its name and forgets its contents.
"""

import contextlib
import math
import pickletools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
MAGIC = 0x1950A86A20F9469CFC6C  # opens a file of torch before 1.6
MARK = object()
# what Python raises on the way through bytes that make no sense
DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    OverflowError,
    RuntimeError,
    MemoryError,
)


class Unreadable(ValueError):
    """The file is damaged, or not a file of torch."""


@dataclass(frozen=True)
class Name:
    """Something that the pickle names, as module.name; never looked up."""

    text: str


@dataclass(frozen=True)
class Foreign:
    """What a foreign name was called with, or made into, forgotten."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers of a tensor, not read yet."""

    key: str
    dtype: torch.dtype
    length: int


@dataclass(frozen=True)
class Stored:
    """A tensor, not read yet."""

    storage: Storage
    offset: int
    shape: tuple
    stride: tuple
    marked: bool = False  # whether it comes with metadata, such as that its numbers are to be negated

    def problem(self):
        """Why it is no plain tensor within its storage; empty if it is one."""
        if self.marked:
            return "a tensor has metadata (its numbers are to be negated or conjugated, say)"
        if len(self.shape) != len(self.stride) or min(*self.shape, *self.stride, self.offset, 0) < 0:
            return f"a tensor has the shape {self.shape}, strides {self.stride} and offset {self.offset}"
        last = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        count = math.prod(self.shape)
        if count and max(count, self.offset + last + 1) > self.storage.length:
            return f"a tensor asks for more than the {self.storage.length} numbers of its storage"
        return ""


@dataclass
class Content:
    """What a file holds; `tensor` reads one of its tensors."""

    value: object
    foreign: list  # names that are no part of a tensor, in the order of the file
    read: callable  # storage -> bytearray
    seen: dict = field(default_factory=dict)  # storages that several tensors may share

    def tensor(self, stored):
        """A tensor of its own memory from a `Stored`.

        Raises
        ------
        Unreadable
            If the numbers that it asks for are not there, or it asks for more than its storage has.
        """
        storage, problem = stored.storage, stored.problem()
        if problem:
            raise Unreadable(problem)
        if storage.key not in self.seen:
            raw = self.read(storage)
            if len(raw) != storage.length * storage.dtype.itemsize:
                raise Unreadable(f"storage {storage.key} has {len(raw)} bytes, not those of {storage}")
            numbers = torch.frombuffer(raw or bytearray(storage.dtype.itemsize), dtype=storage.dtype)
            self.seen[storage.key] = numbers[: storage.length]
        numbers = self.seen[storage.key]
        try:
            return torch.as_strided(numbers, stored.shape, stored.stride, stored.offset).clone()
        except (RuntimeError, TypeError) as error:
            raise Unreadable(f"a tensor has an impossible shape: {error}") from error


def load(path):
    """The content of a torch file, zip or older.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Content
        Its value is made of None, bool, int, float, str, bytes, list, tuple, dict, set, `Stored` tensors, and
        `Name` and `Foreign` where the file holds something else. Attributes of dicts are dropped.

    Raises
    ------
    Unreadable
        If the file is neither, is damaged, or is TorchScript (which is code).

    Source
    ------
    The pickle machine of Python's pickletools; torch.serialization for the two containers.
    """
    try:
        return _load_zip(path) if zipfile.is_zipfile(path) else _load_legacy(path)
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from error
    except FileNotFoundError:
        raise
    except (*DAMAGE, zipfile.BadZipFile) as error:
        message = f"{path}: no file of torch, or damaged ({type(error).__name__}: {error})"
        raise Unreadable(message) from error


def is_script(path):
    """Whether a file is TorchScript, which is code, and which torch.load hands to another reader."""
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as file:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in file.namelist())
    return False


def _load_zip(path):
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise Unreadable("the zip is not a file of torch.save")
        folder = pickles[0][:-8]
        order = f"{folder}byteorder"
        if order in names and file.read(order) != b"little":
            raise Unreadable("its numbers are not little-endian")
        with file.open(pickles[0]) as stream:
            machine = Machine()
            value = machine.run(stream)

    def read(storage):
        with zipfile.ZipFile(path) as file:
            return bytearray(file.read(f"{folder}data/{storage.key}"))

    return Content(value, machine.foreign, read)


def _load_legacy(path):
    with open(path, "rb") as stream:
        if Machine().run(stream) != MAGIC:
            raise Unreadable("it does not begin as a file of torch.save does")
        if Machine().run(stream) != 1001 or Machine().run(stream).get("little_endian") is not True:
            raise Unreadable("its version or byte order is not known")
        machine = Machine()
        value = machine.run(stream)
        places = {}
        for key in map(_key, Machine().run(stream)):
            length = int.from_bytes(stream.read(8), "little")
            size = length * machine.storages[key].dtype.itemsize
            places[key] = stream.tell(), size
            stream.seek(size, 1)
        if stream.tell() > Path(path).stat().st_size:
            raise Unreadable("it ends before its last tensor does")

    def read(storage):
        place, size = places[storage.key]
        with open(path, "rb") as stream:
            stream.seek(place)
            return bytearray(stream.read(size))

    return Content(value, machine.foreign, read)


class Machine:
    """Python's pickle machine, less everything that imports, calls or sets attributes."""

    def __init__(self):
        self.stack, self.memo, self.foreign, self.storages = [], {}, [], {}

    def run(self, stream):
        """The value of the pickle that begins here; the stream is left behind its end."""
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in PUSHED:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name]())
            elif name in TUPLES:
                self.stack[-TUPLES[name] :] = [tuple(self.stack[-TUPLES[name] :])]
            elif name == "STOP":
                return self.stack.pop()
            elif name not in SKIPPED:
                getattr(self, f"_{name.lower()}", self._unknown)(argument)
        raise Unreadable("the pickle has no end")

    def _unknown(self, argument):
        raise Unreadable("the pickle has an instruction that no file of weights needs")

    def _above_mark(self):
        at = len(self.stack) - 1 - self.stack[::-1].index(MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _global(self, argument):
        self._name(argument.replace(" ", ".", 1))

    def _stack_global(self, argument):
        name, module = _key(self.stack.pop()), _key(self.stack.pop())
        self._name(f"{module}.{name}")

    def _ext1(self, argument):
        self._name(f"copyreg extension {argument}")

    _ext2 = _ext4 = _ext1

    def _name(self, text):
        if text.startswith("__builtin__."):  # its name in Python 2, which old protocols use
            text = text.replace("__builtin__", "builtins", 1)
        if text not in KNOWN and text not in self.foreign:
            self.foreign.append(text)
        self.stack.append(Name(text))

    def _reduce(self, argument):
        arguments, called = self.stack.pop(), self.stack.pop()
        self.stack.append(self._result(called, arguments))

    _newobj = _reduce

    def _newobj_ex(self, argument):
        self.stack.pop()
        self._reduce(argument)

    def _inst(self, argument):
        arguments = self._above_mark()
        self._global(argument)
        self.stack.append(self._result(self.stack.pop(), tuple(arguments)))

    def _obj(self, argument):
        called, *arguments = self._above_mark()
        self.stack.append(self._result(called, tuple(arguments)))

    def _result(self, called, arguments):
        """What one of our own functions makes of the arguments; a placeholder for all else."""
        text = called.text if isinstance(called, Name | Foreign) else type(called).__name__
        if isinstance(called, Name) and text in CALLS and isinstance(arguments, tuple):
            try:
                return CALLS[text](*arguments)
            except Unreadable:
                raise
            except DAMAGE:
                pass  # not the arguments that it has in a file of weights
        if text not in self.foreign:
            self.foreign.append(text)
        return Foreign(text)

    def _binpersid(self, argument):
        self.stack.append(self._storage(self.stack.pop()))

    def _persid(self, argument):
        self.stack.append(Foreign("persistent id"))

    def _storage(self, identity):
        """A storage, from what torch.save writes in its place."""
        if isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage":
            kind, key, _, length, *view = identity[1:]
            dtype = TYPES.get(kind.text.rpartition(".")[2]) if isinstance(kind, Name) else None
            if dtype is not None and isinstance(length, int) and view in ([], [None]):
                storage = Storage(_key(key), dtype, length)
                return self.storages.setdefault(storage.key, storage)
        self.foreign.append("a storage of an unknown kind")
        return Foreign("a storage of an unknown kind")

    def _tuple(self, argument):
        self.stack.append(tuple(self._above_mark()))

    def _list(self, argument):
        self.stack.append(self._above_mark())

    def _dict(self, argument):
        items = self._above_mark()
        self.stack.append(_dictionary(zip(items[::2], items[1::2], strict=True)))

    def _frozenset(self, argument):
        self.stack.append(tuple(self._above_mark()))

    def _append(self, argument):
        self._extend([self.stack.pop()])

    def _appends(self, argument):
        self._extend(self._above_mark())

    _additems = _appends

    def _extend(self, items):
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _setitem(self, argument):
        value, key = self.stack.pop(), self.stack.pop()
        self._update([(key, value)])

    def _setitems(self, argument):
        items = self._above_mark()
        self._update(zip(items[::2], items[1::2], strict=True))

    def _update(self, pairs):
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_dictionary(pairs))

    def _mark(self, argument):
        self.stack.append(MARK)

    def _pop(self, argument):
        self.stack.pop()

    _build = _pop  # attributes: of a dict (versions of modules) or of a placeholder

    def _pop_mark(self, argument):
        self._above_mark()

    def _dup(self, argument):
        self.stack.append(self.stack[-1])

    def _put(self, argument):
        self.memo[argument] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, argument):
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, argument):
        self.stack.append(self.memo[argument])

    _binget = _long_binget = _get


def _dictionary(pairs):
    """A dict, of which each key is a text or a whole number."""
    return {key if isinstance(key, int) else _key(key): value for key, value in pairs}


def _key(item):
    """A text or whole number as text; of nested tuples the text could be longer than any memory."""
    if not isinstance(item, str | int):
        kind = item.text if isinstance(item, Name | Foreign) else type(item).__name__
        raise Unreadable(f"a key or name in the pickle is neither text nor a whole number but {kind}")
    return str(item)


def _tensor(storage, offset, shape, stride, grad=False, hooks=None, metadata=None):
    sizes = (*shape, *stride, offset)
    if not isinstance(storage, Storage) or not all(isinstance(size, int) for size in sizes):
        raise ValueError
    return Stored(storage, offset, tuple(shape), tuple(stride), bool(metadata))


def _parameter(data, *rest):
    if not isinstance(data, Stored):
        raise ValueError
    return data


CALLS = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": lambda items: tuple(items),
    "collections.OrderedDict": lambda pairs=(): _dictionary(pairs),
    "builtins.set": lambda items=(): list(items),
    "_codecs.encode": lambda text, encoding: text.encode("latin1"),
}
KNOWN = {
    *CALLS,
    *(f"{module}.{kind}" for module in ("torch", "torch.cuda") for kind in TYPES),
    *map(str, TYPES.values()),
}
CONSTANTS = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False}
CONSTANTS |= {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": list}
PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
SKIPPED = {"PROTO", "FRAME"}
