"""Save image files of any kind as square PNG stimuli, and split them into training and test images."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def _rgb(image):
    """Convert an opened image to RGB, upright and opaque; see `save_stimulus`."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions (mode F), of which the range is unknown")
    if image.mode.startswith("I"):  # convert would clip what is above 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"16-bit grey must be in 0..65535, found {values.min()} to {values.max()}")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image)
    return image.convert("RGB")


def save_stimulus(source, destination, size):
    """Save a copy of an image as PNG of `size` x `size` pixels, antialiased where it was larger.

    The copy is upright, as the image's EXIF orientation says, and cropped to its central square. Where the
    image is transparent, it becomes mid-grey (128, 128, 128). Grey of 16 bits is scaled to 8. An upright,
    opaque square of 8 bits is only resized.

    Parameters
    ----------
    source, destination : path-likes
        The folder of `destination` is made.
    size : int

    Returns
    -------
    Path
        The destination.

    Raises
    ------
    ValueError
        If the source is no image, or has fractions as pixels.
    """
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Image.open(source) as image:
            image = _rgb(image)
    except Exception as error:  # Pillow has many, for every way in which a file can be broken
        raise ValueError(f"{source}: expected an image, cannot be read: {error}") from None
    side = min(image.size)
    if image.size != (side, side):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    image.save(destination)
    return destination


def split(images, seed, test_fraction):
    """Split images into training and test images.

    Images are ordered by a digest of the seed and their id. So the order of two images does not depend on
    which others there are.

    Parameters
    ----------
    images : sequence (n,)
        Ids or names.
    seed : int
    test_fraction : float
        Between 0 and 1.

    Returns
    -------
    test : bool array (n,)
        The first share of that order.
    rank : int array (n,)
        Place in the order, from 0.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, not {test_fraction}")
    digests = [hashlib.sha256(f"{seed} {image}".encode()).hexdigest() for image in images]
    rank = np.empty(len(images), int)
    rank[np.argsort(digests)] = np.arange(len(images))
    return rank < round(test_fraction * len(images)), rank
