"""Weights of pretrained networks: fetched from a local server, verified, converted, never fetched again."""

import hashlib
import io
import json

import fetch_weights
import pytest
import torch
from safetensors.torch import load_file, save_file
from servers import Fault, proxy_before, s3_bucket

from codingaxes import downloads, sources, tables
from codingaxes.job import Run

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
    with s3_bucket() as found:
        yield found


def drawn(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return sources.build(ROW).state_dict()


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
    params, site = (
        {"seed": 0, "network": row | {"weights": weights}},
        {"hub": hub, "sha256": {"squeezed": sha256}},
    )
    params["random_weights"] = inputs.pop("random_weights", False)
    wildcards, inputs = {"network": "squeezed"}, {"files": []} | inputs
    fetch_weights.main(Run("fetch_weights", inputs, output, params, wildcards, f"{folder}/log", site=site))
    return load_file(output["weights"]), json.loads((folder / "weights/squeezed.json").read_text())


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_a_checkpoint_is_fetched_verified_and_converted_and_the_raw_file_is_gone(bucket, tmp_path):
    content = as_pickle(drawn())
    digest = hashlib.sha256(content).hexdigest()
    bucket.put("models/squeezenet.pth", content)
    found, record = job(tmp_path, f"{bucket.url}/models/squeezenet.pth", digest[:8])
    assert_same(found, drawn())
    assert record["files"][0]["sha256"] == digest and record["files"][0]["checked"] == "sha256"
    assert sorted(path.name for path in (tmp_path / "weights").iterdir() if path.is_file()) == [
        "squeezed.json",
        "squeezed.safetensors",
    ]
    assert not list((tmp_path / "weights").rglob("*.pth"))
    accuracies = tables.read(tmp_path / "accuracies.parquet", "accuracies")
    assert accuracies.parameters.item() == sum(p.numel() for p in sources.build(ROW).parameters())


def test_a_file_of_another_digest_is_refused_and_leaves_no_weights(bucket, tmp_path):
    bucket.put("models/other.pth", as_pickle(drawn()))
    with pytest.raises(downloads.DownloadError, match="deadbeef"):
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
        found, record = job(tmp_path, "hf://owner/repo@main/model.safetensors", hub=proxy.url)
        assert proxy.of(key)
    assert_same(found, drawn())
    assert record["files"][0]["commit"] == "c0ffee" and record["files"][0]["checked"] == "sha256"
    assert "main was commit c0ffee" in caplog.text and digest in caplog.text


def test_what_was_fetched_before_a_conversion_failed_is_not_fetched_again(bucket, tmp_path):
    bucket.put("models/again.pth", as_pickle(drawn()))
    with proxy_before(bucket.url) as proxy:
        url = f"{proxy.url}/models/again.pth"
        with pytest.raises(ValueError, match="squeezed"):
            job(tmp_path, url, row=ROW | {"format": "robustness"})
        asked = len(proxy.requests)
        found, _ = job(tmp_path, url)
        assert len(proxy.requests) == asked > 0
    assert_same(found, drawn())


def test_files_of_one_name_from_two_places_are_not_taken_for_each_other(bucket, tmp_path):
    for owner, seed in (("a", 1), ("b", 2)):
        save_file(drawn(seed), tmp_path / "model.safetensors")
        content = (tmp_path / "model.safetensors").read_bytes()
        bucket.put(f"own/{owner}/resolve/main/model.safetensors", content)
    other = ROW | {"identifier": "squeezenet1_1?num_classes=7"}
    with pytest.raises(ValueError, match="squeezed"):
        job(tmp_path, "hf://own/a@main/model.safetensors", hub=bucket.url, row=other)
    found, record = job(tmp_path, "hf://own/b@main/model.safetensors", hub=bucket.url)
    assert_same(found, drawn(2))
    assert "/own/b/" in record["files"][0]["url"]


def test_a_wrong_format_is_refused_before_anything_is_fetched(tmp_path):
    with pytest.raises(ValueError, match="plane"):
        job(tmp_path, "http://127.0.0.1:1/never.pth", row=ROW | {"format": "plane"})


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
    found, record = job(tmp_path, f"{tmp_path}/mine.pth")
    assert_same(found, drawn(3))
    assert record["files"][0]["file"].endswith("mine.pth") and (tmp_path / "mine.pth").is_file()


def test_random_weights_are_drawn_and_said_to_be_so(tmp_path, caplog):
    found, record = job(tmp_path, "https://127.0.0.1:1/never.pth", random_weights=True)
    again, _ = job(tmp_path, "https://127.0.0.1:1/never.pth", random_weights=True)
    assert_same(found, again)
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
    found, record = job(tmp_path, "", row=row, files=[str(file)])
    torch.manual_seed(5)
    torch.testing.assert_close(found["0.weight"], torch.nn.Conv2d(3, 4, 3).weight.data)
    assert record["files"][0]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_as_many_digests_as_files_are_wanted(tmp_path):
    with pytest.raises(ValueError, match="2 weights, but 1 sha256"):
        job(tmp_path, "a.pth b.pth", "deadbeef")
