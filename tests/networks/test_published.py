"""A row that contradicts what is known of its weights is refused, or warned of, with both values."""

from pathlib import Path

import pytest
import torch

from codingaxes import configuration
from codingaxes.networks import published
from codingaxes.networks.network import Network, load_network

ROOT = Path(__file__).parents[2]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
CLIP = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
VIT = "vit_base_patch16_224.orig_in21k_ft_in1k"
TORCHVISION = "https://download.pytorch.org/models"


def row(source, identifier, weights="", size=224, interpolation="bicubic", **more):
    about = {"name": "mine", "source": source, "identifier": identifier, "weights": weights}
    return about | {"input_size": size, "interpolation": interpolation, "layers": ["norm"]} | more


@pytest.mark.parametrize("table", ["config/networks.tsv", "config/zoo.tsv"])
def test_the_tables_of_the_repository_contradict_nothing_that_is_published(table, caplog):
    schema = configuration.read_schema(ROOT / "config/schemas", "networks")
    rows = configuration.read_networks(table, schema, here=ROOT, code=ROOT)
    for about in rows.values():
        published.check(about)
    assert caplog.text == ""
    known = {name for name, about in rows.items() if published.statements(about)}
    assert known == {name for name in rows if rows[name]["source"] != "zoo"}


@pytest.mark.parametrize(
    ("about", "stated", "known"),
    [
        (row("timm", VIT, **IMAGENET), "mean 0.485,0.456,0.406", "mean 0.5,0.5,0.5 and std 0.5,0.5,0.5"),
        (row("timm", VIT, "mine.safetensors", **IMAGENET), "std 0.229,0.224,0.225", "mean 0.5,0.5,0.5"),
        (row("checkpoint", f"timm:{VIT}", "mine.safetensors", **IMAGENET), "mean 0.485", "mean 0.5,0.5,0.5"),
        # the tag says nothing here, but the repository does
        (row("timm", "vit_base_patch16_224", f"hf://timm/{VIT}@main/w", **IMAGENET), "0.485", f"about {VIT}"),
        (row("timm", "resnet50_clip.openai", **IMAGENET), "std 0.229", "std 0.26863,0.2613,0.27578"),
        (row("torchvision", "resnet18", f"{TORCHVISION}/resnet18-f37072fd.pth", **HALF), "0.5,0.5", "0.485"),
        (
            row("checkpoint", "torchvision:alexnet", "here/alexnet-owt-7be5be79.pth", **HALF),
            "0.5,0.5",
            "0.485",
        ),
        # torchvision's metadata say ImageNet's, because its own network turns that into this one
        (
            row("torchvision", "inception_v3", f"{TORCHVISION}/inception_v3_google-0cc3c7bd.pth", **IMAGENET),
            "mean 0.485",
            "mean 0.5,0.5,0.5",
        ),
        (row("checkpoint", "adapter:nomic_vision", "x", **HALF), "mean 0.5", "mean 0.48145,0.45783,0.40821"),
        (row("checkpoint", "adapter:blip2_vision", "x", **IMAGENET), "std 0.229", "std 0.26863"),
        (row("dreamsim", "ensemble", "x y", **IMAGENET), "mean 0.485", "inside has mean 0,0,0 and std 1,1,1"),
        (row("cornet", "CORnet_RT?times=5", "x", **HALF), "mean 0.5", "mean 0.485,0.456,0.406"),
    ],
    ids=lambda part: part["identifier"] if isinstance(part, dict) else "",
)
def test_another_normalisation_than_the_published_one_is_refused_with_both(about, stated, known, caplog):
    with pytest.raises(ValueError, match="network mine: the row normalises with") as error:
        published.check(about)
    before, _, after = str(error.value).partition(", but ")
    assert stated in before and known in after and "write normalisation into its column accepted" in after
    published.check(about | {"accepted": ["normalisation"]})
    assert known in caplog.text  # the log keeps it


def test_what_may_be_about_other_weights_is_a_warning(caplog):
    published.check(row("timm", "vit_base_patch16_224", "mine.safetensors", **IMAGENET))
    assert "the row normalises with mean 0.485,0.456,0.406" in caplog.text and "0.5,0.5,0.5" in caplog.text
    caplog.clear()
    published.check(row("torchvision", "resnet18", "mine.pth", interpolation="bilinear", **HALF))
    assert "torchvision's statement about resnet18 has mean 0.485" in caplog.text
    caplog.clear()
    published.check(row("torchvision", "resnet18", "mine.pth", interpolation="bilinear", **IMAGENET))
    published.check(row("python", "mine.py:build", **HALF))
    published.check(row("zoo", "resnet", **HALF))
    assert caplog.text == ""


def test_rounded_numbers_are_no_contradiction():
    rounded = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    published.check(row("checkpoint", "adapter:nomic_vision", "x", **rounded))


@pytest.mark.parametrize(
    ("identifier", "weights", "own", "trained"),
    [
        ("vit_base_patch16_clip_224.openai", "", "GELU", "QuickGELU"),
        (
            "vit_base_patch16_clip_224",
            "hf://timm/vit_base_patch16_clip_224.openai@main/w",
            "GELU",
            "QuickGELU",
        ),
        (
            "vit_base_patch16_clip_quickgelu_224",
            "hf://timm/vit_base_patch16_clip_224.laion2b@main/w",
            "QuickGELU",
            "GELU",
        ),
    ],
)
def test_weights_of_another_activation_are_refused_with_both(identifier, weights, own, trained, caplog):
    about = row("timm", identifier, weights, **CLIP)
    with pytest.raises(ValueError, match=f"computes {own}, but its weights were trained with {trained}, by"):
        published.check(about)
    published.check(about | {"accepted": ["activation"]})
    assert f"trained with {trained}" in caplog.text


def test_the_variant_with_the_activation_of_the_weights_is_right(caplog):
    published.check(row("timm", "vit_base_patch16_clip_quickgelu_224.openai", **CLIP))
    openai = "hf://timm/vit_base_patch16_clip_224.openai@main/w"
    published.check(row("timm", "vit_base_patch16_clip_quickgelu_224", openai, **CLIP))
    published.check(row("timm", "vit_base_patch16_clip_224.laion2b", **CLIP))
    assert caplog.text == ""


def test_another_size_or_interpolation_than_the_published_one_is_said(caplog):
    published.check(row("timm", VIT, f"hf://timm/{VIT}@main/w", 256, "bilinear", **HALF))
    assert f"input_size is 256, but timm's statement about {VIT} has 224" in caplog.text
    assert "interpolation is bilinear" in caplog.text and "has bicubic" in caplog.text
    caplog.clear()
    dino = "vit_base_patch14_dinov2.lvd142m"
    published.check(row("timm", f"{dino}?img_size=224", f"hf://timm/{dino}@main/w", **IMAGENET))
    assert caplog.text == ""  # img_size: the user knows


def small(identifier, *layers, size=32, **more):
    return row("timm", identifier, size=size, **HALF) | {"layers": list(layers)} | more


@pytest.mark.parametrize(
    ("identifier", "layer", "message"),
    [
        ("test_vit?img_size=32&class_token=False&global_pool=avg", "norm:cls", r"num_prefix_tokens is 0"),
        # its first token is a register
        (
            "test_vit?img_size=32&class_token=False&global_pool=avg&reg_tokens=2",
            "norm:cls",
            r"num_prefix_tokens is 2",
        ),
        ("mixer_s32_224?img_size=32", "blocks.0:cls", r"has no class token"),
        # the class token joins after these blocks
        (
            "cait_xxs24_224?img_size=32&depth=1&embed_dim=16&num_heads=2",
            "blocks.0:cls",
            r"4 tokens, as many as there are patches",
        ),
    ],
)
def test_a_patch_is_not_taken_for_a_class_token(identifier, layer, message):
    about = small(identifier, layer)
    with pytest.raises(ValueError, match=rf"network mine: layer {layer}.*{message}.*write first_token into"):
        load_network(about, None, random_weights=True)
    net = load_network(about | {"accepted": ["first_token"]}, None, random_weights=True)
    name = layer.removesuffix(":cls")
    both = net.features(torch.rand(2, 3, 32, 32), [name, layer])
    first = both[name].view(2, -1, both[layer].shape[1])[:, 0]
    assert torch.equal(both[layer], first)


def test_a_class_token_is_found_wherever_its_parameter_lies():
    of_torchvision = row("torchvision", "vit_b_32?image_size=32", size=32, **HALF)
    for about in (
        small("test_vit?img_size=32", "blocks.0:cls", "norm:cls"),
        small("cait_xxs24_224?img_size=32&depth=1&embed_dim=16&num_heads=2", "norm:cls"),
        of_torchvision | {"layers": ["encoder.ln:cls"]},
    ):
        net = load_network(about, None, random_weights=True)
        for layer in about["layers"]:
            whole = layer.removesuffix(":cls")
            features = net.features(torch.rand(2, 3, 32, 32), [whole, layer])
            tokens = features[whole].view(2, -1, features[layer].shape[1])
            assert tokens.shape[1] > 1 and torch.equal(features[layer], tokens[:, 0])


def test_values_of_pixels_of_0_to_255_are_refused_in_a_network_too():
    wrong = {"mean": [123.675, 116.28, 103.53], "std": [58.4, 57.12, 57.38]}
    with pytest.raises(ValueError, match=r"network mine: mean is \[123\.675.*divide .* by 255"):
        Network(row("torchvision", "alexnet", **wrong))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"std": [0.052441, 0.050176, 0.050625]},
            "is it the variance, of which std is the root, 0.229,0.224,0.225?",
        ),
        ({"mean": [0.406, 0.456, 0.485]}, "here it is 0.485,0.456,0.406 with std 0.229,0.224,0.225"),
        ({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}, ""),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, ""),
        ({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}, ""),
    ],
)
def test_a_variance_and_reversed_colours_are_told_for_networks_of_which_nothing_is_published(
    changes, expected, caplog
):
    own = {
        "name": "mine",
        "source": "python",
        "identifier": "mine.py:build",
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    published.check(own | changes)
    assert expected in caplog.text and bool(caplog.text) == bool(expected)
