"""Fetch files over HTTPS: each resumes after any interruption, and is verified before it gets its name.

A file grows in a staging folder. After a broken connection or a killed process the next attempt asks only for
the rest. A file appears under its final name by a rename, once its size and a checksum are right. That is a
sha256 which the caller states or the server announces (X-Linked-Etag), else the ETag if it is an MD5 of S3.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from codingaxes import writing
from codingaxes.downloads.client import Client, DownloadError
from codingaxes.downloads.resumable import Download, Fetched, note_file

__all__ = ["Client", "DownloadError", "Fetched", "borrow", "fetch", "mirror"]

log = logging.getLogger("codingaxes")


def fetch(url, path, *, sha256=None, unverified=False, client=None):
    """Fetch one file; it appears under `path` whole and verified, or not at all.

    Parameters
    ----------
    url : str
    path : path-like
        Its folder is made. What is not complete waits in the subfolder .downloads of that folder.
    sha256 : str, optional
        Of the file: all 64 hexadecimal digits, or at least the first 8, as some names of files carry them.
    unverified : bool
        Accept a file for which there is no checksum at all; the log then says so.
    client : Client, optional

    Returns
    -------
    Fetched

    Raises
    ------
    ValueError
        If `url` or `sha256` is not that.
    DownloadError
        If the server refuses the file, breaks off or sends wrong content again and again, or states no
        checksum, or if another process fetches the same file. What came before a connection broke stays for
        the next call.
    """
    client, staging = client or Client(), Path(path).parent / ".downloads"
    return _fetch_all([(url, path)], staging, 1, client, sha256=sha256, unverified=unverified)[0]


def mirror(endpoint, folder, paths, *, connections=4, client=None):
    """Fetch files of a tree on the web to their places in a folder: all of them, or none.

    They wait in the subfolder .downloads and get their names when all are there. So a workflow that deletes
    the outputs of a stopped job takes away nothing that was complete.

    Parameters
    ----------
    endpoint : str
        Address of the top of the tree.
    folder : path-like
        Where the tree lies here.
    paths : list of path-likes
        Files in `folder`, whether or not they are there.
    connections : int
        Files that are fetched at the same time.
    client : Client, optional

    Returns
    -------
    list of Fetched
        In the order of `paths`.

    Raises
    ------
    ValueError
        If a path stands twice.
    DownloadError
        As in `fetch`, for the first file that fails; no file has got its name then.
    """
    pairs = [(_address(endpoint, folder, path), path) for path in paths]
    return _fetch_all(pairs, Path(folder) / ".downloads", connections, client or Client(connections))


@contextmanager
def borrow(endpoint, folder, path, *, client=None):
    """Fetch a file of a tree on the web, as `mirror` does, but keep it only as long as the context lasts.

    Yields the verified file under its staging name, which ends like that of `path`; nothing appears under
    `path` itself. The file is deleted afterwards, also if the context finds it wrong (ValueError). If the
    context fails otherwise or the process is killed, it is kept, and the next call need only verify it.
    """
    url, client = _address(endpoint, folder, path), client or Client()
    progress = _Progress(Path(path).name, 1, client.every)
    part, _ = _stage(url, Path(folder) / ".downloads", client, progress)
    progress.report()
    try:
        yield part
    except ValueError:
        _remove(part)
        raise
    _remove(part)


def _fetch_all(pairs, staging, connections, client, **options):
    """Stage all files, then give them their names."""
    pairs = [(url, Path(path)) for url, path in pairs]
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a file stands twice in the list of files")
    name = pairs[0][1].name if len(pairs) == 1 else f"{len(pairs)} files"
    progress = _Progress(name, len(pairs), client.every)
    with ThreadPoolExecutor(connections) as threads:
        jobs = [threads.submit(_stage, url, staging, client, progress, **options) for url, _ in pairs]
        try:
            staged = [job.result() for job in jobs]
        finally:
            threads.shutdown(cancel_futures=True)
    progress.report()
    for (part, _), (_, path) in zip(staged, pairs, strict=True):
        with writing.whole(path) as temporary:
            shutil.move(part, temporary)  # copies where the disks differ
        note_file(part).unlink(missing_ok=True)
    _tidy(staging)
    return [record for _, record in staged]


def _address(endpoint, folder, path):
    """Give the address of the file that has its place at `path` in `folder`."""
    return f"{endpoint.rstrip('/')}/{Path(path).relative_to(folder).as_posix()}"


def _stage(url, staging, client, progress, sha256=None, unverified=False):
    """Fetch and verify a file under its staging name, which belongs to its address alone."""
    sha256 = (sha256 or "").lower()
    if sha256 and not re.fullmatch(r"[0-9a-f]{8,64}", sha256):
        raise ValueError(f"sha256 must be 8 to 64 hexadecimal digits, not {sha256!r}")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"expected an address that begins with https:// or http://, not {url!r}")
    name = Path(urlsplit(url).path).name[-100:]
    part = staging / f"part-{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    with _claim(part) as file:
        moved = progress.moved
        download = Download(client, url, part, file, sha256=sha256, unverified=unverified, moved=moved)
        progress.downloads.append(download)
        try:
            record = download.run()
        except DownloadError:
            if not download.have:
                _remove(part)
            raise
    log.debug(f"verified: {record}")
    return part, record


class _Progress:
    """Log now and then how far the downloads of a job are."""

    def __init__(self, name, files, every):
        self.name, self.files, self.every = name, files, every
        self.downloads, self.came = [], 0
        self.begin = self.reported = time.monotonic()
        self.lock = threading.Lock()

    def moved(self, n_bytes):
        """Count bytes that came from the network, and report if it is time to."""
        with self.lock:
            self.came += n_bytes
            if time.monotonic() - self.reported < self.every:
                return
            self.reported = time.monotonic()
        self.report()

    def report(self):
        """Log megabytes, rate and time left."""
        have = sum(download.have for download in self.downloads)
        known = [note.size for download in self.downloads if (note := download.note)]
        total = sum(known) * self.files / max(1, len(known))  # files not begun are taken for average ones
        rate = self.came / max(time.monotonic() - self.begin, 1e-9)
        left = max(0.0, total - have) / max(rate, 1e-9)
        amount = f"{have / 1e6:.1f} of {total / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
        log.info(f"{self.name}: {amount}, {left:.0f} s left")


@contextmanager
def _claim(part):
    """Open the staging file for appending, and lock it against other processes."""
    while True:
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            file = open(part, "ab")
        except FileNotFoundError:  # another job has just removed the empty folder
            continue
        except FileExistsError:
            # mkdir has met the folder, and found it removed when it looked whether it is one
            if part.parent.is_file():
                raise
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise DownloadError(f"{part} is being written by another process; wait for its end") from None
        except OSError as error:
            log.warning(f"{part} cannot be locked ({error}); let no other process fetch the same file")
        if part.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
            break
        file.close()  # it was moved to its final name between opening and locking
    with file:
        yield file


def _remove(part):
    """Remove a staging file with its note."""
    part.unlink()
    note_file(part).unlink(missing_ok=True)
    _tidy(part.parent)


def _tidy(staging):
    """Remove the staging folder, unless another job has something in it."""
    with suppress(OSError):
        staging.rmdir()
