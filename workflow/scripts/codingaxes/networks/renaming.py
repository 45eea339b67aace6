"""Rename tensors by patterns."""

import re


def renamed(name, patterns):
    """Give what the first pattern that is all of a name makes of it; the name itself if none is.

    Parameters
    ----------
    name : str
    patterns : dict, str -> str
        Regular expression -> replacement, as of re.sub.
    """
    for pattern, replacement in patterns.items():
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    return name
