"""Tests of designs of stimulus sets: what is read, what is refused, and which models makers stand for."""

from math import sqrt

import pytest
import yaml
from test_configuration import ROOT, ROW_SCHEMA

from codingaxes import configuration
from codingaxes.configuration import ConfigurationError
from codingaxes.names import BRAIN
from codingaxes.stimulus_sets import design

SCHEMA = configuration.read_schema(ROOT / "config/schemas", "stimulus_set")
ROWS = configuration.read_networks("config/zoo.tsv", ROW_SCHEMA, here=ROOT, code=ROOT)
MODELS = [*ROWS, BRAIN]
SHIPPED = sorted(path.stem for path in (ROOT / "config/stimulus_sets").glob("*.yaml"))
KEYS = yaml.safe_load((ROOT / "config/stimulus_sets/targeted.yaml").read_text())
TARGETED = KEYS | {"name": "targeted"}


def read(folder, name="mine", **changes):
    """Read the design `targeted` with some keys changed."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(KEYS | changes))
    return design.read(f"{name}.yaml", SCHEMA, here=folder)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_designs_can_be_read_and_the_miniature_has_all_their_makers(name):
    shipped = design.read(f"config/stimulus_sets/{name}.yaml", SCHEMA, here=ROOT)
    makers = design.makers_of(shipped, ROWS, MODELS)
    assert list(makers) == shipped["makers"] and design.what_is_lacking(shipped, makers) == ""


def test_there_are_two_shipped_designs():
    assert SHIPPED == ["controversial", "targeted"]


def test_sizes_ascend_whatever_their_order_in_the_file(tmp_path):
    assert read(tmp_path, radii=[10, 1, 3])["radii"] == [1, 3, 10]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"radii": []}, "match: norm needs radii, and nothing else; given are none"),
        ({"effects": [1.0]}, "given are radii and effects"),
        ({"match": "effect"}, "match: effect needs effects or levels, and nothing else; given are radii"),
        ({"compare": {"with": "robust", "against": "vgg"}}, "compare.against: vgg is none of the makers"),
        ({"compare": {"with": "robust", "against": "robust"}}, "with and against are the same"),
        (
            {"makers": ["standard", "robust", "principal_distortions"], "match": "effect", "radii": []}
            | {"effects": [1.0]},
            "principal_distortions change no response by a wanted amount",
        ),
        ({"images": {"choose": "list", "number": 1, "list": []}}, "choose: list needs a list"),
        ({"images": {"choose": "spread", "number": 1, "list": ["nsd_00001"]}}, "list needs choose: list"),
        ({"choose": "information"}, "information needs a number above 0"),
        ({"number": 3}, "all needs number: 0"),
        ({"images": {"choose": "spread", "number": 1, "list": []}}, "other_image needs a second image"),
        ({"radius": [3]}, "unknown key radius; allowed are title"),
        ({"radii": [0]}, "radii.0: 0 is less than or equal to the minimum of 0"),
        ({"experiment": TARGETED["experiment"] | {"simulations": 10}}, "experiment.simulations: 10 is less"),
        ({"radii": [float("inf")]}, "radii.0: inf is not a finite number"),
    ],
)
def test_keys_that_cannot_be_or_do_not_agree_are_named_with_their_file(tmp_path, changes, words):
    with pytest.raises(ConfigurationError, match=r"mine\.yaml") as error:
        read(tmp_path, **changes)
    assert words in str(error.value)


def test_every_disagreement_is_named_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, radii=[], number=3)
    assert "match: norm" in str(error.value) and "all needs number: 0" in str(error.value)


@pytest.mark.parametrize("content", ["title: [", "- 1\n- 2", ""])
def test_what_is_no_design_is_refused_by_its_name(tmp_path, content):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
        design.read("bad.yaml", SCHEMA, here=tmp_path)


def test_a_design_that_is_not_there_or_bears_no_name_for_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no file other\.yaml"):
        design.read("other.yaml", SCHEMA, here=tmp_path)
    with pytest.raises(ConfigurationError, match=r"my set\.yaml names the folder of its set"):
        read(tmp_path, name="my set")


def test_the_user_s_own_file_comes_before_that_of_the_workflow(tmp_path):
    assert read(tmp_path, name="targeted", title="Mine")["title"] == "Mine"
    (tmp_path / "config/stimulus_sets").mkdir(parents=True)
    path = "config/stimulus_sets/targeted.yaml"
    assert design.read(path, SCHEMA, here=tmp_path, code=ROOT)["title"] == TARGETED["title"]
    (tmp_path / path).write_text(yaml.safe_dump(KEYS | {"title": "Mine"}))
    assert design.read(path, SCHEMA, here=tmp_path, code=ROOT)["title"] == "Mine"


def test_two_sets_of_one_name_are_refused(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "set.yaml").write_text(yaml.safe_dump(KEYS))
    with pytest.raises(ConfigurationError, match=r"two/set\.yaml is the second set of the name set"):
        design.read_all(["one/set.yaml", "two/set.yaml"], SCHEMA, here=tmp_path)


def test_kinds_of_networks_stand_for_those_of_the_first_architecture_that_has_both():
    makers = design.makers_of(TARGETED | {"makers": ["standard", "robust", "twin", BRAIN]}, ROWS, MODELS)
    expected = {"standard": "resnet_standard_1", "robust": "resnet_robust_1", "twin": "resnet_robust_2"}
    assert makers == expected | {BRAIN: BRAIN}


def test_a_kind_that_the_study_lacks_is_left_out_and_said():
    plain = [name for name in ROWS if "standard" in name]
    asked = TARGETED | {"makers": ["standard", "robust", "twin"]}
    makers = design.makers_of(asked, ROWS, plain)
    assert makers == {"standard": "resnet_standard_1"}
    said = design.what_is_lacking(asked, makers)
    assert "no robust and no twin" in said and "it is not made" in said
    single = ["resnet_standard_1", "resnet_robust_1"]
    makers = design.makers_of(asked, ROWS, single)
    assert list(makers) == ["standard", "robust"]
    assert design.what_is_lacking(asked, makers).endswith("has no twin; the set is made without")


def test_a_study_without_a_simulated_brain_leaves_it_out():
    asked = TARGETED | {"makers": ["standard", "robust", BRAIN]}
    makers = design.makers_of(asked, ROWS, list(ROWS))
    assert list(makers) == ["standard", "robust"]
    assert "has no simulated_brain; the set is made without" in design.what_is_lacking(asked, makers)


def test_a_maker_that_is_nothing_of_the_study_and_one_that_is_named_twice_are_refused():
    with pytest.raises(ConfigurationError, match=r"resnet_50 is none of this study.*vgg_robust_2"):
        design.makers_of(TARGETED | {"makers": ["resnet_50"]}, ROWS, MODELS)
    with pytest.raises(ConfigurationError, match="resnet_robust_1 is resnet_robust_1, which is named twice"):
        design.makers_of(TARGETED | {"makers": ["robust", "resnet_robust_1"]}, ROWS, MODELS)


def test_regions_come_in_the_order_of_the_study_and_unknown_ones_are_refused():
    regions = ["FFA", "EBA", "PPA"]
    assert design.regions_of({"name": "a", "regions": []}, regions) == regions
    assert design.regions_of({"name": "a", "regions": ["PPA", "FFA"]}, regions) == ["FFA", "PPA"]
    with pytest.raises(ConfigurationError, match="V1 is none of this study, which has FFA, EBA, PPA"):
        design.regions_of({"name": "a", "regions": ["V1"]}, regions)


def test_radii_are_meant_for_224_pixels_and_scale_with_the_side():
    assert design.radii_of({"name": "a", "radii": [1, 3]}, 64) == pytest.approx([64 / 224, 192 / 224])
    assert design.radii_of({"name": "a", "radii": [3]}, 224) == [3]
    with pytest.raises(ConfigurationError, match=f"radii: 400 is more than {sqrt(3) * 224:.4g}"):
        design.radii_of({"name": "a", "radii": [400]}, 64)
