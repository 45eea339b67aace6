"""Many files at once: few connections, names only at the end, and no byte fetched twice."""

import threading

import numpy as np
import pytest
import servers
from servers import Fault

from codingaxes import downloads

PICTURES = [np.random.default_rng(number).bytes(20_000) for number in range(40)]


@pytest.fixture(scope="module")
def shared_proxy():
    with servers.s3_bucket() as bucket:
        for number, content in enumerate(PICTURES):
            bucket.put(f"many/{number:02d}.png", content)
        with servers.proxy_before(bucket.url) as proxy:
            yield proxy


@pytest.fixture
def proxy(shared_proxy):
    shared_proxy.reset()
    return shared_proxy


def patient(**settings):
    return downloads.Client(**{"backoff": 0.01} | settings)


def many(proxy, folder):
    return [(f"{proxy.url}/many/{number:02d}.png", folder / f"{number:02d}.png") for number in range(40)]


def test_many_files_share_a_few_connections(proxy, tmp_path):
    found = downloads.fetch_all(
        many(proxy, tmp_path / "out"), tmp_path / "staging", client=patient(connections=3), connections=3
    )
    assert [record.size for record in found] == [20_000] * 40
    for number in range(40):
        assert (tmp_path / f"out/{number:02d}.png").read_bytes() == PICTURES[number]
    assert len(proxy.requests) == 40
    assert len({request.connection for request in proxy.requests}) <= 3
    assert not (tmp_path / "staging").exists()


def test_many_files_get_their_names_only_when_all_are_there_and_no_byte_is_fetched_twice(proxy, tmp_path):
    proxy.always["many/33.png"] = Fault(status=403)
    with pytest.raises(downloads.DownloadError, match=r"many/33.png.*403"):
        downloads.fetch_all(many(proxy, tmp_path / "out"), tmp_path / "staging", client=patient())
    assert not (tmp_path / "out").exists()
    there = {request.key for request in proxy.requests if request.status == 200}
    assert len(there) >= 30
    proxy.reset()
    downloads.fetch_all(many(proxy, tmp_path / "out"), tmp_path / "staging", client=patient())
    asked = [request.key for request in proxy.requests]
    assert len(list((tmp_path / "out").iterdir())) == 40
    assert "many/33.png" in asked and not there & set(asked) and len(asked) == 40 - len(there)


def test_a_file_that_is_asked_for_twice_is_refused(proxy, tmp_path):
    pairs = many(proxy, tmp_path)
    for twice in ([*pairs, (pairs[0][0], tmp_path / "x")], [*pairs, (f"{proxy.url}/x", pairs[0][1])]):
        with pytest.raises(ValueError, match="twice"):
            downloads.fetch_all(twice, tmp_path / "staging")


def test_a_mirror_has_the_layout_of_its_source(proxy, tmp_path):
    paths = [tmp_path / "tree/many/39.png", tmp_path / "tree/many/07.png"]
    downloads.mirror(f"{proxy.url}/", tmp_path / "tree", paths, client=patient())
    assert paths[0].read_bytes() == PICTURES[39] and paths[1].read_bytes() == PICTURES[7]
    assert [file.name for file in (tmp_path / "tree").iterdir()] == ["many"]


def test_a_borrowed_file_is_verified_and_deleted_but_kept_for_the_next_call_after_a_failure(proxy, tmp_path):
    tree = (proxy.url, tmp_path / "tree", tmp_path / "tree/many/07.png")
    with pytest.raises(ZeroDivisionError), downloads.borrow(*tree, client=patient()):
        raise ZeroDivisionError
    with downloads.borrow(*tree, client=patient()) as path:
        assert path.read_bytes() == PICTURES[7] and path.suffix == ".png"
    assert len(proxy.requests) == 1 and list((tmp_path / "tree").iterdir()) == []


def test_two_jobs_with_one_staging_folder_do_not_disturb_each_other(proxy, tmp_path):
    errors = []

    def job(numbers):
        for number in numbers:
            try:
                pair = [(f"{proxy.url}/many/{number:02d}.png", tmp_path / f"{number:02d}.png")]
                downloads.fetch_all(pair, tmp_path / "staging", client=patient())
            except Exception as error:
                errors.append(error)

    workers = [threading.Thread(target=job, args=(range(first, 40, 4),)) for first in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors and len(list(tmp_path.iterdir())) == 40
