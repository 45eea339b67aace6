"""Fetching one file, many files or a borrowed one: few connections, names only at the end."""

import fcntl
import hashlib
import logging
import re
import threading
import time
from pathlib import Path

import pytest
from downloading import LARGE, MIB, SMALL, download, noise, patient
from servers import Fault

from codingaxes.downloads import fetch

PICTURES = [noise(number, 20_000) for number in range(40)]


@pytest.fixture(scope="module", autouse=True)
def pictures(bucket):
    """Forty small objects."""
    for number, content in enumerate(PICTURES):
        bucket.put(f"many/{number:02d}.png", content)


def many(folder, numbers=range(40)):
    """The places of the pictures in a folder."""
    return [folder / f"many/{number:02d}.png" for number in numbers]


def test_a_file_is_fetched_with_all_that_a_record_of_provenance_needs(proxy, tmp_path):
    content, record = download(proxy, "large.bin", tmp_path)
    assert content == LARGE
    assert (record.url, record.size, record.checked) == (f"{proxy.url}/large.bin", len(LARGE), "ETag")
    assert record.etag == hashlib.md5(LARGE).hexdigest()
    assert record.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert download(proxy, "empty.bin", tmp_path / "other")[0] == b""


def test_a_final_name_is_never_seen_before_the_file_is_verified(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(corrupt=17), Fault(rate=1e6)]
    path, seen = tmp_path / "small.bin", []
    worker = threading.Thread(target=download, args=(proxy, "small.bin", tmp_path))
    worker.start()
    while worker.is_alive():
        seen.append(path.read_bytes() if path.exists() else None)
        time.sleep(0.005)
    worker.join()
    assert seen.count(None) > 10 and set(seen) <= {None, SMALL} and path.read_bytes() == SMALL


def test_a_stated_sha256_is_verified_whole_or_by_its_first_digits(proxy, tmp_path):
    right = hashlib.sha256(SMALL).hexdigest()
    for number, stated in enumerate((right, right[:8], right[:12].upper())):
        record = download(proxy, "small.bin", tmp_path / str(number), sha256=stated)[1]
        assert record.checked == "sha256" and record.sha256 == right
    with pytest.raises(fetch.DownloadError, match=f"{right}, expected was 00000000"):
        download(proxy, "small.bin", tmp_path / "wrong", sha256="0" * 8)
    for stated in ("abc", "z" * 64, right + "0"):
        with pytest.raises(ValueError, match="8 to 64 hexadecimal digits"):
            fetch.fetch(f"{proxy.url}/small.bin", tmp_path / "bad", sha256=stated)


def test_a_file_without_any_checksum_is_refused_unless_the_caller_says_so(proxy, tmp_path, caplog):
    proxy.always["small.bin"] = Fault(headers={"ETag": '"5e4c2f3a-493e0"'})
    with pytest.raises(fetch.DownloadError, match="no checksum to verify it against"):
        download(proxy, "small.bin", tmp_path)
    assert not (tmp_path / "small.bin").exists()
    content, record = download(proxy, "small.bin", tmp_path / "other", unverified=True)
    assert content == SMALL and record.checked == "nothing" and "taken unverified, as asked" in caplog.text
    assert download(proxy, "small.bin", tmp_path / "third", sha256=record.sha256)[1].checked == "sha256"


def test_a_file_that_another_process_is_fetching_is_left_to_it(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=MIB)
    with pytest.raises(fetch.DownloadError):
        download(proxy, "large.bin", tmp_path, client=patient(attempts=1))
    proxy.always.clear()
    with open(next(tmp_path.rglob("part-*.bin")), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(fetch.DownloadError, match="being written by another process"):
            download(proxy, "large.bin", tmp_path)
    assert download(proxy, "large.bin", tmp_path)[0] == LARGE


def test_progress_is_told_in_megabytes(proxy, tmp_path, caplog):
    proxy.always["large.bin"] = Fault(rate=6 * MIB)
    began = time.time()
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        download(proxy, "large.bin", tmp_path, client=patient(every=0.1))
    said = r"large.bin: ([\d.]+) of 3.2 MB, ([\d.]+) MB/s, (\d+) s left"
    matches = [(re.search(said, record.message), record.created - began) for record in caplog.records]
    lines = [(*map(float, match.groups()), seconds) for match, seconds in matches if match]
    assert len(lines) >= 3 and lines[-1][0] == 3.2 and lines == sorted(lines, key=lambda line: line[0])
    for done, rate, left, seconds in lines[1:]:
        # all that came in no more seconds than have passed, and no faster than the server sends
        # (numbers are rounded to a tenth, and seconds to one)
        assert (done - 0.06) / seconds - 0.06 < rate < 8
        assert (3.1 - done) / (rate + 0.05) - 0.5 <= left <= (3.3 - done) / (rate - 0.05) + 0.5


def test_an_address_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"https://.*'hf://owner/name'"):
        fetch.fetch("hf://owner/name", tmp_path / "x")


def test_many_files_share_a_few_connections(proxy, tmp_path):
    records = fetch.mirror(proxy.url, tmp_path, many(tmp_path), connections=3, client=patient(connections=3))
    assert [record.size for record in records] == [20_000] * 40
    assert [path.read_bytes() for path in many(tmp_path)] == PICTURES
    assert len(proxy.requests) == 40
    assert len({request.connection for request in proxy.requests}) <= 3
    assert [file.name for file in tmp_path.iterdir()] == ["many"]  # no staging is left


def test_many_files_get_their_names_only_when_all_are_there_and_no_byte_is_fetched_twice(proxy, tmp_path):
    proxy.always["many/33.png"] = Fault(status=403)
    with pytest.raises(fetch.DownloadError, match=r"many/33.png.*403"):
        fetch.mirror(proxy.url, tmp_path, many(tmp_path), client=patient())
    assert not (tmp_path / "many").exists()
    there = {request.key for request in proxy.requests if request.status == 200}
    assert len(there) >= 30
    proxy.reset()
    fetch.mirror(proxy.url, tmp_path, many(tmp_path), client=patient())
    asked = [request.key for request in proxy.requests]
    assert len(list((tmp_path / "many").iterdir())) == 40
    assert "many/33.png" in asked and not there & set(asked) and len(asked) == 40 - len(there)


def test_a_file_that_is_asked_for_twice_is_refused(proxy, tmp_path):
    with pytest.raises(ValueError, match="twice"):
        fetch.mirror(proxy.url, tmp_path, many(tmp_path, [1, 2, 1]))


def test_a_mirror_has_the_layout_of_its_source(proxy, tmp_path):
    paths = many(tmp_path / "tree", [39, 7])
    fetch.mirror(f"{proxy.url}/", tmp_path / "tree", paths, client=patient())
    assert [path.read_bytes() for path in paths] == [PICTURES[39], PICTURES[7]]
    assert [file.name for file in (tmp_path / "tree").iterdir()] == ["many"]


def test_a_borrowed_file_is_verified_and_deleted_but_kept_for_the_next_call_after_a_failure(proxy, tmp_path):
    tree = (proxy.url, tmp_path / "tree", tmp_path / "tree/many/07.png")
    with pytest.raises(ZeroDivisionError), fetch.borrow(*tree, client=patient()):
        raise ZeroDivisionError
    with fetch.borrow(*tree, client=patient()) as path:
        assert path.read_bytes() == PICTURES[7] and path.suffix == ".png"
    assert len(proxy.requests) == 1 and list((tmp_path / "tree").iterdir()) == []


def test_a_borrowed_file_that_is_of_no_use_is_deleted(proxy, tmp_path):
    tree = (proxy.url, tmp_path / "tree", tmp_path / "tree/many/07.png")
    with pytest.raises(ValueError, match="no picture"), fetch.borrow(*tree, client=patient()):
        raise ValueError("no picture")
    assert list((tmp_path / "tree").iterdir()) == []


def test_two_jobs_with_one_staging_folder_do_not_disturb_each_other(proxy, tmp_path):
    errors = []

    def job(numbers):
        for path in many(tmp_path, numbers):
            try:
                fetch.mirror(proxy.url, tmp_path, [path], client=patient())
            except Exception as error:
                errors.append(error)

    workers = [threading.Thread(target=job, args=(range(first, 40, 4),)) for first in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors and [path.read_bytes() for path in many(tmp_path)] == PICTURES


def test_a_staging_folder_that_another_job_removes_while_it_is_made_is_made_again(
    proxy, tmp_path, monkeypatch
):
    """The moment that failed: mkdir meets the folder, and looks whether it is one after it was removed."""
    staging, is_dir, removed = tmp_path / ".downloads", Path.is_dir, []
    staging.mkdir()

    def after_removal(path):
        if path == staging and not removed:
            removed.append(path.rmdir())
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", after_removal)
    assert download(proxy, "small.bin", tmp_path)[0] == SMALL and removed


def test_a_file_in_the_place_of_the_staging_folder_is_an_error(proxy, tmp_path):
    (tmp_path / ".downloads").touch()
    with pytest.raises(FileExistsError, match=r"\.downloads"):
        download(proxy, "small.bin", tmp_path)
