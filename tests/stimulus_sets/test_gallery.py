"""Tests of images made elsewhere as they are read: conversion, sizes, flags, noise of equal size."""

import hashlib
import zlib
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from codingaxes.stimulus_sets import conversion, gallery

SIZE = 32


def picture(rng, size=SIZE, channels=3):
    """Draw an image of whole grey levels, far from black and white."""
    return rng.integers(60, 190, (size, size, channels)).astype(np.uint8)


def save(folder, name, content, **options):
    """Write pixels as an image file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image = content if isinstance(content, Image.Image) else Image.fromarray(content)
    image.save(folder / name, **options)
    return folder / name


def entry(name, original="", **more):
    """Make an entry as `outside.listed` does."""
    row = {"filename": name, "method": "other", "original": original, "roi": "", "direction": ""}
    return row | more


def gathered(folder, *entries, stimuli=None):
    """Gather listed images of a folder."""
    none = pd.DataFrame({"image_id": [], "file": [], "sha256": []})
    return gallery.gather(folder, list(entries), none if stimuli is None else stimuli, SIZE)


def test_sizes_are_those_of_a_hand_computation_on_the_files(tmp_path, rng):
    original = picture(rng)
    changed = original.copy()
    changed[0, 0] = original[0, 0] + np.array([30, 0, 0], np.uint8)
    changed[5, 7] = original[5, 7] - np.array([0, 40, 0], np.uint8)
    save(tmp_path, "one.png", changed)
    save(tmp_path, "clean.png", original)
    (row,) = gathered(tmp_path, entry("one.png", "clean.png")).rows.itertuples()
    assert row.l2 == pytest.approx(50 / 255) and row.linf == pytest.approx(40 / 255)
    assert (
        row.rms == pytest.approx(50 / np.sqrt(3 * SIZE**2)) and row.flag == row.reason == row.converted == ""
    )
    assert row.sha256 == hashlib.sha256((tmp_path / "one.png").read_bytes()).hexdigest()


def test_an_image_of_another_size_is_resampled_as_its_original_is_and_both_are_said(tmp_path, rng):
    large = picture(rng, 2 * SIZE)
    other = np.clip(large.astype(int) + 20, 0, 255).astype(np.uint8)
    save(tmp_path, "one.png", other)
    save(tmp_path, "clean.png", large)
    found = gathered(tmp_path, entry("one.png", "clean.png"))
    row = found.rows.iloc[0]
    assert row.converted == row.original_converted == "resampled from 64 x 64 (Lanczos)"
    assert row.flag == "resampled"
    expected = np.asarray(Image.fromarray(other).resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    assert np.array_equal(found.images[0].permute(1, 2, 0).numpy(), expected)
    assert row.rms == pytest.approx(20, abs=0.5)


def of_mode(rng, mode):
    """Make an image of a mode, and the RGB that it should become."""
    grey = picture(rng, channels=1)[..., 0]
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257), np.stack([grey] * 3, -1)
    if mode == "RGBA":
        content = np.dstack([picture(rng), np.zeros((SIZE, SIZE), np.uint8)])
        return Image.fromarray(content), np.full((SIZE, SIZE, 3), 128, np.uint8)
    image = Image.fromarray(picture(rng)).convert(mode)
    return image, np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "suffix", "said"),
    [
        ("L", "png", "mode L converted to RGB"),
        ("1", "bmp", "mode 1 converted to RGB"),
        ("P", "png", "mode P converted to RGB"),
        ("RGBA", "png", "transparent parts laid on mid-grey (128); mode RGBA converted to RGB"),
        ("RGBA", "webp", "transparent parts laid on mid-grey (128); mode RGBA converted to RGB"),
        ("I;16", "png", "16 bits scaled to 8; mode I;16 converted to RGB"),
        ("I;16", "tiff", "16 bits scaled to 8; mode I;16 converted to RGB"),
        ("CMYK", "tiff", "mode CMYK converted to RGB"),
        ("RGB", "bmp", ""),
        ("RGB", "webp", ""),
    ],
)
def test_every_mode_becomes_rgb_and_what_was_changed_is_said(tmp_path, rng, mode, suffix, said):
    image, expected = of_mode(rng, mode)
    options = {"lossless": True} if suffix == "webp" else {}
    found = conversion.read(save(tmp_path, f"one.{suffix}", image, **options), SIZE)
    assert found.problem == "" and found.converted == said
    assert np.array_equal(found.pixels, expected)


def test_an_image_that_a_camera_turned_becomes_upright(tmp_path, rng):
    content, exif = picture(rng), Image.Exif()
    exif[conversion.ORIENTATION] = 6
    found = conversion.read(save(tmp_path, "one.png", content, exif=exif), SIZE)
    assert found.converted == "turned upright (EXIF orientation 6)"
    assert np.array_equal(found.pixels, np.rot90(content, -1))


def test_an_image_that_is_not_square_is_cropped_to_its_middle_and_a_colour_profile_is_named(tmp_path, rng):
    content = picture(rng, 48)[:SIZE]
    found = conversion.read(save(tmp_path, "one.png", content, icc_profile=b"Adobe RGB"), SIZE)
    assert found.converted == "colour profile not applied; cropped from 48 x 32 to its central square"
    assert np.array_equal(found.pixels, content[:, 8:40])
    assert (
        conversion.read(save(tmp_path, "two.png", content[:, :SIZE], icc_profile=b"sRGB"), SIZE).converted
        == ""
    )


def deep_png(content):
    """Write a PNG of 16 bits for each colour, which Pillow reads and cannot write."""

    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = len(content).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in content.astype(np.uint16) * 257)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_colours_of_sixteen_bits_are_said_to_be_scaled(tmp_path, rng):
    content = picture(rng)
    (tmp_path / "one.png").write_bytes(deep_png(content))
    found = conversion.read(tmp_path / "one.png", SIZE)
    assert found.converted == "16 bits scaled to 8" and np.array_equal(found.pixels, content)


def broken(folder, rng):
    """Write files that cannot be read, each with what is said of it."""
    save(folder, "cut.png", picture(rng))
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.jpg").write_bytes(b"")
    frames = [Image.fromarray(picture(rng)) for _ in range(2)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    save(folder, "fractions.tiff", Image.fromarray(rng.random((SIZE, SIZE)).astype(np.float32)))
    return {
        "cut.png": "cannot be read",
        "text.png": "no image",
        "empty.jpg": "the file is empty",
        "moving.webp": "it holds 2 pictures",
        "fractions.tiff": "fractions",
        "gone.png": "not in the folder",
    }


def test_a_file_that_cannot_be_read_is_a_flagged_row_beside_the_others(tmp_path, rng):
    said = broken(tmp_path, rng)
    save(tmp_path, "good.png", picture(rng))
    found = gathered(tmp_path, *(entry(name) for name in said), entry("good.png"))
    rows = found.rows.set_index("filename")
    for name, words in said.items():
        assert rows.flag[name] == "unreadable" and words in rows.reason[name] and not rows.readable[name]
        assert "\n" not in rows.reason[name] and "0x" not in rows.reason[name]
    assert rows.l2.isna().all() and len(found.images) == 1 and found.readable.tolist() == [len(said)]
    assert rows.flag["good.png"] == "no original" and rows.reason["good.png"] == "no original: none is given"


def test_a_folder_of_which_nothing_can_be_read_is_an_error(tmp_path):
    (tmp_path / "one.png").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"none of its 1 images can be read, the first one\.png: the file is empty"
    ):
        gathered(tmp_path, entry("one.png"))


def test_an_original_that_is_missing_or_broken_leaves_sizes_missing_with_the_reason(tmp_path, rng):
    for name in ("one.png", "two.png"):
        save(tmp_path, name, picture(rng))
    (tmp_path / "bad.png").write_bytes(b"x")
    rows = gathered(tmp_path, entry("one.png", "nsd_00009"), entry("two.png", "bad.png")).rows
    assert rows[["l2", "linf", "rms"]].isna().all(axis=None) and (rows.flag == "no original").all()
    assert "'nsd_00009' is neither a file of the folder nor an image of the study" in rows.reason[0]
    assert rows.reason[1] == "no original: its original bad.png cannot be read: no image"


def test_an_original_can_be_an_image_of_the_study(tmp_path, rng):
    content = picture(rng)
    file = save(tmp_path, "study/nsd_00002.png", content)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stimuli = pd.DataFrame({"image_id": ["nsd_00002"], "file": [str(file)], "sha256": [digest]})
    save(tmp_path, "made/one.png", np.clip(content + 1, 0, 255).astype(np.uint8))
    found = gathered(tmp_path / "made", entry("one.png", "nsd_00002"), stimuli=stimuli)
    assert (
        found.rows.rms[0] == pytest.approx(1.0)
        and found.rows.original[0] == "nsd_00002"
        and found.rows.reason[0] == ""
    )


def test_one_original_under_several_names_is_one_unit_and_a_name_of_the_study_may_have_folders(tmp_path, rng):
    content = picture(rng)
    file = save(tmp_path, "study/nsd_00002.png", content)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stimuli = pd.DataFrame({"image_id": ["nsd_00002"], "file": [str(file)], "sha256": [digest]})
    for name in ("made/one.png", "made/two.png"):
        save(tmp_path, name, picture(rng))
    save(tmp_path, "made/clean.bmp", content)
    entries = entry("one.png", "weak/nsd_00002"), entry("two.png", "clean.bmp")
    found = gathered(tmp_path / "made", *entries, stimuli=stimuli)
    assert found.rows.original.tolist() == ["nsd_00002", "clean.bmp"] and len(found.originals) == 1
    assert found.rows.original_digest.nunique() == 1 and len(found.rows.original_digest[0]) == 16


def test_equal_pixels_are_flagged_with_the_first_file_and_an_unchanged_image_too(tmp_path, rng):
    content = picture(rng)
    for name in ("one.png", "two.bmp", "clean.png"):
        save(tmp_path, name, content)
    save(tmp_path, "three.png", picture(rng))
    rows = gathered(
        tmp_path, *(entry(name, "clean.png") for name in ("one.png", "two.bmp", "three.png"))
    ).rows
    assert rows.duplicate_of.tolist() == ["", "one.png", ""]
    assert rows.flag.tolist() == ["same as its original", "duplicate; same as its original", ""]
    assert rows.l2[0] == 0


def test_noise_has_the_size_of_the_image_stays_in_the_range_of_pixels_and_belongs_to_its_seed(tmp_path, rng):
    original = picture(rng)
    save(tmp_path, "clean.png", original)
    save(tmp_path, "one.png", np.clip(original.astype(int) + 3, 0, 255).astype(np.uint8))
    save(tmp_path, "far.png", np.where(original > 127, 0, 255).astype(np.uint8))
    found = gathered(tmp_path, entry("one.png", "clean.png"), entry("far.png", "clean.png"))
    noisy, fits = found.noisy(np.array([0, 1]), [5, 6])
    clean = found.originals[[0, 0]].float() / 255
    assert fits.tolist() == [True, False]  # white noise reaches no image that is farther than the corners
    assert (noisy[0] - clean[0]).norm().item() == pytest.approx(found.rows.l2[0], rel=1e-4)
    assert noisy.min() >= 0 and noisy.max() <= 1
    alone, _ = found.noisy(np.array([0]), [5])
    assert np.array_equal(alone[0], noisy[0]) and not np.array_equal(
        found.noisy(np.array([0]), [7])[0], alone
    )


def test_images_that_no_table_lists_are_counted_and_originals_are_not(tmp_path, rng):
    for name in ("one.png", "clean.png", "spare.png"):
        save(tmp_path, name, picture(rng))
    (tmp_path / "images.csv").write_text("filename,method,original\none.png,x,clean.png\n")
    entries, others = gallery.entries_of(tmp_path, ["FFA"])
    assert len(entries) == 1 and others == 1


def test_reading_leaves_no_word_about_memory_in_a_reason(tmp_path):
    (tmp_path / "one.png").write_bytes(BytesIO(b"abc").getvalue())
    assert conversion.read(tmp_path / "one.png", SIZE).problem == "no image"
