"""Tests of compute_eigenvectors: images that do not fit into memory together give the same rows in parts."""

import compute_eigenvectors
import pandas as pd
import pytest
import torch
from planted_responses import kinked, rand

from codingaxes import devices
from codingaxes.job import Run

IDS = pd.Series([f"nsd_{number}" for number in (3, 1, 4, 15, 9)], index=[2, 4, 6, 8, 10])
PARAMS = {
    "seed": 1,
    "rank": 3,
    "tolerance": 1e-5,
    "max_steps": 30,
    "trace_tolerance": 0.0,  # all directions are drawn, and the sums are exact whatever the search has found
    "sketches": 2,
    "inherited_draws": 4,
}


def several(images, number=12):
    """Respond with a few numbers (n, number), each by a network of its own."""
    return torch.stack([kinked(seed, hidden=20)(images) for seed in range(number)], dim=1)


def small_device(respond, room):
    """Stand for a device on which so many images fit, by the error that torch raises there."""

    def limited(images):
        if len(images) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return respond(images)

    return limited


@pytest.mark.parametrize(("kind", "route"), [("group", "auto"), ("voxels", "exact"), ("voxels", "lanczos")])
def test_axes_of_images_that_do_not_fit_together_are_those_of_images_that_do(kind, route, caplog):
    respond = (lambda images: several(images, 1)) if kind == "group" else several
    images = rand(len(IDS), 3, 8, 8).float()
    run = Run("compute_eigenvectors", {}, {}, PARAMS | {"route": route}, {"model": "a"}, "log")

    def frames(room):
        def make(images, image_ids):
            return compute_eigenvectors.differentiate(
                run, kind, small_device(respond, room), images, image_ids
            )

        return compute_eigenvectors.in_parts(devices.Batches(len(IDS)), make, images, IDS)

    wanted = frames(len(IDS))
    assert not caplog.text
    for room in (2, 1):
        caplog.clear()
        parts = frames(room)
        assert "going on with 3 images at once" in caplog.text
        assert set(parts) == set(wanted) and list(parts)[-1] == "eigenvectors"
        for name, frame in wanted.items():
            # residuals are rounding where a pair has converged, which is compared
            some = frame.columns.difference(["vector", "residual"])
            pd.testing.assert_frame_equal(parts[name][some], frame[some], rtol=1e-3, atol=1e-6)
            for one, other in zip(*(of[name].get("vector", []) for of in (parts, wanted)), strict=True):
                torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=0, atol=2e-3)


def test_what_readouts_inherit_keeps_its_order_when_images_do_not_fit_together():
    images = rand(len(IDS), 3, 8, 8).float()
    run = Run("compute_eigenvectors", {}, {}, PARAMS, {"model": "a"}, "log")
    gains = torch.rand(2, 12, generator=torch.Generator().manual_seed(0)).numpy()

    def rows(room):
        def make(images, image_ids):
            penalties = {"FFA": 0.1, "EBA": 0.2}
            return compute_eigenvectors.inherit(
                run, small_device(several, room), penalties, gains, images, image_ids
            )

        return compute_eigenvectors.in_parts(devices.Batches(len(IDS)), make, images, IDS)

    wanted, parts = rows(len(IDS)), rows(2)
    assert list(wanted) == list(parts) == ["FFA", "EBA"]
    for roi, frame in wanted.items():
        assert list(frame.image_id) == list(IDS)
        pd.testing.assert_frame_equal(parts[roi], frame, rtol=1e-5)
