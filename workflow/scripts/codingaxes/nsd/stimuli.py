"""Save image files of any kind as square PNG stimuli, split them, and find mistakes among them."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from codingaxes import writing

NARROW = 32  # of 256 levels: an image that spans fewer, its most extreme pixels left out, barely uses them
EXTREME = 0.5  # percent of an image's values, at either end, that are left out
SMALL = 16  # pixels on a side at which images are compared
ALIKE = 2.0  # levels, root mean square: two small images that differ by less show nearly the same picture
SRGB = ("c2", "c2ci", "uRGB")  # names of small profiles of sRGB, as web sites write them
BLOCK = 512  # images that are compared with all others at a time


def upright_rgb(image):
    """Convert an opened image to RGB of 8 bits, upright and opaque; see `save_stimulus`."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # of a camera: the picture, and smaller ones of it
        raise ValueError(f"it holds {frames} pictures; save each as a file of its own")
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
    opaque square of 8 bits is only resized. Nothing but pixels is saved: equal pixels give equal files.

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
        If the source is no image, has fractions as pixels, or holds several pictures.
    """
    destination = Path(destination)
    try:
        with Image.open(source) as image:
            image = upright_rgb(image)
    except Exception as error:  # Pillow has many, for every way in which a file can be broken
        raise ValueError(f"{source}: expected an image, cannot be read: {error}") from None
    side = min(image.size)
    if image.size != (side, side):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    with writing.whole(destination) as temporary:
        Image.fromarray(np.asarray(image)).save(temporary)
    return destination


def conversions(names, sources, size):
    """Describe what is lost or made up when images are saved as RGB of `size` x `size` pixels.

    Parameters
    ----------
    names : sequence of str (n,)
    sources : sequence of path-likes (n,)
        Images, of which the header alone is read.
    size : int

    Returns
    -------
    list of str
        A sentence each about images in colours of their own (a profile other than sRGB, or colours of print),
        that are smaller than `size`, and that are transparent somewhere.
    """
    found = {"profile": [], "small": [], "clear": []}
    for name, source in zip(names, sources, strict=True):
        with Image.open(source) as image:
            profile = _profile(image)
            if profile or image.mode in ("CMYK", "LAB"):
                found["profile"].append(f"{name} ({profile or image.mode})")
            if min(image.size) < size:
                found["small"].append(f"{name} ({image.width} x {image.height})")
            if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:
                found["clear"].append(name)
    about = {
        "profile": "have colours of their own, which are taken for those of sRGB: other ones than an editor "
        "shows. Convert them to sRGB first",
        "small": f"are smaller than {size} x {size} pixels, the size of the study: they are enlarged, and "
        "have no detail finer than their own pixels",
        "clear": "are transparent in places, which become mid-grey (128, 128, 128). Put them on the "
        "background that subjects saw",
    }
    return [
        f"{len(listed)} of {len(names)} images {about[kind]}; the first {', '.join(listed[:5])}"
        for kind, listed in found.items()
        if listed
    ]


def _profile(image):
    """Name the colour profile of an opened image, if it has one that is not sRGB's."""
    if not (stored := image.info.get("icc_profile")):
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(stored))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "a profile that cannot be read"
    return "" if "srgb" in name.casefold() or name in SRGB or image.mode in ("1", "L", "LA") else name


def digest_copies(sources, copies):
    """Digest saved stimuli, and refuse two of the same picture.

    Parameters
    ----------
    sources : sequence of path-likes (n,)
        Files that the copies were made of, for errors.
    copies : sequence of path-likes (n,)
        From `save_stimulus`.

    Returns
    -------
    list of str (n,)
        The sha256 of each copy.

    Raises
    ------
    ValueError
        If two copies have equal pixels. A split could train readouts on the one and test them on the other.
    """
    digests = [hashlib.sha256(Path(copy).read_bytes()).hexdigest() for copy in copies]
    first, twins = {}, []
    for place, digest in enumerate(digests):
        if first.setdefault(digest, place) != place:
            twins.append((first[digest], place))
    if twins:
        one, other = (sources[place] for place in twins[0])
        raise ValueError(
            f"{one} and {other} are the same picture once they are 8-bit RGB of the study's size; "
            f"{len(twins)} of {len(copies)} images repeat an earlier one. Readouts would be tested on "
            "pictures that they were trained on. Keep one file of each picture; in own.responses call it by "
            "one name, so that the rows of both are its repetitions"
        )
    return digests


def suspicions(names, copies, test):
    """Describe what in saved stimuli looks like a mistake, but may be meant.

    Parameters
    ----------
    names : sequence of str (n,)
    copies : sequence of path-likes (n,)
        From `save_stimulus`.
    test : bool array (n,)
        Whether an image is held out.

    Returns
    -------
    list of str
        A sentence each about images that barely use the range of pixels, as a 16-bit file of 12-bit values
        does, and about pairs of nearly the same picture, as a JPEG and a PNG of one photograph are.
    """
    said, low, high, small = [], [], [], []
    for copy in copies:
        with Image.open(copy) as image:
            ends = np.percentile(np.asarray(image), (EXTREME, 100 - EXTREME))
            small.append(np.asarray(image.resize((SMALL, SMALL), Image.Resampling.BOX), np.float32).ravel())
        low.append(round(ends[0]))
        high.append(round(ends[1]))
    narrow = np.flatnonzero(np.subtract(high, low) < NARROW)
    if len(narrow):
        listed = ", ".join(f"{names[place]} ({low[place]} to {high[place]})" for place in narrow[:5])
        said.append(
            f"{len(narrow)} of {len(names)} images are nearly constant: they use less than an eighth of the "
            f"levels 0 to 255, the first {listed}. If the files have 16 bits of which 12 are used, say, "
            "scale them to all 16 first"
        )
    pairs = _pairs_alike(np.stack(small))
    if len(pairs):
        split = sum(test[i] != test[j] for i, j in pairs)
        listed = ", ".join(f"{names[i]} and {names[j]}" for i, j in pairs[:3])
        said.append(
            f"{len(pairs)} pairs of images show nearly the same picture (they differ by less than {ALIKE:g} "
            f"levels at {SMALL} x {SMALL} pixels), the first {listed}. Of {split} pairs the one image trains "
            "readouts and the other tests them; leave one of each out if they are copies of one picture"
        )
    return said


def _pairs_alike(small):
    """Find the pairs (i, j), i < j, of rows (n, d) whose root mean square difference is below `ALIKE`."""
    small = small - small.mean(axis=0)
    squares, pairs = np.square(small).sum(axis=1), []
    for start in range(0, len(small), BLOCK):
        block = slice(start, start + BLOCK)
        distance = squares[block, None] + squares - 2 * small[block] @ small.T
        i, j = np.nonzero(distance < ALIKE**2 * small.shape[1])
        pairs += [(i + start, j) for i, j in zip(i.tolist(), j.tolist(), strict=True) if i + start < j]
    return pairs


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
