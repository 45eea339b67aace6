"""Jobs that attack: in other batches, killed and resumed, with other settings, with nothing but the least."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from studies import (
    MICRO,
    MODELS,
    SIGNS,
    copy_to,
    deltas,
    images_of,
    jobs,
    model_of,
    perturbations,
    read,
    recorded,
    replay_file,
    replayed,
    run,
    sensitivity,
    shown_to,
    signed,
)

from codingaxes import tables

ROBUST = "resnet_robust"
KEY = ["attack", "roi", "direction", "image_id", "radius", "wanted"]
OUTPUTS = {"perturbations": "perturbations", "variants": "perturbations", "sensitivity": "sensitivity"}


def tables_of(found):
    """The three tables of a job that attacks, by name, each with its rows in the order of its key."""
    found = {name: tables.read(found[name], table) for name, table in OUTPUTS.items()}
    keys = {name: list(tables.TABLES[table].key) for name, table in OUTPUTS.items()}
    return {name: frame.set_index(keys[name]).sort_index() for name, frame in found.items()}


def usual_tables(study, model):
    return tables_of(
        {name: study / path for name, path in recorded(study, "attack_images", model)["output"].items()}
    )


@pytest.mark.parametrize("name", [ROBUST, tables.BRAIN])
def test_attacks_do_not_depend_on_the_batch_beyond_rounding(study, tmp_path, name):
    found = tables_of(replayed(study, tmp_path, "attack_images", name, {"batch_size": 2}))
    for table, usual in usual_tables(study, name).items():
        again = found[table]
        assert again.index.equals(usual.index)
        # found on a CPU: 7e-6 SD in responses, 5e-6 in sizes
        columns = (
            ["change", "size"] if table == "sensitivity" else ["response_before", "response_after", "size"]
        )
        for column in columns:
            np.testing.assert_allclose(again[column], usual[column], rtol=1e-4, atol=1e-4)


STOPPED = """
import os, signal, sys
sys.path.insert(0, "workflow/scripts")
import attack_images
from codingaxes import job
save, saved = job.Shards.save, []
def save_but_for_the_second(self, name, frame):
    saved.append(self.folder.name)
    if saved.count("perturbations") == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, name, frame)
job.Shards.save = save_but_for_the_second
job.start(attack_images.main, {})
"""


def test_a_killed_attack_goes_on_at_its_batch_and_writes_the_same_three_tables(study, tmp_path):
    file = replay_file(study, tmp_path, "attack_images", ROBUST, {})
    killed = subprocess.run([sys.executable, "-c", STOPPED, str(file)], cwd=study, check=False, timeout=300)
    assert killed.returncode == -9
    assert not list(tmp_path.glob("*.parquet"))
    kept = sorted(part.parent.name for part in (study / "results/.parts/attack_images").rglob("*.arrow"))
    assert kept == ["perturbations", "sensitivity", "sensitivity", "variants", "variants"]
    found = replayed(study, tmp_path, "attack_images", ROBUST, {})
    said = (tmp_path / "job.log").read_text()
    assert re.search(r"resuming: 1 of \d+ parts are already there", said)
    for name, table in OUTPUTS.items():
        usual = read(study, recorded(study, "attack_images", ROBUST)["output"][name], table)
        pd.testing.assert_frame_equal(tables.read(found[name], table), usual, rtol=1e-6, atol=1e-9)
    assert not list((study / "results/.parts/attack_images").rglob("*.arrow"))


def test_what_is_explored_in_bfloat16_is_reported_in_float32(study, tmp_path):
    found = replayed(study, tmp_path, "attack_images", ROBUST, {"precision": "bfloat16"})
    model = model_of(study, ROBUST)
    usual = usual_tables(study, ROBUST)
    for name in ("perturbations", "variants"):
        made = tables.read(found[name], "perturbations")
        for roi, part in made.groupby("roi"):
            images = images_of(study, part.image_id)
            respond = model.scalar(roi)
            with torch.no_grad():
                np.testing.assert_allclose(part.response_before, respond(images), atol=1e-5)
                np.testing.assert_allclose(part.response_after, respond(images + deltas(part)), atol=1e-5)
        assert (signed(made) >= -1e-5).all()
        # gradients in bfloat16 find nearly as much as those in float32
        before = signed(usual[name].reset_index())
        assert signed(made).mean() > 0.8 * before.mean()
        assert not np.allclose(np.sort(signed(made)), np.sort(before), rtol=1e-6)


def test_restarts_cost_as_many_gradients_again_and_never_lose(study, tmp_path):
    found, usual = (
        tables_of(replayed(study, tmp_path, "attack_images", ROBUST, {"restarts": 1})),
        usual_tables(study, ROBUST),
    )
    for name in ("perturbations", "variants"):
        made, before = found[name].reset_index(), usual[name].reset_index()
        assert made[KEY].equals(before[KEY])
        given = made.wanted == 0
        assert (made.evaluations[given] == 2 * before.evaluations[given] - 1).all()
        assert (made.evaluations[~given] == before.evaluations[~given]).all()
        # what is compared is found before rounding to float16
        least = signed(before) - 1e-3 * signed(before).abs() - 1e-5
        assert (signed(made) >= least)[given].all()
    after, before = (part["sensitivity"].query("kind == 'attack'") for part in (found, usual))
    sign = before.index.get_level_values("direction").map(SIGNS)
    assert (after.change * sign >= before.change * sign * (1 - 1e-3) - 1e-5).all()


LESS = "attacks: {subjects: false, algorithms: [], effects: [], linf_radii: [], large_radii: []}"


def test_what_is_not_asked_for_is_left_out_and_the_study_is_whole(study, tmp_path):
    study = shutil.copytree(study, tmp_path / "less", symlinks=True)
    for name in ("algorithms.parquet", "algorithms.csv", "figures"):
        path = study / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (study / "less.yaml").write_text(LESS)
    done = run(study, "less.yaml", "--cores", "2")
    assert done.returncode == 0, done.stdout
    for model in MODELS:
        assert set(perturbations(study, model).attack) == {"l2"}
        assert len(perturbations(study, model, "variants")) == 0
        attacks = sensitivity(study, model).query("kind == 'attack'")
        assert set(attacks.subject) == {tables.GROUP} and set(attacks.norm) == {"l2"}
        assert len(shown_to(study, [model], "transfer_variants")) == 0
        assert set(shown_to(study, [model]).attack) == {"l2", "random"}
    assert set(perturbations(study, "random").attack) == {"random"}
    assert set(read(study, "results/transfers.parquet", "transfers").attack) == {"l2", "random"}
    figures = {file.stem for file in (study / "results/figures").iterdir()}
    assert len(figures) == 12 and not {"fixed_effect", "attack_algorithms"} & figures
    assert not (study / "results/algorithms.parquet").exists()


@pytest.mark.parametrize(
    ("key", "absent"),
    [("algorithms", {"plot_attack_algorithms", "compare_algorithms"}), ("effects", {"plot_fixed_effect"})],
)
def test_rules_about_attacks_that_are_not_asked_for_are_not_listed(tmp_path, key, absent):
    tree = copy_to(tmp_path / "tree")
    (tree / "less.yaml").write_text(f"attacks: {{{key}: []}}")
    usual, less = set(jobs(tree, *MICRO)), set(jobs(tree, *MICRO, "less.yaml"))
    assert absent <= usual and less == usual - absent
