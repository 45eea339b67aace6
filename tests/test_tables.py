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


def test_a_table_written_in_parts_is_the_same_and_may_mix_lengths(tmp_path):
    first, second = readouts((3, 3)), readouts((5, 5)).assign(network="b")
    tables.write_parts(tmp_path / "parts.parquet", "readouts", iter([first, second]))
    tables.write(tmp_path / "whole.parquet", "readouts", pd.concat([first, second], ignore_index=True))
    parts, whole = (tables.read(tmp_path / f"{name}.parquet", "readouts") for name in ("parts", "whole"))
    assert [list(weight) for weight in parts.weight] == [list(weight) for weight in whole.weight]
    pd.testing.assert_frame_equal(parts.drop(columns="weight"), whole.drop(columns="weight"))


def test_parts_are_read_one_group_at_a_time_by_a_filter(tmp_path):
    parts = [readouts((4, 4)).assign(network=name) for name in "abc"]
    tables.write_parts(tmp_path / "t.parquet", "readouts", parts)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.metadata.num_row_groups == 3
    chosen = tables.read(tmp_path / "t.parquet", "readouts", filters=[("network", "=", "b")])
    assert set(chosen.network) == {"b"} and len(chosen) == 2


def test_a_key_that_two_parts_share_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="parts repeat a key"):
        tables.write_parts(tmp_path / "t.parquet", "readouts", [readouts(), readouts()])
    with pytest.raises(ValueError, match="no part"):
        tables.write_parts(tmp_path / "t.parquet", "readouts", [])
    assert not list(tmp_path.iterdir())
