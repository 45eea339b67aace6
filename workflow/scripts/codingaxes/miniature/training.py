"""Train the zoo: several labels an image, on clean or on l2-adversarial images.

Adversarial training follows Madry et al. (ICLR 2018), with few gradients from a random start. The radius of
the adversarial images grows from 0 while training begins: from the full radius some networks never leave
chance.
"""

import logging
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from codingaxes.networks.network import Network

log = logging.getLogger("codingaxes")


@dataclass(frozen=True)
class Settings:
    """Hold the settings that all networks of the zoo have in common."""

    epochs: int
    batch_size: int
    learning_rate: float  # largest, of one cycle
    weight_decay: float
    gradients: int  # of the attack that makes an adversarial image; each costs a pass forward and back
    growth: float  # share of the training, from its begin, over which the radius grows to its full size


def to_pixels(images):
    """Turn uint8 images (n, h, w, 3) into float32 (n, 3, h, w) in [0, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def train(row, images, labels, radius, seed, settings, track=iter):
    """Train one network from scratch.

    Parameters
    ----------
    row : dict or str
        Of the table of networks, with source zoo; or the name of an architecture of the zoo.
    images : uint8 array (n, h, w, 3)
    labels : bool array (n, 6)
    radius : float
        l2 radius of the adversarial images it is trained on, pixels in [0, 1]; 0 trains on clean ones.
    seed : int
        Of the initial weights, the order of images and the attacks' random starts.
    settings : Settings
    track : callable, optional
        Wraps the epochs, to report progress.

    Returns
    -------
    network.Network
        In evaluation mode, parameters frozen.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(row).train()
        return _train(network, images, labels, radius, settings, track)


def _train(network, images, labels, radius, settings, track):
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    steps = settings.epochs * (len(images) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    targets = torch.from_numpy(labels).float()
    step = 0
    for epoch in track(range(settings.epochs)):
        order, total = torch.randperm(len(images)), 0.0
        batches = order.split(settings.batch_size)[: len(images) // settings.batch_size]
        for batch in batches:
            pixels, truth = to_pixels(images[batch.numpy()]), targets[batch]
            mirrored = torch.rand(len(batch)) < 0.5
            pixels[mirrored] = pixels[mirrored].flip(-1)
            grown = radius * min(1.0, (step + 1) / (settings.growth * steps)) if settings.growth else radius
            if grown > 0:
                network.requires_grad_(False)  # the attack needs no gradient of the weights: a third cheaper
                pixels = mislead(network, pixels, truth, grown, settings.gradients)
                network.requires_grad_(True)
            loss = F.binary_cross_entropy_with_logits(network(pixels), truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total, step = total + loss.item(), step + 1
        log.debug(f"epoch {epoch + 1}: loss {total / len(batches):.4f}")
    return rounded(network.eval().requires_grad_(False))


@torch.no_grad()
def rounded(network):
    """Round all weights to float16, which they are stored as, so that what is measured is what is stored."""
    for value in network.body.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half())
    return network


def mislead(network, pixels, labels, radius, steps):
    """Find images within an l2 ball and [0, 1] on which the network errs, by projected ascent on its loss.

    Parameters
    ----------
    network : network.Network
    pixels : tensor (n, 3, h, w)
    labels : float tensor (n, 6)
    radius : float
        l2, pixels in [0, 1].
    steps : int
        Gradients; each moves by 1.25 radius for one step, by 2.5 radius / steps otherwise.

    Returns
    -------
    tensor (n, 3, h, w)
    """
    start = torch.randn_like(pixels)
    delta = start * (radius * torch.rand(len(pixels), 1, 1, 1) / _norm(start))
    length = 1.25 * radius if steps == 1 else 2.5 * radius / steps
    for _ in range(steps):
        attacked = (pixels + delta).requires_grad_(True)
        loss = F.binary_cross_entropy_with_logits(network(attacked), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, attacked)
        delta = delta + length * gradient / _norm(gradient).clamp_min(1e-12)
        delta = delta * (radius / _norm(delta)).clamp_max(1)
    return (pixels + delta).clamp(0, 1)


def balanced_accuracy(network, images, labels, radius, steps, seed, batch=100):
    """Measure the mean over categories of the mean of hit rate and correct-rejection rate; 0.5 is chance.

    Parameters
    ----------
    network : network.Network
    images, labels : as for `train`
        Scenes that the network was not trained on.
    radius : float
        l2 radius of an attack on the network's loss; 0 shows the images as they are.
    steps : int
        Gradients of that attack.
    seed : int
        Of its random starts.
    """
    decisions = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(images), batch):
            pixels = to_pixels(images[start : start + batch])
            truth = torch.from_numpy(labels[start : start + batch]).float()
            if radius > 0:
                pixels = mislead(network, pixels, truth, radius, steps)
            with torch.no_grad():
                decisions.append(network(pixels) > 0)
    decisions, truth = torch.cat(decisions), torch.from_numpy(labels)
    hits = (decisions & truth).sum(0) / truth.sum(0)
    rejections = (~decisions & ~truth).sum(0) / (~truth).sum(0)
    return float(((hits + rejections) / 2).mean())


def _norm(x):
    return x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
