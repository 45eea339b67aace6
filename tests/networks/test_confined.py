"""A foreign file is read within limits of memory and time; what exceeds them is refused by name."""

import json
import os
import pickle
import resource
import struct
import time

import pytest
import torch
from hostile import write

from codingaxes.networks import confined, pickles, weights


def pickled(tmp_path, content):
    """A torch file of before 1.6 with this pickle."""
    parts = [pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    path = tmp_path / "small.pt"
    path.write_bytes(b"".join([*parts, content, pickle.dumps([], 2)]))
    return path


def copies(length, times):
    """A pickle that encodes one text again and again: each call makes as many bytes as the text has."""
    text = b"X" + struct.pack("<I", length) + b"a" * length + b"q\x00"
    encode = b"c_codecs\nencode\nq\x01"
    call = b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R"
    return b"\x80\x02" + encode + b"0" + text + b"0](" + call * times + b"e."


def test_a_small_file_that_asks_for_gigabytes_is_refused_at_once_by_its_name(tmp_path):
    path, began = pickled(tmp_path, copies(200_000, 20_000)), time.monotonic()
    assert path.stat().st_size < 10**6
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(confined.Exceeded, match=r"small\.pt: reading it takes more than 5\d\d MB of memory"):
        weights.read(path)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # kB, of the largest child so far
    assert after <= max(before, own + confined.allowance(path.stat().st_size)[0] / 1024)
    assert time.monotonic() - began < 20


def test_the_same_calls_on_a_text_of_a_few_bytes_are_read(tmp_path):
    with pytest.raises(ValueError, match="expected a dict"):
        weights.read(pickled(tmp_path, copies(20, 20_000)))


def test_limits_hold_for_every_format_and_reader(tmp_path):
    path = pickled(tmp_path, copies(200_000, 20_000))
    row = {"name": "mine", "source": "checkpoint", "identifier": "torchvision:alexnet"}
    for form in ("plain", "robustness", "data_parallel"):
        with pytest.raises(confined.Exceeded, match=r"network mine: .*small\.pt"):
            weights.convert(path, row | {"format": form}, tmp_path / "w.safetensors")


def endless(path):
    while True:
        path = str(path)


def hungry(path):
    return {"a": torch.ones(10**9)}, []


def dying(path):
    os._exit(3)


def broken(path):
    raise KeyError("deep inside")


def many(path):
    return {str(number): torch.empty(0) for number in range(confined.TENSORS + 1)}, []


def grown(path):
    return {str(number): torch.ones(10_000) for number in range(10)}, []


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (endless, "more than 1 s of processor time"),
        (hungry, "more than 5.. MB of memory"),
        (dying, r"the process that read it ended \(3\)"),
        (many, "it has 100001 tensors, more than the 100000"),
        (grown, "its tensors have more numbers than the file"),
    ],
)
def test_whatever_the_reader_does_its_file_is_named(tmp_path, monkeypatch, reader, message):
    monkeypatch.setattr(confined, "SECONDS", 1)
    (tmp_path / "w.pt").write_bytes(b"x" * 100)
    with pytest.raises(confined.Exceeded, match=rf"w\.pt: .*{message}"):
        confined.tensors(reader, tmp_path / "w.pt")


def test_an_error_of_a_reader_is_the_same_error_outside(tmp_path):
    path = write({"a": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"w\.pt: KeyError: 'deep inside'"):
        confined.tensors(broken, path)
    path.write_bytes(path.read_bytes().replace(b"PK\3\4", b"PK\3\5", 1))
    with pytest.raises(pickles.Unreadable):
        weights.read(path)


def test_tensors_of_all_kinds_and_shapes_come_back_as_they_were_and_can_be_changed(tmp_path):
    base = torch.arange(12.0)
    state = {
        "whole": base,
        "turned": base.view(3, 4).T,
        "view": base[3:7],
        "number": torch.tensor(5),
        "empty": torch.empty(0, 3),
        "truth": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "complex": torch.tensor([1 + 2j]),
    }
    again = weights.read(write(state, tmp_path / "w.pt"))
    assert list(again) == list(state)
    for name, value in state.items():
        assert again[name].dtype == value.dtype and torch.equal(again[name], value)
    again["whole"][3] = 50
    assert again["view"][0] == 50  # they share memory, as in the file
    assert base[3] == 3


def test_a_large_file_is_read_whatever_the_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(confined, "MEMORY", 2**26)
    state = {str(number): torch.full((2**22,), float(number)) for number in range(16)}  # 256 MB
    again = weights.read(write(state, tmp_path / "w.pt"))
    assert all(torch.equal(again[name], value) for name, value in state.items())


def test_a_header_of_safetensors_with_a_hundred_thousand_names_is_refused_unread(tmp_path):
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"n{number}": entry for number in range(10**5)}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(confined.Exceeded, match=r"w\.safetensors: its header has .* MB"):
        weights.read(path)
    few = json.dumps({f"n{number}": entry for number in range(1000)}).encode()
    path.write_bytes(struct.pack("<Q", len(few)) + few)
    assert len(weights.read(path)) == 1000
