"""Summaries of pairs that are read in blocks: the same tables as of all that is read at once."""

import pandas as pd
import planted_steps
import pytest

from codingaxes.names import BRAIN
from codingaxes.tables import compact


def test_packed_rows_of_several_files_are_grouped_in_the_order_of_words():
    parts = [pd.DataFrame({"one": ["c", "a"], "other": ["a", "b"], "value": [1.0, 2.0]})]
    parts.append(pd.DataFrame({"one": ["b", "a"], "other": ["b", "a"], "value": [3.0, 4.0]}))
    rows = compact.join([compact.pack(part) for part in parts], ("one", "other"))
    whole = pd.concat(parts, ignore_index=True)
    assert rows.value.to_list() == [1.0, 2.0, 3.0, 4.0]
    assert (rows.one == rows.other).to_list() == (whole.one == whole.other).to_list()
    grouped = rows.groupby("one", observed=True).value.sum()
    assert grouped.to_dict() == whole.groupby("one").value.sum().to_dict()
    assert list(grouped.index) == ["a", "b", "c"]
    index = compact.unpack(rows.groupby(["one", "other"], observed=True).value.sum().index)
    assert index.equals(whole.groupby(["one", "other"]).value.sum().index)


@pytest.mark.slow
def test_a_study_that_is_read_in_blocks_has_the_summaries_of_one_that_is_read_at_once(tmp_path, monkeypatch):
    tables = []
    for held, axes in ((2**19, 2**30), (1, 1)):
        monkeypatch.setattr("codingaxes.tables.compact.blocks.__defaults__", (held,))
        monkeypatch.setattr("codingaxes.tables.compact.ROWS", held)
        monkeypatch.setattr("compare_subspaces.HELD", axes)
        folder = tmp_path / str(held)
        folder.mkdir()
        names = ["a_plain", "b_tough", "c_tough"]
        paths = planted_steps.plant_steps(folder, names, True, ["FFA", "PPA"], ["subj01", "subj02"])
        tables.append(planted_steps.summaries(folder, paths, True))
    for name, table in tables[0].items():
        pd.testing.assert_frame_equal(table, tables[1][name], check_exact=True, obj=name)
    assert BRAIN in set(tables[0]["transfers"].source)
