"""Weights of pretrained networks: fetched from a local server, verified, converted, never fetched again."""

import hashlib
import io
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fetch_weights
import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from servers import Fault, proxy_before, s3_bucket

from codingaxes.downloads import fetch
from codingaxes.job import Run
from codingaxes.networks import builders
from codingaxes.tables import store
from codingaxes.tables.networks import ACCURACIES

ROW = {
    "name": "squeezed",
    "source": "torchvision",
    "identifier": "squeezenet1_1?num_classes=3",
    "input_size": 64,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bilinear",
    "layers": ["features.9"],
    "format": "plain",
}


@pytest.fixture(scope="module")
def bucket():
    with s3_bucket() as bucket:
        yield bucket


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of huggingface_hub for this test alone."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawn(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return builders.build(ROW).state_dict()


def as_pickle(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def job(folder, weights, sha256="", hub="http://127.0.0.1:1", row=ROW, **inputs):
    output = {
        "weights": f"{folder}/weights/squeezed.safetensors",
        "record": f"{folder}/weights/squeezed.json",
        "accuracies": f"{folder}/accuracies.parquet",
    }
    params = {"seed": 0, "network": row | {"weights": weights}, "hub": hub, "sha256": sha256}
    params["random_weights"] = inputs.pop("random_weights", False)
    wildcards, inputs = {"network": "squeezed"}, {"files": []} | inputs
    fetch_weights.main(Run("fetch_weights", inputs, output, params, wildcards, f"{folder}/log"))
    return load_file(output["weights"]), json.loads((folder / "weights/squeezed.json").read_text())


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def test_a_checkpoint_is_fetched_verified_and_converted_and_the_raw_file_is_gone(bucket, tmp_path):
    content = as_pickle(drawn())
    digest = hashlib.sha256(content).hexdigest()
    bucket.put("models/squeezenet.pth", content)
    state, record = job(tmp_path, f"{bucket.url}/models/squeezenet.pth", digest[:8])
    assert_same(state, drawn())
    assert record["files"][0]["sha256"] == digest and record["files"][0]["checked"] == "sha256"
    converted = (tmp_path / "weights/squeezed.safetensors").read_bytes()
    assert record["sha256"] == hashlib.sha256(converted).hexdigest()
    assert sorted(path.name for path in (tmp_path / "weights").iterdir() if path.is_file()) == [
        "squeezed.json",
        "squeezed.safetensors",
    ]
    assert not list((tmp_path / "weights").rglob("*.pth"))
    accuracies = store.read(tmp_path / "accuracies.parquet", ACCURACIES)
    assert accuracies.parameters.item() == sum(p.numel() for p in builders.build(ROW).parameters())


def test_a_file_of_another_digest_is_refused_and_leaves_no_weights(bucket, tmp_path):
    bucket.put("models/other.pth", as_pickle(drawn()))
    with pytest.raises(fetch.DownloadError, match="deadbeef"):
        job(tmp_path, f"{bucket.url}/models/other.pth", "deadbeef")
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("other.pth"))


def test_a_hub_reference_is_fetched_at_its_revision_and_the_record_keeps_the_commit(bucket, tmp_path, caplog):
    save_file(drawn(), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    key = "owner/repo/resolve/main/model.safetensors"
    bucket.put(key, content)
    digest = hashlib.sha256(content).hexdigest()
    with proxy_before(bucket.url) as proxy:
        proxy.always[key] = Fault(headers={"X-Linked-Etag": f'"{digest}"', "X-Repo-Commit": "c0ffee"})
        caplog.set_level("INFO", "codingaxes")
        state, record = job(tmp_path, "hf://owner/repo@main/model.safetensors", hub=proxy.url)
        assert proxy.of(key)
    assert_same(state, drawn())
    assert record["files"][0]["commit"] == "c0ffee" and record["files"][0]["checked"] == "sha256"
    assert "main was commit c0ffee" in caplog.text and digest in caplog.text


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_with(content):
    """A hub that has one file, as huggingface_hub asks for it; yields its address."""
    digest = hashlib.sha256(content).hexdigest()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            for name in ("ETag", "X-Linked-Etag"):
                self.send_header(name, f'"{digest}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(content)

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def keep_in_cache(content, cache):
    """Let huggingface_hub download a file into its cache, in a process that has not forbidden it to."""
    code = (
        "import sys, huggingface_hub\n"
        "repo, file, commit, endpoint, cache = sys.argv[1:]\n"
        "download = huggingface_hub.hf_hub_download\n"
        "print(download(repo, file, revision=commit, endpoint=endpoint, cache_dir=cache))"
    )
    with hub_with(content) as url:
        arguments = ["owner/repo", "model.safetensors", COMMIT, url, str(cache)]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_in_the_cache_of_huggingface_hub_is_not_fetched_again(tmp_path, cache, caplog):
    save_file(drawn(5), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    digest, place = hashlib.sha256(content).hexdigest(), f"hf://owner/repo@{COMMIT}/model.safetensors"
    file = keep_in_cache(content, cache)
    caplog.set_level("INFO", "codingaxes")
    for stated in ("", digest[:8]):
        state, record = job(tmp_path, place, stated)
        assert_same(state, drawn(5))
        (record,) = record["files"]
        assert (record["sha256"], record["commit"], record["checked"]) == (digest, COMMIT, "sha256")
        assert file in caplog.text and digest in caplog.text
    with open(file, "r+b") as damaged:
        damaged.seek(len(content) - 1)
        damaged.write(bytes([content[-1] ^ 0xFF]))
    with hub_with(content) as url:
        assert_same(job(tmp_path, place, hub=url)[0], drawn(5))
    assert f"not {digest}; it is fetched instead" in caplog.text


def test_of_the_cache_a_branch_and_a_file_without_a_known_sha256_are_not_taken(tmp_path, cache):
    content = b"small"
    file = keep_in_cache(content, cache)
    place = f"hf://owner/repo@{COMMIT}/model.safetensors"
    assert fetch_weights.from_cache(place, "", "")[0].read_bytes() == content
    assert fetch_weights.from_cache(place.replace(COMMIT, "main"), "", "") is None
    assert fetch_weights.from_cache("https://owner/repo", "", "") is None
    assert fetch_weights.from_cache(place.replace("owner", "other"), "", "") is None
    copy = cache / "copy"
    copy.write_bytes(content)
    copy.replace(file)  # a cache without links does not say what the file should be
    assert fetch_weights.from_cache(place, "", "") is None
    assert fetch_weights.from_cache(place, "", hashlib.sha256(content).hexdigest()) is not None


def test_what_was_fetched_before_a_conversion_failed_is_not_fetched_again(bucket, tmp_path):
    bucket.put("models/again.pth", as_pickle(drawn()))
    with proxy_before(bucket.url) as proxy:
        url = f"{proxy.url}/models/again.pth"
        with pytest.raises(ValueError, match="squeezed"):
            job(tmp_path, url, row=ROW | {"format": "robustness"})
        asked = len(proxy.requests)
        state, _ = job(tmp_path, url)
        assert len(proxy.requests) == asked > 0
    assert_same(state, drawn())


def test_files_of_one_name_from_two_places_are_not_taken_for_each_other(bucket, tmp_path):
    for owner, seed in (("a", 1), ("b", 2)):
        save_file(drawn(seed), tmp_path / "model.safetensors")
        content = (tmp_path / "model.safetensors").read_bytes()
        bucket.put(f"own/{owner}/resolve/main/model.safetensors", content)
    other = ROW | {"identifier": "squeezenet1_1?num_classes=7"}
    with pytest.raises(ValueError, match="squeezed"):
        job(tmp_path, "hf://own/a@main/model.safetensors", hub=bucket.url, row=other)
    state, record = job(tmp_path, "hf://own/b@main/model.safetensors", hub=bucket.url)
    assert_same(state, drawn(2))
    assert "/own/b/" in record["files"][0]["url"]


def test_a_wrong_format_is_refused_before_anything_is_fetched(tmp_path):
    with pytest.raises(ValueError, match="plane"):
        job(tmp_path, "http://127.0.0.1:1/never.pth", row=ROW | {"format": "plane"})


def test_a_row_that_contradicts_its_weights_is_refused_before_anything_is_fetched(tmp_path):
    place = "http://127.0.0.1:1/squeezenet1_1-b8a52dc0.pth"
    with pytest.raises(
        ValueError, match=r"row normalises with mean 0\.5.*squeezenet1_1-b8a52dc0\.pth has mean"
    ):
        job(tmp_path, place)


def test_a_file_whose_name_has_spaces_is_read(tmp_path):
    (tmp_path / "my lab").mkdir()
    (tmp_path / "my lab/best of 3.pth").write_bytes(as_pickle(drawn(3)))
    for place in (f"{tmp_path}/my lab/best of 3.pth", f"'{tmp_path}/my lab/best of 3.pth'"):
        state, record = job(tmp_path, place)
        assert_same(state, drawn(3))
        assert record["files"][0]["file"] == f"{tmp_path}/my lab/best of 3.pth"


def test_a_file_of_an_earlier_job_is_fetched_again_once_the_table_states_another_digest(bucket, tmp_path):
    wrong, right = as_pickle(drawn(1)), as_pickle(drawn(2))
    bucket.put("models/stale.pth", wrong)
    with pytest.raises(ValueError, match="squeezed"):
        job(tmp_path, f"{bucket.url}/models/stale.pth", row=ROW | {"format": "robustness"})
    bucket.put("models/stale.pth", right)
    state, _ = job(tmp_path, f"{bucket.url}/models/stale.pth", hashlib.sha256(right).hexdigest())
    assert_same(state, drawn(2))


def test_a_network_with_numbers_outside_of_its_weights_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\n\nclass Odd(torch.nn.Conv2d):\n    def __init__(self):\n"
        "        super().__init__(3, 4, 3)\n        self.gain = torch.rand(()) + 1\n\n"
        "    def forward(self, x):\n        return super().forward(x) * self.gain\n\n\n"
        "def build():\n    return torch.nn.Sequential(Odd(), torch.nn.ReLU())\n"
    )
    row = ROW | {"source": "python", "identifier": f"{file}:build", "layers": ["1"], "format": ""}
    with pytest.raises(ValueError, match="register them as buffers"):
        job(tmp_path, "", row=row, files=[str(file)])
    assert not (tmp_path / "weights/squeezed.safetensors").exists()


def test_a_file_that_is_here_needs_no_network(tmp_path):
    (tmp_path / "mine.pth").write_bytes(as_pickle(drawn(3)))
    state, record = job(tmp_path, f"{tmp_path}/mine.pth")
    assert_same(state, drawn(3))
    assert record["files"][0]["file"].endswith("mine.pth") and (tmp_path / "mine.pth").is_file()


def test_random_weights_are_drawn_and_said_to_be_so(tmp_path, caplog):
    state, record = job(tmp_path, "https://127.0.0.1:1/never.pth", random_weights=True)
    again, _ = job(tmp_path, "https://127.0.0.1:1/never.pth", random_weights=True)
    assert_same(state, again)
    assert (
        record["random_weights"] and record["files"] == [] and "results with them mean nothing" in caplog.text
    )


def test_a_function_of_the_user_needs_no_weights(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\n\ndef build():\n    torch.manual_seed(5)\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
    )
    row = ROW | {"source": "python", "identifier": f"{file}:build", "layers": ["1"], "format": ""}
    state, record = job(tmp_path, "", row=row, files=[str(file)])
    torch.manual_seed(5)
    torch.testing.assert_close(state["0.weight"], torch.nn.Conv2d(3, 4, 3).weight.data)
    assert record["files"][0]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_variance_in_the_row_of_a_users_own_network_is_told(tmp_path, caplog):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\n\ndef build():\n    torch.manual_seed(5)\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
    )
    row = ROW | {"source": "python", "identifier": f"{file}:build", "layers": ["1"], "format": ""}
    job(tmp_path / "right", "", row=row, files=[str(file)])
    assert "is it the variance" not in caplog.text
    job(tmp_path / "wrong", "", row=row | {"std": [0.0625] * 3}, files=[str(file)])
    assert "network squeezed: std 0.0625,0.0625,0.0625" in caplog.text and "0.25,0.25,0.25?" in caplog.text


def test_as_many_digests_as_files_are_wanted(tmp_path):
    with pytest.raises(ValueError, match="2 weights, but 1 sha256"):
        job(tmp_path, "a.pth b.pth", "deadbeef")
