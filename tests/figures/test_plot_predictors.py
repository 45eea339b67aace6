"""The figure of predictors: of the outcomes that were raced it shows transfer alone."""

import planted_summaries


def test_the_figure_shows_what_goes_with_transfer_and_not_what_goes_with_control(tmp_path):
    planted_summaries.plant(tmp_path)
    predictors = planted_summaries.read(tmp_path, "predictors")
    assert set(predictors.outcome) == {"transfer", "control_pixels"}
    _, values = planted_summaries.page_of(tmp_path, "predictors")
    assert set(values.outcome) == {"transfer"}
    assert len(values) == (predictors.outcome == "transfer").sum()
