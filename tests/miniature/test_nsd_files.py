"""The files of the miniature NSD have NSD's names, types and conventions, and hold the planted brain."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import small_nsd
from PIL import Image
from scipy.io import loadmat
from small_nsd import SESSIONS, TRIALS

from codingaxes.miniature import nsd_files, scenes
from codingaxes.nsd import volumes


@pytest.fixture(scope="module")
def layout(brain, tmp_path_factory):
    """The paths of a miniature of two subjects."""
    folder = tmp_path_factory.mktemp("nsd")
    return small_nsd.write(folder, brain, brain_file=folder / "brain.npz")


def test_the_design_counts_from_one_and_its_shared_images_come_first(layout):
    content = loadmat(layout.design)
    assert content["masterordering"].dtype == np.uint16 and content["masterordering"].min() == 1
    assert content["subjectim"].dtype == np.int32 and content["subjectim"].min() == 1
    assert (np.diff(content["sharedix"].ravel()) > 0).all()
    assert np.array_equal(content["subjectim"][0, :35], content["sharedix"].ravel())


def test_betas_are_int16_and_zero_outside_the_brain(layout):
    betas = nibabel.load(layout.session("subj01", 1))
    assert betas.get_data_dtype() == np.int16 and betas.shape == (*nsd_files.SHAPE, TRIALS)
    inside = volumes.read_volume(layout.brainmask("subj01")) > 0
    assert (np.asanyarray(betas.dataobj)[~inside] == 0).all()


def test_an_atlas_has_the_integers_of_nsd_and_is_the_union_of_its_hemispheres(layout):
    atlas = volumes.read_volume(layout.atlas("subj01", "floc-faces"))
    assert {-1, 0, 1, 2, 3} <= set(np.unique(atlas))
    left, right = (volumes.read_volume(layout.atlas("subj01", "floc-faces", side)) for side in ("lh", "rh"))
    assert np.array_equal(np.maximum(left, right), atlas)
    text = Path(layout.labels("subj01", "floc-faces")).read_text()
    assert text == "0 Unknown\n1 OFA\n2 FFA-1\n3 FFA-2\n4 mTL-faces\n5 aTL-faces\n"


def test_shared_images_carry_their_rank_and_their_one_based_id(layout):
    for rank, image in enumerate(loadmat(layout.design)["sharedix"].ravel(), start=1):
        file = Path(layout.stimuli) / f"shared{rank:04d}_nsd{image:05d}.png"
        assert file.is_file()
    with Image.open(file) as png:
        rendered = scenes.render_many(small_nsd.IMAGES_SEED, int(image), 64)[0][-1]
        assert np.array_equal(np.asarray(png), rendered)


def test_a_region_is_read_by_label_and_holds_the_planted_voxels(layout, brain):
    for roi, (atlas, names) in nsd_files.REGIONS.items():
        mask = volumes.region_mask(layout.atlas("subj01", atlas), layout.labels("subj01", atlas), names)
        assert mask.sum() == (brain.subjects["subj01"].roi == roi).sum()


def test_the_file_of_the_brain_says_where_its_voxels_lie(layout, brain):
    with np.load(Path(layout.root) / "brain.npz") as content:
        where = content["subj02/where"]
    roi = brain.subjects["subj02"].roi
    for region, (atlas, names) in nsd_files.REGIONS.items():
        mask = volumes.region_mask(layout.atlas("subj02", atlas), layout.labels("subj02", atlas), names)
        assert np.argwhere(mask).tolist() == where[roi == region].tolist()


def test_betas_in_both_formats_hold_the_same_numbers(layout, brain, tmp_path):
    hdf5 = small_nsd.write(tmp_path, brain, suffix="hdf5")
    stored = np.asanyarray(nibabel.load(layout.session("subj02", 3)).dataobj)
    with h5py.File(hdf5.session("subj02", 3)) as file:
        assert np.array_equal(file["betas"][:].T, stored) and file["betas"].chunks == (TRIALS, 1, 1, 1)


def test_the_behaviour_has_a_row_for_each_trial_and_says_which_image_came_again(layout):
    rows = pd.read_csv(layout.behaviour("subj01"), sep="\t")
    assert len(rows.columns) == 19 and len(rows) == SESSIONS["subj01"] * TRIALS
    assert list(rows.ISOLD) == rows["73KID"].duplicated().astype(int).to_list()


def test_an_atlas_that_the_miniature_lacks_is_refused_by_name(layout, brain):
    inside = np.ones(nsd_files.SHAPE, bool)
    with pytest.raises(ValueError, match="the miniature has no atlas floc-words; it has floc-faces"):
        nsd_files.write_contrasts(
            layout,
            "subj01",
            np.random.default_rng(0),
            {"floc-faces": np.zeros(nsd_files.SHAPE)},
            inside,
            {"floc-words": "words"},
        )
