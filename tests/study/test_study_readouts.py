"""Readouts of the finished micro study: tables of scores and predictions say what the models answer."""

import numpy as np
import pytest
import studies
from studies import NETWORKS, SUBJECTS, images_of, model_of, read

from codingaxes.estimates import bootstrap
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.features import FEATURES
from codingaxes.tables.networks import NETWORK_CHECKS
from codingaxes.tables.nsd import RESPONSES, STIMULI, VOXELS
from codingaxes.tables.readouts import (
    CROSS_SUBJECT,
    LAYER_SCORES,
    PREDICTIONS,
    READOUTS,
    REPRESENTATIONS,
    SCORES,
)

OWN_NETWORK = """from torch import nn


def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()
    )
"""


def of_network(study, kind, name, table):
    """Read one of the tables of readouts of a network."""
    return read(study, f"results/readouts/{kind}/{name}.parquet", table)


def test_a_network_of_the_users_own_goes_the_whole_way_to_its_scores(study_copy):
    (study_copy / "mine.py").write_text(OWN_NETWORK)
    table = study_copy / "tests/data/networks.tsv"
    columns = table.read_text().splitlines()[0].split("\t")
    row = {"name": "mine", "display_name": "Mine", "family": "standard", "architecture": "small"}
    row |= {"source": "python", "identifier": "mine.py:build", "input_size": "32", "layers": "1,3"}
    row |= {"mean": "0.5,0.5,0.5", "std": "0.2,0.2,0.2", "interpolation": "bicubic"}
    with table.open("a") as file:
        file.write("\t".join(row.get(column, "") for column in columns) + "\n")
    wanted = ["results/readouts/scores/mine.parquet", "results/networks/checks/mine.parquet"]
    done = studies.run(study_copy, "--cores", "2", "--", *wanted)
    assert done.returncode == 0, done.stdout
    scores = of_network(study_copy, "scores", "mine", SCORES)
    assert len(scores) == len(of_network(study_copy, "scores", "resnet_robust", SCORES))
    features = read(study_copy, "results/features/mine.parquet", FEATURES)
    lengths = {layer: len(rows.feature.iloc[0]) for layer, rows in features.groupby("layer")}
    assert lengths == {"1": 392, "3": 144}
    check = read(study_copy, "results/networks/checks/mine.parquet", NETWORK_CHECKS).iloc[0]
    assert check.problem == "" and check.jvp and check.vjp and "3 144" in check.layers


@pytest.mark.parametrize("name", NETWORKS)
def test_a_readout_answers_an_image_as_the_tables_of_predictions_and_scores_say(study, name):
    voxels = read(study, [f"results/nsd/voxels/{subject}.parquet" for subject in SUBJECTS], VOXELS)
    responses = read(study, [f"results/nsd/responses/{subject}.parquet" for subject in SUBJECTS], RESPONSES)
    model = model_of(study, name)
    predicted = of_network(study, "predictions", name, PREDICTIONS)
    scores = of_network(study, "scores", name, SCORES)
    for roi, rows in predicted[predicted.subject == GROUP].groupby("roi"):
        images = images_of(study, rows.image_id)
        np.testing.assert_allclose(model.scalar(roi)(images).numpy(), rows.predicted, atol=1e-5)
        answers = model.voxels[roi](images).numpy().astype(float)
        measured = []
        for subject, part in voxels[voxels.roi == roi].groupby("subject", sort=False):
            vectors = responses[responses.subject == subject].set_index("image_id").response[rows.image_id]
            measured.append(store.matrix(vectors)[:, part.voxel_id])
        single = scores[(scores.roi == roi) & (scores.target != "mean")]
        r = bootstrap.correlation(answers, np.hstack(measured))
        # a prediction that hardly varies, by the largest penalty, has an r that float32 rounds
        varies = answers.std(axis=0) > 1e-2
        assert varies.sum() >= 3
        np.testing.assert_allclose(r[varies], single.r[varies], atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_by_subject_layer_and_fold_fit_together(study, name):
    scores = of_network(study, "scores", name, SCORES)
    means = scores[scores.target == "mean"].set_index(["subject", "roi"])
    across = of_network(study, "cross_subject", name, CROSS_SUBJECT)
    assert len(across) == 2 * 2 * 3
    same = across[across.subject == across.tested_on].set_index(["subject", "roi"])
    np.testing.assert_allclose(same.r, means.r[same.index])
    layers = of_network(study, "layer_scores", name, LAYER_SCORES)
    fitted = of_network(study, "readouts", name, READOUTS)
    assert layers.groupby(["subject", "roi"]).chosen.sum().eq(1).all()
    group = layers[layers.subject == GROUP].set_index("roi")
    for roi, rows in group.groupby(level=0):
        assert rows.layer[rows.chosen].item() == rows.layer.iloc[rows.error.argmin()]
        assert set(fitted.layer[fitted.roi == roi]) == set(rows.layer[rows.chosen])
    chosen = layers[layers.chosen].set_index(["subject", "roi"])
    np.testing.assert_allclose(chosen.r, means.r[chosen.index])
    assert scores.r_k_fold.between(-1, 1).all() and (scores.r2 <= scores.r**2 + 1e-9).all()
    described = of_network(study, "representations", name, REPRESENTATIONS)
    assert list(described.layer) == list(layers.layer.unique())


@pytest.mark.parametrize(
    "setting",
    [{"method": "pls", "components": 3}, {"method": "least_squares"}, {"cross_validation": "k_fold"},
     {"cross_validation": "generalised"}],
    ids=lambda setting: "-".join(map(str, setting.values())),
)  # fmt: skip
def test_other_methods_fill_the_same_tables(study_copy, tmp_path, setting):
    outputs = studies.replayed(study_copy, tmp_path, "fit_readouts", "densenet_standard", setting)
    usual = of_network(study_copy, "scores", "densenet_standard", SCORES)
    scores = store.read(outputs["scores"], SCORES)
    assert len(scores) == len(usual) and not np.allclose(scores.r, usual.r)
    fitted = store.read(outputs["readouts"], READOUTS)
    assert fitted.alpha.isna().all() == ("method" in setting)


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_the_correlations_of_the_predictions_on_held_out_images(study, name):
    stimuli = read(study, "results/nsd/stimuli.parquet", STIMULI).set_index("image_id")
    predicted = of_network(study, "predictions", name, PREDICTIONS)
    scores = of_network(study, "scores", name, SCORES)
    assert (stimuli.split[predicted.image_id] == "test").all()
    means = scores[scores.target == "mean"].set_index(["subject", "roi"])
    for key, rows in predicted.groupby(["subject", "roi"]):
        r = bootstrap.correlation(rows.predicted.to_numpy(), rows.measured.to_numpy())
        assert means.r[key] == pytest.approx(float(r))
    assert {"mean"} < set(scores.target) and set(scores.subject) == {*SUBJECTS, GROUP}
