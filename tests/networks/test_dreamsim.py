"""DreamSim: its embedding, and its published files read member by member."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from codingaxes.networks import builders, dreamsim, weights
from codingaxes.networks.network import Network

BLOCKS = [(tower, block) for tower in ("dino", "clip", "open_clip") for block in range(12)]
ROW = {"name": "mine", "source": "dreamsim", "identifier": "ensemble"}


pytestmark = pytest.mark.usefixtures("no_network")


def test_dreamsim_comes_as_the_ensemble_only():
    with pytest.raises(ValueError, match="dreamsim has no 'dino_vitb16'; expected ensemble"):
        builders.build(ROW | {"identifier": "dino_vitb16"})


@pytest.mark.slow
def test_dreamsim_gives_its_embedding_with_mean_zero_and_length_one():
    torch.manual_seed(0)
    about = {"layers": ["embedding"], "input_size": 224, "interpolation": "bilinear"}
    network = Network(ROW | about | {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}).eval()
    with torch.no_grad():
        embedding = network.features(torch.rand(2, 3, 224, 224))["embedding"]
    assert embedding.shape == (2, 768 + 512 + 512)
    torch.testing.assert_close(embedding.mean(dim=1), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


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
    merged = dreamsim.remap(ROW, states, CONFIG)
    for position, (tower, block) in zip(torch.arange(36) // 12, BLOCKS, strict=True):
        name = f"base_model.model.extractor_list.{position}.model.blocks.{block}.attn.qkv.lora"
        update = states["updates"][f"{name}_B.weight"] @ states["updates"][f"{name}_A.weight"]
        weight = f"blocks.{block}.attn.qkv.weight"
        torch.testing.assert_close(merged[f"towers.{tower}.{weight}"], states[tower][weight] + 0.25 * update)


def test_the_given_tensors_of_dreamsim_stay_as_they_are():
    states = parts()
    before = {part: {name: value.clone() for name, value in state.items()} for part, state in states.items()}
    dreamsim.remap(ROW, states, CONFIG)
    for part, state in states.items():
        torch.testing.assert_close(state, before[part], atol=0, rtol=0)


def test_a_clip_moves_the_bias_of_patches_to_their_positions_and_turns_its_projection():
    states = parts()
    merged, clip = dreamsim.remap(ROW, states, CONFIG), states["clip"]
    moved = merged["towers.clip.pos_embed"] - clip["pos_embed"]
    torch.testing.assert_close(moved[0, 0], torch.zeros(4))
    torch.testing.assert_close(moved[0, 1:], clip["patch_embed.proj.bias"].expand(4, 4))
    torch.testing.assert_close(merged["towers.clip.head.weight"], clip["proj"].T)
    assert {name for name in merged if "proj.bias" in name} == {"towers.dino.patch_embed.proj.bias"}


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
        dreamsim.remap(ROW, states, CONFIG)


def test_an_update_of_another_rank_than_stated_is_refused():
    with pytest.raises(ValueError, match="an update of rank 2, not 16"):
        dreamsim.remap(ROW, parts(), {"r": 16, "lora_alpha": 0.5})


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
    merged = dreamsim.assemble(ROW, raw, weights.read)
    torch.testing.assert_close(merged, dreamsim.remap(ROW, states, CONFIG))
    assert sorted(tmp_path.parent.rglob("*")) == before, "nothing may be left of the archive"


def test_a_release_without_its_updates_is_refused(tmp_path):
    raw = release(tmp_path, parts(), CONFIG)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("clip_vitb16_pretrain.pth.tar", "x")
        archive.writestr("open_clip_vitb16_pretrain.pth.tar", "x")
    with pytest.raises(ValueError, match=r"other\.zip has nothing for .*ensemble_lora"):
        dreamsim.assemble(ROW, [tmp_path / "other.zip", raw[1]], weights.read)
    with pytest.raises(ValueError, match="expected two files, the release and DINO, not 1"):
        dreamsim.assemble(ROW, raw[:1], weights.read)


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
        dreamsim.assemble(ROW, raw, weights.read)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    raw = release(tmp_path, parts(), CONFIG)
    raw[0].write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"release\.zip is not as DreamSim's authors publish it .BadZipFile"):
        dreamsim.assemble(ROW, raw, weights.read)


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
    ours = builders.build(ROW)
    ours.load_state_dict(dreamsim.assemble(ROW, raw, weights.read), strict=True)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), model.eval().embed(images), atol=1e-6, rtol=1e-4)
