"""Tests of configuration: wrong settings and wrong rows are refused by name, before anything runs."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes import configuration

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "config/schemas"
DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text())
ROW_SCHEMA = configuration.read_schema(SCHEMAS, "networks")
TABLE = (ROOT / "tests/data/networks.tsv").read_text()
COLUMNS, FIRST, *_ = (line.split("\t") for line in TABLE.splitlines())


def merged(config, overlay):
    """Merge an overlay into settings, as Snakemake does with configuration files."""
    config = copy.deepcopy(config)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(config.get(key), dict)
        config[key] = merged(config[key], value) if both else value
    return config


def together(*files):
    """Merge files of settings in their order, as `--configfile` does, and write them as one overlay."""
    config = {}
    for file in files:
        config = merged(config, yaml.safe_load((ROOT / file).read_text()))
    return yaml.safe_dump(config)


def check(overlay, here=ROOT):
    """Check the defaults with an overlay, written as YAML."""
    return configuration.checked(merged(DEFAULTS, yaml.safe_load(overlay)), SCHEMAS, here)


def table_with(folder, changes, suffix=""):
    """Write a table of networks whose last row is `new`, in line 5, with the changed cells; read it."""
    columns = [*COLUMNS, "weights", "format", "licence", "citation", "accepted"]
    rows = TABLE.splitlines()[1:]
    row = dict(zip(COLUMNS, FIRST, strict=True)) | {"name": "new", "seed": "9"} | changes
    rows.append("\t".join(row.get(column, "") for column in columns) + suffix)
    (folder / "networks.tsv").write_text("\n".join(["\t".join(columns), *rows]) + "\n")
    return configuration.read_networks("networks.tsv", ROW_SCHEMA, here=folder, code=folder)


@pytest.mark.parametrize(
    "files",
    [
        "config/config.yaml",
        "config/thorough.yaml",
        "config/nsd.yaml",
        "config/nsd.yaml config/nsd_thorough.yaml",
        "tests/data/micro.yaml",
    ],
)
def test_every_configuration_of_the_repository_is_valid_and_keeps_its_values(files):
    text = together(*files.split())
    assert check(text) == merged(DEFAULTS, yaml.safe_load(text))


@pytest.mark.parametrize("table", ["config/zoo.tsv", "config/networks.tsv", "tests/data/networks.tsv"])
def test_every_table_of_networks_of_the_repository_is_valid(table):
    rows = configuration.read_networks(table, ROW_SCHEMA, here=ROOT, code=ROOT)
    assert len(rows) == len((ROOT / table).read_text().splitlines()) - 1
    for name, row in rows.items():
        assert row["name"] == name and all(isinstance(number, float) for number in row["mean"] + row["std"])
        assert isinstance(row["input_size"], int) and "" not in row.values()


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ("attacks: {radius: 1}", "attacks: unknown key radius; allowed are radii, linf_radii, large_radii"),
        ("atacks: {radii: [1]}", "top level: unknown key atacks; allowed are seed, device"),
        ("nsd: {regoins: {}}", "nsd: unknown key regoins; allowed are source, folder"),
        ("nsd: {sessions: {subject1: 3}}", "nsd.sessions: 'subject1' does not match any of the regexes"),
        ("attacks: {algorithms: [fgsm]}", "attacks.algorithms.0: 'fgsm' is not one of ['pgd', 'apgd']"),
        ("attacks: {linf_radii: [2]}", "attacks.linf_radii.0: 2 is greater than the maximum of 1"),
        ("attacks: {radii: [-1]}", "attacks.radii.0: -1 is less than or equal to the minimum of 0"),
        ("attacks: {radii: [.inf]}", "attacks.radii.0: inf is not a finite number"),
        ("readouts: {alphas: {smallest: .nan}}", "readouts.alphas.smallest: nan is not a finite number"),
        ("readouts: {method: lasso}", "readouts.method: 'lasso' is not one of ['ridge', 'least_squares', "),
        ("device: gpu", "device: 'gpu' is not one of ['auto', 'cpu', 'cuda']"),
        ("nsd: {source: bucket}", "nsd.source: 'bucket' is not one of ['miniature', 'nsd', 'local', 'own']"),
        ("nsd: {endpoint: bucket.s3}", "nsd.endpoint: 'bucket.s3' does not match"),
        (
            "readouts: {alphas: {smallest: 10, largest: 1}}",
            "readouts.alphas: smallest must be below largest, and 10 is not below 1",
        ),
        ("similarity: {k: [1, 9]}", "similarity.k: 9 is more than eigenvectors.rank, 5"),
        ("eigenvectors: {max_steps: 3}", "eigenvectors.max_steps: 3 is less than eigenvectors.rank, 5"),
        (
            "nsd: {sessions: {subj01: 0, subj02: 0, subj03: 0, subj04: 0}}",
            "has no session; give at least one subject a number above 0",
        ),
        ("nsd: {source: local, folder: nowhere}", "nsd.folder: 'nowhere' is no folder; nsd.source is local"),
        ("nsd: {source: local}", "nsd.folder: '' is no folder; nsd.source is local"),
        ("nsd: {source: own}", "own.images: '' is no folder; nsd.source is own"),
        (
            "nsd: {source: own}\nown: {images: config}",
            "own.responses: '' is no file; nsd.source is own",
        ),
        (
            "nsd: {source: own}\nown: {images: config, responses: Makefile}",
            "own.subjects: [] is empty; name at least one",
        ),
        (
            "nsd: {source: own}\nown: {images: config, responses: Makefile, subjects: [ape]}",
            "own.regions: [] is empty; name at least one",
        ),
        ("own: {subjects: [ape, group]}", "own.subjects: the name group is taken"),
        ("own: {subjects: [ape, subjects]}", "own.subjects: the name subjects is taken"),
        ("own: {subjects: [simulated_brain]}", "own.subjects: the name simulated_brain is taken"),
        ("own: {regions: [all]}", "own.regions: the name all is taken"),
        ("attacks: {radii: [.nan]}", "attacks.radii.0: nan is not a finite number"),
        ("attacks: {tolerance: .nan}", "attacks.tolerance: nan is not a finite number"),
        ("eigenvectors: {tolerance: .inf}", "eigenvectors.tolerance: inf is not a finite number"),
        ("nsd: {min_t: -.inf}", "nsd.min_t: -inf is not a finite number"),
        ("nsd: {regions: {FFA: {contrast: cats}}}", "nsd.regions.FFA.contrast: 'cats' is not one of ['char"),
        ("nsd: {test_fraction: 0.99}", "nsd.test_fraction: 0.99 is greater than the maximum of 0.9"),
        ("simulation: {voxels: 2}", "simulation.voxels: 2 is less than the minimum of 3"),
        ("simulation: {voxels: 201}", "simulation.voxels: 201 is greater than the maximum of 200"),
        ("simulation: {shared_images: 70000}", "shared_images: 70000 is greater than the maximum of 10000"),
        ("zoo: {epochs: {resnt: 3}}", "zoo.epochs: unknown key resnt; allowed are resnet, vgg, densenet"),
        ("nsd: {space: ../../elsewhere}", "nsd.space: '../../elsewhere' does not match '^[A-Za-z0-9]"),
        ("nsd: {space: ../../elsewhere}", "It names folders and files: letters, digits, _, - and ., no"),
        ("nsd: {space: /tmp}", "nsd.space: '/tmp' does not match"),
        ("nsd: {space: ..}", "nsd.space: '..' does not match"),
        ('nsd: {space: "func1mm\\n"}', "nsd.space: 'func1mm\\n' has a line break"),
        ("nsd: {betas: a/b}", "nsd.betas: 'a/b' does not match"),
        ("nsd: {regions: {FFA: {atlas: ../x}}}", "nsd.regions.FFA.atlas: '../x' does not match"),
        ("own: {subjects: [../ape]}", "own.subjects.0: '../ape' does not match"),
        ("own: {regions: [V4, random]}", "own.regions: the name random is taken"),
        ("own: {subjects: [sub 01]}", "own.subjects.0: 'sub 01' does not match"),
        (
            "own: {subjects: [-x]}",
            "It names files: letters A to Z, digits, _ and, not first, -.",
        ),
        ("own: {regions: ['IT ']}", "own.regions.0: 'IT ' does not match"),
        ('own: {regions: ["caf\\u00e9", "cafe\\u0301"]}', "caf\u00e9 stands there in two forms of Unicode"),
        (
            "nsd: {regions: {none: {atlas: floc-faces, labels: [FFA-1], contrast: faces}}}",
            "nsd.regions: the name none is taken",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key_its_value_and_what_is_allowed(overlay, expected):
    with pytest.raises(configuration.ConfigurationError) as error:
        check(overlay)
    assert expected in str(error.value)


def test_a_folder_with_braces_is_refused_because_they_would_be_wildcards(tmp_path):
    (tmp_path / "nsd{1}").mkdir()
    with pytest.raises(configuration.ConfigurationError, match="has braces, which stand for wildcards"):
        check("nsd: {source: local, folder: 'nsd{1}'}", tmp_path)
    (tmp_path / "nsd").mkdir()
    assert check("nsd: {source: local, folder: nsd}", tmp_path)["nsd"]["folder"] == "nsd"


def test_paths_of_ones_own_data_may_have_blanks_and_a_tilde_but_no_braces(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("my images", "of {1}"):
        (tmp_path / name).mkdir()
    for name in ("my responses.csv", "of {1}.csv"):
        (tmp_path / name).touch()
    form = "nsd: {source: own}\nown: {images: '~/%s', responses: '~/%s', subjects: [sub-01], regions: [V4]}"
    own = check(form % ("my images", "my responses.csv"))["own"]
    assert own["subjects"] == ["sub-01"]
    assert own["images"] == f"{tmp_path}/my images" and own["responses"] == f"{tmp_path}/my responses.csv"
    for paths, key in (
        (("of {1}", "my responses.csv"), "own.images: '~/of {1}' has braces"),
        (("my images", "of {1}.csv"), "own.responses: '~/of {1}.csv' has braces"),
        (("my", "my responses.csv"), "own.images: '~/my' is no folder"),
    ):
        with pytest.raises(configuration.ConfigurationError, match=re.escape(key)):
            check(form % paths)


def test_names_of_regions_come_in_one_form_of_unicode():
    assert check('own: {regions: ["cafe\\u0301"]}')["own"]["regions"] == ["caf\u00e9"]


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(configuration.ConfigurationError) as error:
        check("device: gpu\nnsd: {probes: 1}\nzoo: {epoch: 2}")
    said = str(error.value)
    assert (
        "device: 'gpu'" in said and "nsd.probes: 1 is less than" in said and "zoo: unknown key epoch" in said
    )


def test_text_from_the_command_line_gets_the_type_of_its_key_and_what_has_no_form_is_refused():
    config = check("nsd: {terms_accepted: 'true', min_t: '2.5', probes: '3', sessions: {subj04: '29'}}")
    nsd = config["nsd"]
    assert (nsd["terms_accepted"], nsd["min_t"], nsd["probes"], nsd["sessions"]["subj04"]) == (
        True,
        2.5,
        3,
        29,
    )
    assert check("attacks: {radii: ['0.5', '1']}")["attacks"]["radii"] == [0.5, 1]
    assert check("nsd: {folder: '007'}")["nsd"]["folder"] == "007"
    for overlay, expected in [
        ("nsd: {terms_accepted: 'maybe'}", "nsd.terms_accepted: 'maybe' is not of type 'boolean'"),
        ("nsd: {probes: '3.5'}", "nsd.probes: 3.5 is not of type 'integer'"),
        ("nsd: {probes: '['}", "nsd.probes: '[' is not of type 'integer'"),
    ]:
        with pytest.raises(configuration.ConfigurationError) as error:
            check(overlay)
        assert expected in str(error.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"identifier": "resnett"}, "identifier: 'resnett' is not one of ['resnet', 'densenet', 'vgg']"),
        ({"name": "resnet_robust"}, "the name resnet_robust is taken"),
        ({"name": "simulated_brain"}, "the name simulated_brain is taken"),
        ({"name": "all"}, "the name all is taken"),
        ({"name": "res-net"}, "name: 'res-net' does not match"),
        ({"seed": "3"}, "new has the seed of resnet_robust, 3; give it another"),
        ({"seed": ""}, "'seed' is a required property"),
        ({"training_radius": "-1"}, "training_radius: -1 is less than the minimum of 0"),
        ({"training_radius": "nan"}, "training_radius: nan is not a finite number"),
        ({"mean": "0.5,0.5"}, "mean: [0.5, 0.5] is too short"),
        ({"mean": "0.5,a,0.5"}, "network new: mean is '0.5,a,0.5', expected numbers with commas between"),
        ({"mean": "123.675,116.28,103.53"}, "mean is [123.675, 116.28, 103.53], but images are in [0, 1]"),
        ({"std": "58.4,57.1,57.4"}, "std is [58.4, 57.1, 57.4], but images are in [0, 1] here: divide"),
        ({"mean": "-0.5,0.5,0.5"}, "mean.0: -0.5 is less than the minimum of 0"),
        ({"accepted": "normalization"}, "accepted.0: 'normalization' is not one of ['normalisation', "),
        ({"mean": "0.5,inf,0.5"}, "network new is not valid:\n  mean.1: inf is not a finite number"),
        ({"input_size": "["}, "network new: input_size is '[', expected a number"),
        ({"input_size": "64.5"}, "input_size: 64.5 is not of type 'integer'"),
        ({"weights": "here.pth"}, "weights: 'here.pth' is not allowed here; leave it empty"),
        ({"source": "python", "identifier": "absent.py:build"}, "network new needs absent.py, which is not"),
        ({"source": "python", "identifier": "../mine.py:build"}, "identifier: '../mine.py:build' does not"),
        ({"source": "python", "identifier": "a/../../b.py:build"}, "A file in the folder of the Snakefile"),
        ({"source": "python", "identifier": "/tmp/mine.py:build"}, "A file in the folder of the Snakefile"),
        ({"source": "python", "identifier": "mine.py"}, "identifier: 'mine.py' does not match"),
        ({"name": "../x"}, "name: '../x' does not match"),
        ({"source": "tim"}, "source: 'tim' is not one of ['timm', 'torchvision'"),
        ({"source": "timm"}, "'weights' is a required property"),
    ],
    ids=str,
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path, changes, expected):
    with pytest.raises(configuration.ConfigurationError) as error:
        table_with(tmp_path, changes)
    assert str(error.value).startswith("networks.tsv, line 5") and expected in str(error.value)


def test_a_cell_too_many_is_refused(tmp_path):
    with pytest.raises(configuration.ConfigurationError) as error:
        table_with(tmp_path, {}, suffix="\tmore")
    assert "line 5: more cells than columns, the first too many is 'more'" in str(error.value)


def test_a_table_that_is_absent_empty_or_no_text_is_refused(tmp_path):
    (tmp_path / "empty.tsv").write_text("\t".join(COLUMNS) + "\n")
    (tmp_path / "latin.tsv").write_bytes("name\ndonn\xe9es\n".encode("latin-1"))
    for name, expected in [
        ("absent.tsv", "networks: absent.tsv is not there"),
        ("empty.tsv", "networks: empty.tsv lists no network"),
        ("latin.tsv", "networks: latin.tsv is no table in UTF-8"),
    ]:
        with pytest.raises(configuration.ConfigurationError, match=expected):
            configuration.read_networks(name, ROW_SCHEMA, here=tmp_path)


def test_a_row_is_read_as_numbers_and_lists_without_its_empty_cells(tmp_path):
    row = table_with(tmp_path, {"layers": "layer2, layer4", "training_radius": "0.10"})["new"]
    assert row["layers"] == ["layer2", "layer4"] and row["mean"] == [0.5, 0.5, 0.5]
    assert row["training_radius"] == 0.1 and row["seed"] == 9 and row["input_size"] == 64
    assert "weights" not in row


def test_the_mark_of_a_spreadsheet_and_empty_lines_do_no_harm_and_lines_count_from_the_top(tmp_path):
    header, *rows = TABLE.splitlines()
    (tmp_path / "t.tsv").write_text("\ufeff" + "\n".join([header, "", *rows]) + "\n", encoding="utf-8")
    assert len(configuration.read_networks("t.tsv", ROW_SCHEMA, here=tmp_path)) == 3
    (tmp_path / "t.tsv").write_text("\n".join([header, "", *rows, rows[0]]) + "\n")
    with pytest.raises(configuration.ConfigurationError, match=r"t\.tsv, line 6: the name"):
        configuration.read_networks("t.tsv", ROW_SCHEMA, here=tmp_path)


def test_ones_own_code_lies_beside_the_snakefile_and_weights_where_snakemake_works(tmp_path):
    """A row names a file of code and a file of weights; each is looked for in its own folder."""
    code, here = tmp_path / "code", tmp_path / "here"
    for file in (code / "mine.py", here / "weights/mine.pth", here / "mine.py"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    row = {"source": "python", "identifier": "mine.py:build", "weights": "weights/mine.pth hf://a/b@c/d"}
    assert configuration.files_of_row(row, here, code) == [str(code / "mine.py"), "weights/mine.pth"]
    # as an input of a job: relative wherever it can be, so that a moved folder reruns nothing
    assert configuration.files_of_row(row, here, here) == ["mine.py", "weights/mine.pth"]
    columns = [*COLUMNS, "weights"]
    cells = dict(zip(COLUMNS, FIRST, strict=True)) | row | {"weights": "weights/mine.pth", "seed": ""}
    lines = ["\t".join(columns), "\t".join(cells[column] for column in columns)]
    (here / "t.tsv").write_text("\n".join(lines) + "\n")
    assert list(configuration.read_networks("t.tsv", ROW_SCHEMA, here, code)) == ["resnet_standard"]
    for file, name in (
        (code / "mine.py", str(code / "mine.py")),
        (here / "weights/mine.pth", "weights/mine"),
    ):
        file.rename(file.with_suffix(".gone"))
        with pytest.raises(configuration.ConfigurationError) as error:
            configuration.read_networks("t.tsv", ROW_SCHEMA, here, code)
        assert f"needs {name}" in str(error.value)
        file.with_suffix(".gone").rename(file)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            "simulation: {brain: network, network: x}",
            "simulation.network: 'x' is no network of the zoo in config",
        ),
        ("simulation: {brain: network}", "simulation.network: '' is no network of the zoo"),
        ("simulation: {brain: network, network: fetched}", "'fetched' is no network of the zoo"),
        ("simulation: {network: one}", "simulation.network: one is named, but simulation.brain is templates"),
        (
            "simulation: {brain: network, network: one}\nnsd: {source: nsd}",
            "simulation.brain: network is about a brain that is simulated, and nsd.source is nsd",
        ),
    ],
)
def test_a_brain_that_cannot_be_a_network_is_refused_by_key_and_value(overlay, expected):
    rows = {"one": {"source": "zoo"}, "two": {"source": "zoo"}, "fetched": {"source": "timm"}}
    with pytest.raises(configuration.ConfigurationError) as error:
        configuration.brain_of(rows, check(overlay))
    assert expected in str(error.value)


def test_the_brain_is_a_network_of_the_zoo_that_leaves_others_to_compare():
    config = check("simulation: {brain: network, network: one}")
    rows = {"one": {"source": "zoo"}, "two": {"source": "zoo"}}
    assert configuration.brain_of(rows, config) == "one" and configuration.brain_of(rows, check("{}")) == ""
    with pytest.raises(configuration.ConfigurationError, match=r"no network is left in config/zoo\.tsv"):
        configuration.brain_of({"one": {"source": "zoo"}}, config)


def test_a_function_depends_on_what_makes_it_and_not_on_how_it_is_cited(tmp_path):
    row = table_with(tmp_path, {})["new"]
    usual = configuration.function_of(row)
    assert (
        configuration.function_of(row | {"display_name": "x", "family": "robust", "citation": "y"}) == usual
    )
    for key in configuration.FUNCTION:
        assert configuration.function_of(row | {key: "else"}) != usual


def test_terms_are_asked_for_only_where_nsd_is_downloaded():
    config = check("{}")
    configuration.check_terms(config, downloading=False)
    with pytest.raises(configuration.ConfigurationError) as error:
        configuration.check_terms(config, downloading=True)
    for part in (
        "nsd.terms_accepted is false",
        "https://forms.gle/",
        "Terms-and-Conditions",
        "--config 'nsd={",
    ):
        assert part in str(error.value)
    configuration.check_terms(check("nsd: {terms_accepted: true}"), downloading=True)


def test_a_dry_run_of_the_smallest_study_lists_a_job_for_each_model(tmp_path):
    counts = jobs(copy_to(tmp_path / "tree"), *MICRO)
    assert counts["train_network"] == 3 and counts["attack_images"] == 4 and counts["simulate_nsd"] == 1


@pytest.mark.slow
def test_a_launch_with_a_wrong_setting_row_or_file_says_so_without_a_traceback(tmp_path):
    tree = copy_to(tmp_path / "tree")
    (tree / "wrong.yaml").write_text("attacks: {radius: 1}")
    done = snakemake(tree, "-n", *MICRO, "wrong.yaml")
    assert done.returncode != 0 and "attacks: unknown key radius" in done.stdout
    assert "Traceback" not in done.stdout
    done = snakemake(tree, "-n", *MICRO, "--", "results/features/alexnet.parquet")
    assert done.returncode != 0 and "results/features/alexnet.parquet" in done.stdout
    table = tree / "tests/data/networks.tsv"
    table.write_text(TABLE + TABLE.splitlines()[1] + "\n")
    done = snakemake(tree, "-n", *MICRO)
    assert done.returncode != 0 and "networks.tsv, line 5: the name resnet_standard is taken" in done.stdout
