"""Fold batch norms into the convolutions before them: the same function in less time."""

import copy
import logging

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

log = logging.getLogger("codingaxes")

TOLERANCE = 1e-4  # of the largest feature of a layer, by which folding may change it


def fold_batch_norms(network, image_size):
    """Fold batch norms of a frozen network into convolutions, in place, where no candidate layer changes.

    In evaluation a batch norm is a scale and an offset for each channel, which the weights of the convolution
    before it can hold. Found are the pairs of which the one hands its output to the other, once in a pass. A
    network that has other features afterwards, because a convolution's output goes elsewhere too, stays as it
    was, and the log says so.

    Parameters
    ----------
    network : network.Network
        In evaluation mode.
    image_size : int
        Pixels a side of the images that are passed, to see what runs.

    Returns
    -------
    int
        How many batch norms were folded.
    """
    images = torch.rand(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    images = images.to(network.mean)
    with torch.no_grad():
        before = network.features(images)  # the first pass also counts how often layers run
    read = {layer.partition(":")[0] for layer in network.layers}
    pairs = [(conv, norm) for conv, norm in _pairs(network, images) if conv not in read]
    if not pairs:
        return 0
    whole = network.body
    network.body = copy.deepcopy(network.body)
    modules = dict(network.body.named_modules())
    for conv, norm in pairs:
        fused = fuse_conv_bn_eval(modules[conv], modules[norm]).requires_grad_(False)
        network.body.set_submodule(conv, fused.to(memory_format=network.layout))
        network.body.set_submodule(norm, _without_norm(modules[norm]))
    with torch.no_grad():
        after = network.features(images)
    for layer, values in before.items():
        if not (after[layer] - values).abs().max() <= TOLERANCE * values.abs().max():
            network.body = whole
            log.info(f"network {network.name}: batch norms are not folded, as layer {layer} would change")
            return 0
    return len(pairs)


def _pairs(network, images):
    """List the names of convolutions and of the batch norms that alone take their output, in one pass."""
    given, taken, handles = [], [], []  # outputs are kept, so that no other gets the identity of one

    def give(name):
        return lambda module, inputs, output: given.append((name, output))

    def take(name):
        return lambda module, inputs: taken.append((name, inputs[0]))

    for name, module in network.body.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(give(name)))
        elif isinstance(module, nn.BatchNorm2d) and _without_norm(module) is not None:
            handles.append(module.register_forward_pre_hook(take(name)))
    try:
        with torch.no_grad():
            network.features(images)
    finally:
        for handle in handles:
            handle.remove()
    once = [[name for name, _ in runs] for runs in (given, taken)]
    return [
        (conv, norm)
        for norm, input_ in taken
        for conv, output in given
        if output is input_ and once[0].count(conv) == 1 and once[1].count(norm) == 1
    ]


def _without_norm(module):
    """Give what is left of a batch norm without its normalisation; None if that is not known.

    timm and the miniature have batch norms with an activation in them (`act`).
    """
    if type(module) is nn.BatchNorm2d:
        return nn.Identity()
    activation = getattr(module, "act", None)
    if activation is None or not isinstance(getattr(module, "drop", nn.Identity()), nn.Identity):
        return None
    return activation
