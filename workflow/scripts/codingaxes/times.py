"""Find files whose time lies in the future, by which Snakemake would take old tables for new ones.

Snakemake runs a job again if an input is newer than an output. After a clock was set back, what is made now
is older than what was made before, and this comparison fails in both directions.
"""

import math
import os
import shlex
import time
from datetime import datetime

OWN = ("results", "resources")  # folders whose files the workflow made
SLACK = 2.0  # seconds: some disks keep times no finer than this


def what_is_ahead(paths, now=None):
    """Say what to do if files are from the future.

    Parameters
    ----------
    paths : iterable of path-likes
        Inputs and outputs of jobs, relative to the folder of the workflow; those that are not there do not
        count.
    now : float, optional
        Seconds since 1970; the clock's if not given.

    Returns
    -------
    str
        Names the file that is the farthest ahead, and a command that mends it. Empty if none is ahead.
    """
    now = time.time() if now is None else now
    newest, path = max(((_time_of(path), str(path)) for path in paths), default=(now, ""))
    if newest <= now + SLACK:
        return ""
    ahead = math.ceil(newest - now)
    said = (
        f"{path} has the time {_shown(newest)}, which is {ahead} seconds after this machine's clock "
        f"({_shown(now)}). By such times Snakemake would take old files for new ones. If the clock is wrong, "
        "correct it. If it is right, "
    )
    if path.split("/")[0] in OWN:
        return said + (
            "move the times of all files back, which keeps their order, and run again:\n"
            f"find {' '.join(OWN)} -exec touch -h -r {{}} -d '-{ahead} seconds' {{}} \\;"
        )
    return said + f"give the file the present time, and run again:\ntouch {shlex.quote(path)}"


def _time_of(path):
    """Give the time of a file, or of a folder as Snakemake takes it; minus infinity if it is not there."""
    for file in (os.path.join(path, ".snakemake_timestamp"), path):
        try:
            return os.stat(file).st_mtime
        except OSError:
            continue
    return -math.inf


def _shown(seconds):
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
