"""Downloads survive what networks and servers do, and nothing wrong or incomplete ever gets a final name."""

import fcntl
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import servers
from servers import PART, Fault

from codingaxes import downloads

MIB = 2**20


def noise(seed, size):
    return np.random.default_rng(seed).bytes(size)


SMALL, LARGE = noise(1, 300_000), noise(2, 3 * MIB + 12345)
PARTS = [noise(3, PART), noise(4, PART), noise(5, 70_001)]
UNEVEN = [noise(6, PART + 4321), noise(7, PART), noise(8, 99)]


@pytest.fixture(scope="module")
def bucket():
    with servers.s3_bucket() as bucket:
        bucket.put("small.bin", SMALL)
        bucket.put("large.bin", LARGE)
        bucket.put("empty.bin", b"")
        bucket.put_parts("parts.bin", PARTS)
        bucket.put_parts("uneven.bin", UNEVEN)
        yield bucket


@pytest.fixture(scope="module")
def shared_proxy(bucket):
    with servers.proxy_before(bucket.url) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy):
    shared_proxy.reset()
    return shared_proxy


def patient(**settings):
    return downloads.Client(**{"backoff": 0.01, "connect": 2.0, "read": 2.0} | settings)


def fetch(proxy, key, folder, **options):
    """The content that ends up under the final name, and the record."""
    path = folder / key
    record = downloads.fetch(f"{proxy.url}/{key}", path, **{"client": patient()} | options)
    assert sorted(file.name for file in folder.iterdir()) == [path.name]  # no staging is left
    return path.read_bytes(), record


def test_a_file_is_fetched_with_all_that_a_record_of_provenance_needs(proxy, tmp_path):
    content, record = fetch(proxy, "large.bin", tmp_path)
    assert content == LARGE
    assert (record.url, record.size, record.checked) == (f"{proxy.url}/large.bin", len(LARGE), "ETag")
    assert record.etag == hashlib.md5(LARGE).hexdigest()
    assert record.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert fetch(proxy, "empty.bin", tmp_path / "other")[0] == b""


BROKEN = {
    "cut": Fault(cut=MIB + 7),
    "reset": Fault(cut=MIB + 7, reset=True),
    "silent": Fault(cut=MIB + 7, stall=0.8),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_transfer_goes_on_where_it_broke(proxy, tmp_path, fault):
    proxy.next["large.bin"] = [fault]
    content, _ = fetch(proxy, "large.bin", tmp_path, client=patient(read=0.4))
    assert content == LARGE
    first, second = proxy.of("large.bin")
    assert first.range == "" and re.fullmatch(r"bytes=\d+-", second.range)
    begin = int(second.range[6:-1])
    assert 0 < begin <= MIB + 7 and second.sent == len(LARGE) - begin


def test_a_transfer_that_breaks_again_and_again_after_a_megabyte_ends(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=MIB + 7)
    content, _ = fetch(proxy, "large.bin", tmp_path, client=patient(attempts=2))
    assert content == LARGE and len(proxy.of("large.bin")) == 3 + 1


def test_a_server_that_never_gets_further_is_given_up_and_what_came_is_kept(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=5000, ignore_range=True)
    with pytest.raises(downloads.DownloadError, match="4 attempts in a row failed") as error:
        fetch(proxy, "large.bin", tmp_path, client=patient(attempts=4))
    assert f"{proxy.url}/large.bin" in str(error.value) and f"of {len(LARGE)} bytes" in str(error.value)
    assert len(proxy.of("large.bin")) == 4 and not (tmp_path / "large.bin").exists()
    assert [file.stat().st_size for file in tmp_path.rglob("part-*.bin")] == [5000]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(proxy, tmp_path, status):
    proxy.next["small.bin"] = [Fault(status=status)] * 3
    assert fetch(proxy, "small.bin", tmp_path)[0] == SMALL
    assert [request.status for request in proxy.of("small.bin")] == [status] * 3 + [200]


def test_a_server_may_say_how_long_to_wait(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(status=503, headers={"Retry-After": "1"})]
    begin = time.monotonic()
    assert fetch(proxy, "small.bin", tmp_path)[0] == SMALL
    assert 1 <= time.monotonic() - begin < 2


def test_waits_grow_up_to_a_limit(proxy, tmp_path, caplog):
    proxy.next["small.bin"] = [Fault(status=503)] * 6
    with caplog.at_level("WARNING", logger="codingaxes"):
        fetch(proxy, "small.bin", tmp_path, client=patient(backoff=0.1, longest=0.4))
    waits = [float(wait) for wait in re.findall(r"in ([\d.]+) s", caplog.text)]
    for wait, whole in zip(waits, [0.1, 0.2, 0.4, 0.4, 0.4, 0.4], strict=True):
        assert whole / 2 - 0.05 <= wait <= whole + 0.05


def test_a_server_that_is_not_there_yet_is_tried_again(bucket, tmp_path):
    with servers.proxy_before(bucket.url) as gone:
        pass
    with pytest.raises(downloads.DownloadError, match="refused"):
        fetch(gone, "small.bin", tmp_path, client=patient(attempts=2))
    late = []

    def start():
        time.sleep(0.2)
        late.append(servers.Proxy(bucket.url, gone.server.server_port))

    thread = threading.Thread(target=start)
    thread.start()
    assert fetch(gone, "small.bin", tmp_path / "later", client=patient(attempts=20))[0] == SMALL
    thread.join()
    late[0].close()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_fails_at_once_and_names_the_address(proxy, tmp_path, status):
    proxy.always["small.bin"] = Fault(status=status)
    with pytest.raises(downloads.DownloadError, match=f"{proxy.url}/small.bin: the server answers {status}"):
        fetch(proxy, "small.bin", tmp_path)
    assert len(proxy.of("small.bin")) == 1


def test_a_missing_key_fails_at_once(proxy, tmp_path):
    with pytest.raises(downloads.DownloadError, match=r"absent.bin.*404.*no such object"):
        fetch(proxy, "absent.bin", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["large.bin", "parts.bin"])
def test_a_shorter_file_that_is_announced_as_such_is_not_taken_for_the_whole(proxy, tmp_path, key):
    proxy.next[key] = [Fault(shrink=MIB)]
    content, _ = fetch(proxy, key, tmp_path)
    assert content == (LARGE if key == "large.bin" else b"".join(PARTS))


@pytest.mark.parametrize("key", ["large.bin", "parts.bin", "uneven.bin"])
def test_a_byte_that_was_changed_on_the_way_is_found(proxy, tmp_path, key):
    proxy.next[key] = [Fault(corrupt=MIB + 1)]
    content, record = fetch(proxy, key, tmp_path)
    assert hashlib.sha256(content).hexdigest() == record.sha256
    assert content == {"large.bin": LARGE, "parts.bin": b"".join(PARTS), "uneven.bin": b"".join(UNEVEN)}[key]
    assert [request.sent for request in proxy.of(key)] == [len(content)] * 2


def test_a_file_that_is_always_wrong_is_given_up_and_nothing_is_kept(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(corrupt=17), Fault(corrupt=18), Fault(corrupt=17)]
    with pytest.raises(downloads.DownloadError, match="3 whole copies were wrong") as error:
        fetch(proxy, "small.bin", tmp_path)
    assert f"expected was {hashlib.md5(SMALL).hexdigest()}" in str(error.value)
    assert "something on the way is damaged" in str(error.value)
    assert len(proxy.of("small.bin")) == 3 and list(tmp_path.iterdir()) == []


def test_a_file_that_is_wrong_twice_in_the_same_way_is_not_fetched_a_third_time(proxy, tmp_path):
    proxy.always["small.bin"] = Fault(corrupt=17)
    with pytest.raises(downloads.DownloadError, match=r"2 whole copies .*the last two were the same"):
        fetch(proxy, "small.bin", tmp_path)
    assert len(proxy.of("small.bin")) == 2 and list(tmp_path.iterdir()) == []
    proxy.next["large.bin"] = [Fault(corrupt=17), Fault(corrupt=MIB), Fault(corrupt=MIB)]
    with pytest.raises(downloads.DownloadError, match=r"3 whole copies .*the last two were the same"):
        fetch(proxy, "large.bin", tmp_path)


def test_a_server_that_ignores_ranges_begins_anew(proxy, tmp_path):
    proxy.next["large.bin"] = [Fault(cut=MIB), Fault(ignore_range=True)]
    assert fetch(proxy, "large.bin", tmp_path)[0] == LARGE
    assert proxy.of("large.bin")[1].sent == len(LARGE)


def test_an_object_that_changes_between_two_attempts_is_fetched_anew(bucket, proxy, tmp_path):
    old, new = noise(20, 2 * MIB), noise(21, 2 * MIB)
    bucket.put("changing.bin", old)
    proxy.always["changing.bin"] = Fault(cut=MIB)
    with pytest.raises(downloads.DownloadError):
        fetch(proxy, "changing.bin", tmp_path, client=patient(attempts=1))
    bucket.put("changing.bin", new)
    proxy.always.clear()
    assert fetch(proxy, "changing.bin", tmp_path)[0] == new


def test_a_changed_object_is_never_mixed_with_the_old_one_also_where_no_checksum_would_tell(proxy, tmp_path):
    tagged = {"ETag": '"version-1"'}
    proxy.next["large.bin"] = [Fault(cut=MIB, corrupt=5, headers=tagged)]
    proxy.always["large.bin"] = Fault(headers={"ETag": '"version-2"'})  # this server does not heed If-Range
    content, record = fetch(proxy, "large.bin", tmp_path, unverified=True)
    assert content == LARGE and record.etag == "version-2"
    assert [bool(request.range) for request in proxy.of("large.bin")] == [False, True, False]


FETCH = """
import sys
from codingaxes import downloads
downloads.fetch(sys.argv[1], sys.argv[2], client=downloads.Client(backoff=0.01))
"""


def kill_while_fetching(url, path, at_least):
    """Start a process that fetches, and kill it when so many bytes are staged; how many there are then."""
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
    content, _ = fetch(proxy, key, tmp_path)
    assert content == (LARGE if key == "large.bin" else b"".join(PARTS))
    (request,) = (one for one in proxy.of(key) if one.range)
    assert request.range == f"bytes={staged}-" and request.sent == len(content) - staged


def test_bytes_that_went_bad_on_the_disk_after_a_kill_are_found(proxy, tmp_path):
    proxy.next["large.bin"] = [Fault(rate=4 * MIB)]
    kill_while_fetching(f"{proxy.url}/large.bin", tmp_path / "large.bin", MIB)
    part = next(tmp_path.rglob("part-*.bin"))
    part.write_bytes(b"\0" * part.stat().st_size)
    assert fetch(proxy, "large.bin", tmp_path)[0] == LARGE


def test_what_was_complete_when_the_process_was_killed_is_only_verified(proxy, tmp_path):
    part, _ = downloads._stage(
        patient(), f"{proxy.url}/parts.bin", tmp_path / ".downloads", downloads._Progress("x", 1, 5.0)
    )
    assert part.stat().st_size == sum(map(len, PARTS))
    proxy.requests.clear()
    assert fetch(proxy, "parts.bin", tmp_path)[0] == b"".join(PARTS)
    assert proxy.of("parts.bin") == []


def test_a_final_name_is_never_seen_before_the_file_is_verified(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(corrupt=17), Fault(rate=1e6)]
    path, seen = tmp_path / "small.bin", []
    worker = threading.Thread(target=fetch, args=(proxy, "small.bin", tmp_path))
    worker.start()
    while worker.is_alive():
        seen.append(path.read_bytes() if path.exists() else None)
        time.sleep(0.005)
    worker.join()
    assert seen.count(None) > 10 and set(seen) <= {None, SMALL} and path.read_bytes() == SMALL


def test_the_etag_of_parts_is_verified_also_if_the_server_tells_no_part_sizes(proxy, tmp_path):
    proxy.hide_parts = True
    try:
        assert fetch(proxy, "parts.bin", tmp_path)[1].checked == "ETag"
        proxy.next["parts.bin"] = [Fault(corrupt=PART + 1)]
        assert fetch(proxy, "parts.bin", tmp_path / "again")[0] == b"".join(PARTS)
    finally:
        proxy.hide_parts = False


def test_a_stated_sha256_is_verified_whole_or_by_its_first_digits(proxy, tmp_path):
    right = hashlib.sha256(SMALL).hexdigest()
    for number, stated in enumerate((right, right[:8], right[:12].upper())):
        record = fetch(proxy, "small.bin", tmp_path / str(number), sha256=stated)[1]
        assert record.checked == "sha256" and record.sha256 == right
    with pytest.raises(downloads.DownloadError, match=f"{right}, expected was 00000000"):
        fetch(proxy, "small.bin", tmp_path / "wrong", sha256="0" * 8)
    for stated in ("abc", "z" * 64, right + "0"):
        with pytest.raises(ValueError, match="8 to 64 hexadecimal digits"):
            downloads.fetch(f"{proxy.url}/small.bin", tmp_path / "bad", sha256=stated)


def test_a_file_without_any_checksum_is_refused_unless_the_caller_says_so(proxy, tmp_path, caplog):
    proxy.always["small.bin"] = Fault(headers={"ETag": '"5e4c2f3a-493e0"'})
    with pytest.raises(downloads.DownloadError, match="no checksum to verify it against"):
        fetch(proxy, "small.bin", tmp_path)
    assert not (tmp_path / "small.bin").exists()
    content, record = fetch(proxy, "small.bin", tmp_path / "other", unverified=True)
    assert content == SMALL and record.checked == "nothing" and "taken unverified, as asked" in caplog.text
    assert fetch(proxy, "small.bin", tmp_path / "third", sha256=record.sha256)[1].checked == "sha256"


@pytest.mark.parametrize("tag", [None, 'W/"5e4c2f3a"'])
def test_without_a_strong_etag_a_broken_transfer_begins_anew(proxy, tmp_path, tag):
    plain = {"ETag": tag}
    proxy.always["large.bin"] = Fault(headers=plain)
    proxy.next["large.bin"] = [Fault(cut=MIB, headers=plain)]
    content, record = fetch(proxy, "large.bin", tmp_path, sha256=hashlib.sha256(LARGE).hexdigest())
    assert content == LARGE and record.etag == ""
    assert [request.range for request in proxy.of("large.bin")] == ["", ""]


def test_a_file_of_unknown_length_is_verified_too(proxy, tmp_path):
    for key, whole in (("small.bin", SMALL), ("parts.bin", b"".join(PARTS))):
        proxy.always[key] = Fault(headers={"Content-Length": None})
        content, record = fetch(proxy, key, tmp_path / key)
        assert content == whole and record.size == len(whole)
        proxy.next[key] = [Fault(headers={"Content-Length": None}, cut=1000)]  # looks like a whole file
        assert fetch(proxy, key, tmp_path / "again" / key)[0] == whole


def test_a_redirect_is_followed_and_what_its_first_answer_announces_is_verified(proxy, tmp_path):
    right = hashlib.sha256(SMALL).hexdigest()

    def redirect(digest):
        return Fault(
            status=302,
            headers={
                "Location": f"{proxy.prefix}/small.bin",
                "X-Linked-Etag": f'"{digest}"',
                "X-Repo-Commit": "c0ffee",
            },
        )

    proxy.always |= {"model.bin": redirect(right), "small.bin": Fault(headers={"ETag": '"not-md5"'})}
    content, record = fetch(proxy, "model.bin", tmp_path)
    assert content == SMALL
    assert (record.checked, record.sha256, record.commit) == ("sha256", right, "c0ffee")
    proxy.always["model.bin"] = redirect("0" * 64)
    with pytest.raises(downloads.DownloadError, match="2 whole copies were wrong"):
        fetch(proxy, "model.bin", tmp_path / "wrong")
    with pytest.raises(
        downloads.DownloadError, match=f"announces the sha256 {'0' * 64}, but {right[:8]} was stated"
    ):
        fetch(proxy, "model.bin", tmp_path / "changed", sha256=right[:8])
    proxy.always["loop.bin"] = Fault(status=302, headers={"Location": f"{proxy.url}/loop.bin"})
    with pytest.raises(downloads.DownloadError, match=r"loop.bin: redirected more than five times"):
        fetch(proxy, "loop.bin", tmp_path / "loop")


def test_a_file_that_another_process_is_fetching_is_left_to_it(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=MIB)
    with pytest.raises(downloads.DownloadError):
        fetch(proxy, "large.bin", tmp_path, client=patient(attempts=1))
    proxy.always.clear()
    with open(next(tmp_path.rglob("part-*.bin")), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(downloads.DownloadError, match="being written by another process"):
            fetch(proxy, "large.bin", tmp_path)
    assert fetch(proxy, "large.bin", tmp_path)[0] == LARGE


def test_progress_is_told_in_megabytes(proxy, tmp_path, caplog):
    proxy.always["large.bin"] = Fault(rate=6 * MIB)
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        fetch(proxy, "large.bin", tmp_path, client=patient(every=0.1))
    lines = re.findall(r"large.bin: ([\d.]+) of 3.2 MB, ([\d.]+) MB/s, (\d+) s left", caplog.text)
    assert len(lines) >= 3 and lines[-1][0] == "3.2"
    done = [float(line[0]) for line in lines]
    assert done == sorted(done) and all(3 < float(line[1]) < 8 for line in lines[1:])


def test_an_address_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"https://.*'hf://owner/name'"):
        downloads.fetch("hf://owner/name", tmp_path / "x")


def test_a_note_that_was_torn_by_a_kill_means_to_begin_anew(proxy, tmp_path):
    proxy.always["large.bin"] = Fault(cut=MIB)
    with pytest.raises(downloads.DownloadError):
        fetch(proxy, "large.bin", tmp_path, client=patient(attempts=1))
    note = next(tmp_path.rglob("*.note"))
    assert json.loads(note.read_text())["size"] == len(LARGE)
    note.write_text(note.read_text()[:20])
    proxy.reset()
    assert fetch(proxy, "large.bin", tmp_path)[0] == LARGE
    assert [request.range for request in proxy.of("large.bin")] == [""]
