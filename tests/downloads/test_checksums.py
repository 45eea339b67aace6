"""Checksums of files and of the parts of objects."""

import hashlib

import pytest
from downloading import noise

from codingaxes.downloads import checksums

MIB = 2**20


@pytest.mark.parametrize("size_of_part", [5 * MIB, 6 * MIB, 7 * MIB, 8 * MIB])
def test_a_uniform_part_size_is_found_among_those_that_fit(size_of_part, tmp_path):
    content = noise(9, 20 * MIB)
    (tmp_path / "x").write_bytes(content)
    md5s = [hashlib.md5(content[i : i + size_of_part]).digest() for i in range(0, len(content), size_of_part)]
    etag = f"{hashlib.md5(b''.join(md5s)).hexdigest()}-{len(md5s)}"
    sizes = [size_of_part] * len(md5s)
    assert checksums.etag_of(tmp_path / "x", sizes) == etag
    candidates = list(checksums.part_sizes(etag, len(content), lambda number: None))
    assert [checksums.etag_of(tmp_path / "x", tried) == etag for tried in candidates].count(True) == 1
    assert sizes in candidates


def test_the_etag_of_an_object_in_one_part_is_its_md5(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    etag = hashlib.md5(b"abc").hexdigest()
    assert list(checksums.part_sizes(etag, 3, None)) == [None]  # the server is not asked
    assert checksums.etag_of(tmp_path / "x") == etag


def test_sizes_that_the_server_tells_are_asked_for_only_as_far_as_is_needed():
    asked = []

    def size_of(number):
        asked.append(number)
        return [60, 60, 30][number - 1]

    sizes = checksums.part_sizes("0" * 32 + "-3", 150, size_of)
    assert next(sizes) == [60] * 3 and asked == [1]
    assert next(sizes) == [60, 60, 30] and asked == [1, 1, 2, 3]


@pytest.mark.parametrize(
    ("etag", "count"),
    [("0" * 32, 0), ("a" * 32 + "-7", 7), ("a" * 32 + "-0", None), ("5e4c2f3a-493e0", None), ("", None)],
)
def test_the_parts_of_an_object_are_counted_by_its_etag(etag, count):
    assert checksums.count_parts(etag) == count


def test_parts_that_do_not_add_up_to_the_object_are_an_error():
    with pytest.raises(checksums.CorruptError, match="2 parts"):
        list(checksums.part_sizes("0" * 32 + "-2", 100, lambda number: 30))


def test_the_sha256_of_a_file_is_checked_against_its_first_digits(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    right = hashlib.sha256(b"abc").hexdigest()
    assert checksums.sha256_of(tmp_path / "x") == checksums.sha256_of(tmp_path / "x", right[:10]) == right
    with pytest.raises(ValueError, match=right):
        checksums.sha256_of(tmp_path / "x", "00000000")
