"""The folder of a stimulus set is whole, measured again, and read by others; or it is not there at all."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import planted_sets
import pytest
from exported_sets import content, export
from faults import limited_size
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from codingaxes.names import BRAIN
from codingaxes.stimulus_sets import catalogues, folder, keeping


def as_array(file):
    """Read a picture as numbers."""
    with Image.open(file) as image:
        return np.asarray(image).astype(float)


def test_an_independent_reader_reads_all_of_it_back(exported, working):
    stimuli = pd.read_csv(exported / "stimuli.tsv", sep="\t", na_values="n/a", keep_default_na=False)
    truth = pd.read_parquet(working.stimuli)
    assert list(stimuli.stimulus_id) == list(truth.stimulus_id) and len(stimuli) == 118
    same = ["role", "maker", "maker_role", "control", "roi", "direction", "image_id", "step", "converged"]
    pd.testing.assert_frame_equal(stimuli[same], truth[same], check_dtype=False)
    np.testing.assert_allclose(stimuli.radius, truth.radius)
    assert stimuli.effect.isna().all()
    for row, made in zip(stimuli.itertuples(), truth.itertuples(), strict=True):
        picture = as_array(exported / row.filename)
        assert picture.shape == (32, 32, 3) and np.array_equal(picture, as_array(made.file))
        original = as_array(exported / f"{row.original}_image.png")
        assert np.linalg.norm((picture - original) / 255) == pytest.approx(row.l2, abs=1e-8)


def test_predictions_are_those_of_the_group_in_both_formats(exported, working):
    truth = pd.read_parquet(working.predictions).query("subject == 'group'").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(exported / "predictions.parquet"), truth)
    text = pd.read_csv(exported / "predictions.csv")
    pd.testing.assert_frame_equal(text, truth, check_dtype=False, rtol=1e-8)
    declared = json.loads((exported / "predictions.json").read_text())
    assert list(declared) == list(truth) and declared["change"]["Units"] == "SD over training images"


def test_perturbations_are_float32_and_in_the_order_that_their_metadata_states(exported):
    with safe_open(exported / "perturbations.safetensors", "numpy") as tensors:
        order, delta = tensors.metadata()["stimulus_ids"].split(), tensors.get_tensor("delta")
    stimuli = pd.read_csv(exported / "stimuli.tsv", sep="\t").set_index("stimulus_id")
    assert order == list(stimuli.index) and delta.dtype == np.float32 and delta.shape == (118, 3, 32, 32)
    norms = np.linalg.norm(delta.reshape(118, -1), axis=1)
    np.testing.assert_allclose(norms, stimuli.radius.fillna(0), rtol=1e-5)
    for name, change in list(zip(order, delta, strict=True))[::13]:
        natural, saved = (as_array(exported / f"{n}_image.png") for n in (stimuli.original[name], name))
        assert np.abs(natural + 255 * change.transpose(1, 2, 0) - saved).max() <= 0.5 + 1e-3


def test_sha256sum_itself_accepts_the_folder_and_lists_every_file(exported):
    done = subprocess.run(["sha256sum", "-c", "sha256sums.txt"], cwd=exported, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {file.relative_to(exported).as_posix() for file in exported.rglob("*") if file.is_file()}
    said = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
    assert said == files - {"sha256sums.txt"}


def test_bids_finds_its_columns_its_files_and_a_declaration_of_each_column(exported):
    stimuli = pd.read_csv(exported / "stimuli.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert list(stimuli)[:2] == ["stimulus_id", "type"]
    assert {"filename", "license", "copyright", "description"} <= set(stimuli)
    assert stimuli.stimulus_id.str.fullmatch(r"stim-[a-zA-Z0-9]+").all() and (stimuli.type == "image").all()
    assert (stimuli.filename == stimuli.stimulus_id + "_image.png").all()
    assert not (stimuli == "").any(axis=None) and set(stimuli.converged) == {"true"}
    declared = json.loads((exported / "stimuli.json").read_text())
    assert list(declared) == list(stimuli)
    assert all(about["Description"] and about["Units"] for about in declared.values())
    assert set(stimuli.role) == set(declared["role"]["Levels"])
    assert set(stimuli.direction) == set(declared["direction"]["Levels"])
    assert declared["rms"]["Units"] == "grey levels, 0 to 255"


def test_brain_score_finds_ids_files_and_their_sha1_and_no_column_called_filename(exported):
    table = pd.read_csv(exported / "stimulus_set.csv")
    assert table.stimulus_id.map(type).eq(str).all() and "filename" not in table
    for row in table.itertuples():
        assert hashlib.sha1((exported / row.image_filename).read_bytes()).hexdigest() == row.sha1


def test_psychopy_finds_names_of_python_and_files_relative_to_the_folder(exported):
    table = pd.read_csv(exported / "conditions.csv")
    assert all(re.fullmatch(r"[a-zA-Z]\w*", name) for name in table) and table.columns.is_unique
    assert not table.isna().any(axis=None)  # PsychoPy would make None of them
    assert all((exported / name).is_file() for name in [*table.image_file, *table.original_file])
    assert table.maker.eq("none").sum() == 2 + 16 + 4


@pytest.mark.parametrize(("filter", "side"), [("nearest", 96), ("lanczos", 80)])
def test_upscaled_copies_have_their_column_and_leave_measured_sizes_alone(
    working, tmp_path, small, filter, side
):
    larger = export(working, tmp_path / "larger", {"upscale": {"pixels": side, "filter": filter}})
    stimuli, plain = (pd.read_csv(one / "stimuli.tsv", sep="\t") for one in (larger, small))
    pd.testing.assert_series_equal(stimuli.l2, plain.l2)
    for row in stimuli[::5].itertuples():
        copy, original = as_array(larger / row.upscaled), as_array(larger / row.filename)
        assert copy.shape == (side, side, 3)
        if filter == "nearest":
            assert np.array_equal(copy, original.repeat(3, axis=0).repeat(3, axis=1))
    conditions = pd.read_csv(larger / "conditions.csv")
    assert list(conditions.upscaled_file) == list(stimuli.upscaled)
    said = json.loads((larger / "stimuli.json").read_text())["upscaled"]["Description"]
    assert "are of the original size, not of the copy" in said
    assert f"{side} x {side}" in (larger / "README.md").read_text()


def test_a_set_keeps_what_the_ranking_chose_with_its_originals_and_controls(working, tmp_path):
    whole = content(working)
    stimuli = whole.stimuli
    one = stimuli.query("role == 'perturbed' and image_id == 'nsd_00003' and roi == 'FFA' and step == 2")
    one = one.query("direction == 'increase' and maker_role == 'robust'")
    ranking = whole.ranking.assign(chosen=whole.ranking.stimulus_id.isin(one.stimulus_id))
    kept = keeping.keep(stimuli, ranking)
    assert sorted(kept.control) == ["blend", "none", "none", "other_image", "phase_scrambled", "random"]
    assert set(kept.role) == {"original", "perturbed", "control"} and set(kept.step) == {0, 2}
    assert set(kept.maker_role) == {"none", "robust"} and set(kept.image_id) == {"nsd_00003"}
    folder.write(tmp_path / "few", content(working, ranking=ranking))
    few = pd.read_csv(tmp_path / "few/stimuli.tsv", sep="\t")
    assert list(few.stimulus_id) == list(kept.stimulus_id)
    assert len(list((tmp_path / "few").glob("stim-*"))) == 6
    assert set(pd.read_csv(tmp_path / "few/predictions.csv").stimulus_id) == set(kept.stimulus_id)
    assert len(load_file(tmp_path / "few/perturbations.safetensors")["delta"]) == 6


def test_images_for_which_no_perturbation_was_found_are_left_out_and_counted(working, tmp_path):
    whole = content(working)
    lost = whole.stimuli.stimulus_id[whole.stimuli.role == "perturbed"].iloc[:2]
    stimuli = whole.stimuli.assign(l2=whole.stimuli.l2.where(~whole.stimuli.stimulus_id.isin(lost), 0.0))
    ranking = whole.ranking.assign(chosen=~whole.ranking.stimulus_id.isin(lost))
    kept = keeping.keep(stimuli, ranking)
    assert set(stimuli.stimulus_id) - set(kept.stimulus_id) >= set(lost)
    folder.write(tmp_path / "set", content(working, stimuli=stimuli, ranking=ranking))
    assert not any((tmp_path / "set" / f"{name}_image.png").exists() for name in lost)
    said = " ".join((tmp_path / "set/README.md").read_text().split())
    assert "2 images of the design are left out: no perturbation was found." in said


def test_a_control_that_is_the_same_picture_as_another_is_left_out(working):
    stimuli, ranking = content(working).stimuli, content(working).ranking
    blends = stimuli.index[stimuli.control == "blend"][:3]
    stimuli.loc[blends, "sha256"] = stimuli.sha256[blends[0]]
    kept = keeping.keep(stimuli, ranking)
    assert set(stimuli.stimulus_id) - set(kept.stimulus_id) == set(stimuli.stimulus_id[blends[1:]])


def test_the_rank_of_stimuli_stands_beside_them(exported, working):
    stimuli = pd.read_csv(exported / "stimuli.tsv", sep="\t").set_index("stimulus_id")
    ranking = pd.read_parquet(working.ranking).set_index("stimulus_id")
    assert (stimuli["rank"].dropna() == ranking["rank"].reindex(stimuli["rank"].dropna().index)).all()
    assert stimuli["rank"].isna().sum() == 118 - len(ranking)


def changed(working, **columns):
    """Give the stimuli with other values of columns in one row, that of a perturbed image."""
    stimuli = content(working).stimuli
    row = stimuli.index[stimuli.role == "perturbed"][3]
    for name, value in columns.items():
        stimuli.loc[row, name] = value
    return {"stimuli": stimuli}


def other_picture(tmp_path, picture, **options):
    """Save another picture; gives the columns file and sha256 of it."""
    file = tmp_path / "other.png"
    Image.fromarray(picture).save(file, "PNG", **options)
    return {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


FLAT = np.full((32, 32, 3), 128, np.uint8)


def broken_sets(working, tmp_path):
    """List what makes an export fail: what is changed of the content, and what the error says."""
    truth = content(working)
    short = truth.predictions[
        ~((truth.predictions.stimulus_id == "stim-0005") & (truth.predictions.roi == "PPA"))
    ]
    no_original = truth.stimuli[truth.stimuli.stimulus_id != "stim-0001"]
    truncated = {"file": str(tmp_path / "cut.png")}
    stored = Path(truth.stimuli.file[4]).read_bytes()[:-40]
    Path(truncated["file"]).write_bytes(stored)
    truncated["sha256"] = hashlib.sha256(stored).hexdigest()
    return {
        "another size": (changed(working, l2=0.5), r"l2 of .* is .*, and 0\.5 in its table"),
        "another digest": (changed(working, sha256="0" * 64), r"was changed after it was made"),
        "no file": (changed(working, file="gone.png"), r"gone\.png is not there; run make_stimuli"),
        "a truncated file": (changed(working, **truncated), r"cut\.png: it is no whole PNG file"),
        "grey": (changed(working, **other_picture(tmp_path, FLAT[..., 0])), r"its mode is L, not 8-bit RGB"),
        "an id that BIDS forbids": (
            changed(working, stimulus_id="stim-a_b"),
            r"BIDS does not allow .*'stim-a_b'",
        ),
        "an id of other letters": (
            changed(working, stimulus_id="stim-ä1"),
            r"BIDS does not allow .*'stim-ä1'",
        ),
        "one id in capitals": (
            {
                "stimuli": truth.stimuli.replace(
                    {"stimulus_id": {"stim-0003": "stim-a", "stim-0004": "stim-A"}}
                )
            },
            r"two stimuli have the id stim-A, capitals aside",
        ),
        "no original": ({"stimuli": no_original}, r"no stimulus is the original of nsd_00003"),
        "nothing chosen": ({"ranking": truth.ranking.assign(chosen=False)}, r"the ranking keeps no stimulus"),
        "few predictions": ({"predictions": short}, r"predictions of .* PPA lack stimuli"),
        "a bad name": ({"name": "räume 1"}, r"'räume 1' has a name that cannot travel"),
        "a name that leads elsewhere": ({"name": "../up"}, r"cannot travel"),
        "no perturbations": ({"perturbations": str(tmp_path / "none")}, r"none cannot be read"),
    }


@pytest.fixture(params=list(range(14)))
def broken(request, working, tmp_path):
    """One broken set, and what the error says."""
    sets = broken_sets(working, tmp_path)
    assert len(sets) == 14
    return list(sets.values())[request.param]


def test_a_broken_set_is_one_clear_error_and_leaves_nothing(broken, working, tmp_path):
    changes, said = broken
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        folder.write(tmp_path / "out" / "set", content(working, **changes))
    assert not (tmp_path / "out").exists()


def test_pictures_of_several_sizes_are_refused(working, tmp_path):
    other = changed(working, **other_picture(tmp_path, FLAT[:16, :16]))
    with pytest.raises(ValueError, match=r"other\.png has 16 pixels a side, others of the set have 32"):
        folder.write(tmp_path / "set", content(working, **other))


def test_two_stimuli_of_the_same_content_are_refused_and_leave_nothing(working, tmp_path):
    stimuli = content(working).stimuli
    copied = ["file", "sha256", "l2", "linf", "rms"]
    stimuli.loc[5, copied] = stimuli.loc[4, copied].to_numpy()
    deltas = load_file(working.perturbations)["delta"]
    deltas[5] = deltas[4]
    file = tmp_path / "deltas.safetensors"
    save_file({"delta": deltas}, file, {"stimulus_ids": " ".join(stimuli.stimulus_id)})
    with pytest.raises(
        ValueError, match=r"1 findings.*stim-0006_image\.png: it is the same picture as stim-0005"
    ):
        folder.write(tmp_path / "out" / "set", content(working, stimuli=stimuli, perturbations=str(file)))
    assert not list((tmp_path / "out").iterdir())


def test_perturbations_of_other_stimuli_are_refused(working, tmp_path):
    stimuli = content(working).stimuli
    deltas = np.roll(load_file(working.perturbations)["delta"], 1, axis=0)
    file = tmp_path / "deltas.safetensors"
    save_file({"delta": deltas}, file, {"stimulus_ids": " ".join(stimuli.stimulus_id)})
    with pytest.raises(
        ValueError, match=r"perturbations\.safetensors: that of stim-0003 does not make its picture"
    ):
        folder.write(tmp_path / "set", content(working, perturbations=str(file)))


@pytest.mark.parametrize(
    ("upscale", "said"),
    [
        ({"pixels": 80, "filter": "nearest"}, r"set a multiple of 32, or upscale\.filter: lanczos"),
        ({"pixels": 32, "filter": "lanczos"}, r"images have 32 already"),
    ],
)
def test_copies_that_would_be_distorted_or_no_larger_are_refused(working, tmp_path, upscale, said):
    with pytest.raises(ValueError, match=said):
        folder.write(tmp_path / "set", content(working, design=working.design | {"upscale": upscale}))


def test_a_folder_that_is_there_is_replaced_whole_and_kept_if_the_new_one_fails(working, tmp_path):
    path = tmp_path / "set"
    path.mkdir()
    (path / "old.txt").write_text("of an earlier run")
    with pytest.raises(ValueError, match="sha256"):
        folder.write(path, content(working, **changed(working, sha256="0" * 64)))
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    export(working, path)
    assert not (path / "old.txt").exists() and (path / "README.md").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["set"]


def test_a_limit_of_the_size_of_files_is_named_and_leaves_nothing(working, tmp_path):
    whole = content(working)
    with pytest.raises(OSError, match=r"set cannot be written: File too large; make room on the disk"):
        with limited_size(20_000):
            folder.write(tmp_path / "out" / "set", whole)
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_that_is_too_small_is_found_out_before_anything_is_written(working, tmp_path):
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only an administrator can make a small disk")
    try:
        said = r"set needs about \d+ MB, and the disk of .* has 2 MB free.*nothing was written"
        with pytest.raises(OSError, match=said):
            folder.write(tmp_path / "set", content(working))
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("upscale", [{"pixels": 0, "filter": "nearest"}, {"pixels": 96, "filter": "lanczos"}])
def test_the_size_is_estimated_from_above(working, tmp_path, monkeypatch, upscale):
    asked = []
    monkeypatch.setattr(folder, "_check_room", lambda path, needed: asked.append(needed))
    export(working, tmp_path / "set", {"upscale": upscale})
    size = sum(file.stat().st_size for file in (tmp_path / "set").rglob("*") if file.is_file())
    assert size <= asked[0] <= 8 * size


def test_the_same_set_gives_the_same_folder(working, small, tmp_path):
    again = export(working, tmp_path / "few")
    assert (again / "sha256sums.txt").read_text() == (small / "sha256sums.txt").read_text()


def test_every_kind_of_stimulus_is_described_in_words():
    stimuli = planted_sets.stimuli()
    texts = {row.control: catalogues.describe(row) for row in stimuli.itertuples() if row.role != "original"}
    assert texts["none"] == (
        "Image nsd_00005 changed to decrease PPA of tough_resnet (robust); step 2, l2 size 1.2"
    )
    assert texts["random"] == "Control: image nsd_00005 with white noise; step 2, l2 size 1.2, draw 1"
    assert len(set(texts.values())) == 5
    sized = stimuli[stimuli.control == "random"].assign(maker="tough_resnet", maker_role="robust").iloc[0]
    assert "white noise, as large as that of tough_resnet (robust); step 1" in catalogues.describe(sized)
    level = stimuli.assign(matched="effect", wanted_level=1.5).iloc[5]
    assert catalogues.describe(level).endswith("natural level 1.5")
    effect = stimuli.assign(matched="effect", effect=2.0).iloc[5]
    assert catalogues.describe(effect).endswith("effect 2 SD")


def test_a_set_of_photographs_states_the_rights_in_every_row(working, tmp_path):
    export(working, tmp_path / "set", source="nsd")
    stimuli = pd.read_csv(tmp_path / "set/stimuli.tsv", sep="\t")
    assert stimuli.license.str.contains("COCO").all() and stimuli.license.str.contains("NSD").all()


def test_a_set_that_is_matched_in_effect_is_written_and_says_so(working, tmp_path):
    stimuli = content(working).stimuli
    effect = {"matched": "effect", "effect": np.where(stimuli.step > 0, 2.0 * stimuli.step, np.nan)}
    path = export(
        working, tmp_path / "set", {"match": "effect"}, stimuli=stimuli.assign(**effect, radius=np.nan)
    )
    table = pd.read_csv(path / "stimuli.tsv", sep="\t")
    assert table.radius.isna().all() and table.description.str.contains("effect 2 SD").any()
    readme = " ".join((path / "README.md").read_text().split())
    assert "the same **effect** on their own maker" in readme and "| change, SD | 2 |" in readme
    assert (
        "| l2, of the maker's | 1 |" in readme and "perturbations of equal effect are of equal size" in readme
    )


def test_principal_distortions_and_names_of_own_images_are_written(working, tmp_path):
    whole = content(working)
    made = (whole.stimuli.role == "perturbed") & (whole.stimuli.maker_role == "standard")
    odd = {"maker": "principal_distortions", "maker_role": "principal_distortions", "direction": "none"}
    stimuli = whole.stimuli.copy()
    draws = stimuli.direction.map({"increase": 1, "decrease": 2}).where(made, stimuli.draw)
    stimuli.loc[made, list(odd)] = list(odd.values())
    stimuli["draw"] = draws.astype("int32")
    stimuli["image_id"] = stimuli.image_id.map({"nsd_00003": "my folder/ünï, 1", "nsd_00005": '5 "x"'})
    path = export(working, tmp_path / "set", stimuli=stimuli, source="own")
    table = pd.read_csv(path / "conditions.csv")
    assert set(table.image_id) == {"my folder/ünï, 1"}
    assert set(table.draw[table.maker == "principal_distortions"]) == {1, 2}
    # mean of the absolute changes of the two standard networks, 0.8 * 0.4 * (4 + 0.2) / 2
    assert "| made for the maker | principal_distortions | 1 | 0.67 |" in (path / "README.md").read_text()


def test_a_set_without_a_brain_has_no_experiment_and_is_written(working, tmp_path):
    whole = content(working, source="nsd")
    predictions = whole.predictions[whole.predictions.network != BRAIN]
    nothing = {"experiments": whole.experiments.iloc[:0], "power": whole.power.iloc[:0]}
    export(working, tmp_path / "set", source="nsd", predictions=predictions, **nothing)
    readme = (tmp_path / "set/README.md").read_text()
    assert "Tried on the simulated brain" not in readme and "No experiment was planned" in readme
