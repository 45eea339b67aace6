"""Paths of NSD's files, as the data manual and the code of NSD's authors give them."""

from pathlib import Path

import pytest

from codingaxes.nsd import layout
from codingaxes.nsd.layout import Layout

NSD = Layout("/data/nsd", "func1pt8mm", "betas_fithrf_GLMdenoise_RR")
BETAS = "/data/nsd/nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (NSD.design, "/data/nsd/nsddata/experiments/nsd/nsd_expdesign.mat"),
        (NSD.stimuli, "/data/nsd/nsddata/stimuli/nsd/shared1000"),
        (NSD.behaviour("subj03"), "/data/nsd/nsddata/ppdata/subj03/behav/responses.tsv"),
        (NSD.brainmask("subj03"), "/data/nsd/nsddata/ppdata/subj03/func1pt8mm/brainmask.nii.gz"),
        (
            NSD.atlas("subj03", "floc-faces"),
            "/data/nsd/nsddata/ppdata/subj03/func1pt8mm/roi/floc-faces.nii.gz",
        ),
        (
            NSD.atlas("subj03", "floc-faces", "lh"),
            "/data/nsd/nsddata/ppdata/subj03/func1pt8mm/roi/lh.floc-faces.nii.gz",
        ),
        (
            NSD.labels("subj03", "floc-faces"),
            "/data/nsd/nsddata/freesurfer/subj03/label/floc-faces.mgz.ctab",
        ),
        (NSD.tmap("subj03", "faces"), "/data/nsd/nsddata/ppdata/subj03/func1pt8mm/floc_facestval.nii.gz"),
        (NSD.session("subj03", 7), f"{BETAS}/betas_session07.nii.gz"),
        (NSD.session("subj03", 30), f"{BETAS}/betas_session30.nii.gz"),
        (NSD.ncsnr("subj03"), f"{BETAS}/ncsnr.nii.gz"),
    ],
)
def test_a_path_is_that_of_nsds_bucket(path, expected):
    assert path == expected


def test_a_path_with_wildcards_becomes_the_path_once_they_are_filled():
    for pattern, path in (
        (NSD.session("{subject}", "{session}"), NSD.session("subj03", 7)),
        (NSD.atlas("{subject}", "{atlas}", "lh"), NSD.atlas("subj03", "floc-bodies", "lh")),
        (NSD.tmap("{subject}", "{contrast}"), NSD.tmap("subj03", "bodies")),
    ):
        filled = {"subject": "subj03", "session": "07", "atlas": "floc-bodies", "contrast": "bodies"}
        assert pattern.format(**filled) == path


def test_betas_of_another_format_have_another_suffix_but_their_map_of_noise_has_not():
    hdf5 = Layout("/data/nsd", "func1pt8mm", "betas_fithrf_GLMdenoise_RR", "hdf5")
    assert hdf5.session("subj03", 7) == f"{BETAS}/betas_session07.hdf5"
    assert hdf5.ncsnr("subj03") == NSD.ncsnr("subj03")


def test_the_root_of_the_bucket_is_what_comes_before_its_folders():
    assert layout.root_of("resources/nsd/nsddata/experiments/nsd/nsd_expdesign.mat") == Path("resources/nsd")
    assert layout.root_of("/data/nsddata_betas/ppdata/subj01") == Path("/data")
    with pytest.raises(ValueError, match="neither nsddata nor nsddata_betas"):
        layout.root_of("resources/nsd/design.mat")


def test_a_shared_image_is_named_by_its_rank_and_its_one_based_id():
    # the first of NSD's shared images, which is imgBrick[2950]
    assert layout.stimulus_file("folder", 1, 2950) == Path("folder/shared0001_nsd02951.png")


def test_subjects_are_named_as_in_nsd():
    assert layout.position("subj03") == 2
    with pytest.raises(ValueError, match="subj01"):
        layout.position("sub-03")


def test_a_file_that_is_not_there_is_named_with_what_it_is_and_the_setting(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.nii \(a volume\) is not there; see nsd\.folder"):
        layout.present(tmp_path / "absent.nii", "a volume")
