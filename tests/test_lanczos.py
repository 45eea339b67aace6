"""Lanczos: planted spectra, stated residuals, and the Jacobian product."""

import pytest
import torch

from codingaxes import lanczos


def operators(spectra, seed=0):
    """Symmetric matrices with planted spectra, their eigenvectors and the batched product."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor(spectra, dtype=torch.float64)
    n, size = values.shape
    vectors = torch.linalg.qr(torch.randn(n, size, size, generator=generator, dtype=torch.float64)).Q.mT
    matrices = vectors.mT @ (values[:, :, None] * vectors)
    return matrices, vectors, lambda v: torch.einsum("nij,nj->ni", matrices, v)


def start(n, size, seed=1):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_planted_eigenpairs_are_found():
    _, vectors, apply = operators([[2.0**-i for i in range(60)], [60.0 - i for i in range(60)]])
    found = lanczos.top_eigenpairs(apply, start(2, 60), 4, tolerance=1e-10, max_steps=60)
    expected = torch.tensor([[1.0, 0.5, 0.25, 0.125], [60.0, 59.0, 58.0, 57.0]]).double()
    torch.testing.assert_close(found.values, expected, rtol=1e-10, atol=0)
    cosines = (found.vectors * vectors[:, :4]).sum(dim=2).abs()
    torch.testing.assert_close(cosines, torch.ones(2, 4).double(), rtol=1e-8, atol=0)
    assert found.converged.all()


def test_a_stated_residual_is_the_true_one_also_before_convergence():
    A, _, apply = operators([[1.0 + i / 200 for i in range(200)]])
    found = lanczos.top_eigenpairs(apply, start(1, 200), 3, tolerance=1e-6, max_steps=8)
    true = (torch.einsum("nij,nkj->nki", A, found.vectors) - found.values[..., None] * found.vectors).norm(
        dim=2
    )
    torch.testing.assert_close(found.residuals, true, rtol=1e-6, atol=1e-12)
    assert not found.converged.any() and found.steps.tolist() == [8]


def test_an_operator_of_low_rank_gives_zeros_not_ghosts():
    _, _, apply = operators([[9.0, 4.0] + [0.0] * 18])
    found = lanczos.top_eigenpairs(apply, start(1, 20), 5, tolerance=1e-8)
    expected = torch.tensor([[9.0, 4.0, 0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(found.values, expected, atol=1e-10, rtol=0)
    gram = found.vectors[0] @ found.vectors[0].T
    torch.testing.assert_close(gram, torch.eye(5).double(), atol=1e-8, rtol=0)


def test_products_in_single_precision_are_enough_for_a_thousandth():
    A, vectors, _ = operators([[1 / (1 + i) for i in range(100)]])
    single = A.float()
    found = lanczos.top_eigenpairs(
        lambda v: torch.einsum("nij,nj->ni", single, v.float()), start(1, 100), 3, tolerance=1e-4
    )
    assert found.converged.all()
    torch.testing.assert_close(found.values, torch.tensor([[1.0, 1 / 2, 1 / 3]]).double(), rtol=1e-4, atol=0)
    assert ((found.vectors * vectors[:, :3]).sum(dim=2).abs() > 0.9999).all()


def test_a_result_does_not_depend_on_the_rest_of_the_batch():
    slow, fast = [1.0 + i / 300 for i in range(80)], [3.0**-i for i in range(80)]
    A, _, apply = operators([slow, fast])
    together = lanczos.top_eigenpairs(apply, start(2, 80), 3, tolerance=1e-4, max_steps=60)
    alone = lanczos.top_eigenpairs(
        lambda v: torch.einsum("nij,nj->ni", A[1:], v), start(2, 80)[1:], 3, tolerance=1e-4, max_steps=60
    )
    assert together.steps[1] == alone.steps[0] < together.steps[0]
    torch.testing.assert_close(together.values[1], alone.values[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(together.vectors[1], alone.vectors[0], rtol=0, atol=1e-10)


def test_the_jacobian_product_is_that_of_the_whole_jacobian():
    first, second = (
        torch.randn(s, generator=torch.Generator().manual_seed(2)).double() for s in ((20, 48), (7, 20))
    )

    def respond(images):
        return torch.tanh(images.flatten(1) @ first.T) @ second.T

    images = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(3)).double()
    apply = lanczos.gauss_newton(respond, images)
    v = start(3, 48)
    for i in range(3):
        jacobian = torch.func.jacrev(lambda x: respond(x[None])[0])(images[i]).flatten(1)
        torch.testing.assert_close(apply(v)[i], jacobian.T @ (jacobian @ v[i]))


def test_a_single_response_has_one_axis_and_it_is_the_gradient():
    weights = torch.randn(48, generator=torch.Generator().manual_seed(4)).double()
    images = torch.rand(1, 3, 4, 4).double()
    apply = lanczos.gauss_newton(lambda x: torch.sigmoid(x.flatten(1) @ weights)[:, None], images)
    found = lanczos.top_eigenpairs(apply, start(1, 48), 2, tolerance=1e-8)
    cosine = (found.vectors[0, 0] @ weights / weights.norm()).abs()
    assert cosine == pytest.approx(1, abs=1e-10)
    assert found.values[0, 1] == pytest.approx(0, abs=1e-12)


def test_bad_arguments_and_values_are_refused():
    _, _, apply = operators([[1.0, 0.5, 0.1]])
    with pytest.raises(ValueError, match=r"1\.\.3"):
        lanczos.top_eigenpairs(apply, start(1, 3), 4, tolerance=1e-6)
    with pytest.raises(ValueError, match="max_steps"):
        lanczos.top_eigenpairs(apply, start(1, 3), 3, tolerance=1e-6, max_steps=2)
    with pytest.raises(FloatingPointError, match="step 0"):
        lanczos.top_eigenpairs(lambda v: v * float("nan"), start(1, 3), 1, tolerance=1e-6)
