"""Networks of optional packages, and DreamSim; tests of a package run where it is installed."""

import json
import socket
import sys
import types
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from codingaxes import checkpoints, hubs, networks, sources

BLOCKS = [(tower, block) for tower in ("dino", "clip", "open_clip") for block in range(12)]


def row(source, identifier, **more):
    return {"name": "mine", "source": source, "identifier": identifier} | more


def full_row(source, identifier, layers, size=224, **more):
    half = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"}
    return row(source, identifier, layers=layers, input_size=size, **(half | more))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


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
        sources.build(row(source, identifier))


def test_another_package_of_the_same_name_is_told_apart(monkeypatch):
    monkeypatch.setitem(sys.modules, "cornet", types.ModuleType("cornet"))
    with pytest.raises(ImportError, match=r"has no CORnet_RT: another of that name"):
        hubs.build(row("cornet", "CORnet_RT"))


def test_a_source_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"network mine: source 'hub' is none of transformers, open_clip"):
        hubs.build(row("hub", "RN50"))


def test_dreamsim_comes_as_the_ensemble_only():
    with pytest.raises(ValueError, match="dreamsim has no 'dino_vitb16'; expected ensemble"):
        hubs.build(row("dreamsim", "dino_vitb16"))


def test_dreamsim_gives_its_embedding_with_mean_zero_and_length_one():
    torch.manual_seed(0)
    identity = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
    network = networks.Network(full_row("dreamsim", "ensemble", ["embedding"], **identity)).eval()
    with torch.no_grad():
        found = network.features(torch.rand(2, 3, 224, 224))["embedding"]
    assert found.shape == (2, 768 + 512 + 512)
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def parts(width=4, rank=2, wrapper="base_model.model."):
    """DreamSim's published tensors, made narrow."""
    states = {"updates": {}}
    for position, tower in enumerate(("dino", "clip", "open_clip")):
        state = {"pos_embed": torch.randn(1, 5, width), "patch_embed.proj.bias": torch.randn(width)}
        state |= {f"norm.{name}": torch.randn(width) for name in ("weight", "bias")}
        for block in range(12):
            state[f"blocks.{block}.attn.qkv.weight"] = torch.randn(3 * width, width)
            name = f"{wrapper}extractor_list.{position}.model.blocks.{block}.attn.qkv.lora"
            states["updates"][f"{name}_A.weight"] = torch.randn(rank, width)
            states["updates"][f"{name}_B.weight"] = torch.randn(3 * width, rank)
        if tower != "dino":
            state |= {"proj": torch.randn(width, 3), "pos_drop.weight": torch.randn(width)}
        states[tower] = state
    return states


CONFIG = {"r": 2, "lora_alpha": 0.5}


def test_low_rank_updates_are_added_with_their_scale():
    states = parts()
    found = hubs.remap(row("dreamsim", "ensemble"), states, CONFIG)
    for position, (tower, block) in zip(torch.arange(36) // 12, BLOCKS, strict=True):
        name = f"base_model.model.extractor_list.{position}.model.blocks.{block}.attn.qkv.lora"
        update = states["updates"][f"{name}_B.weight"] @ states["updates"][f"{name}_A.weight"]
        weight = f"blocks.{block}.attn.qkv.weight"
        torch.testing.assert_close(found[f"towers.{tower}.{weight}"], states[tower][weight] + 0.25 * update)


def test_the_given_tensors_of_dreamsim_stay_as_they_are():
    states = parts()
    before = {part: {name: value.clone() for name, value in state.items()} for part, state in states.items()}
    hubs.remap(row("dreamsim", "ensemble"), states, CONFIG)
    for part, state in states.items():
        torch.testing.assert_close(state, before[part], atol=0, rtol=0)


def test_a_clip_moves_the_bias_of_patches_to_their_positions_and_turns_its_projection():
    states = parts()
    found, clip = hubs.remap(row("dreamsim", "ensemble"), states, CONFIG), states["clip"]
    moved = found["towers.clip.pos_embed"] - clip["pos_embed"]
    torch.testing.assert_close(moved[0, 0], torch.zeros(4))
    torch.testing.assert_close(moved[0, 1:], clip["patch_embed.proj.bias"].expand(4, 4))
    torch.testing.assert_close(found["towers.clip.head.weight"], clip["proj"].T)
    assert {name for name in found if "proj.bias" in name} == {"towers.dino.patch_embed.proj.bias"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda updates: updates.popitem(), "expected updates of 12 blocks of dino, clip, open_clip"),
        (
            lambda updates: updates.update({"mlp.fc1.lora_A.weight": torch.ones(1)}),
            "is no update of an attent",
        ),
    ],
)
def test_an_update_that_is_not_dreamsims_is_refused(change, message):
    states = parts()
    change(states["updates"])
    with pytest.raises(ValueError, match=message):
        hubs.remap(row("dreamsim", "ensemble"), states, CONFIG)


def test_an_update_of_another_rank_than_stated_is_refused():
    with pytest.raises(ValueError, match="an update of rank 2, not 16"):
        hubs.remap(row("dreamsim", "ensemble"), parts(), {"r": 16, "lora_alpha": 0.5})


def release(folder, states, config, updates="adapter_model.safetensors", wrap="state_dict"):
    """DreamSim's archive and DINO's file, as they are published."""
    for name in ("clip", "open_clip"):
        torch.save({wrap: states[name], "epoch": 3}, folder / f"{name}_vitb16_pretrain.pth.tar")
    if updates.endswith("safetensors"):
        save_file(states["updates"], folder / updates)
    else:
        torch.save(states["updates"], folder / updates)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    torch.save(states["dino"], folder / "dino.pth")
    with zipfile.ZipFile(folder / "release.zip", "w") as archive:
        for name in ("clip", "open_clip"):
            archive.write(
                folder / f"{name}_vitb16_pretrain.pth.tar", f"models/{name}_vitb16_pretrain.pth.tar"
            )
        for name in (updates, "adapter_config.json"):
            archive.write(folder / name, f"models/ensemble_lora/{name}")
        archive.writestr("models/dino_vitb16_pretrain.pth", "not wanted")
        archive.writestr("../../outside.py", "raise SystemExit")
    return [folder / "release.zip", folder / "dino.pth"]


@pytest.mark.parametrize("updates", ["adapter_model.safetensors", "adapter_model.bin"])
def test_a_release_of_dreamsim_is_read_member_by_member(tmp_path, updates):
    states = parts()
    raw = release(tmp_path, states, CONFIG, updates)
    before = sorted(tmp_path.parent.rglob("*"))
    found = hubs.assemble(row("dreamsim", "ensemble"), raw, checkpoints.read)
    torch.testing.assert_close(found, hubs.remap(row("dreamsim", "ensemble"), states, CONFIG))
    assert sorted(tmp_path.parent.rglob("*")) == before, "nothing may be left of the archive"


def test_a_release_without_its_updates_is_refused(tmp_path):
    raw = release(tmp_path, parts(), CONFIG)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("clip_vitb16_pretrain.pth.tar", "x")
        archive.writestr("open_clip_vitb16_pretrain.pth.tar", "x")
    with pytest.raises(ValueError, match=r"other\.zip has nothing for .*ensemble_lora"):
        hubs.assemble(row("dreamsim", "ensemble"), [tmp_path / "other.zip", raw[1]], checkpoints.read)
    with pytest.raises(ValueError, match="expected two files, the release and DINO, not 1"):
        hubs.assemble(row("dreamsim", "ensemble"), raw[:1], checkpoints.read)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda states, config: states["clip"].pop("proj"), "not as DreamSim's authors publish it .KeyError"),
        (lambda states, config: config.pop("r"), "not as DreamSim's authors publish it .KeyError"),
        (lambda states, config: states["dino"].update(bad=3), "tensors only, but has bad"),
    ],
)
def test_a_release_of_another_kind_is_refused(tmp_path, spoil, message):
    states, config = parts(), dict(CONFIG)
    spoil(states, config)
    raw = release(tmp_path, states, config)
    with pytest.raises(ValueError, match=message):
        hubs.assemble(row("dreamsim", "ensemble"), raw, checkpoints.read)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    raw = release(tmp_path, parts(), CONFIG)
    raw[0].write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"release\.zip is not as DreamSim's authors publish it .BadZipFile"):
        hubs.assemble(row("dreamsim", "ensemble"), raw, checkpoints.read)


def test_dreamsim_answers_as_its_own_package_does(tmp_path, monkeypatch):
    package = pytest.importorskip("dreamsim")
    peft = pytest.importorskip("peft")
    from dreamsim.feature_extraction import vision_transformer

    torch.manual_seed(0)
    # the code that the package would download for DINO; the package has a copy of it
    monkeypatch.setattr(
        torch.hub, "load", lambda *_: vision_transformer.vit_base(patch_size=16, num_classes=0)
    )
    backbones = {}
    for name in ("clip", "open_clip"):
        tower = vision_transformer.vit_base(patch_size=16)
        tower.pos_drop = torch.nn.LayerNorm(768)
        backbones[name] = tower.state_dict() | {"proj": torch.randn(768, 512)}
        torch.save({"state_dict": backbones[name]}, tmp_path / f"{name}_vitb16_pretrain.pth.tar")
    shapes = {"mlp.0": (2048, 768), "mlp.2": (2048, 2048), "mlp.4": (256, 2048)}
    head = {f"module.head.{k}.weight": torch.zeros(v) for k, v in shapes.items()}
    head |= {f"module.head.{k}.bias": torch.zeros(v[0]) for k, v in shapes.items()}
    head |= {"module.head.last_layer.weight": torch.zeros(65536, 256)}
    torch.save({"student": head}, tmp_path / "dino_vitb16_pretrain.pth")
    config = {"r": 16, "lora_alpha": 0.5, "lora_dropout": 0.3, "bias": "none", "target_modules": ["qkv"]}
    args = package.config.dreamsim_args["model_config"]["ensemble"]
    options = {"device": "cpu", "load_dir": str(tmp_path), "normalize_embeds": True}
    model = peft.get_peft_model(package.PerceptualModel(**args, **options), peft.LoraConfig(**config))
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    model.save_pretrained(tmp_path / "ensemble_lora")
    dino = {k.replace(".base_layer", ""): v for k, v in model.state_dict().items() if "lora" not in k}
    prefix = "base_model.model.extractor_list.0.model."
    torch.save(
        {k.removeprefix(prefix): v for k, v in dino.items() if k.startswith(prefix)}, tmp_path / "dino.pth"
    )
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as archive:
        for file in tmp_path.rglob("*_vitb16_pretrain.pth.tar"):
            archive.write(file, file.name)
        for file in (tmp_path / "ensemble_lora").iterdir():
            archive.write(file, f"ensemble_lora/{file.name}")
    raw = [tmp_path / "release.zip", tmp_path / "dino.pth"]
    ours = hubs.build(row("dreamsim", "ensemble")).eval()
    ours.load_state_dict(hubs.assemble(row("dreamsim", "ensemble"), raw, checkpoints.read), strict=True)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), model.eval().embed(images), atol=1e-6, rtol=1e-4)


def test_a_tower_of_transformers_takes_keywords_of_its_configuration():
    pytest.importorskip("transformers")
    identifier = "ViTModel?num_hidden_layers=2&hidden_size=24&num_attention_heads=2&image_size=32"
    body = sources.build(row("transformers", identifier))
    layers = [name for name, _ in body.named_modules() if name.endswith(("layers.0", "layers.1", "layer.1"))]
    found = networks.Network(full_row("transformers", identifier, layers, 32)).features(
        torch.rand(2, 3, 32, 32)
    )
    assert {tuple(value.shape) for value in found.values()} == {(2, 5 * 24)}
    with pytest.raises(ValueError, match="has no 'depth'; expected keywords of ViTConfig"):
        hubs.build(row("transformers", "ViTModel?depth=2"))
    with pytest.raises(ValueError, match="expected keywords of ViTConfig"):
        hubs.build(row("transformers", "ViTModel?attn_implementation=sdpa"))
    with pytest.raises(ValueError, match="has no 'pipeline'; expected the name of a class with weights"):
        hubs.build(row("transformers", "pipeline"))


def test_transformers_blip2_tower_and_ours_answer_alike():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = hubs.build(row("transformers", "Blip2VisionModel?num_hidden_layers=2")).eval()
    assert isinstance(theirs, transformers.Blip2VisionModel)
    ours = sources.build(row("checkpoint", "adapter:blip2_vision?depth=2"))
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if value.ndim == 1 and "norm" not in name:
                value.normal_(std=0.02)
    state = {f"vision_model.{name}": value for name, value in theirs.state_dict().items()}
    about = row("checkpoint", "adapter:blip2_vision?depth=2", format="blip2")
    checkpoints.fit(state, ours, about, "transformers")
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        found, expected = ours(images), theirs(images).last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_open_clips_resnet_and_timms_answer_alike():
    pytest.importorskip("open_clip")
    torch.manual_seed(0)
    theirs = hubs.build(row("open_clip", "RN50")).eval()
    ours = sources.build(row("timm", "resnet50_clip.openai"))
    state = {f"visual.{name}": value for name, value in theirs.state_dict().items()}
    state |= {"logit_scale": torch.ones(()), "token_embedding.weight": torch.ones(3, 3)}
    checkpoints.fit(state, ours, row("timm", "resnet50_clip.openai", format="clip_resnet"), "open_clip")
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["roberta-ViT-B-32", "hf-hub:owner/name", "RN50?pretrained=openai"])
def test_an_open_clip_model_that_would_download_is_refused(name):
    pytest.importorskip("open_clip")
    with pytest.raises(ValueError, match="network mine: open_clip has no"):
        hubs.build(row("open_clip", name))


def test_an_area_of_cornet_gives_its_answer_of_the_last_step():
    pytest.importorskip("cornet")
    torch.manual_seed(0)
    layers = ["V4.output", "IT.output", "decoder.flatten"]
    network = networks.Network(full_row("cornet", "CORnet_RT?times=5", layers)).eval()
    answers = []
    network.body.IT.output.register_forward_hook(lambda _, __, answer: answers.append(answer.clone()))
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        network(images)
        assert len(answers) == 5
        last = answers[-1].flatten(1)
        found = network.features(images)
    torch.testing.assert_close(found["IT.output"], last)
    torch.testing.assert_close(found["decoder.flatten"], answers[4].mean(dim=(2, 3)))
    assert (answers[0].flatten(1) - last).abs().max() > 0.1
    with pytest.raises(ValueError, match=r"CORnet_RT\?steps=2 could not be built: .*steps"):
        hubs.build(row("cornet", "CORnet_RT?steps=2"))
