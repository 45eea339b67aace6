"""Checksums of files and of the parts of objects."""

import hashlib

import numpy as np
import pytest

from codingaxes import checksums, downloads

MIB = 2**20


@pytest.mark.parametrize("size_of_part", [5 * MIB, 6 * MIB, 7 * MIB, 8 * MIB])
def test_a_uniform_part_size_is_found_among_those_that_fit(size_of_part):
    content = np.random.default_rng(9).bytes(20 * MIB)
    digest = checksums.Digest([size_of_part] * 10)
    digest.update(content)
    etag = digest.etag(multipart=True)
    md5s = [hashlib.md5(content[i : i + size_of_part]).digest() for i in range(0, len(content), size_of_part)]
    assert etag == f"{hashlib.md5(b''.join(md5s)).hexdigest()}-{len(md5s)}"
    found = []
    for layout in checksums.layouts(etag, len(content), lambda number: None):
        tried = checksums.Digest(layout)
        tried.update(content)
        found.append(tried.etag(multipart=True) == etag)
    assert sum(found) == 1


def test_parts_that_do_not_add_up_to_the_object_are_an_error():
    with pytest.raises(checksums.CorruptError, match="2 parts"):
        list(checksums.layouts("0" * 32 + "-2", 100, lambda number: 30))


def test_the_sha256_of_a_file_here_is_checked_against_its_first_digits(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    right = hashlib.sha256(b"abc").hexdigest()
    assert downloads.sha256_of(tmp_path / "x") == downloads.sha256_of(tmp_path / "x", right[:10]) == right
    with pytest.raises(ValueError, match=right):
        downloads.sha256_of(tmp_path / "x", "00000000")
