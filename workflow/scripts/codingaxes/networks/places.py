"""List the places that a row of the table of networks names for its weights: addresses, and files here."""

import os
import re
from pathlib import Path


def places_of(row, here="."):
    """List the addresses and files of a row's weights, in order.

    Parameters
    ----------
    row : dict
        Of the table of networks. `weights` has several places with spaces between. A path that has spaces
        itself stands alone, or in single quotes. A path that begins with ~ begins in the home folder.
    here : path-like
        Folder that relative paths start from.

    Returns
    -------
    list of str
    """
    text = row.get("weights", "")
    alone = os.path.expanduser(text)
    if text and "://" not in text and Path(here, alone).is_file():
        return [alone]
    parts = [quoted or plain for quoted, plain in re.findall(r"'([^']+)'(?=\s|$)|(\S+)", text)]
    return [part if "://" in part else os.path.expanduser(part) for part in parts]
