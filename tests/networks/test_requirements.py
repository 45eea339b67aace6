"""What networks need and a machine lacks is listed at once, before anything is downloaded."""

import shutil
import subprocess
from pathlib import Path

import pytest

from codingaxes import configuration
from codingaxes.networks import requirements

ROOT = Path(__file__).parents[2]
SCHEMA = configuration.read_schema(ROOT / "config/schemas", "networks")
TABLES = {
    name: list(configuration.read_networks(f"config/{name}.tsv", SCHEMA, here=ROOT, code=ROOT).values())
    for name in ("networks", "networks_crossed")
}


def row(source, identifier="x", **more):
    return {"name": source, "source": source, "identifier": identifier} | more


def test_the_tables_need_nothing_beyond_the_locked_packages():
    lock = (ROOT / "envs/torch.yaml").read_text().replace("pytorch", "torch")
    for rows in TABLES.values():
        packages = {package for row in rows for package in requirements.packages_of(row)}
        assert packages == {"torch", "torchvision", "timm"} and all(f"- {one} =" in lock for one in packages)
        assert requirements.missing(rows, installed=requirements.is_installed) == []


@pytest.mark.parametrize(
    ("about", "packages"),
    [
        (row("timm"), ("torch", "timm")),
        (row("checkpoint", "torchvision:resnet50"), ("torch", "torchvision")),
        (row("checkpoint", "adapter:nomic_vision?depth=2"), ("torch", "timm")),
        (row("checkpoint", "adapter:cornet_rt"), ("torch",)),
        (row("cornet", "CORnet_RT"), ("torch", "cornet")),
        (row("open_clip", "RN50"), ("torch", "open_clip")),
        (row("python", "mine.py:build"), ("torch",)),
        (row("zoo", "resnet"), ("torch",)),
    ],
)
def test_packages_of_a_row_are_those_that_build_it(about, packages):
    assert requirements.packages_of(about) == packages


def test_all_that_is_missing_stands_in_one_list_with_what_to_do():
    rows = [row("cornet"), row("open_clip"), row("timm", megabytes=600), row("torchvision", megabytes=5000)]
    installed = {"torch", "timm", "torchvision"}.__contains__
    lacks = requirements.missing(rows, installed=installed, free=10**10, gpu=4000.0)
    assert [text.partition(",")[0] for text in lacks] == [
        "package cornet",
        "package open_clip",
        "11.2 GB of disk for weights",
        "memory of a GPU for torchvision",
    ]
    assert "envs/hubs.yaml" in lacks[0] and "10.0 GB are free" in lacks[2] and "its 4.0 GB" in lacks[3]
    assert requirements.missing(rows, installed=bool, free=10**11, gpu=24_000.0) == []
    assert requirements.missing(rows) == []  # nothing could be measured
    assert requirements.missing([], installed=lambda package: False, free=0, gpu=0.0) == []


def test_sessions_of_nsd_count_as_disk_beside_weights():
    """Of 240 sessions 20 MB each are kept, and 2 GB, or of HDF5 5 GB, are whole at a time."""
    large = [row("timm", megabytes=1000)]
    (both,) = requirements.missing(large, free=8 * 10**9, sessions=240)
    assert both.startswith(
        "8.8 GB of disk for weights, each as published and converted; and for what is kept"
    )
    assert "240 sessions of NSD" in both and "8.0 GB are free" in both
    (alone,) = requirements.missing([], free=9 * 10**9, sessions=240, form="hdf5")
    assert alone.startswith("9.8 GB of disk for what is kept of 240 sessions") and "weights" not in alone
    assert requirements.missing(large, free=9 * 10**9, sessions=240) == []


def test_the_largest_gpu_counts_and_without_a_driver_none_does(monkeypatch, tmp_path):
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "8192\n81559\n")
    )
    assert requirements.gpu_memory() == 81559
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "No devices\n")
    )
    assert requirements.gpu_memory() is None
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requirements.gpu_memory() is None
    assert requirements.free_disk(tmp_path) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
