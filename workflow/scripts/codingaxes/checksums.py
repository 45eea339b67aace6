"""Digests of files as they arrive, and the ETags of S3: the MD5 of an object, or of the MD5s of its parts."""

import hashlib
import re
import sys
from itertools import repeat

BLOCK = 2**20  # bytes that are read at once
MEBI = 2**20
CANDIDATES = 32  # part sizes that are tried when the server does not tell them
WHOLE = (sys.maxsize,)  # the layout of an object in one part


class CorruptError(Exception):
    """All bytes have come, but they are not those of the object."""


class Digest:
    """The sha256 of bytes, and the MD5s of their parts.

    Parameters
    ----------
    layout : iterable of int
        Bytes of each part, in order; together at least as many as will come.
    """

    def __init__(self, layout=WHOLE):
        self._sha256, self._sizes = hashlib.sha256(), iter(layout)
        self._parts, self._room = [], 0

    def update(self, block):
        """Add bytes."""
        self._sha256.update(block)
        rest = memoryview(block)
        while rest:
            if not self._room:
                self._parts.append(hashlib.md5(usedforsecurity=False))
                self._room = next(self._sizes)
            self._parts[-1].update(rest[: self._room])
            taken = min(self._room, len(rest))
            self._room, rest = self._room - taken, rest[taken:]

    def sha256(self):
        """64 hexadecimal digits."""
        return self._sha256.hexdigest()

    def etag(self, multipart):
        """What S3 gives as ETag: the MD5 of the whole, or if multipart that of the parts' MD5s, and -N."""
        if multipart:
            together = b"".join(part.digest() for part in self._parts)
            return f"{hashlib.md5(together, usedforsecurity=False).hexdigest()}-{len(self._parts)}"
        parts = self._parts or [hashlib.md5(usedforsecurity=False)]
        return parts[0].hexdigest()


def digest_of(path, layout=WHOLE):
    """The `Digest` of a file."""
    digest = Digest(layout)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest


def sha256_of(path, expected=""):
    """The sha256 of a file.

    Parameters
    ----------
    path : path-like
    expected : str
        The digest that the file must have, or its first digits.

    Raises
    ------
    ValueError
        If it has another.
    """
    found = digest_of(path).sha256()
    if not found.startswith(expected.lower()):
        raise ValueError(f"{path} has the sha256 {found}, expected was {expected}; get the file again")
    return found


def count_parts(etag):
    """Parts of an object by its ETag: 0 if it is the MD5 of the whole; None if it is no checksum of S3."""
    found = re.fullmatch(r"[0-9a-f]{32}(?:-([1-9][0-9]*))?", etag)
    return found and int(found[1] or 0)


def layouts(etag, size, part_size):
    """The ways in which an object may be made up of parts, the likeliest first; asks no more than is needed.

    Parameters
    ----------
    etag : str
        32 hexadecimal digits, and -N for N parts.
    size : int
        Bytes of the object.
    part_size : callable, int -> int or None
        Bytes of a part, counted from 1, if the server tells.

    Yields
    ------
    iterable of int
        For `Digest`.

    Raises
    ------
    CorruptError
        If the parts, as the server tells them, are not as large as the object.
    """
    count = count_parts(etag)
    if not count:
        yield WHOLE
        return
    first = part_size(1)
    if first is None:
        for size_of_part in _uniform(count, size):
            yield repeat(size_of_part)
        return
    if first and (count - 1) * first < size <= count * first:
        yield repeat(first)
    sizes = [part_size(number) for number in range(1, count + 1)]
    if None in sizes or sum(sizes) != size:
        raise CorruptError(f"{size} bytes were sent, but the object's {count} parts have {sizes}")
    yield sizes


def _uniform(count, size):
    """Sizes in whole MiB of which an object of `size` bytes has `count` parts; powers of two first."""
    if count == 1:
        return [max(1, size)]
    largest = (size - 1) // (count - 1)  # one byte more, and the last part would be empty
    smallest = -(-size // count)
    whole = range(-(-smallest // MEBI), largest // MEBI + 1)
    return [n * MEBI for n in sorted(whole, key=lambda n: (n & (n - 1) != 0, n))[:CANDIDATES]]
