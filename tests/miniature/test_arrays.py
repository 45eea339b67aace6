"""Tests of files of arrays: they are read whole, and a damaged one is refused by its name."""

import numpy as np
import pytest

from codingaxes.miniature import arrays


@pytest.fixture
def path(tmp_path):
    """A file of two arrays."""
    np.savez(tmp_path / "a.npz", numbers=np.arange(200.0), names=np.array(["x", "yy"]))
    return tmp_path / "a.npz"


def test_arrays_are_read_by_name(path):
    content = arrays.read(path)
    assert set(content) == {"numbers", "names"} and list(content["names"]) == ["x", "yy"]
    np.testing.assert_array_equal(content["numbers"], np.arange(200.0))


def test_a_flipped_bit_is_refused_with_the_file_or_changes_no_number(path, rng):
    content, right, said = path.read_bytes(), arrays.read(path), []
    for place, bit in zip(rng.integers(len(content), size=300), rng.integers(8, size=300), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            again = arrays.read(path)
        except ValueError as error:
            said.append(str(error))
        else:
            for name in set(again) & set(right):
                np.testing.assert_array_equal(again[name], right[name])
    assert len(said) > 200 and all(text.startswith(f"{path} is no undamaged file") for text in said)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_what_is_no_npz_is_refused_and_an_absent_file_is_said_to_be_absent(tmp_path, content):
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"b\.npz is no undamaged file of arrays .* run again"):
        arrays.read(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        arrays.read(tmp_path / "absent.npz")
