"""Wrap the attacks that `attacks.py` compares, ours and those of five libraries, to be called alike."""

import importlib.util
import sys
from unittest import mock

import numpy as np
import torch
from torch import nn

from codingaxes.attacks import smallest, strongest

MARGIN = 40.0  # in logits: from 20 on, cross-entropy is linear in float32
OURS = "ours"


class Counted(nn.Module):
    """A response that counts, in images, what is asked of it: passes forward, and gradients back."""

    def __init__(self, respond):
        super().__init__()
        self.respond, self.passes, self.gradients = respond, 0, 0

    def forward(self, images):
        values = self.respond(images)
        self.passes += len(images)
        if values.requires_grad:
            values.register_hook(self.count)
        return values

    def count(self, gradient):
        self.gradients += len(gradient)

    def reset(self):
        self.passes = self.gradients = 0


class Classifier(nn.Module):
    """Logits (0, r - threshold), threshold (n,): label 0 is given up where r exceeds the threshold."""

    def __init__(self, respond, threshold):
        super().__init__()
        self.respond, self.threshold = respond, threshold

    def forward(self, images):
        images = images.flatten(1).view(images.shape)  # so that gradients come back in torch's usual layout
        values = self.respond(images) - self.threshold
        return torch.stack([torch.zeros_like(values), values], dim=1)


# Fixed size: (respond, images, before, norm, radius, steps) -> (attacked images, gradients it states or None)


def ours(algorithm):
    def run(respond, images, before, norm, radius, steps):
        attack = strongest.maximise(
            respond, images, radius, norm=norm, direction="increase", algorithm=algorithm, steps=steps
        )
        return images + attack.delta, attack.evaluations.double().mean().item()

    return run


def in_rounds(respond, images, before, norm, radius, steps):
    """Ours as a study runs it, until it has converged; `steps` is the most gradients."""
    attack = strongest.maximise(respond, images, radius, norm=norm, steps=10, limit=steps, tolerance=0.005)
    return images + attack.delta, attack.evaluations.double().mean().item()


def library(attack):
    """A library's attack (model, images, labels, norm, radius, steps) -> attacked images, as one of these."""

    def run(respond, images, before, norm, radius, steps):
        model = Classifier(respond, before - MARGIN).eval()
        labels = torch.zeros(len(images), dtype=torch.long)
        return attack(model, images, labels, norm, radius, steps), None

    return run


def foolbox_pgd(**settings):
    def attack(model, images, labels, norm, radius, steps):
        import foolbox

        kind = {"l2": foolbox.attacks.L2PGD, "linf": foolbox.attacks.LinfPGD}[norm]
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        return kind(steps=steps, **settings)(wrapped, images, labels, epsilons=radius)[1]

    return library(attack)


def torchattacks_pgd(tuned):
    def attack(model, images, labels, norm, radius, steps):
        import torchattacks

        kind = {"l2": torchattacks.PGDL2, "linf": torchattacks.PGD}[norm]
        settings = {"alpha": 2.5 * radius / steps} if tuned else {}
        return kind(model, eps=radius, steps=steps, **settings)(images, labels)

    return library(attack)


def torchattacks_apgd(model, images, labels, norm, radius, steps):
    import torchattacks

    attack = torchattacks.APGD(model, norm={"l2": "L2", "linf": "Linf"}[norm], eps=radius, steps=steps)
    return attack.perturb(images, labels, best_loss=True)[1]


def adv_lib_apgd(model, images, labels, norm, radius, steps):
    order = {"l2": 2, "linf": float("inf")}[norm]
    return adv_lib("apgd")(model, images, labels, radius, order, loss_function="ce", best_loss=True)


def adv_lib(name):
    """An attack of adversarial-library, which imports visdom but does not need it."""
    with mock.patch.dict(sys.modules):
        if not importlib.util.find_spec("visdom"):
            sys.modules["visdom"] = mock.MagicMock()
        import adv_lib.attacks
    return getattr(adv_lib.attacks, name)


def art_pgd(model, images, labels, norm, radius, steps):
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    shape, order = tuple(images.shape[1:]), {"l2": 2, "linf": np.inf}[norm]
    classifier = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), shape, 2, clip_values=(0.0, 1.0), device_type="cpu"
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier, order, radius, 2.5 * radius / steps, max_iter=steps, verbose=False
    )
    return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))


def cleverhans_pgd(model, images, labels, norm, radius, steps):
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    order = {"l2": 2, "linf": np.inf}[norm]
    attacked = projected_gradient_descent(
        model, images, radius, min(1, 2.5 / steps) * radius, steps, order, clip_min=0, clip_max=1, y=labels
    )
    return attacked.detach()


def robustness_pgd(respond, images, before, norm, radius, steps):
    """As the package robustness does it (its dependencies are too old to install): the last point counts."""
    radius, x = torch.as_tensor(radius).view(-1, 1, 1, 1), images
    for _ in range(steps):
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(respond(x).sum(), x)
        if norm == "l2":
            delta = (
                x.detach() - images + 2.5 / steps * radius * gradient / size_of(gradient).view(-1, 1, 1, 1)
            )
            delta = delta * (radius / size_of(delta).view(-1, 1, 1, 1)).clamp(max=1)
        else:
            delta = x.detach() - images + 2.5 / steps * radius * gradient.sign()
            delta = torch.minimum(torch.maximum(delta, -radius), radius)
        x = (images + delta).clamp(0, 1)
    return x, None


# name: module it needs, steps, the method
FIXED = {
    OURS: ("", (10, 20, 50, 100), ours("ascent")),
    "ours, in rounds, at most": ("", (310,), in_rounds),
    "PGD, step 2.5ε/T (ours)": ("", (10, 20, 50), ours("pgd")),
    "APGD (ours)": ("", (20, 50, 100), ours("apgd")),
    "robustness-style PGD": ("", (50,), robustness_pgd),
    "foolbox PGD": ("foolbox", (50,), foolbox_pgd()),
    "foolbox PGD, step 0.1ε": ("foolbox", (50,), foolbox_pgd(rel_stepsize=0.1)),
    "torchattacks PGD": ("torchattacks", (50,), torchattacks_pgd(False)),
    "torchattacks PGD, step 2.5ε/T": ("torchattacks", (50,), torchattacks_pgd(True)),
    "torchattacks APGD": ("torchattacks", (20, 50, 100), library(torchattacks_apgd)),
    "adversarial-library APGD": ("adv_lib", (100,), library(adv_lib_apgd)),  # best_loss: always 100
    "ART PGD, step 2.5ε/T": ("art", (50,), library(art_pgd)),
    "cleverhans PGD, step 2.5ε/T": ("cleverhans", (50,), library(cleverhans_pgd)),
}
REFERENCE = (OURS, "PGD, step 2.5ε/T (ours)", "APGD (ours)")


# Wanted change: (respond, images, before, wanted, steps) -> (attacked images, gradients it states or None)


def ours_reach(respond, images, before, wanted, steps):
    attack = smallest.reach(respond, images, wanted, norm="l2", direction="increase", steps=steps)
    return images + attack.delta, attack.evaluations.double().mean().item()


def minimal(attack):
    """A library's attack (model, images, labels, steps) -> attacked images, as one of these."""

    def run(respond, images, before, wanted, steps):
        labels = torch.zeros(len(images), dtype=torch.long)
        model = Classifier(respond, before + wanted).eval()
        return attack(model, images, labels, steps).detach(), None

    return run


def adv_lib_fmn(model, images, labels, steps):
    return adv_lib("fmn")(model, images, labels, norm=2, steps=steps)


def adv_lib_ddn(model, images, labels, steps):
    return adv_lib("ddn")(model, images, labels, steps=steps, levels=None)


def adv_lib_deepfool(respond, images, before, wanted, steps):
    """One image at a time: the library drops images from the batch, and each has a threshold of its own."""
    one = minimal(lambda model, image, label, steps: adv_lib("df")(model, image, label, steps=steps))
    attacked = [one(respond, x[None], b, w, steps)[0] for x, b, w in zip(images, before, wanted, strict=True)]
    return torch.cat(attacked), None


def foolbox_minimal(name):
    def attack(model, images, labels, steps):
        import foolbox

        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        return getattr(foolbox.attacks, name)(steps=steps)(wrapped, images, labels, epsilons=None)[1]

    return minimal(attack)


def bisection(respond, images, before, wanted, steps):
    """The radius that 20 steps of PGD need: doubled from the linear one until it suffices, then bisected."""
    x = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(respond(x).sum(), x)
    radius = wanted / size_of(gradient)
    low, high, best = torch.zeros_like(radius), torch.full_like(radius, torch.inf), images
    for _ in range(max(1, steps // 20)):
        attacked, _ = robustness_pgd(respond, images, before, "l2", radius, 20)
        reached = plain(respond, attacked) - before >= wanted
        best = torch.where(reached.view(-1, 1, 1, 1), attacked, best)
        low, high = torch.where(reached, low, radius), torch.where(reached, radius, high)
        radius = torch.where(high.isinf(), 2 * radius, (low + high) / 2)
    return best, None


REACH = {
    OURS: ("", (10, 20, 50, 100), ours_reach),
    "adversarial-library FMN": ("adv_lib", (10, 20, 50, 100), minimal(adv_lib_fmn)),
    "adversarial-library DDN": ("adv_lib", (10, 20, 50, 100), minimal(adv_lib_ddn)),
    "adversarial-library DeepFool": ("adv_lib", (50,), adv_lib_deepfool),
    "foolbox FMN": ("foolbox", (100,), foolbox_minimal("L2FMNAttack")),
    "foolbox DeepFool": ("foolbox", (50,), foolbox_minimal("L2DeepFoolAttack")),
    "bisection of 20-step PGD": ("", (240,), bisection),
}


@torch.no_grad()
def plain(respond, images):
    """Responses, outside the count."""
    return respond.respond(images)


def size_of(delta):
    return delta.flatten(1).norm(dim=1)
