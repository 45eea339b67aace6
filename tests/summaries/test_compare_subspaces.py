"""The comparison of axes, of planted models: a killed job resumes, and its tables do not tell."""

import compare_subspaces
import pandas as pd
import planted
import planted_steps
import pytest


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
