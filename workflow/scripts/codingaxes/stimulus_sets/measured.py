"""Read pictures as the 8-bit files that they are, and measure how far each is from its natural image."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

RELATIVE, ABSOLUTE = 1e-5, 1e-5  # by which two measurements of one size may differ: float32 against float64


def read(file):
    """Read an 8-bit RGB picture that is square.

    Parameters
    ----------
    file : path-like

    Returns
    -------
    uint8 array (h, h, 3)

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no whole PNG, or its mode or shape is another, or it states colours that are not sRGB;
        says what was found.
    """
    return decode(Path(file).read_bytes())


def decode(stored):
    """Decode the bytes of a PNG file, as `read`."""
    try:
        with Image.open(BytesIO(stored), formats=["PNG"]) as image:
            mode, profile = image.mode, {"icc_profile", "gamma"} & set(image.info)
            picture = np.asarray(image)
    except Image.DecompressionBombError as error:
        raise ValueError(f"it is too large to be opened ({error})") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"it is no whole PNG file ({' '.join(str(error).split())})") from None
    if mode != "RGB" or picture.dtype != np.uint8:
        raise ValueError(f"its mode is {mode}, not 8-bit RGB")
    if picture.shape[0] != picture.shape[1]:
        raise ValueError(f"it has {picture.shape[1]} x {picture.shape[0]} pixels, and is not square")
    if profile:
        raise ValueError(f"it states colours of its own ({', '.join(sorted(profile))}), not plain sRGB")
    return picture


def sizes(picture, natural):
    """Measure the difference of two 8-bit pictures (h, w, 3).

    Returns
    -------
    dict
        l2 and linf with pixels in [0, 1], and rms in grey levels of 0 to 255, over colours too.
    """
    levels = picture.astype(float) - natural
    return {
        "l2": float(np.linalg.norm(levels)) / 255,
        "linf": float(np.abs(levels).max()) / 255,
        "rms": float(np.sqrt(np.mean(levels**2))),
    }


def differ(one, other):
    """Tell whether two measurements of one size differ by more than rounding of float32; missing ones do."""
    return not np.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE)


def digest(content, kind="sha256"):
    """Give the digest of bytes, or of the pixels of a picture, as hexadecimal text."""
    return hashlib.new(kind, content).hexdigest()
