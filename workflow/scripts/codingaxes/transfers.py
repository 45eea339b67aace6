"""One file on its way: it grows in a staging file, is resumed after interruptions, and verified at the end.

Beside the staging file lies a note of what the server said of the object, so that a later attempt, also of
another process, asks only for the rest, and only of the same object.
"""

import json
import logging
import os
import random
import re
import time
from dataclasses import asdict, dataclass, replace

import urllib3

from codingaxes import checksums
from codingaxes.checksums import BLOCK, CorruptError
from codingaxes.connections import TRANSIENT, BrokenError, DownloadError, busy, refusal

log = logging.getLogger("codingaxes")

COPIES = 3  # whole copies of a file that may fail verification, unless two in a row are the same


@dataclass(frozen=True)
class Fetched:
    """What a record of provenance needs to know of a file."""

    url: str
    size: int  # bytes
    etag: str  # without quotes; empty if the server gave none, or a weak one
    sha256: str  # of the file, 64 hexadecimal digits
    commit: str  # X-Repo-Commit; empty if not sent
    checked: str  # what the content was verified against: sha256, ETag or nothing


@dataclass(frozen=True)
class _Note:
    """What the server said of an object; lies beside its staging file."""

    etag: str
    size: int  # bytes, -1 if it did not say
    announced: str  # sha256, or empty
    commit: str


class Transfer:
    """One file on its way: its staging file, what the server said of it, and the digest of what is there."""

    def __init__(self, client, url, part, file, stated, unverified, progress):
        self.client, self.url, self.part, self.file = client, url, part, file
        self.stated, self.unverified, self.progress = stated, unverified, progress
        self.have = os.fstat(file.fileno()).st_size
        self.note, self.digest = _read_note(part), None
        if self.note is None or self.note.size < self.have or not self.note.etag:
            self.discard()

    def run(self):
        """Try until the file is there and verified, or patience ends."""
        failures, wrong, furthest, jitter = 0, [], self.have, random.Random(self.url)
        while True:
            try:
                if self.note and self.digest is None:
                    self.plan()
                if self.note is None or self.have != self.note.size:
                    self.receive()
                return self.verified()
            except BrokenError as error:
                failures = 1 if self.have >= furthest + BLOCK else failures + 1
                furthest, reason, after = max(furthest, self.have), error, error.after
            except CorruptError as error:
                wrong.append(self.digest and self.digest.sha256())
                furthest, reason, after = 0, error, 0.0
                self.discard()
                # the same wrong file twice in a row is what the server gives, no damage on the way
                if len(wrong) == COPIES or _repeated(wrong):
                    raise DownloadError(self.farewell_to(wrong, reason)) from None
            if failures == self.client.attempts:
                raise DownloadError(self.farewell(failures, reason)) from None
            wait = min(self.client.longest, self.client.backoff * 2 ** max(0, failures - 1))
            wait = max(after, wait * jitter.uniform(0.5, 1))
            log.warning(f"{self.url}: {reason}; going on from byte {self.have} in {wait:.1f} s")
            time.sleep(wait)

    def plan(self):
        """Choose what the content will be verified against, and digest the bytes that are there."""
        announced = self.note.announced
        if self.stated and announced and not announced.startswith(self.stated):
            raise DownloadError(
                f"{self.url}: the server announces the sha256 {announced}, but {self.stated} was stated; "
                "the file has changed at its source, or the stated digest is not that of this file"
            )
        self.checked, self.layouts = "sha256", iter([checksums.WHOLE])
        if not (self.stated or announced):
            self.checked = "nothing" if checksums.count_parts(self.note.etag) is None else "ETag"
        if self.checked == "ETag" and self.note.size >= 0:
            self.layouts = checksums.layouts(
                self.note.etag, self.note.size, lambda number: self.client.part_size(self.url, number)
            )
        layout = next(self.layouts, None)
        if self.checked == "nothing" or layout is None:
            if not self.unverified:
                raise DownloadError(
                    f"{self.url}: there is no checksum to verify it against (ETag {self.note.etag!r}); "
                    "state its sha256, or accept it unverified (unverified=True)"
                )
            self.checked = "nothing"
            log.warning(f"{self.url}: taken unverified, as asked; there is no checksum")
        self.digest = checksums.digest_of(self.part, layout or checksums.WHOLE)

    def receive(self):
        """Ask for what is missing and append it."""
        headers = {"Range": f"bytes={self.have}-", "If-Range": f'"{self.note.etag}"'} if self.have else {}
        response, first = self.client.open("GET", self.url, headers)
        try:
            self.accept(response, _note_of(response, first))
            while block := response.read1(BLOCK, decode_content=False):
                self.file.write(block)
                self.file.flush()
                self.digest.update(block)
                self.have += len(block)
                self.progress.moved(len(block))
        except urllib3.exceptions.HTTPError as error:
            have = self.have
            if not self.note.etag or self.note.size < 0:
                self.discard()  # without these nobody can tell whether the rest would belong to it
            raise BrokenError(f"the transfer broke off after byte {have} ({error})") from None
        finally:
            response.close()
        if self.note.size < 0:
            self.note = replace(self.note, size=self.have)
            self.plan()

    def accept(self, response, said):
        """Take the answer for what it is: the rest, the whole from its beginning, or a refusal."""
        status = response.status
        if status in TRANSIENT:
            raise busy(response)
        if status == 206:
            found = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            wanted = (self.have, self.note.size, self.note.etag) if self.note else None
            if found and (int(found[1]), int(found[2]), said.etag) == wanted:
                return
        if status in (206, 412, 416):
            self.discard()
            raise BrokenError("the object has changed, or the server cannot go on with it")
        if status != 200:
            raise DownloadError(refusal(self.url, response))
        self.discard()
        self.note = said
        note_file(self.part).write_text(json.dumps(asdict(said)))
        self.plan()

    def verified(self):
        """The record of the file, if its content is right."""
        found = self.digest.sha256()
        for wanted in (self.stated, self.note.announced):
            if not found.startswith(wanted):
                raise CorruptError(f"its {self.have} bytes have the sha256 {found}, expected was {wanted}")
        if self.checked == "ETag":
            multipart = checksums.count_parts(self.note.etag) > 0
            tried = self.digest
            while tried.etag(multipart) != self.note.etag:
                layout = next(self.layouts, None)
                if layout is None:
                    found = f"the MD5 {tried.etag(multipart)}, expected was {self.note.etag}"
                    raise CorruptError(f"its {self.have} bytes have {found}")
                tried = checksums.digest_of(self.part, layout)
        return Fetched(self.url, self.have, self.note.etag, found, self.note.commit, self.checked)

    def discard(self):
        """Forget what is there."""
        self.file.truncate(0)
        self.have, self.note, self.digest = 0, None, None

    def farewell_to(self, wrong, reason):
        """What to say when whole copies, of these digests, were wrong."""
        advice = (
            "the object or something on the way is damaged: try later, then ask those who keep the server"
        )
        if _repeated(wrong):
            advice = (
                "the last two were the same, so that it is no damage on the way but the file that the server "
                "gives: compare the sha256, where one was stated, with its source, or ask those who keep it"
            )
        return f"{self.url}: {len(wrong)} whole copies were wrong, the last: {reason}. None is kept; {advice}"

    def farewell(self, failures, reason):
        """What to say when patience has ended."""
        amount = f"{self.have} of {self.note.size} bytes are" if self.note else "Nothing is"
        return (
            f"{self.url}: {failures} attempts in a row failed, the last: {reason}. {amount} kept in "
            f"{self.part}; check the connection and run again to go on from there"
        )


def _repeated(digests):
    """Whether the last two are the same; None stands for a copy whose very size was wrong."""
    return len(digests) > 1 and digests[-1] is not None and digests[-1] == digests[-2]


def note_file(part):
    return part.with_name(f"{part.name}.note")


def _read_note(part):
    try:
        return _Note(**json.loads(note_file(part).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _note_of(response, first):
    etag = response.headers.get("ETag", "")
    linked = first.get("X-Linked-Etag", "").strip('"').lower()
    return _Note(
        etag="" if etag.startswith("W/") else etag.strip('"'),
        size=int(response.headers.get("Content-Length", -1)),
        announced=linked if re.fullmatch(r"[0-9a-f]{64}", linked) else "",
        commit=first.get("X-Repo-Commit", ""),
    )
