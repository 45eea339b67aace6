"""The workflow as its user runs it: end to end on a micro configuration, and what reruns when."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from studies import MICRO, MODELS, NETWORKS, images_of, jobs, listed, model_of, read, replayed, run

from codingaxes import models, statistics, tables


def test_the_study_makes_every_figure_with_its_values_and_the_numbers(study):
    figures = study / "results/figures"
    names = {file.stem for file in figures.iterdir()}
    assert len(names) == 14
    for name in names:
        assert (figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (figures / f"{name}.png").stat().st_size > 10_000
        assert len(pd.read_csv(figures / f"{name}.csv")) > 1
    text = (study / "results/effects.txt").read_text()
    for heading in ("sensitivity", "relative transfer", "subspace similarity, k = 2", "gradient cosine"):
        assert heading in text


def test_a_network_that_is_added_brings_only_its_own_jobs_and_the_summaries(study):
    table = study / "tests/data/networks.tsv"
    before = table.read_text()
    row = before.splitlines()[2].split("\t")
    row[0], row[1], row[-1] = "densenet_new", "DenseNet new", "77"
    try:
        table.write_text(before + "\t".join(row) + "\n")
        found = jobs(study, *MICRO)
        own = {"train_network", "extract_features", "fit_readouts", "attack_images"}
        own |= {"compute_eigenvectors", "measure_transfer"}
        assert {rule: found[rule] for rule in own} == dict.fromkeys(own, 1)
        summaries = {"collect_networks", "compare_subspaces", "explain_similarity", "summarise_effects"}
        summaries |= {"summarise_sensitivity", "summarise_transfer", "compare_algorithms"}
        assert summaries <= set(found)
        rest = set(found) - own - summaries
        assert rest and all(rule.startswith("plot_") for rule in rest)
        said = run(study, "-n").stdout
        for rule in ("attack_images", "measure_transfer", "compute_eigenvectors"):
            assert re.findall(rf"rule {rule}:.*?model=(\w+)", said, re.DOTALL) == ["densenet_new"]
    finally:
        table.write_text(before)
    assert listed(study) == set()


def test_a_network_of_the_users_own_goes_the_whole_way_to_its_scores(study):
    (study / "mine.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Sequential(\n"
        "        nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()\n    )\n"
    )
    table = study / "tests/data/networks.tsv"
    before = table.read_text()
    columns = before.splitlines()[0].split("\t")
    row = {"name": "mine", "display_name": "Mine", "family": "standard", "architecture": "small"}
    row |= {"source": "python", "identifier": "mine.py:build", "input_size": "32", "layers": "1,3"}
    row |= {"mean": "0.5,0.5,0.5", "std": "0.2,0.2,0.2", "interpolation": "bicubic"}
    try:
        table.write_text(before + "\t".join(row.get(column, "") for column in columns) + "\n")
        done = run(
            study, "--cores", "2", "results/scores/mine.parquet", "results/network_checks/mine.parquet"
        )
    finally:
        table.write_text(before)
    assert done.returncode == 0, done.stdout
    scores = read(study, "results/scores/mine.parquet", "scores")
    assert len(scores) == len(read(study, "results/scores/resnet_robust.parquet", "scores"))
    features = read(study, "results/features/mine.parquet", "features")
    assert {layer: len(rows.feature.iloc[0]) for layer, rows in features.groupby("layer")} == {
        "1": 392,
        "3": 144,
    }
    check = read(study, "results/network_checks/mine.parquet", "network_checks").iloc[0]
    assert check.problem == "" and check.jvp and check.vjp and "3 144" in check.layers


def test_a_readout_answers_an_image_as_the_tables_of_predictions_and_scores_say(study):
    voxels = read(
        study, [f"results/nsd/voxels/{subject}.parquet" for subject in ("subj01", "subj02")], "voxels"
    )
    responses = read(study, [f"results/nsd/responses/{s}.parquet" for s in ("subj01", "subj02")], "responses")
    for name in NETWORKS:
        model = model_of(study, name)
        predicted = read(study, f"results/predictions/{name}.parquet", "predictions")
        scores = read(study, f"results/scores/{name}.parquet", "scores")
        for roi, rows in predicted[predicted.subject == tables.GROUP].groupby("roi"):
            images = images_of(study, rows.image_id)
            np.testing.assert_allclose(model.scalar(roi)(images).numpy(), rows.predicted, atol=1e-5)
            answers = model.voxels[roi](images).numpy().astype(float)
            measured = []
            for subject, mine in voxels[voxels.roi == roi].groupby("subject", sort=False):
                shown = responses[responses.subject == subject].set_index("image_id").response[rows.image_id]
                measured.append(tables.matrix(shown)[:, mine.voxel_id])
            single = scores[(scores.roi == roi) & (scores.target != "mean")]
            found = statistics.correlation(answers, np.hstack(measured))
            # a prediction that hardly varies, by the largest penalty, has an r that float32 rounds
            varies = answers.std(axis=0) > 1e-2
            assert varies.sum() >= 3
            np.testing.assert_allclose(found[varies], single.r[varies], atol=1e-4)


def test_scores_by_subject_layer_and_fold_fit_together(study):
    for name in NETWORKS:
        scores = read(study, f"results/scores/{name}.parquet", "scores")
        means = scores[scores.target == "mean"].set_index(["subject", "roi"])
        across = read(study, f"results/cross_subject/{name}.parquet", "cross_subject")
        assert len(across) == 2 * 2 * 3
        same = across[across.subject == across.tested_on].set_index(["subject", "roi"])
        np.testing.assert_allclose(same.r, means.r[same.index])
        layers = read(study, f"results/layer_scores/{name}.parquet", "layer_scores")
        fitted = read(study, f"results/readouts/{name}.parquet", "readouts")
        assert layers.groupby(["subject", "roi"]).chosen.sum().eq(1).all()
        group = layers[layers.subject == tables.GROUP].set_index("roi")
        for roi, rows in group.groupby(level=0):
            assert rows.layer[rows.chosen].item() == rows.layer.iloc[rows.error.argmin()]
            assert set(fitted.layer[fitted.roi == roi]) == set(rows.layer[rows.chosen])
        picked = layers[layers.chosen].set_index(["subject", "roi"])
        np.testing.assert_allclose(picked.r, means.r[picked.index])
        assert scores.r_k_fold.between(-1, 1).all() and (scores.r2 <= scores.r**2 + 1e-9).all()
        described = read(study, f"results/representations/{name}.parquet", "representations")
        assert list(described.layer) == list(layers.layer.unique())


@pytest.mark.parametrize(
    "setting",
    [{"method": "pls", "components": 3}, {"method": "least_squares"}, {"cross_validation": "k_fold"},
     {"cross_validation": "generalised"}],
    ids=lambda setting: "-".join(map(str, setting.values())),
)  # fmt: skip
def test_other_methods_fill_the_same_tables(study, tmp_path, setting):
    found = replayed(study, tmp_path, "fit_readouts", "densenet_standard", setting)
    usual = read(study, "results/scores/densenet_standard.parquet", "scores")
    scores = tables.read(found["scores"], "scores")
    assert len(scores) == len(usual) and not np.allclose(scores.r, usual.r)
    fitted = tables.read(found["readouts"], "readouts")
    assert fitted.alpha.isna().all() == ("method" in setting)


def test_scores_are_the_correlations_of_the_predictions_on_held_out_images(study):
    stimuli = read(study, "results/nsd/stimuli.parquet", "stimuli").set_index("image_id")
    for name in NETWORKS:
        predicted = read(study, f"results/predictions/{name}.parquet", "predictions")
        scores = read(study, f"results/scores/{name}.parquet", "scores")
        assert (stimuli.split[predicted.image_id] == "test").all()
        means = scores[scores.target == "mean"].set_index(["subject", "roi"])
        for key, rows in predicted.groupby(["subject", "roi"]):
            found = statistics.correlation(rows.predicted.to_numpy(), rows.measured.to_numpy())
            assert means.r[key] == pytest.approx(float(found))
        assert {"mean"} < set(scores.target) and set(scores.subject) == {"subj01", "subj02", "group"}


def test_axes_are_orthonormal_and_ordered_and_state_their_residuals(study):
    for model in MODELS:
        axes = read(study, f"results/eigenvectors/{model}.parquet", "eigenvectors")
        assert set(axes.response) == set(models.KINDS) - ({"features"} if model == tables.BRAIN else set())
        for (kind, *_), rows in axes.groupby(["response", "roi", "image_id"]):
            basis = tables.matrix(rows.sort_values("rank").vector).astype(float)
            assert len(basis) == (1 if kind == "group" else 2)
            np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=5e-3)
            assert rows.sort_values("rank").eigenvalue.is_monotonic_decreasing
        largest = axes.groupby(["response", "roi", "image_id"]).eigenvalue.transform("max")
        assert (axes.converged == (axes.residual <= 1e-4 * largest)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_step_along_a_stored_axis_moves_the_responses_by_the_root_of_its_eigenvalue(study, name):
    axes = read(study, f"results/eigenvectors/{name}.parquet", "eigenvectors")
    model, step = model_of(study, name), 1e-5
    spaces = {(kind, roi): respond for kind in models.KINDS for roi, respond in model.responses(kind).items()}
    # the voxels themselves, not the fewer responses that have the same axes
    spaces |= {("voxels", roi): respond for roi, respond in model.voxels.items()}
    for (kind, roi), rows in axes.groupby(["response", "roi"]):
        respond = spaces[kind, roi].double()
        images = images_of(study, rows.image_id).double()
        along = torch.from_numpy(tables.matrix(rows.vector).astype(float)).view_as(images)
        with torch.no_grad():
            moved = (respond(images + step * along) - respond(images - step * along)) / (2 * step)
        rounding = 1e-6 * rows.eigenvalue.max()
        np.testing.assert_allclose(moved.norm(dim=1) ** 2, rows.eigenvalue, rtol=1e-2, atol=rounding)
        if kind == "group":
            assert (moved > 0).all()


@pytest.mark.parametrize("route", ["exact", "lanczos", "bidiagonal"])
def test_every_route_finds_the_same_axes(study, tmp_path, route):
    kinds = ["group", "subjects", "voxels", "joint"]  # not all rows of thousands of features
    setting = {"route": route, "responses": kinds}
    found = replayed(study, tmp_path, "compute_eigenvectors", "resnet_robust", setting)
    sizes = tables.read(found["jacobians"], "jacobians")
    assert set(sizes.route[sizes.response != "group"]) == {route}
    usual = read(study, "results/eigenvectors/resnet_robust.parquet", "eigenvectors")
    usual = usual[usual.response.isin(kinds)]
    key = ["response", "roi", "image_id", "rank"]
    pair = usual.merge(tables.read(found["eigenvectors"], "eigenvectors"), on=key, suffixes=("", "_other"))
    assert len(pair) == len(usual)
    largest = pair.groupby(key[:-1]).eigenvalue.transform("max")
    assert ((pair.eigenvalue - pair.eigenvalue_other).abs() < 1e-3 * largest).all()
    first = pair[pair["rank"] == 1]
    cosine = [
        abs(float(a.astype(float) @ b.astype(float)))
        for a, b in zip(first.vector, first.vector_other, strict=True)
    ]
    assert min(cosine) > 0.999


def test_voxels_can_count_by_their_noise_ceiling(study, tmp_path):
    found = replayed(study, tmp_path, "compute_eigenvectors", "resnet_robust", {"weighting": "noise_ceiling"})
    key = ["response", "roi", "image_id"]
    usual = read(study, "results/jacobians/resnet_robust.parquet", "jacobians").set_index(key).trace
    weighted = tables.read(found["jacobians"], "jacobians").set_index(key).trace[usual.index]
    changed = (weighted < 0.9 * usual).groupby("response").all()
    assert changed[["voxels", "joint"]].all() and not changed[["group", "subjects", "features"]].any()


def test_sizes_of_jacobians_fit_their_axes(study):
    for name in MODELS:
        axes = read(study, f"results/eigenvectors/{name}.parquet", "eigenvectors")
        sizes = read(study, f"results/jacobians/{name}.parquet", "jacobians")
        key = ["response", "roi", "image_id"]
        found = axes.groupby(key).eigenvalue.agg(["sum", "max"])
        sizes = sizes.set_index(key).loc[found.index]
        assert (sizes.trace >= found["sum"] * (1 - 1e-6)).all()
        np.testing.assert_allclose(sizes.first_share, found["max"] / sizes.trace)
        assert (sizes.participation_ratio >= 1 - 1e-6).all()
        assert (sizes.participation_ratio <= sizes.n_responses + 1e-6).all()
        np.testing.assert_allclose(sizes.xs("group").participation_ratio, 1)


def test_similarities_stand_in_their_range_and_are_averaged_over_images(study):
    pairs = read(study, "results/similarity.parquet", "similarity")
    means = read(study, "results/similarity_means.parquet", "similarity_means")
    key = ["network_i", "network_j", "response", "roi", "k"]
    assert pairs.similarity.notna().mean() > 0.8  # an axis that hardly differs from rounding is not compared
    assert pairs.similarity.isna().sum() == (4 - means.n_images).sum()
    pairs = pairs.dropna(subset=["similarity", "across_images"])
    assert pairs.similarity.between(0, 1).all() and pairs.across_images.between(0, 1).all()
    np.testing.assert_allclose(pairs.projection_distance**2, 1 - pairs.similarity, atol=1e-9)
    one = pairs[pairs.k == 1]
    np.testing.assert_allclose(one.cosine**2, one.similarity, atol=1e-6)
    np.testing.assert_allclose(np.cos(np.radians(one.largest_angle)) ** 2, one.similarity, atol=1e-5)
    expected = pairs.groupby(key)[["similarity", "across_images"]].mean()
    means = means.set_index(key).loc[expected.index]
    np.testing.assert_allclose(means.similarity, expected.similarity)
    np.testing.assert_allclose(means.across, expected.across_images)
    assert (means.similarity_low <= means.similarity).all() and means.p_matched.between(0.001, 1).all()
    assert (means.matched_chance > 0).all() and means.chance.lt(1e-3).all()
    assert set(pairs.response) == {"group", "subjects", "voxels", "joint", "features"}
    brain = means.reset_index().network_j == tables.BRAIN
    assert set(means.reset_index().response[brain]) == {"group", "subjects", "voxels", "joint"}


def test_the_share_of_an_attack_in_the_axes_is_that_of_a_projection(study):
    name = "resnet_robust"
    alignment = read(study, "results/alignment.parquet", "alignment")
    attacks = read(study, f"results/attacks/{name}.parquet", "perturbations")
    axes = read(study, f"results/eigenvectors/{name}.parquet", "eigenvectors")
    key = ["roi", "direction", "radius", "image_id"]
    for kind, k in (("voxels", 2), ("group", 1)):
        mine = alignment[(alignment.network == name) & (alignment.response == kind) & (alignment.k == k)]
        row = mine.iloc[3]
        chosen = axes[(axes.response == kind) & (axes.roi == row.roi) & (axes.image_id == row.image_id)]
        basis = np.linalg.qr(tables.matrix(chosen.vector).astype(float).T)[0]
        delta = attacks.set_index(key).delta[tuple(row[key])].astype(float)
        expected = np.square(basis.T @ delta).sum() / np.square(delta).sum()
        assert row.share == pytest.approx(expected, rel=1e-3)
        assert mine.share.between(0, 1 + 1e-6).all() and mine.share.mean() > 100 * row.chance


def test_profiles_are_shares_of_power(study):
    profiles = read(study, "results/profiles.parquet", "profiles")
    total = profiles.groupby(["network", "response", "roi"]).share.sum()
    np.testing.assert_allclose(total, 1)


def test_a_second_run_has_nothing_to_do_and_a_deleted_figure_is_drawn_alone(study):
    assert listed(study) == set()
    figure = study / "results/figures/transfer_matrix.pdf"
    kept = figure.read_bytes()
    figure.unlink()
    assert listed(study) == {"plot_transfer_matrix"}
    assert run(study, "--cores", "1").returncode == 0
    assert figure.read_bytes() == kept


def test_an_edited_function_reruns_what_can_reach_it_and_an_edited_comment_nothing(study):
    module = study / "workflow/scripts/codingaxes/lanczos.py"
    source = module.read_text()
    script = study / "workflow/scripts/compute_eigenvectors.py"
    original = script.read_text()
    opening = '"""operator -> leading'
    assert opening in source
    try:
        module.write_text(source.replace(opening, '"""Reworded: operator -> leading') + "\n# a remark\n")
        script.write_text(original + "\n# another remark\n")
        assert listed(study) == set()
        module.write_text(source.replace("return 10 *", "return 20 *"))
        assert "return 20 *" in module.read_text()
        assert listed(study) == {
            "compute_eigenvectors",
            "compare_subspaces",
            "explain_similarity",
            "summarise_effects",
            "plot_similarity_matrix",
            "plot_similarity_levels",
            "plot_axes",
            "plot_agreement",
        }
    finally:
        module.write_text(source)
        script.write_text(original)
    assert listed(study) == set()


def test_a_network_made_again_on_one_core_has_the_same_weights_attacks_and_axes(study, tmp_path):
    again, name = tmp_path / "again", "resnet_robust"
    shutil.copytree(study, again, symlinks=True)  # with the times of its files
    assert listed(again) == set()
    files = {
        "features": ["features"],
        "perturbations": ["attacks", "variants"],
        "sensitivity": ["sensitivity"],
        "eigenvectors": ["eigenvectors"],
        "jacobians": ["jacobians"],
    }
    files = {f"results/{part}/{name}.parquet": table for table, parts in files.items() for part in parts}
    weights = f"resources/zoo/{name}.safetensors"
    for path in (weights, *files):
        (again / path).unlink()
    done = run(again, "--cores", "1", weights, *files)
    assert done.returncode == 0, done.stdout
    assert (again / weights).read_bytes() == (study / weights).read_bytes()
    for path, table in files.items():
        before, after = (read(folder, path, table) for folder in (study, again))
        pd.testing.assert_frame_equal(before, after, check_exact=False, rtol=1e-6, atol=1e-9)


def test_a_failed_job_says_what_where_and_how_to_run_it_alone(study):
    script, broken = "workflow/scripts/extract_features.py", study / "results/nsd/images"
    image = sorted(broken.glob("*.png"))[0]
    content = image.read_bytes()
    try:
        image.unlink()
        replay = subprocess.run(
            [sys.executable, script, "logs/extract_features/resnet_robust.json"],
            cwd=study,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        image.write_bytes(content)
    assert replay.returncode == 1
    assert (
        f"stimulus results/nsd/images/{image.name} is not there; run prepare_stimuli again" in replay.stderr
    )
    assert (
        "python workflow/scripts/extract_features.py logs/extract_features/resnet_robust.json"
        in replay.stderr
    )
    assert listed(study) == set()
