"""The stimulus set of the micro study: what was made, at which sizes, and that it is made again alike."""

from pathlib import Path

import make_stimuli
import numpy as np
import pytest
import safetensors
from studies import (
    IMAGE_SIZE,
    REGIONS,
    ROBUST,
    images_of,
    model_of,
    read,
    recorded,
)

from codingaxes.job import Run
from codingaxes.names import BRAIN, DISTORTIONS, NOISE, SIGNS
from codingaxes.synthesis import pictures
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.stimulus_sets import SET_STIMULI

FOLDER = "results/candidates/micro_set"
NAMES = {"standard": "resnet_standard", "robust": ROBUST, BRAIN: BRAIN, DISTORTIONS: DISTORTIONS}
RADII = [3 * IMAGE_SIZE / 224, 10 * IMAGE_SIZE / 224]
ABOUT = ["maker_role", "roi", "direction", "image_id", "draw", "step"]


@pytest.fixture(scope="module")
def stimuli(study):
    """Give the table of all stimuli of the set."""
    return read(study, f"{FOLDER}/stimuli.parquet", SET_STIMULI)


@pytest.fixture(scope="module")
def shown(study, stimuli):
    """Read the saved files, float32 (n, 3, h, w)."""
    return pictures.from_bytes(pictures.read([study / file for file in stimuli.file], stimuli.sha256))


@pytest.fixture(scope="module")
def delta(study, stimuli):
    """Read the perturbations before rounding, in the order of the stimuli."""
    with safetensors.safe_open(study / f"{FOLDER}/perturbations.safetensors", "pt") as file:
        assert file.metadata()["stimulus_ids"].split() == stimuli.stimulus_id.tolist()
        return file.get_tensor("delta")


def test_every_image_region_direction_and_size_has_every_maker_and_control(stimuli):
    counts = stimuli.groupby(["role", "control", "maker_role"]).size().to_dict()
    images = stimuli[stimuli.role == "original"].image_id
    each = len(REGIONS) * len(SIGNS) * 2 * len(RADII)  # two images for each region
    pairs = len(REGIONS) * 2 * 2 * len(RADII)  # of distortions
    expected = {("original", "none", NOISE): len(images), ("control", "random", NOISE): 2 * len(images)}
    expected[("control", "blend", NOISE)] = each
    for role in NAMES:
        for kind in (("perturbed", "none"), ("control", "phase_scrambled"), ("control", "other_image")):
            expected[(*kind, role)] = pairs if role == DISTORTIONS else each
    assert counts == expected and images.is_unique
    assert stimuli.maker.equals(stimuli.maker_role.map(NAMES | {NOISE: NOISE}))
    assert stimuli.stimulus_id.str.fullmatch("stim-[a-zA-Z0-9]+").all()


def test_images_are_held_out_and_sizes_are_those_of_the_saved_file(study, stimuli, shown):
    probes = read(study, "results/nsd/stimuli.parquet", STIMULI).query("probe").image_id
    assert set(stimuli.image_id) <= set(probes)
    difference = (shown - images_of(study, stimuli.image_id)).double().flatten(1).numpy()
    np.testing.assert_allclose(stimuli.l2, np.linalg.norm(difference, axis=1), rtol=1e-6)
    np.testing.assert_allclose(stimuli.linf, np.abs(difference).max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(stimuli.rms, 255 * np.sqrt((difference**2).mean(axis=1)), rtol=1e-6)
    assert (stimuli.l2[stimuli.role == "original"] == 0).all()


def test_all_of_a_step_have_one_size_but_for_rounding_and_blends_that_end_at_the_other_image(stimuli, delta):
    size = delta.double().flatten(1).norm(dim=1).numpy()
    wanted = stimuli.step.map({0: 0.0, 1: RADII[0], 2: RADII[1]})
    blend = (stimuli.control == "blend").to_numpy()
    found = (size > 0) | (
        wanted == 0
    )  # networks of the micro study are untrained: a few images stay as they are
    assert found.mean() > 0.9
    np.testing.assert_allclose(size[~blend & found], wanted[~blend & found], rtol=2e-3)
    assert (size[blend] <= wanted[blend] * 1.001).all()
    sd = 0.5 / 255  # rounding at random adds at most a quarter of a squared grey level in each pixel
    assert (stimuli.l2**2 <= wanted**2 + 3 * IMAGE_SIZE**2 * sd**2 + 5 * 2 * wanted * sd).all()


def test_perturbations_change_their_makers_the_wanted_way(study, stimuli, delta):
    own = stimuli[(stimuli.role == "perturbed") & stimuli.direction.isin(SIGNS) & stimuli.reached]
    for name, rows in own.groupby("maker"):
        images, model = images_of(study, rows.image_id), model_of(study, name)
        for roi, part in rows.reset_index().groupby("roi"):
            respond, here = model.scalar(roi), images[rows.index.get_indexer(part["index"])]
            moved = (respond(here + delta[part["index"].to_numpy()]) - respond(here)).detach().numpy()
            assert (moved * part.direction.map(SIGNS).to_numpy() > 0).all()
    assert len(own) > 0.9 * (stimuli.role == "perturbed").sum() * 0.7


def test_controls_are_what_they_are_called(study, stimuli, delta):
    made = stimuli[stimuli.role == "perturbed"].reset_index().set_index(ABOUT)["index"]
    scrambled = stimuli[stimuli.control == "phase_scrambled"].reset_index()
    source = made.loc[scrambled[ABOUT].itertuples(index=False, name=None)].to_numpy()
    spectra = [
        np.abs(np.fft.rfft2(delta[rows].double().numpy())).mean(axis=(0, 1))
        for rows in (scrambled["index"].to_numpy(), source)
    ]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.97
    other = stimuli[stimuli.control == "other_image"].reset_index()
    flat = delta.double().flatten(1)
    alike = [
        max(
            float(flat[row.index_] @ flat[i] / flat[row.index_].norm() / flat[i].norm())
            for i in made.xs((row.maker_role, row.roi, row.direction), level=[0, 1, 2]).to_numpy()
        )
        for row in other.rename(columns={"index": "index_"}).head(12).itertuples()
    ]
    assert min(alike) > 0.9
    blends = stimuli[stimuli.control == "blend"].index.to_numpy()
    natural = images_of(study, read(study, "results/nsd/stimuli.parquet", STIMULI).image_id)
    start = images_of(study, stimuli.image_id.iloc[blends])
    for place, image in zip(blends, start, strict=True):  # on the straight line to another natural image
        towards = (natural - image).double().flatten(1)
        towards = towards / towards.norm(dim=1, keepdim=True).clamp_min(1e-9)
        assert (towards @ flat[place] / flat[place].norm()).max() > 0.9999


def replay(study, monkeypatch, without=(), **changes):
    """Make the set of a study once more, into another folder, without some makers and with another design."""
    monkeypatch.chdir(study)
    job = recorded(study, "make_stimuli", "micro_set")
    job["params"]["design"] |= changes
    makers = job["params"]["makers"]
    job["params"]["makers"] = {role: maker for role, maker in makers.items() if role not in without}
    job["output"] = {key: f"again/{Path(file).name}" for key, file in job["output"].items()}
    make_stimuli.main(Run(**job))
    return read(study, "again/stimuli.parquet", SET_STIMULI)


def test_a_set_is_made_again_alike_in_other_batches(study_copy, stimuli, monkeypatch):
    again = replay(study_copy, monkeypatch, batch_size=64)
    columns = [name for name in SET_STIMULI.columns if name not in ("file", "sha256", "l2", "linf", "rms")]
    assert again[columns].equals(stimuli[columns])
    # rounding of float32 may move a pixel from one grey level to the next
    assert (again.sha256 == stimuli.sha256).mean() > 0.5
    np.testing.assert_allclose(again.l2, stimuli.l2, rtol=0.05)


def test_at_one_effect_every_control_has_the_size_of_the_perturbation_it_stands_beside(
    study_copy, monkeypatch
):
    changes = {"match": "effect", "effects": [0.3], "controls": ["random", "other_image"], "batch_size": 64}
    made = replay(study_copy, monkeypatch, without=[DISTORTIONS], limit=20, **changes)
    own = made[made.role == "perturbed"].set_index(ABOUT)
    assert own.reached.mean() > 0.5 and (own.effect == 0.3).all() and own.radius.isna().all()
    # before rounding, which adds more to small perturbations than to others
    with safetensors.safe_open(study_copy / "again/perturbations.safetensors", "np") as file:
        made["size"] = np.linalg.norm(file.get_tensor("delta").reshape(len(made), -1).astype(float), axis=1)
    own = made[made.role == "perturbed"].set_index(ABOUT)["size"]
    for control in ("random", "other_image"):
        beside = made[made.control == control].set_index(ABOUT)["size"]
        assert beside.index.sort_values().equals(own.index.sort_values())
        size = own.reindex(beside.index)
        small = (
            size < 30
        )  # where an effect was never reached sizes are those of the whole box, which images differ in
        assert small.mean() > 0.5
        np.testing.assert_allclose(beside[small], size[small], rtol=1e-3)


def test_at_one_level_every_image_goes_the_way_that_the_level_lies(study_copy, monkeypatch):
    changes = {"match": "effect", "levels": [-0.2, 1.2], "controls": [], "batch_size": 64}
    made = replay(study_copy, monkeypatch, without=[DISTORTIONS], limit=20, **changes)
    own = made[made.role == "perturbed"]
    assert set(own.wanted_level) == {-0.2, 1.2} and own.effect.isna().all()
    ways = own.groupby("wanted_level").direction.agg(set)
    assert "decrease" in ways[-0.2] and "increase" in ways[1.2]
    assert own.groupby(["maker_role", "roi", "image_id"]).size().eq(2).all()


def test_more_images_than_are_held_out_are_refused(study_copy, monkeypatch):
    with pytest.raises(ValueError, match="5 images are wanted, and there are 4 that may be chosen"):
        replay(study_copy, monkeypatch, images={"choose": "spread", "number": 5, "list": []})
