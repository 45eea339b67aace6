"""Write files whole or not at all, with the rights that the user's umask gives, and say what hinders it.

A file is written under a temporary name beside its place and gets its own name at the end. So a job that is
killed leaves no half of a file under the name of a whole one. Every writer of the workflow goes through
`whole`, and a folder that must not be seen unfinished through `whole_folder`; only downloads grow in staging
files of their own.
"""

import errno
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = ".writing-"  # begins a temporary name; what a killed job left under such a name is removed by `sweep`
NAME_BYTES = 255  # that a file system allows a name

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
OBSTACLES = (*FULL, *FORBIDDEN, errno.ENAMETOOLONG)


@contextmanager
def whole(path):
    """Give a temporary name beside a file, under which to write it; the file appears at the end.

    Parameters
    ----------
    path : path-like
        Its folder is made. What lies under this name stays until the new content is whole.

    Yields
    ------
    Path
        An empty file with the same suffixes, in the same folder. If the context fails it is removed.

    Raises
    ------
    OSError
        If the disk is full, a quota is used up, or the folder may not be written; names `path` and what to
        do. Other errors of the context pass as they are.
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        rights = _create(temporary)
        yield temporary
        os.chmod(temporary, rights)  # some libraries put a file of their own in its place
        _to_disk(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if (number := _obstacle(error, path.parent, temporary)) is None:
            raise
        raise OSError(f"{path} cannot be written: {os.strerror(number)}; {_remedy(number, path)}") from error


@contextmanager
def whole_folder(path):
    """Give a temporary folder beside a folder, in which to write; the folder appears whole at the end.

    Parameters
    ----------
    path : path-like
        The folder around it is made. What lies under this name stays until the new content is whole, and is
        removed then.

    Yields
    ------
    Path
        An empty folder beside `path`; write its files as usual, each by `whole`. If the context fails it is
        removed.

    Raises
    ------
    OSError
        As `whole`, also if a file in the folder cannot be written.
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        temporary.mkdir()
        yield temporary
        _replace_folder(temporary, path)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if (number := _obstacle(error, path.parent, temporary)) is None:
            raise
        raise OSError(f"{path} cannot be written: {os.strerror(number)}; {_remedy(number, path)}") from error


def write_bytes(path, content):
    """Write bytes as a file, see `whole`."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path, text):
    """Write text as a file in UTF-8, see `whole`."""
    write_bytes(path, text.encode())


def write_csv(path, frame, digits):
    """Write a data frame as CSV without its index, see `whole`; numbers have so many significant digits."""
    with whole(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def copy(source, path):
    """Copy the content of a file, see `whole`."""
    with whole(path) as temporary:
        shutil.copyfile(source, temporary)


def sweep(*folders):
    """Remove what killed jobs left under temporary names; call it while no job of these folders runs.

    Returns
    -------
    list of Path
        The files and folders that were removed.
    """
    removed = []
    for folder in folders:
        for parent, below, names in os.walk(folder):
            for left in [name for name in below if name.startswith(MARK)]:
                below.remove(left)
                shutil.rmtree(Path(parent, left), ignore_errors=True)
                removed.append(Path(parent, left))
            for name in names:
                if name.startswith(MARK):
                    file = Path(parent, name)
                    file.unlink(missing_ok=True)
                    removed.append(file)
    return removed


def _temporary(path):
    """Name a temporary file: random, with the suffixes of `path`, by which libraries choose a format."""
    begin = f"{MARK}{secrets.token_hex(6)}-"
    room = NAME_BYTES - len(begin)
    return path.with_name(begin + os.fsdecode(os.fsencode(path.name)[-room:]))


def _create(file):
    """Create an empty file, and give its rights: those of any new file, less the user's umask."""
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def _replace_folder(new, path):
    """Put a folder in the place of what lies there; between two renames there is neither."""
    old = _temporary(path)
    if path.exists():
        os.rename(path, old)
    os.rename(new, path)
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)


def _to_disk(file):
    """Wait until the content of a file is on the disk, so that a power cut cannot leave an empty one."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _obstacle(error, folder, temporary):
    """Find why a file could not be written, as an error number; None if it is for another reason.

    Libraries that write from other languages give no number, but the system's words. An error that is about
    another file, and one of our own (ValueError), is no obstacle.
    """
    if isinstance(error, ValueError) or not isinstance(error, Exception):
        return None
    number, about = getattr(error, "errno", None), getattr(error, "filename", None)
    if about is not None and Path(about) not in (folder, *folder.parents, temporary):
        return None
    said = str(error).lower()
    return next((n for n in OBSTACLES if n == number or os.strerror(n).lower() in said), None)


def _remedy(number, path):
    """Say what to do about an obstacle."""
    if number in FULL:
        return (
            f"make room on the disk of {path.parent}, or raise your quota or the limit of a file's size "
            "(ulimit -f), then run the same command again; finished work is kept"
        )
    if number in FORBIDDEN:
        return f"give yourself the right to write in {path.parent}, then run the same command again"
    return f"shorten the name or move the folder to a shorter path; a name may have {NAME_BYTES} bytes"
