"""Files of weights in the formats in which they are published: read without being executed, loaded whole."""

import argparse
import collections
import hashlib
import logging

import pytest
import safetensors
import timm
import torch
from hostile import evils, write
from safetensors.torch import load_file, save_file
from torch import nn

from codingaxes.networks import builders, formats, pickles, weights
from codingaxes.networks.network import load_network

ROW = {
    "name": "small",
    "source": "checkpoint",
    "identifier": "timm:test_resnet?num_classes=3",
    "input_size": 32,
    "mean": [0.5] * 3,
    "std": [0.25] * 3,
    "interpolation": "bilinear",
    "layers": ["layer3"],
}

ZIP_OR_LEGACY = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
NAMES = list(evils(""))


def row(**changes):
    return ROW | changes


def body(seed=0):
    torch.manual_seed(seed)
    network = builders.build(ROW)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
    return network


def like_robustness(model, mean=ROW["mean"], std=ROW["std"], **beside):
    """The dict of a robust ResNet: the model, the attacker's copy of it, the normaliser."""
    state = {f"module.model.{name}": value for name, value in model.state_dict().items()}
    state |= {f"module.attacker.model.{name}": value for name, value in model.state_dict().items()}
    for name in ("module.normalizer.new_", "module.attacker.normalize.new_"):
        state |= {f"{name}mean": torch.tensor(mean)[:, None, None]}
        state |= {f"{name}std": torch.tensor(std)[:, None, None]}
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return {
        "model": collections.OrderedDict(state),
        "optimizer": optimiser.state_dict(),
        "epoch": 3,
        **beside,
    }


@ZIP_OR_LEGACY
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_would_run_something_is_refused_by_its_name_and_does_not_run(tmp_path, name, new):
    marker = tmp_path / "ran"
    content = {"a": torch.ones(2), "nested": [{"deep": evils(marker)[name]}]}
    path = write(content, tmp_path / "w.pt", new)
    with pytest.raises(weights.Refused, match=f"{name}.*was not executed"):
        weights.read(path)
    assert not marker.exists()


@ZIP_OR_LEGACY
@pytest.mark.parametrize("name", NAMES)
def test_a_robust_network_is_taken_out_of_a_file_with_foreign_objects_none_of_which_runs(
    tmp_path, name, new, caplog
):
    marker, model = tmp_path / "ran", body(1)
    foreign = {
        "schedule": evils(marker)[name],
        "args": argparse.Namespace(eps=3),
        "amp": [evils(marker)[name]],
    }
    content = like_robustness(model, **foreign)
    content["optimizer"]["state"] = {0: evils(marker)[name]}
    path = write(content, tmp_path / "resnet.ckpt", new)
    with caplog.at_level(logging.INFO, "codingaxes"):
        weights.convert(path, row(format="robustness"), tmp_path / "w.safetensors")
    assert not marker.exists()
    assert name in caplog.text and "argparse.Namespace" in caplog.text
    state = load_file(tmp_path / "w.safetensors")
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


@ZIP_OR_LEGACY
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["value", "part", "root"])
def test_a_foreign_object_among_the_wanted_tensors_is_refused_even_where_others_are_dropped(
    tmp_path, name, place, new
):
    marker = tmp_path / "ran"
    content = like_robustness(body())
    if place == "root":
        content["model"] = evils(marker)[name]
    else:
        evil = evils(marker)[name]
        content["model"]["module.model.fc.bias"] = evil if place == "value" else [torch.ones(3), evil]
    path = write(content, tmp_path / "resnet.ckpt", new)
    with pytest.raises(ValueError, match=r"network small: .*resnet\.ckpt"):
        weights.convert(path, row(format="robustness"), tmp_path / "w.safetensors")
    assert not marker.exists() and not (tmp_path / "w.safetensors").exists()


def test_a_robust_network_of_plain_content_is_read_too_and_a_stranger_in_its_dict_is_refused(tmp_path):
    model = body(1)
    content = like_robustness(model)
    path = write(content, tmp_path / "resnet.ckpt")
    weights.convert(path, row(format="robustness"), tmp_path / "w.safetensors")
    content["model"]["module.other.weight"] = torch.ones(1)
    write(content, path)
    with pytest.raises(ValueError, match=r"not expected \(1\): module\.other\.weight"):
        weights.convert(path, row(format="robustness"), tmp_path / "w.safetensors")


def test_a_normaliser_inside_a_robust_file_that_is_not_the_rows_is_refused_unless_it_is_accepted(
    tmp_path, caplog
):
    imagenet = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    path, out = (
        write(like_robustness(body(1), *imagenet), tmp_path / "resnet.ckpt"),
        tmp_path / "w.safetensors",
    )
    both = r"mean 0\.5,0\.5,0\.5 and std 0\.25.*resnet\.ckpt has mean 0\.485,0\.456,0\.406 and std 0\.229"
    with pytest.raises(ValueError, match=rf"network small: .*{both}.*write normalisation into"):
        weights.convert(path, row(format="robustness"), out)
    assert not out.exists()
    right = dict(zip(("mean", "std"), imagenet, strict=True))
    weights.convert(path, row(format="robustness", **right), out)
    weights.convert(path, row(format="robustness", accepted=["normalisation"]), out)
    assert "has mean 0.485,0.456,0.406" in caplog.text


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch gives up TorchScript
def test_other_files_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "w.pt"
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    with pytest.raises(ValueError, match="TorchScript"):
        weights.read(path)
    path.write_text("<html>not found</html>")
    with pytest.raises(pickles.Unreadable, match="no file of torch"):
        weights.read(path)
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      "[:12])
    with pytest.raises(pickles.Unreadable, match="damaged safetensors"):
        weights.read(path)
    write({"state_dict": {"a": torch.ones(1)}}, path)
    with pytest.raises(ValueError, match=r"state_dict \(dict\); is this its format"):
        weights.read(path)
    with pytest.raises(ValueError, match="expected a dict with the entry 'model', found state_dict"):
        weights.read(path, "model")
    write(nn.Linear(2, 2), path)
    with pytest.raises(weights.Refused, match=r"torch\.nn\.modules\.linear\.Linear"):
        weights.read(path)
    with pytest.raises(FileNotFoundError):
        weights.read(tmp_path / "absent.pt")


@ZIP_OR_LEGACY
@pytest.mark.parametrize("kind", ["plain", "data_parallel"])
def test_weights_are_converted_exactly_from_torch_files(tmp_path, kind, new):
    model = body(2)
    state = model.state_dict()
    if kind == "data_parallel":
        state = {"state_dict": nn.DataParallel(model).state_dict(), "epoch": 4}
        assert "module.conv1.0.weight" in state["state_dict"] or len(state["state_dict"])
    path = write(state, tmp_path / "w.pth", new)
    count = weights.convert(path, row(format=kind), tmp_path / "w.safetensors")
    assert count == sum(parameter.numel() for parameter in model.parameters())
    again = body(3)
    weights.restore(again, tmp_path / "w.safetensors", ROW)
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())


def test_converted_weights_say_where_they_come_from_and_fit_no_other_network(tmp_path):
    raw, out = tmp_path / "raw.safetensors", tmp_path / "w.safetensors"
    save_file({name: value.half() for name, value in floats(body(4)).items()}, raw)
    digest = hashlib.sha256(raw.read_bytes()).hexdigest()
    weights.convert([raw], row(sha256=digest[:8]), out)
    with safetensors.safe_open(out, "pt") as file:
        assert file.metadata() == {
            "name": "small",
            "identifier": ROW["identifier"],
            "format": "plain",
            "source_sha256": digest,
        }
    state = load_file(out)
    assert state["fc.weight"].dtype == torch.float32  # the network's own type
    torch.testing.assert_close(state["fc.weight"], body(4).state_dict()["fc.weight"], rtol=1e-3, atol=1e-3)
    other = row(identifier="timm:resnet18")
    with pytest.raises(ValueError, match=r"was converted for timm:test_resnet.*, not timm:resnet18"):
        load_network(other, out)
    out.unlink()
    with pytest.raises(ValueError, match=f"network small: the sha256 of .* is {digest}, not 0123"):
        weights.convert(raw, row(sha256="01234567"), out)
    assert list(tmp_path.iterdir()) == [raw]


def floats(model):
    """Weights without the counters of training batches, which old files lack."""
    return {key: value for key, value in model.state_dict().items() if value.is_floating_point()}


def test_a_network_is_never_loaded_in_part(tmp_path):
    raw = tmp_path / "raw.safetensors"
    state = floats(body(5))
    before = {key: value.clone() for key, value in body(6).state_dict().items()}
    faults = {
        r"missing \(1\): fc\.weight": {"fc.weight": None},
        r"not expected \(2\): x, y": {"x": torch.ones(1), "y": torch.ones(1)},
        r"of another shape \(1\): fc\.bias \(4,\) in place of \(3,\)": {"fc.bias": torch.ones(4)},
        r"of another type \(1\): fc\.bias torch\.int8 in place": {"fc.bias": torch.ones(3, dtype=torch.int8)},
    }
    for message, changes in faults.items():
        model = body(6)
        save_file({key: value for key, value in (state | changes).items() if value is not None}, raw)
        with pytest.raises(ValueError, match=rf"network small: .*raw\.safetensors.*{message}"):
            weights.fit(weights.read(raw), model, ROW, str(raw))
        assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    save_file({f"layer{i}": torch.ones(1) for i in range(20)}, raw)
    with pytest.raises(ValueError, match=r"not expected \(20\): .* and 12 more"):
        weights.fit(weights.read(raw), body(), ROW, str(raw))


def test_two_names_that_become_one_and_unknown_formats_are_refused(tmp_path):
    state = {"module.a": torch.ones(1), "a": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"the file has both module\.a and a for a"):
        weights.fit(state, body(), row(format="data_parallel"), "the file")
    with pytest.raises(ValueError, match="network small: unknown format 'plane'; there are plain"):
        formats.of(row(format="plane"))
    write(body().state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match="network small: 2 files, but format plain is about one"):
        weights.convert([tmp_path / "w.pt"] * 2, row(format="plain"), tmp_path / "w.safetensors")


def test_weights_of_which_two_share_memory_are_written(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
            self.b.weight = self.a.weight

    model = Tied()
    assert weights.save(model, ROW, tmp_path / "w.safetensors") == 8
    state = load_file(tmp_path / "w.safetensors")
    assert torch.equal(state["a.weight"], state["b.weight"]) and state.keys() == model.state_dict().keys()


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"scale": 3}


def test_a_network_that_keeps_other_things_than_tensors_is_not_written(tmp_path):
    message = r"network small: its state_dict holds .*: 0\._extra_state \(dict\)"
    with pytest.raises(ValueError, match=message):
        weights.save(nn.Sequential(Extra(2, 2)), ROW, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"network Linear: .* weight \(a meta tensor"):
        weights.write(nn.Linear(2, 2, device="meta"), tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")  # torch gives up quantised tensors
@ZIP_OR_LEGACY
def test_tensors_that_are_not_plain_numbers_are_refused_by_their_name(tmp_path, new):
    weight = torch.ones(3, 2)
    kinds = {
        "sparse": weight.to_sparse(),
        "q": torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "meta": weight.to("meta"),
    }
    for kind, value in kinds.items():
        path = write(body().state_dict() | {"fc.weight": value}, tmp_path / "w.pt", new)
        message = rf"network small: .*w\.pt holds .*torch\._utils\._rebuild_{kind}\w*tensor.*at fc\.weight\. "
        with pytest.raises(weights.Refused, match=message):
            weights.convert(path, row(format="plain"), tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_position_embeddings_of_larger_images_are_resampled_as_timm_does_it(tmp_path):
    identifier = "vit_small_patch14_dinov2.lvd142m?depth=1&embed_dim=48&num_heads=2&img_size="
    dino = row(source="timm", format="timm_filter", identifier=f"{identifier}28", layers=["norm"])
    torch.manual_seed(0)
    large = builders.build(dino | {"identifier": f"{identifier}70"})
    nn.init.normal_(large.pos_embed)
    save_file(large.state_dict(), tmp_path / "raw.safetensors")
    weights.convert(tmp_path / "raw.safetensors", dino, tmp_path / "w.safetensors")
    expected = timm.create_model(
        "vit_small_patch14_dinov2.lvd142m",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "raw.safetensors")},
        depth=1,
        embed_dim=48,
        num_heads=2,
        img_size=28,
    )
    state = load_file(tmp_path / "w.safetensors")
    assert state["pos_embed"].shape == (1, 5, 48)
    assert all(torch.equal(state[key], value) for key, value in expected.state_dict().items())
    with pytest.raises(ValueError, match=r"of another shape \(1\): pos_embed \(1, 26, 48\)"):
        weights.convert(tmp_path / "raw.safetensors", dino | {"format": "plain"}, tmp_path / "w.safetensors")


def test_timm_filters_are_asked_for_timm_alone():
    with pytest.raises(ValueError, match=r"network small .* is no model of timm"):
        formats.translated({}, None, row(identifier="adapter:blip2_vision", format="timm_filter"), "the file")
    with pytest.raises(ValueError, match="network small: timm has no filter of weights for resnet18"):
        formats.translated({}, None, row(identifier="timm:resnet18", format="timm_filter"), "the file")


def test_old_names_of_densenets_are_understood(tmp_path):
    dense = row(identifier="timm:densenet121?growth_rate=4&block_config=(1,1,1,1)", format="densenet")
    torch.manual_seed(0)
    model = builders.build(dense)
    old = {}
    for name, value in floats(model).items():
        for kind in ("norm", "conv"):
            for number in "12":
                name = (
                    name.replace(f".{kind}{number}.", f".{kind}.{number}.") if "denselayer" in name else name
                )
        old[name] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    write(old, tmp_path / "w.pth")
    weights.convert(tmp_path / "w.pth", dense, tmp_path / "w.safetensors")
    state = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(state[key], value) for key, value in floats(model).items())


def test_of_an_open_clip_file_the_image_tower_is_taken(tmp_path):
    clip = row(source="timm", identifier="resnet50_clip.openai", format="clip_resnet")
    torch.manual_seed(0)
    model = builders.build(clip)
    raw = {open_clip_name(name): value for name, value in model.state_dict().items()}
    raw |= {"transformer.resblocks.0.ln_1.weight": torch.ones(2), "logit_scale": torch.ones(())}
    save_file(raw, tmp_path / "raw.safetensors")
    weights.convert(tmp_path / "raw.safetensors", clip, tmp_path / "w.safetensors")
    state = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def open_clip_name(name):
    """The name that open_clip gives to a tensor of timm's CLIP ResNet."""
    parts = name.split(".")
    if parts[0] == "stem":
        return f"visual.{'conv' if parts[2] == 'conv' else 'bn'}{parts[1][-1]}.{parts[-1]}"
    if parts[0] == "head":
        short = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj": "c_proj"}
        rest = [{"pos_embed": "positional_embedding"}.get(part, short.get(part, part)) for part in parts[1:]]
        return ".".join(["visual.attnpool", *rest])
    place = f"visual.layer{int(parts[1]) + 1}.{parts[2]}"
    if parts[3] == "shortcut":
        return f"{place}.downsample.{0 if parts[5] == 'conv' else 1}.{parts[-1]}"
    return f"{place}.{'conv' if parts[4] == 'conv' else 'bn'}{parts[3][4]}.{parts[-1]}"
