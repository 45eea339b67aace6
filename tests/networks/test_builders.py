"""Building networks from rows: keywords, refusals, and that nothing is fetched."""

import os
import subprocess
import sys

import pytest
import timm
import torch
import torchvision
from torch import nn

from codingaxes.networks import builders

pytestmark = pytest.mark.usefixtures("no_network")


def row(source, identifier):
    return {"name": "mine", "source": source, "identifier": identifier}


@pytest.mark.parametrize(
    ("source", "identifier", "expected"),
    [
        ("timm", "resnet10t.c3_in1k", lambda: timm.create_model("resnet10t")),
        (
            "timm",
            "test_vit?img_size=64&num_classes=0",
            lambda: timm.create_model("test_vit", img_size=64, num_classes=0),
        ),
        ("torchvision", "squeezenet1_1", lambda: torchvision.models.squeezenet1_1()),
        (
            "checkpoint",
            "torchvision:squeezenet1_1?num_classes=7",
            lambda: torchvision.models.squeezenet1_1(num_classes=7),
        ),
        ("checkpoint", "timm:resnet10t", lambda: timm.create_model("resnet10t")),
    ],
)
def test_a_network_is_the_library_s_own_in_evaluation_mode(source, identifier, expected):
    torch.manual_seed(0)
    body = builders.build(row(source, identifier))
    torch.manual_seed(0)
    state = expected().state_dict()
    assert not body.training and body.state_dict().keys() == state.keys()
    assert all(torch.equal(body.state_dict()[key], value) for key, value in state.items())


def test_the_tag_of_weights_sets_the_size_of_the_head_but_fetches_nothing():
    assert builders.build(row("timm", "vit_small_patch14_dinov2.lvd142m?depth=1")).num_classes == 0
    assert builders.build(row("timm", "vit_small_patch14_dinov2?depth=1&num_classes=5")).num_classes == 5


def test_inception_of_torchvision_does_not_normalise_and_has_the_names_of_its_published_file():
    body = builders.build(row("torchvision", "inception_v3"))
    published = torchvision.models.inception_v3(init_weights=False)
    assert not body.transform_input and body.state_dict().keys() == published.state_dict().keys()


def test_keywords_are_values_of_python_or_else_text():
    text = "name?a=1&b=(2, 3)&c=&d=None&e=avg&f=-0.5&g='x'"
    expected = {"a": 1, "b": (2, 3), "c": "", "d": None, "e": "avg", "f": -0.5, "g": "x"}
    assert builders.parse(text, row("timm", text)) == ("name", expected)
    assert builders.parse("name", row("timm", "name")) == ("name", {})
    for wrong in ("name?a", "name?a=1&a=2", "name?1=2", "name?__import__('os')=1"):
        with pytest.raises(ValueError, match=r"network mine .*no key=value"):
            builders.parse(wrong, row("timm", wrong))


@pytest.mark.parametrize(
    ("source", "identifier", "message"),
    [
        ("timm", "resnet5O", "no 'resnet5O' in timm.*near are .*resnet5"),
        ("timm", "resnet50.tv_in2k", "no weights 'tv_in2k' of resnet50; there are .*tv_in1k"),
        ("timm", "hf-hub:timm/resnet50", "no 'hf-hub:timm/resnet50'"),
        ("timm", "resnet50?pretrained=True", "pretrained is not allowed here"),
        ("timm", "resnet10t?depht=3", "could not be built with .*depht"),
        ("torchvision", "alexnt", "near are alexnet"),
        ("torchvision", "alexnet?weights=DEFAULT", "weights is not allowed here"),
        ("torchvision", "fcn_resnet50", "no 'fcn_resnet50'"),
        ("checkpoint", "resnet50", "expected timm:model, torchvision:model or adapter:name"),
        ("checkpoint", "zoo:resnet", "expected timm:model"),
        ("checkpoint", "adapter:nomic", "near are nomic_vision"),
        ("zoo", "resnett", "there are resnet, densenet, vgg"),
        ("keras", "resnet", "unknown source 'keras'; there are timm, torchvision"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_row_and_what_is_near(source, identifier, message):
    with pytest.raises(ValueError, match=f"network mine .*{message}"):
        builders.build(row(source, identifier))


FILE = """
from dataclasses import dataclass
from torch import nn

@dataclass
class Size:
    width: int = 4

def small():
    return nn.Sequential(nn.Conv2d(3, Size().width, 3), nn.ReLU())

def wrong():
    return 3

def broken():
    raise KeyError("weights")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setattr(builders, "WORKFLOW", tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/mine.py").write_text(FILE)
    (tmp_path / "nets/bad.py").write_text("import nothing_of_this_name")


@pytest.mark.usefixtures("own")
def test_a_network_of_one_s_own_is_built_from_a_file_of_the_workflow():
    body = builders.build(row("python", "nets/mine.py:small"))
    assert isinstance(body, nn.Sequential) and body[0].out_channels == 4 and not body.training


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("nets/other.py:small", "no file 'nets/other.py'"),
        ("nets/mine.py", "expected path/to/file.py:function"),
        ("nets/mine.py:smal", "no 'smal' in nets/mine.py; near are small"),
        ("nets/mine.py:wrong", r"wrong\(\) of nets/mine.py returned int, not an nn.Module"),
        ("nets/mine.py:broken", r"broken\(\) of nets/mine.py failed: KeyError: 'weights'"),
        ("nets/bad.py:small", "nets/bad.py could not be run: ModuleNotFoundError"),
    ],
)
def test_a_file_of_one_s_own_that_does_not_work_is_named_with_its_function(identifier, message):
    with pytest.raises(ValueError, match=f"network mine .*{message}"):
        builders.build(row("python", identifier))


def test_paths_of_one_s_own_files_begin_at_the_folder_of_the_snakefile():
    assert (builders.WORKFLOW / "Snakefile").is_file()


def test_a_network_of_the_zoo_is_built_without_the_libraries_of_others():
    code = (
        "import sys\n"
        "from codingaxes.encoding import stored\n"
        "from codingaxes.miniature import zoo\n"
        "from codingaxes.networks import builders\n"
        "builders.build(zoo.row('resnet'))\n"
        "print({'timm', 'torchvision', 'huggingface_hub', 'sklearn'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(builders.WORKFLOW / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_no_library_may_look_for_weights_on_a_hub(tmp_path):
    code = (
        "from codingaxes.networks import builders\n"
        "import huggingface_hub, timm\n"
        "builders.build({'name': 'mine', 'source': 'timm', 'identifier': 'test_resnet'})\n"
        "assert huggingface_hub.is_offline_mode()\n"
        "timm.create_model('resnet18.a1_in1k', pretrained=True)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"PYTHONPATH": str(builders.WORKFLOW / "workflow/scripts"), "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and "offline mode is enabled" in done.stderr
