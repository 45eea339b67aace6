"""Tests of the 18 networks of the study, config/networks.tsv: each can be built and is what its row says."""

import re
import textwrap
from pathlib import Path

import pytest
import torch
import torchvision

from codingaxes import configuration
from codingaxes.networks import builders, dreamsim, formats, weights
from codingaxes.networks.network import Network

ROOT = Path(__file__).parents[2]
# ImageNet top-1 in percent; none is known of the three that are missing
TOP1 = {
    "vgg16": 71.59,
    "squeezenet1_1": 58.18,
    "mobilenet_v2": 71.88,
    "alexnet": 56.52,
    "resnet50": 76.13,
    "inception_v3": 77.29,
    "densenet201": 76.90,
    "clip_resnet50": 59.82,
    "nomic": 71.0,
    "dinov2": 84.5,
    "google_vit": 81.78,
    "resnet50_robust_010": 74.78,
    "resnet50_robust_100": 70.43,
    "resnet50_robust_300": 62.83,
    "resnet50_robust_500": 56.13,
}
OTHERS = ["cornet_rt", "dreamsim", "blip2"]
# numbers of the candidate layers for one image
LENGTHS = {
    "vgg16": [100352, 100352, 25088, 4096],
    "squeezenet1_1": [186624, 64896, 86528, 1000],
    "mobilenet_v2": [18816, 15680, 62720],
    "alexnet": [32448, 9216, 4096, 4096],
    "cornet_rt": [50176, 25088, 512],
    "inception_v3": [81920, 131072, 2048],
    "densenet201": [43904, 94080, 1920],
    "clip_resnet50": [200704, 100352, 1024],
    "nomic": [151296, 151296, 151296, 768],
    "dreamsim": [151296, 151296, 151296, 1792],
    "dinov2": [197376, 197376, 197376, 768],
    "google_vit": [151296, 151296, 151296, 768],
    "blip2": [361856, 361856, 1408],
} | {name: [200704, 100352, 2048] for name in TOP1 if name.startswith("resnet50")}
# millions of parameters, as published
PARAMETERS = {
    "vgg16": 138.357544,
    "squeezenet1_1": 1.235496,
    "mobilenet_v2": 3.504872,
    "alexnet": 61.100840,
    "cornet_rt": 5.208936,
    "inception_v3": 27.161264,
    "densenet201": 20.013928,
    "clip_resnet50": 38.316896,
    "nomic": 92.946688,
    "dinov2": 85.724928,
    "google_vit": 86.567656,
} | {name: 25.557032 for name in TOP1 if name.startswith("resnet50")}


SCHEMA = configuration.read_schema(ROOT / "config/schemas", "networks")
ROWS = configuration.read_networks("config/networks.tsv", SCHEMA, here=ROOT, code=ROOT)
COLUMNS = (ROOT / "config/networks.tsv").read_text().splitlines()[0].split("\t")
PAGE = (ROOT / "docs" / "networks.md").read_text()


def test_the_study_has_its_eighteen_networks():
    assert sorted(ROWS) == sorted([*TOP1, *OTHERS]) and len(ROWS) == 18
    assert len({row["display_name"] for row in ROWS.values()}) == 18


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_says_all_that_has_to_be_said(row):
    assert row["licence"] and re.search(r" (19|20)\d\d, \w", row["citation"])
    assert len(row["mean"]) == len(row["std"]) == 3 and 3 <= len(row["layers"]) <= 4
    assert row["family"] == (
        "robust" if row["training_radius"] else row["family"] != "robust" and row["family"]
    )
    assert ("top1" in row) == ("top1_source" in row) and row["megabytes"] > 0


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_weights_are_named_with_a_revision_and_a_sha256_where_one_is_known(row):
    urls, sums = row["weights"].split(" "), row.get("sha256", "").split()
    assert len(sums) in (0, len(urls))
    for url in urls:
        assert re.fullmatch(r"https://\S+/[\w.-]+|hf://[\w-]+/[\w.-]+@([0-9a-f]{40}|main)/[\w.]+", url)
        stated = re.search(r"-([0-9a-f]{8})\.pth$", url)
        assert not stated or sums[0].startswith(stated[1]), "the file's name has another sha256"
    assert all(re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", one) for one in sums)


def test_accuracies_are_those_that_were_published():
    assert {name: row["top1"] for name, row in ROWS.items() if "top1" in row} == TOP1


def test_robust_networks_differ_in_nothing_but_their_training():
    robust = [ROWS[name] for name in TOP1 if "robust" in name]
    assert [row["training_radius"] for row in robust] == [0.1, 1, 3, 5]
    shared = ["architecture", "input_size", "mean", "std", "interpolation", "layers"]
    assert all(row[key] == ROWS["resnet50"][key] for row in robust for key in shared)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_network_can_be_built_and_has_its_layers(row):
    size = row["input_size"]
    with torch.device("meta"):  # shapes without numbers
        network = Network(row).eval()
        features = network.features(torch.empty(2, 3, size, size))
    assert [tuple(values.shape) for values in features.values()] == [(2, d) for d in LENGTHS[row["name"]]]
    if row["name"] in PARAMETERS:
        assert sum(p.numel() for p in network.parameters()) == round(1e6 * PARAMETERS[row["name"]])


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_network_is_of_a_known_format(row):
    assert formats.of(row) is formats.FORMATS[row["format"]]


def test_torchvisions_densenet_file_answers_alike_in_timms_densenet():
    torch.manual_seed(0)
    theirs = torchvision.models.densenet201(num_classes=1000).eval()
    # names as in the published file
    old = {re.sub(r"(norm|conv)([12])\.", r"\1.\2.", k): v for k, v in theirs.state_dict().items()}
    ours = builders.build(ROWS["densenet201"])
    weights.fit(old, ours, ROWS["densenet201"], "torchvision")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-4)


def test_dreamsims_parts_have_the_names_and_shapes_of_the_network():
    with torch.device("meta"):
        body = builders.build(ROWS["dreamsim"])
        own = {name: tuple(value.shape) for name, value in body.state_dict().items()}
        states = {"updates": {}}
        for position, tower in enumerate(("dino", "clip", "open_clip")):
            state = {k.partition(tower)[2][1:]: torch.empty(v) for k, v in own.items() if f"s.{tower}." in k}
            state |= {"patch_embed.proj.bias": torch.empty(768), "norm.weight": torch.empty(768)}
            state |= {"norm.bias": torch.empty(768)}
            for block in range(12):
                name = f"extractor_list.{position}.model.blocks.{block}.attn.qkv.lora"
                states["updates"][f"{name}_A.weight"] = torch.empty(16, 768)
                states["updates"][f"{name}_B.weight"] = torch.empty(2304, 16)
            if tower != "dino":
                state = {k.replace("norm_pre", "pos_drop"): v for k, v in state.items()}
                state["proj"] = state.pop("head.weight").T
            states[tower] = state
        weights_of_one = dreamsim.remap(ROWS["dreamsim"], states, {"r": 16, "lora_alpha": 0.5})
    assert {name: tuple(value.shape) for name, value in weights_of_one.items()} == own


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_page_about_networks_says_what_the_table_says(row):
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {row['display_name']} |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == f"{row['source']}, `{row['identifier']}`"
    files = [url.rpartition("/")[2] for url in row["weights"].split()]
    assert all(f"`{file}`" in cells[2] for file in files)
    assert all(revision[:8] in cells[2] for revision in re.findall(r"@(\w+)/", row["weights"]))
    assert cells[4] == ", ".join(f"`{layer}`" for layer in row["layers"])
    top1 = cells[5].split()[0]
    assert float(top1) == row["top1"] if "top1" in row else top1 == "–"
    assert row["licence"].startswith(cells[6])


def test_the_row_that_the_page_adds_can_be_added():
    (line,) = [line.strip() for line in PAGE.splitlines() if line.startswith("    resnet18\t")]
    row = configuration.parse_row(dict(zip(COLUMNS, line.split("\t"), strict=False)), SCHEMA, "the page")
    with torch.device("meta"):
        assert Network(row).features(torch.empty(2, 3, 224, 224)).keys() == set(row["layers"])


def test_the_file_that_the_page_shows_makes_a_network(tmp_path):
    code = re.search(r"(      from torch import nn\n.*?return network\n)", PAGE, re.S)[1]
    (tmp_path / "mine.py").write_text(textwrap.dedent(code))
    row = {
        "name": "mine",
        "source": "python",
        "identifier": f"{tmp_path / 'mine.py'}:build",
        "input_size": 64,
    }
    half = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    features = Network(row | half | {"layers": ["body.1", "body.3"]}).features(torch.rand(2, 3, 64, 64))
    assert [tuple(values.shape) for values in features.values()] == [(2, 32 * 15 * 15), (2, 64 * 7 * 7)]


@pytest.mark.parametrize("name", sorted(formats.FORMATS))
def test_the_page_names_every_format(name):
    assert re.search(rf"^\|.*`{name}`.*\|", PAGE.partition("## Formats")[2].partition("## Adding")[0], re.M)
