"""What is refused before anything runs: wrong settings and wrong rows, each by name."""

import pytest
from studies import MICRO, copy_to, snakemake


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    return copy_to(folder)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("attacks: {radius: 1}", "attacks: unknown key radius; allowed are radii, linf_radii, large_radii"),
        ("atacks: {radii: [1]}", "top level: unknown key atacks; allowed are seed, device"),
        ("nsd: {regoins: {}}", "nsd: unknown key regoins; allowed are source, folder"),
        ("attacks: {algorithms: [fgsm]}", "attacks.algorithms.0: 'fgsm' is not one of ['pgd', 'apgd']"),
        ("attacks: {linf_radii: [2]}", "attacks.linf_radii.0: 2 is greater than the maximum of 1"),
        ("attacks: {radii: [-1]}", "attacks.radii.0: -1 is less than or equal to the minimum of 0"),
        (
            "readouts: {method: lasso}",
            "readouts.method: 'lasso' is not one of ['ridge', 'least_squares', 'pls']",
        ),
        ("readouts: {alphas: {smallest: 10, largest: 1}}", "readouts.alphas: smallest must be below largest"),
        ("similarity: {k: [3]}", "similarity.k: at most eigenvectors.rank axes are kept"),
        ("networks: config/absent.tsv", "networks: config/absent.tsv is not there"),
        ("nsd: {source: local, folder: nowhere}", "nsd.folder: 'nowhere' is no folder"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(tree, setting, expected):
    (tree / "wrong.yaml").write_text(setting)
    done = snakemake(tree, "-n", *MICRO, "wrong.yaml")
    assert done.returncode != 0
    assert expected in done.stdout


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"identifier": "resnett"}, "identifier: 'resnett' is not one of ['resnet', 'densenet', 'vgg']"),
        ({"name": "resnet_robust"}, "the name resnet_robust is taken"),
        ({"seed": "3"}, "new has the seed of resnet_robust"),
        ({"seed": ""}, "'seed' is a required property"),
        ({"training_radius": "-1"}, "training_radius: -1 is less than the minimum of 0"),
        ({"mean": "0.5,0.5"}, "mean: [0.5, 0.5] is too short"),
        ({"mean": "0.5,a,0.5"}, "network new: mean is '0.5,a,0.5', expected numbers with commas between"),
        ({"mean": "0.5,inf,0.5"}, "network new: mean and std must be finite"),
        ({"input_size": "["}, "network new: input_size is '[', expected a number"),
        ({"source": "python", "identifier": "absent.py:build"}, "network new needs absent.py, which is not"),
        ({"seed": "9\tmore"}, "more cells than columns, the first too many is 'more'"),
        ({"source": "tim"}, "source: 'tim' is not one of ['timm', 'torchvision'"),
        ({"source": "timm"}, "'weights' is a required property"),
    ],
    ids=str,
)
def test_a_wrong_row_of_the_networks_table_is_refused_with_its_line(tree, changed, expected):
    path = tree / "tests/data/networks.tsv"
    kept = path.read_text()
    columns, first = (line.split("\t") for line in kept.splitlines()[:2])
    row = dict(zip(columns, first, strict=True)) | {"name": "new", "seed": "9"} | changed
    try:
        path.write_text(kept + "\t".join(row.values()) + "\n")
        done = snakemake(tree, "-n", *MICRO)
    finally:
        path.write_text(kept)
    assert done.returncode != 0
    assert "line 5" in done.stdout and expected in done.stdout


def test_an_unknown_network_is_refused_when_asked_for(tree):
    done = snakemake(tree, "-n", *MICRO, "--", "results/features/alexnet.parquet")
    assert done.returncode != 0 and "results/features/alexnet.parquet" in done.stdout
