"""Data of one's own: planted responses enter the tables, and each fault of a file is refused by name."""

import average_regions
import fit_readouts
import import_responses
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from codingaxes import job
from codingaxes.images import read_images
from codingaxes.tables import nsd, readouts, store
from codingaxes.tables.features import FEATURES

SUBJECTS, REGIONS = ["ann", "bob"], ["V4", "IT"]
IMAGES = [f"im{number:02d}" for number in range(40)]
TABLES = {"voxels": nsd.VOXELS, "responses": nsd.RESPONSES, "regions": nsd.REGIONS}
AVERAGES = {"targets": readouts.TARGETS, "measurements": readouts.MEASUREMENTS}
FITTED = [
    readouts.READOUTS,
    readouts.BASES,
    readouts.COMPONENTS,
    readouts.LAYER_SCORES,
    readouts.SCORES,
    readouts.SPLIT_SCORES,
    readouts.PREDICTIONS,
    readouts.CROSS_SUBJECT,
    readouts.REPRESENTATIONS,
]


def plant(rng, repeats=3, noise=0.8, sessions=True):
    """Draw rows of two subjects with 4 voxels in V4 and 3 in IT; also the signal by subject (images, 7)."""
    rows, signal = [], {}
    for subject in SUBJECTS:
        signal[subject] = rng.normal(0, 1, (len(IMAGES), 7))
        for image, name in enumerate(IMAGES):
            for repeat in range(repeats):
                session = f"day {repeat + 1}"
                shift = 5 * repeat if sessions else 0  # each session has an offset and a scale of its own
                values = signal[subject][image] + rng.normal(0, noise, 7)
                for voxel in range(7):
                    region = REGIONS[voxel >= 4]
                    response = (values[voxel] + shift) * (1 + voxel) * (1 + repeat * sessions)
                    rows.append((subject, region, f"e{voxel}", name, session, response))
    frame = pd.DataFrame(rows, columns=["subject", "region", "voxel", "image", "session", "response"])
    return frame if sessions else frame.drop(columns="session"), signal


@pytest.fixture
def own(tmp_path, monkeypatch, rng):
    """A function that writes a table and imports it as the rule would; it gives all tables."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for number, name in enumerate(IMAGES):
        pixels = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{name}.{'png' if number % 2 else 'jpg'}")

    def run(rows, file="own.csv", subjects=SUBJECTS, regions=REGIONS, write=True):
        if write:
            rows.to_csv(file, index=False) if file.endswith("csv") else rows.to_parquet(file)
        output = {name: [f"{name}/{subject}.parquet" for subject in subjects] for name in TABLES}
        import_responses.main(
            job.Run(
                rule="import_responses",
                input={"responses": file, "images": "pictures"},
                output=output | {"stimuli": "stimuli.parquet", "images": "images"},
                params={
                    "seed": 1,
                    "image_size": 16,
                    "test_fraction": 0.25,
                    "probes": 2,
                    "subjects": subjects,
                    "regions": regions,
                },
                wildcards={},
                log="log",
            )
        )
        tables = {name: store.read(output[name], table) for name, table in TABLES.items()}
        return tables | {"stimuli": store.read("stimuli.parquet", nsd.STIMULI)}

    return run


def mean_z(rows, subject, keys):
    """Mean z by image and voxel, and all z, by pandas alone."""
    rows = rows[rows.subject == subject].copy()
    rows["z"] = rows.groupby(["voxel", *keys]).response.transform(lambda x: (x - x.mean()) / x.std(ddof=0))
    return rows.pivot_table(index="image", columns="voxel", values="z", aggfunc="mean"), rows


@pytest.mark.parametrize("file", ["own.csv", "own.parquet"])
@pytest.mark.parametrize("sessions", [True, False])
def test_responses_are_z_scored_within_sessions_and_averaged(own, rng, file, sessions):
    rows, signal = plant(rng, sessions=sessions)
    tables = own(rows.sample(frac=1, random_state=3) if sessions else rows, file)
    stimuli = tables["stimuli"]
    assert list(stimuli.image_id) == IMAGES and list(stimuli.nsd_id) == list(range(40))
    assert (stimuli.split == "test").sum() == 10 and stimuli.probe.sum() == 2
    with Image.open(stimuli.file[0]) as image:
        assert image.size == (16, 16) and image.format == "PNG"
    for subject in SUBJECTS:
        voxels = tables["voxels"][tables["voxels"].subject == subject]
        assert list(voxels.roi) == ["V4"] * 4 + ["IT"] * 3 and list(voxels.voxel_id) == list(range(7))
        assert (voxels[["i", "j", "k"]] == -1).all(axis=None) and voxels.ncsnr_file.isna().all()
        expected, _ = mean_z(rows, subject, ["session"] if sessions else [])
        responses = tables["responses"][tables["responses"].subject == subject]
        assert list(responses.image_id) == IMAGES and (responses.repeats == 3).all()
        np.testing.assert_allclose(store.matrix(responses.response), expected[list(voxels.name)], atol=1e-9)
        planted = signal[subject][:, [int(name[1:]) for name in voxels.name]]
        measured = expected[list(voxels.name)].to_numpy()
        ideal = [np.corrcoef(measured[:, v], planted[:, v])[0, 1] ** 2 for v in range(7)]
        assert abs(voxels.noise_ceiling.mean() - np.mean(ideal)) < 0.05
    assert (tables["regions"].repeats == 3).all() and tables["regions"].noise_sd.notna().all()


def test_noise_of_unequal_repetitions_is_pooled_and_enters_the_ceilings(own, rng):
    rows, _ = plant(rng, sessions=False)
    third = rows.groupby(["subject", "region", "voxel", "image"]).cumcount()
    number = rows.image.str[2:].astype(int)
    rows = rows[(third == 0) | (number % 2 == 0)]  # half of the images once, the others three times
    tables = own(rows)
    _, z = mean_z(rows, "ann", [])
    responses = tables["responses"][tables["responses"].subject == "ann"]
    assert list(responses.repeats) == [3, 1] * 20
    within = z.groupby(["voxel", "image"]).z.var(ddof=1).groupby("voxel").mean() ** 0.5
    voxels = tables["voxels"][tables["voxels"].subject == "ann"].set_index("name")
    snr = np.sqrt(1 - within**2) / within
    np.testing.assert_allclose(voxels.ncsnr, snr[voxels.index], rtol=1e-9)
    np.testing.assert_allclose(voxels.noise_ceiling, snr**2 / (snr**2 + (1 / 3 + 1) / 2), rtol=1e-9)
    region = z[z.voxel.isin(["e4", "e5", "e6"])].copy()
    region["trial"] = region.groupby(["voxel", "image"]).cumcount()
    trials = region.groupby(["image", "trial"]).z.mean().groupby("image").var(ddof=1).mean() ** 0.5
    regions = tables["regions"].set_index(["subject", "roi"])
    assert regions.noise_sd["ann", "IT"] == pytest.approx(trials)
    assert regions.repeats["ann", "IT"] == pytest.approx(1 / ((1 / 3 + 1) / 2))


def test_images_that_not_everybody_saw_are_dropped_and_suffixes_do_not_matter(own, rng, caplog):
    rows, _ = plant(rng)
    rows = rows[~((rows.subject == "bob") & rows.image.isin(["im03", "im07"]))]
    rows["image"] = rows.image.where(rows.image != "im04", "im04.jpg")
    rows["image"] = rows.image.where((rows.image != "im05") | (rows.subject == "ann"), "im05.png")
    with caplog.at_level("WARNING", logger="codingaxes"):
        stimuli = own(rows)["stimuli"]
    assert list(stimuli.image_id) == [name for name in IMAGES if name not in ("im03", "im07")]
    assert "2 images were not seen by every subject: dropped; 38 are left" in caplog.text
    with pytest.raises(ValueError, match="no image was seen by all 2 subjects"):
        own(rows[(rows.subject == "ann") ^ (rows.image < "im20")])


def test_names_that_look_like_numbers_and_words_of_missing_values_stay_names(own, rng):
    rows, _ = plant(rng, sessions=False)
    rows = rows[rows.region == "V4"].replace({"voxel": {"e0": "007", "e1": "NA", "e2": "7"}})
    for file in ("own.csv", "own.parquet"):
        voxels = own(rows, file, regions=["V4"])["voxels"]
        assert list(voxels.name[:4]) == ["007", "NA", "7", "e3"], file


def test_images_that_are_not_square_are_cropped_and_counted_in_one_line(own, rng, tmp_path, caplog):
    rows, _ = plant(rng, sessions=False)
    for level, name in enumerate(IMAGES[1::2], start=236):
        pixels = np.zeros((16, 22, 3), np.uint8)
        pixels[:, 3:19] = level  # the square in the centre
        Image.fromarray(pixels[:, 3:19] if name == "im01" else pixels).save(tmp_path / f"pictures/{name}.png")
    with caplog.at_level("WARNING", logger="codingaxes"):
        files = own(rows)["stimuli"].file
    assert caplog.text.count("cropped") == 1
    assert "39 of 40 images are not square: cropped to their central square" in caplog.text
    for level, file in enumerate(files[1::2], start=236):
        with Image.open(file) as image:
            assert (np.asarray(image) == level).all() and image.size == (16, 16)


def test_a_response_that_is_missing_in_parquet_is_named_by_its_row_whatever_the_index(own, rng):
    rows, _ = plant(rng, sessions=False)
    rows.loc[50, "response"] = np.nan
    for some in (rows[rows.index > 40], rows[rows.index > 40].set_index(rows.image[41:].rename("name"))):
        with pytest.raises(ValueError, match=r"own\.parquet: 1 responses .*first row 10: .*nan"):
            own(some, "own.parquet")


def test_constant_voxels_are_dropped_and_named(own, rng, caplog):
    rows, _ = plant(rng)
    rows.loc[(rows.voxel == "e5") & (rows.session == "day 2") & (rows.subject == "bob"), "response"] = 1.1
    with caplog.at_level("WARNING", logger="codingaxes"):
        voxels = own(rows)["voxels"]
    assert "bob: 1 of 7 voxels, constant in a session, dropped: IT e5" in caplog.text
    assert list(voxels.name[7:]) == ["e0", "e1", "e2", "e3", "e4", "e6"]


def study(own, rng, rows):
    """Import rows, average them and fit readouts from random features of one layer; the tables."""
    stimuli = own(rows)["stimuli"]
    inputs = {name: [f"{name}/{subject}.parquet" for subject in SUBJECTS] for name in TABLES}
    inputs |= {"stimuli": "stimuli.parquet", "features": "features.parquet"}
    averages = {name: f"{name}.parquet" for name in AVERAGES}
    average_regions.main(job.Run("average_regions", inputs, averages, {}, {}, "log"))
    features = pd.DataFrame({"network": "net", "layer": "one", "image_id": stimuli.image_id})
    features["feature"] = list(rng.standard_normal((len(features), 12)).astype(np.float32))
    store.write("features.parquet", FEATURES, features)
    params = {
        "seed": 1,
        "method": "ridge",
        "alphas": {"smallest": 0.01, "largest": 100, "number": 5},
        "cross_validation": "leave_one_out",
        "folds": 4,
        "splits": 2,
        "components": 3,
    }
    output = {table.name: f"fitted/{table.name}.parquet" for table in FITTED}
    fit_readouts.main(job.Run("fit_readouts", inputs | averages, output, params, {"network": "net"}, "log"))
    tables = {table.name: store.read(output[table.name], table) for table in FITTED}
    return tables | {name: store.read(averages[name], table) for name, table in AVERAGES.items()}


def test_without_repetitions_ceilings_are_missing_and_readouts_are_scored_all_the_same(own, rng, caplog):
    rows, _ = plant(rng, repeats=1)
    with caplog.at_level("INFO", logger="codingaxes"):
        tables = study(own, rng, rows)
    assert "no repetitions, no ceilings" in caplog.text
    assert tables["targets"].ceiling.isna().all() and len(tables["targets"]) == 6
    scores = tables["scores"]
    assert scores.ceiling.isna().all() and scores.r_over_ceiling.isna().all() and scores.r.notna().all()


def test_a_subject_that_lacks_a_region_is_left_out_of_its_group_mean_and_readouts(own, rng, caplog):
    rows, _ = plant(rng)
    rows = rows[~((rows.subject == "ann") & (rows.region == "V4"))]
    with caplog.at_level("WARNING", logger="codingaxes"):
        tables = study(own, rng, rows)
    assert "ann has no usable voxel in V4" in caplog.text
    means = tables["scores"][tables["scores"].target == "mean"]
    assert set(means.subject[means.roi == "V4"]) == {"bob", "group"}
    assert set(means.subject[means.roi == "IT"]) == {"ann", "bob", "group"}
    assert tables["targets"].ceiling.between(0, 1).all()
    pairs = tables["cross_subject"]
    assert len(pairs[pairs.roi == "V4"]) == 1 and len(pairs[pairs.roi == "IT"]) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.rename(columns={"voxel": "unit"}), r"missing voxel, unknown unit"),
        (lambda rows: rows.assign(weight=1), r"missing none, unknown weight"),
        (lambda rows: rows.replace({"response": {rows.response[7]: "high"}}), r"1 responses .*row 8: 'high'"),
        (lambda rows: rows.replace({"response": {rows.response[7]: np.inf}}), r"1 responses .*row 8"),
        (lambda rows: rows.replace({"voxel": {"e3": None}}), r"voxel is missing in 240 rows, first row 4"),
        (lambda rows: rows.replace({"session": {"day 2": None}}), r"session is missing in 560 rows"),
        (lambda rows: rows[rows.subject == "ann"], r"has no subject bob; it has ann"),
        (lambda rows: rows[rows.region == "V4"], r"has no region IT; it has V4"),
        (lambda rows: rows.replace({"image": {"im09": "im99"}}), r"pictures lacks 1 images.* 'im99'"),
        (lambda rows: rows.drop(index=3), r"subject ann, voxel e3 of V4 lacks repetition 1 of image im00"),
        (
            lambda rows: rows.assign(session=rows.session.where(rows.index != 3, "day 2")),
            r"of image im00, session day [12], which other voxels have \(\d+ such gaps\)",
        ),
        (lambda rows: rows.assign(response=2.0), r"ann has no voxel that varies in every session"),
        (lambda rows: rows.iloc[:0], r"has no subject ann, bob; it has none"),
    ],
)
def test_a_table_with_a_fault_is_refused_with_the_fault(own, rng, change, message):
    rows, _ = plant(rng)
    with pytest.raises(ValueError, match=message):
        own(change(rows))


def test_files_that_are_no_table_or_ambiguous_images_are_refused_by_name(own, rng, tmp_path):
    rows, _ = plant(rng)
    with pytest.raises(ValueError, match=r"own\.xlsx: expected a table that ends in \.csv or \.parquet"):
        own(rows, "own.xlsx", write=False)
    for name, content in (("own.parquet", b"no table"), ("own.csv", b""), ("own.csv", b"\xff\xfe\x00,1\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            own(rows, name, write=False)
    (tmp_path / "pictures/im02.png").write_bytes((tmp_path / "pictures/im01.png").read_bytes())
    with pytest.raises(ValueError, match=r"'im02' is more than one file \(im02\.jpg, im02\.png\)"):
        own(rows)
    (tmp_path / "pictures/im02.png").unlink()
    (tmp_path / "pictures/im02.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"im02\.jpg: expected an image"):
        own(rows)
    with pytest.raises(ValueError, match="no subject may be called group"):
        own(rows.replace({"subject": {"bob": "group"}}), subjects=["ann", "group"])


def picture(folder, name, pixels):
    """Save pixels as the image of that name, instead of the one that was there."""
    for file in folder.glob(f"{name.rpartition('.')[0]}.*"):
        file.unlink()
    Image.fromarray(pixels).save(folder / name)


@pytest.mark.parametrize("convert", ["RGB", "RGBA", "P", "L", "16 bits", "another suffix", "a margin"])
def test_the_same_picture_under_two_names_is_refused_with_both(own, rng, tmp_path, convert):
    rows, _ = plant(rng, sessions=False)
    grey, folder = rng.integers(0, 256, (16, 16)).astype(np.uint8), tmp_path / "pictures"
    picture(folder, "im07.png", np.dstack([grey] * 3))
    other = Image.fromarray(grey)
    (folder / "im23.png").unlink()
    if convert == "16 bits":
        Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "im23.png")
    elif convert == "another suffix":
        other.save(folder / "im23.tif")
    elif convert == "a margin":  # of the kind that cropping takes away
        Image.fromarray(np.pad(grey, ((0, 0), (5, 5)))).save(folder / "im23.png")
    else:
        other.convert(convert).save(folder / "im23.png", dpi=(300, 300))
    with pytest.raises(
        ValueError, match=r"im07\.png and .*im23\.\w+ are the same picture.*1 of 40 images"
    ) as told:
        own(rows)
    assert "call it by one name" in str(told.value)
    # as the error says: one file, and its name in all rows
    stimuli = own(rows.replace({"image": {"im23": "im07"}}))["stimuli"]
    assert "im23" not in set(stimuli.image_id) and stimuli.sha256.is_unique


def test_images_that_barely_use_their_range_and_copies_that_are_nearly_equal_are_named(
    own, rng, tmp_path, caplog
):
    rows, _ = plant(rng, sessions=False)
    folder = tmp_path / "pictures"
    twelve_bits = rng.integers(0, 4096, (16, 16)).astype(np.uint16)
    twelve_bits[3, 4] = 65535  # a dead pixel does not hide it
    picture(folder, "im01.png", twelve_bits)
    picture(folder, "im03.png", np.full((16, 16, 3), 128, np.uint8))
    smooth = np.add.outer(np.arange(32), 4 * np.arange(32)).astype(np.uint8)
    picture(folder, "im05.png", smooth)
    picture(folder, "im07.png", smooth[::-1])
    for file in folder.glob("im09.*"):
        file.unlink()
    Image.fromarray(smooth).save(folder / "im09.jpg", quality=80)
    with caplog.at_level("WARNING", logger="codingaxes"):
        own(rows)
    assert "2 of 40 images are nearly constant" in caplog.text
    assert "im01 (0 to 16), im03 (128 to 128)" in caplog.text and "all 16 first" in caplog.text
    assert "1 pairs of images show nearly the same picture" in caplog.text and "im05 and im09" in caplog.text


def test_images_in_folders_are_named_by_their_path_and_saved_by_it(own, rng, tmp_path):
    rows, _ = plant(rng, sessions=False)
    (tmp_path / "pictures/faces/front").mkdir(parents=True)
    for name in ("im01.png", "im03.png"):
        (tmp_path / "pictures" / name).rename(tmp_path / "pictures/faces/front" / name)
    with pytest.raises(ValueError, match=r"lacks 2 images.* 'im01'; there is 'faces/front/im01', so write"):
        own(rows)
    names = {"im01": "faces/front/im01", "im03": "faces/front/im03.png"}
    stimuli = own(rows.replace({"image": names}))["stimuli"].set_index("image_id")
    assert stimuli.file["faces/front/im03"].endswith("images/faces/front/im03.png")
    assert read_images(stimuli, 16).shape == (40, 3, 16, 16)


def test_names_of_images_are_one_in_both_forms_of_unicode_but_not_in_capitals(own, rng, tmp_path):
    rows, _ = plant(rng, sessions=False)
    folder, composed, decomposed = tmp_path / "pictures", "caf\u00e9", "cafe\u0301"
    (folder / "im01.png").rename(folder / f"{decomposed}.png")
    for name in (composed, decomposed, f"{composed}.png", f"{decomposed}.png"):
        assert composed in set(own(rows.replace({"image": {"im01": name}}))["stimuli"].image_id)
    Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)).save(folder / f"{composed}.png")
    with pytest.raises(
        ValueError, match=r"is more than one file \(two forms of Unicode, 'cafe\\u0301\.png', 'caf"
    ):
        own(rows.replace({"image": {"im01": composed}}))
    (folder / "im03.png").rename(folder / "IM05.png")
    with pytest.raises(ValueError, match=r"'IM05' and 'im05' differ in capitals alone"):
        own(rows.replace({"image": {"im01": "im02", "im03": "IM05"}}))


def test_shuffled_repetitions_and_rows_that_stand_twice_are_told_in_the_log(own, rng, caplog):
    rows, _ = plant(rng, sessions=False)
    with caplog.at_level("WARNING", logger="codingaxes"):
        own(rows)
        assert "trial" not in caplog.text
        own(rows.sample(frac=1, random_state=1))
        assert "in another order of images than" in caplog.text and "Add a column trial" in caplog.text
        caplog.clear()
        own(pd.concat([rows, rows], ignore_index=True))
    assert "ann: 120 of 240 trials equal an earlier trial of their image in every voxel" in caplog.text


def test_a_column_trial_gives_shuffled_rows_the_noise_of_the_ordered_table(own, rng):
    rows, _ = plant(rng, sessions=False)
    rows["trial"] = rows.groupby(["subject", "region", "voxel", "image"]).cumcount()
    # noise that all voxels share, which pairing by chance would lose
    shared = rows.groupby(["subject", "image", "trial"]).ngroup()
    rows["response"] += (rng.normal(0, 2, shared.max() + 1)[shared]) * (1 + rows.voxel.str[1:].astype(int))
    right = own(rows.drop(columns="trial"))["regions"].noise_sd
    shuffled = rows.sample(frac=1, random_state=1)
    np.testing.assert_allclose(own(shuffled)["regions"].noise_sd, right, rtol=1e-9)
    assert (own(shuffled.drop(columns="trial"))["regions"].noise_sd < 0.8 * right).all()


def test_bids_names_of_subjects_become_names_of_files(own, rng):
    rows, _ = plant(rng)
    names = {"ann": "sub-01", "bob": "sub-02"}
    tables = own(rows.replace({"subject": names}), subjects=list(names.values()))
    assert set(tables["voxels"].subject) == {"sub-01", "sub-02"}


def test_a_session_whose_images_were_mixed_up_and_sessions_of_few_images_are_told(own, rng, caplog):
    rows, _ = plant(rng)
    with caplog.at_level("WARNING", logger="codingaxes"):
        own(rows)
        assert "sessions" not in caplog.text
        mixed = dict(zip(IMAGES, rng.permutation(IMAGES), strict=True))
        wrong = (rows.session == "day 2") & (rows.subject == "bob")
        own(rows.assign(image=rows.image.where(~wrong, rows.image.map(mixed))))
        assert "bob: 1 of 3 sessions do not respond to images as the other" in caplog.text
        assert "day 2 (" in caplog.text and "ann: 1" not in caplog.text
        caplog.clear()
        part = rows.image.map(IMAGES.index) // 8
        own(rows.assign(session=rows.session + " " + part.astype(str)))
    assert "ann: 15 of 15 sessions have fewer than 10 images, the first 'day 1 0' 8" in caplog.text
