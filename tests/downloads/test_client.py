"""Answers of servers: which are tried again, after how long, and which are final."""

import hashlib
import re
import threading
import time

import pytest
import servers
from downloading import SMALL, download, patient
from servers import Fault

from codingaxes.downloads import fetch


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(proxy, tmp_path, status):
    proxy.next["small.bin"] = [Fault(status=status)] * 3
    assert download(proxy, "small.bin", tmp_path)[0] == SMALL
    assert [request.status for request in proxy.of("small.bin")] == [status] * 3 + [200]


def test_a_server_may_say_how_long_to_wait(proxy, tmp_path):
    proxy.next["small.bin"] = [Fault(status=503, headers={"Retry-After": "1"})]
    begin = time.monotonic()
    assert download(proxy, "small.bin", tmp_path)[0] == SMALL
    assert 1 <= time.monotonic() - begin < 2


def test_waits_grow_up_to_a_limit(proxy, tmp_path, caplog):
    proxy.next["small.bin"] = [Fault(status=503)] * 6
    with caplog.at_level("WARNING", logger="codingaxes"):
        download(proxy, "small.bin", tmp_path, client=patient(backoff=0.1, longest=0.4))
    waits = [float(wait) for wait in re.findall(r"in ([\d.]+) s", caplog.text)]
    for wait, whole in zip(waits, [0.1, 0.2, 0.4, 0.4, 0.4, 0.4], strict=True):
        assert whole / 2 - 0.05 <= wait <= whole + 0.05


def test_a_server_that_is_not_there_yet_is_tried_again(bucket, tmp_path):
    with servers.proxy_before(bucket.url) as gone:
        pass
    with pytest.raises(fetch.DownloadError, match="refused"):
        download(gone, "small.bin", tmp_path, client=patient(attempts=2))
    late = []

    def start():
        time.sleep(0.2)
        late.append(servers.Proxy(bucket.url, gone.server.server_port))

    thread = threading.Thread(target=start)
    thread.start()
    assert download(gone, "small.bin", tmp_path / "later", client=patient(attempts=20))[0] == SMALL
    thread.join()
    late[0].close()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_fails_at_once_and_names_the_address(proxy, tmp_path, status):
    proxy.always["small.bin"] = Fault(status=status)
    with pytest.raises(fetch.DownloadError, match=f"{proxy.url}/small.bin: the server answers {status}"):
        download(proxy, "small.bin", tmp_path)
    assert len(proxy.of("small.bin")) == 1


def test_a_missing_key_fails_at_once(proxy, tmp_path):
    with pytest.raises(fetch.DownloadError, match=r"absent.bin.*404.*no such object"):
        download(proxy, "absent.bin", tmp_path)
    assert list(tmp_path.iterdir()) == []


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
    content, record = download(proxy, "model.bin", tmp_path)
    assert content == SMALL
    assert (record.checked, record.sha256, record.commit) == ("sha256", right, "c0ffee")
    proxy.always["model.bin"] = redirect("0" * 64)
    with pytest.raises(fetch.DownloadError, match="2 whole copies were wrong"):
        download(proxy, "model.bin", tmp_path / "wrong")
    with pytest.raises(
        fetch.DownloadError, match=f"announces the sha256 {'0' * 64}, but {right[:8]} was stated"
    ):
        download(proxy, "model.bin", tmp_path / "changed", sha256=right[:8])
    proxy.always["loop.bin"] = Fault(status=302, headers={"Location": f"{proxy.url}/loop.bin"})
    with pytest.raises(fetch.DownloadError, match=r"loop.bin: redirected more than five times"):
        download(proxy, "loop.bin", tmp_path / "loop")
