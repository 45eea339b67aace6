"""Planted operators and Jacobians for tests of axes, and how their subspaces are compared."""

import numpy as np
import scipy.linalg
import torch


def start(n=3, size=108, seed=1):
    """Draw first directions, float64 (n, size)."""
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def angle(vectors, expected):
    """Measure the largest principal angle between the spans of two sets of rows, in degrees, by scipy."""
    angles = scipy.linalg.subspace_angles(vectors.double().T.numpy(), expected.double().T.numpy())
    return np.degrees(angles.max())


def operators(spectra, seed=0):
    """Make symmetric matrices with planted spectra, their eigenvectors and the batched product."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor(spectra, dtype=torch.float64)
    n, size = values.shape
    vectors = torch.linalg.qr(torch.randn(n, size, size, generator=generator, dtype=torch.float64)).Q.mT
    matrices = vectors.mT @ (values[:, :, None] * vectors)
    return matrices, vectors, lambda v: torch.einsum("nij,nj->ni", matrices, v)


def jacobians_with(spectra, responses, seed=0):
    """Make matrices J (n, responses, size) whose JᵀJ have these eigenvalues, and the eigenvectors."""
    _, vectors, _ = operators(spectra, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    n, size = vectors.shape[:2]
    left = torch.linalg.qr(torch.randn(n, responses, responses, generator=generator, dtype=torch.float64)).Q
    rank = min(responses, size)
    values = torch.tensor(spectra, dtype=torch.float64)[:, :rank].sqrt()
    return left[:, :, :rank] * values[:, None] @ vectors[:, :rank], vectors


def whole_jacobian(respond, images):
    """Compute J of each image, (n, responses, pixels), by torch's jacrev."""
    return torch.stack(
        [torch.func.jacrev(lambda x: respond(x[None])[0])(image).flatten(1) for image in images]
    )


def bumpy(responses, seed=0):
    """Make a small network, images (n, 3, 6, 6) -> (n, responses), whose JᵀJ has separated eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(40, 108, generator=generator, dtype=torch.float64) / 10
    second = torch.randn(responses, 40, generator=generator, dtype=torch.float64)
    second = second * 0.8 ** torch.arange(40)
    return lambda images: torch.tanh(images.flatten(1) @ first.to(images).T) @ second.to(images).T


def small_images(n=3, seed=1):
    """Draw images for `bumpy`, float64 (n, 3, 6, 6)."""
    return torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def true_residuals(matrices, spectrum):
    """Compute ||JᵀJ v - value v|| of each pair, for matrices J (n, v, size)."""
    applied = torch.einsum("nji,njl,nkl->nki", matrices, matrices, spectrum.vectors)
    return (applied - spectrum.values[..., None] * spectrum.vectors).norm(dim=2)
