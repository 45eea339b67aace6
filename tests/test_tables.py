"""Tables: what is written is read back, and nothing undeclared gets in."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from codingaxes import tables


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


@pytest.mark.parametrize("lengths", [(3, 3), (3, 5)])
def test_a_table_is_read_back_as_it_was_written(tmp_path, lengths):
    path, frame = tmp_path / "readouts.parquet", readouts(lengths)
    tables.write(path, "readouts", frame)
    again = tables.read(path, "readouts")
    assert [list(weight) for weight in again.weight] == [list(weight) for weight in frame.weight]
    pd.testing.assert_frame_equal(
        again.drop(columns="weight"), frame.drop(columns="weight"), check_dtype=False
    )


def test_units_and_meanings_travel_with_the_file(tmp_path):
    tables.write(tmp_path / "t.parquet", "readouts", readouts())
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.metadata[b"table"] == b"readouts"
    for column, spec in tables.TABLES["readouts"].columns.items():
        assert schema.field(column).metadata[b"meaning"].decode() == spec.meaning


def test_missing_and_undeclared_columns_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing columns \['norm'\], undeclared columns \['nrom'\]"):
        tables.write(tmp_path / "t.parquet", "readouts", readouts().rename(columns={"norm": "nrom"}))
    assert not list(tmp_path.iterdir())


def test_a_repeated_key_is_refused(tmp_path):
    with pytest.raises(ValueError, match="subj01"):
        tables.write(tmp_path / "t.parquet", "readouts", readouts().assign(subject="subj01"))


def test_values_that_are_not_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="norm is missing in 1 rows"):
        tables.write(tmp_path / "t.parquet", "readouts", readouts().assign(norm=[1.0, np.nan]))
    bad = readouts()
    bad.loc[1, "weight"][2] = np.inf
    with pytest.raises(ValueError, match="row 1"):
        tables.write(tmp_path / "t.parquet", "readouts", bad)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.parquet"
    tables.write(path, "readouts", readouts())
    bad = readouts()
    bad.loc[0, "weight"][0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        tables.write(path, "readouts", bad)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    assert len(tables.read(path, "readouts")) == 2


def test_another_table_or_no_table_is_refused(tmp_path):
    tables.write(tmp_path / "t.parquet", "readouts", readouts())
    with pytest.raises(ValueError, match="holds readouts, not the table scores"):
        tables.read(tmp_path / "t.parquet", "scores")
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        tables.read(tmp_path / "absent.parquet", "scores")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(ValueError, match="no Parquet file"):
        tables.read(tmp_path / "broken.parquet", "scores")
    with pytest.raises(ValueError, match="no table 'score'"):
        tables.read(tmp_path / "t.parquet", "score")


def keep(folder, *frames):
    """Each frame as a part of a table."""
    files = [folder / f"{number}.arrow" for number in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        tables.write_part(file, "readouts", frame)
    return files


@pytest.mark.parametrize("lengths", [(3, 3), (3, 5)])
def test_a_table_that_is_joined_from_parts_is_the_one_that_is_written_at_once(tmp_path, lengths):
    frames = [readouts(lengths).assign(network=name) for name in "ab"]
    tables.join(tmp_path / "joined.parquet", "readouts", keep(tmp_path, *frames))
    tables.write(tmp_path / "whole.parquet", "readouts", pd.concat(frames, ignore_index=True))
    schemas = [pq.read_schema(tmp_path / f"{name}.parquet") for name in ("joined", "whole")]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    joined, whole = (tables.read(tmp_path / f"{name}.parquet", "readouts") for name in ("joined", "whole"))
    assert [list(weight) for weight in joined.weight] == [list(weight) for weight in whole.weight]
    pd.testing.assert_frame_equal(joined.drop(columns="weight"), whole.drop(columns="weight"))


def test_parts_are_groups_of_rows_that_a_filter_skips(tmp_path):
    frames = [readouts((4, 4)).assign(network=name) for name in "abc"]
    tables.join(tmp_path / "t.parquet", "readouts", keep(tmp_path, *frames))
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.num_row_groups == 3
    chosen = tables.read(tmp_path / "t.parquet", "readouts", filters=[("network", "=", "b")])
    assert set(chosen.network) == {"b"} and len(chosen) == 2


def test_parts_that_share_a_key_or_differ_in_form_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="repeat a key"):
        tables.join(tmp_path / "t.parquet", "readouts", keep(tmp_path, readouts(), readouts()))
    other = readouts((5, 5)).assign(network="b")
    with pytest.raises(ValueError, match=r"parts of .* differ"):
        tables.join(tmp_path / "t.parquet", "readouts", keep(tmp_path, readouts(), other))
    assert {file.suffix for file in tmp_path.iterdir()} == {".arrow"}
