"""Stamp files that a user can replace, so that another one counts whatever its time is.

Snakemake runs a job again if an input is newer than its outputs. A file that was put there with its old time
(cp -p, rsync -a) is not. A stamp among the params of a rule sees it.
"""

import hashlib
from pathlib import Path

from codingaxes.nsd import pictures

SMALL = 2**24  # bytes: up to this size the content of a file counts, above it its size and its time


def stamp_of(path):
    """Give a text that changes when a file, or an image of a folder, is replaced.

    Of a file it is a digest of the content: a new time alone changes nothing. Of a file above `SMALL`,
    and of each image of a folder and its subfolders, size and time count. Hidden files, links that lead
    nowhere and files that are no images do not count in a folder.

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
        return pictures.stamp(path)
    if not path.is_file():
        return ""
    if (about := path.stat()).st_size > SMALL:
        content = repr((about.st_size, about.st_mtime_ns)).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]
