"""Downloads survive what networks, servers and kills do, and no byte is fetched twice."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import servers
from downloading import LARGE, MIB, OBJECTS, SMALL, download, noise, patient
from servers import PART, Fault

from codingaxes.downloads import fetch

BROKEN = {
    "cut": Fault(cut=MIB + 7),
    "reset": Fault(cut=MIB + 7, reset=True),
    "silent": Fault(cut=MIB + 7, stall=0.8),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_download_resumes_where_it_broke(proxy, tmp_path, fault):
    proxy.next["large.bin"] = [fault]
    content, _ = download(proxy, "large.bin", tmp_path, client=patient(read=0.4))
    assert content == LARGE
    first, second = proxy.of("large.bin")
    assert first.range == "" and re.fullmatch(r"bytes=\d+-", second.range)
    begin = int(second.range[6:-1])
    assert 0 < begin <= MIB + 7 and second.sent == len(LARGE) - begin


def test_a_download_that_breaks_again_and_again_after_a_megabyte_ends(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=MIB + 7)
    content, _ = download(proxy, "large.bin", tmp_path, client=patient(attempts=2))
    assert content == LARGE and len(proxy.of("large.bin")) == 3 + 1


def test_a_server_that_never_gets_further_is_given_up_and_what_came_is_kept(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=5000, ignore_range=True)
    with pytest.raises(fetch.DownloadError, match="4 attempts in a row failed") as error:
        download(proxy, "large.bin", tmp_path, client=patient(attempts=4))
    assert f"{proxy.url}/large.bin" in str(error.value) and f"of {len(LARGE)} bytes" in str(error.value)
    assert len(proxy.of("large.bin")) == 4 and not (tmp_path / "large.bin").exists()
    assert [file.stat().st_size for file in tmp_path.rglob("part-*.bin")] == [5000]


@pytest.mark.parametrize("key", ["large.bin", "parts.bin"])
def test_a_shorter_file_that_is_announced_as_such_is_not_taken_for_the_whole(proxy, tmp_path, key):
    proxy.next[key] = [Fault(shrink=MIB)]
    content, _ = download(proxy, key, tmp_path)
    assert content == OBJECTS[key]


@pytest.mark.parametrize("key", ["large.bin", "parts.bin", "uneven.bin"])
def test_a_byte_that_was_changed_on_the_way_is_found(proxy, tmp_path, key):
    proxy.next[key] = [Fault(corrupt=MIB + 1)]
    content, record = download(proxy, key, tmp_path)
    assert hashlib.sha256(content).hexdigest() == record.sha256
    assert content == OBJECTS[key]
    assert [request.sent for request in proxy.of(key)] == [len(content)] * 2


def test_a_file_that_is_always_wrong_is_given_up_and_nothing_is_kept(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(corrupt=17), Fault(corrupt=18), Fault(corrupt=17)]
    with pytest.raises(fetch.DownloadError, match="3 whole copies were wrong") as error:
        download(proxy, "small.bin", tmp_path)
    assert f"expected was {hashlib.md5(SMALL).hexdigest()}" in str(error.value)
    assert "something on the way is damaged" in str(error.value)
    assert len(proxy.of("small.bin")) == 3 and list(tmp_path.iterdir()) == []


def test_a_file_that_is_wrong_twice_in_the_same_way_is_not_fetched_a_third_time(proxy, tmp_path):
    proxy.always["small.bin"] = Fault(corrupt=17)
    with pytest.raises(fetch.DownloadError, match=r"2 whole copies .*the last two were the same"):
        download(proxy, "small.bin", tmp_path)
    assert len(proxy.of("small.bin")) == 2 and list(tmp_path.iterdir()) == []
    proxy.next["large.bin"] = [Fault(corrupt=17), Fault(corrupt=MIB), Fault(corrupt=MIB)]
    with pytest.raises(fetch.DownloadError, match=r"3 whole copies .*the last two were the same"):
        download(proxy, "large.bin", tmp_path)


def test_a_server_that_ignores_ranges_begins_anew(proxy, tmp_path):
    proxy.next["large.bin"] = [Fault(cut=MIB), Fault(ignore_range=True)]
    assert download(proxy, "large.bin", tmp_path)[0] == LARGE
    assert proxy.of("large.bin")[1].sent == len(LARGE)


def test_an_object_that_changes_between_two_attempts_is_fetched_anew(bucket, proxy, tmp_path):
    old, new = noise(20, 2 * MIB), noise(21, 2 * MIB)
    bucket.put("changing.bin", old)
    proxy.always["changing.bin"] = Fault(cut=MIB)
    with pytest.raises(fetch.DownloadError):
        download(proxy, "changing.bin", tmp_path, client=patient(attempts=1))
    bucket.put("changing.bin", new)
    proxy.always.clear()
    assert download(proxy, "changing.bin", tmp_path)[0] == new


def test_a_changed_object_is_never_mixed_with_the_old_one_also_where_no_checksum_would_tell(proxy, tmp_path):
    tagged = {"ETag": '"version-1"'}
    proxy.next["large.bin"] = [Fault(cut=MIB, corrupt=5, headers=tagged)]
    proxy.always["large.bin"] = Fault(headers={"ETag": '"version-2"'})  # this server does not heed If-Range
    content, record = download(proxy, "large.bin", tmp_path, unverified=True)
    assert content == LARGE and record.etag == "version-2"
    assert [bool(request.range) for request in proxy.of("large.bin")] == [False, True, False]


FETCH = """
import sys
from codingaxes.downloads import fetch
fetch.fetch(sys.argv[1], sys.argv[2], client=fetch.Client(backoff=0.01))
"""


def kill_while_fetching(url, path, at_least):
    """Start a process that fetches, and kill it once so many bytes are staged; how many there are then."""
    environment = os.environ | {"PYTHONPATH": str(servers.SCRIPTS)}
    process = subprocess.Popen([sys.executable, "-c", FETCH, url, str(path)], env=environment)
    try:
        for _ in range(1000):
            staged = [file.stat().st_size for file in path.parent.rglob("part-*.bin")]
            assert not path.exists() and process.poll() is None
            if staged and staged[0] >= at_least:
                break
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return next(path.parent.rglob("part-*.bin")).stat().st_size


@pytest.mark.parametrize("key", ["large.bin", "parts.bin"])
def test_a_killed_process_leaves_what_the_next_one_completes(proxy, tmp_path, key):
    proxy.next[key] = [Fault(rate=4 * MIB)]
    staged = kill_while_fetching(f"{proxy.url}/{key}", tmp_path / key, MIB)
    proxy.requests.clear()
    content, _ = download(proxy, key, tmp_path)
    assert content == OBJECTS[key]
    (request,) = (one for one in proxy.of(key) if one.range)
    assert request.range == f"bytes={staged}-" and request.sent == len(content) - staged


def test_bytes_that_went_bad_on_the_disk_after_a_kill_are_found(proxy, tmp_path):
    proxy.next["large.bin"] = [Fault(rate=4 * MIB)]
    kill_while_fetching(f"{proxy.url}/large.bin", tmp_path / "large.bin", MIB)
    part = next(tmp_path.rglob("part-*.bin"))
    part.write_bytes(b"\0" * part.stat().st_size)
    assert download(proxy, "large.bin", tmp_path)[0] == LARGE


def test_what_was_complete_when_the_process_was_killed_is_only_verified(proxy, tmp_path):
    tree = (proxy.url, tmp_path, tmp_path / "parts.bin")
    with pytest.raises(KeyboardInterrupt), fetch.borrow(*tree, client=patient()):
        raise KeyboardInterrupt
    (part,) = tmp_path.rglob("part-*.bin")
    assert part.stat().st_size == len(OBJECTS["parts.bin"])
    proxy.requests.clear()
    assert download(proxy, "parts.bin", tmp_path)[0] == OBJECTS["parts.bin"]
    assert proxy.of("parts.bin") == []


def test_the_etag_of_parts_is_verified_also_if_the_server_tells_no_part_sizes(proxy, tmp_path):
    proxy.hide_parts = True
    try:
        assert download(proxy, "parts.bin", tmp_path)[1].checked == "ETag"
        proxy.next["parts.bin"] = [Fault(corrupt=PART + 1)]
        assert download(proxy, "parts.bin", tmp_path / "again")[0] == OBJECTS["parts.bin"]
    finally:
        proxy.hide_parts = False


WITHOUT = pytest.mark.parametrize("tag", [None, 'W/"5e4c2f3a"'])


@WITHOUT
def test_without_a_strong_etag_and_a_digest_a_broken_download_begins_anew(proxy, tmp_path, tag):
    plain = {"ETag": tag}
    proxy.always["large.bin"] = Fault(headers=plain)
    proxy.next["large.bin"] = [Fault(cut=MIB, headers=plain)]
    content, record = download(proxy, "large.bin", tmp_path, unverified=True)
    assert content == LARGE and record.etag == ""
    assert [request.range for request in proxy.of("large.bin")] == ["", ""]


@WITHOUT
@pytest.mark.parametrize("stated", [64, 8, 0], ids=["whole", "first digits", "announced"])
def test_a_digest_is_enough_to_resume_however_often_the_connection_breaks(proxy, tmp_path, tag, stated):
    digest = hashlib.sha256(LARGE).hexdigest()
    plain = {"ETag": tag} | ({} if stated else {"X-Linked-Etag": f'"{digest}"'})
    proxy.always["large.bin"] = Fault(cut=MIB // 2, headers=plain)
    client = patient(attempts=9)
    content, record = download(proxy, "large.bin", tmp_path, sha256=digest[:stated] or None, client=client)
    assert content == LARGE and record.etag == "" and record.checked == "sha256"
    begins = [int(request.range[6:-1] or 0) if request.range else 0 for request in proxy.of("large.bin")]
    assert begins == list(range(0, len(LARGE), MIB // 2))  # nothing is sent twice


def test_a_server_that_sends_an_etag_now_and_then_resumes_where_a_digest_is_known(proxy, tmp_path):
    digest = hashlib.sha256(LARGE).hexdigest()
    proxy.next["large.bin"] = [Fault(cut=MIB), Fault(cut=MIB, headers={"ETag": None}), Fault()]
    assert download(proxy, "large.bin", tmp_path, sha256=digest)[0] == LARGE
    assert [bool(request.range) for request in proxy.of("large.bin")] == [False, True, True]


def test_two_versions_that_were_mixed_for_want_of_an_etag_are_found_by_the_digest(bucket, proxy, tmp_path):
    old, new = noise(22, 2 * MIB), noise(23, 2 * MIB)
    bucket.put("mixed.bin", old)
    proxy.always["mixed.bin"] = Fault(cut=MIB, headers={"ETag": None})
    digest = hashlib.sha256(new).hexdigest()
    with pytest.raises(fetch.DownloadError):
        download(proxy, "mixed.bin", tmp_path, sha256=digest, client=patient(attempts=1))
    bucket.put("mixed.bin", new)
    proxy.always["mixed.bin"] = Fault(headers={"ETag": None})
    assert download(proxy, "mixed.bin", tmp_path, sha256=digest)[0] == new
    assert [bool(request.range) for request in proxy.of("mixed.bin")] == [False, True, False]


def test_an_etag_that_cannot_be_checked_is_not_wrong(proxy, tmp_path, caplog):
    """The parts of uneven.bin have sizes that nobody could guess."""
    proxy.hide_parts, content = True, OBJECTS["uneven.bin"]
    try:
        with pytest.raises(fetch.DownloadError, match="the last two were the same"):
            download(proxy, "uneven.bin", tmp_path)
        stated = hashlib.sha256(content).hexdigest()
        got, record = download(proxy, "uneven.bin", tmp_path / "stated", sha256=stated)
        assert got == content and record.checked == "sha256" and "cannot be checked" not in caplog.text
        proxy.requests.clear()
        got, record = download(proxy, "uneven.bin", tmp_path / "accepted", unverified=True)
        assert got == content and record.checked == "nothing" and len(proxy.of("uneven.bin")) == 1
        assert "is that of 3 parts, whose sizes the server does not tell" in caplog.text
    finally:
        proxy.hide_parts = False
    # where the parts are known, a wrong byte is one, whatever the caller accepts
    proxy.next["uneven.bin"] = [Fault(corrupt=17)]
    assert download(proxy, "uneven.bin", tmp_path / "known", unverified=True)[1].checked == "ETag"
    assert len(proxy.of("uneven.bin")) == 3


def test_a_file_of_unknown_length_is_verified_too(proxy, tmp_path):
    for key, whole in (("small.bin", SMALL), ("parts.bin", OBJECTS["parts.bin"])):
        proxy.always[key] = Fault(headers={"Content-Length": None})
        content, record = download(proxy, key, tmp_path / key)
        assert content == whole and record.size == len(whole)
        proxy.next[key] = [Fault(headers={"Content-Length": None}, cut=1000)]  # looks like a whole file
        assert download(proxy, key, tmp_path / "again" / key)[0] == whole


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:20],  # torn by a kill
        lambda text: json.dumps(json.loads(text) | {"etag": ""}),  # nobody can tell whether the rest fits
        lambda text: json.dumps(json.loads(text) | {"size": -1}),
        lambda text: json.dumps({"etag": "of an earlier version"}),
    ],
)
def test_a_note_that_does_not_say_enough_means_to_begin_anew(proxy, tmp_path, spoil):
    proxy.always["large.bin"] = Fault(cut=MIB)
    with pytest.raises(fetch.DownloadError):
        download(proxy, "large.bin", tmp_path, client=patient(attempts=1))
    note = next(tmp_path.rglob("*.note"))
    assert json.loads(note.read_text())["size"] == len(LARGE)
    note.write_text(spoil(note.read_text()))
    proxy.reset()
    assert download(proxy, "large.bin", tmp_path)[0] == LARGE
    assert [request.range for request in proxy.of("large.bin")] == [""]
