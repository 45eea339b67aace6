"""Tests of Krylov methods: planted spectra, stated residuals, repeated values, small ranks."""

import pytest
import torch
from planted_jacobians import angle, jacobians_with, operators, start, true_residuals

from codingaxes.axes import krylov

METHODS = ("eigen", "singular")


def solve(method, matrices, k, *, first=None, **options):
    """Find the leading eigenpairs of JᵀJ for matrices J (n, v, size), by one of METHODS."""

    def push(v):
        return torch.einsum("nij,nj->ni", matrices, v.to(matrices))

    def pull(u):
        return torch.einsum("nij,ni->nj", matrices, u.to(matrices))

    n, _, size = matrices.shape
    first = start(n, size) if first is None else first
    if method == "eigen":
        return krylov.top_eigenpairs(lambda v: pull(push(v)), first, k, **options)
    return krylov.top_singular_pairs(push, pull, first, k, **options)


def test_planted_eigenpairs_are_found():
    _, vectors, apply = operators([[2.0**-i for i in range(60)], [60.0 - i for i in range(60)]])
    spectrum = krylov.top_eigenpairs(apply, start(2, 60), 4, tolerance=1e-10, max_steps=60)
    expected = torch.tensor([[1.0, 0.5, 0.25, 0.125], [60.0, 59.0, 58.0, 57.0]]).double()
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-10, atol=0)
    cosines = (spectrum.vectors * vectors[:, :4]).sum(dim=2).abs()
    torch.testing.assert_close(cosines, torch.ones(2, 4).double(), rtol=1e-8, atol=0)
    assert spectrum.converged.all()


def test_a_stated_residual_is_the_true_one_also_before_convergence():
    A, _, apply = operators([[1.0 + i / 200 for i in range(200)]])
    spectrum = krylov.top_eigenpairs(apply, start(1, 200), 3, tolerance=1e-6, max_steps=8)
    applied = torch.einsum("nij,nkj->nki", A, spectrum.vectors)
    true = (applied - spectrum.values[..., None] * spectrum.vectors).norm(dim=2)
    torch.testing.assert_close(spectrum.residuals, true, rtol=1e-6, atol=1e-12)
    assert not spectrum.converged.any() and spectrum.steps.tolist() == [8]


def test_an_operator_of_low_rank_gives_zeros_not_ghosts():
    _, _, apply = operators([[9.0, 4.0] + [0.0] * 18])
    spectrum = krylov.top_eigenpairs(apply, start(1, 20), 5, tolerance=1e-8)
    expected = torch.tensor([[9.0, 4.0, 0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(spectrum.values, expected, atol=1e-10, rtol=0)
    gram = spectrum.vectors[0] @ spectrum.vectors[0].T
    torch.testing.assert_close(gram, torch.eye(5).double(), atol=1e-8, rtol=0)


def test_products_in_single_precision_are_enough_for_a_thousandth():
    A, vectors, _ = operators([[1 / (1 + i) for i in range(100)]])
    single = A.float()
    spectrum = krylov.top_eigenpairs(
        lambda v: torch.einsum("nij,nj->ni", single, v.float()), start(1, 100), 3, tolerance=1e-4
    )
    assert spectrum.converged.all()
    expected = torch.tensor([[1.0, 1 / 2, 1 / 3]]).double()
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-4, atol=0)
    assert ((spectrum.vectors * vectors[:, :3]).sum(dim=2).abs() > 0.9999).all()


def test_a_result_does_not_depend_on_the_rest_of_the_batch():
    slow, fast = [1.0 + i / 300 for i in range(80)], [3.0**-i for i in range(80)]
    A, _, apply = operators([slow, fast])
    together = krylov.top_eigenpairs(apply, start(2, 80), 3, tolerance=1e-4, max_steps=60)
    alone = krylov.top_eigenpairs(
        lambda v: torch.einsum("nij,nj->ni", A[1:], v), start(2, 80)[1:], 3, tolerance=1e-4, max_steps=60
    )
    assert together.steps[1] == alone.steps[0] < together.steps[0]
    torch.testing.assert_close(together.values[1], alone.values[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(together.vectors[1], alone.vectors[0], rtol=0, atol=1e-10)


SPECTRA = {
    "well separated": [2.0**-i for i in range(40)],
    "clustered": [5.0, 1.001, 1.0, 0.999] + [0.9 - 0.01 * i for i in range(36)],
    "of low rank": [9.0, 4.0] + [0.0] * 38,
    "one value": [2.0] * 40,
    "one value three times": [9.0, 9.0, 9.0, 5.0] + [0.0] * 36,
    "zero": [0.0] * 40,
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SPECTRA)
def test_any_planted_spectrum_is_found_whole(method, name):
    values = SPECTRA[name]
    for seed in range(4):
        J, vectors = jacobians_with([values], 40, seed)
        spectrum = solve(method, J, 4, tolerance=1e-10, max_steps=40)
        assert spectrum.converged.all()  # forty steps of forty directions: nothing can be missing
        expected = torch.tensor([values[:4]], dtype=torch.float64)
        torch.testing.assert_close(spectrum.values, expected, rtol=1e-8, atol=1e-8)
        gram = spectrum.vectors[0] @ spectrum.vectors[0].T
        torch.testing.assert_close(gram, torch.eye(4).double(), atol=1e-8, rtol=0)
        if name == "well separated":
            assert angle(spectrum.vectors[0], vectors[0, :4]) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_a_stated_residual_bounds_the_distance_to_an_eigenvalue_at_every_step(method):
    for seed in range(5):
        J, _ = jacobians_with([[1 / (1 + i) for i in range(60)]], 60, seed)
        exact = torch.linalg.eigvalsh(J[0].T @ J[0])
        for steps in range(3, 25, 3):
            spectrum = solve(method, J, 3, tolerance=1e-12, max_steps=steps)
            torch.testing.assert_close(spectrum.residuals, true_residuals(J, spectrum), rtol=1e-6, atol=1e-12)
            distance = (spectrum.values[0, :, None] - exact).abs().amin(dim=1)
            assert (distance <= spectrum.residuals[0] + 1e-12).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("single", [False, True])
def test_ghosts_never_appear_however_long_the_run(method, single):
    J, _ = jacobians_with([[3.0**-i for i in range(50)]], 50)
    J = J.float() if single else J
    spectrum = solve(method, J, 8, tolerance=0.0, max_steps=50)
    expected = torch.tensor([[3.0**-i for i in range(8)]], dtype=torch.float64)
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-9, atol=3e-6 if single else 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_more_pairs_than_responses_are_completed_by_zeros(method):
    J, _ = jacobians_with([[4.0, 1.0] + [0.0] * 28], 2)
    spectrum = solve(method, J, 6, tolerance=1e-8)
    expected = torch.tensor([[4.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-10, atol=1e-10)
    gram = spectrum.vectors[0] @ spectrum.vectors[0].T
    torch.testing.assert_close(gram, torch.eye(6).double(), atol=1e-8, rtol=0)
    assert spectrum.converged.all()


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_hides_the_leading_eigenvector_breaks_down_and_goes_on(method):
    J, vectors = jacobians_with([[9.0, 4.0, 1.0] + [0.0] * 27], 30)
    hidden = vectors[:, 1] + vectors[:, 2]
    spectrum = solve(method, J, 2, first=hidden, tolerance=1e-8)
    torch.testing.assert_close(spectrum.values, torch.tensor([[9.0, 4.0]]).double(), rtol=1e-8, atol=0)


def test_bidiagonalisation_resolves_in_single_precision_what_squaring_loses():
    planted = [10.0 ** (-2 * i) for i in range(6)] + [0.0] * 34  # singular values down to 1e-5
    J, _ = jacobians_with([planted], 40)
    bidiagonal, squared = (
        solve(method, J.float(), 6, tolerance=0.0, max_steps=20) for method in ("singular", "eigen")
    )
    expected = torch.tensor(planted[:6], dtype=torch.float64)
    errors = [((spectrum.values[0] - expected).abs() / expected)[4:] for spectrum in (bidiagonal, squared)]
    assert errors[0].max() < 0.01 and errors[1].min() > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_basis_in_single_precision_is_as_accurate_as_its_products(method):
    J, vectors = jacobians_with([[1 / (1 + i) for i in range(200)]], 200)
    for kind in (torch.float32, torch.float64):
        spectrum = solve(method, J.float(), 4, first=start(1, 200).to(kind), tolerance=1e-6)
        assert spectrum.vectors.dtype == torch.float64
        assert angle(spectrum.vectors[0], vectors[0, :4]) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_result_does_not_depend_on_how_images_are_split_into_batches(method):
    J, _ = jacobians_with([[0.95**i for i in range(60)], [0.7**i for i in range(60)]] * 2, 60)
    together = solve(method, J, 3, tolerance=1e-6, max_steps=60)
    for part in ([0], [1, 2], [3, 0]):
        alone = solve(method, J[part], 3, first=start(4, 60)[part], tolerance=1e-6, max_steps=60)
        assert alone.steps.tolist() == together.steps[part].tolist()
        torch.testing.assert_close(alone.values, together.values[part], rtol=1e-11, atol=0)
        torch.testing.assert_close(alone.vectors, together.vectors[part], rtol=0, atol=1e-9)


def test_random_operators_are_solved_as_by_a_dense_solver():
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        v, size = (int(torch.randint(2, 40, (), generator=generator)) for _ in range(2))
        k = int(torch.randint(1, size + 1, (), generator=generator))
        J = torch.randn(2, v, size, generator=generator, dtype=torch.float64)
        exact = torch.linalg.eigvalsh(J.mT @ J).flip(1)[:, :k].clamp_min(0)
        for method in METHODS:
            spectrum = solve(method, J, k, first=start(2, size, seed), tolerance=1e-10, max_steps=size)
            torch.testing.assert_close(spectrum.values, exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_product_that_is_not_finite_is_refused_at_its_step(method):
    calls = []

    def broken(v):
        calls.append(v)
        return v * (float("nan") if len(calls) == 5 else torch.arange(1, 31))

    at = "step 4" if method == "eigen" else "step 2"
    operators = (broken,) if method == "eigen" else (broken, broken)
    function = krylov.top_eigenpairs if method == "eigen" else krylov.top_singular_pairs
    with pytest.raises(FloatingPointError, match=at):
        function(*operators, start(1, 30), 3, tolerance=1e-6)


def test_bad_arguments_and_values_are_refused():
    _, _, apply = operators([[1.0, 0.5, 0.1]])
    with pytest.raises(ValueError, match=r"1\.\.3"):
        krylov.top_eigenpairs(apply, start(1, 3), 4, tolerance=1e-6)
    with pytest.raises(ValueError, match="max_steps"):
        krylov.top_eigenpairs(apply, start(1, 3), 3, tolerance=1e-6, max_steps=2)
    with pytest.raises(FloatingPointError, match="step 0"):
        krylov.top_eigenpairs(lambda v: v * float("nan"), start(1, 3), 1, tolerance=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_space_searched_and_what_is_outside_of_it_add_up_to_the_whole(method):
    matrices, _ = jacobians_with([[2.0 ** -(i / 3) for i in range(50)], [1 / (1 + i) for i in range(50)]], 30)
    spectrum = solve(method, matrices, 3, tolerance=1e-3, max_steps=9)
    for matrix, basis, inside in zip(matrices, spectrum.basis, spectrum.inside, strict=True):
        torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)).double(), atol=1e-10, rtol=0)
        gram = matrix.T @ matrix
        outside = torch.eye(50).double() - basis.T @ basis
        rest = outside @ gram @ outside
        assert rest.trace() > 0.01 * gram.trace()
        torch.testing.assert_close(inside[0], gram.trace() - rest.trace())
        torch.testing.assert_close(inside[1], gram.square().sum() - rest.square().sum())
