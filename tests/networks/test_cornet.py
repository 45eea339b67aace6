"""CORnet-RT against the same network written out under its published names, and against its package."""

import pytest
import torch
from torch.nn import functional

from codingaxes.networks import builders, weights
from codingaxes.networks.network import load_network

ROW = {
    "name": "cornet_rt",
    "source": "checkpoint",
    "identifier": "adapter:cornet_rt",
    "format": "cornet",
    "input_size": 64,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "bilinear",
    "layers": ["V1.output", "V4.output", "IT.output", "decoder.flatten", "decoder.linear"],
}
AREAS = {"V1": (3, 64, 7, 4), "V2": (64, 128, 3, 2), "V4": (128, 256, 3, 2), "IT": (256, 512, 3, 2)}


def drawn():
    """Weights of the published names and shapes; biases of the normalisations are as large as their gains."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"decoder.linear.weight": (1000, 512), "decoder.linear.bias": (1000,)}
    for area, (before, width, kernel, _) in AREAS.items():
        shapes[f"{area}.conv_input.weight"] = (width, before, kernel, kernel)
        shapes[f"{area}.conv1.weight"] = (width, width, 3, 3)
        for name in ("conv_input.bias", "norm_input.weight", "norm_input.bias", "norm1.weight", "norm1.bias"):
            shapes[f"{area}.{name}"] = (width,)
    state = {}
    for name, shape in shapes.items():
        scale = 0.5 if len(shape) == 1 else torch.Size(shape[1:]).numel() ** -0.5
        state[name] = scale * torch.randn(shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            state[name] += 1
    return state


def written(state, images, times):
    """Outputs of all areas at each step, time after time and area after area, one image."""

    def driven(area, below):
        _, _, kernel, stride = AREAS[area]
        x = functional.conv2d(
            below, state[f"{area}.conv_input.weight"], state[f"{area}.conv_input.bias"], stride, kernel // 2
        )
        return functional.relu(
            functional.group_norm(x, 32, state[f"{area}.norm_input.weight"], state[f"{area}.norm_input.bias"])
        )

    sides = dict(zip(AREAS, (16, 8, 4, 2), strict=True))  # of the outputs for images of 64 pixels
    history = []
    for time in range(times):
        outputs = {}
        for number, area in enumerate(AREAS):
            width, side = AREAS[area][1], sides[area]
            below = images if not number else history[-1][list(AREAS)[number - 1]] if time else None
            x = torch.zeros(1, width, side, side) if below is None else driven(area, below)
            if time:
                x = x + history[-1][area]
            x = functional.conv2d(x, state[f"{area}.conv1.weight"], padding=1)
            x = functional.group_norm(x, 32, state[f"{area}.norm1.weight"], state[f"{area}.norm1.bias"])
            outputs[area] = functional.relu(x)
        history.append(outputs)
    return history


def published(state, path):
    """Write a file as the authors do."""
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 43}, path)
    return path


@pytest.mark.parametrize("times", [5, 4])
def test_cornet_computes_what_its_published_weights_mean_step_by_step(tmp_path, times):
    state, row = drawn(), ROW | {"identifier": f"adapter:cornet_rt?times={times}"}
    weights.convert(published(state, tmp_path / "raw.pth"), row, tmp_path / "w.safetensors")
    network = load_network(row, tmp_path / "w.safetensors")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    features = network.features(images)
    steps = written(state, (images - network.mean) / network.std, times)
    for area in ("V1", "V4", "IT"):
        expected = steps[-1][area].flatten(1)
        torch.testing.assert_close(features[f"{area}.output"], expected, rtol=1e-3, atol=1e-4)
        assert (steps[-2][area].flatten(1) - expected).abs().max() > 0.1  # no other step would do
    pooled = steps[-1]["IT"].mean(dim=(2, 3))
    logits = pooled @ state["decoder.linear.weight"].T + state["decoder.linear.bias"]
    torch.testing.assert_close(features["decoder.flatten"], pooled, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features["decoder.linear"], logits, rtol=1e-3, atol=1e-4)
    assert network.calls["IT.output"] == times


def test_cornet_runs_in_double_precision_and_at_any_size_and_needs_the_steps_that_reach_it(tmp_path):
    network = load_network(ROW | {"input_size": 50}, None, random_weights=True).double()
    assert network(torch.rand(2, 3, 50, 50).double()).dtype == torch.float64
    with pytest.raises(ValueError, match="times is 3; a signal needs 4 steps from the image to IT"):
        builders.build(ROW | {"identifier": "adapter:cornet_rt?times=3"})


def test_cornet_has_the_published_number_of_parameters_and_refuses_a_part_of_them(tmp_path):
    state = drawn()
    assert sum(value.numel() for value in state.values()) == 5_208_936
    body = builders.build(ROW)
    assert sum(parameter.numel() for parameter in body.parameters()) == 5_208_936
    path = published({name: v for name, v in state.items() if name != "V4.norm1.bias"}, tmp_path / "raw.pth")
    with pytest.raises(ValueError, match=r"missing \(1\): V4\.recur_norm\.bias"):
        weights.convert(path, ROW, tmp_path / "w.safetensors")


def test_our_cornet_and_that_of_its_authors_answer_alike(tmp_path):
    cornet = pytest.importorskip("cornet")
    torch.manual_seed(0)
    theirs = cornet.CORnet_RT(times=5).eval()
    state = {name: value + 0.1 * torch.randn_like(value) for name, value in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    row = ROW | {"input_size": 224}
    weights.convert(published(state, tmp_path / "raw.pth"), row, tmp_path / "w.safetensors")
    network = load_network(row, tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        expected = theirs((images - network.mean) / network.std)
        torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-3)
