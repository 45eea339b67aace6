"""Tests of extract_features: in batches, resumed after an interruption, whatever the batch."""

from hashlib import sha256
from pathlib import Path

import extract_features
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from codingaxes.job import Run
from codingaxes.miniature import zoo
from codingaxes.networks import network
from codingaxes.networks.network import Network, load_network, save_network
from codingaxes.tables import store
from codingaxes.tables.features import FEATURES
from codingaxes.tables.nsd import STIMULI

N = 10


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A job about ten images and an untrained network of the zoo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extract_features, "BATCH", 3)
    torch.manual_seed(0)
    save_network(Network("resnet"), "weights.safetensors")
    rng, files = np.random.default_rng(0), [f"{number:02d}.png" for number in range(N)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(file)
    stimuli = pd.DataFrame({"image_id": [file[:2] for file in files], "nsd_id": range(N), "file": files})
    digests = [sha256(Path(file).read_bytes()).hexdigest() for file in files]
    stimuli = stimuli.assign(sha256=digests, split="train", probe=False)
    store.write("stimuli.parquet", STIMULI, stimuli)
    params = {"device": "cpu", "image_size": 64, "network": zoo.row("resnet")}
    inputs = {"stimuli": "stimuli.parquet", "weights": "weights.safetensors"}
    output = {"features": "features.parquet"}
    return Run("extract_features", inputs, output, params, {"network": "resnet"}, "log")


def features():
    """Read the features that the job has written, by layer and image; its parts are gone."""
    assert not list(Path("results").rglob("*.arrow"))
    return store.read("features.parquet", FEATURES).set_index(["layer", "image_id"]).feature


def test_a_stopped_extraction_goes_on_at_its_batch_and_gives_the_same_table(run, monkeypatch):
    extract_features.main(run)
    whole, calls, compute = features(), [], Network.features

    def stop_at(last):
        def counted(self, images, layers=None):
            if len(images) == 3 or len(images) == N % 3:
                calls.append(len(images))
                if len(calls) == last:
                    raise KeyboardInterrupt
            return compute(self, images, layers)

        return counted

    monkeypatch.setattr(network, "validate", lambda *_: None)  # it asks for features too
    monkeypatch.setattr(Network, "features", stop_at(3))
    with pytest.raises(KeyboardInterrupt):
        extract_features.main(run)
    calls.clear()
    monkeypatch.setattr(Network, "features", stop_at(None))
    extract_features.main(run)
    assert calls == [3, 1]  # two of four batches were there
    again = features()
    assert list(again.index) == list(whole.index)
    assert all(np.array_equal(one, other) for one, other in zip(again, whole, strict=True))


def test_features_do_not_depend_on_the_batch_and_are_those_of_the_network(run, monkeypatch):
    extract_features.main(run)
    small = features()
    monkeypatch.setattr(extract_features, "BATCH", 50)
    extract_features.main(run)
    large = features()
    network = load_network("resnet", "weights.safetensors")
    for (layer, image), feature in small.items():
        np.testing.assert_allclose(feature, large[layer, image], rtol=1e-4, atol=1e-5)
        pixels = torch.from_numpy(np.array(Image.open(f"{image}.png"))).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            expected = network.features(pixels, [layer])[layer][0]
        np.testing.assert_allclose(feature, expected, rtol=1e-4, atol=1e-5)


def test_features_of_a_batch_that_does_not_fit_into_memory_are_the_same(run, monkeypatch, caplog):
    monkeypatch.setattr(extract_features, "BATCH", 8)
    extract_features.main(run)
    whole, compute = features(), Network.features

    def on_small_device(self, images, layers=None):
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(self, images, layers)

    monkeypatch.setattr(Network, "features", on_small_device)
    extract_features.main(run)
    assert "out of memory; going on with 2 images at once" in caplog.text
    parts = features()
    assert list(parts.index) == list(whole.index)
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
