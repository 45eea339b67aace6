"""What is no file of weights is told from its first bytes, with what to do; files of weights are not."""

import gzip
import hashlib
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from codingaxes.networks import pickles, signatures, weights

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 102502400\n"
STAND_INS = {
    "Git LFS": (POINTER, "a pointer of Git LFS of a file of 102.5 MB; get .* git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s102--abc.pth\n", "a pointer of git-annex; .*git annex get"),
    "annex link": (b".git/annex/objects/Xk/9z/SHA256E-s102--abc/SHA256E-s102--abc", "pointer of git-annex"),
    "page": (
        b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>",
        r"a web page \(Sign in\); take the addr",
    ),
    "old page": (b"<HTML><body>Not found", "a web page; take the address of the file itself"),
    "page with a mark": (b"\xef\xbb\xbf<html>", "a web page"),
    "S3": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', r"answer in XML \(AccessDenied\)"),
    "error": (b'{"error": "Repository not found"}', r'JSON \(\{"error": "Repository not found"\}\)'),
    "index": (b'{\n "metadata": {}, "weight_map": {}}', "index of a network in several files"),
    "text": (b"Invalid username or password.", r"text \(Invalid username or password\.\); name the file"),
    "empty": (b"", "empty; get it again"),
    "zeros": (bytes(10_000), "nothing but zeros"),
}


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def arrays():
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(2))
    return stream.getvalue()


def torch_file():
    stream = io.BytesIO()
    torch.save({"a": torch.ones(100)}, stream)
    return stream.getvalue()


OTHERS = {
    "HDF5": (
        b"\x89HDF\r\n\x1a\n" + bytes(50),
        "an HDF5 file, as Keras writes them; convert it to safetensors",
    ),
    "npz": (arrays(), "numpy's arrays"),
    "numpy pickle": (pickle.dumps({"a": np.ones(3)}), "a pickle that torch.save did not write"),
    "gzip": (gzip.compress(torch_file()), "compressed by gzip; unpack it"),
    "Keras": (zipped(**{"config.json": "{}", "model.weights.h5": "x"}), "a network of Keras"),
    "another zip": (zipped(**{"run__best.pth": "x"}), "a zip with run/best.pth; unpack it"),
    "broken off": (torch_file()[:-200], "a zip that is cut off or damaged, as after a download that broke"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(20), "TensorFlow Lite"),
    "ONNX": (b"\x08\x08\x12\x07pytorch" + bytes(20), "a network of ONNX"),
    "GGUF": (b"GGUF\3\0\0\0" + bytes(20), "a GGUF file"),
    "safetensors broken off": (b"\xff\x10\0\0\0\0\0\0{" + bytes(20), "damaged safetensors file: it ends in"),
}


@pytest.mark.parametrize(("content", "meaning"), STAND_INS.values(), ids=STAND_INS)
def test_what_stands_in_for_weights_is_named_before_its_sha256_is_found_wrong(tmp_path, content, meaning):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    row = {"name": "mine", "sha256": "0" * 64}
    with pytest.raises(pickles.Unreadable, match=rf"network mine: .*w\.pth: no file of torch.*{meaning}"):
        weights.convert(path, row, tmp_path / "out.safetensors")
    with pytest.raises(pickles.Unreadable, match=meaning):
        weights.read(path)


@pytest.mark.parametrize(("content", "meaning"), OTHERS.values(), ids=OTHERS)
def test_another_format_is_named_with_what_to_do(tmp_path, content, meaning):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(
        pickles.Unreadable, match=rf"w\.pth: no file of torch or safetensors, but {meaning}|{meaning}"
    ):
        weights.read(path)
    assert signatures.stand_in(path) == ""


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_files_of_weights_are_taken_for_nothing_else(tmp_path, new):
    state = {"a": torch.zeros(3000), "b": torch.ones(2, 2)}
    torch.save(state, tmp_path / "w.pt", _use_new_zipfile_serialization=new)
    save_file(state, tmp_path / "w.safetensors")
    for path in tmp_path.iterdir():
        assert signatures.stand_in(path) == signatures.other_format(path) == ""
        assert torch.equal(weights.read(path)["b"], state["b"])


def test_of_ones_own_file_with_another_sha256_nobody_is_told_to_delete_it(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "mine.pth")
    digest = hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"the sha256 of .*mine.pth is {digest}, not 01234567") as error:
        weights.convert(tmp_path / "mine.pth", {"name": "mine", "sha256": "01234567"}, tmp_path / "out")
    assert "delete" not in str(error.value) and "write its sha256 there or leave that empty" in str(
        error.value
    )
