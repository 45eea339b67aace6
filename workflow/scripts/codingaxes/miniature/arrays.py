"""Read and write the files of arrays (npz) that the miniature is kept in."""

import numpy as np

from codingaxes import writing


def write(path, content):
    """Write arrays by name to an npz file, whole or not at all."""
    with writing.whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **content)


def read(path):
    """Read all arrays of an npz file by name; nothing in it is ever executed.

    Each array has a checksum in the file, so that no damage of its numbers passes.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is damaged or no npz; names it.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            return dict(content)
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and numpy have many, for every way in which a file can be broken
        raise ValueError(
            f"{path} is no undamaged file of arrays (npz): {error}; delete it and run again"
        ) from None
