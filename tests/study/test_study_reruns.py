"""What runs again when something changes: on copies of the finished micro study."""

import importlib
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import studies
from studies import MICRO, edit, listed, read, run

from codingaxes import provenance
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.axes import EIGENVECTORS, JACOBIANS
from codingaxes.tables.columns import Table
from codingaxes.tables.features import FEATURES
from codingaxes.tables.sensitivity import SENSITIVITY

LIBRARY = "workflow/scripts/codingaxes"
SCHEMAS = sorted(file.stem for file in (studies.ROOT / LIBRARY / "tables").glob("*.py"))
SCHEMAS = [name for name in SCHEMAS if name not in ("__init__", "columns", "compact", "store")]
SCHEMAS.remove("scoring")  # no job of the micro study has these tables
ANY = {"quote_numbers", "check_stimulus_set"}  # read tables without their declarations, or declarations alone


def tables_of_schema(name):
    """Names of the tables that a schema module declares."""
    module = importlib.import_module(f"codingaxes.tables.{name}")
    return {value.name for value in vars(module).values() if isinstance(value, Table)}


def users_of_schema(study, name):
    """Rules whose jobs read or write a table of a schema module, as the files themselves say."""
    wanted = tables_of_schema(name)
    return {rule for rule, tables in studies.tables_of_rules(study).items() if tables & wanted}


def digests(root):
    """Digest of the code of every script in a folder, by its rule."""
    return {script.stem: provenance.code_of(script.name, root) for script in root.glob("*.py")}


def test_a_second_run_has_nothing_to_do_and_a_deleted_figure_is_drawn_alone(study_copy):
    assert listed(study_copy) == set()
    figure = study_copy / "results/figures/transfer_matrix.pdf"
    before = figure.read_bytes()
    figure.unlink()
    assert listed(study_copy) == {"plot_transfer_matrix", *studies.LAST}
    assert run(study_copy, "--cores", "1").returncode == 0
    assert figure.read_bytes() == before


def test_an_edited_comment_reruns_nothing_and_an_edited_function_what_can_reach_it(study_copy):
    module = study_copy / LIBRARY / "axes/krylov.py"
    script = study_copy / "workflow/scripts/compute_eigenvectors.py"
    source = module.read_text()
    module.write_text(source.replace('"""', '"""Reworded. ', 1) + "\n# a remark\n")
    script.write_text(script.read_text() + "\n# another remark\n")
    assert listed(study_copy) == set()
    edit(module, "return 10 *", "return 20 *")
    rerun = listed(study_copy)
    assert rerun == studies.with_later(study_copy, ["compute_eigenvectors", "hold_out_category"])
    assert {"compare_subspaces", "plot_axes"} < rerun
    assert not {"attack_images", "measure_transfer", "fit_readouts"} & rerun


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_reworded_meaning_changes_the_code_of_exactly_the_rules_that_use_that_steps_tables(
    study, tmp_path, name
):
    root = shutil.copytree(study / "workflow/scripts", tmp_path / "scripts")
    before = digests(root)
    module = root / f"codingaxes/tables/{name}.py"
    module.write_text(re.sub(r'(= Table\(\s+"\w+",\s+")', r"\1reworded: ", module.read_text()))
    after = digests(root)
    changed = {rule for rule in after if after[rule] != before[rule]} & set(studies.files_of_rules(study))
    users = users_of_schema(study, name)
    assert users and changed - ANY == users - ANY


# Text of tables/changes.py, and what takes its place.
REWORDED = ('"one row per model, region and wanted change: ', '"reworded: ')
NEW_COLUMN = ('        "noise_of_wanted": Column(', '        "more": Column("float64", "", ""),\n')
NEW_COLUMN = (NEW_COLUMN[0], NEW_COLUMN[1] + NEW_COLUMN[0])


@pytest.mark.parametrize("change", [REWORDED, NEW_COLUMN], ids=["a reworded meaning", "a new column"])
def test_a_changed_summary_table_reruns_the_rules_that_read_or_write_summaries_and_no_others(
    study_copy, change
):
    users = users_of_schema(study_copy, "changes")
    edit(study_copy / LIBRARY / "tables/changes.py", *change)
    rerun = listed(study_copy)
    # of these only explain_similarity makes tables of another step, and nothing reads them
    assert rerun == studies.with_later(study_copy, users)
    kinds = ("summarise_", "plot_", "compare_algorithms", "explain_similarity", "race_predictors")
    kinds += ("collect_units", "evaluate_claims", "quote_numbers")
    assert all(rule.startswith(kinds) for rule in rerun - studies.LAST)
    assert {"summarise_sizes", "plot_fixed_effect"} < rerun


def test_an_edited_control_repeats_no_attack(study_copy):
    edit(
        study_copy / LIBRARY / "attacks/controls.py",
        "delta.roll(-1, 0)",
        "delta.roll(1, 0)",
    )
    rerun = listed(study_copy)
    assert "measure_sensitivity" in rerun
    assert not {"attack_images", "compute_eigenvectors", "fit_readouts", "train_network"} & rerun


def test_another_number_of_controls_repeats_no_attack(study_copy):
    (study_copy / "draws.yaml").write_text("controls: {draws: 3}")
    rerun = listed(study_copy, "draws.yaml")
    assert {"draw_random_controls", "measure_sensitivity", "measure_transfer"} < rerun
    assert not {"attack_images", "compare_subspaces", "compute_eigenvectors", "fit_readouts"} & rerun


def test_a_network_that_is_added_brings_only_its_own_jobs_and_the_summaries(study_copy):
    table = study_copy / "tests/data/networks.tsv"
    row = table.read_text().splitlines()[2].split("\t")
    row[0], row[1], row[-1] = "densenet_new", "DenseNet new", "77"
    table.write_text(table.read_text() + "\t".join(row) + "\n")
    counts = studies.jobs(study_copy, *MICRO)
    own = {"train_network", "extract_features", "fit_readouts", "attack_images", "compute_eigenvectors"}
    own |= {"measure_sensitivity", "measure_transfer", "synthesise_perturbations"}
    assert {rule: counts[rule] for rule in own} == dict.fromkeys(own, 1)
    rest = set(counts) - own
    kinds = ("summarise_", "plot_", "compare_", "explain_similarity", "collect_networks", "race_predictors")
    kinds += ("review_images", "render_movies", "hold_out_category")
    kinds += ("collect_units", "evaluate_claims", "quote_numbers")
    kinds += ("make_stimuli", "predict_stimuli", "rank_stimuli", "plan_experiment")
    kinds += ("export_stimulus_set", "check_stimulus_set")
    assert rest and all(rule.startswith(kinds) for rule in rest - studies.LAST)
    assert {"collect_networks", "compare_subspaces", "summarise_transfer", "plot_transfer_matrix"} < rest
    said = run(study_copy, "-n").stdout
    for rule in ("attack_images", "measure_sensitivity", "measure_transfer", "compute_eigenvectors"):
        assert re.findall(rf"rule {rule}:.*?model=(\w+)", said, re.DOTALL) == ["densenet_new"]


def test_a_network_made_again_on_one_core_has_the_same_weights_attacks_and_axes(study, study_copy):
    name = studies.ROBUST
    tables = {
        f"results/features/{name}.parquet": FEATURES,
        f"results/attacks/perturbations/{name}.parquet": PERTURBATIONS,
        f"results/attacks/variants/{name}.parquet": PERTURBATIONS,
        f"results/attacks/sensitivity/{name}.parquet": SENSITIVITY,
        f"results/axes/eigenvectors/{name}.parquet": EIGENVECTORS,
        f"results/axes/jacobians/{name}.parquet": JACOBIANS,
    }
    weights = f"results/networks/trained/{name}.safetensors"
    for path in (weights, *tables):
        (study_copy / path).unlink()
    done = run(study_copy, "--cores", "1", "--", weights, *tables)
    assert done.returncode == 0, done.stdout
    assert (study_copy / weights).read_bytes() == (study / weights).read_bytes()
    for path, table in tables.items():
        before, after = (read(folder, path, table) for folder in (study, study_copy))
        pd.testing.assert_frame_equal(before, after, check_exact=False, rtol=1e-6, atol=1e-9)


def test_a_failed_job_says_what_where_and_how_to_run_it_alone(study_copy):
    script, record = "workflow/scripts/extract_features.py", "logs/extract_features/resnet_robust.json"
    image = sorted((study_copy / "results/nsd/images").glob("*.png"))[0]
    image.unlink()
    replay = subprocess.run(
        [sys.executable, script, record],
        cwd=study_copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert replay.returncode == 1
    expected = f"stimulus results/nsd/images/{image.name} is not there; run prepare_stimuli again"
    assert expected in replay.stderr and f"python {script} {record}" in replay.stderr


@pytest.mark.long
def test_a_busy_machine_changes_no_bit_of_attacks_axes_and_transfer(study, study_copy, tmp_path):
    """No result depends on the clock: jobs beside two that spin give the files of the study."""
    spin = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        for rule, outputs in (
            ("attack_images", ("perturbations", "variants")),
            ("compute_eigenvectors", ("eigenvectors", "jacobians")),
            ("measure_transfer", ("perturbations", "controls")),
        ):
            again = studies.replayed(study_copy, tmp_path, rule, studies.ROBUST, {})
            for name in outputs:
                first = studies.recorded(study, rule, studies.ROBUST)["output"][name]
                tables = (pd.read_parquet(file) for file in (again[name], study / first))
                pd.testing.assert_frame_equal(*tables, check_exact=True)
    finally:
        for process in spin:
            process.kill()
