"""Compute checksums of files, among them the ETags of S3: the MD5 of an object, or of its parts' MD5s."""

import hashlib
import re
from functools import partial

MEBI = 2**20  # bytes: what is read at once, and the unit of the sizes of parts
CANDIDATES = 32  # sizes of parts that are tried when the server does not tell them

_md5 = partial(hashlib.md5, usedforsecurity=False)


class CorruptError(Exception):
    """All bytes have come, but they are not those of the object."""


def sha256_of(path, expected=""):
    """Compute the sha256 of a file, and compare it with what is expected.

    Parameters
    ----------
    path : path-like
    expected : str
        The digest that the file must have, or its first digits.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ValueError
        If it has another.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected.lower()):
        raise ValueError(f"{path} has the sha256 {digest}, expected was {expected}; get the file again")
    return digest


def etag_of(path, sizes=None):
    """Compute the ETag that S3 gives an object: the MD5 of the whole, or that of its parts' MD5s, and -N.

    Parameters
    ----------
    path : path-like
    sizes : list of int, optional
        Bytes of each part, in order; only the last may be larger than what is left of the file.
    """
    with open(path, "rb") as file:
        if sizes is None:
            return hashlib.file_digest(file, _md5).hexdigest()
        digests = []
        for size in sizes:
            part = _md5()
            while size and (block := file.read(min(MEBI, size))):
                part.update(block)
                size -= len(block)
            digests.append(part.digest())
    return f"{_md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def count_parts(etag):
    """Count an object's parts by its ETag: 0 if it is the MD5 of the whole; None if it is no checksum."""
    match = re.fullmatch(r"[0-9a-f]{32}(?:-([1-9][0-9]*))?", etag)
    return match and int(match[1] or 0)


def part_sizes(etag, size, size_of):
    """Yield the ways in which an object may be made up of parts, the likeliest first.

    Parameters
    ----------
    etag : str
        32 hexadecimal digits, and -N for N parts.
    size : int
        Bytes of the object.
    size_of : callable, int -> int or None
        Bytes of a part, counted from 1, if the server tells. It is asked no more than is needed.

    Yields
    ------
    list of int, or None if the ETag is about the whole
        As `etag_of` takes it.

    Raises
    ------
    CorruptError
        If the parts, as the server tells them, are not as large as the object.
    """
    count = count_parts(etag)
    if not count:
        yield None
        return
    first = size_of(1)
    if first is None:
        yield from ([n] * count for n in _uniform(count, size))
        return
    if (count - 1) * first < size <= count * first:
        yield [first] * count
    sizes = [size_of(number) for number in range(1, count + 1)]
    if None in sizes or sum(sizes) != size:
        raise CorruptError(f"{size} bytes were sent, but the object's {count} parts have {sizes}")
    yield sizes


def _uniform(count, size):
    """List sizes in whole MiB of which an object of `size` bytes has `count` parts; powers of two first."""
    if count == 1:
        return [size]
    largest = (size - 1) // (count - 1)  # one byte more, and the last part would be empty
    smallest = -(-size // count)
    whole = range(-(-smallest // MEBI), largest // MEBI + 1)
    return [n * MEBI for n in sorted(whole, key=lambda n: (n & (n - 1) != 0, n))[:CANDIDATES]]
