"""Read one image file of any kind as pixels of the study's size, and say what had to be changed."""

import hashlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from codingaxes.nsd.stimuli import upright_rgb

ORIENTATION = 0x0112  # the tag of EXIF
TURNED = range(2, 9)


@dataclass(frozen=True)
class Picture:
    """Hold an image file as the study sees it."""

    pixels: np.ndarray | None  # uint8 (size, size, 3); None where the file could not be read
    converted: str  # what was changed, one change after the other; empty: nothing
    problem: str  # why the file could not be read; empty if it could
    sha256: str  # of the file


def read(path, size):
    """Read an image file as RGB of 8 bits and `size` x `size` pixels.

    It becomes upright and opaque as `nsd.stimuli.upright_rgb` does it: transparent parts are laid on mid-grey
    (128, 128, 128), and grey of 16 bits is scaled to 8. An image that is not square is cropped to its central
    square. Another size is resampled by Pillow's Lanczos filter, which is antialiased.

    Parameters
    ----------
    path : Path
    size : int

    Returns
    -------
    Picture
        A file that cannot be read has a problem instead of pixels.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        return Picture(None, "", f"cannot be read: {error.strerror}", "")
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Picture(None, "", "the file is empty", digest)
    try:
        with Image.open(BytesIO(content)) as image:
            changes = _changes(image)
            image = upright_rgb(image)
    except Exception as error:  # Pillow has many, for every way in which a file can be broken
        said = str(error).replace(repr(BytesIO), "")
        unknown = "cannot identify image file" in said
        return Picture(None, "", "no image" if unknown else f"cannot be read: {said}", digest)
    side = min(image.size)
    if image.size != (side, side):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        changes.append(f"cropped from {image.width} x {image.height} to its central square")
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        changes.append(f"resampled from {side} x {side} (Lanczos)")
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return Picture(np.asarray(image), "; ".join(changes), "", digest)


def _changes(image):
    """Say what `upright_rgb` changes of an opened image, and what is left out of account."""
    changes = []
    deep = any("16" in str(part[-1]) for part in image.tile)  # reading the EXIF of a PNG forgets it
    turned = image.getexif().get(ORIENTATION)
    if turned in TURNED:
        changes.append(f"turned upright (EXIF orientation {turned})")
    whole = image.mode.startswith("I")  # grey of 16 bits, whose transparency does not count
    if not whole and image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        changes.append("transparent parts laid on mid-grey (128)")
    if deep or whole:
        changes.append("16 bits scaled to 8")
    if image.mode != "RGB":
        changes.append(f"mode {image.mode} converted to RGB")
    if b"sRGB" not in (profile := image.info.get("icc_profile") or b"sRGB") and profile:
        changes.append("colour profile not applied")
    return changes
