"""Vision towers of Nomic and BLIP2 against the same networks written out under their published names."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from codingaxes.networks import builders, ports, weights
from codingaxes.networks.network import load_network

CLIP = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"}
NOMIC = CLIP | {
    "name": "nomic",
    "source": "checkpoint",
    "identifier": "adapter:nomic_vision?depth=2&width=48&heads=3&img_size=48",
    "format": "nomic",
    "input_size": 48,
    "layers": ["trunk.blocks.0", "trunk.blocks.1", "selector"],
}
BLIP2 = CLIP | {
    "name": "blip2",
    "source": "checkpoint",
    "identifier": "adapter:blip2_vision?depth=2&width=48&heads=3&hidden=96&img_size=42",
    "format": "blip2",
    "input_size": 42,
    "layers": ["blocks.0", "blocks.1", "norm", "norm:cls"],
}


def drawn(shapes):
    """Weights of published names and shapes; those of norms are near one."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * (0.3 if len(shape) < 2 else shape[-1] ** -0.5)
        state[name] = value + ("norm" in name and name.endswith("weight"))
    return state


def linear(prefix, rows, columns):
    return {f"{prefix}.weight": (rows, columns), f"{prefix}.bias": (rows,)}


def norm(prefix, size):
    return {f"{prefix}.weight": (size,), f"{prefix}.bias": (size,)}


def gated(prefix, size, hidden):
    return (
        linear(f"{prefix}.fc11", hidden, size)
        | linear(f"{prefix}.fc12", hidden, size)
        | linear(f"{prefix}.fc2", size, hidden)
    )


def nomic_shapes(size=48, hidden=128, depth=2, tokens=10):
    shapes = {"embeddings.cls_token": (1, 1, size), "embeddings.pos_embed": (1, tokens, size)}
    shapes |= linear("embeddings.proj", size, 3 * 16 * 16)
    for i in range(depth):
        stem = f"layers.{i}"
        shapes |= norm(f"{stem}.norm1", size) | norm(f"{stem}.norm2", size)
        shapes |= linear(f"{stem}.attn.Wqkv", 3 * size, size) | linear(f"{stem}.attn.out_proj", size, size)
        shapes |= gated(f"{stem}.mlp", size, hidden) | norm(f"{stem}.mlp.norm", hidden)
    shapes |= {"selector.attn.latent": (1, 1, size)} | norm("selector.norm1", size)
    shapes |= linear("selector.attn.Wq", size, size) | linear("selector.attn.Wkv", 2 * size, size)
    return shapes | linear("selector.attn.out_proj", size, size) | gated("selector.mlp", size, hidden)


class Written:
    """A network written out from the tensors of a published file."""

    def __init__(self, state, heads):
        self.state, self.heads = state, heads

    def linear(self, name, x):
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, name, x, eps=1e-6):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + eps).sqrt()
        return x * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, query, key, value):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        return (scores.exp() / scores.exp().sum(-1, keepdim=True) @ value).transpose(1, 2).flatten(2)

    def gated(self, name, x, inner=lambda x: x):
        gate = self.linear(f"{name}.fc12", x)
        return self.linear(f"{name}.fc2", inner(self.linear(f"{name}.fc11", x) * gate * gate.sigmoid()))


def rotated(x, side, heads_size):
    """Pairs of neighbouring numbers turned by row (first half) and column (second half) of their patch."""
    place = torch.arange(side) * 14 / side  # positions are those of 14 x 14 patches
    rows, columns = place.repeat_interleave(side), place.repeat(side)
    speeds = 10000 ** -(torch.arange(heads_size // 4) / (heads_size // 4))
    angles = torch.cat([rows[:, None] * speeds, columns[:, None] * speeds], dim=1)
    even, odd = x[..., ::2], x[..., 1::2]
    turned = even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin()
    return torch.stack(turned, dim=-1).flatten(-2)


def nomic_written(state, images, depth=2, heads=3, side=3):
    net = Written(state, heads)
    n, size = len(images), state["embeddings.cls_token"].shape[-1]
    patches = functional.unfold(images, 16, stride=16).mT
    x = torch.cat(
        [state["embeddings.cls_token"].expand(n, 1, size), net.linear("embeddings.proj", patches)], 1
    )
    x = x + state["embeddings.pos_embed"]
    for i in range(depth):
        stem = f"layers.{i}"
        parts = net.linear(f"{stem}.attn.Wqkv", net.norm(f"{stem}.norm1", x)).chunk(3, -1)
        query, key, value = map(net.split, parts)
        query, key = (
            torch.cat([part[:, :, :1], rotated(part[:, :, 1:], side, size // heads)], 2)
            for part in (query, key)
        )
        x = x + net.linear(f"{stem}.attn.out_proj", net.attend(query, key, value))
        inner = lambda hidden, stem=stem: net.norm(f"{stem}.mlp.norm", hidden, 1e-5)  # noqa: E731
        x = x + net.gated(f"{stem}.mlp", net.norm(f"{stem}.norm2", x), inner)
    query = net.linear("selector.attn.Wq", state["selector.attn.latent"].expand(n, 1, size))
    key, value = net.linear("selector.attn.Wkv", x).chunk(2, -1)
    attended = net.attend(*map(net.split, (query, key, value)))
    attended = net.norm("selector.norm1", net.linear("selector.attn.out_proj", attended))
    return x, x[:, 0] + net.gated("selector.mlp", attended)[:, 0]


def test_nomic_computes_what_its_published_weights_mean(tmp_path):
    state = drawn(nomic_shapes())
    save_file(state, tmp_path / "raw.safetensors")
    weights.convert(tmp_path / "raw.safetensors", NOMIC, tmp_path / "w.safetensors")
    network = load_network(NOMIC, tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    features = network.features(images)
    tokens, embedding = nomic_written(state, (images - network.mean) / network.std)
    torch.testing.assert_close(features["trunk.blocks.1"], tokens.flatten(1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features["selector"], embedding, rtol=1e-3, atol=1e-4)


def blip2_shapes(size=48, hidden=96, depth=2, tokens=10):
    shapes = {"embeddings.class_embedding": (1, 1, size), "embeddings.position_embedding": (1, tokens, size)}
    shapes |= {
        "embeddings.patch_embedding.weight": (size, 3, 14, 14),
        "embeddings.patch_embedding.bias": (size,),
    }
    for i in range(depth):
        stem = f"encoder.layers.{i}"
        shapes |= norm(f"{stem}.layer_norm1", size) | norm(f"{stem}.layer_norm2", size)
        shapes |= linear(f"{stem}.self_attn.qkv", 3 * size, size)
        shapes |= linear(f"{stem}.self_attn.projection", size, size)
        shapes |= linear(f"{stem}.mlp.fc1", hidden, size) | linear(f"{stem}.mlp.fc2", size, hidden)
    shapes |= norm("post_layernorm", size)
    return {f"vision_model.{name}": shape for name, shape in shapes.items()}


def blip2_written(state, images, depth=2, heads=3):
    net = Written({name.removeprefix("vision_model."): value for name, value in state.items()}, heads)
    n, size = len(images), net.state["embeddings.class_embedding"].shape[-1]
    weight = net.state["embeddings.patch_embedding.weight"].flatten(1)
    patches = functional.unfold(images, 14, stride=14).mT @ weight.T
    patches = patches + net.state["embeddings.patch_embedding.bias"]
    x = torch.cat([net.state["embeddings.class_embedding"].expand(n, 1, size), patches], 1)
    x = x + net.state["embeddings.position_embedding"]
    for i in range(depth):
        stem = f"encoder.layers.{i}"
        parts = net.linear(f"{stem}.self_attn.qkv", net.norm(f"{stem}.layer_norm1", x)).chunk(3, -1)
        x = x + net.linear(f"{stem}.self_attn.projection", net.attend(*map(net.split, parts)))
        hidden = net.linear(f"{stem}.mlp.fc1", net.norm(f"{stem}.layer_norm2", x))
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        x = x + net.linear(f"{stem}.mlp.fc2", hidden)
    return x, net.norm("post_layernorm", x)


def test_blip2_computes_what_its_published_weights_mean_whatever_the_bias_of_keys(tmp_path):
    state = drawn(blip2_shapes())
    text = {
        "qformer.encoder.layer.0.x": torch.ones(2),
        "query_tokens": torch.ones(1),
        "itm_head.bias": torch.ones(2),
    }
    save_file(state | text, tmp_path / "raw.safetensors")
    weights.convert(tmp_path / "raw.safetensors", BLIP2, tmp_path / "w.safetensors")
    network = load_network(BLIP2, tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 42, 42, generator=torch.Generator().manual_seed(1))
    features = network.features(images)
    tokens, last = blip2_written(state, (images - network.mean) / network.std)
    torch.testing.assert_close(features["blocks.1"], tokens.flatten(1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features["norm"], last.flatten(1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features["norm:cls"], last[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("row", "shapes", "gone"),
    [
        (NOMIC, nomic_shapes(), "selector.norm1.bias"),
        (BLIP2, blip2_shapes(), "vision_model.post_layernorm.bias"),
    ],
)
def test_a_published_file_that_lacks_a_tensor_or_has_another_is_refused(tmp_path, row, shapes, gone):
    state = drawn(shapes)
    for changed, message in (
        ({name: value for name, value in state.items() if name != gone}, r"missing \(1\): .*norm\.bias"),
        (state | {"vision_model.extra": torch.ones(1)}, r"not expected \(1\): (vision_model\.)?extra"),
    ):
        save_file(changed, tmp_path / "raw.safetensors")
        with pytest.raises(ValueError, match=f"network {row['name']}: .*{message}"):
            weights.convert(tmp_path / "raw.safetensors", row, tmp_path / "w.safetensors")


def test_both_towers_have_the_published_number_of_parameters():
    biases_of_keys = 39 * 1408  # of BLIP2, which have no effect
    with torch.device("meta"):
        for name, expected in (("nomic_vision", 92_946_688), ("blip2_vision", 985_952_256 - biases_of_keys)):
            tower = builders.build({"name": name, "source": "checkpoint", "identifier": f"adapter:{name}"})
            assert isinstance(tower, nn.Module) and not tower.training
            assert sum(parameter.numel() for parameter in tower.parameters()) == expected
    assert set(ports.ADAPTERS) == {"nomic_vision", "blip2_vision", "cornet_rt"}
