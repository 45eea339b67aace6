"""Tests of the store: a table is read back as it was written, and each stated check finds a planted fault."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codingaxes.tables import compact, store
from codingaxes.tables.columns import Column, Table
from codingaxes.tables.readouts import READOUTS, SCORES

LEVELS = Table(
    "levels",
    "one row per item: a table of these tests, with a column of every kind",
    ("item", "step"),
    {
        "item": Column("string", "", "key"),
        "step": Column("int32", "steps", "key"),
        "level": Column("float64", "V", "never missing"),
        "spare": Column("float64", "V", "may be missing", missing=True),
        "on": Column("bool", "", "never missing"),
        "trace": Column("list[float32]", "V", "a vector"),
    },
)


def levels(items=("a", "b"), length=3, **columns):
    """Rows of the table of these tests."""
    n = len(items)
    frame = pd.DataFrame(
        {"item": list(items), "step": 1, "level": np.arange(n) + 0.5, "spare": np.nan, "on": True}
    )
    frame["trace"] = [np.arange(length, dtype=np.float32) + row for row in range(n)]
    return frame.assign(**columns)


def readouts(lengths=(3, 3)):
    frame = pd.DataFrame(
        {
            "network": "a",
            "subject": ["subj01", "subj02"],
            "roi": "FFA",
            "target": "mean",
            "layer": "x",
            "alpha": [1.0, 2.0],
            "alpha_at_edge": [True, False],
            "intercept": [0.5, -0.5],
            "norm": [1.5, 2.5],
        }
    )
    frame["weight"] = [np.arange(n, dtype=np.float32) for n in lengths]
    return frame


def assert_same(one, other):
    """Compare two frames of the table levels, vectors too."""
    assert list(one.columns) == list(other.columns) and len(one) == len(other)
    for left, right in zip(one.get("trace", ()), other.get("trace", ()), strict=True):
        np.testing.assert_array_equal(left, right)
    scalars = [column for column in one if column != "trace"]
    pd.testing.assert_frame_equal(one[scalars], other[scalars], check_dtype=False)


@pytest.fixture
def path(tmp_path):
    """A file of two rows of the table levels."""
    store.write(tmp_path / "levels.parquet", LEVELS, levels())
    return tmp_path / "levels.parquet"


def rewrite(path, change):
    """Write a file once more with another Arrow table, as something that is not `store` would."""
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize("lengths", [(3, 3), (3, 5)])
def test_a_table_is_read_back_as_it_was_written(tmp_path, lengths):
    path, frame = tmp_path / "readouts.parquet", readouts(lengths)
    store.write(path, READOUTS, frame)
    again = store.read(path, READOUTS)
    assert [list(weight) for weight in again.weight] == [list(weight) for weight in frame.weight]
    pd.testing.assert_frame_equal(
        again.drop(columns="weight"), frame.drop(columns="weight"), check_dtype=False
    )


def test_a_table_without_rows_is_read_back(tmp_path):
    store.write(tmp_path / "t.parquet", LEVELS, levels(()))
    again = store.read(tmp_path / "t.parquet", LEVELS)
    assert len(again) == 0 and list(again.columns) == list(LEVELS.columns)


def test_units_and_meanings_travel_with_the_file(tmp_path):
    store.write(tmp_path / "t.parquet", READOUTS, readouts())
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.metadata[b"table"] == b"readouts"
    assert schema.metadata[b"meaning"].decode() == READOUTS.meaning
    assert json.loads(schema.metadata[b"key"]) == list(READOUTS.key)
    for column, spec in READOUTS.columns.items():
        assert schema.field(column).metadata[b"meaning"].decode() == spec.meaning
        assert schema.field(column).metadata[b"unit"].decode() == spec.unit


def test_columns_and_rows_that_are_not_wanted_are_not_read(path):
    assert_same(store.read(path, LEVELS, columns=["trace", "item"]), levels()[["trace", "item"]])
    row = store.read(path, LEVELS, filters=[("item", "=", "b")])
    assert_same(row, levels()[1:].reset_index(drop=True))


def test_of_several_files_only_what_is_to_be_kept_of_each_is_joined(path, tmp_path):
    other = tmp_path / "other.parquet"
    store.write(other, LEVELS, levels(("c", "d", "e")))
    seen = []

    def keep(rows):
        seen.append(len(rows))
        return rows[rows.item.isin(["b", "d"])]

    kept = store.read([path, other], LEVELS, ["item", "step"], keep=keep)
    assert kept.item.to_list() == ["b", "d"] and list(kept.index) == [0, 1]
    assert seen == [len(store.read(path, LEVELS)), 3]
    assert store.read(other, LEVELS, ["item"], keep=keep).item.to_list() == ["d"]


def test_files_are_split_into_blocks_of_rows_and_each_comes_once_in_order(tmp_path):
    files = [tmp_path / f"{number}.parquet" for number in range(5)]
    for file, rows in zip(files, (2, 2, 5, 1, 1), strict=True):
        store.write(file, LEVELS, levels([f"item {row}" for row in range(rows)]))
    assert compact.blocks(files, rows=4) == [files[:2], files[2:3], files[3:]]
    assert compact.blocks(files, rows=100) == [files] and len(compact.blocks(files, rows=1)) == 5
    absent = tmp_path / "absent.parquet"
    assert compact.count(files[2]) == 5 and compact.count(absent) == 0
    assert compact.blocks([absent, files[0]], rows=2) == [[absent, files[0]]]


def test_several_files_are_read_one_after_the_other(path, tmp_path):
    store.write(tmp_path / "more.parquet", LEVELS, levels("cd", length=5))
    both = store.read([path, tmp_path / "more.parquet"], LEVELS)
    assert list(both.item) == list("abcd") and list(both.index) == [0, 1, 2, 3]
    assert [len(vector) for vector in both.trace] == [3, 3, 5, 5]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (levels().rename(columns={"on": "off"}), r"missing columns \['on'\], undeclared columns \['off'\]"),
        (levels(level=[1.0, np.nan]), "level is missing in 1 rows"),
        (levels(item=["a", None]), "item is missing in 1 rows"),
        (levels(item=["a", "a"]), r"1 rows repeat a key, for instance {'item': 'a', 'step': 1}"),
        (levels(step=[1.5, 2]), "step is declared as int32"),
        (levels(step=[1, 2**40]), "step is declared as int32"),
        (levels(item=[1, 2]), "item is declared as string"),
        (levels(level=["x", "y"]), "level is declared as float64"),
        (levels(on=["yes", "no"]), "on is declared as bool"),
        (levels(trace=[np.zeros(3), np.array([0, np.inf, 0])]), "trace, row 1: expected a vector of finite"),
        (levels(trace=[np.zeros((1, 3)), np.zeros(3)]), "trace, row 0: .* found shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_departs_from_the_declaration_is_not_written_and_is_named(tmp_path, frame, expected):
    with pytest.raises(ValueError, match=expected) as error:
        store.write(tmp_path / "t.parquet", LEVELS, frame)
    assert "table levels" in str(error.value) and "t.parquet" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.parquet"
    store.write(path, READOUTS, readouts())
    bad = readouts()
    bad.loc[0, "weight"][0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        store.write(path, READOUTS, bad)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    assert len(store.read(path, READOUTS)) == 2


def test_another_table_no_table_and_no_file_are_refused(tmp_path, path):
    with pytest.raises(ValueError, match="holds levels, not the table scores"):
        store.read(path, SCORES)
    with pytest.raises(
        FileNotFoundError, match=r"table scores: .*absent\.parquet is not there; run the rule"
    ):
        store.read(tmp_path / "absent.parquet", SCORES)
    pq.write_table(pa.table({"item": ["a"]}), tmp_path / "foreign.parquet")
    with pytest.raises(ValueError, match="holds nothing declared, not the table levels"):
        store.read(tmp_path / "foreign.parquet", LEVELS)
    with pytest.raises(ValueError, match="table levels declares no column lvel"):
        store.read(path, LEVELS, columns=["item", "lvel"])


def test_columns_that_filters_ask_for_are_held_to_the_declaration(path):
    with pytest.raises(ValueError, match="table levels declares no column lvel"):
        store.read(path, LEVELS, columns=["item"], filters=[[("step", "=", 1)], [("lvel", ">", 1)]])
    with pytest.raises(ValueError, match="asked for twice: item, item"):
        store.read(path, LEVELS, columns=["item", "item"])
    field = pa.field("level", pa.float64(), metadata={"unit": "mV"})
    rewrite(path, lambda table: table.set_column(2, field, pa.array([1.0, 2.0])))
    with pytest.raises(ValueError, match="has the unit 'mV', declared as 'V'"):
        store.read(path, LEVELS, columns=["item"], filters=[("level", ">", 1)])


def test_a_whole_number_that_does_not_fit_into_a_vector_is_refused(tmp_path):
    table = Table("counts", "for tests", ("item",), {"item": LEVELS.columns["item"]})
    table.columns["beta"] = Column("list[int16]", "", "a vector")
    for vector in (np.array([70000, 1]), [70000, 1], np.array([1.5, 1.0])):
        frame = pd.DataFrame({"item": ["a", "b"], "beta": [np.array([1, 2]), vector]})
        with pytest.raises(ValueError, match="row 1: a number does not fit into int16"):
            store.write(tmp_path / "t", table, frame)


@pytest.mark.parametrize("content", [b"", b"PAR1 cut off", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"table levels: .*t\.parquet is no undamaged Parquet file .* run again"
    ):
        store.read(tmp_path / "t.parquet", LEVELS)


def test_a_damaged_byte_is_noticed_or_changes_no_value(tmp_path):
    """Whichever byte of a file is damaged, no wrong number is read."""
    path, frame = tmp_path / "t.parquet", levels("abcdef", length=40)
    store.write(path, LEVELS, frame)
    content, refused = path.read_bytes(), 0
    places = range(0, len(content), 5)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            again = store.read(path, LEVELS)
        except ValueError:
            refused += 1
        else:
            assert_same(again, frame)
    assert refused > 0.5 * len(places)


def test_a_flipped_bit_is_refused_with_the_file_or_changes_nothing_also_where_a_filter_skips_rows(tmp_path):
    """Also in the footer, whose statistics decide which rows a filter reads."""
    path, rng = tmp_path / "t.parquet", np.random.default_rng(0)
    store.write(path, LEVELS, levels([f"item{number}" for number in range(60)], length=100))
    content = path.read_bytes()
    ways = [{}, {"filters": [("item", "=", "item7")]}, {"filters": [("level", ">", 30)], "columns": ["item"]}]
    right = [store.read(path, LEVELS, **way) for way in ways]
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    places = [*rng.integers(len(content), size=60), *rng.integers(footer, len(content), size=60)]
    said = []
    for place, bit in zip(places, rng.integers(8, size=len(places)), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        for way, frame in zip(ways, right, strict=True):
            try:
                assert_same(store.read(path, LEVELS, **way), frame)
            except ValueError as error:
                said.append(str(error))
    assert all(text.startswith(f"table levels: {path} is no undamaged") for text in said)
    assert len(said) > 0.9 * len(places) * len(ways)


def test_the_checksum_of_the_footer_is_no_hindrance_to_other_readers_and_its_absence_none_to_ours(path):
    pd.testing.assert_series_equal(pd.read_parquet(path).level, levels().level, check_dtype=False)
    content = path.read_bytes()
    assert content.count(store.SEAL) == 1
    rewrite(path, lambda table: table)
    assert store.SEAL not in path.read_bytes()
    assert_same(store.read(path, LEVELS), levels())


@pytest.mark.parametrize("filters", [None, [("item", "=", "b")]])
def test_a_damaged_vector_is_noticed_by_its_checksum_only_where_it_is_read(path, filters):
    content = bytearray(path.read_bytes())
    (column,) = [
        part
        for part in map(pq.ParquetFile(path).metadata.row_group(0).column, range(6))
        if part.path_in_schema.startswith("trace")
    ]
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 0x01  # in its last number
    path.write_bytes(content)
    with pytest.raises(ValueError, match="undamaged Parquet"):
        store.read(path, LEVELS, filters=filters)
    scalars = [column for column in LEVELS.columns if column != "trace"]
    assert len(store.read(path, LEVELS, columns=scalars)) == 2


@pytest.mark.parametrize(
    ("column", "field", "values", "expected"),
    [
        ("level", pa.field("level", pa.float32()), [1, 2], "level is float, declared as float64"),
        ("item", pa.field("item", pa.int32()), [1, 2], "item is int32, declared as string"),
        (
            "trace",
            pa.field("trace", pa.list_(pa.float64(), 3)),
            [[1, 2, 3]] * 2,
            r"trace is fixed_size_list<",
        ),
        (
            "level",
            pa.field("level", pa.float64(), metadata={"unit": "mV"}),
            [1, 2],
            "has the unit 'mV', declared",
        ),
        ("level", pa.field("level", pa.float64()), [1, 2], "has the unit '', declared as 'V'"),
        ("level", pa.field("height", pa.float64()), [1, 2], "lacks the column level"),
    ],
)
def test_a_wanted_column_of_another_type_or_unit_or_none_is_refused(path, column, field, values, expected):
    position = list(LEVELS.columns).index(column)
    rewrite(path, lambda table: table.set_column(position, field, pa.array(values, field.type)))
    for wanted in (None, [column]):
        with pytest.raises(
            ValueError, match=f"table levels: .*{expected}.* run the rule that makes it again"
        ):
            store.read(path, LEVELS, columns=wanted)
    others = [name for name in LEVELS.columns if name != column]
    assert len(store.read(path, LEVELS, columns=others)) == 2


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("level", [1.0, None], "level is missing in 1 rows"),
        ("level", [1.0, np.nan], "level is missing in 1 rows"),
        ("on", [None, None], "on is missing in 2 rows"),
        ("step", [1, None], "step is missing in 1 rows"),
        ("item", [None, "b"], "item is missing in 1 rows"),
        ("trace", [[1, 2, 3], None], "trace has vectors with missing values"),
        ("trace", [[1, None, 3], [1, 2, 3]], "trace has vectors with missing values"),
    ],
)
def test_a_missing_value_is_refused_where_none_may_be_and_its_column_is_wanted(
    path, column, values, expected
):
    def change(table):
        position = table.schema.get_field_index(column)
        field = table.schema.field(column)
        return table.set_column(position, field, pa.array(values, field.type))

    rewrite(path, change)
    for wanted in (None, [column]):
        with pytest.raises(ValueError, match=f"table levels read from .*levels.parquet: {expected}"):
            store.read(path, LEVELS, columns=wanted)
    others = [name for name in LEVELS.columns if name != column]
    assert len(store.read(path, LEVELS, columns=others)) == 2


def test_a_value_that_may_be_missing_is_read_as_nan(path):
    assert store.read(path, LEVELS, columns=["spare"]).spare.isna().all()


def test_a_repeated_key_is_noticed_only_where_the_whole_key_is_wanted(path):
    rewrite(path, lambda table: pa.concat_tables([table, table]))
    for wanted in (None, ["step", "item"]):
        with pytest.raises(ValueError, match=r"2 rows repeat a key, for instance {'item': 'a', 'step': 1}"):
            store.read(path, LEVELS, columns=wanted)
    assert len(store.read(path, LEVELS, columns=["item", "level"])) == 4


def keep(folder, *frames):
    """Keep each frame as a part of a table."""
    files = [folder / f"{number}.arrow" for number in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        store.write_part(file, READOUTS, frame)
    return files


@pytest.mark.parametrize("lengths", [(3, 3), (3, 5)])
def test_a_table_that_is_joined_from_parts_is_the_one_that_is_written_at_once(tmp_path, lengths):
    frames = [readouts(lengths).assign(network=name) for name in "ab"]
    store.join(tmp_path / "joined.parquet", READOUTS, keep(tmp_path, *frames))
    store.write(tmp_path / "whole.parquet", READOUTS, pd.concat(frames, ignore_index=True))
    schemas = [pq.read_schema(tmp_path / f"{name}.parquet") for name in ("joined", "whole")]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    joined, whole = (store.read(tmp_path / f"{name}.parquet", READOUTS) for name in ("joined", "whole"))
    assert [list(weight) for weight in joined.weight] == [list(weight) for weight in whole.weight]
    pd.testing.assert_frame_equal(joined.drop(columns="weight"), whole.drop(columns="weight"))


def test_parts_without_rows_do_not_count(tmp_path):
    some, none = readouts(), readouts().iloc[:0]
    for frames in ([none, some], [some, none], [none, some, none]):
        store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, *frames))
        assert len(store.read(tmp_path / "t.parquet", READOUTS)) == len(some)
    store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, none, none))
    assert store.read(tmp_path / "t.parquet", READOUTS).empty


def test_parts_are_groups_of_rows_that_a_filter_skips(tmp_path):
    frames = [readouts((4, 4)).assign(network=name) for name in "abc"]
    store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, *frames))
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.num_row_groups == 3
    chosen = store.read(tmp_path / "t.parquet", READOUTS, filters=[("network", "=", "b")])
    assert set(chosen.network) == {"b"} and len(chosen) == 2


def test_parts_that_share_a_key_or_differ_in_form_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="repeat a key"):
        store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, readouts(), readouts()))
    other = readouts((5, 5)).assign(network="b")
    with pytest.raises(ValueError, match=r"parts of .* differ"):
        store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, readouts(), other))
    assert {file.suffix for file in tmp_path.iterdir()} == {".arrow"}


def test_rows_of_parts_are_told_apart_also_where_digests_of_their_keys_are_alike(tmp_path, monkeypatch):
    frames = [readouts().assign(network=name) for name in "abc"]
    monkeypatch.setattr("codingaxes.keys.digests", lambda content, key: np.zeros(len(content), "u8"))
    store.join(tmp_path / "t.parquet", READOUTS, keep(tmp_path, *frames))
    assert len(store.read(tmp_path / "t.parquet", READOUTS)) == 3 * len(frames[0])
    with pytest.raises(ValueError, match=r"repeat a key, for instance .'b'"):
        store.join(tmp_path / "again.parquet", READOUTS, keep(tmp_path, *frames, frames[1]))


def test_a_damaged_part_is_refused_by_its_name(tmp_path):
    first, second = keep(tmp_path, readouts(), readouts().assign(network="b"))
    second.write_bytes(second.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"table readouts: the kept part .*1\.arrow is damaged .* run again"):
        store.join(tmp_path / "t.parquet", READOUTS, [first, second])
    assert {file.suffix for file in tmp_path.iterdir()} == {".arrow"}


def test_a_part_that_is_damaged_in_any_byte_is_noticed(tmp_path, rng):
    (file,) = keep(tmp_path, readouts())
    content = file.read_bytes()
    store.check_part(file, READOUTS)
    assert store.read_part(file, READOUTS).roi.to_list() == readouts().roi.to_list()
    places = rng.choice(len(content), 200, replace=False)
    damaged = [content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :] for place in places]
    damaged += [content[:length] for length in (0, 1, 12, 64, len(content) - 1)]
    for some in damaged:
        file.write_bytes(some)
        with pytest.raises(
            ValueError, match=r"the kept part .*0\.arrow is damaged \(.+\); delete it and run"
        ):
            store.check_part(file, READOUTS)
