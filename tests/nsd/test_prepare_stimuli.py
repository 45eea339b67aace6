"""The script that derives the stimuli from NSD's design and saves them."""

import logging
import shutil

import prepare_stimuli
import pytest
from PIL import Image
from small_nsd import SESSIONS, TRIALS

from codingaxes import job
from codingaxes.images import read_images
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI


@pytest.fixture
def stimuli(layout, tmp_path, monkeypatch):
    """A function that runs prepare_stimuli, with some parameters or inputs changed, and gives its table."""
    monkeypatch.chdir(tmp_path)
    params = {"sessions": SESSIONS, "trials_per_session": TRIALS, "repeats": 3, "images_sha256": ""}
    params |= {"seed": 1, "image_size": 64, "test_fraction": 0.2, "probes": 1}

    def run(images=layout.stimuli, **changed):
        inputs = {"design": layout.design, "stimuli": str(images)}
        output = {"stimuli": "stimuli.parquet", "images": "images"}
        prepare_stimuli.main(job.Run("prepare_stimuli", inputs, output, params | changed, {}, "log"))
        return store.read("stimuli.parquet", STIMULI)

    return run


def test_other_images_than_those_of_the_digest_stop_the_study_and_are_named(stimuli, caplog):
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        ids = stimuli().nsd_id
    digest = next(r.getMessage() for r in caplog.records if "sha256" in r.getMessage()).split()[-1]
    stimuli(images_sha256=digest)
    message = rf"{len(ids)} images with {digest}, the first {ids[0] + 1}, {ids[1] + 1}, "
    with pytest.raises(ValueError, match=message + r".*subj01 4, subj02 3\. Correct nsd\.sessions"):
        stimuli(images_sha256="0" * 64)


def test_an_image_that_is_missing_or_broken_is_refused_by_name(stimuli, layout, tmp_path):
    image = stimuli().nsd_id[0] + 1
    shutil.copytree(layout.stimuli, tmp_path / "shared1000")
    first = next((tmp_path / "shared1000").glob(f"*_nsd{image:05d}.png"))
    first.write_bytes(first.read_bytes()[:300])
    with pytest.raises(ValueError, match=rf"{first.name}: expected an image"):
        stimuli(tmp_path / "shared1000")
    first.unlink()
    with pytest.raises(FileNotFoundError, match=first.name):
        stimuli(tmp_path / "shared1000")


def test_one_picture_under_two_of_nsds_ids_is_refused_and_pale_images_are_named(
    stimuli, layout, tmp_path, caplog
):
    ids, folder = stimuli().nsd_id + 1, tmp_path / "shared1000"
    shutil.copytree(layout.stimuli, folder)
    one, other, third = (next(folder.glob(f"*_nsd{image:05d}.png")) for image in ids[:3])
    with Image.open(third) as image:
        image.point(lambda level: level // 16).save(third)  # as 12 bits of 16 become
    with caplog.at_level(logging.WARNING, logger="codingaxes"):
        stimuli(folder)
    assert f"1 of {len(ids)} images are nearly constant" in caplog.text
    assert f"nsd_{ids[2] - 1:05d} (" in caplog.text
    shutil.copy(one, other)
    with pytest.raises(ValueError, match=rf"{one.name} and .*{other.name} are the same picture"):
        stimuli(folder)


def test_a_prepared_image_that_is_replaced_by_hand_is_refused_by_name(stimuli):
    table = stimuli()
    assert read_images(table, 64).shape == (len(table), 3, 64, 64)
    shutil.copy(table.file[0], table.file[1])
    with pytest.raises(ValueError, match=rf"stimulus {table.file[1]} was changed after it was prepared"):
        read_images(table, 64)
    read_images(table.drop(index=1), 64)
