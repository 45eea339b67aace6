"""Tests of inherited sensitivity: against the exact sum, and against readouts of white noise."""

import numpy as np
import pytest
import torch
from planted_jacobians import bumpy, small_images, whole_jacobian

from codingaxes.axes import inherited
from codingaxes.readouts import ridge


def test_the_estimate_has_the_exact_sum_as_its_mean_and_states_its_error():
    respond, images = bumpy(12), small_images(1).expand(300, -1, -1, -1)
    gains = torch.rand(2, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, error = inherited.inherited_sensitivity(respond, images, gains, draws=6, seeds=range(300))
    exact = gains @ whole_jacobian(respond, images[:1])[0].square().sum(dim=1)
    assert mean.shape == error.shape == (300, 2)
    assert ((mean.mean(dim=0) - exact).abs() < 4 * mean.std(dim=0) / 300**0.5).all()
    torch.testing.assert_close(error.square().mean(dim=0).sqrt(), mean.std(dim=0), rtol=0.15, atol=0)


def test_an_image_does_not_depend_on_its_batch():
    gains = torch.ones(1, 5, dtype=torch.float64)
    respond, images = bumpy(5), small_images()
    together = inherited.inherited_sensitivity(respond, images, gains, draws=3, seeds=[1, 2, 3])[0]
    alone = inherited.inherited_sensitivity(respond, images[1:2], gains, draws=3, seeds=[2])[0]
    torch.testing.assert_close(together[1:2], alone)


@pytest.mark.parametrize("alpha", [0.1, 30.0])
def test_it_is_the_mean_squared_gradient_of_readouts_of_white_noise(alpha):
    rng = np.random.default_rng(2)
    features = rng.standard_normal((60, 8)) * 2.0 ** -np.arange(8) @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    jacobian = rng.standard_normal((8, 20))  # of the features, by pixels
    components = ridge.principal_components(features)
    gains = inherited.gains(components.variance, alpha / 60)
    expected = gains @ np.square(components.vectors @ jacobian).sum(axis=1) / 60
    targets = rng.standard_normal((60, 20000))
    weight = ridge.fit(features, targets, cv="leave_one_out", alphas=[alpha]).weight
    found = np.square(weight @ jacobian).sum(axis=1)
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / 20000**0.5)
    assert found.std() / 20000**0.5 < 0.02 * expected
