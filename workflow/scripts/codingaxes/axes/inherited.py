"""Estimate how sensitive readouts are by what they read: the part of sensitivity that features bring."""

import torch

from codingaxes.axes import derivatives


def inherited_sensitivity(respond, images, gains, *, draws, seeds):
    """Estimate T = Σ_k gains_k ||Jᵀe_k||² for each image, for one or more sets of gains.

    The responses are the principal components of features, and their gains those of a ridge readout
    (`readouts.ridge.gains`, which derives T). With random signs z, Σ_k sqrt(gains_k) z_k Jᵀe_k has T as its
    mean squared length. A draw costs a backward pass for each set of gains; sets share the signs, so that
    they compare better than each is known.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n, q)
        Components, see `derivatives.jacobian`.
    images : tensor (n, 3, h, w)
    gains : tensor (sets, q)
        Not negative.
    draws : int
        2 or more.
    seeds : sequence of int (n,)
        One for each image, so that no result depends on the batch.

    Returns
    -------
    mean, error : tensors (n, sets) float64
        T, in squared response units per squared pixel unit, and its standard error over draws.

    Source
    ------
    Hutchinson, Communications in Statistics - Simulation and Computation 18 (1989).
    """
    _, pull = derivatives.jacobian(respond, images)
    sizes = torch.empty(draws, len(images), len(gains), dtype=torch.float64, device=images.device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for draw in sizes:
        signs = torch.stack([torch.randint(0, 2, gains.shape[1:], generator=one) for one in generators])
        signs = (signs * 2.0 - 1).to(images.device)
        for number, roots in enumerate(gains.sqrt()):
            draw[:, number] = pull(signs * roots).double().square().sum(dim=1)
    return sizes.mean(dim=0), sizes.std(dim=0) / draws**0.5
