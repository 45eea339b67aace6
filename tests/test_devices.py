"""Tests of devices: which one is taken, batches that fit into memory, and cheaper precisions."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from planted_responses import kinked, rand

from codingaxes import devices


def test_batches_are_halved_when_memory_is_out_and_results_stay_the_same(caplog):
    sizes = []

    def work(x, y):
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError("no room")
        return x + y

    fitting = devices.Batches(10)
    x, y = torch.arange(10), torch.ones(10)
    with caplog.at_level("WARNING", logger="codingaxes"):
        assert torch.equal(torch.cat(fitting(work, x, y)), x + y)
    assert sizes == [10, 5, 3, 3, 3, 1]
    assert "going on with 3 images at once" in caplog.text
    assert torch.equal(torch.cat(fitting(work, x, y)), x + y) and sizes[6] == 3

    def hopeless(x):
        raise torch.OutOfMemoryError("no room at all")

    with pytest.raises(torch.OutOfMemoryError, match="no room at all"):
        fitting(hopeless, x)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is the C library of Linux")
def test_freed_memory_stays_with_the_process():
    code = """
import resource
from codingaxes import devices
for keep in (False, True):
    if keep:
        devices.keep_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        block = bytearray(8_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    scripts = Path(devices.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    without, kept = map(int, done.stdout.split())
    assert kept < without / 3, "pages were asked of the system again and again"


def test_cheaper_precisions_give_float32_responses_that_are_rounded_more():
    respond, images = kinked(hidden=200), rand(4, 3, 8, 8).float()
    rounded = devices.exploring(respond, "bfloat16")(images)
    assert rounded.dtype == torch.float32 and not torch.equal(rounded, respond(images))
    torch.testing.assert_close(rounded, respond(images), rtol=0.05, atol=0.5)
    assert torch.equal(devices.exploring(respond, "tf32")(images), respond(images))  # differs on CUDA alone
    assert devices.exploring(respond, "float32") is None
    with pytest.raises(ValueError, match="precision must be one of float32, tf32, bfloat16, not 'float8'"):
        devices.exploring(respond, "float8")


def test_a_gpu_that_is_not_there_is_an_error_not_a_cpu():
    assert devices.choose_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert devices.choose_device("auto") == torch.device("cpu")
        with pytest.raises(RuntimeError, match="device: cuda"):
            devices.choose_device("cuda")
