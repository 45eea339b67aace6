"""Estimate how sensitive readouts are by what they read: the part of sensitivity that features bring."""

import torch

from codingaxes.axes import derivatives


def gains(variance, penalty):
    """Compute how strongly a ridge readout of white targets reads each principal component of its features.

    Let s_k be the variance of component k of the scaled features (divided by one number, so that their total
    variance is 1), and κ = alpha / n with the penalty alpha and the n images that a readout is fitted on. A
    readout of targets y has the weight w = Σ_k v_k sqrt(n s_k) u_kᵀy / (n (s_k + κ)), where u_k are the unit
    scores of the images. If y is white noise of variance 1, the expected squared gradient of its prediction
    by the pixels is

        E ||Jᵀw||² = (1 / n) Σ_k s_k / (s_k + κ)² ||Jᵀv_k||² = T / n

    with J the derivative of the scaled features by the pixels. T says how sensitive readouts of these
    features are, whatever they read: it knows the features and the penalty, but no other part of the targets.

    Parameters
    ----------
    variance : array (q,)
        Of `readouts.ridge.principal_components`.
    penalty : float
        κ.

    Returns
    -------
    array (q,)
        s_k / (s_k + κ)² over the total variance, so that T = Σ_k gains_k ||Jᵀv_k||² with J of the features as
        they are.
    """
    total = variance.sum()
    share = variance / total
    return share / (share + penalty) ** 2 / total


def inherited_sensitivity(respond, images, gains, *, draws, seeds):
    """Estimate T = Σ_k gains_k ||Jᵀe_k||² for each image, for one or more sets of gains.

    The responses are the principal components of features, and their gains those of a ridge readout
    (`gains`, which derives T). With random signs z, Σ_k sqrt(gains_k) z_k Jᵀe_k has T as its
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
