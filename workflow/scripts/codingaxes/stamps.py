"""Stamp files that a user can replace, so that another one counts whatever its time is.

Snakemake runs a job again if an input is newer than its outputs. A file that was put there with its old time
(cp -p, rsync -a) is not. A stamp among the params of a rule sees it.
"""

import hashlib
import mimetypes
import os
from pathlib import Path

SMALL = 2**24  # bytes: up to this size the content of a file counts, above it its size and its time


def stamp_of(path):
    """Give a text that changes when a file, or an image of a folder, is replaced.

    Of a file it is a digest of the content: a new time alone changes nothing. Of a file above `SMALL`,
    and of each image of a folder, size and time count. Hidden files, links that lead nowhere, subfolders and
    files that are no images do not count in a folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
        16 hexadecimal digits; empty if there is nothing of that name.
    """
    path = Path(path)
    if path.is_dir():
        with os.scandir(path) as entries:
            content = repr(sorted(map(_about, filter(_is_image, entries)))).encode()
    elif not path.is_file():
        return ""
    elif (about := path.stat()).st_size > SMALL:
        content = repr((about.st_size, about.st_mtime_ns)).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _is_image(entry):
    """Tell whether an entry of a folder is an image that is there, by its name."""
    kind = mimetypes.guess_type(entry.name)[0] or ""
    return kind.startswith("image/") and not entry.name.startswith(".") and entry.is_file()


def _about(entry):
    return entry.name, entry.stat().st_size, entry.stat().st_mtime_ns
