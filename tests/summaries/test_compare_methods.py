"""Summaries of methods of making images, of planted scores whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import MODELS, NETWORKS, REGIONS, ZOO, plant, plant_networks, run

from codingaxes.names import BRAIN, SIGNS

ORIGINALS = [f"nsd_{n:05d}" for n in range(7)]
OF_IMAGE = dict(
    zip(ORIGINALS, np.linspace(0.7, 1.3, 7), strict=True)
)  # by which images differ; the mean is 1
SIZES = np.geomspace(0.5, 8.0, 9)
GAINS = {"strong": 0.6, "weak": 0.2}  # SD per l2 ** 0.5
OF_MODEL = dict(zip(MODELS, (1.0, 2.0, 4.0, 0.5), strict=True))
NOISE = 0.05  # SD per l2 ** 0.5, of its 95% quantile; its mean is half
EFFECTS = [0.3, 1.0, 50.0]
TABLES = ("method_curves", "methods")


def image(method, original, l2, direction="increase", roi="FFA", change=None):
    """Plant one image: how far it changes a model, before images and models differ."""
    return {
        "filename": f"{method}/{roi}_{direction}_{original}_{l2:.4f}.png",
        "method": method,
        "original_digest": original if l2 == l2 else "",
        "roi": roi,
        "direction": direction,
        "l2": l2,
        "planted": change if change is not None else GAINS[method] * l2**0.5,
    }


def ladder(methods=tuple(GAINS), sizes=SIZES, originals=ORIGINALS, **more):
    """Plant images of some methods, of every original at every size."""
    return [image(name, one, l2, **more) for name in methods for one in originals for l2 in sizes]


def scores_of(images):
    """Plant what every model answers to some images in every region."""
    rows = []
    for one in images:
        for roi in REGIONS:
            meant = one["roi"] in ("", roi)
            for model in MODELS:
                sign = SIGNS.get(one["direction"], -1.0)
                change = (
                    sign * one["planted"] * OF_MODEL[model] * OF_IMAGE.get(one["original_digest"], np.nan)
                )
                noise = NOISE * one["l2"] ** 0.5
                row = {"filename": one["filename"], "method": one["method"], "network": model, "roi": roi}
                row |= {"meant": meant, "change": change, "noise_mean": noise / 2, "noise_q95": noise}
                row |= {"super_stimulus": meant and abs(change) > 1, "beyond_noise": abs(change) > noise}
                rows.append(row)
    return pd.DataFrame(rows)


def compared(folder, images, bootstrap=200):
    """Run compare_methods on planted images; returns the curves and the methods."""
    images = pd.DataFrame(images)
    inputs = {
        "networks": plant_networks(folder),
        "scored_images": plant(folder, "scored_images", images.drop(columns="planted")),
        "image_scores": plant(folder, "image_scores", scores_of(images.to_dict("records"))),
    }
    curves, methods = run(
        "compare_methods", folder, *TABLES, bootstrap=bootstrap, settings={"effects": EFFECTS}, **inputs
    )
    return curves, methods.set_index(["method", "seen_by", "roi", "measure"]).sort_index()


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Two methods with the same sizes of the same originals, up and down, in one region."""
    images = [*ladder(), *ladder(direction="decrease")]
    return compared(tmp_path_factory.mktemp("methods"), images)


def rows_of(curves, method, seen_by, at, measure="wanted"):
    """Select the rows of one curve."""
    chosen = (curves.method == method) & (curves.seen_by == seen_by) & (curves["at"] == at)
    return curves[chosen & (curves.measure == measure)]


@pytest.mark.parametrize("method", list(GAINS))
@pytest.mark.parametrize("model", MODELS)
def test_a_planted_power_law_is_the_curve_whatever_the_direction(tables, method, model):
    curve = rows_of(tables[0], method, model, "norm")
    expected = GAINS[method] * OF_MODEL[model] * curve.l2**0.5
    np.testing.assert_allclose(curve.change, expected, rtol=0.01)
    assert (curve.ci_low < curve.change).all() and (curve.change < curve.ci_high).all()
    assert (curve.n_images == len(ORIGINALS)).all() and curve.common.all() and (curve.reason == "").all()
    np.testing.assert_allclose(curve.noise_q95, NOISE * curve.l2**0.5, rtol=0.01)
    np.testing.assert_allclose(curve.noise_mean, NOISE / 2 * curve.l2**0.5, rtol=0.01)
    np.testing.assert_allclose([curve.l2.min(), curve.l2.max()], SIZES[[0, -1]])


def test_a_family_is_the_mean_of_its_networks(tables):
    for family, members in ZOO.groupby("family").network:
        curve = rows_of(tables[0], "weak", family, "norm")
        parts = [rows_of(tables[0], "weak", name, "norm").change.to_numpy() for name in members]
        np.testing.assert_allclose(curve.change, np.mean(parts, axis=0))
    kinds = tables[0].drop_duplicates(["seen_as", "seen_by"])
    assert dict(zip(kinds.seen_by, kinds.seen_as, strict=True)) == {
        "standard": "family",
        "robust": "family",
        BRAIN: "brain",
        **dict.fromkeys(NETWORKS, "network"),
    }


def test_at_equal_norm_the_area_and_the_mean_height_are_their_integrals(tables):
    low, high = SIZES[[0, -1]]
    integral = 2 * (high**0.5 - low**0.5)  # of l2 ** 0.5 over log l2
    for (method, seen_by), gain in {("strong", BRAIN): 0.6 * 0.5, ("weak", "c_tough"): 0.2 * 4.0}.items():
        row = tables[1].loc[method, seen_by, "FFA", "wanted"]
        assert row.area == pytest.approx(gain * integral, rel=0.01)
        assert row.mean_change == pytest.approx(row.area / np.log(high / low))
        assert row.ci_low < row.mean_change < row.ci_high
        assert (row.l2_low, row.l2_high) == (pytest.approx(low), pytest.approx(high))
        assert row.n_files == 2 * 63 and row.n_left_out == 0 and row.n_images == 7 and row.same_images


def test_at_equal_effect_the_size_is_that_of_the_median_image_and_missing_where_it_is_not_reached(tables):
    for method, gain in GAINS.items():
        rows = rows_of(tables[0], method, "a_plain", "effect").set_index("change")
        for effect in EFFECTS[:2]:
            size = (effect / gain) ** 2
            if SIZES[0] < size < SIZES[-1]:
                assert rows.l2[effect] == pytest.approx(size, rel=0.02)
                assert rows.ci_low[effect] < rows.l2[effect] < rows.ci_high[effect]
        assert np.isnan(rows.l2[50.0]) and "do not reach it" in rows.reason[50.0]
        assert not rows.common[50.0]
    strong = rows_of(tables[0], "strong", "a_plain", "effect").set_index("change")
    assert np.isnan(strong.l2[0.3]) and "beyond it at their smallest size" in strong.reason[0.3]
    assert not rows_of(tables[0], "weak", "a_plain", "effect").set_index("change").common[0.3]


def test_only_the_stronger_method_is_on_the_front_at_every_size(tables):
    for name in (BRAIN, "standard", "b_tough"):
        assert rows_of(tables[0], "strong", name, "norm").front.all()
        assert not rows_of(tables[0], "weak", name, "norm").front.any()
        assert tables[1].loc["weak", name, "FFA", "wanted"].front_images == 0
        strongest = tables[1].loc["strong", name, "FFA", "wanted"]
        assert strongest.front_images == 2 * len(SIZES)  # of the image that changes most, up and down


def test_shares_are_those_of_the_images(tables):
    row = tables[1].loc["strong", "c_tough", "FFA", "wanted"]
    large = np.array([0.6 * 4 * l2**0.5 * gain > 1 for l2 in SIZES for gain in OF_IMAGE.values()])
    assert row.super_rate == pytest.approx(large.mean()) and row.beyond_noise == 1.0


def test_white_noise_is_a_curve_of_its_own(tables):
    noise = rows_of(tables[0], "all", BRAIN, "noise")
    np.testing.assert_allclose(noise.noise_q95, NOISE * noise.l2**0.5, rtol=0.01)
    np.testing.assert_allclose(noise.change, NOISE / 2 * noise.l2**0.5, rtol=0.01)


def test_other_regions_than_the_one_that_was_meant_do_not_count(tables, tmp_path):
    assert set(tables[0].roi) == {"FFA"} == set(tables[1].index.get_level_values("roi"))
    curves, _ = compared(tmp_path, ladder(("strong",), roi=""), bootstrap=20)
    assert set(curves.roi) == set(REGIONS)


def test_methods_are_compared_between_the_sizes_that_all_of_their_images_have(tmp_path):
    images = [*ladder(("strong",)), *ladder(("weak",), SIZES[3:7])]
    curves, methods = compared(tmp_path, images, bootstrap=20)
    row = methods.loc["strong", BRAIN, "FFA", "wanted"]
    assert (row.l2_low, row.l2_high) == (pytest.approx(SIZES[3]), pytest.approx(SIZES[6]))
    curve = rows_of(curves, "strong", BRAIN, "norm")
    assert curve.l2[curve.common].min() == pytest.approx(SIZES[3]) and not curve.common.all()
    assert rows_of(curves, "weak", BRAIN, "norm").l2.between(SIZES[3] * 0.99, SIZES[6] * 1.01).all()


def test_a_method_of_one_size_for_each_image_has_a_point_and_no_curve(tmp_path):
    single = [image("single", one, l2, change=0.1) for one, l2 in zip(ORIGINALS, SIZES, strict=False)]
    curves, methods = compared(tmp_path, [*ladder(), *single], bootstrap=20)
    row = methods.loc["single", BRAIN, "FFA", "wanted"]
    assert np.isnan([row.area, row.mean_change]).all() and row.reason == "its images have no size in common"
    assert methods.loc["weak", BRAIN, "FFA", "wanted"].reason == ""  # others are compared all the same
    own = rows_of(curves, "single", BRAIN, "own").iloc[0]
    assert own.l2 == pytest.approx(np.exp(np.log(SIZES[:7]).mean())) and own.n_images == 7
    assert own.change == pytest.approx(0.1 * 0.5) and not own.front
    assert (
        rows_of(curves, "single", BRAIN, "norm").reason == "fewer than half of its images have this size"
    ).all()


def test_methods_of_one_nominal_size_are_compared_there_and_have_no_area(tmp_path):
    wobble = dict(zip(ORIGINALS, np.linspace(0.998, 1.002, 7), strict=True))
    images = [image(name, one, 2.0 * wobble[one]) for name in GAINS for one in ORIGINALS]
    _, methods = compared(tmp_path, images, bootstrap=20)
    for name, gain in GAINS.items():
        row = methods.loc[name, "a_plain", "FFA", "wanted"]
        assert row.mean_change == pytest.approx(gain * 2**0.5, rel=0.01) and np.isnan(row.area)
        assert row.reason == "methods have one size in common: no area"


def test_without_a_direction_only_the_size_of_changes_is_compared(tmp_path):
    curves, methods = compared(tmp_path, ladder(("weak",), direction=""), bootstrap=20)
    assert methods.loc["weak", BRAIN, "FFA", "wanted"].reason == "no direction was wanted"
    assert methods.loc["weak", BRAIN, "FFA", "wanted"].n_left_out == 63
    assert methods.loc["weak", BRAIN, "FFA", "size"].mean_change > 0
    assert set(curves.measure) == {"size"}


def test_images_without_original_or_without_change_are_left_out_and_counted(tmp_path):
    images = ladder(("strong",))
    images += [image("strong", "lost", np.nan, change=np.nan), image("strong", ORIGINALS[0], 0.0, change=0.0)]
    images += [image("blind", "lost", np.nan, change=np.nan)]
    curves, methods = compared(tmp_path, images, bootstrap=20)
    row = methods.loc["strong", BRAIN, "FFA", "size"]
    assert row.n_files == 65 and row.n_left_out == 2 and row.reason == ""
    assert "blind" not in set(curves.method)
    row = methods.loc["blind", BRAIN, "FFA", "size"]
    assert row.reason == "none of its images has an original and another size than 0" and row.n_images == 0


def test_where_nothing_can_be_compared_the_table_of_curves_is_empty(tmp_path):
    curves, methods = compared(tmp_path, [image("blind", "lost", np.nan, change=np.nan)])
    assert curves.empty and methods.mean_change.isna().all() and (methods.reason != "").all()


def test_other_originals_are_told(tmp_path):
    images = [*ladder(("strong",)), *ladder(("weak",), originals=ORIGINALS[:4])]
    _, methods = compared(tmp_path, images, bootstrap=20)
    assert not methods.same_images.any()
    assert methods.loc["weak", BRAIN, "FFA", "wanted"].n_images == 4


def test_the_same_numbers_come_out_whatever_the_order_of_the_images(tmp_path, tables):
    images = [*ladder(), *ladder(direction="decrease")]
    (tmp_path / "again").mkdir()
    _, methods = compared(tmp_path / "again", images[::-1])
    pd.testing.assert_frame_equal(methods.sort_index(), tables[1].sort_index(), rtol=1e-9)
