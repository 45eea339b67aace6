"""Image files, and perturbations in tables -> pixels."""

import numpy as np
import torch
from PIL import Image


def read(files, size):
    """PNG files -> float32 tensor (n, 3, size, size) in [0, 1].

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is not there, or is no RGB image of `size` x `size` pixels.
    """
    found = []
    for file in files:
        try:
            with Image.open(file) as image:
                content = np.asarray(image)
        except FileNotFoundError:
            raise FileNotFoundError(f"stimulus {file} is not there; run prepare_stimuli again") from None
        if content.shape != (size, size, 3) or content.dtype != np.uint8:
            raise ValueError(
                f"stimulus {file}: expected 8-bit RGB of {size} x {size}, "
                f"found {content.shape} {content.dtype}"
            )
        found.append(content)
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255


def perturbations(column, images):
    """A column of stored perturbations -> float32 tensor (rows, 3, size, size), on the device of `images`."""
    delta = torch.from_numpy(np.stack(list(column))).float()
    return delta.view(-1, *images.shape[1:]).to(images.device)
