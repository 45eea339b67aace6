"""Lanczos: planted spectra, stated residuals, restarts, and the products with a Jacobian."""

import numpy as np
import pytest
import scipy.linalg
import torch

from codingaxes import lanczos, networks, zoo

METHODS = ("eigen", "singular")


def operators(spectra, seed=0):
    """Symmetric matrices with planted spectra, their eigenvectors and the batched product."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor(spectra, dtype=torch.float64)
    n, size = values.shape
    vectors = torch.linalg.qr(torch.randn(n, size, size, generator=generator, dtype=torch.float64)).Q.mT
    matrices = vectors.mT @ (values[:, :, None] * vectors)
    return matrices, vectors, lambda v: torch.einsum("nij,nj->ni", matrices, v)


def jacobians_with(spectra, responses, seed=0):
    """Matrices J (n, responses, size) whose JᵀJ have these eigenvalues, and the eigenvectors."""
    _, vectors, _ = operators(spectra, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    n, size = vectors.shape[:2]
    left = torch.linalg.qr(torch.randn(n, responses, responses, generator=generator, dtype=torch.float64)).Q
    rank = min(responses, size)
    values = torch.tensor(spectra, dtype=torch.float64)[:, :rank].sqrt()
    return left[:, :, :rank] * values[:, None] @ vectors[:, :rank], vectors


def solve(method, matrices, k, *, first=None, **options):
    """Leading eigenpairs of JᵀJ for matrices J (n, v, size), by one of METHODS."""

    def push(v):
        return torch.einsum("nij,nj->ni", matrices, v.to(matrices))

    def pull(u):
        return torch.einsum("nij,ni->nj", matrices, u.to(matrices))

    n, _, size = matrices.shape
    first = start(n, size) if first is None else first
    if method == "eigen":
        return lanczos.top_eigenpairs(lambda v: pull(push(v)), first, k, **options)
    return lanczos.top_singular_pairs(push, pull, first, k, **options)


def angle(found, expected):
    """The largest principal angle in degrees between the spans of two sets of rows."""
    return np.degrees(scipy.linalg.subspace_angles(found.double().T.numpy(), expected.T.numpy()).max())


def true_residuals(matrices, found):
    applied = torch.einsum("nji,njl,nkl->nki", matrices, matrices, found.vectors)
    return (applied - found.values[..., None] * found.vectors).norm(dim=2)


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
@pytest.mark.parametrize("limit", [None, 12])
def test_any_planted_spectrum_is_found_whole_also_with_little_memory(method, name, limit):
    values = SPECTRA[name]
    for seed in range(4):
        J, vectors = jacobians_with([values], 40, seed)
        found = solve(method, J, 4, tolerance=1e-10, max_steps=40, basis_limit=limit)
        if limit is None:  # forty steps of forty directions: nothing can be missing
            assert found.converged.all()
        expected = torch.tensor([values[:4]], dtype=torch.float64)
        close = 1e-8 if found.converged.all() else 1e-2
        torch.testing.assert_close(found.values, expected, rtol=close, atol=1e-8)
        gram = found.vectors[0] @ found.vectors[0].T
        torch.testing.assert_close(gram, torch.eye(4).double(), atol=1e-8, rtol=0)
        if name == "well separated":
            assert angle(found.vectors[0], vectors[0, :4]) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_a_stated_residual_bounds_the_distance_to_an_eigenvalue_at_every_step(method):
    for seed in range(5):
        J, _ = jacobians_with([[1 / (1 + i) for i in range(60)]], 60, seed)
        exact = torch.linalg.eigvalsh(J[0].T @ J[0])
        for steps in range(3, 25, 3):
            found = solve(method, J, 3, tolerance=1e-12, max_steps=steps)
            torch.testing.assert_close(found.residuals, true_residuals(J, found), rtol=1e-6, atol=1e-12)
            distance = (found.values[0, :, None] - exact).abs().amin(dim=1)
            assert (distance <= found.residuals[0] + 1e-12).all()


@pytest.mark.parametrize("method", METHODS)
def test_restarts_keep_the_stated_residuals_true(method):
    J, _ = jacobians_with([[1 / (1 + i) for i in range(80)]], 80)
    found = solve(method, J, 4, tolerance=1e-12, max_steps=18, basis_limit=8)
    torch.testing.assert_close(found.residuals, true_residuals(J, found), rtol=1e-6, atol=1e-12)
    assert not found.converged.all()


@pytest.mark.parametrize("method", METHODS)
def test_a_restarted_search_finds_what_an_unrestarted_one_finds(method):
    J, _ = jacobians_with([[1 / (1 + i) for i in range(120)]], 120)
    whole = solve(method, J, 4, tolerance=1e-8, max_steps=120)
    short = solve(method, J, 4, tolerance=1e-8, max_steps=120, basis_limit=10)
    assert short.converged.all() and short.steps[0] > 10
    assert short.steps[0] <= 1.5 * whole.steps[0]
    torch.testing.assert_close(short.values, whole.values, rtol=1e-10, atol=0)
    assert angle(short.vectors[0], whole.vectors[0]) < 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("single", [False, True])
def test_ghosts_never_appear_however_long_the_run(method, single):
    J, _ = jacobians_with([[3.0**-i for i in range(50)]], 50)
    J = J.float() if single else J
    found = solve(method, J, 8, tolerance=0.0, max_steps=50)
    expected = torch.tensor([[3.0**-i for i in range(8)]], dtype=torch.float64)
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=3e-6 if single else 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_more_pairs_than_responses_are_completed_by_zeros(method):
    J, _ = jacobians_with([[4.0, 1.0] + [0.0] * 28], 2)
    found = solve(method, J, 6, tolerance=1e-8)
    expected = torch.tensor([[4.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(found.values, expected, rtol=1e-10, atol=1e-10)
    gram = found.vectors[0] @ found.vectors[0].T
    torch.testing.assert_close(gram, torch.eye(6).double(), atol=1e-8, rtol=0)
    assert found.converged.all()


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_hides_the_leading_eigenvector_breaks_down_and_goes_on(method):
    J, vectors = jacobians_with([[9.0, 4.0, 1.0] + [0.0] * 27], 30)
    hidden = vectors[:, 1] + vectors[:, 2]
    found = solve(method, J, 2, first=hidden, tolerance=1e-8)
    torch.testing.assert_close(found.values, torch.tensor([[9.0, 4.0]]).double(), rtol=1e-8, atol=0)


def test_bidiagonalisation_resolves_in_single_precision_what_squaring_loses():
    planted = [10.0 ** (-2 * i) for i in range(6)] + [0.0] * 34  # singular values down to 1e-5
    J, _ = jacobians_with([planted], 40)
    bidiagonal, squared = (
        solve(method, J.float(), 6, tolerance=0.0, max_steps=20) for method in ("singular", "eigen")
    )
    expected = torch.tensor(planted[:6], dtype=torch.float64)
    errors = [((found.values[0] - expected).abs() / expected)[4:] for found in (bidiagonal, squared)]
    assert errors[0].max() < 0.01 and errors[1].min() > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_basis_in_single_precision_is_as_accurate_as_its_products(method):
    J, vectors = jacobians_with([[1 / (1 + i) for i in range(200)]], 200)
    for kind in (torch.float32, torch.float64):
        found = solve(method, J.float(), 4, first=start(1, 200).to(kind), tolerance=1e-6)
        assert found.vectors.dtype == torch.float64
        assert angle(found.vectors[0], vectors[0, :4]) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_result_does_not_depend_on_how_images_are_split_into_batches(method):
    J, _ = jacobians_with([[0.95**i for i in range(60)], [0.7**i for i in range(60)]] * 2, 60)
    together = solve(method, J, 3, tolerance=1e-6, basis_limit=10, max_steps=60)
    for part in ([0], [1, 2], [3, 0]):
        alone = solve(
            method, J[part], 3, first=start(4, 60)[part], tolerance=1e-6, basis_limit=10, max_steps=60
        )
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
            found = solve(method, J, k, first=start(2, size, seed), tolerance=1e-10, max_steps=size)
            torch.testing.assert_close(found.values, exact, rtol=1e-8, atol=1e-9)


class Mixed(torch.nn.Module):
    """Every kind of layer that is recorded in a way of its own: convolutions, batch norm and attention."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(6)
        self.grouped = torch.nn.Conv2d(6, 6, (3, 2), stride=(2, 3), padding=(0, 1), dilation=(1, 2), groups=3)
        self.same = torch.nn.Conv2d(6, 6, 3, padding="same")
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, images):
        x = torch.tanh(self.norm(self.first(images)))
        x = torch.tanh(self.same(torch.tanh(self.grouped(x))))
        tokens = x.flatten(2).mT
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).sum(dim=1)


@pytest.mark.parametrize("frozen", [True, False])
def test_layers_recorded_as_linear_have_the_jacobian_of_the_network(frozen):
    torch.manual_seed(0)
    network = Mixed().double().eval().requires_grad_(not frozen)
    images = torch.rand(2, 3, 11, 12, dtype=torch.float64)
    push, pull = lanczos.jacobian(network, images)
    v, u = start(2, images[0].numel()), start(2, 6, seed=5)
    for i in range(2):
        jacobian = torch.func.jacrev(lambda x: network(x[None])[0])(images[i]).flatten(1)
        torch.testing.assert_close(push(v)[i], jacobian @ v[i])
        torch.testing.assert_close(pull(u)[i], jacobian.T @ u[i])


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_a_small_step_along_an_axis_changes_the_response_by_the_root_of_its_eigenvalue(architecture):
    torch.manual_seed(0)
    network = networks.Network(architecture).double().eval().requires_grad_(False)
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    push, pull = lanczos.jacobian(network, images)
    found = lanczos.top_singular_pairs(push, pull, start(2, images[0].numel()), 3, tolerance=1e-8)
    t = 1e-7
    for j in range(3):
        moved = network(images + t * found.vectors[:, j].view_as(images))
        slope = (moved - network(images)).norm(dim=1) / t
        torch.testing.assert_close(slope, found.values[:, j].sqrt(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_product_that_is_not_finite_is_refused_at_its_step(method):
    calls = []

    def broken(v):
        calls.append(v)
        return v * (float("nan") if len(calls) == 5 else torch.arange(1, 31))

    at = "step 4" if method == "eigen" else "step 2"
    operators = (broken,) if method == "eigen" else (broken, broken)
    function = lanczos.top_eigenpairs if method == "eigen" else lanczos.top_singular_pairs
    with pytest.raises(FloatingPointError, match=at):
        function(*operators, start(1, 30), 3, tolerance=1e-6)


def test_a_response_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, v\)"):
        lanczos.jacobian(lambda x: x.sum(dim=(1, 2, 3)), torch.rand(2, 3, 4, 4))


def test_bad_arguments_and_values_are_refused():
    _, _, apply = operators([[1.0, 0.5, 0.1]])
    with pytest.raises(ValueError, match=r"1\.\.3"):
        lanczos.top_eigenpairs(apply, start(1, 3), 4, tolerance=1e-6)
    with pytest.raises(ValueError, match="max_steps"):
        lanczos.top_eigenpairs(apply, start(1, 3), 3, tolerance=1e-6, max_steps=2)
    with pytest.raises(FloatingPointError, match="step 0"):
        lanczos.top_eigenpairs(lambda v: v * float("nan"), start(1, 3), 1, tolerance=1e-6)
    with pytest.raises(ValueError, match="basis_limit"):
        lanczos.top_eigenpairs(apply, start(1, 3), 1, tolerance=1e-6, basis_limit=2)
