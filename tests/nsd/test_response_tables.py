"""Tables of responses of the user's own: types, names, and which rows are one trial."""

import datetime
import gzip
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from codingaxes.nsd import response_tables

IMAGES = [f"im{number}" for number in range(6)]
VOXELS = [("V4", "a"), ("V4", "b"), ("IT", "a")]


def plant(repeats=3):
    """Rows of three voxels, whose responses say which voxel, image and repetition they are of."""
    rows = [
        ("ann", region, voxel, image, 100 * place + 10 * i + repeat)
        for repeat in range(repeats)
        for i, image in enumerate(IMAGES)
        for place, (region, voxel) in enumerate(VOXELS)
    ]
    return pd.DataFrame(rows, columns=response_tables.COLUMNS)


@pytest.fixture
def read(tmp_path):
    """A function that writes rows as Parquet, or text as CSV, and reads them as the workflow does."""

    def through(rows):
        path = tmp_path / ("own.csv" if isinstance(rows, str | bytes) else "own.parquet")
        if isinstance(rows, str | bytes):
            path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
        else:
            rows.to_parquet(path)
        return response_tables.read(path)

    return through


def arrange(rows):
    """Arrange rows of the one subject that there is."""
    return response_tables.arrange("own.csv", rows, "ann", ["V4", "IT"])


@pytest.mark.parametrize(
    ("convert", "found"),
    [
        (lambda values: pd.to_timedelta(values, unit="s"), "timedelta64"),
        (lambda values: pd.to_timedelta(values, unit="s").where(values != 0), "timedelta64"),
        (lambda values: pd.to_datetime(values, unit="s"), "datetime64"),
        (lambda values: pd.to_datetime(values, unit="s", utc=True), "datetime64"),
        (lambda values: values > 100, "bool"),
        (lambda values: (values > 100).astype("boolean"), "bool"),
        (lambda values: values.map(lambda _: datetime.date(2020, 1, 1)), "date"),
        (lambda values: values.map(lambda value: [float(value)]), "ndarray"),
        (lambda values: values.map(lambda value: str(value).encode()), "bytes"),
    ],
)
def test_responses_of_a_type_that_is_no_number_are_refused_with_the_type(read, convert, found):
    rows = plant()
    with pytest.raises(ValueError, match=rf"own\.parquet: responses are of type {found}.*, expected numbers"):
        read(rows.assign(response=convert(rows.response)))


@pytest.mark.parametrize(
    "convert",
    [
        lambda values: values.astype("int16"),
        lambda values: values.astype("float32"),
        lambda values: values.astype("Int64"),
        lambda values: values.astype("Float64"),
        lambda values: values.astype(str),
        lambda values: values.astype("category"),
        lambda values: values.map(Decimal),
    ],
)
def test_responses_of_every_type_of_number_are_read_as_their_value(read, convert):
    rows = plant()
    assert list(read(rows.assign(response=convert(rows.response))).response) == list(rows.response)


@pytest.mark.parametrize("missing", [pd.NA, None, np.nan])
@pytest.mark.parametrize("kind", ["Int64", "object", "Float64"])
def test_a_response_that_is_missing_is_refused_in_every_type(read, missing, kind):
    rows = plant()
    responses = rows.response.astype(kind)
    responses[4] = missing
    with pytest.raises(ValueError, match=r"1 responses are no finite number, first row 5"):
        read(rows.assign(response=responses))


@pytest.mark.parametrize(
    ("column", "convert", "found"),
    [
        ("image", lambda names: names.str[2:].astype(float), "float64"),
        ("voxel", lambda names: names.str.encode("ascii"), "bytes"),
        ("region", lambda names: names == "IT", "bool"),
        ("subject", lambda names: pd.Timestamp("2020-01-01"), "datetime64"),
    ],
)
def test_names_of_a_type_that_has_no_one_spelling_are_refused(read, column, convert, found):
    rows = plant()
    with pytest.raises(ValueError, match=rf"own\.parquet: {column} holds values of type {found}"):
        read(rows.assign(**{column: convert(rows[column])}))


def test_names_may_be_whole_numbers_or_categories(read):
    rows = plant()
    numbers = rows.image.str[2:].astype("int64")
    for names in (numbers, numbers.astype("category"), numbers.astype(str), numbers.astype("Int32")):
        assert list(read(rows.assign(image=names)).image) == list(numbers.astype(str))


@pytest.mark.parametrize("name", ["IT ", " IT", "IT\t", "IT\u00a0", "IT\u200b", "I\u00adT", "\ufeffIT"])
def test_names_with_a_blank_at_an_end_or_an_invisible_character_are_refused_by_row(read, name):
    rows = plant()
    rows.loc[5, "region"] = name
    with pytest.raises(ValueError, match=r"region .*, first row 6, begins or ends with a blank or has"):
        read(rows)


def test_two_forms_of_unicode_are_one_name_which_a_table_may_write_in_one_form_only(read):
    rows = plant()
    decomposed = rows.assign(image=rows.image + "e\u0301")
    assert set(read(decomposed).image) == {f"{name}\u00e9" for name in IMAGES}
    decomposed.loc[3, "image"] = "im1\u00e9"
    with pytest.raises(
        ValueError, match=r"image im1\u00e9 is written in two forms.*'im1e\\u0301' and 'im1\\xe9'"
    ):
        read(decomposed)


def test_a_named_index_holds_columns_and_another_index_does_not_count(read):
    rows = plant()
    for indexed in (
        rows.set_index("image"),
        rows.set_index(["subject", "region", "voxel", "image"]),
        rows.set_index(rows.image.rename("other")),
        rows.rename_axis("image"),
    ):
        again = read(indexed)
        assert list(again.image) == list(rows.image) and list(again.voxel) == list(rows.voxel)


def test_a_csv_file_may_begin_with_the_mark_of_a_spreadsheet(read):
    text = plant().to_csv(index=False)
    for table in (b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n")):
        assert list(read(table).subject) == ["ann"] * 54


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",", ";"), "Is there another sign than a comma between columns"),
        (lambda text: text.replace(",", "\t"), "Is there another sign than a comma between columns"),
        (
            lambda text: text.replace(" response", "response", 1).replace("response", " response", 1),
            "' response'",
        ),
        (lambda text: plant().to_csv(), r"index of pandas: write the table with index=False"),
        (lambda text: text.encode("utf-16"), "cannot be read as csv"),
    ],
)
def test_a_csv_file_of_another_form_is_refused_with_what_to_do(read, change, message):
    with pytest.raises(ValueError, match=rf"own\.csv.*{message}"):
        read(change(plant().to_csv(index=False)))


def test_rows_in_the_order_of_trials_or_of_voxels_are_arranged_alike_without_a_note(read):
    rows = plant()
    by_voxel = rows.sort_values(["region", "voxel", "image"], kind="stable")
    for order in (rows, by_voxel):
        series, trials, voxels, notes = arrange(read(order))
        assert notes == [] and list(zip(voxels.roi, voxels.name, strict=True)) == VOXELS
        number = trials.image.str[2:].astype(int).to_numpy()
        repetition = trials.groupby("image").cumcount().to_numpy()
        expected = 100 * np.arange(3) + (10 * number + repetition)[:, None]
        assert np.array_equal(series, expected) and (trials.session == "").all()


def test_shuffled_rows_are_told_and_a_column_trial_pairs_them_rightly(read):
    rows = plant()
    shuffled = rows.sample(frac=1, random_state=3)
    _, _, _, notes = arrange(read(shuffled))
    assert len(notes) == 1 and "ann: 2 of 3 voxels have their rows in another order of images" in notes[0]
    assert "Add a column trial" in notes[0]
    named = shuffled.assign(trial=(shuffled.response % 10).astype(str))
    numbered = shuffled.assign(trial=shuffled.response % 100)  # counts on through the session
    for table in (named, numbered):
        series, trials, _, notes = arrange(read(table))
        assert notes == [] and len(trials) == 18
        assert (series - series[:, :1] == [0, 100, 200]).all()


def test_one_repetition_a_session_needs_no_order(read):
    rows = plant()
    rows["session"] = rows.response % 10
    series, trials, _, notes = arrange(read(rows.sample(frac=1, random_state=3)))
    assert notes == [] and set(trials.session) == {"0", "1", "2"}
    assert (series - series[:, :1] == [0, 100, 200]).all()


@pytest.mark.parametrize("key", [None, "session", "trial"])
def test_trials_that_equal_others_are_counted_and_told(read, key):
    rows = plant()
    again = rows.iloc[: 3 * len(IMAGES)]  # the first repetition of every image
    table = pd.concat([rows, again], ignore_index=True)
    if key:
        table[key] = np.repeat(range(4), 18)
    _, _, _, notes = arrange(read(table))
    assert len(notes) == 1 and "ann: 6 of 24 trials equal an earlier trial of their image" in notes[0]


def test_a_voxel_with_two_rows_of_one_trial_or_none_is_refused_by_name(read):
    rows = plant()
    rows["trial"] = rows.response % 10
    twice = pd.concat([rows, rows.iloc[[4]]], ignore_index=True)
    with pytest.raises(ValueError, match=r"subject ann, voxel b of V4 has 2 rows of trial 0 of image im1;"):
        arrange(read(twice))
    with pytest.raises(ValueError, match=r"subject ann, voxel b of V4 lacks trial 0 of image im1, which"):
        arrange(read(rows.drop(index=4)))


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("subject", "ann", "Ann"),
        ("region", "IT", "it"),
        ("region", "inferior temporal", "inferior\u00a0temporal"),
        ("region", "ﬁeld", "field"),
        ("region", "1", "1.0"),
    ],
)
def test_subjects_and_regions_of_plainly_one_name_are_refused_and_never_counted_apart(
    read, column, one, other
):
    rows = plant()
    rows[column] = np.where(np.arange(len(rows)) % 2, one, other)
    with pytest.raises(ValueError, match=f"the {column}s .* differ only in capitals") as refused:
        read(rows)
    assert repr(one) in str(refused.value) and repr(other) in str(refused.value)


@pytest.mark.parametrize("names", [("1", "01", "2"), ("1", "2.0", "2"), ("day 1", "Day 1", "day 2")])
def test_a_session_written_in_two_ways_is_refused_and_sessions_of_other_subjects_do_not_count(read, names):
    rows = plant()
    rows["session"] = np.take(names, (rows.response % 10).astype(int))
    with pytest.raises(ValueError, match=r"the sessions .* of subject ann differ only in capitals"):
        arrange(read(rows))
    rows["session"] = rows.session.where(rows.session != names[1], "3")
    other = rows.assign(subject="bob", session=rows.session.replace(names[0], names[1]))
    table = read(pd.concat([rows, other]))
    series, trials, _, notes = arrange(table[table.subject == "ann"])
    assert notes == [] and len(series) == 18 and set(trials.session) == {names[0], "3", names[2]}


def test_voxels_of_plainly_one_name_stay_two_and_are_told(read):
    rows = plant().replace({"voxel": {"a": "1", "b": "01"}})
    _, _, voxels, notes = arrange(read(rows))
    assert len(voxels) == 3 and len(notes) == 1
    assert "the voxels '1' and '01' of V4 are taken for two" in notes[0]


@pytest.mark.parametrize("value", [-9999.0, 1e20])
def test_responses_that_may_stand_for_missing_ones_are_told_with_the_value(read, value):
    rows = plant().astype({"response": float})
    rows.loc[[4, 22], "response"] = value
    _, _, _, notes = arrange(read(rows))
    assert len(notes) == 1 and f"ann: 2 responses are {value:g}" in notes[0]
    rows.loc[22, "response"] = 3.0  # one far response may be one
    assert arrange(read(rows))[3] == []


@pytest.mark.parametrize("encoding", ["utf-16", "gzip"])
def test_a_csv_file_in_another_encoding_is_refused_with_the_remedy(read, encoding):
    text = plant().to_csv(index=False)
    stored = gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding)
    with pytest.raises(ValueError, match="Save it as CSV in UTF-8, not compressed"):
        read(stored)


@pytest.mark.parametrize("written", ["0,126", "1,260.5"])
def test_commas_in_numbers_are_refused_with_the_remedy(read, written):
    rows = plant().astype({"response": object})
    rows.loc[3, "response"] = written
    with pytest.raises(ValueError, match=f"row 4: '{written}'. Write a point before decimals"):
        read(rows.to_csv(index=False))
