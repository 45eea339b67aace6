"""Settings as they are written: numbers have their type, and what can be misread is refused by its line."""

import pytest
from studies import MICRO, copy_to, snakemake
from test_configuration import ROOT, check, table_with

from codingaxes import configuration, configuration_written


@pytest.mark.parametrize(
    ("overlay", "key", "value"),
    [
        ("seed: 7.0", "seed", 7),
        ("image_size: 64.0", "image_size", 64),
        ("nsd: {sessions: {subj01: 3.0}}", "nsd.sessions.subj01", 3),
        ("similarity: {k: [1.0, 2]}", "similarity.k.0", 1),
        ("attacks: {tolerance: 1e-3}", "attacks.tolerance", 0.001),
        ("attacks: {radii: [1e-1, 0.5]}", "attacks.radii.0", 0.1),
        ("nsd: {min_t: 1e1}", "nsd.min_t", 10.0),
        ("seed: '1e3'", "seed", 1000),
    ],
)
def test_a_number_has_the_type_that_its_setting_wants_however_it_is_written(overlay, key, value):
    found = check(overlay)
    for part in key.split("."):
        found = found[int(part) if isinstance(found, list) else part]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ("seed: 1.5", "seed: 1.5 is not of type 'integer'"),
        ("seed: true", "seed: True is not of type 'integer'"),
        ("attacks: {tolerance: 1}", "attacks.tolerance: 1 is greater than or equal to the maximum of 1"),
        ("eigenvectors: {tolerance: 5.0}", "eigenvectors.tolerance: 5.0 is greater than or equal"),
        ("nsd: {sessions: {subj00: 3}}", "nsd.sessions: 'subj00' does not match"),
        ("nsd: {regions: {no: {}}}", "nsd.regions: the name False is no text; write it in quotes"),
        ("nsd: {regions: {4: {}}}", "nsd.regions: the name 4 is no text; write it in quotes"),
        ('own: {regions: ["V4\\u200b"]}', "has no invisible character"),
        ("own: {subjects: [" + 101 * "a" + "]}", "is too long"),
    ],
)
def test_a_setting_that_would_fail_later_is_refused_with_its_key(overlay, expected):
    with pytest.raises(configuration.ConfigurationError) as error:
        check(overlay)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (
            "attacks:\n  radii: [1]\nseed: 1\nattacks:\n  restarts: 2\n",
            4,
            "attacks stands there a second time",
        ),
        (
            "nsd:\n  probes: 3\n  repeats: 3\n  probes: 4\n",
            4,
            "probes stands there a second time, after line 2",
        ),
        ("seed: 010\n", 1, "010 is 8 in YAML; write it as a decimal number"),
        ("attacks:\n  radii: [0.1, 1:30]\n", 2, "1:30 is 90 in YAML"),
        ("own:\n  {no: 1}\n", 2, 'the name no is no text in YAML; write it in quotes: "no"'),
    ],
)
def test_what_yaml_reads_as_something_else_is_refused_with_its_line(tmp_path, text, line, expected):
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(configuration.ConfigurationError) as error:
        configuration_written.refuse_misread([tmp_path / "my.yaml"])
    assert f"my.yaml, line {line}: {expected}" in str(error.value)


def test_files_of_the_repository_and_every_plain_number_can_only_be_read_in_one_way(tmp_path):
    files = [path for folder in ("config", "tests/data") for path in (ROOT / folder).rglob("*.yaml")]
    (tmp_path / "plain.yaml").write_text(
        "a: [0, 10, -3, 0.5, 1.0e-3, 0x10, '010', no, 1e3]\nb: &c {d: 1}\ne: *c\n"
    )
    assert len(files) > 10 and configuration_written.faults([*files, tmp_path / "plain.yaml"]) == []
    assert configuration_written.faults([tmp_path / "absent.yaml"]) == []


@pytest.mark.slow
def test_snakemake_stops_before_a_run_whose_settings_stand_twice(tmp_path):
    study = copy_to(tmp_path / "tree")
    (study / "twice.yaml").write_text("seed: 1\nseed: 2\n")
    done = snakemake(study, "-n", *MICRO, "twice.yaml")
    assert done.returncode and "twice.yaml, line 2: seed stands there a second time" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_whole_number_of_a_row_is_an_integer_and_a_column_that_stands_twice_is_refused(tmp_path):
    row = table_with(tmp_path, {"input_size": "64.0", "seed": "1e1"})["new"]
    assert (row["input_size"], row["seed"]) == (64, 10)
    assert type(row["input_size"]) is type(row["seed"]) is int
    text = (tmp_path / "networks.tsv").read_text()
    twice = [f"{line}\t{'mean' if not n else '0.4,0.4,0.4'}" for n, line in enumerate(text.splitlines())]
    (tmp_path / "twice.tsv").write_text("\n".join(twice) + "\n")
    with pytest.raises(configuration.ConfigurationError, match=r"twice\.tsv: the column mean is there twice"):
        configuration.read_networks("twice.tsv", {}, here=tmp_path)
