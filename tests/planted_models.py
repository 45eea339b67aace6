"""What tests of encoding models share."""

import pytest
import torch

from codingaxes.names import GROUP


def assert_readers(model, images, subjects):
    """Hold all readouts of a model from one pass, by name, to those that each region has.

    `subjects` has the names of those that have a region, in their order, by region.
    """
    respond, names = model.readers()
    assert names == [(roi, who) for roi in model.group for who in (GROUP, *subjects[roi])]
    assert model.readers(subjects=False)[1] == [(roi, GROUP) for roi in model.group]
    responses = respond(images)
    assert responses.shape == (len(images), len(names))
    for place, (roi, who) in enumerate(names):
        respond = model.group[roi] if who == GROUP else model.subjects[roi]
        expected = respond(images)[:, 0 if who == GROUP else subjects[roi].index(who)]
        assert torch.equal(responses[:, place], expected)
        assert torch.equal(model.scalar(roi, who)(images), expected)
    with pytest.raises(ValueError, match="not in tuple"):
        model.scalar(names[0][0], "subj99")
