"""Tests of limits: settings that cannot work together are refused by name, before the first job."""

import re

import numpy as np
import pytest
from scipy.io import savemat
from test_configuration import ROOT, ROW_SCHEMA, check, together

from codingaxes import configuration, configuration_limits
from codingaxes.miniature import design, nsd_files, zoo
from codingaxes.nsd import design as nsd_design
from codingaxes.nsd.layout import LABELS

ROWS = configuration.read_networks("config/zoo.tsv", ROW_SCHEMA, here=ROOT, code=ROOT)


def refused(overlay, rows=ROWS, here=ROOT):
    """Say what is wrong with the defaults and an overlay; empty if nothing is."""
    try:
        configuration_limits.check_limits(check(overlay, here), rows, here)
    except configuration.ConfigurationError as error:
        return str(error)
    return ""


def row(name="resnet_standard_1", **changes):
    """Rows of the zoo in which one has other cells."""
    return ROWS | {name: ROWS[name] | changes}


@pytest.mark.parametrize(
    ("files", "table"),
    [
        ("config/config.yaml", "config/zoo.tsv"),
        ("config/thorough.yaml", "config/zoo.tsv"),
        ("config/nsd.yaml", "config/networks.tsv"),
        ("config/nsd.yaml config/nsd_thorough.yaml", "config/networks.tsv"),
        ("tests/data/micro.yaml", "tests/data/networks.tsv"),
        ("tests/data/world.yaml", "config/zoo.tsv"),
    ],
)
def test_every_configuration_of_the_repository_is_possible(files, table):
    rows = configuration.read_networks(table, ROW_SCHEMA, here=ROOT, code=ROOT)
    assert refused(together(*files.split()), rows) == ""


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            "eigenvectors: {rank: 12289, max_steps: 99999}",
            "eigenvectors.rank: 12289 is more than 12288, the numbers of an image of 64 x 64 pixels",
        ),
        ("attacks: {radii: [0.3, 111]}", "attacks.radii: 111 is more than 110.9, the l2 distance of black"),
        ("attacks: {large_radii: [1000]}", "attacks.large_radii: 1000 is more than 110.9"),
        ("zoo: {batch_size: 64, train_images: 63}", "zoo.batch_size: 64 is more than zoo.train_images, 63"),
        ("zoo: {batch_size: 20000}", "zoo.batch_size: 20000 is more than zoo.train_images, 16000"),
        (
            "nsd: {sessions: {subj01: 17}}",
            "nsd.sessions: 17 sessions of 150 trials are 2550, but 700 shared and 100 own images, 3 times "
            "each, are 2400",
        ),
        (
            "nsd: {regions: {OPA: {atlas: floc-places, labels: [OPA], contrast: places}}}",
            "nsd.regions.OPA: the simulated brain has no OPA; it has FFA, EBA, PPA",
        ),
        (
            "nsd: {regions: {FFA: {atlas: floc-bodies}}}",
            "nsd.regions.FFA.atlas: floc-bodies is not where the simulated brain has FFA; that is floc-faces",
        ),
        (
            "nsd: {regions: {FFA: {labels: [FFA-1, FFA1]}}}",
            "nsd.regions.FFA.labels: 'FFA1' is none of floc-faces for FFA; there are FFA-1, FFA-2",
        ),
        (
            "nsd: {source: nsd, sessions: {subj03: 33}}",
            "nsd.sessions: subj03 33 is more than NSD has, which is 32",
        ),
        (
            "nsd: {source: nsd, sessions: {subj09: 1}}",
            "nsd.sessions: subj09 1 is more than NSD has, which is no such subject",
        ),
        ("nsd: {source: nsd, repeats: 4}", "nsd.repeats: 4 is more than 3, as often as NSD shows an image"),
        (
            "nsd: {source: nsd, regions: {FFA: {labels: [FFA-3]}}}",
            "nsd.regions.FFA.labels: 'FFA-3' is none of floc-faces for FFA; there are OFA, FFA-1, FFA-2",
        ),
        ("own: {subjects: [Ape, ape]}", "own.subjects: the names Ape and ape differ only in case"),
        ("own: {regions: [V4, it, IT]}", "own.regions: the names it and IT differ only in case"),
        (
            "nsd: {source: nsd, regions: {ffa: {atlas: floc-faces, labels: [FFA-1], contrast: faces}}}",
            "nsd.regions: the names FFA and ffa differ only in case",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused_with_key_value_and_limit(overlay, expected):
    assert expected in refused(overlay)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ("nsd: {probes: {more}}", "nsd.probes: {more} is more than the {test} held-out images"),
        ("nsd: {test_fraction: 0.005, probes: 2}", "nsd.test_fraction: 0.005 of {n} images holds out 2"),
        (
            "nsd: {sessions: {subj01: 3, subj02: 3, subj03: 3, subj04: 3}, probes: 2}",
            "nsd.test_fraction: 0.2 of 5 images leaves 4 to fit readouts on, and 10 are the fewest",
        ),
        ("readouts: {folds: {n}}", "readouts.folds: {n} folds of {n} images have fewer than 3 images each"),
        ("readouts: {folds: 9999}", "at most {folds} folds are possible"),
        ("readouts: {method: pls, components: 9999}", "readouts.components: 9999 is more than {components}"),
    ],
)
def test_what_needs_more_images_than_there_are_is_refused(overlay, expected):
    n, exact = configuration_limits.count_images(check("{}"))
    test = round(0.2 * n)
    inside = (n - test) - -(-(n - test) // 5)  # of training images, without one of five folds
    known = {"n": n, "test": test, "more": test + 1, "folds": n // 3, "components": inside - 1}
    for key, value in known.items():
        overlay, expected = (text.replace(f"{{{key}}}", str(value)) for text in (overlay, expected))
    assert exact and expected in refused(overlay)


def test_the_largest_settings_that_are_possible_are_accepted():
    n, _ = configuration_limits.count_images(check("{}"))
    assert refused(f"nsd: {{probes: {round(0.2 * n)}}}") == ""
    assert refused(f"readouts: {{folds: {n // 3}}}") == ""
    assert refused("eigenvectors: {rank: 12288, max_steps: 12288}") == ""
    assert refused("zoo: {batch_size: 16000}") == ""
    # components count only for pls
    assert refused("readouts: {components: 9999}") == ""


def test_all_problems_are_named_at_once():
    said = refused("eigenvectors: {rank: 99999, max_steps: 99999}\nattacks: {radii: [200]}")
    assert "eigenvectors.rank: 99999" in said and "attacks.radii: 200" in said


def test_the_images_of_the_miniature_are_those_that_a_reader_of_its_design_finds(tmp_path):
    """Counted from the settings alone, and read from the file that NSD's reader reads."""
    config = check("nsd: {sessions: {subj02: 0}}\nsimulation: {shared_images: 300, own_images: 500}")
    nsd = config["nsd"]
    sessions = {subject: n for subject, n in nsd["sessions"].items() if n}
    drawn = design.draw_design(config["seed"], sessions, config["simulation"], nsd["repeats"])
    savemat(tmp_path / "design.mat", drawn)
    read = nsd_design.read_design(tmp_path / "design.mat")
    trials = {
        number: n * nsd["trials_per_session"] for number, n in zip((0, 2, 3), sessions.values(), strict=True)
    }
    found = nsd_design.images_seen_by_all(read, trials, nsd["repeats"])
    assert configuration_limits.count_images(config) == (len(found), True) and 100 < len(found) < 300


def test_images_of_ones_own_are_counted_without_hidden_files_folders_and_broken_links(tmp_path):
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for number in range(20):
        (folder / f"{number}.png").touch()
    (folder / ".DS_Store").touch()
    (folder / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "r.csv").touch()
    own = (
        "nsd: {source: own, probes: 4}\nown: {images: images, responses: r.csv, subjects: [a], regions: [b]}"
    )
    assert configuration_limits.count_images(check(own, tmp_path), tmp_path) == (20, False)
    assert refused(own, here=tmp_path) == ""
    said = refused(own.replace("probes: 4", "probes: 5"), here=tmp_path)
    assert "nsd.probes: 5 is more than the 4 held-out images (nsd.test_fraction 0.2 of at most 20" in said


@pytest.mark.parametrize("kind", ["resnet", "vgg", "densenet"])
def test_layers_of_the_zoo_are_the_modules_of_its_networks_and_nothing_else(kind):
    modules = [name for name, _ in zoo.ARCHITECTURES[kind].build().named_modules(remove_duplicate=False)]
    names = set(filter(None, modules))
    assert all(re.fullmatch(configuration_limits.LAYERS[kind], name) for name in names)
    assert set(configuration_limits.USUAL[kind]) == set(zoo.ARCHITECTURES[kind].layers) <= names
    # near misses: a piece of a name replaced by that of another, dropped, or doubled
    pieces = {piece for name in names for piece in name.split(".")} | {"layer5", "22", "denseblock5"}
    for name in names:
        parts = name.split(".")
        for place in range(len(parts)):
            for piece in pieces:
                other = ".".join([*parts[:place], piece, *parts[place + 1 :]])
                assert bool(re.fullmatch(configuration_limits.LAYERS[kind], other)) == (other in names), other
        assert not re.fullmatch(configuration_limits.LAYERS[kind], f"{name}:cls")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            row(layers=["layer2", "layr3"]),
            "config/zoo.tsv, network resnet_standard_1: 'layr3' is no layer of a resnet of the zoo; for "
            "instance layer3 is",
        ),
        (row(layers=["x"]), "'x' is no layer of a resnet of the zoo; for instance layer2, layer3, layer4 is"),
        (row(architecture="wide"), "zoo.epochs has no number for the architecture wide; it has resnet"),
        (
            ROWS | {"ResNet_standard_1": ROWS["resnet_standard_1"]},
            "config/zoo.tsv: the names resnet_standard_1 and ResNet_standard_1 differ only in case",
        ),
    ],
)
def test_a_row_that_does_not_fit_the_zoo_is_refused(rows, expected):
    assert expected in refused("{}", rows)


def test_one_network_alone_is_refused_where_there_is_no_simulated_brain_to_compare_it_with():
    one = {"resnet_standard_1": ROWS["resnet_standard_1"]}
    said = refused("nsd: {source: nsd}", one)
    assert "networks: config/zoo.tsv lists one network, resnet_standard_1, and transfer" in said


def test_the_most_voxels_that_are_allowed_find_their_places_in_a_volume():
    most = configuration.read_schema(ROOT / "config/schemas", "config")["properties"]["simulation"]
    most = most["properties"]["voxels"]["maximum"]
    roi = np.repeat(list(design.REGIONS), most + most // 3)
    where, atlases, _ = nsd_files.place_voxels(np.random.default_rng(0), roi)
    assert len(where) == len(roi)
    for region, (atlas, labels) in design.REGIONS.items():
        numbers = [LABELS[atlas][label] for label in labels]
        assert np.isin(atlases[atlas], numbers).sum() == (roi == region).sum()


def test_a_folder_of_the_workflow_with_braces_is_refused_and_any_other_is_not():
    with pytest.raises(configuration.ConfigurationError, match=r"/a \{b\} has braces in its path.*rename it"):
        configuration_limits.check_folder("/a {b}")
    configuration_limits.check_folder('/-it\'s "my" é 100% %s $HOME; & [a]*')


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"architecture": "ResNet"},
            "the architectures ResNet and resnet differ only in how they are written",
        ),
        ({"training_radius": 3}, "its family is standard, but it was trained on perturbations of size 3"),
        ({"family": "robust"}, "its family is robust, but its training_radius is 0; is it standard?"),
        ({"top1": 0.76}, "top1 is 0.76, but it is in percent; is it 76?"),
        ({"sha256": "0" * 8, "weights": "a.pth b.pth"}, "there are 1 sha256 of 2 files of weights"),
        ({"sha256": "00000000 11111111", "weights": "a.pth"}, "there are 2 sha256 of 1 files of weights"),
    ],
    ids=str,
)
def test_a_row_that_contradicts_itself_or_another_is_refused_with_both_values(changes, expected):
    assert expected in refused("{}", row(**changes))


def test_numbers_that_seem_odd_and_may_be_meant_are_accepted():
    right = {"source": "checkpoint", "weights": "a b", "sha256": "00000000 11111111", "top1": 1.5}
    assert refused("{}", row(**right)) == ""
    assert refused("{}", row(**right | {"family": "self_supervised", "training_radius": 3})) == ""
    assert refused("{}", row(display_name="ResNet 2")) == ""
