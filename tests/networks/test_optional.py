"""Networks of optional packages; tests of a package run where it is installed."""

import sys
import types

import pytest
import torch

from codingaxes.networks import builders, optional, weights
from codingaxes.networks.network import Network

pytestmark = pytest.mark.usefixtures("no_network")


def row(source, identifier, **more):
    return {"name": "mine", "source": source, "identifier": identifier} | more


def full_row(source, identifier, layers, size=224, **more):
    half = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"}
    return row(source, identifier, layers=layers, input_size=size, **(half | more))


@pytest.mark.parametrize(
    ("source", "identifier", "package"),
    [
        ("transformers", "Blip2VisionModel", "transformers"),
        ("open_clip", "RN50", "open_clip"),
        ("cornet", "CORnet_RT", "cornet"),
    ],
)
def test_a_missing_package_is_named_with_its_network_and_environment(
    source, identifier, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"network mine: .*package {package}\b.*envs/hubs\.yaml"):
        builders.build(row(source, identifier))


def test_another_package_of_the_same_name_is_told_apart(monkeypatch):
    monkeypatch.setitem(sys.modules, "cornet", types.ModuleType("cornet"))
    with pytest.raises(ImportError, match=r"has no CORnet_RT: another of that name"):
        builders.build(row("cornet", "CORnet_RT"))


def test_a_source_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"network mine: source 'hub' is none of transformers, open_clip"):
        optional.build(row("hub", "RN50"), "RN50", {})


def test_a_tower_of_transformers_takes_keywords_of_its_configuration():
    pytest.importorskip("transformers")
    identifier = "ViTModel?num_hidden_layers=2&hidden_size=24&num_attention_heads=2&image_size=32"
    body = builders.build(row("transformers", identifier))
    layers = [name for name, _ in body.named_modules() if name.endswith(("layers.0", "layers.1", "layer.1"))]
    network = Network(full_row("transformers", identifier, layers, 32))
    features = network.features(torch.rand(2, 3, 32, 32))
    assert {tuple(value.shape) for value in features.values()} == {(2, 5 * 24)}
    with pytest.raises(ValueError, match="has no 'depth'; expected keywords of ViTConfig"):
        builders.build(row("transformers", "ViTModel?depth=2"))
    with pytest.raises(ValueError, match="expected keywords of ViTConfig"):
        builders.build(row("transformers", "ViTModel?attn_implementation=sdpa"))
    with pytest.raises(ValueError, match="has no 'pipeline'; expected the name of a class with weights"):
        builders.build(row("transformers", "pipeline"))


def test_transformers_blip2_tower_and_ours_answer_alike():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = builders.build(row("transformers", "Blip2VisionModel?num_hidden_layers=2"))
    assert isinstance(theirs, transformers.Blip2VisionModel)
    ours = builders.build(row("checkpoint", "adapter:blip2_vision?depth=2"))
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if value.ndim == 1 and "norm" not in name:
                value.normal_(std=0.02)
    state = {f"vision_model.{name}": value for name, value in theirs.state_dict().items()}
    about = row("checkpoint", "adapter:blip2_vision?depth=2", format="blip2")
    weights.fit(state, ours, about, "transformers")
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        answer, expected = ours(images), theirs(images).last_hidden_state
    torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-4)


def test_open_clips_resnet_and_timms_answer_alike():
    pytest.importorskip("open_clip")
    torch.manual_seed(0)
    theirs = builders.build(row("open_clip", "RN50"))
    ours = builders.build(row("timm", "resnet50_clip.openai"))
    state = {f"visual.{name}": value for name, value in theirs.state_dict().items()}
    state |= {"logit_scale": torch.ones(()), "token_embedding.weight": torch.ones(3, 3)}
    weights.fit(state, ours, row("timm", "resnet50_clip.openai", format="clip_resnet"), "open_clip")
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["roberta-ViT-B-32", "hf-hub:owner/name", "RN50?pretrained=openai"])
def test_an_open_clip_model_that_would_download_is_refused(name):
    pytest.importorskip("open_clip")
    with pytest.raises(ValueError, match="network mine: open_clip has no"):
        builders.build(row("open_clip", name))


def test_an_area_of_cornet_gives_its_answer_of_the_last_step():
    pytest.importorskip("cornet")
    torch.manual_seed(0)
    layers = ["V4.output", "IT.output", "decoder.flatten"]
    network = Network(full_row("cornet", "CORnet_RT?times=5", layers)).eval()
    answers = []
    network.body.IT.output.register_forward_hook(lambda _, __, answer: answers.append(answer.clone()))
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        network(images)
        assert len(answers) == 5
        last = answers[-1].flatten(1)
        features = network.features(images)
    torch.testing.assert_close(features["IT.output"], last)
    torch.testing.assert_close(features["decoder.flatten"], answers[4].mean(dim=(2, 3)))
    assert (answers[0].flatten(1) - last).abs().max() > 0.1
    with pytest.raises(ValueError, match=r"CORnet_RT\?steps=2 could not be built: .*steps"):
        builders.build(row("cornet", "CORnet_RT?steps=2"))
