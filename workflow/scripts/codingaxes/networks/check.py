"""Measure what a network is, what it costs, and whether its derivatives agree, in both modes."""

import logging
import time
import warnings

import torch

from codingaxes.axes import derivatives

log = logging.getLogger("codingaxes")

# Largest disagreement of two derivatives, relative to the derivative, float32: forward against reverse mode,
# and against differences, which kinks of the network and rounding blur.
TOLERANCE, DIFFERENCES = 1e-3, 0.02
STEPS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # l2 lengths for differences, pixels in [0, 1], at 224 x 224


def measure(network, image):
    """Measure size, cost and derivatives of a network at one image.

    Parameters
    ----------
    network : network.Network
        As `network.load_network` gives it.
    image : tensor (1, 3, h, w)
        In [0, 1], on the network's device.

    Returns
    -------
    dict
        parameters : int. layers : str, each candidate with the length of its output. forward,
        forward_backward : float, ms up to the last candidate layer, the better of two runs. jvp : bool,
        whether the forward-mode derivative exists and agrees with double backward within `TOLERANCE`. vjp :
        bool, whether the gradient agrees with double backward within `TOLERANCE` and with differences within
        `DIFFERENCES`. Both are about the last candidate layer; the errors themselves are in the log.
    """
    image = image.to(network.mean)
    layer = network.layers[-1]
    with torch.no_grad():
        features = network.features(image)
        forward = _fastest(lambda: network.features(image, [layer]), image.device)
    forward_backward = _fastest(lambda: _gradient(network, image, layer), image.device)
    derivative = differentiability(network, image, layer)
    report = ", ".join(f"{key} {value}" for key, value in derivative.items())
    log.info(f"{network.name}, {layer}: {report}")
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "layers": ", ".join(f"{name} {values.shape[1]}" for name, values in features.items()),
        "forward": forward,
        "forward_backward": forward_backward,
        "jvp": derivative["jvp"],
        "vjp": derivative["vjp"],
    }


def differentiability(network, images, layer, seed=0, forward_mode=True, steps=STEPS):
    """Compare four ways to the derivative of a layer, along the direction in which a random response grows.

    With u random and v = Jᵀu / |Jᵀu|, J v is computed by double backward (`derivatives.jacobian`, which finds
    the axes) and by forward mode. With w = J v / |J v|, the slope <w, J v> is compared with reverse mode,
    <Jᵀw, v> (the dot-product test), and with central differences of w · f. Differences have several lengths,
    and the best counts: short ones drown in rounding, long ones cross kinks.

    Parameters
    ----------
    network : network.Network
    images : tensor (n, 3, h, w)
        In [0, 1]; the type of the network.
    layer : str
    seed : int
        Of u.
    forward_mode : bool
        False leaves forward mode out: it is slow for DenseNets.
    steps : sequence of float
        l2 lengths of the differences, pixels in [0, 1]; scaled by the square root of the number of pixels
        over that of 224 x 224 images. In float64 far shorter ones than the default are better.

    Returns
    -------
    dict
        jvp, vjp : bool, as in `measure`. dot_error : float, of reverse mode against double backward.
        difference_error : of differences, jvp_error : of forward mode against double backward. All are
        relative; NaN if it was not possible. problem : str, why forward mode was not, if so.
    """

    def forward(x):
        return network.features(x, [layer])[layer]

    push, pull = derivatives.jacobian(forward, images)
    with torch.no_grad():
        shape = forward(images).shape
    u = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(images)
    direction = pull(u)
    direction = direction / direction.norm()
    doubled = push(direction)
    slope = float(doubled.norm())
    w = doubled / doubled.norm()
    errors = {
        "dot_error": abs(float((pull(w) * direction).sum()) / slope - 1),
        "difference_error": min(
            abs(d / slope - 1) for d in _differences(forward, images, direction, w, steps)
        ),
        "jvp_error": float("nan"),
    }
    problem = "" if forward_mode else "not asked for"
    if forward_mode:
        try:
            with warnings.catch_warnings():  # torch's own use of what it is about to drop
                warnings.filterwarnings("ignore", ".*torch.jit.script", FutureWarning)
                pushed = torch.func.jvp(forward, (images,), (direction.view_as(images),))[1]
            errors["jvp_error"] = float((pushed - doubled).norm()) / slope
        except RuntimeError as error:
            problem = str(error).partition("\n")[0]
    return {
        "jvp": errors["jvp_error"] <= TOLERANCE,
        "vjp": errors["dot_error"] <= TOLERANCE and errors["difference_error"] <= DIFFERENCES,
        **errors,
        "problem": problem,
    }


def _differences(forward, images, direction, w, steps):
    """Estimate slopes of w · f along a direction by central differences of several lengths."""
    slopes = []
    scale = (images[0].numel() / (3 * 224 * 224)) ** 0.5
    with torch.no_grad():
        for length in steps:
            step = length * scale * direction.view_as(images)
            change = (forward(images + step).double() - forward(images - step).double()) * w.double()
            slopes.append(float(change.sum()) / (2 * length * scale))
    return slopes


def _gradient(network, image, layer):
    leaf = image.detach().requires_grad_(True)
    return torch.autograd.grad(network.features(leaf, [layer])[layer].sum(), leaf)[0]


def _fastest(run, device, times=2):
    """Time some runs, and give the milliseconds of the best."""
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        durations.append(1000 * (time.perf_counter() - began))
    return min(durations)
