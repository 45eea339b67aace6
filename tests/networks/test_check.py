"""What a network is and costs, and whether its derivatives agree, in both modes and with differences."""

import collect_checks
import pandas as pd
import pytest
import torch
from torch import nn

from codingaxes.job import Run
from codingaxes.networks import check
from codingaxes.networks.network import load_network
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS


def images(n=3, seed=0):
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def row(source, identifier, size, layers, interpolation="bilinear"):
    about = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": interpolation}
    about |= {"name": "mine", "source": source, "identifier": identifier}
    return about | {"input_size": size, "layers": list(layers)}


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
        self.patch, self.encoder = nn.Conv2d(3, 6, 16, 16), nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.encoder(self.patch(x).flatten(2).transpose(1, 2))


def test_torchs_own_transformer_layers_have_derivatives_in_both_modes():
    about = row("python", f"{__file__}:Encoder", None, ["encoder"])
    net = load_network(about, None, random_weights=True).double()
    report = check.differentiability(net, images(1).double(), "encoder", steps=(1e-3, 1e-4))
    assert (
        report["jvp"] and report["vjp"] and report["dot_error"] < 1e-12 and report["difference_error"] < 1e-6
    )


# The networks of the study, of the depth and width that keep this quick but through the same code: source,
# identifier, input size, layer. Images have 40 pixels, so that each is resized.
STUDY = {
    "vgg16": ("torchvision", "vgg16?init_weights=False", 32, "features.29"),
    "squeezenet": ("torchvision", "squeezenet1_1", 64, "classifier.3"),
    "mobilenet": ("torchvision", "mobilenet_v2", 32, "features.18"),
    "alexnet": ("torchvision", "alexnet", 64, "classifier.2"),
    "resnet50": ("checkpoint", "torchvision:resnet50", 32, "avgpool"),
    "inception": ("torchvision", "inception_v3", 75, "avgpool"),
    "densenet201": ("timm", "densenet201.tv_in1k", 32, "features.transition1"),
    "clip_resnet50": ("timm", "resnet50_clip.openai?img_size=64", 64, "head"),
    "nomic": ("checkpoint", "adapter:nomic_vision?depth=2&img_size=32", 32, "selector"),
    "dinov2": ("timm", "vit_base_patch14_dinov2.lvd142m?img_size=28&depth=2", 28, "norm:cls"),
    "google_vit": ("timm", "vit_base_patch16_224.orig_in21k_ft_in1k?img_size=32&depth=2", 32, "norm"),
    "blip2": ("checkpoint", "adapter:blip2_vision?depth=2&img_size=28&width=176", 28, "norm"),
}


RESIZED = [*((name, "bilinear") for name in STUDY), ("squeezenet", "bicubic"), ("dinov2", "bicubic")]


@pytest.mark.parametrize(("name", "interpolation"), RESIZED)
@pytest.mark.slow
def test_derivatives_in_both_modes_agree_with_each_other_and_with_differences(name, interpolation):
    source, identifier, size, layer = STUDY[name]
    about = row(source, identifier, size, [layer], interpolation)
    net = load_network(about, None, random_weights=True, image_size=40).double()
    x = torch.rand(2, 3, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    report = check.differentiability(net, x, layer, steps=(1e-3, 1e-4, 1e-5))
    assert report["jvp"] and report["vjp"] and report["problem"] == ""
    assert report["dot_error"] < 1e-12 and report["jvp_error"] < 1e-12
    assert report["difference_error"] < 1e-6


def test_the_second_derivative_of_the_end_of_a_densenet_agrees_with_differences():
    about = row("timm", "densenet201.tv_in1k", 32, ["global_pool"])
    net = load_network(about, None, random_weights=True, image_size=40).double()
    x = torch.rand(1, 3, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    report = check.differentiability(net, x, "global_pool", forward_mode=False, steps=(1e-3, 1e-4))
    assert report["vjp"] and not report["jvp"] and report["problem"] == "not asked for"
    assert report["dot_error"] < 1e-12 and report["difference_error"] < 1e-6


def test_a_report_of_a_network_says_what_it_is_and_that_its_derivatives_agree():
    net = load_network("resnet", None, random_weights=True)
    report = check.measure(net, images(1))
    assert report.pop("forward") > 0 and report.pop("forward_backward") > 0
    assert report == {
        "parameters": sum(parameter.numel() for parameter in net.body.parameters()),
        "layers": "layer2 2048, layer3 1024, layer4 512",
        "jvp": True,
        "vjp": True,
    }


class Lying(torch.autograd.Function):
    """Doubles its input, and has the derivative of one that triples it."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient


class LyingLayer(nn.Module):
    def forward(self, x):
        return Lying.apply(x)


def test_a_network_whose_derivative_is_wrong_or_missing_is_found_out():
    net = load_network("resnet", None, random_weights=True)
    net.body.layer2.add_module("lie", LyingLayer())
    report = check.differentiability(net, images(1), "layer2")
    assert not report["vjp"] and report["difference_error"] == pytest.approx(1 / 3, rel=1e-2)
    assert not report["jvp"] and report["problem"]


def test_networks_that_do_not_answer_make_the_command_fail_and_are_named_with_their_reason(tmp_path):
    """As their jobs leave it: a row of the table for each network, with the problem of those that fail."""
    about = {"parameters": 1.0, "forward": 1.0, "forward_backward": 1.0, "layers": "x 1"}
    about |= {"jvp": True, "vjp": True, "random_weights": False}
    checks = [tmp_path / f"{name}.parquet" for name in ("good", "bad")]
    for file, problem in zip(checks, ("", "no layer layr4"), strict=True):
        row = pd.DataFrame([about | {"network": file.stem, "problem": problem}])
        store.write(file, NETWORK_CHECKS, row)
    job = {"rule": "collect_checks", "output": {"csv": str(tmp_path / "checks.csv")}, "params": {}}
    job |= {"wildcards": {}, "log": str(tmp_path / "job.log")}
    collect_checks.main(Run(**job, input={"checks": checks[:1]}))
    assert list(pd.read_csv(tmp_path / "checks.csv").network) == ["good"]
    with pytest.raises(ValueError, match=r"1 of 2 networks do not answer: bad; .* Correct their rows"):
        collect_checks.main(Run(**job, input={"checks": checks}))
