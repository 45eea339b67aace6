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
    ROBUST,
    copy_to,
    deltas,
    images_of,
    jobs,
    model_of,
    noise,
    perturbations,
    read,
    recorded,
    replay_file,
    replayed,
    run,
    sensitivity,
    signed,
    subject_attacks,
    transfer,
    variants,
)

from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS, SUBJECT_ATTACKS
from codingaxes.tables.changes import FIXED_EFFECT, TRANSFERS

KEY = ["attack", "roi", "direction", "image_id", "radius", "wanted"]
OUTPUTS = {"perturbations": PERTURBATIONS, "variants": PERTURBATIONS, "subjects": SUBJECT_ATTACKS}


def tables_of(files):
    """Read the three tables of a job that attacks, by name, each with its rows in the order of its key."""
    tables = {}
    for name, table in OUTPUTS.items():
        tables[name] = store.read(files[name], table).set_index(list(table.key)).sort_index()
    return tables


def usual_tables(study, model):
    """Read the tables that the study has of a model."""
    outputs = recorded(study, "attack_images", model)["output"]
    return tables_of({name: study / path for name, path in outputs.items()})


@pytest.mark.parametrize("name", [ROBUST, BRAIN])
def test_attacks_do_not_depend_on_the_batch_beyond_rounding(study_copy, tmp_path, name):
    tables = tables_of(replayed(study_copy, tmp_path, "attack_images", name, {"batch_size": 2}))
    for output, usual in usual_tables(study_copy, name).items():
        again = tables[output]
        assert again.index.equals(usual.index)
        # measured on a CPU: 7e-6 SD in responses, 5e-6 in sizes
        for column in ("response_before", "response_after", "size"):
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


def test_a_killed_attack_resumes_at_its_batch_and_writes_the_same_three_tables(study_copy, tmp_path):
    file = replay_file(study_copy, tmp_path, "attack_images", ROBUST, {})
    command = [sys.executable, "-c", STOPPED, str(file)]
    killed = subprocess.run(command, cwd=study_copy, check=False, timeout=300)
    assert killed.returncode == -9
    assert not list(tmp_path.glob("*.parquet"))
    folder = study_copy / "results/.parts/attack_images"
    parts = sorted(part.parent.name for part in folder.rglob("*.arrow"))
    assert parts == ["perturbations", "subject_attacks", "subject_attacks", "variants", "variants"]
    outputs = replayed(study_copy, tmp_path, "attack_images", ROBUST, {})
    said = (tmp_path / "job.log").read_text()
    assert re.search(r"resuming: 1 of \d+ parts are already there", said)
    for name, table in OUTPUTS.items():
        usual = read(study_copy, recorded(study_copy, "attack_images", ROBUST)["output"][name], table)
        pd.testing.assert_frame_equal(store.read(outputs[name], table), usual, rtol=1e-6, atol=1e-9)
    assert not list(folder.rglob("*.arrow"))


def test_what_is_explored_in_bfloat16_is_reported_in_float32(study_copy, tmp_path):
    outputs = replayed(study_copy, tmp_path, "attack_images", ROBUST, {"precision": "bfloat16"})
    model, usual = model_of(study_copy, ROBUST), usual_tables(study_copy, ROBUST)
    for name in ("perturbations", "variants"):
        attacks = store.read(outputs[name], PERTURBATIONS)
        for roi, rows in attacks.groupby("roi"):
            images, respond = images_of(study_copy, rows.image_id), model.scalar(roi)
            with torch.no_grad():
                np.testing.assert_allclose(rows.response_before, respond(images), atol=1e-5)
                np.testing.assert_allclose(rows.response_after, respond(images + deltas(rows)), atol=1e-5)
        assert (signed(attacks) >= -1e-5).all()
        # gradients in bfloat16 find nearly as much as those in float32
        before = signed(usual[name].reset_index())
        assert signed(attacks).mean() > 0.8 * before.mean()
        assert not np.allclose(np.sort(signed(attacks)), np.sort(before), rtol=1e-6)


def test_restarts_cost_as_many_gradients_again_and_never_lose(study_copy, tmp_path):
    once = {
        "limit": 3,
        "effect_limit": 3,
        "variant_limit": 3,
        "subject_limit": 3,
    }  # of one round alone: later ones go on from other points
    tables = []
    for restarts in (0, 1):
        folder = tmp_path / str(restarts)
        folder.mkdir()
        outputs = replayed(study_copy, folder, "attack_images", ROBUST, once | {"restarts": restarts})
        tables.append(tables_of(outputs))
    for name, usual in tables[0].items():
        after, before = tables[1][name].reset_index(), usual.reset_index()
        key = [column for column in KEY if column in before]
        assert after[key].equals(before[key])
        bounded = before.wanted == 0 if "wanted" in before else pd.Series(True, before.index)
        assert (after.evaluations[bounded] == 2 * before.evaluations[bounded] - 1).all()
        assert (after.evaluations[~bounded] == before.evaluations[~bounded]).all()
        # attacks are compared before rounding to float16
        least = signed(before) - 1e-3 * signed(before).abs() - 1e-5
        assert (signed(after) >= least)[bounded].all()


LESS = "attacks: {subjects: false, algorithms: [], effects: [], linf_radii: [], large_radii: []}"


@pytest.mark.long
def test_what_is_not_asked_for_is_left_out_and_the_study_is_whole(study_copy):
    summaries, figures = study_copy / "results/summaries", study_copy / "results/figures"
    usual = {file.stem for file in figures.iterdir()}
    shutil.rmtree(summaries)
    shutil.rmtree(figures)
    (study_copy / "less.yaml").write_text(LESS)
    done = run(study_copy, "less.yaml", "--cores", "2")
    assert done.returncode == 0, done.stdout
    for model in MODELS:
        assert set(perturbations(study_copy, model).attack) == {"l2"}
        assert len(variants(study_copy, model)) == 0 and len(subject_attacks(study_copy, model)) == 0
        attacks = sensitivity(study_copy, model).query("kind == 'attack'")
        assert set(attacks.subject) == {GROUP} and set(attacks.norm) == {"l2"}
        assert len(transfer(study_copy, "variants", [model])) == 0
        assert set(transfer(study_copy, models=[model]).attack) == {"l2", "random"}
    assert set(noise(study_copy).attack) == {"random"}
    transfers = read(study_copy, "results/summaries/transfers.parquet", TRANSFERS)
    assert set(transfers.attack) == {"l2", "random"}
    assert {file.stem for file in figures.iterdir()} == usual - {"fixed_effect", "attack_algorithms"}
    assert {"fixed_effect", "attack_algorithms"} < usual
    assert not {"algorithms.parquet", "sizes.parquet"} & {file.name for file in summaries.iterdir()}
    assert read(study_copy, "results/summaries/fixed_effect.parquet", FIXED_EFFECT).empty


@pytest.mark.parametrize(
    ("key", "absent"),
    [
        ("algorithms", {"plot_attack_algorithms", "compare_algorithms"}),
        ("effects", {"plot_fixed_effect", "summarise_sizes"}),
    ],
)
def test_rules_about_attacks_that_are_not_asked_for_are_not_listed(tmp_path, key, absent):
    tree = copy_to(tmp_path / "tree")
    (tree / "less.yaml").write_text(f"attacks: {{{key}: []}}")
    usual, less = set(jobs(tree, *MICRO)), set(jobs(tree, *MICRO, "less.yaml"))
    assert absent <= usual and less == usual - absent
