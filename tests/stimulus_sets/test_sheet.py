"""The contact sheet shows every stimulus under its condition, beside its natural image."""

import numpy as np
import planted_sets
import pytest
from exported_sets import content
from PIL import ImageFont

from codingaxes.stimulus_sets import catalogues, measured, sheet


def pictures_of(stimuli):
    """Read the pictures of stimuli."""
    return {row.stimulus_id: measured.read(row.file) for row in stimuli.itertuples()}


def test_every_stimulus_has_a_place_and_noise_stands_in_each_row_of_its_image(working):
    stimuli = content(working).stimuli
    places = sheet.layout(stimuli)
    assert len(places.rows) == 8 and len(places.columns) == 16
    shown = [stimulus.stimulus_id for stimulus in places.cells.values()]
    assert set(shown) == set(stimuli.stimulus_id[stimuli.role != "original"])
    noise = stimuli.stimulus_id[stimuli.control == "random"].iloc[0]
    assert shown.count(noise) == 4
    assert [column[0] for column in places.columns] == [1] * 8 + [2] * 8


def test_each_picture_stands_in_its_row_and_column(working):
    stimuli = content(working).stimuli
    pictures = pictures_of(stimuli)
    ((name, page),) = sheet.pages(stimuli, pictures)
    assert name == "contact_sheet.png" and page.dtype == np.uint8
    places = sheet.layout(stimuli)
    wide, high, top = 128 + sheet.GAP, 128 + 2 * sheet.LINE + sheet.GAP, 3 * sheet.LINE + sheet.GAP
    for (row, column), stimulus in places.cells.items():
        x = sheet.LEFT + wide * (1 + places.columns.index(column))
        y = top + high * places.rows.index(row)
        assert np.array_equal(page[y : y + 128 : 4, x : x + 128 : 4], pictures[stimulus.stimulus_id])


def test_perturbations_are_shown_about_grey_amplified_by_one_factor(working):
    stimuli = content(working).stimuli
    pictures = pictures_of(stimuli)
    originals = catalogues.originals_of(stimuli)
    ((name, page),) = sheet.amplified_pages(stimuli, originals, pictures)
    assert name == "contact_sheet_perturbations.png"
    noisy, natural = (pictures[n].astype(float) for n in ("stim-0003", "stim-0001"))
    x, y = sheet.LEFT + 128 + sheet.GAP, 3 * sheet.LINE + sheet.GAP
    shown = page[y : y + 128 : 4, x : x + 128 : 4].astype(float) - 128
    factor = shown.std() / (noisy - natural).std()
    assert factor == pytest.approx(round(factor), abs=0.05) and 5 <= factor <= 20
    natural_alone = stimuli[stimuli.role == "original"]
    assert sheet.amplified_pages(natural_alone, natural_alone.stimulus_id, pictures) == []


def test_many_rows_are_divided_into_pages(working):
    stimuli = content(working).stimuli
    rows = [stimuli.assign(image_id=stimuli.image_id + f"_{n}") for n in range(7)]
    for number, part in enumerate(rows):
        part["stimulus_id"] += f"x{number}"
    many = planted_sets.pd.concat(rows, ignore_index=True)
    pages = sheet.pages(many, pictures_of(many))
    assert [name for name, _ in pages] == [f"contact_sheet_{n}.png" for n in (1, 2, 3)]
    assert pages[2][1].shape[0] < pages[0][1].shape[0]


def test_a_pair_of_principal_distortions_has_two_columns_and_a_row_of_its_own(working):
    stimuli = content(working).stimuli
    two = (
        stimuli[stimuli.role == "perturbed"]
        .head(2)
        .assign(
            maker="principal_distortions",
            maker_role="principal_distortions",
            direction="none",
            draw=[1, 2],
            step=1,
            image_id="nsd_00003",
            roi="FFA",
        )
    )
    places = sheet.layout(planted_sets.pd.concat([stimuli[stimuli.role == "original"], two]))
    assert places.rows == [("nsd_00003", "FFA", "none"), ("nsd_00005", "all", "none")]
    assert [sheet.head(column)[2] for column in places.columns] == ["step 1, draw 1", "step 1, draw 2"]


def test_large_pictures_are_made_smaller_and_small_ones_larger():
    assert sheet.thumb(np.zeros((224, 224, 3), np.uint8)).shape == (128, 128, 3)
    assert sheet.thumb(np.zeros((50, 50, 3), np.uint8)).shape == (100, 100, 3)


def test_a_long_path_is_shortened_from_its_beginning():
    font = ImageFont.load_default(12)
    short = sheet.fitting("a/long/path/of/own/data/image_000001", font, 80)
    assert short.startswith("…") and short.endswith("image_000001"[-6:]) and font.getlength(short) <= 80
