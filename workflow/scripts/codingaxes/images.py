"""Read image files, and perturbations from tables, as tensors of pixels."""

import numpy as np
import torch
from PIL import Image


def read_images(files, size):
    """Read PNG files as a float32 tensor (n, 3, size, size) in [0, 1].

    Parameters
    ----------
    files : sequence of path-likes
    size : int
        Side in pixels.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is not there, or is no RGB image of `size` x `size` pixels.
    """
    images = []
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
        images.append(content)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def read_perturbations(column, images):
    """Read a column of stored perturbations as float32 (rows, 3, size, size), on the device of `images`."""
    delta = torch.from_numpy(np.stack(list(column))).float()
    return delta.view(-1, *images.shape[1:]).to(images.device)
