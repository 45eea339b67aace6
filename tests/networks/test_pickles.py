"""Torch files are read as torch reads them; those made to harm a reader are refused at once and never run."""

import argparse
import collections
import contextlib
import copyreg
import io
import os
import pickle
import random
import tarfile
import time
import tracemalloc
import zipfile

import pytest
import torch
from hostile import Evil, evils, write
from torch import nn

from codingaxes.networks import pickles, weights

ZIP_OR_LEGACY = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
KINDS = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
}
TWICE = b"2\x86"  # duplicates what is on top and makes a pair of both


class Rebuilt:
    """Pickle a call of torch's function that makes a tensor of a storage."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return torch._utils._rebuild_tensor, self.arguments


class PointedTo:
    """Pickle an identity of something that lies outside of the pickle."""

    def __init__(self, *identity):
        self.identity = identity


class Pickler(pickle.Pickler):
    def persistent_id(self, item):
        return item.identity if isinstance(item, PointedTo) else None


def pickled(content):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(content)
    return stream.getvalue()


def storage(length=4, key="0"):
    return PointedTo("storage", torch.ByteStorage, key, "cpu", length)


def zipped(path, content, compression=zipfile.ZIP_STORED, **members):
    """Write a torch file whose pickle has this content, with one storage of four bytes."""
    members = {"data.pkl": content, "version": "3\n", "data/0": bytes(4)} | members
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, part in members.items():
            file.writestr(f"archive/{name}", part)
    return path


def memoised(levels=60):
    """Make a tuple of tuples, each of twice the one before, without an instruction that duplicates."""
    pairs = [b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(levels)]
    return b"(K\x01q\x00" + b"".join(pairs) + b"t"


@ZIP_OR_LEGACY
def test_tensors_are_those_that_torch_reads_in_either_container(tmp_path, new):
    shared = torch.arange(24.0).reshape(4, 6)
    content = collections.OrderedDict(
        whole=shared,
        view=shared[1:, ::2],
        turned=shared.T,
        none=torch.empty(0, 3),
        number=torch.tensor(7),
        learned=nn.Parameter(torch.randn(2, 2)),
        **{str(dtype)[6:]: torch.tensor([0, 1, 3]).to(dtype) for dtype in KINDS},
    )
    path = write(content, tmp_path / "w.pt", new)
    tensors, foreign = pickles.load(path)
    assert foreign == [] and list(tensors) == list(content)
    for name, expected in torch.load(path, weights_only=True).items():
        assert tensors[name].dtype == expected.dtype and torch.equal(tensors[name], expected)
        assert type(tensors[name]) is torch.Tensor and not tensors[name].requires_grad


@ZIP_OR_LEGACY
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_beside_the_tensors_are_read_as_they_were(tmp_path, protocol, new):
    content = {
        "epoch": 3,
        "best": 0.25,
        "name": "é",
        "nothing": None,
        "yes": True,
        "raw": b"\0\xff",
        "no": -(2**70),
    }
    content |= {"nested": {"list": [1, (2, 3)], 5: "five"}, "long": tuple(range(5)), "empty": [[], (), {}]}
    content |= {"size": torch.Size([2, 3]), "tensor": torch.ones(1)}
    path = tmp_path / "w.pt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    assert pickles.load(path) == (content, [])


def test_a_set_is_a_list_and_kinds_of_numbers_and_devices_are_their_names(tmp_path):
    content = {"set": {3}, "none": set(), "kind": torch.float16, "device": torch.device("cpu")}
    value, foreign = pickles.load(write(content, tmp_path / "w.pt"))
    assert foreign == [] and value["set"] == [3] and value["none"] == []
    assert value["kind"].text == "torch.float16" and value["device"].text == "torch.device"


class Stateful(list):
    """A class of one's own: a list with attributes, which `__setstate__` sets."""

    def __setstate__(self, state):
        raise AssertionError("a method of the file's object ran")


@ZIP_OR_LEGACY
@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_of_all_kinds_become_their_names_without_a_call(tmp_path, protocol, new):
    stateful = Stateful([1, 2])
    stateful.more = 3
    content = {
        "queue": collections.deque([1, 2, 3]),
        "default": collections.defaultdict(list, {"a": [1]}),
        "space": argparse.Namespace(eps=3),
        "own": stateful,
        "after": 5,
    }
    path = tmp_path / "w.pt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    value, foreign = pickles.load(path)
    names = ["collections.deque", "collections.defaultdict", "argparse.Namespace"]
    assert [name for name in foreign if name in names] == names
    assert [value[key].text for key in ("queue", "default", "space")] == names
    assert value["own"].text.endswith("Stateful") and value["after"] == 5


def test_a_damaged_file_is_an_error_of_one_kind_and_never_runs(tmp_path):
    draw, marker = random.Random(0), tmp_path / "ran"
    content = {"a": torch.ones(2), "b": [Evil(os.system, f"touch {marker}")]}
    for new in (True, False):
        whole = write(content, tmp_path / "w.pt", new).read_bytes()
        for trial in range(300):
            part = bytearray(whole if trial % 3 else whole[: draw.randrange(len(whole))])
            for _ in range(trial % 3):
                part[draw.randrange(min(len(part), 400))] = draw.randrange(256)
            (tmp_path / "d.pt").write_bytes(part)
            with contextlib.suppress(pickles.Unreadable):
                assert isinstance(pickles.load(tmp_path / "d.pt")[1], list)
    assert not marker.exists()


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        pickles.load(tmp_path / "absent.pt")


@ZIP_OR_LEGACY
def test_a_small_file_does_not_become_a_large_tensor(tmp_path, new):
    for tensor in (torch.ones(1).as_strided((4 * 10**9,), (0,)), torch.ones(2).expand(3, 2)):
        path = write({"a": tensor}, tmp_path / "w.pt", new)
        assert path.stat().st_size < 3000
        with pytest.raises(pickles.Unreadable, match="asks for more than the"):
            pickles.load(path)


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (0, (2, 2), (3, 1)),
        (-1, (2,), (1,)),
        (0, (-2, -2), (1, 1)),
        (0, (2,), (-1,)),
        (0, (2,), ()),
        (0, ((2,),), (1,)),
        (0, (0.5,), (1,)),
        (2**70, (1,), (1,)),
        (0, (2**40,) * 4, (0,) * 4),
    ],
)
def test_a_tensor_lies_within_its_storage(tmp_path, offset, shape, stride):
    path = zipped(tmp_path / "w.pt", pickled({"a": Rebuilt(storage(), offset, shape, stride)}))
    with pytest.raises(pickles.Unreadable):
        pickles.load(path)


def test_a_tensor_at_the_edge_of_its_storage_is_read(tmp_path):
    content = {"a": Rebuilt(storage(), 1, (3,), (1,)), "b": Rebuilt(storage(), 4, (0, 2), (2, 1))}
    tensors, foreign = pickles.load(zipped(tmp_path / "w.pt", pickled(content)))
    assert tensors["a"].tolist() == [0, 0, 0] and tensors["b"].shape == (0, 2) and foreign == []


@pytest.mark.parametrize("length", [5, 3, 2**40, -1])
def test_a_storage_is_as_long_as_the_file_has_bytes_for_it(tmp_path, length):
    path = zipped(tmp_path / "w.pt", pickled({"a": Rebuilt(storage(length), 0, (1,), (1,))}))
    with pytest.raises(pickles.Unreadable, match=r"record size|larger than the file"):
        pickles.load(path)


def test_numbers_that_are_to_be_negated_are_not_taken_as_they_are(tmp_path):
    negative = torch.tensor([1 + 2j]).conj().imag
    assert negative.is_neg()
    for content in ({"a": negative}, {"model": {"a": negative}, "other": argparse.Namespace()}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(pickles.Unreadable, match=r"w\.pt: a tensor has metadata"):
            pickles.load(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}K\x01" + TWICE * 60 + b"K\x01s.",  # the key of a dict
        b"\x80\x02}" + memoised() + b"K\x01s.",
        b"\x80\x02}(" + memoised() + b"K\x01u.",
        b"\x80\x02(" + memoised() + b"K\x01d.",
        b"\x80\x02ccollections\nOrderedDict\n(((" + memoised() + b"K\x01tttR.",
        b"\x80\x02(\x8c\x07storagectorch\nFloatStorage\n"
        + memoised()
        + b"NK\x01tQ.",  # the name of a storage
        b"\x80\x02(\x8c\x07storagectorch\nFloatStorage\nK\x01" + TWICE * 60 + b"NK\x01tQ.",
        b"\x80\x02K\x01" + TWICE * 60 + b"\x8c\x01a\x93.",  # the module of a name
    ],
)
def test_keys_and_names_that_nest_without_end_are_refused_at_once(tmp_path, content):
    path, began = zipped(tmp_path / "w.pt", content), time.monotonic()
    with pytest.raises(pickles.Unreadable, match=r"neither text nor a whole number but tuple|requires str"):
        weights.read(path, tolerant=True)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8f(" + memoised() + b"\x90.",  # items of a set
        b"\x80\x04(" + memoised() + b"\x91.",  # of a frozen one
        b"\x80\x02cbuiltins\nset\n((" + memoised() + b"ttR.",
        b"\x80\x02ctorch\nSize\n((" + memoised() + b"ttR.",
    ],
)
def test_sets_that_nest_without_end_are_read_at_once(tmp_path, content):
    began = time.monotonic()
    assert isinstance(pickles.load(zipped(tmp_path / "w.pt", content))[0], list | tuple)
    assert time.monotonic() - began < 1


def test_the_pickles_around_those_of_a_legacy_file_are_held_to_their_form(tmp_path):
    parts = [
        pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, [])
    ]
    nested = b"\x80\x02K\x01" + TWICE * 60 + b"."
    (tmp_path / "w.pt").write_bytes(b"".join(parts))
    assert pickles.load(tmp_path / "w.pt") == ({}, [])
    for place in (0, 1, 2, 4):
        changed = [*parts[:place], nested, *parts[place + 1 :]]
        (tmp_path / "w.pt").write_bytes(b"".join(changed))
        with pytest.raises(pickles.Unreadable):
            pickles.load(tmp_path / "w.pt")


def test_a_legacy_file_fills_every_storage_that_it_uses(tmp_path):
    path = write({"a": torch.ones(4)}, tmp_path / "w.pt", new=False)
    whole = path.read_bytes()
    end = whole.rindex(b"\x80\x02]")
    path.write_bytes(whole[:end] + pickle.dumps([], 2))
    with pytest.raises(pickles.Unreadable, match="not those that it lists"):
        pickles.load(path)


@pytest.mark.parametrize("key", [(1, 2), 0.5, None, b"a", torch.float32])
def test_keys_are_texts_and_whole_numbers(tmp_path, key):
    with pytest.raises(pickles.Unreadable, match="neither text nor a whole number"):
        pickles.load(write({"a": {key: 1}}, tmp_path / "w.pt"))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r\xff\xff\xff\x1f.",  # number of a memo
        b"\x80\x05\x96\x00\x00\x00\x00\x01\x00\x00\x00.",  # an array of bytes
        b"\x80\x05\x8e\x00\x00\x00\x00\x01\x00\x00\x00.",  # bytes
        b"\x80\x05\x8d\x00\x00\x00\x00\x01\x00\x00\x00.",  # text
        b"\x80\x05\x95\x00\x00\x00\x00\x01\x00\x00\x00.",  # a frame
    ],
)
def test_a_large_number_in_a_small_file_takes_no_memory(tmp_path, content):
    path = zipped(tmp_path / "w.pt", content)
    tracemalloc.start()
    with contextlib.suppress(pickles.Unreadable):
        pickles.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_zip_that_unfolds_to_more_than_its_size_is_refused(tmp_path):
    content = pickled({"a": "a" * 10**6})
    path = zipped(tmp_path / "w.pt", content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**4
    with pytest.raises(pickles.Unreadable, match="the zip is compressed"):
        pickles.load(path)


def test_an_archive_of_code_is_refused_also_if_it_looks_like_weights(tmp_path):
    path = zipped(tmp_path / "w.pt", pickled({}), **{"constants.pkl": pickled(())})
    with pytest.raises(pickles.Unreadable, match="TorchScript"):
        pickles.load(path)


def test_a_tar_archive_is_refused_also_if_it_begins_like_a_torch_file(tmp_path):
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2).decode("latin1")
    for first in ("storages", magic):
        with tarfile.open(tmp_path / "w.pt", "w", encoding="latin1") as archive:
            for name in (first, "storages", "tensors", "pickle"):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
                archive.addfile(member)
        with pytest.raises(pickles.Unreadable, match="tar archive"):
            pickles.load(tmp_path / "w.pt")


def test_what_is_not_called_is_refused_or_inert(tmp_path):
    contents = {
        "a tensor": b"\x80\x02" + pickled(Rebuilt(storage(), 0, (1,), (1,)))[2:-1] + b")R.",
        "a text": b"\x80\x02\x8c\x01a)R.",
        "a number": b"\x80\x02K\x01)R.",
        "an extension of the process": b"\x80\x02\x82\xf0\x8c\x04true\x85R.",
    }
    copyreg.add_extension("os", "system", 240)
    try:
        for content in contents.values():
            with pytest.raises(pickles.Unreadable):
                pickles.load(zipped(tmp_path / "w.pt", content))
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_attributes_are_not_set_on_anything_in_the_file(tmp_path):
    content = b"\x80\x02ccollections\nOrderedDict\n)R}\x8c\x04keysK\x01sb."
    value, _ = pickles.load(zipped(tmp_path / "w.pt", content))
    assert type(value) is dict and value == {}
    tensor = pickled(Rebuilt(storage(), 0, (4,), (1,)))[2:-1]
    state = pickled((storage(), 0, (1,), (1,)))[2:-1].replace(b"q\x00", b"").replace(b"q\x01", b"")
    for reset in (state, b"}\x8c\x04dataK\x01s"):
        tensor_again, _ = pickles.load(zipped(tmp_path / "w.pt", b"\x80\x02" + tensor + reset + b"b."))
        assert tensor_again.shape == (4,)


def test_a_whole_module_in_an_old_file_leaves_no_file_of_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(nn.Linear(2, 2), tmp_path / "w.pt", new=False)
    value, foreign = pickles.load(path)
    assert "torch.nn.modules.linear.Linear" in foreign and isinstance(value, pickles.Foreign)
    # torch compares the source of a module with that in the file, and writes the difference beside it if the
    # class has the attribute dump_patches
    patched = (
        b"(\x8c\x06modulecjson.decoder\nJSONDecoder\n(N}\x8c\x0cdump_patches\x88stb\x8c\x01f\x8c\x01stQ."
    )
    parts = [pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {}, [])]
    path.write_bytes(b"".join([*parts[:3], b"\x80\x02" + patched, parts[3]]))
    assert pickles.load(path)[1] == ["json.decoder.JSONDecoder", "an object that the pickle only points to"]
    assert list(tmp_path.iterdir()) == [path]


@ZIP_OR_LEGACY
@pytest.mark.parametrize("name", list(evils("")))
def test_a_file_that_would_run_something_is_read_with_its_name_and_does_not_run(tmp_path, name, new):
    marker = tmp_path / "ran"
    path = write({"a": torch.ones(2), "nested": [{"deep": evils(marker)[name]}]}, tmp_path / "w.pt", new)
    value, foreign = pickles.load(path)
    assert name in foreign and value["nested"] == [{"deep": pickles.Foreign(name)}]
    assert torch.equal(value["a"], torch.ones(2)) and not marker.exists()


def test_the_files_of_these_tests_would_run_if_they_were_unpickled(tmp_path):
    for name in ("posix.system", "builtins.exec"):
        marker = tmp_path / name
        path = write({"evil": evils(marker)[name]}, tmp_path / "w.pt")
        torch.load(path, weights_only=False)
        assert marker.exists()
