"""Round synthesised images to 8 bits, save them, and measure them as they are saved."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from codingaxes import writing
from codingaxes.attacks import strongest

EXACT = 1e-3  # grey levels; what is nearer to a whole level is that level, but for rounding of float32


def to_bytes(images, seeds):
    """Round images to 8 bits, up or down at random, so that each pixel is right on average.

    The usual rounding would take away perturbations of less than half a grey level altogether: a natural
    image is at whole levels, so that every pixel would go back to it. Here a change of 0.3 levels becomes 1
    in three pixels of ten. What rounding adds is noise without a direction.

    Parameters
    ----------
    images : tensor (n, 3, h, w)
        In [0, 1].
    seeds : sequence of int (n,)
        One for each image.

    Returns
    -------
    uint8 tensor (n, 3, h, w)
        On the CPU. Pixels that are at a whole level stay there.
    """
    levels = 255 * images.detach().cpu().double().clamp(0, 1)
    near = levels.round()
    draws = [
        torch.rand(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed, image in zip(seeds, levels, strict=True)
    ]
    drawn = torch.floor(levels + torch.stack(draws))
    return torch.where((levels - near).abs() < EXACT, near, drawn).clamp(0, 255).to(torch.uint8)


def from_bytes(pictures):
    """Turn 8-bit pictures (n, 3, h, w) into images in [0, 1], float32; what is an image already stays."""
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures


def save(picture, file):
    """Write an 8-bit picture (3, h, w) as PNG, and give the sha256 of the file."""
    buffer = BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    writing.write_bytes(file, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read(files, digests):
    """Read saved pictures, and hold each to its digest.

    Parameters
    ----------
    files : sequence of path-like (n,)
    digests : sequence of str (n,)
        sha256 of each file.

    Returns
    -------
    uint8 tensor (n, 3, h, w)

    Raises
    ------
    ValueError
        If a file was changed after it was made; names it.
    """
    pictures = []
    for file, digest in zip(files, digests, strict=True):
        stored = Path(file).read_bytes()
        if hashlib.sha256(stored).hexdigest() != digest:
            raise ValueError(
                f"{file} was changed after it was made: its sha256 is not {digest}, as the table of "
                "synthesis says. Delete its folder and run again"
            )
        with Image.open(BytesIO(stored)) as picture:
            pictures.append(np.asarray(picture))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def develop(respond, images, which, origin, seeds, fitting):
    """Round images to 8 bits, and measure them as they will be saved.

    Parameters
    ----------
    respond, which
        See `strongest.maximise`: whose response, and which, is measured.
    images : tensor (n, 3, h, w)
    origin : tensor (n, 3, h, w) or float
        What sizes are the distance from.
    seeds : sequence of int (n,)
        Of rounding, see `to_bytes`.
    fitting : devices.Batches

    Returns
    -------
    saved : uint8 tensor (n, 3, h, w)
    measured : dict
        Arrays (n,): response, and the sizes l2, linf and rms.
    """
    saved = to_bytes(images, seeds)
    shown = from_bytes(saved)
    response = responses(respond, shown.to(images.device), which, fitting)
    difference = shown - (origin.cpu() if isinstance(origin, torch.Tensor) else origin)
    return saved, {"response": response} | {name: size.numpy() for name, size in sizes(difference).items()}


def responses(respond, images, which, fitting):
    """Compute the responses (n,) that count, in full precision, in batches that fit the device."""

    def work(images, which):
        return strongest.forward(respond, images, which)

    return torch.cat(fitting(work, images, which)).double().cpu().numpy()


def sizes(difference):
    """Measure differences of images (n, 3, h, w): l2, l∞, and root mean square in grey levels of 0 to 255."""
    flat = difference.flatten(1).double()
    l2 = flat.norm(dim=1)
    return {"l2": l2, "linf": flat.abs().amax(dim=1), "rms": 255 * l2 / flat.shape[1] ** 0.5}
