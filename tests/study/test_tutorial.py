"""The tutorial: every command of it, in its order, on a copy of the finished micro study."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import studies

PAGE = (studies.ROOT / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", PAGE, flags=re.DOTALL)
MICRO = studies.MICRO[1]
# What the micro study calls otherwise than the miniature.
NAMES = {"config/zoo.tsv": "tests/data/networks.tsv", "resnet_standard_1": "resnet_standard"}


def with_settings(block):
    """Name the settings of the micro study in every call of Snakemake, before those of the page."""
    block = re.sub(r"^(snakemake .*)--configfile ", rf"\1--configfile {MICRO} ", block, flags=re.MULTILINE)
    return re.sub(
        r"^snakemake (?!.*--configfile)", f"snakemake --configfile {MICRO} ", block, flags=re.MULTILINE
    )


def said(folder, language, block):
    """Run a block of the page, and give what it printed."""
    for name, other in NAMES.items():
        block = block.replace(name, other)
    block = with_settings(block)
    program = [sys.executable, "-c"] if language == "python" else ["bash", "-ec"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*program, block],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}"
    return done.stdout


@pytest.mark.long
def test_every_command_of_the_tutorial_runs_in_order_and_does_what_the_page_says(study_copy):
    folder = study_copy
    figure = folder / "results/figures/transfer_matrix.png"
    before = figure.read_bytes()
    texts = []
    for number, (language, block) in enumerate(BLOCKS):
        texts.append(said(folder, language, block))
        if "else 0.5)/'" in block.splitlines()[0]:
            assert figure.read_bytes() != before, "the scale has changed"
            jobs = set(re.findall(r"^(?:local)?rule (\w+):", texts[number], re.MULTILINE))
            assert jobs == {"plot_transfer_matrix"}
        if "resnet18.parquet" in block and language == "bash":
            jobs = re.findall(r"^(?:local)?rule (\w+):", texts[number], re.MULTILINE)
            assert sorted(jobs) == ["extract_features", "fetch_weights", "fit_readouts"]
    assert figure.read_bytes() == before, "the change was taken back"
    first, pairs, claims, _, _, alone, debugger, *rest = texts
    assert "Nothing to be done" in first
    assert "of_target" in pairs and "robust" in pairs
    assert "verdict" in claims and "from results/" in claims
    assert "done in" in alone
    assert "(Pdb) path = " in debugger
    assert "resnet18 {" in rest[1] and "FFA" in rest[-1] and "increase" in rest[-1]


def test_every_picture_of_the_tutorial_is_a_figure_of_the_workflow():
    rules = "".join(file.read_text() for file in (studies.ROOT / "rules").glob("*.smk"))
    pictures = re.findall(r"!\[[^\]]+\]\((.+?)\)", PAGE)
    assert pictures
    for picture in pictures:
        assert (studies.ROOT / "docs" / picture).is_file()
        assert f'"{Path(picture).stem}"' in rules
