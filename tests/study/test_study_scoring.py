"""Images made elsewhere, beside two methods of our own, scored by the models of the micro study."""

import shutil

import numpy as np
import pandas as pd
import pytest
import score_stimuli
from PIL import Image
from studies import (
    MODELS,
    REGIONS,
    ROBUST,
    copy_of,
    images_of,
    listed,
    model_of,
    read,
    recorded,
    run,
    times_of,
)

from codingaxes.encoding import stored
from codingaxes.images import read_images
from codingaxes.job import Run
from codingaxes.names import BRAIN
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.scoring import IMAGE_SCORES, METHOD_CURVES, METHODS, SCORED_IMAGES
from codingaxes.tables.synthesis import PEER_REVIEW, SYNTHESIS

FOLDER, EXAMPLE = "outside", "tests/data/outside"
SETTINGS = ["--config", f"scoring={{folder: {FOLDER}}}"]
FIGURE = "results/figures/method_scores.pdf"
OWN = {"none": ROBUST, "blend": f"blend of {ROBUST}"}  # methods of our own, by control
RULES = {"score_stimuli", "compare_methods", "plot_method_scores"}


def collect(study):
    """Put the example, with two methods of our own and an original that is missing, into one folder."""
    folder = study / FOLDER
    shutil.copytree(study / EXAMPLE, folder, ignore=shutil.ignore_patterns("*.py"))
    rows = [
        {"filename": file.relative_to(folder).as_posix(), "original": f"originals/{file.name}"}
        for file in sorted(folder.rglob("*.png"))
        if file.parent.name != "originals"
    ]
    rows = [row | {"method": row["filename"].partition("/")[0], "roi": "", "direction": ""} for row in rows]
    made = read(study, f"results/synthesis/perturbations/{ROBUST}.parquet", SYNTHESIS)
    made = made[(made.kind == "perturbation") & (made.arm == "pixels") & made.control.isin(list(OWN))]
    for number, row in enumerate(made.itertuples()):
        name = f"ours/{number}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(study / row.file, folder / name)
        about = {"original": row.image_id, "roi": row.roi, "direction": row.direction}
        rows.append({"filename": name, "method": OWN[row.control], **about})
    rows[0]["original"] = "nsd_99999"
    pd.DataFrame(rows).to_csv(folder / "images.csv", index=False)
    return made.assign(filename=[f"ours/{number}.png" for number in range(len(made))])


@pytest.fixture(scope="module")
def scored(study, tmp_path_factory):
    """A copy of the study with the folder scored, and the rows of synthesis that lie in it too."""
    copy = copy_of(study, tmp_path_factory.mktemp("scoring") / "study")
    made = collect(copy)
    before = times_of(copy / "results")
    done = run(copy, "--cores", "2", *SETTINGS, "--", FIGURE, "results/summaries/methods.csv")
    assert done.returncode == 0, done.stdout
    after = times_of(copy / "results")
    assert {file: after[file] for file in before} == before, "a result of another rule was made again"
    return copy, made


def test_sizes_and_responses_of_our_own_images_are_those_of_synthesis_and_its_review(scored):
    study, made = scored
    images = read(study, "results/scoring/scored_images.parquet", SCORED_IMAGES).set_index("filename")
    for name in ("l2", "linf", "rms"):
        np.testing.assert_allclose(images[name][made.filename], made[name], rtol=1e-6)
    scores = read(study, "results/scoring/image_scores.parquet", IMAGE_SCORES)
    reviews = read(study, "results/synthesis/peer_review.parquet", PEER_REVIEW)
    reviews = reviews.merge(made[["file", "filename"]], on="file")
    reviews = reviews.drop(columns="network").rename(columns={"reviewer": "network"})
    both = scores.merge(reviews, on=["filename", "network", "roi"])
    assert len(both) == len(made) * len(MODELS) and set(both.network) == set(MODELS)
    for name in ("response", "before", "level", "level_before"):
        np.testing.assert_allclose(both[f"{name}_x"], both[f"{name}_y"], rtol=1e-5, atol=1e-5)
    assert (both.super_stimulus_x == both.super_stimulus_y).all()


def test_an_outside_image_is_scored_as_by_hand_and_the_one_without_original_says_why(scored):
    study, _ = scored
    scores = read(study, "results/scoring/image_scores.parquet", IMAGE_SCORES)
    images = [np.asarray(Image.open(study / FOLDER / name / "scene_2.png")) for name in ("warp", "originals")]
    pixels = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255
    rows = scores[scores.filename == "warp/scene_2.png"].set_index(["network", "roi"])
    size = read(study, "results/scoring/scored_images.parquet", SCORED_IMAGES).set_index("filename")
    assert size.l2["warp/scene_2.png"] == pytest.approx(np.linalg.norm(pixels[0] - pixels[1]), rel=1e-6)
    model = model_of(study, BRAIN)
    for roi in REGIONS:
        after, before = model.scalar(roi)(images_tensor(pixels)).double().tolist()
        row = rows.loc[BRAIN, roi]
        assert (row.response, row.before) == (pytest.approx(after, rel=1e-5), pytest.approx(before, rel=1e-5))
        assert row.change == pytest.approx(after - before, abs=1e-5) and row.meant and not row.super_stimulus
        assert 0 < row.noise_mean < row.noise_q95 and row.reason == ""
    (lost,) = size[size.flag == "no original"].itertuples()
    assert "'nsd_99999' is neither a file of the folder nor an image of the study" in lost.reason
    rows = scores[scores.filename == lost.Index]
    assert rows.change.isna().all() and rows.response.notna().all()
    assert rows.reason.str.startswith("no original").all()


def images_tensor(pixels):
    """Make a tensor of pixels."""
    return score_stimuli.torch.from_numpy(pixels)


def test_methods_are_compared_and_the_figure_is_drawn(scored):
    study, _ = scored
    methods = read(study, "results/summaries/methods.parquet", METHODS)
    assert set(methods.method) == {"blur", "contrast", "warp", *OWN.values()}
    assert set(methods.seen_by) == {"standard", "robust", *MODELS} and set(methods.roi) == set(REGIONS)
    curves = read(study, "results/summaries/method_curves.parquet", METHOD_CURVES)
    own = curves[(curves.method == ROBUST) & (curves.seen_by == ROBUST) & (curves["at"] == "norm")]
    assert (own.change[own.measure == "wanted"] > 0).all()
    drawn = pd.read_csv(study / "results/figures/method_scores.csv")
    assert set(drawn.measure) == {"size"} and set(drawn.roi) == set(REGIONS)
    assert len(pd.read_csv(study / "results/summaries/methods.csv")) == len(methods)


def test_white_noise_is_of_the_size_of_the_image_and_its_changes_are_those_in_the_table(scored):
    study, _ = scored
    asked = recorded(study, "score_stimuli")
    images = read(study, "results/scoring/scored_images.parquet", SCORED_IMAGES)
    row = images[images.method == ROBUST].iloc[0]
    original = images_of(study, [row.original])[0].numpy()
    job = Run(asked["rule"], asked["input"], asked["output"], asked["params"], {}, "")
    changes, model = [], model_of(study, ROBUST)
    for draw in range(20):
        white = score_stimuli.gallery.noise.white(job.seed("noise", row.sha256, draw), original.shape).numpy()
        low, high = 0.0, 1e3
        for _ in range(60):  # the multiple of the noise that has this size once it is within the box
            scale = (low + high) / 2
            delta = np.clip(original + scale * white, 0, 1) - original
            low, high = (scale, high) if np.linalg.norm(delta) < row.l2 else (low, scale)
        pair = images_tensor(np.stack([original + delta, original]).astype(np.float32))
        after, before = model.scalar("FFA")(pair).double().tolist()
        changes.append(abs(after - before))
    scores = read(study, "results/scoring/image_scores.parquet", IMAGE_SCORES)
    scores = scores.set_index(["filename", "network", "roi"]).loc[row.filename, ROBUST, "FFA"]
    assert scores.noise_mean == pytest.approx(np.mean(changes), rel=1e-3)
    assert scores.noise_q95 == pytest.approx(np.quantile(changes, 0.95, method="weibull"), rel=1e-3)


def test_a_job_that_was_stopped_resumes_at_the_model_it_had_reached_and_writes_nothing_half(
    scored, tmp_path, monkeypatch
):
    study, _ = scored
    asked = recorded(study, "score_stimuli")
    output = {name: str(tmp_path / f"{name}.parquet") for name in asked["output"]}
    job = Run(asked["rule"], asked["input"], output, asked["params"], {}, str(tmp_path / "log"))
    monkeypatch.chdir(study)
    loaded, load = [], stored.load

    def stops(files, row, device):
        if len(loaded) == 2:
            raise KeyboardInterrupt
        loaded.append(row)
        return load(files, row, device)

    monkeypatch.setattr(stored, "load", stops)
    with pytest.raises(KeyboardInterrupt):
        score_stimuli.main(job)
    assert not list(tmp_path.glob("*.parquet"))
    loaded.clear()
    score_stimuli.main(job)
    assert len(loaded) == len(MODELS) - 2
    for name, table in {"scored_images": SCORED_IMAGES, "image_scores": IMAGE_SCORES}.items():
        usual, again = (read(study, asked["output"][name], table), read(tmp_path, f"{name}.parquet", table))
        pd.testing.assert_frame_equal(again, usual, rtol=1e-5)


def test_the_folder_is_read_again_when_an_image_changes(scored):
    study, _ = scored
    file = study / FOLDER / "warp/scene_1.png"
    content = file.read_bytes()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file)
    assert listed(study, *SETTINGS, "--", FIGURE) == RULES
    file.write_bytes(content)


def test_study_images_that_are_originals_are_read_as_the_study_reads_them(scored):
    study, _ = scored
    images = read(study, "results/scoring/scored_images.parquet", SCORED_IMAGES)
    stimuli = read(study, "results/nsd/stimuli.parquet", STIMULI).set_index("image_id")
    row = images[images.method == ROBUST].iloc[-1]
    (clean,) = read_images(stimuli.loc[[row.original]].assign(file=[study / stimuli.file[row.original]]), 64)
    made = np.asarray(Image.open(study / FOLDER / row.filename)).transpose(2, 0, 1) / 255
    assert row.l2 == pytest.approx(np.linalg.norm(made - clean.double().numpy()), rel=1e-6)
