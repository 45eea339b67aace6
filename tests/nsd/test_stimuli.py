"""Stimuli as they are saved (depth, orientation, transparency and shape), and how they are split."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from codingaxes.nsd.stimuli import conversions, save_stimulus, split, suspicions


@pytest.mark.parametrize("size", [64, 40])
def test_a_square_image_of_rgb_is_only_resized(rng, tmp_path, size):
    png = tmp_path / "shared0001_nsd00001.png"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(png)
    with Image.open(png) as image:
        expected = image.convert("RGB")
    if size != 64:
        expected = expected.resize((size, size), Image.Resampling.BICUBIC)
    expected.save(tmp_path / "expected.png")
    copy = save_stimulus(png, tmp_path / "copy.png", size)
    assert copy.read_bytes() == (tmp_path / "expected.png").read_bytes()


def saved(image, path, **options):
    """Save an image of 8 x 8 pixels, and read the stimulus that it becomes: uint8 array (8, 8, 3)."""
    image.save(path, **options)
    with Image.open(save_stimulus(path, path.parent / "copies/copy.png", 8)) as copy:
        assert copy.mode == "RGB"
        return np.asarray(copy)


def test_grey_of_16_bits_is_scaled_to_8_and_numbers_of_unknown_range_are_refused(rng, tmp_path):
    values = rng.integers(0, 65536, (8, 8))
    values[0, :3] = 0, 65535, 32768
    expected = np.repeat(np.round(values / 257)[..., None], 3, axis=2)
    sixteen, integers = Image.fromarray(values.astype(np.uint16)), Image.fromarray(values.astype(np.int32))
    assert np.array_equal(saved(sixteen, tmp_path / "grey.png"), expected)
    for image in (sixteen, integers):  # PNG opens as integers of 32 bits (mode I) in an older Pillow
        assert np.array_equal(saved(image, tmp_path / "other.png", format="TIFF"), expected)
    exif = Image.Exif()
    exif[0x0112] = 3
    assert np.array_equal(saved(sixteen, tmp_path / "turned.png", exif=exif), expected[::-1, ::-1])
    for bad, message in (
        (Image.fromarray(values.astype(np.float32)), r"bad\.png: expected an image.*mode F"),
        (Image.fromarray(-values.astype(np.int32)), r"bad\.png: expected an image.*found -65535 to 0"),
    ):
        with pytest.raises(ValueError, match=message):
            saved(bad, tmp_path / "bad.png", format="TIFF")


# The standard's table: the sides of the picture at which the first row and the first column of the file lie.
SIDES = ["top left", "top right", "bottom right", "bottom left", "left top", "right top", "right bottom",
         "left bottom"]  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_exif_is_applied(rng, tmp_path, orientation):
    upright = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    row, column = SIDES[orientation - 1].split()
    file = upright.transpose(1, 0, 2) if row in ("left", "right") else upright
    file = file[::-1] if row in ("bottom", "right") else file
    file = file[:, ::-1] if column in ("bottom", "right") else file
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(file))
    assert np.array_equal(saved(image, tmp_path / "turned.png", exif=exif), upright)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_transparent_pixels_become_mid_grey(rng, tmp_path, mode):
    grey = rng.integers(10, 200, (8, 8)).astype(np.uint8)
    alpha = rng.choice([0, 255] if mode in ("P", "RGB") else [0, 100, 255], (8, 8)).astype(np.uint8)
    expected = np.round(128 + (grey.astype(float) - 128) * alpha / 255)
    options = {}
    if mode == "RGBA":
        image = Image.fromarray(np.dstack([grey] * 3 + [alpha]))
    elif mode == "LA":
        image = Image.fromarray(np.dstack([grey, alpha]))
    else:  # one colour is transparent
        hidden = Image.fromarray(np.where(alpha, grey, 3).astype(np.uint8))
        image, options = hidden.convert("RGB"), {"transparency": (3, 3, 3)}
        if mode == "P":
            image, options = hidden.copy(), {"transparency": 3}
            image.putpalette(np.repeat(np.arange(256), 3).astype(np.uint8).tobytes())
    copy = saved(image, tmp_path / "transparent.png", **options)
    assert np.abs(copy - expected[..., None]).max() <= 1
    assert (copy[alpha == 0] == 128).all() and (copy[alpha == 255] == grey[alpha == 255, None]).all()


@pytest.mark.parametrize("shape", [(8, 13), (13, 8), (8, 12)])
def test_an_image_that_is_not_square_is_cropped_to_its_centre(rng, tmp_path, shape):
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    copy = saved(Image.fromarray(pixels), tmp_path / "long.png")
    assert np.array_equal(copy, pixels[top : top + 8, left : left + 8])


def test_a_file_of_several_pictures_is_refused(rng, tmp_path):
    pages = [Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)) for _ in range(3)]
    for name in ("stack.tif", "moving.png"):
        with pytest.raises(ValueError, match=rf"{name}: expected an image.*it holds 3 pictures"):
            saved(pages[0], tmp_path / name, save_all=True, append_images=pages[1:])
        assert np.array_equal(saved(pages[0], tmp_path / name), np.asarray(pages[0]))


def test_equal_pixels_give_equal_files_whatever_else_the_sources_hold(rng, tmp_path):
    image = Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "more.png", dpi=(72, 72), icc_profile=b"any", exif=Image.Exif())
    one, other = (
        save_stimulus(tmp_path / f"{name}.png", tmp_path / f"copies/{name}.png", 8).read_bytes()
        for name in ("plain", "more")
    )
    assert one == other


def test_pairs_that_are_alike_are_those_that_comparing_each_with_each_finds(rng, tmp_path):
    base = rng.integers(20, 230, (700, 16, 16, 3))
    base[[5, 600, 699]] = base[3] + rng.integers(-1, 2, (3, 16, 16, 3))
    files = [tmp_path / f"{place}.png" for place in range(700)]
    for pixels, file in zip(base, files, strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    test = np.arange(700) % 2 == 0
    (said,) = suspicions([f"im{place}" for place in range(700)], files, test)
    assert said.startswith("6 pairs of images") and "im3 and im5, im3 and im600, im3 and im699" in said
    assert "Of 3 pairs" in said  # of 3, 5 and 699 each with 600


def test_a_split_is_fixed_and_keeps_its_order_in_a_longer_list():
    test, rank = split(np.arange(100), 1, 0.2)
    assert test.sum() == 20 and np.array_equal(np.sort(rank), np.arange(100))
    _, longer = split(np.arange(150), 1, 0.2)
    assert np.array_equal(np.argsort(longer[:100]), np.argsort(rank))
    with pytest.raises(ValueError, match="test_fraction"):
        split(np.arange(10), 1, 1.0)


def profile(name):
    """Make a colour profile: sRGB, or one whose name says that it is another."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return (
        made
        if name == "sRGB"
        else made.replace("sRGB built-in".encode("utf-16-be"), name.encode("utf-16-be"))
    )


def test_images_whose_colours_pixels_or_transparency_are_lost_are_named_and_plain_ones_are_not(rng, tmp_path):
    plain = Image.fromarray(rng.integers(0, 256, (20, 30, 3)).astype(np.uint8))
    clear, opaque = plain.convert("RGBA"), plain.convert("RGBA")
    clear.putpixel((3, 4), (9, 9, 9, 0))
    cases = {
        "plain.png": (plain, {}),
        "srgb.png": (plain, {"icc_profile": profile("sRGB")}),
        "opaque.png": (opaque, {}),
        "grey.png": (plain.convert("L"), {"icc_profile": profile("Grey Gamma XY")}),
        "wide.jpg": (plain, {"icc_profile": profile("Display P3 XY")}),
        "print.jpg": (plain.convert("CMYK"), {}),
        "tiny.png": (plain.resize((16, 15)), {}),
        "clear.png": (clear, {}),
    }
    for name, (image, options) in cases.items():
        image.save(tmp_path / name, **options)
    said = conversions(list(cases), [tmp_path / name for name in cases], 16)
    assert len(said) == 3
    assert said[0].startswith("2 of 8 images have colours of their own")
    assert said[0].endswith("the first wide.jpg (Display P3 XY), print.jpg (CMYK)")
    assert (
        said[1].startswith("1 of 8 images are smaller than 16 x 16 pixels")
        and "tiny.png (16 x 15)" in said[1]
    )
    assert said[2].startswith("1 of 8 images are transparent in places") and said[2].endswith(
        "the first clear.png"
    )
