"""Download one file: it grows in a staging file, resumes after interruptions, and is verified at the end.

Beside the staging file lies a note of what the server said of the object. So a later attempt, also of another
process, asks only for the rest, and only of the same object.
"""

import json
import logging
import os
import random
import re
import time
from dataclasses import asdict, dataclass, replace

import urllib3

from codingaxes import writing
from codingaxes.downloads.checksums import MEBI, CorruptError, count_parts, etag_of, part_sizes, sha256_of
from codingaxes.downloads.client import TRANSIENT, BrokenError, DownloadError, busy, refusal

log = logging.getLogger("codingaxes")

COPIES = 3  # whole copies of a file that may fail verification, unless two in a row are the same


@dataclass(frozen=True)
class Fetched:
    """Hold what a record of provenance needs to know of a file; its note holds what the server said of it."""

    url: str
    size: int  # bytes; in a note -1 if the server did not say
    etag: str  # without quotes; empty if the server gave none, or a weak one
    sha256: str  # of the file, 64 hexadecimal digits; in a note as announced, or empty
    commit: str  # X-Repo-Commit; empty if not sent
    checked: str = "nothing"  # what the content was verified against: sha256, ETag or nothing


class Download:
    """Download one file into its staging file.

    Parameters
    ----------
    client : Client
    url : str
    part : Path
        The staging file; what an earlier attempt left in it is used.
    file : file object
        The same, open for appending.
    sha256 : str
        First digits that the file's digest must have; may be empty.
    unverified : bool
        Accept a file for which there is no checksum.
    moved : callable, int ->
        Is told of every piece of so many bytes that comes.
    """

    def __init__(self, client, url, part, file, *, sha256, unverified, moved):
        self.client, self.url, self.part, self.file = client, url, part, file
        self.sha256, self.unverified, self.moved = sha256, unverified, moved
        self.have, self.note = os.fstat(file.fileno()).st_size, _read_note(part)
        if self.note is None or self.note.size < self.have or not self.resumable:
            self.discard()

    @property
    def resumable(self):
        """Whether it can be told, if need be by a digest at the end, that the rest belongs to what came."""
        return self.note.size >= 0 and bool(self.note.etag or self.note.sha256 or self.sha256)

    def run(self):
        """Try until the file is there and verified, or patience ends; gives the record `Fetched`."""
        failures, furthest, copies, jitter = 0, self.have, [], random.Random(self.url)
        while True:
            try:
                if self.note is None or self.have != self.note.size:
                    self.receive()
                return self.verify()
            except BrokenError as error:
                failures = 1 if self.have >= furthest + MEBI else failures + 1
                furthest, reason, after = max(furthest, self.have), error, error.after
            except CorruptError as error:
                copies.append(sha256_of(self.part))
                furthest, reason, after = 0, error, 0.0
                self.discard()
                same = copies[-1] in copies[-2:-1]  # then it is what the server gives, no damage on the way
                if same or len(copies) == COPIES:
                    raise self.wrong(len(copies), same, reason) from None
            if failures == self.client.attempts:
                raise self.broken(failures, reason) from None
            wait = min(self.client.longest, self.client.backoff * 2 ** max(0, failures - 1))
            wait = max(after, wait * jitter.uniform(0.5, 1))
            log.warning(f"{self.url}: {reason}; resuming at byte {self.have} in {wait:.1f} s")
            time.sleep(wait)

    def receive(self):
        """Ask for what is missing and append it."""
        headers = {"Range": f"bytes={self.have}-"} if self.have else {}
        if self.have and self.note.etag:
            headers["If-Range"] = f'"{self.note.etag}"'
        response, first = self.client.open("GET", self.url, headers)
        try:
            self.accept(response, _note_of(self.url, response, first))
            self.choose_check()
            while block := response.read1(MEBI, decode_content=False):
                self.file.write(block)
                self.file.flush()
                self.have += len(block)
                self.moved(len(block))
        except urllib3.exceptions.HTTPError as error:
            broken = BrokenError(f"the connection broke after byte {self.have} ({error})")
            if not self.resumable:
                self.discard()
            raise broken from None
        finally:
            response.close()
        if self.note.size < 0:
            self.note = replace(self.note, size=self.have)

    def accept(self, response, note):
        """Take the answer for what it is: the rest, the whole from its beginning, or a refusal."""
        status = response.status
        if status in TRANSIENT:
            raise busy(response)
        if status == 206 and self.note:
            match = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            place = match and (int(match[1]), int(match[2]))
            if place == (self.have, self.note.size) and self.is_same(note):
                return
        if status in (206, 412, 416):
            self.discard()
            raise BrokenError("the object has changed, or the server cannot resume it")
        if status != 200:
            raise refusal(self.url, response)
        self.discard()
        self.note = note
        writing.write_text(note_file(self.part), json.dumps(asdict(note)))

    def is_same(self, note):
        """Say whether an answer is about the object of the note; with a digest, either may lack an ETag."""
        pairs = [(note.sha256, self.note.sha256)]
        if self.sha256 or self.note.sha256:
            pairs.append((note.etag, self.note.etag))
        elif note.etag != self.note.etag:
            return False
        return all(one == other for one, other in pairs if one and other)

    def choose_check(self):
        """Choose what the content is verified against: sha256, ETag or, if that is allowed, nothing."""
        announced = self.note.sha256
        if announced and not announced.startswith(self.sha256):
            raise DownloadError(
                f"{self.url}: the server announces the sha256 {announced}, but {self.sha256} was stated; "
                "the file has changed at its source, or the stated digest is not that of this file"
            )
        if self.sha256 or announced:
            return "sha256"
        if count_parts(self.note.etag) is not None:
            return "ETag"
        if not self.unverified:
            raise DownloadError(
                f"{self.url}: there is no checksum to verify it against (ETag {self.note.etag!r}); "
                "state its sha256, or accept it unverified (unverified=True)"
            )
        return "nothing"

    def verify(self):
        """Compare the staging file with its checksum; gives its record."""
        check, sha256, etag = self.choose_check(), sha256_of(self.part), self.note.etag
        for expected in (self.sha256, self.note.sha256):
            if not sha256.startswith(expected):
                raise CorruptError(f"its {self.have} bytes have the sha256 {sha256}, expected was {expected}")
        if check == "ETag" and not self.has_etag(etag):
            log.warning(
                f"{self.url}: its ETag {etag} is that of {count_parts(etag)} parts, whose sizes the server "
                "does not tell, and cannot be checked"
            )
            check = "nothing"
        if check == "nothing":
            log.warning(f"{self.url}: taken unverified, as asked; there is no checksum")
        return replace(self.note, sha256=sha256, checked=check)

    def has_etag(self, etag):
        """Compare the staging file with its ETag.

        Returns
        -------
        bool
            False if that cannot be done, because the server does not tell the sizes of the object's parts,
            and a file without a checksum is accepted.

        Raises
        ------
        CorruptError
            If it has another, or may have another and has to be verified.
        """
        md5, told = "of parts of unknown sizes", []

        def size_of(number):
            told.append(self.client.part_size(self.url, number))
            return told[-1]

        for sizes in part_sizes(etag, self.have, size_of):
            md5 = etag_of(self.part, sizes)
            if md5 == etag:
                return True
        if self.unverified and told and None in told and count_parts(etag) > 1:
            return False
        raise CorruptError(f"its {self.have} bytes have the MD5 {md5}, expected was {etag}")

    def discard(self):
        """Forget what is there."""
        self.file.truncate(0)
        self.have, self.note = 0, None

    def wrong(self, copies, same, reason):
        """Make the error of whole copies that were wrong."""
        cause = "the object or something on the way is damaged: try later, then ask those who keep the server"
        if same:
            cause = (
                "the last two were the same, so this is what the server gives, no damage on the way: compare "
                "the sha256, where one was stated, with its source, or ask those who keep the server"
            )
        return DownloadError(
            f"{self.url}: {copies} whole copies were wrong, the last: {reason}. None is kept; {cause}"
        )

    def broken(self, failures, reason):
        """Make the error of too many attempts that failed."""
        amount = f"{self.have} of {self.note.size} bytes are" if self.note else "Nothing is"
        return DownloadError(
            f"{self.url}: {failures} attempts in a row failed, the last: {reason}. {amount} kept in "
            f"{self.part}; check the connection and run again to resume there"
        )


def note_file(part):
    """Name the note of a staging file."""
    return part.with_name(f"{part.name}.note")


def _read_note(part):
    try:
        return Fetched(**json.loads(note_file(part).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _note_of(url, response, first):
    """Make the note of a response; `first` are the headers of the first response, before redirects."""
    etag = response.headers.get("ETag", "")
    linked = first.get("X-Linked-Etag", "").strip('"').lower()
    return Fetched(
        url=url,
        size=int(response.headers.get("Content-Length", -1)),
        etag="" if etag.startswith("W/") else etag.strip('"'),
        sha256=linked if re.fullmatch(r"[0-9a-f]{64}", linked) else "",
        commit=first.get("X-Repo-Commit", ""),
    )
