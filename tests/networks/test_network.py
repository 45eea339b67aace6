"""Networks: layers, resizing, derivatives, weights, and what is checked of them."""

import json

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from codingaxes.axes import derivatives
from codingaxes.encoding.from_network import LinearResponse
from codingaxes.miniature import zoo
from codingaxes.networks import builders
from codingaxes.networks.network import Network, load_network, save_network
from codingaxes.networks.weights import sha256

NAMES = list(zoo.ARCHITECTURES)


def network(architecture, seed=0):
    torch.manual_seed(seed)
    return Network(architecture).eval().requires_grad_(False)


def images(n=3, seed=0):
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("architecture", NAMES)
def test_features_do_not_depend_on_the_batch_and_have_two_or_more_layers(architecture):
    net, x = network(architecture), images()
    together = net.features(x)
    assert len(together) >= 2
    for layer, values in together.items():
        alone = torch.cat([net.features(image[None], [layer])[layer] for image in x])
        torch.testing.assert_close(values, alone, rtol=1e-4, atol=1e-5)
        assert values.shape[0] == 3 and values.std(dim=0).max() > 0


@pytest.mark.parametrize("architecture", NAMES)
def test_the_features_are_those_of_the_layer_in_a_full_forward_pass(architecture):
    net, x, outputs = network(architecture), images(), []
    layer = net.layers[0]
    handle = net.body.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: outputs.append(output.detach().flatten(1).clone())
    )
    net(x)
    handle.remove()
    torch.testing.assert_close(net.features(x, [layer])[layer], outputs[0])


@pytest.mark.parametrize("architecture", NAMES)
def test_jacobian_products_agree_with_finite_differences(architecture):
    net, x = network(architecture).double(), images(2).double()
    layer = net.layers[-1]
    d = net.features(x, [layer])[layer].shape[1]
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((d, 5)))[0].T
    respond = LinearResponse(net, layer, np.eye(5), basis, np.zeros(5)).double()
    v = torch.randn(2, x[0].numel(), generator=torch.Generator().manual_seed(2)).double()
    product = derivatives.gauss_newton(respond, x)(v)
    step = 1e-6
    pushed = (respond(x + step * v.view_as(x)) - respond(x - step * v.view_as(x))) / (2 * step)
    torch.testing.assert_close((product * v).sum(dim=1), pushed.square().sum(dim=1), rtol=1e-3, atol=1e-8)


def test_an_unknown_layer_or_architecture_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match=r"network resnet: no layer layer9; candidates are layer2.*near are layer"
    ):
        network("resnet").features(images(), ["layer9"])
    with pytest.raises(ValueError, match="no layer layer2:mean"):
        network("resnet").features(images(), ["layer2:mean"])
    with pytest.raises(ValueError, match="resnet, densenet, vgg"):
        Network("resnett")


def test_weights_are_read_back_exactly_and_never_in_part(tmp_path):
    net = network("resnet", seed=3)
    save_network(net, tmp_path / "w.safetensors")
    again = load_network("resnet", tmp_path / "w.safetensors")
    assert torch.equal(net(images()), again(images()))
    assert not any(parameter.requires_grad for parameter in again.parameters()) and not again.training
    content = load_file(tmp_path / "w.safetensors")
    content.pop("layer1.0.conv1.weight")
    save_file(content, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"network resnet: .*missing \(1\): layer1\.0\.conv1\.weight"):
        load_network("resnet", tmp_path / "w.safetensors")
    with pytest.raises(FileNotFoundError, match=r"network resnet: .*train_network"):
        load_network("resnet", tmp_path / "absent.safetensors")


def test_one_flipped_bit_of_a_weight_is_noticed_where_a_record_has_the_digest(tmp_path):
    weights, record = tmp_path / "w.safetensors", tmp_path / "w.json"
    save_network(network("resnet", seed=3), weights)
    record.write_text(json.dumps({"sha256": sha256(weights)}))
    load_network("resnet", weights)
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"network resnet: .*w\.safetensors is damaged .* in .*w\.json"):
        load_network("resnet", weights)
    record.unlink()
    load_network("resnet", weights)  # nothing is known of it


def test_random_weights_are_the_same_each_time_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (load_network("vgg", None, random_weights=True) for _ in range(2))
    assert torch.equal(torch.rand(1), expected) and torch.equal(first(images()), second(images()))


def row(source="timm", identifier="test_vit", size=48, layers=("norm",), interpolation="bilinear"):
    about = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": interpolation}
    about |= {"name": "mine", "source": source, "identifier": identifier}
    return about | {"input_size": size, "layers": list(layers)}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [40, 64, 90])
def test_images_of_another_size_are_resized_and_normalised_inside(size, interpolation):
    net = load_network(
        row("torchvision", "squeezenet1_1", 64, ["features.6"], interpolation), None, "cpu", True
    )
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    resized = functional.interpolate(x, (64, 64), mode=interpolation, antialias=True, align_corners=False)
    pixels = (resized if size != 64 else x) - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    expected = net.body.features[:7](pixels / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
    torch.testing.assert_close(net.features(x)["features.6"], expected.flatten(1), rtol=1e-4, atol=1e-5)


def test_a_layer_is_not_changed_by_an_activation_in_place_after_it():
    net = load_network(
        row("torchvision", "squeezenet1_1", 64, ["features.0", "features.1"]), None, "cpu", True
    )
    before, after = net.features(images()).values()
    assert before.min() < 0 and torch.equal(before.relu(), after)


def test_attention_is_computed_without_fused_kernels_and_its_first_token_can_be_read():
    net = load_network(
        row(identifier="test_vit?img_size=48", layers=["blocks.0", "norm", "norm:cls"]), None, "cpu", True
    )
    assert not any(getattr(module, "fused_attn", False) for module in net.body.modules())
    x = torch.rand(2, 3, 48, 48)
    features = net.features(x)
    tokens = features["norm"].view(2, -1, features["norm:cls"].shape[1])
    assert torch.equal(features["norm:cls"], tokens[:, 0])
    fused = timm.create_model("test_vit", img_size=48).eval()
    fused.load_state_dict(net.body.state_dict())
    expected = fused.forward_features((x - net.mean) / net.std)
    torch.testing.assert_close(features["norm"], expected.flatten(1), rtol=1e-4, atol=1e-5)
    with pytest.raises(
        ValueError, match=r"layer patch_embed\.proj:cls needs an output \(n, tokens, d\), not \(2"
    ):
        net.features(x, ["patch_embed.proj:cls"])


OWN = """
import torch
from torch import nn
from torch.nn import functional


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.area, self.out, self.late = nn.Conv2d(3, 3, 3, padding=1), nn.Identity(), Late()
        self.idle = nn.Linear(2, 2)

    def forward(self, x):
        for _ in range(5):
            x = torch.tanh(self.area(x))
        self.out(x)
        return self.late(x)


class Late(nn.Module):
    def forward(self, x):
        if getattr(self, "tired", False):
            raise RuntimeError("ran although nobody asked")
        return x


class Answers(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.dict, self.number = Answer("pair"), Answer("dict"), Answer("number")
        self.squeezed, self.empty, self.named = Answer("squeezed"), Answer("empty"), Answer("named")

    def forward(self, x):
        return [part(x) for part in self.children()]


class Answer(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        kinds = {"pair": (2 * x, None), "dict": {"last_hidden_state": 3 * x}, "number": 4.0}
        kinds |= {"squeezed": x.mean(dim=(1, 2, 3)).sum(), "empty": (), "named": {"logits": x}}
        return kinds[self.kind]


class Faulty(nn.Module):
    def __init__(self):
        super().__init__()
        self.mixed, self.random, self.broken = Fault("mixed"), Fault("random"), Fault("broken")
        self.last, self.same, self.constant = Fault("last"), Fault("same"), Fault("constant")
        self.good = nn.Identity()

    def forward(self, x):
        return [part(x) for part in self.children()]


class Fault(Answer):
    def forward(self, x):
        if self.kind == "mixed":
            return x - x.mean(dim=0)
        if self.kind == "last":
            return x - x[-1:]
        if self.kind in ("same", "constant"):
            return torch.full_like(x, 3.0)
        return functional.dropout(x) if self.kind == "random" else x / 0


class Graded(nn.Module):
    def __init__(self):
        super().__init__()
        kinds = ("detach", "no_grad", "round", "threshold", "unbounded", "relu", "numpy")
        self.parts = nn.ModuleDict({kind: Gradient(kind) for kind in kinds})

    def forward(self, x):
        return [part(x) for part in self.parts.values()]


class Gradient(Answer):
    def forward(self, x):
        if self.kind == "no_grad":
            with torch.no_grad():
                return 2 * x
        if self.kind == "unbounded":
            return (0 * x).sqrt() + x
        return {
            "detach": lambda: x.detach(),
            "numpy": lambda: torch.from_numpy(x.numpy() + 1),
            "round": lambda: (3 * x).round(),
            "threshold": lambda: (x > 0).float(),
            "relu": lambda: functional.relu(x),
        }[self.kind]()


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 3, 9), nn.Conv2d(3, 3, 9))


class Unsteady(nn.Module):
    def __init__(self):
        super().__init__()
        self.area, self.out, self.bounds = nn.Conv2d(3, 3, 3, padding=1), nn.Identity(), (-100, 100)

    def forward(self, x):
        for _ in range(1 + sum(x.mean().item() > bound for bound in self.bounds)):
            x = self.area(x)
        return self.out(x)


class Hasty(Unsteady):
    def __init__(self):
        super().__init__()
        self.bounds = (-1, 100)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Rows of networks in a file of the user's own."""
    monkeypatch.setattr(builders, "WORKFLOW", tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    return lambda name, *layers: row("python", f"own.py:{name}", None, layers)


def test_a_module_that_runs_several_times_gives_its_last_output_and_later_ones_do_not_run(own):
    net = load_network(own("Recurrent", "area", "out"), None, random_weights=True)
    net.body.late.tired = True
    x, expected = images(), (images() - net.mean) / net.std
    for _ in range(4):
        expected = net.body.area(expected).tanh()
    expected = net.body.area(expected)
    features = net.features(x)
    torch.testing.assert_close(features["area"], expected.flatten(1))
    torch.testing.assert_close(features["out"], expected.tanh().flatten(1))
    with pytest.raises(RuntimeError, match="although nobody asked"):
        net(x)
    with pytest.raises(ValueError, match="layer idle does not run in a forward pass"):
        net.features(x, ["idle"])


def test_of_a_tuple_the_first_item_is_taken_and_of_a_dict_its_hidden_state(own):
    net = load_network(own("Answers", "pair", "dict"), None, random_weights=True)
    x = images()
    pixels = ((x - net.mean) / net.std).flatten(1)
    assert torch.equal(net.features(x)["pair"], 2 * pixels) and torch.equal(
        net.features(x)["dict"], 3 * pixels
    )


@pytest.mark.parametrize(
    ("layer", "answer"),
    [("number", "float"), ("squeezed", r"\(\)"), ("empty", "tuple"), ("named", "NoneType")],
)
def test_a_layer_that_gives_no_row_for_each_image_is_refused_at_the_door(own, layer, answer):
    with pytest.raises(ValueError, match=f"network mine: layer {layer} gives {answer} for 2 images"):
        load_network(own("Answers", layer), None, random_weights=True)


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("mixed", ValueError, "changes by .* when another image is in the batch"),
        ("last", ValueError, "changes by .* when another image is in the batch"),
        ("random", ValueError, "gives other features for the same images"),
        ("broken", FloatingPointError, "is not finite on random images"),
    ],
)
def test_a_network_that_the_study_cannot_rely_on_is_refused_at_the_door(own, layer, error, message):
    with pytest.raises(error, match=f"network mine: layer {layer} {message}"):
        load_network(own("Faulty", layer), None, random_weights=True)


@pytest.mark.parametrize("kind", ["detach", "no_grad", "numpy", "round", "threshold"])
def test_a_layer_without_a_gradient_is_refused_at_the_door(own, kind):
    load_network(own("Graded", "parts.relu"), None, random_weights=True)
    with pytest.raises(ValueError, match=rf"network mine: layer parts\.{kind} .* has no gradient"):
        load_network(own("Graded", "parts.relu", f"parts.{kind}"), None, random_weights=True)


def test_a_gradient_that_is_not_finite_and_a_size_that_is_too_small_are_refused_by_name(own):
    with pytest.raises(FloatingPointError, match=r"layer parts\.unbounded has a gradient that is not finite"):
        load_network(own("Graded", "parts.unbounded"), None, random_weights=True)
    load_network(own("Small", "1"), None, random_weights=True, image_size=32)
    with pytest.raises(ValueError, match=r"network mine: it cannot run on images of 12 pixels a side.*12: "):
        load_network(own("Small", "1"), None, random_weights=True, image_size=12)


def test_a_network_that_gives_each_image_the_same_answer_is_refused_but_not_for_one_such_layer(own, caplog):
    with pytest.raises(ValueError, match=r"network mine: two different .* the same .* \(same, constant\)"):
        load_network(own("Faulty", "same", "constant"), None, random_weights=True)
    load_network(own("Faulty", "same", "good"), None, random_weights=True)
    assert "layer same gives two random images the same features" in caplog.text


def test_a_layer_that_runs_another_number_of_times_than_at_load_is_refused(own):
    with pytest.raises(ValueError, match=r"network mine: layer area runs .* times, 2, .*\(1\)"):
        load_network(own("Hasty", "area"), None, random_weights=True)
    net = load_network(own("Unsteady", "area", "out"), None, random_weights=True)
    for brightness, times in ((60.0, 3), (-60.0, 1)):
        with pytest.raises(ValueError, match=rf"network mine: layer area runs .* times, {times}, .*\(2\)"):
            net.features(torch.full((1, 3, 64, 64), brightness))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interpolation": "nearest"}, "interpolation is bilinear or bicubic, not 'nearest'"),
        ({"std": [1, 0, 1]}, "three numbers of mean and of std"),
        ({"layers": []}, "at least one layer"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_its_name(changes, message):
    with pytest.raises(ValueError, match=f"network mine: .*{message}"):
        Network(row() | changes)
