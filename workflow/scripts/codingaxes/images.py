"""Read image files, and perturbations from tables, as tensors of pixels."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def read_images(stimuli, size):
    """Read stimuli as a float32 tensor (n, 3, size, size) in [0, 1].

    Parameters
    ----------
    stimuli : DataFrame (n rows)
        Of the table stimuli: file and sha256.
    size : int
        Side in pixels.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is not there, has another digest than its row, or is no RGB image of `size` x `size` pixels.
    """
    images = []
    for file, sha256 in zip(stimuli.file, stimuli.sha256, strict=True):
        try:
            stored = Path(file).read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(f"stimulus {file} is not there; run prepare_stimuli again") from None
        if hashlib.sha256(stored).hexdigest() != sha256:
            raise ValueError(
                f"stimulus {file} was changed after it was prepared: its sha256 is not {sha256}, as the "
                "table of stimuli says. Delete its folder and run again; to use another picture, replace the "
                "image that it was made of"
            )
        with Image.open(BytesIO(stored)) as image:
            content = np.asarray(image)
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
