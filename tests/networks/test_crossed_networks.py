"""config/networks_crossed.tsv crosses architecture and robustness, and its files are understood."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file

from codingaxes import configuration
from codingaxes.networks import builders, formats, published, weights
from codingaxes.networks.network import Network

ROOT = Path(__file__).parents[2]
SCHEMA = configuration.read_schema(ROOT / "config/schemas", "networks")
ROWS = configuration.read_networks("config/networks_crossed.tsv", SCHEMA, here=ROOT, code=ROOT)
STUDY = configuration.read_networks("config/networks.tsv", SCHEMA, here=ROOT, code=ROOT)
PAGE = (ROOT / "docs/networks.md").read_text()
# torchvision's names of the networks that the files are about
THEIRS = {row["architecture"] for row in ROWS.values()}
# model card of robust-imagenet-models: top-1 in percent at radius 0 and 3
TOP1 = {
    "resnet18": (69.79, 53.12),
    "resnet50": (75.80, 62.83),
    "wide_resnet50_2": (76.97, 66.90),
    "resnext50_32x4d": (77.38, 66.25),
    "densenet161": (77.37, 66.98),
    "vgg16_bn": (73.66, 57.19),
    "mobilenet_v2": (65.26, 50.40),
}


def test_every_architecture_has_one_standard_and_one_robust_network_that_differ_in_nothing_else():
    assert len(THEIRS) >= 5 and len(ROWS) == 2 * len(THEIRS)
    for architecture in THEIRS:
        pair = [row for row in ROWS.values() if row["architecture"] == architecture]
        assert [row["training_radius"] for row in pair] == [0, 3]
        assert [row["family"] for row in pair] == ["standard", "robust"]
        assert tuple(row["top1"] for row in pair) == TOP1[architecture]
        own = {"name", "display_name", "family", "weights", "sha256", "top1", "training_radius"}
        shared = [{key: value for key, value in row.items() if key not in own} for row in pair]
        assert shared[0] == shared[1]
        files = [row["weights"].replace("eps0", "eps3") for row in pair]
        assert files[0] == files[1] and "@3f04ac96136001cfe402022100728124cbe3fac5/" in files[0]


def test_the_network_that_both_tables_have_has_one_digest():
    both = ROWS["resnet50_robust"], STUDY["resnet50_robust_300"]
    assert both[0]["weights"] == both[1]["weights"] and both[0]["sha256"] == both[1]["sha256"]
    assert len({row["display_name"] for row in ROWS.values()}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_contradicts_nothing_and_its_network_has_its_layers(row, caplog):
    published.check(row)
    assert caplog.text == ""
    with torch.device("meta"):
        features = Network(row).eval().features(torch.empty(2, 3, 224, 224))
    assert all(len(values) == 2 and values.shape[1] >= 512 for values in features.values())


def made(body):
    """The dict of a file of the package robustness, with torchvision's names."""
    state = {f"module.model.{name}": value for name, value in body.state_dict().items()}
    state |= {f"module.attacker.model.{name}": value for name, value in body.state_dict().items()}
    for part in ("normalizer", "attacker.normalize"):
        state[f"module.{part}.new_mean"] = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        state[f"module.{part}.new_std"] = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return state


@pytest.mark.parametrize("architecture", sorted(THEIRS))
def test_torchvisions_names_and_shapes_are_those_of_the_network(architecture):
    row = ROWS[f"{architecture}_robust"]
    with torch.device("meta"):
        theirs, ours = torchvision.models.get_model(architecture), builders.build(row)
    translated = formats.translated(made(theirs), ours, row, "a made file")
    own = {name: value.shape for name, value in ours.state_dict().items()}
    assert {name: value.shape for name, value in translated.items()} == own


@pytest.mark.parametrize("name", ["mobilenet_v2_robust", "resnet18_standard"])
def test_a_made_file_becomes_the_network(tmp_path, name):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(ROWS[name]["architecture"])
    torch.save({"model": made(theirs), "epoch": 3, "optimizer": {"state": {}}}, tmp_path / "raw.ckpt")
    weights.convert(tmp_path / "raw.ckpt", ROWS[name] | {"sha256": ""}, tmp_path / "w.safetensors")
    state = load_file(tmp_path / "w.safetensors")
    assert state.keys() == theirs.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in theirs.state_dict().items())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_page_names_the_file_and_the_accuracy_of_each_network(row):
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{row['architecture']}` |")]
    assert f"{row['top1']:.2f}" in line and f"`{row['weights'].rpartition('/')[2].split('_l2_')[0]}`" in line
