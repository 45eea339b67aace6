"""Readouts of shipped networks of the zoo: of face, body and house, fitted on scenes by ridge regression."""

import json

import torch

from codingaxes.miniature import scenes, training
from codingaxes.networks.network import load_network

CATEGORIES = ("face", "body", "house")


def face_body_house(folder, name, n, train=300, seed=77, device="cpu"):
    """Fit readouts of the last candidate layer of a shipped network, in SD over scenes.

    They are fitted on the processor, and are the same on every device.

    Returns
    -------
    respond : callable, images (m, 3, 64, 64) -> responses (m, 3)
    images : tensor (n, 3, 64, 64)
        Other scenes.
    """
    recipe = json.loads((folder / f"{name}.json").read_text())["recipe"]
    network = load_network(recipe["architecture"], folder / f"{name}.safetensors")
    images, labels = scenes.render_many(seed, train + n, recipe["image_size"])
    pixels, layer = training.to_pixels(images), network.layers[-1]
    wanted = torch.from_numpy(labels[:train][:, [scenes.CATEGORIES.index(c) for c in CATEGORIES]]).double()
    with torch.no_grad():
        features = torch.cat([network.features(part, [layer])[layer] for part in pixels[:train].split(50)])
    mean, features = features.double().mean(dim=0), features.double()
    kernel = (features - mean) @ (features - mean).T
    ridge = 0.1 * kernel.diagonal().mean() * torch.eye(train).double()
    weight = (features - mean).T @ torch.linalg.solve(
        kernel + ridge, (wanted - wanted.mean(0)) / wanted.std(0)
    )
    weight, offset = weight.float().to(device), (mean @ weight).float().to(device)
    network.to(device)

    def respond(images):
        return network.features(images, [layer])[layer] @ weight - offset

    return respond, pixels[train:].to(device)
