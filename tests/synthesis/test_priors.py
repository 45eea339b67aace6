"""Tests of the prior: its weights against a plain Fourier transform, symmetry, single images."""

import torch
from planted_quadratics import SHAPE, SIZE, prior_matrix
from planted_responses import randn

from codingaxes.synthesis.priors import Coarse


def test_the_map_is_that_of_the_full_fourier_transform_and_symmetric_and_positive():
    for exponent in (0.5, 1.0, 2.0):
        matrix, gradient = prior_matrix(exponent), randn(2, 3, *SHAPE)
        weighted = Coarse(torch.tensor([exponent] * 2).double(), SHAPE)(gradient)
        torch.testing.assert_close(weighted.flatten(1), gradient.flatten(1) @ matrix.T)
        torch.testing.assert_close(matrix, matrix.T)
        assert torch.linalg.eigvalsh(matrix).min() > 0 and len(matrix) == SIZE


def test_a_wave_is_weighted_by_its_frequency_and_the_mean_as_the_lowest():
    column = torch.arange(16).double() / 16
    wave = torch.cos(2 * torch.pi * 4 * column).expand(1, 3, 16, 16)
    prior = Coarse(torch.tensor([1.5]).double(), (16, 16))
    torch.testing.assert_close(prior(wave), wave / 4**1.5)
    torch.testing.assert_close(prior(torch.ones_like(wave)), torch.ones_like(wave))


def test_each_image_has_its_own_exponent_and_keeps_it_in_a_part():
    gradient, prior = randn(3, 3, *SHAPE), Coarse(torch.tensor([0.0, 1.0, 2.0]).double(), SHAPE)
    assert torch.equal(prior(gradient)[0], gradient[0])
    part = prior.only(torch.tensor([2, 0]))
    torch.testing.assert_close(part(gradient[[2, 0]]), prior(gradient)[[2, 0]])
