"""Tell from its first bytes what a file is that cannot be weights, or not in a format that is read here."""

import re
import zipfile
from pathlib import Path

HEAD = 4096  # bytes that are looked at
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's files of before 1.6 begin with this number
CONVERT = "convert it to safetensors where it comes from"
# what files begin with -> what they are
BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": f"an HDF5 file, as Keras writes them; {CONVERT}",
    b"\x93NUMPY": f"an array of numpy; {CONVERT}",
    b"GGUF": f"a GGUF file, whose weights are quantised; {CONVERT}",
    b"MATLAB ": f"a MAT-file; {CONVERT}",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ\0": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def stand_in(path):
    """Say what a file is that only stands in place of weights, as what a failed download leaves.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
        A part of a sentence, with the remedy; empty if the file is none of those.
    """
    head, size = _head(path)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = text[:200].lower()
    if not size:
        return "empty; get it again"
    if text.startswith(b"version https://git-lfs"):
        stated = re.search(rb"size (\d+)", text)
        amount = f" of a file of {int(stated[1]) / 1e6:.1f} MB" if stated else ""
        return f"a pointer of Git LFS{amount}; get the file itself with: git lfs pull"
    if size < HEAD and re.match(rb"(\S*/)?\.?(git/)?annex/objects/", text):
        return "a pointer of git-annex; get the file itself with: git annex get"
    if lower.startswith((b"<!doctype", b"<html", b"<head", b"<script")):
        title = re.search(rb"<title[^>]*>\s*([^<]{1,80})", text, re.I)
        said = f" ({title[1].decode('utf-8', 'replace').strip()})" if title else ""
        return f"a web page{said}; take the address of the file itself, not that of its page"
    if lower.startswith((b"<?xml", b"<error")):
        code = re.search(rb"<(?:code|message)>([^<]{1,80})", text, re.I)
        said = f" ({code[1].decode('utf-8', 'replace')})" if code else ""
        return f"a server's answer in XML{said}; check the address"
    if text.startswith((b'{"', b"{\n", b"{ ")):
        if b'"weight_map"' in text:
            return "the index of a network in several files of safetensors; join them into one file"
        return f"text in JSON ({_begun(text)}); name the file with the weights"
    if not head.strip(b"\0"):
        return f"nothing but zeros in its first {len(head)} bytes: a copy that was never filled; get it again"
    if re.fullmatch(rb"[\t\r\n\x20-\x7e]+", head):
        return f"text ({_begun(text)}); name the file with the weights"
    return ""


def other_format(path):
    """Say what the format of a file is, if it is known and neither torch's nor safetensors.

    Returns
    -------
    str
        A part of a sentence, with the remedy; empty if the format may be read here or is not known.
    """
    head, size = _head(path)
    for beginning, meaning in BEGINNINGS.items():
        if head.startswith(beginning):
            return meaning
    if head[4:8] == b"TFL3":
        return f"a network of TensorFlow Lite; {CONVERT}"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") + 8 > size:
        return f"a damaged safetensors file: it ends in its header, after {size} bytes; get it again"
    if head.startswith(b"PK"):
        return _zip(path)
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5") and not head.startswith(MAGIC[:8]):
        return f"a pickle that torch.save did not write, perhaps of numpy; {CONVERT}"
    if re.match(rb"\x08[\x01-\x14]\x12", head):
        return f"a network of ONNX; {CONVERT}"
    if re.match(rb"\x08[\x01-\x14]\x12|\n.{1,200}serve", head, re.S):
        return f"a network of TensorFlow; {CONVERT}"
    return ""


def _zip(path):
    """Say what a zip is that torch did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a zip that is cut off or damaged, as after a download that broke; get it again"
    last = {name.rpartition("/")[2] for name in names}
    if {"data.pkl", "constants.pkl"} & last:
        return ""
    if any(name.endswith(".npy") for name in last):
        return f"a file of numpy's arrays (npz); {CONVERT}"
    if {"model.weights.h5", "variables.h5"} & last:
        return f"a network of Keras; {CONVERT}"
    listed = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    return f"a zip with {listed or 'nothing in it'}; unpack it, and name the file with the weights"


def _head(path):
    with open(path, "rb") as file:
        return file.read(HEAD), Path(path).stat().st_size


def _begun(text):
    return " ".join(text[:60].decode("utf-8", "replace").split())
