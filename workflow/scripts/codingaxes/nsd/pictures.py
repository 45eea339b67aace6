"""Find the image files of a folder, by names that do not depend on the system which wrote them.

Only the standard library is used: Snakemake calls this while it plans.
"""

import os
import re
from hashlib import sha256
from pathlib import Path
from unicodedata import normalize

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def normal(name):
    """Give the one form (NFC) of a name whose letters with accents Unicode can write in two ways."""
    return normalize("NFC", name)


def plain(name):
    """Give what is left of a name without capitals, kinds of blanks and letters, and ways to write a number.

    Two names of which the same is left (IT and it; 1, 01 and 1.0; fi with and without a ligature) are seldom
    meant as two.
    """
    text = " ".join(normalize("NFKC", name).casefold().split())
    return str(int(text.partition(".")[0])) if re.fullmatch(r"[0-9]+(\.0*)?", text) else text


def alike(names):
    """Find two names that are different and plainly the same (see `plain`): a pair, or None."""
    first = {}
    for name in names:
        other = first.setdefault(plain(name), name)
        if other != name:
            return other, name
    return None


def find(folder, suffixes=SUFFIXES):
    """List the images of a folder and of the folders in it.

    Hidden files and folders, broken links and files that end in none of `suffixes` do not count. Links to
    folders are not followed.

    Parameters
    ----------
    folder : path-like
    suffixes : tuple of str
        In small letters; files may have them in capitals.

    Returns
    -------
    dict, str -> list of Paths
        By name: the path within the folder, with / between its parts, without suffix, in Unicode's form NFC.
        Several files have one name if they differ in their suffix or in the form of a letter alone.
    """
    files = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in suffixes and not name.startswith(".") and path.is_file():
                files.setdefault(normal(path.relative_to(folder).with_suffix("").as_posix()), []).append(path)
    return files


def stamp(folder, suffixes=SUFFIXES):
    """Digest the names, sizes and times of a folder's images, which change when one of them is replaced."""
    entries = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for paths in find(folder, suffixes).values()
        for path in paths
    ]
    return sha256(repr(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
