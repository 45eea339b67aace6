"""Files over HTTPS: resumed after any interruption, verified before they get their name.

A file grows in a staging folder. After a broken transfer or a killed process the next attempt asks only for
the rest. A file appears under its final name by one rename, once its size and a checksum are right: a sha256
that the caller states or the server announces (X-Linked-Etag), else the ETag if it is one of S3, an MD5.
"""

import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from codingaxes.checksums import sha256_of
from codingaxes.connections import Client, DownloadError
from codingaxes.transfers import Fetched, Transfer, note_file

__all__ = ["Client", "DownloadError", "Fetched", "borrow", "fetch", "fetch_all", "mirror", "sha256_of"]

log = logging.getLogger("codingaxes")


def fetch(url, path, *, staging=None, sha256=None, unverified=False, client=None):
    """Fetch one file; it appears under `path` whole and verified, or not at all.

    Parameters
    ----------
    url : str
    path : path-like
        Its folder is made.
    staging : path-like, optional
        Folder for what is not complete, best on the disk of `path`; by default .downloads beside it.
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
        If `sha256` is not that.
    DownloadError
        If the server refuses the file, breaks off or sends wrong content again and again, states no checksum,
        or another process fetches the same file. What came of a broken transfer stays for the next call.
    """
    path = Path(path)
    staging, client = Path(staging or path.parent / ".downloads"), client or Client()
    progress = _Progress(path.name, 1, client.every)
    part, record = _stage(client, url, staging, progress, sha256, unverified)
    _publish(part, path)
    _tidy(staging)
    return record


def fetch_all(pairs, staging, *, connections=4, client=None):
    """Fetch many files, some at a time; they wait in `staging` and get their names when all are there.

    So a workflow that deletes the outputs of a stopped job takes away nothing that was complete.

    Parameters
    ----------
    pairs : list of (str, path-like)
        Addresses and final names.
    staging : path-like
        Folder outside of any output, best on the same disk.
    connections : int
        Files that are fetched at the same time.
    client : Client, optional

    Returns
    -------
    list of Fetched
        In the order of `pairs`.

    Raises
    ------
    ValueError
        If an address or a name stands twice.
    DownloadError
        As in `fetch`, for the first file that fails; no file has got its name then.
    """
    pairs = [(url, Path(path)) for url, path in pairs]
    if len(dict(pairs)) < len(pairs) or len({path for _, path in pairs}) < len(pairs):
        raise ValueError("an address or a name stands twice in the list of files")
    client, staging = client or Client(connections), Path(staging)
    progress = _Progress(f"{len(pairs)} files", len(pairs), client.every)
    with ThreadPoolExecutor(connections) as threads:
        jobs = [threads.submit(_stage, client, url, staging, progress) for url, _ in pairs]
        try:
            staged = [job.result() for job in jobs]
        finally:
            threads.shutdown(cancel_futures=True)
    for (part, _), (_, path) in zip(staged, pairs, strict=True):
        _publish(part, path)
    _tidy(staging)
    return [record for _, record in staged]


def mirror(endpoint, folder, paths, *, connections=4, client=None):
    """Fetch files of a tree on the web to their places in a folder, all of them or none; see `fetch_all`.

    Parameters
    ----------
    endpoint : str
        Address of the top of the tree.
    folder : path-like
        Where the tree lies here; what is not complete waits in its subfolder .downloads.
    paths : list of path-like
        Files in `folder`, whether or not they are there.
    """
    pairs = [(_address(endpoint, folder, path), path) for path in paths]
    return fetch_all(pairs, Path(folder) / ".downloads", connections=connections, client=client)


@contextmanager
def borrow(endpoint, folder, path, *, client=None):
    """Fetch a file of a tree on the web, as `mirror` does, but keep it only as long as the context lasts.

    Yields the verified file under its staging name, which ends like that of `path`; nothing appears under
    `path` itself. The file is deleted afterwards, also if the context finds it wrong (ValueError). If the
    context fails otherwise or the process is killed, it is kept, and the next call need only verify it.
    """
    client = client or Client()
    progress = _Progress(Path(path).name, 1, client.every)
    part, _ = _stage(client, _address(endpoint, folder, path), Path(folder) / ".downloads", progress)
    try:
        yield part
    except ValueError:
        _remove(part)
        raise
    _remove(part)


def _address(endpoint, folder, path):
    """The address of the file that has its place at `path` in `folder`."""
    return f"{endpoint.rstrip('/')}/{Path(path).relative_to(folder).as_posix()}"


def _stage(client, url, staging, progress, sha256=None, unverified=False):
    """Fetch and verify a file under its staging name, which belongs to its address alone."""
    stated = (sha256 or "").lower()
    if stated and not re.fullmatch(r"[0-9a-f]{8,64}", stated):
        raise ValueError(f"sha256 must be 8 to 64 hexadecimal digits, not {sha256!r}")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"expected an address that begins with https:// or http://, not {url!r}")
    name = Path(urlsplit(url).path).name[-100:]
    part = staging / f"part-{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    with _claim(part) as file:
        transfer = Transfer(client, url, part, file, stated, unverified, progress)
        progress.transfers.append(transfer)
        try:
            record = transfer.run()
        except DownloadError:
            if not transfer.have:
                _remove(part)
            raise
    progress.finish()
    log.debug(f"verified: {record}")
    return part, record


class _Progress:
    """Says now and then how far the transfers of a job are."""

    def __init__(self, name, files, every):
        self.name, self.files, self.every = name, files, every
        self.transfers, self.finished, self.came = [], 0, 0
        self.begin = self.said = time.monotonic()
        self.lock = threading.Lock()

    def moved(self, n_bytes):
        """Count bytes that came from the network."""
        with self.lock:
            self.came += n_bytes
        self.report()

    def finish(self):
        """Count a file that is there."""
        with self.lock:
            self.finished += 1
            last = self.finished == self.files
        self.report(last)

    def report(self, last=False):
        """Log megabytes, rate and time left, if it is time to, or if this is the end."""
        with self.lock:
            now = time.monotonic()
            if now - self.said < self.every and not last:
                return
            self.said = now
        have = sum(transfer.have for transfer in self.transfers)
        known = [note.size for transfer in self.transfers if (note := transfer.note)]
        total = sum(known) * self.files / max(1, len(known))  # files not begun are taken for average ones
        rate = self.came / max(now - self.begin, 1e-9)
        left = max(0.0, total - have) / max(rate, 1e-9)
        amount = f"{have / 1e6:.1f} of {total / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
        log.info(f"{self.name}: {amount}, {left:.0f} s left")


@contextmanager
def _claim(part):
    """The staging file, open for appending, and locked against other processes."""
    while True:
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = open(part, "ab")
        except FileNotFoundError:  # another job has just removed the empty folder
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


def _publish(part, path):
    """Move a verified file to its final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(part, path)
    except OSError as error:
        if error.errno != errno.EXDEV:  # staging on another disk
            raise
        beside = path.with_name(f".{path.name}.moving")
        shutil.copyfile(part, beside)
        os.replace(beside, path)
        part.unlink()
    note_file(part).unlink(missing_ok=True)


def _remove(part):
    part.unlink()
    note_file(part).unlink(missing_ok=True)
    _tidy(part.parent)


def _tidy(staging):
    """Remove the staging folder, unless another job has something in it."""
    try:
        staging.rmdir()
    except OSError:
        log.debug(f"{staging} is kept: there is more in it")
