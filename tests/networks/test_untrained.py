"""Networks of the family untrained: their weights are drawn, row by row, and the others are fetched."""

import json

import pytest
import torch
from planted_rows import ROW
from safetensors.torch import load_file
from studies import MICRO, ROOT, copy_to, snakemake

from codingaxes import configuration
from codingaxes.networks import requirements
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS

SCHEMA = configuration.read_schema(ROOT / "config" / "schemas", "networks")


def parsed(**changes):
    return configuration.parse_row(ROW | changes, SCHEMA, "networks.tsv, line 2")


def test_a_row_of_the_family_untrained_needs_no_weights_and_may_name_none():
    row = parsed()
    assert requirements.draws_weights(row, {"random_weights": False})
    for column, value in {"weights": "https://a.b/c.pth", "format": "plain", "top1": "58.2"}.items():
        with pytest.raises(configuration.ConfigurationError, match=rf"{column}: .* is not allowed here"):
            parsed(**{column: value})
    with pytest.raises(configuration.ConfigurationError, match="source: 'zoo' is not one of"):
        parsed(source="zoo", identifier="resnet", seed="4", training_radius="0")
    with pytest.raises(configuration.ConfigurationError, match="'weights' is a required property"):
        parsed(family="standard")


def test_weights_are_drawn_of_untrained_rows_or_of_all_and_a_function_of_the_user_gives_its_own():
    trained = parsed(family="standard", weights="a.pth", format="plain", licence="MIT", citation="me")
    assert not requirements.draws_weights(trained, {"random_weights": False})
    assert requirements.draws_weights(trained, {"random_weights": True})
    own = parsed(source="python", identifier="mine.py:build")
    assert not requirements.draws_weights(own, {"random_weights": False})


@pytest.mark.slow
def test_untrained_rows_get_weights_of_their_own_without_the_internet_and_say_so(tmp_path):
    tree = copy_to(tmp_path / "tree")
    rows = [ROW, ROW | {"name": "squeeze_again"}]
    lines = ["\t".join(ROW), *("\t".join(row.values()) for row in rows)]
    (tree / "config/drawn.tsv").write_text("\n".join(lines) + "\n")
    files = [f"resources/weights/{row['name']}" for row in rows]
    wanted = [f"{file}.safetensors" for file in files] + [f"results/networks/checks/{ROW['name']}.parquet"]
    done = snakemake(tree, "--cores", "2", *MICRO, "--config", "networks=config/drawn.tsv", "--", *wanted)
    assert done.returncode == 0, done.stdout
    first, second = (load_file(tree / f"{file}.safetensors") for file in files)
    differs = [not torch.equal(first[name], second[name]) for name in first if name.endswith("weight")]
    assert first.keys() == second.keys() and all(differs)
    record = json.loads((tree / f"{files[0]}.json").read_text())
    assert record["random_weights"] and record["files"] == []
    check = store.read(tree / wanted[2], NETWORK_CHECKS).iloc[0]
    assert check.random_weights and check.problem == "" and check.parameters > 1e5
