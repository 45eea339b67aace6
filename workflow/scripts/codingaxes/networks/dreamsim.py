"""Build DreamSim from networks of timm, because its own package runs code that it downloads."""

import json
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import nn

# mean and standard deviation of a tower's own images
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class DreamSim(nn.Module):
    """Compute DreamSim's embedding of images, its low-rank updates merged into the weights.

    Images (n, 3, 224, 224) in [0, 1] -> the layer `embedding` (n, 1792), of mean 0 and length 1. The towers
    are DINO, whose first token is taken after the last block, and two CLIPs, which are projected to 512
    numbers each. Each tower has its own normalisation inside: the row's mean is 0 and its std 1.

    Source
    ------
    Fu et al., DreamSim (NeurIPS 2023), section 4.2; the package dreamsim 0.2.1, whose answers these are.
    """

    def __init__(self):
        import timm

        super().__init__()
        self.towers = nn.ModuleDict(
            {
                "dino": timm.create_model("vit_base_patch16_224", num_classes=0),
                "clip": timm.create_model("vit_base_patch16_clip_quickgelu_224", num_classes=512),
                "open_clip": timm.create_model("vit_base_patch16_clip_224", num_classes=512),
            }
        )
        self.towers["dino"].norm = nn.Identity()
        for name in ("clip", "open_clip"):
            self.towers[name].head = nn.Linear(768, 512, bias=False)
        self.embedding = nn.Identity()
        for name, values in zip(("imagenet", "clip"), (IMAGENET, CLIP), strict=True):
            self.register_buffer(name, torch.tensor(values)[..., None, None], persistent=False)

    def forward(self, images):
        parts = []
        for name, tower in self.towers.items():
            mean, std = self.imagenet if name == "dino" else self.clip
            parts.append(tower((images - mean) / std))
        features = torch.cat(parts, dim=1)
        features = features - features.mean(dim=1, keepdim=True)
        return self.embedding(features / features.norm(dim=1, keepdim=True))


# Members of DreamSim's release by the end of their path. Of the archive, nothing else is read.
RELEASE = {
    "clip": r"(^|/)clip_vitb16_pretrain\.pth\.tar$",
    "open_clip": r"(^|/)open_clip_vitb16_pretrain\.pth\.tar$",
    "updates": r"(^|/)ensemble_lora/adapter_model\.(safetensors|bin)$",
    "config": r"(^|/)ensemble_lora/adapter_config\.json$",
}
UNPACKED = 4  # times the archive's size that a member may have: numbers hardly shrink
# A low-rank update of an attention's weights: tower, block, and which of its two factors.
UPDATE = re.compile(
    r"extractor_list\.([012])\.model\.blocks\.(\d+)\.attn\.qkv\.lora_([AB])\.(?:\w+\.)?weight$"
)


def assemble(row, raw_paths, read):
    """Assemble the weights of `DreamSim` under its own names from the files that its authors published.

    Parameters
    ----------
    row : dict
        Of the table of networks.
    raw_paths : list of path-likes
        The archive of the release, and DINO's backbone.
    read : callable, (path, root) -> mapping, str -> tensor
        A reader that executes nothing, `weights.read`.

    Returns
    -------
    dict, str -> tensor

    Raises
    ------
    ValueError
        If a file or a member is missing, or the update is none of the attention's.
    """
    if len(raw_paths) != 2:
        raise ValueError(
            f"network {row['name']}: expected two files, the release and DINO, not {len(raw_paths)}"
        )
    release, dino = map(Path, raw_paths)
    try:
        with tempfile.TemporaryDirectory(dir=release.parent, prefix=".dreamsim.") as folder:
            parts = _unpack(row, release, Path(folder))
            states = {name: read(parts[name], "state_dict") for name in ("clip", "open_clip")}
            states |= {"dino": read(dino, ""), "updates": read(parts["updates"], "")}
            return remap(row, states, json.loads(parts["config"].read_text()))
    except (KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"network {row['name']}: {release} is not as DreamSim's authors publish it "
            f"({type(error).__name__}: {error})"
        ) from error


def _unpack(row, release, folder):
    """Write the wanted members of the archive under names of our own, so that no path in it counts."""
    parts = {}
    with zipfile.ZipFile(release) as archive:
        for part, pattern in RELEASE.items():
            members = [name for name in archive.namelist() if re.search(pattern, name)]
            if len(members) != 1:
                raise ValueError(f"network {row['name']}: {release} has {members or 'nothing'} for {pattern}")
            parts[part] = folder / part
            unpacked, packed = archive.getinfo(members[0]).file_size, release.stat().st_size
            if unpacked > UNPACKED * packed:
                raise ValueError(
                    f"network {row['name']}: {members[0]} in {release} unfolds to {unpacked / 1e6:.0f} MB, "
                    f"far more than the {packed / 1e6:.1f} MB of the archive; it was not read"
                )
            with archive.open(members[0]) as source, open(parts[part], "wb") as target:
                shutil.copyfileobj(source, target)
    return parts


def remap(row, states, config):
    """Merge the weights of DreamSim's parts into those of `DreamSim`: W + alpha / r B A for each update.

    Parameters
    ----------
    row : dict
        Of the table of networks.
    states : dict, part -> mapping, str -> tensor
        dino, clip, open_clip, updates.
    config : dict
        `r` and `lora_alpha` of the update.
    """
    towers = {"dino": {k: v for k, v in states["dino"].items() if not k.startswith("norm.")}}
    towers |= {name: _clip_tower(states[name]) for name in ("clip", "open_clip")}
    pairs = {}
    for name, value in states["updates"].items():
        match = UPDATE.search(name)
        if not match:
            raise ValueError(f"network {row['name']}: {name} is no update of an attention's qkv")
        tower, block, side = match.groups()
        pairs.setdefault((list(towers)[int(tower)], int(block)), {})[side] = value
    wanted = {(tower, block) for tower in towers for block in range(12)}
    if set(pairs) != wanted or any(set(pair) != {"A", "B"} for pair in pairs.values()):
        raise ValueError(f"network {row['name']}: expected updates of 12 blocks of {', '.join(towers)}")
    merged = {f"towers.{tower}.{k}": v.clone() for tower, state in towers.items() for k, v in state.items()}
    for (tower, block), pair in pairs.items():
        if len(pair["A"]) != config["r"]:
            raise ValueError(f"network {row['name']}: an update of rank {len(pair['A'])}, not {config['r']}")
        weight = merged[f"towers.{tower}.blocks.{block}.attn.qkv.weight"]
        weight += config["lora_alpha"] / config["r"] * (pair["B"] @ pair["A"])
    return merged


def _clip_tower(state):
    """Rename a CLIP with DINO's names to timm's; add the bias of patches to their positions."""
    moved = {"pos_drop.weight": "norm_pre.weight", "pos_drop.bias": "norm_pre.bias"}
    tower = {moved.get(name, name): value for name, value in state.items()}
    tower["head.weight"] = tower.pop("proj").T
    positions = tower["pos_embed"].clone()
    positions[:, 1:] += tower.pop("patch_embed.proj.bias")
    return tower | {"pos_embed": positions}
