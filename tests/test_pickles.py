"""Torch files that were made to harm a reader: too large for memory, endless, or not what they show."""

import argparse
import io
import zipfile

import pytest
import torch

from codingaxes import checkpoints, pickles

TWICE = b"2\x86"  # duplicates what is on top and makes a pair of both


def pickled(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
    return path


def test_a_small_file_does_not_become_a_large_tensor(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(1).as_strided((4 * 10**9,), (0,)), "b": torch.ones(2).expand(3, 2)}, path)
    content = pickles.load(path)
    assert path.stat().st_size < 3000
    for name in "ab":
        with pytest.raises(pickles.Unreadable, match="asks for more than the"):
            content.tensor(content.value[name])


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (0, (2, 2), (3, 1)),
        (-1, (2,), (1,)),
        (0, (-2, -2), (1, 1)),
        (0, (2,), ()),
    ],
)
def test_a_tensor_lies_within_its_storage(offset, shape, stride):
    storage = pickles.Storage("0", torch.uint8, 4)
    content = pickles.Content(None, [], lambda storage: bytearray(4))
    with pytest.raises(pickles.Unreadable, match="a tensor"):
        content.tensor(pickles.Stored(storage, offset, shape, stride))
    assert content.tensor(pickles.Stored(storage, 1, (3,), (1,))).tolist() == [0, 0, 0]
    assert content.tensor(pickles.Stored(storage, 4, (0, 2), (2, 1))).shape == (0, 2)


def test_numbers_that_are_to_be_negated_are_not_taken_as_they_are(tmp_path):
    negative = torch.tensor([1 + 2j]).conj().imag
    assert negative.is_neg()
    torch.save({"a": negative, "plain": torch.ones(1)}, tmp_path / "w.pt")
    content = pickles.load(tmp_path / "w.pt")
    with pytest.raises(pickles.Unreadable, match="metadata"):
        content.tensor(content.value["a"])
    assert content.tensor(content.value["plain"]).tolist() == [1]
    torch.save({"model": {"a": negative}, "other": argparse.Namespace()}, tmp_path / "w.pt")
    with pytest.raises(pickles.Unreadable, match=r"w\.pt: a: a tensor has metadata"):
        checkpoints.read(tmp_path / "w.pt", "model", tolerant=True)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}K\x01" + TWICE * 60 + b"K\x01s.",  # the key of a dict
        b"\x80\x02K\x01" + TWICE * 60 + b"\x8c\x01a\x93.",  # the module of a name
        b"\x80\x02(\x8c\x07storagectorch\nFloatStorage\nK\x01" + TWICE * 60 + b"NK\x01tQ.",  # a storage
    ],
)
def test_keys_that_nest_without_end_are_refused_at_once(tmp_path, content):
    with pytest.raises(pickles.Unreadable, match="neither text nor a whole number but tuple"):
        pickles.load(pickled(tmp_path / "w.pt", content))


@pytest.mark.parametrize("key", [(1, 2), 0.5, None, b"a", torch.float32])
def test_keys_are_texts_and_whole_numbers(key):
    stream = io.BytesIO()
    torch.save({"a": {key: 1}}, stream)
    stream.seek(0)
    with pytest.raises(pickles.Unreadable, match="neither text nor a whole number"):
        pickles.load(stream)
