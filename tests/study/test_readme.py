"""Test of the examples in README, on the finished micro study."""

import re
from pathlib import Path

import pandas as pd

README = Path(__file__).parents[2] / "README.md"


def test_every_example_of_how_to_read_a_table_runs_and_shows_what_it_says(study, monkeypatch, capsys):
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    scope = {}
    monkeypatch.chdir(study)
    for example in examples:
        exec(example.replace("resnet_robust_1", "resnet_robust"), scope)
    assert set(scope["own"].family_source) == {"standard", "robust", "simulated_brain"}
    assert (scope["own"].unit == "SD").all()
    shown = capsys.readouterr().out
    assert "one row per attack, source and target" in shown and "pixels in [0, 1]" in shown
    networks = pd.read_parquet("results/networks/networks.parquet").network
    assert set(networks) <= set(scope["ffa"].source) == set(scope["ffa"].target)
    rows = scope["strongest"]
    assert scope["delta"].shape == (3, 64, 64) and set(rows.roi) == {"FFA"} and rows.radius.nunique() == 1
