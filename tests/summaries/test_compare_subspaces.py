"""The comparison of axes, of planted models: a killed job resumes, and its tables do not tell."""

import compare_subspaces
import numpy as np
import pandas as pd
import planted
import planted_steps
import pytest

from codingaxes.axes import spectra
from codingaxes.job import Run
from codingaxes.tables import compact


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Compare the axes of a planted study; its steps are in the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    names = ["a_plain", "b_tough", "c_tough"]
    paths = planted_steps.plant_steps(tmp_path, names, True, ["FFA", "PPA"], ["subj01"])
    inputs, outputs = (words.split() for words in planted_steps.SUMMARIES["compare_subspaces"])
    read = {name: paths[name] for name in inputs}
    return lambda: planted.run(
        "compare_subspaces", tmp_path, *outputs, settings=planted_steps.SETTINGS, **read
    )


def test_a_killed_job_resumes_at_the_kind_of_responses_and_region_that_it_had_reached(compare, monkeypatch):
    whole, work, done = compare(), compare_subspaces.compare_space, []

    def killed(run, *space_and_more):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(space_and_more[:2])
        return work(run, *space_and_more)

    monkeypatch.setattr(compare_subspaces, "compare_space", killed)
    with pytest.raises(KeyboardInterrupt):
        compare()
    spaces = [("voxels", "FFA"), ("voxels", "PPA"), ("group", "FFA"), ("group", "PPA")]
    assert sorted(done) == sorted(spaces[:3])
    monkeypatch.setattr(
        compare_subspaces, "compare_space", lambda run, *more: done.append(more[:2]) or work(run, *more)
    )
    for before, after in zip(whole, compare(), strict=True):
        pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert sorted(done) == sorted(spaces)
    compare()
    assert len(done) == 2 * len(spaces)  # nothing is kept of a job that has finished


def test_p_values_do_not_depend_on_the_blocks_that_models_are_read_in(compare, monkeypatch):
    means, split, numbers = compare()[1], compact.gather, []
    assert means.p_matched.nunique() > 5 and means.p_matched.notna().all()
    monkeypatch.setattr(compact, "gather", lambda *of: numbers.append(len(s := split(*of))) or s)
    for held in (30_000, 1):
        monkeypatch.setattr(compare_subspaces, "HELD", held)
        pd.testing.assert_frame_equal(means, compare()[1], check_exact=True)
    assert {2, 4} <= set(numbers)  # blocks of two models and of one


def test_a_null_belongs_to_its_two_models_and_equal_spectra_are_not_equal_axes():
    run = Run("compare_subspaces", {}, {}, {"seed": 5, "null_draws": 30}, {}, "")
    white = spectra.CrossSpectrum(np.tile(np.eye(3) * 2 / 432, (12, 12, 1, 1)), 2)
    mixed = {"a": white, "b": white, "c": white, "without axes": None}
    pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("a", "without axes")]
    nulls = compare_subspaces.draw_nulls(run, "voxels", "FFA", 2, mixed, pairs)
    assert list(nulls) == pairs[:3]
    # The same axes in all models would make every value the mean.
    assert all(null.std() > 0.3 * null.mean() for null in nulls.values())
    assert len({null[0] for null in nulls.values()}) == 3
    alone = compare_subspaces.draw_nulls(run, "voxels", "FFA", 2, {"c": white, "b": white}, [("b", "c")])
    np.testing.assert_array_equal(alone["b", "c"], nulls["b", "c"])
    elsewhere = compare_subspaces.draw_nulls(run, "voxels", "PPA", 2, mixed, pairs)
    assert not np.isin(elsewhere["a", "b"], nulls["a", "b"]).any()
