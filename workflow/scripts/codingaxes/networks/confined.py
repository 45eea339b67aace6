"""Read a foreign file in a child process, with limits of memory and processor time taken from its size.

A small file can ask a reader for more memory than there is, in more ways than a reader can foresee. The child
gets its limits from the system, whatever the reader does. Its numbers come back through shared memory, and
everything else as JSON, so that nothing of the file is unpickled here.

Memory is limited where the system tells how much a process has (Linux).
"""

import json
import mmap
import multiprocessing
import resource
import signal
from pathlib import Path

import torch

# What the child may take besides what it has at its beginning: bytes, and a multiple of the file's size.
MEMORY, TIMES = 2**29, 4
# Seconds of processor time: a pickle costs 1 s a megabyte, but almost all of a file is numbers.
SECONDS, RATE = 30, 5e6  # and a second for so many bytes
TENSORS = 100_000  # more than any network has
ALIGNED = 64  # bytes
STATM = Path("/proc/self/statm")


class Exceeded(ValueError):
    """Reading a file took more than its size allows for."""


def tensors(read, path, *arguments):
    """Call a reader of tensors in a child process with limits.

    Parameters
    ----------
    read : callable, (path, *arguments) -> (dict str -> tensor, list of str)
        Reads the file, and lists what else it noticed. Tensors are on the CPU.
    path : path-like
    arguments
        Of `read`.

    Returns
    -------
    tensors : dict, str -> tensor
        In memory of their own.
    noticed : list of str

    Raises
    ------
    Exceeded
        If it takes more memory or processor time than the size of the file allows for, or its tensors have
        more numbers; names the file and both sizes.
    ValueError
        What `read` raises, of the same class if that is a ValueError of this package.
    """
    size = Path(path).stat().st_size
    shared = mmap.mmap(-1, 2 * size + mmap.PAGESIZE)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(sender, shared, size, read, path, arguments), daemon=True)
    child.start()
    sender.close()
    try:
        answer = json.loads(receiver.recv_bytes())
    except (EOFError, OSError):
        answer = None
    finally:
        receiver.close()
        child.join()
    if answer is None:
        raise Exceeded(f"{path}: {_death(child.exitcode, size)}")
    if "error" in answer:
        raise _error(answer["error"], path, size)
    return {name: _tensor(shared, place) for name, place in answer["tensors"].items()}, answer["noticed"]


def allowance(size):
    """Give the bytes and the seconds of processor time that reading a file of `size` bytes may take."""
    return MEMORY + TIMES * size, int(SECONDS + size / RATE)


def _work(sender, shared, size, read, path, arguments):
    """Read, in the child."""
    _limit(size)
    try:
        state, noticed = read(path, *arguments)
        answer = {"tensors": _written(state, shared), "noticed": [text[:500] for text in noticed[:1000]]}
    except BaseException as error:
        known = [kind.__name__ for kind in type(error).__mro__]
        answer = {"error": ["MemoryError" if _out_of_memory(error) else known, str(error)[:4000]]}
    try:
        sender.send_bytes(json.dumps(answer).encode())
    except MemoryError:
        sender.send_bytes(b'{"error": ["MemoryError", ""]}')
    sender.close()


def _limit(size):
    """Take the limits of this process from the size of a file."""
    memory, seconds = allowance(size)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    if STATM.exists():
        memory += int(STATM.read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _out_of_memory(error):
    """Say whether an error, or what it came from, is that memory ended."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate memory" in str(error)[-2000:]:
            return True
        error = error.__cause__ or error.__context__
    return False


def _written(state, shared):
    """Copy the storages of tensors to shared memory, each once; give the places by name."""
    if len(state) > TENSORS:
        raise Exceeded(f"it has {len(state)} tensors, more than the {TENSORS} that any network could have")
    places, begins, end = {}, {}, 0
    for name, value in state.items():
        storage = value.untyped_storage()
        key = (storage.data_ptr(), storage.nbytes())
        if key not in begins:
            begins[key] = end
            if end + key[1] > len(shared):
                raise Exceeded("its tensors have more numbers than the file")
            if key[1]:
                whole = torch.frombuffer(shared, dtype=torch.uint8, count=key[1], offset=end)
                whole.copy_(torch.empty(0, dtype=torch.uint8).set_(storage))
            end += -(-key[1] // ALIGNED) * ALIGNED
        kind, offset = str(value.dtype).partition(".")[2], value.storage_offset()
        places[name] = [kind, begins[key], key[1], list(value.shape), list(value.stride()), offset]
    return places


def _tensor(shared, place):
    """Make a tensor from its place in shared memory."""
    kind, begin, length, shape, stride, offset = place
    dtype = getattr(torch, kind)
    if not length:
        return torch.empty(shape, dtype=dtype)
    whole = torch.frombuffer(shared, dtype=dtype, count=length // dtype.itemsize, offset=begin)
    return torch.as_strided(whole, shape, stride, offset)


def _error(error, path, size):
    """Make the error of a child again."""
    names, text = error
    if names == "MemoryError":
        return Exceeded(f"{path}: {_too_much(size)}")
    if "Exceeded" in names:
        return Exceeded(f"{path}: {text}. It is no ordinary file of weights, and was not read")
    kinds = {kind.__name__: kind for kind in _subclasses(ValueError)}
    kind = next((kinds[name] for name in names if name in kinds), None)
    return kind(text) if kind else ValueError(f"{path}: {names[0]}: {text}")


def _subclasses(kind):
    """List the errors of this package that are a ValueError."""
    return [kind, *(one for one in kind.__subclasses__() if one.__module__.startswith("codingaxes."))]


def _death(code, size):
    """Say why a child ended without an answer."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        seconds = allowance(size)[1]
        return (
            f"reading it takes more than {seconds} s of processor time, far more than its "
            f"{size / 1e6:.1f} MB should. It is no ordinary file of weights, and was not read"
        )
    return f"the process that read it ended ({code}): {_too_much(size)}"


def _too_much(size):
    return (
        f"reading it takes more than {allowance(size)[0] / 1e6:.0f} MB of memory, far more than its "
        f"{size / 1e6:.1f} MB should. It is no ordinary file of weights, and was not read"
    )
