"""Figures: planted tables, and what the files drawn from them must and must not hold."""

import numpy as np
import pandas as pd
import plot_agreement
import plot_attack_effects
import plot_example_perturbations
import plot_similarity_matrix
import plot_transfer_matrix
import pytest
from PIL import Image

from codingaxes import plots, tables
from codingaxes.job import Run

ZOO = [
    ("a_plain", "standard", "resnet", 0.0),
    ("b_tough", "robust", "resnet", 0.3),
    ("c_tough", "robust", "odd", 0.9),
]
BRAIN = "simulated_brain"
RADII, IMAGES, REGIONS = (0.3, 0.9), ("nsd_00001", "nsd_00002", "nsd_00003"), ("FFA", "PPA")
SIZE = 16


@pytest.fixture
def networks(tmp_path):
    frame = pd.DataFrame(ZOO, columns=["network", "family", "architecture", "training_radius"])
    shared = {
        "parameters": 1,
        "accuracy": 0.9,
        "adversarial_accuracy": 0.5,
        "attack_radius": 0.9,
        "n_images": 9,
    }
    frame = frame.assign(display_name=frame.network.str.upper(), seed=range(len(frame)), **shared)
    tables.write(tmp_path / "networks.parquet", "networks", frame)
    return frame


def plant_transfer(folder, models):
    """One file for each target; a change is drawn, then turned where the response is to decrease."""
    rng, paths = np.random.default_rng(0), []
    for target in models:
        rows = []
        for source in [*models, "none"]:
            for roi, radius, image in [(r, s, i) for r in REGIONS for s in RADII for i in IMAGES]:
                for direction in ("none",) if source == "none" else ("increase", "decrease"):
                    sign = {"increase": 1, "decrease": -1, "none": rng.choice([-1, 1])}[direction]
                    here, there = sign * radius * rng.uniform(1, 2), sign * radius * rng.uniform(0, 1)
                    attack = "random" if source == "none" else "l2"
                    rows.append([attack, source, target, roi, direction, radius, image, radius])
                    rows[-1] += [np.nan if source == "none" else here, here if source == target else there]
        frame = pd.DataFrame(rows, columns=list(tables.TABLES["transfer"].columns))
        paths.append(str(folder / f"to_{target}.parquet"))
        tables.write(paths[-1], "transfer", frame)
    return paths


def plant_similarity(folder, models):
    rng, rows = np.random.default_rng(1), []
    for i, first in enumerate(models):
        for second in models[i + 1 :]:
            for roi, image, k in [(r, im, k) for r in REGIONS for im in IMAGES for k in (1, 4)]:
                rows.append([first, second, roi, image, k, rng.uniform(0, 0.2), k / 768, rng.uniform(-1, 1)])
    frame = pd.DataFrame(rows, columns=list(tables.TABLES["similarity"].columns))
    tables.write(folder / "similarity.parquet", "similarity", frame)
    return str(folder / "similarity.parquet")


def draw(script, folder, name="figure", params=None, **inputs):
    """Run one script by hand; returns the paths of what it wrote."""
    output = {kind: str(folder / f"{name}.{kind}") for kind in ("pdf", "png", "csv")}
    inputs = {"networks": str(folder / "networks.parquet")} | inputs
    script.main(Run(script.__name__, inputs, output, params or {}, {}, str(folder / "log")))
    return output


def names(brain=True):
    return [row[0] for row in ZOO] + ([BRAIN] if brain else [])


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_figure_drawn_twice_is_the_same_to_the_byte(tmp_path, networks):
    transfer = plant_transfer(tmp_path, names())
    given = {"transfer": transfer, "params": {"bootstrap": 50, "seed": 3}}
    first = draw(plot_attack_effects, tmp_path, "first", **given)
    second = draw(plot_attack_effects, tmp_path, "second", **given)
    assert all(content(first[kind]) == content(second[kind]) for kind in first)


def test_the_transfer_matrix_holds_ratios_of_means_at_the_largest_radius_only(tmp_path, networks):
    paths = plant_transfer(tmp_path, names())
    found = pd.read_csv(draw(plot_transfer_matrix, tmp_path, transfer=paths)["csv"], keep_default_na=False)
    found = found.set_index(["roi", "source", "target"]).relative.astype(float)
    rows = pd.concat([pd.read_parquet(path) for path in paths])
    rows = rows[rows.radius == max(RADII)]

    def mean(source, target, roi, column):
        these = rows[(rows.source == source) & (rows.target == target) & (rows.roi == roi)]
        if source == "none":
            return these[column].abs().mean()
        up, down = (
            these[these.direction == direction][column].mean() for direction in ("increase", "decrease")
        )
        return (up - down) / 2

    for roi in REGIONS:
        for target in names():
            own = mean(target, target, roi, "change_target")
            assert found[roi, "none", target] == pytest.approx(
                mean("none", target, roi, "change_target") / own, rel=1e-6
            )
            for source in names():
                expected = mean(source, target, roi, "change_target") / mean(
                    source, target, roi, "change_source"
                )
                assert found[roi, source, target] == pytest.approx(expected, rel=1e-6)
        assert all(found[roi, name, name] == pytest.approx(1) for name in names())
    assert len(found) == len(REGIONS) * len(names()) * (len(names()) + 1)


@pytest.mark.parametrize("brain", [True, False])
def test_matrices_and_effects_are_drawn_with_and_without_a_simulated_brain(tmp_path, networks, brain):
    transfer = plant_transfer(tmp_path, names(brain))
    similarity = plant_similarity(tmp_path, names(brain))
    written = [
        draw(plot_transfer_matrix, tmp_path, "transfer", transfer=transfer),
        draw(plot_similarity_matrix, tmp_path, "similarity", similarity=similarity),
    ]
    for output in written:
        assert (BRAIN in content(output["csv"]).decode()) == brain
        assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10
    effects = draw(plot_attack_effects, tmp_path, transfer=transfer, params={"bootstrap": 50})
    assert BRAIN not in content(effects["csv"]).decode()


def test_the_similarity_matrix_is_symmetric_and_of_the_largest_dimension(tmp_path, networks):
    found = pd.read_csv(
        draw(plot_similarity_matrix, tmp_path, similarity=plant_similarity(tmp_path, names()))["csv"]
    )
    assert set(found.k) == {4}
    planted = pd.read_parquet(tmp_path / "similarity.parquet").query("k == 4")
    expected = planted.groupby(["roi", "network_i", "network_j"]).similarity.mean()
    matrix = found.set_index(["roi", "network_i", "network_j"]).similarity
    assert len(matrix) == 2 * len(expected)
    for (roi, first, second), value in expected.items():
        assert matrix[roi, first, second] == matrix[roi, second, first] == pytest.approx(value, rel=1e-6)


def test_the_figure_of_agreement_refuses_a_study_without_a_simulated_brain(tmp_path, networks):
    transfer = plant_transfer(tmp_path, names())[-1]
    similarity = plant_similarity(tmp_path, names(brain=False))
    with pytest.raises(ValueError, match="no row with simulated_brain"):
        draw(plot_agreement, tmp_path, similarity=similarity, transfer=transfer, params={"bootstrap": 50})


def test_agreement_holds_the_mean_cosine_of_each_network_with_the_brain(tmp_path, networks):
    transfer, similarity = plant_transfer(tmp_path, names())[-1], plant_similarity(tmp_path, names())
    given = {"similarity": similarity, "transfer": transfer, "params": {"bootstrap": 50}}
    found = pd.read_csv(draw(plot_agreement, tmp_path, **given)["csv"])
    planted = pd.read_parquet(similarity).query("k == 4 and network_j == @BRAIN")
    expected = planted.groupby(["roi", "network_i"]).gradient_cosine.mean()
    cosine = found[found.measure == "gradient_cosine"].set_index(["roi", "network"])
    assert cosine.value.sort_index().to_numpy() == pytest.approx(expected.sort_index().to_numpy(), rel=1e-6)
    assert (cosine.ci_low <= cosine.value).all() and (cosine.value <= cosine.ci_high).all()


def test_an_image_of_another_size_than_its_perturbation_is_refused(tmp_path):
    Image.fromarray(np.zeros((SIZE, SIZE + 1, 3), np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="image_size"):
        plot_example_perturbations.open_picture(str(tmp_path / "image.png"), SIZE)


def test_a_name_has_the_same_colour_and_marker_in_every_figure(networks):
    first, second = plots.look(networks), plots.look(networks.copy())
    pd.testing.assert_frame_equal(first, second)
    assert first.color[BRAIN] == plots.COLORS[BRAIN]
    assert first.color["a_plain"] == plots.COLORS["standard"]
    assert first.marker["c_tough"] not in plots.MARKERS.values()


def test_a_robust_network_is_darker_the_larger_its_training_radius(networks):
    from matplotlib.colors import to_rgb

    looks = plots.look(networks)
    assert sum(to_rgb(looks.color["b_tough"])) > sum(to_rgb(looks.color["c_tough"]))


def test_a_change_against_the_attacked_direction_is_negative_and_noise_is_not():
    change = plots.signed(
        pd.Series([1.0, 1.0, -2.0, -3.0]), pd.Series(["increase", "decrease", "decrease", "none"])
    )
    assert change.tolist() == [1.0, -1.0, 2.0, 3.0]
